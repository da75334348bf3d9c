#include "parquet/chunk_internal.h"

#include "base/bits.h"
#include "base/hash.h"
#include "codec/crc32.h"
#include "parquet/data_page_internal.h"

#include <assert.h>

enum {
    LENGTH_BYTES = 4, /* in front of each BYTE_ARRAY */
    /* Of finished pages; a row group that needs more is to be ended earlier. */
    MOST_HELD_BYTES = 1 << 30,
};

void px_chunk__init(struct px_chunk *chunk, const struct px_parquet_column *column,
                    struct px_zstd_compressor *compressor)
{
    assert(column->shape != PX_PARQUET_VECTOR);
    assert(column->zstd_level == 0 || compressor != NULL);
    *chunk = (struct px_chunk){
        .column = column,
        .compressor = column->zstd_level != 0 ? compressor : NULL,
        .page_row_limit =
            column->page_row_limit != 0 ? column->page_row_limit : PX_PARQUET_PAGE_ROWS,
        .page_byte_limit =
            column->page_byte_limit != 0 ? column->page_byte_limit : PX_PARQUET_PAGE_BYTES,
        .has_all_bounds = true,
    };
    px_buffer_init(&chunk->pages, MOST_HELD_BYTES);
}

void px_chunk__release(struct px_chunk *chunk)
{
    px_buffer_release(&chunk->values);
    px_buffer_release(&chunk->definition);
    px_buffer_release(&chunk->repetition);
    px_buffer_release(&chunk->pages);
    px_buffer_release(&chunk->records);
    px_buffer_release(&chunk->hashes);
    px_buffer_release(&chunk->body);
    px_buffer_release(&chunk->compressed);
}

void px_chunk__clear(struct px_chunk *chunk)
{
    assert(chunk->page_row_count == 0);
    px_buffer_clear(&chunk->pages);
    px_buffer_clear(&chunk->records);
    px_buffer_clear(&chunk->hashes);
    chunk->bounds = (struct px_bounds){0};
    chunk->has_all_bounds = true;
    chunk->row_count = 0;
    chunk->value_count = 0;
    chunk->null_count = 0;
    chunk->uncompressed_bytes = 0;
}

size_t px_chunk__held_bytes(const struct px_chunk *chunk)
{
    return chunk->pages.size_bytes + chunk->values.size_bytes + chunk->records.size_bytes +
           chunk->hashes.size_bytes;
}

/* ---- ending a page ------------------------------------------------------------------------- */

/* Appends eight values a byte, the first in the lowest bit. */
static void put_packed_booleans(const struct px_buffer *values, struct px_buffer *body)
{
    for (size_t at = 0; at < values->size_bytes; at += 8) {
        unsigned byte = 0;
        for (size_t i = 0; i < 8 && at + i < values->size_bytes; i++)
            byte |= (unsigned)values->data[at + i] << i;
        px_buffer_append_byte(body, (uint8_t)byte);
    }
}

static int build_body(struct px_chunk *chunk, struct proximadb_error *reterr)
{
    const struct px_parquet_column *column = chunk->column;
    struct px_buffer *body = &chunk->body;
    px_buffer_clear(body);
    if (px_parquet_most_repetition(column) > 0)
        px_data_page__put_levels(chunk->repetition.data, chunk->repetition.size_bytes,
                                 px_parquet_most_repetition(column), body);
    if (px_parquet_most_definition(column) > 0)
        px_data_page__put_levels(chunk->definition.data, chunk->definition.size_bytes,
                                 px_parquet_most_definition(column), body);
    if (column->type == PX_PARQUET_BOOLEAN)
        put_packed_booleans(&chunk->values, body);
    else
        px_buffer_append_slice(body, px_buffer_slice(&chunk->values));
    if (body->status == PROXIMADB_OK && body->size_bytes > PX_PARQUET_MOST_PAGE_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "a row of column '%s' needs a page of %zu bytes; at most %d are written",
                       column->name, body->size_bytes, PX_PARQUET_MOST_PAGE_BYTES);
    return px_buffer_status(body, reterr);
}

/* The body as it goes to the file: *ret_body is a view into the chunk's scratch. */
static int compress_body(struct px_chunk *chunk, struct px_slice *ret_body,
                         struct proximadb_error *reterr)
{
    *ret_body = px_buffer_slice(&chunk->body);
    if (chunk->compressor == NULL)
        return PROXIMADB_OK;
    px_buffer_clear(&chunk->compressed);
    int rc = px_zstd_compress(chunk->compressor, chunk->column->zstd_level, *ret_body,
                              &chunk->compressed, reterr);
    *ret_body = px_buffer_slice(&chunk->compressed);
    return rc;
}

/* Notes where the page is and what it holds. */
static void add_record(struct px_chunk *chunk, size_t offset, struct px_bounds *bounds)
{
    struct px_page_record record = {
        .offset = offset,
        .first_row = chunk->row_count - chunk->page_row_count,
        .size_bytes = (uint32_t)(chunk->pages.size_bytes - offset),
        .row_count = chunk->page_row_count,
        .null_count = chunk->page_null_count,
        .bounds = *bounds,
    };
    px_buffer_append(&chunk->records, &record, sizeof record);
    if (bounds->is_set && chunk->bounds.is_set)
        px_bounds__widen(chunk->column->type, &chunk->bounds, bounds);
    else if (bounds->is_set)
        chunk->bounds = *bounds;
    else if (chunk->page_null_count < chunk->page_value_count)
        chunk->has_all_bounds = false;
}

static void begin_page(struct px_chunk *chunk)
{
    px_buffer_clear(&chunk->values);
    px_buffer_clear(&chunk->definition);
    px_buffer_clear(&chunk->repetition);
    chunk->page_row_count = 0;
    chunk->page_value_count = 0;
    chunk->page_null_count = 0;
}

static int end_page(struct px_chunk *chunk, struct proximadb_error *reterr)
{
    struct px_slice body;
    struct px_bounds bounds = {0};
    int rc = build_body(chunk, reterr);
    if (rc == PROXIMADB_OK)
        rc = compress_body(chunk, &body, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (chunk->column->has_statistics)
        px_bounds__of_values(chunk->column, px_buffer_slice(&chunk->values),
                             chunk->page_value_count - chunk->page_null_count, &bounds);
    struct px_data_page page = {
        .value_count = chunk->page_value_count,
        .uncompressed_bytes = (uint32_t)chunk->body.size_bytes,
        .crc = px_crc32(0, body.data, body.size_bytes),
        .body = body,
    };
    size_t offset = chunk->pages.size_bytes;
    px_data_page__encode(&page, &chunk->pages);
    chunk->uncompressed_bytes += chunk->pages.size_bytes - offset + chunk->body.size_bytes;
    px_buffer_append_slice(&chunk->pages, body);
    add_record(chunk, offset, &bounds);
    begin_page(chunk);
    if (chunk->pages.status == PROXIMADB_RESOURCE_EXHAUSTED)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "column '%s' has over %d bytes in one row group; end it earlier",
                       chunk->column->name, MOST_HELD_BYTES);
    rc = px_buffer_status(&chunk->pages, reterr);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(&chunk->records, reterr);
}

int px_chunk__finish(struct px_chunk *chunk, struct proximadb_error *reterr)
{
    if (chunk->page_row_count > 0) {
        int rc = end_page(chunk, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return px_buffer_status(&chunk->hashes, reterr);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Ends the page if a row of size_bytes does not fit any more. */
static int make_room(struct px_chunk *chunk, size_t size_bytes, struct proximadb_error *reterr)
{
    if (size_bytes > PX_PARQUET_MOST_PAGE_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "a row of column '%s' has %zu bytes; at most %d are written",
                       chunk->column->name, size_bytes, PX_PARQUET_MOST_PAGE_BYTES);
    bool is_full = chunk->page_row_count == chunk->page_row_limit ||
                   chunk->values.size_bytes + size_bytes > chunk->page_byte_limit;
    return is_full && chunk->page_row_count > 0 ? end_page(chunk, reterr) : PROXIMADB_OK;
}

/* One value or the absence of one, with its levels. */
static void add_levels(struct px_chunk *chunk, unsigned repetition, unsigned definition)
{
    unsigned most_definition = px_parquet_most_definition(chunk->column);
    if (px_parquet_most_repetition(chunk->column) > 0)
        px_buffer_append_byte(&chunk->repetition, (uint8_t)repetition);
    if (most_definition > 0)
        px_buffer_append_byte(&chunk->definition, (uint8_t)definition);
    bool is_null = definition < most_definition;
    chunk->page_null_count += is_null;
    chunk->page_value_count++;
    chunk->null_count += is_null;
    chunk->value_count++;
}

static int end_row(struct px_chunk *chunk, struct proximadb_error *reterr)
{
    chunk->page_row_count++;
    chunk->row_count++;
    int rc = px_buffer_status(&chunk->values, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_status(&chunk->definition, reterr);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(&chunk->repetition, reterr);
}

static void add_hash(struct px_chunk *chunk, struct px_slice value)
{
    if (!chunk->column->has_bloom_filter)
        return;
    uint64_t hash = px_hash_xxh64(value);
    px_buffer_append(&chunk->hashes, &hash, sizeof hash);
}

static void add_bytes(struct px_chunk *chunk, struct px_slice value)
{
    uint8_t length[LENGTH_BYTES];
    px_store_u32(length, (uint32_t)value.size_bytes);
    px_buffer_append(&chunk->values, length, sizeof length);
    px_buffer_append_slice(&chunk->values, value);
}

int px_chunk__append_fixed(struct px_chunk *chunk, const void *value,
                           struct proximadb_error *reterr)
{
    size_t size = px_parquet_type_bytes(chunk->column->type);
    assert(size > 0 && !px_parquet_is_list(chunk->column));
    int rc = make_room(chunk, size, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_buffer_append(&chunk->values, value, size);
    add_levels(chunk, 0, px_parquet_most_definition(chunk->column));
    add_hash(chunk, px_slice_of(value, size));
    return end_row(chunk, reterr);
}

int px_chunk__append_bytes(struct px_chunk *chunk, struct px_slice value,
                           struct proximadb_error *reterr)
{
    assert(chunk->column->type == PX_PARQUET_BYTE_ARRAY && !px_parquet_is_list(chunk->column));
    int rc = make_room(chunk, LENGTH_BYTES + value.size_bytes, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    add_bytes(chunk, value);
    add_levels(chunk, 0, px_parquet_most_definition(chunk->column));
    add_hash(chunk, value);
    return end_row(chunk, reterr);
}

int px_chunk__append_null(struct px_chunk *chunk, struct proximadb_error *reterr)
{
    assert(chunk->column->shape != PX_PARQUET_REQUIRED);
    int rc = make_room(chunk, 0, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    add_levels(chunk, 0, 0);
    return end_row(chunk, reterr);
}

int px_chunk__append_list(struct px_chunk *chunk, const struct px_slice *items, size_t count,
                          struct proximadb_error *reterr)
{
    assert(chunk->column->shape == PX_PARQUET_STRINGS);
    size_t size = 0;
    for (size_t i = 0; i < count && size <= PX_PARQUET_MOST_PAGE_BYTES; i++)
        size += LENGTH_BYTES + items[i].size_bytes;
    int rc = make_room(chunk, size, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (count == 0)
        add_levels(chunk, 0, 1);
    for (size_t i = 0; i < count; i++) {
        add_bytes(chunk, items[i]);
        add_levels(chunk, i > 0, 2);
    }
    return end_row(chunk, reterr);
}
