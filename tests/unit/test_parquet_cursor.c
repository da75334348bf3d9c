/*
 * Goal: a cursor gives every row's value in any order, keeps the page it has, and refuses pages
 * whose levels or values do not fit together, even where every checksum is right. Method: files of
 * sample rows read at random; single pages built by hand, with one thing wrong each.
 */
#include "parquet/parquet_cursor.h"

#include "support/parquet_page.h"

static void test_parquet_cursor__reads_rows_in_any_order(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_cursor");
    for (int round = 0; round < 20; round++) {
        char names[PARQUET_TEST_MOST_COLUMNS][8];
        struct px_parquet_column columns[PARQUET_TEST_MOST_COLUMNS];
        size_t count = parquet_test_random_columns(&random, 0, names, columns);
        uint64_t seed = px_test_next(&random);
        struct parquet_test_file file =
            parquet_test_write("parquet_cursor", columns, count, seed, 500, 180);
        struct px_parquet_reader *reader = parquet_test_open(&file);
        struct px_buffer scratch = {0};
        for (size_t i = 0; i < count; i++) {
            struct px_parquet_cursor cursor;
            px_parquet_cursor_init(&cursor, reader, i);
            for (int j = 0; j < 100; j++) {
                struct parquet_sample expected, actual = {0};
                uint64_t row = px_test_below(&random, 500);
                parquet_sample_get(seed, row, i, &columns[i], &scratch, &expected);
                assert_int_equal(parquet_sample_read(&cursor, row, &columns[i], &actual, NULL),
                                 PROXIMADB_OK);
                assert_true(parquet_sample_equal(&columns[i], &expected, &actual));
            }
            px_parquet_cursor_release(&cursor);
        }
        px_buffer_release(&scratch);
        px_parquet_reader_close(reader);
        parquet_test_release(&file);
    }
}

/* Two cursors for each column that read the same rows, each finding what the other one left. */
static void test_parquet_cursor__shares_pages(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_cursor_shared");
    for (int round = 0; round < 20; round++) {
        char names[PARQUET_TEST_MOST_COLUMNS][8];
        struct px_parquet_column columns[PARQUET_TEST_MOST_COLUMNS];
        size_t count = parquet_test_random_columns(&random, 0, names, columns);
        uint64_t seed = px_test_next(&random);
        struct parquet_test_file file =
            parquet_test_write("parquet_cursor_shared", columns, count, seed, 500, 180);
        struct px_parquet_reader *reader = parquet_test_open(&file);
        struct px_buffer scratch = {0};
        for (size_t i = 0; i < count; i++) {
            struct px_parquet_cursor cursors[2];
            for (int j = 0; j < 2; j++) {
                px_parquet_cursor_init(&cursors[j], reader, i);
                px_parquet_cursor_share_pages(&cursors[j]);
            }
            for (int j = 0; j < 200; j++) {
                struct parquet_sample expected, actual = {0};
                uint64_t row = px_test_below(&random, 500);
                parquet_sample_get(seed, row, i, &columns[i], &scratch, &expected);
                assert_int_equal(
                    parquet_sample_read(&cursors[j % 2], row, &columns[i], &actual, NULL),
                    PROXIMADB_OK);
                assert_true(parquet_sample_equal(&columns[i], &expected, &actual));
            }
            assert_true(px_parquet_shared_bytes() > 0);
            for (int j = 0; j < 2; j++)
                px_parquet_cursor_release(&cursors[j]);
        }
        px_buffer_release(&scratch);
        px_parquet_reader_close(reader);
        assert_int_equal(px_parquet_shared_bytes(), 0);
        parquet_test_release(&file);
    }
}

/* ---- one value ----------------------------------------------------------------------------- */

static void test_parquet_cursor__looks_up_what_it_reads(void **state)
{
    (void)state;
    static const struct px_parquet_column columns[] = {
        {.name = "i", .type = PX_PARQUET_INT64, .page_row_limit = 100},
        {.name = "s", .type = PX_PARQUET_BYTE_ARRAY, .page_row_limit = 70},
        {.name = "o", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT64},
        {.name = "z", .type = PX_PARQUET_BYTE_ARRAY, .zstd_level = 1},
    };
    enum { ROWS = 1000, SEED = 5 };
    struct parquet_test_file file =
        parquet_test_write("parquet_lookup", columns, 4, SEED, ROWS, 300);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_test_random random = px_test_random_new("parquet_lookup");
    struct px_parquet_cursor cursors[2];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(px_parquet_can_look_up(reader, i), i < 2);
    for (size_t i = 0; i < 2; i++)
        px_parquet_cursor_init(&cursors[i], reader, i);
    for (int i = 0; i < 500; i++) {
        uint64_t row = px_test_below(&random, ROWS);
        int64_t number, same_number;
        struct px_slice bytes, same_bytes;
        assert_int_equal(px_parquet_lookup_i64(reader, 0, row, &number, NULL), PROXIMADB_OK);
        assert_int_equal(px_parquet_lookup_bytes(reader, 1, row, &bytes, NULL), PROXIMADB_OK);
        assert_int_equal(px_parquet_cursor_get_i64(&cursors[0], row, NULL, &same_number, NULL), 0);
        assert_int_equal(px_parquet_cursor_get_bytes(&cursors[1], row, NULL, &same_bytes, NULL), 0);
        assert_true(number == same_number && px_slice_equal(bytes, same_bytes));
    }
    for (size_t i = 0; i < 2; i++)
        px_parquet_cursor_release(&cursors[i]);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

/* Looks up the last row of a page that holds `values`, with a checksum that is right or not. */
static int look_up_last(const struct px_parquet_column *column, uint64_t row_count,
                        struct px_slice values, bool is_damaged, struct proximadb_error *error)
{
    struct parquet_test_file file =
        parquet_test_build_page(column, row_count, (uint32_t)row_count, values);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_slice bytes;
    int64_t number;
    if (is_damaged) {
        const struct px_parquet_page *page = px_parquet_reader_layout(reader)->page_lists[0].pages;
        file.bytes[page->offset + page->size_bytes - 1] ^= 1;
    }
    int rc = column->type == PX_PARQUET_INT64
                 ? px_parquet_lookup_i64(reader, 0, row_count - 1, &number, error)
                 : px_parquet_lookup_bytes(reader, 0, row_count - 1, &bytes, error);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
    return rc;
}

static void test_parquet_cursor__looks_up_nothing_in_damaged_pages(void **state)
{
    (void)state;
    static const struct px_parquet_column number = {.name = "i", .type = PX_PARQUET_INT64},
                                          text = {.name = "s", .type = PX_PARQUET_BYTE_ARRAY};
    const struct px_slice numbers = px_slice_of("12345678abcdefgh", 16),
                          texts = px_slice_of("\1\0\0\0a\2\0\0\0bb", 11);
    struct proximadb_error error;
    parquet_test_check(look_up_last(&number, 2, numbers, false, &error), &error);
    parquet_test_check(look_up_last(&text, 2, texts, false, &error), &error);
    assert_int_equal(look_up_last(&number, 3, numbers, false, &error), PROXIMADB_CORRUPT);
    assert_int_equal(look_up_last(&text, 3, texts, false, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "column 's', page 0"));
    assert_int_equal(look_up_last(&text, 2, px_slice_of(texts.data, 10), false, &error),
                     PROXIMADB_CORRUPT);
    assert_int_equal(look_up_last(&number, 2, numbers, true, &error), PROXIMADB_CORRUPT);
    assert_int_equal(look_up_last(&text, 2, texts, true, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "checksum"));
}

static void test_parquet_cursor__gets_values_by_type(void **state)
{
    (void)state;
    static const struct px_parquet_column columns[] = {
        {.name = "b", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_BOOLEAN},
        {.name = "i", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT32},
        {.name = "l", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT64},
        {.name = "f", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_FLOAT},
        {.name = "d", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_DOUBLE},
        {.name = "s", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_BYTE_ARRAY},
    };
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    int fd = parquet_test_create("parquet_cursor_types");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, columns, 6, &writer, &error),
                       &error);
    px_parquet_append_bool(writer, 0, true);
    px_parquet_append_i32(writer, 1, -7);
    px_parquet_append_i64(writer, 2, INT64_MIN);
    px_parquet_append_float(writer, 3, 0.5f);
    px_parquet_append_double(writer, 4, -0.25);
    px_parquet_append_bytes(writer, 5, px_slice_of("xyz", 3));
    for (size_t i = 0; i < 6; i++)
        px_parquet_append_null(writer, i);
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    for (uint64_t row = 0; row < 2; row++) {
        struct px_parquet_cursor cursors[6];
        bool present[6], b = false;
        int32_t i = 0;
        int64_t l = 0;
        float f = 0;
        double d = 0;
        struct px_slice s = {0};
        for (size_t c = 0; c < 6; c++)
            px_parquet_cursor_init(&cursors[c], reader, c);
        assert_int_equal(px_parquet_cursor_get_bool(&cursors[0], row, &present[0], &b, NULL), 0);
        assert_int_equal(px_parquet_cursor_get_i32(&cursors[1], row, &present[1], &i, NULL), 0);
        assert_int_equal(px_parquet_cursor_get_i64(&cursors[2], row, &present[2], &l, NULL), 0);
        assert_int_equal(px_parquet_cursor_get_float(&cursors[3], row, &present[3], &f, NULL), 0);
        assert_int_equal(px_parquet_cursor_get_double(&cursors[4], row, &present[4], &d, NULL), 0);
        assert_int_equal(px_parquet_cursor_get_bytes(&cursors[5], row, &present[5], &s, NULL), 0);
        for (size_t c = 0; c < 6; c++) {
            assert_int_equal(present[c], row == 0);
            px_parquet_cursor_release(&cursors[c]);
        }
        assert_int_equal(b, row == 0);
        assert_int_equal(i, row == 0 ? -7 : 0);
        assert_true(l == (row == 0 ? INT64_MIN : 0));
        assert_true(f == (row == 0 ? 0.5f : 0.0f));
        assert_true(d == (row == 0 ? -0.25 : 0.0));
        assert_int_equal(s.size_bytes, row == 0 ? 3 : 0);
    }
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

static void test_parquet_cursor__tells_null_from_an_empty_list(void **state)
{
    (void)state;
    static const struct px_parquet_column column = {
        .name = "tags", .shape = PX_PARQUET_STRINGS, .type = PX_PARQUET_BYTE_ARRAY};
    const struct px_slice items[] = {px_slice_of_string("a"), px_slice_of("", 0),
                                     px_slice_of_string("ccc")};
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    struct px_parquet_strings strings;
    struct px_parquet_cursor cursor;
    int fd = parquet_test_create("parquet_cursor_lists");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, &column, 1, &writer, &error),
                       &error);
    px_parquet_append_strings(writer, 0, items, 3);
    px_parquet_append_strings(writer, 0, NULL, 0);
    px_parquet_append_null(writer, 0);
    px_parquet_append_strings(writer, 0, items + 1, 1);
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    px_parquet_cursor_init(&cursor, reader, 0);
    static const size_t counts[] = {3, 0, 0, 1};
    for (uint64_t row = 0; row < 4; row++) {
        assert_int_equal(px_parquet_cursor_get_strings(&cursor, row, &strings, NULL), PROXIMADB_OK);
        assert_int_equal(strings.is_present, row != 2);
        assert_int_equal(strings.count, counts[row]);
        for (size_t i = 0; i < strings.count; i++)
            assert_true(px_slice_equal(strings.items[i], items[row == 3 ? 1 : i]));
    }
    px_parquet_cursor_release(&cursor);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

/* ---- pages built by hand ------------------------------------------------------------------- */

/* Reads the first row of a file of one page with the given body. */
static int read_page(const struct px_parquet_column *column, uint64_t row_count,
                     uint32_t value_count, const struct px_buffer *body,
                     struct proximadb_error *error)
{
    struct parquet_test_file file =
        parquet_test_build_page(column, row_count, value_count, px_buffer_slice(body));
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_parquet_cursor cursor;
    px_parquet_cursor_init(&cursor, reader, 0);
    int rc = px_parquet_cursor_seek(&cursor, 0, error);
    assert_true(rc == PROXIMADB_OK || cursor.rows.row_count == 0);
    px_parquet_cursor_release(&cursor);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
    return rc;
}

/* Levels as text, '0' to '2', then values. NULL: no such levels. */
struct page {
    const char *repetition, *definition;
    const void *values;
    size_t values_bytes;
    uint64_t row_count;
    uint32_t value_count;
};

static int read_built(const struct px_parquet_column *column, struct page page,
                      struct proximadb_error *error)
{
    struct px_buffer body = {0};
    parquet_test_put_levels(page.repetition, 1, &body);
    parquet_test_put_levels(page.definition, px_parquet_most_definition(column), &body);
    px_buffer_append(&body, page.values, page.values_bytes);
    int rc = read_page(column, page.row_count, page.value_count, &body, error);
    px_buffer_release(&body);
    return rc;
}

static void check_damaged(const struct px_parquet_column *column, struct page page,
                          const char *part)
{
    struct proximadb_error error;
    assert_int_equal(read_built(column, page, &error), PROXIMADB_CORRUPT);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_parquet_cursor__refuses_scalars_that_do_not_fit(void **state)
{
    (void)state;
    static const struct px_parquet_column column = {
        .name = "i", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT32};
    struct proximadb_error error;
    const struct page good = {NULL, "101", "aaaabbbb", 8, 3, 3};
    struct page page = good;
    parquet_test_check(read_built(&column, good, &error), &error);
    page.values_bytes = 7;
    check_damaged(&column, page, "values do not fill");
    page = good;
    page.definition = "111";
    check_damaged(&column, page, "values do not fill");
    page.definition = "11";
    check_damaged(&column, page, "definition levels");
    page = good;
    page.value_count = 2;
    check_damaged(&column, page, "a value for each row");
    static const struct px_parquet_column flags = {.name = "b", .type = PX_PARQUET_BOOLEAN};
    const struct page bits = {NULL, NULL, "\xff\x01", 2, 9, 9};
    parquet_test_check(read_built(&flags, bits, &error), &error);
    page = bits;
    page.values_bytes = 1;
    check_damaged(&flags, page, "values do not fill");
}

static void test_parquet_cursor__refuses_bytes_that_do_not_fit(void **state)
{
    (void)state;
    static const struct px_parquet_column column = {.name = "s", .type = PX_PARQUET_BYTE_ARRAY};
    struct proximadb_error error;
    const struct page good = {NULL, NULL, "\1\0\0\0a\0\0\0\0", 9, 2, 2};
    struct page page = good;
    parquet_test_check(read_built(&column, good, &error), &error);
    page.values_bytes = 8;
    check_damaged(&column, page, "longer than the page");
    page.values_bytes = 5;
    check_damaged(&column, page, "longer than the page");
    page = good;
    page.row_count = page.value_count = 1;
    check_damaged(&column, page, "values do not fill");
    page = (struct page){NULL, NULL, "\xff\xff\xff\xff", 4, 1, 1};
    check_damaged(&column, page, "longer than the page");
}

static void test_parquet_cursor__refuses_lists_that_do_not_fit(void **state)
{
    (void)state;
    static const struct px_parquet_column column = {
        .name = "tags", .shape = PX_PARQUET_STRINGS, .type = PX_PARQUET_BYTE_ARRAY};
    static const char two[] = "\1\0\0\0a\1\0\0\0b";
    struct proximadb_error error;
    const struct page good = {"0100", "2210", two, 10, 3, 4};
    struct page page = good;
    parquet_test_check(read_built(&column, good, &error), &error);
    page.repetition = "1100"; /* begins within a row */
    check_damaged(&column, page, "levels are wrong");
    page.repetition = "0000"; /* four rows */
    check_damaged(&column, page, "levels are wrong");
    page.repetition = "0110"; /* two rows, and something behind an empty list */
    check_damaged(&column, page, "levels are wrong");
    page = good;
    page.definition = "2012"; /* a null in a list */
    check_damaged(&column, page, "levels are wrong");
    page.definition = "0210"; /* a list of a null and an item */
    check_damaged(&column, page, "levels are wrong");
    page.definition = "2230"; /* there is no level 3 */
    check_damaged(&column, page, "levels are wrong");
    page.definition = "2220"; /* an item more than there are values */
    check_damaged(&column, page, "longer than the page");
    page = good;
    page.value_count = 100;
    check_damaged(&column, page, "more levels than values");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_cursor__reads_rows_in_any_order),
        cmocka_unit_test(test_parquet_cursor__shares_pages),
        cmocka_unit_test(test_parquet_cursor__looks_up_what_it_reads),
        cmocka_unit_test(test_parquet_cursor__looks_up_nothing_in_damaged_pages),
        cmocka_unit_test(test_parquet_cursor__gets_values_by_type),
        cmocka_unit_test(test_parquet_cursor__tells_null_from_an_empty_list),
        cmocka_unit_test(test_parquet_cursor__refuses_scalars_that_do_not_fit),
        cmocka_unit_test(test_parquet_cursor__refuses_bytes_that_do_not_fit),
        cmocka_unit_test(test_parquet_cursor__refuses_lists_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
