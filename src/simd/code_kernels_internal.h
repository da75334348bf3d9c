/* code_kernels_internal: the levels, each in a file of its own with its own flags. */
#ifndef PX_SIMD_CODE_KERNELS_INTERNAL_H
#define PX_SIMD_CODE_KERNELS_INTERNAL_H

#include "simd/code_kernels.h"

/* NULL where the file was built for another kind of CPU; whether this one has the level is told by
 * px_kernels_at(). */
const struct px_code_kernels *px_code_kernels__scalar(void);
const struct px_code_kernels *px_code_kernels__avx2(void);
const struct px_code_kernels *px_code_kernels__avx512(void);
const struct px_code_kernels *px_code_kernels__neon(void);

#endif /* PX_SIMD_CODE_KERNELS_INTERNAL_H */
