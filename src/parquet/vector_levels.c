#include "parquet/vector_levels_internal.h"

#include "base/bits.h"
#include "codec/varint.h"
#include "parquet/data_page_internal.h"
#include "parquet/rle_internal.h"

#include <stdlib.h>

/*
 * From this length on the runs of a row end with it, so that those of a page are the same bytes for
 * each row: a packed group with its first eight levels, and a run of at least 32, the shortest one
 * that rle.c leaves a packed run for.
 */
enum { LEAST_PERIODIC_DIMS = 40, LEVELS_HEAD_BYTES = 4 };

/* ---- writing ------------------------------------------------------------------------------- */

static void put_repetition_of(uint32_t row_count, uint32_t dim_count, struct px_buffer *buffer)
{
    size_t count = (size_t)row_count * dim_count;
    uint8_t *levels = malloc(count);
    if (levels == NULL) {
        buffer->status = PROXIMADB_NO_MEMORY;
        return;
    }
    memset(levels, 1, count);
    for (size_t at = 0; at < count; at += dim_count)
        levels[at] = 0;
    px_data_page__put_levels(levels, count, 1, buffer);
    free(levels);
}

/* The same where the bytes of each row are those of the first. */
static void put_periodic(uint32_t row_count, uint32_t dim_count, struct px_buffer *buffer)
{
    size_t head = buffer->size_bytes;
    put_repetition_of(1, dim_count, buffer);
    if (buffer->status != PROXIMADB_OK)
        return;
    size_t row_bytes = buffer->size_bytes - head - LEVELS_HEAD_BYTES;
    uint8_t *room = px_buffer_reserve(buffer, (row_count - 1) * row_bytes);
    if (room == NULL)
        return;
    for (uint32_t i = 1; i < row_count; i++, room += row_bytes)
        memcpy(room, room - row_bytes, row_bytes);
    buffer->size_bytes += (row_count - 1) * row_bytes;
    px_store_u32(buffer->data + head, (uint32_t)(row_count * row_bytes));
}

static void put_definition(size_t count, struct px_buffer *buffer)
{
    uint8_t run[LEVELS_HEAD_BYTES + PX_VARINT_BYTES + 1];
    size_t size = px_varint_write(run + LEVELS_HEAD_BYTES, (uint64_t)count << 1);
    run[LEVELS_HEAD_BYTES + size] = 1;
    px_store_u32(run, (uint32_t)size + 1);
    px_buffer_append(buffer, run, LEVELS_HEAD_BYTES + size + 1);
}

void px_vector_levels__put(uint32_t row_count, uint32_t dim_count, struct px_buffer *buffer)
{
    if (dim_count >= LEAST_PERIODIC_DIMS)
        put_periodic(row_count, dim_count, buffer);
    else
        put_repetition_of(row_count, dim_count, buffer);
    put_definition((size_t)row_count * dim_count, buffer);
}

/* ---- reading ------------------------------------------------------------------------------- */

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

bool px_vector_levels__check(struct px_slice repetition, struct px_slice definition,
                             uint32_t row_count, uint32_t dim_count)
{
    return are_rows(repetition, row_count, dim_count) &&
           are_all_defined(definition, (size_t)row_count * dim_count);
}
