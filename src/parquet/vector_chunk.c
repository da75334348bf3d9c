#include "parquet/vector_chunk_internal.h"

#include "base/bits.h"
#include "codec/crc32.h"
#include "parquet/data_page_internal.h"
#include "parquet/vector_levels_internal.h"

#include <stdlib.h>

static uint32_t rows_of_page(const struct px_parquet_column *column)
{
    uint32_t row_bytes = column->dim_count * (uint32_t)sizeof(float);
    uint32_t byte_limit =
        column->page_byte_limit != 0 ? column->page_byte_limit : PX_PARQUET_PAGE_BYTES;
    uint32_t row_limit =
        column->page_row_limit != 0 ? column->page_row_limit : PX_PARQUET_PAGE_ROWS;
    uint32_t fitting = byte_limit / row_bytes;
    if (fitting == 0)
        return 1;
    return fitting < row_limit ? fitting : row_limit;
}

int px_vector_chunk__init(struct px_vector_chunk *chunk, const struct px_parquet_column *column,
                          struct px_output *output, struct proximadb_error *reterr)
{
    *chunk = (struct px_vector_chunk){
        .column = column,
        .output = output,
        .row_bytes = column->dim_count * sizeof(float),
        .page_row_limit = rows_of_page(column),
    };
    if (column->vector_encoding != PX_PARQUET_VECTOR_PLAIN) {
        chunk->coded = calloc(1, sizeof *chunk->coded);
        return chunk->coded != NULL ? px_coded_chunk__init(chunk->coded, column, output, reterr)
                                    : px_fail_no_memory(reterr);
    }
    size_t size = px_round_up(chunk->page_row_limit * chunk->row_bytes, PX_PAGE_ALIGNMENT);
    chunk->rows = aligned_alloc(PX_PAGE_ALIGNMENT, size);
    return chunk->rows != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

void px_vector_chunk__release(struct px_vector_chunk *chunk)
{
    if (chunk->coded != NULL)
        px_coded_chunk__release(chunk->coded);
    free(chunk->coded);
    free(chunk->rows);
    px_buffer_release(&chunk->head);
    px_buffer_release(&chunk->levels);
    px_buffer_release(&chunk->records);
    *chunk = (struct px_vector_chunk){0};
}

void px_vector_chunk__clear(struct px_vector_chunk *chunk)
{
    px_buffer_clear(&chunk->records);
    chunk->row_count = 0;
    if (chunk->coded != NULL)
        px_coded_chunk__clear(chunk->coded);
}

/* Makes the levels of a page of so many rows, unless they are there. */
static int make_levels(struct px_vector_chunk *chunk, uint32_t row_count,
                       struct proximadb_error *reterr)
{
    if (chunk->levels_row_count == row_count)
        return PROXIMADB_OK;
    px_buffer_clear(&chunk->levels);
    px_vector_levels__put(row_count, chunk->column->dim_count, &chunk->levels);
    chunk->levels_row_count = row_count;
    return px_buffer_status(&chunk->levels, reterr);
}

static int put_head(struct px_vector_chunk *chunk, struct px_slice values, uint32_t row_count,
                    struct proximadb_error *reterr)
{
    struct px_slice levels = px_buffer_slice(&chunk->levels);
    uint32_t crc = px_crc32(0, levels.data, levels.size_bytes);
    size_t body_bytes = levels.size_bytes + values.size_bytes;
    struct px_data_page page = {
        .value_count = row_count * chunk->column->dim_count,
        .uncompressed_bytes = (uint32_t)body_bytes,
        .crc = px_crc32(crc, values.data, values.size_bytes),
        .body = {.size_bytes = body_bytes},
    };
    px_buffer_clear(&chunk->head);
    px_data_page__encode_aligned(&page, chunk->output->size_bytes, levels.size_bytes, &chunk->head);
    px_buffer_append_slice(&chunk->head, levels);
    return px_buffer_status(&chunk->head, reterr);
}

static int write_page(struct px_vector_chunk *chunk, const void *rows, uint32_t row_count,
                      struct proximadb_error *reterr)
{
    struct px_slice values = px_slice_of(rows, row_count * chunk->row_bytes);
    int rc = make_levels(chunk, row_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = put_head(chunk, values, row_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (chunk->row_count == 0)
        chunk->offset = chunk->output->size_bytes;
    struct px_slice pieces[] = {px_buffer_slice(&chunk->head), values};
    struct px_page_record record = {
        .offset = chunk->output->size_bytes - chunk->offset,
        .first_row = chunk->row_count,
        .size_bytes = (uint32_t)(pieces[0].size_bytes + pieces[1].size_bytes),
        .row_count = row_count,
    };
    rc = px_output__write(chunk->output, pieces, 2, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_buffer_append(&chunk->records, &record, sizeof record);
    chunk->row_count += row_count;
    return px_buffer_status(&chunk->records, reterr);
}

int px_vector_chunk__append(struct px_vector_chunk *chunk, const void *vectors, size_t row_count,
                            struct proximadb_error *reterr)
{
    const uint8_t *next = vectors;
    int rc = PROXIMADB_OK;
    if (chunk->coded != NULL)
        return px_coded_chunk__append(chunk->coded, vectors, row_count, reterr);
    while (rc == PROXIMADB_OK && row_count > 0) {
        if (chunk->page_row_count == 0 && row_count >= chunk->page_row_limit) {
            rc = write_page(chunk, next, chunk->page_row_limit, reterr);
            next += chunk->page_row_limit * chunk->row_bytes;
            row_count -= chunk->page_row_limit;
            continue;
        }
        size_t room = chunk->page_row_limit - chunk->page_row_count;
        size_t taken = row_count < room ? row_count : room;
        memcpy(chunk->rows + chunk->page_row_count * chunk->row_bytes, next,
               taken * chunk->row_bytes);
        chunk->page_row_count += (uint32_t)taken;
        next += taken * chunk->row_bytes;
        row_count -= taken;
        if (taken == room)
            rc = px_vector_chunk__finish(chunk, reterr);
    }
    return rc;
}

int px_vector_chunk__finish(struct px_vector_chunk *chunk, struct proximadb_error *reterr)
{
    uint32_t row_count = chunk->page_row_count;
    if (chunk->coded != NULL)
        return px_coded_chunk__finish(chunk->coded, reterr);
    chunk->page_row_count = 0;
    return row_count > 0 ? write_page(chunk, chunk->rows, row_count, reterr) : PROXIMADB_OK;
}

uint64_t px_vector_chunk__row_count(const struct px_vector_chunk *chunk)
{
    return chunk->coded != NULL ? chunk->coded->row_count : chunk->row_count;
}

const struct px_buffer *px_vector_chunk__records(const struct px_vector_chunk *chunk)
{
    return chunk->coded != NULL ? &chunk->coded->records : &chunk->records;
}

size_t px_vector_chunk__held_bytes(const struct px_vector_chunk *chunk)
{
    return chunk->coded != NULL ? px_coded_chunk__held_bytes(chunk->coded)
                                : chunk->records.size_bytes;
}

static void describe_coded(const struct px_coded_chunk *coded, struct px_parquet_chunk *described)
{
    described->encoding = coded->encoding;
    described->codec = coded->codec;
    described->dictionary_bytes = coded->dictionary_bytes;
    described->uncompressed_bytes = coded->uncompressed_bytes;
    described->pages =
        (struct px_parquet_range){.offset = coded->offset, .size_bytes = coded->size_bytes};
}

void px_vector_chunk__describe(const struct px_vector_chunk *chunk,
                               struct px_parquet_chunk *described)
{
    const struct px_page_record *records = (const void *)chunk->records.data;
    described->value_count = px_vector_chunk__row_count(chunk) * chunk->column->dim_count;
    if (chunk->coded != NULL) {
        describe_coded(chunk->coded, described);
        return;
    }
    size_t count = chunk->records.size_bytes / sizeof *records;
    uint64_t size = count > 0 ? records[count - 1].offset + records[count - 1].size_bytes : 0;
    described->uncompressed_bytes = size;
    described->pages = (struct px_parquet_range){.offset = chunk->offset, .size_bytes = size};
}
