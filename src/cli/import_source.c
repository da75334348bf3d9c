#include "cli/import_source.h"

#include "codec/json.h"
#include "os/file.h"

#include <stdio.h>
#include <strings.h>

static const char *const default_names[PX_ROLE_COUNT] = {
    [PX_ROLE_ID] = "id",
    [PX_ROLE_VECTOR] = "vector",
    [PX_ROLE_DOCUMENT] = "document",
    [PX_ROLE_METADATA] = "metadata",
    [PX_ROLE_TIMESTAMP] = "timestamp",
    [PX_ROLE_EXPIRES_AT] = "expires_at",
};

const char *px_import_name_of(const struct px_import_names *names, enum px_import_role role,
                              bool *ret_is_given)
{
    const char *const given[PX_ROLE_COUNT] = {
        [PX_ROLE_ID] = names->id,
        [PX_ROLE_VECTOR] = names->vector,
        [PX_ROLE_DOCUMENT] = names->document,
        [PX_ROLE_METADATA] = names->metadata,
        [PX_ROLE_TIMESTAMP] = names->timestamp,
        [PX_ROLE_EXPIRES_AT] = names->expires_at,
    };
    *ret_is_given = given[role] != NULL;
    return given[role] != NULL ? given[role] : default_names[role];
}

static bool is_equal(struct px_slice name, const char *text)
{
    return px_slice_equal(name, px_slice_of_string(text));
}

enum px_import_role px_import_role_of(const struct px_import_names *names, struct px_slice name)
{
    for (size_t i = 0; names->ignored != NULL && i < names->ignored->count; i++)
        if (is_equal(name, names->ignored->items[i]))
            return PX_ROLE_NONE;
    for (int role = 0; role < PX_ROLE_COUNT; role++) {
        bool is_given;
        if (is_equal(name, px_import_name_of(names, (enum px_import_role)role, &is_given)))
            return (enum px_import_role)role;
    }
    return PX_ROLE_FIELD;
}

struct proximadb_text px_import_number(uint64_t row, char text[24])
{
    int size = snprintf(text, 24, "%llu", (unsigned long long)row);
    return (struct proximadb_text){.data = text, .size_bytes = (size_t)size};
}

const char *px_import_big_number(yyjson_val *raw)
{
    return strpbrk(yyjson_get_raw(raw), ".eE") != NULL
               ? "it is a number beyond the range of a double; send it as a string"
               : "it is an integer beyond 64 bits; send it as a string";
}

bool px_import_time(yyjson_val *value, int64_t *ret_ms)
{
    if (!yyjson_is_int(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
        return false;
    *ret_ms = yyjson_get_sint(value);
    return true;
}

/* ---- metadata ------------------------------------------------------------------------------ */

static struct proximadb_text text_of(yyjson_val *value)
{
    return (struct proximadb_text){.data = yyjson_get_str(value),
                                   .size_bytes = yyjson_get_len(value)};
}

static const char *set_strings(yyjson_val *array, struct px_arena *arena,
                               struct proximadb_value *value)
{
    size_t count = yyjson_arr_size(array), index, most;
    yyjson_val *item;
    struct proximadb_text *items = px_arena_calloc(arena, count, sizeof *items);
    if (items == NULL)
        return "there is no memory for it";
    yyjson_arr_foreach(array, index, most, item)
    {
        if (!yyjson_is_str(item))
            return "a list may have strings only";
        items[index] = text_of(item);
    }
    value->kind = PROXIMADB_VALUE_STRING_ARRAY;
    value->as.strings.items = items;
    value->as.strings.count = count;
    return NULL;
}

static const char *set_value(yyjson_val *json, struct px_arena *arena,
                             struct proximadb_value *value)
{
    if (yyjson_is_null(json)) {
        value->kind = PROXIMADB_VALUE_NULL;
    } else if (yyjson_is_bool(json)) {
        value->kind = PROXIMADB_VALUE_BOOLEAN;
        value->as.boolean = yyjson_get_bool(json);
    } else if (yyjson_is_int(json)) {
        value->kind = PROXIMADB_VALUE_LONG;
        if (!px_import_time(json, &value->as.integer))
            return "the integer is above 9,223,372,036,854,775,807";
    } else if (yyjson_is_raw(json)) {
        return px_import_big_number(json);
    } else if (yyjson_is_real(json)) {
        value->kind = PROXIMADB_VALUE_DOUBLE;
        value->as.number = yyjson_get_real(json);
    } else if (yyjson_is_str(json)) {
        value->kind = PROXIMADB_VALUE_STRING;
        value->as.string = text_of(json);
    } else if (yyjson_is_arr(json)) {
        return set_strings(json, arena, value);
    } else {
        return "objects in metadata are not stored; give their members keys of their own";
    }
    return NULL;
}

const char *px_import_value(struct px_slice name, yyjson_val *json, struct px_arena *arena,
                            struct proximadb_row *row, struct proximadb_field *fields)
{
    if (row->field_count == PX_IMPORT_MOST_FIELDS)
        return "it has more than 1,024 entries of metadata";
    struct proximadb_field *field = &fields[row->field_count];
    *field = (struct proximadb_field){
        .name = {.data = (const char *)name.data, .size_bytes = name.size_bytes}};
    const char *fault = set_value(json, arena, &field->value);
    row->fields = fields;
    row->field_count += fault == NULL;
    return fault;
}

const char *px_import_object(yyjson_val *object, struct px_arena *arena, struct proximadb_row *row,
                             struct proximadb_field *fields)
{
    size_t index, most;
    yyjson_val *key, *value;
    const char *fault = NULL;
    if (!yyjson_is_obj(object))
        return "the metadata is no JSON object";
    yyjson_obj_foreach(object, index, most, key, value)
    {
        struct px_slice name = px_slice_of(yyjson_get_str(key), yyjson_get_len(key));
        fault = px_import_value(name, value, arena, row, fields);
        if (fault != NULL)
            break;
    }
    return fault;
}

/* ---- opening ------------------------------------------------------------------------------- */

static bool ends_with(const char *path, const char *suffix)
{
    size_t size = strlen(path), suffix_size = strlen(suffix);
    return size > suffix_size && strcasecmp(path + size - suffix_size, suffix) == 0;
}

int px_import_open(const char *path, const struct px_import_names *names,
                   struct px_import_source **ret_source, struct proximadb_error *reterr)
{
    bool is_npy = ends_with(path, ".npy"), is_parquet = ends_with(path, ".parquet");
    bool is_jsonl = ends_with(path, ".jsonl") || ends_with(path, ".ndjson");
    struct px_slice file = {0};
    if (!is_npy && !is_parquet && !is_jsonl)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "'%s' must end in .parquet, .jsonl or .npy, which tells its format", path);
    int rc = px_file_map(&px_fs_posix, path, &file, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (is_npy)
        rc = px_import_npy(path, file, names, ret_source, reterr);
    else if (is_parquet)
        rc = px_import_parquet(file, names, ret_source, reterr);
    else
        rc = px_import_jsonl(file, names, ret_source, reterr);
    if (rc != PROXIMADB_OK) {
        px_file_unmap(&px_fs_posix, file);
        px_error_context(reterr, "'%s'", path);
    }
    return rc;
}
