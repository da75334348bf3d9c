#include "viper/store_check.h"

#include "base/crc32c.h"
#include "os/file.h"
#include "os/path.h"
#include "parquet/parquet_verify.h"
#include "viper/delete_file.h"
#include "viper/part.h"
#include "viper/viper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { PIECE_BYTES = 1 << 20 };

/* A store while it is checked. */
struct checking {
    const struct px_store_check *check;
    struct px_store_checked *checked;
    struct px_manifest manifest;
    struct px_part **parts; /* one for each of the manifest; NULL where it could not be opened */
    bool is_whole;          /* all parts and delete files could be read */
    uint8_t *piece;
};

static int path_of(const struct checking *checking, const char *path, struct px_path *ret_path,
                   struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/%s", checking->check->folder, path);
}

/* Reports what a file failed with, unless it is about this process: then it is returned. */
static int report_error(struct checking *checking, const char *path, int rc,
                        const struct proximadb_error *error, struct proximadb_error *reterr)
{
    if (rc == PROXIMADB_NO_MEMORY) {
        if (reterr != NULL)
            *reterr = *error;
        return rc;
    }
    checking->is_whole = false;
    px_finding_report(checking->check->findings, PX_DAMAGE, path, "%s", error->message);
    return PROXIMADB_OK;
}

/* ---- whole files --------------------------------------------------------------------------- */

static int sum_up(struct checking *checking, int fd, const char *path, uint64_t *ret_size_bytes,
                  uint32_t *ret_crc, struct proximadb_error *reterr)
{
    struct px_fs *fs = checking->check->fs;
    uint64_t offset = 0;
    uint32_t crc = 0;
    int64_t got;
    do {
        got = fs->read_at(fs, fd, checking->piece, PIECE_BYTES, offset);
        if (got < 0)
            return px_fail(reterr, PROXIMADB_IO, "cannot read '%s' at offset %" PRIu64, path,
                           offset);
        crc = px_crc32c(crc, checking->piece, (size_t)got);
        offset += (uint64_t)got;
    } while (got == PIECE_BYTES);
    *ret_size_bytes = offset;
    *ret_crc = crc;
    return PROXIMADB_OK;
}

/* Whether the file can be read and is as large as the manifest says; its checksum is reported. */
static bool check_file(struct checking *checking, const struct px_manifest_file *file,
                       const char *path)
{
    struct px_fs *fs = checking->check->fs;
    const struct px_findings *findings = checking->check->findings;
    struct proximadb_error error;
    uint64_t size_bytes = 0;
    uint32_t crc = 0;
    checking->checked->file_count++;
    int fd = fs->open(fs, path, PX_FS_READ);
    if (fd < 0) {
        const char *what = errno == ENOENT ? "the file is missing; the manifest lists it; put "
                                             "it back, or replace the collection by its backup "
                                             "(docs/BACKUP.md)"
                                           : "the file cannot be opened; the manifest lists it";
        px_finding_report(findings, PX_DAMAGE, path, "%s", what);
        return false;
    }
    int rc = sum_up(checking, fd, path, &size_bytes, &crc, &error);
    (void)fs->close(fs, fd);
    checking->checked->size_bytes += size_bytes;
    if (rc != PROXIMADB_OK)
        px_finding_report(findings, PX_DAMAGE, path, "%s", error.message);
    else if (size_bytes != file->size_bytes)
        px_finding_report(findings, PX_DAMAGE, path,
                          "it has %" PRIu64 " bytes, the manifest says %" PRIu64, size_bytes,
                          file->size_bytes);
    else if (crc != file->crc32c)
        px_finding_report(findings, PX_DAMAGE, path,
                          "its checksum is %08" PRIx32 ", the manifest says %08" PRIx32, crc,
                          file->crc32c);
    return rc == PROXIMADB_OK && size_bytes == file->size_bytes;
}

/* ---- parts --------------------------------------------------------------------------------- */

struct lsn_range {
    int64_t min;
    int64_t max;
};

static int check_row(struct px_part_reader *reader, uint32_t row, struct lsn_range *range,
                     struct proximadb_error *reterr)
{
    struct px_slice id, metadata;
    int64_t version, expires_at_ms;
    int rc = px_part_read_id(reader, row, &id, reterr);
    if (rc == PROXIMADB_OK && (id.size_bytes == 0 || id.size_bytes > PX_LONGEST_ID_BYTES))
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "row %" PRIu32 " has an id of %zu bytes", row,
                     id.size_bytes);
    if (rc == PROXIMADB_OK)
        rc = px_part_read_version(reader, row, &version, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_part_read_expiry(reader, row, &expires_at_ms, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_part_read_metadata(reader, row, &metadata, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    range->min = row == 0 || version < range->min ? version : range->min;
    range->max = row == 0 || version > range->max ? version : range->max;
    return PROXIMADB_OK;
}

static int check_rows(const struct px_part *part, struct proximadb_error *reterr)
{
    const struct px_manifest_file *file = px_part_file(part);
    struct px_part_reader *reader;
    struct lsn_range range = {0};
    int rc = px_part_reader_new(part, &reader, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (uint32_t row = 0; row < px_part_row_count(part) && rc == PROXIMADB_OK; row++)
        rc = check_row(reader, row, &range, reterr);
    px_part_reader_free(reader);
    if (rc == PROXIMADB_OK && (range.min != file->min_lsn || range.max != file->max_lsn))
        rc = px_fail(reterr, PROXIMADB_CORRUPT,
                     "its versions are %" PRId64 " to %" PRId64 ", the manifest says %" PRId64
                     " to %" PRId64,
                     range.min, range.max, file->min_lsn, file->max_lsn);
    return rc;
}

static int check_content(struct checking *checking, const struct px_manifest_file *file,
                         struct px_part **ret_part, struct proximadb_error *reterr)
{
    const struct px_store_check *check = checking->check;
    struct px_parquet_verified verified;
    struct px_part *part;
    int rc = px_part_open(check->fs, check->folder, file, check->collection, &part, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_part = part;
    if (file->max_lsn > checking->manifest.flushed_lsn)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "it has version %" PRId64 ", and the store ends with %" PRId64,
                       file->max_lsn, checking->manifest.flushed_lsn);
    rc = px_parquet_verify(px_part_parquet(part), &verified, reterr);
    return rc == PROXIMADB_OK ? check_rows(part, reterr) : rc;
}

static int check_part(struct checking *checking, size_t index, struct proximadb_error *reterr)
{
    const struct px_manifest_file *file = &checking->manifest.parts.items[index];
    struct proximadb_error error;
    struct px_path path;
    int rc = path_of(checking, file->path, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (!check_file(checking, file, path.text)) {
        checking->is_whole = false;
        return PROXIMADB_OK;
    }
    rc = check_content(checking, file, &checking->parts[index], &error);
    return rc == PROXIMADB_OK ? rc : report_error(checking, path.text, rc, &error, reterr);
}

/* ---- other Parquet files ------------------------------------------------------------------- */

/* Verifies a small file: every page, and its number of rows. */
static int verify_small(struct checking *checking, const struct px_manifest_file *file,
                        const char *path, struct proximadb_error *reterr)
{
    struct px_parquet_verified verified;
    struct px_parquet_reader *reader = NULL;
    struct px_buffer content = {0};
    int rc = px_file_read(checking->check->fs, path, (size_t)file->size_bytes, &content, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_reader_open(px_buffer_slice(&content), &reader, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_verify(reader, &verified, reterr);
    if (rc == PROXIMADB_OK && px_parquet_reader_layout(reader)->row_count != file->row_count)
        rc = px_fail(reterr, PROXIMADB_CORRUPT,
                     "it has %" PRIu64 " rows, the manifest says %" PRIu64,
                     px_parquet_reader_layout(reader)->row_count, file->row_count);
    px_parquet_reader_close(reader);
    px_buffer_release(&content);
    return rc;
}

/* Where a delete file's rows are marked. */
struct marking {
    struct checking *checking;
    const struct px_manifest_file *file;
    size_t last; /* the part of the row before: rows come sorted by part */
};

/* The part that a path names; false where there is none, which compaction has replaced. */
static bool find_part(struct marking *marking, struct px_slice path)
{
    const struct px_manifest_files *parts = &marking->checking->manifest.parts;
    for (size_t i = 0; i < parts->count; i++) {
        size_t index = (marking->last + i) % parts->count;
        if (px_slice_equal(path, px_slice_of_string(parts->items[index].path))) {
            marking->last = index;
            return true;
        }
    }
    return false;
}

static int mark(void *context, struct px_slice path, uint64_t row, int64_t lsn,
                struct proximadb_error *reterr)
{
    struct marking *marking = context;
    const struct px_manifest_file *file = marking->file;
    if (lsn < file->min_lsn || lsn > file->max_lsn)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "it has LSN %" PRId64 ", the manifest says %" PRId64 " to %" PRId64, lsn,
                       file->min_lsn, file->max_lsn);
    if (!find_part(marking, path))
        return PROXIMADB_OK;
    struct px_part *part = marking->checking->parts[marking->last];
    if (part == NULL)
        return PROXIMADB_OK;
    if (row >= px_part_row_count(part))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it names row %" PRIu64 " of '%s', which has %u",
                       row, px_part_file(part)->path, px_part_row_count(part));
    int rc = px_dead_rows_reserve(px_part_dead_rows(part), (uint32_t)row, reterr);
    if (rc == PROXIMADB_OK)
        (void)px_dead_rows_kill(px_part_dead_rows(part), (uint32_t)row, lsn);
    return rc;
}

static int check_delete_content(struct checking *checking, const struct px_manifest_file *file,
                                const char *path, struct proximadb_error *reterr)
{
    const struct px_store_check *check = checking->check;
    struct marking marking = {.checking = checking, .file = file};
    int rc = verify_small(checking, file, path, reterr);
    if (rc == PROXIMADB_OK && file->max_lsn > checking->manifest.flushed_lsn)
        rc = px_fail(reterr, PROXIMADB_CORRUPT,
                     "it has LSN %" PRId64 ", and the store ends with %" PRId64, file->max_lsn,
                     checking->manifest.flushed_lsn);
    if (rc == PROXIMADB_OK)
        rc = px_delete_file_read(check->fs, check->folder, file, mark, &marking, reterr);
    return rc;
}

/* A delete file or the centroids. */
static int check_small(struct checking *checking, const struct px_manifest_file *file,
                       bool is_deletes, struct proximadb_error *reterr)
{
    struct proximadb_error error;
    struct px_path path;
    int rc = path_of(checking, file->path, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (!check_file(checking, file, path.text)) {
        checking->is_whole = checking->is_whole && !is_deletes;
        return PROXIMADB_OK;
    }
    rc = is_deletes ? check_delete_content(checking, file, path.text, &error)
                    : verify_small(checking, file, path.text, &error);
    return rc == PROXIMADB_OK ? rc : report_error(checking, path.text, rc, &error, reterr);
}

/* ---- what else lies there ------------------------------------------------------------------ */

static bool is_listed(const struct px_manifest *manifest, const char *path)
{
    return px_manifest_find(&manifest->parts, path) != NULL ||
           px_manifest_find(&manifest->deletes, path) != NULL ||
           strcmp(manifest->centroids.path, path) == 0 || strcmp(path, "MANIFEST.json") == 0;
}

/* A file of the store, its path relative to it, that may not be listed. */
static int check_stray(struct checking *checking, const char *relative,
                       struct proximadb_error *reterr)
{
    const struct px_findings *findings = checking->check->findings;
    struct px_path path;
    int rc = path_of(checking, relative, &path, reterr);
    if (rc != PROXIMADB_OK || is_listed(&checking->manifest, relative))
        return rc;
    bool is_named = px_viper_is_file_name(px_path_name(relative));
    bool is_foreign = is_named && px_viper_is_foreign(checking->check->fs, path.text,
                                                      checking->check->collection->id);
    if (is_named && !is_foreign)
        px_finding_report(findings, PX_NOTE, path.text,
                          "the manifest does not list it: an interrupted flush or compaction left "
                          "it; a start of the server removes it");
    else if (strcmp(relative, "MANIFEST.json.tmp") == 0)
        px_finding_report(findings, PX_NOTE, path.text,
                          "it was left by an interrupted write; the next one replaces it");
    else
        px_finding_report(
            findings, PX_WARNING, path.text,
            "it is no file of this collection; a start of the server leaves it alone");
    return PROXIMADB_OK;
}

/* The files of a folder of the store, "" being the store itself, and of those that are in it. The
 * engine's own folders are two deep; indexes are derived, and are not looked at. */
static int check_strays(struct checking *checking, const char *folder, int depth,
                        struct proximadb_error *reterr)
{
    struct px_names names;
    struct px_path path;
    int rc = path_of(checking, folder, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_list(checking->check->fs, path.text, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        const char *name = names.items[i].text;
        struct px_path relative;
        rc =
            px_path_format(&relative, reterr, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);
        if (rc != PROXIMADB_OK || strcmp(relative.text, "indexes") == 0)
            continue;
        if (names.items[i].kind != PX_FS_FOLDER)
            rc = check_stray(checking, relative.text, reterr);
        else if (depth > 0)
            rc = check_strays(checking, relative.text, depth - 1, reterr);
    }
    px_names_release(&names);
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void check_live_rows(const struct checking *checking)
{
    const struct px_manifest *manifest = &checking->manifest;
    uint64_t live_row_count = 0;
    if (!checking->is_whole)
        return;
    for (size_t i = 0; i < manifest->parts.count; i++)
        live_row_count += px_part_row_count(checking->parts[i]) -
                          px_dead_rows_count(px_part_dead_rows(checking->parts[i]));
    if (live_row_count != manifest->live_row_count)
        px_finding_report(checking->check->findings, PX_DAMAGE, checking->check->folder,
                          "its parts have %" PRIu64 " live rows, the manifest says %" PRIu64,
                          live_row_count, manifest->live_row_count);
}

static int check_files(struct checking *checking, struct proximadb_error *reterr)
{
    const struct px_manifest *manifest = &checking->manifest;
    int rc = PROXIMADB_OK;
    checking->is_whole = true;
    checking->piece = malloc(PIECE_BYTES);
    checking->parts = calloc(manifest->parts.count + 1, sizeof(struct px_part *));
    if (checking->piece == NULL || checking->parts == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < manifest->parts.count && rc == PROXIMADB_OK; i++)
        rc = check_part(checking, i, reterr);
    for (size_t i = 0; i < manifest->deletes.count && rc == PROXIMADB_OK; i++)
        rc = check_small(checking, &manifest->deletes.items[i], true, reterr);
    if (rc == PROXIMADB_OK && manifest->centroids.path[0] != '\0')
        rc = check_small(checking, &manifest->centroids, false, reterr);
    if (rc == PROXIMADB_OK)
        check_live_rows(checking);
    return rc == PROXIMADB_OK ? check_strays(checking, "", 2, reterr) : rc;
}

static int read_manifest(struct checking *checking, struct proximadb_error *reterr)
{
    const struct px_store_check *check = checking->check;
    struct px_manifest *manifest = &checking->manifest;
    struct proximadb_error error;
    struct px_path path;
    int rc = path_of(checking, "MANIFEST.json", &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    checking->checked->file_count++;
    rc = px_manifest_read(check->fs, check->folder, manifest, &error);
    if (rc != PROXIMADB_OK)
        return report_error(checking, path.text, rc, &error, reterr);
    if (!px_uuid_equal(manifest->collection_id, check->collection->id)) {
        px_finding_report(check->findings, PX_DAMAGE, path.text, "it is of another collection");
        return PROXIMADB_OK;
    }
    checking->checked->has_manifest = true;
    checking->checked->flushed_lsn = manifest->flushed_lsn;
    checking->checked->live_row_count = manifest->live_row_count;
    return PROXIMADB_OK;
}

int px_store_check_run(const struct px_store_check *check, struct px_store_checked *ret_checked,
                       struct proximadb_error *reterr)
{
    struct checking checking = {.check = check, .checked = ret_checked};
    *ret_checked = (struct px_store_checked){0};
    int rc = read_manifest(&checking, reterr);
    if (rc == PROXIMADB_OK && ret_checked->has_manifest)
        rc = check_files(&checking, reterr);
    for (size_t i = 0; checking.parts != NULL && i < checking.manifest.parts.count; i++)
        px_part_close(checking.parts[i]);
    free(checking.parts);
    free(checking.piece);
    px_manifest_release(&checking.manifest);
    return rc;
}
