#include "codec/varint.h"
#include "table/table_internal.h"

enum { MOST_BLOCK_VALUES = 1 << 20, MOST_MINIBLOCKS = 1 << 12, MOST_BIT_WIDTH = 64 };

static int fail_damaged(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "a page's DELTA encoding is damaged");
}

static int fail_memory(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                   "a page needs more memory than it may have; write the file with smaller pages");
}

struct delta {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t block_values;
    uint64_t miniblock_count;
    uint64_t miniblock_values;
    uint64_t count;
    uint64_t value; /* the last one; unsigned, since it wraps */
};

static bool take_varint(struct delta *delta, uint64_t *ret_value)
{
    const uint8_t *next = px_varint_read(delta->at, delta->end, ret_value);
    if (next != NULL)
        delta->at = next;
    return next != NULL;
}

static bool take_long(struct delta *delta, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool is_there = take_varint(delta, &value);
    *ret_value = (uint64_t)px_unzigzag(value);
    return is_there;
}

static bool take_head(struct delta *delta)
{
    if (!take_varint(delta, &delta->block_values) || !take_varint(delta, &delta->miniblock_count) ||
        !take_varint(delta, &delta->count) || !take_long(delta, &delta->value))
        return false;
    if (delta->block_values == 0 || delta->block_values > MOST_BLOCK_VALUES ||
        delta->miniblock_count == 0 || delta->miniblock_count > MOST_MINIBLOCKS ||
        delta->block_values % delta->miniblock_count != 0)
        return false;
    delta->miniblock_values = delta->block_values / delta->miniblock_count;
    return delta->miniblock_values % 8 == 0;
}

/* `width` bits from bit `bit` on, which are all there. */
static uint64_t bits_at(const uint8_t *bytes, uint64_t bit, unsigned width)
{
    uint64_t value = 0;
    for (unsigned done = 0; done < width;) {
        unsigned shift = (unsigned)((bit + done) % 8);
        unsigned take = 8 - shift < width - done ? 8 - shift : width - done;
        uint64_t part = (unsigned)bytes[(bit + done) / 8] >> shift & ((1u << take) - 1);
        value |= part << done;
        done += take;
    }
    return value;
}

/* The values of one miniblock, of which `count` are wanted; the last one may be cut off. */
static bool take_miniblock(struct delta *delta, unsigned width, uint64_t least, int64_t *longs,
                           size_t count)
{
    uint64_t size = delta->miniblock_values / 8 * width;
    uint64_t left = (uint64_t)(delta->end - delta->at);
    if (width > MOST_BIT_WIDTH || (count * (uint64_t)width + 7) / 8 > left)
        return false;
    for (size_t i = 0; i < count; i++) {
        delta->value += least + bits_at(delta->at, i * (uint64_t)width, width);
        longs[i] = (int64_t)delta->value;
    }
    delta->at += size < left ? size : left;
    return true;
}

static bool take_block(struct delta *delta, int64_t *longs, size_t left, size_t *ret_count)
{
    uint64_t least;
    if (!take_long(delta, &least) || (uint64_t)(delta->end - delta->at) < delta->miniblock_count)
        return false;
    const uint8_t *widths = delta->at;
    size_t done = 0;
    delta->at += delta->miniblock_count;
    for (uint64_t i = 0; i < delta->miniblock_count && done < left; i++) {
        size_t count =
            left - done < delta->miniblock_values ? left - done : (size_t)delta->miniblock_values;
        if (!take_miniblock(delta, widths[i], least, longs + done, count))
            return false;
        done += count;
    }
    *ret_count = done;
    return true;
}

int px_table__delta_longs(struct px_slice bytes, size_t most, struct px_arena *arena,
                          int64_t **ret_longs, size_t *ret_count, struct px_slice *ret_rest,
                          struct proximadb_error *reterr)
{
    struct delta delta = {.at = bytes.data, .end = bytes.data + bytes.size_bytes};
    if (!take_head(&delta) || delta.count > most)
        return fail_damaged(reterr);
    size_t count = (size_t)delta.count;
    int64_t *longs = px_arena_calloc(arena, count, sizeof *longs);
    if (longs == NULL)
        return fail_memory(reterr);
    if (count > 0)
        longs[0] = (int64_t)delta.value;
    for (size_t done = 1, more = 0; done < count; done += more)
        if (!take_block(&delta, longs + done, count - done, &more))
            return fail_damaged(reterr);
    *ret_longs = longs;
    *ret_count = count;
    *ret_rest = px_slice_of(delta.at, (size_t)(delta.end - delta.at));
    return PROXIMADB_OK;
}

/* DELTA_LENGTH_BYTE_ARRAY: views into `bytes`. */
static int take_suffixes(struct px_slice bytes, size_t count, struct px_arena *arena,
                         struct px_slice **ret_items, struct proximadb_error *reterr)
{
    int64_t *lengths = NULL;
    size_t length_count = 0;
    struct px_slice rest = {0};
    int rc = px_table__delta_longs(bytes, count, arena, &lengths, &length_count, &rest, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_slice *items = px_arena_calloc(arena, count, sizeof *items);
    if (items == NULL)
        return fail_memory(reterr);
    if (length_count != count)
        return fail_damaged(reterr);
    for (size_t i = 0; i < count; i++) {
        if (lengths[i] < 0 || (uint64_t)lengths[i] > rest.size_bytes)
            return fail_damaged(reterr);
        items[i] = px_slice_of(rest.data, (size_t)lengths[i]);
        rest = px_slice_of(rest.data + lengths[i], rest.size_bytes - (size_t)lengths[i]);
    }
    *ret_items = items;
    return PROXIMADB_OK;
}

/* Puts in front of each item as much of the one before as its prefix says. */
static int add_prefixes(const int64_t *prefixes, struct px_slice *items, size_t count,
                        struct px_arena *arena, struct proximadb_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        struct px_slice before = i > 0 ? items[i - 1] : (struct px_slice){0};
        if (prefixes[i] < 0 || (uint64_t)prefixes[i] > before.size_bytes)
            return fail_damaged(reterr);
        size_t prefix = (size_t)prefixes[i];
        if (prefix == 0)
            continue;
        uint8_t *joined = px_arena_alloc(arena, prefix + items[i].size_bytes);
        if (joined == NULL)
            return fail_memory(reterr);
        memcpy(joined, before.data, prefix);
        if (items[i].size_bytes > 0)
            memcpy(joined + prefix, items[i].data, items[i].size_bytes);
        items[i] = px_slice_of(joined, prefix + items[i].size_bytes);
    }
    return PROXIMADB_OK;
}

int px_table__delta_bytes(struct px_slice bytes, bool has_prefixes, size_t count,
                          struct px_arena *arena, struct px_slice **ret_items,
                          struct proximadb_error *reterr)
{
    int64_t *prefixes = NULL;
    size_t prefix_count = count;
    int rc = PROXIMADB_OK;
    if (has_prefixes)
        rc = px_table__delta_longs(bytes, count, arena, &prefixes, &prefix_count, &bytes, reterr);
    if (rc == PROXIMADB_OK && prefix_count != count)
        rc = fail_damaged(reterr);
    if (rc == PROXIMADB_OK)
        rc = take_suffixes(bytes, count, arena, ret_items, reterr);
    if (rc == PROXIMADB_OK && has_prefixes)
        rc = add_prefixes(prefixes, *ret_items, count, arena, reterr);
    return rc;
}
