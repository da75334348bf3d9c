/*
 * Goal: a file of any columns and rows reads back exactly; its size and checksum are those
 * reported; and a failure, wherever it comes, sticks and is reported. Method: random columns and
 * rows at the edges of pages and row groups, read by our own reader (other readers: tests/interop);
 * every write failed in turn, and the disk full at many sizes.
 */
#include "parquet/parquet_writer.h"

#include "base/crc32c.h"
#include "parquet/parquet_verify.h"
#include "support/fault_fs.h"
#include "support/parquet_test.h"

static const struct px_parquet_column few[] = {
    {.name = "id",
     .type = PX_PARQUET_BYTE_ARRAY,
     .logical = PX_PARQUET_STRING,
     .has_statistics = true,
     .has_bloom_filter = true},
    {.name = "v",
     .shape = PX_PARQUET_VECTOR,
     .type = PX_PARQUET_FLOAT,
     .dim_count = 5,
     .page_row_limit = 7},
    {.name = "t",
     .shape = PX_PARQUET_OPTIONAL,
     .type = PX_PARQUET_BYTE_ARRAY,
     .logical = PX_PARQUET_STRING,
     .zstd_level = 1,
     .page_row_limit = 16},
};

static void check_file(const struct px_parquet_column *columns, size_t column_count, uint64_t seed,
                       uint64_t row_count, uint64_t group_rows)
{
    struct parquet_test_file file =
        parquet_test_write("parquet_writer", columns, column_count, seed, row_count, group_rows);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_parquet_verified verified;
    struct proximadb_error error;
    assert_int_equal(file.written.row_count, row_count);
    assert_int_equal(px_parquet_reader_layout(reader)->row_count, row_count);
    assert_int_equal(file.written.crc32c, px_crc32c(0, file.bytes, file.size_bytes));
    for (size_t i = 0; i < column_count; i++)
        parquet_test_compare_column(reader, i, seed);
    parquet_test_check(px_parquet_verify(reader, &verified, &error), &error);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

static void test_parquet_writer__reads_back_random_files(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_writer");
    static const uint32_t dims[] = {0, 1, 2, 9, 33, 384};
    for (int round = 0; round < 120; round++) {
        char names[PARQUET_TEST_MOST_COLUMNS][8];
        struct px_parquet_column columns[PARQUET_TEST_MOST_COLUMNS];
        size_t count = parquet_test_random_columns(&random, dims[round % 6], names, columns);
        uint64_t rows = px_test_below(&random, round % 4 == 0 ? 1200 : 120);
        uint64_t group_rows = round % 3 == 0 ? 1 + px_test_below(&random, 200) : 0;
        check_file(columns, count, px_test_next(&random), rows, group_rows);
    }
}

static void test_parquet_writer__reads_back_files_at_the_edges(void **state)
{
    (void)state;
    static const uint64_t rows[] = {0, 1, 6, 7, 8, 15, 16, 17, 32, 112, 1023, 1024, 1025, 2048};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_file(few, 3, i, rows[i], 0);
        check_file(few, 3, i, rows[i], 16);
    }
    check_file(few, 3, 1, 5, 1); /* a row group a row */
}

static void test_parquet_writer__reads_back_the_largest_vectors(void **state)
{
    (void)state;
    struct px_parquet_column column = few[1];
    column.dim_count = PX_PARQUET_MOST_DIMS;
    check_file(&column, 1, 1, 9, 0);
}

static void test_parquet_writer__holds_text_of_any_size(void **state)
{
    (void)state;
    enum { LARGE = 5 << 20 };
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    char *large = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)('a' + i * i % 23);
    int fd = parquet_test_create("parquet_writer_large");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, &few[2], 1, &writer, &error),
                       &error);
    for (int i = 0; i < 3; i++) {
        px_parquet_append_bytes(writer, 0, px_slice_of("small", 5));
        px_parquet_append_bytes(writer, 0, px_slice_of(large, LARGE));
    }
    assert_true(px_parquet_writer_held_bytes(writer) > 1000);
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_parquet_cursor cursor;
    px_parquet_cursor_init(&cursor, reader, 0);
    for (uint64_t row = 0; row < 6; row++) {
        struct px_slice value;
        parquet_test_check(px_parquet_cursor_get_bytes(&cursor, row, NULL, &value, &error), &error);
        assert_int_equal(value.size_bytes, row % 2 == 0 ? 5 : LARGE);
        assert_memory_equal(value.data, row % 2 == 0 ? "small" : large, value.size_bytes);
    }
    px_parquet_cursor_release(&cursor);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
    free(large);
}

static void test_parquet_writer__keeps_key_values(void **state)
{
    (void)state;
    const struct px_parquet_key_value key_values[] = {
        {px_slice_of_string("proximadb.uuid"), px_slice_of_string("1-2-3")},
        {px_slice_of_string("empty"), px_slice_of(NULL, 0)},
    };
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    struct px_slice value;
    int fd = parquet_test_create("parquet_writer_keys");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, few, 3, &writer, &error), &error);
    parquet_test_check(px_parquet_writer_finish(writer, key_values, 2, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    assert_true(px_parquet_reader_find_value(reader, "proximadb.uuid", &value));
    assert_true(px_slice_equal(value, px_slice_of_string("1-2-3")));
    assert_true(px_parquet_reader_find_value(reader, "empty", &value));
    assert_int_equal(value.size_bytes, 0);
    assert_true(px_parquet_reader_find_value(reader, "ARROW:schema", &value));
    assert_false(px_parquet_reader_find_value(reader, "missing", &value));
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

/* Writes vectors; the file must begin so. */
static void check_beginning(const struct px_parquet_column *column, const float *vectors,
                            size_t row_count, const uint8_t *expected, size_t size_bytes)
{
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    int fd = parquet_test_create("parquet_writer_bytes");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, column, 1, &writer, &error),
                       &error);
    px_parquet_append_vectors(writer, 0, vectors, row_count);
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    assert_memory_equal(file.bytes, expected, size_bytes);
    parquet_test_release(&file);
}

static void test_parquet_writer__writes_the_bytes_of_its_documentation(void **state)
{
    (void)state; /* docs/format/parquet.md, "A page, byte by byte" */
    static const uint8_t expected[] = {
        'P',  'A',  'R',  '1',                                                        /* magic */
        0x15, 0x00, 0x15, 0x30, 0x15, 0x30, 0x15, 0xcf, 0xd9, 0xd8, 0xe2, 0x0b,       /* header */
        0x1c, 0x15, 0x06, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0x00,                   /* of data */
        0x08, 0xfe, 0xff, 0x03, 0x14, 'p',  'r',  'o',  'x',  'i',  'm',  'a',  'd',  /* padding */
        'b',  ':',  'a',  'l',  'i',  'g',  'n',  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* its end */
        0x02, 0x00, 0x00, 0x00, 0x03, 0x06,             /* repetition 0 1 1 */
        0x02, 0x00, 0x00, 0x00, 0x06, 0x01,             /* definition 1 1 1 */
        0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0x40, /* 1, 2 */
        0x00, 0x00, 0x40, 0x40,                         /* 3 */
    };
    static const struct px_parquet_column column = {
        .name = "v", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT, .dim_count = 3};
    const float vector[] = {1, 2, 3};
    check_beginning(&column, vector, 1, expected, sizeof expected);
}

static void test_parquet_writer__writes_the_dictionary_of_its_documentation(void **state)
{
    (void)state; /* docs/format/parquet.md, "A dictionary, byte by byte" */
    static const uint8_t expected[] = {
        'P',  'A',  'R',  '1',                                                  /* magic */
        0x15, 0x04, 0x15, 0x10, 0x15, 0x10, 0x15, 0xec, 0x95, 0xfd, 0xe3, 0x05, /* header */
        0x3c, 0x15, 0x04, 0x15, 0x00, 0x00, 0x00,                               /* of dictionary */
        0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0x40,                         /* 1, 2 */
        0x15, 0x00, 0x15, 0x1e, 0x15, 0x1e, 0x15, 0x9a, 0xe5, 0xf3, 0xef, 0x05, /* header */
        0x1c, 0x15, 0x0c, 0x15, 0x10, 0x15, 0x06, 0x15, 0x06, 0x00, 0x00,       /* of data */
        0x02, 0x00, 0x00, 0x00, 0x03, 0x2a,                                     /* repetition */
        0x02, 0x00, 0x00, 0x00, 0x0c, 0x01,                                     /* definition */
        0x01, 0x03, 0x06,                                                       /* codes */
    };
    static const struct px_parquet_column column = {.name = "vector",
                                                    .shape = PX_PARQUET_VECTOR,
                                                    .type = PX_PARQUET_FLOAT,
                                                    .dim_count = 2,
                                                    .vector_encoding =
                                                        PX_PARQUET_VECTOR_DICTIONARY};
    const float vectors[] = {1, 2, 2, 1, 1, 1};
    check_beginning(&column, vectors, 3, expected, sizeof expected);
}

static void test_parquet_writer__refuses_columns_it_cannot_write(void **state)
{
    (void)state;
    struct px_parquet_column column = few[1];
    struct px_parquet_writer *writer = NULL;
    column.dim_count = 0;
    assert_int_equal(px_parquet_writer_open(&px_fs_posix, 0, &column, 1, &writer, NULL),
                     PROXIMADB_INVALID);
    assert_null(writer);
}

/* Writes 100 rows in two row groups on a file system that may fail; gives what finish() gave. */
static int write_on(struct px_fs *fs, enum px_parquet_vector_encoding encoding,
                    struct proximadb_error *error)
{
    struct px_parquet_column columns[3];
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    struct px_buffer scratch = {0};
    uint32_t vector[5];
    memcpy(columns, few, sizeof columns);
    for (size_t i = 0; i < 3; i++)
        if (columns[i].shape == PX_PARQUET_VECTOR)
            columns[i].vector_encoding = encoding;
    int fd = fs->open(fs, "scratch/parquet_writer_fault", PX_FS_TRUNCATE);
    assert_true(fd >= 0);
    int rc = px_parquet_writer_open(fs, fd, columns, 3, &writer, error);
    if (rc == PROXIMADB_OK) {
        int group_rc = PROXIMADB_OK;
        for (uint64_t row = 0; row < 100; row++) {
            parquet_sample_append(writer, columns, 3, 1, row, &scratch, vector);
            if (row == 49)
                group_rc = px_parquet_writer_end_row_group(writer, NULL);
        }
        assert_true(group_rc == PROXIMADB_OK || px_parquet_writer_status(writer, NULL) == group_rc);
        rc = px_parquet_writer_finish(writer, NULL, 0, &written, error);
        assert_int_equal(px_parquet_writer_status(writer, NULL), rc);
    }
    px_parquet_writer_free(writer);
    fs->close(fs, fd);
    assert_int_equal(fs->unlink(fs, "scratch/parquet_writer_fault"), 0);
    px_buffer_release(&scratch);
    return rc;
}

static void check_failures(struct px_fault_fs *fs, enum px_parquet_vector_encoding encoding)
{
    struct proximadb_error error;
    px_fault_fs_set(fs, &(struct px_fault_rule){.kinds = PX_FAULT_WRITE_AT});
    assert_int_equal(write_on(&fs->base, encoding, &error), PROXIMADB_OK);
    uint64_t calls = px_fault_fs_calls(fs);
    /* A page at a time, or a row group's pages at once. */
    assert_true(calls > (encoding == PX_PARQUET_VECTOR_PLAIN ? 20 : 5));
    for (uint64_t n = 1; n <= calls; n++) {
        px_fault_fs_set(fs, &(struct px_fault_rule){.kinds = PX_FAULT_WRITE_AT, .fail_at = n});
        assert_int_equal(write_on(&fs->base, encoding, &error), PROXIMADB_IO);
        assert_int_equal(px_fault_fs_calls(fs), n); /* nothing was written after it */
        assert_non_null(strstr(error.message, "cannot write the Parquet file"));
    }
    px_fault_fs_set(fs, &(struct px_fault_rule){0});
    for (uint64_t space = 0; space < 6000; space += 500) {
        px_fault_fs_set_space(fs, space);
        assert_int_equal(write_on(&fs->base, encoding, &error), PROXIMADB_RESOURCE_EXHAUSTED);
    }
    px_fault_fs_set_space(fs, UINT64_MAX);
}

static void test_parquet_writer__reports_every_failed_write(void **state)
{
    (void)state;
    struct px_fault_fs fs;
    (void)px_fs_posix.make_folder(&px_fs_posix, "scratch");
    px_fault_fs_init(&fs, &px_fs_posix);
    for (int encoding = PX_PARQUET_VECTOR_PLAIN; encoding <= PX_PARQUET_VECTOR_SMALLEST; encoding++)
        check_failures(&fs, (enum px_parquet_vector_encoding)encoding);
    px_fault_fs_release(&fs);
}

static void test_parquet_writer__says_what_it_holds(void **state)
{
    (void)state;
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    const float vector[5] = {0};
    int fd = parquet_test_create("parquet_writer_held");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, few, 3, &writer, &error), &error);
    px_parquet_append_bytes(writer, 0, px_slice_of("0123456789", 10));
    px_parquet_append_vectors(writer, 1, vector, 1);
    px_parquet_append_bytes(writer, 2, px_slice_of("0123456789", 10));
    size_t held = px_parquet_writer_held_bytes(writer);
    assert_true(held >= 20 && held < 200);
    parquet_test_check(px_parquet_writer_end_row_group(writer, &error), &error);
    assert_int_equal(px_parquet_writer_held_bytes(writer), 0);
    px_parquet_writer_free(writer); /* not finished */
    px_fs_posix.close(&px_fs_posix, fd);
}

static void test_parquet_writer__ends_row_groups_with_rows_only(void **state)
{
    (void)state;
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    int fd = parquet_test_create("parquet_writer_groups");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, few + 2, 1, &writer, &error),
                       &error);
    for (int i = 0; i < 3; i++)
        parquet_test_check(px_parquet_writer_end_row_group(writer, &error), &error);
    px_parquet_append_null(writer, 0);
    parquet_test_check(px_parquet_writer_end_row_group(writer, &error), &error);
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    assert_int_equal(px_parquet_reader_layout(reader)->row_group_count, 1);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_writer__reads_back_random_files),
        cmocka_unit_test(test_parquet_writer__reads_back_files_at_the_edges),
        cmocka_unit_test(test_parquet_writer__reads_back_the_largest_vectors),
        cmocka_unit_test(test_parquet_writer__holds_text_of_any_size),
        cmocka_unit_test(test_parquet_writer__keeps_key_values),
        cmocka_unit_test(test_parquet_writer__writes_the_bytes_of_its_documentation),
        cmocka_unit_test(test_parquet_writer__writes_the_dictionary_of_its_documentation),
        cmocka_unit_test(test_parquet_writer__refuses_columns_it_cannot_write),
        cmocka_unit_test(test_parquet_writer__reports_every_failed_write),
        cmocka_unit_test(test_parquet_writer__says_what_it_holds),
        cmocka_unit_test(test_parquet_writer__ends_row_groups_with_rows_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
