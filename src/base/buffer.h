/*
 * buffer: bytes that grow at the end, with a ceiling and a sticky failure.
 *
 * Encoders append dozens of small things; checking each append would drown them. So a failed append
 * (no memory, or the ceiling reached) marks the buffer, later appends do nothing, and whoever
 * finishes the encoding asks once with px_buffer_status().
 *
 * Threads: externally serialised.
 */
#ifndef PX_BASE_BUFFER_H
#define PX_BASE_BUFFER_H

#include "base/error.h"
#include "base/slice.h"

struct px_buffer {
    uint8_t *data; /* owned; NULL while empty */
    size_t size_bytes;
    size_t capacity_bytes;
    size_t limit_bytes; /* no growth beyond; 0 means SIZE_MAX / 2 */
    int status;         /* PROXIMADB_OK, or what the first failed append failed with */
};

/* A zeroed struct is an empty buffer without a ceiling, too. */
void px_buffer_init(struct px_buffer *buffer, size_t limit_bytes);

/* Frees the bytes and leaves an empty buffer with the same ceiling. */
void px_buffer_release(struct px_buffer *buffer);

/* Forgets content and failure, keeps the memory. */
void px_buffer_clear(struct px_buffer *buffer);

void px_buffer_append(struct px_buffer *buffer, const void *data, size_t size_bytes);
void px_buffer_append_byte(struct px_buffer *buffer, uint8_t byte);
void px_buffer_append_slice(struct px_buffer *buffer, struct px_slice slice);
void px_buffer_append_zeros(struct px_buffer *buffer, size_t size_bytes);
void px_buffer_append_format(struct px_buffer *buffer, const char *format, ...) PX_PRINTF(2, 3);

/* Room for size_bytes behind the content, which the caller fills and then adds to size_bytes; NULL
 * on failure (the buffer is marked). */
void *px_buffer_reserve(struct px_buffer *buffer, size_t size_bytes);

/* PROXIMADB_OK, PROXIMADB_NO_MEMORY, or PROXIMADB_RESOURCE_EXHAUSTED when the ceiling was hit. */
PX_MUST_CHECK int px_buffer_status(const struct px_buffer *buffer, struct proximadb_error *reterr);

static inline struct px_slice px_buffer_slice(const struct px_buffer *buffer)
{
    return px_slice_of(buffer->data, buffer->size_bytes);
}

/* Moves the bytes out: *ret_public is returned, free with proximadb_buffer_release(); the buffer is
 * empty then. Fails like px_buffer_status(), and then releases the bytes. */
PX_MUST_CHECK int px_buffer_take(struct px_buffer *buffer, struct proximadb_buffer *ret_public,
                                 struct proximadb_error *reterr);

/* What proximadb_buffer_release() does. */
void px_public_buffer_release(struct proximadb_buffer *buffer);

#endif /* PX_BASE_BUFFER_H */
