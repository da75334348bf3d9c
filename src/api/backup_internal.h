/*
 * backup_internal: backups: a consistent copy of collections, made beside whoever writes them, and
 * back again.
 *
 * Nobody is asked and no lock is taken: what makes it sound is the order in which the engine
 * changes files (viper/manifest.h, wal/wal.h), and the order in which they are copied here.
 *
 * The promise: what was acknowledged before the backup began is in it, batches are whole, and
 * nothing is in it that nobody wrote. A collection is copied in rounds; each one
 *
 *      1  reads NAME.json and MANIFEST.json: the id, and flushed_lsn, F
 *      2  links (or copies) every file that the manifest lists
 *      3  copies the log files, each up to the end of its last whole block
 *      4  reads MANIFEST.json again, and then NAME.json
 *
 * and counts if nothing was missing, if the id in 4 is that of 1, and if the copied log goes
 * without a gap from at most F + 1 to at least the flushed_lsn of 4, F'. Otherwise the next round
 * begins; files that are there already stay, since within one id a path means one content for ever.
 *
 *   - Parts and delete files are written once. A compaction or flush that replaces the manifest
 *     meanwhile harms only by removing files, which shows in 2. A name that was linked holds its
 *     content, whatever is removed.
 *   - Log files are removed only when the manifest on the device has them, so at 3 all that was
 *     acknowledged is in the store of F' or in a file that is there. If the copied log goes to F'
 *     at least, the manifest of 1 and that log hold all of it. Without that rule, files that were
 *     flushed and removed between 1 and 3 would be missing without a trace: an empty folder has no
 *     gap.
 *   - A log that begins above F + 1, or looks damaged otherwise, is so only if MANIFEST.json still
 *     has F: or else a flush removed files between 1 and 3, and the collection was changed.
 *   - A block is written behind the others and never changed once it is acknowledged. So the whole
 *     blocks that can be read contain all that was acknowledged before, also when the end of a file
 *     is being written; what is behind them was not acknowledged, and is not copied: neither torn
 *     blocks nor padding. Log files are never linked, because recovery cuts tails off in place.
 *   - The name of a log file may be used again within a second; the 16 random bytes of its header
 *     tell whether the file that was copied is the one that was found.
 *   - A file that appears while the folder is listed holds only what was written since, and those
 *     before it are whole by then, because the log is one chain. So what is copied is a prefix.
 *   - Dropping removes NAME.json first and creating writes it last, and ids never come back: the
 *     same id in 1 and at the end of 4 means that the folders were that collection's all the time.
 *     Otherwise all that was copied of it is thrown away.
 *   - NAME.json is kept as of 4, so a field that a row was checked against is in it. One that was
 *     altered later than the rows is what a crash may leave, too.
 *
 * Each collection is as of a moment of its own.
 *
 * The backup folder has the layout of a data folder and BACKUP.json (docs/format/backup.md), which
 * is written when everything else is on the device. It begins as BACKUP.json.tmp, before anything
 * else; px_data_folder_open() refuses folders with either name, since a server would change them.
 *
 * Restoring reads and checks all that is to be restored before it touches anything, and puts
 * NAME.json into place last, as creating does. Several go into a folder without collections only:
 * metadata/collections is then made aside and renamed as a whole.
 *
 * Threads: any; not two for one backup or data folder. Memory: one log file at a time.
 */
#ifndef PX_API_BACKUP_INTERNAL_H
#define PX_API_BACKUP_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "metadata/data_folder.h"
#include "model/collection.h"

enum {
    PX_BACKUP_FORMAT_VERSION = 1,
    PX_BACKUP_PATH_BYTES = 256, /* of a file below the backup's folder, with the NUL */
};

/* ---- BACKUP.json --------------------------------------------------------------------------- */

struct px_backup_file {
    char path[PX_BACKUP_PATH_BYTES];
    uint64_t size_bytes;
    uint32_t crc32c;
};

struct px_backup_entry {
    char name[PX_COLLECTION_NAME_BYTES];
    struct px_uuid id;
    int64_t flushed_lsn;
    int64_t last_lsn; /* of the newest write that is in it */
};

/* What a backup consists of. Zeroed: of nothing. */
struct px_backup_list {
    int64_t created_at_ms;
    struct px_backup_file *files; /* owned */
    size_t file_count, file_capacity;
    struct px_backup_entry *entries; /* owned */
    size_t entry_count, entry_capacity;
};

void px_backup_list__release(struct px_backup_list *list);

/* Adds a file. PROXIMADB_NO_MEMORY; PROXIMADB_INVALID: its path is too long. */
PX_MUST_CHECK int px_backup_list__add_file(struct px_backup_list *list, const char *path,
                                           uint64_t size_bytes, uint32_t crc32c,
                                           struct proximadb_error *reterr);

/* PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_backup_list__add_entry(struct px_backup_list *list,
                                            const struct px_backup_entry *entry,
                                            struct proximadb_error *reterr);

/* NULL: there is none. Files are found once they are sorted, as decoding leaves them. */
const struct px_backup_file *px_backup_list__find_file(const struct px_backup_list *list,
                                                       const char *path);
const struct px_backup_entry *px_backup_list__find_entry(const struct px_backup_list *list,
                                                         const char *name);

/* Appends BACKUP.json, and sorts the files by path; marks the buffer without memory. */
void px_backup_list__encode(struct px_backup_list *list, struct px_buffer *buffer);

/* Reads it into a zeroed list, which is zeroed on failure. Every path is one below the folder of
 * one of the collections, without a way up. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (a newer
 * format), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_backup_list__decode(struct px_slice json, struct px_backup_list *list,
                                         struct proximadb_error *reterr);

/* Whether `path` is one of the collection's files. */
bool px_backup_list__is_of(const char *path, const char *name);

/* ---- files --------------------------------------------------------------------------------- */

struct px_backup_placed {
    uint64_t size_bytes;
    uint32_t crc32c; /* 0 of a linked file, which is not read */
    bool is_linked;
};

/* Gives the file `from` the name `to` as well, or where that cannot be, or with `copy`, makes a
 * copy that is on the device; the name is not synced. On failure there is nothing at `to`.
 * PROXIMADB_IO (os_errno ENOENT: `from` is gone), PROXIMADB_RESOURCE_EXHAUSTED,
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_backup__place(struct px_fs *fs, const char *from, const char *to, bool copy,
                                   struct px_backup_placed *ret_placed,
                                   struct proximadb_error *reterr);

/* Copies the first limit_bytes of a file, or all of it with UINT64_MAX, likewise.
 * PROXIMADB_CORRUPT: it is shorter. */
PX_MUST_CHECK int px_backup__copy(struct px_fs *fs, const char *from, const char *to,
                                  uint64_t limit_bytes, struct px_backup_placed *ret_placed,
                                  struct proximadb_error *reterr);

/* Reads a file and sums it up. PROXIMADB_IO, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_backup__sum(struct px_fs *fs, const char *path,
                                 struct px_backup_placed *ret_sum, struct proximadb_error *reterr);

/* Makes the folders between root and the file root/path, without syncing them. */
PX_MUST_CHECK int px_backup__make_parents(struct px_fs *fs, const char *root, const char *path,
                                          struct proximadb_error *reterr);

/* Syncs the names in a folder and in those below it. */
PX_MUST_CHECK int px_backup__sync_tree(struct px_fs *fs, const char *path,
                                       struct proximadb_error *reterr);

/* Removes what is in a folder. */
PX_MUST_CHECK int px_backup__clear_folder(struct px_fs *fs, const char *path,
                                          struct proximadb_error *reterr);

/* Removes a folder as far as that goes. */
void px_backup__discard(struct px_fs *fs, const char *path);

/* Whether one path is the other or below it. Both are in the same form: absolute and resolved. */
bool px_backup__overlap(const char *a, const char *b);

/* ---- backup and restore -------------------------------------------------------------------- */

/* Everything is borrowed. */
struct px_backup_run {
    struct px_fs *fs;
    const struct px_clock *clock;
    const char *data_dir; /* both paths are resolved */
    const char *backup_dir;
    const char *const *collections; /* NAME, or for restore also NAME:NEWNAME; none: all */
    size_t collection_count;
    bool copy;   /* no links */
    bool verify; /* of a backup: read it once it is made */

    proximadb_sink *sink; /* may be NULL */
    void *context;
};

/* proximadb_backup() and proximadb_restore() on any px_fs. */
PX_MUST_CHECK int px_backup__run(const struct px_backup_run *run, struct proximadb_error *reterr);
PX_MUST_CHECK int px_restore__run(const struct px_backup_run *run, struct proximadb_error *reterr);

/* What a collection took. */
struct px_backup_tally {
    uint64_t file_count;
    uint64_t size_bytes;
    uint64_t linked_count;
};

/* Copies one collection of the data folder into the backup, and adds it to the list.
 * PROXIMADB_COLLECTION_NOT_FOUND: there is none, or not any more; nothing of it is left.
 * PROXIMADB_UNAVAILABLE: it changes faster than it can be copied. PROXIMADB_CORRUPT: the collection
 * is damaged. PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED, PROXIMADB_NO_MEMORY, PROXIMADB_INVALID */
PX_MUST_CHECK int px_backup__collection(const struct px_backup_run *run,
                                        const struct px_data_folder *source, const char *name,
                                        struct px_backup_list *list, struct px_backup_tally *tally,
                                        struct proximadb_error *reterr);

/* Reads BACKUP.json into a zeroed list. PROXIMADB_CORRUPT: it is damaged, or the backup was never
 * finished; PROXIMADB_INVALID: there is no backup; PROXIMADB_UNIMPLEMENTED, PROXIMADB_IO,
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_restore__read_list(const struct px_backup_run *run,
                                        struct px_backup_list *list,
                                        struct proximadb_error *reterr);

/* Whether this version can read the backup's folder. */
PX_MUST_CHECK int px_restore__check_format(const struct px_backup_run *run,
                                           struct proximadb_error *reterr);

/* Reads every file of a collection in a backup and holds it against its checksums, and each against
 * the others: BACKUP.json, the manifest, the log, every row. PROXIMADB_CORRUPT names the file. */
PX_MUST_CHECK int px_restore__verify(const struct px_backup_run *run,
                                     const struct px_backup_list *list,
                                     const struct px_backup_entry *entry,
                                     struct proximadb_error *reterr);

/* Gives a line to the sink; all but run and kind may be NULL. False: it wants no more. */
bool px_backup__tell(const struct px_backup_run *run, const char *kind,
                     const struct px_backup_entry *entry, const char *new_name,
                     const struct px_backup_tally *tally);

#endif /* PX_API_BACKUP_INTERNAL_H */
