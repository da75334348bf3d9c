/*
 * rle_internal: Parquet's hybrid of run lengths and bit packing, in which levels are written.
 *
 *      A sequence of runs, each a varint h and then:
 *      h & 1  MEANING
 *      0      h >> 1 times the same level, which follows in one byte
 *      1      (h >> 1) * 8 levels, packed `bit_width` bits each, the first in the lowest bits; what
 *             is behind the last level of the page is padding
 *
 * Levels here are at most 3, so a width is 1 or 2 bits and no level straddles two bytes.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PARQUET_RLE_INTERNAL_H
#define PX_PARQUET_RLE_INTERNAL_H

#include "base/buffer.h"

/* Appends `count` levels, one per byte of `levels`. Failures mark the buffer. */
void px_rle__encode(const uint8_t *levels, size_t count, unsigned bit_width,
                    struct px_buffer *buffer);

/* Walks levels run by run, so that a page of a million levels needs no memory. */
struct px_rle_reader {
    const uint8_t *at;
    const uint8_t *end;
    unsigned bit_width;
    size_t left;           /* levels that are still to come */
    const uint8_t *packed; /* the present packed run: its bytes, levels and those already given */
    size_t packed_count;
    size_t packed_index;
};

/* `count` levels in `bytes`, a view. bit_width: 1 or 2. */
struct px_rle_reader px_rle__reader_of(struct px_slice bytes, unsigned bit_width, size_t count);

/* Gives the next run: *ret_count > 0 times *ret_level. False at the end, which is a fault if
 * px_rle__is_done() does not say so. Packed levels come as runs, too, not always the longest. */
bool px_rle__next(struct px_rle_reader *reader, uint8_t *ret_level, size_t *ret_count);

/* Whether every level was read and nothing is left over. */
bool px_rle__is_done(const struct px_rle_reader *reader);

/* Writes `count` levels, one per byte. False where the bytes are anything else than exactly those.
 * */
bool px_rle__decode(struct px_slice bytes, unsigned bit_width, uint8_t *levels, size_t count);

#endif /* PX_PARQUET_RLE_INTERNAL_H */
