/*
 * Goal: the levels of a page of vectors are those that the format asks for, and only they are
 * taken. Method: every number of rows and dimensions up to some, against levels made one by one;
 * then levels with one of them changed.
 */
#include "parquet/vector_levels_internal.h"

#include "base/bits.h"
#include "parquet/data_page_internal.h"
#include "support/px_test.h"

#include <stdlib.h>

/* Levels one by one, encoded as any column's. */
static void put_plainly(uint32_t row_count, uint32_t dim_count, struct px_buffer *buffer)
{
    size_t count = (size_t)row_count * dim_count;
    uint8_t *levels = malloc(count);
    for (size_t i = 0; i < count; i++)
        levels[i] = i % dim_count != 0;
    px_data_page__put_levels(levels, count, 1, buffer);
    memset(levels, 1, count);
    px_data_page__put_levels(levels, count, 1, buffer);
    free(levels);
}

static bool check(const struct px_buffer *levels, uint32_t row_count, uint32_t dim_count)
{
    static const struct px_parquet_column column = {.shape = PX_PARQUET_VECTOR};
    struct px_page_parts parts;
    assert_int_equal(px_data_page__split(&column, px_buffer_slice(levels), &parts, NULL),
                     PROXIMADB_OK);
    assert_int_equal(parts.values.size_bytes, 0);
    return px_vector_levels__check(parts.repetition, parts.definition, row_count, dim_count);
}

static void test_vector_levels__are_those_of_any_list(void **state)
{
    (void)state;
    struct px_buffer levels = {0}, plainly = {0};
    for (uint32_t dims = 1; dims < 90; dims++)
        for (uint32_t rows = 1; rows < 70; rows += dims < 45 ? 1 : 17) {
            px_buffer_clear(&levels);
            px_buffer_clear(&plainly);
            px_vector_levels__put(rows, dims, &levels);
            put_plainly(rows, dims, &plainly);
            assert_int_equal(levels.size_bytes, plainly.size_bytes);
            assert_memory_equal(levels.data, plainly.data, levels.size_bytes);
            assert_true(check(&levels, rows, dims));
            assert_false(check(&levels, rows + 1, dims));
            assert_false(check(&levels, rows, dims + 1));
        }
    px_buffer_release(&levels);
    px_buffer_release(&plainly);
}

/* A level that is wrong anywhere is noticed: of rows a list too long or too short, of values a
 * null. */
static void test_vector_levels__take_nothing_else(void **state)
{
    (void)state;
    enum { ROWS = 5, MOST_DIMS = 50 };
    struct px_buffer buffer = {0};
    uint8_t repetition[ROWS * MOST_DIMS], definition[ROWS * MOST_DIMS];
    for (uint32_t dims = 1; dims <= MOST_DIMS; dims += 7)
        for (size_t wrong = 0; wrong < 2 * ROWS * (size_t)dims; wrong++) {
            size_t count = ROWS * (size_t)dims;
            for (size_t i = 0; i < count; i++)
                repetition[i] = i % dims != 0;
            memset(definition, 1, count);
            (wrong < count ? repetition : definition)[wrong % count] ^= 1;
            px_buffer_clear(&buffer);
            px_data_page__put_levels(repetition, count, 1, &buffer);
            px_data_page__put_levels(definition, count, 1, &buffer);
            assert_false(check(&buffer, ROWS, dims));
        }
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_levels__are_those_of_any_list),
        cmocka_unit_test(test_vector_levels__take_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
