/*
 * wal: the write-ahead log of one collection: a chain of log files, of which the last is written.
 *
 * What is in the log is decided: which rows a batch writes, their ids, their time. Replay only
 * applies. LSNs begin at 1, are given out here, and never repeat; an entry of n rows takes n of
 * them.
 *
 * Life of a file: created by the first append after opening, or when the one before reached its age
 * or size; closed then, or when it was idle for a while; removed by px_wal_trim() when everything
 * in it is in VIPER. A file that an earlier process left is never appended to.
 *
 * Recovery (px_wal_open) walks the chain. Each file but the last names, in the header of the file
 * behind it, where its log ended, and must be sound up to there. The last may end in something
 * torn, which is normal after a crash: it was never acknowledged; it is copied to the trash folder
 * and cut off. Anything else is damage: the entries before it are replayed, and the collection
 * refuses writes from then on, with a message that names file and offset.
 *
 * What recovery shows it first puts on the device: the process that wrote it may have died between
 * writing and syncing, and a power cut must not take back what was read. After a sync that failed
 * the system may believe that lost pages are clean; the file is then marked (NAME.failed), and
 * recovery writes its content anew.
 *
 * Threads: append, sync, idle and close belong to the collection's committer; trim, and the getters
 * below it, may be called by any thread.
 */
#ifndef PX_WAL_WAL_H
#define PX_WAL_WAL_H

#include "base/clock.h"
#include "base/log.h"
#include "os/fs.h"
#include "wal/wal_entry.h"
#include "wal/wal_header.h"

struct px_wal;

enum { PX_WAL_MOST_ENTRIES = 512 }; /* of one block */

struct px_wal_options {
    struct px_fs *fs;             /* kept */
    const struct px_clock *clock; /* kept */
    const struct px_log *log;     /* kept; may be NULL */
    const char *folder;           /* borrowed; exists */
    const char *trash_folder;     /* borrowed; exists */
    const char *collection;       /* borrowed */
    struct px_uuid collection_id;
    uint64_t file_limit_bytes;
    uint64_t rotate_ms;
    uint64_t idle_ms;
    int64_t flushed_lsn; /* entries up to it are in VIPER, and are not replayed */
};

/* Applies one entry. Its views are valid during the call. Anything but PROXIMADB_OK makes the
 * collection read-only with that error. */
typedef int px_wal_replay(void *context, const struct px_wal_entry *entry,
                          struct proximadb_error *reterr);

/*
 * Opens the log and replays what is above flushed_lsn, in order. Damage is no failure: see
 * px_wal_read_only_reason(). ret_wal: free with px_wal_close().
 *
 * PROXIMADB_IO, PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED, PROXIMADB_UNIMPLEMENTED (a newer
 * format)
 */
PX_MUST_CHECK int px_wal_open(const struct px_wal_options *options, px_wal_replay *replay,
                              void *context, struct px_wal **ret_wal,
                              struct proximadb_error *reterr);

/* Closes the file that is written. What was not synced is not synced now. Accepts NULL. */
void px_wal_close(struct px_wal *wal);

/*
 * Appends entries as one block, giving each its LSN. On PROXIMADB_OK the block is written, not
 * synced. The caller fills in everything but lsn; batches are borrowed until the call returns.
 *
 * PROXIMADB_RESOURCE_EXHAUSTED  the disk is full; nothing was written, LSNs were not used.
 * PROXIMADB_IO                  likewise; or, once px_wal_is_poisoned(), not known.
 * PROXIMADB_READ_ONLY           damaged or poisoned before.
 * PROXIMADB_NO_MEMORY, PROXIMADB_INVALID (path too long)
 */
PX_MUST_CHECK int px_wal_append_avro_entries(struct px_wal *wal, struct px_wal_entry *entries,
                                             size_t entry_count, struct proximadb_error *reterr);

/* Puts everything appended on the device. PROXIMADB_OUTCOME_UNKNOWN: the device failed; the log is
 * poisoned: no write is taken any more until the database is opened again. */
PX_MUST_CHECK int px_wal_sync(struct px_wal *wal, struct proximadb_error *reterr);

/* Closes the file if it was not written for idle_ms. */
void px_wal_idle(struct px_wal *wal);

/* Whether px_wal_trim() would remove something. */
bool px_wal_has_flushed(struct px_wal *wal, int64_t flushed_lsn);

/* Removes the closed files whose entries are all at or below flushed_lsn. Failures are logged: the
 * next call tries again. */
void px_wal_trim(struct px_wal *wal, int64_t flushed_lsn);

/* The LSN that the next entry gets. */
int64_t px_wal_next_lsn(const struct px_wal *wal);

/* Whether a failed sync or write left the log in doubt. */
bool px_wal_is_poisoned(const struct px_wal *wal);

/* Why the log takes no writes: a sentence that lives as long as the log; or NULL. */
const char *px_wal_read_only_reason(const struct px_wal *wal);

/* Size of all files, padding included. */
uint64_t px_wal_size_bytes(struct px_wal *wal);

#endif /* PX_WAL_WAL_H */
