/*
 * fastscan: sums over codes of one and of eight bits per dimension, 32 rows at a time, once per CPU
 * level. The arithmetic of axis/ivf.h.
 *
 * A block has the signs of 32 rows. Rows 0 to 15 come first, then rows 16 to 31, and in each half
 * the bytes of dimensions 0 to 7 of its 16 rows, then those of dimensions 8 to 15, and so on: bit i
 * of byte j * 16 + r is set where dimension 8 j + i of row r is not negative. So one load brings
 * the same four dimensions of many rows, and a shuffle of bytes looks all of them up in a table of
 * 16 entries that stays in a register (Andre et al., Cache locality is not enough: High-performance
 * nearest neighbor search with product quantization fast scan, VLDB 2015).
 *
 * Tables: entry n of table g is what the four dimensions 4 g to 4 g + 3 add where their bits are n,
 * at most PX_FASTSCAN_MOST_ENTRY. Tables of even numbers come first (low halves of bytes), then
 * those of odd ones.
 *
 * Sums are of integers, and the few operations on floats are separate and in one order, so every
 * level gives the same bits (tests/simd/test_fastscan.c). Dimensions are a multiple of 64. The
 * level is that of simd/kernels.h.
 *
 * Threads: any thread. Memory: none; nothing is read behind the operands.
 */
#ifndef PX_SIMD_FASTSCAN_H
#define PX_SIMD_FASTSCAN_H

#include <stddef.h>
#include <stdint.h>

enum {
    PX_FASTSCAN_ROWS = 32,       /* of a block */
    PX_FASTSCAN_MOST_ENTRY = 63, /* so that four of them fit a byte */
};

/* What a row's sum means: adds[r] - rescales[r] * (sum * unit + offset). */
struct px_fastscan_scale {
    const float *adds;     /* PX_FASTSCAN_ROWS of them, at any address; borrowed */
    const float *rescales; /* likewise */
    float unit;
    float offset;
};

/* Rows of bytes, by number: from bytes + number * stride on. */
struct px_byte_rows {
    const uint8_t *bytes; /* borrowed */
    size_t stride;
    size_t dim_count; /* a multiple of 64, at most 65,536 */
};

struct px_fastscan {
    const char *name; /* as in PROXIMADB_SIMD */

    /* Bit r of the result says whether that of row r is at most `limit`, or NaN. `codes` is a block
     * of 4 * dim_count bytes, `tables` has 4 * dim_count, too. */
    uint32_t (*select)(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                       const struct px_fastscan_scale *scale, float limit);

    /* That of each row, to ret_values: PX_FASTSCAN_ROWS of them. */
    void (*estimate)(const uint8_t *codes, const uint8_t *tables, size_t dim_count,
                     const struct px_fastscan_scale *scale, float *ret_values);

    /* For each of `count` rows, which are those of `indexes`: the sum over i of its byte i times
     * 128 * high[i] + low[i]. indexes NULL: rows 0 to count - 1. */
    void (*byte_dots)(const struct px_byte_rows *rows, const uint32_t *indexes, size_t count,
                      const int8_t *high, const int8_t *low, int64_t *ret_dots);
};

/* Bytes of the signs of a block. */
static inline size_t px_fastscan_block_bytes(size_t dim_count)
{
    return dim_count / 8 * PX_FASTSCAN_ROWS;
}

/* The table that the engine uses: of the level of px_kernels_get(). */
const struct px_fastscan *px_fastscan_get(void);

/* Number `index` of those that run on this CPU, slowest first; NULL behind the last. */
const struct px_fastscan *px_fastscan_at(size_t index);

#endif /* PX_SIMD_FASTSCAN_H */
