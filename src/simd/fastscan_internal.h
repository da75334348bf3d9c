/* fastscan_internal: the levels, each of which stands in a file of its own with its own flags, and
 * what they share: how sums become an answer. */
#ifndef PX_SIMD_FASTSCAN_INTERNAL_H
#define PX_SIMD_FASTSCAN_INTERNAL_H

#include "simd/fastscan.h"

enum {
    PX_FASTSCAN_HALF = PX_FASTSCAN_ROWS / 2, /* rows whose bytes stand side by side */

    /* Dimensions that sums of 16 bits hold: 1,024 tables of at most 63. */
    PX_FASTSCAN_CHUNK = 4096,
};

/* NULL where the file was built for another kind of CPU; whether this one has the level is told by
 * px_kernels_at(). */
const struct px_fastscan *px_fastscan__scalar(void);
const struct px_fastscan *px_fastscan__avx2(void);
const struct px_fastscan *px_fastscan__avx512(void);
const struct px_fastscan *px_fastscan__neon(void);

#endif /* PX_SIMD_FASTSCAN_INTERNAL_H */
