/*
 * parquet_schema: the columns of a Parquet file, of the few shapes that ProximaDB writes.
 *
 *      SHAPE     IN PARQUET                                             LEVELS
 *      REQUIRED  required TYPE name                                     none
 *      OPTIONAL  optional TYPE name                                     definition 0-1
 *      VECTOR    required group name (LIST) {                           repetition 0-1
 *                  repeated group list { required float element } }     definition 1
 *      STRINGS   optional group name (LIST) {                           repetition 0-1
 *                  repeated group list { required binary element } }    definition 0-2
 *
 * A VECTOR has the same number of elements in every row, so its levels are a pattern and its values
 * are an array of rows. In STRINGS a definition level of 0 is a null, 1 an empty list, 2 an
 * element.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_PARQUET_SCHEMA_H
#define PX_PARQUET_PARQUET_SCHEMA_H

#include "base/error.h"
#include "base/slice.h"

/* Numbers are those of the format's enum Type. */
enum px_parquet_type {
    PX_PARQUET_BOOLEAN = 0,
    PX_PARQUET_INT32 = 1,
    PX_PARQUET_INT64 = 2,
    PX_PARQUET_FLOAT = 4,
    PX_PARQUET_DOUBLE = 5,
    PX_PARQUET_BYTE_ARRAY = 6,
};

/* What a column's values mean to other readers. A file may say more than these; that reads as NONE.
 * */
enum px_parquet_logical {
    PX_PARQUET_NONE,
    PX_PARQUET_STRING,           /* BYTE_ARRAY: UTF-8 */
    PX_PARQUET_JSON,             /* BYTE_ARRAY: a JSON text */
    PX_PARQUET_TIMESTAMP_MILLIS, /* INT64: milliseconds since 1970, UTC */
};

enum px_parquet_shape {
    PX_PARQUET_REQUIRED,
    PX_PARQUET_OPTIONAL,
    PX_PARQUET_VECTOR,  /* type FLOAT */
    PX_PARQUET_STRINGS, /* type BYTE_ARRAY */
};

/*
 * How the floats of a VECTOR are written, each row group by itself. None changes a bit of them.
 *
 *      PLAIN       as they are, aligned and not compressed: read in place
 *      DICTIONARY  the distinct values of the row group once, and for each float its number there,
 *                  in as few bits as its page takes: a row lies at a computable place. A row group
 *                  of more than 65,536 distinct values is written as SPLIT
 *      SPLIT       the first bytes of a page's floats, then the second ones, and so on, compressed
 *      SMALLEST    DICTIONARY, or, where that saves a 32nd or more, the smaller of SPLIT and of a
 *                  compressed DICTIONARY. For writers only
 */
enum px_parquet_vector_encoding {
    PX_PARQUET_VECTOR_PLAIN = 0,
    PX_PARQUET_VECTOR_DICTIONARY,
    PX_PARQUET_VECTOR_SPLIT,
    PX_PARQUET_VECTOR_SMALLEST,
};

enum {
    PX_PARQUET_MOST_DISTINCT = 65536, /* values of a dictionary */
    PX_PARQUET_MOST_COLUMNS = 1024,
    PX_PARQUET_NAME_LIMIT_BYTES = 256,
    PX_PARQUET_MOST_DIMS = 65536,
    PX_PARQUET_PAGE_ROWS = 1024,           /* the default of page_row_limit */
    PX_PARQUET_PAGE_BYTES = 1 << 20,       /* the default of page_byte_limit */
    PX_PARQUET_MOST_PAGE_ROWS = 1 << 20,   /* more in a page is refused, written or read */
    PX_PARQUET_MOST_PAGE_BYTES = 128 << 20 /* likewise, uncompressed */
};

struct px_parquet_column {
    const char *name; /* UTF-8, 1 to PX_PARQUET_NAME_LIMIT_BYTES bytes */
    enum px_parquet_shape shape;
    enum px_parquet_type type; /* of the element of a list */
    enum px_parquet_logical logical;
    int32_t field_id;         /* for readers that follow columns through changes of name */
    int32_t element_field_id; /* of a list's element; the group between has none, as in Iceberg */
    uint32_t dim_count;       /* VECTOR: elements a row; a reader has 0 where there are no rows */

    /* How it is written; a reader leaves these zero. 0 means the default. */
    uint32_t page_row_limit;  /* rows a page, at most */
    uint32_t page_byte_limit; /* bytes a page before compression; a larger value has its own page */
    int zstd_level;           /* 0: not compressed; see codec/zstd.h. A VECTOR's is below */
    bool has_statistics;      /* min and max of chunks and pages; not for lists */
    bool has_bloom_filter;    /* not for lists and BOOLEAN */

    /* VECTOR. zstd_level is that of what is compressed, 0 for the default; PLAIN never is. */
    enum px_parquet_vector_encoding vector_encoding;
    /* DICTIONARY: a row group that takes more bytes a row than this, all counted, is compressed, if
     * that saves a 32nd or more; 0: never. */
    uint32_t most_row_bytes;
};

static inline bool px_parquet_is_list(const struct px_parquet_column *column)
{
    return column->shape == PX_PARQUET_VECTOR || column->shape == PX_PARQUET_STRINGS;
}

/* Text is cut between characters, and other readers show it as such. */
static inline bool px_parquet_is_text(const struct px_parquet_column *column)
{
    return column->logical == PX_PARQUET_STRING || column->logical == PX_PARQUET_JSON;
}

/* The highest definition and repetition level of a column. */
unsigned px_parquet_most_definition(const struct px_parquet_column *column);
unsigned px_parquet_most_repetition(const struct px_parquet_column *column);

/* Bytes of one value in PLAIN encoding, a BOOLEAN counted as one; 0 for BYTE_ARRAY. */
size_t px_parquet_type_bytes(enum px_parquet_type type);

/* The format's words: "INT64"; "STRING", "" for NONE; "required", "optional", "vector", "strings".
 * */
const char *px_parquet_type_name(enum px_parquet_type type);
const char *px_parquet_logical_name(enum px_parquet_logical logical);
const char *px_parquet_shape_name(enum px_parquet_shape shape);

/* "PLAIN", "DICTIONARY", "SPLIT", "SMALLEST". */
const char *px_parquet_vector_encoding_name(enum px_parquet_vector_encoding encoding);

/* Whether a file with these columns can be written: shapes and types that go together, unique
 * names, limits, one VECTOR at most. PROXIMADB_INVALID, naming the column and the rule. */
PX_MUST_CHECK int px_parquet_schema_validate(const struct px_parquet_column *columns,
                                             size_t column_count, struct proximadb_error *reterr);

#endif /* PX_PARQUET_PARQUET_SCHEMA_H */
