/* px-test: layers=wal label=fuzz */
/*
 * fuzz_wal: any bytes as the one or two log files that a start finds. Recovery must not crash and not
 * invent: what it replays is sound by its checksum, above flushed_lsn, and without a gap. It must come
 * to the same result again on what it left; and a log that takes writes gives back, behind the same
 * entries, what is appended to it.
 *
 *      SIZE  MEANING OF THE INPUT
 *      1     bits: 1 make the entries' checksums right first, so that mutations get behind them;
 *            2, 4 the first, the second file is marked as one whose sync failed
 *      1     flushed_lsn
 *      3     size of the first file, little-endian
 *      ...   the first file, and what is left is the second
 */
#include "wal/wal.h"

#include "avro/container.h"
#include "base/bits.h"
#include "base/crc32c.h"
#include "codec/varint.h"
#include "os/path.h"
#include "support/powercut_fs.h"

#include <stdlib.h>

enum {
    REPAIR = 1,
    FIRST_FAILED = 2,
    SECOND_FAILED = 4,
    PREFACE_BYTES = 5,
    SHORTEST_PREFIX_BYTES = 30,
    FIXED_BYTES = 24, /* request_id and schema_fingerprint */
};

static const char *const paths[] = {"wal/2024-01-15_12-00-00.wal", "wal/2024-01-15_12-30-00.wal"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the files ----------------------------------------------------------------------------- */

static const uint8_t *skip_longs(const uint8_t *at, const uint8_t *end, int count,
                                 int64_t *ret_last)
{
    while (at != NULL && count-- > 0)
        at = px_varint_read_long(at, end, ret_last);
    return at;
}

/* Gives the entry at `at` the checksum that fits it; returns the next one, or NULL if that is none. */
static uint8_t *repair_entry(uint8_t *at, const uint8_t *end)
{
    int64_t batch_bytes, branch;
    const uint8_t *next = skip_longs(at, end, 4, &batch_bytes);
    if (next == NULL || end - next < FIXED_BYTES)
        return NULL;
    next = skip_longs(next + FIXED_BYTES, end, 1, &batch_bytes);
    next = skip_longs(next, end, 1, &branch);
    if (next == NULL || batch_bytes < 0 || batch_bytes > end - next - PX_WAL_CRC_BYTES)
        return NULL;
    size_t size = (size_t)(next - at) + (size_t)batch_bytes;
    px_store_u32(at + size, px_crc32c(0, at, size));
    return at + size + PX_WAL_CRC_BYTES;
}

static void repair_file(uint8_t *file, size_t size_bytes)
{
    struct px_container_header header;
    struct px_container_block block;
    if (px_container_header_read(px_slice_of(file, size_bytes), &header, NULL) != PROXIMADB_OK)
        return;
    for (size_t at = header.size_bytes; at < size_bytes; at += block.size_bytes) {
        struct px_slice rest = px_slice_of(file + at, size_bytes - at);
        if (px_container_block_read(rest, header.sync, &block, NULL) != PROXIMADB_OK)
            return;
        uint8_t *entry = file + at + block.header_size_bytes;
        const uint8_t *end = entry + block.objects.size_bytes;
        for (uint64_t i = 0; i < block.object_count && entry != NULL; i++)
            entry = repair_entry(entry, end);
    }
}

static void write_file(struct px_fs *fs, const char *path, struct px_slice content)
{
    int fd = fs->open(fs, path, PX_FS_CREATE);
    demand(fd >= 0 && fs->write_at(fs, fd, &content, 1, 0) >= 0);
    demand(fs->close(fs, fd) >= 0);
}

static void put_log(struct px_fs *fs, const char *path, struct px_slice content, bool has_failed)
{
    struct px_path marker;
    write_file(fs, path, content);
    demand(px_path_format(&marker, NULL, "%s.failed", path) == PROXIMADB_OK);
    if (has_failed)
        write_file(fs, marker.text, (struct px_slice){0});
}

static void put_files(struct px_fs *fs, const uint8_t *data, size_t size)
{
    size_t first_bytes = (size_t)data[2] | (size_t)data[3] << 8 | (size_t)data[4] << 16;
    size_t rest_bytes = size - PREFACE_BYTES;
    if (first_bytes > rest_bytes)
        first_bytes = rest_bytes;
    uint8_t *bytes = malloc(rest_bytes + 1);
    demand(bytes != NULL);
    memcpy(bytes, data + PREFACE_BYTES, rest_bytes);
    if (data[0] & REPAIR) {
        repair_file(bytes, first_bytes);
        repair_file(bytes + first_bytes, rest_bytes - first_bytes);
    }
    put_log(fs, paths[0], px_slice_of(bytes, first_bytes), data[0] & FIRST_FAILED);
    if (rest_bytes > first_bytes)
        put_log(fs, paths[1], px_slice_of(bytes + first_bytes, rest_bytes - first_bytes),
                data[0] & SECOND_FAILED);
    free(bytes);
}

/* ---- recovery ------------------------------------------------------------------------------ */

struct seen {
    int64_t flushed_lsn;
    int64_t next_lsn;
    size_t entry_count;
    uint32_t digest; /* of all entries */
};

struct outcome {
    int status;
    bool takes_writes;
    int64_t next_lsn;
    struct seen seen;
};

/* By the bytes around the batch, which lie in the file: some beginning fits the checksum. */
static bool has_right_checksum(const struct px_wal_entry *entry)
{
    size_t batch_bytes = entry->batch.size_bytes;
    uint32_t expected = px_load_u32(entry->batch.data + batch_bytes);
    for (size_t prefix = SHORTEST_PREFIX_BYTES; prefix <= PX_WAL_PREFIX_BYTES; prefix++)
        if (px_crc32c(0, entry->batch.data - prefix, prefix + batch_bytes) == expected)
            return true;
    return false;
}

static int see(void *context, const struct px_wal_entry *entry, struct proximadb_error *reterr)
{
    struct seen *seen = context;
    (void)reterr;
    demand(entry->lsn > seen->flushed_lsn && entry->row_count > 0);
    demand(seen->entry_count == 0 || entry->lsn == seen->next_lsn);
    demand(has_right_checksum(entry));
    const int64_t numbers[] = {entry->lsn,     entry->row_count,
                               entry->time_ms, entry->operation,
                               entry->branch,  (int64_t)entry->schema_fingerprint};
    seen->digest = px_crc32c(seen->digest, numbers, sizeof numbers);
    seen->digest = px_crc32c(seen->digest, entry->request_id, sizeof entry->request_id);
    seen->digest = px_crc32c(seen->digest, entry->batch.data, entry->batch.size_bytes);
    seen->next_lsn = px_wal_entry_next_lsn(entry);
    seen->entry_count++;
    return PROXIMADB_OK;
}

/* Opens the log; *ret_wal is NULL where that is refused. */
static struct outcome recover(struct px_fs *fs, int64_t flushed_lsn, struct px_wal **ret_wal)
{
    const struct px_wal_options options = {
        .fs = fs,
        .clock = &px_clock_system,
        .folder = "wal",
        .trash_folder = "trash",
        .collection = "docs",
        .collection_id = {.bytes = {1, 2, 3}},
        .file_limit_bytes = UINT64_C(256) << 20,
        .rotate_ms = 1000000,
        .idle_ms = 1000000,
        .flushed_lsn = flushed_lsn,
    };
    struct outcome outcome = {.seen = {.flushed_lsn = flushed_lsn}};
    struct proximadb_error error;
    *ret_wal = NULL;
    outcome.status = px_wal_open(&options, see, &outcome.seen, ret_wal, &error);
    demand(outcome.status == PROXIMADB_OK || outcome.status == PROXIMADB_UNIMPLEMENTED);
    if (outcome.status != PROXIMADB_OK)
        return outcome;
    outcome.takes_writes = px_wal_read_only_reason(*ret_wal) == NULL;
    outcome.next_lsn = px_wal_next_lsn(*ret_wal);
    demand(outcome.next_lsn > flushed_lsn);
    if (outcome.seen.entry_count > 0)
        demand(outcome.next_lsn >= outcome.seen.next_lsn);
    if (outcome.seen.entry_count > 0 && outcome.takes_writes)
        demand(outcome.next_lsn == outcome.seen.next_lsn);
    return outcome;
}

static bool is_same(const struct outcome *a, const struct outcome *b)
{
    return a->status == b->status && a->takes_writes == b->takes_writes &&
           a->next_lsn == b->next_lsn && a->seen.entry_count == b->seen.entry_count &&
           a->seen.digest == b->seen.digest;
}

/* What is written behind a recovery comes back behind what the recovery gave. */
static void check_append(struct px_fs *fs, struct px_wal *wal, const struct outcome *before)
{
    uint8_t bytes[] = {1, 2, 3};
    struct px_wal_entry entry = {.row_count = 2, .batch = px_slice_of(bytes, sizeof bytes)};
    struct proximadb_error error;
    struct outcome expected = *before;
    demand(px_wal_append_avro_entries(wal, &entry, 1, &error) == PROXIMADB_OK);
    demand(px_wal_sync(wal, &error) == PROXIMADB_OK);
    px_wal_close(wal);
    demand(entry.lsn == before->next_lsn);
    struct outcome after = recover(fs, before->seen.flushed_lsn, &wal);
    px_wal_close(wal);
    expected.next_lsn += entry.row_count;
    expected.seen.entry_count++;
    expected.seen.digest = after.seen.digest;
    demand(is_same(&expected, &after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PREFACE_BYTES)
        return 0;
    struct px_powercut *disk = px_powercut_new();
    struct px_fs *fs = px_powercut_boot(disk);
    struct px_wal *wal;
    demand(fs->make_folder(fs, "wal") >= 0 && fs->make_folder(fs, "trash") >= 0);
    put_files(fs, data, size);
    struct outcome first = recover(fs, data[1], &wal);
    px_wal_close(wal);
    struct outcome second = recover(fs, data[1], &wal);
    demand(is_same(&first, &second));
    if (second.status == PROXIMADB_OK && second.takes_writes)
        check_append(fs, wal, &second);
    else
        px_wal_close(wal);
    struct px_powercut_counts counts = px_powercut_counts(disk);
    demand(counts.open_files == 0 && counts.maps == 0);
    px_powercut_free(disk);
    return 0;
}
