/*
 * help: what `proximadb help`, `proximadb COMMAND --help` and their --json form print, out of the
 * tables that the commands are made of.
 *
 * The JSON form is one object: kind "help"; commands, each with name, summary, usage and flags
 * (name, kind, argument, variable, default); exits, each with status and meaning.
 * The manual pages are compared with it by a test.
 *
 * Threads: one.
 */
#ifndef PX_CLI_HELP_H
#define PX_CLI_HELP_H

#include "base/buffer.h"
#include "cli/command.h"

/* Each appends to `text`, which it marks where memory does not suffice. */
void px_help_all(const struct px_command_list *commands, struct px_buffer *text);
void px_help_command(const struct px_command *command, struct px_buffer *text);
void px_help_json(const struct px_command_list *commands, struct px_buffer *text);

#endif /* PX_CLI_HELP_H */
