#include "payload/fields.h"

#include "avro/encode.h"
#include "base/bits.h"
#include "model/metadata.h"

#include <assert.h>
#include <stdlib.h>

/* The public numbers of the kinds are the branches of the union in the schemas. */
static_assert(PROXIMADB_VALUE_NULL == 0 && PROXIMADB_VALUE_STRING_ARRAY == 5, "Avro's branches");

static struct px_slice slice_of(struct proximadb_text text)
{
    return px_slice_of(text.data, text.size_bytes);
}

static struct proximadb_text text_of(struct px_slice slice)
{
    return (struct proximadb_text){.data = (const char *)slice.data,
                                   .size_bytes = slice.size_bytes};
}

/* ---- to a map ------------------------------------------------------------------------------ */

static bool lacks_data(struct proximadb_text text)
{
    return text.data == NULL && text.size_bytes > 0;
}

static bool array_lacks_data(const struct proximadb_value *value)
{
    if (value->as.strings.items == NULL)
        return value->as.strings.count > 0;
    for (size_t i = 0; i < value->as.strings.count; i++)
        if (lacks_data(value->as.strings.items[i]))
            return true;
    return false;
}

/* What px_metadata_read() cannot see any more: pointers and kinds. */
static int check_field(const struct proximadb_field *field, size_t index,
                       struct proximadb_error *reterr)
{
    const struct proximadb_value *value = &field->value;
    if (value->kind < PROXIMADB_VALUE_NULL || value->kind > PROXIMADB_VALUE_STRING_ARRAY)
        return px_fail(reterr, PROXIMADB_INVALID, "field %zu has no such kind of value: %d", index,
                       value->kind);
    if (lacks_data(field->name) ||
        (value->kind == PROXIMADB_VALUE_STRING && lacks_data(value->as.string)) ||
        (value->kind == PROXIMADB_VALUE_STRING_ARRAY && array_lacks_data(value)))
        return px_fail(reterr, PROXIMADB_INVALID, "field %zu has a NULL pointer for a string",
                       index);
    return PROXIMADB_OK;
}

static void put_strings(struct px_buffer *buffer, const struct proximadb_value *value)
{
    px_encode_block(buffer, value->as.strings.count);
    for (size_t i = 0; i < value->as.strings.count; i++)
        px_encode_string(buffer, slice_of(value->as.strings.items[i]));
    px_encode_block_end(buffer, value->as.strings.count);
}

static void put_value(struct px_buffer *buffer, const struct proximadb_value *value)
{
    px_encode_branch(buffer, value->kind);
    switch (value->kind) {
    case PROXIMADB_VALUE_NULL:
        break;
    case PROXIMADB_VALUE_BOOLEAN:
        px_encode_boolean(buffer, value->as.boolean);
        break;
    case PROXIMADB_VALUE_LONG:
        px_encode_long(buffer, value->as.integer);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        px_encode_double(buffer, value->as.number);
        break;
    case PROXIMADB_VALUE_STRING:
        px_encode_string(buffer, slice_of(value->as.string));
        break;
    default:
        assert(value->kind == PROXIMADB_VALUE_STRING_ARRAY);
        put_strings(buffer, value);
    }
}

/* Everything else is checked on the bytes, by the reader that will meet them in the engine. */
static int check_map(struct px_slice map, struct proximadb_error *reterr)
{
    struct px_buffer scratch = {0};
    struct px_slice metadata;
    size_t size;
    int rc = px_metadata_read(map, &scratch, &size, &metadata, reterr);
    assert(rc != PROXIMADB_CORRUPT);
    assert(rc != PROXIMADB_OK || (size == map.size_bytes && metadata.data == map.data));
    px_buffer_release(&scratch);
    return rc;
}

int px_fields_write(const struct proximadb_field *fields, size_t field_count,
                    struct px_buffer *buffer, struct proximadb_error *reterr)
{
    size_t begin = buffer->size_bytes;
    if (fields == NULL && field_count > 0)
        return px_fail(reterr, PROXIMADB_INVALID, "fields is NULL, but field_count is not 0");
    px_encode_block(buffer, field_count);
    for (size_t i = 0; i < field_count; i++) {
        int rc = check_field(&fields[i], i, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        px_encode_string(buffer, slice_of(fields[i].name));
        put_value(buffer, &fields[i].value);
    }
    px_encode_block_end(buffer, field_count);
    int rc = px_buffer_status(buffer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    return check_map(px_slice_of(buffer->data + begin, buffer->size_bytes - begin), reterr);
}

/* ---- from a map ---------------------------------------------------------------------------- */

static void count_fields(struct px_slice metadata, size_t *ret_fields, size_t *ret_strings)
{
    struct px_metadata_walk walk = px_metadata_first(metadata);
    struct px_slice key;
    struct px_value value;
    *ret_fields = *ret_strings = 0;
    for (; px_metadata_next(&walk, &key, &value); ++*ret_fields)
        if (value.kind == PROXIMADB_VALUE_STRING_ARRAY)
            *ret_strings += (size_t)px_strings_first(value.as.array).left;
}

/* Memory for `count` items, in place of `items`, whose content is not kept: all of it will be
 * written anew. Without memory *capacity, in items, is 0. */
static void *make_room(void *items, size_t *capacity, size_t count, size_t item_bytes)
{
    size_t size;
    if (count <= *capacity)
        return items;
    free(items);
    items = px_multiply_size(2 * count, item_bytes, &size) ? malloc(size) : NULL;
    *capacity = items != NULL ? 2 * count : 0;
    return items;
}

/* Fills in *ret_value; an array takes its strings from *strings, which moves behind them. */
static void set_value(const struct px_value *value, struct proximadb_text **strings,
                      struct proximadb_value *ret_value)
{
    *ret_value = (struct proximadb_value){.kind = (int)value->kind};
    switch (value->kind) {
    case PROXIMADB_VALUE_BOOLEAN:
        ret_value->as.boolean = value->as.boolean;
        break;
    case PROXIMADB_VALUE_LONG:
        ret_value->as.integer = value->as.integer;
        break;
    case PROXIMADB_VALUE_DOUBLE:
        ret_value->as.number = value->as.number;
        break;
    case PROXIMADB_VALUE_STRING:
        ret_value->as.string = text_of(value->as.string);
        break;
    case PROXIMADB_VALUE_STRING_ARRAY: {
        struct px_strings walk = px_strings_first(value->as.array);
        struct px_slice string;
        ret_value->as.strings.items = *strings;
        ret_value->as.strings.count = (size_t)walk.left;
        while (px_strings_next(&walk, &string))
            *(*strings)++ = text_of(string);
        break;
    }
    default:
        assert(value->kind == PROXIMADB_VALUE_NULL);
    }
}

int px_fields_read(struct px_fields *fields, struct px_slice metadata,
                   struct proximadb_error *reterr)
{
    size_t count, string_count;
    count_fields(metadata, &count, &string_count);
    fields->count = 0;
    fields->items = make_room(fields->items, &fields->capacity, count, sizeof *fields->items);
    fields->strings =
        make_room(fields->strings, &fields->string_capacity, string_count, sizeof *fields->strings);
    if (fields->capacity < count || fields->string_capacity < string_count)
        return px_fail_no_memory(reterr);
    struct px_metadata_walk walk = px_metadata_first(metadata);
    struct proximadb_text *strings = fields->strings;
    struct px_slice key;
    struct px_value value;
    while (px_metadata_next(&walk, &key, &value)) {
        struct proximadb_field *field = &fields->items[fields->count++];
        field->name = text_of(key);
        set_value(&value, &strings, &field->value);
    }
    return PROXIMADB_OK;
}

void px_fields_release(struct px_fields *fields)
{
    free(fields->items);
    free(fields->strings);
    *fields = (struct px_fields){0};
}
