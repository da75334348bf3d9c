#include "rpc/health.h"

#include "codec/protobuf.h"

enum { REQUEST_SERVICE = 1, RESPONSE_STATUS = 1 };
enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

struct watch {
    bool is_known; /* the service is one of ours */
};

static bool is_known(struct px_slice service)
{
    return service.size_bytes == 0 ||
           px_slice_equal(service, px_slice_of_string("proximadb.v1.ProximaDB"));
}

/* Reads the request and frees it; false if it ended the call. */
static bool take_request(struct px_grpc_call *call, struct px_message *message, bool *ret_is_known)
{
    struct px_proto_reader reader = px_proto_reader_of(px_message_slice(message));
    struct px_proto_field field;
    struct px_slice service = {0};
    while (px_proto_next(&reader, &field))
        if (px_proto_is(&field, REQUEST_SERVICE, PX_PROTO_BYTES))
            service = field.bytes;
    *ret_is_known = is_known(service);
    px_message_free(message);
    if (reader.damaged)
        px_grpc_call_fail(call, PX_GRPC_INVALID_ARGUMENT,
                          "the bytes are not a protobuf message HealthCheckRequest");
    return !reader.damaged;
}

static void send_status(struct px_grpc_call *call, int status)
{
    uint8_t bytes[8];
    struct px_proto_writer writer = {.data = bytes, .capacity_bytes = sizeof bytes};
    px_proto_set_varint(&writer, RESPONSE_STATUS, (uint64_t)status);
    px_grpc_call_send(call, px_slice_of(bytes, writer.size_bytes), NULL);
}

static int current_status(const struct px_grpc_call *call)
{
    return px_exchange_is_draining(call->exchange) ? NOT_SERVING : SERVING;
}

static void on_check(struct px_grpc_call *call, struct px_message *message)
{
    bool known;
    if (!take_request(call, message, &known))
        return;
    if (!known) {
        px_grpc_call_fail(call, PX_GRPC_NOT_FOUND, "there is no such service");
        return;
    }
    send_status(call, current_status(call));
    px_grpc_call_finish(call, NULL);
}

static void end_watch(struct px_grpc_call *call)
{
    px_grpc_call_fail(call, PX_GRPC_UNAVAILABLE, "the server is stopping");
}

static void on_watch(struct px_grpc_call *call, struct px_message *message)
{
    struct watch *watch = px_grpc_call_state(call);
    if (!take_request(call, message, &watch->is_known))
        return;
    send_status(call, watch->is_known ? current_status(call) : SERVICE_UNKNOWN);
    if (px_exchange_is_draining(call->exchange))
        end_watch(call);
}

static void on_watch_drain(struct px_grpc_call *call)
{
    struct watch *watch = px_grpc_call_state(call);
    if (watch->is_known)
        send_status(call, NOT_SERVING);
    end_watch(call);
}

const struct px_grpc_method px_health_check = {
    .path = "/grpc.health.v1.Health/Check",
    .message_limit_bytes = PX_GRPC_SMALL_MESSAGE_BYTES,
    .on_message = on_check,
};

const struct px_grpc_method px_health_watch = {
    .path = "/grpc.health.v1.Health/Watch",
    .stays_open = true,
    .message_limit_bytes = PX_GRPC_SMALL_MESSAGE_BYTES,
    .on_message = on_watch,
    .on_drain = on_watch_drain,
};
