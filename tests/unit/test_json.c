/*
 * Goal: JSON comes and goes without loss, and bad or deep JSON is refused with its place.
 * Method: numbers at the edges, every escape, and texts with one fault each.
 */
#include "codec/json.h"

#include "support/px_test.h"

static yyjson_doc *parse(const char *text)
{
    yyjson_doc *doc = NULL;
    struct proximadb_error error;
    if (px_json_parse(px_slice_of_string(text), &doc, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return doc;
}

static void test_json__gives_members_by_kind(void **state)
{
    (void)state;
    yyjson_doc *doc =
        parse("{\"s\":\"a\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"b\":true}");
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct px_slice text;
    uint64_t u = 0;
    int64_t i = 0;
    bool b = false;
    assert_true(px_json_get_string(root, "s", &text) && px_slice_equal(text, px_slice_of("a", 1)));
    assert_true(px_json_get_u64(root, "u", &u) && u == UINT64_MAX);
    assert_true(px_json_get_i64(root, "i", &i) && i == INT64_MIN);
    assert_true(px_json_get_bool(root, "b", &b) && b);
    assert_false(px_json_get_i64(root, "u", &i)); /* does not fit */
    assert_false(px_json_get_u64(root, "i", &u));
    assert_false(px_json_get_string(root, "missing", &text));
    assert_false(px_json_get_bool(root, "s", &b));
    yyjson_doc_free(doc);
}

static void test_json__says_where_a_fault_is(void **state)
{
    (void)state;
    yyjson_doc *doc;
    struct proximadb_error error;
    int rc = px_json_parse(px_slice_of_string("{\n  \"a\": x}"), &doc, &error);
    assert_int_equal(rc, PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "line 2, column 8"));
    assert_int_equal(px_json_parse(px_slice_of("", 0), &doc, &error), PROXIMADB_INVALID);
    assert_int_equal(px_json_parse(px_slice_of_string("{\"a\":\"\xff\"}"), &doc, &error),
                     PROXIMADB_INVALID);
}

static void test_json__refuses_deep_nesting_only_outside_strings(void **state)
{
    (void)state;
    static char deep[200001];
    yyjson_doc *doc;
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    assert_int_equal(px_json_parse(px_slice_of_string(deep), &doc, NULL), PROXIMADB_INVALID);
    memset(deep, '[', 200000);
    deep[0] = deep[199999] = '"';
    deep[100] = '\\';
    deep[101] = '"';
    doc = parse(deep);
    yyjson_doc_free(doc);
}

static void test_json__escapes_strings(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    px_json_append_string(&buffer, px_slice_of("a\"\\\n\r\t\x01\x1f\0z\xc3\xa9", 12));
    px_buffer_append_byte(&buffer, '\0');
    assert_string_equal((char *)buffer.data,
                        "\"a\\\"\\\\\\n\\r\\t\\u0001\\u001f\\u0000z\xc3\xa9\"");
    px_buffer_clear(&buffer);
    px_json_append_string(&buffer, px_slice_of(NULL, 0));
    assert_memory_equal(buffer.data, "\"\"", 2);
    px_buffer_release(&buffer);
}

static void test_json__doubles_read_back_the_same(void **state)
{
    (void)state;
    static const double values[] = {0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 1.7976931348623157e308};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct px_buffer buffer = {0};
        px_json_append_double(&buffer, values[i]);
        px_buffer_append_byte(&buffer, '\0');
        const char *text = (const char *)buffer.data;
        double again = strtod(text, NULL);
        assert_memory_equal(&again, &values[i], sizeof again);
        assert_true(strpbrk(text, ".eE") != NULL);
        px_buffer_release(&buffer);
    }
    struct px_buffer buffer = {0};
    px_json_append_double(&buffer, (double)NAN);
    assert_memory_equal(buffer.data, "null", 4);
    px_buffer_release(&buffer);
}

static void test_json__writes_documents(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_int(doc, root, "a", 1);
    px_json_write(doc, false, &buffer);
    px_json_write(doc, true, &buffer);
    assert_memory_equal(buffer.data, "{\"a\":1}{\n  \"a\": 1\n}\n", 20);
    yyjson_mut_doc_free(doc);
    px_buffer_release(&buffer);
}

static void test_json__keeps_numbers_that_do_not_fit(void **state)
{
    (void)state;
    static const char text[] = "[1e999,123456789012345678901234567890,1.5,18446744073709551615]";
    for (size_t memory_bytes = 0; memory_bytes <= 4096; memory_bytes += 512) {
        uint64_t memory[512];
        yyjson_doc *doc = NULL;
        assert_int_equal(
            px_json_parse_exact(px_slice_of_string(text), memory, memory_bytes, &doc, NULL),
            PROXIMADB_OK);
        yyjson_val *root = yyjson_doc_get_root(doc);
        assert_true(yyjson_is_raw(yyjson_arr_get(root, 0)));
        assert_string_equal(yyjson_get_raw(yyjson_arr_get(root, 1)),
                            "123456789012345678901234567890");
        assert_true(yyjson_get_real(yyjson_arr_get(root, 2)) == 1.5);
        assert_true(yyjson_get_uint(yyjson_arr_get(root, 3)) == UINT64_MAX);
        yyjson_doc_free(doc);
    }
    yyjson_doc *doc = NULL;
    uint64_t memory[512];
    assert_int_equal(
        px_json_parse_exact(px_slice_of_string("[1,"), memory, sizeof memory, &doc, NULL),
        PROXIMADB_INVALID);
}

/* Compared with a search byte by byte, of random texts that are full of what looks alike. */
static void test_json__finds_structure(void **state)
{
    static const char alphabet[] = "\"[]{}Yy\x7f\xfb\xdd\\ 019,:.eaz\x02";
    (void)state;
    struct px_test_random random = px_test_random_new("structure");
    for (int round = 0; round < 20000; round++) {
        uint8_t text[70];
        size_t size = px_test_below(&random, sizeof text + 1);
        size_t plain = px_test_below(&random, 6) + 6; /* often none of the five for long */
        for (size_t i = 0; i < size; i++)
            text[i] = (uint8_t)alphabet[px_test_below(&random, 20) == 0
                                            ? px_test_below(&random, sizeof alphabet - 1)
                                            : plain];
        for (size_t from = 0; from <= size; from++) {
            size_t expected = from;
            while (expected < size && strchr("\"[]{}", text[expected]) == NULL)
                expected++;
            assert_int_equal(px_json_find_structural(px_slice_of(text, size), from), expected);
        }
    }
}

static void test_json__skips_strings(void **state)
{
    (void)state;
    struct px_slice text = px_slice_of_string("x\"a\\\"b\\\\\"]\"\\");
    assert_int_equal(px_json_skip_string(text, 1), 9);
    assert_int_equal(px_json_skip_string(text, 10), text.size_bytes); /* never closed */
    assert_int_equal(px_json_skip_string(px_slice_of_string("\""), 0), 1);
}

static void test_json__keeps_to_a_memory_limit(void **state)
{
    (void)state;
    char text[4001];
    yyjson_doc *doc = NULL;
    struct proximadb_error error;
    memset(text, '0', sizeof text);
    for (size_t i = 0; i < 4000; i += 2)
        text[i] = i == 0 ? '[' : ',';
    text[4000] = ']';
    struct px_slice zeros = px_slice_of(text, sizeof text);
    assert_int_equal(px_json_parse_limited(zeros, 36000, &doc, &error),
                     PROXIMADB_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(error.message, "36000 bytes"));
    assert_null(doc);
    assert_int_equal(px_json_parse_limited(zeros, 100000, &doc, &error), PROXIMADB_OK);
    assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), 2000);
    yyjson_doc_free(doc);
    assert_int_equal(px_json_parse_limited(px_slice_of("[1,", 3), 100000, &doc, &error),
                     PROXIMADB_INVALID);
    assert_int_equal(px_json_parse_limited(px_slice_of("1e400", 5), 100000, &doc, &error),
                     PROXIMADB_OK);
    assert_true(yyjson_is_raw(yyjson_doc_get_root(doc)));
    yyjson_doc_free(doc);
}

static void expect_floats(const float *floats, size_t count, const char *expected)
{
    struct px_buffer buffer = {0};
    px_json_append_floats(&buffer, floats, count);
    px_buffer_append_byte(&buffer, 0);
    assert_string_equal(buffer.data, expected);
    px_buffer_release(&buffer);
}

static void test_json__floats_are_short(void **state)
{
    const float floats[] = {0.1f, 1.0f, -0.0f, 3.4028235e38f, 1e-45f, 16777216.0f};
    (void)state;
    expect_floats(floats, 0, "[]");
    expect_floats(floats, 1, "[0.1]");
    expect_floats(floats, 6, "[0.1,1.0,-0.0,3.4028235e38,1e-45,16777216.0]");
}

/* Any number of them, wherever they lie. */
static void test_json__floats_read_back_the_same(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("floats");
    uint8_t memory[201 * sizeof(float) + 1];
    for (int round = 0; round < 3000; round++) {
        size_t count = px_test_below(&random, 201);
        struct px_buffer buffer = {0};
        for (size_t i = 0; i < count; i++) {
            uint32_t bits = (uint32_t)px_test_next(&random);
            if ((bits & 0x7f800000u) == 0x7f800000u)
                bits ^= 0x00800000u; /* finite */
            memcpy(memory + 1 + i * sizeof bits, &bits, sizeof bits);
        }
        px_json_append_floats(&buffer, memory + 1, count);
        yyjson_doc *doc = yyjson_read((const char *)buffer.data, buffer.size_bytes, 0);
        assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), count);
        for (size_t i = 0; i < count; i++) {
            float value = (float)yyjson_get_num(yyjson_arr_get(yyjson_doc_get_root(doc), i));
            assert_memory_equal(&value, memory + 1 + i * sizeof value, sizeof value);
        }
        yyjson_doc_free(doc);
        px_buffer_release(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__gives_members_by_kind),
        cmocka_unit_test(test_json__says_where_a_fault_is),
        cmocka_unit_test(test_json__refuses_deep_nesting_only_outside_strings),
        cmocka_unit_test(test_json__keeps_numbers_that_do_not_fit),
        cmocka_unit_test(test_json__escapes_strings),
        cmocka_unit_test(test_json__doubles_read_back_the_same),
        cmocka_unit_test(test_json__writes_documents),
        cmocka_unit_test(test_json__finds_structure),
        cmocka_unit_test(test_json__skips_strings),
        cmocka_unit_test(test_json__keeps_to_a_memory_limit),
        cmocka_unit_test(test_json__floats_are_short),
        cmocka_unit_test(test_json__floats_read_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
