/*
 * parquet_layout: where things are in a Parquet file: row groups, column chunks, pages.
 *
 *      file         = "PAR1", row groups, column indexes, offset indexes, footer, its size, "PAR1"
 *      row group    = the chunk of every column, then their bloom filters
 *      column chunk = pages, of a vector perhaps with a dictionary page before them
 *
 * The writer fills these structs in as it goes and the footer is made of them; a reader gets them
 * back, with every offset checked against the file. Rows are counted through the whole file, from
 * 0, and so are the pages of a column.
 *
 * Threads: any thread, once filled in.
 */
#ifndef PX_PARQUET_PARQUET_LAYOUT_H
#define PX_PARQUET_PARQUET_LAYOUT_H

#include "parquet/parquet_schema.h"

/* Numbers are those of the format's enum CompressionCodec. */
enum px_parquet_codec { PX_PARQUET_UNCOMPRESSED = 0, PX_PARQUET_ZSTD = 6 };

/* Bytes of the file. */
struct px_parquet_range {
    uint64_t offset;
    uint64_t size_bytes; /* 0: there is no such thing */
};

/* What is known of the values of a page or of a chunk. Bounds are one value in PLAIN encoding, a
 * BYTE_ARRAY without its length; text is cut to 64 bytes, and then they are not exact. */
struct px_parquet_statistics {
    int64_t null_count; /* -1: unknown */
    bool has_bounds;    /* false: no value, or nothing known */
    bool min_is_exact;
    bool max_is_exact;
    struct px_slice min;
    struct px_slice max;
};

struct px_parquet_page {
    uint64_t offset;     /* of its header */
    uint64_t first_row;  /* in the file */
    uint32_t size_bytes; /* with its header */
    uint32_t row_count;
};

struct px_parquet_chunk {
    enum px_parquet_codec codec;
    enum px_parquet_vector_encoding encoding; /* of a VECTOR; PLAIN elsewhere */
    uint64_t value_count; /* with nulls; of a list: elements, empty lists and nulls */
    struct px_parquet_range pages;
    uint32_t
        dictionary_bytes; /* of the dictionary page at the front of `pages`; 0: there is none */
    uint64_t uncompressed_bytes; /* of the pages, with their headers */
    struct px_parquet_statistics statistics;
    struct px_parquet_range bloom_filter;
    struct px_parquet_range column_index;
    struct px_parquet_range offset_index;
    size_t first_page; /* in the pages of its column */
    size_t page_count;
};

struct px_parquet_row_group {
    uint64_t first_row; /* in the file */
    uint64_t row_count;
    struct px_parquet_chunk *chunks; /* one for each column */
};

/* The pages of one column. */
struct px_parquet_page_list {
    struct px_parquet_page *pages;
    struct px_parquet_statistics *statistics; /* of each page; NULL: the column has none */
    size_t count;
};

struct px_parquet_key_value {
    struct px_slice key;   /* UTF-8 */
    struct px_slice value; /* UTF-8; empty where the file has none */
};

struct px_parquet_layout {
    uint64_t size_bytes; /* of the file */
    uint64_t row_count;
    struct px_slice created_by;
    const struct px_parquet_column *columns;
    size_t column_count;
    struct px_parquet_row_group *row_groups;
    size_t row_group_count;
    struct px_parquet_page_list *page_lists; /* one for each column; a writer has none */
    const struct px_parquet_key_value *key_values;
    size_t key_value_count;
};

#endif /* PX_PARQUET_PARQUET_LAYOUT_H */
