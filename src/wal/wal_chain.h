/*
 * wal_chain: looks at the log files of a collection and changes nothing: what recovery would find.
 *
 * px_wal_open() cuts tails off, removes what is of no use and syncs; that must not happen beside a
 * server that writes, nor where somebody only wants to know. Here the same rules (wal/wal.h) are
 * applied to the same files, and what they say is reported:
 *
 *      note     an unfinished write at the end of the newest file; files without entries, or that
 *               an interrupted creation left
 *      warning  files that are not this collection's; the mark of a sync that failed
 *      damage   a header or block that is not as it was written; entries that are missing
 *
 * While a server writes, the end of its file changes under the reader, and may look unfinished: it
 * is then read again. Files may be gone that were listed: what is in them is in VIPER by then, and
 * the caller begins again with the newer manifest.
 *
 * Threads: any. Memory: one log file at a time.
 */
#ifndef PX_WAL_WAL_CHAIN_H
#define PX_WAL_WAL_CHAIN_H

#include "base/finding.h"
#include "os/fs.h"
#include "wal/wal_reader.h"

/* A log file, as far as its log was sound. */
struct px_wal_chain_file {
    char name[PX_WAL_FILE_NAME_BYTES];
    struct px_wal_header header;
    uint64_t size_bytes; /* padding included */
    uint64_t log_end;
    uint64_t entry_count;
    int64_t next_lsn; /* behind its last entry */
    enum px_wal_end end;
};

/* Everything is borrowed. */
struct px_wal_chain_options {
    struct px_fs *fs;
    const char *folder;
    struct px_uuid collection_id;
    int64_t flushed_lsn;                /* what is at or below it need not be in the log */
    bool is_live;                       /* a server may be writing */
    const struct px_findings *findings; /* may be NULL */

    /* Receives each file in order, behind its entries; a failure ends the walk. Either may be NULL.
     * An entry's views are valid during the call. */
    int (*entry)(void *context, const struct px_wal_entry *entry, struct proximadb_error *reterr);
    int (*file)(void *context, const struct px_wal_chain_file *file,
                struct proximadb_error *reterr);
    void *context;
};

/* Walks all files. Damage is reported and is no failure. PROXIMADB_NO_MEMORY; PROXIMADB_IO: the
 * folder cannot be read, or (os_errno ENOENT) a file is gone, be it that another has its name by
 * now; or what a callback failed with. */
PX_MUST_CHECK int px_wal_chain_read(const struct px_wal_chain_options *options,
                                    struct proximadb_error *reterr);

#endif /* PX_WAL_WAL_CHAIN_H */
