#include "wal/wal.h"

#include "avro/container.h"
#include "os/file.h"
#include "wal/wal_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECES_PER_ENTRY = 3 };

int px_wal_open(const struct px_wal_options *options, px_wal_replay *replay, void *context,
                struct px_wal **ret_wal, struct proximadb_error *reterr)
{
    struct px_wal *wal = calloc(1, sizeof *wal);
    if (wal == NULL)
        return px_fail_no_memory(reterr);
    wal->options = *options;
    wal->active.fd = -1;
    pthread_mutex_init(&wal->lock, NULL);
    snprintf(wal->collection, sizeof wal->collection, "%s", options->collection);
    int rc = px_path_format(&wal->folder, reterr, "%s", options->folder);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&wal->trash_folder, reterr, "%s", options->trash_folder);
    if (rc == PROXIMADB_OK)
        rc = px_wal__recover(wal, replay, context, reterr);
    if (rc != PROXIMADB_OK) {
        px_wal_close(wal);
        return rc;
    }
    *ret_wal = wal;
    return PROXIMADB_OK;
}

void px_wal_close(struct px_wal *wal)
{
    if (wal == NULL)
        return;
    px_wal_file_close(&wal->active, wal->poisoned);
    pthread_mutex_destroy(&wal->lock);
    free(wal->closed);
    free(wal);
}

int px_wal__add_closed(struct px_wal *wal, const struct px_wal_closed *closed,
                       struct proximadb_error *reterr)
{
    pthread_mutex_lock(&wal->lock);
    struct px_wal_closed *grown =
        realloc(wal->closed, (wal->closed_count + 1) * sizeof *wal->closed);
    if (grown != NULL) {
        wal->closed = grown;
        wal->closed[wal->closed_count++] = *closed;
    }
    pthread_mutex_unlock(&wal->lock);
    return grown != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

/* "X.wal" comes before "X-001.wal". */
static int compare_names(const char *a, const char *b)
{
    return px_slice_compare(px_slice_of(a, strlen(a) - strlen(".wal")),
                            px_slice_of(b, strlen(b) - strlen(".wal")));
}

int px_wal__compare_places(const struct px_wal_place *a, const struct px_wal_place *b)
{
    if (a->first_lsn != b->first_lsn)
        return a->first_lsn < b->first_lsn ? -1 : 1;
    if (a->has_entries != b->has_entries)
        return a->has_entries ? 1 : -1;
    return compare_names(a->name, b->name);
}

void px_wal__set_read_only(struct px_wal *wal, const struct proximadb_error *error)
{
    px_log_write(wal->options.log, PROXIMADB_LOG_ERROR, "collection '%s' is read-only: %s",
                 wal->collection, error->message);
    if (atomic_load(&wal->read_only))
        return; /* the first reason is the cause of the others */
    snprintf(wal->read_only_reason, sizeof wal->read_only_reason, "%s", error->message);
    atomic_store(&wal->read_only, true);
}

int px_wal__failed_path(const char *path, struct px_path *ret_path, struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s" PX_WAL_FAILED_SUFFIX, path);
}

void px_wal__mark_failed(struct px_wal *wal, const char *path)
{
    struct px_path marker;
    if (px_wal__failed_path(path, &marker, NULL) != PROXIMADB_OK)
        return;
    int fd = wal->options.fs->open(wal->options.fs, marker.text, PX_FS_READ_WRITE);
    if (fd >= 0)
        (void)wal->options.fs->close(wal->options.fs, fd);
}

static void poison(struct px_wal *wal, const struct proximadb_error *error)
{
    struct proximadb_error reason;
    (void)px_fail(&reason, PROXIMADB_READ_ONLY,
                  "the device failed while the log was written (%s); check it, then restart",
                  error->message);
    px_wal__mark_failed(wal, wal->active.path.text);
    atomic_store(&wal->poisoned, true);
    px_wal__set_read_only(wal, &reason);
}

/* Moves the active file to the closed ones. */
static int close_active(struct px_wal *wal, struct proximadb_error *reterr)
{
    if (wal->active.fd < 0)
        return PROXIMADB_OK;
    struct px_wal_closed closed = {.first_lsn = wal->active_first_lsn,
                                   .next_lsn = wal->next_lsn,
                                   .log_end = wal->active.log_end};
    memcpy(closed.name, wal->active_name, sizeof closed.name);
    int rc = px_wal__add_closed(wal, &closed, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_wal_file_close(&wal->active, false);
    pthread_mutex_lock(&wal->lock);
    wal->active_bytes = 0;
    pthread_mutex_unlock(&wal->lock);
    return PROXIMADB_OK;
}

static bool is_due_for_rotation(const struct px_wal *wal, int64_t now_ms)
{
    return wal->active.log_end >= wal->options.file_limit_bytes ||
           now_ms - wal->active_since_ms >= (int64_t)wal->options.rotate_ms;
}

static int open_new_file(struct px_wal *wal, int64_t now_ms, struct proximadb_error *reterr)
{
    struct px_wal_header header = {.collection_id = wal->options.collection_id,
                                   .first_lsn = wal->next_lsn};
    memcpy(header.collection, wal->collection, sizeof header.collection);
    px_random_bytes(header.sync_marker, sizeof header.sync_marker);
    pthread_mutex_lock(&wal->lock);
    if (wal->closed_count > 0) {
        const struct px_wal_closed *last = &wal->closed[wal->closed_count - 1];
        memcpy(header.previous_file, last->name, sizeof header.previous_file);
        header.previous_end = last->log_end;
    }
    pthread_mutex_unlock(&wal->lock);

    int64_t wall_ms = wal->options.clock->wall_ms(wal->options.clock);
    int rc = px_wal_file_create(wal->options.fs, wal->folder.text, wall_ms, &header, &wal->active,
                                reterr);
    if (rc != PROXIMADB_OK) {
        wal->active.fd = -1;
        return rc;
    }
    snprintf(wal->active_name, sizeof wal->active_name, "%s", px_path_name(wal->active.path.text));
    wal->active_first_lsn = wal->next_lsn;
    wal->active_since_ms = now_ms;
    return PROXIMADB_OK;
}

static int prepare_file(struct px_wal *wal, struct proximadb_error *reterr)
{
    int64_t now_ms = wal->options.clock->monotonic_ms(wal->options.clock);
    if (wal->active.fd >= 0 && is_due_for_rotation(wal, now_ms)) {
        int rc = close_active(wal, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    if (wal->active.fd < 0) {
        int rc = open_new_file(wal, now_ms, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    wal->written_at_ms = now_ms;
    return PROXIMADB_OK;
}

/* A block under construction: the bytes that are not the clients' own. */
struct block {
    struct px_slice *pieces;
    uint8_t (*prefixes)[PX_WAL_PREFIX_BYTES];
    uint8_t (*crcs)[PX_WAL_CRC_BYTES];
    uint8_t frame[PX_CONTAINER_BLOCK_HEADER_BYTES];
};

static bool block_init(struct block *block, size_t entry_count)
{
    block->pieces = malloc((PIECES_PER_ENTRY * entry_count + 2) * sizeof *block->pieces);
    block->prefixes = malloc(entry_count * sizeof *block->prefixes);
    block->crcs = malloc(entry_count * sizeof *block->crcs);
    return block->pieces != NULL && block->prefixes != NULL && block->crcs != NULL;
}

static void block_release(struct block *block)
{
    free(block->pieces);
    free(block->prefixes);
    free(block->crcs);
}

/* Lays the pieces out: frame, the entries' three parts each, sync marker. Returns their number. */
static size_t block_fill(struct block *block, const struct px_wal_entry *entries,
                         size_t entry_count, const uint8_t *sync_marker)
{
    size_t count = 1;
    uint64_t size = 0;
    for (size_t i = 0; i < entry_count; i++) {
        size_t prefix_bytes = px_wal_entry_encode_prefix(&entries[i], block->prefixes[i]);
        struct px_slice prefix = px_slice_of(block->prefixes[i], prefix_bytes);
        px_wal_entry_encode_crc(prefix, entries[i].batch, block->crcs[i]);
        block->pieces[count++] = prefix;
        block->pieces[count++] = entries[i].batch;
        block->pieces[count++] = px_slice_of(block->crcs[i], PX_WAL_CRC_BYTES);
        size += prefix_bytes + entries[i].batch.size_bytes + PX_WAL_CRC_BYTES;
    }
    size_t frame_bytes = px_container_block_write(block->frame, entry_count, size);
    block->pieces[0] = px_slice_of(block->frame, frame_bytes);
    block->pieces[count++] = px_slice_of(sync_marker, PX_WAL_SYNC_BYTES);
    return count;
}

static int write_block(struct px_wal *wal, const struct px_wal_entry *entries, size_t entry_count,
                       struct proximadb_error *reterr)
{
    struct block block;
    struct proximadb_error error;
    bool unsure = false;
    int rc;
    if (block_init(&block, entry_count)) {
        size_t pieces = block_fill(&block, entries, entry_count, wal->active.sync_marker);
        rc = px_wal_file_append(&wal->active, block.pieces, pieces, &unsure, &error);
    } else {
        rc = px_fail_no_memory(&error);
    }
    block_release(&block);
    if (unsure) {
        poison(wal, &error);
        error.status = rc = PROXIMADB_OUTCOME_UNKNOWN;
    }
    if (rc != PROXIMADB_OK && reterr != NULL)
        *reterr = error;
    return rc;
}

int px_wal_append_avro_entries(struct px_wal *wal, struct px_wal_entry *entries, size_t entry_count,
                               struct proximadb_error *reterr)
{
    assert(entry_count > 0 && entry_count <= PX_WAL_MOST_ENTRIES);
    if (atomic_load(&wal->read_only))
        return px_fail(reterr, PROXIMADB_READ_ONLY, "the collection is read-only: %s",
                       wal->read_only_reason);
    int rc = prepare_file(wal, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    int64_t lsn = wal->next_lsn;
    for (size_t i = 0; i < entry_count; i++) {
        entries[i].lsn = lsn;
        lsn = px_wal_entry_next_lsn(&entries[i]);
    }
    rc = write_block(wal, entries, entry_count, reterr);
    if (rc == PROXIMADB_OK)
        atomic_store(&wal->next_lsn, lsn);
    pthread_mutex_lock(&wal->lock);
    wal->active_bytes = wal->active.padded_end;
    pthread_mutex_unlock(&wal->lock);
    return rc;
}

int px_wal_sync(struct px_wal *wal, struct proximadb_error *reterr)
{
    struct proximadb_error error;
    if (px_wal_file_sync(&wal->active, &error) == PROXIMADB_OK)
        return PROXIMADB_OK;
    poison(wal, &error);
    return px_fail(reterr, PROXIMADB_OUTCOME_UNKNOWN,
                   "%s; whether the batch was written will show when the server restarts: retry it "
                   "then with the same request id",
                   error.message);
}

void px_wal_idle(struct px_wal *wal)
{
    int64_t now_ms = wal->options.clock->monotonic_ms(wal->options.clock);
    if (wal->active.fd >= 0 && !wal->poisoned &&
        now_ms - wal->written_at_ms >= (int64_t)wal->options.idle_ms)
        (void)close_active(wal, NULL); /* without memory it stays open and is tried again */
}

/* Unlinks a closed file; a failure is logged and leaves it in the list. */
static bool remove_closed(struct px_wal *wal, const struct px_wal_closed *closed)
{
    struct px_path path;
    struct px_fs *fs = wal->options.fs;
    if (px_path_format(&path, NULL, "%s/%s", wal->folder.text, closed->name) != PROXIMADB_OK)
        return false;
    if (fs->unlink(fs, path.text) >= 0 || errno == ENOENT)
        return true;
    px_log_write(wal->options.log, PROXIMADB_LOG_WARNING, "cannot remove the log '%s': %s",
                 path.text, strerror(errno));
    return false;
}

/* The oldest closed file, if all of it is flushed. */
static bool find_flushed(struct px_wal *wal, int64_t flushed_lsn, struct px_wal_closed *ret_closed)
{
    pthread_mutex_lock(&wal->lock);
    bool found = wal->closed_count > 0 && wal->closed[0].next_lsn - 1 <= flushed_lsn;
    if (found)
        *ret_closed = wal->closed[0];
    pthread_mutex_unlock(&wal->lock);
    return found;
}

bool px_wal_has_flushed(struct px_wal *wal, int64_t flushed_lsn)
{
    struct px_wal_closed closed;
    return !atomic_load(&wal->read_only) && find_flushed(wal, flushed_lsn, &closed);
}

/* Removing a large file takes the system some time, in which nobody who appends has to wait: only
 * one thread trims, so the oldest file is still the oldest afterwards. */
void px_wal_trim(struct px_wal *wal, int64_t flushed_lsn)
{
    struct px_wal_closed closed;
    if (atomic_load(&wal->read_only))
        return; /* a damaged log is evidence */
    while (find_flushed(wal, flushed_lsn, &closed) && remove_closed(wal, &closed)) {
        pthread_mutex_lock(&wal->lock);
        wal->closed_count--;
        memmove(wal->closed, wal->closed + 1, wal->closed_count * sizeof *wal->closed);
        pthread_mutex_unlock(&wal->lock);
    }
}

int64_t px_wal_next_lsn(const struct px_wal *wal)
{
    return atomic_load(&wal->next_lsn);
}

bool px_wal_is_poisoned(const struct px_wal *wal)
{
    return atomic_load(&wal->poisoned);
}

const char *px_wal_read_only_reason(const struct px_wal *wal)
{
    return atomic_load(&wal->read_only) ? wal->read_only_reason : NULL;
}

uint64_t px_wal_size_bytes(struct px_wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    uint64_t total = wal->active_bytes;
    for (size_t i = 0; i < wal->closed_count; i++)
        total += wal->closed[i].log_end;
    pthread_mutex_unlock(&wal->lock);
    return total;
}
