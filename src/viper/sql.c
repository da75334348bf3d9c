#include "viper/sql.h"

#include <stdlib.h>
#include <strings.h>

/* The columns that every part has, with their types in DuckDB. */
static const struct {
    const char *name;
    const char *type;
} fixed_columns[] = {
    {"id", "VARCHAR"},
    {"version", "BIGINT"},
    {"vector", "FLOAT[]"},
    {"timestamp", "TIMESTAMP WITH TIME ZONE"},
    {"expires_at", "TIMESTAMP WITH TIME ZONE"},
    {"document", "VARCHAR"},
    {"metadata", "JSON"},
};

static const char *const field_types[] = {
    [PROXIMADB_FIELD_STRING] = "VARCHAR",         [PROXIMADB_FIELD_LONG] = "BIGINT",
    [PROXIMADB_FIELD_DOUBLE] = "DOUBLE",          [PROXIMADB_FIELD_BOOLEAN] = "BOOLEAN",
    [PROXIMADB_FIELD_STRING_ARRAY] = "VARCHAR[]",
};

/* ---- fields -------------------------------------------------------------------------------- */

void px_sql_fields_release(struct px_sql_fields *fields)
{
    free(fields->items);
    *fields = (struct px_sql_fields){0};
}

static struct px_sql_field *find(struct px_sql_fields *fields, struct px_slice name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (strlen(fields->items[i].name) == name.size_bytes &&
            strncasecmp(fields->items[i].name, (const char *)name.data, name.size_bytes) == 0)
            return &fields->items[i];
    return NULL;
}

/* Names of columns come from files: nothing else may get into a statement. */
static bool is_name(struct px_slice name)
{
    for (size_t i = 0; i < name.size_bytes; i++) {
        uint8_t byte = name.data[i];
        if (!(byte >= '0' && byte <= '9') && !(byte >= 'a' && byte <= 'z') &&
            !(byte >= 'A' && byte <= 'Z') && byte != '_')
            return false;
    }
    return name.size_bytes > 0 && name.size_bytes < PX_FIELD_NAME_BYTES;
}

int px_sql_fields_add(struct px_sql_fields *fields, struct px_slice name,
                      enum proximadb_field_type type, bool is_in_parts,
                      struct proximadb_error *reterr)
{
    if (!is_name(name))
        return px_fail(
            reterr, PROXIMADB_CORRUPT, "a part has a column that is none of ours: m_%.*s",
            (int)(name.size_bytes < 100 ? name.size_bytes : 100), (const char *)name.data);
    struct px_sql_field *field = find(fields, name);
    if (field != NULL) {
        field->is_in_parts |= is_in_parts;
        return PROXIMADB_OK;
    }
    if (fields->count == fields->capacity) {
        size_t capacity = fields->capacity == 0 ? 16 : 2 * fields->capacity;
        struct px_sql_field *items = realloc(fields->items, capacity * sizeof *items);
        if (items == NULL)
            return px_fail_no_memory(reterr);
        fields->items = items;
        fields->capacity = capacity;
    }
    field = &fields->items[fields->count++];
    *field = (struct px_sql_field){.type = type, .is_in_parts = is_in_parts};
    memcpy(field->name, name.data, name.size_bytes);
    return PROXIMADB_OK;
}

/* ---- text ---------------------------------------------------------------------------------- */

static void put(struct px_buffer *sql, const char *text)
{
    px_buffer_append(sql, text, strlen(text));
}

/* The inside of a string literal. As a pattern, what would match other names is made to match
 * itself. */
static void put_escaped(struct px_buffer *sql, const char *text, bool is_pattern)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            px_buffer_append_byte(sql, '\'');
        bool is_special = is_pattern && (*text == '*' || *text == '?' || *text == '[');
        if (is_special)
            px_buffer_append_byte(sql, '[');
        px_buffer_append_byte(sql, (uint8_t)*text);
        if (is_special)
            px_buffer_append_byte(sql, ']');
    }
}

/* read_parquet(['FILE', ...], OPTIONS) */
static void put_files(struct px_buffer *sql, const char *store_folder,
                      const struct px_manifest_files *files, const char *options)
{
    put(sql, "read_parquet([\n");
    for (size_t i = 0; i < files->count; i++) {
        put(sql, "        '");
        put_escaped(sql, store_folder, true);
        put(sql, "/");
        put_escaped(sql, files->items[i].path, true);
        put(sql, i + 1 < files->count ? "',\n" : "'\n");
    }
    px_buffer_append_format(sql, "    ], %s)", options);
}

static void put_fixed(struct px_buffer *sql, bool has_parts)
{
    for (size_t i = 0; i < sizeof fixed_columns / sizeof fixed_columns[0]; i++) {
        const char *name = fixed_columns[i].name;
        put(sql, i == 0 ? "" : ",\n    ");
        if (has_parts)
            px_buffer_append_format(sql, "part.\"%s\"", name);
        else
            px_buffer_append_format(sql, "CAST(NULL AS %s) AS \"%s\"", fixed_columns[i].type, name);
    }
}

static void put_columns(struct px_buffer *sql, bool has_parts, const struct px_sql_fields *fields)
{
    put(sql, "SELECT\n    ");
    put_fixed(sql, has_parts);
    for (size_t i = 0; i < fields->count; i++) {
        const struct px_sql_field *field = &fields->items[i];
        if (has_parts && field->is_in_parts)
            px_buffer_append_format(sql, ",\n    part.\"m_%s\"", field->name);
        else
            px_buffer_append_format(sql, ",\n    CAST(NULL AS %s) AS \"m_%s\"",
                                    field_types[field->type], field->name);
    }
    put(sql, "\n");
}

static void put_anti_join(struct px_buffer *sql, const char *store_folder,
                          const struct px_manifest_files *deletes)
{
    put(sql, "    AND NOT EXISTS (\n    SELECT 1\n    FROM ");
    put_files(sql, store_folder, deletes, "hive_partitioning = false");
    put(sql, " AS dead\n    WHERE part.filename = '");
    put_escaped(sql, store_folder, false);
    put(sql, "/' || dead.file_path\n        AND part.file_row_number = dead.pos)\n");
}

void px_sql_live_rows(const char *store_folder, const struct px_manifest *manifest,
                      const struct px_sql_fields *fields, struct px_buffer *sql)
{
    bool has_parts = manifest->parts.count > 0;
    put_columns(sql, has_parts, fields);
    if (!has_parts) {
        put(sql, "WHERE false;\n");
        return;
    }
    put(sql, "FROM ");
    put_files(sql, store_folder, &manifest->parts,
              "union_by_name = true, filename = true,\n"
              "    file_row_number = true, hive_partitioning = false");
    put(sql, " AS part\nWHERE (part.expires_at IS NULL OR part.expires_at > now())\n");
    if (manifest->deletes.count > 0)
        put_anti_join(sql, store_folder, &manifest->deletes);
    sql->size_bytes -= sql->size_bytes > 0; /* the newline */
    put(sql, ";\n");
}
