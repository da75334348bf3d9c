/*
 * Goal: every line is one valid JSON object, whatever the texts in it are.
 * Method: members of each kind; random bytes as text, read back by the parser.
 */
#include "codec/json_line.h"

#include "codec/json.h"
#include "support/px_test.h"

static void test_json_line__writes_members_of_each_kind(void **state)
{
    (void)state;
    static const char expected[] =
        "{\"kind\":\"part\",\"big\":18446744073709551615,\"small\":-9223372036854775808,"
        "\"yes\":true,\"no\":false,\"ratio\":2.5,\"none\":null,\"text\":\"a \\\"b\\\"\\n\"}\n";
    struct px_buffer buffer = {0};
    px_json_line_begin(&buffer, "part");
    px_json_line_u64(&buffer, "big", UINT64_MAX);
    px_json_line_i64(&buffer, "small", INT64_MIN);
    px_json_line_bool(&buffer, "yes", true);
    px_json_line_bool(&buffer, "no", false);
    px_json_line_double(&buffer, "ratio", 2.5);
    px_json_line_double(&buffer, "none", NAN);
    px_json_line_string(&buffer, "text", "a \"b\"\n");
    px_json_line_end(&buffer);
    px_buffer_append_byte(&buffer, '\0');
    assert_string_equal((const char *)buffer.data, expected);
    px_buffer_release(&buffer);
}

static void test_json_line__replaces_what_is_no_text(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    px_json_line_begin(&buffer, "x");
    px_json_line_string(&buffer, "t", "a\xff\xc3\xa9\xe2\x82");
    px_json_line_end(&buffer);
    px_buffer_append_byte(&buffer, '\0');
    assert_string_equal(
        (const char *)buffer.data,
        "{\"kind\":\"x\",\"t\":\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"}\n");
    px_buffer_release(&buffer);
}

static void test_json_line__is_valid_for_any_bytes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("json_line");
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[40];
        size_t size = (size_t)px_test_below(&random, sizeof bytes);
        struct px_buffer buffer = {0};
        yyjson_doc *doc;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)px_test_next(&random);
        px_json_line_begin(&buffer, "x");
        px_json_line_text(&buffer, "t", px_slice_of(bytes, size));
        px_json_line_end(&buffer);
        assert_int_equal(px_json_parse(px_buffer_slice(&buffer), &doc, NULL), PROXIMADB_OK);
        assert_true(yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(doc), "t")));
        yyjson_doc_free(doc);
        px_buffer_release(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_line__writes_members_of_each_kind),
        cmocka_unit_test(test_json_line__replaces_what_is_no_text),
        cmocka_unit_test(test_json_line__is_valid_for_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
