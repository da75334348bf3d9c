#include "cli/commands.h"

struct options {
    bool json;
};

static const struct px_flag flags[] = {
    {"json", NULL, "as a JSON line", NULL, PX_FLAG_SWITCH, offsetof(struct options, json), 0, 0,
     NULL},
};

static const struct px_flag_table table = {
    .command = "version", .flags = flags, .count = sizeof flags / sizeof flags[0]};

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    const struct options *options = context;
    (void)arguments;
    printf(options->json ? "{\"kind\":\"version\",\"version\":\"%s\"}\n" : "proximadb %s\n",
           proximadb_version());
    return px_command_flush(reterr);
}

const struct px_command px_command_version = {
    .name = "version",
    .summary = "print the version",
    .usage = "[--json]",
    .details = "The version is MAJOR.MINOR.PATCH.\n",
    .example = "  proximadb version\n",
    .flags = &table,
    .options_bytes = sizeof(struct options),
    .run = run,
};
