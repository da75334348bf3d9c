/*
 * Goal: an error keeps what its reader needs, and never writes past its message.
 * Method: fill errors in every way, with messages longer than the struct.
 */
#include "base/error.h"

#include "support/px_test.h"

#include <errno.h>

static void test_error__keeps_errno_and_its_text_for_io_only(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    errno = ENOSPC;
    assert_int_equal(px_fail(&error, PROXIMADB_IO, "cannot write '%s'", "a"), PROXIMADB_IO);
    assert_int_equal(error.os_errno, ENOSPC);
    assert_string_equal(error.message, "cannot write 'a': No space left on device");
    assert_int_equal(error.row_index, -1);

    assert_int_equal(px_fail(&error, PROXIMADB_INVALID, "no"), PROXIMADB_INVALID);
    assert_int_equal(error.os_errno, 0);
    assert_string_equal(error.message, "no");
}

static void test_error__cuts_a_long_message(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    errno = ENOSPC;
    (void)px_fail(&error, PROXIMADB_IO, "%01000d", 7);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    (void)px_fail_row(&error, PROXIMADB_INVALID, 123456789, "%01000d", 7);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    px_error_context(&error, "%01000d", 7);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void test_error__names_the_row_once(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    (void)px_fail_row(&error, PROXIMADB_INVALID, 5, "the id is empty");
    assert_string_equal(error.message, "row 5: the id is empty");
    px_error_set_row(&error, 9);
    assert_int_equal(error.row_index, 5);
    assert_string_equal(error.message, "row 5: the id is empty");

    (void)px_fail(&error, PROXIMADB_INVALID, "the id is empty");
    px_error_set_row(&error, 9);
    assert_int_equal(error.row_index, 9);
    assert_string_equal(error.message, "row 9: the id is empty");
}

static void test_error__carries_numbers(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    int rc = px_fail_numbers(&error, PROXIMADB_DIMENSION, 2, 384, 383, "wrong length");
    assert_int_equal(rc, PROXIMADB_DIMENSION);
    assert_int_equal(error.expected, 384);
    assert_int_equal(error.actual, 383);
    assert_int_equal(error.row_index, 2);
}

static void test_error__puts_context_in_front(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    (void)px_fail(&error, PROXIMADB_CORRUPT, "bad magic");
    px_error_context(&error, "in '%s'", "a.wal");
    assert_string_equal(error.message, "in 'a.wal': bad magic");
    assert_int_equal(error.status, PROXIMADB_CORRUPT);
}

static void test_error__accepts_no_struct(void **state)
{
    (void)state;
    assert_int_equal(px_fail(NULL, PROXIMADB_INVALID, "x"), PROXIMADB_INVALID);
    assert_int_equal(px_fail_row(NULL, PROXIMADB_INVALID, 1, "x"), PROXIMADB_INVALID);
    assert_int_equal(px_fail_no_memory(NULL), PROXIMADB_NO_MEMORY);
    px_error_context(NULL, "x");
    px_error_set_row(NULL, 1);
}

static void test_error__names_every_status(void **state)
{
    (void)state;
    for (int status = 0; status < PROXIMADB_STATUS_COUNT; status++)
        assert_string_not_equal(proximadb_status_name(status), "UNKNOWN");
    assert_string_equal(proximadb_status_name(PROXIMADB_VECTOR_EXISTS), "VECTOR_EXISTS");
    assert_string_equal(proximadb_status_name(-1), "UNKNOWN");
    assert_string_equal(proximadb_status_name(PROXIMADB_STATUS_COUNT), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__keeps_errno_and_its_text_for_io_only),
        cmocka_unit_test(test_error__cuts_a_long_message),
        cmocka_unit_test(test_error__names_the_row_once),
        cmocka_unit_test(test_error__carries_numbers),
        cmocka_unit_test(test_error__puts_context_in_front),
        cmocka_unit_test(test_error__accepts_no_struct),
        cmocka_unit_test(test_error__names_every_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
