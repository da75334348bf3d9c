/* px-test: layers=codec files=cli/toml.c */
/*
 * Goal: what is read means what any reader of TOML takes it for; the rest is refused, with its line.
 * Method: events as text, against what the specification of TOML 1.0 says; a broken text a rule;
 * every beginning of a good text and every changed byte of it, for the sanitizers.
 */
#include "cli/toml.h"

#include "base/buffer.h"
#include "support/px_test.h"

/* "1 key s:text", "3 key[0] n:7" */
static int write_event(void *context, const struct px_toml_value *value,
                       struct proximadb_error *reterr)
{
    struct px_buffer *events = context;
    char item[16] = "";
    if (value->is_item)
        snprintf(item, sizeof item, "[%zu]", value->item_index);
    px_buffer_append_format(events, "%u %s%s %c:%s\n", value->line, value->key, item,
                            "snb"[value->kind], value -> text);
    return strcmp(value->key, "stop") == 0 ? px_fail(reterr, PROXIMADB_INVALID, "stopped")
                                           : PROXIMADB_OK;
}

static int parse(const char *text, struct px_buffer *events, unsigned *ret_line,
                 struct proximadb_error *error)
{
    char *copy = strdup(text);
    int rc = px_toml_parse(copy, write_event, events, ret_line, error);
    px_buffer_append_byte(events, '\0');
    free(copy);
    return rc;
}

static void assert_events(const char *text, const char *expected)
{
    struct px_buffer events = {0};
    struct proximadb_error error = {0};
    unsigned line;
    int rc = parse(text, &events, &line, &error);
    if (rc != PROXIMADB_OK)
        fail_msg("line %u of '%s': %s", line, text, error.message);
    assert_string_equal((char *)events.data, expected);
    px_buffer_release(&events);
}

static void assert_refused(const char *text, unsigned expected_line, const char *message)
{
    struct px_buffer events = {0};
    struct proximadb_error error;
    unsigned line = 0;
    assert_int_equal(parse(text, &events, &line, &error), PROXIMADB_INVALID);
    if (strstr(error.message, message) == NULL)
        fail_msg("'%s' is refused with '%s'", text, error.message);
    assert_int_equal(line, expected_line);
    px_buffer_release(&events);
}

static void test_toml__reads_lines(void **state)
{
    (void)state;
    assert_events("", "");
    assert_events("# only a comment \t\xc3\xa9", "");
    assert_events("a=1\r\n\r\n  b-B_2 = true # yes\n\tc = false\t\n",
                  "1 a n:1\n3 b-B_2 b:true\n4 c b:false\n");
    assert_events("a = 0\nb = +12\nc = 1_000_000", "1 a n:0\n2 b n:12\n3 c n:1000000\n");
}

static void test_toml__reads_strings(void **state)
{
    (void)state;
    assert_events("a = \"\"\nb = ''", "1 a s:\n2 b s:\n");
    assert_events("a = \"x # no comment\" # one", "1 a s:x # no comment\n");
    assert_events("a = 'C:\\new \"x\"'", "1 a s:C:\\new \"x\"\n");
    assert_events("a = \"\\t\\\"\\\\\\b\\f\\r\"", "1 a s:\t\"\\\b\f\r\n");
    assert_events("a = \"\\u00e9\\u20AC\\U0001F600\\u0041\"",
                  "1 a s:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
                  "A\n");
}

static void test_toml__reads_arrays(void **state)
{
    (void)state;
    assert_events("a = []\nb = [ ]", "");
    assert_events("a = [\"x\",'y' , 3]", "1 a[0] s:x\n1 a[1] s:y\n1 a[2] n:3\n");
    assert_events("a = [ # one\n  \"x\", # two\n\n  \"y\",\n]\nb = 1",
                  "2 a[0] s:x\n4 a[1] s:y\n6 b n:1\n");
}

static void test_toml__refuses_what_it_does_not_read(void **state)
{
    (void)state;
    assert_refused("a = 1\n[table]\n", 2, "there are no tables");
    assert_refused("a.b = 1", 1, "'a' must be followed by =");
    assert_refused("\"a\" = 1", 1, "a line must be KEY = VALUE");
    assert_refused("a = \"\"\"x\"\"\"", 1, "over several lines");
    assert_refused("a = '''x'''", 1, "over several lines");
    assert_refused("a = [[1]]", 1, "an array in an array");
    assert_refused("a = {b = 1}", 1, "inline tables");
    assert_refused("a = 1979-05-27", 1, "'1979-05-27' is no value");
    assert_refused("a = 1.5", 1, "'1.5' is no value");
    assert_refused("a = -1", 1, "'-1' is no value");
    assert_refused("a = 0x10", 1, "'0x10' is no value");
}

static void test_toml__refuses_what_is_no_toml(void **state)
{
    (void)state;
    assert_refused("\n\na", 3, "'a' must be followed by =");
    assert_refused("a = ", 1, "'' is no value");
    assert_refused("a = x", 1, "'x' is no value");
    assert_refused("a = True", 1, "'True' is no value");
    assert_refused("a = 01", 1, "'01' is no value");
    assert_refused("a = 1__0", 1, "'1__0' is no value");
    assert_refused("a = _1", 1, "'_1' is no value");
    assert_refused("a = 1_", 1, "'1_' is no value");
    assert_refused("a = 1 b = 2", 1, "a line must end behind its value");
    assert_refused("a = \"x\n\"", 1, "no closing \"");
    assert_refused("a = 'x", 1, "no closing '");
    assert_refused("a = \"\\q\"", 1, "a backslash that begins no escape");
    assert_refused("a = \"\\u12\"", 1, "\\u needs the 4 hexadecimal digits");
    assert_refused("a = \"\\ud800\"", 1, "\\u needs the 4");
    assert_refused("a = \"\\U00110000\"", 1, "\\U needs the 8");
    assert_refused("a = \"\\u0000\"", 1, "\\u needs the 4");
    assert_refused("a = \"\x01\"", 1, "control character, 0x01");
    assert_refused("# \x7f", 1, "control character, 0x7f");
    assert_refused("a = [1\n2]", 2, "an array needs a ','");
    assert_refused("a = [1,\n\n", 3, "the array of line 1 has no ']'");
    assert_refused("a = [,]", 1, "'' is no value");
    assert_refused("a = \"\xff\"", 1, "not UTF-8");
    assert_refused("=1", 1, "a line must be KEY = VALUE");
    assert_refused("a123456789012345678901234567890123456789012345678901234567890123 = 1", 1,
                   "a key of 64 letters");
}

static void test_toml__stops_where_the_visitor_does(void **state)
{
    struct px_buffer events = {0};
    struct proximadb_error error;
    unsigned line = 0;
    (void)state;
    assert_int_equal(parse("a = 1\nstop = [1,\n 2]\nb = 1", &events, &line, &error),
                     PROXIMADB_INVALID);
    assert_string_equal(error.message, "stopped");
    assert_string_equal((char *)events.data, "1 a n:1\n2 stop[0] n:1\n");
    assert_int_equal(line, 2);
    px_buffer_release(&events);
}

/* Whatever is read, it must be read within its bytes; the sanitizers look. */
static void test_toml__survives_damage(void **state)
{
    static const char text[] =
        "data = \"/x\\u00e9\\\\\" # c\nlisten = [ 'a:1',\n \"b\", +1_0 ]\nb = true\r\n";
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        for (int byte = 0; byte < 256; byte += 3) {
            struct px_buffer events = {0};
            unsigned line = 0;
            char damaged[sizeof text];
            memcpy(damaged, text, sizeof text);
            damaged[i] = (char)byte;
            damaged[sizeof text - 1] = '\0';
            int rc = parse(damaged, &events, &line, NULL);
            assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_INVALID);
            assert_true(line >= 1 && line <= 6);
            px_buffer_release(&events);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_toml__reads_lines),
        cmocka_unit_test(test_toml__reads_strings),
        cmocka_unit_test(test_toml__reads_arrays),
        cmocka_unit_test(test_toml__refuses_what_it_does_not_read),
        cmocka_unit_test(test_toml__refuses_what_is_no_toml),
        cmocka_unit_test(test_toml__stops_where_the_visitor_does),
        cmocka_unit_test(test_toml__survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
