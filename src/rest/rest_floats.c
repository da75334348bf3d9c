#include "rest/rest_floats.h"

#include "base/bits.h"
#include "codec/base64.h"

static int fail_number(yyjson_val *item, const char *name, size_t index,
                       struct proximadb_error *reterr)
{
    if (yyjson_is_raw(item))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "%s[%zu] is a number out of range; the components of a vector are float32, "
                       "up to 3.4e38",
                       name, index);
    return px_fail(reterr, PROXIMADB_INVALID, "%s[%zu] is %s; a vector is an array of numbers",
                   name, index, px_rest_kind_of(item));
}

static int fail_empty(const char *name, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_INVALID,
                   "%s is empty; a vector has as many numbers as its collection has dimensions",
                   name);
}

int px_rest_floats_read(yyjson_val *array, const char *name, struct px_buffer *floats,
                        struct proximadb_error *reterr)
{
    if (!yyjson_is_arr(array))
        return px_fail(reterr, PROXIMADB_INVALID, "%s must be an array of numbers, and is %s", name,
                       px_rest_kind_of(array));
    size_t count = yyjson_arr_size(array);
    if (count == 0)
        return fail_empty(name, reterr);
    uint8_t *room = px_buffer_reserve(floats, count * sizeof(float));
    yyjson_val *item;
    if (room == NULL)
        return px_buffer_status(floats, reterr);
    yyjson_arr_iter items = yyjson_arr_iter_with(array);
    for (size_t i = 0; (item = yyjson_arr_iter_next(&items)) != NULL; i++) {
        if (!yyjson_is_num(item))
            return fail_number(item, name, i, reterr);
        float value = (float)yyjson_get_num(item);
        memcpy(room + i * sizeof value, &value, sizeof value);
    }
    floats->size_bytes += count * sizeof(float);
    return PROXIMADB_OK;
}

int px_rest_floats_read_base64(yyjson_val *string, const char *name, struct px_buffer *floats,
                               struct proximadb_error *reterr)
{
    size_t begin = floats->size_bytes;
    if (!yyjson_is_str(string))
        return px_fail(reterr, PROXIMADB_INVALID, "%s must be a string of base64, and is %s", name,
                       px_rest_kind_of(string));
    int rc = px_base64_decode(px_slice_of(yyjson_get_str(string), yyjson_get_len(string)), floats,
                              reterr);
    if (rc != PROXIMADB_OK) {
        px_error_context(reterr, "%s", name);
        return rc;
    }
    size_t size = floats->size_bytes - begin;
    if (size == 0)
        return fail_empty(name, reterr);
    if (size % sizeof(float) == 0)
        return PROXIMADB_OK;
    floats->size_bytes = begin;
    return px_fail(reterr, PROXIMADB_INVALID,
                   "%s has %zu bytes, which are no whole floats: each has 4 bytes", name, size);
}

void px_rest_floats_write(struct px_buffer *buffer, enum px_rest_vector_format format,
                          const void *floats, size_t count)
{
    if (format == PX_REST_VECTOR_ARRAY) {
        px_buffer_append_slice(buffer, px_slice_of_string("\"vector\":"));
        px_json_append_floats(buffer, floats, count);
    } else if (format == PX_REST_VECTOR_BASE64) {
        px_buffer_append_slice(buffer, px_slice_of_string("\"vector_base64\":\""));
        px_base64_append(buffer, px_slice_of(floats, count * sizeof(float)));
        px_buffer_append_byte(buffer, '"');
    }
}
