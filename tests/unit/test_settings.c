/* px-test: layers=codec,os files=cli/settings.c,cli/config.c,cli/toml.c,cli/flags.c,cli/quantity.c,cli/suggest.c */
/*
 * Goal: the command line counts more than the environment, that more than the file, and that more
 * than the defaults.
 * Method: four settings, each given one source more than the one before.
 */
#include "cli/settings.h"

#include "support/px_test.h"

#include "support/flags_sample.h"

static int read_words(struct px_settings *settings, int argc, const char *const *argv,
                      struct proximadb_error *error)
{
    return px_settings_read(settings, &sample_table, sizeof(struct sample), argc, argv, error);
}

static int prepare(void **state)
{
    (void)state;
    FILE *file;
    char path[300];
    sample_clear_environment();
    snprintf(path, sizeof path, "%s/c.toml", px_test_folder("settings"));
    file = fopen(path, "w");
    fputs("threads = 10\nsize-limit = 10000\nwait = \"10s\"\nlisten = [\"f:1\", \"f:2\"]\n"
          "data = \"from the file\"\n",
          file);
    return fclose(file);
}

static void test_settings__has_an_order_of_sources(void **state)
{
    const char *words[] = {"--config=scratch/settings/c.toml", "--wait", "30s", "--listen=l:1"};
    struct px_settings settings;
    (void)state;
    setenv("PROXIMADB_SIZE_LIMIT", "20000", 1);
    setenv("PROXIMADB_WAIT", "20s", 1);
    setenv("PROXIMADB_LISTEN", "e:1,e:2", 1);
    assert_int_equal(read_words(&settings, 4, words, NULL), PROXIMADB_OK);
    const struct sample *sample = settings.options;
    assert_int_equal(sample->level, 1);           /* default */
    assert_int_equal(sample->threads, 10);        /* file */
    assert_int_equal(sample->limit_bytes, 20000); /* environment */
    assert_int_equal(sample->wait_ms, 30000);     /* command line */
    assert_int_equal(sample->listen.count, 1);
    assert_string_equal(sample->listen.items[0], "l:1");
    assert_string_equal(sample->data, "from the file");
    px_settings_release(&settings);

    assert_int_equal(read_words(&settings, 1, words, NULL), PROXIMADB_OK);
    sample = settings.options;
    assert_int_equal(sample->listen.count, 2);
    assert_string_equal(sample->listen.items[0], "e:1");
    px_settings_release(&settings);
}

static void test_settings__finds_the_file_in_the_environment(void **state)
{
    struct px_settings settings;
    struct proximadb_error error;
    (void)state;
    sample_clear_environment();
    setenv("PROXIMADB_CONFIG", "scratch/settings/c.toml", 1);
    assert_int_equal(read_words(&settings, 0, NULL, NULL), PROXIMADB_OK);
    assert_int_equal(((struct sample *)settings.options)->listen.count, 2);
    px_settings_release(&settings);
    setenv("PROXIMADB_CONFIG", "scratch/settings/none", 1);
    assert_int_equal(read_words(&settings, 0, NULL, &error), PROXIMADB_IO);
    px_settings_release(&settings);
    const char *help[] = {"--help"};
    assert_int_equal(read_words(&settings, 1, help, &error), PROXIMADB_OK);
    assert_true(settings.arguments.wants_help);
    px_settings_release(&settings);
    sample_clear_environment();
}

static void test_settings__works_without_a_file(void **state)
{
    const char *words[] = {"--threads=3", "x"};
    struct px_settings settings;
    (void)state;
    assert_int_equal(read_words(&settings, 2, words, NULL), PROXIMADB_OK);
    assert_int_equal(((struct sample *)settings.options)->threads, 3);
    assert_int_equal(settings.arguments.count, 1);
    assert_null(settings.config_text);
    px_settings_release(&settings);
    px_settings_release(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings__has_an_order_of_sources),
        cmocka_unit_test(test_settings__finds_the_file_in_the_environment),
        cmocka_unit_test(test_settings__works_without_a_file),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
