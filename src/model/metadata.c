#include "model/metadata.h"

#include "base/bits.h"
#include "codec/utf8.h"
#include "codec/varint.h"
#include "model/metadata_internal.h"

#include <assert.h>

static const uint8_t empty_map[] = {0};

const struct px_slice px_metadata_empty = {.data = empty_map, .size_bytes = sizeof empty_map};

static struct px_slice next_string(const uint8_t **at)
{
    size_t size = (size_t)px_varint_next_long(at);
    struct px_slice string = px_slice_of(*at, size);
    *at += size;
    return string;
}

/* The encoded array at *at, whose end is found by walking its strings. */
static struct px_slice next_array(const uint8_t **at)
{
    const uint8_t *begin = *at;
    int64_t count = px_varint_next_long(at);
    for (int64_t i = 0; i < count; i++)
        (void)next_string(at);
    if (count > 0)
        (*at)++; /* the zero behind the last block */
    return px_slice_of(begin, (size_t)(*at - begin));
}

struct px_value px_metadata__next_value(const uint8_t **at)
{
    struct px_value value = {.kind = (enum proximadb_value_kind)px_varint_next_long(at)};
    switch (value.kind) {
    case PROXIMADB_VALUE_NULL:
        break;
    case PROXIMADB_VALUE_BOOLEAN:
        value.as.boolean = *(*at)++ != 0;
        break;
    case PROXIMADB_VALUE_LONG:
        value.as.integer = px_varint_next_long(at);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        value.as.number = px_load_f64(*at);
        *at += 8;
        break;
    case PROXIMADB_VALUE_STRING:
        value.as.string = next_string(at);
        break;
    default:
        assert(value.kind == PROXIMADB_VALUE_STRING_ARRAY);
        value.as.array = next_array(at);
    }
    return value;
}

struct px_metadata_walk px_metadata_first(struct px_slice metadata)
{
    struct px_metadata_walk walk = {.next = metadata.data};
    assert(metadata.size_bytes > 0);
    walk.left = px_varint_next_long(&walk.next);
    return walk;
}

bool px_metadata_next(struct px_metadata_walk *walk, struct px_slice *ret_key,
                      struct px_value *ret_value)
{
    if (walk->left == 0)
        return false;
    *ret_key = next_string(&walk->next);
    *ret_value = px_metadata__next_value(&walk->next);
    walk->left--;
    return true;
}

bool px_metadata_find(struct px_slice metadata, struct px_slice key, struct px_value *ret_value)
{
    struct px_metadata_walk walk = px_metadata_first(metadata);
    struct px_slice found;
    struct px_value value;
    while (px_metadata_next(&walk, &found, &value)) {
        if (px_slice_equal(found, key)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

void px_metadata__append_long(struct px_buffer *buffer, int64_t value)
{
    uint8_t *room = px_buffer_reserve(buffer, PX_VARINT_BYTES);
    if (room != NULL)
        buffer->size_bytes += px_varint_write_long(room, value);
}

void px_metadata__append_string(struct px_buffer *buffer, struct px_slice string)
{
    px_metadata__append_long(buffer, (int64_t)string.size_bytes);
    px_buffer_append_slice(buffer, string);
}

void px_metadata_begin(struct px_buffer *buffer, size_t entry_count)
{
    px_metadata__append_long(buffer, (int64_t)entry_count);
}

void px_metadata_put(struct px_buffer *buffer, struct px_slice key, const struct px_value *value)
{
    px_metadata__append_string(buffer, key);
    px_metadata__append_long(buffer, (int64_t)value->kind);
    switch (value->kind) {
    case PROXIMADB_VALUE_NULL:
        break;
    case PROXIMADB_VALUE_BOOLEAN:
        px_buffer_append_byte(buffer, value->as.boolean);
        break;
    case PROXIMADB_VALUE_LONG:
        px_metadata__append_long(buffer, value->as.integer);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        px_buffer_append(buffer, &value->as.number, sizeof value->as.number);
        break;
    case PROXIMADB_VALUE_STRING:
        px_metadata__append_string(buffer, value->as.string);
        break;
    default:
        assert(value->kind == PROXIMADB_VALUE_STRING_ARRAY);
        px_buffer_append_slice(buffer, value->as.array);
    }
}

void px_metadata_finish(struct px_buffer *buffer, size_t entry_count)
{
    if (entry_count > 0)
        px_buffer_append_byte(buffer, 0);
}

void px_strings_write(struct px_buffer *buffer, const struct px_slice *strings, size_t count)
{
    if (count > 0)
        px_metadata__append_long(buffer, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        px_metadata__append_string(buffer, strings[i]);
    px_buffer_append_byte(buffer, 0);
}

/* What a merge makes of a key of the old map. */
static bool stays(struct px_slice key, const struct px_metadata_keys *changed,
                  struct px_value *value)
{
    const struct px_slice *change = px_metadata__keys_find(changed, key);
    if (change == NULL)
        return true;
    /* In the map of changes a value stands right behind its key. */
    const uint8_t *at = change->data + change->size_bytes;
    *value = px_metadata__next_value(&at);
    return value->kind != PROXIMADB_VALUE_NULL;
}

/* Walks over the merged entries and puts them into `buffer`, unless it is NULL; gives the count.
 * */
static size_t merge_entries(struct px_slice old, struct px_slice changes,
                            const struct px_metadata_keys *old_keys,
                            const struct px_metadata_keys *changed, struct px_buffer *buffer)
{
    size_t entry_count = 0;
    struct px_slice key;
    struct px_value value;
    struct px_metadata_walk walk = px_metadata_first(old);
    while (px_metadata_next(&walk, &key, &value)) {
        if (!stays(key, changed, &value))
            continue;
        entry_count++;
        if (buffer != NULL)
            px_metadata_put(buffer, key, &value);
    }
    walk = px_metadata_first(changes);
    while (px_metadata_next(&walk, &key, &value)) {
        if (value.kind == PROXIMADB_VALUE_NULL || px_metadata__keys_find(old_keys, key) != NULL)
            continue;
        entry_count++;
        if (buffer != NULL)
            px_metadata_put(buffer, key, &value);
    }
    return entry_count;
}

static void index_keys(struct px_slice metadata, struct px_metadata_keys *keys)
{
    struct px_metadata_walk walk = px_metadata_first(metadata);
    struct px_slice key;
    struct px_value value;
    px_metadata__keys_init(keys);
    while (px_metadata_next(&walk, &key, &value))
        px_metadata__keys_add(keys, key);
}

int px_metadata_merge(struct px_slice old, struct px_slice changes, struct px_buffer *buffer,
                      struct proximadb_error *reterr)
{
    struct px_metadata_keys old_keys, changed;
    index_keys(old, &old_keys);
    index_keys(changes, &changed);
    size_t entry_count = merge_entries(old, changes, &old_keys, &changed, NULL);
    if (entry_count > PX_METADATA_MOST_ENTRIES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "with the update the row's metadata would have %zu keys; it may have %d",
                       entry_count, PX_METADATA_MOST_ENTRIES);

    size_t begin = buffer->size_bytes;
    px_metadata_begin(buffer, entry_count);
    merge_entries(old, changes, &old_keys, &changed, buffer);
    px_metadata_finish(buffer, entry_count);
    int rc = px_buffer_status(buffer, reterr);
    if (rc == PROXIMADB_OK && buffer->size_bytes - begin > PX_METADATA_LARGEST_BYTES) {
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     "with the update the row's metadata would have %zu bytes; it may have %d",
                     buffer->size_bytes - begin, PX_METADATA_LARGEST_BYTES);
        buffer->size_bytes = begin;
    }
    return rc;
}
