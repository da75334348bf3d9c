/*
 * methods_internal: how the methods of the service are taken apart and put together.
 *
 * decode reads a protobuf message (borrowed) into a struct px_rpc_request; PROXIMADB_INVALID and a
 * sentence where it cannot. encode makes the answer's message of the engine's response: the bytes
 * of `head`, then those of `body`. What encode takes of the response it zeroes.
 *
 * Memory: neither keeps anything; see the members.
 */
#ifndef PX_RPC_METHODS_INTERNAL_H
#define PX_RPC_METHODS_INTERNAL_H

#include "base/error.h"
#include "base/slice.h"

#include <proximadb.h>

enum { PX_RPC_HEAD_BYTES = 64 }; /* four varint fields, or the head of a bytes field */

struct px_rpc_request {
    int operation;                 /* enum proximadb_operation */
    struct px_slice collection;    /* a view into the message */
    struct px_slice payload;       /* likewise, where `built` is empty */
    struct proximadb_buffer built; /* a payload of its own: released by whoever asked */
};

struct px_rpc_reply {
    uint8_t head[PX_RPC_HEAD_BYTES];
    size_t head_bytes;
    struct proximadb_buffer body; /* released by whoever asked */
};

typedef int px_rpc_decode(struct px_slice message, struct px_rpc_request *request,
                          struct proximadb_error *reterr);
typedef int px_rpc_encode(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                          struct proximadb_error *reterr);

/* row_methods.c: insert, mutation, search, get, scan, count */
px_rpc_decode px_rpc__decode_insert;
px_rpc_decode px_rpc__decode_mutation;
px_rpc_decode px_rpc__decode_search;
px_rpc_decode px_rpc__decode_get;
px_rpc_decode px_rpc__decode_scan;
px_rpc_decode px_rpc__decode_count;
px_rpc_encode px_rpc__encode_payload; /* the response as field 1, whatever it is */
px_rpc_encode px_rpc__encode_count;

/* collection_methods.c */
px_rpc_decode px_rpc__decode_create;
px_rpc_decode px_rpc__decode_get_collection;
px_rpc_decode px_rpc__decode_list;
px_rpc_decode px_rpc__decode_update;
px_rpc_decode px_rpc__decode_delete_collection;
px_rpc_encode px_rpc__encode_collection;
px_rpc_encode px_rpc__encode_list;

/* admin_methods.c */
px_rpc_decode px_rpc__decode_flush;
px_rpc_decode px_rpc__decode_compact;
px_rpc_decode px_rpc__decode_pause;
px_rpc_decode px_rpc__decode_rebuild_index;
px_rpc_decode px_rpc__decode_resume;
px_rpc_decode px_rpc__decode_metrics;
px_rpc_encode px_rpc__encode_nothing;
px_rpc_encode px_rpc__encode_compact;

/* The one error of a message that does not follow protobuf's format. */
int px_rpc__fail_damaged(const char *message_name, struct proximadb_error *reterr);

#endif /* PX_RPC_METHODS_INTERNAL_H */
