#include "service/slot_map.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t chunk_rows(const struct px_slot_map *map, unsigned chunk)
{
    return (uint64_t)map->first_rows << chunk;
}

/* The chunk of a row, and its place there: chunk c begins at row first_rows * (2^c - 1). */
static unsigned find_chunk(const struct px_slot_map *map, uint32_t row, uint64_t *ret_place)
{
    unsigned chunk = 0;
    if (row >= map->first_rows)
        chunk = 31 - (unsigned)__builtin_clz(row / map->first_rows + 1);
    assert(chunk < PX_SLOT_CHUNKS);
    *ret_place = row - (chunk_rows(map, chunk) - map->first_rows);
    return chunk;
}

void px_slot_map_init(struct px_slot_map *map, uint32_t first_rows)
{
    assert(first_rows >= 1 && first_rows <= UINT32_C(1) << 31);
    *map = (struct px_slot_map){.first_rows = first_rows};
}

void px_slot_map_release(struct px_slot_map *map)
{
    for (unsigned i = 0; i < PX_SLOT_CHUNKS; i++)
        free(atomic_load_explicit(&map->chunks[i], memory_order_relaxed));
    *map = (struct px_slot_map){0};
}

int px_slot_map_reserve(struct px_slot_map *map, uint32_t row, struct proximadb_error *reterr)
{
    uint64_t place;
    unsigned chunk = find_chunk(map, row, &place);
    if (atomic_load_explicit(&map->chunks[chunk], memory_order_relaxed) != NULL)
        return PROXIMADB_OK;
    atomic_uint *slots = malloc(chunk_rows(map, chunk) * sizeof *slots);
    if (slots == NULL)
        return px_fail_no_memory(reterr);
    for (uint64_t i = 0; i < chunk_rows(map, chunk); i++)
        atomic_init(&slots[i], PX_NO_SLOT);
    atomic_store_explicit(&map->chunks[chunk], slots, memory_order_release);
    return PROXIMADB_OK;
}

void px_slot_map_put(struct px_slot_map *map, uint32_t row, uint32_t slot)
{
    uint64_t place;
    unsigned chunk = find_chunk(map, row, &place);
    atomic_uint *slots = atomic_load_explicit(&map->chunks[chunk], memory_order_relaxed);
    assert(slots != NULL);
    atomic_store_explicit(&slots[place], slot, memory_order_release);
}

uint32_t px_slot_map_get(const struct px_slot_map *map, uint32_t row)
{
    uint64_t place;
    unsigned chunk = find_chunk(map, row, &place);
    atomic_uint *slots = atomic_load_explicit(&map->chunks[chunk], memory_order_acquire);
    return slots != NULL ? atomic_load_explicit(&slots[place], memory_order_acquire) : PX_NO_SLOT;
}

void px_slot_map_settle(struct px_slot_map *map, uint32_t row_count)
{
    atomic_store_explicit(&map->settled_count, row_count, memory_order_release);
}

void px_slot_map_clear(struct px_slot_map *map)
{
    px_slot_map_settle(map, 0);
    for (unsigned chunk = 0; chunk < PX_SLOT_CHUNKS; chunk++) {
        atomic_uint *slots = atomic_load_explicit(&map->chunks[chunk], memory_order_relaxed);
        for (uint64_t i = 0; slots != NULL && i < chunk_rows(map, chunk); i++)
            atomic_store_explicit(&slots[i], PX_NO_SLOT, memory_order_relaxed);
    }
}

uint64_t px_slot_map_size_bytes(const struct px_slot_map *map)
{
    uint64_t rows = 0;
    for (unsigned chunk = 0; chunk < PX_SLOT_CHUNKS; chunk++)
        if (atomic_load_explicit(&map->chunks[chunk], memory_order_relaxed) != NULL)
            rows += chunk_rows(map, chunk);
    return rows * sizeof(atomic_uint);
}
