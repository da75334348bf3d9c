#include "wal/wal_entry.h"

#include "base/bits.h"
#include "base/crc32c.h"
#include "codec/varint.h"

#include <assert.h>

enum {
    FINGERPRINT_BYTES = 8,
    BRANCH_COUNT = 3,
};

size_t px_wal_entry_encode_prefix(const struct px_wal_entry *entry,
                                  uint8_t prefix[PX_WAL_PREFIX_BYTES])
{
    assert(entry->lsn > 0 && entry->row_count > 0 && entry->branch < BRANCH_COUNT);
    uint8_t *at = prefix;
    at += px_varint_write_long(at, entry->lsn);
    at += px_varint_write_long(at, entry->row_count);
    at += px_varint_write_long(at, entry->time_ms);
    at += px_varint_write_long(at, entry->operation);
    memcpy(at, entry->request_id, PX_WAL_REQUEST_ID_BYTES);
    at += PX_WAL_REQUEST_ID_BYTES;
    px_store_u64(at, entry->schema_fingerprint);
    at += FINGERPRINT_BYTES;
    at += px_varint_write_long(at, (int64_t)entry->batch.size_bytes);
    at += px_varint_write_long(at, entry->branch);
    assert(at - prefix <= PX_WAL_PREFIX_BYTES);
    return (size_t)(at - prefix);
}

void px_wal_entry_encode_crc(struct px_slice prefix, struct px_slice batch,
                             uint8_t crc[PX_WAL_CRC_BYTES])
{
    uint32_t value = px_crc32c(0, prefix.data, prefix.size_bytes);
    px_store_u32(crc, px_crc32c(value, batch.data, batch.size_bytes));
}

static const uint8_t *decode_fixed(const uint8_t *at, const uint8_t *end, void *into, size_t size)
{
    if (at == NULL || (size_t)(end - at) < size)
        return NULL;
    memcpy(into, at, size);
    return at + size;
}

static const uint8_t *decode_long(const uint8_t *at, const uint8_t *end, int64_t *ret_value)
{
    return at != NULL ? px_varint_read_long(at, end, ret_value) : NULL;
}

/* Everything in front of the batch, as far as it is there; no meaning is checked. */
static const uint8_t *decode_prefix(const uint8_t *at, const uint8_t *end,
                                    struct px_wal_entry *entry, int64_t numbers[4])
{
    at = decode_long(at, end, &entry->lsn);
    at = decode_long(at, end, &numbers[0]);
    at = decode_long(at, end, &entry->time_ms);
    at = decode_long(at, end, &numbers[1]);
    at = decode_fixed(at, end, entry->request_id, PX_WAL_REQUEST_ID_BYTES);
    at = decode_fixed(at, end, &entry->schema_fingerprint, FINGERPRINT_BYTES);
    at = decode_long(at, end, &numbers[2]);
    return decode_long(at, end, &numbers[3]);
}

const uint8_t *px_wal_entry_decode(const uint8_t *at, const uint8_t *end,
                                   struct px_wal_entry *ret_entry, const char **ret_reason)
{
    struct px_wal_entry entry = {0};
    int64_t numbers[4]; /* row_count, operation, batch_size, branch */
    const uint8_t *begin = at;
    at = decode_prefix(at, end, &entry, numbers);
    if (at == NULL) {
        *ret_reason = "an entry is cut off";
        return NULL;
    }
    if (numbers[2] < 0 || numbers[2] > end - at - PX_WAL_CRC_BYTES) {
        *ret_reason = "an entry's batch does not fit its block";
        return NULL;
    }
    entry.batch = px_slice_of(at, (size_t)numbers[2]);
    const uint8_t *crc_at = at + entry.batch.size_bytes;
    if (px_load_u32(crc_at) != px_crc32c(0, begin, (size_t)(crc_at - begin))) {
        *ret_reason = "an entry's checksum is wrong";
        return NULL;
    }
    if (entry.lsn <= 0 || numbers[0] <= 0 || numbers[0] > UINT32_MAX ||
        entry.lsn > INT64_MAX - numbers[0] || numbers[1] < 0 ||
        numbers[1] >= PX_WAL_OPERATION_COUNT || numbers[3] < 0 || numbers[3] >= BRANCH_COUNT) {
        *ret_reason = "an entry's fields are out of range";
        return NULL;
    }
    entry.row_count = (uint32_t)numbers[0];
    entry.operation = (enum px_wal_operation)numbers[1];
    entry.branch = (uint32_t)numbers[3];
    *ret_entry = entry;
    return crc_at + PX_WAL_CRC_BYTES;
}

const char *px_wal_operation_name(enum px_wal_operation operation)
{
    static const char *const names[] = {"INSERT", "UPSERT", "UPDATE", "DELETE", "EXPIRE"};
    assert(operation >= 0 && operation < PX_WAL_OPERATION_COUNT);
    return names[operation];
}
