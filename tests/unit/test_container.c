/*
 * Goal: headers and blocks read back as written, and nothing else is taken for one.
 * Method: a file made by hand from the specification, round trips, every truncation, and every
 * single bit flipped (which must not crash; what is accepted must lie within the input).
 */
#include "avro/container.h"

#include "avro/encode.h"

#include "support/px_test.h"

static const uint8_t sync_marker[] = "0123456789abcdef";

static void write_header(struct px_buffer *buffer)
{
    const struct px_container_entry entries[] = {
        {px_slice_of_string("proximadb.collection"), px_slice_of_string("docs")},
        {px_slice_of_string("proximadb.first_lsn"), px_slice_of_string("1")},
    };
    px_container_header_write(buffer, px_slice_of_string("\"int\""), entries, 2, sync_marker);
}

static void test_container__header_reads_back(void **state)
{
    (void)state;
    struct px_buffer file = {0};
    struct px_container_header header;
    struct px_slice value;
    write_header(&file);
    size_t size = file.size_bytes;
    px_buffer_append(&file, "what follows", 12);
    assert_int_equal(px_container_header_read(px_buffer_slice(&file), &header, NULL), PROXIMADB_OK);
    assert_int_equal(header.size_bytes, size);
    assert_true(px_slice_equal(header.schema, px_slice_of_string("\"int\"")));
    assert_memory_equal(header.sync, sync_marker, PX_CONTAINER_SYNC_BYTES);
    assert_true(px_container_find(&header, "proximadb.first_lsn", &value));
    assert_true(px_slice_equal(value, px_slice_of_string("1")));
    assert_true(px_container_find(&header, "avro.codec", &value));
    assert_true(px_slice_equal(value, px_slice_of_string("null")));
    assert_false(px_container_find(&header, "proximadb", &value));
    px_buffer_release(&file);
}

static void test_container__reads_headers_of_others(void **state)
{
    (void)state;
    /* Two blocks of metadata, the second with its size; no codec, which means null. */
    static const char file[] = "Obj\x01"
                               "\x02\x02"
                               "a\x02"
                               "b"
                               "\x01\x24\x16"
                               "avro.schema"
                               "\x0a\"int\""
                               "\x00"
                               "0123456789abcdef";
    struct px_container_header header;
    struct px_slice value;
    assert_int_equal(px_container_header_read(px_slice_of(file, sizeof file - 1), &header, NULL),
                     PROXIMADB_OK);
    assert_int_equal(header.size_bytes, sizeof file - 1);
    assert_true(px_slice_equal(header.schema, px_slice_of_string("\"int\"")));
    assert_true(px_container_find(&header, "a", &value) && value.data[0] == 'b');
}

static void check_refused(struct px_slice file, int status, const char *message)
{
    struct px_container_header header;
    struct proximadb_error error;
    assert_int_equal(px_container_header_read(file, &header, &error), status);
    if (strstr(error.message, message) == NULL)
        fail_msg("'%s' does not say '%s'", error.message, message);
}

static void test_container__refuses_other_headers(void **state)
{
    (void)state;
    check_refused(px_slice_of_string("PAR1"), PROXIMADB_CORRUPT, "'Obj' 01");
    check_refused(px_slice_of("Obj\x01\x00"
                              "0123456789abcdef",
                              21),
                  PROXIMADB_CORRUPT, "no schema");
    struct px_buffer file = {0};
    px_buffer_append(&file, "Obj\x01", 4);
    px_encode_block(&file, 2);
    px_encode_string(&file, px_slice_of_string("avro.codec"));
    px_encode_string(&file, px_slice_of_string("deflate"));
    px_encode_string(&file, px_slice_of_string("avro.schema"));
    px_encode_string(&file, px_slice_of_string("\"int\""));
    px_encode_block_end(&file, 2);
    px_encode_fixed(&file, sync_marker, PX_CONTAINER_SYNC_BYTES);
    check_refused(px_buffer_slice(&file), PROXIMADB_UNIMPLEMENTED, "deflate");
    px_buffer_release(&file);
}

static void check_contained(struct px_slice whole, struct px_slice part)
{
    assert_true(part.data >= whole.data);
    assert_true(part.data + part.size_bytes <= whole.data + whole.size_bytes);
}

static void test_container__header_survives_cuts_and_flips(void **state)
{
    (void)state;
    struct px_buffer file = {0};
    struct px_container_header header;
    write_header(&file);
    for (size_t size = 0; size < file.size_bytes; size++) {
        uint8_t *cut = malloc(size + 1);
        assert_non_null(cut);
        memcpy(cut, file.data, size);
        assert_int_equal(px_container_header_read(px_slice_of(cut, size), &header, NULL),
                         PROXIMADB_CORRUPT);
        free(cut);
    }
    for (size_t bit = 0; bit < 8 * file.size_bytes; bit++) {
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct px_slice whole = px_buffer_slice(&file);
        if (px_container_header_read(whole, &header, NULL) == PROXIMADB_OK) {
            assert_true(header.size_bytes <= whole.size_bytes);
            check_contained(whole, header.schema);
            check_contained(whole, px_slice_of(header.sync, PX_CONTAINER_SYNC_BYTES));
        }
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    px_buffer_release(&file);
}

static void write_block(struct px_buffer *file, bool padded, uint64_t count,
                        struct px_slice objects)
{
    uint8_t begin[PX_CONTAINER_BLOCK_HEADER_BYTES];
    size_t size = padded ? px_container_block_write_padded(begin, count, objects.size_bytes)
                         : px_container_block_write(begin, count, objects.size_bytes);
    px_buffer_append(file, begin, size);
    px_buffer_append_slice(file, objects);
    px_buffer_append(file, sync_marker, PX_CONTAINER_SYNC_BYTES);
}

static void test_container__blocks_read_back(void **state)
{
    (void)state;
    for (int padded = 0; padded < 2; padded++) {
        struct px_buffer file = {0};
        struct px_container_block block;
        write_block(&file, padded, 3, px_slice_of_string("abc"));
        size_t first = file.size_bytes;
        write_block(&file, padded, 0, px_slice_of("", 0));
        assert_int_equal(px_container_block_read(px_buffer_slice(&file), sync_marker, &block, NULL),
                         PROXIMADB_OK);
        assert_int_equal(block.object_count, 3);
        assert_int_equal(block.header_size_bytes, padded ? 6 : 2);
        assert_int_equal(block.size_bytes, first);
        assert_true(px_slice_equal(block.objects, px_slice_of_string("abc")));
        assert_int_equal(
            px_container_block_read(px_slice_of(file.data + first, file.size_bytes - first),
                                    sync_marker, &block, NULL),
            PROXIMADB_OK);
        assert_int_equal(block.object_count, 0);
        assert_int_equal(block.objects.size_bytes, 0);
        assert_int_equal(block.size_bytes, file.size_bytes - first);
        px_buffer_release(&file);
    }
}

static void test_container__padded_size_keeps_its_length(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 63, 64, 1 << 20, PX_CONTAINER_PADDED_SIZE_LIMIT - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t at[PX_CONTAINER_BLOCK_HEADER_BYTES];
        int64_t again = -1;
        assert_int_equal(px_container_block_write_padded(at, 0, sizes[i]), 6);
        assert_true(px_varint_read_long(at + 1, at + 6, &again) == at + 6);
        assert_true((uint64_t)again == sizes[i]);
    }
    uint8_t at[PX_CONTAINER_BLOCK_HEADER_BYTES];
    assert_int_equal(px_container_block_write(at, INT64_MAX, INT64_MAX), 20);
}

static void test_container__refuses_other_blocks(void **state)
{
    (void)state;
    struct px_buffer file = {0};
    struct px_container_block block;
    write_block(&file, false, 3, px_slice_of_string("abc"));
    for (size_t size = 0; size < file.size_bytes; size++)
        assert_int_equal(
            px_container_block_read(px_slice_of(file.data, size), sync_marker, &block, NULL),
            PROXIMADB_CORRUPT);
    for (size_t bit = 0; bit < 8 * file.size_bytes; bit++) {
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int rc = px_container_block_read(px_buffer_slice(&file), sync_marker, &block, NULL);
        bool in_count_or_objects = bit < 8 || (bit >= 16 && bit < 40);
        if (!in_count_or_objects)
            assert_int_equal(rc, PROXIMADB_CORRUPT);
        if (rc == PROXIMADB_OK)
            assert_int_equal(block.size_bytes, file.size_bytes);
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    px_buffer_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_container__header_reads_back),
        cmocka_unit_test(test_container__reads_headers_of_others),
        cmocka_unit_test(test_container__refuses_other_headers),
        cmocka_unit_test(test_container__header_survives_cuts_and_flips),
        cmocka_unit_test(test_container__blocks_read_back),
        cmocka_unit_test(test_container__padded_size_keeps_its_length),
        cmocka_unit_test(test_container__refuses_other_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
