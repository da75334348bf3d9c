/* Goal: findings reach whoever asked for them, cut when long, and nobody has to ask. */
#include "base/finding.h"

#include "support/px_test.h"

struct captured {
    size_t count;
    enum px_severity severity;
    char path[100];
    char what[2000];
};

static void capture(void *context, enum px_severity severity, const char *path, const char *what)
{
    struct captured *captured = context;
    captured->count++;
    captured->severity = severity;
    snprintf(captured->path, sizeof captured->path, "%s", path);
    snprintf(captured->what, sizeof captured->what, "%s", what);
}

static void test_finding__hands_sentences_on(void **state)
{
    (void)state;
    struct captured captured = {0};
    const struct px_findings findings = {.report = capture, .context = &captured};
    px_finding_report(&findings, PX_WARNING, "a/b", "%d rows are %s", 3, "odd");
    assert_int_equal(captured.severity, PX_WARNING);
    assert_string_equal(captured.path, "a/b");
    assert_string_equal(captured.what, "3 rows are odd");
    px_finding_report(&findings, PX_DAMAGE, "a/b", "%05000d", 7);
    assert_int_equal(strlen(captured.what), 999);
    assert_int_equal(captured.count, 2);
}

static void test_finding__is_silent_where_nobody_asks(void **state)
{
    (void)state;
    const struct px_findings silent = {0};
    px_finding_report(&silent, PX_DAMAGE, "a", "x");
    px_finding_report(NULL, PX_DAMAGE, "a", "x");
}

static void test_finding__severities_have_names(void **state)
{
    (void)state;
    assert_string_equal(px_severity_name(PX_NOTE), "note");
    assert_string_equal(px_severity_name(PX_WARNING), "warning");
    assert_string_equal(px_severity_name(PX_DAMAGE), "damage");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding__hands_sentences_on),
        cmocka_unit_test(test_finding__is_silent_where_nobody_asks),
        cmocka_unit_test(test_finding__severities_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
