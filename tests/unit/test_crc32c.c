/*
 * Goal: the checksum is CRC-32C, whichever way it is computed and however the data is cut.
 * Method: RFC 3720's vectors; the instruction against the tables on random lengths and cuts.
 */
#include "base/crc32c.h"

#include "support/px_test.h"

static void test_crc32c__gives_the_vectors_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < sizeof rising; i++)
        rising[i] = i;
    assert_int_equal(px_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(px_crc32c(0, zeros, sizeof zeros), 0x8a9136aa);
    assert_int_equal(px_crc32c(0, ones, sizeof ones), 0x62a8ab43);
    assert_int_equal(px_crc32c(0, rising, sizeof rising), 0x46dd794e);
    assert_int_equal(px_crc32c_portable(0, rising, sizeof rising), 0x46dd794e);
    assert_int_equal(px_crc32c(77, NULL, 0), 77);
}

static void test_crc32c__instruction_equals_tables(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("crc32c");
    static uint8_t data[40000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)px_test_next(&random);
    for (int round = 0; round < 300; round++) {
        size_t begin = px_test_below(&random, 64);
        size_t size = px_test_below(&random, round % 2 == 0 ? 200 : sizeof data - 64);
        size_t cut = px_test_below(&random, size + 1);
        uint32_t expected = px_crc32c_portable(0, data + begin, size);
        assert_int_equal(px_crc32c(0, data + begin, size), expected);
        uint32_t first = px_crc32c(0, data + begin, cut);
        assert_int_equal(px_crc32c(first, data + begin + cut, size - cut), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c__gives_the_vectors_of_rfc_3720),
        cmocka_unit_test(test_crc32c__instruction_equals_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
