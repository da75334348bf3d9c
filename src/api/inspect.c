#include "api/inspect_internal.h"

#include "os/file.h"
#include "parquet/parquet_describe.h"
#include "wal/wal_describe.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    ENOUGH_BYTES = 64 << 10, /* of lines, to be given to the sink */
    MOST_TRIES = 5,          /* of reading a log file that a server may be writing */
    PAUSE_MS = 20,
};

/* ---- lines --------------------------------------------------------------------------------- */

int px_inspect__flush(struct px_inspect_output *output, struct proximadb_error *reterr)
{
    struct px_buffer *lines = &output->lines;
    int rc = px_buffer_status(lines, reterr);
    if (rc != PROXIMADB_OK || lines->size_bytes == 0)
        return rc;
    bool wants_more = output->sink(output->context, (const char *)lines->data, lines->size_bytes);
    px_buffer_clear(lines);
    return wants_more ? PROXIMADB_OK
                      : px_fail(reterr, PROXIMADB_CANCELLED, "the receiver wants no more lines");
}

int px_inspect__flush_some(struct px_inspect_output *output, struct proximadb_error *reterr)
{
    return output->lines.size_bytes < ENOUGH_BYTES ? PROXIMADB_OK
                                                   : px_inspect__flush(output, reterr);
}

/* ---- log files ----------------------------------------------------------------------------- */

static bool ends_cleanly(struct px_slice file)
{
    struct px_wal_reader reader;
    struct px_wal_entry entry;
    if (px_wal_reader_init(&reader, file, NULL) != PROXIMADB_OK)
        return false;
    while (px_wal_reader_next(&reader, &entry))
        continue;
    return reader.end == PX_WAL_END_CLEAN;
}

/* Reads a file, again where a server seems to be writing its end. It is read rather than mapped:
 * when the server closes it, it gets shorter. */
static int read_log(const char *path, struct px_buffer *content, struct proximadb_error *reterr)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    for (int i = 1;; i++) {
        px_buffer_clear(content);
        int rc = px_file_read(&px_fs_posix, path, SIZE_MAX / 2, content, reterr);
        if (rc != PROXIMADB_OK || i == MOST_TRIES || ends_cleanly(px_buffer_slice(content)))
            return rc;
        (void)nanosleep(&pause, NULL);
    }
}

static int describe_log(struct px_wal_reader *reader, struct px_inspect_output *output,
                        struct proximadb_error *reterr)
{
    struct px_wal_totals totals = {0};
    struct px_wal_entry entry;
    int rc = PROXIMADB_OK;
    px_wal_describe_header(&reader->header, &output->lines);
    while (rc == PROXIMADB_OK && px_wal_reader_next(reader, &entry)) {
        px_wal_describe_entry(reader, &entry, &totals, &output->lines);
        rc = px_inspect__flush_some(output, reterr);
    }
    if (rc != PROXIMADB_OK)
        return rc;
    px_wal_describe_end(reader, &totals, &output->lines);
    return px_inspect__flush(output, reterr);
}

int px_inspect__wal(const char *path, struct px_inspect_output *output,
                    struct proximadb_error *reterr)
{
    struct px_buffer content = {0};
    struct px_wal_reader reader;
    int rc = read_log(path, &content, reterr);
    if (rc == PROXIMADB_OK) {
        rc = px_wal_reader_init(&reader, px_buffer_slice(&content), reterr);
        if (rc != PROXIMADB_OK)
            px_error_context(reterr, "'%s'", path);
    }
    if (rc == PROXIMADB_OK)
        rc = describe_log(&reader, output, reterr);
    if (rc == PROXIMADB_OK && reader.end == PX_WAL_END_DAMAGED)
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "'%s' is damaged at offset %llu: %s", path,
                     (unsigned long long)reader.log_end, reader.reason);
    px_buffer_release(&content);
    return rc;
}

/* ---- Parquet files ------------------------------------------------------------------------- */

int px_inspect__parquet(const char *path, struct px_inspect_output *output,
                        struct proximadb_error *reterr)
{
    struct px_slice content = {0};
    struct px_parquet_reader *reader;
    int rc = px_file_map(&px_fs_posix, path, &content, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_parquet_reader_open(content, &reader, reterr);
    if (rc == PROXIMADB_OK) {
        px_parquet_describe(reader, true, &output->lines);
        px_parquet_reader_close(reader);
        rc = px_inspect__flush(output, reterr);
    } else {
        px_error_context(reterr, "'%s'", path);
    }
    px_file_unmap(&px_fs_posix, content);
    return rc;
}

/* ---- the public function ------------------------------------------------------------------- */

static int check_arguments(int kind, const char *path, const char *collection,
                           struct proximadb_error *reterr)
{
    bool of_collection = kind == PROXIMADB_INSPECT_COLLECTION || kind == PROXIMADB_INSPECT_SQL;
    if (kind < PROXIMADB_INSPECT_WAL || kind > PROXIMADB_INSPECT_SQL)
        return px_fail(reterr, PROXIMADB_INVALID, "%d is no kind of inspection", kind);
    if (path == NULL || path[0] == '\0')
        return px_fail(reterr, PROXIMADB_INVALID, "the path is empty; name a file or data folder");
    if (!of_collection)
        return PROXIMADB_OK;
    if (collection == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "name a collection");
    return px_collection_name_validate(px_slice_of_string(collection), reterr);
}

int proximadb_inspect(int kind, const char *path, const char *collection, proximadb_sink *sink,
                      void *context, struct proximadb_error *reterr)
{
    struct px_inspect_output output = {.sink = sink, .context = context};
    struct px_path resolved;
    int rc = check_arguments(kind, path, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_path_resolve(path, &resolved, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (kind == PROXIMADB_INSPECT_WAL)
        rc = px_inspect__wal(resolved.text, &output, reterr);
    else if (kind == PROXIMADB_INSPECT_PARQUET)
        rc = px_inspect__parquet(resolved.text, &output, reterr);
    else if (kind == PROXIMADB_INSPECT_COLLECTION)
        rc = px_inspect__store(resolved.text, collection, px_inspect__collection, &output, reterr);
    else
        rc = px_inspect__store(resolved.text, collection, px_inspect__sql, &output, reterr);
    px_buffer_release(&output.lines);
    return rc;
}
