#include "service/row_reader.h"

#include <assert.h>
#include <stdlib.h>

int px_row_reader_init(struct px_row_reader *reader, const struct px_snapshot *snapshot,
                       struct proximadb_error *reterr)
{
    *reader = (struct px_row_reader){.snapshot = snapshot};
    reader->parts = calloc(snapshot->view->source_count, sizeof(struct px_part_reader *));
    return reader->parts != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

void px_row_reader_release(struct px_row_reader *reader)
{
    for (uint32_t i = 0; reader->parts != NULL && i < reader->snapshot->view->source_count; i++)
        px_part_reader_free(reader->parts[i]);
    free(reader->parts);
    px_part_scratch_release(&reader->blocks);
    px_part_scratch_release(&reader->vector);
    *reader = (struct px_row_reader){0};
}

void px_row_reader_share_pages(struct px_row_reader *reader)
{
    reader->shares_pages = true;
    for (uint32_t i = 0; i < reader->snapshot->view->source_count; i++)
        if (reader->parts[i] != NULL)
            px_part_reader_share_pages(reader->parts[i]);
}

int px_row_reader_status(const struct px_row_reader *reader, struct proximadb_error *reterr)
{
    if (reader->error.status != PROXIMADB_OK && reterr != NULL)
        *reterr = reader->error;
    return reader->error.status;
}

static bool check(struct px_row_reader *reader, int rc, const struct proximadb_error *error)
{
    if (rc == PROXIMADB_OK)
        return true;
    if (reader->error.status == PROXIMADB_OK)
        reader->error = *error;
    return false;
}

static const struct px_source *source_of(const struct px_row_reader *reader, uint32_t source_index)
{
    return reader->snapshot->view->sources[source_index];
}

/* The reader of a part; NULL on failure. */
static struct px_part_reader *part_reader(struct px_row_reader *reader, uint32_t source_index)
{
    if (reader->parts[source_index] == NULL) {
        struct proximadb_error error;
        int rc = px_part_reader_new(source_of(reader, source_index)->part,
                                    &reader->parts[source_index], &error);
        if (check(reader, rc, &error) && reader->shares_pages)
            px_part_reader_share_pages(reader->parts[source_index]);
    }
    return reader->parts[source_index];
}

static bool read_expiry(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                        int64_t *ret_expires_at_ms)
{
    const struct px_source *source = source_of(reader, source_index);
    struct proximadb_error error;
    if (source->memtable != NULL) {
        *ret_expires_at_ms = px_memtable_get_expiry(source->memtable, row);
        return true;
    }
    struct px_part_reader *part = part_reader(reader, source_index);
    return part != NULL &&
           check(reader, px_part_read_expiry(part, row, ret_expires_at_ms, &error), &error);
}

bool px_row_reader_is_visible(struct px_row_reader *reader, uint32_t source_index, uint32_t row)
{
    const struct px_source *source = source_of(reader, source_index);
    int64_t killed_at = px_source_killed_at(source, row);
    if (killed_at != 0 && killed_at <= reader->snapshot->lsn)
        return false;
    int64_t expires_at_ms;
    if (!px_source_has_expiry(source))
        return true;
    return read_expiry(reader, source_index, row, &expires_at_ms) &&
           expires_at_ms > reader->snapshot->now_ms;
}

struct px_slice px_row_reader_id(struct px_row_reader *reader, uint32_t source_index, uint32_t row)
{
    const struct px_source *source = source_of(reader, source_index);
    if (source->memtable != NULL)
        return px_memtable_get_id(source->memtable, row);
    struct px_slice id = {0};
    struct proximadb_error error;
    if (px_part_can_look_up(source->part)) {
        (void)check(reader, px_part_get_id(source->part, row, &id, &error), &error);
        return id;
    }
    struct px_part_reader *part = part_reader(reader, source_index);
    if (part != NULL)
        (void)check(reader, px_part_read_id(part, row, &id, &error), &error);
    return id;
}

int64_t px_row_reader_version(struct px_row_reader *reader, uint32_t source_index, uint32_t row)
{
    const struct px_source *source = source_of(reader, source_index);
    int64_t version = 0;
    struct proximadb_error error;
    if (source->memtable != NULL)
        return px_memtable_get_version(source->memtable, row);
    if (px_part_can_look_up(source->part))
        return check(reader, px_part_get_version(source->part, row, &version, &error), &error)
                   ? version
                   : 0;
    struct px_part_reader *part = part_reader(reader, source_index);
    if (part == NULL || !check(reader, px_part_read_version(part, row, &version, &error), &error))
        return 0;
    return version;
}

const void *px_row_reader_vector(struct px_row_reader *reader, uint32_t source_index, uint32_t row)
{
    const struct px_source *source = source_of(reader, source_index);
    const float *vector = NULL;
    struct proximadb_error error;
    if (source->memtable != NULL)
        return px_memtable_get_vector(source->memtable, row);
    int rc = px_part_get_vector(source->part, &reader->vector, row, &vector, &error);
    return check(reader, rc, &error) ? vector : NULL;
}

int px_row_reader_block(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                        struct px_part_block *ret_block, struct proximadb_error *reterr)
{
    const struct px_source *source = source_of(reader, source_index);
    struct px_memtable_block block;
    if (source->memtable == NULL)
        return px_part_get_block(source->part, &reader->blocks, row, ret_block, reterr);
    bool found = px_memtable_get_block(
        source->memtable, row, px_snapshot_row_count(reader->snapshot, source_index), &block);
    assert(found);
    (void)found;
    *ret_block = (struct px_part_block){.vectors = block.vectors,
                                        .stride_bytes = block.stride_bytes,
                                        .first_row = block.first_row,
                                        .row_count = block.row_count};
    return PROXIMADB_OK;
}

bool px_row_reader_metadata(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                            struct px_slice *ret_metadata)
{
    const struct px_source *source = source_of(reader, source_index);
    struct proximadb_error error;
    if (source->memtable != NULL) {
        struct px_record record;
        px_memtable_get(source->memtable, row, &record);
        *ret_metadata = record.metadata;
        return true;
    }
    struct px_part_reader *part = part_reader(reader, source_index);
    return part != NULL &&
           check(reader, px_part_read_metadata(part, row, ret_metadata, &error), &error);
}

bool px_row_reader_texts(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                         struct px_record *record)
{
    const struct px_source *source = source_of(reader, source_index);
    struct proximadb_error error;
    if (source->memtable != NULL) {
        struct px_record whole;
        px_memtable_get(source->memtable, row, &whole);
        record->has_document = whole.has_document;
        record->document = whole.document;
        record->metadata = whole.metadata;
        return true;
    }
    struct px_part_reader *part = part_reader(reader, source_index);
    return part != NULL && check(reader, px_part_read_texts(part, row, record, &error), &error);
}

bool px_row_reader_record(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                          bool with_vector, struct px_record *ret_record)
{
    const struct px_source *source = source_of(reader, source_index);
    struct proximadb_error error;
    if (source->memtable != NULL) {
        px_memtable_get(source->memtable, row, ret_record);
        if (!with_vector)
            ret_record->vector = NULL;
        return true;
    }
    struct px_part_reader *part = part_reader(reader, source_index);
    return part != NULL &&
           check(reader, px_part_read_record(part, row, with_vector, ret_record, &error), &error);
}
