#include "api/inspect_internal.h"

#include "base/clock.h"
#include "codec/json_line.h"
#include "os/file.h"
#include "parquet/parquet_reader.h"
#include "wal/wal_chain.h"
#include "wal/wal_describe.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { MOST_TRIES = 10 }; /* of the log, whose files a server may remove meanwhile */

/* What the footers say of parts. */
struct part_size {
    uint64_t uncompressed_bytes; /* of all values, vectors as float32 */
    uint64_t float_bytes;        /* of the vectors, as float32 */
    uint64_t vector_bytes;       /* of the vectors, in the files */
};

/* A collection while it is described. */
struct describing {
    const struct px_inspect_view *view;
    struct px_buffer *lines;
    uint64_t row_count; /* of the parts */
    uint64_t part_bytes;
    struct part_size total;
    bool knows_total;       /* of every part */
    struct px_buffer files; /* the lines of parts, delete files and centroids */
    int status;             /* of the first damaged file */
    struct proximadb_error error;
};

/* Damage is told in the lines, and once all are told in the outcome. */
static void note_damage(struct describing *describing, int status,
                        const struct proximadb_error *error)
{
    if (describing->status != PROXIMADB_OK)
        return;
    describing->status = status;
    describing->error = *error;
}

/* ---- the collection ------------------------------------------------------------------------ */

static void put_fields(const struct px_collection *collection, struct px_buffer *lines)
{
    px_buffer_append_format(lines, ",\"filterable\":{");
    for (uint32_t i = 0; i < collection->field_count; i++)
        px_buffer_append_format(lines, "%s\"%s\":\"%s\"", i > 0 ? "," : "",
                                collection->fields[i].name,
                                px_field_type_name(collection->fields[i].type));
    px_buffer_append_byte(lines, '}');
}

static void put_collection(const struct px_collection *collection, struct px_buffer *lines)
{
    char id[PX_UUID_TEXT_BYTES], created_at[PX_CLOCK_TEXT_BYTES];
    px_uuid_format(collection->id, id);
    px_clock_format(collection->created_at_ms, created_at);
    px_json_line_begin(lines, "collection");
    px_json_line_string(lines, "name", collection->name);
    px_json_line_string(lines, "id", id);
    px_json_line_u64(lines, "dimension", collection->dim_count);
    px_json_line_string(lines, "metric", px_metric_name(collection->metric));
    px_json_line_string(lines, "index_type", px_index_type_name(collection->index_type));
    px_json_line_string(lines, "storage", px_storage_name(collection->storage));
    px_json_line_string(lines, "layout", px_layout_name(collection->layout));
    px_json_line_string(lines, "created_at", created_at);
    put_fields(collection, lines);
    px_json_line_end(lines);
}

/* ---- the store ----------------------------------------------------------------------------- */

static struct part_size sum_up(const struct px_parquet_layout *layout)
{
    struct part_size size = {0};
    for (size_t i = 0; i < layout->row_group_count; i++)
        for (size_t column = 0; column < layout->column_count; column++) {
            const struct px_parquet_chunk *chunk = &layout->row_groups[i].chunks[column];
            if (layout->columns[column].shape != PX_PARQUET_VECTOR) {
                size.uncompressed_bytes += chunk->uncompressed_bytes;
                continue;
            }
            size.float_bytes += chunk->value_count * sizeof(float);
            size.vector_bytes += chunk->pages.size_bytes;
        }
    size.uncompressed_bytes += size.float_bytes;
    return size;
}

static int measure_part(const struct px_inspect_view *view, const struct px_manifest_file *file,
                        struct part_size *ret_size, struct proximadb_error *reterr)
{
    struct px_parquet_reader *reader;
    struct px_slice content = {0};
    struct px_path path;
    int rc = px_path_format(&path, reterr, "%s/%s", view->store_folder.text, file->path);
    if (rc == PROXIMADB_OK)
        rc = px_file_map(view->folder.fs, path.text, &content, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_parquet_reader_open(content, &reader, reterr);
    if (rc == PROXIMADB_OK) {
        *ret_size = sum_up(px_parquet_reader_layout(reader));
        px_parquet_reader_close(reader);
    } else {
        px_error_context(reterr, "the part '%s'", path.text);
    }
    px_file_unmap(view->folder.fs, content);
    return rc;
}

static void begin_file(struct px_buffer *lines, const char *kind,
                       const struct px_manifest_file *file)
{
    char crc[9];
    snprintf(crc, sizeof crc, "%08x", (unsigned)file->crc32c);
    px_json_line_begin(lines, kind);
    px_json_line_string(lines, "path", file->path);
    px_json_line_u64(lines, "size_bytes", file->size_bytes);
    px_json_line_string(lines, "crc32c", crc);
    px_json_line_u64(lines, "row_count", file->row_count);
}

static void put_lsns(struct px_buffer *lines, const struct px_manifest_file *file)
{
    px_json_line_i64(lines, "min_lsn", file->min_lsn);
    px_json_line_i64(lines, "max_lsn", file->max_lsn);
}

static int put_part(struct describing *describing, const struct px_manifest_file *file,
                    struct proximadb_error *reterr)
{
    struct proximadb_error error;
    struct part_size size = {0};
    int rc = measure_part(describing->view, file, &size, &error);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    describing->row_count += file->row_count;
    describing->part_bytes += file->size_bytes;
    describing->total.uncompressed_bytes += size.uncompressed_bytes;
    describing->total.float_bytes += size.float_bytes;
    describing->total.vector_bytes += size.vector_bytes;
    begin_file(&describing->files, "part", file);
    put_lsns(&describing->files, file);
    px_json_line_u64(&describing->files, "cluster", file->cluster);
    if (rc == PROXIMADB_OK) {
        px_json_line_u64(&describing->files, "uncompressed_bytes", size.uncompressed_bytes);
    } else {
        px_json_line_string(&describing->files, "error", error.message);
        describing->knows_total = false;
        note_damage(describing, rc, &error);
    }
    px_json_line_end(&describing->files);
    return PROXIMADB_OK;
}

static void put_other_files(struct describing *describing)
{
    const struct px_manifest *manifest = &describing->view->manifest;
    for (size_t i = 0; i < manifest->deletes.count; i++) {
        begin_file(&describing->files, "deletes", &manifest->deletes.items[i]);
        put_lsns(&describing->files, &manifest->deletes.items[i]);
        px_json_line_end(&describing->files);
    }
    if (manifest->centroids.path[0] != '\0') {
        begin_file(&describing->files, "centroids", &manifest->centroids);
        px_json_line_end(&describing->files);
    }
}

static uint32_t cluster_count(const struct px_manifest *manifest)
{
    const struct px_manifest_files *parts = &manifest->parts;
    uint32_t count = 0;
    for (size_t i = 0; i < parts->count; i++) {
        bool is_first = parts->items[i].cluster != 0;
        for (size_t j = 0; j < i && is_first; j++)
            is_first = parts->items[j].cluster != parts->items[i].cluster;
        count += is_first;
    }
    return count;
}

static uint64_t fresh_part_count(const struct px_manifest *manifest)
{
    uint64_t count = 0;
    for (size_t i = 0; i < manifest->parts.count; i++)
        count += manifest->parts.items[i].cluster == 0;
    return count;
}

static uint64_t size_of_other_files(const struct px_manifest *manifest)
{
    uint64_t total = manifest->centroids.size_bytes;
    for (size_t i = 0; i < manifest->deletes.count; i++)
        total += manifest->deletes.items[i].size_bytes;
    return total;
}

/* Of vectors alone: float32 over what they take, which lets nothing else look good. Of few digits,
 * since it is an estimate of what more rows will take. */
static void put_ratio(struct px_buffer *lines, const struct part_size *size)
{
    if (size->vector_bytes > 0)
        px_json_line_double(lines, "compression_ratio",
                            round(100 * (double)size->float_bytes / (double)size->vector_bytes) /
                                100);
}

/* What the files hold together, as of the last flush. */
static void put_store(struct describing *describing)
{
    const struct px_manifest *manifest = &describing->view->manifest;
    struct px_buffer *lines = describing->lines;
    uint64_t live = manifest->live_row_count, rows = describing->row_count;
    px_json_line_begin(lines, "store");
    px_json_line_u64(lines, "manifest_sequence", manifest->sequence);
    px_json_line_i64(lines, "flushed_lsn", manifest->flushed_lsn);
    px_json_line_u64(lines, "live_row_count", live);
    px_json_line_u64(lines, "dead_row_count", rows > live ? rows - live : 0);
    px_json_line_u64(lines, "part_count", manifest->parts.count);
    px_json_line_u64(lines, "cluster_count", cluster_count(manifest));
    px_json_line_u64(lines, "delete_file_count", manifest->deletes.count);
    px_json_line_u64(lines, "size_bytes", describing->part_bytes + size_of_other_files(manifest));
    px_json_line_u64(lines, "part_bytes", describing->part_bytes);
    px_json_line_u64(lines, "vector_bytes",
                     rows * describing->view->collection.dim_count * sizeof(float));
    if (describing->knows_total && describing->part_bytes > 0) {
        px_json_line_u64(lines, "uncompressed_bytes", describing->total.uncompressed_bytes);
        put_ratio(lines, &describing->total);
    }
    px_json_line_u64(lines, "fresh_part_count", fresh_part_count(manifest));
    px_json_line_u64(lines, "bytes_accepted", manifest->bytes_accepted);
    px_json_line_u64(lines, "bytes_flushed", manifest->bytes_flushed);
    px_json_line_u64(lines, "bytes_compacted", manifest->bytes_compacted);
    if (manifest->bytes_accepted > 0)
        px_json_line_double(lines, "write_amplification",
                            (double)(manifest->bytes_flushed + manifest->bytes_compacted) /
                                (double)manifest->bytes_accepted);
    px_json_line_end(lines);
}

static int describe_store(struct describing *describing, struct proximadb_error *reterr)
{
    const struct px_manifest_files *parts = &describing->view->manifest.parts;
    int rc = PROXIMADB_OK;
    describing->knows_total = true;
    for (size_t i = 0; i < parts->count && rc == PROXIMADB_OK; i++)
        rc = put_part(describing, &parts->items[i], reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    put_other_files(describing);
    put_store(describing);
    px_buffer_append_slice(describing->lines, px_buffer_slice(&describing->files));
    return px_buffer_status(&describing->files, reterr);
}

/* ---- the log ------------------------------------------------------------------------------- */

/* What the log holds above the store's last LSN. */
struct tail {
    struct px_buffer files; /* lines */
    int64_t flushed_lsn;
    int64_t last_lsn;
    uint64_t size_bytes;
    uint64_t file_count;
    uint64_t entry_count;
    uint64_t row_counts[PX_WAL_OPERATION_COUNT];
    struct describing *describing;
};

static int add_entry(void *context, const struct px_wal_entry *entry,
                     struct proximadb_error *reterr)
{
    struct tail *tail = context;
    (void)reterr;
    if (entry->lsn > tail->flushed_lsn) {
        tail->entry_count++;
        tail->row_counts[entry->operation] += entry->row_count;
    }
    return PROXIMADB_OK;
}

static int add_file(void *context, const struct px_wal_chain_file *file,
                    struct proximadb_error *reterr)
{
    struct tail *tail = context;
    (void)reterr;
    tail->file_count++;
    tail->size_bytes += file->size_bytes;
    if (file->next_lsn - 1 > tail->last_lsn)
        tail->last_lsn = file->next_lsn - 1;
    px_json_line_begin(&tail->files, "wal_file");
    px_json_line_string(&tail->files, "path", file->name);
    px_json_line_u64(&tail->files, "size_bytes", file->size_bytes);
    px_json_line_u64(&tail->files, "log_end", file->log_end);
    px_json_line_i64(&tail->files, "first_lsn", file->header.first_lsn);
    px_json_line_i64(&tail->files, "next_lsn", file->next_lsn);
    px_json_line_u64(&tail->files, "entry_count", file->entry_count);
    px_json_line_string(&tail->files, "end", px_wal_end_name(file->end));
    px_json_line_end(&tail->files);
    return PROXIMADB_OK;
}

static void add_finding(void *context, enum px_severity severity, const char *path,
                        const char *what)
{
    struct tail *tail = context;
    struct proximadb_error error;
    px_json_line_begin(&tail->files, "finding");
    px_json_line_string(&tail->files, "severity", px_severity_name(severity));
    px_json_line_string(&tail->files, "file", path);
    px_json_line_string(&tail->files, "what", what);
    px_json_line_end(&tail->files);
    if (severity == PX_DAMAGE)
        note_damage(tail->describing, px_fail(&error, PROXIMADB_CORRUPT, "'%s': %s", path, what),
                    &error);
}

static int read_tail(struct describing *describing, const char *folder, struct tail *tail,
                     struct proximadb_error *reterr)
{
    const struct px_inspect_view *view = describing->view;
    const struct px_findings findings = {.report = add_finding, .context = tail};
    const struct px_wal_chain_options options = {.fs = view->folder.fs,
                                                 .folder = folder,
                                                 .collection_id = view->collection.id,
                                                 .flushed_lsn = view->manifest.flushed_lsn,
                                                 .is_live = true,
                                                 .findings = &findings,
                                                 .entry = add_entry,
                                                 .file = add_file,
                                                 .context = tail};
    *tail = (struct tail){.flushed_lsn = view->manifest.flushed_lsn,
                          .last_lsn = view->manifest.flushed_lsn,
                          .describing = describing};
    return px_wal_chain_read(&options, reterr);
}

static void put_tail(const struct tail *tail, struct px_buffer *lines)
{
    static const char *const keys[PX_WAL_OPERATION_COUNT] = {
        [PX_WAL_INSERT] = "inserted_rows", [PX_WAL_UPSERT] = "upserted_rows",
        [PX_WAL_UPDATE] = "updated_rows",  [PX_WAL_DELETE] = "deleted_rows",
        [PX_WAL_EXPIRE] = "expired_rows",
    };
    px_json_line_begin(lines, "log");
    px_json_line_u64(lines, "file_count", tail->file_count);
    px_json_line_u64(lines, "size_bytes", tail->size_bytes);
    px_json_line_i64(lines, "last_lsn", tail->last_lsn);
    px_json_line_u64(lines, "unflushed_entry_count", tail->entry_count);
    for (size_t i = 0; i < PX_WAL_OPERATION_COUNT; i++)
        px_json_line_u64(lines, keys[i], tail->row_counts[i]);
    px_json_line_end(lines);
    px_buffer_append_slice(lines, px_buffer_slice(&tail->files));
}

/* A file that is gone when it is to be read is in the store by now, or will be listed no more. */
static int describe_log(struct describing *describing, struct proximadb_error *reterr)
{
    const struct px_inspect_view *view = describing->view;
    struct tail tail = {0};
    struct proximadb_error error;
    struct px_path folder;
    int rc =
        px_data_folder_path(&view->folder, PX_DATA_WAL, view->collection.name, &folder, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (int i = 0; i < MOST_TRIES; i++) {
        px_buffer_release(&tail.files);
        rc = read_tail(describing, folder.text, &tail, &error);
        if (rc != PROXIMADB_IO || error.os_errno != ENOENT)
            break;
    }
    if (rc == PROXIMADB_OK) {
        put_tail(&tail, describing->lines);
        rc = px_buffer_status(&tail.files, reterr);
    } else if (reterr != NULL) {
        *reterr = error;
    }
    px_buffer_release(&tail.files);
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

int px_inspect__collection(const struct px_inspect_view *view, struct px_buffer *lines,
                           struct proximadb_error *reterr)
{
    struct describing describing = {.view = view, .lines = lines};
    put_collection(&view->collection, lines);
    int rc = describe_store(&describing, reterr);
    if (rc == PROXIMADB_OK)
        rc = describe_log(&describing, reterr);
    px_buffer_release(&describing.files);
    if (rc == PROXIMADB_OK && describing.status != PROXIMADB_OK) {
        rc = describing.status;
        if (reterr != NULL)
            *reterr = describing.error;
    }
    return rc;
}
