/*
 * commands: the commands there are, each in a file of its own name: command_serve.c and so on.
 */
#ifndef PX_CLI_COMMANDS_H
#define PX_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct px_command px_command_serve;
extern const struct px_command px_command_inspect;
extern const struct px_command px_command_check;
extern const struct px_command px_command_import;
extern const struct px_command px_command_export;
extern const struct px_command px_command_backup;
extern const struct px_command px_command_restore;
extern const struct px_command px_command_version;

/* All of them, in the order that help shows. */
extern const struct px_command_list px_commands;

#endif /* PX_CLI_COMMANDS_H */
