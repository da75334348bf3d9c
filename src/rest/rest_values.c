#include "rest/rest_values.h"

#include <inttypes.h>

static struct proximadb_text text_of(yyjson_val *json)
{
    return (struct proximadb_text){.data = yyjson_get_str(json),
                                   .size_bytes = yyjson_get_len(json)};
}

static struct px_slice slice_of(struct proximadb_text text)
{
    return px_slice_of(text.data, text.size_bytes);
}

/* ---- from JSON ----------------------------------------------------------------------------- */

struct place {
    const char *what;
    struct proximadb_text name;
};

/* Refuses a value at `metadata.key`. */
static int fail_at(const struct place *place, yyjson_val *json, struct proximadb_error *reterr)
{
    struct px_slice name = slice_of(place->name);
    bool is_number = yyjson_is_raw(json) || yyjson_is_num(json);
    return px_fail(reterr, PROXIMADB_INVALID, "%s.%.*s is %s; %s", place->what, PX_REST_SHOWN(name),
                   is_number ? "a number out of range" : px_rest_kind_of(json),
                   is_number ? "integers have 64 bits and a sign, others are doubles; a string "
                               "holds any number"
                             : "a value is null, a boolean, a number, a string or an array of "
                               "strings");
}

static int read_strings(yyjson_val *array, const struct place *place, struct px_arena *arena,
                        struct proximadb_value *ret_value, struct proximadb_error *reterr)
{
    size_t count = yyjson_arr_size(array);
    struct proximadb_text *items = px_arena_calloc(arena, count, sizeof *items);
    struct px_slice name = slice_of(place->name);
    yyjson_val *item;
    if (items == NULL)
        return px_rest_fail_memory(place->what, reterr);
    yyjson_arr_iter all = yyjson_arr_iter_with(array);
    for (size_t i = 0; (item = yyjson_arr_iter_next(&all)) != NULL; i++) {
        if (!yyjson_is_str(item))
            return px_fail(reterr, PROXIMADB_INVALID,
                           "%s.%.*s[%zu] is %s; an array may hold strings only", place->what,
                           PX_REST_SHOWN(name), i, px_rest_kind_of(item));
        items[i] = text_of(item);
    }
    ret_value->kind = PROXIMADB_VALUE_STRING_ARRAY;
    ret_value->as.strings.items = items;
    ret_value->as.strings.count = count;
    return PROXIMADB_OK;
}

static bool is_long(yyjson_val *json)
{
    return yyjson_is_sint(json) || (yyjson_is_uint(json) && yyjson_get_uint(json) <= INT64_MAX);
}

static int read_value(yyjson_val *json, const struct place *place, struct px_arena *arena,
                      struct proximadb_value *ret_value, struct proximadb_error *reterr)
{
    if (yyjson_is_arr(json))
        return read_strings(json, place, arena, ret_value, reterr);
    if (yyjson_is_str(json))
        *ret_value =
            (struct proximadb_value){.kind = PROXIMADB_VALUE_STRING, .as.string = text_of(json)};
    else if (is_long(json))
        *ret_value = (struct proximadb_value){.kind = PROXIMADB_VALUE_LONG,
                                              .as.integer = yyjson_get_sint(json)};
    else if (yyjson_is_real(json))
        *ret_value = (struct proximadb_value){.kind = PROXIMADB_VALUE_DOUBLE,
                                              .as.number = yyjson_get_real(json)};
    else if (yyjson_is_bool(json))
        *ret_value = (struct proximadb_value){.kind = PROXIMADB_VALUE_BOOLEAN,
                                              .as.boolean = yyjson_get_bool(json)};
    else if (yyjson_is_null(json))
        *ret_value = (struct proximadb_value){.kind = PROXIMADB_VALUE_NULL};
    else
        return fail_at(place, json, reterr);
    return PROXIMADB_OK;
}

int px_rest_fields_read(yyjson_val *object, const char *what, struct px_arena *arena,
                        const struct proximadb_field **ret_fields, size_t *ret_field_count,
                        struct proximadb_error *reterr)
{
    if (!yyjson_is_obj(object))
        return px_fail(reterr, PROXIMADB_INVALID, "%s must be a JSON object, and is %s", what,
                       px_rest_kind_of(object));
    size_t count = yyjson_obj_size(object);
    struct proximadb_field *fields = px_arena_calloc(arena, count, sizeof *fields);
    yyjson_val *key;
    if (fields == NULL)
        return px_rest_fail_memory(what, reterr);
    yyjson_obj_iter entries = yyjson_obj_iter_with(object);
    for (size_t i = 0; (key = yyjson_obj_iter_next(&entries)) != NULL; i++) {
        const struct place place = {.what = what, .name = text_of(key)};
        fields[i].name = place.name;
        int rc = read_value(yyjson_obj_iter_get_val(key), &place, arena, &fields[i].value, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    *ret_fields = fields;
    *ret_field_count = count;
    return PROXIMADB_OK;
}

/* ---- to JSON ------------------------------------------------------------------------------- */

static void write_strings(struct px_buffer *buffer, const struct proximadb_value *value)
{
    px_buffer_append_byte(buffer, '[');
    for (size_t i = 0; i < value->as.strings.count; i++) {
        if (i > 0)
            px_buffer_append_byte(buffer, ',');
        px_json_append_string(buffer, slice_of(value->as.strings.items[i]));
    }
    px_buffer_append_byte(buffer, ']');
}

static void write_value(struct px_buffer *buffer, const struct proximadb_value *value)
{
    switch (value->kind) {
    case PROXIMADB_VALUE_BOOLEAN:
        px_buffer_append_slice(buffer, px_slice_of_string(value->as.boolean ? "true" : "false"));
        break;
    case PROXIMADB_VALUE_LONG:
        px_buffer_append_format(buffer, "%" PRId64, value->as.integer);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        px_json_append_double(buffer, value->as.number);
        break;
    case PROXIMADB_VALUE_STRING:
        px_json_append_string(buffer, slice_of(value->as.string));
        break;
    case PROXIMADB_VALUE_STRING_ARRAY:
        write_strings(buffer, value);
        break;
    default:
        px_buffer_append(buffer, "null", 4);
    }
}

void px_rest_fields_write(struct px_buffer *buffer, const struct proximadb_field *fields,
                          size_t field_count)
{
    px_buffer_append_byte(buffer, '{');
    for (size_t i = 0; i < field_count; i++) {
        if (i > 0)
            px_buffer_append_byte(buffer, ',');
        px_json_append_string(buffer, slice_of(fields[i].name));
        px_buffer_append_byte(buffer, ':');
        write_value(buffer, &fields[i].value);
    }
    px_buffer_append_byte(buffer, '}');
}
