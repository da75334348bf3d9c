/*
 * Goal: integers read back as written; truncated, overlong and too wide ones are refused.
 * Method: every power of two and its neighbours, both signs; every prefix of an encoding.
 */
#include "codec/varint.h"

#include "support/px_test.h"

static void check_round_trip(int64_t value)
{
    uint8_t bytes[PX_VARINT_BYTES];
    int64_t again = 0;
    size_t size = px_varint_write_long(bytes, value);
    assert_true(px_varint_read_long(bytes, bytes + size, &again) == bytes + size);
    assert_int_equal(again, value);
    const uint8_t *next = bytes;
    assert_int_equal(px_varint_next_long(&next), value);
    assert_ptr_equal(next, bytes + size);
    for (size_t cut = 0; cut < size; cut++)
        assert_null(px_varint_read_long(bytes, bytes + cut, &again));
}

static void test_varint__reads_what_it_writes(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 63; bit++)
        for (int64_t delta = -1; delta <= 1; delta++) {
            check_round_trip((INT64_C(1) << bit) + delta);
            check_round_trip(-(INT64_C(1) << bit) + delta);
        }
    check_round_trip(INT64_MAX);
    check_round_trip(INT64_MIN);
}

static void test_varint__gives_avro_examples(void **state)
{
    (void)state; /* the table of the Avro specification, "binary encoding" */
    static const struct {
        int64_t value;
        uint8_t bytes[2];
        size_t size;
    } examples[] = {{0, {0x00}, 1},   {-1, {0x01}, 1},       {1, {0x02}, 1},
                    {-64, {0x7f}, 1}, {64, {0x80, 0x01}, 2}, {-65, {0x81, 0x01}, 2}};
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        uint8_t bytes[PX_VARINT_BYTES];
        assert_int_equal(px_varint_write_long(bytes, examples[i].value), examples[i].size);
        assert_memory_equal(bytes, examples[i].bytes, examples[i].size);
    }
}

static void test_varint__refuses_more_than_64_bits(void **state)
{
    (void)state;
    uint8_t bytes[11];
    uint64_t value = 7;
    memset(bytes, 0xff, sizeof bytes);
    assert_null(px_varint_read(bytes, bytes + sizeof bytes, &value));
    bytes[9] = 0x02;
    assert_null(px_varint_read(bytes, bytes + 10, &value));
    assert_int_equal(value, 7);
    bytes[9] = 0x01;
    assert_non_null(px_varint_read(bytes, bytes + 10, &value));
    assert_true(value == UINT64_MAX);
}

static void test_varint__pads_to_a_size(void **state)
{
    (void)state;
    uint8_t bytes[5];
    uint64_t value;
    for (uint64_t expected = 0; expected < 1000; expected++) {
        px_varint_write_padded(bytes, expected, sizeof bytes);
        assert_true(px_varint_read(bytes, bytes + 5, &value) == bytes + 5);
        assert_int_equal(value, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varint__reads_what_it_writes),
        cmocka_unit_test(test_varint__gives_avro_examples),
        cmocka_unit_test(test_varint__refuses_more_than_64_bits),
        cmocka_unit_test(test_varint__pads_to_a_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
