#include "axis/rotation.h"

#include "base/bits.h"
#include "base/random.h"
#include "simd/code_kernels.h"

#include <assert.h>
#include <stdlib.h>

enum { ROUNDS = 4 };

static void fill_flips(struct px_rotation *rotation, uint64_t seed)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < (size_t)ROUNDS * rotation->padded_count; i++) {
        if (i % 64 == 0)
            bits = px_random_next(&seed);
        rotation->flips[i] = (uint32_t)(bits >> i % 64 & 1) << 31;
    }
}

int px_rotation_init(struct px_rotation *rotation, uint32_t dim_count, uint64_t seed,
                     struct proximadb_error *reterr)
{
    assert(dim_count >= 1 && dim_count <= 65536);
    uint32_t padded = (uint32_t)px_round_up(dim_count, PX_ROTATION_UNIT);
    uint32_t mixed = (uint32_t)px_power_of_two(padded);
    if (mixed > padded)
        mixed /= 2;
    *rotation =
        (struct px_rotation){.dim_count = dim_count, .padded_count = padded, .mixed_count = mixed};
    rotation->flips = malloc((size_t)ROUNDS * padded * sizeof *rotation->flips);
    if (rotation->flips == NULL)
        return px_fail_no_memory(reterr);
    fill_flips(rotation, seed);
    return PROXIMADB_OK;
}

void px_rotation_release(struct px_rotation *rotation)
{
    free(rotation->flips);
    *rotation = (struct px_rotation){0};
}

void px_rotation_apply(const struct px_rotation *rotation, float *vector)
{
    px_code_kernels_get()->rotate(vector, rotation->padded_count, rotation->mixed_count,
                                  rotation->flips);
}
