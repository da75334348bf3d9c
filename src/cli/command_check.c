#include "cli/commands.h"
#include "cli/render.h"

struct options {
    const char *data;
    bool json;
};

static const struct px_flag flags[] = {
    {"data", "DIR", "the data folder", NULL, PX_FLAG_TEXT, offsetof(struct options, data), 0, 0,
     NULL},
    {"json", NULL, "findings as JSON lines", NULL, PX_FLAG_SWITCH, offsetof(struct options, json),
     0, 0, NULL},
};

static const struct px_flag_table table = {
    .command = "check", .flags = flags, .count = sizeof flags / sizeof flags[0]};

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    const struct options *options = context;
    struct px_render render = {.stream = stdout, .as_json = options->json};
    (void)arguments;
    if (options->data == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say which folder: --data DIR, such as --data ./data");
    int rc = proximadb_check(options->data, px_render_sink, &render, reterr);
    return px_render_end(&render, rc, reterr);
}

const struct px_command px_command_check = {
    .name = "check",
    .summary = "verify every checksum of a data folder",
    .usage = "--data DIR [--json]",
    .details = "Reads every file and changes nothing. No server may have the folder open. What a\n"
               "crash leaves behind is a note; damage makes the exit status 3. Of a backup,\n"
               "damage is all that 'restore' would refuse.\n",
    .example = "  proximadb check --data ./data\n",
    .flags = &table,
    .options_bytes = sizeof(struct options),
    .run = run,
};
