/*
 * scan_table: the scans that are under way: snapshots that wait for their next page to be asked
 * for.
 *
 * A cursor names a scan by a random token and says where its next page begins, so a page may be
 * asked for again when its answer was lost. A scan that is not continued for the limit is
 * forgotten, and its snapshot with it; one whose last page was given is kept a moment, for the same
 * reason.
 *
 *      cursor = 32 hex digits of the token, '-', source index, '-', row (decimal)
 *
 * Threads: any thread.
 */
#ifndef PX_SERVICE_SCAN_TABLE_H
#define PX_SERVICE_SCAN_TABLE_H

#include "base/clock.h"
#include "service/shard.h"

enum {
    PX_MOST_SCANS = 1024,
    PX_CURSOR_BYTES = 64, /* with the NUL */
    PX_SCAN_GRACE_MS = 5000,
};

struct px_scan_table;

/* Where a page begins. */
struct px_scan_position {
    uint32_t source_index;
    uint32_t row;
};

/* ret_table: free with px_scan_table_free(). clock is kept. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_scan_table_new(const struct px_clock *clock, uint64_t limit_ms,
                                    struct px_scan_table **ret_table,
                                    struct proximadb_error *reterr);
void px_scan_table_free(struct px_scan_table *table);

/* Starts a scan of a shard: a snapshot, and the text of its first cursor. Release the snapshot.
 * PROXIMADB_RESOURCE_EXHAUSTED: too many are under way. */
PX_MUST_CHECK int px_scan_table_start(struct px_scan_table *table, struct px_shard *shard,
                                      char cursor[PX_CURSOR_BYTES],
                                      struct px_snapshot *ret_snapshot,
                                      struct proximadb_error *reterr);

/* Finds the scan of a cursor, which must be of this shard. Release the snapshot.
 * PROXIMADB_SNAPSHOT_EXPIRED; PROXIMADB_INVALID: no cursor of ours. */
PX_MUST_CHECK int px_scan_table_continue(struct px_scan_table *table, const struct px_shard *shard,
                                         struct px_slice cursor, struct px_snapshot *ret_snapshot,
                                         struct px_scan_position *ret_position,
                                         struct proximadb_error *reterr);

/* Writes the cursor of the same scan at another position. */
void px_scan_cursor_move(char cursor[PX_CURSOR_BYTES], struct px_scan_position position);

/* Its first page could not be given: nobody has the cursor. */
void px_scan_table_forget(struct px_scan_table *table, const char cursor[PX_CURSOR_BYTES]);

/* The last page was given. */
void px_scan_table_finish(struct px_scan_table *table, const char cursor[PX_CURSOR_BYTES]);

/* Forgets what is past its time, and all scans of `shard`, if that is not NULL. */
void px_scan_table_sweep(struct px_scan_table *table, const struct px_shard *shard);

#endif /* PX_SERVICE_SCAN_TABLE_H */
