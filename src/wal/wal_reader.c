#define _GNU_SOURCE
#include "wal/wal_reader.h"

#include "avro/container.h"
#include "codec/varint.h"

#include <assert.h>

int px_wal_reader_init(struct px_wal_reader *reader, struct px_slice file,
                       struct proximadb_error *reterr)
{
    size_t header_bytes;
    *reader = (struct px_wal_reader){.file = file, .limit = file.size_bytes};
    int rc = px_wal_header_decode(file, &reader->header, &header_bytes, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    reader->log_end = header_bytes;
    reader->next_lsn = reader->header.first_lsn;
    return PROXIMADB_OK;
}

void px_wal_reader_set_limit(struct px_wal_reader *reader, uint64_t limit)
{
    /* A damaged header may name any offset; the walk then ends where it begins. */
    if (limit < reader->log_end)
        limit = reader->log_end;
    if (limit < reader->limit)
        reader->limit = limit;
}

static const char *read_frame(const struct px_wal_reader *reader, uint64_t offset,
                              struct px_container_block *ret_block)
{
    struct px_slice rest = px_slice_of(reader->file.data + offset, reader->limit - offset);
    if (px_container_block_read(rest, reader->header.sync_marker, ret_block, NULL) != PROXIMADB_OK)
        return "a block is cut off, or does not end with the sync marker";
    return NULL;
}

/* Checks every entry of a block. The first LSN must be next_lsn or, with `later`, not below it. */
static const char *check_entries(const struct px_container_block *block, int64_t next_lsn,
                                 bool later)
{
    const uint8_t *at = block->objects.data;
    const uint8_t *end = at + block->objects.size_bytes;
    for (uint64_t i = 0; i < block->object_count; i++) {
        struct px_wal_entry entry;
        const char *reason;
        at = px_wal_entry_decode(at, end, &entry, &reason);
        if (at == NULL)
            return reason;
        bool follows = later && i == 0 ? entry.lsn >= next_lsn : entry.lsn == next_lsn;
        if (!follows)
            return "an entry's log sequence number does not follow the one before";
        next_lsn = px_wal_entry_next_lsn(&entry);
    }
    return at == end ? NULL : "a block is longer than its entries";
}

/* Whether a block of entries with the next or a higher LSN begins at `offset`. */
static bool is_later_block(const struct px_wal_reader *reader, uint64_t offset)
{
    struct px_container_block block;
    return offset < reader->limit && read_frame(reader, offset, &block) == NULL &&
           block.object_count > 0 && check_entries(&block, reader->next_lsn, true) == NULL;
}

/* Where the block at `offset` ends by its own size, whatever stands there; the limit if it has
 * none. */
static uint64_t claimed_end(const struct px_wal_reader *reader, uint64_t offset)
{
    const uint8_t *begin = reader->file.data;
    const uint8_t *limit = begin + reader->limit;
    int64_t count, size;
    const uint8_t *at = px_varint_read_long(begin + offset, limit, &count);
    if (at != NULL)
        at = px_varint_read_long(at, limit, &size);
    if (at == NULL || size < 0 || size > limit - at || limit - at - size < PX_WAL_SYNC_BYTES)
        return reader->limit;
    return (uint64_t)(at - begin) + (uint64_t)size + PX_WAL_SYNC_BYTES;
}

/* Whether there is a valid block behind the bad one at `offset`: where that one says it ends, in
 * case its end is what is bad, or behind any sync marker. */
static bool valid_block_follows(const struct px_wal_reader *reader, uint64_t offset)
{
    const uint8_t *begin = reader->file.data;
    const uint8_t *limit = begin + reader->limit;
    const uint8_t *at = begin + offset;
    if (is_later_block(reader, claimed_end(reader, offset)))
        return true;
    while ((at = memmem(at, (size_t)(limit - at), reader->header.sync_marker, PX_WAL_SYNC_BYTES)) !=
           NULL) {
        at += PX_WAL_SYNC_BYTES;
        if (is_later_block(reader, (uint64_t)(at - begin)))
            return true;
    }
    return false;
}

static bool finish(struct px_wal_reader *reader, const char *reason)
{
    reader->reason = reason;
    reader->end = PX_WAL_END_CLEAN;
    if (reason != NULL)
        reader->end =
            valid_block_follows(reader, reader->log_end) ? PX_WAL_END_DAMAGED : PX_WAL_END_TORN;
    return false;
}

/* Moves on to the next block that has entries; false at the end of the log. */
static bool open_block(struct px_wal_reader *reader)
{
    uint64_t offset = reader->log_end;
    for (;;) {
        struct px_container_block block;
        if (offset == reader->limit)
            return finish(reader, NULL);
        const char *reason = read_frame(reader, offset, &block);
        if (reason == NULL && block.object_count > 0)
            reason = check_entries(&block, reader->next_lsn, false);
        if (reason != NULL)
            return finish(reader, reason);
        offset += block.size_bytes;
        if (block.object_count > 0) {
            reader->block_begin = reader->log_end;
            reader->entry_at = block.objects.data;
            reader->entries_left = block.object_count;
            reader->log_end = offset;
            return true;
        }
    }
}

bool px_wal_reader_next(struct px_wal_reader *reader, struct px_wal_entry *ret_entry)
{
    if (reader->entries_left == 0 && !open_block(reader))
        return false;
    const char *reason;
    const uint8_t *end = reader->file.data + reader->log_end;
    reader->entry_at = px_wal_entry_decode(reader->entry_at, end, ret_entry, &reason);
    assert(reader->entry_at != NULL); /* check_entries() has seen it */
    reader->entries_left--;
    reader->next_lsn = px_wal_entry_next_lsn(ret_entry);
    return true;
}
