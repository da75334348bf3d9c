/* Goal: the hash that Parquet prescribes is XXH64, and the one of 128 bits XXH3. Method: published
 * test values. */
#include "base/hash.h"

#include "support/px_test.h"

static void test_hash__xxh64_gives_published_values(void **state)
{
    (void)state;
    assert_int_equal(px_hash_xxh64(px_slice_of_string("")), UINT64_C(0xef46db3751d8e999));
    assert_int_equal(px_hash_xxh64(px_slice_of_string("a")), UINT64_C(0xd24ec4f1a98c6e5b));
}

static void test_hash__memory_hash_tells_neighbours_apart(void **state)
{
    (void)state;
    assert_int_not_equal(px_hash_memory(px_slice_of_string("row-1")),
                         px_hash_memory(px_slice_of_string("row-2")));
    assert_int_equal(px_hash_memory(px_slice_of("abc", 2)),
                     px_hash_memory(px_slice_of_string("ab")));
}

static void test_hash__xxh3_gives_published_values(void **state)
{
    static const uint8_t of_nothing[PX_HASH_128_BYTES] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47,
                                                          0x98, 0xd8, 0x60, 0x01, 0xc3, 0x24,
                                                          0x46, 0x8d, 0x49, 0x7f};
    uint8_t digest[PX_HASH_128_BYTES];
    (void)state;
    px_hash_xxh3_128((struct px_slice){0}, digest);
    assert_memory_equal(digest, of_nothing, sizeof of_nothing);
    px_hash_xxh3_128(px_slice_of_string("order-17"), digest);
    assert_memory_not_equal(digest, of_nothing, sizeof of_nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash__xxh64_gives_published_values),
        cmocka_unit_test(test_hash__xxh3_gives_published_values),
        cmocka_unit_test(test_hash__memory_hash_tells_neighbours_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
