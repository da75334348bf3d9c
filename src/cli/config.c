#include "cli/config.h"

#include "cli/toml.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

struct reading {
    const struct px_flag_table *table;
    const char *path;
    void *options;
    bool given[64]; /* which flags the file has had */
};

/* ---- values -------------------------------------------------------------------------------- */

static bool fits(const struct px_flag *flag, const struct px_toml_value *value)
{
    switch (flag->kind) {
    case PX_FLAG_SWITCH:
        return value->kind == PX_TOML_BOOLEAN;
    case PX_FLAG_SIZE:
    case PX_FLAG_COUNT:
        return value->kind != PX_TOML_BOOLEAN;
    default:
        return value->kind == PX_TOML_STRING;
    }
}

static const char *expectation(const struct px_flag *flag)
{
    switch (flag->kind) {
    case PX_FLAG_SWITCH:
        return "true or false";
    case PX_FLAG_SIZE:
        return "a whole number or a string such as \"64MiB\"";
    case PX_FLAG_COUNT:
        return "a whole number";
    case PX_FLAG_TIME:
        return "a string such as \"30s\"";
    case PX_FLAG_LIST:
        return "a string or an array of strings";
    default:
        return "a string";
    }
}

static int find_flag(const struct reading *reading, const struct px_toml_value *value,
                     const struct px_flag **ret_flag, struct proximadb_error *reterr)
{
    const struct px_flag *flag = px_flags_find(reading->table, value->key);
    const char *near = px_flags_nearest(reading->table, value->key);
    *ret_flag = flag;
    if (flag != NULL && strcmp(flag->name, reading->table->config_flag) == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "a configuration file cannot name another one");
    if (flag != NULL)
        return PROXIMADB_OK;
    if (near != NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no setting '%s'; did you mean '%s'?",
                       value->key, near);
    return px_fail(reterr, PROXIMADB_INVALID,
                   "there is no setting '%s'; the settings are the flags that 'proximadb %s "
                   "--help' lists, without their dashes",
                   value->key, reading->table->command);
}

static int set(struct reading *reading, const struct px_toml_value *value,
               struct proximadb_error *reterr)
{
    const struct px_flag *flag;
    int rc = find_flag(reading, value, &flag, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    bool *given = &reading->given[flag - reading->table->flags];
    if (*given && value->item_index == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "'%s' is set for the second time", value->key);
    if (!*given)
        px_flag_forget(flag, reading->options);
    *given = true;
    if ((value->is_item && flag->kind != PX_FLAG_LIST) || !fits(flag, value))
        return px_fail(reterr, PROXIMADB_INVALID, "'%s' must be %s", value->key, expectation(flag));
    return px_flag_set(flag, value->key, value->text, reading->options, reterr);
}

static int visit(void *context, const struct px_toml_value *value, struct proximadb_error *reterr)
{
    return set(context, value, reterr);
}

/* ---- the file ------------------------------------------------------------------------------ */

/* Its bytes with a NUL behind them. */
static int read_text(const char *path, char **ret_text, struct proximadb_error *reterr)
{
    struct px_buffer content = {0};
    int rc = px_file_read(&px_fs_posix, path, MOST_BYTES, &content, reterr);
    if (rc == PROXIMADB_OK) {
        px_buffer_append_byte(&content, '\0');
        rc = px_buffer_status(&content, reterr);
    }
    if (rc == PROXIMADB_OK && strlen((char *)content.data) + 1 < content.size_bytes)
        rc = px_fail(reterr, PROXIMADB_INVALID, "%s: it holds a NUL byte and is no text", path);
    if (rc != PROXIMADB_OK) {
        px_buffer_release(&content);
        return rc;
    }
    *ret_text = (char *)content.data;
    return PROXIMADB_OK;
}

int px_config_read(const struct px_flag_table *table, const char *path, void *options,
                   char **ret_text, struct proximadb_error *reterr)
{
    struct reading reading = {.table = table, .path = path, .options = options};
    unsigned line;
    *ret_text = NULL;
    int rc = read_text(path, ret_text, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_toml_parse(*ret_text, visit, &reading, &line, reterr);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "%s:%u", path, line);
    return rc;
}
