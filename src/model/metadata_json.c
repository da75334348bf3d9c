#include "model/metadata.h"

#include "codec/json.h"
#include "codec/utf8.h"
#include "model/metadata_internal.h"

#include <assert.h>
#include <inttypes.h>

/* JSON of up to about 1,300 bytes is read without an allocation. */
enum { DOCUMENT_MEMORY_BYTES = 16384 };

static void append_strings(struct px_buffer *buffer, struct px_slice array)
{
    struct px_strings strings = px_strings_first(array);
    struct px_slice string;
    px_buffer_append_byte(buffer, '[');
    for (bool first = true; px_strings_next(&strings, &string); first = false) {
        if (!first)
            px_buffer_append_byte(buffer, ',');
        px_json_append_string(buffer, string);
    }
    px_buffer_append_byte(buffer, ']');
}

static void append_value(struct px_buffer *buffer, const struct px_value *value)
{
    switch (value->kind) {
    case PROXIMADB_VALUE_NULL:
        px_buffer_append(buffer, "null", 4);
        break;
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
        px_json_append_string(buffer, value->as.string);
        break;
    default:
        append_strings(buffer, value->as.array);
    }
}

void px_metadata_to_json(struct px_slice metadata, bool (*skip)(void *context, struct px_slice key),
                         void *context, struct px_buffer *buffer)
{
    struct px_metadata_walk walk = px_metadata_first(metadata);
    struct px_slice key;
    struct px_value value;
    bool first = true;
    px_buffer_append_byte(buffer, '{');
    while (px_metadata_next(&walk, &key, &value)) {
        if (skip != NULL && skip(context, key))
            continue;
        if (!first)
            px_buffer_append_byte(buffer, ',');
        first = false;
        px_json_append_string(buffer, key);
        px_buffer_append_byte(buffer, ':');
        append_value(buffer, &value);
    }
    px_buffer_append_byte(buffer, '}');
}

static int fail_key(struct px_slice key, const char *what, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_INVALID, "metadata key '%.*s': %s", PX_METADATA_SHOWN(key),
                   what);
}

static struct px_slice string_of(yyjson_val *json)
{
    return px_slice_of(yyjson_get_str(json), yyjson_get_len(json));
}

static int put_array(struct px_buffer *buffer, struct px_slice key, yyjson_val *json,
                     struct proximadb_error *reterr)
{
    struct px_value empty = {.kind = PROXIMADB_VALUE_STRING_ARRAY};
    px_metadata_put(buffer, key, &empty); /* the key and the branch */
    if (yyjson_arr_size(json) > 0)
        px_metadata__append_long(buffer, (int64_t)yyjson_arr_size(json));
    yyjson_arr_iter items = yyjson_arr_iter_with(json);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&items)) != NULL;) {
        if (!yyjson_is_str(item))
            return fail_key(key, "an array may hold strings only", reterr);
        px_metadata__append_string(buffer, string_of(item));
    }
    px_buffer_append_byte(buffer, 0);
    return PROXIMADB_OK;
}

/* A scalar; false if the JSON value is none that metadata holds. */
static bool value_of(yyjson_val *json, struct px_value *ret_value)
{
    if (yyjson_is_str(json)) {
        *ret_value =
            (struct px_value){.kind = PROXIMADB_VALUE_STRING, .as.string = string_of(json)};
    } else if (yyjson_is_real(json)) {
        *ret_value =
            (struct px_value){.kind = PROXIMADB_VALUE_DOUBLE, .as.number = yyjson_get_real(json)};
    } else if (yyjson_is_int(json)) {
        if (yyjson_is_uint(json) && yyjson_get_uint(json) > INT64_MAX)
            return false;
        *ret_value =
            (struct px_value){.kind = PROXIMADB_VALUE_LONG, .as.integer = yyjson_get_sint(json)};
    } else if (yyjson_is_bool(json)) {
        *ret_value =
            (struct px_value){.kind = PROXIMADB_VALUE_BOOLEAN, .as.boolean = yyjson_get_bool(json)};
    } else if (yyjson_is_null(json)) {
        *ret_value = (struct px_value){.kind = PROXIMADB_VALUE_NULL};
    } else {
        return false;
    }
    return true;
}

static int put_json(struct px_buffer *buffer, struct px_slice key, yyjson_val *json,
                    struct proximadb_error *reterr)
{
    struct px_value value;
    if (yyjson_is_arr(json))
        return put_array(buffer, key, json, reterr);
    if (value_of(json, &value)) {
        px_metadata_put(buffer, key, &value);
        return PROXIMADB_OK;
    }
    if (yyjson_is_obj(json))
        return fail_key(key,
                        "an object is no metadata value; give null, a boolean, a number, a string "
                        "or an array of strings",
                        reterr);
    return fail_key(
        key, "the number fits neither a 64-bit integer nor a double; give it as a string", reterr);
}

static int put_object(struct px_buffer *buffer, yyjson_val *object, struct proximadb_error *reterr)
{
    if (!yyjson_is_obj(object))
        return px_fail(reterr, PROXIMADB_INVALID, "metadata must be a JSON object");
    px_metadata_begin(buffer, yyjson_obj_size(object));
    yyjson_obj_iter entries = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&entries)) != NULL;) {
        int rc = put_json(buffer, string_of(key), yyjson_obj_iter_get_val(key), reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    px_metadata_finish(buffer, yyjson_obj_size(object));
    return px_buffer_status(buffer, reterr);
}

/* Holds what was appended against the rules, which stand in one place. */
static int check(struct px_slice written, struct proximadb_error *reterr)
{
    struct px_buffer unused = {0};
    struct px_slice metadata;
    size_t size;
    int rc = px_metadata_read(written, &unused, &size, &metadata, reterr);
    assert(unused.data == NULL); /* the form is canonical already */
    assert(rc != PROXIMADB_OK || size == written.size_bytes);
    return rc;
}

int px_metadata_from_json(struct px_slice json, struct px_buffer *buffer,
                          struct proximadb_error *reterr)
{
    uint64_t memory[DOCUMENT_MEMORY_BYTES / sizeof(uint64_t)];
    yyjson_doc *doc;
    int rc = px_json_parse_exact(json, memory, sizeof memory, &doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    size_t begin = buffer->size_bytes;
    rc = put_object(buffer, yyjson_doc_get_root(doc), reterr);
    yyjson_doc_free(doc);
    if (rc == PROXIMADB_OK)
        rc = check(px_slice_of(buffer->data + begin, buffer->size_bytes - begin), reterr);
    if (rc != PROXIMADB_OK)
        buffer->size_bytes = begin;
    return rc;
}
