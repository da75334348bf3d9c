/*
 * encode: appends values in Avro's binary form to a px_buffer, which remembers a failure.
 *
 * Integers are written in their shortest form, and arrays in one block without a byte size, so the
 * same values always give the same bytes, which are also those of fastavro.
 *
 *      array or map    px_encode_block(count), the items, px_encode_block_end(count)
 *      union           px_encode_branch(index), the value
 *      record          its fields, one after the other
 *
 * Threads: externally serialised.
 */
#ifndef PX_AVRO_ENCODE_H
#define PX_AVRO_ENCODE_H

#include "base/buffer.h"
#include "codec/varint.h"

static inline void px_encode_long(struct px_buffer *buffer, int64_t value)
{
    uint8_t *room = px_buffer_reserve(buffer, PX_VARINT_BYTES);
    if (room != NULL)
        buffer->size_bytes += px_varint_write_long(room, value);
}

/* Avro's int has the form of a long. */
static inline void px_encode_int(struct px_buffer *buffer, int32_t value)
{
    px_encode_long(buffer, value);
}

static inline void px_encode_boolean(struct px_buffer *buffer, bool value)
{
    px_buffer_append_byte(buffer, value ? 1 : 0);
}

static inline void px_encode_float(struct px_buffer *buffer, float value)
{
    px_buffer_append(buffer, &value, sizeof value);
}

static inline void px_encode_double(struct px_buffer *buffer, double value)
{
    px_buffer_append(buffer, &value, sizeof value);
}

/* A string or bytes. */
static inline void px_encode_string(struct px_buffer *buffer, struct px_slice value)
{
    px_encode_long(buffer, (int64_t)value.size_bytes);
    px_buffer_append_slice(buffer, value);
}

static inline void px_encode_fixed(struct px_buffer *buffer, const void *value, size_t size_bytes)
{
    px_buffer_append(buffer, value, size_bytes);
}

/* The branch of a union, or the symbol of an enum. */
static inline void px_encode_branch(struct px_buffer *buffer, int branch)
{
    px_encode_long(buffer, branch);
}

/* The unions [null, long] and [null, string], whose first branch stands for an absent value. */
static inline void px_encode_null(struct px_buffer *buffer)
{
    px_encode_branch(buffer, 0);
}

static inline void px_encode_optional_long(struct px_buffer *buffer, bool present, int64_t value)
{
    px_encode_branch(buffer, present);
    if (present)
        px_encode_long(buffer, value);
}

static inline void px_encode_optional_string(struct px_buffer *buffer, bool present,
                                             struct px_slice value)
{
    px_encode_branch(buffer, present);
    if (present)
        px_encode_string(buffer, value);
}

/* Opens an array or a map of `count` items; an empty one is complete with it. */
static inline void px_encode_block(struct px_buffer *buffer, size_t count)
{
    px_encode_long(buffer, (int64_t)count);
}

static inline void px_encode_block_end(struct px_buffer *buffer, size_t count)
{
    if (count > 0)
        px_encode_long(buffer, 0);
}

/* An array of float from little-endian floats of any alignment. */
static inline void px_encode_floats(struct px_buffer *buffer, const void *floats, size_t count)
{
    px_encode_block(buffer, count);
    px_buffer_append(buffer, floats, count * sizeof(float));
    px_encode_block_end(buffer, count);
}

#endif /* PX_AVRO_ENCODE_H */
