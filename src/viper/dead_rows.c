#include "viper/dead_rows.h"

#include <assert.h>
#include <stdlib.h>

int px_dead_rows_init(struct px_dead_rows *dead, uint32_t row_count, struct proximadb_error *reterr)
{
    *dead = (struct px_dead_rows){.row_count = row_count};
    dead->chunk_count = row_count / PX_DEAD_CHUNK_ROWS + 1;
    dead->chunks = calloc(dead->chunk_count, sizeof *dead->chunks);
    return dead->chunks != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

void px_dead_rows_release(struct px_dead_rows *dead)
{
    for (uint32_t i = 0; dead->chunks != NULL && i < dead->chunk_count; i++)
        free(dead->chunks[i]);
    free(dead->chunks);
    *dead = (struct px_dead_rows){0};
}

int px_dead_rows_reserve(struct px_dead_rows *dead, uint32_t row, struct proximadb_error *reterr)
{
    assert(row < dead->row_count);
    struct px_dead_chunk *_Atomic *place = &dead->chunks[row / PX_DEAD_CHUNK_ROWS];
    if (atomic_load_explicit(place, memory_order_relaxed) != NULL)
        return PROXIMADB_OK;
    struct px_dead_chunk *chunk = calloc(1, sizeof *chunk);
    if (chunk == NULL)
        return px_fail_no_memory(reterr);
    atomic_store_explicit(place, chunk, memory_order_release);
    return PROXIMADB_OK;
}

bool px_dead_rows_kill(struct px_dead_rows *dead, uint32_t row, int64_t lsn)
{
    assert(row < dead->row_count && lsn > 0);
    struct px_dead_chunk *chunk =
        atomic_load_explicit(&dead->chunks[row / PX_DEAD_CHUNK_ROWS], memory_order_relaxed);
    assert(chunk != NULL);
    _Atomic int64_t *killed_at = &chunk->killed_at[row % PX_DEAD_CHUNK_ROWS];
    if (atomic_load_explicit(killed_at, memory_order_relaxed) != 0)
        return false;
    atomic_store_explicit(killed_at, lsn, memory_order_release);
    atomic_fetch_add(&dead->dead_count, 1);
    return true;
}

uint32_t px_dead_rows_count(const struct px_dead_rows *dead)
{
    return atomic_load(&dead->dead_count);
}
