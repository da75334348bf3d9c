/*
 * Goal: metadata comes back as it went, with its types; what is no value is refused with its key.
 * Method: an object of every kind, read and written again; values at the ends of their ranges.
 */
#include "rest/rest_values.h"

#include "support/rest_test.h"

static struct proximadb_error error;
static struct px_arena arena;
static const struct proximadb_field *fields;
static size_t field_count;
static yyjson_doc *doc;

static int read_fields(const char *json)
{
    yyjson_doc_free(doc);
    if (px_json_parse_limited(rest_json(json), 1 << 20, &doc, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return px_rest_fields_read(yyjson_doc_get_root(doc), "metadata", &arena, &fields, &field_count,
                               &error);
}

static int release(void **state)
{
    (void)state;
    px_arena_release(&arena);
    yyjson_doc_free(doc);
    doc = NULL;
    return 0;
}

static void expect_same(const char *json)
{
    struct px_buffer text = {0};
    if (read_fields(json) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    px_rest_fields_write(&text, fields, field_count);
    rest_expect_text(&text, json);
}

static void test_rest_values__keeps_values_and_types(void **state)
{
    (void)state;
    expect_same("{}");
    expect_same("{'':null,'b':true,'c':false,'d':'','e':'caf\xc3\xa9 \\' \\\\ \\n'}");
    expect_same("{'long':0,'least':-9223372036854775808,'most':9223372036854775807}");
    expect_same("{'double':1.0,'small':5e-324,'large':1.7976931348623157e308,'third':0.1}");
    expect_same("{'none':[],'some':['a','','\\u0001']}");
}

static void test_rest_values__tells_longs_from_doubles(void **state)
{
    (void)state;
    assert_int_equal(read_fields("{'a':1,'b':1.0,'c':1e0,'d':-0,'e':-0.0}"), PROXIMADB_OK);
    assert_int_equal(field_count, 5);
    assert_int_equal(fields[0].value.kind, PROXIMADB_VALUE_LONG);
    assert_int_equal(fields[1].value.kind, PROXIMADB_VALUE_DOUBLE);
    assert_int_equal(fields[2].value.kind, PROXIMADB_VALUE_DOUBLE);
    assert_int_equal(fields[3].value.kind, PROXIMADB_VALUE_LONG);
    assert_int_equal(fields[4].value.kind, PROXIMADB_VALUE_DOUBLE);
    assert_true(signbit(fields[4].value.as.number) != 0);
}

static void expect_refused(const char *json, const char *part)
{
    rest_expect_error(read_fields(json), &error, PROXIMADB_INVALID, part);
}

static void test_rest_values__refuses_what_is_no_value(void **state)
{
    (void)state;
    expect_refused("[]", "metadata must be a JSON object, and is an array");
    expect_refused("{'a':{}}", "metadata.a is an object");
    expect_refused("{'a':[1]}", "metadata.a[0] is an integer; an array may hold strings only");
    expect_refused("{'a':['x',null]}", "metadata.a[1] is null");
    expect_refused("{'a':[['x']]}", "metadata.a[0] is an array");
    expect_refused("{'a':9223372036854775808}", "metadata.a is a number out of range");
    expect_refused("{'a':-9223372036854775809}", "metadata.a is a number out of range");
    expect_refused("{'a':1e400}", "metadata.a is a number out of range");
}

static void test_rest_values__keeps_to_its_memory(void **state)
{
    (void)state;
    arena.limit_bytes = 200;
    rest_expect_error(read_fields("{'a':1,'b':2,'c':3,'d':4,'e':5,'f':6}"), &error,
                      PROXIMADB_RESOURCE_EXHAUSTED, "metadata takes more memory");
    rest_expect_error(read_fields("{'a':['1','2','3','4','5','6','7','8','9','10','11']}"), &error,
                      PROXIMADB_RESOURCE_EXHAUSTED, "send less");
    arena.limit_bytes = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rest_values__keeps_values_and_types, release),
        cmocka_unit_test_teardown(test_rest_values__tells_longs_from_doubles, release),
        cmocka_unit_test_teardown(test_rest_values__refuses_what_is_no_value, release),
        cmocka_unit_test_teardown(test_rest_values__keeps_to_its_memory, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
