/*
 * request: what clients ask for besides rows to write: DeleteBatch, GetRequest, SearchRequest,
 * ScanRequest, CountRequest and CompactRequest, decoded and checked against every limit.
 *
 * Each function takes the datum, that is, the payload without its header (px_payload_expect()). The
 * datum and the arena are kept: what is decoded lives as long as both. A filter is not parsed here.
 *
 * All fail with PROXIMADB_INVALID, where the error's row_index is the index of the id or the query
 * that it is about, or with PROXIMADB_NO_MEMORY; px_search_request_decode() also with
 * PROXIMADB_DIMENSION.
 *
 * Threads: any thread.
 */
#ifndef PX_PAYLOAD_REQUEST_H
#define PX_PAYLOAD_REQUEST_H

#include "payload/batch.h"

enum {
    PX_MOST_HITS = 10000,          /* k of a search */
    PX_MOST_QUERIES = 100000,      /* of one search */
    PX_MOST_HITS_OF_ALL = 1000000, /* k times the queries of one search */
    PX_MOST_EF = 10000,
    PX_MOST_NPROBE = 65536,
    PX_MOST_GET_IDS = 10000,
    PX_MOST_DELETED_IDS = 100000, /* of one delete, and of an entry of the log */
    PX_MOST_SCAN_ROWS = 10000,    /* batch_size of a scan */
};

struct px_id {
    struct px_slice text;
    uint64_t hash; /* px_hash_memory() of it */
};

struct px_id_list {
    const struct px_id *items; /* in the client's order; an id may occur twice */
    uint32_t count;
};

struct px_filter_text {
    bool present;           /* false: every row */
    struct px_slice text;   /* UTF-8, at most PX_FILTER_LARGEST_BYTES */
    struct px_slice params; /* canonical metadata; empty where there is no filter */
};

struct px_delete_batch {
    uint8_t request_id[PX_REQUEST_ID_BYTES];
    struct px_id_list ids; /* empty if there is a filter, otherwise not */
    struct px_filter_text filter;
};

struct px_get_request {
    struct px_id_list ids; /* at most PX_MOST_GET_IDS; may be empty */
    bool include_vectors;
};

struct px_search_request {
    const float *queries; /* query_count * dim_count, row by row, 64-byte aligned */
    uint32_t query_count; /* 1 to PX_MOST_QUERIES */
    uint32_t k;           /* 1 to PX_MOST_HITS */
    struct px_filter_text filter;
    bool include_vectors;
    bool include_metadata;
    uint32_t ef;     /* 0: the engine chooses */
    uint32_t nprobe; /* likewise */
    bool exact;
    double target_recall; /* 0: likewise */
};

struct px_scan_request {
    struct px_filter_text filter;
    uint32_t batch_size; /* 1 to PX_MOST_SCAN_ROWS */
    bool include_vectors;
    bool has_cursor;
    struct px_slice cursor; /* as the client sent it */
};

struct px_count_request {
    struct px_filter_text filter;
};

struct px_compact_request {
    uint32_t cluster_count; /* 0: the engine chooses */
};

PX_MUST_CHECK int px_delete_batch_decode(struct px_slice datum, struct px_arena *arena,
                                         struct px_delete_batch *ret_batch,
                                         struct proximadb_error *reterr);

PX_MUST_CHECK int px_get_request_decode(struct px_slice datum, struct px_arena *arena,
                                        struct px_get_request *ret_request,
                                        struct proximadb_error *reterr);

/* Queries are checked like vectors to be written, by the rules of `collection` (borrowed). */
PX_MUST_CHECK int px_search_request_decode(struct px_slice datum,
                                           const struct px_collection *collection,
                                           struct px_arena *arena,
                                           struct px_search_request *ret_request,
                                           struct proximadb_error *reterr);

PX_MUST_CHECK int px_scan_request_decode(struct px_slice datum, struct px_arena *arena,
                                         struct px_scan_request *ret_request,
                                         struct proximadb_error *reterr);

PX_MUST_CHECK int px_count_request_decode(struct px_slice datum, struct px_arena *arena,
                                          struct px_count_request *ret_request,
                                          struct proximadb_error *reterr);

PX_MUST_CHECK int px_compact_request_decode(struct px_slice datum,
                                            struct px_compact_request *ret_request,
                                            struct proximadb_error *reterr);

#endif /* PX_PAYLOAD_REQUEST_H */
