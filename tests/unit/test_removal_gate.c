/*
 * Goal: files go as long as the gate is open, and never behind its closing, whoever holds it.
 * Method: files in a scratch folder; a fs that counts.
 */
#include "viper/removal_gate.h"

#include "support/px_test.h"

#include <errno.h>

static int unlink_count;

static int count_unlink(struct px_fs *fs, const char *path)
{
    (void)fs;
    unlink_count++;
    assert_string_equal(path, "store/docs/part");
    errno = ENOENT; /* a failure is nobody's */
    return -1;
}

static void test_removal_gate__removes_until_it_is_closed(void **state)
{
    (void)state;
    struct px_fs fs = {.unlink = count_unlink};
    struct px_removal_gate *gate;
    assert_int_equal(px_removal_gate_new(&gate, NULL), PROXIMADB_OK);
    struct px_removal_gate *late = px_removal_gate_ref(gate);
    px_removal_gate_remove(gate, &fs, "store/docs/part");
    px_removal_gate_remove(late, &fs, "store/docs/part");
    assert_int_equal(unlink_count, 2);
    px_removal_gate_close(gate);
    px_removal_gate_unref(gate);
    px_removal_gate_remove(late, &fs, "store/docs/part");
    assert_int_equal(unlink_count, 2);
    px_removal_gate_unref(late);
    px_removal_gate_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removal_gate__removes_until_it_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
