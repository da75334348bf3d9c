/* px-test: layers=codec,os files=cli/config.c,cli/toml.c,cli/flags.c,cli/quantity.c,cli/suggest.c */
/*
 * Goal: a configuration file sets what its keys say; an error names the file and the line.
 * Method: files with one setting of each kind, and one with each mistake.
 */
#include "cli/config.h"

#include "support/px_test.h"

#include "support/flags_sample.h"

static const char *write_file(const char *text, size_t size_bytes)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/c.toml", px_test_folder("config"));
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int read_config(const char *text, struct sample *sample, char **ret_text,
                       struct proximadb_error *error)
{
    memset(sample, 0, sizeof *sample);
    px_flags_set_defaults(&sample_table, sample);
    return px_config_read(&sample_table, write_file(text, strlen(text)), sample, ret_text, error);
}

/* `expected` is what stands behind "FILE:". */
static void assert_refused(const char *text, const char *expected)
{
    struct sample sample;
    struct proximadb_error error;
    char *kept, message[400];
    assert_int_equal(read_config(text, &sample, &kept, &error), PROXIMADB_INVALID);
    snprintf(message, sizeof message, "scratch/config/c.toml:%s", expected);
    assert_string_equal(error.message, message);
    free(kept);
}

static void test_config__sets_every_kind(void **state)
{
    struct sample sample;
    char *kept;
    (void)state;
    assert_int_equal(read_config("json = true\ndata = \"/srv\"\nlisten = [\"a:1\",\n  \"b:2\"]\n"
                                 "size-limit = \"1MiB\"\nwait = \"1s\"\nthreads = 4\n"
                                 "log-level = 'debug'\n",
                                 &sample, &kept, NULL),
                     PROXIMADB_OK);
    assert_true(sample.json);
    assert_string_equal(sample.data, "/srv");
    assert_int_equal(sample.listen.count, 2);
    assert_string_equal(sample.listen.items[1], "b:2");
    assert_int_equal(sample.limit_bytes, 1 << 20);
    assert_int_equal(sample.wait_ms, 1000);
    assert_int_equal(sample.threads, 4);
    assert_int_equal(sample.level, 2);
    free(kept);
    assert_int_equal(
        read_config("listen = 'c:3'\nsize-limit = 8_192\njson = false", &sample, &kept, NULL),
        PROXIMADB_OK);
    assert_int_equal(sample.listen.count, 1);
    assert_string_equal(sample.listen.items[0], "c:3");
    assert_int_equal(sample.limit_bytes, 8192);
    assert_false(sample.json);
    free(kept);
}

static void test_config__says_which_line_is_wrong(void **state)
{
    (void)state;
    assert_refused("\nlisen = \"x\"", "2: there is no setting 'lisen'; did you mean 'listen'?");
    assert_refused("quux = 1", "1: there is no setting 'quux'; the settings are the flags that "
                               "'proximadb try --help' lists, without their dashes");
    assert_refused("config = 'x'", "1: a configuration file cannot name another one");
    assert_refused("data = 'x'\ndata = 'y'", "2: 'data' is set for the second time");
    assert_refused("data = ['x']", "1: 'data' must be a string");
    assert_refused("listen = [\n'x',\n7]", "3: 'listen' must be a string or an array of strings");
    assert_refused("json = 'true'", "1: 'json' must be true or false");
    assert_refused("threads = true", "1: 'threads' must be a whole number");
    assert_refused("wait = 5", "1: 'wait' must be a string such as \"30s\"");
    assert_refused("size-limit = true",
                   "1: 'size-limit' must be a whole number or a string such as \"64MiB\"");
    assert_refused("wait = '1ms'", "1: wait: '1ms' is too small; it must be at least 100 ms");
    assert_refused("log-level = 'loud'", "1: log-level: 'loud' is none of error, info, debug");
    assert_refused("a = 1\nb", "1: there is no setting 'a'; the settings are the flags that "
                               "'proximadb try --help' lists, without their dashes");
    assert_refused("json = true\nthreads 4", "2: 'threads' must be followed by = and a value");
}

static void test_config__refuses_what_is_no_text_file(void **state)
{
    struct sample sample = {0};
    struct proximadb_error error;
    char *kept;
    (void)state;
    const char *path = write_file("json = true\0", 12);
    assert_int_equal(px_config_read(&sample_table, path, &sample, &kept, &error),
                     PROXIMADB_INVALID);
    assert_string_equal(error.message, "scratch/config/c.toml: it holds a NUL byte and is no text");
    assert_null(kept);
    assert_int_equal(px_config_read(&sample_table, "scratch/config/none", &sample, &kept, &error),
                     PROXIMADB_IO);
    assert_non_null(strstr(error.message, "scratch/config/none"));
    assert_null(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__sets_every_kind),
        cmocka_unit_test(test_config__says_which_line_is_wrong),
        cmocka_unit_test(test_config__refuses_what_is_no_text_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
