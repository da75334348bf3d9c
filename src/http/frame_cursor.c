#include "http/frame_cursor.h"

#include <string.h>

enum { TYPE_DATA = 0, FLAG_PADDED = 0x8 };

void px_frame_cursor_init(struct px_frame_cursor *cursor)
{
    *cursor = (struct px_frame_cursor){.greeting_left_bytes = PX_FRAME_GREETING_BYTES};
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_data(const struct px_frame_cursor *cursor)
{
    return cursor->header[3] == TYPE_DATA && (cursor->header[4] & FLAG_PADDED) == 0;
}

/* The header is whole. */
static void begin_payload(struct px_frame_cursor *cursor)
{
    const uint8_t *header = cursor->header;
    cursor->payload_left_bytes =
        (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | (uint32_t)header[2];
    if (!is_data(cursor))
        return;
    cursor->last_data_bytes = cursor->payload_left_bytes;
    cursor->last_data_stream_id =
        (int32_t)((uint32_t)(header[5] & 0x7f) << 24 | (uint32_t)header[6] << 16 |
                  (uint32_t)header[7] << 8 | (uint32_t)header[8]);
}

/* Takes bytes of a frame's header; returns how many. */
static size_t take_header(struct px_frame_cursor *cursor, const uint8_t *data, size_t size_bytes)
{
    size_t part = smaller(size_bytes, (size_t)(PX_FRAME_HEADER_BYTES - cursor->header_bytes));
    memcpy(cursor->header + cursor->header_bytes, data, part);
    cursor->header_bytes = (uint8_t)(cursor->header_bytes + part);
    if (cursor->header_bytes == PX_FRAME_HEADER_BYTES)
        begin_payload(cursor);
    return part;
}

void px_frame_cursor_advance(struct px_frame_cursor *cursor, const uint8_t *data, size_t size_bytes)
{
    size_t part = smaller(size_bytes, cursor->greeting_left_bytes);
    cursor->greeting_left_bytes -= (uint32_t)part;
    while (part < size_bytes) {
        data += part;
        size_bytes -= part;
        if (cursor->header_bytes < PX_FRAME_HEADER_BYTES) {
            part = take_header(cursor, data, size_bytes);
        } else {
            part = smaller(size_bytes, cursor->payload_left_bytes);
            cursor->payload_left_bytes -= (uint32_t)part;
        }
        if (cursor->header_bytes == PX_FRAME_HEADER_BYTES && cursor->payload_left_bytes == 0)
            cursor->header_bytes = 0;
    }
}

size_t px_frame_cursor_data(const struct px_frame_cursor *cursor, int32_t *ret_stream_id)
{
    if (cursor->header_bytes < PX_FRAME_HEADER_BYTES || !is_data(cursor))
        return 0;
    *ret_stream_id = cursor->last_data_stream_id;
    return cursor->payload_left_bytes;
}

size_t px_frame_cursor_to_next(const struct px_frame_cursor *cursor)
{
    if (cursor->header_bytes < PX_FRAME_HEADER_BYTES)
        return cursor->greeting_left_bytes + PX_FRAME_HEADER_BYTES - cursor->header_bytes;
    return (size_t)cursor->payload_left_bytes + PX_FRAME_HEADER_BYTES;
}
