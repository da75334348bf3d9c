/*
 * parquet_test: files of sample rows in memory, for the tests of src/parquet.
 */
#ifndef PX_PARQUET_TEST_H
#define PX_PARQUET_TEST_H

#include "base/bits.h"
#include "support/parquet_sample.h"
#include "support/px_test.h"

#define SCRATCH_FILE "scratch/%s.parquet"

/* A file's bytes, aligned as a mapping would be, and no byte more: a sanitizer sees the next one.
 * */
struct parquet_test_file {
    uint8_t *bytes; /* owned */
    size_t size_bytes;
    struct px_parquet_written written;
};

static inline struct px_slice parquet_test_slice(const struct parquet_test_file *file)
{
    return px_slice_of(file->bytes, file->size_bytes);
}

static inline void parquet_test_release(struct parquet_test_file *file)
{
    free(file->bytes);
    *file = (struct parquet_test_file){0};
}

static inline void parquet_test_check(int rc, const struct proximadb_error *error)
{
    if (rc != PROXIMADB_OK)
        fail_msg("%s: %s", proximadb_status_name(rc), error->message);
}

static inline uint8_t *parquet_test_copy(const void *bytes, size_t size_bytes)
{
    uint8_t *copy = NULL;
    assert_int_equal(posix_memalign((void **)&copy, 64, size_bytes > 0 ? size_bytes : 1), 0);
    memcpy(copy, bytes, size_bytes);
    return copy;
}

/* Opens an empty file for the test program `name`. */
static inline int parquet_test_create(const char *name)
{
    char path[300];
    (void)px_fs_posix.make_folder(&px_fs_posix, "scratch");
    snprintf(path, sizeof path, SCRATCH_FILE, name);
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_TRUNCATE);
    assert_true(fd >= 0);
    return fd;
}

/* Reads back and closes what was written. */
static inline struct parquet_test_file parquet_test_load(int fd,
                                                         const struct px_parquet_written *written)
{
    uint8_t *bytes = malloc(written->size_bytes + 1);
    assert_non_null(bytes);
    int64_t got = px_fs_posix.read_at(&px_fs_posix, fd, bytes, written->size_bytes + 1, 0);
    assert_int_equal(got, written->size_bytes); /* no byte more than it says */
    struct parquet_test_file file = {.bytes = parquet_test_copy(bytes, written->size_bytes),
                                     .size_bytes = written->size_bytes,
                                     .written = *written};
    free(bytes);
    px_fs_posix.close(&px_fs_posix, fd);
    return file;
}

/* Writes sample rows, a row group each group_rows (0: one for all). */
static inline struct parquet_test_file parquet_test_write(const char *name,
                                                          const struct px_parquet_column *columns,
                                                          size_t column_count, uint64_t seed,
                                                          uint64_t row_count, uint64_t group_rows)
{
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    struct px_buffer scratch = {0};
    uint32_t *vector = malloc(PX_PARQUET_MOST_DIMS * sizeof *vector);
    int fd = parquet_test_create(name);
    parquet_test_check(
        px_parquet_writer_open(&px_fs_posix, fd, columns, column_count, &writer, &error), &error);
    for (uint64_t row = 0; row < row_count; row++) {
        parquet_sample_append(writer, columns, column_count, seed, row, &scratch, vector);
        if (group_rows > 0 && (row + 1) % group_rows == 0)
            parquet_test_check(px_parquet_writer_end_row_group(writer, &error), &error);
    }
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    px_buffer_release(&scratch);
    free(vector);
    return parquet_test_load(fd, &written);
}

static inline struct px_parquet_reader *parquet_test_open(const struct parquet_test_file *file)
{
    struct proximadb_error error;
    struct px_parquet_reader *reader = NULL;
    parquet_test_check(px_parquet_reader_open(parquet_test_slice(file), &reader, &error), &error);
    return reader;
}

/* Compares one column of a file, row by row, with the sample rows it was written from. */
static inline void parquet_test_compare_column(const struct px_parquet_reader *reader, size_t index,
                                               uint64_t seed)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    const struct px_parquet_column *column = &layout->columns[index];
    struct proximadb_error error;
    struct px_parquet_cursor cursor = {0};
    struct px_buffer scratch = {0};
    uint32_t *vector = malloc(PX_PARQUET_MOST_DIMS * sizeof *vector);
    if (column->shape != PX_PARQUET_VECTOR)
        px_parquet_cursor_init(&cursor, reader, index);
    for (uint64_t row = 0; row < layout->row_count; row++) {
        struct parquet_sample expected, actual = {0};
        if (column->shape == PX_PARQUET_VECTOR) {
            const float *read = NULL;
            parquet_sample_vector(seed, row, column->dim_count, vector);
            parquet_test_check(px_parquet_reader_vector(reader, index, row, &read, &error), &error);
            assert_memory_equal(read, vector, column->dim_count * sizeof *vector);
            continue;
        }
        parquet_sample_get(seed, row, index, column, &scratch, &expected);
        parquet_test_check(parquet_sample_read(&cursor, row, column, &actual, &error), &error);
        if (!parquet_sample_equal(column, &expected, &actual))
            fail_msg("seed %llu: column '%s', row %llu differs", (unsigned long long)seed,
                     column->name, (unsigned long long)row);
    }
    px_parquet_cursor_release(&cursor);
    px_buffer_release(&scratch);
    free(vector);
}

/* Columns of random kinds, one of them a vector of dim_count where that is not 0. Names live in
 * `names`. Returns how many. */
enum { PARQUET_TEST_MOST_COLUMNS = 9 };

static inline size_t parquet_test_random_columns(struct px_test_random *random, uint32_t dim_count,
                                                 char names[][8], struct px_parquet_column *columns)
{
    static const enum px_parquet_type types[] = {PX_PARQUET_BOOLEAN, PX_PARQUET_INT32,
                                                 PX_PARQUET_INT64,   PX_PARQUET_FLOAT,
                                                 PX_PARQUET_DOUBLE,  PX_PARQUET_BYTE_ARRAY};
    size_t count = 1 + px_test_below(random, PARQUET_TEST_MOST_COLUMNS);
    size_t vector_at = dim_count > 0 ? px_test_below(random, count) : count;
    for (size_t i = 0; i < count; i++) {
        struct px_parquet_column column = {.name = names[i], .field_id = (int32_t)i};
        snprintf(names[i], sizeof names[i], "c%zu", i);
        column.page_row_limit = (uint32_t)px_test_below(random, 3) * 50;
        column.page_byte_limit = (uint32_t)px_test_below(random, 3) * 1000;
        if (i == vector_at) {
            column.shape = PX_PARQUET_VECTOR;
            column.type = PX_PARQUET_FLOAT;
            column.dim_count = dim_count;
            columns[i] = column;
            continue;
        }
        column.shape = px_test_below(random, 2) == 0 ? PX_PARQUET_REQUIRED : PX_PARQUET_OPTIONAL;
        column.type = types[px_test_below(random, 6)];
        column.zstd_level = (int)px_test_below(random, 2);
        column.has_statistics = px_test_below(random, 2) == 0;
        column.has_bloom_filter =
            column.type != PX_PARQUET_BOOLEAN && px_test_below(random, 2) == 0;
        if (column.type == PX_PARQUET_BYTE_ARRAY)
            column.logical = (enum px_parquet_logical)px_test_below(random, 3);
        if (column.type == PX_PARQUET_INT64 && px_test_below(random, 2) == 0)
            column.logical = PX_PARQUET_TIMESTAMP_MILLIS;
        if (column.type == PX_PARQUET_BYTE_ARRAY && px_test_below(random, 3) == 0) {
            column.shape = PX_PARQUET_STRINGS;
            column.has_statistics = column.has_bloom_filter = false;
        }
        columns[i] = column;
    }
    return count;
}

#endif /* PX_PARQUET_TEST_H */
