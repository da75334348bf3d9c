#include "http/send_queue.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIRST_PIECES = 8,
    COPY_BELOW_BYTES = 256,       /* a piece of its own costs more than copying so few */
    KEPT_COPIES_BYTES = 16 << 10, /* memory that clear keeps */
    KEPT_PIECES = 64,
};

/* proximadb_buffer_release() belongs to the engine's library, which this layer does not link. */
static void release_owner(struct proximadb_buffer *owner)
{
    if (owner->release != NULL)
        owner->release(owner->context);
    *owner = (struct proximadb_buffer){0};
}

static struct px_send_queue_piece *first_piece(struct px_send_queue *queue)
{
    assert(queue->piece_first < queue->piece_end);
    return &queue->pieces[queue->piece_first];
}

static void release_pieces(struct px_send_queue *queue)
{
    for (size_t i = queue->piece_first; i < queue->piece_end; i++)
        release_owner(&queue->pieces[i].owner);
    queue->piece_first = queue->piece_end = 0;
    queue->size_bytes = 0;
}

void px_send_queue_release(struct px_send_queue *queue)
{
    release_pieces(queue);
    px_buffer_release(&queue->copies);
    free(queue->pieces);
    *queue = (struct px_send_queue){0};
}

void px_send_queue_clear(struct px_send_queue *queue)
{
    release_pieces(queue);
    queue->failed = false;
    queue->copies_start = 0;
    if (queue->copies.capacity_bytes > KEPT_COPIES_BYTES)
        px_buffer_release(&queue->copies);
    px_buffer_clear(&queue->copies);
    if (queue->piece_capacity > KEPT_PIECES) {
        free(queue->pieces);
        queue->pieces = NULL;
        queue->piece_capacity = 0;
    }
}

/* ---- appending ----------------------------------------------------------------------------- */

/* Makes room for one more piece behind piece_end. */
static bool make_room(struct px_send_queue *queue)
{
    if (queue->piece_end < queue->piece_capacity)
        return true;
    size_t count = queue->piece_end - queue->piece_first;
    if (queue->piece_first > 0 && count <= queue->piece_capacity / 2) {
        memmove(queue->pieces, first_piece(queue), count * sizeof *queue->pieces);
        queue->piece_first = 0;
        queue->piece_end = count;
        return true;
    }
    size_t capacity = queue->piece_capacity > 0 ? 2 * queue->piece_capacity : FIRST_PIECES;
    struct px_send_queue_piece *pieces = realloc(queue->pieces, capacity * sizeof *pieces);
    if (pieces == NULL)
        return false;
    queue->pieces = pieces;
    queue->piece_capacity = capacity;
    return true;
}

static void append_piece(struct px_send_queue *queue, struct px_send_queue_piece piece)
{
    if (queue->failed || !make_room(queue)) {
        queue->failed = true;
        release_owner(&piece.owner);
        return;
    }
    queue->pieces[queue->piece_end++] = piece;
    queue->size_bytes += piece.size_bytes;
}

/* Drops the copies that were sent already, once they are worth a move of the rest. */
static void compact_copies(struct px_send_queue *queue)
{
    if (queue->copies.size_bytes < KEPT_COPIES_BYTES)
        return;
    uint64_t needed_from = queue->copies_start + queue->copies.size_bytes;
    for (size_t i = queue->piece_first; i < queue->piece_end; i++) {
        if (queue->pieces[i].data == NULL && queue->pieces[i].size_bytes > 0) {
            needed_from = queue->pieces[i].copy_offset;
            break;
        }
    }
    size_t unneeded = (size_t)(needed_from - queue->copies_start);
    if (unneeded < queue->copies.size_bytes / 2)
        return;
    queue->copies.size_bytes -= unneeded;
    memmove(queue->copies.data, queue->copies.data + unneeded, queue->copies.size_bytes);
    queue->copies_start = needed_from;
}

/* Whether the last piece ends where the next copy will begin, so that it can simply grow. */
static bool can_grow_last(const struct px_send_queue *queue, uint64_t offset)
{
    if (queue->piece_first == queue->piece_end)
        return false;
    const struct px_send_queue_piece *last = &queue->pieces[queue->piece_end - 1];
    return last->data == NULL && last->owner.release == NULL &&
           last->copy_offset + last->size_bytes == offset;
}

void px_send_queue_copy(struct px_send_queue *queue, const void *data, size_t size_bytes)
{
    if (queue->failed || size_bytes == 0)
        return;
    compact_copies(queue);
    uint64_t offset = queue->copies_start + queue->copies.size_bytes;
    px_buffer_append(&queue->copies, data, size_bytes);
    if (queue->copies.status != PROXIMADB_OK) {
        queue->failed = true;
    } else if (can_grow_last(queue, offset)) {
        queue->pieces[queue->piece_end - 1].size_bytes += size_bytes;
        queue->size_bytes += size_bytes;
    } else {
        append_piece(queue,
                     (struct px_send_queue_piece){.copy_offset = offset, .size_bytes = size_bytes});
    }
}

void px_send_queue_take(struct px_send_queue *queue, struct proximadb_buffer *buffer)
{
    struct proximadb_buffer owner = *buffer;
    *buffer = (struct proximadb_buffer){0};
    if (owner.size_bytes < COPY_BELOW_BYTES) {
        px_send_queue_copy(queue, owner.data, owner.size_bytes);
        release_owner(&owner);
        return;
    }
    append_piece(queue, (struct px_send_queue_piece){
                            .data = owner.data, .size_bytes = owner.size_bytes, .owner = owner});
}

/* ---- taking away --------------------------------------------------------------------------- */

static const uint8_t *bytes_of(const struct px_send_queue *queue,
                               const struct px_send_queue_piece *piece)
{
    if (piece->data != NULL)
        return piece->data;
    return queue->copies.data + (piece->copy_offset - queue->copies_start);
}

static void shorten_first(struct px_send_queue *queue, size_t size_bytes)
{
    struct px_send_queue_piece *piece = first_piece(queue);
    if (piece->data != NULL)
        piece->data += size_bytes;
    else
        piece->copy_offset += size_bytes;
    piece->size_bytes -= size_bytes;
    queue->size_bytes -= size_bytes;
}

/* Forgets the first piece, whose owner was released or has moved. */
static void drop_first(struct px_send_queue *queue)
{
    queue->size_bytes -= first_piece(queue)->size_bytes;
    queue->piece_first++;
    if (queue->piece_first == queue->piece_end) {
        queue->piece_first = queue->piece_end = 0;
        queue->copies_start += queue->copies.size_bytes;
        px_buffer_clear(&queue->copies);
    }
}

/* Appends a view of bytes whose owner stays in `from`, or comes along. */
static void append_view(struct px_send_queue *to, const uint8_t *data, size_t size_bytes,
                        struct proximadb_buffer owner)
{
    append_piece(
        to, (struct px_send_queue_piece){.data = data, .size_bytes = size_bytes, .owner = owner});
}

void px_send_queue_move(struct px_send_queue *from, struct px_send_queue *to, size_t size_bytes)
{
    assert(size_bytes <= from->size_bytes);
    while (size_bytes > 0) {
        struct px_send_queue_piece *piece = first_piece(from);
        size_t part = piece->size_bytes < size_bytes ? piece->size_bytes : size_bytes;
        bool is_whole = part == piece->size_bytes;
        if (piece->data == NULL)
            px_send_queue_copy(to, bytes_of(from, piece), part);
        else
            append_view(to, piece->data, part,
                        is_whole ? piece->owner : (struct proximadb_buffer){0});
        if (is_whole)
            drop_first(from);
        else
            shorten_first(from, part);
        size_bytes -= part;
    }
}

void px_send_queue_abandon(struct px_send_queue *from, struct px_send_queue *to)
{
    if (from->piece_first < from->piece_end) {
        struct px_send_queue_piece *piece = first_piece(from);
        if (piece->owner.release != NULL && piece->data != piece->owner.data) {
            append_view(to, piece->data, 0, piece->owner);
            piece->owner = (struct proximadb_buffer){0};
        }
    }
    px_send_queue_clear(from);
}

size_t px_send_queue_parts(const struct px_send_queue *queue, struct iovec *parts, size_t capacity)
{
    size_t count = 0;
    for (size_t i = queue->piece_first; i < queue->piece_end && count < capacity; i++) {
        const struct px_send_queue_piece *piece = &queue->pieces[i];
        if (piece->size_bytes == 0)
            continue;
        parts[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)bytes_of(queue, piece),
                                        .iov_len = piece->size_bytes};
    }
    return count;
}

void px_send_queue_consume(struct px_send_queue *queue, size_t size_bytes)
{
    assert(size_bytes <= queue->size_bytes);
    /* Owners without bytes behind the last byte go, too: nothing before them waits any more. */
    while (queue->piece_first < queue->piece_end) {
        struct px_send_queue_piece *piece = first_piece(queue);
        if (piece->size_bytes > size_bytes) {
            shorten_first(queue, size_bytes);
            return;
        }
        size_bytes -= piece->size_bytes;
        release_owner(&piece->owner);
        drop_first(queue);
    }
}
