/*
 * Goal: a request goes from its headers to the last byte of its answer as HTTP and docs/REST.md say:
 * types, lengths, encodings, methods, time limits, answers piece by piece, and exactly one end.
 * Method: requests on a protocol that is a notebook, with the fake engine behind; what the engine
 * got and what is left of the budget is looked at, too.
 */
#include "rest/rest_call.h"

#include "rest/rest_problem.h"
#include "support/rest_rig.h"

#include <libdeflate.h>

enum { BODY_LIMIT_BYTES = 400000 };

#define ROWS_PATH "/v1/collections/docs/vectors"
#define ROWS_JSON "{'records': [{'id': 'a', 'vector': [1, 2]}]}"

static int set_up(void **state)
{
    (void)state;
    rest_set_up(BODY_LIMIT_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rest_answer_with((struct proximadb_buffer){0});
    rest_tear_down();
    return 0;
}

/* ---- operations ---------------------------------------------------------------------------- */

static void expect_asked(int operation, const char *collection)
{
    struct fake_engine_last last;
    fake_engine_last(db, &last);
    assert_int_equal(last.operation, operation);
    assert_string_equal(last.collection, collection);
}

static void test_rest_call__writes_and_deletes(void **state)
{
    (void)state;
    static const char wrote[] = "{'row_count':3,'first_version':7,'affected':2,'repeated':true}";
    rest_answer_with(rest_write_answer());
    rest_send("POST", ROWS_PATH, ROWS_JSON);
    rest_expect(200, wrote);
    rig_expect_says("content-type: application/json\n");
    rig_expect_says("cache-control: no-store\n");
    expect_asked(PROXIMADB_INSERT, "docs");
    rest_send("POST", "/v1/collections/d%6Fcs%2F%C3%A9/vectors?mode=upsert", ROWS_JSON);
    rest_expect(200, wrote);
    expect_asked(PROXIMADB_UPSERT, "docs/\xc3\xa9");
    rest_send("POST", ROWS_PATH "?mode=update", "{'records': [{'id': 'a'}]}");
    rest_expect(200, wrote);
    expect_asked(PROXIMADB_UPDATE, "docs");
    rest_send("POST", ROWS_PATH "/delete", "{'ids': ['a']}");
    rest_expect(200, "{'deleted':2,'repeated':true}");
    expect_asked(PROXIMADB_DELETE, "docs");
}

static void test_rest_call__reads(void **state)
{
    (void)state;
    const int one[] = {1};
    rest_answer_with(rest_search_answer(one, 1, (struct px_hit_parts){0}));
    rest_send("POST", "/v1/collections/docs/search", "{'vector': [1], 'include_metadata': false}");
    rest_expect(200, "{'hits':[{'id':'r0','score':0.75,'distance':0.25,'version':1}]}");
    expect_asked(PROXIMADB_SEARCH, "docs");
    rest_answer_with(rest_record_answer(0, NULL));
    rest_send("POST", ROWS_PATH "/get", "{'ids': ['a']}");
    rest_expect(200, "{'records':[]}");
    expect_asked(PROXIMADB_GET, "docs");
    rest_answer_with(rest_record_answer(0, "on"));
    rest_send("POST", "/v1/collections/docs/scan", "{}");
    rest_expect(200, "{'records':[],'cursor':'on'}");
    expect_asked(PROXIMADB_SCAN, "docs");
    rest_send("GET", "/v1/collections/docs/count?filter=a+=+1", NULL);
    rest_expect(200, "{'count':42}");
    expect_asked(PROXIMADB_COUNT, "docs");
    rest_send("POST", "/v1/collections/docs/count", "{}");
    rest_expect(200, "{'count':42}");
}

static void test_rest_call__manages_collections(void **state)
{
    (void)state;
    rest_send("POST", "/v1/collections", "{'name': 'docs', 'dimension': 3}");
    rest_expect_status(201);
    rig_expect_says("location: /v1/collections/docs\n");
    assert_non_null(strstr(text_of(&rig.body), "{\"name\":\"docs\",\"id\":"));
    rest_send("POST", "/v1/collections", "{'name': 'other', 'dimension': 3, 'exist_ok': true}");
    rest_expect_status(200); /* made or not: the same answer */
    assert_false(rig_says("location"));
    rest_send("POST", "/v1/collections", "{'name': 'docs', 'dimension': 3}");
    rest_expect_problem(409, "COLLECTION_EXISTS", "'docs' exists");
    rest_send("GET", "/v1/collections", NULL);
    rest_expect_status(200);
    assert_non_null(strstr(text_of(&rig.body), "{\"collections\":[{\"name\":"));
    rest_send("PATCH", "/v1/collections/docs", "{'filterable': {'price': 'long'}}");
    rest_expect_status(200);
    assert_non_null(strstr(text_of(&rig.body), "\"filterable\":{\"price\":\"long\"}"));
    rest_send("DELETE", "/v1/collections/docs", NULL);
    rest_expect(204, "");
    assert_false(rig_says("content-type"));
    assert_false(rig_says("content-length"));
    rest_send("GET", "/v1/collections/docs", NULL);
    rest_expect_problem(404, "COLLECTION_NOT_FOUND", "there is no collection 'docs'");
}

static void test_rest_call__maintains(void **state)
{
    (void)state;
    rest_send("POST", "/v1/collections/docs/flush", NULL);
    rest_expect(204, "");
    expect_asked(PROXIMADB_FLUSH, "docs");
    rest_send("POST", "/v1/collections/docs/compact", NULL);
    rest_expect(200, "{'row_count':70,'cluster_count':0,'bytes_read':1000,'bytes_written':900}");
    rest_send("POST", "/v1/collections/docs/compact", "{'cluster_count': 11}");
    rest_expect(200, "{'row_count':70,'cluster_count':11,'bytes_read':1000,'bytes_written':900}");
}

static void test_rest_call__gives_out_its_description(void **state)
{
    (void)state;
    rest_send("GET", "/openapi.json", NULL);
    rest_expect_status(200);
    rig_expect_says("content-type: application/json\n");
    assert_memory_equal(text_of(&rig.body), "{\n  \"openapi\": \"3.1", 19);
    rest_send("HEAD", "/openapi.json", NULL);
    rest_expect(200, "");
    rest_send("GET", "/openapi.json?version=2", NULL);
    rest_expect_problem(400, "INVALID", "there may be none");
}

static void test_rest_call__answers_head_without_a_body(void **state)
{
    (void)state;
    rest_send("HEAD", "/v1/collections/docs/count", NULL);
    rest_expect(200, "");
    rig_expect_says("content-length: 12\n");
    rest_send("HEAD", "/v1/collections/none", NULL);
    rest_expect(404, "");
}

static void test_rest_call__passes_the_key_on(void **state)
{
    (void)state;
    static const char id[] = "\x12\x3e\x45\x67\xe8\x9b\x42\xd3\xa4\x56\x42\x66\x14\x17\x40\x00";
    struct fake_engine_last last;
    rest_answer_with(rest_write_answer());
    rest_send_with("POST", ROWS_PATH, rest_json(ROWS_JSON), "idempotency-key",
                   "\"123e4567-e89b-42d3-a456-426614174000\"");
    rest_expect_status(200);
    fake_engine_last(db, &last);
    assert_memory_equal(last.payload + 10, id, 16); /* behind the header of the encoding */
    rest_send_with("POST", ROWS_PATH "/delete", rest_json("{'ids': ['a']}"), "idempotency-key",
                   "123e4567-e89b-42d3-a456-426614174000");
    fake_engine_last(db, &last);
    assert_memory_equal(last.payload + 10, id, 16);
    rest_send_with("POST", ROWS_PATH, rest_json(ROWS_JSON), "idempotency-key", "a\\b");
    rest_expect_problem(400, "INVALID", "Idempotency-Key must be");
}

/* ---- problems ------------------------------------------------------------------------------ */

static void test_rest_call__tells_how_the_engine_failed(void **state)
{
    (void)state;
    for (int status = PROXIMADB_INVALID; status < PROXIMADB_STATUS_COUNT; status++) {
        char path[60];
        int http_status = px_rest_http_status(status);
        px_buffer_clear(&rig.log);
        snprintf(path, sizeof path, "/v1/collections/fail-%d-x/count", status);
        rest_send("GET", path, NULL);
        rest_expect_problem(http_status, proximadb_status_name(status),
                            "\"row 3: fake failure, 100% caf\xc3\xa9\"");
        rig_expect_says("cache-control: no-store\n");
        assert_int_equal(rig_says("retry-after: 1\n"), http_status == 429 || http_status == 503);
        bool is_logged = http_status == 500 || status == PROXIMADB_NO_MEMORY;
        assert_int_equal(strstr(text_of(&rig.log), "fake failure") != NULL, is_logged);
    }
    rest_send("GET", "/v1/collections/fail-3-x/count", NULL);
    assert_non_null(strstr(text_of(&rig.log),
                           "?: GET /v1/collections/fail-3-x/count: IO: row 3: fake failure"));
}

static void test_rest_call__answers_other_paths_and_methods(void **state)
{
    (void)state;
    rest_send("GET", "/v1/nothing", NULL);
    rest_expect_problem(404, "UNIMPLEMENTED", "/openapi.json has those that are");
    assert_non_null(strstr(text_of(&rig.body), "\"about:blank\",\"title\":\"Not Found\""));
    rest_send("PUT", "/v1/collections/docs", ROWS_JSON);
    rest_expect_problem(405, "UNIMPLEMENTED", "GET, HEAD, PATCH, DELETE only");
    rig_expect_says("allow: GET, HEAD, PATCH, DELETE\n");
    rest_send("GET", ROWS_PATH, NULL);
    rest_expect_problem(405, "UNIMPLEMENTED", "this path takes POST only");
    rig_expect_says("allow: POST\n");
}

static void test_rest_call__reads_the_head_first(void **state)
{
    (void)state;
    struct fake_engine_counts counts;
    const char *fields[] = {"content-type", "text/plain", "content-length", "10", NULL};
    rig_request("POST", ROWS_PATH "?mode=replace", fields); /* and does not wait for the body */
    assert_null(rig.x);
    rest_expect_problem(400, "INVALID", "mode must be insert, upsert or update");
    rest_send("GET", "/v1/collections/%zz", NULL);
    rest_expect_problem(400, "INVALID", "two hexadecimal digits");
    rest_send("GET", "/v1/collections/%ff/count", NULL);
    rest_expect_problem(400, "INVALID", "not UTF-8");
    fake_engine_counts(db, &counts);
    assert_int_equal(counts.submitted, 0);
}

static void test_rest_call__wants_json(void **state)
{
    (void)state;
    const char *good[] = {"application/json", "application/json; charset=utf-8",
                          "Application/JSON ;x", "application/vnd.api+json"};
    const char *bad[] = {
        "",           "application/jsonx", "text/json", "application/x-www-form-urlencoded",
        "text/plain", "application/xjson", "json",      "multipart/form-data; application/json"};
    rest_answer_with(rest_write_answer());
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *fields[] = {"content-type", good[i], NULL};
        rig_request("POST", ROWS_PATH, fields);
        rig_body(rest_text(ROWS_JSON), strlen(ROWS_JSON));
        rig_end();
        rig_wait_for_answer();
        rest_expect_status(200);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *fields[] = {"content-type", bad[i], NULL};
        rig_request("POST", ROWS_PATH, fields);
        assert_null(rig.x); /* before the body */
        rest_expect_problem(415, "INVALID", "must say so: application/json");
        rig_expect_says("accept-encoding: gzip\n");
    }
}

static void test_rest_call__wants_a_type_only_with_a_body(void **state)
{
    (void)state;
    const char *announced[] = {"content-length", "2", NULL};
    rig_request("POST", "/v1/collections/docs/compact", announced);
    assert_null(rig.x);
    rest_expect_problem(415, "INVALID", "application/json");
    rig_request("POST", "/v1/collections/docs/compact", NULL); /* a length that is not announced */
    rig_body("{}", 2);
    rig_end();
    rest_expect_problem(415, "INVALID", "application/json");
    rest_send("POST", ROWS_PATH "/get", NULL);
    rest_expect_problem(400, "INVALID", "the request has no body");
}

static void test_rest_call__refuses_bodies_that_nobody_reads(void **state)
{
    (void)state;
    rest_send("POST", "/v1/collections/docs/flush", "{'now': true}");
    rest_expect_problem(400, "INVALID", "a body of 13 bytes");
    rest_send("DELETE", "/v1/collections/docs", "{}");
    rest_expect_problem(400, "INVALID", "leave it out");
    rest_send("POST", "/v1/collections/docs/flush", "");
    rest_expect_status(204);
}

/* ---- sizes --------------------------------------------------------------------------------- */

static void test_rest_call__refuses_large_bodies(void **state)
{
    (void)state;
    const char *fields[] = {"content-type", "application/json", "content-length", "400001", NULL};
    rig_request("POST", ROWS_PATH, fields);
    assert_null(rig.x); /* before the body */
    rest_expect_problem(413, "RESOURCE_EXHAUSTED", "over the limit of 400000; send less at a time");
    assert_false(rig_says("retry-after"));
    const char *open_ended[] = {"content-type", "application/json", NULL};
    static char blanks[100001];
    memset(blanks, ' ', sizeof blanks);
    rig_request("POST", ROWS_PATH, open_ended);
    for (int i = 0; i < 4; i++)
        rig_body(blanks, sizeof blanks);
    rest_expect_problem(413, "RESOURCE_EXHAUSTED", "over the limit");
}

/* A body of `row_count` rows of some 40 bytes. */
static struct px_buffer rows_body(int row_count)
{
    struct px_buffer text = {0};
    px_buffer_append_format(&text, "{\"records\":[");
    for (int i = 0; i < row_count; i++)
        px_buffer_append_format(&text, "%s{\"id\":\"row-%06d\",\"vector\":[0.25,%d]}",
                                i > 0 ? "," : "", i, i);
    px_buffer_append_format(&text, "]}");
    assert_int_equal(px_buffer_status(&text, NULL), PROXIMADB_OK);
    return text;
}

static void test_rest_call__decodes_large_bodies_elsewhere(void **state)
{
    (void)state;
    struct px_buffer body = rows_body(7000);
    assert_true(body.size_bytes > 256 << 10 && body.size_bytes < BODY_LIMIT_BYTES);
    rest_answer_with(rest_write_answer());
    rest_send_with("POST", ROWS_PATH, px_buffer_slice(&body), NULL, NULL);
    rest_expect_status(200);
    expect_asked(PROXIMADB_INSERT, "docs");
    body.data[body.size_bytes - 3] = ' '; /* the last record's end */
    rest_send_with("POST", ROWS_PATH, px_buffer_slice(&body), NULL, NULL);
    rest_expect_problem(400, "INVALID", "row 6999: the record: not valid JSON");
    px_buffer_release(&body);
}

static void test_rest_call__may_end_while_it_decodes(void **state)
{
    (void)state;
    struct fake_engine_counts counts;
    struct px_buffer body = rows_body(7000);
    const char *fields[] = {"content-type", "application/json", NULL};
    rig_request("POST", ROWS_PATH, fields);
    rig_body(body.data, body.size_bytes);
    px_exchange__end_body(rig.x); /* without a turn in which the rows could come back */
    rig_close(PX_CLOSE_PEER_GONE);
    while (rig.worker.exchange_count > 0) {
        usleep(500);
        rig_turn();
    }
    fake_engine_counts(db, &counts);
    assert_int_equal(counts.submitted, 0);
    px_buffer_release(&body);
}

/* ---- compression --------------------------------------------------------------------------- */

static size_t pack(struct px_slice text, uint8_t *packed, size_t capacity_bytes)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    size_t size =
        libdeflate_gzip_compress(compressor, text.data, text.size_bytes, packed, capacity_bytes);
    libdeflate_free_compressor(compressor);
    assert_true(size > 0);
    return size;
}

static void test_rest_call__unpacks_gzip(void **state)
{
    (void)state;
    static uint8_t packed[200000];
    struct px_buffer body = rows_body(7000);
    rest_answer_with(rest_write_answer());
    size_t size = pack(px_buffer_slice(&body), packed, sizeof packed);
    const char *names[] = {"gzip", "GZip"};
    for (size_t i = 0; i < 2; i++) {
        rest_send_with("POST", ROWS_PATH, px_slice_of(packed, size), "content-encoding", names[i]);
        rest_expect_status(200);
    }
    size = pack(rest_json("{'vector': [1], 'k': 0}"), packed, sizeof packed);
    rest_send_with("POST", "/v1/collections/docs/search", px_slice_of(packed, size),
                   "content-encoding", "gzip");
    rest_expect_problem(400, "INVALID", "k is 0");
    rest_send_with("POST", ROWS_PATH, rest_json(ROWS_JSON), "content-encoding", "identity");
    rest_expect_status(200);
    rest_send_with("POST", "/v1/collections/docs/compact", (struct px_slice){0}, "content-encoding",
                   "gzip");
    rest_expect_status(200); /* nothing, packed or not */
    px_buffer_release(&body);
}

static void test_rest_call__refuses_gzip_that_is_too_much_or_damaged(void **state)
{
    (void)state;
    static uint8_t packed[200000];
    struct px_buffer body = rows_body(20000);
    size_t size = pack(px_buffer_slice(&body), packed, sizeof packed);
    assert_true(body.size_bytes > BODY_LIMIT_BYTES && size < BODY_LIMIT_BYTES);
    rest_send_with("POST", ROWS_PATH, px_slice_of(packed, size), "content-encoding", "gzip");
    rest_expect_problem(413, "RESOURCE_EXHAUSTED", "over the limit of 400000");
    packed[size - 6] ^= 1;
    size = pack(rest_json(ROWS_JSON), packed, sizeof packed);
    packed[size - 6] ^= 1;
    rest_send_with("POST", ROWS_PATH, px_slice_of(packed, size), "content-encoding", "gzip");
    rest_expect_problem(400, "INVALID", "content-encoding is gzip: ");
    rest_send_with("POST", ROWS_PATH, rest_json(ROWS_JSON), "content-encoding", "br");
    rest_expect_problem(415, "INVALID", "content-encoding 'br' is not known here");
    rig_expect_says("accept-encoding: gzip\n");

    size = pack(rest_json(ROWS_JSON), packed, sizeof packed); /* and there is no room now */
    assert_true(px_budget_reserve(rig.budget, (1 << 20) - size));
    rest_send_with("POST", ROWS_PATH, px_slice_of(packed, size), "content-encoding", "gzip");
    rest_expect_problem(503, "UNAVAILABLE", "no room now");
    rig_expect_says("retry-after: 1\n");
    px_budget_return(rig.budget, (1 << 20) - size);
    px_buffer_release(&body);
}

/* ---- time and ends ------------------------------------------------------------------------- */

static void wait_ms(int64_t ms)
{
    rig.worker.loop.now_ms += ms;
    px_timers_run(&rig.worker.loop.timers, rig.worker.loop.now_ms);
    rig_turn();
}

static void expect_cancelled(uint64_t count)
{
    struct fake_engine_counts counts;
    for (int i = 0; i < 4000; i++) {
        fake_engine_counts(db, &counts);
        if (counts.cancelled == count && counts.live == 0)
            return;
        usleep(500);
    }
    fail_msg("%d were cancelled, %d live", (int)counts.cancelled, (int)counts.live);
}

static void test_rest_call__keeps_its_time_limit(void **state)
{
    (void)state;
    struct fake_engine_last last;
    rig_request("GET", "/v1/collections/never/count?timeout_ms=5000", NULL);
    fake_engine_last(db, &last);
    assert_true(last.deadline_ms > 0); /* the engine knows it, too */
    wait_ms(4900);
    assert_non_null(rig.x);
    wait_ms(5100);
    assert_null(rig.x);
    rest_expect_problem(504, "DEADLINE_EXCEEDED", "repeat it with the same Idempotency-Key");
    expect_cancelled(1);

    const char *fields[] = {"content-type", "application/json", NULL};
    rig_request("POST", ROWS_PATH "?timeout_ms=1000", fields); /* within the body */
    rig_body("{", 1);
    wait_ms(1001);
    rest_expect_problem(504, "DEADLINE_EXCEEDED", "timeout_ms");
}

static void test_rest_call__stops_with_its_exchange(void **state)
{
    (void)state;
    rig_request("GET", "/v1/collections/never/count", NULL);
    rig_close(PX_CLOSE_PEER_GONE);
    expect_cancelled(1);
    const char *fields[] = {"content-type", "application/json", NULL};
    rig_request("POST", ROWS_PATH, fields);
    rig_body("{", 1);
    rig_close(PX_CLOSE_RESET);
}

static void test_rest_call__answers_bodies_that_break_off(void **state)
{
    (void)state;
    const char *fields[] = {"content-type", "application/json", "content-length", "9", NULL};
    rig_request("POST", ROWS_PATH, fields);
    rig_body("{", 1);
    rig_end();
    rest_expect_problem(400, "INVALID", "the body ended after 1 of 9 bytes");
}

/* ---- long answers -------------------------------------------------------------------------- */

enum { MANY = 20000 };

static void ask(const char *path, const char *json)
{
    const char *fields[] = {"content-type", "application/json", NULL};
    rig_request("POST", path, fields);
    rig_body(rest_text(json), strlen(json));
    px_exchange__end_body(rig.x); /* without a turn, in which much may happen */
}

static void test_rest_call__answers_piece_by_piece(void **state)
{
    (void)state;
    rest_answer_with(rest_record_answer(MANY, NULL));
    ask("/v1/collections/docs/scan", "{}");
    rig_wait_for_answer();
    rest_expect_status(200);
    assert_false(rig_says("content-length"));
    assert_true(rig.body.size_bytes > 1 << 20 && rig.largest_output_bytes < 300 << 10);
    yyjson_doc *doc;
    assert_int_equal(px_json_parse(px_buffer_slice(&rig.body), &doc, NULL), PROXIMADB_OK);
    yyjson_val *records = yyjson_obj_get(yyjson_doc_get_root(doc), "records");
    assert_int_equal(yyjson_arr_size(records), MANY);
    yyjson_doc_free(doc);
}

/* Asks, and takes the answer's first piece. */
static void take_first(const char *path, const char *json)
{
    ask(path, json);
    rig.stalls_soon = true;
    while (!rig.is_stalled) {
        usleep(100);
        rig_turn();
    }
    assert_non_null(rig.x);
    rest_expect_status(200);
}

static void test_rest_call__breaks_off_what_takes_too_long(void **state)
{
    (void)state;
    rest_answer_with(rest_record_answer(MANY, NULL));
    take_first("/v1/collections/docs/scan?timeout_ms=5000", "{}");
    wait_ms(5001);
    assert_true(rig.was_reset); /* and no end that could be taken for one */
}

/* Whatever the path; see test_rest_origin.c for who they are. */
static void test_rest_call__refuses_pages_of_other_sites(void **state)
{
    (void)state;
    const struct px_slice body = rest_json(ROWS_JSON);
    rest_send_with("POST", ROWS_PATH, body, "origin", "http://evil.example");
    rest_expect_problem(403, "PERMISSION_DENIED", "a web page of 'http://evil.example' asks");
    rest_send_with("POST", ROWS_PATH, body, "sec-fetch-site", "cross-site");
    rest_expect_problem(403, "PERMISSION_DENIED", "a web page of another site asks");
    rest_send_with("GET", "/v1/collections", (struct px_slice){0}, "host", "evil.example");
    rest_expect_status(200);
    rig.config.is_local = true;
    for (int is_http2 = 0; is_http2 < 2; is_http2++) {
        const char *name = is_http2 ? ":authority" : "host";
        rest_send_with("GET", "/v1/collections", (struct px_slice){0}, name, "evil.example");
        rest_expect_problem(403, "PERMISSION_DENIED", "is called 'evil.example'");
        rest_send_with("GET", "/v1/collections", (struct px_slice){0}, name, "localhost:5678");
    }
    rest_send("GET", "/nowhere", NULL);
    rest_expect_status(404);
}

static void test_rest_call__stops_writing_for_nobody(void **state)
{
    (void)state;
    struct proximadb_buffer answer = rest_record_answer(MANY, NULL);
    size_t answer_bytes = answer.size_bytes;
    rest_answer_with(answer);
    take_first("/v1/collections/docs/scan", "{}");
    rig_turn(); /* the next piece is made, and nobody takes it: both are counted */
    size_t piece_bytes = px_exchange_unsent_bytes(rig.x);
    assert_true(piece_bytes > 0);
    assert_int_equal(atomic_load(&rig.answers->used_bytes), answer_bytes + piece_bytes);
    rig_close(PX_CLOSE_PEER_GONE);
    assert_int_equal(rig.worker.exchange_count, 0);
    assert_int_equal(atomic_load(&rig.answers->used_bytes), 0);
}

static void test_rest_call__answers_damage_with_a_problem(void **state)
{
    (void)state;
    rest_answer_with((struct proximadb_buffer){.data = "no Avro", .size_bytes = 7});
    rest_send("POST", ROWS_PATH, ROWS_JSON);
    rest_expect_problem(500, "INTERNAL", "the engine's answer cannot be read");
    rest_answer_with(rest_record_answer(1, NULL)); /* sound, and of another kind */
    rest_send("POST", ROWS_PATH, ROWS_JSON);
    rest_expect_problem(500, "INTERNAL", "the engine's answer cannot be read");

    struct proximadb_buffer damaged = rest_record_answer(MANY, NULL);
    damaged.size_bytes -= 100; /* at its end, which is seen before anything is sent */
    rest_answer_with(damaged);
    rest_send("POST", "/v1/collections/docs/scan", "{}");
    rest_expect_problem(500, "CORRUPT", "RecordBatch");
    assert_non_null(strstr(text_of(&rig.log), "POST /v1/collections/docs/scan: CORRUPT"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_rest_call__##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(writes_and_deletes),
        TEST(reads),
        TEST(manages_collections),
        TEST(maintains),
        TEST(gives_out_its_description),
        TEST(answers_head_without_a_body),
        TEST(passes_the_key_on),
        TEST(tells_how_the_engine_failed),
        TEST(answers_other_paths_and_methods),
        TEST(reads_the_head_first),
        TEST(wants_json),
        TEST(wants_a_type_only_with_a_body),
        TEST(refuses_bodies_that_nobody_reads),
        TEST(refuses_large_bodies),
        TEST(decodes_large_bodies_elsewhere),
        TEST(may_end_while_it_decodes),
        TEST(unpacks_gzip),
        TEST(refuses_gzip_that_is_too_much_or_damaged),
        TEST(keeps_its_time_limit),
        TEST(stops_with_its_exchange),
        TEST(answers_bodies_that_break_off),
        TEST(answers_piece_by_piece),
        TEST(breaks_off_what_takes_too_long),
        TEST(refuses_pages_of_other_sites),
        TEST(stops_writing_for_nobody),
        TEST(answers_damage_with_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
