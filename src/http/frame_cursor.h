/*
 * frame_cursor: where in HTTP/2's framing the next byte of a connection lies.
 *
 * nghttp2 parses frames but does not tell its state between two calls. Receiving a message straight
 * into its final memory needs just that: how many bytes of which DATA frame come next. So the same
 * bytes that nghttp2 gets are counted here, which takes reading the nine-byte frame headers only.
 *
 *      OFFSET  SIZE  MEANING
 *      0       24    the client's greeting, once
 *      then, repeatedly
 *      0       3     size of the payload, big-endian
 *      3       1     type; 0 is DATA
 *      4       1     flags; 0x8 on DATA: padded
 *      5       4     stream, big-endian; the highest bit is reserved
 *      9       size  payload
 *
 * Threads: owner thread. Memory: none.
 */
#ifndef PX_HTTP_FRAME_CURSOR_H
#define PX_HTTP_FRAME_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PX_FRAME_HEADER_BYTES = 9, PX_FRAME_GREETING_BYTES = 24 };

struct px_frame_cursor {
    uint32_t greeting_left_bytes;
    uint32_t payload_left_bytes; /* of the frame that `header` describes */
    uint8_t header_bytes;        /* of `header` that are here */
    uint8_t header[PX_FRAME_HEADER_BYTES];
    uint32_t last_data_bytes; /* payload of the last unpadded DATA frame that began */
    int32_t last_data_stream_id;
};

void px_frame_cursor_init(struct px_frame_cursor *cursor);

/* Moves over bytes of the connection. */
void px_frame_cursor_advance(struct px_frame_cursor *cursor, const uint8_t *data,
                             size_t size_bytes);

/* How many bytes of the payload of an unpadded DATA frame come next, and of which stream; 0: what
 * comes next is something else. */
size_t px_frame_cursor_data(const struct px_frame_cursor *cursor, int32_t *ret_stream_id);

/* How many bytes there are up to the end of the next header that is not here as a whole. */
size_t px_frame_cursor_to_next(const struct px_frame_cursor *cursor);

#endif /* PX_HTTP_FRAME_CURSOR_H */
