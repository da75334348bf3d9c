/*
 * wal_header: the beginning of a log file: an Avro container header whose metadata says which
 * collection the file belongs to and where in its log it stands.
 *
 *      KEY                        VALUE
 *      avro.schema                schemas/proximadb.v1.WalEntry.avsc
 *      avro.codec                 null
 *      proximadb.format_version   1
 *      proximadb.collection       the collection's name, for people
 *      proximadb.collection_id    its uuid
 *      proximadb.first_lsn        LSN of the first entry, decimal
 *      proximadb.previous_file    name of the file before, or empty
 *      proximadb.previous_end     offset at which the log of that file ends, decimal
 *
 * File names are for people, too: the order of files comes from first_lsn and previous_file.
 */
#ifndef PX_WAL_WAL_HEADER_H
#define PX_WAL_WAL_HEADER_H

#include "base/buffer.h"
#include "base/uuid.h"

enum {
    PX_WAL_SYNC_BYTES = 16,
    PX_WAL_FILE_NAME_BYTES = 64,
    PX_WAL_COLLECTION_NAME_BYTES = 129,
    PX_WAL_FORMAT_VERSION = 1,
};

struct px_wal_header {
    char collection[PX_WAL_COLLECTION_NAME_BYTES];
    struct px_uuid collection_id;
    int64_t first_lsn;
    char previous_file[PX_WAL_FILE_NAME_BYTES];
    uint64_t previous_end;
    uint8_t sync_marker[PX_WAL_SYNC_BYTES];
};

/* Appends the header; marks the buffer without memory. */
void px_wal_header_encode(const struct px_wal_header *header, struct px_buffer *buffer);

/*
 * Reads the header at the beginning of a file.
 *
 * PROXIMADB_CORRUPT        what is wrong with it.
 * PROXIMADB_UNIMPLEMENTED  a newer format; the message says to upgrade.
 */
PX_MUST_CHECK int px_wal_header_decode(struct px_slice file, struct px_wal_header *ret_header,
                                       size_t *ret_size_bytes, struct proximadb_error *reterr);

#endif /* PX_WAL_WAL_HEADER_H */
