/*
 * snappy: unpacking Snappy's block format, which other writers of Parquet use by default.
 *
 *      varint of the unpacked size, then elements, each a byte whose lowest two bits say what:
 *      BITS  MEANING
 *      0     literal: its length less 1 in the upper six bits, or, if they are 60 to 63, in 1 to 4
 *            bytes that follow
 *      1     copy: length 4 to 11, offset of 11 bits
 *      2, 3  copy: length 1 to 64, offset of 16 or 32 bits
 *
 * The unpacked size is the caller's, as with zstd.h: the result is exactly that, or an error.
 *
 * Threads: any thread.
 */
#ifndef PX_CODEC_SNAPPY_H
#define PX_CODEC_SNAPPY_H

#include "base/error.h"
#include "base/slice.h"

/* Fills `data` with the content of `packed`, which must be exactly size_bytes long.
 * PROXIMADB_CORRUPT; the content of `data` is then undefined. */
PX_MUST_CHECK int px_snappy_unpack(struct px_slice packed, void *data, size_t size_bytes,
                                   struct proximadb_error *reterr);

#endif /* PX_CODEC_SNAPPY_H */
