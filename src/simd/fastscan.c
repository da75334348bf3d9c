#include "simd/fastscan.h"

#include "simd/fastscan_internal.h"
#include "simd/kernels.h"

#include <stdatomic.h>
#include <string.h>

/* The functions of a level, or NULL where it has none of its own. */
static const struct px_fastscan *find(const char *name)
{
    const struct px_fastscan *levels[] = {px_fastscan__scalar(), px_fastscan__neon(),
                                          px_fastscan__avx2(), px_fastscan__avx512()};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (levels[i] != NULL && strcmp(levels[i]->name, name) == 0)
            return levels[i];
    return NULL;
}

const struct px_fastscan *px_fastscan_get(void)
{
    /* Every thread chooses the same, so it does not matter who comes first. */
    static _Atomic(const struct px_fastscan *) chosen;
    const struct px_fastscan *found = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (found == NULL) {
        found = find(px_kernels_get()->name);
        atomic_store_explicit(&chosen, found, memory_order_relaxed);
    }
    return found;
}

const struct px_fastscan *px_fastscan_at(size_t index)
{
    const struct px_kernels *level = px_kernels_at(index);
    return level != NULL ? find(level->name) : NULL;
}
