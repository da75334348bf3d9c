#include "cli/import_source.h"
#include "codec/json.h"
#include "os/file.h"

#include <stdlib.h>

enum { MOST_DIMS = 65536, MOST_LINE_MEMORY = 1 << 30 };

struct source {
    struct px_import_source base;
    struct px_slice file;
    size_t at;
    uint64_t line;
    struct px_import_names names;
    yyjson_doc *doc; /* of the present row */
    struct px_arena arena;
    float *vector;
    int64_t timestamp_ms, expires_at_ms;
    char number[24];
    struct proximadb_field fields[PX_IMPORT_MOST_FIELDS];
};

static void source_close(struct px_import_source *base)
{
    struct source *source = (struct source *)base;
    yyjson_doc_free(source->doc);
    px_arena_release(&source->arena);
    px_file_unmap(&px_fs_posix, source->file);
    free(source->vector);
    free(source);
}

/* ---- members ------------------------------------------------------------------------------- */

static const char *set_vector(struct source *source, yyjson_val *value, struct proximadb_row *row)
{
    size_t index, most;
    yyjson_val *item;
    if (!yyjson_is_arr(value))
        return "it is no list of numbers";
    if (yyjson_arr_size(value) > MOST_DIMS)
        return "it has over 65,536 dimensions";
    yyjson_arr_foreach(value, index, most, item)
    {
        if (!yyjson_is_num(item))
            return "it is no list of numbers";
        source->vector[index] = (float)yyjson_get_num(item);
    }
    row->vector = source->vector;
    row->dim_count = yyjson_arr_size(value);
    return NULL;
}

static const char *set_id(struct source *source, yyjson_val *value, struct proximadb_row *row)
{
    if (yyjson_is_uint(value))
        row->id = px_import_number(yyjson_get_uint(value), source->number);
    else if (yyjson_is_raw(value))
        return px_import_big_number(value);
    else if (yyjson_is_str(value))
        row->id = (struct proximadb_text){yyjson_get_str(value), yyjson_get_len(value)};
    else
        return "it is neither a string nor a positive integer";
    return NULL;
}

static const char *set_document(yyjson_val *value, struct proximadb_row *row)
{
    if (yyjson_is_null(value))
        return NULL;
    if (!yyjson_is_str(value))
        return "it is no string";
    row->document = yyjson_get_str(value);
    row->document_size_bytes = yyjson_get_len(value);
    return NULL;
}

static const char *set_time(yyjson_val *value, int64_t *place, const int64_t **member)
{
    if (yyjson_is_null(value))
        return NULL;
    if (!px_import_time(value, place))
        return "it is no integer of milliseconds since 1970";
    *member = place;
    return NULL;
}

static const char *set_member(struct source *source, struct px_slice name, yyjson_val *value,
                              struct proximadb_row *row)
{
    switch (px_import_role_of(&source->names, name)) {
    case PX_ROLE_ID:
        return source->names.number_ids ? NULL : set_id(source, value, row);
    case PX_ROLE_VECTOR:
        return set_vector(source, value, row);
    case PX_ROLE_DOCUMENT:
        return set_document(value, row);
    case PX_ROLE_METADATA:
        return yyjson_is_null(value) ? NULL
                                     : px_import_object(value, &source->arena, row, source->fields);
    case PX_ROLE_TIMESTAMP:
        return set_time(value, &source->timestamp_ms, &row->timestamp_ms);
    case PX_ROLE_EXPIRES_AT:
        return set_time(value, &source->expires_at_ms, &row->expires_at_ms);
    case PX_ROLE_FIELD:
        return px_import_value(name, value, &source->arena, row, source->fields);
    default:
        return NULL;
    }
}

/* ---- lines --------------------------------------------------------------------------------- */

static bool fail(const struct source *source, struct px_slice name, const char *fault,
                 struct proximadb_error *reterr)
{
    (void)px_fail(
        reterr, PROXIMADB_INVALID, "line %llu: '%.*s': %s", (unsigned long long)source->line,
        name.size_bytes < 100 ? (int)name.size_bytes : 100, (const char *)name.data, fault);
    return false;
}

/* The next line that is not empty, from *at on; false at the end. */
static bool take_line(struct px_slice file, size_t *at, uint64_t *line, struct px_slice *ret_line)
{
    while (*at < file.size_bytes) {
        const uint8_t *begin = file.data + *at;
        size_t left = file.size_bytes - *at;
        const uint8_t *end = memchr(begin, '\n', left);
        size_t size = end != NULL ? (size_t)(end - begin) : left;
        *at += size + (end != NULL);
        ++*line;
        if (size > 0 && begin[size - 1] == '\r')
            size--;
        *ret_line = px_slice_of(begin, size);
        if (size > 0)
            return true;
    }
    return false;
}

/* By reading again, for the one message of an import that fails. */
static uint64_t line_of(const struct px_import_source *base, uint64_t row)
{
    const struct source *source = (const struct source *)base;
    struct px_slice content;
    size_t at = 0;
    uint64_t line = 0;
    for (uint64_t i = 0; i <= row; i++)
        if (!take_line(source->file, &at, &line, &content))
            break;
    return line;
}

static bool read_members(struct source *source, yyjson_val *object, struct proximadb_row *row,
                         struct proximadb_error *reterr)
{
    size_t index, most;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, most, key, value)
    {
        struct px_slice name = px_slice_of(yyjson_get_str(key), yyjson_get_len(key));
        const char *fault = set_member(source, name, value, row);
        if (fault != NULL)
            return fail(source, name, fault, reterr);
    }
    bool is_given;
    const char *vector = px_import_name_of(&source->names, PX_ROLE_VECTOR, &is_given);
    const char *id = px_import_name_of(&source->names, PX_ROLE_ID, &is_given);
    if (row->vector == NULL)
        return fail(source, px_slice_of_string(vector),
                    "it is missing; --vector-column NAME says what the vector is called", reterr);
    if (row->id.data == NULL)
        return fail(
            source, px_slice_of_string(id),
            "it is missing; --id-column NAME says what the id is called, --number-ids takes "
            "row numbers",
            reterr);
    return true;
}

static bool next(struct px_import_source *base, struct proximadb_row *ret_row,
                 struct proximadb_error *reterr)
{
    struct source *source = (struct source *)base;
    struct px_slice line;
    if (!take_line(source->file, &source->at, &source->line, &line))
        return false;
    yyjson_doc_free(source->doc);
    source->doc = NULL;
    px_arena_release(&source->arena);
    if (px_json_parse_limited(line, MOST_LINE_MEMORY, &source->doc, reterr) != PROXIMADB_OK) {
        px_error_context(reterr, "line %llu", (unsigned long long)source->line);
        return false;
    }
    yyjson_val *object = yyjson_doc_get_root(source->doc);
    if (!yyjson_is_obj(object)) {
        (void)px_fail(reterr, PROXIMADB_INVALID, "line %llu is no JSON object",
                      (unsigned long long)source->line);
        return false;
    }
    struct proximadb_row row = {.struct_size = sizeof row};
    if (source->names.number_ids)
        row.id = px_import_number(base->next_row, source->number);
    if (!read_members(source, object, &row, reterr))
        return false;
    base->next_row++;
    *ret_row = row;
    return true;
}

int px_import_jsonl(struct px_slice file, const struct px_import_names *names,
                    struct px_import_source **ret_source, struct proximadb_error *reterr)
{
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return px_fail_no_memory(reterr);
    source->base =
        (struct px_import_source){.next = next, .close = source_close, .line_of = line_of};
    source->names = *names;
    source->vector = malloc(MOST_DIMS * sizeof *source->vector);
    if (source->vector == NULL) {
        source_close(&source->base);
        return px_fail_no_memory(reterr);
    }
    source->file = file;
    *ret_source = &source->base;
    return PROXIMADB_OK;
}
