#include "cli/commands.h"

static const struct px_command *const all[] = {
    &px_command_serve,  &px_command_inspect, &px_command_check,   &px_command_import,
    &px_command_export, &px_command_backup,  &px_command_restore, &px_command_version,
};

const struct px_command_list px_commands = {all, sizeof all / sizeof all[0]};
