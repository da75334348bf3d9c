/*
 * Goal: a row that may be near enough is never thrown away because of a kernel's rounding, and
 * nearly all others are.
 * Method: for each level, metric, dimension and magnitude, the canonical distance must lie in the
 * interval and the selection must hold every row within the limit, and over ordinary data the
 * intervals must be narrow.
 */
#include "simd/bound.h"

#include "support/px_test.h"

enum { ROWS = 64, MOST_DIMS = 2048 };

static const enum proximadb_metric metrics[] = {PROXIMADB_COSINE, PROXIMADB_L2, PROXIMADB_DOT};

static struct {
    float rows[ROWS][MOST_DIMS];
    float query[MOST_DIMS];
    float sums[ROWS];
    float norms[ROWS];
    double scales[ROWS];
    double distances[ROWS];
} data;

/* Rows of many kinds: ordinary, near the query, tiny, huge, of mixed magnitude, zero. */
static void fill_row(struct px_test_random *random, float *row, size_t dim_count)
{
    static const float scales[] = {1.0f, 1.0f, 1e-3f, 1e-18f, 1e-30f, 1e-41f, 1e15f, 1e18f};
    float scale = scales[px_test_below(random, 8)];
    uint64_t kind = px_test_below(random, 4);
    for (size_t dim = 0; dim < dim_count; dim++) {
        row[dim] = px_test_float(random) * scale;
        if (kind == 1)
            row[dim] = data.query[dim] * (1.0f + 0x1p-20f * row[dim]);
        if (kind == 2)
            row[dim] = ldexpf(px_test_float(random), (int)px_test_below(random, 40) - 20);
    }
    if (kind == 3 && px_test_below(random, 8) == 0)
        memset(row, 0, dim_count * sizeof(float));
}

static void run_kernels(const struct px_kernels *kernels, enum proximadb_metric metric,
                        const struct px_rows *rows)
{
    if (metric == PROXIMADB_L2)
        kernels->l2_squared(rows, data.query, data.sums);
    else
        kernels->dot_and_norm(rows, data.query, data.sums, data.norms);
    for (size_t r = 0; r < ROWS; r++)
        data.scales[r] = px_bound_row_scale(metric, data.norms[r]);
}

static void check_intervals(const struct px_bound *bound)
{
    for (size_t r = 0; r < ROWS; r++) {
        struct px_interval interval = px_bound_interval(bound, data.sums[r], data.scales[r]);
        assert_true(interval.lower < interval.upper);
        assert_true(interval.lower <= data.distances[r] && data.distances[r] <= interval.upper);
    }
}

/* The limit is some row's very distance, so that the comparison is as tight as it can be. */
static void check_selection(const struct px_bound *bound, struct px_test_random *random)
{
    uint32_t indexes[ROWS];
    double limit = data.distances[px_test_below(random, ROWS)];
    size_t count = px_bound_select(bound, data.sums, data.scales, ROWS, limit, indexes);
    size_t next = 0;
    for (uint32_t r = 0; r < ROWS; r++) {
        bool selected = next < count && indexes[next] == r;
        next += selected;
        assert_true(selected || data.distances[r] > limit);
    }
    assert_int_equal(next, count);
}

static void check_metric(const struct px_kernels *kernels, enum proximadb_metric metric,
                         const struct px_rows *rows, struct px_test_random *random)
{
    struct px_query query;
    struct px_bound bound;
    px_query_init(&query, metric, data.query, rows->dim_count);
    px_bound_init(&bound, &query, kernels);
    for (size_t r = 0; r < ROWS; r++)
        data.distances[r] = px_query_distance(&query, data.rows[r]);
    run_kernels(kernels, metric, rows);
    check_intervals(&bound);
    check_selection(&bound, random);
}

static void test_bound__holds_the_canonical_distance(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("bound");
    static const float query_scales[] = {1.0f, 1e-19f, 1e17f, 1e-42f};
    for (size_t round = 0; round < 200; round++) {
        size_t dim_count = 1 + px_test_below(&random, round % 10 == 0 ? MOST_DIMS : 100);
        float scale = round % 3 == 0 ? query_scales[round / 3 % 4] : 1.0f;
        for (size_t dim = 0; dim < dim_count; dim++)
            data.query[dim] = px_test_float(&random) * scale;
        for (size_t r = 0; r < ROWS; r++)
            fill_row(&random, data.rows[r], dim_count);
        struct px_rows rows = {data.rows, sizeof data.rows[0], ROWS, dim_count};
        for (size_t level = 0; px_kernels_at(level) != NULL; level++)
            for (size_t m = 0; m < 3; m++)
                check_metric(px_kernels_at(level), metrics[m], &rows, &random);
    }
}

static void test_bound__selects_everything_without_a_limit(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("bound");
    struct px_rows rows = {data.rows, sizeof data.rows[0], ROWS, 32};
    for (size_t dim = 0; dim < 32; dim++)
        data.query[dim] = px_test_float(&random);
    for (size_t r = 0; r < ROWS; r++)
        fill_row(&random, data.rows[r], 32);
    for (size_t m = 0; m < 3; m++) {
        uint32_t indexes[ROWS];
        struct px_query query;
        struct px_bound bound;
        px_query_init(&query, metrics[m], data.query, 32);
        px_bound_init(&bound, &query, px_kernels_get());
        run_kernels(px_kernels_get(), metrics[m], &rows);
        assert_int_equal(
            px_bound_select(&bound, data.sums, data.scales, ROWS, (double)INFINITY, indexes), ROWS);
    }
}

static void test_bound__is_narrow_on_ordinary_rows(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("bound");
    struct px_rows rows = {data.rows, sizeof data.rows[0], ROWS, 384};
    for (size_t dim = 0; dim < 384; dim++) {
        data.query[dim] = px_test_float(&random);
        for (size_t r = 0; r < ROWS; r++)
            data.rows[r][dim] = px_test_float(&random);
    }
    for (size_t m = 0; m < 3; m++) {
        struct px_query query;
        struct px_bound bound;
        uint32_t indexes[ROWS];
        px_query_init(&query, metrics[m], data.query, 384);
        px_bound_init(&bound, &query, px_kernels_get());
        run_kernels(px_kernels_get(), metrics[m], &rows);
        double magnitude[] = {1.0, sqrt(query.norm_squared), query.norm_squared};
        double nearest = (double)INFINITY;
        for (size_t r = 0; r < ROWS; r++) {
            struct px_interval found = px_bound_interval(&bound, data.sums[r], data.scales[r]);
            assert_true(found.upper - found.lower < 1e-4 * magnitude[metrics[m]]);
            nearest = fmin(nearest, px_query_distance(&query, data.rows[r]));
        }
        size_t count = px_bound_select(&bound, data.sums, data.scales, ROWS, nearest, indexes);
        assert_int_equal(count, 1);
    }
}

static void test_bound__lets_nan_and_overflow_through(void **state)
{
    (void)state;
    const float sums[] = {NAN, INFINITY, -INFINITY, 1.0f};
    const float query[] = {1.0f, 2.0f};
    const double scales[] = {1.0, 1.0, 1.0, (double)NAN};
    for (size_t m = 0; m < 3; m++) {
        struct px_query of;
        struct px_bound bound;
        px_query_init(&of, metrics[m], query, 2);
        px_bound_init(&bound, &of, px_kernels_get());
        for (size_t i = 0; i < (metrics[m] == PROXIMADB_L2 ? 2 : 4); i++) {
            struct px_interval interval = px_bound_interval(&bound, sums[i], scales[i]);
            assert_true(interval.lower == -(double)INFINITY);
            assert_true(interval.upper == (double)INFINITY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound__holds_the_canonical_distance),
        cmocka_unit_test(test_bound__selects_everything_without_a_limit),
        cmocka_unit_test(test_bound__is_narrow_on_ordinary_rows),
        cmocka_unit_test(test_bound__lets_nan_and_overflow_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
