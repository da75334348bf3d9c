/*
 * collection_request: what clients ask of the catalogue: CollectionSpec and CollectionChange.
 *
 * Words are turned into enums and strings are copied with a NUL behind them. Whether the whole
 * makes a collection (the rules on names, on the dimension, on the number of fields) is
 * px_collection_init()'s to say.
 *
 * Threads: any thread.
 */
#ifndef PX_PAYLOAD_COLLECTION_REQUEST_H
#define PX_PAYLOAD_COLLECTION_REQUEST_H

#include "base/arena.h"
#include "base/error.h"

/* Decodes the datum of a CollectionSpec; what ret_spec points to lies in `arena`. An empty metric,
 * index_type, storage, layout or index_memory means cosine, HNSW, balanced, compressed or lean.
 * PROXIMADB_INVALID, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_collection_spec_decode(struct px_slice datum, struct px_arena *arena,
                                            struct proximadb_collection_spec *ret_spec,
                                            struct proximadb_error *reterr);

struct px_collection_change {
    const struct proximadb_filterable *filterable; /* the whole new list */
    size_t filterable_count;
};

/* Decodes the datum of a CollectionChange, likewise. */
PX_MUST_CHECK int px_collection_change_decode(struct px_slice datum, struct px_arena *arena,
                                              struct px_collection_change *ret_change,
                                              struct proximadb_error *reterr);

/* Decodes the datum of a RebuildIndexRequest: an enum proximadb_index_memory, or -1 where there is
 * none. PROXIMADB_INVALID */
PX_MUST_CHECK int px_rebuild_index_request_decode(struct px_slice datum, int *ret_index_memory,
                                                  struct proximadb_error *reterr);

#endif /* PX_PAYLOAD_COLLECTION_REQUEST_H */
