/*
 * send_queue: bytes that wait to be sent, as a queue of pieces that are copied only when they are
 * small.
 *
 * An answer is a few bytes of framing that we make and a payload that the engine made. The framing
 * is collected in a buffer of ours; the payload stays where it is, and its owner's release
 * function is called when its last byte has left. A response has such a queue, and so has a
 * connection: HTTP/2 framing moves bytes from the first to the second, in frames that may cut a
 * payload anywhere.
 *
 *      piece        bytes                          when its bytes are gone
 *      copied       in `copies`, at an offset      nothing
 *      owned        anywhere                       its buffer is released
 *
 * Ownership travels with the last byte: moving a part of an owned piece leaves the owner behind.
 *
 * Threads: externally serialised. Memory: grows with what waits; a failed allocation marks the
 * queue (`failed`), later calls do nothing, and what was handed over is released all the same.
 */
#ifndef PX_HTTP_SEND_QUEUE_H
#define PX_HTTP_SEND_QUEUE_H

#include "base/buffer.h"

#include <sys/uio.h>

struct px_send_queue_piece {
    const uint8_t *data; /* NULL: in `copies` */
    uint64_t copy_offset;
    size_t size_bytes; /* may be 0 for an owner whose bytes are gone */
    struct proximadb_buffer owner;
};

struct px_send_queue {
    struct px_buffer copies;
    uint64_t copies_start; /* the offset of copies.data[0]; offsets never go back */
    struct px_send_queue_piece *pieces;
    size_t piece_capacity;
    size_t piece_first; /* pieces[piece_first .. piece_end) wait */
    size_t piece_end;
    size_t size_bytes; /* of all pieces */
    bool failed;
};

/* A zeroed one is empty. Release and clear release what is owned; clear keeps up to a few KiB of
 * memory for the next use. */
void px_send_queue_release(struct px_send_queue *queue);
void px_send_queue_clear(struct px_send_queue *queue);

/* Appends a copy. */
void px_send_queue_copy(struct px_send_queue *queue, const void *data, size_t size_bytes);

/* Appends the bytes of `buffer`, which is taken, and zeroed. */
void px_send_queue_take(struct px_send_queue *queue, struct proximadb_buffer *buffer);

/* Moves the first size_bytes of `from`, which must have them, to the end of `to`. */
void px_send_queue_move(struct px_send_queue *from, struct px_send_queue *to, size_t size_bytes);

/* Empties `from`, of whose bytes some may have been moved to `to` and still wait there: the owner
 * of such bytes goes to the end of `to`; everything else is released. */
void px_send_queue_abandon(struct px_send_queue *from, struct px_send_queue *to);

/* Fills in up to `capacity` parts of what comes first; returns how many. They are views, valid
 * until the queue changes. */
size_t px_send_queue_parts(const struct px_send_queue *queue, struct iovec *parts, size_t capacity);

/* Removes the first size_bytes, which were sent. */
void px_send_queue_consume(struct px_send_queue *queue, size_t size_bytes);

#endif /* PX_HTTP_SEND_QUEUE_H */
