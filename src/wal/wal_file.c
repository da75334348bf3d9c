#include "wal/wal_file.h"

#include "avro/container.h"
#include "base/bits.h"
#include "os/file.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

enum {
    SMALL_APPEND_BYTES = 64 << 10,
    FIRST_GROWTH_BYTES = 64 << 10,
    LARGEST_ZEROED_GROWTH_BYTES = 1 << 20,
    LARGEST_ALLOCATED_GROWTH_BYTES = 64 << 20,
    FILE_UNIT_BYTES = 4096,
    ZERO_BYTES = 64 << 10,
    MOST_NAMES = 1000, /* tried for one second */
    MOST_PIECES = 2048,
};

static const uint8_t zeros[ZERO_BYTES];

/* The header of a padding block that fills [begin, end). */
struct padding {
    uint8_t bytes[PX_CONTAINER_BLOCK_HEADER_BYTES];
    size_t size_bytes;
};

static struct px_slice encode_padding(struct padding *padding, uint64_t begin, uint64_t end)
{
    assert(end >= begin + PX_WAL_PADDING_HEADER_BYTES + PX_WAL_SYNC_BYTES);
    uint64_t size = end - begin - PX_WAL_PADDING_HEADER_BYTES - PX_WAL_SYNC_BYTES;
    padding->size_bytes = px_container_block_write_padded(padding->bytes, 0, size);
    assert(padding->size_bytes == PX_WAL_PADDING_HEADER_BYTES);
    return px_slice_of(padding->bytes, padding->size_bytes);
}

/* Fills [begin, end) of the file with a padding block of its own, its content written as zeros. */
static int write_zeroed_padding(struct px_wal_file *file, uint64_t begin, uint64_t end)
{
    struct padding header;
    struct px_slice pieces[2 + LARGEST_ZEROED_GROWTH_BYTES / ZERO_BYTES + 2];
    size_t count = 0;
    pieces[count++] = encode_padding(&header, begin, end);
    uint64_t left = end - begin - header.size_bytes - PX_WAL_SYNC_BYTES;
    while (left > 0) {
        size_t size = left < ZERO_BYTES ? (size_t)left : ZERO_BYTES;
        pieces[count++] = px_slice_of(zeros, size);
        left -= size;
    }
    pieces[count++] = px_slice_of(file->sync_marker, PX_WAL_SYNC_BYTES);
    assert(count <= sizeof pieces / sizeof pieces[0]);
    return file->fs->write_at(file->fs, file->fd, pieces, count, begin);
}

/* The same with the content allocated instead of written. */
static int write_allocated_padding(struct px_wal_file *file, uint64_t begin, uint64_t end)
{
    struct padding header;
    struct px_slice first = encode_padding(&header, begin, end);
    struct px_slice last = px_slice_of(file->sync_marker, PX_WAL_SYNC_BYTES);
    if (file->fs->allocate(file->fs, file->fd, end) < 0 ||
        file->fs->write_at(file->fs, file->fd, &first, 1, begin) < 0)
        return -1;
    return file->fs->write_at(file->fs, file->fd, &last, 1, end - PX_WAL_SYNC_BYTES);
}

/* Makes room for a block of block_bytes and the padding behind it. */
static int extend(struct px_wal_file *file, uint64_t block_bytes, struct proximadb_error *reterr)
{
    uint64_t needed = file->log_end + block_bytes + PX_WAL_PADDING_HEADER_BYTES + PX_WAL_SYNC_BYTES;
    if (needed <= file->padded_end)
        return PROXIMADB_OK;
    bool small = block_bytes < SMALL_APPEND_BYTES;
    uint64_t largest = small ? LARGEST_ZEROED_GROWTH_BYTES : LARGEST_ALLOCATED_GROWTH_BYTES;
    uint64_t growth = file->growth_bytes < largest ? file->growth_bytes : largest;
    uint64_t end = file->padded_end + growth;
    if (end < needed)
        end = px_round_up(needed, FILE_UNIT_BYTES);

    int rc = small ? write_zeroed_padding(file, file->padded_end, end)
                   : write_allocated_padding(file, file->padded_end, end);
    if (rc < 0) {
        rc = px_fail_file(reterr, "cannot extend the log '%s'", file->path.text);
        (void)file->fs->truncate(file->fs, file->fd, file->padded_end);
        return rc;
    }
    file->padded_end = end;
    file->growth_bytes = 2 * growth;
    return PROXIMADB_OK;
}

/* Puts the padding's header back where a failed append may have written over it, and makes sure of
 * it: otherwise a power cut could bring a block to light that was refused. */
static bool restore_padding(struct px_wal_file *file)
{
    struct padding header;
    struct px_slice piece = encode_padding(&header, file->log_end, file->padded_end);
    return file->fs->write_at(file->fs, file->fd, &piece, 1, file->log_end) >= 0 &&
           file->fs->sync_data(file->fs, file->fd) >= 0;
}

int px_wal_file_append(struct px_wal_file *file, const struct px_slice *pieces, size_t piece_count,
                       bool *ret_unsure, struct proximadb_error *reterr)
{
    assert(file->fd >= 0 && piece_count > 0 && piece_count < MOST_PIECES);
    *ret_unsure = false;
    uint64_t block_bytes = 0;
    for (size_t i = 0; i < piece_count; i++)
        block_bytes += pieces[i].size_bytes;
    int rc = extend(file, block_bytes, reterr);
    if (rc != PROXIMADB_OK)
        return rc;

    struct padding header;
    struct px_slice all[MOST_PIECES];
    memcpy(all, pieces, piece_count * sizeof *pieces);
    all[piece_count] = encode_padding(&header, file->log_end + block_bytes, file->padded_end);
    if (file->fs->write_at(file->fs, file->fd, all, piece_count + 1, file->log_end) < 0) {
        rc = px_fail_file(reterr, "cannot write the log '%s'", file->path.text);
        *ret_unsure = !restore_padding(file);
        return rc;
    }
    file->log_end += block_bytes;
    return PROXIMADB_OK;
}

int px_wal_file_sync(struct px_wal_file *file, struct proximadb_error *reterr)
{
    assert(file->fd >= 0);
    if (file->fs->sync_data(file->fs, file->fd) < 0)
        return px_fail(reterr, PROXIMADB_IO, "cannot sync the log '%s'", file->path.text);
    return PROXIMADB_OK;
}

void px_wal_file_close(struct px_wal_file *file, bool keep_padding)
{
    if (file->fd < 0)
        return;
    if (!keep_padding)
        (void)file->fs->truncate(file->fs, file->fd, file->log_end);
    (void)file->fs->close(file->fs, file->fd);
    file->fd = -1;
}

/* A free name for the time, "2024-01-15_12-00-00.wal". */
static int choose_name(struct px_fs *fs, const char *folder, int64_t wall_ms,
                       struct px_path *ret_path, struct proximadb_error *reterr)
{
    char second[32];
    struct tm parts = {0};
    time_t seconds = (time_t)(wall_ms / 1000);
    gmtime_r(&seconds, &parts);
    strftime(second, sizeof second, "%Y-%m-%d_%H-%M-%S", &parts);
    for (int i = 0; i < MOST_NAMES; i++) {
        char suffix[8] = "";
        if (i > 0)
            snprintf(suffix, sizeof suffix, "-%03d", i);
        int rc = px_path_format(ret_path, reterr, "%s/%s%s.wal", folder, second, suffix);
        if (rc != PROXIMADB_OK)
            return rc;
        if (!px_file_exists(fs, ret_path->text))
            return PROXIMADB_OK;
    }
    return px_fail(reterr, PROXIMADB_IO, "'%s' has %d log files named '%s'", folder, MOST_NAMES,
                   second);
}

static int write_first(struct px_wal_file *file, const struct px_wal_header *header,
                       struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    px_wal_header_encode(header, &buffer);
    int rc = px_buffer_status(&buffer, reterr);
    if (rc == PROXIMADB_OK) {
        struct px_slice piece = px_buffer_slice(&buffer);
        file->log_end = piece.size_bytes;
        file->padded_end =
            px_round_up(piece.size_bytes + PX_WAL_PADDING_HEADER_BYTES + PX_WAL_SYNC_BYTES,
                        PX_WAL_FIRST_FILE_BYTES);
        if (file->fs->write_at(file->fs, file->fd, &piece, 1, 0) < 0 ||
            write_zeroed_padding(file, file->log_end, file->padded_end) < 0)
            rc = px_fail_file(reterr, "cannot write the log '%s'", file->path.text);
        else if (file->fs->sync_data(file->fs, file->fd) < 0)
            rc = px_fail_file(reterr, "cannot sync the log '%s'", file->path.text);
    }
    px_buffer_release(&buffer);
    return rc;
}

int px_wal_file_create(struct px_fs *fs, const char *folder, int64_t wall_ms,
                       const struct px_wal_header *header, struct px_wal_file *file,
                       struct proximadb_error *reterr)
{
    struct px_wal_file made = {.fs = fs, .fd = -1, .growth_bytes = FIRST_GROWTH_BYTES};
    struct px_path tmp;
    memcpy(made.sync_marker, header->sync_marker, sizeof made.sync_marker);
    int rc = choose_name(fs, folder, wall_ms, &made.path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_path_format(&tmp, reterr, "%s.tmp", made.path.text);
    if (rc != PROXIMADB_OK)
        return rc;

    made.fd = fs->open(fs, tmp.text, PX_FS_TRUNCATE);
    if (made.fd < 0)
        return px_fail_file(reterr, "cannot create the log '%s'", tmp.text);
    rc = write_first(&made, header, reterr);
    if (rc == PROXIMADB_OK && fs->rename(fs, tmp.text, made.path.text) < 0)
        rc = px_fail_file(reterr, "cannot rename '%s' into place", tmp.text);
    if (rc != PROXIMADB_OK) {
        px_wal_file_close(&made, true);
        (void)fs->unlink(fs, tmp.text);
        return rc;
    }
    if (fs->sync_folder(fs, folder) < 0) {
        rc = px_fail_file(reterr, "cannot sync the folder '%s'", folder);
        px_wal_file_close(&made, true);
        (void)fs->unlink(fs, made.path.text);
        return rc;
    }
    *file = made;
    return PROXIMADB_OK;
}
