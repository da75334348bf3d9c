/* px-test: layers=cli engine=real */
/*
 * Goal: the first word finds its command, and the exit status says how it went.
 * Method: commands that record how they were called and fail as they are told; standard output and
 * standard error are not looked at here, but by tests/cli.
 */
#include "cli/command.h"

#include "cli/commands.h"
#include "support/px_test.h"

#include <errno.h>
#include <unistd.h>

struct options {
    bool json;
    uint64_t status;
};

static struct options seen;
static size_t seen_arguments, call_count;
static int os_errno;

static const struct px_flag flags[] = {
    {"json", NULL, "", NULL, PX_FLAG_SWITCH, offsetof(struct options, json), 0, 0, NULL},
    {"status", "N", "", "0", PX_FLAG_COUNT, offsetof(struct options, status), 0, 0, NULL},
};

static const struct px_flag_table table = {
    .command = "one", .flags = flags, .count = 2, .most_arguments = 2};

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    seen = *(struct options *)context;
    seen_arguments = arguments->count;
    call_count++;
    errno = os_errno;
    return seen.status == 0 ? PROXIMADB_OK : px_fail(reterr, (int)seen.status, "as told");
}

static const struct px_command one = {.name = "one",
                                      .summary = "do one thing",
                                      .usage = "",
                                      .details = "",
                                      .example = "",
                                      .flags = &table,
                                      .options_bytes = sizeof(struct options),
                                      .run = run};
static const struct px_command *const all[] = {&one};
static const struct px_command_list list = {all, 1};

static int call(const char *const *words)
{
    int count = 0;
    while (words[count] != NULL)
        count++;
    return px_command_main(&list, count, words);
}

#define CALL(...) call((const char *const[]){"proximadb", __VA_ARGS__, NULL})

static void test_command__runs_what_is_named(void **state)
{
    (void)state;
    call_count = 0;
    assert_int_equal(CALL("one", "--json", "a", "b"), PX_EXIT_OK);
    assert_int_equal(call_count, 1);
    assert_true(seen.json);
    assert_int_equal(seen_arguments, 2);
}

static void test_command__shows_help_without_running(void **state)
{
    (void)state;
    call_count = 0;
    assert_int_equal(CALL("help"), PX_EXIT_OK);
    assert_int_equal(CALL("--help"), PX_EXIT_OK);
    assert_int_equal(CALL("-h"), PX_EXIT_OK);
    assert_int_equal(CALL("help", "one"), PX_EXIT_OK);
    assert_int_equal(CALL("help", "help"), PX_EXIT_OK);
    assert_int_equal(CALL("help", "--json"), PX_EXIT_OK);
    assert_int_equal(CALL("one", "--help"), PX_EXIT_OK);
    assert_int_equal(CALL("help", "two"), PX_EXIT_USAGE);
    assert_int_equal(call_count, 0);
}

static void test_command__refuses_what_it_does_not_know(void **state)
{
    const char *const nothing[] = {"proximadb", NULL};
    (void)state;
    call_count = 0;
    assert_int_equal(call(nothing), PX_EXIT_USAGE);
    assert_int_equal(CALL("onee"), PX_EXIT_USAGE);
    assert_int_equal(CALL("one", "--jsn"), PX_EXIT_USAGE);
    assert_int_equal(CALL("one", "a", "b", "c"), PX_EXIT_USAGE);
    assert_int_equal(CALL(""), PX_EXIT_USAGE);
    assert_int_equal(call_count, 0);
}

static void test_command__exits_by_the_error(void **state)
{
    static const struct {
        const char *status;
        int os_errno;
        int expected;
    } cases[] = {
        {"1", 0, PX_EXIT_USAGE},           {"2", 0, PX_EXIT_FAILED},
        {"3", EACCES, PX_EXIT_FAILED},     {"3", ENOENT, PX_EXIT_NOT_FOUND},
        {"3", ENOTDIR, PX_EXIT_NOT_FOUND}, {"4", 0, PX_EXIT_DAMAGED},
        {"12", 0, PX_EXIT_DAMAGED},        {"5", 0, PX_EXIT_NOT_FOUND},
        {"13", 0, PX_EXIT_UNAVAILABLE},    {"21", 0, PX_EXIT_FAILED},
        {"11", 0, PX_EXIT_FAILED},         {"3", EEXIST, PX_EXIT_USAGE},
        {"8", 0, PX_EXIT_USAGE},           {"9", 0, PX_EXIT_USAGE},
        {"16", 0, PX_EXIT_USAGE},          {"22", 0, PX_EXIT_USAGE},
        {"6", 0, PX_EXIT_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        os_errno = cases[i].os_errno;
        assert_int_equal(CALL("one", "--status", cases[i].status), cases[i].expected);
        assert_int_equal(CALL("one", "--json", "--status", cases[i].status), cases[i].expected);
    }
}

/* What every command of the program must have. */
static void test_command__tables_are_complete(void **state)
{
    (void)state;
    assert_true(px_commands.count >= 4);
    for (size_t i = 0; i < px_commands.count; i++) {
        const struct px_command *command = px_commands.items[i];
        bool has_json = false;
        assert_string_equal(command->flags->command, command->name);
        assert_non_null(strstr(command->example, command->name));
        for (size_t j = 0; j < command->flags->count; j++) {
            const struct px_flag *flag = &command->flags->flags[j];
            has_json |= strcmp(flag->name, "json") == 0;
            assert_true(flag->offset < command->options_bytes);
            assert_ptr_equal(px_flags_find(command->flags, flag->name), flag); /* only once */
            assert_true((flag->kind == PX_FLAG_SWITCH) == (flag->argument == NULL));
            assert_true((flag->kind == PX_FLAG_WORD) == (flag->words != NULL));
        }
        assert_true(has_json);
        void *options = calloc(1, command->options_bytes);
        px_flags_set_defaults(command->flags, options); /* asserts that defaults can be read */
        free(options);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command__runs_what_is_named),
        cmocka_unit_test(test_command__shows_help_without_running),
        cmocka_unit_test(test_command__refuses_what_it_does_not_know),
        cmocka_unit_test(test_command__exits_by_the_error),
        cmocka_unit_test(test_command__tables_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
