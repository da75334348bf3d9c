#include "cli/commands.h"
#include "cli/embedded.h"
#include "cli/import_collection.h"
#include "cli/import_sink.h"
#include "cli/import_source.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "codec/json_line.h"

#include <string.h>

enum { MOST_BATCH_ROWS = 100000, MOST_DIMS = 65536 };

struct options {
    const char *data;
    const char *collection;
    bool create;
    int metric;
    int index_type;
    int storage;
    int layout;
    uint64_t dim_count;
    struct px_texts filterable;
    int mode;
    uint64_t batch_rows;
    const char *id, *vector, *document, *metadata, *timestamp, *expires_at, *ids_file;
    bool number_ids;
    struct px_texts ignored;
    bool json;
};

static const char *const metrics[] = {"cosine", "l2", "dot", NULL};
static const char *const indexes[] = {"HNSW", "IVF", "FLAT", NULL};
static const char *const storages[] = {"balanced", "exact", "compact", NULL};
static const char *const layouts[] = {"compressed", "plain", NULL};
static const char *const modes[] = {"upsert", "insert", NULL};

#define AT(member) offsetof(struct options, member)
static const struct px_flag flags[] = {
    {"data", "DIR", "the data folder", NULL, PX_FLAG_TEXT, AT(data), 0, 0, NULL},
    {"collection", "NAME", "the collection that gets the rows", NULL, PX_FLAG_TEXT, AT(collection),
     0, 0, NULL},
    {"mode", "MODE", "upsert or insert, which refuses ids that are there", "upsert", PX_FLAG_WORD,
     AT(mode), 0, 0, modes},
    {"batch-rows", "COUNT", "rows of one atomic write, at most", "5000", PX_FLAG_COUNT,
     AT(batch_rows), 1, MOST_BATCH_ROWS, NULL},

    {"create", NULL, "make the collection if there is none", NULL, PX_FLAG_SWITCH, AT(create), 0, 0,
     NULL},
    {"metric", "METRIC", "of a new collection: cosine, l2 or dot", "cosine", PX_FLAG_WORD,
     AT(metric), 0, 0, metrics},
    {"index", "TYPE", "of a new collection: HNSW, IVF or FLAT", "HNSW", PX_FLAG_WORD,
     AT(index_type), 0, 0, indexes},
    {"storage", "PROFILE", "of a new collection: balanced, exact or compact", "balanced",
     PX_FLAG_WORD, AT(storage), 0, 0, storages},
    {"layout", "LAYOUT", "of a new collection: compressed or plain", "compressed", PX_FLAG_WORD,
     AT(layout), 0, 0, layouts},
    {"dimension", "COUNT", "of a new one; otherwise the first vector's", NULL, PX_FLAG_COUNT,
     AT(dim_count), 1, MOST_DIMS, NULL},
    {"filterable", "FIELD:TYPE", "a filterable field of a new collection", NULL, PX_FLAG_LIST,
     AT(filterable), 0, 0, NULL},

    {"id-column", "NAME", "what the ids are called; otherwise id", NULL, PX_FLAG_TEXT, AT(id), 0, 0,
     NULL},
    {"number-ids", NULL, "ids are row numbers, from 0 on", NULL, PX_FLAG_SWITCH, AT(number_ids), 0,
     0, NULL},
    {"ids", "FILE", "ids for an npy file, a JSON string a line", NULL, PX_FLAG_TEXT, AT(ids_file),
     0, 0, NULL},
    {"vector-column", "NAME", "likewise; otherwise vector", NULL, PX_FLAG_TEXT, AT(vector), 0, 0,
     NULL},
    {"document-column", "NAME", "likewise; otherwise document", NULL, PX_FLAG_TEXT, AT(document), 0,
     0, NULL},
    {"metadata-column", "NAME", "a JSON object; otherwise metadata", NULL, PX_FLAG_TEXT,
     AT(metadata), 0, 0, NULL},
    {"timestamp-column", "NAME", "otherwise timestamp", NULL, PX_FLAG_TEXT, AT(timestamp), 0, 0,
     NULL},
    {"expires-at-column", "NAME", "otherwise expires_at", NULL, PX_FLAG_TEXT, AT(expires_at), 0, 0,
     NULL},
    {"ignore", "NAME", "a column to leave out", NULL, PX_FLAG_LIST, AT(ignored), 0, 0, NULL},
    {"json", NULL, "the summary as a JSON line", NULL, PX_FLAG_SWITCH, AT(json), 0, 0, NULL},
};

static const struct px_flag_table table = {.command = "import",
                                           .flags = flags,
                                           .count = sizeof flags / sizeof flags[0],
                                           .most_arguments = 1};

/* ---- rows ---------------------------------------------------------------------------------- */

struct work {
    const struct options *options;
    const char *path;
    struct px_import_source *source;
    struct px_import_collection collection;
    proximadb *db;
    struct px_import_sink sink;
    struct px_progress progress;
    double seconds;
};

static int copy_rows(struct work *work, struct proximadb_error *reterr)
{
    struct proximadb_row row;
    size_t dim_count = 0;
    while (work->source->next(work->source, &row, reterr)) {
        int rc = PROXIMADB_OK;
        if (dim_count == 0)
            rc = px_import_collection_need(&work->collection, work->db, dim_count = row.dim_count,
                                           reterr);
        if (rc == PROXIMADB_OK && row.dim_count != dim_count)
            rc = px_fail_numbers(reterr, PROXIMADB_DIMENSION, (int64_t)work->source->next_row - 1,
                                 (int64_t)dim_count, (int64_t)row.dim_count,
                                 "the vector has %zu dimensions, those before it %zu",
                                 row.dim_count, dim_count);
        if (rc == PROXIMADB_OK)
            rc = px_import_sink_add(&work->sink, &row, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        px_progress_update(&work->progress, work->source->next_row);
    }
    if (reterr->status == PROXIMADB_OK && dim_count == 0)
        return px_import_collection_need(&work->collection, work->db, work->source->dim_count,
                                         reterr);
    return reterr->status;
}

static int import(struct work *work, struct proximadb_error *reterr)
{
    const struct options *options = work->options;
    int operation = options->mode == 0 ? PROXIMADB_UPSERT : PROXIMADB_INSERT;
    int rc = px_import_sink_init(&work->sink, work->db, options->collection, operation,
                                 options->batch_rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_progress_begin(&work->progress, "import", work->source->row_count);
    struct proximadb_error ignored = {0};
    rc = copy_rows(work, reterr);
    int ended =
        px_import_sink_end(&work->sink, rc == PROXIMADB_OK, rc == PROXIMADB_OK ? reterr : &ignored);
    rc = rc == PROXIMADB_OK ? ended : rc;
    if (rc != PROXIMADB_OK && work->sink.acknowledged_rows == 0)
        px_import_collection_undo(&work->collection, work->db);
    work->seconds = px_progress_end(&work->progress);
    px_import_sink_release(&work->sink);
    return rc;
}

static int print_summary(const struct work *work, struct proximadb_error *reterr)
{
    struct px_buffer line = {0};
    struct px_render render = {.stream = stdout, .as_json = work->options->json};
    px_json_line_begin(&line, "import");
    px_json_line_string(&line, "collection", work->options->collection);
    px_json_line_u64(&line, "row_count", work->sink.acknowledged_rows);
    px_json_line_double(&line, "seconds", work->seconds);
    px_json_line_end(&line);
    int rc = px_buffer_status(&line, reterr);
    if (rc == PROXIMADB_OK)
        px_render_sink(&render, (const char *)line.data, line.size_bytes);
    px_buffer_release(&line);
    return px_render_end(&render, rc, reterr);
}

static int set_collection(const struct options *options, const struct px_arguments *arguments,
                          struct px_import_collection *collection, struct proximadb_error *reterr)
{
    *collection = (struct px_import_collection){
        .data_dir = options->data,
        .create = options->create,
        .spec = {.struct_size = sizeof collection->spec,
                 .name = options->collection,
                 .dim_count = (uint32_t)options->dim_count,
                 .metric = options->metric,
                 .index_type = options->index_type,
                 .storage = options->storage,
                 .layout = PROXIMADB_LAYOUT_COMPRESSED + options->layout},
        .has_metric = px_flags_is_given(&table, arguments, "metric"),
        .has_index_type = px_flags_is_given(&table, arguments, "index"),
        .has_storage = px_flags_is_given(&table, arguments, "storage"),
        .has_layout = px_flags_is_given(&table, arguments, "layout")};
    return px_import_collection_fields(collection, &options->filterable, reterr);
}

static int check_options(const struct options *options, const struct px_arguments *arguments,
                         struct proximadb_error *reterr)
{
    if (arguments->count == 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say which file: a .parquet, .jsonl or .npy file");
    if (options->data == NULL || options->collection == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say where to: --data DIR --collection NAME, such as --data ./data "
                       "--collection docs");
    return PROXIMADB_OK;
}

/* In a file of lines an error names the line. */
static void name_line(const struct px_import_source *source, struct proximadb_error *error)
{
    if (source->line_of == NULL || error->row_index < 0)
        return;
    px_import_strip_row(error);
    uint64_t line = source->line_of(source, (uint64_t)error->row_index);
    px_error_context(error, "line %llu", (unsigned long long)line);
}

static int run_work(struct work *work, struct proximadb_error *reterr)
{
    int rc = px_embedded_open(work->options->data, &work->db, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = import(work, reterr);
    proximadb_close(work->db);
    if (rc != PROXIMADB_OK && rc != PROXIMADB_COLLECTION_NOT_FOUND) {
        unsigned long long rows = work->sink.acknowledged_rows;
        name_line(work->source, reterr);
        px_error_context(
            reterr,
            rows == 0
                ? "'%s': nothing was imported"
                : "'%s': %llu rows are in, the rest is not; run it again when it is put right",
            work->path, rows);
    }
    return rc;
}

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    const struct options *options = context;
    int rc = check_options(options, arguments, reterr);
    struct work work = {.options = options, .path = arguments->items[0]};
    if (rc == PROXIMADB_OK)
        rc = set_collection(options, arguments, &work.collection, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const struct px_import_names names = {.id = options->id,
                                          .vector = options->vector,
                                          .document = options->document,
                                          .metadata = options->metadata,
                                          .timestamp = options->timestamp,
                                          .expires_at = options->expires_at,
                                          .ignored = &options->ignored,
                                          .ids_file = options->ids_file,
                                          .number_ids = options->number_ids};
    rc = px_import_open(work.path, &names, &work.source, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_import_collection_look(&work.collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = run_work(&work, reterr);
    work.source->close(work.source);
    return rc == PROXIMADB_OK ? print_summary(&work, reterr) : rc;
}

const struct px_command px_command_import = {
    .name = "import",
    .summary = "put the rows of a Parquet, JSONL or npy file into a collection",
    .usage = "FILE --data DIR --collection NAME [--create] [FLAG]...",
    .details =
        "No server may have the folder open. Rows are written in whole batches, each\n"
        "durable before the next is counted; upsert, the default, can be run again after\n"
        "a failure. Columns without a role become metadata of their name. --create makes the\n"
        "folder, too; flags about a new collection must fit one that is there.\n",
    .example = "  proximadb import docs.parquet --data ./data --collection docs --create\n"
               "  proximadb import dump.parquet --data ./data --collection docs \\\n"
               "      --id-column doc_id --vector-column embedding --ignore raw\n"
               "  proximadb import vectors.npy --data ./data --collection v --create --metric l2\n",
    .flags = &table,
    .options_bytes = sizeof(struct options),
    .run = run,
};
