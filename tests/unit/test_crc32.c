/*
 * Goal: the checksum is gzip's CRC-32, however the data is cut.
 * Method: the check value of the catalogue of CRCs; a bit-by-bit computation on random data.
 */
#include "codec/crc32.h"

#include "support/px_test.h"

static uint32_t bit_by_bit(const uint8_t *data, size_t size)
{
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

static void test_crc32__gives_the_check_value(void **state)
{
    (void)state;
    assert_int_equal(px_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(px_crc32(0, "", 0), 0);
}

static void test_crc32__continues_over_cuts_and_nothing(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("crc32");
    uint8_t data[3000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)px_test_next(&random);
    for (int round = 0; round < 100; round++) {
        size_t size = px_test_below(&random, sizeof data);
        size_t cut = px_test_below(&random, size + 1);
        uint32_t first = px_crc32(px_crc32(0, data, cut), NULL, 0);
        assert_int_equal(px_crc32(first, data + cut, size - cut), bit_by_bit(data, size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32__gives_the_check_value),
        cmocka_unit_test(test_crc32__continues_over_cuts_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
