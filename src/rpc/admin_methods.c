/* Flush, compact, pausing and resuming that, rebuilding an index, metrics. */
#include "codec/protobuf.h"
#include "bridge/words.h"
#include "rpc/methods_internal.h"

enum { /* field numbers */
       COLLECTION = 1,
       CLUSTER_COUNT = 2,
       INDEX_MEMORY = 2,
       RESULT_ROW_COUNT = 1,
       RESULT_CLUSTER_COUNT = 2,
       RESULT_BYTES_READ = 3,
       RESULT_BYTES_WRITTEN = 4,
};

static int decode_name(struct px_slice message, const char *message_name,
                       struct px_rpc_request *request, uint64_t *ret_number,
                       struct proximadb_error *reterr)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    *ret_number = 0;
    while (px_proto_next(&reader, &field)) {
        if (px_proto_is(&field, COLLECTION, PX_PROTO_BYTES))
            request->collection = field.bytes;
        else if (px_proto_is(&field, CLUSTER_COUNT, PX_PROTO_VARINT))
            *ret_number = field.value;
    }
    return reader.damaged ? px_rpc__fail_damaged(message_name, reterr) : PROXIMADB_OK;
}

int px_rpc__decode_flush(struct px_slice message, struct px_rpc_request *request,
                         struct proximadb_error *reterr)
{
    uint64_t ignored;
    request->operation = PROXIMADB_FLUSH;
    return decode_name(message, "FlushRequest", request, &ignored, reterr);
}

int px_rpc__decode_compact(struct px_slice message, struct px_rpc_request *request,
                           struct proximadb_error *reterr)
{
    uint64_t cluster_count;
    request->operation = PROXIMADB_COMPACT;
    int rc = decode_name(message, "CompactRequest", request, &cluster_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    return proximadb_encode_compact((uint32_t)cluster_count, &request->built, reterr);
}

int px_rpc__decode_pause(struct px_slice message, struct px_rpc_request *request,
                         struct proximadb_error *reterr)
{
    uint64_t ignored;
    request->operation = PROXIMADB_PAUSE_COMPACTION;
    return decode_name(message, "PauseCompactionRequest", request, &ignored, reterr);
}

int px_rpc__decode_resume(struct px_slice message, struct px_rpc_request *request,
                          struct proximadb_error *reterr)
{
    uint64_t ignored;
    request->operation = PROXIMADB_RESUME_COMPACTION;
    return decode_name(message, "ResumeCompactionRequest", request, &ignored, reterr);
}

int px_rpc__decode_rebuild_index(struct px_slice message, struct px_rpc_request *request,
                                 struct proximadb_error *reterr)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    struct px_slice word = {0};
    int index_memory = -1, rc = PROXIMADB_OK;
    request->operation = PROXIMADB_REBUILD_INDEX;
    while (px_proto_next(&reader, &field)) {
        if (px_proto_is(&field, COLLECTION, PX_PROTO_BYTES))
            request->collection = field.bytes;
        else if (px_proto_is(&field, INDEX_MEMORY, PX_PROTO_BYTES))
            word = field.bytes;
    }
    if (reader.damaged)
        return px_rpc__fail_damaged("RebuildIndexRequest", reterr);
    if (word.size_bytes > 0)
        rc = px_word_parse(PX_WORD_INDEX_MEMORY, word, &index_memory, reterr);
    return rc == PROXIMADB_OK
               ? proximadb_encode_rebuild_index(index_memory, &request->built, reterr)
               : rc;
}

int px_rpc__decode_metrics(struct px_slice message, struct px_rpc_request *request,
                           struct proximadb_error *reterr)
{
    uint64_t ignored;
    request->operation = PROXIMADB_METRICS;
    int rc = decode_name(message, "MetricsRequest", request, &ignored, reterr);
    request->collection = (struct px_slice){0};
    return rc;
}

int px_rpc__encode_nothing(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                           struct proximadb_error *reterr)
{
    (void)response;
    (void)reply;
    (void)reterr;
    return PROXIMADB_OK;
}

int px_rpc__encode_compact(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                           struct proximadb_error *reterr)
{
    struct px_proto_writer writer = {.data = reply->head, .capacity_bytes = sizeof reply->head};
    struct proximadb_compact_result result;
    int rc = proximadb_decode_compact_result(response, &result, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_proto_set_varint(&writer, RESULT_ROW_COUNT, result.row_count);
    px_proto_set_varint(&writer, RESULT_CLUSTER_COUNT, result.cluster_count);
    px_proto_set_varint(&writer, RESULT_BYTES_READ, result.bytes_read);
    px_proto_set_varint(&writer, RESULT_BYTES_WRITTEN, result.bytes_written);
    reply->head_bytes = writer.size_bytes;
    return PROXIMADB_OK;
}
