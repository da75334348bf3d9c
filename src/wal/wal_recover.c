#include "wal/wal_internal.h"

#include "os/file.h"
#include "wal/wal_reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* A log file found in the folder. */
struct found {
    char name[PX_WAL_FILE_NAME_BYTES];
    struct px_wal_header header;
    struct px_wal_place place;
};

struct recovery {
    struct px_wal *wal;
    struct found *files; /* by first_lsn */
    size_t file_count;
    px_wal_replay *replay;
    void *replay_context;
    int64_t next_lsn;
    bool damaged; /* the rest of the chain is not replayed */
};

enum { HEADER_PROBE_BYTES = 64 << 10 }; /* a header has about 8,000 */

/* The content of a log file while it is looked at. */
struct content {
    struct px_fs *fs;
    int fd;
    struct px_slice bytes;
};

static int content_open(struct content *content, struct px_fs *fs, const char *path,
                        struct proximadb_error *reterr)
{
    struct px_fs_info info;
    const void *data = NULL;
    *content = (struct content){.fs = fs, .fd = -1};
    if (fs->info(fs, path, &info) < 0)
        return px_fail(reterr, PROXIMADB_IO, "cannot read '%s'", path);
    content->fd = fs->open(fs, path, PX_FS_READ_WRITE);
    if (content->fd < 0)
        return px_fail(reterr, PROXIMADB_IO, "cannot open '%s'", path);
    if (info.size_bytes > 0 && fs->map(fs, content->fd, (size_t)info.size_bytes, &data) < 0) {
        int rc = px_fail(reterr, PROXIMADB_IO, "cannot map '%s'", path);
        (void)fs->close(fs, content->fd);
        content->fd = -1;
        return rc;
    }
    content->bytes = px_slice_of(data, (size_t)info.size_bytes);
    return PROXIMADB_OK;
}

/* What is mapped must be readable: a fault would end the process, and each one after it. */
static int content_probe(const struct content *content, const char *path, uint64_t size_bytes,
                         struct proximadb_error *reterr)
{
    uint64_t present = content->bytes.size_bytes;
    return px_file_probe(content->fs, content->fd, path,
                         size_bytes < present ? size_bytes : present, reterr);
}

static void content_close(struct content *content)
{
    if (content->bytes.size_bytes > 0)
        (void)content->fs->unmap(content->fs, content->bytes.data, content->bytes.size_bytes);
    if (content->fd >= 0)
        (void)content->fs->close(content->fs, content->fd);
}

static int file_path(const struct px_wal *wal, const char *name, struct px_path *ret_path,
                     struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/%s", wal->folder.text, name);
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

/* Takes a file whose header was read into the chain, also one without entries: it says where the
 * log of the one before ends, and the next trim removes it. One of another collection is left
 * alone, and said so. */
static void add_found(struct recovery *recovery, const struct px_path *path,
                      struct px_wal_reader *reader)
{
    struct px_wal *wal = recovery->wal;
    struct px_wal_entry entry;
    if (!px_uuid_equal(reader->header.collection_id, wal->options.collection_id)) {
        px_log_write(wal->options.log, PROXIMADB_LOG_WARNING,
                     "'%s' belongs to another collection (%s); it is left alone", path->text,
                     reader->header.collection);
        return;
    }
    bool has_entries = px_wal_reader_next(reader, &entry);
    struct found *found = &recovery->files[recovery->file_count++];
    snprintf(found->name, sizeof found->name, "%s", px_path_name(path->text));
    found->header = reader->header;
    found->place =
        (struct px_wal_place){.first_lsn = reader->header.first_lsn, .has_entries = has_entries};
    memcpy(found->place.name, found->name, sizeof found->place.name);
}

static int inspect_file(struct recovery *recovery, const char *name, struct proximadb_error *reterr)
{
    struct px_wal *wal = recovery->wal;
    struct px_path path;
    struct content content = {.fd = -1};
    struct px_wal_reader reader;
    struct proximadb_error error;
    int rc = file_path(wal, name, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = content_open(&content, wal->options.fs, path.text, reterr);
    if (rc == PROXIMADB_OK)
        rc = content_probe(&content, path.text, HEADER_PROBE_BYTES, reterr);
    if (rc != PROXIMADB_OK) {
        content_close(&content);
        return rc;
    }
    rc = px_wal_reader_init(&reader, content.bytes, &error);
    if (rc == PROXIMADB_OK) {
        add_found(recovery, &path, &reader);
    } else if (rc == PROXIMADB_CORRUPT) {
        px_error_context(&error, "the header of the log '%s' is damaged", path.text);
        px_wal__set_read_only(wal, &error);
        rc = PROXIMADB_OK;
    } else if (reterr != NULL) {
        *reterr = error;
    }
    content_close(&content);
    return rc;
}

/* By place in the log. */
static void sort_chain(struct found *files, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct found file = files[i];
        size_t at = i;
        for (; at > 0 && px_wal__compare_places(&files[at - 1].place, &file.place) > 0; at--)
            files[at] = files[at - 1];
        files[at] = file;
    }
}

/* Removes what an interrupted creation left, and markers of files that are gone. */
static void sweep_name(struct px_wal *wal, const char *name)
{
    struct px_fs *fs = wal->options.fs;
    struct px_path path, of;
    bool is_marker = has_suffix(name, ".wal" PX_WAL_FAILED_SUFFIX);
    if ((!is_marker && !has_suffix(name, ".wal.tmp")) ||
        file_path(wal, name, &path, NULL) != PROXIMADB_OK)
        return;
    of = path;
    of.text[strlen(of.text) - strlen(PX_WAL_FAILED_SUFFIX)] = '\0';
    if (!is_marker || !px_file_exists(fs, of.text))
        (void)fs->unlink(fs, path.text);
}

/* Finds the log files, and removes what creations and failed syncs of others left. */
static int find_files(struct recovery *recovery, struct proximadb_error *reterr)
{
    struct px_wal *wal = recovery->wal;
    struct px_names names;
    int rc = px_folder_list(wal->options.fs, wal->folder.text, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    recovery->files = calloc(names.count + 1, sizeof *recovery->files);
    if (recovery->files == NULL)
        rc = px_fail_no_memory(reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        const char *name = names.items[i].text;
        bool fits = strlen(name) < PX_WAL_FILE_NAME_BYTES;
        if (names.items[i].kind == PX_FS_FILE && fits && has_suffix(name, ".wal"))
            rc = inspect_file(recovery, name, reterr);
        else
            sweep_name(wal, name);
    }
    px_names_release(&names);
    sort_chain(recovery->files, recovery->file_count);
    return rc;
}

/* Copies [begin, end of file) into the trash folder, so that no byte is lost for good. */
static void keep_aside(struct px_wal *wal, const char *name, struct px_slice tail, uint64_t begin)
{
    struct px_fs *fs = wal->options.fs;
    struct px_path path;
    if (px_path_format(&path, NULL, "%s/%s-%s-at-%llu.torn", wal->trash_folder.text,
                       wal->collection, name, (unsigned long long)begin) != PROXIMADB_OK)
        return;
    int fd = fs->open(fs, path.text, PX_FS_TRUNCATE);
    if (fd < 0 || fs->write_at(fs, fd, &tail, 1, 0) < 0)
        px_log_write(wal->options.log, PROXIMADB_LOG_WARNING, "cannot keep a copy in '%s'",
                     path.text);
    if (fd >= 0)
        (void)fs->close(fs, fd);
}

/* Cuts off what stands behind the log of the newest file. */
static void cut_tail(struct px_wal *wal, const char *name, const struct content *content,
                     const struct px_wal_reader *reader)
{
    uint64_t tail_bytes = content->bytes.size_bytes - reader->log_end;
    if (tail_bytes == 0)
        return;
    if (reader->end == PX_WAL_END_TORN) {
        px_log_write(wal->options.log, PROXIMADB_LOG_WARNING,
                     "'%s' of collection '%s' ends in an unfinished write at offset %llu (%s): the "
                     "last %llu bytes, which were never acknowledged, are cut off and kept in '%s'",
                     name, wal->collection, (unsigned long long)reader->log_end, reader->reason,
                     (unsigned long long)tail_bytes, wal->trash_folder.text);
        keep_aside(wal, name,
                   px_slice_of(content->bytes.data + reader->log_end, (size_t)tail_bytes),
                   reader->log_end);
    }
    (void)wal->options.fs->truncate(wal->options.fs, content->fd, reader->log_end);
}

/* Writes the log anew: after a failed sync the system may hold as clean what the device lacks. */
static int rewrite(struct px_wal *wal, const struct px_path *path, struct px_slice log,
                   struct proximadb_error *reterr)
{
    struct px_fs *fs = wal->options.fs;
    struct px_path tmp;
    int rc = px_path_format(&tmp, reterr, "%s.tmp", path->text);
    if (rc != PROXIMADB_OK)
        return rc;
    int fd = fs->open(fs, tmp.text, PX_FS_TRUNCATE);
    if (fd < 0)
        return px_fail_file(reterr, "cannot create '%s'", tmp.text);
    if (fs->write_at(fs, fd, &log, 1, 0) < 0 || fs->sync_data(fs, fd) < 0)
        rc = px_fail_file(reterr, "cannot write '%s'", tmp.text);
    (void)fs->close(fs, fd);
    if (rc == PROXIMADB_OK && fs->rename(fs, tmp.text, path->text) < 0)
        rc = px_fail_file(reterr, "cannot rename '%s' into place", tmp.text);
    if (rc == PROXIMADB_OK && fs->sync_folder(fs, wal->folder.text) < 0)
        rc = px_fail_file(reterr, "cannot sync the folder '%s'", wal->folder.text);
    if (rc != PROXIMADB_OK)
        (void)fs->unlink(fs, tmp.text);
    return rc;
}

/* Puts on the device what is about to be shown. A sync that fails is noted, as when writing. */
static int make_durable(struct px_wal *wal, const struct px_path *path,
                        const struct content *content, const struct px_wal_reader *reader,
                        struct proximadb_error *reterr)
{
    struct px_path marker;
    /* What follows damage is kept, too: somebody may want to look at it. */
    size_t kept_bytes =
        reader->end == PX_WAL_END_DAMAGED ? content->bytes.size_bytes : (size_t)reader->log_end;
    int rc = px_wal__failed_path(path->text, &marker, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (px_file_exists(wal->options.fs, marker.text)) {
        rc = rewrite(wal, path, px_slice_of(content->bytes.data, kept_bytes), reterr);
        if (rc == PROXIMADB_OK)
            (void)wal->options.fs->unlink(wal->options.fs, marker.text);
        return rc;
    }
    if (wal->options.fs->sync_data(wal->options.fs, content->fd) < 0) {
        rc = px_fail_file(reterr, "cannot sync the log '%s'; check the device, then restart",
                          path->text);
        px_wal__mark_failed(wal, path->text);
    }
    return rc;
}

static void walk(struct px_wal_reader *reader)
{
    struct px_wal_entry entry;
    while (px_wal_reader_next(reader, &entry))
        continue;
}

/* Replays the entries of a sound range above flushed_lsn. An entry that cannot be applied is
 * damage. */
static int replay_file(struct recovery *recovery, struct px_slice file, uint64_t log_end,
                       struct proximadb_error *reterr)
{
    struct px_wal_reader reader;
    struct px_wal_entry entry;
    struct proximadb_error error;
    int rc = px_wal_reader_init(&reader, file, &error);
    px_wal_reader_set_limit(&reader, log_end);
    while (rc == PROXIMADB_OK && px_wal_reader_next(&reader, &entry))
        if (entry.lsn > recovery->wal->options.flushed_lsn)
            rc = recovery->replay(recovery->replay_context, &entry, &error);
    if (rc == PROXIMADB_NO_MEMORY) {
        if (reterr != NULL)
            *reterr = error;
        return rc;
    }
    if (rc != PROXIMADB_OK) {
        px_error_context(&error, "the log entry of LSN %lld cannot be replayed",
                         (long long)entry.lsn);
        px_wal__set_read_only(recovery->wal, &error);
        recovery->damaged = true;
    }
    return PROXIMADB_OK;
}

/* Whether what is in the file is already in VIPER: the next file begins at or below flushed_lsn. */
static bool is_flushed(const struct recovery *recovery, size_t index)
{
    return index + 1 < recovery->file_count &&
           recovery->files[index + 1].header.first_lsn <= recovery->wal->options.flushed_lsn + 1;
}

static void set_damaged(struct recovery *recovery, const char *name, uint64_t offset,
                        const char *reason)
{
    struct px_wal *wal = recovery->wal;
    struct proximadb_error error;
    recovery->damaged = true;
    (void)px_fail(&error, PROXIMADB_CORRUPT,
                  "the log '%s/%s' is damaged at offset %llu: %s. Rows written up to there are "
                  "served; restore a backup, or move the file away to go on without the rest",
                  wal->folder.text, name, (unsigned long long)offset, reason);
    px_wal__set_read_only(wal, &error);
}

/* Whether the file continues the one before it. */
static bool is_in_sequence(const struct recovery *recovery, size_t index)
{
    int64_t first_lsn = recovery->files[index].header.first_lsn;
    int64_t expected = recovery->next_lsn;
    if (index == 0)
        return first_lsn <= recovery->wal->options.flushed_lsn + 1;
    return first_lsn == expected;
}

static int recover_sound(struct recovery *recovery, size_t index, const struct px_path *path,
                         const struct content *content, const struct px_wal_reader *reader,
                         struct proximadb_error *reterr)
{
    struct px_wal *wal = recovery->wal;
    const struct found *file = &recovery->files[index];
    int rc = make_durable(wal, path, content, reader, reterr);
    if (rc == PROXIMADB_OK)
        rc = replay_file(recovery, content->bytes, reader->log_end, reterr);
    bool newest = index + 1 == recovery->file_count;
    if (rc == PROXIMADB_OK && newest && reader->end != PX_WAL_END_DAMAGED)
        cut_tail(wal, file->name, content, reader);
    if (rc != PROXIMADB_OK)
        return rc;
    recovery->next_lsn = reader->next_lsn;
    struct px_wal_closed closed = {.first_lsn = file->header.first_lsn,
                                   .next_lsn = reader->next_lsn,
                                   .log_end = reader->log_end};
    memcpy(closed.name, file->name, sizeof closed.name);
    return px_wal__add_closed(wal, &closed, reterr);
}

/* One file of the chain. Damage sets read_only and is no failure. */
static int recover_file(struct recovery *recovery, size_t index, struct proximadb_error *reterr)
{
    struct px_wal *wal = recovery->wal;
    const struct found *file = &recovery->files[index];
    bool newest = index + 1 == recovery->file_count;
    struct px_path path;
    struct content content = {.fd = -1};
    struct px_wal_reader reader;
    int rc = file_path(wal, file->name, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = content_open(&content, wal->options.fs, path.text, reterr);
    if (rc == PROXIMADB_OK)
        rc = content_probe(&content, path.text, UINT64_MAX, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_wal_reader_init(&reader, content.bytes, reterr);
    if (rc != PROXIMADB_OK)
        goto out;

    /* An older file ends where the next one says, if that one was made right behind it. */
    const struct px_wal_header *next = newest ? NULL : &recovery->files[index + 1].header;
    if (next != NULL && strcmp(next->previous_file, file->name) == 0)
        px_wal_reader_set_limit(&reader, next->previous_end);
    walk(&reader);
    rc = recover_sound(recovery, index, &path, &content, &reader, reterr);
    if (rc != PROXIMADB_OK)
        goto out;
    if (newest ? reader.end == PX_WAL_END_DAMAGED : reader.next_lsn != next->first_lsn)
        set_damaged(recovery, file->name, reader.log_end,
                    reader.reason != NULL ? reader.reason : "entries are missing behind it");

out:
    content_close(&content);
    return rc;
}

/* Files that are wholly in VIPER are only listed, so that the next trim removes them. */
static int skip_flushed(struct recovery *recovery, size_t index, struct proximadb_error *reterr)
{
    struct px_wal_closed closed = {.first_lsn = recovery->files[index].header.first_lsn,
                                   .next_lsn = recovery->files[index + 1].header.first_lsn};
    memcpy(closed.name, recovery->files[index].name, sizeof closed.name);
    recovery->next_lsn = closed.next_lsn;
    return px_wal__add_closed(recovery->wal, &closed, reterr);
}

static int recover_chain(struct recovery *recovery, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < recovery->file_count && rc == PROXIMADB_OK && !recovery->damaged; i++) {
        if (is_flushed(recovery, i)) {
            rc = skip_flushed(recovery, i, reterr);
        } else if (!is_in_sequence(recovery, i)) {
            set_damaged(recovery, recovery->files[i].name, 0, "the file in front of it is missing");
        } else {
            rc = recover_file(recovery, i, reterr);
        }
    }
    return rc;
}

int px_wal__recover(struct px_wal *wal, px_wal_replay *replay, void *context,
                    struct proximadb_error *reterr)
{
    struct recovery recovery = {.wal = wal,
                                .replay = replay,
                                .replay_context = context,
                                .next_lsn = wal->options.flushed_lsn + 1};
    int rc = find_files(&recovery, reterr);
    if (rc == PROXIMADB_OK)
        rc = recover_chain(&recovery, reterr);
    free(recovery.files);
    int64_t next_lsn = recovery.next_lsn;
    if (next_lsn <= wal->options.flushed_lsn)
        next_lsn = wal->options.flushed_lsn + 1;
    atomic_store(&wal->next_lsn, next_lsn);
    return rc;
}
