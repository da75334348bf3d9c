#include "model/filter_internal.h"
#include "model/metadata.h"

#include <stdlib.h>

/* By size first: most names differ in it, and it costs no look at the bytes. */
static int compare_names(struct px_slice a, struct px_slice b)
{
    if (a.size_bytes != b.size_bytes)
        return a.size_bytes < b.size_bytes ? -1 : 1;
    return a.size_bytes == 0 ? 0 : memcmp(a.data, b.data, a.size_bytes);
}

/* The place of a name, or the one where it belongs. */
static uint32_t place_of(const struct px_filter_name *sorted, uint32_t count, struct px_slice name)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_names(sorted[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const struct px_filter_name *sorted, uint32_t count, uint32_t place,
                      struct px_slice name)
{
    return place < count && compare_names(sorted[place].name, name) == 0;
}

int px_filter__names_find(const struct px_filter_name *sorted, uint32_t count, struct px_slice name)
{
    uint32_t place = place_of(sorted, count, name);
    return stands_at(sorted, count, place, name) ? (int)sorted[place].slot : -1;
}

static bool make_room(struct px_filter_names *names, struct px_arena *arena)
{
    if (names->count < names->capacity)
        return true;
    uint32_t capacity = names->capacity == 0 ? 8 : 2 * names->capacity;
    struct px_filter_name *sorted = px_arena_alloc(arena, capacity * sizeof *sorted);
    if (sorted == NULL)
        return false;
    if (names->count > 0)
        memcpy(sorted, names->sorted, names->count * sizeof *sorted);
    names->sorted = sorted;
    names->capacity = capacity;
    return true;
}

int px_filter__names_add(struct px_filter_names *names, struct px_slice name,
                         struct px_arena *arena)
{
    uint32_t place = place_of(names->sorted, names->count, name);
    if (stands_at(names->sorted, names->count, place, name))
        return (int)names->sorted[place].slot;
    if (!make_room(names, arena))
        return -1;
    struct px_filter_name *at = names->sorted + place;
    memmove(at + 1, at, (names->count - place) * sizeof *at);
    *at = (struct px_filter_name){.name = name, .slot = names->count};
    return (int)names->count++;
}

static int compare_params(const void *a, const void *b)
{
    return compare_names(((const struct px_filter_param *)a)->name,
                         ((const struct px_filter_param *)b)->name);
}

int px_filter__params_init(struct px_filter_params *params, struct px_slice metadata,
                           struct px_arena *arena, struct proximadb_error *reterr)
{
    struct px_metadata_walk walk = px_metadata_first(metadata);
    *params = (struct px_filter_params){.count = (size_t)walk.left};
    if (params->count == 0)
        return PROXIMADB_OK;
    params->sorted = px_arena_calloc(arena, params->count, sizeof *params->sorted);
    if (params->sorted == NULL)
        return px_fail_no_memory(reterr);
    for (struct px_filter_param *param = params->sorted;
         px_metadata_next(&walk, &param->name, &param->value);)
        param++;
    qsort(params->sorted, params->count, sizeof *params->sorted, compare_params);
    return PROXIMADB_OK;
}

struct px_filter_param *px_filter__params_find(const struct px_filter_params *params,
                                               struct px_slice name)
{
    const struct px_filter_param wanted = {.name = name};
    if (params->count == 0)
        return NULL;
    return bsearch(&wanted, params->sorted, params->count, sizeof wanted, compare_params);
}
