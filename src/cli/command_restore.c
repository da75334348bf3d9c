#include "cli/commands.h"
#include "cli/render.h"

struct options {
    const char *data;
    struct px_texts collections;
    bool copy;
    bool json;
};

static const struct px_flag flags[] = {
    {"data", "DIR", "the data folder to restore into", NULL, PX_FLAG_TEXT,
     offsetof(struct options, data), 0, 0, NULL},
    {"collection", "NAME:NEW", "only this collection, under that name; may be repeated", NULL,
     PX_FLAG_LIST, offsetof(struct options, collections), 0, 0, NULL},
    {"copy", NULL, "copy every file instead of linking", NULL, PX_FLAG_SWITCH,
     offsetof(struct options, copy), 0, 0, NULL},
    {"json", NULL, "as JSON lines", NULL, PX_FLAG_SWITCH, offsetof(struct options, json), 0, 0,
     NULL},
};

static const struct px_flag_table table = {.command = "restore",
                                           .flags = flags,
                                           .count = sizeof flags / sizeof flags[0],
                                           .most_arguments = 1};

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    const struct options *options = context;
    if (arguments->count == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "say which backup: 'restore BACKUP --data DIR'");
    if (options->data == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say where to: --data DIR, such as --data ./data");
    struct px_render render = {.stream = stdout, .as_json = options->json};
    const struct proximadb_backup_options restore = {.struct_size = sizeof restore,
                                                     .collections = options->collections.items,
                                                     .collection_count = options->collections.count,
                                                     .copy = options->copy,
                                                     .sink = px_render_sink,
                                                     .sink_context = &render};
    int rc = proximadb_restore(arguments->items[0], options->data, &restore, reterr);
    return px_render_end(&render, rc, reterr);
}

const struct px_command px_command_restore = {
    .name = "restore",
    .summary = "verify a backup and make a data folder of it",
    .usage = "BACKUP --data DIR [--collection NAME[:NEW]]... [--copy]",
    .details =
        "DIR is a new or empty folder, or a data folder that no server has open: into one\n"
        "with collections, one collection at a time is restored, under a name that is free.\n"
        "A damaged or unfinished backup is refused before anything is touched, with status\n"
        "3; what is interrupted leaves nothing, and can be run again.\n",
    .example = "  proximadb restore ./backups/monday --data ./restored\n"
               "  proximadb restore ./backups/monday --data ./data --collection docs:docs-monday\n",
    .flags = &table,
    .options_bytes = sizeof(struct options),
    .run = run,
};
