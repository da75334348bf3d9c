#include "rpc/grpc_trailers.h"

#include "codec/base64.h"
#include "codec/percent.h"
#include "codec/protobuf.h"

#include <assert.h>
#include <stdio.h>

enum { /* field numbers of google/rpc/status.proto and google/rpc/error_details.proto */
       STATUS_CODE = 1,
       STATUS_MESSAGE = 2,
       STATUS_DETAILS = 3,
       ANY_TYPE_URL = 1,
       ANY_VALUE = 2,
       INFO_REASON = 1,
       INFO_DOMAIN = 2,
       INFO_METADATA = 3,
       ENTRY_KEY = 1,
       ENTRY_VALUE = 2,
};

static void add(struct px_grpc_trailers *trailers, const char *name, const char *text, size_t size)
{
    assert(trailers->count < PX_GRPC_TRAILERS_LIMIT);
    trailers->headers[trailers->count++] =
        (struct px_header){.name = name, .value = px_slice_of(text, size)};
}

void px_grpc_trailers_of_code(struct px_grpc_trailers *trailers, enum px_grpc_code code,
                              const char *message)
{
    trailers->code = code;
    trailers->count = 0;
    int size = snprintf(trailers->code_text, sizeof trailers->code_text, "%d", (int)code);
    add(trailers, "grpc-status", trailers->code_text, (size_t)size);
    if (message[0] == '\0')
        return;
    size_t message_bytes = px_percent_encode_message(px_slice_of_string(message), trailers->message,
                                                     sizeof trailers->message);
    add(trailers, "grpc-message", trailers->message, message_bytes);
}

static void put_metadata(struct px_proto_writer *writer, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    size_t entry = px_proto_begin(writer, INFO_METADATA);
    px_proto_set_text(writer, ENTRY_KEY, key);
    px_proto_set_text(writer, ENTRY_VALUE, text);
    px_proto_end(writer, entry);
}

static void put_error_info(struct px_proto_writer *writer, const struct proximadb_error *error)
{
    px_proto_set_text(writer, INFO_REASON, proximadb_status_name(error->status));
    px_proto_set_text(writer, INFO_DOMAIN, "proximadb");
    if (error->row_index >= 0)
        put_metadata(writer, "row_index", error->row_index);
    if (error->status == PROXIMADB_DIMENSION || error->status == PROXIMADB_VERSION_MISMATCH) {
        put_metadata(writer, "expected", error->expected);
        put_metadata(writer, "actual", error->actual);
    }
}

static void put_status(struct px_proto_writer *writer, enum px_grpc_code code,
                       const struct proximadb_error *error)
{
    px_proto_set_varint(writer, STATUS_CODE, (uint64_t)code);
    px_proto_set_text(writer, STATUS_MESSAGE, error->message);
    size_t any = px_proto_begin(writer, STATUS_DETAILS);
    px_proto_set_text(writer, ANY_TYPE_URL, "type.googleapis.com/google.rpc.ErrorInfo");
    size_t info = px_proto_begin(writer, ANY_VALUE);
    put_error_info(writer, error);
    px_proto_end(writer, info);
    px_proto_end(writer, any);
}

void px_grpc_trailers_of_error(struct px_grpc_trailers *trailers,
                               const struct proximadb_error *error)
{
    if (error == NULL || error->status == PROXIMADB_OK) {
        px_grpc_trailers_of_code(trailers, PX_GRPC_OK, "");
        return;
    }
    uint8_t bytes[PX_GRPC_DETAILS_BYTES];
    struct px_proto_writer writer = {.data = bytes, .capacity_bytes = sizeof bytes};
    px_grpc_trailers_of_code(trailers, px_grpc_code_of(error->status), error->message);
    put_status(&writer, trailers->code, error);
    assert(px_proto_fits(&writer));
    px_base64_encode(px_slice_of(bytes, writer.size_bytes), trailers->details);
    add(trailers, "grpc-status-details-bin", trailers->details, px_base64_size(writer.size_bytes));
}
