/*
 * wal_support: a log in a scratch folder with small batches of known content, for the tests of wal.
 */
#ifndef PX_TEST_WAL_SUPPORT_H
#define PX_TEST_WAL_SUPPORT_H

#include "support/px_test.h"

#include "os/file.h"
#include "wal/wal.h"

/* A clock whose hands the test moves. */
struct wal_clock {
    struct px_clock base;
    int64_t wall_ms;
    int64_t monotonic_ms;
};

static inline int64_t wal_clock_wall(const struct px_clock *clock)
{
    return ((const struct wal_clock *)(const void *)clock)->wall_ms;
}

static inline int64_t wal_clock_monotonic(const struct px_clock *clock)
{
    return ((const struct wal_clock *)(const void *)clock)->monotonic_ms;
}

static inline struct wal_clock wal_clock_new(void)
{
    return (struct wal_clock){
        .base = {.wall_ms = wal_clock_wall, .monotonic_ms = wal_clock_monotonic},
        .wall_ms = INT64_C(1705320000000), /* 2024-01-15 12:00:00 UTC */
        .monotonic_ms = 1000000,
    };
}

/* What a replay saw: LSN and rows of each entry, and whether the batches were as written. */
struct wal_seen {
    size_t entry_count;
    int64_t first_lsn;
    int64_t next_lsn;
    int fail_at; /* the replay of this entry (1-based) fails; 0: none */
};

/* The batch of an entry: `size_bytes` bytes that follow from its number. */
static inline void wal_fill_batch(uint8_t *batch, size_t size_bytes, uint64_t number)
{
    for (size_t i = 0; i < size_bytes; i++)
        batch[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

static inline int wal_see(void *context, const struct px_wal_entry *entry,
                          struct proximadb_error *reterr)
{
    struct wal_seen *seen = context;
    static uint8_t expected[4 << 20];
    seen->entry_count++;
    if (seen->fail_at != 0 && seen->entry_count == (size_t)seen->fail_at)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED, "the test says so");
    if (seen->first_lsn == 0)
        seen->first_lsn = entry->lsn;
    else
        assert_int_equal(entry->lsn, seen->next_lsn);
    seen->next_lsn = px_wal_entry_next_lsn(entry);
    assert_true(entry->batch.size_bytes <= sizeof expected);
    wal_fill_batch(expected, entry->batch.size_bytes, (uint64_t)entry->lsn);
    assert_memory_equal(entry->batch.data, expected, entry->batch.size_bytes);
    return PROXIMADB_OK;
}

struct wal_lines {
    char text[8000];
};

static inline void wal_log_line(void *context, int level, const char *line)
{
    struct wal_lines *lines = context;
    size_t used = strlen(lines->text);
    snprintf(lines->text + used, sizeof lines->text - used, "%d %s\n", level, line);
}

struct wal_fixture {
    struct wal_clock clock;
    struct wal_lines lines;
    struct px_log log;
    struct wal_seen seen;
    struct px_wal_options options;
    char folder[300];
    char trash[300];
    struct px_wal *wal;
    struct proximadb_error error;
};

/* Forgets everything, and says where the log is to be. */
static inline void wal_fixture_set(struct wal_fixture *fixture, struct px_fs *fs,
                                   const char *folder)
{
    *fixture = (struct wal_fixture){.clock = wal_clock_new()};
    fixture->log = (struct px_log){.write = wal_log_line, .context = &fixture->lines};
    snprintf(fixture->folder, sizeof fixture->folder, "%s/wal", folder);
    snprintf(fixture->trash, sizeof fixture->trash, "%s/trash", folder);
    fixture->options = (struct px_wal_options){
        .fs = fs,
        .clock = &fixture->clock.base,
        .log = &fixture->log,
        .folder = fixture->folder,
        .trash_folder = fixture->trash,
        .collection = "docs",
        .collection_id = {.bytes = {1, 2, 3}},
        .file_limit_bytes = UINT64_C(256) << 20,
        .rotate_ms = 30 * 60 * 1000,
        .idle_ms = 60 * 1000,
    };
}

/* The same, and makes its folders. */
static inline void wal_fixture_init(struct wal_fixture *fixture, struct px_fs *fs,
                                    const char *folder)
{
    wal_fixture_set(fixture, fs, folder);
    assert_int_equal(px_folder_make(fs, fixture->folder, NULL), PROXIMADB_OK);
    assert_int_equal(px_folder_make(fs, fixture->trash, NULL), PROXIMADB_OK);
}

/* Opens the log and replays it into fixture->seen. */
static inline int wal_fixture_try_open(struct wal_fixture *fixture)
{
    int fail_at = fixture->seen.fail_at;
    fixture->seen = (struct wal_seen){.fail_at = fail_at};
    fixture->wal = NULL;
    return px_wal_open(&fixture->options, wal_see, &fixture->seen, &fixture->wal, &fixture->error);
}

static inline void wal_fixture_open(struct wal_fixture *fixture)
{
    if (wal_fixture_try_open(fixture) != PROXIMADB_OK)
        fail_msg("%s", fixture->error.message);
}

static inline void wal_fixture_close(struct wal_fixture *fixture)
{
    px_wal_close(fixture->wal);
    fixture->wal = NULL;
}

/* Appends `count` entries of one block, each of row_count rows and batch_bytes, without a sync. */
static inline int wal_fixture_append(struct wal_fixture *fixture, size_t count, uint32_t row_count,
                                     size_t batch_bytes)
{
    struct px_wal_entry entries[64] = {{0}};
    uint8_t *batches = malloc(count * batch_bytes + 1);
    int64_t lsn = px_wal_next_lsn(fixture->wal);
    assert_non_null(batches);
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++) {
        uint8_t *batch = batches + i * batch_bytes;
        wal_fill_batch(batch, batch_bytes, (uint64_t)lsn + i * row_count);
        entries[i] = (struct px_wal_entry){.row_count = row_count,
                                           .time_ms = fixture->clock.wall_ms,
                                           .operation = PX_WAL_INSERT,
                                           .schema_fingerprint = 0x1122334455667788,
                                           .batch = px_slice_of(batch, batch_bytes)};
    }
    int rc = px_wal_append_avro_entries(fixture->wal, entries, count, &fixture->error);
    free(batches);
    return rc;
}

/* Appends one entry and syncs. */
static inline void wal_fixture_write(struct wal_fixture *fixture, uint32_t row_count,
                                     size_t batch_bytes)
{
    if (wal_fixture_append(fixture, 1, row_count, batch_bytes) != PROXIMADB_OK ||
        px_wal_sync(fixture->wal, &fixture->error) != PROXIMADB_OK)
        fail_msg("%s", fixture->error.message);
}

#endif /* PX_TEST_WAL_SUPPORT_H */
