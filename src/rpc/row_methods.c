/* The methods on rows: Avro payloads in and out, untouched. */
#include "codec/protobuf.h"
#include "rpc/methods_internal.h"

enum { /* field numbers, the same in all of these messages */
       COLLECTION = 1,
       AVRO_PAYLOAD = 2,
       CHOICE = 3, /* mode of an insert, type of a mutation */
       REPLY_PAYLOAD = 1,
       REPLY_COUNT = 1,
};

int px_rpc__fail_damaged(const char *message_name, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_INVALID,
                   "the bytes are not a protobuf message %s; is the client of the same version?",
                   message_name);
}

/* Reads the three fields; *ret_choice is 0 where the message has none. */
static int decode_rows(struct px_slice message, const char *message_name,
                       struct px_rpc_request *request, uint64_t *ret_choice,
                       struct proximadb_error *reterr)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    *ret_choice = 0;
    while (px_proto_next(&reader, &field)) {
        if (px_proto_is(&field, COLLECTION, PX_PROTO_BYTES))
            request->collection = field.bytes;
        else if (px_proto_is(&field, AVRO_PAYLOAD, PX_PROTO_BYTES))
            request->payload = field.bytes;
        else if (px_proto_is(&field, CHOICE, PX_PROTO_VARINT))
            *ret_choice = field.value;
    }
    return reader.damaged ? px_rpc__fail_damaged(message_name, reterr) : PROXIMADB_OK;
}

int px_rpc__decode_insert(struct px_slice message, struct px_rpc_request *request,
                          struct proximadb_error *reterr)
{
    enum { MODE_INSERT = 0, MODE_UPSERT = 1 };
    uint64_t mode;
    int rc = decode_rows(message, "VectorInsertRequest", request, &mode, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (mode > MODE_UPSERT)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "mode is %llu, where INSERT_MODE_INSERT (0) or INSERT_MODE_UPSERT (1) is "
                       "expected",
                       (unsigned long long)mode);
    request->operation = mode == MODE_INSERT ? PROXIMADB_INSERT : PROXIMADB_UPSERT;
    return PROXIMADB_OK;
}

int px_rpc__decode_mutation(struct px_slice message, struct px_rpc_request *request,
                            struct proximadb_error *reterr)
{
    enum { TYPE_UPDATE = 1, TYPE_DELETE = 2 };
    uint64_t type;
    int rc = decode_rows(message, "VectorMutationRequest", request, &type, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (type != TYPE_UPDATE && type != TYPE_DELETE)
        return px_fail(
            reterr, PROXIMADB_INVALID,
            "type is %llu, where MUTATION_TYPE_UPDATE (1) or MUTATION_TYPE_DELETE (2) is "
            "expected",
            (unsigned long long)type);
    request->operation = type == TYPE_UPDATE ? PROXIMADB_UPDATE : PROXIMADB_DELETE;
    return PROXIMADB_OK;
}

static int decode_plain(struct px_slice message, const char *message_name, int operation,
                        struct px_rpc_request *request, struct proximadb_error *reterr)
{
    uint64_t ignored;
    request->operation = operation;
    return decode_rows(message, message_name, request, &ignored, reterr);
}

int px_rpc__decode_search(struct px_slice message, struct px_rpc_request *request,
                          struct proximadb_error *reterr)
{
    return decode_plain(message, "VectorSearchRequest", PROXIMADB_SEARCH, request, reterr);
}

int px_rpc__decode_get(struct px_slice message, struct px_rpc_request *request,
                       struct proximadb_error *reterr)
{
    return decode_plain(message, "VectorGetRequest", PROXIMADB_GET, request, reterr);
}

int px_rpc__decode_scan(struct px_slice message, struct px_rpc_request *request,
                        struct proximadb_error *reterr)
{
    return decode_plain(message, "VectorScanRequest", PROXIMADB_SCAN, request, reterr);
}

/* An empty payload means every row, for which the engine wants a request without a filter. */
int px_rpc__decode_count(struct px_slice message, struct px_rpc_request *request,
                         struct proximadb_error *reterr)
{
    int rc = decode_plain(message, "VectorCountRequest", PROXIMADB_COUNT, request, reterr);
    if (rc == PROXIMADB_OK && request->payload.size_bytes == 0)
        rc = proximadb_encode_count(NULL, &request->built, reterr);
    return rc;
}

int px_rpc__encode_payload(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                           struct proximadb_error *reterr)
{
    struct px_proto_writer writer = {.data = reply->head, .capacity_bytes = sizeof reply->head};
    (void)reterr;
    if (response->size_bytes > 0)
        px_proto_put_head(&writer, REPLY_PAYLOAD, response->size_bytes);
    reply->head_bytes = writer.size_bytes;
    reply->body = *response;
    *response = (struct proximadb_buffer){0};
    return PROXIMADB_OK;
}

int px_rpc__encode_count(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                         struct proximadb_error *reterr)
{
    struct px_proto_writer writer = {.data = reply->head, .capacity_bytes = sizeof reply->head};
    uint64_t count;
    int rc = proximadb_decode_count(response, &count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_proto_set_varint(&writer, REPLY_COUNT, count);
    reply->head_bytes = writer.size_bytes;
    return PROXIMADB_OK;
}
