/*
 * Goal: pages hold all rows, in order, never too many, and no other way to cut costs less. Method:
 * random widths of few rows, against every way to cut them; many rows, for the sums.
 */
#include "parquet/page_cuts_internal.h"

#include "support/px_test.h"

#include <stdlib.h>

enum { PAGE_BITS = 58 * 8, FEW_ROWS = 12 };

static uint64_t cost_of_page(const uint8_t *widths, size_t rows, uint32_t dims)
{
    unsigned width = 0;
    for (size_t i = 0; i < rows; i++)
        width = widths[i] > width ? widths[i] : width;
    return PAGE_BITS + rows * dims * width;
}

/* Each bit of `mask` is a cut in front of a row; UINT64_MAX where a page would be too long. */
static uint64_t cost_of_mask(const uint8_t *widths, size_t count, uint32_t dims, uint32_t most,
                             unsigned mask)
{
    uint64_t cost = 0;
    for (size_t at = 0; at < count;) {
        size_t rows = 1;
        while (at + rows < count && (mask >> (at + rows) & 1) == 0)
            rows++;
        if (rows > most)
            return UINT64_MAX;
        cost += cost_of_page(widths + at, rows, dims);
        at += rows;
    }
    return cost;
}

static uint64_t least_cost(const uint8_t *widths, size_t count, uint32_t dims, uint32_t most)
{
    uint64_t best = UINT64_MAX;
    for (unsigned mask = 0; mask < 1u << count; mask += 2) {
        uint64_t cost = cost_of_mask(widths, count, dims, most, mask);
        best = cost < best ? cost : best;
    }
    return best;
}

/* Cuts, checks that it is a way to cut at all, and gives its cost. */
static uint64_t cut(const uint8_t *widths, size_t count, uint32_t dims, uint32_t most)
{
    struct px_buffer cuts = {0};
    assert_int_equal(px_page_cuts__choose(widths, count, dims, most, &cuts, NULL), PROXIMADB_OK);
    const uint32_t *rows = (const void *)cuts.data;
    uint64_t cost = 0;
    size_t at = 0;
    for (size_t i = 0; i < cuts.size_bytes / sizeof *rows; i++) {
        assert_in_range(rows[i], 1, most);
        assert_true(rows[i] <= count - at);
        cost += cost_of_page(widths + at, rows[i], dims);
        at += rows[i];
    }
    assert_int_equal(at, count);
    px_buffer_release(&cuts);
    return cost;
}

static void test_page_cuts__cost_the_least(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("page_cuts");
    for (int round = 0; round < 300; round++) {
        uint8_t widths[FEW_ROWS];
        size_t count = 1 + px_test_below(&random, FEW_ROWS);
        uint32_t dims = 1 + (uint32_t)px_test_below(&random, round % 2 == 0 ? 500 : 60);
        uint32_t most = 1 + (uint32_t)px_test_below(&random, FEW_ROWS);
        for (size_t i = 0; i < count; i++)
            widths[i] = (uint8_t)(8 + px_test_below(&random, 4));
        assert_int_equal(cut(widths, count, dims, most), least_cost(widths, count, dims, most));
    }
}

static void test_page_cuts__keep_a_rare_value_to_itself(void **state)
{
    (void)state;
    uint8_t widths[640];
    memset(widths, 10, sizeof widths);
    widths[300] = 12; /* 5 pages before it, 6 behind */
    assert_int_equal(cut(widths, sizeof widths, 384, 64),
                     12 * PAGE_BITS + 640 * 384 * 10 + 384 * 2);
}

static void test_page_cuts__hold_many_short_rows(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("page_cuts");
    for (uint32_t most = 1; most <= 1024; most *= 2) {
        uint8_t widths[5000];
        for (size_t i = 0; i < sizeof widths; i++)
            widths[i] = (uint8_t)(1 + px_test_below(&random, 3));
        (void)cut(widths, 1 + px_test_below(&random, sizeof widths), 3, most);
        (void)cut(widths, sizeof widths, 3, most + (uint32_t)px_test_below(&random, 40));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_cuts__cost_the_least),
        cmocka_unit_test(test_page_cuts__keep_a_rare_value_to_itself),
        cmocka_unit_test(test_page_cuts__hold_many_short_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
