/*
 * bits: unaligned little-endian loads and stores, and small integer arithmetic.
 *
 * Every format of ours is little-endian, and so is every CPU that we build for; the static_assert
 * below turns a port to another kind into a compile error rather than into wrong files.
 */
#ifndef PX_BASE_BITS_H
#define PX_BASE_BITS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are read and written in place");

static inline uint32_t px_load_u32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t px_load_u64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

#define PX_F32_EXPONENT 0x7f800000 /* the bits of a float's exponent */

static inline float px_load_f32(const void *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline double px_load_f64(const void *at)
{
    double value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline void px_store_u32(void *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void px_store_u64(void *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

/* `unit` is a power of two. */
static inline size_t px_round_up(size_t value, size_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* False, and *ret untouched, if the result does not fit. */
static inline bool px_multiply_size(size_t a, size_t b, size_t *ret)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

/* The smallest power of two >= value; value must be 1 to 2^63. */
static inline uint64_t px_power_of_two(uint64_t value)
{
    return value <= 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(value - 1));
}

#endif /* PX_BASE_BITS_H */
