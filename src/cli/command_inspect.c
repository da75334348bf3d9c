#include "cli/commands.h"
#include "cli/render.h"

#include <string.h>

struct options {
    const char *data;
    bool sql;
    bool json;
};

static const struct px_flag flags[] = {
    {"data", "DIR", "the data folder of a collection", NULL, PX_FLAG_TEXT,
     offsetof(struct options, data), 0, 0, NULL},
    {"sql", NULL, "print a SELECT of a collection's live rows, for DuckDB", NULL, PX_FLAG_SWITCH,
     offsetof(struct options, sql), 0, 0, NULL},
    {"json", NULL, "as JSON lines", NULL, PX_FLAG_SWITCH, offsetof(struct options, json), 0, 0,
     NULL},
};

static const struct px_flag_table table = {.command = "inspect",
                                           .flags = flags,
                                           .count = sizeof flags / sizeof flags[0],
                                           .most_arguments = 2};

/* What is asked for. */
struct target {
    int kind; /* enum proximadb_inspect_kind */
    const char *path;
    const char *collection;
};

static int find_target(const struct options *options, const struct px_arguments *arguments,
                       struct target *ret_target, struct proximadb_error *reterr)
{
    const char *what = arguments->count > 0 ? arguments->items[0] : "";
    const char *name = arguments->count > 1 ? arguments->items[1] : NULL;
    bool of_collection = strcmp(what, "collection") == 0, is_wal = strcmp(what, "wal") == 0;
    if (!of_collection && !is_wal && strcmp(what, "parquet") != 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say what to look at: 'wal FILE', 'parquet FILE' or 'collection NAME --data "
                       "DIR'%s%.40s%s",
                       what[0] != '\0' ? "; '" : "", what, what[0] != '\0' ? "' is none" : "");
    if (name == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "say which: 'inspect %s %s'", what,
                       of_collection ? "NAME --data DIR" : "FILE");
    if (of_collection != (options->data != NULL))
        return px_fail(reterr, PROXIMADB_INVALID, "%s",
                       of_collection ? "a collection needs its data folder: --data DIR"
                                     : "a file needs no --data; name the file itself");
    if (options->sql && !of_collection)
        return px_fail(reterr, PROXIMADB_INVALID, "--sql is for collections only");
    if (options->sql && options->json)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "--sql prints a statement, --json does not; "
                       "leave one of them out");
    ret_target->kind = is_wal           ? PROXIMADB_INSPECT_WAL
                       : !of_collection ? PROXIMADB_INSPECT_PARQUET
                       : options->sql   ? PROXIMADB_INSPECT_SQL
                                        : PROXIMADB_INSPECT_COLLECTION;
    ret_target->path = of_collection ? options->data : name;
    ret_target->collection = of_collection ? name : NULL;
    return PROXIMADB_OK;
}

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    const struct options *options = context;
    struct target target = {0};
    int rc = find_target(options, arguments, &target, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_render render = {.stream = stdout, .as_json = options->json || options->sql};
    rc = proximadb_inspect(target.kind, target.path, target.collection, px_render_sink, &render,
                           reterr);
    return px_render_end(&render, rc, reterr);
}

const struct px_command px_command_inspect = {
    .name = "inspect",
    .summary = "show what is in a log file, a Parquet file or a collection",
    .usage = "wal FILE | parquet FILE | collection NAME --data DIR [--sql]",
    .details =
        "Only reads, also beside a running server. A collection is shown as of its last\n"
        "flush, plus what its log holds; --sql gives the rows of the files, without the log.\n",
    .example = "  proximadb inspect collection docs --data ./data\n"
               "  proximadb inspect collection docs --data ./data --sql | duckdb\n"
               "  proximadb inspect wal ./data/wal/docs/2024-01-15_12-00-00.wal\n",
    .flags = &table,
    .options_bytes = sizeof(struct options),
    .run = run,
};
