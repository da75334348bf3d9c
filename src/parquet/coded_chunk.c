#include "parquet/coded_chunk_internal.h"

#include "base/bits.h"
#include "codec/crc32.h"
#include "parquet/code_page_internal.h"
#include "parquet/data_page_internal.h"
#include "parquet/page_cuts_internal.h"
#include "parquet/vector_levels_internal.h"
#include "parquet/vector_page_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
    CODES_PAGE_VALUES = 24576,
    SPLIT_PAGE_VALUES = 12288,
    SAMPLE_PAGES = 16,
    STREAM_COUNT = sizeof(float),
    DEFAULT_ZSTD_LEVEL = 1,
    PENDING_BYTES = 1 << 20,   /* is written at once */
    MOST_HELD_BYTES = 1 << 30, /* of codes; a row group that needs more is to be ended earlier */
    ALIGNED_CODE_BITS = 8,     /* a compressed page's codes have at least so many */
    PAGE_COST_BYTES = 50,      /* of a SPLIT page beside its body: header and offset index */
};

/* ---- set up -------------------------------------------------------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The rows of a page, at most, by what the column says and by its values. */
static uint32_t rows_of_page(const struct px_parquet_column *column, uint32_t values)
{
    uint32_t byte_limit =
        column->page_byte_limit != 0 ? column->page_byte_limit : PX_PARQUET_PAGE_BYTES;
    uint32_t rows = column->page_row_limit != 0 ? column->page_row_limit : PX_PARQUET_PAGE_ROWS;
    rows = smaller(rows, values / column->dim_count);
    rows = smaller(rows, byte_limit / (column->dim_count * (uint32_t)sizeof(float)));
    return rows > 0 ? rows : 1;
}

static uint32_t rows_of_split_page(const struct px_coded_chunk *chunk)
{
    return rows_of_page(chunk->column, SPLIT_PAGE_VALUES);
}

int px_coded_chunk__init(struct px_coded_chunk *chunk, const struct px_parquet_column *column,
                         struct px_output *output, struct proximadb_error *reterr)
{
    assert(column->vector_encoding != PX_PARQUET_VECTOR_PLAIN);
    *chunk = (struct px_coded_chunk){.column = column, .output = output};
    px_buffer_init(&chunk->codes, MOST_HELD_BYTES);
    px_coded_chunk__clear(chunk);
    chunk->rows = malloc(rows_of_split_page(chunk) * column->dim_count * sizeof(float));
    if (chunk->rows == NULL)
        return px_fail_no_memory(reterr);
    return px_distinct__init(&chunk->distinct, reterr);
}

void px_coded_chunk__release(struct px_coded_chunk *chunk)
{
    free(chunk->rows);
    px_zstd_compressor_free(chunk->compressor);
    px_distinct__release(&chunk->distinct);
    px_buffer_release(&chunk->codes);
    px_buffer_release(&chunk->records);
    px_buffer_release(&chunk->cuts);
    px_buffer_release(&chunk->row_widths);
    px_buffer_release(&chunk->widths);
    px_buffer_release(&chunk->body);
    px_buffer_release(&chunk->compressed);
    px_buffer_release(&chunk->pending);
    *chunk = (struct px_coded_chunk){0};
}

void px_coded_chunk__clear(struct px_coded_chunk *chunk)
{
    if (chunk->distinct.slots != NULL)
        px_distinct__clear(&chunk->distinct);
    px_buffer_clear(&chunk->codes);
    px_buffer_clear(&chunk->records);
    chunk->is_split = chunk->column->vector_encoding == PX_PARQUET_VECTOR_SPLIT;
    chunk->page_row_count = 0;
    chunk->row_count = 0;
    chunk->size_bytes = 0;
    chunk->uncompressed_bytes = 0;
    chunk->dictionary_bytes = 0;
    chunk->encoding = PX_PARQUET_VECTOR_SPLIT;
    chunk->codec = PX_PARQUET_ZSTD;
}

size_t px_coded_chunk__held_bytes(const struct px_coded_chunk *chunk)
{
    return chunk->codes.size_bytes + chunk->records.size_bytes;
}

static size_t row_codes_bytes(const struct px_coded_chunk *chunk)
{
    return chunk->column->dim_count * sizeof(uint16_t);
}

static size_t count_waiting(const struct px_coded_chunk *chunk)
{
    return chunk->codes.size_bytes / row_codes_bytes(chunk);
}

static uint16_t *codes_of_row(struct px_coded_chunk *chunk, size_t row)
{
    return (uint16_t *)(void *)(chunk->codes.data + row * row_codes_bytes(chunk));
}

/* ---- pages on their way -------------------------------------------------------------------- */

/* Compresses the body: levels in front of parts_bytes in part_count parts of equal size, each with
 * statistics of its own. */
static int compress(struct px_coded_chunk *chunk, size_t parts_bytes, size_t part_count,
                    struct proximadb_error *reterr)
{
    int level = chunk->column->zstd_level != 0 ? chunk->column->zstd_level : DEFAULT_ZSTD_LEVEL;
    struct px_slice parts[1 + STREAM_COUNT];
    size_t levels_bytes = chunk->body.size_bytes - parts_bytes;
    if (chunk->compressor == NULL)
        chunk->compressor = px_zstd_compressor_new();
    if (chunk->compressor == NULL)
        return px_fail_no_memory(reterr);
    parts[0] = px_slice_of(chunk->body.data, levels_bytes);
    for (size_t i = 0; i < part_count; i++)
        parts[1 + i] = px_slice_of(chunk->body.data + levels_bytes + i * (parts_bytes / part_count),
                                   parts_bytes / part_count);
    px_buffer_clear(&chunk->compressed);
    return px_zstd_compress_parts(chunk->compressor, level, parts, 1 + part_count,
                                  &chunk->compressed, reterr);
}

/* A body as it was built: the streams of a SPLIT page are its parts; of codes and of the dictionary
 * there is one, and the head of the codes counts as levels. */
static int compress_body(struct px_coded_chunk *chunk, enum px_parquet_encoding encoding,
                         size_t value_count, struct proximadb_error *reterr)
{
    if (encoding == PX_PARQUET_BYTE_STREAM_SPLIT)
        return compress(chunk, value_count * sizeof(float), STREAM_COUNT, reterr);
    if (encoding == PX_PARQUET_RLE_DICTIONARY)
        return compress(chunk, px_vector_page__codes_bytes(chunk->body_width, value_count), 1,
                        reterr);
    return compress(chunk, chunk->body.size_bytes, 1, reterr);
}

static int write_pending(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    struct px_slice piece = px_buffer_slice(&chunk->pending);
    int rc = px_buffer_status(&chunk->pending, reterr);
    if (rc == PROXIMADB_OK && piece.size_bytes > 0)
        rc = px_output__write(chunk->output, &piece, 1, reterr);
    px_buffer_clear(&chunk->pending);
    return rc;
}

/* Appends a page whose body is in chunk->body to what is pending: its size to *ret_bytes. */
static int put_page(struct px_coded_chunk *chunk, struct px_data_page *page, bool is_dictionary,
                    uint32_t *ret_bytes, struct proximadb_error *reterr)
{
    int rc = px_buffer_status(&chunk->body, reterr);
    page->body = px_buffer_slice(&chunk->body);
    page->uncompressed_bytes = (uint32_t)page->body.size_bytes;
    if (rc == PROXIMADB_OK && chunk->codec == PX_PARQUET_ZSTD) {
        rc = compress_body(chunk, page->encoding, page->value_count, reterr);
        page->body = px_buffer_slice(&chunk->compressed);
    }
    if (rc != PROXIMADB_OK)
        return rc;
    if (chunk->size_bytes == 0)
        chunk->offset = chunk->output->size_bytes;
    page->crc = px_crc32(0, page->body.data, page->body.size_bytes);
    size_t begin = chunk->pending.size_bytes;
    if (is_dictionary)
        px_data_page__encode_dictionary(page, &chunk->pending);
    else
        px_data_page__encode(page, &chunk->pending);
    size_t header_bytes = chunk->pending.size_bytes - begin;
    px_buffer_append_slice(&chunk->pending, page->body);
    *ret_bytes = (uint32_t)(header_bytes + page->body.size_bytes);
    chunk->size_bytes += *ret_bytes;
    chunk->uncompressed_bytes += header_bytes + page->uncompressed_bytes;
    return chunk->pending.size_bytes < PENDING_BYTES ? px_buffer_status(&chunk->pending, reterr)
                                                     : write_pending(chunk, reterr);
}

static int put_data_page(struct px_coded_chunk *chunk, uint32_t row_count,
                         struct proximadb_error *reterr)
{
    struct px_page_record record = {
        .offset = chunk->size_bytes, .first_row = chunk->row_count, .row_count = row_count};
    struct px_data_page page = {
        .encoding = px_data_page__encoding_of(chunk->encoding),
        .value_count = row_count * chunk->column->dim_count,
    };
    int rc = put_page(chunk, &page, false, &record.size_bytes, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_buffer_append(&chunk->records, &record, sizeof record);
    chunk->row_count += row_count;
    return px_buffer_status(&chunk->records, reterr);
}

/* ---- SPLIT --------------------------------------------------------------------------------- */

static int end_split_page(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    uint32_t row_count = chunk->page_row_count;
    if (row_count == 0)
        return PROXIMADB_OK;
    chunk->page_row_count = 0;
    px_buffer_clear(&chunk->body);
    px_code_page__put_streams(chunk->rows, row_count, chunk->column->dim_count, &chunk->body);
    return put_data_page(chunk, row_count, reterr);
}

/* Room for the next row of the SPLIT page under construction. */
static uint8_t *next_row(struct px_coded_chunk *chunk)
{
    return chunk->rows + (size_t)chunk->page_row_count * chunk->column->dim_count * sizeof(float);
}

static int add_split_row(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    chunk->page_row_count++;
    return chunk->page_row_count == rows_of_split_page(chunk) ? end_split_page(chunk, reterr)
                                                              : PROXIMADB_OK;
}

/* The floats that a row's codes stand for. */
static void decode_row(const struct px_coded_chunk *chunk, const uint16_t *codes, uint8_t *ret)
{
    for (uint32_t i = 0; i < chunk->column->dim_count; i++)
        px_store_u32(ret + i * sizeof(float), chunk->distinct.values[codes[i]]);
}

/* From now on the row group is split: makes pages of what waits. */
static int begin_split(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    size_t waiting = count_waiting(chunk);
    chunk->is_split = true;
    chunk->encoding = PX_PARQUET_VECTOR_SPLIT;
    chunk->codec = PX_PARQUET_ZSTD;
    for (size_t row = 0; rc == PROXIMADB_OK && row < waiting; row++) {
        decode_row(chunk, codes_of_row(chunk, row), next_row(chunk));
        rc = add_split_row(chunk, reterr);
    }
    px_buffer_clear(&chunk->codes);
    return rc;
}

/* ---- appending ----------------------------------------------------------------------------- */

/* Gives a row its codes. Where the dictionary cannot take it, the row group becomes split. */
static int add_codes(struct px_coded_chunk *chunk, const uint8_t *row,
                     struct proximadb_error *reterr)
{
    uint16_t *codes = px_buffer_reserve(&chunk->codes, row_codes_bytes(chunk));
    if (codes == NULL)
        return px_buffer_status(&chunk->codes, reterr);
    size_t given_count = chunk->codes.size_bytes / sizeof *codes;
    if (!px_distinct__add(&chunk->distinct, row, chunk->column->dim_count, codes - given_count,
                          given_count))
        return begin_split(chunk, reterr);
    chunk->codes.size_bytes += row_codes_bytes(chunk);
    return PROXIMADB_OK;
}

int px_coded_chunk__append(struct px_coded_chunk *chunk, const void *vectors, size_t row_count,
                           struct proximadb_error *reterr)
{
    const uint8_t *row = vectors;
    size_t row_bytes = chunk->column->dim_count * sizeof(float);
    int rc = PROXIMADB_OK;
    for (size_t i = 0; rc == PROXIMADB_OK && i < row_count; i++, row += row_bytes) {
        if (!chunk->is_split)
            rc = add_codes(chunk, row, reterr);
        if (rc == PROXIMADB_OK && chunk->is_split) {
            memcpy(next_row(chunk), row, row_bytes);
            rc = add_split_row(chunk, reterr);
        }
    }
    return rc;
}

/* ---- DICTIONARY ---------------------------------------------------------------------------- */

/* Changes the codes of a row for ranks; returns the greatest. */
static uint16_t rank_row(uint16_t *codes, uint32_t count, const uint16_t *ranks)
{
    uint16_t greatest = 0;
    for (uint32_t i = 0; i < count; i++) {
        codes[i] = ranks[codes[i]];
        greatest = codes[i] > greatest ? codes[i] : greatest;
    }
    return greatest;
}

/* Changes codes for ranks, and notes the bits of each row's. */
static int rank_codes(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    size_t row_count = count_waiting(chunk);
    px_buffer_clear(&chunk->row_widths);
    uint8_t *widths = px_buffer_reserve(&chunk->row_widths, row_count);
    uint16_t *ranks = malloc(PX_PARQUET_MOST_DISTINCT * sizeof *ranks);
    if (widths == NULL || ranks == NULL) {
        free(ranks);
        return px_fail_no_memory(reterr);
    }
    px_distinct__rank(&chunk->distinct, ranks);
    for (size_t row = 0; row < row_count; row++)
        widths[row] = (uint8_t)px_code_page__width(
            rank_row(codes_of_row(chunk, row), chunk->column->dim_count, ranks));
    chunk->row_widths.size_bytes = row_count;
    free(ranks);
    return PROXIMADB_OK;
}

/* Of codes that have least_width bits at least. */
static int cut_pages(struct px_coded_chunk *chunk, unsigned least_width,
                     struct proximadb_error *reterr)
{
    px_buffer_clear(&chunk->widths);
    px_buffer_append_slice(&chunk->widths, px_buffer_slice(&chunk->row_widths));
    for (size_t row = 0; row < chunk->widths.size_bytes; row++)
        if (chunk->widths.data[row] < least_width)
            chunk->widths.data[row] = (uint8_t)least_width;
    int rc = px_buffer_status(&chunk->widths, reterr);
    px_buffer_clear(&chunk->cuts);
    return rc != PROXIMADB_OK ? rc
                              : px_page_cuts__choose(chunk->widths.data, chunk->widths.size_bytes,
                                                     chunk->column->dim_count,
                                                     rows_of_page(chunk->column, CODES_PAGE_VALUES),
                                                     &chunk->cuts, reterr);
}

static const uint32_t *cuts_of(const struct px_coded_chunk *chunk, size_t *ret_count)
{
    *ret_count = chunk->cuts.size_bytes / sizeof(uint32_t);
    return (const uint32_t *)(const void *)chunk->cuts.data;
}

static unsigned width_of_page(const struct px_coded_chunk *chunk, size_t first_row,
                              uint32_t row_count)
{
    unsigned width = 1;
    for (size_t i = first_row; i < first_row + row_count; i++)
        width = chunk->widths.data[i] > width ? chunk->widths.data[i] : width;
    return width;
}

/* Makes the body of a page of codes. */
static void build_codes(struct px_coded_chunk *chunk, size_t first_row, uint32_t row_count)
{
    px_buffer_clear(&chunk->body);
    chunk->body_width = width_of_page(chunk, first_row, row_count);
    px_code_page__put_codes(codes_of_row(chunk, first_row), row_count, chunk->column->dim_count,
                            chunk->body_width, &chunk->body);
}

static int put_dictionary_page(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    struct px_data_page page = {.value_count = chunk->distinct.count};
    px_buffer_clear(&chunk->body);
    px_buffer_append(&chunk->body, chunk->distinct.values, page.value_count * sizeof(float));
    return put_page(chunk, &page, true, &chunk->dictionary_bytes, reterr);
}

static int write_dictionary(struct px_coded_chunk *chunk, enum px_parquet_codec codec,
                            struct proximadb_error *reterr)
{
    size_t count, row = 0;
    const uint32_t *cuts = cuts_of(chunk, &count);
    chunk->encoding = PX_PARQUET_VECTOR_DICTIONARY;
    chunk->codec = codec;
    int rc = put_dictionary_page(chunk, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < count; row += cuts[i++]) {
        build_codes(chunk, row, cuts[i]);
        rc = put_data_page(chunk, cuts[i], reterr);
    }
    return rc;
}

/* ---- choosing ------------------------------------------------------------------------------ */

/* Bytes of the row group as a dictionary that is not compressed; levels as those of the first page.
 */
static uint64_t measure_dictionary(struct px_coded_chunk *chunk)
{
    size_t count, row = 0;
    const uint32_t *cuts = cuts_of(chunk, &count);
    uint64_t dims = chunk->column->dim_count;
    uint64_t bytes = chunk->distinct.count * sizeof(float) + PAGE_COST_BYTES;
    px_buffer_clear(&chunk->body);
    px_vector_levels__put(cuts[0], chunk->column->dim_count, &chunk->body);
    bytes += chunk->body.size_bytes * count_waiting(chunk) / cuts[0];
    for (size_t i = 0; i < count; row += cuts[i++])
        bytes += PAGE_COST_BYTES +
                 px_vector_page__codes_bytes(width_of_page(chunk, row, cuts[i]), cuts[i] * dims);
    return bytes;
}

/* What some pages take. */
struct sample {
    uint64_t row_count;
    uint64_t bytes;
};

/* What the row group takes if all of it is as its sample; of a sample without rows, too much. */
static double bytes_by_sample(const struct px_coded_chunk *chunk, const struct sample *sample)
{
    if (sample->row_count == 0)
        return HUGE_VAL;
    return (double)sample->bytes * (double)count_waiting(chunk) / (double)sample->row_count;
}

/* The page of a sample's i-th: all pages of a few, otherwise some spread over them. */
static size_t sampled_page(size_t i, size_t page_count)
{
    return page_count <= SAMPLE_PAGES ? i : i * page_count / SAMPLE_PAGES;
}

/* Compresses the page in chunk->body. */
static int add_sample(struct px_coded_chunk *chunk, enum px_parquet_encoding encoding,
                      uint32_t row_count, struct sample *sample, struct proximadb_error *reterr)
{
    int rc = px_buffer_status(&chunk->body, reterr);
    if (rc == PROXIMADB_OK)
        rc = compress_body(chunk, encoding, (size_t)row_count * chunk->column->dim_count, reterr);
    sample->row_count += row_count;
    sample->bytes += chunk->compressed.size_bytes + PAGE_COST_BYTES;
    return rc;
}

static int sample_split(struct px_coded_chunk *chunk, struct sample *sample,
                        struct proximadb_error *reterr)
{
    uint32_t page_rows = rows_of_split_page(chunk), dims = chunk->column->dim_count;
    size_t row_count = count_waiting(chunk);
    size_t page_count = (row_count + page_rows - 1) / page_rows;
    int rc = PROXIMADB_OK;
    for (size_t i = 0; rc == PROXIMADB_OK && i < page_count && i < SAMPLE_PAGES; i++) {
        size_t first_row = sampled_page(i, page_count) * page_rows;
        uint32_t rows =
            row_count - first_row < page_rows ? (uint32_t)(row_count - first_row) : page_rows;
        for (uint32_t row = 0; row < rows; row++)
            decode_row(chunk, codes_of_row(chunk, first_row + row),
                       chunk->rows + (size_t)row * dims * sizeof(float));
        px_buffer_clear(&chunk->body);
        px_code_page__put_streams(chunk->rows, rows, dims, &chunk->body);
        rc = add_sample(chunk, PX_PARQUET_BYTE_STREAM_SPLIT, rows, sample, reterr);
    }
    return rc;
}

static int sample_codes(struct px_coded_chunk *chunk, struct sample *sample,
                        struct proximadb_error *reterr)
{
    size_t count, row = 0;
    const uint32_t *cuts = cuts_of(chunk, &count);
    int rc = PROXIMADB_OK;
    size_t taken = 0;
    for (size_t i = 0; rc == PROXIMADB_OK && i < count; row += cuts[i++]) {
        if (taken == SAMPLE_PAGES || i != sampled_page(taken, count))
            continue;
        build_codes(chunk, row, cuts[i]);
        rc = add_sample(chunk, PX_PARQUET_RLE_DICTIONARY, cuts[i], sample, reterr);
        taken++;
    }
    return rc;
}

/* Writes the row group as codes that are compressed or, where the column allows it, split: what is
 * smaller, by samples; or else as codes that are not compressed and take so many bytes, unless a
 * 32nd or more is saved: for less no access is made slower. */
static int write_smallest(struct px_coded_chunk *chunk, uint64_t plain_bytes,
                          struct proximadb_error *reterr)
{
    struct sample split_sample = {0}, codes_sample = {0};
    int rc = PROXIMADB_OK;
    if (chunk->column->vector_encoding == PX_PARQUET_VECTOR_SMALLEST)
        rc = sample_split(chunk, &split_sample, reterr);
    if (rc == PROXIMADB_OK)
        rc = cut_pages(chunk, ALIGNED_CODE_BITS, reterr);
    if (rc == PROXIMADB_OK)
        rc = sample_codes(chunk, &codes_sample, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    double enough = (double)(plain_bytes - plain_bytes / 32);
    double split = bytes_by_sample(chunk, &split_sample);
    double codes =
        bytes_by_sample(chunk, &codes_sample) + (double)(chunk->distinct.count * sizeof(float));
    if (codes < enough && codes <= split) /* whose cuts these are */
        return write_dictionary(chunk, PX_PARQUET_ZSTD, reterr);
    if (split < enough)
        return begin_split(chunk, reterr);
    rc = cut_pages(chunk, 1, reterr);
    return rc != PROXIMADB_OK ? rc : write_dictionary(chunk, PX_PARQUET_UNCOMPRESSED, reterr);
}

/* Writes what waits, in the way that the column asks for. */
static int write_waiting(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    const struct px_parquet_column *column = chunk->column;
    int rc = rank_codes(chunk, reterr);
    if (rc == PROXIMADB_OK)
        rc = cut_pages(chunk, 1, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    uint64_t bytes = measure_dictionary(chunk);
    if (column->vector_encoding == PX_PARQUET_VECTOR_SMALLEST ||
        (column->most_row_bytes > 0 && bytes > column->most_row_bytes * count_waiting(chunk)))
        return write_smallest(chunk, bytes, reterr);
    return write_dictionary(chunk, PX_PARQUET_UNCOMPRESSED, reterr);
}

int px_coded_chunk__finish(struct px_coded_chunk *chunk, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    if (!chunk->is_split && count_waiting(chunk) > 0)
        rc = write_waiting(chunk, reterr);
    if (rc == PROXIMADB_OK && chunk->is_split)
        rc = end_split_page(chunk, reterr);
    px_buffer_clear(&chunk->codes);
    return rc != PROXIMADB_OK ? rc : write_pending(chunk, reterr);
}
