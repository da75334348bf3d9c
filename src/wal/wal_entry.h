/*
 * wal_entry: one decision of the log, to bytes and back.
 *
 * An entry is the Avro datum of schemas/proximadb.v1.WalEntry.avsc. The batch inside it is the
 * client's own datum, byte for byte: an Avro record is the concatenation of its fields, so putting
 * a branch byte in front of it makes it a member of the entry's union without touching it.
 *
 *      SIZE    MEANING
 *      varint  lsn, of the batch's first row
 *      varint  row_count, also the number of LSNs the entry takes
 *      varint  time_ms, wall clock, UTC
 *      varint  operation (the enum below)
 *      16      request_id
 *      8       schema_fingerprint of the batch, little-endian
 *      varint  batch_size, so that a reader can step over the batch without its schema
 *      varint  branch of the union: 0 VectorBatch, 1 UpdateBatch, 2 DeleteBatch
 *      n       the batch
 *      4       CRC32C of all bytes above, little-endian
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_WAL_WAL_ENTRY_H
#define PX_WAL_WAL_ENTRY_H

#include "base/slice.h"

enum px_wal_operation {
    PX_WAL_INSERT = 0,
    PX_WAL_UPSERT = 1,
    PX_WAL_UPDATE = 2,
    PX_WAL_DELETE = 3,
    PX_WAL_EXPIRE = 4, /* a delete that the engine decided, by the row's expires_at */
    PX_WAL_OPERATION_COUNT = 5,
};

enum {
    PX_WAL_REQUEST_ID_BYTES = 16,
    PX_WAL_PREFIX_BYTES = 96, /* room for everything in front of the batch */
    PX_WAL_CRC_BYTES = 4,
};

struct px_wal_entry {
    int64_t lsn;
    uint32_t row_count;
    int64_t time_ms;
    enum px_wal_operation operation;
    uint8_t request_id[PX_WAL_REQUEST_ID_BYTES];
    uint64_t schema_fingerprint;
    uint32_t branch;
    struct px_slice batch; /* view into the payload or the file */
};

/* Writes what stands in front of the batch; returns its size. */
size_t px_wal_entry_encode_prefix(const struct px_wal_entry *entry,
                                  uint8_t prefix[PX_WAL_PREFIX_BYTES]);

/* Writes what stands behind the batch. */
void px_wal_entry_encode_crc(struct px_slice prefix, struct px_slice batch,
                             uint8_t crc[PX_WAL_CRC_BYTES]);

/* The LSN that follows the entry. */
static inline int64_t px_wal_entry_next_lsn(const struct px_wal_entry *entry)
{
    return entry->lsn + entry->row_count;
}

/*
 * Reads the entry that begins at `at`. Returns the position behind it; or NULL, with *ret_reason (a
 * static string) saying what is wrong with it.
 */
const uint8_t *px_wal_entry_decode(const uint8_t *at, const uint8_t *end,
                                   struct px_wal_entry *ret_entry, const char **ret_reason);

/* "INSERT", "UPSERT", ... */
const char *px_wal_operation_name(enum px_wal_operation operation);

#endif /* PX_WAL_WAL_ENTRY_H */
