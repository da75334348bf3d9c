/*
 * slot_map: which slot of an index each row of a source has.
 *
 * A row without a slot is one that the index does not know: a search compares with it (the tail),
 * and the builder will come to it. Numbers lie in chunks, each twice as large as the one before, so
 * that the map of a memtable grows without moving anything that is being read; a part has one chunk
 * for all of its rows. What was never put takes no memory.
 *
 *      chunk     rows
 *      0         first_rows
 *      1         2 * first_rows
 *      2         4 * first_rows ...
 *
 * Rows below `settled_count` have a slot or are dead, so whoever looks for rows without one begins
 * there.
 *
 * Threads: one writer at a time (the shard's lock); readers at any time. A reader that sees a slot
 * sees what was put into the index before it, too.
 */
#ifndef PX_SERVICE_SLOT_MAP_H
#define PX_SERVICE_SLOT_MAP_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PX_NO_SLOT UINT32_MAX

enum { PX_SLOT_CHUNKS = 24 };

struct px_slot_map {
    uint32_t first_rows;
    atomic_uint settled_count;
    _Atomic(atomic_uint *) chunks[PX_SLOT_CHUNKS]; /* owned; NULL: no row of it has a slot */
};

/* first_rows: at least 1, and no more than 2^31. Takes no memory yet. */
void px_slot_map_init(struct px_slot_map *map, uint32_t first_rows);
void px_slot_map_release(struct px_slot_map *map);

/* Makes the chunk of a row, so that px_slot_map_put() may be called. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_slot_map_reserve(struct px_slot_map *map, uint32_t row,
                                      struct proximadb_error *reterr);
void px_slot_map_put(struct px_slot_map *map, uint32_t row, uint32_t slot);

/* PX_NO_SLOT where there is none. */
uint32_t px_slot_map_get(const struct px_slot_map *map, uint32_t row);

static inline uint32_t px_slot_map_settled(const struct px_slot_map *map)
{
    return atomic_load_explicit(&map->settled_count, memory_order_acquire);
}
void px_slot_map_settle(struct px_slot_map *map, uint32_t row_count);

/* Forgets all slots. A reader may see some of them for a moment longer. */
void px_slot_map_clear(struct px_slot_map *map);

uint64_t px_slot_map_size_bytes(const struct px_slot_map *map);

#endif /* PX_SERVICE_SLOT_MAP_H */
