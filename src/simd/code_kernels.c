#include "simd/code_kernels.h"

#include "simd/code_kernels_internal.h"
#include "simd/kernels.h"

#include <stdatomic.h>
#include <string.h>

/* The functions of a level, or NULL where it has none of its own. */
static const struct px_code_kernels *find(const char *name)
{
    const struct px_code_kernels *levels[] = {px_code_kernels__scalar(), px_code_kernels__neon(),
                                              px_code_kernels__avx2(), px_code_kernels__avx512()};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (levels[i] != NULL && strcmp(levels[i]->name, name) == 0)
            return levels[i];
    return NULL;
}

const struct px_code_kernels *px_code_kernels_get(void)
{
    /* Every thread chooses the same, so it does not matter who comes first. */
    static _Atomic(const struct px_code_kernels *) chosen;
    const struct px_code_kernels *found = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (found == NULL) {
        found = find(px_kernels_get()->name);
        atomic_store_explicit(&chosen, found, memory_order_relaxed);
    }
    return found;
}

const struct px_code_kernels *px_code_kernels_at(size_t index)
{
    const struct px_kernels *level = px_kernels_at(index);
    return level != NULL ? find(level->name) : NULL;
}
