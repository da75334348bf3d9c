/*
 * Goal: floats are told apart by their bits, codes stand for them, and ranks are in order of
 * frequency. Method: random floats of so many kinds, counted a second time in the plainest way; the
 * limit, and one more.
 */
#include "parquet/distinct_internal.h"

#include "parquet/parquet_schema.h"
#include "support/px_test.h"

#include <stdlib.h>

/* totalOrder of IEEE 754, by the format's own definition: sign, then magnitude. */
static bool is_before(uint32_t a, uint32_t b)
{
    bool a_is_negative = a >> 31 != 0, b_is_negative = b >> 31 != 0;
    if (a_is_negative != b_is_negative)
        return a_is_negative;
    return a_is_negative ? a > b : a < b;
}

static void check_ranks(const struct px_distinct *distinct, const uint32_t *counts_of_ranks)
{
    for (uint32_t rank = 1; rank < distinct->count; rank++) {
        assert_true(counts_of_ranks[rank] <= counts_of_ranks[rank - 1]);
        if (counts_of_ranks[rank] == counts_of_ranks[rank - 1])
            assert_true(is_before(distinct->values[rank - 1], distinct->values[rank]));
    }
}

static void check_floats(struct px_distinct *distinct, const uint32_t *bits, size_t count,
                         uint32_t expected_distinct)
{
    uint16_t *codes = malloc(count * sizeof *codes), *ranks = malloc(65536 * sizeof *ranks);
    uint32_t *counts = calloc(65536, sizeof *counts);
    px_distinct__clear(distinct);
    for (size_t at = 0; at < count; at += 1000) /* in portions, as rows come */
        assert_true(px_distinct__add(distinct, bits + at, count - at < 1000 ? count - at : 1000,
                                     codes, at));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            distinct->is_halved ? (uint32_t)codes[i] << 16 : distinct->values[codes[i]], bits[i]);
    px_distinct__rank(distinct, ranks);
    assert_int_equal(distinct->count, expected_distinct);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(distinct->values[ranks[codes[i]]], bits[i]);
        counts[ranks[codes[i]]]++;
    }
    check_ranks(distinct, counts);
    free(codes);
    free(ranks);
    free(counts);
}

static void test_distinct__ranks_by_frequency(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("distinct");
    struct px_distinct distinct;
    assert_int_equal(px_distinct__init(&distinct, NULL), PROXIMADB_OK);
    for (uint32_t kinds = 1; kinds <= 32768; kinds *= 2) {
        size_t count = 3 * kinds + 50;
        uint32_t *bits = malloc(count * sizeof *bits);
        for (size_t i = 0; i < count; i++) {
            uint32_t kind = i < kinds ? (uint32_t)i : (uint32_t)px_test_below(&random, kinds);
            /* Both ends of the numbers, and of those with zeros at their end. */
            bits[i] = kind % 2 == 0 ? kind << 16 : UINT32_C(0xffffffff) - kind;
        }
        check_floats(&distinct, bits, count, kinds);
        free(bits);
    }
    px_distinct__release(&distinct);
}

static void test_distinct__knows_awkward_floats_by_their_bits(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0x80000000, 0,          0x7fc00000, 0x7fc00001, 0xffc00000, 0,
                                    0x7f800000, 0xff800000, 1,          0x80000001, 0};
    struct px_distinct distinct;
    assert_int_equal(px_distinct__init(&distinct, NULL), PROXIMADB_OK);
    check_floats(&distinct, bits, sizeof bits / sizeof bits[0], 9);
    assert_int_equal(distinct.values[0], 0);          /* three times */
    assert_int_equal(distinct.values[1], 0xffc00000); /* the first in order */
    px_distinct__release(&distinct);
}

/* As vectors that were rounded come; then one float of 24 bits among them. */
static void test_distinct__changes_codes_of_halves(void **state)
{
    (void)state;
    enum { COUNT = 70000 };
    struct px_test_random random = px_test_random_new("distinct");
    struct px_distinct distinct;
    uint32_t *bits = malloc(COUNT * sizeof *bits);
    bool is_there[65536] = {false};
    uint32_t kinds = 0;
    assert_int_equal(px_distinct__init(&distinct, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t half = (uint32_t)px_test_below(&random, i < COUNT / 2 ? 300 : 65536);
        bits[i] = i + 1 < COUNT ? half << 16 : bits[0];
        kinds += !is_there[bits[i] >> 16];
        is_there[bits[i] >> 16] = true;
    }
    check_floats(&distinct, bits, COUNT, kinds);
    assert_true(distinct.is_halved);
    assert_true(kinds < 65500);
    for (size_t at = 0; at < COUNT; at += COUNT - 1) { /* the first one, the last one */
        uint32_t kept = bits[at];
        bits[at] = UINT32_C(0x40490fdb);
        check_floats(&distinct, bits, COUNT, kinds + 1);
        assert_false(distinct.is_halved);
        bits[at] = kept;
    }
    px_distinct__release(&distinct);
    free(bits);
}

static void test_distinct__says_when_there_are_too_many(void **state)
{
    (void)state;
    struct px_distinct distinct;
    uint16_t *codes = malloc((PX_PARQUET_MOST_DISTINCT + 2) * sizeof *codes);
    assert_int_equal(px_distinct__init(&distinct, NULL), PROXIMADB_OK);
    for (uint32_t bits = 0; bits < PX_PARQUET_MOST_DISTINCT; bits++) {
        assert_true(px_distinct__add(&distinct, &bits, 1, codes, bits));
        assert_int_equal(codes[bits], bits);
    }
    uint32_t known = 77, other = PX_PARQUET_MOST_DISTINCT;
    assert_true(px_distinct__add(&distinct, &known, 1, codes, PX_PARQUET_MOST_DISTINCT));
    assert_false(px_distinct__add(&distinct, &other, 1, codes, PX_PARQUET_MOST_DISTINCT + 1));
    assert_int_equal(distinct.values[77], 77); /* what was given remains */
    free(codes);
    px_distinct__release(&distinct);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distinct__ranks_by_frequency),
        cmocka_unit_test(test_distinct__knows_awkward_floats_by_their_bits),
        cmocka_unit_test(test_distinct__changes_codes_of_halves),
        cmocka_unit_test(test_distinct__says_when_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
