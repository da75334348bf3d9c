#include "base/bits.h"
#include "table/half_internal.h"
#include "table/table_internal.h"

enum { FLOAT16_BYTES = 2 };

static int fail_damaged(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "a page is damaged: it ends before its values do");
}

static int fail_memory(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                   "a page needs more memory than it may have; write the file with smaller pages");
}

size_t px_table__item_bytes(enum px_table_kind kind)
{
    static const uint8_t sizes[] = {
        [PX_TABLE_BOOLEAN] = 1,
        [PX_TABLE_LONG] = sizeof(int64_t),
        [PX_TABLE_FLOAT] = sizeof(float),
        [PX_TABLE_DOUBLE] = sizeof(double),
        [PX_TABLE_TEXT] = sizeof(struct px_slice),
        [PX_TABLE_BYTES] = sizeof(struct px_slice),
        [PX_TABLE_OTHER] = 1,
    };
    return sizes[kind];
}

/* Bytes of a value in PLAIN encoding; 0: it says itself. */
static size_t plain_bytes(const struct px_table_column *column)
{
    switch (column->type) {
    case PX_TYPE_INT32:
    case PX_TYPE_FLOAT:
        return 4;
    case PX_TYPE_INT64:
    case PX_TYPE_DOUBLE:
        return 8;
    case PX_TYPE_FIXED:
        return column->type_bytes;
    default:
        return 0;
    }
}

static int64_t long_of_32(const struct px_table_column *column, uint32_t value)
{
    return column->is_unsigned ? (int64_t)value : (int64_t)(int32_t)value;
}

/* ---- encodings ----------------------------------------------------------------------------- */

struct decoding {
    const struct px_table_column *column;
    struct px_slice bytes;
    size_t count;
    struct px_arena *arena;
    void *items; /* room for `count` */
};

/* Values of a fixed size that stand one after the other. */
static int decode_fixed(struct decoding *decoding, struct proximadb_error *reterr)
{
    const struct px_table_column *column = decoding->column;
    size_t size = plain_bytes(column);
    const uint8_t *at = decoding->bytes.data;
    if (decoding->bytes.size_bytes / size < decoding->count)
        return fail_damaged(reterr);
    if (decoding->count == 0)
        return PROXIMADB_OK;
    if (column->kind == PX_TABLE_LONG && size == 4) {
        int64_t *longs = decoding->items;
        for (size_t i = 0; i < decoding->count; i++)
            longs[i] = long_of_32(column, px_load_u32(at + 4 * i));
    } else if (column->kind == PX_TABLE_FLOAT && column->type == PX_TYPE_FIXED) {
        float *floats = decoding->items;
        for (size_t i = 0; i < decoding->count; i++)
            floats[i] = px_table__half(at + FLOAT16_BYTES * i);
    } else if (column->type == PX_TYPE_FIXED) {
        struct px_slice *slices = decoding->items;
        for (size_t i = 0; i < decoding->count; i++)
            slices[i] = px_slice_of(at + size * i, size);
    } else {
        memcpy(decoding->items, at, decoding->count * size);
    }
    return PROXIMADB_OK;
}

static int decode_byte_arrays(struct decoding *decoding, struct proximadb_error *reterr)
{
    struct px_slice *slices = decoding->items, rest = decoding->bytes;
    for (size_t i = 0; i < decoding->count; i++) {
        if (rest.size_bytes < 4)
            return fail_damaged(reterr);
        size_t size = px_load_u32(rest.data);
        rest = px_slice_of(rest.data + 4, rest.size_bytes - 4);
        if (size > rest.size_bytes)
            return fail_damaged(reterr);
        slices[i] = px_slice_of(rest.data, size);
        rest = px_slice_of(rest.data + size, rest.size_bytes - size);
    }
    return PROXIMADB_OK;
}

static int decode_plain(struct decoding *decoding, struct proximadb_error *reterr)
{
    uint8_t *booleans = decoding->items;
    if (decoding->column->type == PX_TYPE_BYTE_ARRAY)
        return decode_byte_arrays(decoding, reterr);
    if (decoding->column->type != PX_TYPE_BOOLEAN)
        return decode_fixed(decoding, reterr);
    if (decoding->bytes.size_bytes < (decoding->count + 7) / 8)
        return fail_damaged(reterr);
    for (size_t i = 0; i < decoding->count; i++)
        booleans[i] = decoding->bytes.data[i / 8] >> i % 8 & 1;
    return PROXIMADB_OK;
}

/* BOOLEANs as runs, behind their size. */
static int decode_rle(struct decoding *decoding, struct proximadb_error *reterr)
{
    struct px_slice bytes = decoding->bytes;
    if (bytes.size_bytes < 4 || px_load_u32(bytes.data) > bytes.size_bytes - 4 ||
        !px_table__unpack_levels(px_slice_of(bytes.data + 4, px_load_u32(bytes.data)), 1, 1,
                                 decoding->items, decoding->count))
        return fail_damaged(reterr);
    return PROXIMADB_OK;
}

static int decode_delta(struct decoding *decoding, struct proximadb_error *reterr)
{
    int64_t *deltas = NULL, *longs = decoding->items;
    size_t count = 0;
    struct px_slice rest;
    int rc = px_table__delta_longs(decoding->bytes, decoding->count, decoding->arena, &deltas,
                                   &count, &rest, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (count != decoding->count)
        return fail_damaged(reterr);
    bool is_short = decoding->column->type == PX_TYPE_INT32;
    for (size_t i = 0; i < count; i++)
        longs[i] = is_short ? long_of_32(decoding->column, (uint32_t)deltas[i]) : deltas[i];
    return PROXIMADB_OK;
}

/* First all first bytes of the values, then all second ones, and so on. */
static int decode_split(struct decoding *decoding, struct proximadb_error *reterr)
{
    size_t size = plain_bytes(decoding->column), count = decoding->count;
    struct px_slice bytes = decoding->bytes;
    if (bytes.size_bytes / size < count)
        return fail_damaged(reterr);
    uint8_t *joined = px_arena_alloc(decoding->arena, count * size);
    if (joined == NULL)
        return fail_memory(reterr);
    for (size_t part = 0; part < size; part++)
        for (size_t i = 0; i < count; i++)
            joined[i * size + part] = bytes.data[part * count + i];
    decoding->bytes = px_slice_of(joined, count * size);
    return decode_fixed(decoding, reterr);
}

/* Places in the dictionary, behind a byte with their width. */
static int decode_dictionary(struct decoding *decoding, const struct px_table_values *dictionary,
                             struct proximadb_error *reterr)
{
    struct px_slice bytes = decoding->bytes;
    size_t size = px_table__item_bytes(decoding->column->kind);
    if (dictionary == NULL)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a page is damaged: its dictionary is missing");
    if (decoding->count == 0)
        return PROXIMADB_OK;
    uint32_t *places = px_arena_alloc(decoding->arena, decoding->count * sizeof *places);
    if (places == NULL)
        return fail_memory(reterr);
    if (bytes.size_bytes < 1 ||
        !px_table__unpack_u32(px_slice_of(bytes.data + 1, bytes.size_bytes - 1), bytes.data[0],
                              places, decoding->count))
        return fail_damaged(reterr);
    uint32_t highest = 0;
    for (size_t i = 0; i < decoding->count; i++)
        highest = places[i] > highest ? places[i] : highest;
    if (highest >= dictionary->count)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "a page is damaged: it names a value that its dictionary does not have");
    for (size_t i = 0; i < decoding->count; i++)
        memcpy((uint8_t *)decoding->items + i * size,
               (const uint8_t *)dictionary->items + places[i] * size, size);
    return PROXIMADB_OK;
}

static const char *encoding_name(int32_t encoding)
{
    static const char *const names[] = {
        "PLAIN",          "GROUP_VAR_INT",       "PLAIN_DICTIONARY",        "RLE",
        "BIT_PACKED",     "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
        "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"};
    bool is_known = encoding >= 0 && encoding < (int32_t)(sizeof names / sizeof names[0]);
    return is_known ? names[encoding] : "an unknown encoding";
}

static bool is_integer(const struct px_table_column *column)
{
    return column->type == PX_TYPE_INT32 || column->type == PX_TYPE_INT64;
}

static int decode(struct decoding *decoding, int32_t encoding,
                  const struct px_table_values *dictionary, struct proximadb_error *reterr)
{
    const struct px_table_column *column = decoding->column;
    if (encoding == PX_TABLE_PLAIN)
        return decode_plain(decoding, reterr);
    if (encoding == PX_TABLE_PLAIN_DICTIONARY || encoding == PX_TABLE_RLE_DICTIONARY)
        return decode_dictionary(decoding, dictionary, reterr);
    if (encoding == PX_TABLE_RLE && column->type == PX_TYPE_BOOLEAN)
        return decode_rle(decoding, reterr);
    if (encoding == PX_TABLE_DELTA_BINARY_PACKED && is_integer(column))
        return decode_delta(decoding, reterr);
    if (encoding == PX_TABLE_BYTE_STREAM_SPLIT && plain_bytes(column) > 0)
        return decode_split(decoding, reterr);
    return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                   "its encoding, %s, is not read; write it with PLAIN or a dictionary",
                   encoding_name(encoding));
}

static int decode_delta_bytes(const struct decoding *decoding, bool has_prefixes,
                              const void **ret_items, struct proximadb_error *reterr)
{
    struct px_slice *items = NULL;
    const struct px_table_column *column = decoding->column;
    int rc = px_table__delta_bytes(decoding->bytes, has_prefixes, decoding->count, decoding->arena,
                                   &items, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (column->type == PX_TYPE_FIXED)
        for (size_t i = 0; i < decoding->count; i++)
            if (items[i].size_bytes != column->type_bytes)
                return fail_damaged(reterr);
    *ret_items = items;
    return PROXIMADB_OK;
}

int px_table__decode(const struct px_table_column *column, const struct px_table_page *page,
                     const struct px_table_values *dictionary, struct px_arena *arena,
                     const void **ret_items, struct proximadb_error *reterr)
{
    bool is_bytes = column->kind == PX_TABLE_TEXT || column->kind == PX_TABLE_BYTES;
    bool has_prefixes = page->encoding == PX_TABLE_DELTA_BYTE_ARRAY;
    struct decoding decoding = {
        .column = column, .bytes = page->values, .count = page->value_count, .arena = arena};
    if (is_bytes && (has_prefixes || (page->encoding == PX_TABLE_DELTA_LENGTH_BYTE_ARRAY &&
                                      column->type == PX_TYPE_BYTE_ARRAY)))
        return decode_delta_bytes(&decoding, has_prefixes, ret_items, reterr);
    decoding.items = px_arena_calloc(arena, page->value_count, px_table__item_bytes(column->kind));
    if (decoding.items == NULL)
        return fail_memory(reterr);
    int rc = decode(&decoding, page->encoding, dictionary, reterr);
    if (rc == PROXIMADB_OK)
        *ret_items = decoding.items;
    return rc;
}
