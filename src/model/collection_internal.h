/*
 * collection_internal: the rules of a collection, which hold for what a client asks for and for
 * what a file says.
 */
#ifndef PX_MODEL_COLLECTION_INTERNAL_H
#define PX_MODEL_COLLECTION_INTERNAL_H

#include "model/collection.h"

/* PROXIMADB_INVALID with the rule. */
PX_MUST_CHECK int px_collection__validate_dim_count(uint64_t dim_count,
                                                    struct proximadb_error *reterr);

/* PROXIMADB_INVALID: no such profile or layout, or two that do not go together. */
PX_MUST_CHECK int px_collection__validate_storage(int storage, int layout,
                                                  struct proximadb_error *reterr);

/* Fills in a field, without its id. PROXIMADB_INVALID for a name or a type outside the rules. */
PX_MUST_CHECK int px_collection__field_init(struct px_field *field, struct px_slice name, int type,
                                            struct proximadb_error *reterr);

/* Gives the collection these fields, at most PX_MOST_FIELDS, sorted. PROXIMADB_INVALID where two
 * have the same name; nothing is changed then. */
PX_MUST_CHECK int px_collection__put_fields(struct px_collection *collection,
                                            const struct px_field *fields, size_t field_count,
                                            struct proximadb_error *reterr);

#endif /* PX_MODEL_COLLECTION_INTERNAL_H */
