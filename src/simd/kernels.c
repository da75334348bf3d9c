#include "simd/kernels.h"

#include "simd/kernels_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LEVELS = 4 };

static struct {
    pthread_once_t once;
    const struct px_kernels *supported[MOST_LEVELS + 1]; /* slowest first, NULL behind the last */
    const struct px_kernels *chosen;
    const char *refused; /* value of PROXIMADB_SIMD that could not be followed, or NULL */
} state = {.once = PTHREAD_ONCE_INIT};

static void find_supported(void)
{
    const struct px_kernels *levels[MOST_LEVELS] = {px_kernels__scalar(), px_kernels__neon(),
                                                    px_kernels__avx2(), px_kernels__avx512()};
    size_t count = 0;
    for (size_t i = 0; i < MOST_LEVELS; i++)
        if (levels[i] != NULL)
            state.supported[count++] = levels[i];
    state.chosen = state.supported[count - 1];
}

static void choose(void)
{
    find_supported();
    const char *wanted = getenv("PROXIMADB_SIMD");
    if (wanted == NULL || wanted[0] == '\0')
        return;
    for (size_t i = 0; state.supported[i] != NULL; i++)
        if (strcmp(state.supported[i]->name, wanted) == 0) {
            state.chosen = state.supported[i];
            return;
        }
    state.refused = wanted;
}

const struct px_kernels *px_kernels_get(void)
{
    pthread_once(&state.once, choose);
    return state.chosen;
}

const struct px_kernels *px_kernels_at(size_t index)
{
    pthread_once(&state.once, choose);
    return index < MOST_LEVELS ? state.supported[index] : NULL;
}

int px_kernels_status(struct proximadb_error *reterr)
{
    pthread_once(&state.once, choose);
    if (state.refused == NULL)
        return PROXIMADB_OK;
    char names[64] = "";
    size_t length = 0;
    for (size_t i = 0; state.supported[i] != NULL && length < sizeof names; i++)
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                   i == 0 ? "" : ", ", state.supported[i]->name);
    return px_fail(
        reterr, PROXIMADB_INVALID,
        "PROXIMADB_SIMD is '%.40s', but this CPU and build have only: %s; unset it to use "
        "the fastest",
        state.refused, names);
}
