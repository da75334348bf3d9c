/*
 * Goal: a collection in JSON becomes the very payload that proximadb_encode_collection() makes, and
 * what the engine knows of one is written whole.
 * Method: bodies beside structs in C; the text of one collection.
 */
#include "rest/rest_collection.h"

#include "rest/rest_request.h"
#include "support/rest_test.h"

static struct proximadb_error error;
static struct px_rest_request request;
static struct proximadb_buffer expected;

static int decode(px_rest_decode *function, const char *body)
{
    request = (struct px_rest_request){.body = rest_json(body)};
    return function(&request, &error);
}

static void expect_spec(const struct proximadb_collection_spec *spec, const char *body)
{
    assert_int_equal(proximadb_encode_collection(spec, &expected, &error), PROXIMADB_OK);
    if (decode(px_rest_decode_create, body) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    rest_expect_same_payload(&request.payload, &expected);
}

static void expect_refused(px_rest_decode *function, const char *body, const char *part)
{
    rest_expect_error(decode(function, body), &error, PROXIMADB_INVALID, part);
    assert_null(request.payload.data);
}

static void test_rest_collection__is_created_with_defaults(void **state)
{
    (void)state;
    const struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec,
        .name = "docs",
        .dim_count = 384,
        .metric = PROXIMADB_COSINE,
        .index_type = PROXIMADB_HNSW,
        .storage = PROXIMADB_BALANCED,
    };
    expect_spec(&spec, "{'name': 'docs', 'dimension': 384}");
    assert_false(request.shape.may_exist);
    assert_int_equal(request.name_bytes, 4); /* for the answer's location */
    assert_memory_equal(request.name, "docs", 4);
    expect_spec(&spec, "{'name': 'docs', 'dimension': 384, 'metric': null, 'index_type': null,"
                       " 'storage': null, 'layout': null, 'filterable': null,"
                       " 'exist_ok': null}");
}

static void test_rest_collection__is_created_as_told(void **state)
{
    (void)state;
    const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_DOUBLE},
                                                  {"tags", PROXIMADB_FIELD_STRING_ARRAY}};
    const struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec,
        .name = "docs",
        .dim_count = UINT16_MAX,
        .metric = PROXIMADB_DOT,
        .index_type = PROXIMADB_IVF,
        .storage = PROXIMADB_EXACT,
        .filterable = fields,
        .filterable_count = 2,
        .exist_ok = true,
        .layout = PROXIMADB_LAYOUT_PLAIN,
    };
    expect_spec(&spec,
                "{'exist_ok': true, 'filterable': {'price': 'double', 'tags': "
                "'STRING_ARRAY'}, 'storage': 'exact', 'layout': 'PLAIN', 'index_type': 'ivf',"
                " 'metric': 'Dot', 'dimension': 65535, 'name': 'docs'}");
    assert_true(request.shape.may_exist);
}

static void test_rest_collection__refuses_what_makes_none(void **state)
{
    (void)state;
    const struct {
        const char *body;
        const char *part;
    } faults[] = {
        {"{'dimension': 3}", "name is missing"},
        {"{'name': null, 'dimension': 3}", "name is missing"},
        {"{'name': 5, 'dimension': 3}", "name must be a string, and is an integer"},
        {"{'name': 'a\\u0000b', 'dimension': 3}", "name has a NUL"},
        {"{'name': 'a'}", "dimension is missing"},
        {"{'name': 'a', 'dimension': 0}", "dimension is 0; it may be 1 to 65536"},
        {"{'name': 'a', 'dimension': 65537}", "dimension is 65537"},
        {"{'name': 'a', 'dimension': 2147483648}", "dimension is 2147483648"},
        {"{'name': 'a', 'dimension': 4294967297}", "dimension is 4294967297; it may be 1"},
        {"{'name': 'a', 'dimension': -1}", "dimension must not be negative"},
        {"{'name': 'a', 'dimension': '3'}", "dimension must be an integer"},
        {"{'name': 'a', 'dimension': 3, 'metric': 'cos'}", "metric 'cos' is none of cosine, l2, d"},
        {"{'name': 'a', 'dimension': 3, 'metric': 1}", "metric must be a string"},
        {"{'name': 'a', 'dimension': 3, 'index_type': 'x'}", "none of HNSW, IVF, FLAT"},
        {"{'name': 'a', 'dimension': 3, 'storage': 'x'}", "none of balanced, exact, compact"},
        {"{'name': 'a', 'dimension': 3, 'layout': 'x'}", "none of compressed, plain"},
        {"{'name': 'a', 'dimension': 3, 'filterable': ['a']}", "object of names and types"},
        {"{'name': 'a', 'dimension': 3, 'filterable': {'a': 1}}", "must be a string"},
        {"{'name': 'a', 'dimension': 3, 'filterable': {'a': null}}", "must be a string"},
        {"{'name': 'a', 'dimension': 3, 'filterable': {'a': 'int'}}", "'int' is none of string, l"},
        {"{'name': 'a', 'dimension': 3, 'filterable': {'a\\u0000': 'long'}}", "NUL"},
        {"{'name': 'a', 'dimension': 3, 'exist_ok': 1}", "exist_ok must be true or false"},
        {"{'name': 'a', 'dimension': 3, 'dim': 3}", "the body has no member 'dim'"},
        {"[]", "the body must be a JSON object"},
        {"", "the request has no body"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        expect_refused(px_rest_decode_create, faults[i].body, faults[i].part);
}

/* Of `count` fields; static. */
static const char *body_of_fields(int count)
{
    static char body[2000];
    size_t used = (size_t)snprintf(body, sizeof body, "{'filterable': {");
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(body + used, sizeof body - used, "%s'f%d': 'long'",
                                 i > 0 ? ", " : "", i);
    snprintf(body + used, sizeof body - used, "}}");
    return body;
}

static void test_rest_collection__is_changed(void **state)
{
    (void)state;
    const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_LONG}};
    assert_int_equal(proximadb_encode_collection_change(fields, 1, &expected, &error),
                     PROXIMADB_OK);
    assert_int_equal(decode(px_rest_decode_change, "{'filterable': {'price': 'long'}}"),
                     PROXIMADB_OK);
    rest_expect_same_payload(&request.payload, &expected);
    assert_int_equal(proximadb_encode_collection_change(NULL, 0, &expected, &error), PROXIMADB_OK);
    assert_int_equal(decode(px_rest_decode_change, "{'filterable': {}}"), PROXIMADB_OK);
    rest_expect_same_payload(&request.payload, &expected);
    assert_int_equal(decode(px_rest_decode_change, body_of_fields(64)), PROXIMADB_OK);
    proximadb_buffer_release(&request.payload);
    expect_refused(px_rest_decode_change, body_of_fields(65), "more than 64 filterable fields");
    expect_refused(px_rest_decode_change, "{}", "filterable must be an object of names and types");
    expect_refused(px_rest_decode_change, "{'filterable': null}", "and is null");
    expect_refused(px_rest_decode_change, "{'metric': 'l2'}", "it may have filterable");
}

static void test_rest_collection__is_written_whole(void **state)
{
    (void)state;
    const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_DOUBLE},
                                                  {"tags", PROXIMADB_FIELD_STRING_ARRAY}};
    struct proximadb_collection_info info = {
        .spec = {.name = "docs",
                 .dim_count = 384,
                 .metric = PROXIMADB_L2,
                 .index_type = PROXIMADB_FLAT,
                 .storage = PROXIMADB_COMPACT_STORAGE,
                 .filterable = fields,
                 .filterable_count = 2,
                 .layout = PROXIMADB_LAYOUT_COMPRESSED,
                 .index_memory = PROXIMADB_INDEX_FAST},
        .id = "123e4567-e89b-42d3-a456-426614174000",
        .created_at_ms = 1700000000000,
        .vector_count = UINT64_MAX,
        .part_count = 2,
        .disk_bytes = 3,
        .memtable_bytes = 4,
        .wal_bytes = 5,
        .last_version = 6,
        .fresh_part_count = 7,
        .dead_row_count = 8,
        .bytes_accepted = 9,
        .bytes_written = 10,
        .compaction_state = "running",
        .compaction_rows_done = 11,
        .compaction_row_count = 12,
        .index_state = "ready",
        .index_row_count = 13,
        .index_lag = 14,
        .index_file_bytes = 15,
        .index_memory_bytes = 16,
        .index_rows_done = 17,
        .index_rebuild_count = 18,
        .index_rebuild_reason = "asked",
        .read_only_reason = "",
        .mantissa_bits = 4,
        .relative_error = 0x1p-5,
    };
    struct px_buffer text = {0};
    px_rest_collection_write(&text, &info);
    rest_expect_text(&text,
                     "{'name':'docs','id':'123e4567-e89b-42d3-a456-426614174000','dimension':384,"
                     "'metric':'l2','index_type':'FLAT','storage':'compact','layout':'compressed',"
                     "'mantissa_bits':4,'relative_error':0.03125,"
                     "'filterable':{'price':'double','tags':'string_array'},"
                     "'read_only_reason':null,'created_at':1700000000000,"
                     "'vector_count':18446744073709551615,'part_count':2,'disk_bytes':3,"
                     "'memtable_bytes':4,'wal_bytes':5,'last_version':6,"
                     "'index_memory':'fast','index_state':'ready','index_row_count':13,"
                     "'index_lag':14,'index_file_bytes':15,'index_memory_bytes':16,"
                     "'index_rows_done':17,'index_rebuild_count':18,"
                     "'index_rebuild_reason':'asked',"
                     "'compaction_state':'running','compaction_rows_done':11,"
                     "'compaction_row_count':12,'fresh_part_count':7,'dead_row_count':8,"
                     "'bytes_accepted':9,'bytes_written':10}");
    info.spec.filterable_count = 0;
    info.read_only = true;
    info.read_only_reason = "a \"torn\" file";
    px_rest_collection_write(&text, &info);
    px_buffer_append_byte(&text, '\0');
    assert_non_null(strstr((const char *)text.data,
                           "\"filterable\":{},\"read_only_reason\":\"a \\\"torn\\\" file\","));
    px_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_collection__is_created_with_defaults),
        cmocka_unit_test(test_rest_collection__is_created_as_told),
        cmocka_unit_test(test_rest_collection__refuses_what_makes_none),
        cmocka_unit_test(test_rest_collection__is_changed),
        cmocka_unit_test(test_rest_collection__is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
