/*
 * Goal: values compare as SQL compares them, numbers without rounding; arrays of strings are walked.
 * Method: pairs around the places where a long and a double part, held against 128-bit arithmetic;
 * small tables for the other classes.
 */
#include "model/value.h"

#include "support/px_test.h"

static void test_value__compares_long_and_double_exactly(void **state)
{
    (void)state;
    const int64_t two_53 = INT64_C(1) << 53;
    static const struct {
        int64_t integer;
        double number;
        int order;
    } cases[] = {
        {0, 0.0, 0},
        {0, -0.0, 0},
        {0, 5e-324, -1},
        {0, -5e-324, 1},
        {3, 3.5, -1},
        {-3, -3.5, 1},
        {-4, -3.5, -1},
        {INT64_MAX, 0x1p63, -1}, /* as doubles they would be equal */
        {INT64_MIN, -0x1p63, 0},
        {INT64_MIN, -0x1.0000000000001p63, 1},
        {INT64_MAX, 1e300, -1},
        {INT64_MIN, -1e300, 1},
        {INT64_MAX, INFINITY, -1},
        {INT64_MIN, -INFINITY, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(px_compare_long_double(cases[i].integer, cases[i].number), cases[i].order);
    assert_int_equal(px_compare_long_double(two_53 + 1, 0x1p53), 1);
    assert_int_equal(px_compare_long_double(two_53, 0x1p53), 0);
    assert_int_equal(px_compare_long_double(two_53 - 1, 0x1p53), -1);
    assert_int_equal(px_compare_long_double(-two_53 - 1, -0x1p53), -1);
}

static void test_value__compares_random_numbers_as_128_bits_do(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("value");
    for (int i = 0; i < 200000; i++) {
        int64_t integer = (int64_t)px_test_next(&random) >> px_test_below(&random, 64);
        /* A double with one fractional bit near the integer; twice it fits 128 bits exactly. */
        double number = (double)integer + (double)((int)px_test_below(&random, 9) - 4) * 0.5;
        __int128 a = (__int128)integer * 2, b = (__int128)(number * 2);
        int expected = a < b ? -1 : a > b;
        assert_int_equal(px_compare_long_double(integer, number), expected);
    }
}

/* The array as the engine keeps it: count, strings, zero; sizes below 64 have one byte. */
static struct px_value array_of(uint8_t *memory, const char *const *strings, size_t count)
{
    uint8_t *at = memory;
    if (count > 0)
        *at++ = (uint8_t)(count * 2);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(strings[i]);
        *at++ = (uint8_t)(size * 2);
        memcpy(at, strings[i], size);
        at += size;
    }
    *at++ = 0;
    return (struct px_value){.kind = PROXIMADB_VALUE_STRING_ARRAY,
                             .as.array = px_slice_of(memory, (size_t)(at - memory))};
}

static void test_value__walks_arrays(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "", "longer"};
    uint8_t memory[64];
    for (size_t count = 0; count <= 3; count++) {
        struct px_strings strings = px_strings_first(array_of(memory, words, count).as.array);
        struct px_slice string;
        for (size_t i = 0; i < count; i++) {
            assert_true(px_strings_next(&strings, &string));
            assert_true(px_slice_equal(string, px_slice_of_string(words[i])));
        }
        assert_false(px_strings_next(&strings, &string));
    }
}

static struct px_value text(const char *string)
{
    return (struct px_value){.kind = PROXIMADB_VALUE_STRING,
                             .as.string = px_slice_of_string(string)};
}

static int sign(int order)
{
    return order < 0 ? -1 : order > 0;
}

static void test_value__orders_each_class(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "b"}, *const others[] = {"b"};
    uint8_t memory[3][64];
    /* Each class in rising order. */
    const struct px_value rising[5][4] = {
        {{PROXIMADB_VALUE_BOOLEAN, .as.boolean = false},
         {PROXIMADB_VALUE_BOOLEAN, .as.boolean = true}},
        {{PROXIMADB_VALUE_LONG, .as.integer = -1},
         {PROXIMADB_VALUE_DOUBLE, .as.number = -0.5},
         {PROXIMADB_VALUE_LONG, .as.integer = 7},
         {PROXIMADB_VALUE_DOUBLE, .as.number = 7.5}},
        {{PROXIMADB_VALUE_LONG, .as.integer = INT64_MIN},
         {PROXIMADB_VALUE_LONG, .as.integer = INT64_MAX},
         {PROXIMADB_VALUE_DOUBLE, .as.number = 0x1p63},
         {PROXIMADB_VALUE_DOUBLE, .as.number = 1e99}},
        {text(""), text("Z"), text("a"), text("\xc3\xa9")}, /* bytewise, not by a language */
        {array_of(memory[0], NULL, 0), array_of(memory[1], words, 1), array_of(memory[2], words, 2),
         array_of((uint8_t[8]){0}, others, 1)},
    };
    static const int counts[] = {2, 4, 4, 4, 4};
    for (int row = 0; row < 5; row++)
        for (int i = 0; i < counts[row]; i++)
            for (int j = 0; j < counts[row]; j++) {
                int order = 9;
                assert_true(px_value_compare(&rising[row][i], &rising[row][j], &order));
                assert_int_equal(sign(order), sign(i - j));
            }
}

static void test_value__null_and_other_classes_compare_with_nothing(void **state)
{
    (void)state;
    uint8_t memory[4];
    const struct px_value values[] = {
        {.kind = PROXIMADB_VALUE_NULL},
        {.kind = PROXIMADB_VALUE_BOOLEAN, .as.boolean = true},
        {.kind = PROXIMADB_VALUE_LONG, .as.integer = 1},
        text("1"),
        array_of(memory, NULL, 0),
    };
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++) {
            int order = 9;
            bool known = px_value_compare(&values[i], &values[j], &order);
            assert_int_equal(known, i == j && i != 0);
            if (!known)
                assert_int_equal(order, 9);
        }
}

static void test_value__names_kinds(void **state)
{
    (void)state;
    assert_string_equal(px_value_kind_name(PROXIMADB_VALUE_NULL), "null");
    assert_string_equal(px_value_kind_name(PROXIMADB_VALUE_STRING_ARRAY), "string_array");
    assert_int_equal(px_value_class(PROXIMADB_VALUE_LONG), px_value_class(PROXIMADB_VALUE_DOUBLE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value__compares_long_and_double_exactly),
        cmocka_unit_test(test_value__compares_random_numbers_as_128_bits_do),
        cmocka_unit_test(test_value__walks_arrays),
        cmocka_unit_test(test_value__orders_each_class),
        cmocka_unit_test(test_value__null_and_other_classes_compare_with_nothing),
        cmocka_unit_test(test_value__names_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
