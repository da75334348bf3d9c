/* px-test: layers=http label=fuzz
 *
 * Goal: no frames of a peer make our side of HTTP/2 (flow control, receiving in place, exchanges)
 * crash, leak, hang, or read behind its input.
 * Method: a connection without a socket that was greeted already. Each step of the input makes a
 * frame of a kind and size that it chooses, or a piece of raw bytes; handlers collect bodies, or
 * answer.
 */
#include "fuzz/connection_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_request(struct px_exchange *x)
{
    if (px_exchange_path(x).size_bytes % 2 == 0)
        px_exchange_collect(x, 20000);
    else
        px_exchange_respond_text(x, 200, "text/plain", px_exchange_path(x));
}

static void on_body(struct px_exchange *x, enum px_body_result result, struct px_message *message,
                    const struct proximadb_error *error)
{
    if (result != PX_BODY_COMPLETE) {
        px_exchange_respond_text(x, 400, "text/plain", px_slice_of_string(error->message));
        return;
    }
    struct proximadb_buffer body = px_message_share(message, px_message_slice(message));
    px_exchange_respond(x, 200, NULL, 0, &body);
}

static const struct px_handler handler = {.on_request = on_request, .on_body = on_body};
static const struct px_route routes[] = {{.path = "/", .is_prefix = true, .handler = &handler}};

static const uint8_t greeting[] =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";

/* POST, http, / and an authority: by HPACK's static table. */
static const uint8_t post_block[] = {0x83, 0x86, 0x84, 0x41, 1, 'x'};
/* The same with the path "/ab". */
static const uint8_t even_block[] = {0x83, 0x86, 0x04, 3, '/', 'a', 'b', 0x41, 1, 'x'};

static uint8_t frame[1 << 15];

static size_t make_frame(uint8_t type, uint8_t flags, uint8_t stream, size_t payload_bytes)
{
    const uint8_t header[] = {(uint8_t)(payload_bytes >> 16),
                              (uint8_t)(payload_bytes >> 8),
                              (uint8_t)payload_bytes,
                              type,
                              flags,
                              0,
                              0,
                              0,
                              stream};
    memcpy(frame, header, sizeof header);
    return sizeof header + payload_bytes;
}

/* Takes a step's three bytes and makes its frame; returns its size. */
static size_t step(const uint8_t *data)
{
    uint8_t stream = data[2] % 16;
    size_t size = (size_t)data[1] * 100;
    switch (data[0] % 6) {
    case 0:
        memcpy(frame + 9, post_block, sizeof post_block);
        return make_frame(1, data[1] & 0x25, stream, sizeof post_block);
    case 1:
        memcpy(frame + 9, even_block, sizeof even_block);
        return make_frame(1, data[1] & 0x25, stream, sizeof even_block);
    case 2:
        memset(frame + 9, data[2], size);
        return make_frame(0, data[0] / 6 % 2 == 0 ? 0 : 1, stream, size);
    case 3:
        memset(frame + 9, data[2] % 8, size);
        return make_frame(0, 8 | (data[0] / 6 % 2), stream, size);
    case 4:
        memset(frame + 9, data[2], 8);
        return make_frame(3 + data[1] % 7, data[0] / 6, stream, 4 + data[1] % 5);
    default:
        memcpy(frame, data, 3);
        return 3;
    }
}

static void feed(struct px_connection *c, const uint8_t *data, size_t size)
{
    while (size > 0 && !c->is_closed && !c->is_ending) {
        uint8_t *direct = NULL;
        size_t more = PX_IO_WORKER_SCRATCH_BYTES;
        size_t direct_bytes = c->protocol != NULL ? c->protocol->direct(c, &direct, &more) : 0;
        size_t part = direct_bytes > 0 ? direct_bytes : more;
        if (part > size)
            part = size;
        if (direct_bytes > 0)
            memcpy(direct, data, part);
        px_connection__input(c, direct_bytes > 0 ? direct : data, part);
        data += part;
        size -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connection_rig rig = {0};
    connection_rig_set_up(&rig, routes, 1);
    struct px_connection *c = connection_rig_connect(&rig);
    feed(c, greeting, sizeof greeting - 1);
    bool is_open = connection_rig_turn(&rig, c);
    while (size >= 3 && is_open) {
        size_t frame_bytes = step(data);
        assert(frame_bytes <= sizeof frame);
        bool in_two = data[0] >= 128;
        size_t first = in_two ? frame_bytes / 3 : frame_bytes;
        feed(c, frame, first);
        if (in_two && connection_rig_turn(&rig, c))
            feed(c, frame + first, frame_bytes - first);
        data += 3;
        size -= 3;
        is_open = rig.worker.connections != NULL && connection_rig_turn(&rig, c);
    }
    connection_rig_tear_down(&rig);
    return 0;
}
