/* px-test: layers=rpc label=fuzz engine=none
 *
 * Goal: no body of a gRPC call makes the framing, the decompression or the methods crash, leak, or
 * read behind what was received; every call ends.
 * Method: calls on a protocol that is a sink. The first byte chooses the method and whether the call
 * may be compressed, the second how the rest is cut into pieces. The engine is a function that
 * answers at once with the payload.
 */
#include "fuzz/protocol_rig.h"
#include "rpc/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- an engine ----------------------------------------------------------------------------- */

void proximadb_submit(proximadb *db, const struct proximadb_request *request, proximadb_done *done,
                      void *context)
{
    struct proximadb_error error = {.row_index = -1};
    struct proximadb_buffer payload = request->payload;
    uint8_t sum = 0; /* reads every byte, as an engine would */
    (void)db;
    for (size_t i = 0; i < payload.size_bytes; i++)
        sum ^= ((const uint8_t *)payload.data)[i];
    for (size_t i = 0; i < request->collection_size_bytes; i++)
        sum ^= (uint8_t)request->collection[i];
    int status = sum == 255 ? px_fail(&error, PROXIMADB_CORRUPT, "one in 256") : PROXIMADB_OK;
    struct proximadb_buffer nothing = {0};
    done(context, status, status == PROXIMADB_OK ? &payload : &nothing, &error);
    proximadb_buffer_release(&payload);
}

/* ---- a sink -------------------------------------------------------------------------------- */

static void produce(struct px_connection *c)
{
    struct px_exchange *x = c->exchanges;
    if (x == NULL || !x->is_started)
        return;
    px_exchange__move_output(x, x->output.size_bytes);
    px_send_queue_consume(&c->output, c->output.size_bytes);
    if (x->is_finished)
        px_exchange__close(x, PX_CLOSE_DONE);
}

static const struct px_protocol sink = {PROTOCOL_RIG(produce)};

/* ---- calls --------------------------------------------------------------------------------- */

static void add(struct px_exchange *x, const char *name, struct px_slice value)
{
    px_headers_add(&x->headers, px_slice_of_string(name), value, 10000);
}

static void call(struct px_connection *c, struct px_slice path, bool is_packed)
{
    struct px_exchange *x = px_exchange__new(c);
    if (x == NULL)
        abort();
    add(x, ":method", px_slice_of_string("POST"));
    add(x, ":path", path);
    add(x, "content-type", px_slice_of_string("application/grpc"));
    if (is_packed)
        add(x, "grpc-encoding", px_slice_of_string("gzip"));
    px_exchange__ready(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connection_rig rig = {0};
    struct px_rpc *rpc = NULL;
    struct px_route routes[PX_RPC_ROUTES];
    if (size < 2 || px_rpc_new(NULL, 1 << 15, &rpc, NULL) != PROXIMADB_OK)
        return 0;
    px_rpc_routes(rpc, routes);
    connection_rig_set_up(&rig, routes, PX_RPC_ROUTES);
    struct px_connection *c = connection_rig_connect(&rig);
    c->protocol = &sink;
    call(c, rpc->server.paths[data[0] / 2 % rpc->server.method_count], data[0] % 2 == 1);
    size_t piece = (size_t)data[1] + 1;
    data += 2;
    size -= 2;
    while (size > 0 && c->exchanges != NULL) {
        size_t part = size < piece ? size : piece;
        px_exchange__deliver(c->exchanges, data, part);
        data += part;
        size -= part;
        (void)connection_rig_turn(&rig, c);
    }
    if (c->exchanges != NULL)
        px_exchange__end_body(c->exchanges);
    (void)connection_rig_turn(&rig, c);
    (void)connection_rig_turn(&rig, c); /* what the engine has posted */
    connection_rig_tear_down(&rig);
    px_rpc_free(rpc);
    return 0;
}
