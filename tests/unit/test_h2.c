/* px-test: layers=http
 *
 * Goal: HTTP/2 through nghttp2: streams side by side, flow control by what handlers ask for,
 * receiving in place, sending without a copy, resets, floods, GOAWAY.
 * Method: an nghttp2 client on a socket pair, and frames made by hand where a good client would not
 * make them.
 */
#include "support/http_rig.h"

#include <nghttp2/nghttp2.h>

/* ---- a client ------------------------------------------------------------------------------ */

enum { MOST_STREAMS = 600 };

struct stream {
    int status;
    struct px_buffer body;
    char trailer[100];
    bool is_closed;
    uint32_t error_code;
};

struct client {
    nghttp2_session *session;
    struct stream streams[MOST_STREAMS];
    size_t parsed_bytes; /* of rig.received */
    bool got_goaway;
    uint32_t goaway_code;
    int32_t goaway_stream;
};

static struct client client;

static int client_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                            const uint8_t *name, size_t name_bytes, const uint8_t *value,
                            size_t value_bytes, uint8_t flags, void *context)
{
    struct stream *stream = &client.streams[frame->hd.stream_id];
    (void)session;
    (void)flags;
    (void)context;
    if (name_bytes == 7 && memcmp(name, ":status", 7) == 0)
        stream->status = atoi((const char *)value);
    if (name_bytes == 5 && memcmp(name, "x-sum", 5) == 0)
        snprintf(stream->trailer, sizeof stream->trailer, "%.*s", (int)value_bytes, value);
    return 0;
}

static int client_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                          size_t size_bytes, void *context)
{
    (void)session;
    (void)flags;
    (void)context;
    px_buffer_append(&client.streams[id].body, data, size_bytes);
    return 0;
}

static int client_on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *context)
{
    (void)session;
    (void)context;
    client.streams[id].is_closed = true;
    client.streams[id].error_code = error_code;
    return 0;
}

static int client_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)session;
    (void)context;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client.got_goaway = true;
        client.goaway_code = frame->goaway.error_code;
        client.goaway_stream = frame->goaway.last_stream_id;
    }
    return 0;
}

static void client_set_up(void)
{
    nghttp2_session_callbacks *callbacks;
    memset(&client, 0, sizeof client);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_on_frame);
    assert_int_equal(nghttp2_session_client_new(&client.session, callbacks, NULL), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(client.session, 0, NULL, 0), 0);
}

static void set_up(void)
{
    rig_set_up();
    rig.budget->limit_bytes = 64 << 20;
    client_set_up();
}

static void client_parse(void)
{
    ssize_t taken =
        nghttp2_session_mem_recv(client.session, rig.received.data + client.parsed_bytes,
                                 rig.received.size_bytes - client.parsed_bytes);
    assert_true(taken >= 0);
    client.parsed_bytes = rig.received.size_bytes;
}

/* Exchanges bytes until neither side has anything to say. */
static void client_run(void)
{
    for (int idle = 0; idle < 3; idle++) {
        const uint8_t *data;
        ssize_t size;
        rig_turn();
        client_parse();
        while ((size = nghttp2_session_mem_send(client.session, &data)) > 0) {
            rig_send(data, (size_t)size);
            client_parse();
            idle = 0;
        }
    }
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t limit,
                           uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct px_slice *upload = source->ptr;
    size_t part = upload->size_bytes < limit ? upload->size_bytes : limit;
    (void)session;
    (void)id;
    (void)context;
    if (part > 0)
        memcpy(buffer, upload->data, part);
    upload->data += part;
    upload->size_bytes -= part;
    if (upload->size_bytes == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

/* Starts a request; upload (kept) may be NULL. Returns the stream. */
static int32_t request(const char *method, const char *path, struct px_slice *upload)
{
    const nghttp2_nv fields[] = {field(":method", method), field(":scheme", "http"),
                                 field(":path", path), field(":authority", "x")};
    nghttp2_data_provider provider = {.source.ptr = upload, .read_callback = read_upload};
    int32_t id = nghttp2_submit_request(client.session, NULL, fields, 4,
                                        upload != NULL ? &provider : NULL, NULL);
    assert_true(id > 0 && id < MOST_STREAMS);
    return id;
}

static void tear_down(void)
{
    for (size_t i = 0; i < MOST_STREAMS; i++)
        px_buffer_release(&client.streams[i].body);
    nghttp2_session_del(client.session);
    rig_tear_down();
}

static void expect_body(int32_t id, const char *expected)
{
    assert_string_equal(text_of(&client.streams[id].body), expected);
}

/* ---- requests and responses ---------------------------------------------------------------- */

static void test_h2__answers_requests(void **state)
{
    (void)state;
    set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
    int32_t a = request("GET", "/a?b", NULL);
    int32_t b = request("HEAD", "/c", NULL);
    client_run();
    rig_expect_record("request GET /a?b | close done | request HEAD /c | close done");
    assert_int_equal(client.streams[a].status, 200);
    assert_int_equal(client.streams[b].status, 200);
    expect_body(a, "ok");
    expect_body(b, "");
    assert_true(client.streams[a].is_closed && client.streams[a].error_code == 0);
    tear_down();
}

static void test_h2__greets_however_the_bytes_are_cut(void **state)
{
    (void)state;
    set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
    int32_t a = request("GET", "/a", NULL);
    const uint8_t *data;
    ssize_t size;
    while ((size = nghttp2_session_mem_send(client.session, &data)) > 0)
        for (ssize_t i = 0; i < size; i++)
            rig_send(data + i, 1);
    client_run();
    expect_body(a, "ok");
    tear_down();
}

static void answer_with_trailers(struct px_exchange *x)
{
    const struct px_header trailer = px_header_of("x-sum", "42");
    px_exchange_start(x, 200, NULL, 0, false);
    px_exchange_send_copy(x, "abc", 3);
    px_exchange_finish(x, &trailer, 1);
}

static void test_h2__sends_trailers(void **state)
{
    (void)state;
    set_up();
    rig.on_request = answer_with_trailers;
    rig_connect();
    int32_t id = request("GET", "/", NULL);
    client_run();
    expect_body(id, "abc");
    assert_string_equal(client.streams[id].trailer, "42");
    tear_down();
}

static void test_h2__sends_later_and_piece_by_piece(void **state)
{
    (void)state;
    set_up();
    rig_connect();
    int32_t id = request("GET", "/", NULL);
    client_run();
    struct px_exchange *x = rig.last;
    px_exchange_start(x, 200, NULL, 0, false);
    client_run();
    px_exchange_send_copy(x, "one", 3);
    client_run();
    expect_body(id, "one");
    px_exchange_send_copy(x, "two", 3);
    client_run();
    px_exchange_finish(x, NULL, 0);
    client_run();
    expect_body(id, "onetwo");
    rig_expect_record("request GET / | sent | sent | close done");
    tear_down();
}

static int releases;

static void count_release(void *context)
{
    (void)context;
    releases++;
}

static void test_h2__sends_large_bodies_from_where_they_are(void **state)
{
    (void)state;
    enum { SIZE = 5 << 20 };
    uint8_t *large = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        large[i] = (uint8_t)(i % 253);
    set_up();
    rig_connect();
    int32_t id = request("GET", "/", NULL);
    client_run();
    releases = 0;
    struct proximadb_buffer body = {.data = large, .size_bytes = SIZE, .release = count_release};
    px_exchange_respond(rig.last, 200, NULL, 0, &body);
    for (int i = 0; i < 1000 && client.streams[id].body.size_bytes < SIZE; i++)
        client_run();
    assert_int_equal(client.streams[id].body.size_bytes, SIZE);
    assert_memory_equal(client.streams[id].body.data, large, SIZE);
    assert_int_equal(releases, 1);
    /* Only frame headers and header blocks were copied. */
    assert_true(rig.connection->output.copies.capacity_bytes < 64 << 10);
    free(large);
    tear_down();
}

/* ---- bodies -------------------------------------------------------------------------------- */

static struct px_message *kept;

static void keep_body(struct px_exchange *x, enum px_body_result result, struct px_message *message,
                      const struct proximadb_error *error)
{
    (void)error;
    assert_int_equal(result, PX_BODY_COMPLETE);
    kept = message;
    rig_answer_ok(x);
}

static void collect_much(struct px_exchange *x)
{
    px_exchange_collect(x, 32 << 20);
}

static size_t large_bytes;

/* Of a message: what came with the headers before its first frame, and what is left of it in the
 * end that is not worth a read of its own. */
enum { MOST_COPIED_BYTES = PX_IO_WORKER_SCRATCH_BYTES + 1024 };

static void receive_large(struct px_exchange *x)
{
    px_exchange_receive(x, large_bytes);
}

static uint8_t *make_upload(size_t size_bytes)
{
    uint8_t *data = malloc(size_bytes);
    for (size_t i = 0; i < size_bytes; i++)
        data[i] = (uint8_t)(i % 249);
    return data;
}

static void test_h2__receives_large_messages(void **state)
{
    (void)state;
    large_bytes = 6 << 20;
    uint8_t *data = make_upload(large_bytes);
    struct px_slice upload = px_slice_of(data, large_bytes);
    set_up();
    rig.on_request = receive_large;
    rig.on_body = keep_body;
    rig_connect();
    int32_t id = request("POST", "/", &upload);
    client_run();
    expect_body(id, "ok");
    assert_int_equal(kept->size_bytes, large_bytes);
    assert_memory_equal(kept->data, data, large_bytes);
    px_message_free(kept);
    assert_int_equal(rig.worker.stats.body_bytes, large_bytes);
    assert_true(rig.worker.stats.body_copied_bytes <= MOST_COPIED_BYTES);
    free(data);
    tear_down();
}

static void test_h2__interleaves_uploads(void **state)
{
    (void)state;
    enum { STREAMS = 8 };
    large_bytes = 300000;
    uint8_t *data = make_upload(large_bytes);
    struct px_slice uploads[STREAMS];
    set_up();
    rig.on_request = collect_much;
    rig.on_body = rig_echo;
    rig_connect();
    int32_t ids[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        uploads[i] = px_slice_of(data, large_bytes);
        ids[i] = request("POST", "/", &uploads[i]);
    }
    for (int i = 0; i < 50; i++)
        client_run();
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(client.streams[ids[i]].body.size_bytes, large_bytes);
        assert_memory_equal(client.streams[ids[i]].body.data, data, large_bytes);
    }
    free(data);
    tear_down();
}

static void test_h2__gives_no_window_for_what_nobody_asked_for(void **state)
{
    (void)state;
    large_bytes = 1 << 20;
    uint8_t *data = make_upload(large_bytes);
    struct px_slice uploads[3];
    set_up();
    rig_connect();
    for (int i = 0; i < 3; i++) {
        uploads[i] = px_slice_of(data, large_bytes);
        request("POST", "/", &uploads[i]);
    }
    client_run();
    /* All three together have used up the connection's first window, and no more. */
    assert_int_equal(rig.worker.stats.body_bytes, 65535);
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 65535);
    px_exchange_collect(rig.last, large_bytes);
    client_run();
    px_exchange_reset(rig.last);
    free(data);
    tear_down();
}

static void test_h2__wants_only_what_the_budget_has(void **state)
{
    (void)state;
    large_bytes = 1 << 20;
    uint8_t *data = make_upload(large_bytes);
    struct px_slice a = px_slice_of(data, large_bytes);
    struct px_slice b = px_slice_of(data, large_bytes);
    set_up();
    rig.budget->limit_bytes = 1536 << 10; /* one at a time */
    rig.on_request = receive_large;
    rig.on_body = rig_echo;
    rig_connect();
    int32_t first = request("POST", "/", &a);
    int32_t second = request("POST", "/", &b);
    for (int i = 0; i < 30; i++)
        client_run();
    assert_int_equal(client.streams[first].body.size_bytes, large_bytes);
    assert_int_equal(client.streams[second].body.size_bytes, large_bytes);
    free(data);
    tear_down();
}

static void test_h2__tells_the_client_to_stop_what_was_answered(void **state)
{
    (void)state;
    large_bytes = 1 << 20;
    uint8_t *data = make_upload(large_bytes);
    struct px_slice upload = px_slice_of(data, large_bytes);
    set_up();
    rig.on_request = rig_answer_ok; /* without reading */
    rig_connect();
    int32_t id = request("POST", "/", &upload);
    client_run();
    expect_body(id, "ok");
    assert_true(client.streams[id].is_closed);
    assert_int_equal(client.streams[id].error_code, NGHTTP2_NO_ERROR);
    assert_true(upload.size_bytes > large_bytes / 2);
    rig_expect_record("request POST / | close done");

    struct px_slice rest = px_slice_of(data, 200000); /* the connection's window is whole again */
    rig.on_request = collect_much;
    rig.on_body = rig_echo;
    id = request("POST", "/", &rest);
    client_run();
    assert_int_equal(client.streams[id].body.size_bytes, 200000);
    free(data);
    tear_down();
}

/* ---- frames by hand ------------------------------------------------------------------------ */

static void put_frame(struct px_buffer *bytes, uint8_t type, uint8_t flags, uint32_t stream,
                      struct px_slice payload)
{
    size_t size = payload.size_bytes;
    const uint8_t header[] = {
        (uint8_t)(size >> 16),   (uint8_t)(size >> 8),   (uint8_t)size,  type, flags, 0,
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    px_buffer_append(bytes, header, sizeof header);
    px_buffer_append_slice(bytes, payload);
}

static void put_greeting(struct px_buffer *bytes)
{
    px_buffer_append(bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put_frame(bytes, NGHTTP2_SETTINGS, 0, 0, (struct px_slice){0});
    put_frame(bytes, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, (struct px_slice){0});
}

/* :method POST, :scheme http, :path /, from HPACK's static table; :authority x. */
static const uint8_t post_block[] = {0x83, 0x86, 0x84, 0x41, 0x01, 'x'};

static void put_post(struct px_buffer *bytes, uint32_t stream)
{
    put_frame(bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream,
              px_slice_of(post_block, sizeof post_block));
}

static void send_and_clear(struct px_buffer *bytes)
{
    rig_send(bytes->data, bytes->size_bytes);
    px_buffer_clear(bytes);
}

/* What came back, frame by frame: the payload of the first one of that type, if any. */
static bool find_frame(uint8_t type, struct px_slice *ret_payload)
{
    const uint8_t *at = rig.received.data;
    const uint8_t *end = at + rig.received.size_bytes;
    while (end - at >= 9) {
        size_t size = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        assert_true(size <= (size_t)(end - at) - 9);
        *ret_payload = px_slice_of(at + 9, size);
        if (at[3] == type)
            return true;
        at += 9 + size;
    }
    return false;
}

static uint32_t load_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* What the peer may send more on a stream (0: on the connection), by all WINDOW_UPDATE frames. */
static uint64_t window_granted(uint32_t stream)
{
    const uint8_t *at = rig.received.data;
    const uint8_t *end = at + rig.received.size_bytes;
    uint64_t granted = 0;
    while (end - at >= 9) {
        size_t size = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        assert_true(size <= (size_t)(end - at) - 9);
        if (at[3] == NGHTTP2_WINDOW_UPDATE && load_be32(at + 5) == stream)
            granted += load_be32(at + 9);
        at += 9 + size;
    }
    return granted;
}

static void expect_ok_by_hand(void)
{
    struct px_slice body;
    assert_true(find_frame(NGHTTP2_DATA, &body));
    assert_true(px_slice_equal(body, px_slice_of_string("ok")));
}

static void expect_goaway_by_hand(uint8_t code)
{
    struct px_slice payload;
    assert_true(find_frame(NGHTTP2_GOAWAY, &payload));
    assert_int_equal(payload.data[7], code);
    assert_true(rig.connection->is_ending);
}

static uint8_t next_prefix[5];

static void read_next(struct px_exchange *x, enum px_body_result result, struct px_message *message,
                      const struct proximadb_error *error)
{
    (void)result;
    (void)error;
    px_message_free(message);
    px_exchange_read(x, next_prefix, sizeof next_prefix, PX_PATIENT);
}

/* Whoever waits for a stream's next message opens its window in time, not when it is used up. */
static void test_h2__opens_the_window_for_the_next_message(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    uint8_t data[16000] = {0};
    large_bytes = 4 * sizeof data;
    set_up();
    rig.on_request = receive_large;
    rig.on_body = read_next;
    rig_connect();
    put_greeting(&bytes);
    put_post(&bytes, 1);
    send_and_clear(&bytes);
    assert_int_equal(window_granted(0), large_bytes); /* beside the base, which stays free */
    assert_int_equal(window_granted(1), 0);           /* the first window is enough */
    for (int i = 0; i < 4; i++)
        put_frame(&bytes, NGHTTP2_DATA, 0, 1, px_slice_of(data, sizeof data));
    send_and_clear(&bytes);
    assert_int_equal(window_granted(1), large_bytes); /* what was used up */
    px_buffer_release(&bytes);
    tear_down();
}

/* The answer waits for the client's window, and what the client goes on sending is dropped. */
static void test_h2__drops_what_comes_behind_an_answer(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    uint8_t data[10000] = {0};
    set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
    put_greeting(&bytes);
    put_frame(&bytes, NGHTTP2_SETTINGS, 0, 0, px_slice_of("\0\4\0\0\0\0", 6));
    put_post(&bytes, 1);
    put_frame(&bytes, NGHTTP2_DATA, 0, 1, px_slice_of(data, sizeof data));
    send_and_clear(&bytes);
    rig_expect_record("request POST /");
    assert_int_equal(rig.worker.stats.body_bytes, sizeof data);
    assert_int_equal(atomic_load(&rig.budget->used_bytes), 0);
    px_buffer_release(&bytes);
    tear_down();
}

/* A body in frames of odd sizes, padded and not, with other frames between them. */
static void put_body(struct px_buffer *bytes, const uint8_t *body, size_t size_bytes, bool padded)
{
    size_t at = 0;
    for (size_t i = 0; at < size_bytes; i++) {
        size_t part = (i * 7919) % 16000 + 1;
        part = part < size_bytes - at ? part : size_bytes - at;
        uint8_t flags = at + part == size_bytes ? NGHTTP2_FLAG_END_STREAM : 0;
        if (padded) {
            struct px_buffer payload = {0};
            px_buffer_append_byte(&payload, (uint8_t)(i % 256));
            px_buffer_append(&payload, body + at, part);
            px_buffer_append_zeros(&payload, i % 256);
            put_frame(bytes, NGHTTP2_DATA, flags | NGHTTP2_FLAG_PADDED, 1,
                      px_buffer_slice(&payload));
            px_buffer_release(&payload);
        } else {
            put_frame(bytes, NGHTTP2_DATA, flags, 1, px_slice_of(body + at, part));
        }
        if (i % 3 == 0)
            put_frame(bytes, NGHTTP2_PING, 0, 0, px_slice_of("12345678", 8));
        at += part;
    }
}

static void check_by_hand(size_t size_bytes, bool padded, bool in_pieces)
{
    uint8_t *data = make_upload(size_bytes);
    struct px_buffer bytes = {0};
    large_bytes = size_bytes;
    set_up();
    rig.on_request = receive_large;
    rig.on_body = keep_body;
    rig_connect();
    put_greeting(&bytes);
    put_post(&bytes, 1);
    put_body(&bytes, data, size_bytes, padded);
    struct px_test_random random = px_test_random_new("h2");
    if (in_pieces) {
        for (size_t at = 0; at < bytes.size_bytes;) {
            size_t part = 1 + px_test_below(&random, 3000);
            part = part < bytes.size_bytes - at ? part : bytes.size_bytes - at;
            rig_send(bytes.data + at, part);
            at += part;
        }
    } else {
        rig_send(bytes.data, bytes.size_bytes);
    }
    expect_ok_by_hand();
    assert_int_equal(kept->size_bytes, size_bytes);
    assert_memory_equal(kept->data, data, size_bytes);
    px_message_free(kept);
    assert_int_equal(rig.worker.stats.body_bytes, size_bytes);
    if (padded)
        assert_int_equal(rig.worker.stats.body_copied_bytes, size_bytes);
    px_buffer_release(&bytes);
    free(data);
    tear_down();
}

static void test_h2__receives_frames_of_all_sorts(void **state)
{
    (void)state;
    for (int in_pieces = 0; in_pieces < 2; in_pieces++) {
        check_by_hand(60000, false, in_pieces);
        check_by_hand(60000, true, in_pieces);
        check_by_hand(1, false, in_pieces);
    }
}

/* Frames as large as our settings allow, which grpcio sends. */
static void test_h2__copies_next_to_nothing_of_large_frames(void **state)
{
    (void)state;
    enum { FRAME = 1 << 20, FRAMES = 4 };
    struct px_buffer bytes = {0};
    large_bytes = (size_t)FRAME * FRAMES;
    uint8_t *data = make_upload(large_bytes);
    set_up();
    rig.on_request = receive_large;
    rig.on_body = keep_body;
    rig_connect();
    put_greeting(&bytes);
    put_post(&bytes, 1);
    send_and_clear(&bytes); /* the answer to which are the windows */
    for (size_t i = 0; i < FRAMES; i++)
        put_frame(&bytes, NGHTTP2_DATA, i + 1 == FRAMES ? NGHTTP2_FLAG_END_STREAM : 0, 1,
                  px_slice_of(data + i * FRAME, FRAME));
    send_and_clear(&bytes);
    expect_ok_by_hand();
    assert_memory_equal(kept->data, data, large_bytes);
    px_message_free(kept);
    assert_true(rig.worker.stats.body_copied_bytes <= MOST_COPIED_BYTES);
    px_buffer_release(&bytes);
    free(data);
    tear_down();
}

/* Of PING and SETTINGS, nghttp2 counts the acknowledgements that we have not sent yet, and ends the
 * connection without a word when they are too many. */
static void check_flood(uint8_t type, uint32_t stream, struct px_slice payload, const char *log)
{
    struct px_buffer bytes = {0};
    set_up();
    rig_connect();
    put_greeting(&bytes);
    put_post(&bytes, 1);
    for (int i = 0; i < 5000; i++)
        put_frame(&bytes, type, 0, stream, payload);
    rig_send(bytes.data, bytes.size_bytes);
    assert_true(rig.connection->is_ending);
    assert_non_null(strstr(text_of(&rig.log), log));
    px_buffer_release(&bytes);
    tear_down();
}

static void test_h2__ends_a_flood_of_control_frames(void **state)
{
    (void)state;
    struct px_slice nothing = {0};
    check_flood(NGHTTP2_PING, 0, px_slice_of("12345678", 8), "Flooding was detected");
    check_flood(NGHTTP2_SETTINGS, 0, nothing, "Flooding was detected");
    check_flood(NGHTTP2_DATA, 1, nothing, "GOAWAY ENHANCE_YOUR_CALM: too many");
    check_flood(NGHTTP2_PRIORITY, 3, px_slice_of("\0\0\0\7x", 5), "too many");
}

/* Slowly, so that the acknowledgements are sent in between. */
static void test_h2__ends_a_flood_of_pings_that_are_answered(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    set_up();
    rig_connect();
    put_greeting(&bytes);
    for (int i = 0; i < 50 && !rig.connection->is_ending; i++) {
        for (int j = 0; j < 100; j++)
            put_frame(&bytes, NGHTTP2_PING, 0, 0, px_slice_of("12345678", 8));
        send_and_clear(&bytes);
    }
    expect_goaway_by_hand(NGHTTP2_ENHANCE_YOUR_CALM);
    px_buffer_release(&bytes);
    tear_down();
}

static void test_h2__ends_a_flood_of_resets(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    set_up();
    rig_connect();
    put_greeting(&bytes);
    for (uint32_t i = 0; i < 5000; i++) {
        put_post(&bytes, 2 * i + 1);
        put_frame(&bytes, NGHTTP2_RST_STREAM, 0, 2 * i + 1, px_slice_of("\0\0\0\10", 4));
    }
    rig_send(bytes.data, bytes.size_bytes);
    expect_goaway_by_hand(NGHTTP2_INTERNAL_ERROR);
    px_buffer_release(&bytes);
    tear_down();
}

static void hold_it(struct px_exchange *x)
{
    px_exchange_hold(x);
    struct px_exchange **next = px_exchange_state(x);
    *next = px_exchange_context(x);
    rig.route.context = x;
}

static void test_h2__refuses_streams_while_too_much_work_is_under_way(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    set_up();
    rig.on_request = hold_it; /* as an engine does that cannot stop at once */
    rig_connect();
    put_greeting(&bytes);
    for (uint32_t i = 0; i < 600; i++) {
        put_post(&bytes, 2 * i + 1);
        put_frame(&bytes, NGHTTP2_RST_STREAM, 0, 2 * i + 1, px_slice_of("\0\0\0\10", 4));
    }
    rig_send(bytes.data, bytes.size_bytes);
    assert_int_equal(rig.worker.exchange_count, 512);
    struct px_exchange *x = rig.route.context;
    while (x != NULL) {
        struct px_exchange *next = *(struct px_exchange **)px_exchange_state(x);
        px_exchange_drop(x);
        x = next;
    }
    px_buffer_release(&bytes);
    tear_down();
}

static void test_h2__refuses_streams_while_there_are_too_many_in_all(void **state)
{
    (void)state;
    set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
    int32_t a = request("GET", "/a", NULL);
    client_run();
    rig.worker.exchange_count += PX_MOST_EXCHANGES;
    int32_t b = request("GET", "/b", NULL);
    client_run();
    rig.worker.exchange_count -= PX_MOST_EXCHANGES;
    int32_t c = request("GET", "/c", NULL);
    client_run();
    expect_body(a, "ok");
    assert_int_equal(client.streams[b].error_code, NGHTTP2_REFUSED_STREAM);
    expect_body(c, "ok");
    tear_down();
}

static void test_h2__ends_a_flood_of_continuations(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    set_up();
    rig_connect();
    put_greeting(&bytes);
    put_frame(&bytes, NGHTTP2_HEADERS, 0, 1, px_slice_of(post_block, sizeof post_block));
    for (int i = 0; i < 1000; i++)
        put_frame(&bytes, NGHTTP2_CONTINUATION, 0, 1, (struct px_slice){0});
    rig_send(bytes.data, bytes.size_bytes);
    assert_true(rig.connection->is_ending);
    assert_int_equal(rig.record.size_bytes, 0);
    px_buffer_release(&bytes);
    tear_down();
}

/* A GOAWAY of 1 MiB, which our setting of the frame size allows, would be kept in memory of no budget.
 * Frames of unknown types are dropped as they come. */
static void test_h2__ends_on_a_large_goaway(void **state)
{
    (void)state;
    static uint8_t payload[16385];
    struct px_buffer bytes = {0};
    set_up();
    rig_connect();
    put_greeting(&bytes);
    put_frame(&bytes, 0x2a, 0, 0, px_slice_of(payload, sizeof payload));
    send_and_clear(&bytes);
    assert_false(rig.connection->is_ending);
    put_frame(&bytes, NGHTTP2_GOAWAY, 0, 0, px_slice_of(payload, sizeof payload));
    rig_send(bytes.data, 9); /* the size is enough */
    assert_true(rig.connection->is_ending);
    assert_non_null(strstr(text_of(&rig.log), "larger than 16 KiB"));
    px_buffer_release(&bytes);
    tear_down();
}

/* Header fields of some size are held within the budget, and small ones are free. */
static void test_h2__holds_large_headers_within_the_budget(void **state)
{
    (void)state;
    char large[6001], small[1001];
    int32_t ids[8];
    memset(large, 'x', sizeof large - 1);
    memset(small, 'x', sizeof small - 1);
    large[sizeof large - 1] = small[sizeof small - 1] = '\0';
    set_up();
    rig.budget->limit_bytes = 20000;
    rig_connect();
    for (int i = 0; i < 8; i++) {
        const nghttp2_nv fields[] = {field(":method", "GET"), field(":scheme", "http"),
                                     field(":path", "/"), field(":authority", "x"),
                                     field("x-size", i < 5 ? large : small)};
        ids[i] = nghttp2_submit_request(client.session, NULL, fields, 5, NULL, NULL);
        client_run();
    }
    for (int i = 0; i < 8; i++)
        assert_int_equal(client.streams[ids[i]].status, i == 3 || i == 4 ? 503 : 0);
    size_t used = atomic_load(&rig.budget->used_bytes);
    assert_true(used > 3 * 6000 && used <= 20000);
    nghttp2_submit_rst_stream(client.session, 0, ids[0], NGHTTP2_CANCEL);
    client_run();
    assert_int_equal(atomic_load(&rig.budget->used_bytes), used / 3 * 2);
    tear_down(); /* demands that nothing is used any more */
}

/* 10^5 streams of one connection, as fast as it takes them: nothing of those that are done stays. */
static void test_h2__forgets_streams_that_are_done(void **state)
{
    (void)state;
    enum { ROUNDS = 1000, STREAMS = 100 };
    struct px_buffer bytes = {0};
    set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
    put_greeting(&bytes);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < STREAMS; i++)
            put_frame(&bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                      2 * (round * STREAMS + i) + 1, px_slice_of(post_block, sizeof post_block));
        /* The answers, "ok" each, are paid for. */
        put_frame(&bytes, NGHTTP2_WINDOW_UPDATE, 0, 0, px_slice_of("\0\0\0\310", 4));
        px_buffer_clear(&rig.received);
        px_buffer_clear(&rig.record);
        send_and_clear(&bytes);
        assert_int_equal(rig.worker.exchange_count, 0);
    }
    assert_int_equal(rig.worker.stats.requests, ROUNDS * STREAMS);
    assert_int_equal(rig.worker.stats.requests_cancelled, 0);
    assert_false(rig.connection->is_ending);
    px_buffer_release(&bytes);
    tear_down();
}

static void test_h2__refuses_large_headers(void **state)
{
    (void)state;
    static char large[40000];
    memset(large, 'a', sizeof large - 1);
    set_up();
    rig_connect();
    const nghttp2_nv fields[] = {field(":method", "GET"), field(":scheme", "http"),
                                 field(":path", "/"), field(":authority", "x"), field("y", large)};
    int32_t id = nghttp2_submit_request(client.session, NULL, fields, 5, NULL, NULL);
    client_run();
    assert_int_equal(client.streams[id].status, 431);
    assert_int_equal(rig.record.size_bytes, 0);
    tear_down();
}

static void test_h2__ends_on_garbage(void **state)
{
    (void)state;
    set_up();
    rig_connect();
    rig_send_text("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert_true(rig.connection->is_ending);
    tear_down();

    set_up(); /* TLS to a port without it */
    rig_connect();
    rig_send("\x16\x03\x01\x02\x00", 5);
    assert_true(rig.connection->is_ending);
    assert_non_null(strstr(text_of(&rig.log), "TLS"));
    tear_down();

    set_up(); /* a frame on stream 0 that must not be there */
    rig_connect();
    client_run();
    struct px_buffer bytes = {0};
    put_frame(&bytes, NGHTTP2_DATA, 0, 0, px_slice_of("abc", 3));
    send_and_clear(&bytes);
    expect_goaway_by_hand(NGHTTP2_PROTOCOL_ERROR);
    px_buffer_release(&bytes);
    tear_down();
}

/* ---- ends ---------------------------------------------------------------------------------- */

static void test_h2__closes_exchanges_that_the_client_resets(void **state)
{
    (void)state;
    set_up();
    rig_connect();
    int32_t a = request("GET", "/a", NULL);
    client_run();
    nghttp2_submit_rst_stream(client.session, 0, a, NGHTTP2_CANCEL);
    client_run();
    rig_expect_record("request GET /a | close reset");
    rig.on_request = rig_answer_ok; /* the connection goes on */
    int32_t b = request("GET", "/b", NULL);
    client_run();
    expect_body(b, "ok");
    tear_down();
}

static void test_h2__resets_what_a_handler_gives_up(void **state)
{
    (void)state;
    set_up();
    rig_connect();
    int32_t a = request("GET", "/a", NULL);
    int32_t b = request("GET", "/b", NULL);
    client_run();
    struct px_exchange *x = rig.last;
    px_exchange_start(x, 200, NULL, 0, false);
    px_exchange_send_copy(x, "half", 4);
    px_exchange_reset(x);
    client_run();
    assert_true(client.streams[b].is_closed);
    assert_int_equal(client.streams[b].error_code, NGHTTP2_INTERNAL_ERROR);
    assert_false(client.streams[a].is_closed);
    rig_expect_record("request GET /a | request GET /b | close reset");
    tear_down();
}

static void test_h2__resets_a_stream_whose_body_is_too_slow(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    set_up();
    rig.on_request = rig_collect;
    rig_connect();
    put_greeting(&bytes);
    put_post(&bytes, 1);
    send_and_clear(&bytes);
    rig_wait(29000);
    rig_expect_record("request POST /");
    rig_wait(35000);
    rig_expect_record("request POST / | close timeout");
    assert_false(rig.connection->is_ending);
    put_frame(&bytes, NGHTTP2_HEADERS, 0, 3, px_slice_of(post_block, 2)); /* never continued */
    send_and_clear(&bytes);
    rig_wait(50000);
    assert_null(rig.worker.connections);
    px_buffer_release(&bytes);
    tear_down();
}

static const uint8_t no_window[] = {0, 4, 0, 0, 0, 0}; /* SETTINGS_INITIAL_WINDOW_SIZE 0 */

static void grant_by_hand(uint32_t bytes)
{
    struct px_buffer frame = {0};
    const uint8_t payload[] = {(uint8_t)(bytes >> 24), (uint8_t)(bytes >> 16),
                               (uint8_t)(bytes >> 8), (uint8_t)bytes};
    put_frame(&frame, NGHTTP2_WINDOW_UPDATE, 0, 1, px_slice_of(payload, sizeof payload));
    send_and_clear(&frame);
    px_buffer_release(&frame);
}

/* A byte now and then does not keep an answer here; who takes 60,000 bytes has a second more. */
static void test_h2__resets_a_stream_whose_answer_dribbles(void **state)
{
    (void)state;
    for (int takes_more = 0; takes_more < 2; takes_more++) {
        struct px_buffer bytes = {0};
        struct proximadb_buffer body = {.size_bytes = 1000000};
        set_up();
        rig_connect();
        put_greeting(&bytes);
        put_frame(&bytes, NGHTTP2_SETTINGS, 0, 0, px_slice_of(no_window, sizeof no_window));
        put_post(&bytes, 1);
        send_and_clear(&bytes);
        body.data = body.context = calloc(1, body.size_bytes);
        body.release = free;
        px_exchange_respond(rig.last, 200, NULL, 0, &body);
        grant_by_hand(takes_more ? 60000 : 1);
        assert_int_equal(rig.last->sent_bytes, takes_more ? 60000 : 1);
        rig.last->waiting_ms -= 50000;
        rig_wait(9000);
        rig_expect_record("request POST /");
        grant_by_hand(1);
        rig_wait(10500);
        rig_expect_record(takes_more ? "request POST /" : "request POST / | close timeout");
        rig_wait(12000);
        rig_expect_record("request POST / | close timeout");
        px_buffer_release(&bytes);
        tear_down();
    }
}

static void test_h2__drains_with_two_goaways(void **state)
{
    (void)state;
    set_up();
    rig_connect();
    int32_t a = request("GET", "/a", NULL);
    client_run();
    px_io_worker_drain(&rig.worker);
    client_run();
    assert_true(client.got_goaway);
    assert_int_equal(client.goaway_code, NGHTTP2_NO_ERROR);
    assert_int_equal(client.goaway_stream, a); /* the second one, after the ping came back */
    assert_false(rig.connection->is_ending);
    rig_answer_ok(rig.last);
    client_run();
    expect_body(a, "ok");
    assert_true(rig.connection->is_lingering);
    rig_expect_record("request GET /a | drain | close done");
    tear_down();
}

static void test_h2__lets_an_idle_connection_go(void **state)
{
    (void)state;
    set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
    request("GET", "/a", NULL);
    client_run();
    rig_wait(301000);
    client_run();
    assert_true(client.got_goaway);
    assert_int_equal(client.goaway_code, NGHTTP2_NO_ERROR);
    assert_true(rig.connection->is_lingering);
    tear_down();
}

/* "PRI" is no request, and neither is all of the greeting. */
static void test_h2__lets_a_connection_without_a_request_go(void **state)
{
    (void)state;
    for (int is_whole = 0; is_whole < 2; is_whole++) {
        struct px_buffer bytes = {0};
        set_up();
        rig_connect();
        put_greeting(&bytes);
        rig_send(bytes.data, is_whole ? bytes.size_bytes : 3);
        rig_wait(9000);
        assert_int_equal(rig.connection->drained_ms, 0);
        rig_wait(11000);
        assert_true(rig.connection->drained_ms != 0);
        assert_false(rig.connection->is_ending);
        rig_wait(17000);
        assert_true(rig.connection->is_ending);
        px_buffer_release(&bytes);
        tear_down();
    }
}

static void test_h2__does_not_take_pings_for_requests(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    set_up();
    rig.on_request = rig_answer_ok;
    rig_connect();
    put_greeting(&bytes);
    put_post(&bytes, 1);
    send_and_clear(&bytes);
    rig.connection->idle_ms -= 290000;
    put_frame(&bytes, NGHTTP2_PING, 0, 0, px_slice_of("12345678", 8));
    send_and_clear(&bytes);
    rig_wait(9000);
    assert_int_equal(rig.connection->drained_ms, 0);
    rig_wait(11000);
    assert_true(rig.connection->drained_ms != 0);
    px_buffer_release(&bytes);
    tear_down();
}

/* An answer that is on its way for an hour does not make its connection idle. */
static void test_h2__is_not_idle_while_it_answers(void **state)
{
    (void)state;
    set_up();
    rig_connect();
    request("GET", "/a", NULL);
    client_run();
    rig.connection->idle_ms -= 3600000;
    rig_wait(2000);
    assert_int_equal(rig.connection->drained_ms, 0);
    rig_answer_ok(rig.last);
    client_run();
    rig_wait(9000);
    assert_int_equal(rig.connection->drained_ms, 0);
    tear_down();
}

static void test_h2__closes_everything_with_its_peer(void **state)
{
    (void)state;
    set_up();
    rig_connect();
    request("GET", "/a", NULL);
    request("GET", "/b", NULL);
    client_run();
    close(rig.peer);
    rig.peer = -1;
    px_loop_turn(&rig.worker.loop, 0);
    rig_expect_record("request GET /a | request GET /b | close peer gone | close peer gone");
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h2__answers_requests),
        cmocka_unit_test(test_h2__greets_however_the_bytes_are_cut),
        cmocka_unit_test(test_h2__sends_trailers),
        cmocka_unit_test(test_h2__sends_later_and_piece_by_piece),
        cmocka_unit_test(test_h2__sends_large_bodies_from_where_they_are),
        cmocka_unit_test(test_h2__receives_large_messages),
        cmocka_unit_test(test_h2__interleaves_uploads),
        cmocka_unit_test(test_h2__gives_no_window_for_what_nobody_asked_for),
        cmocka_unit_test(test_h2__wants_only_what_the_budget_has),
        cmocka_unit_test(test_h2__tells_the_client_to_stop_what_was_answered),
        cmocka_unit_test(test_h2__opens_the_window_for_the_next_message),
        cmocka_unit_test(test_h2__drops_what_comes_behind_an_answer),
        cmocka_unit_test(test_h2__receives_frames_of_all_sorts),
        cmocka_unit_test(test_h2__copies_next_to_nothing_of_large_frames),
        cmocka_unit_test(test_h2__ends_a_flood_of_control_frames),
        cmocka_unit_test(test_h2__ends_a_flood_of_pings_that_are_answered),
        cmocka_unit_test(test_h2__ends_a_flood_of_resets),
        cmocka_unit_test(test_h2__refuses_streams_while_too_much_work_is_under_way),
        cmocka_unit_test(test_h2__refuses_streams_while_there_are_too_many_in_all),
        cmocka_unit_test(test_h2__ends_a_flood_of_continuations),
        cmocka_unit_test(test_h2__ends_on_a_large_goaway),
        cmocka_unit_test(test_h2__holds_large_headers_within_the_budget),
        cmocka_unit_test(test_h2__forgets_streams_that_are_done),
        cmocka_unit_test(test_h2__refuses_large_headers),
        cmocka_unit_test(test_h2__ends_on_garbage),
        cmocka_unit_test(test_h2__closes_exchanges_that_the_client_resets),
        cmocka_unit_test(test_h2__resets_what_a_handler_gives_up),
        cmocka_unit_test(test_h2__resets_a_stream_whose_body_is_too_slow),
        cmocka_unit_test(test_h2__resets_a_stream_whose_answer_dribbles),
        cmocka_unit_test(test_h2__drains_with_two_goaways),
        cmocka_unit_test(test_h2__lets_an_idle_connection_go),
        cmocka_unit_test(test_h2__lets_a_connection_without_a_request_go),
        cmocka_unit_test(test_h2__does_not_take_pings_for_requests),
        cmocka_unit_test(test_h2__is_not_idle_while_it_answers),
        cmocka_unit_test(test_h2__closes_everything_with_its_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
