/*
 * Goal: each answer of the engine is written as its JSON, whole or in pieces of any size, and damage
 * is an error and not a shorter answer.
 * Method: answers with known content, their texts written out; pieces joined again.
 */
#include "rest/rest_answer.h"

#include "support/rest_test.h"

static struct proximadb_error error;
static const struct px_rest_shape whole = {.include_metadata = true,
                                           .vectors = PX_REST_VECTOR_ARRAY};

/* Writes the answer in pieces of `enough_bytes`; returns the status of the first failure. */
static int write_pieces(int operation, const struct px_rest_shape *shape,
                        struct proximadb_buffer response, size_t enough_bytes,
                        struct px_buffer *text)
{
    struct px_rest_answer answer = {0};
    bool is_done = false;
    int rc = px_rest_answer_open(&answer, operation, shape, &response, text, &error);
    assert_null(response.data); /* taken */
    while (rc == PROXIMADB_OK && !is_done) {
        struct px_buffer piece = {0};
        rc = px_rest_answer_write(&answer, &piece, enough_bytes, &is_done, &error);
        if (rc == PROXIMADB_OK && !is_done)
            assert_true(piece.size_bytes >= enough_bytes);
        px_buffer_append_slice(text, px_buffer_slice(&piece));
        px_buffer_release(&piece);
    }
    px_rest_answer_release(&answer);
    px_rest_answer_release(&answer); /* twice is once */
    return rc;
}

static void expect_answer(int operation, const struct px_rest_shape *shape,
                          struct proximadb_buffer response, const char *expected)
{
    struct px_buffer text = {0};
    if (write_pieces(operation, shape, response, 1 << 20, &text) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    rest_expect_text(&text, expected);
}

static void test_rest_answer__writes_what_was_written(void **state)
{
    (void)state;
    const int operations[] = {PROXIMADB_INSERT, PROXIMADB_UPSERT, PROXIMADB_UPDATE};
    for (size_t i = 0; i < 3; i++)
        expect_answer(operations[i], &whole, rest_write_answer(),
                      "{'row_count':3,'first_version':7,'affected':2,'repeated':true}");
    expect_answer(PROXIMADB_DELETE, &whole, rest_write_answer(), "{'deleted':2,'repeated':true}");
}

static void test_rest_answer__writes_numbers(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    const struct proximadb_compact_result result = {
        .row_count = 1, .cluster_count = 2, .bytes_read = 3, .bytes_written = 4};
    px_result_write_count(&buffer, 42);
    expect_answer(PROXIMADB_COUNT, &whole, rest_taken(&buffer), "{'count':42}");
    px_result_write_compact(&buffer, &result);
    expect_answer(PROXIMADB_COMPACT, &whole, rest_taken(&buffer),
                  "{'row_count':1,'cluster_count':2,'bytes_read':3,'bytes_written':4}");
    expect_answer(PROXIMADB_FLUSH, &whole, (struct proximadb_buffer){0}, "");
    expect_answer(PROXIMADB_DELETE_COLLECTION, &whole, (struct proximadb_buffer){0}, "");
}

static void test_rest_answer__writes_records(void **state)
{
    (void)state;
    struct px_rest_shape shape = whole;
    expect_answer(PROXIMADB_GET, &shape, rest_record_answer(2, NULL),
                  "{'records':[{'id':'r0','vector':[0.5,-2.0],'metadata':{'n':0},"
                  "'document':'a \\'text\\'','version':1,'timestamp':1000,'expires_at':null},"
                  "{'id':'r1','vector':[0.5,-2.0],'metadata':{'n':1},"
                  "'document':null,'version':2,'timestamp':1001,'expires_at':5000}]}");
    expect_answer(PROXIMADB_GET, &shape, rest_record_answer(0, NULL), "{'records':[]}");
    shape.vectors = PX_REST_VECTOR_BASE64;
    expect_answer(PROXIMADB_SCAN, &shape, rest_record_answer(1, "more"),
                  "{'records':[{'id':'r0','vector_base64':'AAAAPwAAAMA=','metadata':{'n':0},"
                  "'document':'a \\'text\\'','version':1,'timestamp':1000,'expires_at':null}],"
                  "'cursor':'more'}");
    shape.vectors = PX_REST_VECTOR_NONE;
    expect_answer(PROXIMADB_SCAN, &shape, rest_record_answer(1, NULL),
                  "{'records':[{'id':'r0','metadata':{'n':0},'document':'a \\'text\\'',"
                  "'version':1,'timestamp':1000,'expires_at':null}],'cursor':null}");
}

static void test_rest_answer__writes_hits(void **state)
{
    (void)state;
    const struct px_hit_parts all = {.vector = true, .metadata = true};
    const struct px_hit_parts bare = {0};
    const int one[] = {1}, none[] = {0}, several[] = {0, 2, 0, 1, 0};
    struct px_rest_shape shape = {
        .is_single = true, .include_metadata = true, .vectors = PX_REST_VECTOR_ARRAY};
    expect_answer(PROXIMADB_SEARCH, &shape, rest_search_answer(one, 1, all),
                  "{'hits':[{'id':'r0','score':0.75,'distance':0.25,'version':1,"
                  "'metadata':{'n':0},'document':'a \\'text\\'','vector':[0.5,-2.0]}]}");
    expect_answer(PROXIMADB_SEARCH, &shape, rest_search_answer(none, 1, all), "{'hits':[]}");
    shape = (struct px_rest_shape){0};
    expect_answer(PROXIMADB_SEARCH, &shape, rest_search_answer(several, 5, bare),
                  "{'results':[[],[{'id':'r0','score':0.75,'distance':0.25,'version':1},"
                  "{'id':'r1','score':-0.25,'distance':1.25,'version':2}],[],"
                  "[{'id':'r0','score':0.75,'distance':0.25,'version':1}],[]]}");
    expect_answer(PROXIMADB_SEARCH, &shape, rest_search_answer(none, 1, bare), "{'results':[[]]}");
}

/* "docs" of the collections below. */
static struct px_collection collection_of(const char *name)
{
    const struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec, .name = name, .dim_count = 3, .storage = PROXIMADB_EXACT};
    struct px_collection collection;
    assert_int_equal(px_collection_init(&collection, &spec, 5, NULL), PROXIMADB_OK);
    memset(&collection.id, 0, sizeof collection.id);
    return collection;
}

#define COLLECTION_JSON(name)                                                                \
    "{'name':'" name "','id':'00000000-0000-0000-0000-000000000000','dimension':3,"          \
    "'metric':'cosine','index_type':'HNSW','storage':'exact','layout':'compressed',"         \
    "'mantissa_bits':23,'relative_error':0,'filterable':{},"                                 \
    "'read_only_reason':null,'created_at':5,'vector_count':7,'part_count':0,'disk_bytes':0," \
    "'memtable_bytes':0,'wal_bytes':0,'last_version':0,'index_memory':'lean',"               \
    "'index_state':'none','index_row_count':0,'index_lag':0,'index_file_bytes':0,"           \
    "'index_memory_bytes':0,'index_rows_done':0,'index_rebuild_count':0,"                    \
    "'index_rebuild_reason':'','compaction_state':'idle',"                                   \
    "'compaction_rows_done':0,'compaction_row_count':0,'fresh_part_count':0,"                \
    "'dead_row_count':0,'bytes_accepted':0,'bytes_written':0}"

static void test_rest_answer__writes_collections(void **state)
{
    (void)state;
    const struct px_collection_numbers numbers = {.vector_count = 7};
    const int single[] = {PROXIMADB_CREATE_COLLECTION, PROXIMADB_GET_COLLECTION,
                          PROXIMADB_UPDATE_COLLECTION};
    struct px_collection first = collection_of("docs"), second = collection_of("more");
    struct px_buffer buffer = {0};
    for (size_t i = 0; i < 3; i++) {
        px_result_write_collection(&buffer, &first, &numbers);
        expect_answer(single[i], &whole, rest_taken(&buffer), COLLECTION_JSON("docs"));
    }
    px_result_begin_list(&buffer, 2);
    px_result_put_collection(&buffer, &first, &numbers);
    px_result_put_collection(&buffer, &second, &numbers);
    px_result_finish_list(&buffer, 2);
    expect_answer(PROXIMADB_LIST_COLLECTIONS, &whole, rest_taken(&buffer),
                  "{'collections':[" COLLECTION_JSON("docs") "," COLLECTION_JSON("more") "]}");
    px_result_begin_list(&buffer, 0);
    px_result_finish_list(&buffer, 0);
    expect_answer(PROXIMADB_LIST_COLLECTIONS, &whole, rest_taken(&buffer), "{'collections':[]}");
}

static void test_rest_answer__is_the_same_in_pieces(void **state)
{
    (void)state;
    struct px_buffer at_once = {0};
    assert_int_equal(
        write_pieces(PROXIMADB_SCAN, &whole, rest_record_answer(90, "more"), 1 << 20, &at_once),
        PROXIMADB_OK);
    for (size_t enough = 1; enough < at_once.size_bytes; enough = 3 * enough + 1) {
        struct px_buffer text = {0};
        assert_int_equal(
            write_pieces(PROXIMADB_SCAN, &whole, rest_record_answer(90, "more"), enough, &text),
            PROXIMADB_OK);
        assert_int_equal(text.size_bytes, at_once.size_bytes);
        assert_memory_equal(text.data, at_once.data, text.size_bytes);
        px_buffer_release(&text);
    }
    px_buffer_release(&at_once);
}

/* The answer without its last bytes. */
static struct proximadb_buffer cut(struct proximadb_buffer answer, size_t size_bytes)
{
    assert_true(answer.size_bytes > size_bytes);
    answer.size_bytes -= size_bytes;
    return answer;
}

static void expect_refused(int operation, struct proximadb_buffer response)
{
    struct px_buffer text = {0};
    int rc = write_pieces(operation, &whole, response, 100, &text);
    assert_int_not_equal(rc, PROXIMADB_OK);
    assert_int_equal(error.status, rc);
    px_buffer_release(&text);
}

static void test_rest_answer__fails_on_damage(void **state)
{
    (void)state;
    const int operations[] = {PROXIMADB_INSERT,
                              PROXIMADB_DELETE,
                              PROXIMADB_COUNT,
                              PROXIMADB_COMPACT,
                              PROXIMADB_GET,
                              PROXIMADB_SCAN,
                              PROXIMADB_SEARCH,
                              PROXIMADB_GET_COLLECTION,
                              PROXIMADB_LIST_COLLECTIONS,
                              PROXIMADB_CREATE_COLLECTION};
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        expect_refused(operations[i], (struct proximadb_buffer){0});
    expect_refused(PROXIMADB_INSERT, cut(rest_write_answer(), 1));
    expect_refused(PROXIMADB_SCAN, cut(rest_record_answer(90, "more"), 100)); /* begun already */
    const int two[] = {1, 1};
    struct px_rest_shape single = {.is_single = true};
    struct px_buffer text = {0};
    assert_int_equal(write_pieces(PROXIMADB_SEARCH, &single,
                                  rest_search_answer(two, 2, (struct px_hit_parts){0}), 100, &text),
                     PROXIMADB_INTERNAL);
    px_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_answer__writes_what_was_written),
        cmocka_unit_test(test_rest_answer__writes_numbers),
        cmocka_unit_test(test_rest_answer__writes_records),
        cmocka_unit_test(test_rest_answer__writes_hits),
        cmocka_unit_test(test_rest_answer__writes_collections),
        cmocka_unit_test(test_rest_answer__is_the_same_in_pieces),
        cmocka_unit_test(test_rest_answer__fails_on_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
