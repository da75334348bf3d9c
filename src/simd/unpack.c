#include "simd/unpack.h"

#include "simd/kernels.h"
#include "simd/unpack_internal.h"

#include <stdatomic.h>
#include <string.h>

/* The functions of a level, or NULL where it has none of its own. */
static const struct px_unpack *find(const char *name)
{
    const struct px_unpack *levels[] = {px_unpack__scalar(), px_unpack__avx2(),
                                        px_unpack__avx512()};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (levels[i] != NULL && strcmp(levels[i]->name, name) == 0)
            return levels[i];
    return NULL;
}

static const struct px_unpack *choose(void)
{
    const struct px_unpack *chosen = px_unpack__scalar();
    const struct px_kernels *kernels = px_kernels_get();
    for (size_t i = 0; px_kernels_at(i) != NULL; i++) {
        const struct px_unpack *level = find(px_kernels_at(i)->name);
        if (level != NULL)
            chosen = level;
        if (px_kernels_at(i) == kernels)
            break;
    }
    return chosen;
}

const struct px_unpack *px_unpack_get(void)
{
    /* Every thread chooses the same, so it does not matter who comes first. */
    static _Atomic(const struct px_unpack *) chosen;
    const struct px_unpack *found = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (found == NULL) {
        found = choose();
        atomic_store_explicit(&chosen, found, memory_order_relaxed);
    }
    return found;
}

const struct px_unpack *px_unpack_at(size_t index)
{
    for (size_t i = 0; px_kernels_at(i) != NULL; i++) {
        const struct px_unpack *level = find(px_kernels_at(i)->name);
        if (level != NULL && index-- == 0)
            return level;
    }
    return NULL;
}
