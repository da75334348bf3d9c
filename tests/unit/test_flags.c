/* px-test: layers=base files=cli/flags.c,cli/quantity.c,cli/suggest.c */
/*
 * Goal: a command line does what it says or is refused with a sentence that helps.
 * Method: a table with a flag of each kind; words as a shell would hand them over.
 */
#include "cli/flags.h"

#include "support/px_test.h"

#include "support/flags_sample.h"

enum { MOST_WORDS = 24 };

/* Reads words (NULL behind the last) into defaults. */
static int read_line(const char *const *words, struct sample *sample,
                     struct px_arguments *arguments, struct proximadb_error *error)
{
    int count = 0;
    while (words[count] != NULL)
        count++;
    memset(sample, 0, sizeof *sample);
    px_flags_set_defaults(&sample_table, sample);
    return px_flags_read_line(&sample_table, count, words, sample, arguments, error);
}

#define READ(sample, arguments, error, ...) \
    read_line((const char *const[MOST_WORDS]){__VA_ARGS__, NULL}, sample, arguments, error)

static void assert_refused(const char *const *words, const char *message)
{
    struct sample sample;
    struct px_arguments arguments;
    struct proximadb_error error;
    assert_int_equal(read_line(words, &sample, &arguments, &error), PROXIMADB_INVALID);
    assert_string_equal(error.message, message);
}

#define REFUSED(message, ...) \
    assert_refused((const char *const[MOST_WORDS]){__VA_ARGS__, NULL}, message)

static void test_flags__sets_defaults(void **state)
{
    struct sample sample = {0};
    (void)state;
    px_flags_set_defaults(&sample_table, &sample);
    assert_int_equal(sample.limit_bytes, 64 << 20);
    assert_int_equal(sample.wait_ms, 5000);
    assert_int_equal(sample.threads, 0);
    assert_int_equal(sample.level, 1);
    assert_int_equal(sample.listen.count, 1);
    assert_string_equal(sample.listen.items[0], "default:1");
    assert_null(sample.data);
    assert_false(sample.json);
}

static void test_flags__reads_every_kind(void **state)
{
    struct sample sample;
    struct px_arguments arguments;
    (void)state;
    assert_int_equal(READ(&sample, &arguments, NULL, "--json", "--data", "/a b", "--listen=x:1",
                          "--listen", "y:2", "--size-limit", "1MiB", "--wait=250ms", "--threads",
                          "3", "--log-level", "debug", "first", "-"),
                     PROXIMADB_OK);
    assert_true(sample.json);
    assert_string_equal(sample.data, "/a b");
    assert_int_equal(sample.listen.count, 2); /* the default is gone */
    assert_string_equal(sample.listen.items[0], "x:1");
    assert_string_equal(sample.listen.items[1], "y:2");
    assert_int_equal(sample.limit_bytes, 1 << 20);
    assert_int_equal(sample.wait_ms, 250);
    assert_int_equal(sample.threads, 3);
    assert_int_equal(sample.level, 2);
    assert_int_equal(arguments.count, 2);
    assert_string_equal(arguments.items[0], "first");
    assert_string_equal(arguments.items[1], "-");
    assert_false(arguments.wants_help);
}

static void test_flags__ends_at_two_dashes_and_at_help(void **state)
{
    struct sample sample;
    struct px_arguments arguments;
    (void)state;
    assert_int_equal(READ(&sample, &arguments, NULL, "--", "--json", "--help"), PROXIMADB_OK);
    assert_false(sample.json || arguments.wants_help);
    assert_string_equal(arguments.items[1], "--help");
    assert_int_equal(READ(&sample, &arguments, NULL, "--help", "--nonsense"), PROXIMADB_OK);
    assert_true(arguments.wants_help);
    assert_int_equal(READ(&sample, &arguments, NULL, "-h"), PROXIMADB_OK);
    assert_true(arguments.wants_help);
    assert_int_equal(READ(&sample, &arguments, NULL, "--json=false"), PROXIMADB_OK);
    assert_false(sample.json);
}

static void test_flags__says_what_is_wrong_with_a_flag(void **state)
{
    (void)state;
    REFUSED("there is no flag '--dta'; did you mean '--data'?", "--dta", "x");
    REFUSED("there is no flag '--quux'; 'proximadb try --help' lists those there are", "--quux=1");
    REFUSED("there is no flag '-j'; flags begin with two dashes", "-j");
    REFUSED("--data needs a value: --data DIR", "--data");
    REFUSED("--data needs a value: --data DIR", "--data", "--json");
    REFUSED("--data is empty; it needs a value", "--data", "");
    REFUSED("--json: 'maybe' is neither true nor false", "--json=maybe");
    REFUSED("'c' is one argument too many; 'proximadb try --help' says what is expected", "a", "b",
            "c");
}

static void test_flags__says_what_is_wrong_with_a_value(void **state)
{
    (void)state;
    REFUSED("--size-limit: '12parsecs' is not a size, such as 64MiB, 1GiB or 4096",
            "--size-limit=12parsecs");
    REFUSED("--size-limit: '1' is too small; it must be at least 4.0 KiB", "--size-limit=1");
    REFUSED("--size-limit: '2GiB' is too large; it must be at most 1.0 GiB", "--size-limit=2GiB");
    REFUSED("--wait: '5' is not a time, such as 500ms, 30s, 15m or 12h", "--wait=5");
    REFUSED("--wait: '1ms' is too small; it must be at least 100 ms", "--wait=1ms");
    REFUSED("--wait: '1h' is too large; it must be at most 60000 ms", "--wait=1h");
    REFUSED("--threads: '-1' is not a whole number", "--threads=-1");
    REFUSED("--threads: '0' is too small; it must be at least 1", "--threads", "0");
    REFUSED("--log-level: 'loud' is none of error, info, debug", "--log-level=loud");
}

static void test_flags__limits_lists(void **state)
{
    const char *words[PX_MOST_TEXTS + 2] = {0};
    struct sample sample;
    struct px_arguments arguments;
    (void)state;
    for (size_t i = 0; i < PX_MOST_TEXTS; i++)
        words[i] = "--listen=x:1";
    assert_int_equal(read_line(words, &sample, &arguments, NULL), PROXIMADB_OK);
    assert_int_equal(sample.listen.count, PX_MOST_TEXTS);
    words[PX_MOST_TEXTS] = "--listen=x:1";
    assert_refused(words, "--listen can be given at most 64 times");
}

static void test_flags__names_variables(void **state)
{
    char name[PX_FLAG_VARIABLE_BYTES];
    (void)state;
    px_flag_variable(&sample_flags[4], name);
    assert_string_equal(name, "PROXIMADB_SIZE_LIMIT");
}

static int read_environment(struct sample *sample, struct proximadb_error *error)
{
    memset(sample, 0, sizeof *sample);
    px_flags_set_defaults(&sample_table, sample);
    return px_flags_read_environment(&sample_table, sample, error);
}

static void test_flags__reads_the_environment(void **state)
{
    struct sample sample;
    struct proximadb_error error;
    (void)state;
    sample_clear_environment();
    setenv("PROXIMADB_JSON", "1", 1);
    setenv("PROXIMADB_LISTEN", "a:1,b:2", 1);
    setenv("PROXIMADB_SIZE_LIMIT", "8KiB", 1);
    assert_int_equal(read_environment(&sample, &error), PROXIMADB_OK);
    assert_true(sample.json);
    assert_int_equal(sample.listen.count, 2);
    assert_string_equal(sample.listen.items[0], "a:1");
    assert_string_equal(sample.listen.items[1], "b:2");
    assert_int_equal(sample.limit_bytes, 8192);
    setenv("PROXIMADB_JSON", "yes", 1);
    assert_int_equal(read_environment(&sample, &error), PROXIMADB_INVALID);
    assert_string_equal(error.message, "PROXIMADB_JSON: 'yes' is neither true nor false");
    sample_clear_environment();
    setenv("PROXIMADB_LISTEN", "a:1,,b:2", 1);
    assert_int_equal(read_environment(&sample, &error), PROXIMADB_INVALID);
    assert_string_equal(error.message, "PROXIMADB_LISTEN is empty; it needs a value");
    char longest[1100];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    setenv("PROXIMADB_LISTEN", longest, 1);
    assert_int_equal(read_environment(&sample, &error), PROXIMADB_INVALID);
    assert_string_equal(error.message, "PROXIMADB_LISTEN is longer than 1023 bytes");
    sample_clear_environment();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags__sets_defaults),
        cmocka_unit_test(test_flags__reads_every_kind),
        cmocka_unit_test(test_flags__ends_at_two_dashes_and_at_help),
        cmocka_unit_test(test_flags__says_what_is_wrong_with_a_flag),
        cmocka_unit_test(test_flags__says_what_is_wrong_with_a_value),
        cmocka_unit_test(test_flags__limits_lists),
        cmocka_unit_test(test_flags__names_variables),
        cmocka_unit_test(test_flags__reads_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
