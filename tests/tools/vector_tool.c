/*
 * vector_tool: Parquet files of nothing but vectors, from raw floats and back.
 *
 *      vector_tool write FILE DIM FLOATS ENCODING MOST_ROW_BYTES GROUP_ROWS
 *      vector_tool read FILE FLOATS
 *      vector_tool bench FILE DIM FLOATS ENCODING MOST_ROW_BYTES GROUP_ROWS
 *
 * FLOATS is a file of little-endian floats, row after row. ENCODING is "PLAIN", "DICTIONARY",
 * "SPLIT" or "SMALLEST"; a row group ends after GROUP_ROWS, or, if that is 0, as it does in a
 * collection: when 64 MiB are held. bench prints how fast a file is written, read in order and at
 * random.
 */
#include "base/clock.h"
#include "os/file.h"
#include "parquet/parquet_vectors.h"
#include "parquet/parquet_writer.h"
#include "support/parquet_sample.h"

#include <stdlib.h>

enum { HELD_LIMIT_BYTES = 64 << 20, BLOCK_ROWS = 256, RANDOM_ROWS = 100000 };

static void check(int rc, const struct proximadb_error *error)
{
    if (rc == PROXIMADB_OK)
        return;
    fprintf(stderr, "vector_tool: %s: %s\n", proximadb_status_name(rc), error->message);
    exit(EXIT_FAILURE);
}

static void need(bool holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

static struct px_slice map_bytes(const char *path)
{
    struct px_fs_info info;
    const void *data = NULL;
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_READ);
    need(fd >= 0 && px_fs_posix.info(&px_fs_posix, path, &info) == 0 && info.size_bytes > 0 &&
             px_fs_posix.map(&px_fs_posix, fd, info.size_bytes, &data) == 0,
         path);
    px_fs_posix.close(&px_fs_posix, fd);
    return px_slice_of(data, info.size_bytes);
}

static enum px_parquet_vector_encoding encoding_of(const char *name)
{
    for (int i = PX_PARQUET_VECTOR_PLAIN; i <= PX_PARQUET_VECTOR_SMALLEST; i++) {
        enum px_parquet_vector_encoding encoding = (enum px_parquet_vector_encoding)i;
        if (strcmp(px_parquet_vector_encoding_name(encoding), name) == 0)
            return encoding;
    }
    fprintf(stderr, "vector_tool: there is no encoding '%s'\n", name);
    exit(EXIT_FAILURE);
}

static void write_file(const char *path, const struct px_parquet_column *column,
                       struct px_slice floats, size_t group_rows)
{
    struct proximadb_error error;
    struct px_parquet_writer *writer;
    struct px_parquet_written written;
    size_t row_bytes = column->dim_count * sizeof(float);
    size_t row_count = floats.size_bytes / row_bytes;
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_TRUNCATE);
    need(fd >= 0, path);
    check(px_parquet_writer_open(&px_fs_posix, fd, column, 1, &writer, &error), &error);
    for (size_t row = 0; row < row_count; row++) {
        px_parquet_append_vectors(writer, 0, floats.data + row * row_bytes, 1);
        bool is_full = group_rows > 0 ? (row + 1) % group_rows == 0
                                      : px_parquet_writer_held_bytes(writer) > HELD_LIMIT_BYTES;
        if (is_full)
            check(px_parquet_writer_end_row_group(writer, &error), &error);
    }
    check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    px_fs_posix.close(&px_fs_posix, fd);
}

struct opened {
    struct px_slice bytes;
    struct px_parquet_reader *reader;
    const struct px_parquet_layout *layout;
    struct px_parquet_vector_cursor cursor;
};

static struct opened open_file(const char *path)
{
    struct proximadb_error error;
    struct opened opened = {.bytes = map_bytes(path)};
    check(px_parquet_reader_open(opened.bytes, &opened.reader, &error), &error);
    opened.layout = px_parquet_reader_layout(opened.reader);
    px_parquet_vector_cursor_init(&opened.cursor, opened.reader, 0);
    return opened;
}

static void close_file(struct opened *opened)
{
    px_parquet_vector_cursor_release(&opened->cursor);
    px_parquet_reader_close(opened->reader);
    px_fs_posix.unmap(&px_fs_posix, opened->bytes.data, opened->bytes.size_bytes);
}

/* Reads all rows block by block, and puts them out where there is a stream. */
static void read_all(struct opened *opened, FILE *stream)
{
    struct proximadb_error error;
    size_t dims = opened->layout->columns[0].dim_count;
    float *block = calloc(BLOCK_ROWS * dims, sizeof *block);
    for (uint64_t row = 0; row < opened->layout->row_count; row += BLOCK_ROWS) {
        uint64_t left = opened->layout->row_count - row;
        uint32_t taken = left < BLOCK_ROWS ? (uint32_t)left : BLOCK_ROWS;
        check(px_parquet_vector_cursor_read(&opened->cursor, row, taken, block, &error), &error);
        if (stream != NULL)
            need(fwrite(block, sizeof *block, taken * dims, stream) == taken * dims, "write");
    }
    free(block);
}

static void command_read(const char *path, const char *floats_path)
{
    struct opened opened = open_file(path);
    FILE *stream = fopen(floats_path, "wb");
    need(stream != NULL, floats_path);
    read_all(&opened, stream);
    need(fclose(stream) == 0, floats_path);
    close_file(&opened);
}

static double seconds_since(int64_t begin_ns)
{
    return (double)(px_clock_now_ns() - begin_ns) / 1e9;
}

static void bench_random(struct opened *opened)
{
    struct proximadb_error error;
    float *row = calloc(opened->layout->columns[0].dim_count, sizeof *row);
    int64_t begin_ns = px_clock_now_ns();
    for (uint64_t i = 0; i < RANDOM_ROWS; i++)
        check(px_parquet_vector_cursor_read(&opened->cursor,
                                            sample_hash(1, i, 0, 0) % opened->layout->row_count, 1,
                                            row, &error),
              &error);
    printf("random: %.3f us a row\n", seconds_since(begin_ns) * 1e6 / RANDOM_ROWS);
    free(row);
}

static void command_bench(const char *path, const struct px_parquet_column *column,
                          struct px_slice floats, size_t group_rows)
{
    double rows = (double)(floats.size_bytes / (column->dim_count * sizeof(float)));
    for (int round = 0; round < 3; round++) {
        int64_t begin_ns = px_clock_now_ns();
        write_file(path, column, floats, group_rows);
        printf("write: %.0f rows/s\n", rows / seconds_since(begin_ns));
    }
    struct opened opened = open_file(path);
    uint64_t bytes = 0;
    for (size_t i = 0; i < opened.layout->row_group_count; i++)
        bytes += opened.layout->row_groups[i].chunks[0].pages.size_bytes;
    const struct px_parquet_chunk *chunk = &opened.layout->row_groups[0].chunks[0];
    printf("%s%s: %.4f times smaller, %.1f bytes a row, %zu row groups\n",
           px_parquet_vector_encoding_name(chunk->encoding),
           chunk->codec == PX_PARQUET_ZSTD ? " and zstd" : "",
           (double)floats.size_bytes / (double)bytes, (double)bytes / rows,
           opened.layout->row_group_count);
    for (int round = 0; round < 3; round++) {
        int64_t begin_ns = px_clock_now_ns();
        read_all(&opened, NULL);
        printf("read in order, %s: %.0f rows/s\n", round == 0 ? "first touch" : "checked before",
               rows / seconds_since(begin_ns));
    }
    bench_random(&opened);
    close_file(&opened);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "read") == 0 && argc == 4) {
        command_read(argv[2], argv[3]);
        return EXIT_SUCCESS;
    }
    bool is_bench = strcmp(command, "bench") == 0;
    if ((!is_bench && strcmp(command, "write") != 0) || argc != 8) {
        fprintf(stderr, "usage: vector_tool write|read|bench ...\n");
        return EXIT_FAILURE;
    }
    struct px_parquet_column column = {
        .name = "vector",
        .shape = PX_PARQUET_VECTOR,
        .type = PX_PARQUET_FLOAT,
        .dim_count = (uint32_t)strtoul(argv[3], NULL, 10),
        .vector_encoding = encoding_of(argv[5]),
        .most_row_bytes = (uint32_t)strtoul(argv[6], NULL, 10),
    };
    (is_bench ? command_bench : write_file)(argv[2], &column, map_bytes(argv[4]),
                                            strtoul(argv[7], NULL, 10));
    return EXIT_SUCCESS;
}
