/* kernels_internal: the levels, each of which stands in a file of its own with its own -m flags. */
#ifndef PX_SIMD_KERNELS_INTERNAL_H
#define PX_SIMD_KERNELS_INTERNAL_H

#include "simd/kernels.h"

/* NULL where the file was built for another kind of CPU, or where this CPU lacks the level. */
const struct px_kernels *px_kernels__scalar(void);
const struct px_kernels *px_kernels__avx2(void);
const struct px_kernels *px_kernels__avx512(void);
const struct px_kernels *px_kernels__neon(void);

#endif /* PX_SIMD_KERNELS_INTERNAL_H */
