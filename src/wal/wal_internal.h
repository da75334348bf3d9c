/* wal_internal: what wal.c and wal_recover.c share. */
#ifndef PX_WAL_WAL_INTERNAL_H
#define PX_WAL_WAL_INTERNAL_H

#include "wal/wal.h"
#include "wal/wal_file.h"

#include <pthread.h>
#include <stdatomic.h>

/* A file that is not written any more. */
struct px_wal_closed {
    char name[PX_WAL_FILE_NAME_BYTES];
    int64_t first_lsn;
    int64_t next_lsn; /* behind its last entry */
    uint64_t log_end;
};

struct px_wal {
    struct px_wal_options options; /* its borrowed strings are replaced by the copies below */
    struct px_path folder;
    struct px_path trash_folder;
    char collection[PX_WAL_COLLECTION_NAME_BYTES];

    /* The committer's. */
    struct px_wal_file active; /* fd -1: none */
    char active_name[PX_WAL_FILE_NAME_BYTES];
    int64_t active_first_lsn;
    int64_t active_since_ms; /* monotonic */
    int64_t written_at_ms;   /* likewise: the last append */
    _Atomic int64_t next_lsn;
    _Atomic bool poisoned;
    atomic_bool read_only;
    char read_only_reason[sizeof((struct proximadb_error *)0)->message];

    pthread_mutex_t lock;         /* guards: closed, closed_count, active_bytes */
    struct px_wal_closed *closed; /* oldest first */
    size_t closed_count;
    uint64_t active_bytes;
};

/* Adds a file behind the others. */
PX_MUST_CHECK int px_wal__add_closed(struct px_wal *wal, const struct px_wal_closed *closed,
                                     struct proximadb_error *reterr);

/* Refuses writes from now on, with the error's message as the reason, and logs it. */
void px_wal__set_read_only(struct px_wal *wal, const struct proximadb_error *error);

/*
 * Where a file stands in the log: files are sorted by it. Of those that begin at one LSN only the
 * last was written to: what others have was torn, and was cut off when the next was made. Names
 * tell least, for the wall clock may have been set back.
 */
struct px_wal_place {
    int64_t first_lsn;
    bool has_entries;
    char name[PX_WAL_FILE_NAME_BYTES];
};

/* Less than, equal to or more than 0, as for qsort(). */
int px_wal__compare_places(const struct px_wal_place *a, const struct px_wal_place *b);

/* Finds the chain, replays it, and fills in closed files and next_lsn. */
PX_MUST_CHECK int px_wal__recover(struct px_wal *wal, px_wal_replay *replay, void *context,
                                  struct proximadb_error *reterr);

/* The marker of a file whose sync failed. It is not synced: a power cut, which takes it away, also
 * takes away what the system only believes to be clean. */
#define PX_WAL_FAILED_SUFFIX ".failed"
PX_MUST_CHECK int px_wal__failed_path(const char *path, struct px_path *ret_path,
                                      struct proximadb_error *reterr);

/* Leaves it for recovery; best effort, for the device is failing. */
void px_wal__mark_failed(struct px_wal *wal, const char *path);

#endif /* PX_WAL_WAL_INTERNAL_H */
