/*
 * Goal: pages end where their limits say, begin with a row, and their records tell where they are
 * and what they hold.
 * Method: rows of known sizes; the records and the headers of the pages that come of them.
 */
#include "parquet/chunk_internal.h"

#include "base/bits.h"
#include "codec/crc32.h"
#include "parquet/data_page_internal.h"
#include "support/px_test.h"

static struct px_parquet_column column_of(enum px_parquet_shape shape, enum px_parquet_type type)
{
    return (struct px_parquet_column){
        .name = "c", .shape = shape, .type = type, .page_row_limit = 10, .page_byte_limit = 100};
}

static const struct px_page_record *record_at(const struct px_chunk *chunk, size_t index,
                                              size_t expected_count)
{
    size_t count;
    const struct px_page_record *records = px_chunk__records(&chunk->records, &count);
    assert_int_equal(count, expected_count);
    return &records[index];
}

/* Parses the page of a record and checks its checksum. */
static struct px_data_page page_of(const struct px_chunk *chunk,
                                   const struct px_page_record *record)
{
    struct px_data_page page;
    enum px_parquet_codec codec =
        chunk->compressor != NULL ? PX_PARQUET_ZSTD : PX_PARQUET_UNCOMPRESSED;
    struct px_slice bytes = px_slice_of(chunk->pages.data + record->offset, record->size_bytes);
    assert_int_equal(px_data_page__parse(bytes, codec, &page, NULL), PROXIMADB_OK);
    assert_int_equal(page.crc, px_crc32(0, page.body.data, page.body.size_bytes));
    return page;
}

static void test_chunk__ends_pages_by_rows(void **state)
{
    (void)state;
    struct px_parquet_column column = column_of(PX_PARQUET_OPTIONAL, PX_PARQUET_INT32);
    struct px_chunk chunk;
    column.has_statistics = true;
    px_chunk__init(&chunk, &column, NULL);
    for (int32_t i = 0; i < 25; i++)
        if (i % 5 == 0)
            assert_int_equal(px_chunk__append_null(&chunk, NULL), PROXIMADB_OK);
        else
            assert_int_equal(px_chunk__append_fixed(&chunk, &i, NULL), PROXIMADB_OK);
    assert_int_equal(px_chunk__finish(&chunk, NULL), PROXIMADB_OK);
    assert_int_equal(chunk.row_count, 25);
    assert_int_equal(chunk.null_count, 5);
    const struct px_page_record *record = record_at(&chunk, 2, 3);
    assert_int_equal(record->first_row, 20);
    assert_int_equal(record->row_count, 5);
    assert_int_equal(record->null_count, 1);
    assert_int_equal(px_load_u32(record->bounds.min.bytes), 21);
    assert_int_equal(px_load_u32(chunk.bounds.min.bytes), 1);
    assert_int_equal(px_load_u32(chunk.bounds.max.bytes), 24);
    assert_int_equal(page_of(&chunk, record).value_count, 5);
    assert_int_equal(chunk.uncompressed_bytes, chunk.pages.size_bytes);
    px_chunk__release(&chunk);
}

static void test_chunk__ends_pages_by_bytes(void **state)
{
    (void)state;
    struct px_parquet_column column = column_of(PX_PARQUET_REQUIRED, PX_PARQUET_BYTE_ARRAY);
    char text[300] = {0};
    struct px_chunk chunk;
    px_chunk__init(&chunk, &column, NULL);
    /* 4 + 46 twice are the limit of 100; the third begins a page; 300 have one for themselves. */
    static const size_t sizes[] = {46, 46, 46, 300, 1};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(px_chunk__append_bytes(&chunk, px_slice_of(text, sizes[i]), NULL),
                         PROXIMADB_OK);
    assert_int_equal(px_chunk__finish(&chunk, NULL), PROXIMADB_OK);
    static const uint32_t rows[] = {2, 1, 1, 1};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(record_at(&chunk, i, 4)->row_count, rows[i]);
    assert_int_equal(page_of(&chunk, record_at(&chunk, 2, 4)).body.size_bytes, 304);
    px_chunk__release(&chunk);
}

static void test_chunk__begins_pages_with_a_row(void **state)
{
    (void)state;
    struct px_parquet_column column = column_of(PX_PARQUET_STRINGS, PX_PARQUET_BYTE_ARRAY);
    struct px_slice items[12];
    struct px_chunk chunk;
    for (size_t i = 0; i < 12; i++)
        items[i] = px_slice_of("0123456789", 10); /* 14 bytes each */
    px_chunk__init(&chunk, &column, NULL);
    assert_int_equal(px_chunk__append_list(&chunk, items, 5, NULL), PROXIMADB_OK);
    assert_int_equal(px_chunk__append_list(&chunk, items, 0, NULL), PROXIMADB_OK);
    assert_int_equal(px_chunk__append_null(&chunk, NULL), PROXIMADB_OK);
    assert_int_equal(px_chunk__append_list(&chunk, items, 12, NULL), PROXIMADB_OK);
    assert_int_equal(px_chunk__finish(&chunk, NULL), PROXIMADB_OK);
    assert_int_equal(record_at(&chunk, 0, 2)->row_count, 3);
    assert_int_equal(page_of(&chunk, record_at(&chunk, 0, 2)).value_count, 7);
    assert_int_equal(record_at(&chunk, 1, 2)->row_count, 1);
    assert_int_equal(page_of(&chunk, record_at(&chunk, 1, 2)).value_count, 12);
    assert_int_equal(chunk.value_count, 19);
    assert_int_equal(chunk.null_count, 2);
    px_chunk__release(&chunk);
}

static void test_chunk__packs_booleans(void **state)
{
    (void)state;
    struct px_parquet_column column = column_of(PX_PARQUET_REQUIRED, PX_PARQUET_BOOLEAN);
    struct px_chunk chunk;
    px_chunk__init(&chunk, &column, NULL);
    for (size_t i = 0; i < 10; i++) {
        uint8_t value = i == 0 || i == 3 || i == 9;
        assert_int_equal(px_chunk__append_fixed(&chunk, &value, NULL), PROXIMADB_OK);
    }
    assert_int_equal(px_chunk__finish(&chunk, NULL), PROXIMADB_OK);
    struct px_data_page page = page_of(&chunk, record_at(&chunk, 0, 1));
    assert_true(px_slice_equal(page.body, px_slice_of("\x09\x02", 2)));
    px_chunk__release(&chunk);
}

static void test_chunk__compresses_pages(void **state)
{
    (void)state;
    struct px_parquet_column column = column_of(PX_PARQUET_REQUIRED, PX_PARQUET_BYTE_ARRAY);
    struct px_zstd_compressor *compressor = px_zstd_compressor_new();
    static const char zeros[5000];
    struct px_chunk chunk;
    column.zstd_level = 3;
    px_chunk__init(&chunk, &column, compressor);
    assert_int_equal(px_chunk__append_bytes(&chunk, px_slice_of(zeros, sizeof zeros), NULL),
                     PROXIMADB_OK);
    assert_int_equal(px_chunk__finish(&chunk, NULL), PROXIMADB_OK);
    struct px_data_page page = page_of(&chunk, record_at(&chunk, 0, 1));
    assert_int_equal(page.uncompressed_bytes, 5004);
    assert_true(page.body.size_bytes < 100);
    assert_true(chunk.uncompressed_bytes > 5004 && chunk.pages.size_bytes < 200);
    px_chunk__release(&chunk);
    px_zstd_compressor_free(compressor);
}

static void test_chunk__knows_when_bounds_are_missing(void **state)
{
    (void)state;
    struct px_parquet_column column = column_of(PX_PARQUET_REQUIRED, PX_PARQUET_DOUBLE);
    struct px_chunk chunk;
    double value = 1.0, nan = (double)NAN;
    column.page_row_limit = 1;
    column.has_statistics = true;
    px_chunk__init(&chunk, &column, NULL);
    assert_int_equal(px_chunk__append_fixed(&chunk, &value, NULL), PROXIMADB_OK);
    assert_int_equal(px_chunk__append_fixed(&chunk, &nan, NULL), PROXIMADB_OK);
    assert_true(chunk.has_all_bounds);
    assert_int_equal(px_chunk__finish(&chunk, NULL), PROXIMADB_OK);
    assert_false(chunk.has_all_bounds);
    px_chunk__clear(&chunk);
    assert_true(chunk.has_all_bounds && !chunk.bounds.is_set);
    assert_int_equal(chunk.row_count, 0);
    px_chunk__release(&chunk);
}

static void test_chunk__refuses_a_value_that_no_page_can_hold(void **state)
{
    (void)state;
    struct px_parquet_column column = column_of(PX_PARQUET_REQUIRED, PX_PARQUET_BYTE_ARRAY);
    struct proximadb_error error;
    struct px_chunk chunk;
    uint8_t byte = 0;
    px_chunk__init(&chunk, &column, NULL);
    /* Refused by its size, before anything of it is read. */
    struct px_slice huge = px_slice_of(&byte, PX_PARQUET_MOST_PAGE_BYTES);
    assert_int_equal(px_chunk__append_bytes(&chunk, huge, &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "column 'c'"));
    px_chunk__release(&chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk__ends_pages_by_rows),
        cmocka_unit_test(test_chunk__ends_pages_by_bytes),
        cmocka_unit_test(test_chunk__begins_pages_with_a_row),
        cmocka_unit_test(test_chunk__packs_booleans),
        cmocka_unit_test(test_chunk__compresses_pages),
        cmocka_unit_test(test_chunk__knows_when_bounds_are_missing),
        cmocka_unit_test(test_chunk__refuses_a_value_that_no_page_can_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
