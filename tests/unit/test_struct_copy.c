/* px-test: layers=base files=api/struct_copy.c */
/*
 * Goal: structs of older and newer callers are understood, or refused with a reason.
 * Method: one struct as three versions of a header would declare it.
 */
#include "api/struct_copy.h"

#include "support/px_test.h"

struct old_version {
    size_t struct_size;
    int first;
};

struct version {
    size_t struct_size;
    int first;
    int second;
    void *third;
};

struct new_version {
    struct version known;
    int fourth;
    int fifth;
};

static void test_struct_copy__same_version(void **state)
{
    (void)state;
    const struct version from = {sizeof from, 1, 2, (void *)&from};
    struct version to;
    assert_int_equal(px_struct_copy(&to, sizeof to, &from, "version", NULL), PROXIMADB_OK);
    assert_memory_equal(&to, &from, sizeof to);
}

static void test_struct_copy__older_caller_gets_defaults(void **state)
{
    (void)state;
    const struct old_version from = {sizeof from, 1};
    struct version to;
    memset(&to, 0xff, sizeof to);
    assert_int_equal(px_struct_copy(&to, sizeof to, &from, "version", NULL), PROXIMADB_OK);
    assert_int_equal(to.struct_size, sizeof to);
    assert_int_equal(to.first, 1);
    assert_null(to.third);
}

static void test_struct_copy__newer_caller_must_not_use_what_is_new(void **state)
{
    (void)state;
    struct new_version from = {.known = {sizeof from, 1, 2, NULL}};
    struct version to = {.first = 9};
    struct proximadb_error error;
    assert_int_equal(px_struct_copy(&to, sizeof to, &from, "version", NULL), PROXIMADB_OK);
    assert_int_equal(to.struct_size, sizeof to);
    assert_int_equal(to.second, 2);
    from.fifth = 1;
    assert_int_equal(px_struct_copy(&to, sizeof to, &from, "version", &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "struct version has members set"));
}

static void test_struct_copy__needs_a_size(void **state)
{
    (void)state;
    const struct version from = {0};
    struct version to;
    struct proximadb_error error;
    assert_int_equal(px_struct_copy(&to, sizeof to, &from, "version", &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "sizeof(struct version)"));
    assert_int_equal(px_struct_copy(&to, sizeof to, NULL, "version", &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "NULL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_struct_copy__same_version),
        cmocka_unit_test(test_struct_copy__older_caller_gets_defaults),
        cmocka_unit_test(test_struct_copy__newer_caller_must_not_use_what_is_new),
        cmocka_unit_test(test_struct_copy__needs_a_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
