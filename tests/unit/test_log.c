/* Goal: log lines reach their sink, cut when long, and silence is no fault. */
#include "base/log.h"

#include "support/px_test.h"

struct captured {
    int level;
    char line[2000];
};

static void capture(void *context, int level, const char *line)
{
    struct captured *captured = context;
    captured->level = level;
    snprintf(captured->line, sizeof captured->line, "%s", line);
}

static void test_log__hands_lines_to_the_sink(void **state)
{
    (void)state;
    struct captured captured = {0};
    struct px_log log = {.write = capture, .context = &captured};
    px_log_write(&log, PROXIMADB_LOG_WARNING, "cut %d bytes", 7);
    assert_int_equal(captured.level, PROXIMADB_LOG_WARNING);
    assert_string_equal(captured.line, "cut 7 bytes");
    px_log_write(&log, PROXIMADB_LOG_INFO, "%05000d", 7);
    assert_int_equal(strlen(captured.line), 999);
}

static void test_log__is_silent_without_a_sink(void **state)
{
    (void)state;
    struct px_log silent = {0};
    px_log_write(&silent, PROXIMADB_LOG_ERROR, "x");
    px_log_write(NULL, PROXIMADB_LOG_ERROR, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__hands_lines_to_the_sink),
        cmocka_unit_test(test_log__is_silent_without_a_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
