#include "cli/commands.h"
#include "cli/render.h"

struct options {
    const char *data;
    struct px_texts collections;
    bool copy;
    bool verify;
    bool json;
};

static const struct px_flag flags[] = {
    {"data", "DIR", "the data folder", NULL, PX_FLAG_TEXT, offsetof(struct options, data), 0, 0,
     NULL},
    {"collection", "NAME", "only this collection; may be repeated", NULL, PX_FLAG_LIST,
     offsetof(struct options, collections), 0, 0, NULL},
    {"copy", NULL, "copy every file instead of linking", NULL, PX_FLAG_SWITCH,
     offsetof(struct options, copy), 0, 0, NULL},
    {"verify", NULL, "read the backup once it is made", NULL, PX_FLAG_SWITCH,
     offsetof(struct options, verify), 0, 0, NULL},
    {"json", NULL, "as JSON lines", NULL, PX_FLAG_SWITCH, offsetof(struct options, json), 0, 0,
     NULL},
};

static const struct px_flag_table table = {.command = "backup",
                                           .flags = flags,
                                           .count = sizeof flags / sizeof flags[0],
                                           .most_arguments = 1};

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    const struct options *options = context;
    if (options->data == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say which data folder: --data DIR, such as --data ./data");
    if (arguments->count == 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say where the backup is to be made: 'backup --data DIR OUT'");
    struct px_render render = {.stream = stdout, .as_json = options->json};
    const struct proximadb_backup_options backup = {.struct_size = sizeof backup,
                                                    .collections = options->collections.items,
                                                    .collection_count = options->collections.count,
                                                    .copy = options->copy,
                                                    .verify = options->verify,
                                                    .sink = px_render_sink,
                                                    .sink_context = &render};
    int rc = proximadb_backup(options->data, arguments->items[0], &backup, reterr);
    return px_render_end(&render, rc, reterr);
}

const struct px_command px_command_backup = {
    .name = "backup",
    .summary = "copy a data folder while it is in use",
    .usage = "--data DIR OUT [--collection NAME]... [--copy] [--verify]",
    .details =
        "OUT is a new or empty folder. What was acknowledged before the command began is in\n"
        "the backup, whole batches only, also beside a running server. Parts are hard links\n"
        "where OUT is on the same file system: quick, but no second copy; --copy makes one.\n"
        "A link is not read: --verify reads the backup and refuses a damaged one.\n",
    .example = "  proximadb backup --data ./data ./backups/monday\n"
               "  proximadb backup --data ./data /mnt/other/monday --collection docs --copy\n",
    .flags = &table,
    .options_bytes = sizeof(struct options),
    .run = run,
};
