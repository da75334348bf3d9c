/* code_kernels_internal: the levels, each in a file of its own with its own flags. */
#ifndef PX_SIMD_CODE_KERNELS_INTERNAL_H
#define PX_SIMD_CODE_KERNELS_INTERNAL_H

#include "simd/code_kernels.h"

/* The table of a level, of functions that have these names in its file. */
#define PX_CODE_KERNELS(level)                                                    \
    {                                                                             \
        .name = (level), .sign_sums = sign_sums, .plane_sums = plane_sums,        \
        .signed_dots = signed_dots, .bytes_of = bytes_of, .byte_dots = byte_dots, \
        .quantise = quantise, .largest = largest, .rotate = rotate,               \
    }

/* NULL where the file was built for another kind of CPU; whether this one has the level is told by
 * px_kernels_at(). */
const struct px_code_kernels *px_code_kernels__scalar(void);
const struct px_code_kernels *px_code_kernels__avx2(void);
const struct px_code_kernels *px_code_kernels__avx512(void);
const struct px_code_kernels *px_code_kernels__neon(void);

#endif /* PX_SIMD_CODE_KERNELS_INTERNAL_H */
