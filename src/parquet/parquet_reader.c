#include "parquet/parquet_reader.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "parquet/bloom_internal.h"
#include "parquet/footer_internal.h"
#include "parquet/page_cache_internal.h"
#include "parquet/page_index_internal.h"
#include "parquet/parquet_reader_internal.h"
#include "parquet/vector_dictionary_internal.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What a page takes in a file at least, with its header. */
enum { LEAST_PAGE_BYTES = 16 };

enum {
    STEP_VALUES = 16, /* a quarter of a byte for each value; eight are passed over in the mean */
    LENGTH_BYTES = 4, /* in front of each */
};

struct px_parquet_reader {
    struct px_slice file; /* kept */
    struct px_arena arena;
    struct px_parquet_layout layout;
    bool needs_crc;  /* the file is ours, so every page has one */
    uint64_t number; /* of its pages in the cache; no other reader has it */
    /* For each page of each column: 0 until the page is verified, then where what matters begins,
     * counted from the page's header: the values of a vector column, the body of any other. */
    _Atomic uint32_t **marks;
    /* For each column that is a vector and each row group: its dictionary, once it is loaded
     * (owned). Of two threads that load the same one, the second finds the first one's. */
    _Atomic(struct px_loaded_dictionary *) **dictionaries;
    /* For each column whose bytes are looked up, and each page: where every STEP_VALUES-th value
     * begins, once one was looked up (owned). Of two threads, likewise. */
    _Atomic(uint32_t *) **steps;
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
    if (reader->layout.columns[column].shape == PX_PARQUET_REQUIRED &&
        reader->layout.columns[column].type == PX_PARQUET_BYTE_ARRAY) {
        reader->steps[column] =
            px_arena_calloc(&reader->arena, list->count, sizeof *reader->steps[column]);
        if (reader->steps[column] == NULL)
            return px_fail_no_memory(reterr);
    }
    if (reader->layout.columns[column].shape == PX_PARQUET_VECTOR) {
        reader->dictionaries[column] = px_arena_calloc(
            &reader->arena, reader->layout.row_group_count, sizeof *reader->dictionaries[column]);
        if (reader->dictionaries[column] == NULL)
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
    reader->dictionaries =
        px_arena_calloc(&reader->arena, layout->column_count, sizeof *reader->dictionaries);
    reader->steps = px_arena_calloc(&reader->arena, layout->column_count, sizeof *reader->steps);
    if (layout->page_lists == NULL || reader->marks == NULL || reader->dictionaries == NULL ||
        reader->steps == NULL)
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
    reader->number = px_page_cache__new_number();
    int rc = read_layout(reader, reterr);
    if (rc == PROXIMADB_OK)
        *ret_reader = reader;
    else
        px_parquet_reader_close(reader);
    return rc;
}

static void free_dictionaries(struct px_parquet_reader *reader)
{
    for (size_t i = 0; reader->dictionaries != NULL && i < reader->layout.column_count; i++)
        for (size_t j = 0; reader->dictionaries[i] != NULL && j < reader->layout.row_group_count;
             j++)
            free(atomic_exchange(&reader->dictionaries[i][j], NULL));
}

static void free_steps(struct px_parquet_reader *reader)
{
    for (size_t i = 0; reader->steps != NULL && i < reader->layout.column_count; i++)
        for (size_t j = 0; reader->steps[i] != NULL && j < reader->layout.page_lists[i].count; j++)
            free(atomic_load(&reader->steps[i][j]));
}

void px_parquet_reader_close(struct px_parquet_reader *reader)
{
    if (reader == NULL)
        return;
    px_page_cache__drop(reader->number);
    free_dictionaries(reader);
    free_steps(reader);
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

const struct px_parquet_chunk *px_parquet_reader__chunk(const struct px_parquet_reader *reader,
                                                        size_t column, size_t page)
{
    uint64_t row = reader->layout.page_lists[column].pages[page].first_row;
    size_t row_group = px_parquet_reader_find_row_group(reader, row);
    return &reader->layout.row_groups[row_group].chunks[column];
}

int px_parquet_reader__page(const struct px_parquet_reader *reader, size_t column, size_t page,
                            struct px_data_page *ret_page, struct proximadb_error *reterr)
{
    const struct px_parquet_chunk *chunk = px_parquet_reader__chunk(reader, column, page);
    struct px_slice bytes = slice_of_page(reader, column, page);
    _Atomic uint32_t *mark = &reader->marks[column][page];
    int rc = px_data_page__parse_encoded(
        bytes, chunk->codec, px_data_page__encoding_of(chunk->encoding), ret_page, reterr);
    if (rc == PROXIMADB_OK && atomic_load_explicit(mark, memory_order_relaxed) == 0) {
        rc = px_data_page__verify(ret_page, reader->needs_crc, reterr);
        /* Of a vector that is not compressed, the mark says more: see below. */
        if (rc == PROXIMADB_OK && (chunk->codec != PX_PARQUET_UNCOMPRESSED ||
                                   reader->layout.columns[column].shape != PX_PARQUET_VECTOR))
            atomic_store_explicit(mark, (uint32_t)(ret_page->body.data - bytes.data),
                                  memory_order_relaxed);
    }
    return rc;
}

int px_parquet_reader__plain_values(const struct px_parquet_reader *reader, size_t column,
                                    size_t page, struct px_slice *ret_values,
                                    struct proximadb_error *reterr)
{
    struct px_slice bytes = slice_of_page(reader, column, page);
    uint32_t body_at = atomic_load_explicit(&reader->marks[column][page], memory_order_relaxed);
    assert(reader->layout.columns[column].shape == PX_PARQUET_REQUIRED);
    if (body_at == 0) {
        struct px_data_page parsed;
        int rc = px_parquet_reader__page(reader, column, page, &parsed, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        body_at = (uint32_t)(parsed.body.data - bytes.data);
    }
    *ret_values = px_slice_of(bytes.data + body_at, bytes.size_bytes - body_at);
    return PROXIMADB_OK;
}

/* NULL without memory, or where the values are no such: whoever walks over them says so. */
static uint32_t *make_steps(struct px_slice values, uint32_t value_count)
{
    uint32_t *steps = malloc((value_count / STEP_VALUES + 1) * sizeof *steps);
    size_t at = 0;
    for (uint32_t i = 0; steps != NULL && i < value_count; i++) {
        if (values.size_bytes - at < LENGTH_BYTES ||
            px_load_u32(values.data + at) > values.size_bytes - at - LENGTH_BYTES) {
            free(steps);
            return NULL;
        }
        if (i % STEP_VALUES == 0)
            steps[i / STEP_VALUES] = (uint32_t)at;
        at += LENGTH_BYTES + px_load_u32(values.data + at);
    }
    return steps;
}

uint32_t px_parquet_reader__skip_values(const struct px_parquet_reader *reader, size_t column,
                                        size_t page, uint32_t index, struct px_slice *values)
{
    _Atomic(uint32_t *) *slot = &reader->steps[column][page];
    uint32_t *steps = atomic_load_explicit(slot, memory_order_acquire);
    if (steps == NULL) {
        uint32_t *mine =
            make_steps(*values, reader->layout.page_lists[column].pages[page].row_count);
        if (mine == NULL)
            return 0;
        if (atomic_compare_exchange_strong(slot, &steps, mine))
            steps = mine;
        else
            free(mine);
    }
    uint32_t begin = steps[index / STEP_VALUES];
    *values = px_slice_of(values->data + begin, values->size_bytes - begin);
    return index / STEP_VALUES * STEP_VALUES;
}

uint64_t px_parquet_reader__number(const struct px_parquet_reader *reader)
{
    return reader->number;
}

void px_parquet_reader__forget(struct px_parquet_reader *reader)
{
    free_dictionaries(reader);
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

static int load_dictionary(const struct px_parquet_reader *reader, size_t column, size_t row_group,
                           struct px_loaded_dictionary **ret_loaded, struct proximadb_error *reterr)
{
    const struct px_parquet_chunk *chunk = &reader->layout.row_groups[row_group].chunks[column];
    struct px_slice bytes =
        px_slice_of(reader->file.data + chunk->pages.offset, chunk->dictionary_bytes);
    int rc = px_vector_dictionary__load(bytes, chunk->codec, reader->needs_crc, ret_loaded, reterr);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "column '%s', the dictionary page of row group %zu at offset %llu",
                         reader->layout.columns[column].name, row_group,
                         (unsigned long long)chunk->pages.offset);
    return rc;
}

int px_parquet_reader__dictionary(const struct px_parquet_reader *reader, size_t column,
                                  size_t row_group,
                                  const struct px_vector_dictionary **ret_dictionary,
                                  struct proximadb_error *reterr)
{
    _Atomic(struct px_loaded_dictionary *) *slot = &reader->dictionaries[column][row_group];
    struct px_loaded_dictionary *loaded = atomic_load_explicit(slot, memory_order_acquire);
    if (loaded == NULL) {
        struct px_loaded_dictionary *mine = NULL;
        int rc = load_dictionary(reader, column, row_group, &mine, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (atomic_compare_exchange_strong(slot, &loaded, mine))
            loaded = mine;
        else
            free(mine);
    }
    *ret_dictionary = &loaded->dictionary;
    return PROXIMADB_OK;
}

/* Checks a page as a whole; *ret_values is where its values begin. */
static int check_vectors(const struct px_parquet_reader *reader, size_t column, size_t page,
                         const struct px_vector_dictionary *dictionary, const uint8_t **ret_values,
                         struct proximadb_error *reterr)
{
    struct px_data_page parsed;
    struct px_vector_page checked;
    int rc = px_parquet_reader__page(reader, column, page, &parsed, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_vector_page__check(&reader->layout.columns[column],
                                   reader->layout.page_lists[column].pages[page].row_count, &parsed,
                                   parsed.body, dictionary, &checked, reterr);
    if (rc == PROXIMADB_OK)
        *ret_values = checked.values.data;
    return rc;
}

int px_parquet_reader__vector_page(const struct px_parquet_reader *reader, size_t column,
                                   size_t page, const struct px_vector_dictionary *dictionary,
                                   struct px_vector_page *ret_page, struct proximadb_error *reterr)
{
    const struct px_parquet_chunk *chunk = px_parquet_reader__chunk(reader, column, page);
    const struct px_parquet_page *where = &reader->layout.page_lists[column].pages[page];
    const uint8_t *begin = reader->file.data + where->offset;
    _Atomic uint32_t *mark = &reader->marks[column][page];
    uint32_t values_at = atomic_load_explicit(mark, memory_order_relaxed);
    assert(chunk->codec == PX_PARQUET_UNCOMPRESSED);
    if (values_at == 0) {
        const uint8_t *values = NULL;
        int rc = check_vectors(reader, column, page, dictionary, &values, reterr);
        if (rc != PROXIMADB_OK)
            return px_parquet_reader__context(reader, column, page, rc, reterr);
        values_at = (uint32_t)(values - begin);
        atomic_store_explicit(mark, values_at, memory_order_relaxed);
    }
    *ret_page = (struct px_vector_page){
        .encoding = px_data_page__encoding_of(chunk->encoding),
        .row_count = where->row_count,
        .dim_count = reader->layout.columns[column].dim_count,
        .values = px_slice_of(begin + values_at, where->size_bytes - values_at),
    };
    return PROXIMADB_OK;
}

/* Whether floats can be used where they are, PROXIMADB_UNIMPLEMENTED if not. */
static int check_in_place(const struct px_parquet_reader *reader, size_t column, size_t page,
                          struct proximadb_error *reterr)
{
    const struct px_parquet_chunk *chunk = px_parquet_reader__chunk(reader, column, page);
    if (chunk->encoding == PX_PARQUET_VECTOR_PLAIN && chunk->codec == PX_PARQUET_UNCOMPRESSED)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                   "its vectors are not plain, so that they cannot be read in place");
}

int px_parquet_reader_vectors(const struct px_parquet_reader *reader, size_t column, uint64_t row,
                              struct px_parquet_vectors *ret_vectors,
                              struct proximadb_error *reterr)
{
    assert(reader->layout.columns[column].shape == PX_PARQUET_VECTOR);
    size_t page = px_parquet_reader_find_page(reader, column, row);
    struct px_vector_page found;
    int rc = check_in_place(reader, column, page, reterr);
    if (rc != PROXIMADB_OK)
        return px_parquet_reader__context(reader, column, page, rc, reterr);
    rc = px_parquet_reader__vector_page(reader, column, page, NULL, &found, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if ((uintptr_t)found.values.data % sizeof(float) != 0)
        return px_parquet_reader__context(
            reader, column, page,
            px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                    "its vectors are not aligned; ProximaDB reads those in place that it wrote"),
            reterr);
    *ret_vectors = (struct px_parquet_vectors){
        .values = (const float *)(const void *)found.values.data,
        .first_row = reader->layout.page_lists[column].pages[page].first_row,
        .row_count = found.row_count,
        .dim_count = found.dim_count,
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
