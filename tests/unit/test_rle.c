/*
 * Goal: levels read back as written, in few bytes where they repeat, and bytes that are not exactly
 * the levels that are asked for are refused. Method: bytes by the format's rules; random levels
 * with runs of random lengths; faults one by one.
 */
#include "parquet/rle_internal.h"

#include "support/px_test.h"

enum { MOST = 3000 };

static bool decodes(const void *bytes, size_t size, unsigned bit_width, size_t count)
{
    uint8_t levels[MOST + 8];
    return px_rle__decode(px_slice_of(bytes, size), bit_width, levels, count);
}

static void test_rle__writes_runs_and_packs_the_rest(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    uint8_t levels[100];
    memset(levels, 1, sizeof levels);
    px_rle__encode(levels, 100, 1, &buffer);
    assert_int_equal(buffer.size_bytes, 3);
    assert_memory_equal(buffer.data, "\xc8\x01\x01", 3); /* 100 << 1 as varint, 1 */
    px_buffer_clear(&buffer);
    px_rle__encode((const uint8_t *)"\0\1\1\0\1\0\0\0\1", 9, 1, &buffer);
    assert_int_equal(buffer.size_bytes, 3);
    assert_memory_equal(buffer.data, "\x05\x16\x01", 3); /* 2 groups; lowest bit first */
    px_buffer_clear(&buffer);
    px_rle__encode((const uint8_t *)"\2\1\0\2", 4, 2, &buffer);
    assert_int_equal(buffer.size_bytes, 3);
    assert_memory_equal(buffer.data, "\x03\x86\x00", 3);
    px_buffer_clear(&buffer);
    px_rle__encode(levels, 0, 1, &buffer);
    assert_int_equal(buffer.size_bytes, 0);
    px_buffer_release(&buffer);
}

static void test_rle__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rle");
    struct px_buffer buffer = {0};
    for (int round = 0; round < 3000; round++) {
        uint8_t levels[MOST], again[MOST];
        unsigned most_level = 1 + (unsigned)px_test_below(&random, 2);
        size_t count = px_test_below(&random, round % 10 == 0 ? MOST : 80);
        uint64_t longest = 1 + px_test_below(&random, 100);
        for (size_t at = 0; at < count;) {
            uint8_t level = (uint8_t)px_test_below(&random, most_level + 1);
            for (size_t run = px_test_below(&random, longest) + 1; run > 0 && at < count; run--)
                levels[at++] = level;
        }
        px_buffer_clear(&buffer);
        px_rle__encode(levels, count, most_level, &buffer);
        uint8_t *exact = malloc(buffer.size_bytes > 0 ? buffer.size_bytes : 1);
        memcpy(exact, buffer.data, buffer.size_bytes);
        struct px_slice bytes = px_slice_of(exact, buffer.size_bytes);
        assert_true(px_rle__decode(bytes, most_level, again, count));
        assert_memory_equal(levels, again, count);
        if (count > 8) {
            assert_false(px_rle__decode(bytes, most_level, again, count - 8));
            assert_false(decodes(exact, bytes.size_bytes, most_level, count + 8));
        }
        if (count > 0)
            assert_false(decodes(exact, bytes.size_bytes - 1, most_level, count));
        free(exact);
    }
    px_buffer_release(&buffer);
}

static void test_rle__gives_packed_levels_as_runs(void **state)
{
    (void)state;
    struct px_rle_reader reader = px_rle__reader_of(px_slice_of("\x03\xf1\x0a\x01", 4), 1, 13);
    static const struct {
        uint8_t level;
        size_t count;
    } expected[] = {{1, 1}, {0, 3}, {1, 4}, {1, 5}};
    for (size_t i = 0; i < 4; i++) {
        uint8_t level;
        size_t count;
        assert_true(px_rle__next(&reader, &level, &count));
        assert_int_equal(level, expected[i].level);
        assert_int_equal(count, expected[i].count);
    }
    assert_true(px_rle__is_done(&reader));
}

static void test_rle__refuses_what_is_not_exactly_the_levels(void **state)
{
    (void)state;
    assert_true(decodes("\x10\x01", 2, 1, 8));
    assert_false(decodes("\x10", 1, 1, 8));             /* no level */
    assert_false(decodes("\x10\x02", 2, 1, 8));         /* a level of two bits in one */
    assert_false(decodes("\x00\x01\x10\x01", 4, 1, 8)); /* an empty run */
    assert_false(decodes("\x01\x10\x01", 3, 1, 8));     /* an empty packed run */
    assert_false(decodes("\x10\x01\x00", 3, 1, 8));     /* something behind */
    assert_false(decodes("\x12\x01", 2, 1, 8));         /* too many */
    assert_false(decodes("\x05\xff", 2, 1, 16));        /* a group is missing */
    assert_false(decodes("\x05\xff\xff", 3, 1, 8));     /* a whole group of padding */
    assert_true(decodes("\x05\xff\xff", 3, 1, 9));      /* part of a group of padding */
    assert_false(decodes("\x80", 1, 1, 8));             /* a varint that does not end */
    assert_false(decodes("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 11, 1, 8)); /* 2^63 */
    assert_false(decodes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 11, 1, 8));
    assert_false(decodes("", 0, 1, 1));
    assert_true(decodes("", 0, 1, 0));
}

static void test_rle__survives_random_bytes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rle bytes");
    for (int round = 0; round < 20000; round++) {
        size_t size = px_test_below(&random, 12);
        uint8_t *bytes = malloc(size > 0 ? size : 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)px_test_next(&random);
        (void)decodes(bytes, size, 1 + (unsigned)round % 2, px_test_below(&random, MOST));
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rle__writes_runs_and_packs_the_rest),
        cmocka_unit_test(test_rle__reads_what_it_writes),
        cmocka_unit_test(test_rle__gives_packed_levels_as_runs),
        cmocka_unit_test(test_rle__refuses_what_is_not_exactly_the_levels),
        cmocka_unit_test(test_rle__survives_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
