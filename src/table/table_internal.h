/*
 * table_internal: what the files of this folder share: the footer of a foreign Parquet file, its
 * pages, and their values.
 *
 * Numbers of the format stand in parquet.thrift of the project apache/parquet-format, under the
 * same names.
 *
 * Threads: any thread; nothing here has state of its own.
 */
#ifndef PX_TABLE_TABLE_INTERNAL_H
#define PX_TABLE_TABLE_INTERNAL_H

#include "base/arena.h"
#include "codec/thrift.h"
#include "table/table_reader.h"

enum {
    PX_TABLE_MOST_COLUMNS = 4096,
    PX_TABLE_MOST_ELEMENTS = 16384,
    PX_TABLE_MOST_PAGE_VALUES = 1 << 26,
    PX_TABLE_MOST_PAGE_BYTES = 1 << 30,
    PX_TABLE_MOST_ARENA_BYTES = 2147483647,
};

enum px_table_encoding {
    PX_TABLE_PLAIN = 0,
    PX_TABLE_PLAIN_DICTIONARY = 2,
    PX_TABLE_RLE = 3,
    PX_TABLE_BIT_PACKED = 4,
    PX_TABLE_DELTA_BINARY_PACKED = 5,
    PX_TABLE_DELTA_LENGTH_BYTE_ARRAY = 6,
    PX_TABLE_DELTA_BYTE_ARRAY = 7,
    PX_TABLE_RLE_DICTIONARY = 8,
    PX_TABLE_BYTE_STREAM_SPLIT = 9,
};

enum px_table_codec {
    PX_TABLE_UNCOMPRESSED = 0,
    PX_TABLE_SNAPPY = 1,
    PX_TABLE_GZIP = 2,
    PX_TABLE_ZSTD = 6,
};

/* ---- table_schema.c ---- */

struct px_table_schema {
    struct px_table_column *columns;
    size_t count;
    uint32_t leaf_count;
};

/* Reads the list of struct SchemaElement that is the field's value. Faults go to the reader; false
 * without memory. *ret_schema lies in the arena, its names in the file. */
bool px_table__read_schema(struct px_thrift_reader *reader, struct px_thrift_field field,
                           struct px_arena *arena, struct px_table_schema *ret_schema);

/* ---- table_footer.c ---- */

struct px_table_chunk {
    uint64_t begin; /* in the file: the dictionary page, or the first data page */
    uint64_t size_bytes;
    uint64_t value_count;
    int32_t type;
    int32_t codec;
};

struct px_table_group {
    uint64_t row_count;
    struct px_table_chunk *chunks; /* one for each leaf of the schema */
    uint32_t chunk_count;
};

struct px_table_key_value {
    struct px_slice key;
    struct px_slice value;
};

struct px_table_footer {
    struct px_table_schema schema;
    uint64_t row_count;
    struct px_table_group *groups;
    uint32_t group_count;
    struct px_table_key_value *key_values;
    uint32_t key_value_count;
};

/* Everything lies in the arena or is a view into the file; chunks lie within the file. */
PX_MUST_CHECK int px_table__read_footer(struct px_slice file, struct px_arena *arena,
                                        struct px_table_footer *ret_footer,
                                        struct proximadb_error *reterr);

/* ---- table_levels.c ---- */

/* The hybrid of run lengths and bit packing: `count` numbers of bit_width (0 to 32) bits. False
 * where the bytes end before. */
bool px_table__unpack_u32(struct px_slice bytes, unsigned bit_width, uint32_t *numbers,
                          size_t count);

/* Likewise, of at most 8 bits, none of them above `most`. */
bool px_table__unpack_levels(struct px_slice bytes, unsigned bit_width, uint8_t most,
                             uint8_t *levels, size_t count);

/* ---- table_delta.c ---- */

/* DELTA_BINARY_PACKED. The longs lie in the arena; *ret_rest is what follows. At most `most` of
 * them. PROXIMADB_CORRUPT, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_table__delta_longs(struct px_slice bytes, size_t most, struct px_arena *arena,
                                        int64_t **ret_longs, size_t *ret_count,
                                        struct px_slice *ret_rest, struct proximadb_error *reterr);

/* DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY: exactly `count` values. */
PX_MUST_CHECK int px_table__delta_bytes(struct px_slice bytes, bool has_prefixes, size_t count,
                                        struct px_arena *arena, struct px_slice **ret_items,
                                        struct proximadb_error *reterr);

/* ---- table_page.c ---- */

struct px_zstd_decompressor;

struct px_table_page {
    bool is_dictionary;
    size_t level_count;         /* values with nulls; of a list also empty lists */
    const uint8_t *definitions; /* NULL: every one is the highest */
    const uint8_t *repetitions; /* NULL: every one is 0 */
    size_t value_count;         /* that are not null */
    int32_t encoding;
    struct px_slice values; /* in the arena, in the file, or in `content` */
};

struct px_table_page_reader {
    struct px_slice file;
    int32_t codec;                     /* of the chunk */
    struct px_zstd_decompressor *zstd; /* owned; made when it is needed */
    struct px_buffer content;          /* what was unpacked of the present page */
};

/* Reads the page at *at, which goes behind it, and ends before `end`. A page that is neither data
 * nor a dictionary is passed over with PROXIMADB_OK and level_count 0. */
PX_MUST_CHECK int px_table__read_page(struct px_table_page_reader *reader,
                                      const struct px_table_column *column, uint64_t *at,
                                      uint64_t end, struct px_arena *arena,
                                      struct px_table_page *ret_page,
                                      struct proximadb_error *reterr);

/* ---- table_values.c ---- */

struct px_table_values {
    size_t count;
    const void *items; /* of the size that px_table__item_bytes() says */
};

size_t px_table__item_bytes(enum px_table_kind kind);

/* Decodes the values of a page; `dictionary` may be NULL. Items lie in the arena, and bytes of TEXT
 * and BYTES in the arena or in the page. */
PX_MUST_CHECK int px_table__decode(const struct px_table_column *column,
                                   const struct px_table_page *page,
                                   const struct px_table_values *dictionary, struct px_arena *arena,
                                   const void **ret_items, struct proximadb_error *reterr);

#endif /* PX_TABLE_TABLE_INTERNAL_H */
