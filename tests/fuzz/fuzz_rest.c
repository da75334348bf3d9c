/* px-test: layers=rest label=fuzz engine=none
 *
 * Goal: no query and no body of a REST request makes routing, unpacking, splitting, decoding or
 * answering crash, leak, or read behind what was received; every request ends, and with JSON.
 * Method: requests on a protocol that keeps the answer. The first byte chooses the route, the second
 * compression, mode, and the pieces that the body comes in; the rest is the body or, where the route
 * has none, the query. The engine is a function that answers at once with what the operation asks
 * for.
 */
#include "codec/json.h"
#include "fuzz/protocol_rig.h"
#include "payload/result.h"
#include "rest/rest.h"
#include "rest/rest_router.h"

#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_LIMIT_BYTES = 1 << 15 };

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- an engine ----------------------------------------------------------------------------- */

static const float vector[2] = {1, 2};
static const struct px_record record = {
    .id = {(const uint8_t *)"a", 1},
    .version = 1,
    .vector = vector,
    .dim_count = 2,
    .metadata = {(const uint8_t *)"", 1}, /* a zero: the empty map */
    .expires_at_ms = PX_NEVER,
};

static void write_records(struct px_buffer *buffer)
{
    const struct px_slice cursor = {(const uint8_t *)"on", 2};
    struct px_record_writer writer = px_record_writer_begin(buffer);
    px_record_writer_put(&writer, &record);
    px_record_writer_finish(&writer, &cursor);
}

static void write_hits(struct px_buffer *buffer)
{
    const struct px_result_hit hit = {.record = &record, .score = 1};
    px_result_begin_search(buffer, 1);
    px_result_begin_hits(buffer, 1);
    px_result_put_hit(buffer, &hit, (struct px_hit_parts){.vector = true, .metadata = true});
    px_result_finish_hits(buffer, 1);
    px_result_finish_search(buffer, 1);
}

static void write_collection(struct px_buffer *buffer, bool is_list)
{
    const struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec, .name = "docs", .dim_count = 2, .storage = PROXIMADB_EXACT};
    const struct px_collection_numbers numbers = {0};
    struct px_collection collection;
    demand(px_collection_init(&collection, &spec, 1, NULL) == PROXIMADB_OK);
    if (is_list) {
        px_result_begin_list(buffer, 1);
        px_result_put_collection(buffer, &collection, &numbers);
        px_result_finish_list(buffer, 1);
    } else {
        px_result_write_collection(buffer, &collection, &numbers);
    }
}

static void write_answer(struct px_buffer *buffer, int operation)
{
    const struct proximadb_write_result written = {.row_count = 1};
    const struct proximadb_compact_result compacted = {.row_count = 1};
    switch (operation) {
    case PROXIMADB_GET:
    case PROXIMADB_SCAN:
        write_records(buffer);
        break;
    case PROXIMADB_SEARCH:
        write_hits(buffer);
        break;
    case PROXIMADB_COUNT:
        px_result_write_count(buffer, 1);
        break;
    case PROXIMADB_COMPACT:
        px_result_write_compact(buffer, &compacted);
        break;
    case PROXIMADB_FLUSH:
    case PROXIMADB_DELETE_COLLECTION:
        break;
    case PROXIMADB_CREATE_COLLECTION:
    case PROXIMADB_GET_COLLECTION:
    case PROXIMADB_UPDATE_COLLECTION:
    case PROXIMADB_LIST_COLLECTIONS:
        write_collection(buffer, operation == PROXIMADB_LIST_COLLECTIONS);
        break;
    default:
        px_result_write_write(buffer, &written);
    }
}

void proximadb_submit(proximadb *db, const struct proximadb_request *request, proximadb_done *done,
                      void *context)
{
    struct proximadb_error error = {.row_index = -1};
    struct proximadb_buffer payload = request->payload, answer = {0};
    struct px_buffer buffer = {0};
    uint8_t sum = 0; /* reads every byte, as an engine would */
    (void)db;
    for (size_t i = 0; i < payload.size_bytes; i++)
        sum ^= ((const uint8_t *)payload.data)[i];
    for (size_t i = 0; i < request->collection_size_bytes; i++)
        sum ^= (uint8_t)request->collection[i];
    int status = sum == 255 ? px_fail(&error, PROXIMADB_CORRUPT, "one in 256") : PROXIMADB_OK;
    if (status == PROXIMADB_OK) {
        write_answer(&buffer, request->operation);
        demand(px_buffer_take(&buffer, &answer, NULL) == PROXIMADB_OK);
    }
    proximadb_buffer_release(&payload);
    done(context, status, &answer, &error);
    proximadb_buffer_release(&answer);
}

/* ---- a protocol that keeps the answer ------------------------------------------------------ */

static struct px_buffer answer_text;

static void produce(struct px_connection *c)
{
    struct px_exchange *x = c->exchanges;
    struct iovec part;
    if (x == NULL || !x->is_started)
        return;
    px_exchange__move_output(x, x->output.size_bytes);
    while (px_send_queue_parts(&c->output, &part, 1) == 1) {
        px_buffer_append(&answer_text, part.iov_base, part.iov_len);
        px_send_queue_consume(&c->output, part.iov_len);
    }
    if (x->is_finished)
        px_exchange__close(x, PX_CLOSE_DONE);
}

static const struct px_protocol notebook = {PROTOCOL_RIG(produce)};

static void check_answer(void)
{
    yyjson_doc *doc = NULL;
    struct px_slice text = px_buffer_slice(&answer_text);
    demand(text.size_bytes == 0 || px_json_parse(text, &doc, NULL) == PROXIMADB_OK);
    yyjson_doc_free(doc);
    px_buffer_release(&answer_text);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void add(struct px_exchange *x, const char *name, struct px_slice value)
{
    px_headers_add(&x->headers, px_slice_of_string(name), value, 10000);
}

static void put_path(struct px_buffer *path, const struct px_rest_endpoint *endpoint, uint8_t flags)
{
    static const char *const modes[] = {"", "mode=insert", "mode=upsert", "mode=update"};
    const char *name = strstr(endpoint->path, "{name}");
    if (name == NULL)
        px_buffer_append_format(path, "%s", endpoint->path);
    else
        px_buffer_append_format(path, "%.*sd%%6Fcs%s", (int)(name - endpoint->path), endpoint->path,
                                name + strlen("{name}"));
    bool has_mode = endpoint->operation == PROXIMADB_INSERT;
    px_buffer_append_format(path, "?%s", has_mode ? modes[flags / 2 % 4] : "");
}

static void request(struct px_connection *c, const struct px_rest_endpoint *endpoint, uint8_t flags,
                    struct px_slice query)
{
    struct px_buffer path = {0};
    struct px_exchange *x = px_exchange__new(c);
    demand(x != NULL);
    put_path(&path, endpoint, flags);
    px_buffer_append_slice(&path, query);
    add(x, ":method", px_slice_of_string(endpoint->method));
    add(x, ":path", px_buffer_slice(&path));
    add(x, "content-type", px_slice_of_string("application/json"));
    add(x, "idempotency-key", px_slice_of_string("\"key\""));
    if (flags % 2 == 1)
        add(x, "content-encoding", px_slice_of_string("gzip"));
    px_exchange__ready(x);
    px_buffer_release(&path);
}

static void send_body(struct connection_rig *rig, struct px_connection *c, struct px_slice body,
                      size_t piece)
{
    while (body.size_bytes > 0 && c->exchanges != NULL) {
        size_t part = body.size_bytes < piece ? body.size_bytes : piece;
        px_exchange__deliver(c->exchanges, body.data, part);
        body = px_slice_of(body.data + part, body.size_bytes - part);
        (void)connection_rig_turn(rig, c);
    }
    if (c->exchanges != NULL)
        px_exchange__end_body(c->exchanges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct px_rest *rest; /* its threads are too dear to be started for each input */
    struct connection_rig rig = {0};
    struct px_route routes[PX_REST_ROUTES];
    if (size < 2)
        return 0;
    demand(rest != NULL || px_rest_new(NULL, BODY_LIMIT_BYTES, &rest, NULL) == PROXIMADB_OK);
    px_rest_routes(rest, routes);
    connection_rig_set_up(&rig, routes, PX_REST_ROUTES);
    struct px_connection *c = connection_rig_connect(&rig);
    c->protocol = &notebook;
    const struct px_rest_endpoint *endpoint = &px_rest_endpoints[data[0] % px_rest_endpoint_count];
    struct px_slice rest_of_it = px_slice_of(data + 2, size - 2);
    bool has_body = endpoint->body != PX_REST_BODY_NONE;
    request(c, endpoint, data[1], has_body ? (struct px_slice){0} : rest_of_it);
    send_body(&rig, c, has_body ? rest_of_it : (struct px_slice){0}, (size_t)1 << data[1] / 8 % 16);
    while (c->exchanges != NULL) { /* until what is decoded elsewhere is here */
        (void)connection_rig_turn(&rig, c);
        if (c->exchanges != NULL)
            usleep(20);
    }
    check_answer();
    connection_rig_tear_down(&rig);
    return 0;
}
