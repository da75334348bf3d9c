/*
 * table_reader: reads Parquet files that others wrote, row by row, for import.
 *
 * It takes what pyarrow, DuckDB, polars and parquet-java write by default and more: data pages of
 * both versions; PLAIN, dictionaries, BYTE_STREAM_SPLIT and the DELTA encodings; no compression,
 * Snappy, gzip and zstd. The reader of our own files (src/parquet) is strict and reads them in
 * place; this one is tolerant, and copies.
 *
 *      KIND      IN PARQUET
 *      BOOLEAN   BOOLEAN
 *      LONG      INT32, INT64, of either sign; dates and times as the numbers they are
 *      FLOAT     FLOAT, and FIXED_LEN_BYTE_ARRAY(2) FLOAT16
 *      DOUBLE    DOUBLE
 *      TEXT      BYTE_ARRAY STRING, ENUM or JSON; whether it is UTF-8 is for the caller to see
 *      BYTES     another BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY
 *      OTHER     what is not read: structs, maps, lists of lists, INT96, DECIMAL, UUID,
 *                INTERVAL; see `reason`
 *
 * Each may be a list of these (is_list): the standard's three levels, the older two, or a repeated
 * column. Of a list column's levels:
 *
 *      DEFINITION LEVEL       MEANING
 *      below list_level       null
 *      list_level             empty
 *      item_level and more    there is an item; it is null below most_definition
 *
 * A cursor goes through one column; cursors of several columns together give rows:
 *
 *      px_table_open(file, &table, reterr)
 *      px_table_cursor_open(table, COLUMN, &cursor, reterr)
 *      for (uint64_t row = 0; row < px_table_row_count(table); row++)
 *          px_table_cursor_next(cursor, &cell, reterr)
 *
 * Nothing in a file is trusted: every offset, size, count, level and index is checked before it is
 * used. A cursor holds one page and one dictionary; a page of more than 2^26 values or 1 GiB is
 * refused.
 *
 * Threads: a table may be used by several; a cursor by one at a time.
 */
#ifndef PX_TABLE_TABLE_READER_H
#define PX_TABLE_TABLE_READER_H

#include "base/error.h"
#include "base/slice.h"

enum px_table_kind {
    PX_TABLE_BOOLEAN,
    PX_TABLE_LONG,
    PX_TABLE_FLOAT,
    PX_TABLE_DOUBLE,
    PX_TABLE_TEXT,
    PX_TABLE_BYTES,
    PX_TABLE_OTHER,
};

/* Numbers are those of the format's enum Type. */
enum px_table_type {
    PX_TYPE_BOOLEAN = 0,
    PX_TYPE_INT32 = 1,
    PX_TYPE_INT64 = 2,
    PX_TYPE_INT96 = 3,
    PX_TYPE_FLOAT = 4,
    PX_TYPE_DOUBLE = 5,
    PX_TYPE_BYTE_ARRAY = 6,
    PX_TYPE_FIXED = 7,
    PX_TYPE_COUNT = 8,
};

/* What a number of a LONG means. */
enum px_table_time {
    PX_TIME_NONE,
    PX_TIME_DAYS, /* a date */
    PX_TIME_MILLIS,
    PX_TIME_MICROS,
    PX_TIME_NANOS,
};

struct px_table_column {
    struct px_slice name; /* UTF-8 without NUL; a view into the file */
    enum px_table_kind kind;
    enum px_table_type type;
    enum px_table_time time;
    uint32_t type_bytes; /* of a FIXED */
    bool is_unsigned;
    bool is_json;
    bool is_list;
    uint8_t list_level;
    uint8_t item_level;
    uint8_t most_definition;
    uint8_t most_repetition; /* 0 or 1 */
    uint32_t leaf_index;     /* of its chunk in a row group */
    const char *reason;      /* of an OTHER: what it is */
};

struct px_table;
struct px_table_cursor;

/* The value of a column in a row. Items are views, valid until the cursor's next call; nulls among
 * them are left out. */
struct px_table_cell {
    bool is_null;
    size_t item_count; /* 1 for a value that is no list */
    size_t null_count; /* of a list: items that are null, beside the item_count */
    union {
        const uint8_t *booleans;
        const int64_t *longs;
        const float *floats;
        const double *doubles;
        const struct px_slice *bytes; /* of TEXT and BYTES */
        const void *items;
    } as;
};

/* `file` (kept) is all of a file. *ret_table: returned, free with px_table_close().
 * PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (it is encrypted), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_table_open(struct px_slice file, struct px_table **ret_table,
                                struct proximadb_error *reterr);
void px_table_close(struct px_table *table); /* accepts NULL */

uint64_t px_table_row_count(const struct px_table *table);
const struct px_table_column *px_table_columns(const struct px_table *table, size_t *ret_count);

/* What the footer has under a key, a view into the file; empty where there is no such key. */
struct px_slice px_table_key_value(const struct px_table *table, const char *key);

/* "list of FLOAT", "integer" and so on, for messages. */
const char *px_table_column_word(const struct px_table_column *column);

/* A cursor in front of the first row. *ret_cursor: returned, free with px_table_cursor_close(); the
 * table is kept. PROXIMADB_UNIMPLEMENTED (an OTHER), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_table_cursor_open(const struct px_table *table, size_t column,
                                       struct px_table_cursor **ret_cursor,
                                       struct proximadb_error *reterr);
void px_table_cursor_close(struct px_table_cursor *cursor); /* accepts NULL */

/* The next row, of which there must be one. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (the
 * message names the encoding or the codec, and what to do), PROXIMADB_RESOURCE_EXHAUSTED (a page
 * too large), PROXIMADB_NO_MEMORY; the cursor is then of no more use. */
PX_MUST_CHECK int px_table_cursor_next(struct px_table_cursor *cursor,
                                       struct px_table_cell *ret_cell,
                                       struct proximadb_error *reterr);

#endif /* PX_TABLE_TABLE_READER_H */
