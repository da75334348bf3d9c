/*
 * Goal: vectors go to the file page by page, each page's values aligned, whether they come one by
 * one or many at once, and at every dimension. Method: the same rows in random portions; pages
 * found by their records and taken apart.
 */
#include "parquet/vector_chunk_internal.h"

#include "codec/crc32.h"
#include "parquet/data_page_internal.h"
#include "parquet/rle_internal.h"
#include "support/parquet_test.h"

static void check_levels(const struct px_page_parts *parts, size_t row_count, size_t dim_count)
{
    size_t count = row_count * dim_count;
    uint8_t *levels = malloc(count);
    assert_true(px_rle__decode(parts->repetition, 1, levels, count));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(levels[i], i % dim_count != 0);
    assert_true(px_rle__decode(parts->definition, 1, levels, count));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(levels[i], 1);
    free(levels);
}

static void check_page(const struct px_parquet_column *column, const uint8_t *file,
                       uint64_t chunk_offset, const struct px_page_record *record,
                       const uint8_t *rows)
{
    struct px_data_page page;
    struct px_page_parts parts;
    struct px_slice bytes = px_slice_of(file + chunk_offset + record->offset, record->size_bytes);
    size_t row_bytes = 4 * (size_t)column->dim_count;
    assert_int_equal(px_data_page__parse(bytes, PX_PARQUET_UNCOMPRESSED, &page, NULL),
                     PROXIMADB_OK);
    assert_int_equal(page.crc, px_crc32(0, page.body.data, page.body.size_bytes));
    assert_int_equal(page.value_count, record->row_count * column->dim_count);
    assert_int_equal(px_data_page__split(column, page.body, &parts, NULL), PROXIMADB_OK);
    assert_int_equal((parts.values.data - file) % PX_PAGE_ALIGNMENT, 0);
    assert_int_equal(parts.values.size_bytes, record->row_count * row_bytes);
    assert_memory_equal(parts.values.data, rows + record->first_row * row_bytes,
                        parts.values.size_bytes);
    check_levels(&parts, record->row_count, column->dim_count);
}

static void check_chunk(struct px_test_random *random, uint32_t dim_count, size_t row_count,
                        size_t most_portion)
{
    struct px_parquet_column column = {.name = "v",
                                       .shape = PX_PARQUET_VECTOR,
                                       .type = PX_PARQUET_FLOAT,
                                       .dim_count = dim_count,
                                       .page_row_limit = 30};
    struct px_vector_chunk chunk;
    struct px_slice magic = px_slice_of("PAR1", 4);
    size_t row_bytes = 4 * (size_t)dim_count;
    uint8_t *rows = malloc(row_count * row_bytes + 1);
    struct px_output output = {.fs = &px_fs_posix, .fd = parquet_test_create("vector_chunk")};
    for (size_t i = 0; i < row_count * row_bytes; i++)
        rows[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(px_output__write(&output, &magic, 1, NULL), PROXIMADB_OK);
    assert_int_equal(px_vector_chunk__init(&chunk, &column, &output, NULL), PROXIMADB_OK);
    for (size_t at = 0; at < row_count;) {
        size_t portion = 1 + px_test_below(random, most_portion);
        if (portion > row_count - at)
            portion = row_count - at;
        assert_int_equal(px_vector_chunk__append(&chunk, rows + at * row_bytes, portion, NULL),
                         PROXIMADB_OK);
        at += portion;
    }
    assert_int_equal(px_vector_chunk__finish(&chunk, NULL), PROXIMADB_OK);
    assert_int_equal(chunk.row_count, row_count);
    size_t count = chunk.records.size_bytes / sizeof(struct px_page_record);
    size_t page_rows =
        row_bytes > PX_PARQUET_PAGE_BYTES / 30 ? PX_PARQUET_PAGE_BYTES / row_bytes : 30;
    assert_int_equal(count, (row_count + page_rows - 1) / page_rows);
    struct px_parquet_written written = {.size_bytes = output.size_bytes};
    struct parquet_test_file file = parquet_test_load(output.fd, &written);
    const struct px_page_record *records = (const void *)chunk.records.data;
    for (size_t i = 0; i < count; i++)
        check_page(&column, file.bytes, chunk.offset, &records[i], rows);
    parquet_test_release(&file);
    px_vector_chunk__release(&chunk);
    free(rows);
}

static void test_vector_chunk__writes_pages(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("vector_chunk");
    static const uint32_t dims[] = {1, 2, 3, 7, 8, 9, 16, 31, 33, 100, 384};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
        for (size_t portion = 1; portion < 200; portion *= 4)
            check_chunk(&random, dims[i], 1 + px_test_below(&random, 200), portion);
}

static void test_vector_chunk__writes_the_largest_vectors(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("vector_chunk");
    check_chunk(&random, PX_PARQUET_MOST_DIMS, 9, 6); /* 4 rows a page */
}

static void test_vector_chunk__has_pages_of_a_row_at_least(void **state)
{
    (void)state;
    struct px_parquet_column column = {.name = "v",
                                       .shape = PX_PARQUET_VECTOR,
                                       .type = PX_PARQUET_FLOAT,
                                       .dim_count = 100,
                                       .page_byte_limit = 10};
    struct px_vector_chunk chunk;
    struct px_output output = {.fs = &px_fs_posix};
    assert_int_equal(px_vector_chunk__init(&chunk, &column, &output, NULL), PROXIMADB_OK);
    assert_int_equal(chunk.page_row_limit, 1);
    px_vector_chunk__release(&chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_chunk__writes_pages),
        cmocka_unit_test(test_vector_chunk__writes_the_largest_vectors),
        cmocka_unit_test(test_vector_chunk__has_pages_of_a_row_at_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
