#include "model/metadata_internal.h"

#include "base/bits.h"
#include "codec/utf8.h"
#include "codec/varint.h"

#include <assert.h>
#include <math.h>

/* A pass over bytes that nobody has checked. */
struct reading {
    const uint8_t *at;
    const uint8_t *end;
    bool canonical; /* so far */
    struct px_metadata_keys keys;
    struct proximadb_error *reterr;
};

/* One item of a map or an array; `key` is the entry that the array belongs to. */
typedef int check_item(struct reading *reading, struct px_slice key);

static int fail_format(struct reading *reading, const char *what)
{
    return px_fail(reading->reterr, PROXIMADB_CORRUPT, "the metadata is no Avro map: %s", what);
}

static int fail_key(struct reading *reading, struct px_slice key, const char *what)
{
    return px_fail(reading->reterr, PROXIMADB_INVALID, "metadata key '%.*s': %s",
                   PX_METADATA_SHOWN(key), what);
}

static inline int read_long(struct reading *reading, int64_t *ret_value)
{
    if (reading->at < reading->end && *reading->at < 0x80) { /* most counts, sizes and branches */
        *ret_value = px_unzigzag(*reading->at++);
        return PROXIMADB_OK;
    }
    const uint8_t *next = px_varint_read_long(reading->at, reading->end, ret_value);
    if (next == NULL)
        return fail_format(reading, "it ends within a number");
    reading->at = next;
    return PROXIMADB_OK;
}

static inline int read_string(struct reading *reading, struct px_slice *ret_string)
{
    int64_t size = 0;
    int rc = read_long(reading, &size);
    if (rc != PROXIMADB_OK)
        return rc;
    if (size < 0 || size > reading->end - reading->at)
        return fail_format(reading, "a string is longer than what is left");
    *ret_string = px_slice_of(reading->at, (size_t)size);
    reading->at += size;
    return PROXIMADB_OK;
}

/* Whether a string is UTF-8 without NUL. Eight bytes at a time while they are plain ASCII. */
static bool is_text(struct px_slice string)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    const uint8_t *at = string.data;
    size_t left = string.size_bytes;
    for (; left >= 8; at += 8, left -= 8) {
        /* A byte of zero borrows into its highest bit (Lamport, "Multiple byte processing with
         * full-word instructions", 1975). */
        uint64_t word = px_load_u64(at);
        if (((word | (word - ones)) & highs) != 0)
            break;
    }
    while (left > 0 && (uint8_t)(*at - 1) < 0x7f) {
        at++;
        left--;
    }
    return left == 0 || (memchr(at, 0, left) == NULL && px_utf8_validate(px_slice_of(at, left)));
}

/* The head of a block: the count of its items, 0 behind the last block, and, where the writer gave
 * a byte size, the end that it promises; NULL otherwise. */
static int read_block_head(struct reading *reading, int64_t *ret_count, const uint8_t **ret_end)
{
    const uint8_t *begin = reading->at;
    int rc = read_long(reading, ret_count);
    *ret_end = NULL;
    if (rc != PROXIMADB_OK)
        return rc;
    if (*ret_count == 0 && reading->at - begin > 1)
        reading->canonical = false;
    if (*ret_count >= 0)
        return PROXIMADB_OK;
    if (*ret_count == INT64_MIN)
        return fail_format(reading, "a block has an impossible count");
    reading->canonical = false;
    *ret_count = -*ret_count;
    int64_t size = 0;
    rc = read_long(reading, &size);
    if (rc != PROXIMADB_OK)
        return rc;
    if (size < 0 || size > reading->end - reading->at)
        return fail_format(reading, "a block is longer than what is left");
    *ret_end = reading->at + size;
    return PROXIMADB_OK;
}

static int check_blocks(struct reading *reading, check_item *check, struct px_slice key)
{
    for (bool first = true;; first = false) {
        int64_t count = 0;
        const uint8_t *end;
        int rc = read_block_head(reading, &count, &end);
        if (rc != PROXIMADB_OK || count == 0)
            return rc;
        if (!first)
            reading->canonical = false;
        for (; count > 0; count--) {
            rc = check(reading, key);
            if (rc != PROXIMADB_OK)
                return rc;
        }
        if (end != NULL && reading->at != end)
            return fail_format(reading, "a block has not the size that it states");
    }
}

static int check_string(struct reading *reading, struct px_slice key)
{
    struct px_slice string = {0};
    int rc = read_string(reading, &string);
    if (rc == PROXIMADB_OK && !is_text(string))
        return fail_key(reading, key, "a string is not valid UTF-8, or has a NUL in it");
    return rc;
}

static int check_boolean(struct reading *reading)
{
    if (reading->at == reading->end || *reading->at > 1)
        return fail_format(reading, "a boolean is neither 0 nor 1");
    reading->at++;
    return PROXIMADB_OK;
}

static int check_double(struct reading *reading, struct px_slice key)
{
    if (reading->end - reading->at < 8)
        return fail_format(reading, "it ends within a double");
    if (!isfinite(px_load_f64(reading->at)))
        return fail_key(reading, key, "a double must be finite; leave the key out, or give null");
    reading->at += 8;
    return PROXIMADB_OK;
}

static int check_value(struct reading *reading, struct px_slice key)
{
    int64_t branch = 0, number;
    int rc = read_long(reading, &branch);
    if (rc != PROXIMADB_OK)
        return rc;
    switch (branch) {
    case PROXIMADB_VALUE_NULL:
        return PROXIMADB_OK;
    case PROXIMADB_VALUE_BOOLEAN:
        return check_boolean(reading);
    case PROXIMADB_VALUE_LONG:
        return read_long(reading, &number);
    case PROXIMADB_VALUE_DOUBLE:
        return check_double(reading, key);
    case PROXIMADB_VALUE_STRING:
        return check_string(reading, key);
    case PROXIMADB_VALUE_STRING_ARRAY:
        return check_blocks(reading, check_string, key);
    default:
        return fail_format(reading, "a value has an unknown type");
    }
}

static int check_key(struct reading *reading, struct px_slice key)
{
    if (reading->keys.count == PX_METADATA_MOST_ENTRIES)
        return px_fail(reading->reterr, PROXIMADB_INVALID,
                       "a row's metadata has at most %d keys; this one has more",
                       PX_METADATA_MOST_ENTRIES);
    if (!is_text(key))
        return px_fail(reading->reterr, PROXIMADB_INVALID,
                       "the key of metadata entry %u is not valid UTF-8, or has a NUL in it",
                       reading->keys.count + 1);
    if (key.size_bytes == 0 || key.size_bytes > PX_METADATA_LONGEST_KEY_BYTES)
        return px_fail(reading->reterr, PROXIMADB_INVALID,
                       "the key of metadata entry %u has %zu bytes; a key has 1 to %d",
                       reading->keys.count + 1, key.size_bytes, PX_METADATA_LONGEST_KEY_BYTES);
    if (px_metadata__keys_find(&reading->keys, key) != NULL)
        return fail_key(reading, key, "it is there twice; give each key once");
    px_metadata__keys_add(&reading->keys, key);
    return PROXIMADB_OK;
}

static int check_entry(struct reading *reading, struct px_slice unused)
{
    (void)unused;
    struct px_slice key = {0};
    int rc = read_string(reading, &key);
    if (rc == PROXIMADB_OK)
        rc = check_key(reading, key);
    if (rc == PROXIMADB_OK)
        rc = check_value(reading, key);
    return rc;
}

/* Walks over the items of all blocks of a map or an array that was checked. */
struct items {
    const uint8_t *at;
    int64_t left; /* of the block */
};

/* Whether there is another item, at items->at; otherwise that is the end of the map or array. */
static bool items_next(struct items *items)
{
    if (items->left == 0) {
        items->left = px_varint_next_long(&items->at);
        if (items->left == 0)
            return false;
        if (items->left < 0) {
            items->left = -items->left;
            (void)px_varint_next_long(&items->at); /* the byte size */
        }
    }
    items->left--;
    return true;
}

static struct px_slice next_string(const uint8_t **at)
{
    size_t size = (size_t)px_varint_next_long(at);
    struct px_slice string = px_slice_of(*at, size);
    *at += size;
    return string;
}

/* Appends an array of any form in one block. */
static const uint8_t *rewrite_array(const uint8_t *array, struct px_buffer *buffer)
{
    int64_t count = 0;
    for (struct items items = {.at = array}; items_next(&items); count++)
        (void)next_string(&items.at);
    struct items items = {.at = array};
    if (count > 0)
        px_metadata__append_long(buffer, count);
    while (items_next(&items))
        px_metadata__append_string(buffer, next_string(&items.at));
    px_metadata__append_long(buffer, 0);
    return items.at;
}

static const uint8_t *rewrite_entry(const uint8_t *at, struct px_buffer *buffer)
{
    px_metadata__append_string(buffer, next_string(&at));
    const uint8_t *value = at;
    if (px_varint_next_long(&at) == PROXIMADB_VALUE_STRING_ARRAY) {
        px_metadata__append_long(buffer, PROXIMADB_VALUE_STRING_ARRAY);
        return rewrite_array(at, buffer);
    }
    at = value;
    (void)px_metadata__next_value(&at);
    px_buffer_append(buffer, value, (size_t)(at - value));
    return at;
}

/* Appends a checked map of any form in canonical form. */
static void rewrite_map(const uint8_t *map, size_t entry_count, struct px_buffer *buffer)
{
    px_metadata_begin(buffer, entry_count);
    struct items items = {.at = map};
    while (items_next(&items))
        items.at = rewrite_entry(items.at, buffer);
    px_metadata_finish(buffer, entry_count);
}

int px_metadata_read(struct px_slice input, struct px_buffer *scratch, size_t *ret_size,
                     struct px_slice *ret_metadata, struct proximadb_error *reterr)
{
    struct reading reading;
    reading.at = input.data;
    reading.end = input.data + input.size_bytes;
    reading.canonical = true;
    reading.reterr = reterr;
    px_metadata__keys_init(&reading.keys);

    int rc = check_blocks(&reading, check_entry, px_slice_of(NULL, 0));
    if (rc != PROXIMADB_OK)
        return rc;
    size_t size = (size_t)(reading.at - input.data);
    if (size > PX_METADATA_LARGEST_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "a row's metadata has at most %d bytes; this one has %zu",
                       PX_METADATA_LARGEST_BYTES, size);
    struct px_slice metadata = px_slice_of(input.data, size);
    if (!reading.canonical) {
        size_t begin = scratch->size_bytes;
        rewrite_map(input.data, reading.keys.count, scratch);
        rc = px_buffer_status(scratch, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        metadata = px_slice_of(scratch->data + begin, scratch->size_bytes - begin);
        assert(metadata.size_bytes <= size);
    }
    *ret_size = size;
    *ret_metadata = metadata;
    return PROXIMADB_OK;
}
