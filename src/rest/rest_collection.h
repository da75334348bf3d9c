/*
 * rest_collection: collections in JSON.
 *
 *      {"name": "docs", "dimension": 384, "metric": "cosine", "index_type": "HNSW",
 *       "storage": "balanced", "filterable": {"price": "double", "tags": "string_array"}}
 *
 * To create one, "name" and "dimension" are needed, and "exist_ok" and
 * "index_memory" may be given. What an answer has
 * besides stands in docs/REST.md. The functions that read are declared in rest_request.h.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_COLLECTION_H
#define PX_REST_REST_COLLECTION_H

#include "base/buffer.h"

#include <proximadb.h>

/* Appends one as a JSON object. */
void px_rest_collection_write(struct px_buffer *buffer,
                              const struct proximadb_collection_info *info);

#endif /* PX_REST_REST_COLLECTION_H */
