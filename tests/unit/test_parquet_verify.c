/*
 * Goal: a sound file passes, and damage is found also where no checksum covers it: in bloom
 * filters, bounds and null counts. Method: files of sample rows; bits cleared in the filters;
 * footers encoded anew with wrong numbers and a right checksum.
 */
#include "parquet/parquet_verify.h"

#include "parquet/footer_internal.h"
#include "support/parquet_test.h"

static const struct px_parquet_column columns[] = {
    {.name = "n",
     .shape = PX_PARQUET_OPTIONAL,
     .type = PX_PARQUET_INT32,
     .page_row_limit = 20,
     .has_statistics = true,
     .has_bloom_filter = true},
    {.name = "v", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT, .dim_count = 2},
};

enum { COLUMN_COUNT = 2, ROW_COUNT = 50, SEED = 9 };

static struct parquet_test_file file;

static int write_file(void **state)
{
    (void)state;
    file = parquet_test_write("parquet_verify", columns, COLUMN_COUNT, SEED, ROW_COUNT, 0);
    return 0;
}

static int release_file(void **state)
{
    (void)state;
    parquet_test_release(&file);
    return 0;
}

static int verify(struct px_slice bytes, struct px_parquet_verified *verified,
                  struct proximadb_error *error)
{
    struct px_parquet_reader *reader = NULL;
    parquet_test_check(px_parquet_reader_open(bytes, &reader, error), error);
    int rc = px_parquet_verify(reader, verified, error);
    px_parquet_reader_close(reader);
    return rc;
}

static void test_parquet_verify__passes_a_sound_file(void **state)
{
    (void)state;
    struct px_parquet_verified verified;
    struct proximadb_error error;
    parquet_test_check(verify(parquet_test_slice(&file), &verified, &error), &error);
    assert_int_equal(verified.page_count, 3 + 1);
    assert_true(verified.page_bytes > 8 * ROW_COUNT && verified.page_bytes < file.size_bytes);
}

static void test_parquet_verify__looks_at_pages_again(void **state)
{
    (void)state;
    uint8_t *copy = parquet_test_copy(file.bytes, file.size_bytes);
    struct px_parquet_reader *reader = NULL;
    struct px_parquet_verified verified;
    struct proximadb_error error;
    parquet_test_check(px_parquet_reader_open(px_slice_of(copy, file.size_bytes), &reader, &error),
                       &error);
    parquet_test_check(px_parquet_verify(reader, &verified, &error), &error);
    struct px_parquet_page page = px_parquet_reader_layout(reader)->page_lists[1].pages[0];
    copy[page.offset + page.size_bytes - 1] ^= 1;
    assert_int_equal(px_parquet_verify(reader, &verified, &error), PROXIMADB_CORRUPT);
    px_parquet_reader_close(reader);
    free(copy);
}

static void test_parquet_verify__finds_a_value_missing_in_the_bloom_filter(void **state)
{
    (void)state;
    uint8_t *copy = parquet_test_copy(file.bytes, file.size_bytes);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_parquet_range filter =
        px_parquet_reader_layout(reader)->row_groups[0].chunks[0].bloom_filter;
    struct px_parquet_verified verified;
    struct proximadb_error error;
    px_parquet_reader_close(reader);
    memset(copy + filter.offset + filter.size_bytes - 32, 0, 32);
    assert_int_equal(verify(px_slice_of(copy, file.size_bytes), &verified, &error),
                     PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "column 'n', page"));
    assert_non_null(strstr(error.message, "the bloom filter lacks a value"));
    free(copy);
}

/* Encodes the footer of the file anew with changed statistics of column n, and verifies. */
static int verify_with(const struct px_parquet_statistics *statistics,
                       struct proximadb_error *error)
{
    struct px_arena arena = {0};
    struct px_parquet_layout layout;
    struct px_parquet_verified verified;
    struct px_buffer tail = {0}, bytes = {0};
    parquet_test_check(px_footer__parse(parquet_test_slice(&file), &arena, &layout, error), error);
    struct px_parquet_chunk *chunk = &layout.row_groups[0].chunks[0];
    size_t tail_offset = (size_t)chunk->column_index.offset;
    size_t index_bytes =
        (size_t)(layout.row_groups[0].chunks[1].offset_index.offset +
                 layout.row_groups[0].chunks[1].offset_index.size_bytes - tail_offset);
    chunk->statistics = *statistics;
    layout.row_groups[0].chunks[0].page_count = 3;
    px_buffer_append(&tail, file.bytes + tail_offset, index_bytes);
    px_footer__encode(&layout, tail_offset, &tail);
    px_buffer_append(&bytes, file.bytes, tail_offset);
    px_buffer_append_slice(&bytes, px_buffer_slice(&tail));
    int rc = verify(px_buffer_slice(&bytes), &verified, error);
    px_buffer_release(&bytes);
    px_buffer_release(&tail);
    px_arena_release(&arena);
    return rc;
}

static void test_parquet_verify__finds_wrong_statistics(void **state)
{
    (void)state;
    struct px_parquet_reader *reader = parquet_test_open(&file);
    const struct px_parquet_statistics right =
        px_parquet_reader_layout(reader)->row_groups[0].chunks[0].statistics;
    struct px_parquet_statistics wrong = right;
    struct proximadb_error error;
    parquet_test_check(verify_with(&right, &error), &error);
    wrong.null_count++;
    assert_int_equal(verify_with(&wrong, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "column 'n': the footer says"));
    wrong = right;
    wrong.max = wrong.min;
    assert_int_equal(verify_with(&wrong, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "outside of the bounds"));
    wrong = right;
    wrong.min = wrong.max;
    assert_int_equal(verify_with(&wrong, &error), PROXIMADB_CORRUPT);
    px_parquet_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_verify__passes_a_sound_file),
        cmocka_unit_test(test_parquet_verify__looks_at_pages_again),
        cmocka_unit_test(test_parquet_verify__finds_a_value_missing_in_the_bloom_filter),
        cmocka_unit_test(test_parquet_verify__finds_wrong_statistics),
    };
    return cmocka_run_group_tests(tests, write_file, release_file);
}
