/*
 * Goal: page headers read back as written, values can be aligned wherever a page begins, and what
 * is damaged or of another kind is refused by name. Method: round trips at every offset; headers
 * made field by field, with one thing wrong each.
 */
#include "parquet/data_page_internal.h"

#include "base/bits.h"
#include "codec/thrift.h"
#include "support/px_test.h"

static void test_data_page__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    uint8_t body[100] = {7};
    struct px_data_page page = {.value_count = 33,
                                .uncompressed_bytes = 5000,
                                .crc = 0xdeadbeef,
                                .body = px_slice_of(body, sizeof body)};
    struct px_data_page again;
    px_data_page__encode(&page, &buffer);
    px_buffer_append_slice(&buffer, page.body);
    assert_int_equal(px_data_page__parse(px_buffer_slice(&buffer), PX_PARQUET_ZSTD, &again, NULL),
                     PROXIMADB_OK);
    assert_int_equal(again.value_count, 33);
    assert_int_equal(again.uncompressed_bytes, 5000);
    assert_true(again.has_crc);
    assert_int_equal(again.crc, 0xdeadbeef);
    assert_true(px_slice_equal(again.body, page.body));
    px_buffer_release(&buffer);
}

static void test_data_page__aligns_what_follows(void **state)
{
    (void)state;
    for (uint64_t offset = 4; offset < 4 + 2 * PX_PAGE_ALIGNMENT; offset++)
        for (size_t levels = 0; levels < 3; levels++) {
            struct px_buffer buffer = {0};
            struct px_data_page page = {.value_count = 1, .body = {.size_bytes = levels}};
            struct px_data_page again;
            page.uncompressed_bytes = (uint32_t)levels;
            px_data_page__encode_aligned(&page, offset, levels, &buffer);
            assert_int_equal((offset + buffer.size_bytes + levels) % PX_PAGE_ALIGNMENT, 0);
            assert_true(buffer.size_bytes < 128);
            px_buffer_append_zeros(&buffer, levels);
            assert_int_equal(px_data_page__parse(px_buffer_slice(&buffer), PX_PARQUET_UNCOMPRESSED,
                                                 &again, NULL),
                             PROXIMADB_OK);
            assert_int_equal(again.body.size_bytes, levels);
            px_buffer_release(&buffer);
        }
}

/* A header with chosen values, followed by body_bytes zeros. */
struct header {
    int32_t type, uncompressed, compressed, encoding, definition_encoding, repetition_encoding;
    bool lacks_data_header;
    size_t body_bytes;
};

static const struct header good = {0, 10, 10, 0, 3, 3, false, 10};

static int parse(struct header header, enum px_parquet_codec codec, struct proximadb_error *error)
{
    struct px_buffer buffer = {0};
    struct px_data_page page;
    struct px_thrift_writer writer = px_thrift_writer_of(&buffer);
    px_thrift_put_i32(&writer, 1, header.type);
    px_thrift_put_i32(&writer, 2, header.uncompressed);
    px_thrift_put_i32(&writer, 3, header.compressed);
    if (!header.lacks_data_header) {
        px_thrift_begin_struct(&writer, 5);
        px_thrift_put_i32(&writer, 1, 1);
        px_thrift_put_i32(&writer, 2, header.encoding);
        px_thrift_put_i32(&writer, 3, header.definition_encoding);
        px_thrift_put_i32(&writer, 4, header.repetition_encoding);
        px_thrift_end_struct(&writer);
    }
    px_thrift_end_struct(&writer);
    px_buffer_append_zeros(&buffer, header.body_bytes);
    int rc = px_data_page__parse(px_buffer_slice(&buffer), codec, &page, error);
    px_buffer_release(&buffer);
    return rc;
}

static void check_refused(struct header header, int status, const char *part)
{
    struct proximadb_error error;
    assert_int_equal(parse(header, PX_PARQUET_UNCOMPRESSED, &error), status);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_data_page__names_what_it_does_not_read(void **state)
{
    (void)state;
    struct header header = good;
    assert_int_equal(parse(good, PX_PARQUET_UNCOMPRESSED, NULL), PROXIMADB_OK);
    header.type = 3;
    check_refused(header, PROXIMADB_UNIMPLEMENTED, "a version 2 data page");
    header.type = 2;
    check_refused(header, PROXIMADB_UNIMPLEMENTED, "a dictionary page");
    header.type = 9;
    check_refused(header, PROXIMADB_UNIMPLEMENTED, "an unknown kind of page");
    header = good;
    header.encoding = 8;
    check_refused(header, PROXIMADB_UNIMPLEMENTED, "RLE_DICTIONARY");
    header.encoding = 1000;
    check_refused(header, PROXIMADB_UNIMPLEMENTED, "unknown");
    header = good;
    header.definition_encoding = 4;
    check_refused(header, PROXIMADB_UNIMPLEMENTED, "BIT_PACKED");
    header = good;
    header.repetition_encoding = 4;
    check_refused(header, PROXIMADB_UNIMPLEMENTED, "BIT_PACKED");
}

static void test_data_page__refuses_impossible_headers(void **state)
{
    (void)state;
    struct header header = good;
    header.lacks_data_header = true;
    check_refused(header, PROXIMADB_CORRUPT, "required field");
    header = good;
    header.body_bytes = 9;
    check_refused(header, PROXIMADB_CORRUPT, "says 10 bytes where the offset index leaves 9");
    header.body_bytes = 11;
    check_refused(header, PROXIMADB_CORRUPT, "leaves 11");
    header = good;
    header.uncompressed = 11;
    check_refused(header, PROXIMADB_CORRUPT, "two sizes");
    assert_int_equal(parse(header, PX_PARQUET_ZSTD, NULL), PROXIMADB_OK);
    header.uncompressed = PX_PARQUET_MOST_PAGE_BYTES + 1;
    assert_int_equal(parse(header, PX_PARQUET_ZSTD, NULL), PROXIMADB_UNIMPLEMENTED);
    header.uncompressed = -1;
    check_refused(header, PROXIMADB_CORRUPT, "out of range");
}

static void test_data_page__finds_every_truncation_of_a_header(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct px_data_page page = {.value_count = 1}, again;
    px_data_page__encode_aligned(&page, 4, 0, &buffer);
    for (size_t size = 0; size < buffer.size_bytes; size++)
        assert_int_equal(px_data_page__parse(px_slice_of(buffer.data, size),
                                             PX_PARQUET_UNCOMPRESSED, &again, NULL),
                         PROXIMADB_CORRUPT);
    px_buffer_release(&buffer);
}

static void test_data_page__splits_a_body(void **state)
{
    (void)state;
    static const struct px_parquet_column strings = {
        .name = "s", .shape = PX_PARQUET_STRINGS, .type = PX_PARQUET_BYTE_ARRAY};
    static const struct px_parquet_column required = {.name = "r", .type = PX_PARQUET_INT32};
    static const struct px_parquet_column optional = {
        .name = "o", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT32};
    struct px_buffer body = {0};
    struct px_page_parts parts;
    px_data_page__put_levels((const uint8_t *)"\0\1\0", 3, 1, &body);
    size_t first = body.size_bytes;
    px_data_page__put_levels((const uint8_t *)"\2\2\0", 3, 2, &body);
    px_buffer_append(&body, "values", 6);
    struct px_slice all = px_buffer_slice(&body);
    assert_int_equal(px_data_page__split(&strings, all, &parts, NULL), PROXIMADB_OK);
    assert_int_equal(parts.repetition.size_bytes, first - 4);
    assert_int_equal(parts.definition.data - all.data, first + 4);
    assert_true(px_slice_equal(parts.values, px_slice_of("values", 6)));
    assert_int_equal(px_data_page__split(&required, all, &parts, NULL), PROXIMADB_OK);
    assert_true(px_slice_equal(parts.values, all));
    assert_int_equal(px_data_page__split(&optional, all, &parts, NULL), PROXIMADB_OK);
    assert_int_equal(parts.values.data - all.data, first);
    for (all.size_bytes = 0; all.size_bytes < body.size_bytes - 6; all.size_bytes++)
        assert_int_equal(px_data_page__split(&strings, all, &parts, NULL), PROXIMADB_CORRUPT);
    px_store_u32(body.data, UINT32_MAX);
    all = px_buffer_slice(&body);
    assert_int_equal(px_data_page__split(&strings, all, &parts, NULL), PROXIMADB_CORRUPT);
    px_buffer_release(&body);
}

static void test_data_page__knows_dictionary_pages(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct px_data_page again;
    struct proximadb_error error;
    struct px_data_page page = {.value_count = 3,
                                .uncompressed_bytes = 12,
                                .crc = 0xfedcba98,
                                .body = px_slice_of("abcdefghijkl", 12)};
    px_data_page__encode_dictionary(&page, &buffer);
    px_buffer_append_slice(&buffer, page.body);
    struct px_slice bytes = px_buffer_slice(&buffer);
    assert_int_equal(px_data_page__parse_dictionary(bytes, PX_PARQUET_UNCOMPRESSED, &again, &error),
                     PROXIMADB_OK);
    assert_int_equal(again.value_count, 3);
    assert_int_equal(again.encoding, PX_PARQUET_PLAIN);
    assert_true(again.has_crc && again.crc == page.crc);
    assert_memory_equal(again.body.data, "abcdefghijkl", 12);
    assert_int_equal(px_data_page__verify(&again, true, &error), PROXIMADB_CORRUPT);
    assert_int_equal(px_data_page__parse(bytes, PX_PARQUET_UNCOMPRESSED, &again, &error),
                     PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(error.message, "it is a dictionary page"));
    px_buffer_clear(&buffer);
    page.encoding = PX_PARQUET_RLE_DICTIONARY;
    px_data_page__encode(&page, &buffer);
    px_buffer_append_slice(&buffer, page.body);
    bytes = px_buffer_slice(&buffer);
    assert_int_equal(px_data_page__parse_dictionary(bytes, PX_PARQUET_UNCOMPRESSED, &again, &error),
                     PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(error.message, "it is a data page; ProximaDB reads a dictionary page"));
    assert_int_equal(px_data_page__parse_encoded(bytes, PX_PARQUET_UNCOMPRESSED,
                                                 PX_PARQUET_RLE_DICTIONARY, &again, &error),
                     PROXIMADB_OK);
    assert_int_equal(again.encoding, PX_PARQUET_RLE_DICTIONARY);
    assert_int_equal(px_data_page__parse_encoded(bytes, PX_PARQUET_UNCOMPRESSED,
                                                 PX_PARQUET_BYTE_STREAM_SPLIT, &again, &error),
                     PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(error.message, "encoded as RLE_DICTIONARY"));
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_page__reads_what_it_writes),
        cmocka_unit_test(test_data_page__aligns_what_follows),
        cmocka_unit_test(test_data_page__names_what_it_does_not_read),
        cmocka_unit_test(test_data_page__refuses_impossible_headers),
        cmocka_unit_test(test_data_page__finds_every_truncation_of_a_header),
        cmocka_unit_test(test_data_page__splits_a_body),
        cmocka_unit_test(test_data_page__knows_dictionary_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
