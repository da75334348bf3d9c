/* px-test: layers=http label=fuzz
 *
 * Goal: no bytes of a peer make HTTP/1.1 crash, leak, hang, or read behind its input.
 * Method: a connection without a socket. The first byte says how the handler behaves and how the
 * rest is cut into pieces; the handler collects, reads bit by bit, answers at once, late or in
 * pieces, or gives up. The connection is then closed wherever it is.
 */
#include "fuzz/connection_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLLECT, READ, ANSWER, PIECES, RESET, IGNORE, BEHAVIOURS };

static unsigned behaviour;
static uint8_t memory[7];

static void answer(struct px_exchange *x)
{
    px_exchange_respond_text(x, 200, "text/plain", px_exchange_path(x));
}

static void answer_in_pieces(struct px_exchange *x)
{
    px_exchange_start(x, 200, NULL, 0, false);
    px_exchange_send_copy(x, "piece", 5);
    px_exchange_finish(x, NULL, 0);
}

static void on_request(struct px_exchange *x)
{
    struct px_slice value;
    (void)px_exchange_header(x, "host", &value);
    switch (behaviour) {
    case COLLECT:
        px_exchange_collect(x, 5000);
        break;
    case READ:
        px_exchange_read(x, memory, sizeof memory, PX_IMPATIENT);
        break;
    case ANSWER:
        answer(x);
        break;
    case PIECES:
        answer_in_pieces(x);
        break;
    case RESET:
        px_exchange_reset(x);
        break;
    default:
        break;
    }
}

static void on_read(struct px_exchange *x, size_t size_bytes)
{
    if (size_bytes == sizeof memory)
        px_exchange_read(x, memory, sizeof memory, PX_IMPATIENT);
    else
        answer_in_pieces(x);
}

static void on_body(struct px_exchange *x, enum px_body_result result, struct px_message *message,
                    const struct proximadb_error *error)
{
    (void)error;
    if (result != PX_BODY_COMPLETE) {
        answer(x);
        return;
    }
    struct proximadb_buffer body = px_message_share(message, px_message_slice(message));
    px_exchange_respond(x, 200, NULL, 0, &body);
}

static const struct px_handler handler = {
    .on_request = on_request, .on_read = on_read, .on_body = on_body};
static const struct px_route routes[] = {{.path = "/", .is_prefix = true, .handler = &handler}};

/* As a socket would be read: some of the bytes may go where the body belongs. */
static void feed(struct px_connection *c, const uint8_t *data, size_t size)
{
    uint8_t *direct;
    size_t more;
    size_t direct_bytes = c->protocol != NULL ? c->protocol->direct(c, &direct, &more) : 0;
    if (direct_bytes > size)
        direct_bytes = size;
    if (direct_bytes > 0) {
        memcpy(direct, data, direct_bytes);
        px_connection__input(c, direct, direct_bytes);
    }
    if (size > direct_bytes && !c->is_closed && !c->is_ending)
        px_connection__input(c, data + direct_bytes, size - direct_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connection_rig rig = {0};
    if (size == 0)
        return 0;
    behaviour = data[0] % BEHAVIOURS;
    size_t piece = (size_t)1 << data[0] / BEHAVIOURS % 12;
    data++;
    size--;
    connection_rig_set_up(&rig, routes, 1);
    struct px_connection *c = connection_rig_connect(&rig);
    bool is_open = true;
    while (size > 0 && is_open) {
        size_t part = size < piece ? size : piece;
        if (c->protocol == NULL || c->protocol->wants_input(c))
            feed(c, data, part);
        data += part;
        size -= part;
        is_open = connection_rig_turn(&rig, c);
    }
    connection_rig_tear_down(&rig);
    return 0;
}
