/*
 * data_folder: the folder that holds a database: its parts, who holds it, and its format.
 *
 *      data/
 *        proximadb.json               format version and when it was made
 *        proximadb.lock               locked by the process that has it open; its pid and start
 *        reserve                      16 MiB to give up when the disk is full
 *        metadata/collections/NAME.json
 *        wal/NAME/TIME.wal
 *        store/NAME/vectors/..., MANIFEST.json, deletes/...
 *        trash/                       what was cut off, replaced or left over; may be emptied
 *
 * A folder of a collection counts only if NAME.json is there and names the same uuid as the files
 * in it: the JSON is made last and removed first.
 *
 * Threads: open and close externally serialised; the rest, any thread.
 */
#ifndef PX_METADATA_DATA_FOLDER_H
#define PX_METADATA_DATA_FOLDER_H

#include "base/clock.h"
#include "base/log.h"
#include "os/fs.h"
#include "os/path.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    PX_DATA_FORMAT_VERSION = 1,
    PX_RESERVE_BYTES = 16 << 20,
};

struct px_data_folder {
    struct px_fs *fs;             /* kept */
    const struct px_clock *clock; /* kept */
    const struct px_log *log;     /* kept */
    struct px_path path;
    int lock_fd;
    pthread_mutex_t reserve_lock; /* guards: the reserve file */
    atomic_bool is_reserve_out;   /* it was given up */
};

/* What marks a folder as a backup (api/backup_internal.h), whole or not finished: no engine may
 * open it, since it would change it. */
#define PX_BACKUP_FILE       "BACKUP.json"
#define PX_BACKUP_UNFINISHED PX_BACKUP_FILE ".tmp"

/* The folders below it, each of which has one folder or file for a collection. */
enum px_data_place { PX_DATA_METADATA, PX_DATA_WAL, PX_DATA_STORE, PX_DATA_TRASH };

/*
 * Takes hold of the folder and makes what is missing of it.
 *
 * PROXIMADB_UNAVAILABLE  another process has it; the message names it.
 * PROXIMADB_INVALID      no folder, or a backup, or of a newer format, or the path is too long.
 * PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_CORRUPT (proximadb.json),
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_data_folder_open(struct px_data_folder *folder, struct px_fs *fs,
                                      const struct px_clock *clock, const struct px_log *log,
                                      const char *path, struct proximadb_error *reterr);
void px_data_folder_close(struct px_data_folder *folder);

/*
 * Looks at a data folder that is there; nothing in it is made or written. With `hold` no other
 * process can open it meanwhile. Close with px_data_folder_close().
 *
 * PROXIMADB_INVALID      there is no data folder at `path`, or it is too long.
 * PROXIMADB_UNAVAILABLE  with `hold`: another process has it; the message names it.
 * PROXIMADB_IO
 */
PX_MUST_CHECK int px_data_folder_look(struct px_data_folder *folder, struct px_fs *fs,
                                      const char *path, bool hold, struct proximadb_error *reterr);

/* Reads proximadb.json. PROXIMADB_CORRUPT, PROXIMADB_IO; PROXIMADB_INVALID: a newer format. */
PX_MUST_CHECK int px_data_folder_read_format(struct px_data_folder *folder,
                                             struct proximadb_error *reterr);

/* The path of a place, or of `name` in it. PROXIMADB_INVALID: too long. */
PX_MUST_CHECK int px_data_folder_path(const struct px_data_folder *folder, enum px_data_place place,
                                      const char *name, struct px_path *ret_path,
                                      struct proximadb_error *reterr);

/* Moves what is at `path` into the trash, under a name that says when. A missing one is fine. */
PX_MUST_CHECK int px_data_folder_discard(struct px_data_folder *folder, const char *path,
                                         struct proximadb_error *reterr);

/* Gives the reserve up, so that deletes and small flushes can go on. True if there was one. */
bool px_data_folder_release_reserve(struct px_data_folder *folder);

/* Takes the reserve again, if there is space. */
void px_data_folder_restore_reserve(struct px_data_folder *folder);

/* Whether the reserve was given up and there is no space to take it again: then what takes space
 * and frees none has to wait. */
bool px_data_folder_is_short(struct px_data_folder *folder);

#endif /* PX_METADATA_DATA_FOLDER_H */
