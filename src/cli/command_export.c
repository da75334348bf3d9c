#include "cli/commands.h"
#include "cli/embedded.h"
#include "cli/export_writer.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "codec/json_line.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 4 << 20, MOST_PAGE_ROWS = 10000 };

struct options {
    const char *data;
    const char *parquet;
    const char *jsonl;
    const char *npy;
    bool json;
};

#define AT(member) offsetof(struct options, member)
static const struct px_flag flags[] = {
    {"data", "DIR", "the data folder", NULL, PX_FLAG_TEXT, AT(data), 0, 0, NULL},
    {"parquet", "FILE", "write one Parquet file", NULL, PX_FLAG_TEXT, AT(parquet), 0, 0, NULL},
    {"jsonl", "FILE", "write a JSON object a line", NULL, PX_FLAG_TEXT, AT(jsonl), 0, 0, NULL},
    {"npy", "FILE", "write the vectors as an array, and the ids to FILE.ids.jsonl", NULL,
     PX_FLAG_TEXT, AT(npy), 0, 0, NULL},
    {"json", NULL, "the summary as a JSON line", NULL, PX_FLAG_SWITCH, AT(json), 0, 0, NULL},
};

static const struct px_flag_table table = {.command = "export",
                                           .flags = flags,
                                           .count = sizeof flags / sizeof flags[0],
                                           .most_arguments = 1};

struct work {
    const struct options *options;
    const char *collection;
    const char *path;
    proximadb *db;
    struct px_export_writer *writer;
    struct px_progress progress;
    uint64_t row_count;
    double seconds;
    char cursor[1024]; /* where the scan goes on */
    size_t cursor_size_bytes;
};

/* ---- interruption -------------------------------------------------------------------------- */

static volatile sig_atomic_t is_interrupted;

static void note_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

/* From here on SIGINT and SIGTERM end the export between two rows, so that no temporary file is
 * left; the second one ends the process at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal,
                               .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int write_page(struct work *work, proximadb_reader *reader, struct proximadb_error *reterr)
{
    struct proximadb_hit row;
    while (proximadb_reader_next(reader, &row, reterr)) {
        int rc = is_interrupted
                     ? px_fail(reterr, PROXIMADB_CANCELLED, "interrupted; there is no new file")
                     : work->writer->write(work->writer, &row, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        px_progress_update(&work->progress, ++work->row_count);
    }
    struct proximadb_text cursor = proximadb_reader_cursor(reader);
    if (reterr->status == PROXIMADB_OK && cursor.size_bytes > sizeof work->cursor)
        return px_fail(reterr, PROXIMADB_INTERNAL, "the cursor of the scan is too long");
    if (reterr->status == PROXIMADB_OK) {
        if (cursor.size_bytes > 0)
            memcpy(work->cursor, cursor.data, cursor.size_bytes);
        work->cursor_size_bytes = cursor.size_bytes;
    }
    return reterr->status;
}

/* One answer of the scan, all of whose answers are of one moment. */
static int export_page(struct work *work, uint32_t page_rows, struct proximadb_error *reterr)
{
    struct proximadb_scan_options scan = {.struct_size = sizeof scan,
                                          .batch_size = page_rows,
                                          .include_vectors = true,
                                          .cursor_size_bytes = work->cursor_size_bytes};
    struct proximadb_buffer payload = {0}, response = {0};
    proximadb_reader *reader = NULL;
    scan.cursor = work->cursor_size_bytes > 0 ? work->cursor : NULL;
    int rc = proximadb_encode_scan(&scan, &payload, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_embedded_call(work->db, PROXIMADB_SCAN, work->collection, &payload, &response,
                              reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_reader_new(&response, &reader, reterr);
    if (rc == PROXIMADB_OK)
        rc = write_page(work, reader, reterr);
    proximadb_reader_free(reader);
    return rc;
}

static uint32_t page_rows_for(uint32_t dim_count)
{
    uint32_t rows = (uint32_t)(PAGE_BYTES / (dim_count * sizeof(float) + 256));
    return rows < 1 ? 1 : rows > MOST_PAGE_ROWS ? MOST_PAGE_ROWS : rows;
}

static int export_rows(struct work *work, const struct proximadb_collection_info *info,
                       struct proximadb_error *reterr)
{
    uint32_t page_rows = page_rows_for(info->spec.dim_count);
    catch_signals();
    px_progress_begin(&work->progress, "export", info->vector_count);
    int rc;
    do
        rc = export_page(work, page_rows, reterr);
    while (rc == PROXIMADB_OK && work->cursor_size_bytes > 0);
    if (rc == PROXIMADB_OK)
        rc = work->writer->finish(work->writer, reterr);
    work->seconds = px_progress_end(&work->progress);
    return rc;
}

static int open_writer(struct work *work, const struct proximadb_collection_info *info,
                       struct proximadb_error *reterr)
{
    const struct options *options = work->options;
    if (options->parquet != NULL)
        return px_export_parquet(work->path, info, &work->writer, reterr);
    if (options->jsonl != NULL)
        return px_export_jsonl(work->path, &work->writer, reterr);
    return px_export_npy(work->path, info, &work->writer, reterr);
}

static int export_collection(struct work *work, struct proximadb_error *reterr)
{
    struct proximadb_buffer response = {0};
    struct proximadb_collection_info info;
    proximadb_reader *reader = NULL;
    int rc = px_embedded_call(work->db, PROXIMADB_GET_COLLECTION, work->collection, NULL, &response,
                              reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_reader_new(&response, &reader, reterr);
    if (rc == PROXIMADB_OK && !proximadb_reader_next_collection(reader, &info, reterr))
        rc = reterr->status != PROXIMADB_OK
                 ? reterr->status
                 : px_fail(reterr, PROXIMADB_INTERNAL, "the collection is not described");
    if (rc == PROXIMADB_OK)
        rc = open_writer(work, &info, reterr);
    if (rc == PROXIMADB_OK)
        rc = export_rows(work, &info, reterr);
    if (work->writer != NULL)
        work->writer->free(work->writer);
    proximadb_reader_free(reader);
    return rc;
}

/* ---- the command --------------------------------------------------------------------------- */

static int print_summary(const struct work *work, struct proximadb_error *reterr)
{
    struct px_buffer line = {0};
    struct px_render render = {.stream = stdout, .as_json = work->options->json};
    px_json_line_begin(&line, "export");
    px_json_line_string(&line, "collection", work->collection);
    px_json_line_string(&line, "file", work->path);
    px_json_line_u64(&line, "row_count", work->row_count);
    px_json_line_double(&line, "seconds", work->seconds);
    px_json_line_end(&line);
    int rc = px_buffer_status(&line, reterr);
    if (rc == PROXIMADB_OK)
        px_render_sink(&render, (const char *)line.data, line.size_bytes);
    px_buffer_release(&line);
    return px_render_end(&render, rc, reterr);
}

static int check_options(const struct options *options, const struct px_arguments *arguments,
                         struct work *work, struct proximadb_error *reterr)
{
    int formats = (options->parquet != NULL) + (options->jsonl != NULL) + (options->npy != NULL);
    if (arguments->count == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "say which collection: 'export NAME'");
    if (options->data == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say which folder: --data DIR, such as --data ./data");
    if (formats != 1)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say what to write, one of --parquet FILE, --jsonl FILE and --npy FILE");
    work->collection = arguments->items[0];
    work->path = options->parquet != NULL ? options->parquet
                 : options->jsonl != NULL ? options->jsonl
                                          : options->npy;
    return PROXIMADB_OK;
}

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    struct work work = {.options = context};
    int rc = check_options(work.options, arguments, &work, reterr);
    if (rc == PROXIMADB_OK && access(work.options->data, F_OK) != 0)
        rc = px_fail(reterr, PROXIMADB_IO, "there is no folder '%s'", work.options->data);
    if (rc == PROXIMADB_OK)
        rc = px_embedded_open(work.options->data, &work.db, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = export_collection(&work, reterr);
    proximadb_close(work.db);
    return rc == PROXIMADB_OK ? print_summary(&work, reterr) : rc;
}

const struct px_command px_command_export = {
    .name = "export",
    .summary = "write a collection's rows to one Parquet, JSONL or npy file",
    .usage = "NAME --data DIR (--parquet FILE | --jsonl FILE | --npy FILE)",
    .details = "No server may have the folder open. The rows are those of one moment, without\n"
               "deleted and expired ones, in any order; the file appears when it is complete.\n"
               "`import` reads it back; an npy file has ids and vectors only.\n",
    .example = "  proximadb export docs --data ./data --parquet docs.parquet\n"
               "  proximadb export docs --data ./data --jsonl docs.jsonl --json\n",
    .flags = &table,
    .options_bytes = sizeof(struct options),
    .run = run,
};
