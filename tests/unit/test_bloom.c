/*
 * Goal: what was inserted is always found, little else is, and the filter is as large as it must
 * be. Method: known hashes by the format's arithmetic; random hashes, counted; damaged headers.
 */
#include "parquet/bloom_internal.h"

#include "base/bits.h"
#include "codec/thrift.h"
#include "support/px_test.h"

static void test_bloom__is_sized_for_one_in_a_hundred(void **state)
{
    (void)state;
    assert_int_equal(px_bloom__size_bytes(0), 32);
    assert_int_equal(px_bloom__size_bytes(26), 32); /* 31.5 bytes */
    assert_int_equal(px_bloom__size_bytes(27), 64);
    assert_int_equal(px_bloom__size_bytes(1000000), 1 << 21);
    assert_int_equal(px_bloom__size_bytes(UINT64_MAX), PX_BLOOM_MOST_BYTES);
}

static void test_bloom__sets_one_bit_in_each_word_of_one_block(void **state)
{
    (void)state;
    uint8_t bits[4 * PX_BLOOM_BLOCK_BYTES] = {0};
    /* Upper half 0x80000000 of 4 blocks: block 2. Lower half 1: the upper 5 bits of each salt. */
    px_bloom__insert(bits, sizeof bits, UINT64_C(0x8000000000000001));
    static const unsigned expected[8] = {8, 8, 17, 20, 14, 5, 19, 11};
    for (size_t i = 0; i < sizeof bits / 4; i++) {
        uint32_t word = px_load_u32(bits + 4 * i);
        assert_int_equal(word, i / 8 == 2 ? UINT32_C(1) << expected[i % 8] : 0);
    }
}

static struct px_slice encode(struct px_test_random *random, uint64_t *hashes, size_t count,
                              struct px_buffer *buffer)
{
    struct px_slice bits = {0};
    for (size_t i = 0; i < count; i++)
        hashes[i] = px_test_next(random);
    px_bloom__encode(hashes, count, buffer);
    assert_int_equal(px_bloom__parse(px_buffer_slice(buffer), &bits, NULL), PROXIMADB_OK);
    return bits;
}

static void test_bloom__finds_what_was_inserted_and_little_else(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("bloom");
    static const size_t counts[] = {1, 26, 27, 1000, 6000, 6770}; /* the last two fill theirs */
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct px_buffer buffer = {0};
        uint64_t *hashes = malloc(counts[i] * sizeof *hashes);
        struct px_slice bits = encode(&random, hashes, counts[i], &buffer);
        for (size_t j = 0; j < counts[i]; j++)
            assert_true(px_bloom__contains(bits.data, bits.size_bytes, hashes[j]));
        size_t wrong = 0;
        for (size_t j = 0; j < 20000; j++)
            wrong += px_bloom__contains(bits.data, bits.size_bytes, px_test_next(&random));
        assert_true(wrong < 400); /* expected at most 200 */
        free(hashes);
        px_buffer_release(&buffer);
    }
}

static void test_bloom__counts_equal_values_once(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct px_slice bits = {0};
    uint64_t hashes[1000];
    for (size_t i = 0; i < 1000; i++)
        hashes[i] = (uint64_t)(i % 10) << 40;
    px_bloom__encode(hashes, 1000, &buffer);
    assert_int_equal(px_bloom__parse(px_buffer_slice(&buffer), &bits, NULL), PROXIMADB_OK);
    assert_int_equal(bits.size_bytes, 32);
    px_buffer_clear(&buffer);
    px_bloom__encode(NULL, 0, &buffer);
    assert_int_equal(px_bloom__parse(px_buffer_slice(&buffer), &bits, NULL), PROXIMADB_OK);
    assert_false(px_bloom__contains(bits.data, bits.size_bytes, 0));
    px_buffer_release(&buffer);
}

static void test_bloom__has_whole_blocks_only(void **state)
{
    (void)state;
    static const struct {
        int32_t size;
        int status;
    } cases[] = {{32, PROXIMADB_OK},      {16, PROXIMADB_CORRUPT}, {33, PROXIMADB_CORRUPT},
                 {48, PROXIMADB_CORRUPT}, {96, PROXIMADB_OK},      {0, PROXIMADB_CORRUPT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_buffer buffer = {0};
        struct px_slice bits;
        struct px_thrift_writer writer = px_thrift_writer_of(&buffer);
        px_thrift_put_i32(&writer, 1, cases[i].size);
        for (int16_t id = 2; id <= 4; id++) {
            px_thrift_begin_struct(&writer, id);
            px_thrift_put_empty_struct(&writer, 1);
            px_thrift_end_struct(&writer);
        }
        px_thrift_end_struct(&writer);
        px_buffer_append_zeros(&buffer, (size_t)cases[i].size);
        assert_int_equal(px_bloom__parse(px_buffer_slice(&buffer), &bits, NULL), cases[i].status);
        px_buffer_release(&buffer);
    }
}

static void test_bloom__refuses_other_kinds_and_sizes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("bloom header");
    struct px_buffer buffer = {0};
    struct px_slice bits;
    uint64_t hashes[5];
    encode(&random, hashes, 5, &buffer);
    struct px_slice filter = px_buffer_slice(&buffer);
    filter.size_bytes--;
    assert_int_equal(px_bloom__parse(filter, &bits, NULL), PROXIMADB_CORRUPT);
    for (filter.size_bytes = 0; filter.size_bytes < buffer.size_bytes; filter.size_bytes++)
        assert_int_equal(px_bloom__parse(filter, &bits, NULL), PROXIMADB_CORRUPT);
    /* The algorithm's choice: field 2, its struct, then the field of the choice with id 1. */
    assert_int_equal(buffer.data[2], 0x1c);
    assert_int_equal(buffer.data[3], 0x1c);
    buffer.data[3] = 0x2c;
    assert_int_equal(px_bloom__parse(px_buffer_slice(&buffer), &bits, NULL),
                     PROXIMADB_UNIMPLEMENTED);
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bloom__is_sized_for_one_in_a_hundred),
        cmocka_unit_test(test_bloom__sets_one_bit_in_each_word_of_one_block),
        cmocka_unit_test(test_bloom__finds_what_was_inserted_and_little_else),
        cmocka_unit_test(test_bloom__counts_equal_values_once),
        cmocka_unit_test(test_bloom__has_whole_blocks_only),
        cmocka_unit_test(test_bloom__refuses_other_kinds_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
