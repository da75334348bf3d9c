#include "payload/decoder_internal.h"

#include "payload/id_set.h"
#include "payload/validate.h"

#include <assert.h>

struct px_decoder px_decoder__of(struct px_slice datum, const char *what,
                                 const struct px_collection *collection, struct px_arena *arena,
                                 struct proximadb_error *reterr)
{
    struct px_decoder decoder = {
        .cursor = px_cursor_of(datum),
        .collection = collection,
        .arena = arena,
        .what = what,
        .reterr = reterr,
    };
    px_map_reader_init(&decoder.maps, collection, arena);
    return decoder;
}

void px_decoder__release(struct px_decoder *decoder)
{
    px_map_reader_release(&decoder->maps);
}

int px_decoder__check(struct px_decoder *decoder)
{
    return px_cursor_check(&decoder->cursor, PROXIMADB_INVALID, decoder->what, decoder->reterr);
}

int px_decoder__finish(struct px_decoder *decoder)
{
    return px_cursor_finish(&decoder->cursor, PROXIMADB_INVALID, decoder->what, decoder->reterr);
}

int px_decoder__id(struct px_decoder *decoder, struct px_slice *ret_id)
{
    *ret_id = px_cursor_string(&decoder->cursor);
    int rc = px_decoder__check(decoder);
    return rc != PROXIMADB_OK ? rc : px_validate_id(*ret_id, decoder->reterr);
}

int px_decoder__vector(struct px_decoder *decoder, const void **ret_vector)
{
    size_t dim_count;
    *ret_vector = px_cursor_floats(&decoder->cursor, &dim_count);
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_validate_vector(decoder->collection, *ret_vector, dim_count, decoder->reterr);
}

int px_decoder__document(struct px_decoder *decoder, struct px_slice *ret_document)
{
    *ret_document = px_cursor_string(&decoder->cursor);
    int rc = px_decoder__check(decoder);
    return rc != PROXIMADB_OK ? rc : px_validate_document(*ret_document, decoder->reterr);
}

int px_decoder__map(struct px_decoder *decoder, struct px_slice *ret_metadata)
{
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_map_reader_read(&decoder->maps, &decoder->cursor, ret_metadata, decoder->reterr);
}

/* ---- the rows of a batch ------------------------------------------------------------------- */

struct walk {
    struct px_decoder *decoder;
    const struct px_decoder_rows *format;
    struct px_id_set ids;
    uint8_t *rows;
    uint32_t row_count;
};

static void *row_at(const struct walk *walk, uint32_t row_index)
{
    return walk->rows + row_index * walk->format->row_bytes;
}

/*
 * Memory in proportion to the bytes there are, whatever `count` claims: room for as many rows as
 * could be valid, and for one more, which then cannot be, so that reading it ends the walk.
 */
static int alloc_rows(struct walk *walk, int64_t count)
{
    struct px_decoder *decoder = walk->decoder;
    size_t row_bytes = walk->format->row_bytes;
    uint64_t capacity = px_cursor_left(&decoder->cursor) / walk->format->smallest_valid_bytes + 1;
    if (capacity > (uint64_t)count)
        capacity = (uint64_t)count;
    assert(capacity < UINT32_MAX);
    walk->row_count = (uint32_t)capacity;
    walk->rows = px_arena_alloc(decoder->arena, capacity * row_bytes);
    if (walk->rows == NULL || !px_id_set_init(&walk->ids, decoder->arena, walk->row_count,
                                              (struct px_slice *)(void *)walk->rows, row_bytes))
        return px_fail_no_memory(decoder->reterr);
    return PROXIMADB_OK;
}

static int read_row(struct walk *walk, uint32_t row_index)
{
    uint64_t hash = 0;
    void *row = row_at(walk, row_index);
    int rc = walk->format->read(walk->decoder, row, &hash);
    if (rc != PROXIMADB_OK)
        return rc;
    uint32_t earlier = px_id_set_put(&walk->ids, hash, row_index);
    if (earlier == row_index)
        return PROXIMADB_OK;
    const struct px_slice *id = row;
    return px_fail(walk->decoder->reterr, PROXIMADB_INVALID,
                   "the id '%.*s' is that of row %u, too; a batch may name each id once",
                   PX_SHOWN_ID(*id), earlier);
}

static int read_rows(struct walk *walk, int64_t count)
{
    int rc = alloc_rows(walk, count);
    for (uint32_t i = 0; rc == PROXIMADB_OK && i < walk->row_count; i++) {
        rc = read_row(walk, i);
        if (rc != PROXIMADB_OK)
            px_error_set_row(walk->decoder->reterr, i);
    }
    assert(rc != PROXIMADB_OK || walk->row_count == count);
    return rc;
}

int px_decoder__batch(struct px_decoder *decoder, const struct px_decoder_rows *format,
                      struct px_decoder_batch *ret_batch)
{
    struct walk walk = {.decoder = decoder, .format = format};
    const uint8_t *request_id = px_cursor_fixed(&decoder->cursor, PX_REQUEST_ID_BYTES);
    struct px_cursor_block block =
        px_cursor_array_begin(&decoder->cursor, format->smallest_item_bytes);
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    if (block.count == 0)
        return px_fail(decoder->reterr, PROXIMADB_INVALID, "the batch has no rows");
    rc = read_rows(&walk, block.count);
    if (rc != PROXIMADB_OK)
        return rc;
    px_cursor_array_end(&decoder->cursor, &block);
    rc = px_decoder__finish(decoder);
    if (rc == PROXIMADB_OK)
        *ret_batch = (struct px_decoder_batch){
            .request_id = request_id, .row_count = walk.row_count, .rows = walk.rows};
    return rc;
}
