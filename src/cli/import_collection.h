/*
 * import_collection: the collection that an import writes to: it is there and as the flags say, or
 * it is made.
 *
 * Threads: one.
 */
#ifndef PX_CLI_IMPORT_COLLECTION_H
#define PX_CLI_IMPORT_COLLECTION_H

#include "cli/flags.h"

enum { PX_IMPORT_FIELD_NAME_BYTES = 65 };

struct px_import_collection {
    const char *data_dir;
    bool create;
    struct proximadb_collection_spec spec; /* wanted; dim_count 0: that of the first vector */

    /* Which of it must hold for a collection that is there, too. */
    bool has_metric, has_index_type, has_storage, has_layout;

    bool was_made;
    struct proximadb_filterable fields[PX_MOST_TEXTS];
    char names[PX_MOST_TEXTS][PX_IMPORT_FIELD_NAME_BYTES];
};

/* Fills in the fields from "NAME:TYPE". PROXIMADB_INVALID */
PX_MUST_CHECK int px_import_collection_fields(struct px_import_collection *collection,
                                              const struct px_texts *texts,
                                              struct proximadb_error *reterr);

/* Before the folder is opened, which makes it: PROXIMADB_COLLECTION_NOT_FOUND where there is no
 * data folder and nothing may be made. */
PX_MUST_CHECK int px_import_collection_look(const struct px_import_collection *collection,
                                            struct proximadb_error *reterr);

/* Makes the collection, if there is none and it was asked for, or holds it against what was asked
 * for. PROXIMADB_INVALID (it differs), PROXIMADB_COLLECTION_NOT_FOUND, what the engine says */
PX_MUST_CHECK int px_import_collection_need(struct px_import_collection *collection, proximadb *db,
                                            size_t dim_count, struct proximadb_error *reterr);

/* Deletes it if it was made here. */
void px_import_collection_undo(struct px_import_collection *collection, proximadb *db);

#endif /* PX_CLI_IMPORT_COLLECTION_H */
