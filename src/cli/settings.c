#include "cli/settings.h"

#include "cli/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Environment and command line. */
static int read_given(struct px_settings *settings, const struct px_flag_table *table, int argc,
                      const char *const *argv, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    if (table->reads_environment)
        rc = px_flags_read_environment(table, settings->options, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_flags_read_line(table, argc, argv, settings->options, &settings->arguments, reterr);
    return rc;
}

/* The configuration file is named by what counts more than it does, so that is read twice. */
static const char *config_path(const struct px_settings *settings,
                               const struct px_flag_table *table)
{
    if (table->config_flag == NULL || settings->arguments.wants_help)
        return NULL;
    const struct px_flag *flag = px_flags_find(table, table->config_flag);
    assert(flag != NULL && flag->kind == PX_FLAG_TEXT);
    const char *path;
    memcpy(&path, (char *)settings->options + flag->offset, sizeof path);
    return path;
}

int px_settings_read(struct px_settings *settings, const struct px_flag_table *table,
                     size_t options_bytes, int argc, const char *const *argv,
                     struct proximadb_error *reterr)
{
    *settings = (struct px_settings){.options = calloc(1, options_bytes)};
    if (settings->options == NULL)
        return px_fail_no_memory(reterr);
    px_flags_set_defaults(table, settings->options);
    int rc = read_given(settings, table, argc, argv, reterr);
    const char *path = rc == PROXIMADB_OK ? config_path(settings, table) : NULL;
    if (path == NULL)
        return rc;
    memset(settings->options, 0, options_bytes);
    px_flags_set_defaults(table, settings->options);
    rc = px_config_read(table, path, settings->options, &settings->config_text, reterr);
    return rc == PROXIMADB_OK ? read_given(settings, table, argc, argv, reterr) : rc;
}

void px_settings_release(struct px_settings *settings)
{
    free(settings->options);
    free(settings->config_text);
    *settings = (struct px_settings){0};
}
