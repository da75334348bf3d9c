/* px-test: layers=codec files=cli/render.c,cli/quantity.c */
/*
 * Goal: people see what the engine's lines say, and nothing is lost on the way.
 * Method: lines of each kind of value; pieces that cut lines anywhere; a stream that is full.
 */
#include "cli/render.h"

#include "support/px_test.h"

static void assert_rendered(const char *line, const char *expected)
{
    struct px_buffer text = {0};
    px_render_line(px_slice_of_string(line), &text);
    px_buffer_append_byte(&text, '\0');
    assert_string_equal((char *)text.data, expected);
    px_buffer_release(&text);
}

static void test_render__shows_members(void **state)
{
    (void)state;
    assert_rendered(
        "{\"kind\":\"part\",\"path\":\"a/b\",\"size_bytes\":8192,\"row_count\":12345,"
        "\"lsn\":12345,\"clean\":true,\"min\":null,\"ratio\":1.5}",
        "part         path=a/b size=8.0 KiB row_count=12,345 lsn=12345 clean=true min=- "
        "ratio=1.5\n");
    assert_rendered(
        "{\"kind\":\"x\",\"a\":\"\",\"b\":\"c d\",\"e\":\"f\\\"\\n\",\"g\":{\"h\":[1]}}",
        "x            a=\"\" b=\"c d\" e=\"f\\\"\\n\" g={\"h\":[1]}\n");
    assert_rendered("{\"kind\":\"finding\",\"severity\":\"damage\",\"file\":\"/a b\",\"what\":\"it "
                    "is bad\"}",
                    "damage       /a b: it is bad\n");
}

static void test_render__cuts_long_texts(void **state)
{
    char line[600], expected[200];
    (void)state;
    int begun = snprintf(line, sizeof line, "{\"kind\":\"x\",\"a\":\"");
    memset(line + begun, 'y', 300);
    strncpy(line + begun + 300, "\"}", 3);
    int size = snprintf(expected, sizeof expected, "x            a=");
    memset(expected + size, 'y', 60);
    snprintf(expected + size + 60, sizeof expected - (size_t)size - 60, "...(300 bytes)\n");
    assert_rendered(line, expected);
}

static void test_render__keeps_what_it_does_not_know(void **state)
{
    (void)state;
    assert_rendered("SELECT 1", "SELECT 1\n");
    assert_rendered("[1]", "[1]\n");
    assert_rendered("{\"kind\":", "{\"kind\":\n");
    assert_rendered("{\"a\":1}", "             a=1\n");
}

static void test_render__puts_pieces_together(void **state)
{
    static const char lines[] = "{\"kind\":\"a\",\"b\":1}\n{\"kind\":\"c\",\"d\":2}\ntail";
    static const char expected[] = "a            b=1\nc            d=2\ntail\n";
    (void)state;
    for (size_t piece = 1; piece < sizeof lines; piece++) {
        char text[200] = "";
        FILE *stream = fmemopen(text, sizeof text, "w");
        struct px_render render = {.stream = stream};
        for (size_t at = 0; at < sizeof lines - 1; at += piece) {
            size_t left = sizeof lines - 1 - at;
            assert_true(px_render_sink(&render, lines + at, left < piece ? left : piece));
        }
        assert_int_equal(px_render_end(&render, PROXIMADB_CORRUPT, NULL), PROXIMADB_CORRUPT);
        fclose(stream);
        assert_string_equal(text, expected);
    }
}

static void test_render__passes_json_on(void **state)
{
    char text[200] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");
    struct px_render render = {.stream = stream, .as_json = true};
    (void)state;
    assert_true(px_render_sink(&render, "{\"kind\":\"a\"}\n{\"ki", 17));
    assert_true(px_render_sink(&render, "nd\":1}\n", 7));
    assert_int_equal(px_render_end(&render, PROXIMADB_OK, NULL), PROXIMADB_OK);
    fclose(stream);
    assert_string_equal(text, "{\"kind\":\"a\"}\n{\"kind\":1}\n");
}

static void test_render__tells_that_it_cannot_write(void **state)
{
    (void)state;
    for (int as_json = 0; as_json < 2; as_json++) {
        FILE *stream = fopen("/dev/full", "w");
        struct px_render render = {.stream = stream, .as_json = as_json == 1};
        struct proximadb_error error;
        assert_non_null(stream);
        (void)px_render_sink(&render, "{\"kind\":\"a\"}\n", 13);
        assert_int_equal(px_render_end(&render, PROXIMADB_OK, &error), PROXIMADB_IO);
        fclose(stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render__shows_members),
        cmocka_unit_test(test_render__cuts_long_texts),
        cmocka_unit_test(test_render__keeps_what_it_does_not_know),
        cmocka_unit_test(test_render__puts_pieces_together),
        cmocka_unit_test(test_render__passes_json_on),
        cmocka_unit_test(test_render__tells_that_it_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
