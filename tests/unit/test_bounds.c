/*
 * Goal: bounds enclose every value, whatever is cut, raised or left out, and are exact when they
 * say so. Method: values of each type at the edges of its order; texts at the edges of UTF-8;
 * random texts.
 */
#include "parquet/bounds_internal.h"

#include "base/bits.h"
#include "base/buffer.h"
#include "codec/utf8.h"
#include "support/px_test.h"

static const struct px_parquet_column text_column = {
    .name = "t", .type = PX_PARQUET_BYTE_ARRAY, .logical = PX_PARQUET_STRING};
static const struct px_parquet_column bytes_column = {.name = "b", .type = PX_PARQUET_BYTE_ARRAY};

static struct px_bounds of_fixed(enum px_parquet_type type, const void *values, size_t count)
{
    struct px_parquet_column column = {.name = "f", .type = type};
    struct px_bounds bounds;
    px_bounds__of_values(&column, px_slice_of(values, count * px_parquet_type_bytes(type)), count,
                         &bounds);
    return bounds;
}

static struct px_bounds of_texts(const struct px_parquet_column *column,
                                 const struct px_slice *texts, size_t count)
{
    struct px_buffer values = {0};
    struct px_bounds bounds;
    for (size_t i = 0; i < count; i++) {
        uint8_t length[4];
        px_store_u32(length, (uint32_t)texts[i].size_bytes);
        px_buffer_append(&values, length, 4);
        px_buffer_append_slice(&values, texts[i]);
    }
    px_bounds__of_values(column, px_buffer_slice(&values), count, &bounds);
    px_buffer_release(&values);
    return bounds;
}

static void test_bounds__integers_are_signed(void **state)
{
    (void)state;
    const int32_t small[] = {3, -5, INT32_MAX, INT32_MIN, 0};
    const int64_t large[] = {7, INT64_MIN, -1, INT64_MAX};
    struct px_bounds bounds = of_fixed(PX_PARQUET_INT32, small, 5);
    assert_int_equal(px_load_u32(bounds.min.bytes), (uint32_t)INT32_MIN);
    assert_int_equal(px_load_u32(bounds.max.bytes), INT32_MAX);
    bounds = of_fixed(PX_PARQUET_INT64, large, 4);
    assert_true((int64_t)px_load_u64(bounds.min.bytes) == INT64_MIN);
    assert_true((int64_t)px_load_u64(bounds.max.bytes) == INT64_MAX);
    assert_true(bounds.min.is_exact && bounds.max.is_exact);
    assert_false(of_fixed(PX_PARQUET_INT64, large, 0).is_set);
}

static void test_bounds__booleans_are_bytes(void **state)
{
    (void)state;
    struct px_bounds bounds = of_fixed(PX_PARQUET_BOOLEAN, "\1\0\1", 3);
    assert_int_equal(bounds.min.size_bytes, 1);
    assert_int_equal(bounds.min.bytes[0], 0);
    assert_int_equal(bounds.max.bytes[0], 1);
    assert_int_equal(of_fixed(PX_PARQUET_BOOLEAN, "\1\1", 2).min.bytes[0], 1);
}

static void test_bounds__leaves_out_nan_and_widens_zeros(void **state)
{
    (void)state;
    const double doubles[] = {(double)NAN, 2.5, -1.5, (double)NAN};
    const float zeros[] = {0.0f, -0.0f};
    const float positive[] = {0.0f, 1.0f};
    const float negative[] = {-1.0f, -0.0f};
    const float nans[] = {NAN, -NAN};
    struct px_bounds bounds = of_fixed(PX_PARQUET_DOUBLE, doubles, 4);
    assert_true(px_load_f64(bounds.min.bytes) == -1.5 && px_load_f64(bounds.max.bytes) == 2.5);
    assert_false(of_fixed(PX_PARQUET_FLOAT, nans, 2).is_set);
    bounds = of_fixed(PX_PARQUET_FLOAT, zeros, 2);
    assert_int_equal(px_load_u32(bounds.min.bytes), 0x80000000);
    assert_int_equal(px_load_u32(bounds.max.bytes), 0);
    assert_int_equal(px_load_u32(of_fixed(PX_PARQUET_FLOAT, positive, 2).min.bytes), 0x80000000);
    assert_int_equal(px_load_u32(of_fixed(PX_PARQUET_FLOAT, negative, 2).max.bytes), 0);
}

static void test_bounds__short_texts_are_exact(void **state)
{
    (void)state;
    char text[64];
    memset(text, 'x', sizeof text);
    struct px_slice texts[] = {px_slice_of_string("b"), px_slice_of("", 0),
                               px_slice_of(text, sizeof text), px_slice_of_string("\xc3\xa4")};
    struct px_bounds bounds = of_texts(&text_column, texts, 4);
    assert_true(bounds.is_set && bounds.min.is_exact && bounds.max.is_exact);
    assert_int_equal(bounds.min.size_bytes, 0);
    assert_true(px_slice_equal(px_bound__slice(&bounds.max), texts[3]));
    bounds = of_texts(&text_column, texts + 2, 1);
    assert_int_equal(bounds.max.size_bytes, 64);
    assert_true(bounds.max.is_exact);
}

/* The bounds of one text of `prefix`, filled up with `filler` to over 64 bytes. */
static struct px_bounds of_long(const struct px_parquet_column *column, const char *prefix,
                                const char *filler)
{
    char text[300] = "";
    snprintf(text, sizeof text, "%s", prefix);
    while (strlen(text) <= 70)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s", filler);
    struct px_slice slice = px_slice_of_string(text);
    struct px_bounds bounds = of_texts(column, &slice, 1);
    if (bounds.is_set) {
        assert_false(bounds.min.is_exact || bounds.max.is_exact);
        assert_true(px_slice_compare(px_bound__slice(&bounds.min), slice) < 0);
        assert_true(px_slice_compare(px_bound__slice(&bounds.max), slice) > 0);
    }
    return bounds;
}

static void test_bounds__cuts_text_between_characters(void **state)
{
    (void)state;
    struct px_bounds bounds = of_long(&text_column, "", "\xe2\x82\xac"); /* 3 bytes: 63 fit */
    assert_true(bounds.is_set);
    assert_int_equal(bounds.min.size_bytes, 63);
    assert_int_equal(bounds.max.size_bytes, 63);
    assert_memory_equal(bounds.max.bytes + 60, "\xe2\x82\xad", 3);
    bounds = of_long(&text_column, "", "a");
    assert_int_equal(bounds.max.size_bytes, 64);
    assert_int_equal(bounds.max.bytes[63], 'b');
}

static void test_bounds__raises_over_the_edges_of_utf8(void **state)
{
    (void)state;
    /* Behind the last character before the surrogates comes the first one behind them. */
    struct px_bounds bounds = of_long(&text_column, "", "\xed\x9f\xbf");
    assert_memory_equal(bounds.max.bytes + 60, "\xee\x80\x80", 3);
    /* U+7F becomes a character of two bytes. The last one has no room for that, the one before it
     * has, once the last one is gone. */
    bounds = of_long(&text_column, "", "\x7f");
    assert_int_equal(bounds.max.size_bytes, 64);
    assert_memory_equal(bounds.max.bytes + 61, "\x7f\xc2\x80", 3);
    /* The largest character cannot be raised at all. */
    assert_false(of_long(&text_column, "", "\xf4\x8f\xbf\xbf").is_set);
    bounds = of_long(&text_column, "\xc3\xbf", "\xf4\x8f\xbf\xbf");
    assert_int_equal(bounds.max.size_bytes, 2);
    assert_memory_equal(bounds.max.bytes, "\xc4\x80", 2);
    bounds = of_long(&text_column, "\x7f", "\xf4\x8f\xbf\xbf"); /* now there is room */
    assert_int_equal(bounds.max.size_bytes, 2);
    assert_memory_equal(bounds.max.bytes, "\xc2\x80", 2);
}

static void test_bounds__raises_bytes(void **state)
{
    (void)state;
    struct px_bounds bounds = of_long(&bytes_column, "a", "\xff");
    assert_true(bounds.is_set);
    assert_int_equal(bounds.max.size_bytes, 1);
    assert_int_equal(bounds.max.bytes[0], 'b');
    assert_int_equal(bounds.min.size_bytes, 64);
    assert_false(of_long(&bytes_column, "", "\xff").is_set);
    /* What is no text has no characters to raise, whatever the column says. */
    assert_false(of_long(&text_column, "a", "\xbf").is_set);
    assert_false(of_long(&text_column, "a", "\xff").is_set);
}

static void test_bounds__encloses_random_texts(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("bounds");
    static const char *const characters[] = {"a",        "\x7f",         "\xc2\x80",
                                             "\xdf\xbf", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    for (int round = 0; round < 5000; round++) {
        char text[200] = "";
        size_t wanted = px_test_below(&random, 120);
        size_t kinds = 1 + px_test_below(&random, 6);
        while (strlen(text) < wanted)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s",
                     characters[px_test_below(&random, kinds)]);
        struct px_slice slice = px_slice_of_string(text);
        struct px_bounds bounds = of_texts(&text_column, &slice, 1);
        if (!bounds.is_set)
            continue;
        assert_true(px_utf8_validate(px_bound__slice(&bounds.min)));
        assert_true(px_utf8_validate(px_bound__slice(&bounds.max)));
        int low = px_slice_compare(px_bound__slice(&bounds.min), slice);
        int high = px_slice_compare(px_bound__slice(&bounds.max), slice);
        assert_true(bounds.min.is_exact ? low == 0 : low < 0);
        assert_true(bounds.max.is_exact ? high == 0 : high > 0);
    }
}

static void test_bounds__widens(void **state)
{
    (void)state;
    const int32_t a[] = {5, 9}, b[] = {-3, 7};
    struct px_bounds bounds = of_fixed(PX_PARQUET_INT32, a, 2);
    struct px_bounds other = of_fixed(PX_PARQUET_INT32, b, 2);
    px_bounds__widen(PX_PARQUET_INT32, &bounds, &other);
    assert_int_equal((int32_t)px_load_u32(bounds.min.bytes), -3);
    assert_int_equal(px_load_u32(bounds.max.bytes), 9);
    /* Of equal bounds the exact one says more. */
    other = bounds;
    bounds.min.is_exact = bounds.max.is_exact = false;
    px_bounds__widen(PX_PARQUET_INT32, &bounds, &other);
    assert_true(bounds.min.is_exact && bounds.max.is_exact);
    other.min.is_exact = false;
    px_bounds__widen(PX_PARQUET_INT32, &bounds, &other);
    assert_true(bounds.min.is_exact);
}

static void test_bounds__knows_impossible_ones(void **state)
{
    (void)state;
    const double values[] = {1.0, 2.0, (double)NAN};
    struct px_parquet_statistics statistics = {
        .has_bounds = true, .min = px_slice_of(values, 8), .max = px_slice_of(values + 1, 8)};
    assert_true(px_bounds__is_valid(PX_PARQUET_DOUBLE, &statistics));
    assert_false(px_bounds__is_valid(PX_PARQUET_FLOAT, &statistics)); /* another size */
    statistics.max = px_slice_of(values + 2, 8);
    assert_false(px_bounds__is_valid(PX_PARQUET_DOUBLE, &statistics));
    statistics.max = statistics.min;
    assert_true(px_bounds__is_valid(PX_PARQUET_DOUBLE, &statistics));
    statistics.min = px_slice_of(values + 1, 8);
    assert_false(px_bounds__is_valid(PX_PARQUET_DOUBLE, &statistics)); /* out of order */
    statistics.min = px_slice_of(NULL, 0);
    assert_false(px_bounds__is_valid(PX_PARQUET_DOUBLE, &statistics));
    assert_true(px_bounds__is_valid(PX_PARQUET_BYTE_ARRAY, &statistics));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds__integers_are_signed),
        cmocka_unit_test(test_bounds__booleans_are_bytes),
        cmocka_unit_test(test_bounds__leaves_out_nan_and_widens_zeros),
        cmocka_unit_test(test_bounds__short_texts_are_exact),
        cmocka_unit_test(test_bounds__cuts_text_between_characters),
        cmocka_unit_test(test_bounds__raises_over_the_edges_of_utf8),
        cmocka_unit_test(test_bounds__raises_bytes),
        cmocka_unit_test(test_bounds__encloses_random_texts),
        cmocka_unit_test(test_bounds__widens),
        cmocka_unit_test(test_bounds__knows_impossible_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
