/* px-test: layers=api */
/*
 * Goal: every operation takes the payload of its schema and no other, and says what is wrong with what it
 * was given; nothing of a refused call is left or done.
 * Method: all operations with all payloads; what is unknown, damaged, late or cancelled.
 */
#include "service/unified_avro_service.h"

#include "avro/schemas.h"
#include "base/cancel.h"

#include <semaphore.h>

/* Its variables must not shadow what the others name. */
#include "support/engine_on_disk.h"

enum { DIMS = 4, PAYLOAD_COUNT = 10 };

static int start(void **state)
{
    (void)state;
    engine_on_disk_start();
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    return 0;
}

/* One payload of each request schema. */
static struct proximadb_buffer make_payload(int number, enum px_schema *ret_schema)
{
    static const float vector[DIMS] = {1, 2, 3, 4};
    const struct proximadb_row row = {
        .struct_size = sizeof row, .id = engine_text("a"), .vector = vector, .dim_count = DIMS};
    const struct proximadb_search_options search = {.struct_size = sizeof search,
                                                    .queries = vector,
                                                    .query_count = 1,
                                                    .dim_count = DIMS,
                                                    .k = 1};
    const struct proximadb_scan_options scan = {.struct_size = sizeof scan};
    const struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec, .name = "new", .dim_count = DIMS, .storage = PROXIMADB_EXACT};
    struct proximadb_buffer payload = {0};
    struct px_slice datum;
    int rc = PROXIMADB_OK;
    switch (number) {
    case 0:
        payload = engine_batch(PROXIMADB_UPSERT, NULL, &row, 1);
        break;
    case 1:
        payload = engine_batch(PROXIMADB_UPDATE, NULL, &row, 1);
        break;
    case 2:
        rc = proximadb_encode_delete(NULL, &row.id, 1, NULL, &payload, &box.error);
        break;
    case 3:
        rc = proximadb_encode_get(&row.id, 1, true, &payload, &box.error);
        break;
    case 4:
        rc = proximadb_encode_search(&search, &payload, &box.error);
        break;
    case 5:
        rc = proximadb_encode_scan(&scan, &payload, &box.error);
        break;
    case 6:
        rc = proximadb_encode_count(NULL, &payload, &box.error);
        break;
    case 7:
        rc = proximadb_encode_compact(1, &payload, &box.error);
        break;
    case 8:
        rc = proximadb_encode_collection(&spec, &payload, &box.error);
        break;
    default:
        rc = proximadb_encode_collection_change(NULL, 0, &payload, &box.error);
        break;
    }
    engine_must(rc, &box.error);
    engine_must(px_payload_open(px_slice_of(payload.data, payload.size_bytes), ret_schema, &datum,
                                &box.error),
                &box.error);
    return payload;
}

/* What each operation takes; PX_SCHEMA_COUNT: nothing, and then it does not look. */
static const struct {
    int operation;
    bool takes_payload;
    bool takes_none;
    enum px_schema schema;
} forms[] = {
    {PROXIMADB_UPSERT, true, false, PX_SCHEMA_VECTOR_BATCH},
    {PROXIMADB_UPDATE, true, false, PX_SCHEMA_UPDATE_BATCH},
    {PROXIMADB_DELETE, true, false, PX_SCHEMA_DELETE_BATCH},
    {PROXIMADB_INSERT, true, false, PX_SCHEMA_VECTOR_BATCH},
    {PROXIMADB_GET, true, false, PX_SCHEMA_GET_REQUEST},
    {PROXIMADB_SEARCH, true, false, PX_SCHEMA_SEARCH_REQUEST},
    {PROXIMADB_SCAN, true, false, PX_SCHEMA_SCAN_REQUEST},
    {PROXIMADB_COUNT, true, true, PX_SCHEMA_COUNT_REQUEST},
    {PROXIMADB_FLUSH, false, true, 0},
    {PROXIMADB_COMPACT, true, true, PX_SCHEMA_COMPACT_REQUEST},
    {PROXIMADB_CREATE_COLLECTION, true, false, PX_SCHEMA_COLLECTION_SPEC},
    {PROXIMADB_GET_COLLECTION, false, true, 0},
    {PROXIMADB_LIST_COLLECTIONS, false, true, 0},
    {PROXIMADB_UPDATE_COLLECTION, true, false, PX_SCHEMA_COLLECTION_CHANGE},
    {PROXIMADB_METRICS, false, true, 0},
    {PROXIMADB_DELETE_COLLECTION, false, true, 0},
};
enum { FORM_COUNT = sizeof forms / sizeof forms[0] };

static void test_unified_avro_service__takes_the_schema_of_the_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORM_COUNT; i++) {
        for (int number = 0; forms[i].takes_payload && number < PAYLOAD_COUNT; number++) {
            enum px_schema schema;
            struct proximadb_buffer payload = make_payload(number, &schema);
            int rc = engine_call(&box, forms[i].operation, "docs", &payload, NULL, &box.error);
            assert_int_equal(rc, schema == forms[i].schema ? PROXIMADB_OK : PROXIMADB_INVALID);
        }
        int rc = engine_call(&box, forms[i].operation, "docs", NULL, NULL, &box.error);
        assert_int_equal(rc, forms[i].takes_none ? PROXIMADB_OK : PROXIMADB_INVALID);
        if (forms[i].operation == PROXIMADB_DELETE)
            assert_int_equal(engine_count(&box, "docs", NULL), 0); /* so that insert may follow */
    }
}

static void test_unified_avro_service__refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const int unknown[] = {0, -1, PROXIMADB_REBUILD_INDEX + 1, 1000};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_int_equal(engine_call(&box, unknown[i], "docs", NULL, NULL, &box.error),
                         PROXIMADB_UNIMPLEMENTED);
    for (size_t i = 0; i < FORM_COUNT; i++) {
        static const uint8_t strange[] = {0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0};
        struct proximadb_buffer garbage = {.data = "garbage", .size_bytes = 7};
        struct proximadb_buffer newer = {.data = strange, .size_bytes = sizeof strange};
        if (!forms[i].takes_payload)
            continue;
        assert_int_equal(engine_call(&box, forms[i].operation, "docs", &garbage, NULL, &box.error),
                         PROXIMADB_INVALID);
        assert_int_equal(engine_call(&box, forms[i].operation, "docs", &newer, NULL, &box.error),
                         PROXIMADB_UNIMPLEMENTED);
    }
}

/* Every payload is cut at every place: it is refused, and nothing is written. */
static void test_unified_avro_service__refuses_what_is_cut(void **state)
{
    (void)state;
    for (int number = 0; number < 3; number++) {
        static const int operations[] = {PROXIMADB_UPSERT, PROXIMADB_UPDATE, PROXIMADB_DELETE};
        enum px_schema schema;
        struct proximadb_buffer payload = make_payload(number, &schema);
        for (size_t size = 1; size < payload.size_bytes; size++) {
            struct proximadb_buffer cut = {.data = payload.data, .size_bytes = size};
            assert_int_equal(engine_call(&box, operations[number], "docs", &cut, NULL, &box.error),
                             PROXIMADB_INVALID);
        }
        proximadb_buffer_release(&payload);
    }
    assert_int_equal(engine_info(&box, "docs").info.last_version, 0);
}

static int call_with(int operation, int64_t deadline_ms, proximadb_cancel *cancel)
{
    enum px_schema schema;
    struct engine_wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    struct proximadb_request request = {.struct_size = sizeof request,
                                        .operation = operation,
                                        .collection = "docs",
                                        .collection_size_bytes = 4,
                                        .deadline_ms = deadline_ms,
                                        .cancel = cancel};
    request.payload = make_payload(operation == PROXIMADB_UPSERT ? 0 : 4, &schema);
    px_engine_submit(box.engine, &request, engine_wake, &wait);
    return engine_end(&wait, NULL, &box.error);
}

static void test_unified_avro_service__does_nothing_for_who_waits_no_more(void **state)
{
    (void)state;
    proximadb_cancel *cancel = px_cancel_new();
    int64_t now_ms = px_clock_system.monotonic_ms(&px_clock_system);
    px_cancel_fire(cancel);
    assert_int_equal(call_with(PROXIMADB_UPSERT, 0, cancel), PROXIMADB_CANCELLED);
    assert_int_equal(call_with(PROXIMADB_SEARCH, 0, cancel), PROXIMADB_CANCELLED);
    assert_int_equal(call_with(PROXIMADB_UPSERT, now_ms, NULL), PROXIMADB_DEADLINE_EXCEEDED);
    assert_int_equal(call_with(PROXIMADB_SEARCH, now_ms, NULL), PROXIMADB_DEADLINE_EXCEEDED);
    assert_int_equal(engine_info(&box, "docs").info.last_version, 0);
    px_cancel_unref(cancel);
}

/* What was carried out under other fields was carried out, whatever the present ones would say. */
static void test_unified_avro_service__a_repeat_is_known_before_it_is_checked(void **state)
{
    (void)state;
    static const uint8_t request_id[16] = "a text for extra";
    static const float vector[DIMS] = {1, 2, 3, 4};
    struct proximadb_field field = {.name = engine_text("extra"),
                                    .value = {.kind = PROXIMADB_VALUE_STRING}};
    field.value.as.string = engine_text("text");
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text("a"),
                                      .vector = vector,
                                      .dim_count = DIMS,
                                      .fields = &field,
                                      .field_count = 1};
    for (int i = 0; i < 3; i++) {
        struct proximadb_write_result result;
        struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, request_id, &row, 1);
        engine_must(engine_write(&box, PROXIMADB_INSERT, "docs", &payload, &result), &box.error);
        assert_int_equal(result.repeated, i > 0);
        assert_int_equal(result.first_version, 1);
        engine_must(engine_try_alter(&box, "docs", ENGINE_FIRST_FIELDS + 1), &box.error);
    }
    struct proximadb_buffer payload = engine_batch(PROXIMADB_UPSERT, NULL, &row, 1);
    assert_int_equal(engine_write(&box, PROXIMADB_UPSERT, "docs", &payload, NULL),
                     PROXIMADB_INVALID);
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
}

/* A job that keeps the only reader until it may end. */
static sem_t reader_may_go_on;

static void keep_reader(struct px_job *job)
{
    (void)job;
    sem_wait(&reader_may_go_on);
}

/* Choosing is reading: writers go on meanwhile. */
static void test_unified_avro_service__a_delete_by_filter_keeps_no_write_waiting(void **state)
{
    (void)state;
    struct px_job job = {.run = keep_reader};
    struct proximadb_filter filter = {.text = "a IS NULL", .text_size_bytes = 9};
    struct proximadb_buffer payload;
    struct proximadb_write_result result;
    struct engine_wait wait;
    sem_init(&reader_may_go_on, 0, 0);
    engine_insert(&box, "docs", "a", DIMS, 1);
    px_workers_submit(box.engine->readers, &job);
    engine_must(proximadb_encode_delete(NULL, NULL, 0, &filter, &payload, &box.error), &box.error);
    engine_begin(&box, PROXIMADB_DELETE, "docs", &payload, &wait);
    engine_insert(&box, "docs", "b", DIMS, 1);
    assert_false(engine_is_done(&wait));
    sem_post(&reader_may_go_on);
    engine_must(engine_end_write(&wait, &result, &box.error), &box.error);
    assert_int_equal(result.affected, 2);
    assert_int_equal(engine_count(&box, "docs", NULL), 0);
    sem_destroy(&reader_may_go_on);
}

/* Writes row 'b' of a dimension that is refused, with a document of that size. */
static void begin_refused(struct engine_wait *wait, size_t document_bytes)
{
    static const float vector[DIMS - 1] = {1, 2, 3};
    static char document[100000];
    memset(document, 'x', sizeof document);
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text("b"),
                                      .vector = vector,
                                      .dim_count = DIMS - 1,
                                      .document = document,
                                      .document_size_bytes = document_bytes};
    struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, NULL, &row, 1);
    engine_begin(&box, PROXIMADB_INSERT, "docs", &payload, wait);
}

/* What would have to wait for the shard's lock, or takes some time, is another thread's work: submit
 * never blocks. The only writer is kept away by a call that waits for the lock. */
static void test_service__decodes_small_writes_where_they_are_submitted(void **state)
{
    (void)state;
    struct engine_wait small, locked, large;
    struct px_shard *shard = engine_shard(&box, "docs");
    begin_refused(&small, 100);
    assert_true(engine_is_done(&small));
    assert_int_equal(engine_end(&small, NULL, NULL), PROXIMADB_DIMENSION);

    pthread_mutex_lock(&shard->lock);
    begin_refused(&locked, 100);
    begin_refused(&large, 100000);
    assert_false(engine_is_done(&locked));
    assert_false(engine_is_done(&large));
    pthread_mutex_unlock(&shard->lock);
    assert_int_equal(engine_end(&locked, NULL, NULL), PROXIMADB_DIMENSION);
    assert_int_equal(engine_end(&large, NULL, NULL), PROXIMADB_DIMENSION);
    px_shard_unref(shard);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, engine_on_disk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_service__decodes_small_writes_where_they_are_submitted),
        TEST(test_unified_avro_service__takes_the_schema_of_the_operation),
        TEST(test_unified_avro_service__refuses_what_it_does_not_know),
        TEST(test_unified_avro_service__refuses_what_is_cut),
        TEST(test_unified_avro_service__does_nothing_for_who_waits_no_more),
        TEST(test_unified_avro_service__a_repeat_is_known_before_it_is_checked),
        TEST(test_unified_avro_service__a_delete_by_filter_keeps_no_write_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
