/*
 * Goal: Snappy's blocks unpack to exactly the claimed size, and no damage makes the unpacker read or
 * write outside of its memory.
 * Method: blocks by hand, with each kind of element; every beginning of a block, and every byte changed.
 */
#include "codec/snappy.h"

#include "support/px_test.h"

/* "abcd", 8 more of it (an overlapping copy), "XY", then "cdXY" by a copy with 2 and one with 4 bytes. */
static const uint8_t block[] = {22,         3 << 2, 'a', 'b', 'c',        'd', 4 << 2 | 1,
                                4,          1 << 2, 'X', 'Y', 3 << 2 | 2, 4,   0,
                                3 << 2 | 3, 12,     0,   0,   0};
static const char content[] = "abcdabcdabcdXYcdXYcdab";
enum { CONTENT_BYTES = sizeof content - 1 };

static int unpack(const uint8_t *data, size_t size_bytes, size_t content_bytes)
{
    struct proximadb_error error = {0};
    /* Exact sizes, so that a sanitizer sees each byte too many. */
    uint8_t *in = test_malloc(size_bytes + 1), *out = test_malloc(content_bytes + 1);
    memcpy(in + 1, data, size_bytes);
    int rc = px_snappy_unpack(px_slice_of(in + 1, size_bytes), out, content_bytes, &error);
    if (rc == PROXIMADB_OK && size_bytes == sizeof block && memcmp(data, block, sizeof block) == 0)
        assert_memory_equal(out, content, content_bytes);
    assert_int_equal(error.status, rc);
    test_free(in);
    test_free(out);
    return rc;
}

static void test_snappy__unpacks_each_kind_of_element(void **state)
{
    (void)state;
    assert_int_equal(unpack(block, sizeof block, CONTENT_BYTES), PROXIMADB_OK);
    const uint8_t long_literal[] = {3, 60 << 2, 2, 'x', 'y', 'z'}, empty[] = {0};
    assert_int_equal(unpack(long_literal, sizeof long_literal, 3), PROXIMADB_OK);
    assert_int_equal(unpack(empty, sizeof empty, 0), PROXIMADB_OK);
}

static void test_snappy__refuses_another_size(void **state)
{
    (void)state;
    assert_int_equal(unpack(block, sizeof block, CONTENT_BYTES - 1), PROXIMADB_CORRUPT);
    assert_int_equal(unpack(block, sizeof block, CONTENT_BYTES + 1), PROXIMADB_CORRUPT);
    for (size_t size = 0; size < sizeof block; size++)
        assert_int_equal(unpack(block, size, CONTENT_BYTES), PROXIMADB_CORRUPT);
}

static void test_snappy__refuses_copies_from_nowhere(void **state)
{
    (void)state;
    const uint8_t before[] = {8, 0, 'a', 3 << 2 | 2, 2, 0, 2 << 2, 'x', 'y', 'z'};
    const uint8_t zero[] = {8, 0, 'a', 3 << 2 | 2, 0, 0, 2 << 2, 'x', 'y', 'z'};
    assert_int_equal(unpack(before, sizeof before, 8), PROXIMADB_CORRUPT);
    assert_int_equal(unpack(zero, sizeof zero, 8), PROXIMADB_CORRUPT);
    for (size_t i = 0; i < sizeof block; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t changed[sizeof block];
            memcpy(changed, block, sizeof block);
            changed[i] = (uint8_t)(changed[i] ^ 1u << bit);
            (void)unpack(changed, sizeof changed, CONTENT_BYTES);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snappy__unpacks_each_kind_of_element),
        cmocka_unit_test(test_snappy__refuses_another_size),
        cmocka_unit_test(test_snappy__refuses_copies_from_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
