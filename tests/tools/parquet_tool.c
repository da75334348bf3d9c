/*
 * parquet_tool: writes and reads Parquet files for tests that are not written in C.
 *
 *      parquet_tool write FILE SEED ROWS DIM GROUP_ROWS [ENCODING]
 *                                                         a file of sample rows, all column kinds
 *      parquet_tool expect SEED ROWS DIM VECTORS          the rows as JSON lines, vectors as floats
 *      parquet_tool read FILE VECTORS                     what our own reader finds, in that form
 *      parquet_tool describe FILE                         px_parquet_describe() with pages
 *      parquet_tool verify FILE                           px_parquet_verify()
 *      parquet_tool bench FILE ROWS DIM                   how fast files are written and read
 *      parquet_tool seed FILE KIND                        a tiny file for tests/fuzz/corpus
 *
 * ENCODING is that of the vectors: "PLAIN" (the default), "DICTIONARY", "SPLIT", "SMALLEST".
 *
 * In JSON lines a row is an array of the columns but the vector; floating point numbers are the
 * integer that has their bits, and bytes that are no text are base64.
 */
#include "base/bits.h"
#include "base/clock.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "os/file.h"
#include "parquet/parquet_describe.h"
#include "parquet/parquet_vectors.h"
#include "parquet/parquet_verify.h"
#include "support/parquet_sample.h"

#include <stdlib.h>

enum { ID, VERSION, VECTOR, TIMESTAMP, DOCUMENT, METADATA, TAGS, FLAG, SMALL, RATIO, PRICE, BLOB };
enum { COLUMN_COUNT = BLOB + 1, ID_PAGE_ROWS = 256, TEXT_PAGE_ROWS = 128 };

static struct px_parquet_column columns[COLUMN_COUNT] = {
    [ID] = {.name = "id",
            .type = PX_PARQUET_BYTE_ARRAY,
            .logical = PX_PARQUET_STRING,
            .field_id = 1,
            .page_row_limit = ID_PAGE_ROWS,
            .has_statistics = true,
            .has_bloom_filter = true},
    [VERSION] = {.name = "version",
                 .type = PX_PARQUET_INT64,
                 .field_id = 2,
                 .has_statistics = true,
                 .has_bloom_filter = true},
    [VECTOR] = {.name = "vector",
                .shape = PX_PARQUET_VECTOR,
                .type = PX_PARQUET_FLOAT,
                .field_id = 3,
                .element_field_id = 4},
    [TIMESTAMP] = {.name = "timestamp",
                   .shape = PX_PARQUET_OPTIONAL,
                   .type = PX_PARQUET_INT64,
                   .logical = PX_PARQUET_TIMESTAMP_MILLIS,
                   .field_id = 5,
                   .has_statistics = true},
    [DOCUMENT] = {.name = "document",
                  .shape = PX_PARQUET_OPTIONAL,
                  .type = PX_PARQUET_BYTE_ARRAY,
                  .logical = PX_PARQUET_STRING,
                  .field_id = 7,
                  .zstd_level = 3,
                  .page_row_limit = TEXT_PAGE_ROWS,
                  .has_statistics = true},
    [METADATA] = {.name = "metadata",
                  .type = PX_PARQUET_BYTE_ARRAY,
                  .logical = PX_PARQUET_JSON,
                  .field_id = 8,
                  .zstd_level = 3,
                  .page_row_limit = TEXT_PAGE_ROWS},
    [TAGS] = {.name = "m_tags",
              .shape = PX_PARQUET_STRINGS,
              .type = PX_PARQUET_BYTE_ARRAY,
              .logical = PX_PARQUET_STRING,
              .field_id = 100,
              .element_field_id = 101,
              .zstd_level = 1},
    [FLAG] = {.name = "m_flag",
              .shape = PX_PARQUET_OPTIONAL,
              .type = PX_PARQUET_BOOLEAN,
              .field_id = 102,
              .has_statistics = true},
    [SMALL] = {.name = "m_small",
               .shape = PX_PARQUET_OPTIONAL,
               .type = PX_PARQUET_INT32,
               .field_id = 103,
               .has_statistics = true,
               .page_row_limit = 100},
    [RATIO] = {.name = "m_ratio",
               .shape = PX_PARQUET_OPTIONAL,
               .type = PX_PARQUET_FLOAT,
               .field_id = 104,
               .has_statistics = true},
    [PRICE] = {.name = "m_price",
               .type = PX_PARQUET_DOUBLE,
               .field_id = 105,
               .zstd_level = 3,
               .has_statistics = true},
    [BLOB] = {.name = "m_blob",
              .shape = PX_PARQUET_OPTIONAL,
              .type = PX_PARQUET_BYTE_ARRAY,
              .field_id = 106,
              .has_statistics = true,
              .has_bloom_filter = true},
};

static void stop(const struct proximadb_error *error)
{
    fprintf(stderr, "parquet_tool: %s: %s\n", proximadb_status_name(error->status), error->message);
    exit(EXIT_FAILURE);
}

static void check(int rc, const struct proximadb_error *error)
{
    if (rc != PROXIMADB_OK)
        stop(error);
}

static FILE *open_stream(const char *path)
{
    FILE *stream = fopen(path, "wb");
    if (stream == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return stream;
}

static int create(const char *path)
{
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_TRUNCATE);
    if (fd < 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return fd;
}

/* ---- writing ------------------------------------------------------------------------------- */

static enum px_parquet_vector_encoding encoding_of(const char *name)
{
    for (int i = PX_PARQUET_VECTOR_PLAIN; i <= PX_PARQUET_VECTOR_SMALLEST; i++) {
        enum px_parquet_vector_encoding encoding = (enum px_parquet_vector_encoding)i;
        if (strcmp(px_parquet_vector_encoding_name(encoding), name) == 0)
            return encoding;
    }
    fprintf(stderr, "parquet_tool: there is no encoding '%s'\n", name);
    exit(EXIT_FAILURE);
}

static struct px_parquet_written write_file(const char *path, uint64_t seed, uint64_t rows,
                                            uint32_t dims, uint64_t group_rows)
{
    struct proximadb_error error;
    struct px_parquet_writer *writer;
    struct px_parquet_written written;
    struct px_parquet_key_value key_value = {.key = px_slice_of_string("proximadb.test"),
                                             .value = px_slice_of_string("\xc3\xa4 \"quoted\"")};
    struct px_buffer scratch = {0};
    uint32_t *vector = calloc(dims, sizeof *vector);
    int fd = create(path);
    columns[VECTOR].dim_count = dims;
    check(px_parquet_writer_open(&px_fs_posix, fd, columns, COLUMN_COUNT, &writer, &error), &error);
    for (uint64_t row = 0; row < rows; row++) {
        parquet_sample_append(writer, columns, COLUMN_COUNT, seed, row, &scratch, vector);
        if (group_rows > 0 && (row + 1) % group_rows == 0)
            check(px_parquet_writer_end_row_group(writer, &error), &error);
    }
    check(px_parquet_writer_finish(writer, &key_value, 1, &written, &error), &error);
    px_parquet_writer_free(writer);
    px_fs_posix.close(&px_fs_posix, fd);
    px_buffer_release(&scratch);
    free(vector);
    return written;
}

/* ---- rows as JSON -------------------------------------------------------------------------- */

static void append_sample(struct px_buffer *line, const struct px_parquet_column *column,
                          const struct parquet_sample *sample)
{
    if (sample->is_null) {
        px_buffer_append_format(line, "null");
    } else if (column->shape == PX_PARQUET_STRINGS) {
        px_buffer_append_byte(line, '[');
        for (size_t i = 0; i < sample->item_count; i++) {
            px_buffer_append(line, ",", i > 0);
            px_json_append_string(line, sample->items[i]);
        }
        px_buffer_append_byte(line, ']');
    } else if (column->type == PX_PARQUET_BYTE_ARRAY && px_parquet_is_text(column)) {
        px_json_append_string(line, sample->bytes);
    } else if (column->type == PX_PARQUET_BYTE_ARRAY) {
        px_buffer_append_byte(line, '"');
        px_base64_append(line, sample->bytes);
        px_buffer_append_byte(line, '"');
    } else if (column->type == PX_PARQUET_BOOLEAN) {
        px_buffer_append_format(line, sample->bits != 0 ? "true" : "false");
    } else if (column->type == PX_PARQUET_INT32) {
        px_buffer_append_format(line, "%d", (int)(uint32_t)sample->bits);
    } else if (column->type == PX_PARQUET_INT64) {
        px_buffer_append_format(line, "%lld", (long long)sample->bits);
    } else {
        px_buffer_append_format(line, "%llu", (unsigned long long)sample->bits);
    }
}

static void begin_sample(struct px_buffer *line)
{
    px_buffer_append(line, line->size_bytes == 0 ? "[" : ",", 1);
}

static void end_line(struct px_buffer *line)
{
    px_buffer_append(line, "]\n", 2);
    fwrite(line->data, 1, line->size_bytes, stdout);
    px_buffer_clear(line);
}

static void print_expected(uint64_t seed, uint64_t rows, uint32_t dims, FILE *vectors)
{
    struct px_buffer scratch = {0}, line = {0};
    uint32_t *vector = calloc(dims, sizeof *vector);
    for (uint64_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < COLUMN_COUNT; i++) {
            struct parquet_sample sample;
            if (i == VECTOR)
                continue;
            parquet_sample_get(seed, row, i, &columns[i], &scratch, &sample);
            begin_sample(&line);
            append_sample(&line, &columns[i], &sample);
        }
        end_line(&line);
        parquet_sample_vector(seed, row, dims, vector);
        fwrite(vector, sizeof *vector, dims, vectors);
    }
    px_buffer_release(&scratch);
    px_buffer_release(&line);
    free(vector);
}

/* ---- reading ------------------------------------------------------------------------------- */

struct mapped {
    struct px_slice bytes;
    struct px_parquet_reader *reader;
};

static struct mapped map_file(const char *path)
{
    struct mapped mapped = {0};
    struct proximadb_error error;
    struct px_fs_info info;
    const void *data = NULL;
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_READ);
    if (fd < 0 || px_fs_posix.info(&px_fs_posix, path, &info) < 0 || info.size_bytes == 0 ||
        px_fs_posix.map(&px_fs_posix, fd, info.size_bytes, &data) < 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    px_fs_posix.close(&px_fs_posix, fd);
    mapped.bytes = px_slice_of(data, info.size_bytes);
    check(px_parquet_reader_open(mapped.bytes, &mapped.reader, &error), &error);
    return mapped;
}

static void unmap_file(struct mapped *mapped)
{
    px_parquet_reader_close(mapped->reader);
    px_fs_posix.unmap(&px_fs_posix, mapped->bytes.data, mapped->bytes.size_bytes);
}

static void print_rows(const struct px_parquet_reader *reader, FILE *vectors)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    struct proximadb_error error;
    struct px_buffer line = {0};
    struct px_parquet_cursor *cursors = calloc(layout->column_count, sizeof *cursors);
    struct px_parquet_vector_cursor vector_cursor = {0};
    float *vector = calloc(PX_PARQUET_MOST_DIMS, sizeof *vector);
    for (size_t i = 0; i < layout->column_count; i++) {
        if (layout->columns[i].shape != PX_PARQUET_VECTOR)
            px_parquet_cursor_init(&cursors[i], reader, i);
        else
            px_parquet_vector_cursor_init(&vector_cursor, reader, i);
    }
    for (uint64_t row = 0; row < layout->row_count; row++) {
        for (size_t i = 0; i < layout->column_count; i++) {
            const struct px_parquet_column *column = &layout->columns[i];
            struct parquet_sample sample;
            if (column->shape == PX_PARQUET_VECTOR) {
                check(px_parquet_vector_cursor_read(&vector_cursor, row, 1, vector, &error),
                      &error);
                fwrite(vector, sizeof *vector, column->dim_count, vectors);
                continue;
            }
            check(parquet_sample_read(&cursors[i], row, column, &sample, &error), &error);
            begin_sample(&line);
            append_sample(&line, column, &sample);
        }
        end_line(&line);
    }
    for (size_t i = 0; i < layout->column_count; i++)
        px_parquet_cursor_release(&cursors[i]);
    px_parquet_vector_cursor_release(&vector_cursor);
    free(cursors);
    free(vector);
    px_buffer_release(&line);
}

static void print_description(const char *path)
{
    struct mapped mapped = map_file(path);
    struct px_buffer buffer = {0};
    px_parquet_describe(mapped.reader, true, &buffer);
    fwrite(buffer.data, 1, buffer.size_bytes, stdout);
    px_buffer_release(&buffer);
    unmap_file(&mapped);
}

static void print_verification(const char *path)
{
    struct mapped mapped = map_file(path);
    struct px_parquet_verified verified;
    struct proximadb_error error;
    check(px_parquet_verify(mapped.reader, &verified, &error), &error);
    printf("{\"page_count\":%llu,\"page_bytes\":%llu}\n", (unsigned long long)verified.page_count,
           (unsigned long long)verified.page_bytes);
    unmap_file(&mapped);
}

/* ---- speed --------------------------------------------------------------------------------- */

enum { BENCH_COLUMNS = 3, RANDOM_ROWS = 1000 };

/* Rows as a flush has them: an id, a version, a vector that lies somewhere. */
static double bench_write(const char *path, uint64_t rows, uint32_t dims, const float *pool)
{
    enum { POOL_ROWS = 1024 };
    struct proximadb_error error;
    struct px_parquet_writer *writer;
    struct px_parquet_written written;
    int fd = create(path);
    int64_t begin_ns = px_clock_now_ns();
    check(px_parquet_writer_open(&px_fs_posix, fd, columns, BENCH_COLUMNS, &writer, &error),
          &error);
    for (uint64_t row = 0; row < rows; row++) {
        char id[32];
        int size = snprintf(id, sizeof id, "document-%016llx", (unsigned long long)row * 7919);
        px_parquet_append_bytes(writer, ID, px_slice_of(id, (size_t)size));
        px_parquet_append_i64(writer, VERSION, (int64_t)row);
        px_parquet_append_vectors(writer, VECTOR, pool + row * 31 % POOL_ROWS * dims, 1);
    }
    check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    double seconds = (double)(px_clock_now_ns() - begin_ns) / 1e9;
    px_parquet_writer_free(writer);
    px_fs_posix.close(&px_fs_posix, fd);
    printf("write: %.0f MB/s (%.1f MB in %.3f s)\n", (double)written.size_bytes / 1e6 / seconds,
           (double)written.size_bytes / 1e6, seconds);
    return seconds;
}

/* Vector and id of rows at random, as the answer to a search needs them. */
static void bench_random(const char *path, const char *what, struct mapped *mapped)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(mapped->reader);
    struct proximadb_error error;
    struct px_parquet_cursor ids;
    float sum = 0;
    size_t size = 0;
    int64_t begin_ns = px_clock_now_ns();
    px_parquet_cursor_init(&ids, mapped->reader, ID);
    for (uint64_t i = 0; i < RANDOM_ROWS; i++) {
        uint64_t row = sample_hash(1, i, 0, 0) % layout->row_count;
        const float *vector;
        struct px_slice id;
        check(px_parquet_reader_vector(mapped->reader, VECTOR, row, &vector, &error), &error);
        check(px_parquet_cursor_get_bytes(&ids, row, NULL, &id, &error), &error);
        for (uint32_t j = 0; j < layout->columns[VECTOR].dim_count; j++)
            sum += vector[j];
        size += id.size_bytes;
    }
    double ms = (double)(px_clock_now_ns() - begin_ns) / 1e6;
    px_parquet_cursor_release(&ids);
    printf("%d random rows of %s, %s: %.2f ms (%.0f %zu)\n", RANDOM_ROWS, path, what, ms,
           (double)sum, size);
}

static void bench(const char *path, uint64_t rows, uint32_t dims)
{
    float *pool = calloc(1024 * (size_t)dims, sizeof *pool);
    for (size_t i = 0; i < 1024 * (size_t)dims; i++)
        pool[i] = (float)(sample_hash(7, i, 0, 0) >> 40) * 0x1p-24f;
    columns[VECTOR].dim_count = dims;
    for (int round = 0; round < 5; round++)
        bench_write(path, rows, dims, pool);
    free(pool);
    int64_t begin_ns = px_clock_now_ns();
    struct mapped mapped = map_file(path);
    printf("open: %.3f ms\n", (double)(px_clock_now_ns() - begin_ns) / 1e6);
    bench_random(path, "first touch", &mapped);
    bench_random(path, "verified before", &mapped);
    unmap_file(&mapped);
}

/* ---- seeds for fuzzing --------------------------------------------------------------------- */

/* Few columns and rows, so that the file stays small: each kind has other columns. */
static void write_seed(const char *path, const char *kind)
{
    static const struct {
        const char *kind;
        size_t columns[3];
        size_t column_count;
        uint64_t rows;
        enum px_parquet_vector_encoding encoding;
        uint32_t most_row_bytes;
    } kinds[] = {
        {"empty", {ID, VECTOR}, 2, 0, 0, 0},
        {"vector", {VECTOR}, 1, 5, 0, 0},
        {"ids", {ID, VERSION}, 2, 5, 0, 0},
        {"text", {DOCUMENT, METADATA}, 2, 4, 0, 0},
        {"lists", {TAGS}, 1, 7, 0, 0},
        {"numbers", {FLAG, SMALL, RATIO}, 3, 9, 0, 0},
        {"codes", {VECTOR}, 1, 9, PX_PARQUET_VECTOR_DICTIONARY, 0},
        {"compressed_codes", {VECTOR}, 1, 90, PX_PARQUET_VECTOR_DICTIONARY, 1},
        {"streams", {VECTOR}, 1, 9, PX_PARQUET_VECTOR_SPLIT, 0},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct proximadb_error error;
        struct px_parquet_column some[3];
        struct px_parquet_writer *writer;
        struct px_parquet_written written;
        struct px_buffer scratch = {0};
        uint32_t vector[3];
        if (strcmp(kinds[i].kind, kind) != 0)
            continue;
        columns[VECTOR].dim_count = 3;
        columns[VECTOR].vector_encoding = kinds[i].encoding;
        columns[VECTOR].most_row_bytes = kinds[i].most_row_bytes;
        for (size_t j = 0; j < kinds[i].column_count; j++)
            some[j] = columns[kinds[i].columns[j]];
        int fd = create(path);
        check(
            px_parquet_writer_open(&px_fs_posix, fd, some, kinds[i].column_count, &writer, &error),
            &error);
        for (uint64_t row = 0; row < kinds[i].rows; row++)
            parquet_sample_append(writer, some, kinds[i].column_count, 3, row, &scratch, vector);
        check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
        px_parquet_writer_free(writer);
        px_fs_posix.close(&px_fs_posix, fd);
        px_buffer_release(&scratch);
        return;
    }
    fprintf(stderr, "parquet_tool: there is no kind '%s'\n", kind);
    exit(EXIT_FAILURE);
}

/* ---- the command line ---------------------------------------------------------------------- */

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static void command_read(const char *path, const char *vectors_path)
{
    struct mapped mapped = map_file(path);
    FILE *vectors = open_stream(vectors_path);
    print_rows(mapped.reader, vectors);
    fclose(vectors);
    unmap_file(&mapped);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "write") == 0 && (argc == 7 || argc == 8)) {
        columns[VECTOR].vector_encoding = encoding_of(argc == 8 ? argv[7] : "PLAIN");
        struct px_parquet_written written = write_file(argv[2], number(argv[3]), number(argv[4]),
                                                       (uint32_t)number(argv[5]), number(argv[6]));
        printf("{\"size_bytes\":%llu,\"row_count\":%llu,\"crc32c\":%u}\n",
               (unsigned long long)written.size_bytes, (unsigned long long)written.row_count,
               written.crc32c);
    } else if (strcmp(command, "expect") == 0 && argc == 6) {
        FILE *vectors = open_stream(argv[5]);
        print_expected(number(argv[2]), number(argv[3]), (uint32_t)number(argv[4]), vectors);
        fclose(vectors);
    } else if (strcmp(command, "read") == 0 && argc == 4) {
        command_read(argv[2], argv[3]);
    } else if (strcmp(command, "describe") == 0 && argc == 3) {
        print_description(argv[2]);
    } else if (strcmp(command, "verify") == 0 && argc == 3) {
        print_verification(argv[2]);
    } else if (strcmp(command, "bench") == 0 && argc == 5) {
        bench(argv[2], number(argv[3]), (uint32_t)number(argv[4]));
    } else if (strcmp(command, "seed") == 0 && argc == 4) {
        write_seed(argv[2], argv[3]);
    } else {
        fprintf(stderr, "usage: parquet_tool write|expect|read|describe|verify|bench|seed ...\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
