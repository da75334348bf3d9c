/*
 * rows: how long random rows take, of the files themselves and of the engine in process.
 *
 *      bench_rows parts OUT ROW_LIMIT READ_COUNT ROUNDS PART...
 *      bench_rows get   DATA COLLECTION IDS ROUNDS
 *
 * parts  Maps the Parquet parts and reads vectors with the engine's own reader, one row at a time, in
 *        random order, out of their first ROW_LIMIT rows together. First READ_COUNT rows of pages
 *        that nobody has looked at, then all rows in order, which checks every page, then ROUNDS
 *        rounds of READ_COUNT rows, other ones each time. One line for each on standard output:
 *
 *              first|all|random ROW_COUNT NANOSECONDS
 *
 *        The rows of the last round are written to OUT: of each its number, counted through the
 *        parts, as int64, and its vector as float32.
 * get    Opens the data folder, which no server may hold, and gets the rows with the ids of the file
 *        IDS, one id a line, all in one call; ROUNDS times behind one that is not timed. The time is
 *        from the ids to the last float read from the answer. One line a round:
 *
 *              get ROW_COUNT NANOSECONDS
 *
 * The files are in the page cache if they are when the program starts.
 */
#include <proximadb.h>

#include "os/fs.h"
#include "parquet/parquet_vectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED       UINT64_C(0x9e3779b97f4a7c15)
#define LINE_BYTES 600
#define NS_A_S     INT64_C(1000000000)

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_A_S + now.tv_nsec;
}

static int fail(const struct proximadb_error *error)
{
    fprintf(stderr, "bench_rows: %s\n", error->message);
    return 1;
}

static int fail_because(const char *what, const char *detail)
{
    fprintf(stderr, "bench_rows: %s %s\n", what, detail);
    return 1;
}

/* ---- parts --------------------------------------------------------------------------------- */

struct part {
    const void *data;
    size_t size_bytes;
    struct px_parquet_reader *reader;
    struct px_parquet_vector_cursor cursor;
    uint64_t first_row; /* through all parts */
    uint64_t row_count;
};

struct parts {
    struct part *parts;
    size_t count;
    uint64_t row_count; /* of all, at most the limit */
    uint32_t dim_count;
};

/* Maps and opens one part. Returns 0, or 1 with a line on standard error. */
static int open_part(struct part *part, const char *path, uint32_t *dim_count)
{
    struct px_fs *fs = &px_fs_posix;
    struct px_fs_info info;
    int fd = fs->open(fs, path, PX_FS_READ);
    if (fd < 0 || fs->info(fs, path, &info) != 0 ||
        fs->map(fs, fd, (size_t)info.size_bytes, &part->data) != 0)
        return fail_because("cannot map", path);
    (void)fs->close(fs, fd); /* the mapping outlives it */
    part->size_bytes = (size_t)info.size_bytes;
    struct proximadb_error error;
    if (px_parquet_reader_open(px_slice_of(part->data, part->size_bytes), &part->reader, &error) !=
        PROXIMADB_OK)
        return fail(&error);
    size_t column;
    if (!px_parquet_reader_find_column(part->reader, "vector", &column))
        return fail_because("there are no vectors in", path);
    const struct px_parquet_layout *layout = px_parquet_reader_layout(part->reader);
    if (layout->row_count == 0 ||
        (*dim_count != 0 && layout->columns[column].dim_count != *dim_count))
        return fail_because("no rows, or another dimension in", path);
    *dim_count = layout->columns[column].dim_count;
    part->row_count = layout->row_count;
    px_parquet_vector_cursor_init(&part->cursor, part->reader, column);
    return 0;
}

static void close_parts(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        struct part *part = &parts->parts[i];
        px_parquet_vector_cursor_release(&part->cursor);
        px_parquet_reader_close(part->reader);
        if (part->data != NULL)
            (void)px_fs_posix.unmap(&px_fs_posix, part->data, part->size_bytes);
    }
    free(parts->parts);
}

/* The part that holds a row: the last that begins at or before it. */
static struct part *find_part(const struct parts *parts, uint64_t row)
{
    size_t low = 0;
    size_t high = parts->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (parts->parts[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return &parts->parts[low];
}

/* Reads rows one at a time, each to its place in `vectors`. */
static int read_rows(const struct parts *parts, const int64_t *rows, size_t count, float *vectors,
                     struct proximadb_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct part *part = find_part(parts, (uint64_t)rows[i]);
        int rc = px_parquet_vector_cursor_read(&part->cursor, (uint64_t)rows[i] - part->first_row,
                                               1, vectors + i * parts->dim_count, error);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

/* Splitmix64: the same rows each time. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = (*state += UINT64_C(0x9e3779b97f4a7c15));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static int time_random(const struct parts *parts, const char *name, uint64_t *random, int64_t *rows,
                       size_t count, float *vectors)
{
    for (size_t i = 0; i < count; i++)
        rows[i] = (int64_t)(next_random(random) % parts->row_count);
    struct proximadb_error error;
    int64_t began_ns = now_ns();
    if (read_rows(parts, rows, count, vectors, &error) != PROXIMADB_OK)
        return fail(&error);
    printf("%s %zu %" PRId64 "\n", name, count, now_ns() - began_ns);
    return 0;
}

/* Every row once, in order. */
static int time_all(const struct parts *parts, float *vector)
{
    struct proximadb_error error;
    int64_t began_ns = now_ns();
    for (int64_t row = 0; row < (int64_t)parts->row_count; row++)
        if (read_rows(parts, &row, 1, vector, &error) != PROXIMADB_OK)
            return fail(&error);
    printf("all %" PRIu64 " %" PRId64 "\n", parts->row_count, now_ns() - began_ns);
    return 0;
}

static int write_rows(const struct parts *parts, const char *path, const int64_t *rows,
                      size_t count, const float *vectors)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return fail_because("cannot write", path);
    bool written = true;
    for (size_t i = 0; i < count && written; i++)
        written = fwrite(&rows[i], sizeof rows[i], 1, file) == 1 &&
                  fwrite(vectors + i * parts->dim_count, sizeof *vectors, parts->dim_count, file) ==
                      parts->dim_count;
    written = fclose(file) == 0 && written;
    return written ? 0 : fail_because("cannot write", path);
}

static int time_parts(const struct parts *parts, const char *out, size_t count, int round_count)
{
    int64_t *rows = calloc(count, sizeof *rows);
    float *vectors = calloc(count, parts->dim_count * sizeof *vectors);
    uint64_t random = SEED;
    int status = rows == NULL || vectors == NULL;
    if (status == 0)
        status = time_random(parts, "first", &random, rows, count, vectors);
    if (status == 0)
        status = time_all(parts, vectors);
    for (int round = 0; round < round_count && status == 0; round++)
        status = time_random(parts, "random", &random, rows, count, vectors);
    if (status == 0)
        status = write_rows(parts, out, rows, count, vectors);
    free(rows);
    free(vectors);
    return status;
}

static int measure_parts(char **words, int part_count, char **paths)
{
    uint64_t row_limit = strtoull(words[1], NULL, 10);
    size_t count = strtoul(words[2], NULL, 10);
    struct parts parts = {.parts = calloc((size_t)part_count, sizeof *parts.parts)};
    if (parts.parts == NULL || count == 0 || row_limit == 0)
        return fail_because("rows to read are 1 or more", "");
    int status = 0;
    for (int i = 0; i < part_count && parts.row_count < row_limit && status == 0; i++) {
        struct part *part = &parts.parts[parts.count++];
        status = open_part(part, paths[i], &parts.dim_count);
        part->first_row = parts.row_count;
        parts.row_count += part->row_count;
    }
    if (parts.row_count > row_limit)
        parts.row_count = row_limit;
    if (status == 0)
        status = time_parts(&parts, words[0], count, (int)strtol(words[3], NULL, 10));
    close_parts(&parts);
    return status;
}

/* ---- get ----------------------------------------------------------------------------------- */

struct ids {
    struct proximadb_text *texts; /* views into bytes */
    size_t count;
    char *bytes;
};

/* The lines of a file; 0, or 1 with a line on standard error. */
static int load_ids(struct ids *ids, const char *path)
{
    FILE *file = fopen(path, "rb");
    long size_bytes = 0;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        size_bytes = ftell(file);
    if (size_bytes <= 0) {
        if (file != NULL)
            (void)fclose(file);
        return fail_because("there are no ids in", path);
    }
    rewind(file);
    ids->bytes = calloc((size_t)size_bytes + 1, 1);
    ids->texts = calloc((size_t)size_bytes, sizeof *ids->texts);
    bool loaded = ids->bytes != NULL && ids->texts != NULL &&
                  fread(ids->bytes, 1, (size_t)size_bytes, file) == (size_t)size_bytes;
    (void)fclose(file);
    if (!loaded)
        return fail_because("cannot read", path);
    for (char *line = ids->bytes; *line != '\0'; ids->count++) {
        size_t length = strcspn(line, "\n");
        ids->texts[ids->count] = (struct proximadb_text){.data = line, .size_bytes = length};
        line += length + (line[length] == '\n');
    }
    return 0;
}

/* Counts the rows and adds up their floats, so that each is read. */
static int read_answer(struct proximadb_buffer *response, size_t *ret_rows, double *ret_sum,
                       struct proximadb_error *error)
{
    proximadb_reader *reader;
    int rc = proximadb_reader_new(response, &reader, error);
    if (rc != PROXIMADB_OK)
        return rc;
    struct proximadb_hit hit;
    error->status = PROXIMADB_OK;
    while (proximadb_reader_next(reader, &hit, error)) {
        *ret_rows += 1;
        for (size_t i = 0; i < hit.dim_count; i++) {
            float value;
            memcpy(&value, (const char *)hit.vector + i * sizeof value, sizeof value);
            *ret_sum += (double)value;
        }
    }
    proximadb_reader_free(reader);
    return error->status;
}

static int get_once(proximadb *db, const char *collection, const struct ids *ids, size_t *ret_rows,
                    struct proximadb_error *error)
{
    struct proximadb_request request = {
        .struct_size = sizeof request,
        .operation = PROXIMADB_GET,
        .collection = collection,
        .collection_size_bytes = strlen(collection),
    };
    struct proximadb_buffer response;
    double sum = 0;
    *ret_rows = 0;
    int rc = proximadb_encode_get(ids->texts, ids->count, true, &request.payload, error);
    if (rc == PROXIMADB_OK)
        rc = proximadb_call(db, &request, &response, error);
    if (rc == PROXIMADB_OK)
        rc = read_answer(&response, ret_rows, &sum, error);
    if (rc == PROXIMADB_OK && sum != sum)
        *ret_rows = 0; /* no vector that was accepted has a NaN */
    return rc;
}

static int time_gets(proximadb *db, const char *collection, const struct ids *ids, int round_count)
{
    struct proximadb_error error;
    for (int round = -1; round < round_count; round++) {
        size_t row_count;
        int64_t began_ns = now_ns();
        if (get_once(db, collection, ids, &row_count, &error) != PROXIMADB_OK)
            return fail(&error);
        int64_t took_ns = now_ns() - began_ns;
        if (row_count != ids->count)
            return fail_because("rows are missing in", collection);
        if (round >= 0)
            printf("get %zu %" PRId64 "\n", row_count, took_ns);
    }
    return 0;
}

static int measure_get(char **words)
{
    struct ids ids = {0};
    struct proximadb_options options = {.struct_size = sizeof options};
    struct proximadb_error error;
    proximadb *db;
    int status = load_ids(&ids, words[2]);
    if (status == 0 && proximadb_open(words[0], &options, &db, &error) != PROXIMADB_OK)
        status = fail(&error);
    else if (status == 0) {
        status = time_gets(db, words[1], &ids, (int)strtol(words[3], NULL, 10));
        proximadb_close(db);
    }
    free(ids.texts);
    free(ids.bytes);
    return status;
}

int main(int argc, char **argv)
{
    if (argc >= 7 && strcmp(argv[1], "parts") == 0)
        return measure_parts(argv + 2, argc - 6, argv + 6);
    if (argc == 6 && strcmp(argv[1], "get") == 0)
        return measure_get(argv + 2);
    fprintf(stderr, "usage: bench_rows parts OUT ROW_LIMIT READ_COUNT ROUNDS PART...\n"
                    "       bench_rows get DATA COLLECTION IDS ROUNDS\n");
    return 2;
}
