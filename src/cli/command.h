/*
 * command: what a subcommand of `proximadb` is, and how one is run.
 *
 *      proximadb NAME FLAGS ARGUMENTS
 *          |       |
 *          |       '-- by the command's table (cli/flags.h), into its options
 *          '---------- by a table of commands (main.c)
 *
 * A command returns a status with an error; what is printed about it, and the process's exit
 * status, are decided here, so they are the same everywhere:
 *
 *      EXIT STATUS  MEANING
 *      0            done
 *      1            it failed: the system refused something, memory, or a fault of ours
 *      2            what was asked for makes no sense: a flag, a value, a configuration file, a
 *                   row, a file of a kind that is not read
 *      3            damage was found
 *      4            another process holds the data folder or the port; try again later
 *      5            there is no such collection, file or folder
 *
 * With --json results are JSON lines on standard output and an error is one JSON line on standard
 * error.
 *
 * Threads: one.
 */
#ifndef PX_CLI_COMMAND_H
#define PX_CLI_COMMAND_H

#include "cli/flags.h"

#include <stdio.h>

enum px_exit {
    PX_EXIT_OK = 0,
    PX_EXIT_FAILED = 1,
    PX_EXIT_USAGE = 2,
    PX_EXIT_DAMAGED = 3,
    PX_EXIT_UNAVAILABLE = 4,
    PX_EXIT_NOT_FOUND = 5,
    PX_EXIT_COUNT = 6,
};

struct px_command {
    const char *name;
    const char *summary; /* a phrase that begins with a verb, without a full stop */
    const char *usage;   /* what stands behind the name: "--data DIR [FLAG]..."; may be empty */
    const char *details; /* sentences, in lines of at most 80 columns with newlines */
    const char *example; /* lines of a shell, with newlines */
    const struct px_flag_table *flags;
    size_t options_bytes;

    /* Does the work. `options` is what `flags` describe. */
    int (*run)(void *options, const struct px_arguments *arguments, struct proximadb_error *reterr);
};

/* Every command but help. */
struct px_command_list {
    const struct px_command *const *items;
    size_t count;
};

/* Runs the command that argv[1] names, and returns the exit status. `help`, --help, --version and
 * no command at all are understood, too. */
int px_command_main(const struct px_command_list *commands, int argc, const char *const *argv);

/* The exit status for a failed call. */
enum px_exit px_exit_of(const struct proximadb_error *error);

/* Flushes standard output. PROXIMADB_IO: something that was printed was lost. */
PX_MUST_CHECK int px_command_flush(struct proximadb_error *reterr);

#endif /* PX_CLI_COMMAND_H */
