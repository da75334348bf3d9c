/*
 * memtable: the rows that are in the log but not yet in a Parquet part, in the order of their
 * versions.
 *
 * Rows are only appended. A row that is deleted or superseded stays, with the LSN of the write that
 * did it; so a reader that holds a snapshot of LSN s sees exactly the rows with
 *
 *      version <= s  and  (killed_at == 0 or killed_at > s)
 *
 * whatever happens meanwhile. Rows are staged while their batch is decided, before it is in the
 * log, and are invisible until px_memtable_publish(); px_memtable_unstage() takes them back if the
 * log refuses them. What a row points to lies in the memtable and never moves.
 *
 * Vectors lie in blocks of consecutive rows, each row 64-byte aligned, for scanning. Blocks double
 * from 16 rows to 1,024 rows or 4 MiB, so that a collection of one row costs little.
 *
 *      block     rows (first 3 of up to 1,024)      floats, one stride a row
 *      0   ->    [16 structs]                       [16 x stride]
 *      1   ->    [32 structs]                       [32 x stride]
 *      2   ->    [64 structs]                       [64 x stride]
 *
 * The memtable also keeps, as a list, which rows of parts its writes have killed: what the delete
 * file of its flush will say.
 *
 * Threads: one writer (the collection's committer). Readers, on any thread, look at rows below a
 * count that they got together with their snapshot; killing is atomic.
 */
#ifndef PX_VIPER_MEMTABLE_H
#define PX_VIPER_MEMTABLE_H

#include "base/arena.h"
#include "base/error.h"
#include "model/record.h"

#include <stdatomic.h>

struct px_memtable;

/* A row of a part that a write has killed. */
struct px_kill {
    uint32_t source; /* the part's number: service/view.h */
    uint32_t row;
    int64_t lsn;
};

/* Rows one after the other in memory. */
struct px_memtable_block {
    const float *vectors;
    size_t stride_bytes;
    uint32_t first_row;
    uint32_t row_count;
};

/* ret_memtable: free with px_memtable_free(). PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_memtable_new(uint32_t dim_count, struct px_memtable **ret_memtable,
                                  struct proximadb_error *reterr);
void px_memtable_free(struct px_memtable *memtable);

/*
 * Stages a copy of the record behind the last row; its version is set later. Returns its row
 * number.
 *
 *   has_expiry is counted from record->expires_at_ms
 *
 * PROXIMADB_NO_MEMORY; PROXIMADB_RESOURCE_EXHAUSTED at 2^32 - 2 rows.
 */
PX_MUST_CHECK int px_memtable_stage(struct px_memtable *memtable, const struct px_record *record,
                                    uint32_t *ret_row, struct proximadb_error *reterr);

/* The vector of a staged row that is not published, to be changed: what is not written to it stays
 * as the record had it. */
float *px_memtable_staged_vector(struct px_memtable *memtable, uint32_t row);

/* Room for the given number of further kills, so that px_memtable_add_kill() cannot fail. */
PX_MUST_CHECK int px_memtable_reserve_kills(struct px_memtable *memtable, size_t count,
                                            struct proximadb_error *reterr);

/* A place among the staged rows to go back to. */
struct px_memtable_mark {
    uint32_t staged_count;
    uint32_t staged_expiring_count;
    struct px_arena_mark text;
};

struct px_memtable_mark px_memtable_mark(const struct px_memtable *memtable);

/* Takes back every row that was staged behind the mark. Nothing was published since. */
void px_memtable_unstage(struct px_memtable *memtable, struct px_memtable_mark mark);

/* Gives a staged row its version. */
void px_memtable_set_version(struct px_memtable *memtable, uint32_t row, int64_t version);

/* Marks a row as deleted or superseded at `lsn`. False if it was already. */
bool px_memtable_kill(struct px_memtable *memtable, uint32_t row, int64_t lsn);

/* Notes that a row of a part was killed. */
void px_memtable_add_kill(struct px_memtable *memtable, struct px_kill kill);

/* Makes the staged rows part of the memtable, whose last LSN is now `last_lsn`. */
void px_memtable_publish(struct px_memtable *memtable, int64_t last_lsn);

/* Published rows. A reader takes this number together with its snapshot. */
uint32_t px_memtable_row_count(const struct px_memtable *memtable);

/* All staged ones included: the writer's. */
uint32_t px_memtable_staged_count(const struct px_memtable *memtable);

/* Whether there is anything to flush, rows or kills. */
bool px_memtable_is_empty(const struct px_memtable *memtable);

/* LSN of the last write in it; 0 while empty. */
int64_t px_memtable_last_lsn(const struct px_memtable *memtable);

/* Memory it holds. */
size_t px_memtable_size_bytes(const struct px_memtable *memtable);

/* Rows that have an expiry. */
uint32_t px_memtable_expiring_count(const struct px_memtable *memtable);

/* A row as a record whose views live as long as the memtable. */
void px_memtable_get(const struct px_memtable *memtable, uint32_t row,
                     struct px_record *ret_record);

/* Single fields, where the whole record is not needed. */
struct px_slice px_memtable_get_id(const struct px_memtable *memtable, uint32_t row);
const float *px_memtable_get_vector(const struct px_memtable *memtable, uint32_t row);
int64_t px_memtable_get_expiry(const struct px_memtable *memtable, uint32_t row);
int64_t px_memtable_get_version(const struct px_memtable *memtable, uint32_t row);

/* Whether a row, whose version is not above `lsn`, is still there at that LSN. */
bool px_memtable_is_live(const struct px_memtable *memtable, uint32_t row, int64_t lsn);

/* The LSN that killed the row; 0: none. */
int64_t px_memtable_killed_at(const struct px_memtable *memtable, uint32_t row);

/* The block that holds `row`, cut to the first row_count rows; false if row is not among them. */
bool px_memtable_get_block(const struct px_memtable *memtable, uint32_t row, uint32_t row_count,
                           struct px_memtable_block *ret_block);

/* The kills, in no order. A view, valid until the next write. */
struct px_kill *px_memtable_kills(struct px_memtable *memtable, size_t *ret_count);

#endif /* PX_VIPER_MEMTABLE_H */
