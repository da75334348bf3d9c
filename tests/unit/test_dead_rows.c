/*
 * Goal: a row is dead from its LSN on and live before; other rows are not touched.
 * Method: kill random rows of parts of awkward sizes, compare with an array.
 */
#include "viper/dead_rows.h"

#include "support/px_test.h"

static void check_part(struct px_test_random *random, uint32_t row_count)
{
    struct px_dead_rows dead;
    int64_t *expected = calloc(row_count + 1, sizeof *expected);
    uint32_t expected_count = 0;
    assert_int_equal(px_dead_rows_init(&dead, row_count, NULL), PROXIMADB_OK);
    for (int64_t lsn = 1; row_count > 0 && lsn <= 500; lsn++) {
        uint32_t row = (uint32_t)px_test_below(random, row_count);
        assert_int_equal(px_dead_rows_reserve(&dead, row, NULL), PROXIMADB_OK);
        assert_int_equal(px_dead_rows_kill(&dead, row, lsn), expected[row] == 0);
        if (expected[row] == 0) {
            expected[row] = lsn;
            expected_count++;
        }
    }
    assert_int_equal(px_dead_rows_count(&dead), expected_count);
    for (uint32_t row = 0; row < row_count; row++) {
        assert_int_equal(px_dead_rows_killed_at(&dead, row), expected[row]);
        if (expected[row] != 0) {
            assert_false(px_dead_rows_is_live(&dead, row, expected[row]));
            assert_true(px_dead_rows_is_live(&dead, row, expected[row] - 1));
        } else {
            assert_true(px_dead_rows_is_live(&dead, row, INT64_MAX));
        }
    }
    px_dead_rows_release(&dead);
    free(expected);
}

static void test_dead_rows__remember_their_lsn(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("dead_rows");
    static const uint32_t row_counts[] = {0, 1, 4095, 4096, 4097, 50000};
    for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++)
        check_part(&random, row_counts[i]);
}

static void test_dead_rows__releases_a_zeroed_struct(void **state)
{
    (void)state;
    struct px_dead_rows dead = {0};
    px_dead_rows_release(&dead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_rows__remember_their_lsn),
        cmocka_unit_test(test_dead_rows__releases_a_zeroed_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
