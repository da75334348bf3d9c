/*
 * Goal: a path is whole or refused, and is taken apart as the system takes it apart.
 * Method: lengths around the limit; a table of paths with their folder and name.
 */
#include "os/path.h"

#include "support/px_test.h"

#include <errno.h>
#include <unistd.h>

static void test_path__formats_up_to_its_length(void **state)
{
    (void)state;
    struct px_path path;
    char name[PX_PATH_BYTES];
    memset(name, 'x', sizeof name);
    name[PX_PATH_BYTES - 3] = '\0';
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", "a", name), PROXIMADB_OK);
    assert_int_equal(strlen(path.text), PX_PATH_BYTES - 1);
}

static void test_path__is_empty_when_too_long(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    struct px_path path;
    char name[PX_PATH_BYTES];
    memset(name, 'x', sizeof name);
    name[PX_PATH_BYTES - 2] = '\0';
    assert_int_equal(px_path_format(&path, &error, "%s/%s", "a", name), PROXIMADB_INVALID);
    assert_string_equal(path.text, "");
    assert_non_null(strstr(error.message, "'a/xxx"));
    assert_non_null(strstr(error.message, "choose a shorter data folder"));
}

static void test_path__finds_folder_and_name(void **state)
{
    (void)state;
    static const struct {
        const char *path, *parent, *name;
    } cases[] = {
        {"a/b/c", "a/b", "c"}, {"/a/b", "/a", "b"}, {"/c", "/", "c"},   {"c", ".", "c"},
        {"a//c", "a", "c"},    {"a/b/", "a", ""},   {"a/b//", "a", ""}, {"c/", ".", ""},
        {"//c//", "/", ""},    {"/", "/", ""},      {"", ".", ""},      {"./c", ".", "c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_path parent;
        px_path_parent(cases[i].path, &parent);
        assert_string_equal(parent.text, cases[i].parent);
        assert_string_equal(px_path_name(cases[i].path), cases[i].name);
    }
}

static void test_path__resolves_to_where_it_is(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    struct px_path path, link, target;
    const char *folder = px_test_folder("path");
    assert_int_equal(px_path_format(&target, NULL, "%s/real", folder), PROXIMADB_OK);
    assert_int_equal(px_path_format(&link, NULL, "%s/./link", folder), PROXIMADB_OK);
    fclose(fopen(target.text, "w"));
    assert_int_equal(symlink("real", link.text), 0);
    assert_int_equal(px_path_resolve(link.text, &path, NULL), PROXIMADB_OK);
    assert_int_equal(path.text[0], '/');
    assert_string_equal(px_path_name(path.text), "real");
    assert_null(strstr(path.text, "/./"));
    assert_int_equal(px_path_resolve("no/such/file", &path, &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, ENOENT);
    assert_string_equal(px_path_name(path.text), "real");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path__formats_up_to_its_length),
        cmocka_unit_test(test_path__is_empty_when_too_long),
        cmocka_unit_test(test_path__finds_folder_and_name),
        cmocka_unit_test(test_path__resolves_to_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
