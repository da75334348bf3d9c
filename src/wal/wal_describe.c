#include "wal/wal_describe.h"

#include "avro/cursor.h"
#include "base/clock.h"
#include "codec/json_line.h"

#include <stdio.h>

const char *px_wal_end_name(enum px_wal_end end)
{
    static const char *const names[] = {
        [PX_WAL_END_CLEAN] = "clean", [PX_WAL_END_TORN] = "torn", [PX_WAL_END_DAMAGED] = "damaged"};
    return names[end];
}

void px_wal_describe_header(const struct px_wal_header *header, struct px_buffer *buffer)
{
    char id[PX_UUID_TEXT_BYTES];
    px_uuid_format(header->collection_id, id);
    px_json_line_begin(buffer, "header");
    px_json_line_string(buffer, "collection", header->collection);
    px_json_line_string(buffer, "collection_id", id);
    px_json_line_i64(buffer, "first_lsn", header->first_lsn);
    px_json_line_string(buffer, "previous_file", header->previous_file);
    px_json_line_u64(buffer, "previous_end", header->previous_end);
    px_json_line_end(buffer);
}

/* In every batch the request id comes first, then an array whose items begin with an id. */
static bool find_first_id(struct px_slice batch, struct px_slice *ret_id)
{
    struct px_cursor cursor = px_cursor_of(batch);
    px_cursor_skip(&cursor, PX_WAL_REQUEST_ID_BYTES);
    struct px_cursor_block block = px_cursor_array_begin(&cursor, 1);
    *ret_id = px_cursor_string(&cursor);
    return cursor.fault == NULL && block.count > 0;
}

static void put_hex(struct px_buffer *buffer, const char *key, const uint8_t *bytes, size_t count)
{
    char text[2 * PX_WAL_REQUEST_ID_BYTES + 1] = "";
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    px_json_line_string(buffer, key, text);
}

void px_wal_describe_entry(const struct px_wal_reader *reader, const struct px_wal_entry *entry,
                           struct px_wal_totals *totals, struct px_buffer *buffer)
{
    char time[PX_CLOCK_TEXT_BYTES], fingerprint[17];
    struct px_slice first_id;
    totals->entry_count++;
    totals->row_count += entry->row_count;
    px_clock_format(entry->time_ms, time);
    snprintf(fingerprint, sizeof fingerprint, "%016llx",
             (unsigned long long)entry->schema_fingerprint);
    px_json_line_begin(buffer, "entry");
    px_json_line_u64(buffer, "block_offset", reader->block_begin);
    px_json_line_i64(buffer, "lsn", entry->lsn);
    px_json_line_u64(buffer, "row_count", entry->row_count);
    px_json_line_string(buffer, "time", time);
    px_json_line_string(buffer, "operation", px_wal_operation_name(entry->operation));
    px_json_line_u64(buffer, "batch_bytes", entry->batch.size_bytes);
    px_json_line_string(buffer, "schema_fingerprint", fingerprint);
    put_hex(buffer, "request_id", entry->request_id, sizeof entry->request_id);
    if (find_first_id(entry->batch, &first_id))
        px_json_line_text(buffer, "first_id", first_id);
    px_json_line_end(buffer);
}

void px_wal_describe_end(const struct px_wal_reader *reader, const struct px_wal_totals *totals,
                         struct px_buffer *buffer)
{
    px_json_line_begin(buffer, "end");
    px_json_line_string(buffer, "end", px_wal_end_name(reader->end));
    px_json_line_u64(buffer, "log_end", reader->log_end);
    px_json_line_u64(buffer, "file_bytes", reader->file.size_bytes);
    px_json_line_u64(buffer, "entry_count", totals->entry_count);
    px_json_line_u64(buffer, "row_count", totals->row_count);
    px_json_line_i64(buffer, "next_lsn", reader->next_lsn);
    if (reader->reason != NULL)
        px_json_line_string(buffer, "reason", reader->reason);
    px_json_line_end(buffer);
}
