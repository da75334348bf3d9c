/*
 * wal_reader: walks a log file's entries block by block, and tells where and how its log ends.
 *
 * One block is one round of the committer: the entries that were written together and synced
 * together. So it counts whole or not at all; and since the next round begins only when the sync of
 * the one before has returned, a block that was torn by a crash has nothing valid behind it. The
 * walk ends at the first block whose framing, checksum or LSN sequence is wrong:
 *
 *      PX_WAL_END_CLEAN    at the end of the file, or of the range to read
 *      PX_WAL_END_TORN     something unfinished, with nothing valid behind it
 *      PX_WAL_END_DAMAGED  a valid block with a higher LSN follows: the bytes changed after they
 *                          were written
 *
 * Threads: externally serialised. Memory: none; views into the file's bytes.
 */
#ifndef PX_WAL_WAL_READER_H
#define PX_WAL_WAL_READER_H

#include "wal/wal_entry.h"
#include "wal/wal_header.h"

enum px_wal_end { PX_WAL_END_CLEAN, PX_WAL_END_TORN, PX_WAL_END_DAMAGED };

struct px_wal_reader {
    struct px_slice file; /* kept */
    struct px_wal_header header;
    uint64_t limit;   /* nothing is read at or behind this offset */
    int64_t next_lsn; /* of the entry to come */

    /* The block whose entries are being given out. */
    uint64_t block_begin;
    const uint8_t *entry_at;
    uint64_t entries_left;

    /* Once the walk is over. */
    enum px_wal_end end;
    uint64_t log_end;   /* offset behind the last good block */
    const char *reason; /* static; NULL at a clean end */
};

/* Reads the header. Fails like px_wal_header_decode(). */
PX_MUST_CHECK int px_wal_reader_init(struct px_wal_reader *reader, struct px_slice file,
                                     struct proximadb_error *reterr);

/* Stops the walk at `limit`, which must be the end of a block that the next file's header names. */
void px_wal_reader_set_limit(struct px_wal_reader *reader, uint64_t limit);

/* True and the next entry; false at the end of the log, when end, log_end and reason are set. */
bool px_wal_reader_next(struct px_wal_reader *reader, struct px_wal_entry *ret_entry);

#endif /* PX_WAL_WAL_READER_H */
