/* px-test: layers=codec files=cli/log_lines.c */
/*
 * Goal: one event is one line that a program can take apart, whatever stands in the message.
 * Method: both forms of a message with everything in it that could break a line; levels.
 */
#include "cli/log_lines.h"

#include "support/px_test.h"

static const int64_t noon_ms = INT64_C(1705320000123); /* 2024-01-15T12:00:00.123Z */

static void assert_line(bool as_json, int level, const char *message, const char *expected)
{
    struct px_buffer line = {0};
    px_log_lines_format(&line, as_json, noon_ms, level, message);
    px_buffer_append_byte(&line, '\0');
    assert_string_equal((char *)line.data, expected);
    px_buffer_release(&line);
}

static void test_log_lines__are_one_line_each(void **state)
{
    (void)state;
    assert_line(false, PROXIMADB_LOG_INFO, "listening on [::1]:5678",
                "time=2024-01-15T12:00:00.123Z level=info message=\"listening on [::1]:5678\"\n");
    assert_line(false, PROXIMADB_LOG_ERROR, "a \"b\" \\ c\nd\x7f \xc3\xa9",
                "time=2024-01-15T12:00:00.123Z level=error message=\"a \\\"b\\\" \\\\ c\\x0ad\\x7f "
                "\xc3\xa9\"\n");
    assert_line(true, PROXIMADB_LOG_WARNING, "a \"b\"\n\xff",
                "{\"kind\":\"log\",\"time\":\"2024-01-15T12:00:00.123Z\",\"level\":\"warning\","
                "\"message\":\"a \\\"b\\\"\\n\xef\xbf\xbd\"}\n");
    assert_line(true, PROXIMADB_LOG_DEBUG, "",
                "{\"kind\":\"log\",\"time\":\"2024-01-15T12:00:00.123Z\",\"level\":\"debug\","
                "\"message\":\"\"}\n");
}

static void test_log_lines__leave_out_what_is_above_the_level(void **state)
{
    char text[1000] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");
    struct px_log_lines lines = {.stream = stream, .most_level = PROXIMADB_LOG_WARNING};
    (void)state;
    px_log_lines_write(&lines, PROXIMADB_LOG_INFO, "no");
    px_log_lines_write(&lines, PROXIMADB_LOG_WARNING, "yes");
    px_log_lines_write(&lines, PROXIMADB_LOG_ERROR, "certainly");
    fclose(stream);
    assert_null(strstr(text, "no"));
    assert_non_null(strstr(text, "level=warning message=\"yes\"\n"));
    assert_non_null(strstr(text, "level=error message=\"certainly\"\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_lines__are_one_line_each),
        cmocka_unit_test(test_log_lines__leave_out_what_is_above_the_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
