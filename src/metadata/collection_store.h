/*
 * collection_store: the files metadata/collections/NAME.json, which say what collections there are.
 *
 * The JSON is the commit point of a collection: it is put when everything else of the collection is
 * on the device, and taken away before anything else is. Each is replaced as a whole.
 *
 * Threads: any thread, for different names.
 */
#ifndef PX_METADATA_COLLECTION_STORE_H
#define PX_METADATA_COLLECTION_STORE_H

#include "metadata/data_folder.h"
#include "model/collection.h"

/* Writes the description of a collection. As px_file_replace(). */
PX_MUST_CHECK int px_collection_store_put(struct px_data_folder *folder,
                                          const struct px_collection *collection,
                                          struct proximadb_error *reterr);

/* Takes a collection away, for good once it returns. A missing one is fine. PROXIMADB_IO: it is
 * still there; or, with *ret_unsure (may be NULL), gone, but a power cut may bring it back. */
PX_MUST_CHECK int px_collection_store_remove(struct px_data_folder *folder, const char *name,
                                             bool *ret_unsure, struct proximadb_error *reterr);

/* A file NAME.json. */
struct px_found_collection {
    const char *name;
    const struct px_collection *collection; /* NULL: the file cannot be used, */
    const struct proximadb_error *damage;   /*   and why: a sentence that names it */
};

/* Receives a collection; a failure ends the walk with it. */
typedef int px_collection_visit(void *context, const struct px_found_collection *found,
                                struct proximadb_error *reterr);

/* Reads all collections, by name. A file that cannot be used is left alone, and no failure: the
 * others must still be served. */
PX_MUST_CHECK int px_collection_store_load(struct px_data_folder *folder,
                                           px_collection_visit *visit, void *context,
                                           struct proximadb_error *reterr);

/* Reads the collection of metadata/collections/file_name, "NAME.json". PROXIMADB_IO (os_errno
 * ENOENT where there is none), PROXIMADB_NO_MEMORY; and as px_collection_from_json(). */
PX_MUST_CHECK int px_collection_store_read(struct px_data_folder *folder, const char *file_name,
                                           struct px_collection *ret_collection,
                                           struct proximadb_error *reterr);

/* Whether NAME.json exists, readable or not. */
bool px_collection_store_has(struct px_data_folder *folder, const char *name);

#endif /* PX_METADATA_COLLECTION_STORE_H */
