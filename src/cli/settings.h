/*
 * settings: all that a command is told, from least to most: defaults, the configuration file, the
 * environment, the command line.
 *
 * Threads: any.
 */
#ifndef PX_CLI_SETTINGS_H
#define PX_CLI_SETTINGS_H

#include "cli/flags.h"

struct px_settings {
    void *options; /* owned; what the table describes */
    struct px_arguments arguments;
    char *config_text; /* owned; texts in `options` may be views into it */
};

/* Reads all sources. argv[0] is the first word behind the command's name. If help is asked for, the
 * rest is not looked at. Release in any case; the struct is made by this function.
 * PROXIMADB_INVALID, PROXIMADB_IO (the file), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_settings_read(struct px_settings *settings, const struct px_flag_table *table,
                                   size_t options_bytes, int argc, const char *const *argv,
                                   struct proximadb_error *reterr);

void px_settings_release(struct px_settings *settings);

#endif /* PX_CLI_SETTINGS_H */
