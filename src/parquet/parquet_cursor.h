/*
 * parquet_cursor: the values of one column, decoded a page at a time.
 *
 * A cursor holds one decoded page; rows of that page cost nothing more, so reading rows in order
 * decodes every page once, and rows at random decode one page each: about 1,000 values, fewer where
 * text is compressed (docs/format/parquet.md). Decoding checks everything about a page; behind it,
 * access is an array index.
 *
 *      px_parquet_cursor_init(&cursor, reader, column);
 *      px_parquet_cursor_get_i64(&cursor, row, &is_present, &value, reterr);
 *      ...
 *      px_parquet_cursor_release(&cursor);
 *
 * Or in blocks, without a call for each row:
 *
 *      for (uint64_t row = 0; row < row_count; row += cursor.rows.row_count) {
 *          px_parquet_cursor_seek(&cursor, row, reterr);
 *          ... cursor.rows.as.i64[i], cursor.rows.is_present[i], i < cursor.rows.row_count
 *      }
 *
 * Vector columns are read by parquet_vectors.h, and plain ones in place.
 *
 * Rows that are read here and there can do better. A cursor that shares its pages finds pages that
 * any cursor of the process decoded shortly before, and leaves there what it decodes (64 MiB in
 * all, page_cache_internal.h); and a value of a column that is neither compressed nor optional is
 * looked up without decoding its page at all, by px_parquet_lookup_i64() and
 * px_parquet_lookup_bytes().
 *
 * Threads: externally serialised; any number of cursors on one reader. Looking up: any thread.
 */
#ifndef PX_PARQUET_PARQUET_CURSOR_H
#define PX_PARQUET_PARQUET_CURSOR_H

#include "base/buffer.h"
#include "parquet/parquet_reader.h"

/* The rows of one page. Arrays are by row, from first_row on; a null has a zero, or no bytes. */
struct px_parquet_rows {
    uint64_t first_row;
    uint32_t row_count;        /* 0: there is no page yet */
    const uint8_t *is_present; /* 1, or 0 for a null */
    union {                    /* by the column's type */
        const uint8_t *booleans;
        const int32_t *i32;
        const int64_t *i64;
        const float *f32;
        const double *f64;
        const struct px_slice *bytes; /* of STRINGS: the items of all rows */
    } as;
    /* STRINGS: row i has the items first_item[i] to first_item[i + 1] - 1. Otherwise NULL. */
    const uint32_t *first_item;
};

struct px_parquet_cursor {
    const struct px_parquet_reader *reader; /* kept */
    size_t column;
    struct px_parquet_rows rows;

    bool shares_pages;
    struct px_cached_page *shared; /* a reference: the page that `rows` is of; NULL: it is ours */
    struct px_buffer body;         /* owned, as all below; taken when it is needed */
    struct px_buffer levels;
    struct px_buffer present;
    struct px_buffer values;
    struct px_buffer items;
};

/* The column must not be a VECTOR. Takes no memory yet. */
void px_parquet_cursor_init(struct px_parquet_cursor *cursor,
                            const struct px_parquet_reader *reader, size_t column);

/* From now on pages are shared with other cursors. For rows that are read here and there: who reads
 * all of them would fill the cache with pages that nobody wants again. */
void px_parquet_cursor_share_pages(struct px_parquet_cursor *cursor);

/* What shared pages take, in the whole process. */
size_t px_parquet_shared_bytes(void);

/* A zeroed struct is fine, too. */
void px_parquet_cursor_release(struct px_parquet_cursor *cursor);

/*
 * Makes cursor->rows the page that holds `row` (< row_count), if it is not yet. What it points to
 * is valid until another page is made so: bytes of a compressed column lie in the cursor, others in
 * the file. After an error there is no page.
 *
 * PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (both name column, page and offset),
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_parquet_cursor_seek(struct px_parquet_cursor *cursor, uint64_t row,
                                         struct proximadb_error *reterr);

/*
 * One row of a column of that type; they fail as px_parquet_cursor_seek(), whose views they give.
 * *ret_is_present (may be NULL) is false for a null; the value is then zero, or empty.
 */
PX_MUST_CHECK int px_parquet_cursor_get_bool(struct px_parquet_cursor *cursor, uint64_t row,
                                             bool *ret_is_present, bool *ret_value,
                                             struct proximadb_error *reterr);
PX_MUST_CHECK int px_parquet_cursor_get_i32(struct px_parquet_cursor *cursor, uint64_t row,
                                            bool *ret_is_present, int32_t *ret_value,
                                            struct proximadb_error *reterr);
PX_MUST_CHECK int px_parquet_cursor_get_i64(struct px_parquet_cursor *cursor, uint64_t row,
                                            bool *ret_is_present, int64_t *ret_value,
                                            struct proximadb_error *reterr);
PX_MUST_CHECK int px_parquet_cursor_get_float(struct px_parquet_cursor *cursor, uint64_t row,
                                              bool *ret_is_present, float *ret_value,
                                              struct proximadb_error *reterr);
PX_MUST_CHECK int px_parquet_cursor_get_double(struct px_parquet_cursor *cursor, uint64_t row,
                                               bool *ret_is_present, double *ret_value,
                                               struct proximadb_error *reterr);
PX_MUST_CHECK int px_parquet_cursor_get_bytes(struct px_parquet_cursor *cursor, uint64_t row,
                                              bool *ret_is_present, struct px_slice *ret_value,
                                              struct proximadb_error *reterr);

/* A list of strings: a view of its items, valid like them. */
struct px_parquet_strings {
    const struct px_slice *items;
    size_t count;
    bool is_present; /* false: a null, which is not an empty list */
};

PX_MUST_CHECK int px_parquet_cursor_get_strings(struct px_parquet_cursor *cursor, uint64_t row,
                                                struct px_parquet_strings *ret_strings,
                                                struct proximadb_error *reterr);

/* ---- one value, without its page ------------------------------------------------------------ */

/* Whether values of the column can be looked up: it is REQUIRED and nowhere compressed. */
bool px_parquet_can_look_up(const struct px_parquet_reader *reader, size_t column);

/*
 * The value of a row (< row_count) of such a column of that type: an INT64 is one step away, a
 * BYTE_ARRAY at most 16, of whose beginnings some are noted when a page is first looked at; the
 * bytes are a view into the file. The page's checksum is verified at its first touch.
 *
 * PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (both name column, page and offset)
 */
PX_MUST_CHECK int px_parquet_lookup_i64(const struct px_parquet_reader *reader, size_t column,
                                        uint64_t row, int64_t *ret_value,
                                        struct proximadb_error *reterr);
PX_MUST_CHECK int px_parquet_lookup_bytes(const struct px_parquet_reader *reader, size_t column,
                                          uint64_t row, struct px_slice *ret_value,
                                          struct proximadb_error *reterr);

#endif /* PX_PARQUET_PARQUET_CURSOR_H */
