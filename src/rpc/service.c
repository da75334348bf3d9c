#include "rpc/service.h"

#include "bridge/engine_call.h"
#include "rpc/methods_internal.h"
#include "rpc/rpc.h"

#include <assert.h>

enum { NAME_LIMIT_BYTES = 128 }; /* of collections */

struct method {
    struct px_grpc_method base;
    px_rpc_decode *decode;
    px_rpc_encode *encode;
};

static_assert(sizeof(struct px_engine_call) <= PX_GRPC_STATE_BYTES, "a call of ours is all state");

static const struct method *method_of(const struct px_grpc_call *call)
{
    return (const struct method *)call->method;
}

/* ---- answering ----------------------------------------------------------------------------- */

static void on_answer(struct px_exchange *exchange, struct px_engine_call *engine_call)
{
    struct px_grpc_call *call = px_grpc_call_of(exchange);
    struct px_rpc_reply reply = {0};
    struct proximadb_error error = {.row_index = -1};
    if (engine_call->error.status != PROXIMADB_OK) {
        px_grpc_call_finish(call, &engine_call->error);
        return;
    }
    int rc = method_of(call)->encode(&engine_call->response, &reply, &error);
    if (rc == PROXIMADB_OK)
        px_grpc_call_send(call, px_slice_of(reply.head, reply.head_bytes), &reply.body);
    proximadb_buffer_release(&reply.body);
    px_grpc_call_finish(call, rc == PROXIMADB_OK ? NULL : &error);
}

/* ---- asking -------------------------------------------------------------------------------- */

/* The payload takes the message along, of which it is a part. */
static struct proximadb_buffer payload_of(const struct px_rpc_request *parts,
                                          struct px_message *message)
{
    if (parts->built.data == NULL)
        return px_message_share(message, parts->payload);
    px_message_free(message);
    return parts->built;
}

static void submit(struct px_grpc_call *call, const struct px_rpc_request *parts,
                   struct px_message *message)
{
    struct px_rpc *rpc = call->server->context;
    /* A copy: the name must be readable until the engine has taken the request, and the message
     * that it lies in may be gone by then. */
    char name[NAME_LIMIT_BYTES];
    if (parts->collection.size_bytes > 0)
        memcpy(name, parts->collection.data, parts->collection.size_bytes);
    struct proximadb_request request = {
        .struct_size = sizeof request,
        .operation = parts->operation,
        .collection = parts->collection.size_bytes > 0 ? name : NULL,
        .collection_size_bytes = parts->collection.size_bytes,
        .payload = payload_of(parts, message),
    };
    px_engine_call_start(px_grpc_call_state(call), rpc->db, call->exchange, &request, on_answer);
}

static void on_message(struct px_grpc_call *call, struct px_message *message)
{
    struct px_rpc_request parts = {0};
    struct proximadb_error error = {.row_index = -1};
    int rc = method_of(call)->decode(px_message_slice(message), &parts, &error);
    if (rc == PROXIMADB_OK && parts.collection.size_bytes > NAME_LIMIT_BYTES)
        rc = px_fail(&error, PROXIMADB_INVALID,
                     "the collection's name has %zu bytes; names have at most %d",
                     parts.collection.size_bytes, NAME_LIMIT_BYTES);
    if (rc == PROXIMADB_OK) {
        submit(call, &parts, message);
        return;
    }
    proximadb_buffer_release(&parts.built);
    px_message_free(message);
    px_grpc_call_finish(call, &error);
}

static void on_stop(struct px_grpc_call *call)
{
    px_engine_call_cancel(px_grpc_call_state(call));
}

/* ---- the table ----------------------------------------------------------------------------- */

#define METHOD(name, decoder, encoder)                     \
    static const struct method name = {                    \
        .base = {.path = "/proximadb.v1.ProximaDB/" #name, \
                 .on_message = on_message,                 \
                 .on_stop = on_stop},                      \
        .decode = px_rpc__decode_##decoder,                \
        .encode = px_rpc__encode_##encoder,                \
    }

METHOD(VectorInsert, insert, payload);
METHOD(VectorMutation, mutation, payload);
METHOD(VectorSearch, search, payload);
METHOD(VectorGet, get, payload);
METHOD(VectorScan, scan, payload);
METHOD(VectorCount, count, count);
METHOD(CreateCollection, create, collection);
METHOD(GetCollection, get_collection, collection);
METHOD(ListCollections, list, list);
METHOD(UpdateCollection, update, collection);
METHOD(DeleteCollection, delete_collection, nothing);
METHOD(Flush, flush, nothing);
METHOD(Compact, compact, compact);
METHOD(PauseCompaction, pause, nothing);
METHOD(RebuildIndex, rebuild_index, nothing);
METHOD(ResumeCompaction, resume, nothing);
METHOD(Metrics, metrics, payload);

/* The most frequent ones first: they are looked for in this order. */
const struct px_grpc_method *const px_service_methods[] = {
    &VectorSearch.base,     &VectorInsert.base,     &VectorMutation.base,   &VectorGet.base,
    &VectorScan.base,       &VectorCount.base,      &GetCollection.base,    &ListCollections.base,
    &CreateCollection.base, &UpdateCollection.base, &DeleteCollection.base, &Flush.base,
    &Compact.base,          &Metrics.base,          &PauseCompaction.base,  &ResumeCompaction.base,
    &RebuildIndex.base,
};
const size_t px_service_method_count = sizeof px_service_methods / sizeof px_service_methods[0];
