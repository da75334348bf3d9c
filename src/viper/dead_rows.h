/*
 * dead_rows: which rows of a Parquet part are deleted or superseded, and since which LSN.
 *
 * A part never changes, so what happened to its rows is kept beside it: on disk in delete files
 * (viper/delete_file.h), in memory here, as one LSN per row, in chunks of 4,096 rows that exist
 * only where something was killed. The LSN is what lets readers of older snapshots go on seeing the
 * row. Asking about a row costs one load, or two.
 *
 * Threads: one writer at a time; readers at any time.
 */
#ifndef PX_VIPER_DEAD_ROWS_H
#define PX_VIPER_DEAD_ROWS_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { PX_DEAD_CHUNK_ROWS = 4096 };

struct px_dead_chunk {
    _Atomic int64_t killed_at[PX_DEAD_CHUNK_ROWS]; /* 0: live */
};

struct px_dead_rows {
    uint32_t row_count;
    uint32_t chunk_count;
    struct px_dead_chunk *_Atomic *chunks; /* NULL where every row is live */
    _Atomic uint32_t dead_count;
};

/* For a part of row_count rows, all live. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_dead_rows_init(struct px_dead_rows *dead, uint32_t row_count,
                                    struct proximadb_error *reterr);
void px_dead_rows_release(struct px_dead_rows *dead);

/* Makes the chunk of a row, so that px_dead_rows_kill() cannot fail. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_dead_rows_reserve(struct px_dead_rows *dead, uint32_t row,
                                       struct proximadb_error *reterr);

/* Marks a row, whose chunk is reserved, as dead from `lsn` on. False if it was dead before. */
bool px_dead_rows_kill(struct px_dead_rows *dead, uint32_t row, int64_t lsn);

/* The LSN that killed the row; 0: none. */
static inline int64_t px_dead_rows_killed_at(const struct px_dead_rows *dead, uint32_t row)
{
    const struct px_dead_chunk *chunk =
        atomic_load_explicit(&dead->chunks[row / PX_DEAD_CHUNK_ROWS], memory_order_acquire);
    if (chunk == NULL)
        return 0;
    return atomic_load_explicit(&chunk->killed_at[row % PX_DEAD_CHUNK_ROWS], memory_order_acquire);
}

/* Whether the row is still there for a reader at `lsn`. */
static inline bool px_dead_rows_is_live(const struct px_dead_rows *dead, uint32_t row, int64_t lsn)
{
    int64_t killed_at = px_dead_rows_killed_at(dead, row);
    return killed_at == 0 || killed_at > lsn;
}

/* Rows that are dead, whatever the LSN. */
uint32_t px_dead_rows_count(const struct px_dead_rows *dead);

#endif /* PX_VIPER_DEAD_ROWS_H */
