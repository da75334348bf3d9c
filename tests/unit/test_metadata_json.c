/*
 * Goal: metadata becomes JSON and again the same metadata, types and all; JSON that is no metadata is
 * refused with its key.
 * Method: texts that must come back as they are, numbers at the edges of their types, and one text
 * for each rule.
 */
#include "model/metadata.h"

#include "support/px_test.h"

static struct px_buffer from_json(const char *json)
{
    struct px_buffer bytes = {0};
    struct proximadb_error error;
    if (px_metadata_from_json(px_slice_of_string(json), &bytes, &error) != PROXIMADB_OK)
        fail_msg("%s: %s", json, error.message);
    return bytes;
}

static void check_json(const char *json, const char *expected)
{
    struct px_buffer bytes = from_json(json), again = {0};
    size_t size = bytes.size_bytes;
    assert_int_equal(px_metadata_from_json(px_slice_of_string(json), &bytes, NULL), PROXIMADB_OK);
    assert_memory_equal(bytes.data, bytes.data + size, size); /* appended */
    px_metadata_to_json(px_slice_of(bytes.data + size, size), NULL, NULL, &again);
    px_buffer_append_byte(&again, 0);
    assert_string_equal((const char *)again.data, expected);
    px_buffer_release(&bytes);
    px_buffer_release(&again);
}

static void test_metadata_json__comes_back_as_it_was(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"a\":null,\"b\":true,\"c\":false}",
        "{\"z\":1,\"a\":-1,\"min\":-9223372036854775808,\"max\":9223372036854775807}",
        "{\"d\":1.0,\"e\":0.1,\"f\":1e300,\"g\":-0.0,\"h\":5e-324,\"i\":9007199254740992.0}",
        "{\"s\":\"\",\"t\":\"\xc3\xa9 \\\"quoted\\\" \\\\ \\n\\u0001\"}",
        "{\"none\":[],\"one\":[\"\"],\"two\":[\"a\",\"b\"]}",
        "{\"key with \\\"quotes\\\" and \xc3\xa9\":0}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_json(texts[i], texts[i]);
    check_json(" { \"a\" : 1E2 , \"b\" : \"\\u00e9\" } ", "{\"a\":100.0,\"b\":\"\xc3\xa9\"}");
}

static void test_metadata_json__keeps_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum proximadb_value_kind kind;
    } cases[] = {
        {"{\"k\":null}", PROXIMADB_VALUE_NULL},
        {"{\"k\":false}", PROXIMADB_VALUE_BOOLEAN},
        {"{\"k\":1}", PROXIMADB_VALUE_LONG},
        {"{\"k\":-0}", PROXIMADB_VALUE_LONG},
        {"{\"k\":1.0}", PROXIMADB_VALUE_DOUBLE},
        {"{\"k\":1e0}", PROXIMADB_VALUE_DOUBLE},
        {"{\"k\":\"1\"}", PROXIMADB_VALUE_STRING},
        {"{\"k\":[]}", PROXIMADB_VALUE_STRING_ARRAY},
        {"{\"k\":[\"1\"]}", PROXIMADB_VALUE_STRING_ARRAY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_buffer bytes = from_json(cases[i].json);
        struct px_value value;
        assert_true(px_metadata_find(px_buffer_slice(&bytes), px_slice_of_string("k"), &value));
        assert_int_equal(value.kind, cases[i].kind);
        px_buffer_release(&bytes);
    }
}

static void test_metadata_json__doubles_and_longs_survive(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("metadata_json");
    struct px_buffer bytes = {0}, json = {0}, again = {0};
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = px_test_next(&random);
        struct px_value values[2] = {{.kind = PROXIMADB_VALUE_LONG, .as.integer = (int64_t)bits},
                                     {.kind = PROXIMADB_VALUE_DOUBLE}};
        memcpy(&values[1].as.number, &bits, sizeof bits);
        if (!isfinite(values[1].as.number))
            continue;
        px_buffer_clear(&bytes);
        px_buffer_clear(&json);
        px_buffer_clear(&again);
        px_metadata_begin(&bytes, 2);
        px_metadata_put(&bytes, px_slice_of_string("long"), &values[0]);
        px_metadata_put(&bytes, px_slice_of_string("double"), &values[1]);
        px_metadata_finish(&bytes, 2);
        px_metadata_to_json(px_buffer_slice(&bytes), NULL, NULL, &json);
        assert_int_equal(px_metadata_from_json(px_buffer_slice(&json), &again, NULL), PROXIMADB_OK);
        assert_true(px_slice_equal(px_buffer_slice(&again), px_buffer_slice(&bytes)));
    }
    px_buffer_release(&bytes);
    px_buffer_release(&json);
    px_buffer_release(&again);
}

static bool skip_letter(void *context, struct px_slice key)
{
    return key.data[0] == *(const char *)context;
}

static void test_metadata_json__leaves_out_keys(void **state)
{
    (void)state;
    struct px_buffer bytes = from_json("{\"a\":1,\"b\":2,\"a2\":3,\"c\":4}"), json = {0};
    char letter = 'a';
    px_metadata_to_json(px_buffer_slice(&bytes), skip_letter, &letter, &json);
    assert_true(px_slice_equal(px_buffer_slice(&json), px_slice_of_string("{\"b\":2,\"c\":4}")));
    px_buffer_release(&bytes);
    px_buffer_release(&json);
}

static void test_metadata_json__refuses_what_is_no_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *message;
    } cases[] = {
        {"[]", "must be a JSON object"},
        {"1", "must be a JSON object"},
        {"{\"a\":1", "not valid JSON"},
        {"{\"a\":{}}", "'a': an object is no metadata value"},
        {"{\"a\":[1]}", "'a': an array may hold strings only"},
        {"{\"a\":[\"x\",null]}", "'a': an array may hold strings only"},
        {"{\"a\":[[]]}", "'a': an array may hold strings only"},
        {"{\"a\":9223372036854775808}", "'a': the number fits neither"},
        {"{\"a\":123456789012345678901234567890}", "'a': the number fits neither"},
        {"{\"a\":1e999}", "'a': the number fits neither"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "'a': it is there twice"},
        {"{\"\":1}", "entry 1 has 0 bytes"},
        {"{\"a\":\"x\\u0000\"}", "'a': a string is not valid UTF-8, or has a NUL"},
        {"{\"a\\u0000\":1}", "entry 1 is not valid UTF-8, or has a NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_buffer bytes = {0};
        struct proximadb_error error = {0};
        px_buffer_append(&bytes, "before", 6);
        assert_int_equal(px_metadata_from_json(px_slice_of_string(cases[i].json), &bytes, &error),
                         PROXIMADB_INVALID);
        if (strstr(error.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].json, error.message);
        assert_int_equal(bytes.size_bytes, 6);
        px_buffer_release(&bytes);
    }
}

static void test_metadata_json__reads_large_objects(void **state)
{
    (void)state;
    struct px_buffer json = {0}, bytes = {0}, again = {0};
    for (size_t count = 1024; count <= 1025; count++) {
        px_buffer_clear(&json);
        px_buffer_clear(&bytes);
        for (size_t i = 0; i < count; i++)
            px_buffer_append_format(&json, "%s\"key%zu\":%zu", i == 0 ? "{" : ",", i, i);
        px_buffer_append_byte(&json, '}');
        assert_int_equal(px_metadata_from_json(px_buffer_slice(&json), &bytes, NULL),
                         count == 1024 ? PROXIMADB_OK : PROXIMADB_INVALID);
        if (count == 1024) {
            px_metadata_to_json(px_buffer_slice(&bytes), NULL, NULL, &again);
            assert_true(px_slice_equal(px_buffer_slice(&again), px_buffer_slice(&json)));
        }
    }
    px_buffer_release(&json);
    px_buffer_release(&bytes);
    px_buffer_release(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata_json__comes_back_as_it_was),
        cmocka_unit_test(test_metadata_json__keeps_every_type),
        cmocka_unit_test(test_metadata_json__doubles_and_longs_survive),
        cmocka_unit_test(test_metadata_json__leaves_out_keys),
        cmocka_unit_test(test_metadata_json__refuses_what_is_no_metadata),
        cmocka_unit_test(test_metadata_json__reads_large_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
