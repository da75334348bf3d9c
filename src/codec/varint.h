/*
 * varint: the two variable-length integers of our formats.
 *
 *   unsigned  base 128, least significant group first (protobuf, Thrift compact, Parquet levels)
 *   long      the same of the zigzag-mapped value (Avro int and long, Thrift compact)
 *
 * Readers take what the formats allow: up to 10 bytes, not necessarily the shortest form; the tenth
 * may carry one bit only. They never read at or behind `end`.
 */
#ifndef PX_CODEC_VARINT_H
#define PX_CODEC_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PX_VARINT_BYTES = 10 };

static inline uint64_t px_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t px_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (~(value & 1) + 1));
}

/* The position behind the integer, or NULL if it does not end before `end` or has over 64 bits. */
static inline const uint8_t *px_varint_read(const uint8_t *at, const uint8_t *end,
                                            uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && at < end; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return NULL;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return at;
        }
    }
    return NULL;
}

static inline const uint8_t *px_varint_read_long(const uint8_t *at, const uint8_t *end,
                                                 int64_t *ret_value)
{
    uint64_t value;
    at = px_varint_read(at, end, &value);
    if (at != NULL)
        *ret_value = px_unzigzag(value);
    return at;
}

/* The long at *at, which moves behind it: for bytes that were checked before, and only for those,
 * since it does not know where they end. */
static inline int64_t px_varint_next_long(const uint8_t **at)
{
    const uint8_t *next = *at;
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *next++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0);
    *at = next;
    return px_unzigzag(value);
}

/* Writes the shortest form, 1 to PX_VARINT_BYTES bytes; returns how many. */
static inline size_t px_varint_write(uint8_t *at, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        at[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[size++] = (uint8_t)value;
    return size;
}

static inline size_t px_varint_write_long(uint8_t *at, int64_t value)
{
    return px_varint_write(at, px_zigzag(value));
}

/* Writes exactly size_bytes, padding with continuation bytes: for a length that is written over in
 * place. The value must fit: value < 2^(7 * size_bytes). */
static inline void px_varint_write_padded(uint8_t *at, uint64_t value, size_t size_bytes)
{
    for (size_t i = 0; i + 1 < size_bytes; i++, value >>= 7)
        at[i] = (uint8_t)(value | 0x80);
    at[size_bytes - 1] = (uint8_t)(value & 0x7f);
}

#endif /* PX_CODEC_VARINT_H */
