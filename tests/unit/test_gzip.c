/*
 * Goal: gzip is unpacked to exactly the claimed size; claims over the limit, impossible claims and
 * damage are refused before or without writing behind the memory.
 * Method: libdeflate packs; single bytes and the trailer are changed.
 */
#include "codec/gzip.h"

#include "base/bits.h"
#include "support/px_test.h"

#include <libdeflate.h>

enum { TEXT_BYTES = 5000 };

struct packed {
    uint8_t text[TEXT_BYTES];
    uint8_t data[2 * TEXT_BYTES];
    size_t size_bytes;
};

static void pack(struct packed *packed, size_t text_bytes)
{
    for (size_t i = 0; i < text_bytes; i++)
        packed->text[i] = (uint8_t)(i % 7 * (i / 100));
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    packed->size_bytes = libdeflate_gzip_compress(compressor, packed->text, text_bytes,
                                                  packed->data, sizeof packed->data);
    libdeflate_free_compressor(compressor);
    assert_true(packed->size_bytes > 0);
}

static struct px_slice slice_of(const struct packed *packed)
{
    return px_slice_of(packed->data, packed->size_bytes);
}

static void test_gzip__unpacks(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, TEXT_BYTES};
    for (size_t i = 0; i < 3; i++) {
        struct packed packed;
        uint8_t data[TEXT_BYTES + 1];
        size_t size;
        pack(&packed, sizes[i]);
        assert_int_equal(px_gzip_size(slice_of(&packed), TEXT_BYTES, &size, NULL), PROXIMADB_OK);
        assert_int_equal(size, sizes[i]);
        assert_int_equal(px_gzip_unpack(slice_of(&packed), data, size, NULL), PROXIMADB_OK);
        assert_memory_equal(data, packed.text, size);
    }
}

static void test_gzip__refuses_what_is_over_the_limit(void **state)
{
    (void)state;
    struct packed packed;
    struct proximadb_error error = {0};
    size_t size = 77;
    pack(&packed, TEXT_BYTES);
    assert_int_equal(px_gzip_size(slice_of(&packed), TEXT_BYTES - 1, &size, &error),
                     PROXIMADB_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(error.message, "5000"));
    assert_non_null(strstr(error.message, "4999"));
    assert_int_equal(size, 77);
}

static void test_gzip__refuses_impossible_claims(void **state)
{
    (void)state;
    struct packed packed;
    size_t size;
    pack(&packed, 100);
    px_store_u32(packed.data + packed.size_bytes - 4, UINT32_MAX);
    assert_int_equal(px_gzip_size(slice_of(&packed), SIZE_MAX, &size, NULL), PROXIMADB_CORRUPT);
    assert_int_equal(px_gzip_size(px_slice_of(packed.data, 17), SIZE_MAX, &size, NULL),
                     PROXIMADB_CORRUPT);
    packed.data[1] = 0;
    assert_int_equal(px_gzip_size(slice_of(&packed), SIZE_MAX, &size, NULL), PROXIMADB_CORRUPT);
}

static void test_gzip__refuses_a_size_that_is_not_the_true_one(void **state)
{
    (void)state;
    struct packed packed;
    uint8_t data[TEXT_BYTES + 1];
    pack(&packed, TEXT_BYTES);
    assert_int_equal(px_gzip_unpack(slice_of(&packed), data, TEXT_BYTES - 1, NULL),
                     PROXIMADB_CORRUPT);
    assert_int_equal(px_gzip_unpack(slice_of(&packed), data, TEXT_BYTES + 1, NULL),
                     PROXIMADB_CORRUPT);
}

static void test_gzip__notices_every_changed_byte(void **state)
{
    (void)state;
    struct packed packed;
    uint8_t data[TEXT_BYTES];
    pack(&packed, 300);
    for (size_t i = 10; i < packed.size_bytes; i++) {
        packed.data[i] ^= 1; /* the lowest bit: the highest of the last block are padding */
        int rc = px_gzip_unpack(slice_of(&packed), data, 300, NULL);
        packed.data[i] ^= 1;
        assert_int_equal(rc, PROXIMADB_CORRUPT);
    }
}

static void test_gzip__refuses_a_second_member(void **state)
{
    (void)state;
    struct packed packed;
    uint8_t data[300];
    pack(&packed, 300);
    memcpy(packed.data + packed.size_bytes, packed.data, packed.size_bytes);
    packed.size_bytes *= 2;
    struct proximadb_error error = {0};
    assert_int_equal(px_gzip_unpack(slice_of(&packed), data, 300, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "single member"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip__unpacks),
        cmocka_unit_test(test_gzip__refuses_what_is_over_the_limit),
        cmocka_unit_test(test_gzip__refuses_impossible_claims),
        cmocka_unit_test(test_gzip__refuses_a_size_that_is_not_the_true_one),
        cmocka_unit_test(test_gzip__notices_every_changed_byte),
        cmocka_unit_test(test_gzip__refuses_a_second_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
