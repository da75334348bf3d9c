/* Goal: the hash that Parquet prescribes is XXH64. Method: its published test values. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash__xxh64_gives_published_values),
        cmocka_unit_test(test_hash__memory_hash_tells_neighbours_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
