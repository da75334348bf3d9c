/*
 * Goal: vectors come back bit for bit, however they were written, in any order and portion; and what
 * is wrong with a page is said of that page. Method: random vectors of so many distinct values, in
 * every encoding and many dimensions, written and read by rows, ranges and all at once; then files
 * with a damaged page.
 */
#include "parquet/parquet_vectors.h"

#include "codec/crc32.h"
#include "parquet/data_page_internal.h"
#include "parquet/parquet_verify.h"
#include "parquet/parquet_writer.h"
#include "support/parquet_test.h"

/* A file of vectors, and the vectors. */
struct sample {
    struct px_parquet_column column;
    size_t row_count;
    uint32_t *rows; /* owned; bits */
    struct parquet_test_file file;
    struct px_parquet_reader *reader;
};

static struct px_parquet_column column_of(enum px_parquet_vector_encoding encoding, uint32_t dims)
{
    return (struct px_parquet_column){.name = "v",
                                      .shape = PX_PARQUET_VECTOR,
                                      .type = PX_PARQUET_FLOAT,
                                      .dim_count = dims,
                                      .vector_encoding = encoding};
}

/* Bits of value `number` of a palette: both zeros, NaN and infinity come first. */
static uint32_t palette(uint32_t number)
{
    static const uint32_t awkward[] = {0x80000000, 0, 0x7fc00001, 0xff800000, 1, 0xffc0dead};
    if (number < sizeof awkward / sizeof awkward[0])
        return awkward[number];
    return number * UINT32_C(0x9e3779b1) | 2;
}

/* Values are skewed: half of them come from an eighth of the palette. */
static uint32_t random_value(struct px_test_random *random, uint32_t distinct)
{
    uint32_t most = px_test_below(random, 2) == 0 ? distinct / 8 + 1 : distinct;
    return palette((uint32_t)px_test_below(random, most));
}

static void write_sample(struct sample *sample, size_t group_rows)
{
    struct proximadb_error error;
    struct px_parquet_writer *writer;
    struct px_parquet_written written;
    size_t dims = sample->column.dim_count;
    int fd = parquet_test_create("parquet_vectors");
    parquet_test_check(
        px_parquet_writer_open(&px_fs_posix, fd, &sample->column, 1, &writer, &error), &error);
    for (size_t row = 0; row < sample->row_count; row += group_rows) {
        size_t left = sample->row_count - row;
        px_parquet_append_vectors(writer, 0, sample->rows + row * dims,
                                  left < group_rows ? left : group_rows);
        parquet_test_check(px_parquet_writer_end_row_group(writer, &error), &error);
    }
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    sample->file = parquet_test_load(fd, &written);
    sample->reader = parquet_test_open(&sample->file);
}

static struct sample make_sample(struct px_test_random *random, struct px_parquet_column column,
                                 uint32_t distinct, size_t row_count, size_t group_rows)
{
    struct sample sample = {.column = column, .row_count = row_count};
    size_t count = row_count * column.dim_count;
    sample.rows = malloc(count * sizeof *sample.rows);
    for (size_t i = 0; i < count; i++)
        sample.rows[i] = random_value(random, distinct);
    write_sample(&sample, group_rows);
    return sample;
}

static void release_sample(struct sample *sample)
{
    px_parquet_reader_close(sample->reader);
    parquet_test_release(&sample->file);
    free(sample->rows);
}

static const struct px_parquet_chunk *chunk_of(const struct sample *sample, size_t row_group)
{
    return &px_parquet_reader_layout(sample->reader)->row_groups[row_group].chunks[0];
}

/* Reads rows and compares them; behind them stands a canary. */
static void check_range(struct px_parquet_vector_cursor *cursor, const struct sample *sample,
                        size_t first_row, size_t row_count)
{
    struct proximadb_error error;
    size_t dims = sample->column.dim_count, count = row_count * dims;
    uint32_t *found = malloc((count + 1) * sizeof *found);
    found[count] = 12345;
    parquet_test_check(px_parquet_vector_cursor_read(cursor, first_row, (uint32_t)row_count,
                                                     (float *)(void *)found, &error),
                       &error);
    assert_memory_equal(found, sample->rows + first_row * dims, count * sizeof *found);
    assert_int_equal(found[count], 12345);
    free(found);
}

static void check_sample(struct px_test_random *random, const struct sample *sample)
{
    struct px_parquet_vector_cursor cursor;
    struct px_parquet_verified verified;
    struct proximadb_error error;
    px_parquet_vector_cursor_init(&cursor, sample->reader, 0);
    for (size_t i = 0; i < 20; i++) {
        size_t first = px_test_below(random, sample->row_count);
        check_range(&cursor, sample, first, 1);
        check_range(&cursor, sample, first, px_test_below(random, sample->row_count - first + 1));
    }
    check_range(&cursor, sample, 0, sample->row_count);
    px_parquet_vector_cursor_release(&cursor);
    parquet_test_check(px_parquet_verify(sample->reader, &verified, &error), &error);
}

static void check_written(struct px_test_random *random, struct px_parquet_column column,
                          uint32_t distinct, size_t row_count)
{
    size_t group_rows = px_test_below(random, 2) == 0 ? row_count : row_count / 2 + 1;
    struct sample sample = make_sample(random, column, distinct, row_count, group_rows);
    check_sample(random, &sample);
    release_sample(&sample);
}

static void test_parquet_vectors__come_back_bit_for_bit(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    static const uint32_t dims[] = {1, 2, 3, 7, 8, 9, 39, 40, 41, 100, 384, 1025};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
        for (int encoding = 0; encoding <= PX_PARQUET_VECTOR_SMALLEST; encoding++) {
            struct px_parquet_column column =
                column_of((enum px_parquet_vector_encoding)encoding, dims[i]);
            uint32_t distinct = UINT32_C(1) << px_test_below(&random, 17);
            check_written(&random, column, distinct, 1);
            check_written(&random, column, distinct, 2 + px_test_below(&random, 300));
            column.page_row_limit = 1 + (uint32_t)px_test_below(&random, 5);
            check_written(&random, column, distinct, 40);
        }
}

static void test_parquet_vectors__can_have_many_dimensions(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    for (int encoding = 0; encoding <= PX_PARQUET_VECTOR_SMALLEST; encoding++) {
        struct px_parquet_column column =
            column_of((enum px_parquet_vector_encoding)encoding, PX_PARQUET_MOST_DIMS);
        check_written(&random, column, 1000, 9);
    }
}

/* Pages of every width: a row group with 2^width distinct values, in one page that has them all. */
static void test_parquet_vectors__have_codes_of_every_width(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    for (unsigned width = 0; width <= 16; width++) {
        uint32_t distinct = UINT32_C(1) << width;
        struct sample sample = {.column = column_of(PX_PARQUET_VECTOR_DICTIONARY, 8192),
                                .row_count = 17};
        size_t count = sample.row_count * 8192;
        struct px_parquet_vector_cursor cursor;
        unsigned found = 0, widest = 0;
        sample.rows = malloc(count * sizeof *sample.rows);
        for (size_t i = 0; i < count; i++)
            sample.rows[i] =
                palette((uint32_t)(i < distinct ? i : px_test_below(&random, distinct)));
        write_sample(&sample, sample.row_count);
        assert_int_equal(chunk_of(&sample, 0)->encoding, PX_PARQUET_VECTOR_DICTIONARY);
        check_sample(&random, &sample);
        px_parquet_vector_cursor_init(&cursor, sample.reader, 0);
        for (size_t row = 0; row < sample.row_count; row++) {
            assert_int_equal(px_parquet_vector_cursor_get_width(&cursor, row, &found, NULL),
                             PROXIMADB_OK);
            widest = found > widest ? found : widest;
        }
        assert_int_equal(widest, width == 0 ? 1 : width);
        px_parquet_vector_cursor_release(&cursor);
        release_sample(&sample);
    }
}

static void test_parquet_vectors__of_too_many_values_are_split(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    enum { DIMS = 100, ROWS = 700 };
    struct sample sample = {.column = column_of(PX_PARQUET_VECTOR_DICTIONARY, DIMS),
                            .row_count = 2 * ROWS};
    sample.rows = malloc(2 * ROWS * DIMS * sizeof *sample.rows);
    for (uint32_t i = 0; i < 2 * ROWS * DIMS; i++) /* 65,536 and 65,537 distinct ones */
        sample.rows[i] = palette(i % (i < ROWS * DIMS ? 65536 : 65537));
    write_sample(&sample, ROWS);
    assert_int_equal(chunk_of(&sample, 0)->encoding, PX_PARQUET_VECTOR_DICTIONARY);
    assert_int_equal(chunk_of(&sample, 1)->encoding, PX_PARQUET_VECTOR_SPLIT);
    assert_int_equal(chunk_of(&sample, 1)->codec, PX_PARQUET_ZSTD);
    check_sample(&random, &sample);
    release_sample(&sample);
}

/* Rows of floats with some low bits zero, as half precision has them. */
static struct sample make_rounded(struct px_test_random *random, struct px_parquet_column column,
                                  size_t row_count, unsigned zero_bits)
{
    struct sample sample = {.column = column, .row_count = row_count};
    size_t count = row_count * column.dim_count;
    sample.rows = malloc(count * sizeof *sample.rows);
    for (size_t i = 0; i < count; i++) {
        float value = px_test_float(random);
        memcpy(&sample.rows[i], &value, sizeof value);
        sample.rows[i] &= ~((UINT32_C(1) << zero_bits) - 1);
    }
    write_sample(&sample, row_count);
    return sample;
}

static void test_parquet_vectors__take_the_smaller_way(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    struct px_parquet_column column = column_of(PX_PARQUET_VECTOR_SMALLEST, 64);
    struct sample sample = make_sample(&random, column, 200, 1000, 1000);
    assert_int_equal(chunk_of(&sample, 0)->encoding, PX_PARQUET_VECTOR_DICTIONARY);
    check_sample(&random, &sample);
    release_sample(&sample);
    sample = make_rounded(&random, column, 1000, 13); /* 16-bit codes, and half of the bytes zero */
    assert_int_equal(chunk_of(&sample, 0)->encoding, PX_PARQUET_VECTOR_SPLIT);
    check_sample(&random, &sample);
    release_sample(&sample);
}

/* 256 values, of which the first ones are frequent: as bytes they have some 6.5 bits of entropy. */
static struct sample make_skewed(struct px_test_random *random, uint32_t most_row_bytes)
{
    struct sample sample = {.column = column_of(PX_PARQUET_VECTOR_DICTIONARY, 384),
                            .row_count = 1000};
    size_t count = sample.row_count * 384;
    sample.column.most_row_bytes = most_row_bytes;
    sample.rows = malloc(count * sizeof *sample.rows);
    for (size_t i = 0; i < count; i++) {
        uint64_t least = 255;
        for (int j = 0; j < 4; j++) {
            uint64_t number = px_test_below(random, 256);
            least = number < least ? number : least;
        }
        sample.rows[i] = palette((uint32_t)least);
    }
    write_sample(&sample, sample.row_count);
    return sample;
}

static void test_parquet_vectors__are_compressed_where_they_are_too_large(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    struct sample sample = make_skewed(&random, 384 + 16);
    uint64_t size_bytes = chunk_of(&sample, 0)->pages.size_bytes;
    assert_int_equal(chunk_of(&sample, 0)->codec, PX_PARQUET_UNCOMPRESSED);
    assert_true(size_bytes < 1000 * (384 + 16));
    release_sample(&sample);
    sample = make_skewed(&random, 300);
    assert_int_equal(chunk_of(&sample, 0)->codec, PX_PARQUET_ZSTD);
    assert_int_equal(chunk_of(&sample, 0)->encoding, PX_PARQUET_VECTOR_DICTIONARY);
    assert_true(chunk_of(&sample, 0)->pages.size_bytes < size_bytes - size_bytes / 10);
    check_sample(&random, &sample);
    release_sample(&sample);
}

/* As exact vectors of bytes are: few values, some of them frequent, whose bytes say little. */
static void test_parquet_vectors__are_compressed_codes_where_that_is_smallest(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    struct sample sample = make_skewed(&random, 300);
    uint64_t size_bytes = chunk_of(&sample, 0)->pages.size_bytes;
    sample.column.vector_encoding = PX_PARQUET_VECTOR_SMALLEST;
    sample.column.most_row_bytes = 0;
    px_parquet_reader_close(sample.reader);
    parquet_test_release(&sample.file);
    write_sample(&sample, sample.row_count);
    assert_int_equal(chunk_of(&sample, 0)->encoding, PX_PARQUET_VECTOR_DICTIONARY);
    assert_int_equal(chunk_of(&sample, 0)->codec, PX_PARQUET_ZSTD);
    assert_int_equal(chunk_of(&sample, 0)->pages.size_bytes, size_bytes);
    check_sample(&random, &sample);
    release_sample(&sample);
}

static void test_parquet_vectors__are_not_compressed_for_nothing(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    static const enum px_parquet_vector_encoding encodings[] = {PX_PARQUET_VECTOR_DICTIONARY,
                                                                PX_PARQUET_VECTOR_SMALLEST};
    for (size_t e = 0; e < 2; e++) {
        struct sample sample = {.column = column_of(encodings[e], 384), .row_count = 500};
        sample.column.most_row_bytes = encodings[e] == PX_PARQUET_VECTOR_DICTIONARY;
        sample.rows = malloc(sample.row_count * 384 * sizeof *sample.rows);
        for (size_t i = 0; i < sample.row_count * 384; i++)
            sample.rows[i] = palette((uint32_t)px_test_below(&random, 256));
        write_sample(&sample, sample.row_count);
        assert_int_equal(chunk_of(&sample, 0)->encoding, PX_PARQUET_VECTOR_DICTIONARY);
        assert_int_equal(chunk_of(&sample, 0)->codec, PX_PARQUET_UNCOMPRESSED);
        check_sample(&random, &sample);
        release_sample(&sample);
    }
}

static void test_parquet_vectors__are_in_place_only_where_plain(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    for (int encoding = 0; encoding < PX_PARQUET_VECTOR_SMALLEST; encoding++) {
        struct proximadb_error error;
        const float *vector;
        bool is_plain = encoding == PX_PARQUET_VECTOR_PLAIN;
        struct sample sample = make_sample(
            &random, column_of((enum px_parquet_vector_encoding)encoding, 50), 100, 30, 30);
        assert_int_equal(px_parquet_reader_is_plain(sample.reader, 0, 0), is_plain);
        int rc = px_parquet_reader_vector(sample.reader, 0, 3, &vector, &error);
        assert_int_equal(rc, is_plain ? PROXIMADB_OK : PROXIMADB_UNIMPLEMENTED);
        if (!is_plain)
            assert_non_null(strstr(error.message, "column 'v', page 0 at offset"));
        release_sample(&sample);
    }
}

/* Flips a bit of a byte at a time: the first touch of the page says so, naming it. */
static void check_damage(struct sample *sample, size_t offset, const char *what)
{
    struct px_parquet_vector_cursor cursor;
    struct proximadb_error error;
    float *rows = malloc(sample->row_count * sample->column.dim_count * sizeof *rows);
    struct px_parquet_reader *reader = parquet_test_open(&sample->file);
    sample->file.bytes[offset] ^= 0x10;
    px_parquet_vector_cursor_init(&cursor, reader, 0);
    int rc = px_parquet_vector_cursor_read(&cursor, 0, (uint32_t)sample->row_count, rows, &error);
    if (rc == PROXIMADB_OK || strstr(error.message, what) == NULL)
        fail_msg("offset %zu: %s", offset, rc == PROXIMADB_OK ? "not noticed" : error.message);
    px_parquet_vector_cursor_release(&cursor);
    px_parquet_reader_close(reader);
    sample->file.bytes[offset] ^= 0x10;
    free(rows);
}

static void test_parquet_vectors__notice_damage(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_vectors");
    for (int encoding = PX_PARQUET_VECTOR_DICTIONARY; encoding <= PX_PARQUET_VECTOR_SPLIT;
         encoding++) {
        struct sample sample = make_sample(
            &random, column_of((enum px_parquet_vector_encoding)encoding, 50), 100, 600, 600);
        const struct px_parquet_layout *layout = px_parquet_reader_layout(sample.reader);
        const struct px_parquet_chunk *chunk = chunk_of(&sample, 0);
        const struct px_parquet_page *page = &layout->page_lists[0].pages[chunk->page_count - 1];
        char place[100];
        assert_true(chunk->page_count > 1);
        snprintf(place, sizeof place, "column 'v', page %zu at offset %llu", chunk->page_count - 1,
                 (unsigned long long)page->offset);
        for (size_t i = 0; i < 20; i++)
            check_damage(&sample, page->offset + page->size_bytes - 1 - i * 7, place);
        for (size_t i = 0; i < chunk->dictionary_bytes; i += 11)
            check_damage(&sample, chunk->pages.offset + i,
                         "column 'v', the dictionary page of row group 0 at offset 4");
        release_sample(&sample);
    }
}

/* Replaces a byte of a page's body and makes its checksum right again. */
static void check_forged(struct sample *sample, size_t body_at, uint8_t value, int status,
                         const char *part)
{
    const struct px_parquet_page *page =
        &px_parquet_reader_layout(sample->reader)->page_lists[0].pages[0];
    struct px_parquet_vector_cursor cursor;
    struct proximadb_error error;
    struct px_data_page parsed;
    struct px_buffer header = {0};
    float *rows = malloc(sample->row_count * sample->column.dim_count * sizeof *rows);
    uint8_t *begin = sample->file.bytes + page->offset, *copy = malloc(page->size_bytes);
    memcpy(copy, begin, page->size_bytes);
    assert_int_equal(px_data_page__parse_encoded(px_slice_of(begin, page->size_bytes),
                                                 PX_PARQUET_UNCOMPRESSED, PX_PARQUET_RLE_DICTIONARY,
                                                 &parsed, NULL),
                     PROXIMADB_OK);
    uint8_t *body = begin + (parsed.body.data - begin);
    body[body_at] = value;
    do { /* a header of the same length, with the checksum of a body whose padding does not matter */
        px_buffer_clear(&header);
        parsed.crc = px_crc32(0, body, parsed.body.size_bytes);
        px_data_page__encode(&parsed, &header);
        body[parsed.body.size_bytes - 1]++;
    } while (header.size_bytes != (size_t)(body - begin));
    body[parsed.body.size_bytes - 1]--;
    memcpy(begin, header.data, header.size_bytes);
    struct px_parquet_reader *reader = parquet_test_open(&sample->file);
    px_parquet_vector_cursor_init(&cursor, reader, 0);
    assert_int_equal(px_parquet_vector_cursor_read(&cursor, 0, 1, rows, &error), status);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
    px_parquet_vector_cursor_release(&cursor);
    px_parquet_reader_close(reader);
    px_buffer_release(&header);
    memcpy(begin, copy, page->size_bytes);
    free(copy);
    free(rows);
}

static void test_parquet_vectors__refuse_what_is_forged(void **state)
{
    (void)state;
    enum { DIMS = 43, ROWS = 3, DISTINCT = 5, WIDTH = 3 };
    struct sample sample = {.column = column_of(PX_PARQUET_VECTOR_DICTIONARY, DIMS),
                            .row_count = ROWS};
    sample.rows = malloc(ROWS * DIMS * sizeof *sample.rows);
    for (uint32_t i = 0; i < ROWS * DIMS; i++)
        sample.rows[i] = palette(i % DISTINCT);
    write_sample(&sample, ROWS);
    size_t codes_bytes = (ROWS * DIMS + 7) / 8 * WIDTH;
    const struct px_parquet_page *page =
        &px_parquet_reader_layout(sample.reader)->page_lists[0].pages[0];
    struct px_data_page parsed;
    assert_int_equal(px_data_page__parse_encoded(
                         px_slice_of(sample.file.bytes + page->offset, page->size_bytes),
                         PX_PARQUET_UNCOMPRESSED, PX_PARQUET_RLE_DICTIONARY, &parsed, NULL),
                     PROXIMADB_OK);
    size_t codes_at = parsed.body.size_bytes - codes_bytes;
    size_t width_at = codes_at - 2;
    assert_int_equal(parsed.body.data[width_at], WIDTH);
    check_forged(&sample, width_at, 17, PROXIMADB_UNIMPLEMENTED, "codes have 17 bits");
    check_forged(&sample, width_at, 2, PROXIMADB_CORRUPT, "its codes take");
    check_forged(&sample, width_at, 4, PROXIMADB_CORRUPT, "its codes take");
    check_forged(&sample, width_at + 1, 17 << 1, PROXIMADB_UNIMPLEMENTED, "one bit-packed run");
    check_forged(&sample, width_at + 1, 18 << 1 | 1, PROXIMADB_UNIMPLEMENTED, "one bit-packed run");
    check_forged(&sample, codes_at, 0x3f, PROXIMADB_CORRUPT, "names value 7 of a dictionary of 5");
    check_forged(&sample, codes_at + 10, 0xff, PROXIMADB_CORRUPT, "of a dictionary of 5");
    check_forged(&sample, 4, 0xff, PROXIMADB_CORRUPT, "does not hold 3 rows of 43 elements");
    check_forged(&sample, 0, 0xff, PROXIMADB_CORRUPT, "its levels are longer than the page");
    release_sample(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_vectors__come_back_bit_for_bit),
        cmocka_unit_test(test_parquet_vectors__can_have_many_dimensions),
        cmocka_unit_test(test_parquet_vectors__have_codes_of_every_width),
        cmocka_unit_test(test_parquet_vectors__of_too_many_values_are_split),
        cmocka_unit_test(test_parquet_vectors__take_the_smaller_way),
        cmocka_unit_test(test_parquet_vectors__are_compressed_where_they_are_too_large),
        cmocka_unit_test(test_parquet_vectors__are_compressed_codes_where_that_is_smallest),
        cmocka_unit_test(test_parquet_vectors__are_not_compressed_for_nothing),
        cmocka_unit_test(test_parquet_vectors__are_in_place_only_where_plain),
        cmocka_unit_test(test_parquet_vectors__notice_damage),
        cmocka_unit_test(test_parquet_vectors__refuse_what_is_forged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
