#include "viper/delete_file.h"

#include "base/crc32c.h"
#include "os/file.h"
#include "os/path.h"
#include "parquet/parquet_cursor.h"
#include "parquet/parquet_writer.h"
#include "viper/part_columns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum delete_column { DELETE_FILE_PATH, DELETE_POS, DELETE_LSN, DELETE_COLUMN_COUNT };

static const struct px_parquet_column columns[DELETE_COLUMN_COUNT] = {
    [DELETE_FILE_PATH] = {.name = "file_path",
                          .shape = PX_PARQUET_REQUIRED,
                          .type = PX_PARQUET_BYTE_ARRAY,
                          .logical = PX_PARQUET_STRING,
                          .field_id = 2147483546, /* by the Iceberg specification */
                          .zstd_level = 1,
                          .has_statistics = true},
    [DELETE_POS] = {.name = "pos",
                    .shape = PX_PARQUET_REQUIRED,
                    .type = PX_PARQUET_INT64,
                    .field_id = 2147483545, /* likewise */
                    .has_statistics = true},
    [DELETE_LSN] = {.name = "lsn",
                    .shape = PX_PARQUET_REQUIRED,
                    .type = PX_PARQUET_INT64,
                    .field_id = 1,
                    .has_statistics = true},
};

static int compare_deletes(const void *a, const void *b)
{
    const struct px_delete *left = a, *right = b;
    int order = strcmp(left->path, right->path);
    if (order != 0)
        return order;
    return left->row < right->row ? -1 : left->row > right->row;
}

static void append_all(struct px_parquet_writer *writer, const struct px_delete *deletes,
                       size_t count, struct px_manifest_file *file)
{
    for (size_t i = 0; i < count; i++) {
        const struct px_delete *deleted = &deletes[i];
        px_parquet_append_bytes(writer, DELETE_FILE_PATH, px_slice_of_string(deleted->path));
        px_parquet_append_i64(writer, DELETE_POS, deleted->row);
        px_parquet_append_i64(writer, DELETE_LSN, deleted->lsn);
        if (i == 0 || deleted->lsn < file->min_lsn)
            file->min_lsn = deleted->lsn;
        if (i == 0 || deleted->lsn > file->max_lsn)
            file->max_lsn = deleted->lsn;
    }
}

static int write_content(struct px_fs *fs, int fd, const struct px_delete_file *what,
                         struct px_manifest_file *file, struct proximadb_error *reterr)
{
    char version[16], id[PX_UUID_TEXT_BYTES];
    struct px_parquet_writer *writer;
    struct px_parquet_written written;
    int rc = px_parquet_writer_open(fs, fd, columns, DELETE_COLUMN_COUNT, &writer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    append_all(writer, what->deletes, what->count, file);
    snprintf(version, sizeof version, "%d", PX_PART_FORMAT_VERSION);
    px_uuid_format(what->collection_id, id);
    const struct px_parquet_key_value key_values[] = {
        {px_slice_of_string(px_part_key_format_version), px_slice_of_string(version)},
        {px_slice_of_string(px_part_key_collection_id), px_slice_of_string(id)},
    };
    rc = px_parquet_writer_finish(writer, key_values, 2, &written, reterr);
    px_parquet_writer_free(writer);
    if (rc == PROXIMADB_OK) {
        file->size_bytes = written.size_bytes;
        file->row_count = written.row_count;
        file->crc32c = written.crc32c;
    }
    return rc;
}

int px_delete_file_write(struct px_fs *fs, const struct px_delete_file *what,
                         struct px_manifest_file *ret_file, struct proximadb_error *reterr)
{
    struct px_manifest_file file = {0};
    struct px_path full;
    int rc = px_path_format(&full, reterr, "%s/%s", what->store_folder, what->path);
    if (rc != PROXIMADB_OK)
        return rc;
    qsort(what->deletes, what->count, sizeof *what->deletes, compare_deletes);
    snprintf(file.path, sizeof file.path, "%s", what->path);
    int fd = fs->open(fs, full.text, PX_FS_CREATE);
    if (fd < 0)
        return px_fail_file(reterr, "cannot create '%s'", full.text);
    rc = write_content(fs, fd, what, &file, reterr);
    if (rc == PROXIMADB_OK && fs->sync_data(fs, fd) < 0)
        rc = px_fail_file(reterr, "cannot sync '%s'", full.text);
    (void)fs->close(fs, fd);
    if (rc != PROXIMADB_OK) {
        (void)fs->unlink(fs, full.text);
        px_error_context(reterr, "while '%s' was written", what->path);
        return rc;
    }
    *ret_file = file;
    return PROXIMADB_OK;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int check_content(const struct px_parquet_reader *reader,
                         const struct px_manifest_file *file, struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    if (layout->row_count != file->row_count)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has %llu rows, the manifest says %llu",
                       (unsigned long long)layout->row_count, (unsigned long long)file->row_count);
    if (layout->column_count != DELETE_COLUMN_COUNT)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has %zu columns", layout->column_count);
    for (size_t i = 0; i < DELETE_COLUMN_COUNT; i++)
        if (layout->columns[i].shape != columns[i].shape ||
            layout->columns[i].type != columns[i].type)
            return px_fail(reterr, PROXIMADB_CORRUPT, "its column %zu is not '%s'", i,
                           columns[i].name);
    return PROXIMADB_OK;
}

static int visit_rows(const struct px_parquet_reader *reader, uint64_t row_count,
                      px_delete_visit *visit, void *context, struct proximadb_error *reterr)
{
    struct px_parquet_cursor cursors[DELETE_COLUMN_COUNT];
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < DELETE_COLUMN_COUNT; i++)
        px_parquet_cursor_init(&cursors[i], reader, i);
    for (uint64_t row = 0; row < row_count && rc == PROXIMADB_OK; row++) {
        struct px_slice path;
        int64_t pos, lsn;
        rc = px_parquet_cursor_get_bytes(&cursors[DELETE_FILE_PATH], row, NULL, &path, reterr);
        if (rc == PROXIMADB_OK)
            rc = px_parquet_cursor_get_i64(&cursors[DELETE_POS], row, NULL, &pos, reterr);
        if (rc == PROXIMADB_OK)
            rc = px_parquet_cursor_get_i64(&cursors[DELETE_LSN], row, NULL, &lsn, reterr);
        if (rc == PROXIMADB_OK && (pos < 0 || lsn <= 0))
            rc = px_fail(reterr, PROXIMADB_CORRUPT, "row %llu makes no sense",
                         (unsigned long long)row);
        if (rc == PROXIMADB_OK)
            rc = visit(context, path, (uint64_t)pos, lsn, reterr);
    }
    for (size_t i = 0; i < DELETE_COLUMN_COUNT; i++)
        px_parquet_cursor_release(&cursors[i]);
    return rc;
}

static int read_content(struct px_slice content, const struct px_manifest_file *file,
                        px_delete_visit *visit, void *context, struct proximadb_error *reterr)
{
    struct px_parquet_reader *reader;
    if (content.size_bytes != file->size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has %zu bytes, the manifest says %llu",
                       content.size_bytes, (unsigned long long)file->size_bytes);
    /* All of it is read anyway, so all of it is checked, the footer too. */
    if (px_crc32c(0, content.data, content.size_bytes) != file->crc32c)
        return px_fail(reterr, PROXIMADB_CORRUPT, "its checksum is not the manifest's");
    int rc = px_parquet_reader_open(content, &reader, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = check_content(reader, file, reterr);
    if (rc == PROXIMADB_OK)
        rc = visit_rows(reader, file->row_count, visit, context, reterr);
    px_parquet_reader_close(reader);
    return rc;
}

int px_delete_file_read(struct px_fs *fs, const char *store_folder,
                        const struct px_manifest_file *file, px_delete_visit *visit, void *context,
                        struct proximadb_error *reterr)
{
    struct px_path path;
    struct px_buffer content = {0};
    int rc = px_path_format(&path, reterr, "%s/%s", store_folder, file->path);
    if (rc != PROXIMADB_OK)
        return rc;
    struct proximadb_error error;
    rc = px_file_read(fs, path.text, (size_t)file->size_bytes, &content, &error);
    if (rc == PROXIMADB_IO && error.os_errno == ENOENT)
        rc = px_fail(&error, PROXIMADB_CORRUPT,
                     "the file is missing; put it back, or replace the collection by "
                     "its backup (docs/BACKUP.md)");
    if (rc == PROXIMADB_OK)
        rc = read_content(px_buffer_slice(&content), file, visit, context, &error);
    px_buffer_release(&content);
    if (rc != PROXIMADB_OK && reterr != NULL) {
        *reterr = error;
        px_error_context(reterr, "the delete file '%s'", path.text);
    }
    return rc;
}
