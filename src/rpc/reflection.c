#include "rpc/reflection.h"

#include "base/buffer.h"
#include "codec/protobuf.h"
#include "rpc/rpc.h"

#include <assert.h>
#include <stdio.h>

enum { /* field numbers of ServerReflectionRequest ... */
       REQUEST_HOST = 1,
       REQUEST_FILE = 3,
       REQUEST_SYMBOL = 4,
       REQUEST_EXTENSION = 5,
       REQUEST_EXTENSION_NUMBERS = 6,
       REQUEST_LIST = 7,
       /* ... and ServerReflectionResponse */
       RESPONSE_HOST = 1,
       RESPONSE_REQUEST = 2,
       RESPONSE_FILES = 4,
       RESPONSE_SERVICES = 6,
       RESPONSE_ERROR = 7,
       FILES_FILE = 1,
       SERVICES_SERVICE = 1,
       SERVICE_NAME = 1,
       ERROR_CODE = 1,
       ERROR_MESSAGE = 2,
};

struct question {
    struct px_slice message; /* the whole request, which is sent back */
    struct px_slice host;
    uint32_t kind; /* the number of the field that asks; 0: none */
    struct px_slice text;
};

static bool read_question(struct px_slice message, struct question *question)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    *question = (struct question){.message = message};
    while (px_proto_next(&reader, &field)) {
        if (field.wire != PX_PROTO_BYTES)
            continue;
        if (field.number == REQUEST_HOST)
            question->host = field.bytes;
        if (field.number < REQUEST_FILE || field.number > REQUEST_LIST)
            continue;
        question->kind = field.number;
        question->text = field.bytes;
    }
    return !reader.damaged;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void put_error(struct px_proto_writer *writer, enum px_grpc_code code, const char *message)
{
    size_t mark = px_proto_begin(writer, RESPONSE_ERROR);
    px_proto_set_varint(writer, ERROR_CODE, (uint64_t)code);
    px_proto_set_text(writer, ERROR_MESSAGE, message);
    px_proto_end(writer, mark);
}

static void put_files(struct px_proto_writer *writer, const struct px_descriptors *descriptors,
                      const struct px_descriptor_file *file)
{
    if (file == NULL) {
        put_error(writer, PX_GRPC_NOT_FOUND, "the server knows no such file or symbol");
        return;
    }
    size_t mark = px_proto_begin(writer, RESPONSE_FILES);
    uint32_t bits = px_descriptors_with_imports(descriptors, file);
    px_proto_put_bytes(writer, FILES_FILE, file->bytes);
    for (size_t i = 0; i < descriptors->count; i++)
        if ((bits & UINT32_C(1) << i) != 0 && &descriptors->files[i] != file)
            px_proto_put_bytes(writer, FILES_FILE, descriptors->files[i].bytes);
    px_proto_end(writer, mark);
}

static void put_service(void *context, struct px_slice package, struct px_slice name)
{
    struct px_proto_writer *writer = context;
    char full[256];
    int size = snprintf(full, sizeof full, "%.*s%s%.*s", (int)package.size_bytes,
                        (const char *)package.data, package.size_bytes > 0 ? "." : "",
                        (int)name.size_bytes, (const char *)name.data);
    assert(size > 0 && size < (int)sizeof full);
    size_t mark = px_proto_begin(writer, SERVICES_SERVICE);
    px_proto_put_bytes(writer, SERVICE_NAME, px_slice_of(full, (size_t)size));
    px_proto_end(writer, mark);
}

static void put_answer(struct px_proto_writer *writer, const struct px_descriptors *descriptors,
                       const struct question *question)
{
    size_t mark;
    if (question->host.size_bytes > 0)
        px_proto_put_bytes(writer, RESPONSE_HOST, question->host);
    px_proto_put_bytes(writer, RESPONSE_REQUEST, question->message);
    switch (question->kind) {
    case REQUEST_FILE:
        put_files(writer, descriptors, px_descriptors_find_file(descriptors, question->text));
        break;
    case REQUEST_SYMBOL:
        put_files(writer, descriptors, px_descriptors_find_symbol(descriptors, question->text));
        break;
    case REQUEST_LIST:
        mark = px_proto_begin(writer, RESPONSE_SERVICES);
        px_descriptors_each_service(descriptors, put_service, writer);
        px_proto_end(writer, mark);
        break;
    case REQUEST_EXTENSION:
    case REQUEST_EXTENSION_NUMBERS:
        put_error(writer, PX_GRPC_NOT_FOUND, "the server's messages have no extensions");
        break;
    default:
        put_error(writer, PX_GRPC_INVALID_ARGUMENT, "the request asks nothing that is known here");
        break;
    }
}

/* Measured first, then written. */
static int make_answer(const struct px_descriptors *descriptors, const struct question *question,
                       struct proximadb_buffer *ret_answer, struct proximadb_error *reterr)
{
    struct px_proto_writer measure = {0};
    struct px_buffer buffer = {0};
    put_answer(&measure, descriptors, question);
    uint8_t *room = px_buffer_reserve(&buffer, measure.size_bytes);
    if (room != NULL) {
        struct px_proto_writer writer = {.data = room, .capacity_bytes = measure.size_bytes};
        put_answer(&writer, descriptors, question);
        assert(px_proto_fits(&writer));
        buffer.size_bytes = writer.size_bytes;
    }
    return px_buffer_take(&buffer, ret_answer, reterr);
}

/* ---- the stream ---------------------------------------------------------------------------- */

static void on_message(struct px_grpc_call *call, struct px_message *message)
{
    struct px_rpc *rpc = call->server->context;
    struct question question;
    struct proximadb_buffer answer;
    struct proximadb_error error = {.row_index = -1};
    if (!read_question(px_message_slice(message), &question)) {
        px_grpc_call_fail(call, PX_GRPC_INVALID_ARGUMENT,
                          "the bytes are not a protobuf message ServerReflectionRequest");
    } else if (make_answer(&rpc->descriptors, &question, &answer, &error) != PROXIMADB_OK) {
        px_grpc_call_finish(call, &error);
    } else {
        px_grpc_call_send(call, (struct px_slice){0}, &answer);
    }
    px_message_free(message);
}

static void on_half_close(struct px_grpc_call *call)
{
    px_grpc_call_finish(call, NULL);
}

static void on_drain(struct px_grpc_call *call)
{
    px_grpc_call_fail(call, PX_GRPC_UNAVAILABLE, "the server is stopping");
}

#define REFLECTION(version)                                                                 \
    {                                                                                       \
        .path = "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo",       \
        .takes_stream = true, .stays_open = true,                                           \
        .message_limit_bytes = PX_GRPC_SMALL_MESSAGE_BYTES, .on_message = on_message,       \
        .on_half_close = on_half_close, .on_sent = px_grpc_call_next, .on_drain = on_drain, \
    }

const struct px_grpc_method px_reflection_v1 = REFLECTION("v1");
const struct px_grpc_method px_reflection_v1alpha = REFLECTION("v1alpha");
