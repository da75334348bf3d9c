/*
 * half_internal: IEEE 754 half precision as float, exactly: of columns FLOAT16 and of arrays '<f2'.
 */
#ifndef PX_TABLE_HALF_INTERNAL_H
#define PX_TABLE_HALF_INTERNAL_H

#include <stdint.h>
#include <string.h>

/* The number whose two bytes, little-endian, stand at `at`. */
static inline float px_table__half(const uint8_t *at)
{
    uint32_t half = at[0] | (uint32_t)at[1] << 8;
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 0) {
        float value = (float)fraction * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif /* PX_TABLE_HALF_INTERNAL_H */
