#include "base/buffer.h"

#include "base/bits.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY_BYTES = 256 };

void px_buffer_init(struct px_buffer *buffer, size_t limit_bytes)
{
    *buffer = (struct px_buffer){.limit_bytes = limit_bytes};
}

void px_buffer_release(struct px_buffer *buffer)
{
    free(buffer->data);
    px_buffer_init(buffer, buffer->limit_bytes);
}

void px_buffer_clear(struct px_buffer *buffer)
{
    buffer->size_bytes = 0;
    buffer->status = PROXIMADB_OK;
}

static bool grow(struct px_buffer *buffer, size_t needed_bytes)
{
    size_t limit = buffer->limit_bytes != 0 ? buffer->limit_bytes : SIZE_MAX / 2;
    if (needed_bytes > limit) {
        buffer->status = PROXIMADB_RESOURCE_EXHAUSTED;
        return false;
    }
    size_t capacity = buffer->capacity_bytes + buffer->capacity_bytes / 2;
    if (capacity < FIRST_CAPACITY_BYTES)
        capacity = FIRST_CAPACITY_BYTES;
    if (capacity > limit)
        capacity = limit;
    if (capacity < needed_bytes)
        capacity = needed_bytes;
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->status = PROXIMADB_NO_MEMORY;
        return false;
    }
    buffer->data = data;
    buffer->capacity_bytes = capacity;
    return true;
}

void *px_buffer_reserve(struct px_buffer *buffer, size_t size_bytes)
{
    if (buffer->status != PROXIMADB_OK)
        return NULL;
    size_t needed;
    if (__builtin_add_overflow(buffer->size_bytes, size_bytes, &needed)) {
        buffer->status = PROXIMADB_RESOURCE_EXHAUSTED;
        return NULL;
    }
    if ((needed > buffer->capacity_bytes || buffer->data == NULL) && !grow(buffer, needed))
        return NULL;
    return buffer->data + buffer->size_bytes;
}

void px_buffer_append(struct px_buffer *buffer, const void *data, size_t size_bytes)
{
    assert(data != NULL || size_bytes == 0);
    if (size_bytes == 0)
        return;
    void *room = px_buffer_reserve(buffer, size_bytes);
    if (room == NULL)
        return;
    memcpy(room, data, size_bytes);
    buffer->size_bytes += size_bytes;
}

void px_buffer_append_byte(struct px_buffer *buffer, uint8_t byte)
{
    px_buffer_append(buffer, &byte, 1);
}

void px_buffer_append_slice(struct px_buffer *buffer, struct px_slice slice)
{
    px_buffer_append(buffer, slice.data, slice.size_bytes);
}

void px_buffer_append_zeros(struct px_buffer *buffer, size_t size_bytes)
{
    void *room = px_buffer_reserve(buffer, size_bytes);
    if (room == NULL)
        return;
    memset(room, 0, size_bytes);
    buffer->size_bytes += size_bytes;
}

void px_buffer_append_format(struct px_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(length >= 0);
    char *room = px_buffer_reserve(buffer, (size_t)length + 1);
    if (room == NULL)
        return;
    va_start(args, format);
    vsnprintf(room, (size_t)length + 1, format, args);
    va_end(args);
    buffer->size_bytes += (size_t)length;
}

int px_buffer_status(const struct px_buffer *buffer, struct proximadb_error *reterr)
{
    if (buffer->status == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    if (buffer->status != PROXIMADB_OK)
        return px_fail(reterr, buffer->status,
                       "the result is larger than the limit of %zu bytes; ask for less at a time",
                       buffer->limit_bytes);
    return PROXIMADB_OK;
}

int px_buffer_take(struct px_buffer *buffer, struct proximadb_buffer *ret_public,
                   struct proximadb_error *reterr)
{
    int rc = px_buffer_status(buffer, reterr);
    if (rc != PROXIMADB_OK) {
        px_buffer_release(buffer);
        return rc;
    }
    *ret_public = (struct proximadb_buffer){
        .data = buffer->data,
        .size_bytes = buffer->size_bytes,
        .release = free,
        .context = buffer->data,
    };
    px_buffer_init(buffer, buffer->limit_bytes);
    return PROXIMADB_OK;
}

void px_public_buffer_release(struct proximadb_buffer *buffer)
{
    if (buffer->release != NULL)
        buffer->release(buffer->context);
    *buffer = (struct proximadb_buffer){0};
}
