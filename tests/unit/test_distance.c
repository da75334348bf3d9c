/*
 * Goal: the canonical distances are right, symmetric, free of -0, and the same to the last bit on
 * every CPU and compiler.
 * Method: values worked out by hand; a long double oracle; the documented order of summation
 * written out a second time; and bits that were once computed and now are pinned.
 */
#include "simd/distance.h"

#include "support/px_test.h"

enum { MOST_DIMS = 1024 };

static const enum proximadb_metric metrics[] = {PROXIMADB_COSINE, PROXIMADB_L2, PROXIMADB_DOT};

static void fill(struct px_test_random *random, float *x, size_t dim_count, float scale)
{
    for (size_t dim = 0; dim < dim_count; dim++)
        x[dim] = px_test_float(random) * scale;
}

static void test_distance__gives_values_worked_out_by_hand(void **state)
{
    (void)state;
    const float x[] = {3, 4, 0}, y[] = {0, 4, 3}, z[] = {-6, -8, 0};
    assert_true(px_distance(PROXIMADB_L2, x, y, 3) == sqrt(18.0));
    assert_true(px_distance(PROXIMADB_DOT, x, y, 3) == -16.0);
    assert_true(px_distance(PROXIMADB_COSINE, x, y, 3) == 1.0 - 16.0 / 25.0);
    assert_true(px_distance(PROXIMADB_COSINE, x, z, 3) == 2.0);
    assert_true(px_score(PROXIMADB_COSINE, 0.25) == 0.75);
    assert_true(px_score(PROXIMADB_L2, 0.25) == -0.25);
    assert_true(px_score(PROXIMADB_DOT, -0.25) == 0.25);
    assert_true(px_norm_squared_exact(x, 3) == 25.0);
}

static void scale_into(float *to, const float *x, size_t dim_count, float factor)
{
    for (size_t dim = 0; dim < dim_count; dim++)
        to[dim] = x[dim] * factor;
}

static void test_distance__of_a_vector_from_itself_is_exactly_zero(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("distance");
    float x[MOST_DIMS], scaled[MOST_DIMS];
    for (size_t dim_count = 1; dim_count < 200; dim_count++) {
        fill(&random, x, dim_count, 1.0f);
        assert_true(px_distance(PROXIMADB_COSINE, x, x, dim_count) == 0.0);
        assert_true(px_distance(PROXIMADB_L2, x, x, dim_count) == 0.0);
        scale_into(scaled, x, dim_count, 2.0f);
        assert_true(px_distance(PROXIMADB_COSINE, x, scaled, dim_count) == 0.0);
        scale_into(scaled, x, dim_count, -0.5f);
        assert_true(px_distance(PROXIMADB_COSINE, x, scaled, dim_count) == 2.0);
    }
}

/* Three times a vector of short mantissas is exactly parallel to it, so that rounding decides on
 * which side of 1 the quotient comes out. */
static void test_distance__keeps_the_cosine_within_its_range(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("distance");
    float x[MOST_DIMS], scaled[MOST_DIMS];
    for (size_t round = 0; round < 2000; round++) {
        size_t dim_count = 2 + px_test_below(&random, 50);
        for (size_t dim = 0; dim < dim_count; dim++)
            x[dim] = ldexpf((float)(1 + px_test_below(&random, 1 << 20)),
                            (int)px_test_below(&random, 16));
        scale_into(scaled, x, dim_count, 3.0f);
        double distance = px_distance(PROXIMADB_COSINE, x, scaled, dim_count);
        assert_true(distance >= 0.0 && distance < 1e-15);
        scale_into(scaled, x, dim_count, -3.0f);
        distance = px_distance(PROXIMADB_COSINE, x, scaled, dim_count);
        assert_true(distance <= 2.0 && distance > 2.0 - 1e-15);
    }
}

static void test_distance__is_never_minus_zero(void **state)
{
    (void)state;
    const float x[] = {1, 0, -1}, y[] = {0, 1, 0}, minus[] = {0, -1, 0}, nothing[] = {0, 0, 0};
    for (size_t m = 0; m < 3; m++) {
        const float *others[] = {y, minus, nothing, x};
        for (size_t i = 0; i < 4; i++) {
            double distance = px_distance(metrics[m], x, others[i], 3);
            double score = px_score(metrics[m], distance);
            assert_true(distance != 0.0 || !signbit(distance));
            assert_true(score != 0.0 || !signbit(score));
        }
    }
    assert_true(px_distance(PROXIMADB_COSINE, x, nothing, 3) == 1.0);
    assert_true(px_distance(PROXIMADB_COSINE, nothing, nothing, 3) == 1.0);
}

/* The header's order of summation, the long way. */
static double sum_in_order(const double *terms, size_t count)
{
    double lane[8] = {0};
    for (size_t i = 0; i < count; i++)
        lane[i % 8] = lane[i % 8] + terms[i];
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] = lane[i] + lane[i + half];
    return lane[0];
}

static void test_distance__sums_in_the_documented_order(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("distance");
    float x[MOST_DIMS], y[MOST_DIMS];
    volatile double terms[MOST_DIMS]; /* so that no product is fused with a sum */
    for (size_t dim_count = 1; dim_count <= 300; dim_count++) {
        fill(&random, x, dim_count, 3.0f);
        fill(&random, y, dim_count, 1.0f);
        for (size_t i = 0; i < dim_count; i++)
            terms[i] = (double)x[i] * (double)y[i];
        assert_true(px_dot_exact(x, y, dim_count) == sum_in_order((double *)terms, dim_count));
        for (size_t i = 0; i < dim_count; i++) {
            volatile double difference = (double)x[i] - (double)y[i];
            terms[i] = difference * difference;
        }
        assert_true(px_l2_squared_exact(x, y, dim_count) ==
                    sum_in_order((double *)terms, dim_count));
    }
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Any CPU, compiler and level of optimisation must give these. */
static void test_distance__gives_pinned_bits(void **state)
{
    (void)state;
    struct px_test_random random = {.state = 7};
    float x[MOST_DIMS], y[MOST_DIMS];
    fill(&random, x, MOST_DIMS, 1.0f);
    fill(&random, y, MOST_DIMS, 1.0f);
    assert_int_equal(bits_of(px_distance(PROXIMADB_COSINE, x, y, 1023)),
                     UINT64_C(0x3fefd13f9f597aec));
    assert_int_equal(bits_of(px_distance(PROXIMADB_L2, x, y, 1023)), UINT64_C(0x4039ea275f35c1f3));
    assert_int_equal(bits_of(px_distance(PROXIMADB_DOT, x, y, 1023)), UINT64_C(0xbffed6418df3ea40));
}

/* Far from the limits of double, whatever the magnitudes: denormals, and near the largest float. */
static void test_distance__agrees_with_long_double_at_every_magnitude(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("distance");
    const float scales[] = {1e-44f, 1e-38f, 1e-20f, 1.0f, 1e19f, 3e38f};
    float x[MOST_DIMS], y[MOST_DIMS];
    for (size_t round = 0; round < 600; round++) {
        size_t dim_count = 1 + px_test_below(&random, MOST_DIMS);
        fill(&random, x, dim_count, scales[round % 6]);
        fill(&random, y, dim_count, scales[round / 6 % 6]);
        long double dot = 0, xx = 0, yy = 0, l2 = 0;
        for (size_t i = 0; i < dim_count; i++) {
            long double a = (long double)x[i], b = (long double)y[i];
            dot += a * b;
            xx += a * a;
            yy += b * b;
            l2 += (a - b) * (a - b);
        }
        long double unit = sqrtl(xx * yy);
        assert_true(fabsl((long double)px_dot_exact(x, y, dim_count) - dot) <= 1e-14L * unit);
        assert_true(fabsl((long double)px_distance(PROXIMADB_L2, x, y, dim_count) - sqrtl(l2)) <=
                    1e-14L * sqrtl(l2));
        long double cos = unit == 0 ? 0 : dot / unit;
        assert_true(fabsl((long double)px_distance(PROXIMADB_COSINE, x, y, dim_count) - 1 + cos) <=
                    1e-14L);
    }
}

static void test_distance__is_symmetric_and_takes_any_address(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("distance");
    float x[MOST_DIMS], y[MOST_DIMS];
    static uint8_t moved[sizeof x + 8];
    for (size_t dim_count = 1; dim_count < 100; dim_count++) {
        fill(&random, x, dim_count, 1.0f);
        fill(&random, y, dim_count, 1.0f);
        uint8_t *at = moved + dim_count % 8;
        memcpy(at, x, dim_count * sizeof(float));
        for (size_t m = 0; m < 3; m++) {
            double distance = px_distance(metrics[m], x, y, dim_count);
            assert_true(px_distance(metrics[m], y, x, dim_count) == distance);
            assert_true(px_distance(metrics[m], at, y, dim_count) == distance);
            assert_true(px_distance(metrics[m], y, at, dim_count) == distance);
        }
    }
}

static void test_distance__passes_nan_and_infinity_on(void **state)
{
    (void)state;
    const float good[] = {1, 2}, nan[] = {NAN, 1}, infinite[] = {INFINITY, 1};
    for (size_t m = 0; m < 3; m++)
        assert_true(isnan(px_distance(metrics[m], good, nan, 2)));
    assert_true(px_distance(PROXIMADB_L2, good, infinite, 2) == (double)INFINITY);
    assert_true(px_distance(PROXIMADB_DOT, good, infinite, 2) == -(double)INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance__gives_values_worked_out_by_hand),
        cmocka_unit_test(test_distance__of_a_vector_from_itself_is_exactly_zero),
        cmocka_unit_test(test_distance__keeps_the_cosine_within_its_range),
        cmocka_unit_test(test_distance__is_never_minus_zero),
        cmocka_unit_test(test_distance__sums_in_the_documented_order),
        cmocka_unit_test(test_distance__gives_pinned_bits),
        cmocka_unit_test(test_distance__agrees_with_long_double_at_every_magnitude),
        cmocka_unit_test(test_distance__is_symmetric_and_takes_any_address),
        cmocka_unit_test(test_distance__passes_nan_and_infinity_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
