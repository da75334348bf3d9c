/*
 * rest_request: bodies and query parameters as payloads of the engine.
 *
 * There is one function per kind of request; the router's table names it. Members have the names
 * that the Python client has for its arguments, and the same defaults. What is checked by
 * proximadb_encode_*() or by the engine is not checked here, so that REST and gRPC refuse the same
 * things with the same words.
 *
 * Errors: PROXIMADB_INVALID with a sentence that names the member, PROXIMADB_RESOURCE_EXHAUSTED (a
 * body with millions of values), PROXIMADB_NO_MEMORY.
 *
 * Threads: any thread; a request belongs to one at a time.
 */
#ifndef PX_REST_REST_REQUEST_H
#define PX_REST_REST_REQUEST_H

#include "rest/rest_floats.h"

#include <proximadb.h>

enum { PX_REST_REQUEST_ID_BYTES = 16, PX_REST_LONGEST_NAME_BYTES = 128 };

/* What the answer is to look like. */
struct px_rest_shape {
    bool is_single; /* a search with one query: one list of hits, not a list of lists */
    bool include_metadata;
    enum px_rest_vector_format vectors;
    bool may_exist; /* a creation that an equal collection satisfies */
};

struct px_rest_request {
    int operation;     /* enum proximadb_operation */
    size_t name_bytes; /* of the collection: from the path or, to create one, from the body */
    char name[PX_REST_LONGEST_NAME_BYTES];
    struct px_slice body;  /* borrowed while it is decoded; empty: none */
    struct px_slice query; /* likewise: what stands behind the '?' */
    bool has_request_id;
    uint8_t request_id[PX_REST_REQUEST_ID_BYTES]; /* of a write, from Idempotency-Key */

    /* Filled in by decoding: */
    struct proximadb_buffer payload; /* taken by whoever decoded */
    struct px_rest_shape shape;
};

typedef int px_rest_decode(struct px_rest_request *request, struct proximadb_error *reterr);

px_rest_decode px_rest_decode_nothing;       /* no payload: list, get, delete, flush */
px_rest_decode px_rest_decode_create;        /* rest_collection.c */
px_rest_decode px_rest_decode_change;        /* rest_collection.c */
px_rest_decode px_rest_decode_rebuild_index; /* likewise */
px_rest_decode px_rest_decode_rows;          /* insert, upsert, update */
px_rest_decode px_rest_decode_get;
px_rest_decode px_rest_decode_delete;
px_rest_decode px_rest_decode_search;
px_rest_decode px_rest_decode_scan;
px_rest_decode px_rest_decode_count;       /* of a body */
px_rest_decode px_rest_decode_count_query; /* of query parameters */
px_rest_decode px_rest_decode_compact;

/* Parses a body, which must be there, as one JSON document; free with yyjson_doc_free().
 * Errors as above. */
PX_MUST_CHECK int px_rest_body_parse(struct px_slice body, yyjson_doc **ret_doc,
                                     struct proximadb_error *reterr);

#endif /* PX_REST_REST_REQUEST_H */
