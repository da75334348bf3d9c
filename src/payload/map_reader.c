#include "payload/map_reader.h"

#include "model/metadata.h"

void px_map_reader_init(struct px_map_reader *reader, const struct px_collection *collection,
                        struct px_arena *arena)
{
    *reader = (struct px_map_reader){.collection = collection, .arena = arena};
}

void px_map_reader_release(struct px_map_reader *reader)
{
    px_buffer_release(&reader->canonical);
    px_buffer_release(&reader->fitted);
}

/* Moves what lies in a scratch buffer, which the next map overwrites, to the arena. */
static int keep(struct px_map_reader *reader, struct px_slice metadata,
                struct px_slice *ret_metadata, struct proximadb_error *reterr)
{
    if (reader->canonical.size_bytes > 0 || reader->fitted.size_bytes > 0) {
        metadata.data =
            (const uint8_t *)px_arena_copy(reader->arena, metadata.data, metadata.size_bytes);
        if (metadata.data == NULL)
            return px_fail_no_memory(reterr);
    }
    *ret_metadata = metadata;
    return PROXIMADB_OK;
}

/* A payload that is no Avro is its sender's mistake, not damage of ours. */
static int as_invalid(int rc, struct proximadb_error *reterr)
{
    if (rc != PROXIMADB_CORRUPT)
        return rc;
    if (reterr != NULL)
        reterr->status = PROXIMADB_INVALID;
    return PROXIMADB_INVALID;
}

int px_map_reader_read(struct px_map_reader *reader, struct px_cursor *cursor,
                       struct px_slice *ret_metadata, struct proximadb_error *reterr)
{
    struct px_slice metadata;
    size_t size;
    px_buffer_clear(&reader->canonical);
    px_buffer_clear(&reader->fitted);
    int rc = px_metadata_read(px_cursor_rest(cursor), &reader->canonical, &size, &metadata, reterr);
    if (rc != PROXIMADB_OK)
        return as_invalid(rc, reterr);
    if (reader->collection != NULL)
        rc = px_collection_fit(reader->collection, metadata, &reader->fitted, &metadata, reterr);
    if (rc == PROXIMADB_OK)
        rc = keep(reader, metadata, ret_metadata, reterr);
    if (rc == PROXIMADB_OK)
        px_cursor_skip(cursor, size);
    return rc;
}
