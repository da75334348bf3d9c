/*
 * config: a configuration file, by the same table as the command line: the key `memtable-limit` is
 * the flag --memtable-limit. cli/toml.h says what such a file looks like.
 *
 *      FLAG                 IN THE FILE
 *      SWITCH               true or false
 *      LIST                 a string, or an array of strings
 *      SIZE, COUNT          a whole number, or a string such as "64MiB"
 *      TEXT, TIME, WORD     a string
 *
 * Threads: any.
 */
#ifndef PX_CLI_CONFIG_H
#define PX_CLI_CONFIG_H

#include "cli/flags.h"

/* Fills in `options` from the file at `path`. *ret_text is what texts in `options` are views into,
 * also after a failure; returned, free with free().
 * PROXIMADB_INVALID (the message begins with FILE:LINE), PROXIMADB_IO, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_config_read(const struct px_flag_table *table, const char *path, void *options,
                                 char **ret_text, struct proximadb_error *reterr);

#endif /* PX_CLI_CONFIG_H */
