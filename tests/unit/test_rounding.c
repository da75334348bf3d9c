/*
 * Goal: vectors are rounded as simd/rounding.h says, to the last bit: to the nearest point of the
 * grid, within the bounds, once for all, and never to zeros, infinity or NaN.
 * Method: the definition, written out a second time in doubles and without a shortcut, against the
 * function, on vectors of every size of norm and on such as lie at the edge of a base; properties
 * of the results; bits that were once computed and now are pinned.
 */
#include "simd/rounding.h"

#include "simd/distance.h"
#include "support/px_test.h"

enum { MOST_DIMS = 4099 };

static const uint32_t widths[] = {4, 5, 6, 7};

/* ---- the definition ------------------------------------------------------------------------- */

static bool find_base(const float *x, size_t dim_count, int *ret_exponent)
{
    double size = 1.0625 * sqrt(px_norm_squared_exact(x, dim_count) / (double)dim_count);
    if (size == 0.0)
        return false;
    *ret_exponent = (int)floor(log2(size));
    while (ldexp(1.0, *ret_exponent) > size) /* should log2() have rounded up */
        (*ret_exponent)--;
    return *ret_exponent >= -100 && *ret_exponent <= 100;
}

static bool is_of_bytes(const float *x, size_t dim_count)
{
    for (size_t dim = 0; dim < dim_count; dim++)
        if (fabsf(x[dim]) > 255.0f || x[dim] != truncf(x[dim]))
            return false;
    return true;
}

static double step_of(double x, int exponent, uint32_t bits)
{
    double least = fmax(fabs(x), ldexp(1.0, exponent));
    int own;
    (void)frexp(least, &own);
    return ldexp(1.0, own - 1 - (int)bits);
}

static void round_plainly(const float *x, size_t dim_count, int exponent, uint32_t bits, float *y)
{
    for (size_t dim = 0; dim < dim_count; dim++) {
        double step = step_of((double)x[dim], exponent, bits);
        y[dim] = (float)(rint((double)x[dim] / step) * step + 0.0);
    }
}

/* The exponent of the base that was used last; false if the vector is kept. */
static bool round_by_definition(const float *x, size_t dim_count, uint32_t bits, float *y,
                                int *ret_exponent)
{
    int after;
    memcpy(y, x, dim_count * sizeof *y);
    if (!find_base(x, dim_count, ret_exponent) || is_of_bytes(x, dim_count))
        return false;
    round_plainly(x, dim_count, *ret_exponent, bits, y);
    if (find_base(y, dim_count, &after) && after > *ret_exponent) {
        round_plainly(x, dim_count, after, bits, y);
        *ret_exponent = after;
    }
    return true;
}

/* ---- one vector ----------------------------------------------------------------------------- */

static void assert_same_bits(const float *found, const float *expected, size_t dim_count)
{
    for (size_t dim = 0; dim < dim_count; dim++)
        if (memcmp(&found[dim], &expected[dim], sizeof *found) != 0)
            fail_msg("component %zu of %zu is %a, not %a", dim, dim_count, (double)found[dim],
                     (double)expected[dim]);
}

static void check_errors(const float *x, const float *y, size_t dim_count, uint32_t bits,
                         int exponent)
{
    double unit = ldexp(0.5, -(int)bits), sum = 0;
    for (size_t dim = 0; dim < dim_count; dim++) {
        double error = fabs((double)y[dim] - (double)x[dim]);
        assert_true(error <= unit * fmax(fabs((double)x[dim]), ldexp(1.0, exponent)));
        sum += error * error;
    }
    assert_true(sqrt(sum) <= 1.5 * unit * sqrt(px_norm_squared_exact(x, dim_count)));
}

static void check(const float *x, size_t dim_count, uint32_t bits)
{
    static float found[MOST_DIMS], expected[MOST_DIMS], again[MOST_DIMS];
    int exponent = 0;
    bool is_rounded = round_by_definition(x, dim_count, bits, expected, &exponent);
    px_round_vector(x, dim_count, bits, found);
    assert_same_bits(found, expected, dim_count);
    px_round_vector(found, dim_count, bits, again);
    assert_same_bits(again, found, dim_count);
    if (is_rounded)
        check_errors(x, found, dim_count, bits, exponent);
    assert_true(px_norm_squared_exact(x, dim_count) == 0.0 ||
                px_norm_squared_exact(found, dim_count) > 0.0);
    for (size_t dim = 0; dim < dim_count; dim++)
        assert_true(isfinite(found[dim]));
}

static void check_widths(const float *x, size_t dim_count)
{
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        check(x, dim_count, widths[i]);
}

static size_t any_dims(struct px_test_random *random)
{
    static const size_t usual[] = {256, 384, 768, 1024, 1536, 4096, MOST_DIMS};
    return px_test_below(random, 4) > 0 ? 1 + px_test_below(random, 70)
                                        : usual[px_test_below(random, 7)];
}

/* About normal, as embeddings are: three draws added. */
static void fill(struct px_test_random *random, float *x, size_t dim_count, float scale)
{
    for (size_t dim = 0; dim < dim_count; dim++)
        x[dim] =
            scale * (px_test_float(random) + px_test_float(random) + px_test_float(random)) / 3.0f;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void test_rounding__is_as_defined(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rounding");
    float x[MOST_DIMS];
    for (int round = 0; round < 3000; round++) {
        size_t dim_count = any_dims(&random);
        fill(&random, x, dim_count, ldexpf(1.0f, (int)px_test_below(&random, 60) - 30));
        if (round % 3 == 0) /* a few components stand out */
            x[px_test_below(&random, dim_count)] *= 50.0f;
        check_widths(x, dim_count);
    }
}

/* The norm is moved to within some last places of the edge of a base, and to where only rounding
 * takes it across. */
static void test_rounding__at_the_edge_of_a_base(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rounding");
    float x[MOST_DIMS], y[MOST_DIMS];
    int crossed = 0;
    for (int round = 0; round < 4000; round++) {
        size_t dim_count = any_dims(&random);
        int before, after;
        fill(&random, x, dim_count, 1.0f);
        double size = 1.0625 * sqrt(px_norm_squared_exact(x, dim_count) / (double)dim_count);
        double nearly =
            1.0 + (double)px_test_float(&random) * ldexp(1.0, -(int)px_test_below(&random, 30) - 3);
        for (size_t dim = 0; dim < dim_count; dim++)
            x[dim] = (float)((double)x[dim] / size * nearly);
        check_widths(x, dim_count);
        if (find_base(x, dim_count, &before) && !is_of_bytes(x, dim_count)) {
            round_plainly(x, dim_count, before, 4, y);
            crossed += find_base(y, dim_count, &after) && after > before;
        }
    }
    assert_true(crossed > 50);
}

static void test_rounding__unit_vectors_of_equal_parts(void **state)
{
    (void)state;
    float x[MOST_DIMS];
    static const size_t dims[] = {1, 2, 3, 4, 64, 256, 1024, 4096};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        for (size_t dim = 0; dim < dims[i]; dim++)
            x[dim] = (float)(dim % 2 == 0 ? 1.0 : -1.0) / sqrtf((float)dims[i]);
        check_widths(x, dims[i]);
    }
}

static void test_rounding__keeps_bytes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rounding");
    float x[MOST_DIMS], y[MOST_DIMS];
    for (int round = 0; round < 300; round++) {
        size_t dim_count = any_dims(&random), at = px_test_below(&random, dim_count);
        for (size_t dim = 0; dim < dim_count; dim++)
            x[dim] = (float)px_test_below(&random, 511) - 255.0f;
        px_round_vector(x, dim_count, 4, y);
        assert_same_bits(y, x, dim_count);
        check_widths(x, dim_count);
        x[at] = 256.0f; /* one too large, or one that is not whole, and it is an ordinary vector */
        check_widths(x, dim_count);
        x[at] = 100.5f;
        check_widths(x, dim_count);
    }
    px_round_vector((const float[]){203.0f, 257.0f}, 2, 4, y);
    assert_true(y[0] == 200.0f && y[1] == 256.0f);
}

static void test_rounding__of_values_at_the_ends_of_float(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rounding");
    static const float scales[] = {1e-45f, 1e-42f, 1e-38f,  1e-31f,   0x1p-100f, 1e-29f,
                                   1e19f,  1e28f,  0x1p99f, 0x1p101f, 1e32f,     1e38f};
    float x[MOST_DIMS] = {0};
    check_widths(x, 1);
    check_widths(x, 384);
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
        for (int round = 0; round < 200; round++) {
            size_t dim_count = any_dims(&random);
            fill(&random, x, dim_count, scales[i]);
            check_widths(x, dim_count);
            memset(x, 0, sizeof x); /* all of the norm in one component */
            x[px_test_below(&random, dim_count)] = scales[i];
            check_widths(x, dim_count);
        }
    x[0] = -0.0f;
    x[1] = 0.3f;
    check_widths(x, 2);
}

static void test_rounding__takes_vectors_at_odd_addresses(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rounding");
    float x[67], expected[67], found[68];
    uint8_t moved[sizeof x + 1];
    for (size_t dim_count = 1; dim_count <= 67; dim_count++) {
        fill(&random, x, dim_count, 1.0f);
        memcpy(moved + 1, x, dim_count * sizeof *x);
        px_round_vector(x, dim_count, 7, expected);
        found[dim_count] = -1.0f;
        px_round_vector(moved + 1, dim_count, 7, found);
        assert_same_bits(found, expected, dim_count);
        assert_true(found[dim_count] == -1.0f);
    }
}

static void test_rounding__has_pinned_bits(void **state)
{
    (void)state;
    const float x[] = {0.0123456f, -0.7f, 0.3333333f, 0.05f, -0.001f, 0.6f};
    const float balanced[] = {0x1.8p-7f, -0x1.66p-1f, 0x1.56p-2f, 0x1.ap-5f, -0x1p-9f, 0x1.34p-1f};
    const float compact[] = {0x1p-6f, -0x1.6p-1f, 0x1.5p-2f, 0x1.8p-5f, 0.0f, 0x1.3p-1f};
    float y[6];
    px_round_vector(x, 6, 7, y);
    assert_same_bits(y, balanced, 6);
    px_round_vector(x, 6, 4, y);
    assert_same_bits(y, compact, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding__is_as_defined),
        cmocka_unit_test(test_rounding__at_the_edge_of_a_base),
        cmocka_unit_test(test_rounding__unit_vectors_of_equal_parts),
        cmocka_unit_test(test_rounding__keeps_bytes),
        cmocka_unit_test(test_rounding__of_values_at_the_ends_of_float),
        cmocka_unit_test(test_rounding__takes_vectors_at_odd_addresses),
        cmocka_unit_test(test_rounding__has_pinned_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
