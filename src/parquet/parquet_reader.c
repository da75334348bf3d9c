#include "parquet/parquet_reader.h"

#include "base/arena.h"
#include "base/hash.h"
#include "codec/crc32.h"
#include "parquet/bloom_internal.h"
#include "parquet/footer_internal.h"
#include "parquet/page_index_internal.h"
#include "parquet/parquet_reader_internal.h"
#include "parquet/rle_internal.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What a page takes in a file at least, with its header. */
enum { LEAST_PAGE_BYTES = 16 };

struct px_parquet_reader {
    struct px_slice file; /* kept */
    struct px_arena arena;
    struct px_parquet_layout layout;
    bool needs_crc; /* the file is ours, so every page has one */
    /* For each page of each column: 0 until the page is verified, then where what matters begins,
     * counted from the page's header: the values of a vector column, the body of any other. */
    _Atomic uint32_t **marks;
};

/* ---- opening ------------------------------------------------------------------------------- */

static struct px_slice slice_of_range(const struct px_parquet_reader *reader,
                                      struct px_parquet_range range)
{
    return px_slice_of(reader->file.data + range.offset, (size_t)range.size_bytes);
}

/* Counts the pages of all chunks of a column. */
static int count_pages(struct px_parquet_reader *reader, size_t column, size_t *ret_count,
                       struct proximadb_error *reterr)
{
    struct px_parquet_layout *layout = &reader->layout;
    size_t count = 0;
    for (size_t i = 0; i < layout->row_group_count; i++) {
        struct px_parquet_chunk *chunk = &layout->row_groups[i].chunks[column];
        int rc = px_page_index__count(slice_of_range(reader, chunk->offset_index),
                                      &chunk->page_count, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        chunk->first_page = count;
        count += chunk->page_count;
        /* Memory for pages stays in proportion to the file, whatever its indexes say. */
        if (count > reader->file.size_bytes / LEAST_PAGE_BYTES)
            return px_fail(reterr, PROXIMADB_CORRUPT,
                           "its offset index lists more pages than the file can hold");
    }
    *ret_count = count;
    return PROXIMADB_OK;
}

static bool has_page_statistics(const struct px_parquet_layout *layout, size_t column)
{
    bool is_list = px_parquet_is_list(&layout->columns[column]);
    for (size_t i = 0; !is_list && i < layout->row_group_count; i++)
        if (layout->row_groups[i].chunks[column].column_index.size_bytes > 0)
            return true;
    return false;
}

static int read_chunk_pages(struct px_parquet_reader *reader, size_t row_group, size_t column,
                            struct proximadb_error *reterr)
{
    const struct px_parquet_row_group *group = &reader->layout.row_groups[row_group];
    const struct px_parquet_chunk *chunk = &group->chunks[column];
    struct px_parquet_page_list *list = &reader->layout.page_lists[column];
    int rc = px_page_index__parse_offsets(slice_of_range(reader, chunk->offset_index), group, chunk,
                                          list->pages + chunk->first_page, reterr);
    if (rc != PROXIMADB_OK || list->statistics == NULL)
        return rc;
    struct px_parquet_statistics *statistics = list->statistics + chunk->first_page;
    for (size_t i = 0; i < chunk->page_count; i++)
        statistics[i].null_count = -1;
    if (chunk->column_index.size_bytes == 0)
        return PROXIMADB_OK;
    return px_page_index__parse_bounds(slice_of_range(reader, chunk->column_index),
                                       reader->layout.columns[column].type, statistics,
                                       chunk->page_count, reterr);
}

static int read_pages(struct px_parquet_reader *reader, size_t column,
                      struct proximadb_error *reterr)
{
    struct px_parquet_page_list *list = &reader->layout.page_lists[column];
    int rc = count_pages(reader, column, &list->count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    list->pages = px_arena_calloc(&reader->arena, list->count, sizeof *list->pages);
    reader->marks[column] =
        px_arena_calloc(&reader->arena, list->count, sizeof *reader->marks[column]);
    if (list->pages == NULL || reader->marks[column] == NULL)
        return px_fail_no_memory(reterr);
    if (has_page_statistics(&reader->layout, column)) {
        list->statistics = px_arena_calloc(&reader->arena, list->count, sizeof *list->statistics);
        if (list->statistics == NULL)
            return px_fail_no_memory(reterr);
    }
    for (size_t i = 0; rc == PROXIMADB_OK && i < reader->layout.row_group_count; i++)
        rc = read_chunk_pages(reader, i, column, reterr);
    return rc;
}

static int read_layout(struct px_parquet_reader *reader, struct proximadb_error *reterr)
{
    struct px_parquet_layout *layout = &reader->layout;
    int rc = px_footer__parse(reader->file, &reader->arena, layout, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    reader->needs_crc = px_footer__is_ours(layout->created_by);
    layout->page_lists =
        px_arena_calloc(&reader->arena, layout->column_count, sizeof *layout->page_lists);
    reader->marks = px_arena_calloc(&reader->arena, layout->column_count, sizeof *reader->marks);
    if (layout->page_lists == NULL || reader->marks == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < layout->column_count; i++) {
        rc = read_pages(reader, i, reterr);
        if (rc != PROXIMADB_OK)
            px_error_context(reterr, "column '%s'", layout->columns[i].name);
    }
    return rc;
}

int px_parquet_reader_open(struct px_slice file, struct px_parquet_reader **ret_reader,
                           struct proximadb_error *reterr)
{
    struct px_parquet_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return px_fail_no_memory(reterr);
    reader->file = file;
    int rc = read_layout(reader, reterr);
    if (rc == PROXIMADB_OK)
        *ret_reader = reader;
    else
        px_parquet_reader_close(reader);
    return rc;
}

void px_parquet_reader_close(struct px_parquet_reader *reader)
{
    if (reader == NULL)
        return;
    px_arena_release(&reader->arena);
    free(reader);
}

/* ---- finding ------------------------------------------------------------------------------- */

const struct px_parquet_layout *px_parquet_reader_layout(const struct px_parquet_reader *reader)
{
    return &reader->layout;
}

bool px_parquet_reader_find_column(const struct px_parquet_reader *reader, const char *name,
                                   size_t *ret_column)
{
    for (size_t i = 0; i < reader->layout.column_count; i++)
        if (strcmp(reader->layout.columns[i].name, name) == 0) {
            *ret_column = i;
            return true;
        }
    return false;
}

bool px_parquet_reader_find_value(const struct px_parquet_reader *reader, const char *key,
                                  struct px_slice *ret_value)
{
    for (size_t i = 0; i < reader->layout.key_value_count; i++)
        if (px_slice_equal(reader->layout.key_values[i].key, px_slice_of_string(key))) {
            *ret_value = reader->layout.key_values[i].value;
            return true;
        }
    return false;
}

static bool is_in_page(const struct px_parquet_page *page, uint64_t row)
{
    return row >= page->first_row && row - page->first_row < page->row_count;
}

size_t px_parquet_reader_find_page(const struct px_parquet_reader *reader, size_t column,
                                   uint64_t row)
{
    const struct px_parquet_page_list *list = &reader->layout.page_lists[column];
    assert(row < reader->layout.row_count);
    /* Most columns have the same number of rows in every page, so the first guess is right. */
    size_t guess = (size_t)(row / list->pages[0].row_count);
    if (guess < list->count && is_in_page(&list->pages[guess], row))
        return guess;
    size_t low = 0, high = list->count - 1;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (list->pages[middle].first_row <= row)
            low = middle;
        else
            high = middle - 1;
    }
    assert(is_in_page(&list->pages[low], row));
    return low;
}

size_t px_parquet_reader_find_row_group(const struct px_parquet_reader *reader, uint64_t row)
{
    const struct px_parquet_layout *layout = &reader->layout;
    assert(row < layout->row_count);
    size_t low = 0, high = layout->row_group_count - 1;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (layout->row_groups[middle].first_row <= row)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* ---- pages --------------------------------------------------------------------------------- */

static struct px_slice slice_of_page(const struct px_parquet_reader *reader, size_t column,
                                     size_t page)
{
    const struct px_parquet_page *where = &reader->layout.page_lists[column].pages[page];
    return px_slice_of(reader->file.data + where->offset, where->size_bytes);
}

int px_parquet_reader__context(const struct px_parquet_reader *reader, size_t column, size_t page,
                               int rc, struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = &reader->layout;
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "column '%s', page %zu at offset %llu",
                         layout->columns[column].name, page,
                         (unsigned long long)layout->page_lists[column].pages[page].offset);
    return rc;
}

enum px_parquet_codec px_parquet_reader__codec(const struct px_parquet_reader *reader,
                                               size_t column, size_t page)
{
    uint64_t row = reader->layout.page_lists[column].pages[page].first_row;
    size_t row_group = px_parquet_reader_find_row_group(reader, row);
    return reader->layout.row_groups[row_group].chunks[column].codec;
}

static int verify_crc(const struct px_parquet_reader *reader, const struct px_data_page *page,
                      struct proximadb_error *reterr)
{
    if (!page->has_crc && reader->needs_crc)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the page is damaged: it has no checksum");
    if (page->has_crc && px_crc32(0, page->body.data, page->body.size_bytes) != page->crc)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the page is damaged: its checksum does not match; restore the file from a "
                       "backup");
    return PROXIMADB_OK;
}

int px_parquet_reader__page(const struct px_parquet_reader *reader, size_t column, size_t page,
                            struct px_data_page *ret_page, struct proximadb_error *reterr)
{
    struct px_slice bytes = slice_of_page(reader, column, page);
    _Atomic uint32_t *mark = &reader->marks[column][page];
    int rc = px_data_page__parse(bytes, px_parquet_reader__codec(reader, column, page), ret_page,
                                 reterr);
    if (rc == PROXIMADB_OK && atomic_load_explicit(mark, memory_order_relaxed) == 0) {
        rc = verify_crc(reader, ret_page, reterr);
        if (rc == PROXIMADB_OK)
            atomic_store_explicit(mark, (uint32_t)(ret_page->body.data - bytes.data),
                                  memory_order_relaxed);
    }
    return rc;
}

void px_parquet_reader__forget(struct px_parquet_reader *reader)
{
    for (size_t i = 0; i < reader->layout.column_count; i++)
        for (size_t j = 0; j < reader->layout.page_lists[i].count; j++)
            atomic_store_explicit(&reader->marks[i][j], 0, memory_order_relaxed);
}

/* ---- vectors ------------------------------------------------------------------------------- */

bool px_parquet_reader_is_plain(const struct px_parquet_reader *reader, size_t column,
                                size_t row_group)
{
    const struct px_parquet_chunk *chunk = &reader->layout.row_groups[row_group].chunks[column];
    return chunk->encoding == PX_PARQUET_VECTOR_PLAIN && chunk->codec == PX_PARQUET_UNCOMPRESSED;
}

/* Whether repetition levels say: rows of exactly dim_count elements each. */
static bool are_rows(struct px_slice levels, uint32_t row_count, uint32_t dim_count)
{
    size_t value_count = (size_t)row_count * dim_count;
    struct px_rle_reader reader = px_rle__reader_of(levels, 1, value_count);
    uint8_t level;
    size_t count;
    size_t at = dim_count; /* elements of the present row; at first, the row before is full */
    while (px_rle__next(&reader, &level, &count)) {
        bool begins_row = level == 0;
        if (begins_row && (at != dim_count || (count > 1 && dim_count > 1)))
            return false;
        at = begins_row ? 1 : at + count;
        if (at > dim_count)
            return false;
    }
    return px_rle__is_done(&reader) && at == dim_count;
}

/* Whether definition levels say: no nulls. */
static bool are_all_defined(struct px_slice levels, size_t value_count)
{
    struct px_rle_reader reader = px_rle__reader_of(levels, 1, value_count);
    uint8_t level;
    size_t count;
    while (px_rle__next(&reader, &level, &count))
        if (level != 1)
            return false;
    return px_rle__is_done(&reader);
}

/* Checks a page of vectors as a whole; *ret_values is where they begin. */
static int check_vectors(const struct px_parquet_reader *reader, size_t column, size_t page,
                         const uint8_t **ret_values, struct proximadb_error *reterr)
{
    const struct px_parquet_column *type = &reader->layout.columns[column];
    uint32_t row_count = reader->layout.page_lists[column].pages[page].row_count;
    uint64_t value_count = (uint64_t)row_count * type->dim_count;
    struct px_data_page parsed;
    struct px_page_parts parts;
    int rc = px_data_page__parse(slice_of_page(reader, column, page), PX_PARQUET_UNCOMPRESSED,
                                 &parsed, reterr);
    if (rc == PROXIMADB_OK)
        rc = verify_crc(reader, &parsed, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_page__split(type, parsed.body, &parts, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (parsed.value_count != value_count || parts.values.size_bytes != 4 * value_count ||
        !are_rows(parts.repetition, row_count, type->dim_count) ||
        !are_all_defined(parts.definition, (size_t)value_count))
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the page is damaged: it does not hold %u rows of %u elements", row_count,
                       type->dim_count);
    if ((uintptr_t)parts.values.data % sizeof(float) != 0)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "its vectors are not aligned; ProximaDB reads those in place that it wrote");
    *ret_values = parts.values.data;
    return PROXIMADB_OK;
}

int px_parquet_reader_vectors(const struct px_parquet_reader *reader, size_t column, uint64_t row,
                              struct px_parquet_vectors *ret_vectors,
                              struct proximadb_error *reterr)
{
    const struct px_parquet_column *type = &reader->layout.columns[column];
    assert(type->shape == PX_PARQUET_VECTOR);
    size_t page = px_parquet_reader_find_page(reader, column, row);
    const struct px_parquet_page *where = &reader->layout.page_lists[column].pages[page];
    const uint8_t *begin = reader->file.data + where->offset;
    _Atomic uint32_t *mark = &reader->marks[column][page];
    uint32_t values_at = atomic_load_explicit(mark, memory_order_relaxed);
    if (values_at == 0) {
        const uint8_t *values = NULL;
        int rc = check_vectors(reader, column, page, &values, reterr);
        if (rc != PROXIMADB_OK)
            return px_parquet_reader__context(reader, column, page, rc, reterr);
        values_at = (uint32_t)(values - begin);
        atomic_store_explicit(mark, values_at, memory_order_relaxed);
    }
    *ret_vectors = (struct px_parquet_vectors){
        .values = (const float *)(const void *)(begin + values_at),
        .first_row = where->first_row,
        .row_count = where->row_count,
        .dim_count = type->dim_count,
    };
    return PROXIMADB_OK;
}

int px_parquet_reader_vector(const struct px_parquet_reader *reader, size_t column, uint64_t row,
                             const float **ret_vector, struct proximadb_error *reterr)
{
    struct px_parquet_vectors vectors;
    int rc = px_parquet_reader_vectors(reader, column, row, &vectors, reterr);
    if (rc == PROXIMADB_OK)
        *ret_vector = vectors.values + (row - vectors.first_row) * vectors.dim_count;
    return rc;
}

/* ---- bloom filters ------------------------------------------------------------------------- */

int px_parquet_reader__bloom_filter(const struct px_parquet_reader *reader, size_t column,
                                    size_t row_group, struct px_slice *ret_bits,
                                    struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = &reader->layout;
    struct px_parquet_range where = layout->row_groups[row_group].chunks[column].bloom_filter;
    if (where.size_bytes == 0) {
        *ret_bits = px_slice_of(NULL, 0);
        return PROXIMADB_OK;
    }
    int rc = px_bloom__parse(slice_of_range(reader, where), ret_bits, reterr);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "column '%s'", layout->columns[column].name);
    return rc;
}

int px_parquet_reader_may_contain(const struct px_parquet_reader *reader, size_t column,
                                  size_t row_group, struct px_slice value, bool *ret_may_contain,
                                  struct proximadb_error *reterr)
{
    struct px_slice bits;
    int rc = px_parquet_reader__bloom_filter(reader, column, row_group, &bits, reterr);
    if (rc == PROXIMADB_OK)
        *ret_may_contain = bits.size_bytes == 0 ||
                           px_bloom__contains(bits.data, bits.size_bytes, px_hash_xxh64(value));
    return rc;
}
