/*
 * wal_file: the log file that is being written: an Avro object container file whose unused end is
 * one empty block.
 *
 *      OFFSET       SIZE   MEANING
 *      0            h      container header (wal/wal_header.h), with the 16-byte sync marker
 *      h            ...    blocks of entries: count, size, entries, sync marker
 *      log_end      1      0: a block of no entries: the padding
 *      log_end + 1  5      its size, as a varint of fixed length that is written over in place
 *      log_end + 6  size   unused: zeros, or what a failed write left
 *      ...          16     sync marker; the file ends here (padded_end)
 *
 * An append writes its block and a new padding header in one call, over the old padding; so
 * whenever no call is under way any Avro tool reads the file to its end. The padding is there so
 * that an append changes neither the file's size nor its blocks on the device, which makes
 * fdatasync() about 1.5 times faster (measured: 158 against 225 us for 4 KiB), and so that a full
 * disk is found out when the padding is made, before anything was promised.
 *
 * When the padding is used up, the file grows by as much as it grew the last time and doubles that:
 * from 64 KiB to 1 MiB by writing zeros while appends are small, to 64 MiB by fallocate() while
 * they are large: fallocate() costs each later fdatasync() a metadata change, and zeros cost the
 * device a second write of every byte; the first matters for small appends, the second for large
 * ones.
 *
 * Threads: externally serialised (the collection's committer).
 */
#ifndef PX_WAL_WAL_FILE_H
#define PX_WAL_WAL_FILE_H

#include "base/error.h"
#include "os/fs.h"
#include "os/path.h"
#include "wal/wal_header.h"

enum {
    PX_WAL_PADDING_HEADER_BYTES = 6,
    PX_WAL_FIRST_FILE_BYTES = 64 << 10,
};

struct px_wal_file {
    struct px_fs *fs;
    int fd; /* -1 when closed */
    struct px_path path;
    uint8_t sync_marker[PX_WAL_SYNC_BYTES];
    uint64_t log_end;      /* where the next block goes */
    uint64_t padded_end;   /* the file's size */
    uint64_t growth_bytes; /* of the next extension */
};

/*
 * Creates a file with header and padding and puts it, and its name in `folder`, on the device. The
 * name is the header's time, with -001 and so on where there is such a file already. It appears
 * under that name complete or not at all: it is written as NAME.tmp and renamed.
 *
 * PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_IO, PROXIMADB_NO_MEMORY, PROXIMADB_INVALID
 * (path too long); no file is left then, or one that recovery removes.
 */
PX_MUST_CHECK int px_wal_file_create(struct px_fs *fs, const char *folder, int64_t wall_ms,
                                     const struct px_wal_header *header, struct px_wal_file *file,
                                     struct proximadb_error *reterr);

/*
 * Appends a whole block: `pieces` are its bytes from the count to the sync marker. Not yet synced.
 *
 *   *ret_unsure  on failure: whether the block may show up after a power cut all the same. Then no
 *                more may be appended. Otherwise the file is as it was.
 *
 * PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_IO.
 */
PX_MUST_CHECK int px_wal_file_append(struct px_wal_file *file, const struct px_slice *pieces,
                                     size_t piece_count, bool *ret_unsure,
                                     struct proximadb_error *reterr);

/* Puts what was appended on the device. PROXIMADB_IO: whether it is there is not known, and asking
 * the system again would not tell (it forgets which pages it could not write); no more may be
 * appended. */
PX_MUST_CHECK int px_wal_file_sync(struct px_wal_file *file, struct proximadb_error *reterr);

/* Cuts the padding off, unless `keep_padding`, and closes the descriptor. Errors do not matter: the
 * padding is part of the format. */
void px_wal_file_close(struct px_wal_file *file, bool keep_padding);

#endif /* PX_WAL_WAL_FILE_H */
