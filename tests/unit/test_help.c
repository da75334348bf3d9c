/* px-test: layers=cli engine=real */
/*
 * Goal: help shows every command and flag, with defaults, variables and exit statuses; its JSON form
 * is JSON.
 * Method: the sample table's texts are looked for; the JSON form of the program's own tables is read.
 */
#include "cli/help.h"

#include "cli/commands.h"
#include "codec/json.h"
#include "support/px_test.h"

#include "support/flags_sample.h"

static const struct px_command try_it = {
    .name = "try",
    .summary = "try it out",
    .usage = "[FLAG]...",
    .details = "It is \"tried\".\n",
    .example = "  proximadb try\n",
    .flags = &sample_table,
};
static const struct px_command *const all[] = {&try_it};
static const struct px_command_list list = {all, 1};

static void assert_has(struct px_buffer *text, const char *const *expected)
{
    px_buffer_append_byte(text, '\0');
    assert_int_equal(text->status, PROXIMADB_OK);
    for (; *expected != NULL; expected++)
        if (strstr((char *)text->data, *expected) == NULL)
            fail_msg("'%s' is not in '%s'", *expected, (char *)text->data);
    px_buffer_release(text);
}

static void test_help__shows_a_command(void **state)
{
    static const char *const expected[] = {
        "proximadb try: try it out.\n",
        "Usage: proximadb try [FLAG]...\n",
        "It is \"tried\".\n",
        "  --json                      a switch\n",
        "  --listen ADDR               a list (default default:1)\n",
        "$PROXIMADB_SIZE_LIMIT\n",
        "Example:\n  proximadb try\n",
        "  0  done\n",
        "  5  there is no such collection",
        NULL,
    };
    struct px_buffer text = {0};
    (void)state;
    px_help_command(&try_it, &text);
    assert_has(&text, expected);
}

static void test_help__shows_all_commands(void **state)
{
    static const char *const expected[] = {"Usage: proximadb COMMAND", "  try         try it out\n",
                                           "  help        show", NULL};
    struct px_buffer text = {0};
    (void)state;
    px_help_all(&list, &text);
    assert_has(&text, expected);
}

static void test_help__has_a_json_form(void **state)
{
    struct px_buffer text = {0};
    yyjson_doc *doc;
    (void)state;
    px_help_json(&list, &text);
    assert_int_equal(px_json_parse(px_buffer_slice(&text), &doc, NULL), PROXIMADB_OK);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *command = yyjson_arr_get(yyjson_obj_get(root, "commands"), 0);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(command, "name")), "try");
    yyjson_val *flag_list = yyjson_obj_get(command, "flags");
    assert_int_equal(yyjson_arr_size(flag_list), sample_table.count);
    yyjson_val *size = yyjson_arr_get(flag_list, 4);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(size, "name")), "size-limit");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(size, "kind")), "size");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(size, "default")), "64MiB");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(size, "variable")), "PROXIMADB_SIZE_LIMIT");
    assert_true(yyjson_is_null(yyjson_obj_get(yyjson_arr_get(flag_list, 0), "argument")));
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "exits")), PX_EXIT_COUNT);
    yyjson_doc_free(doc);
    px_buffer_release(&text);
}

static void test_help__fits_the_screen(void **state)
{
    (void)state;
    for (size_t i = 0; i < px_commands.count; i++) {
        struct px_buffer text = {0};
        px_help_command(px_commands.items[i], &text);
        px_buffer_append_byte(&text, '\0');
        for (const char *line = (char *)text.data; line != NULL; line = strchr(line, '\n')) {
            line += *line == '\n';
            if (strcspn(line, "\n") > 100)
                fail_msg("%s: too wide: %.*s", px_commands.items[i]->name, (int)strcspn(line, "\n"),
                         line);
        }
        px_buffer_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help__shows_a_command),
        cmocka_unit_test(test_help__shows_all_commands),
        cmocka_unit_test(test_help__has_a_json_form),
        cmocka_unit_test(test_help__fits_the_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
