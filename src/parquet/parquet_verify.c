#include "parquet/parquet_verify.h"

#include "base/hash.h"
#include "parquet/bloom_internal.h"
#include "parquet/bounds_internal.h"
#include "parquet/parquet_cursor.h"
#include "parquet/parquet_reader_internal.h"
#include "parquet/parquet_vectors.h"

/* A column of a row group while it is verified. */
struct verifying {
    const struct px_parquet_reader *reader;
    const struct px_parquet_layout *layout;
    const struct px_parquet_column *type;
    size_t column;
    size_t row_group;
    struct px_slice bloom_filter;    /* of the row group; empty: there is none */
    struct px_parquet_cursor cursor; /* of any other column than a vector */
    struct px_parquet_vector_cursor vectors;
};

static const struct px_parquet_chunk *chunk_of(const struct verifying *verifying)
{
    return &verifying->layout->row_groups[verifying->row_group].chunks[verifying->column];
}

/* A value of the present page in PLAIN encoding, a view. */
static struct px_slice value_of(const struct verifying *verifying, size_t index)
{
    const struct px_parquet_rows *rows = &verifying->cursor.rows;
    size_t size = px_parquet_type_bytes(verifying->type->type);
    if (size == 0)
        return rows->as.bytes[index];
    return px_slice_of(rows->as.booleans + index * size, size);
}

static bool is_within(enum px_parquet_type type, const struct px_parquet_statistics *statistics,
                      struct px_slice value)
{
    return !statistics->has_bounds || px_bounds__is_nan(type, value) ||
           (px_bounds__compare(type, value, statistics->min) >= 0 &&
            px_bounds__compare(type, value, statistics->max) <= 0);
}

/* The bounds of the page and of the chunk, and the bloom filter, must all admit the value. */
static int verify_value(const struct verifying *verifying, size_t page, struct px_slice value,
                        struct proximadb_error *reterr)
{
    const struct px_parquet_statistics *statistics =
        verifying->layout->page_lists[verifying->column].statistics;
    enum px_parquet_type type = verifying->type->type;
    struct px_slice filter = verifying->bloom_filter;
    if (!is_within(type, &chunk_of(verifying)->statistics, value) ||
        (statistics != NULL && !is_within(type, &statistics[page], value)))
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "a value is outside of the bounds of its page or "
                       "chunk");
    if (filter.size_bytes > 0 &&
        !px_bloom__contains(filter.data, filter.size_bytes, px_hash_xxh64(value)))
        return px_fail(reterr, PROXIMADB_CORRUPT, "the bloom filter lacks a value");
    return PROXIMADB_OK;
}

/* Verifies the values of the page that the cursor holds and counts its nulls. */
static int verify_rows(const struct verifying *verifying, size_t page, int64_t *ret_null_count,
                       struct proximadb_error *reterr)
{
    const struct px_parquet_rows *rows = &verifying->cursor.rows;
    const struct px_parquet_statistics *statistics =
        verifying->layout->page_lists[verifying->column].statistics;
    int64_t null_count = 0;
    for (size_t i = 0; i < rows->row_count; i++) {
        if (rows->is_present[i] == 0) {
            null_count++;
            continue;
        }
        int rc = verify_value(verifying, page, value_of(verifying, i), reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    if (statistics != NULL && statistics[page].null_count >= 0 &&
        statistics[page].null_count != null_count)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the column index says %lld nulls; it has %lld",
                       (long long)statistics[page].null_count, (long long)null_count);
    *ret_null_count = null_count;
    return PROXIMADB_OK;
}

static int verify_page(struct verifying *verifying, size_t page, int64_t *ret_null_count,
                       struct proximadb_error *reterr)
{
    const struct px_parquet_page *where =
        &verifying->layout->page_lists[verifying->column].pages[page];
    unsigned bit_width;
    *ret_null_count = 0;
    if (verifying->type->shape == PX_PARQUET_VECTOR)
        return px_parquet_vector_cursor_get_width(&verifying->vectors, where->first_row, &bit_width,
                                                  reterr);
    int rc = px_parquet_cursor_seek(&verifying->cursor, where->first_row, reterr);
    if (rc != PROXIMADB_OK || px_parquet_is_list(verifying->type))
        return rc;
    return px_parquet_reader__context(verifying->reader, verifying->column, page,
                                      verify_rows(verifying, page, ret_null_count, reterr), reterr);
}

static int verify_chunk(struct verifying *verifying, struct px_parquet_verified *verified,
                        struct proximadb_error *reterr)
{
    const struct px_parquet_chunk *chunk = chunk_of(verifying);
    int64_t null_count = 0;
    int rc =
        px_parquet_reader__bloom_filter(verifying->reader, verifying->column, verifying->row_group,
                                        &verifying->bloom_filter, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < chunk->page_count; i++) {
        size_t page = chunk->first_page + i;
        int64_t nulls;
        rc = verify_page(verifying, page, &nulls, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        null_count += nulls;
        verified->page_count++;
        verified->page_bytes +=
            verifying->layout->page_lists[verifying->column].pages[page].size_bytes;
    }
    bool has_null_count = chunk->statistics.null_count >= 0 && !px_parquet_is_list(verifying->type);
    if (has_null_count && chunk->statistics.null_count != null_count)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "column '%s': the footer says %lld nulls in row group %zu; it has %lld",
                       verifying->type->name, (long long)chunk->statistics.null_count,
                       verifying->row_group, (long long)null_count);
    return PROXIMADB_OK;
}

static int verify_column(const struct px_parquet_reader *reader, size_t column,
                         struct px_parquet_verified *verified, struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    struct verifying verifying = {
        .reader = reader, .layout = layout, .type = &layout->columns[column], .column = column};
    int rc = PROXIMADB_OK;
    if (verifying.type->shape != PX_PARQUET_VECTOR)
        px_parquet_cursor_init(&verifying.cursor, reader, column);
    else
        px_parquet_vector_cursor_init(&verifying.vectors, reader, column);
    for (size_t i = 0; rc == PROXIMADB_OK && i < layout->row_group_count; i++) {
        verifying.row_group = i;
        rc = verify_chunk(&verifying, verified, reterr);
    }
    px_parquet_cursor_release(&verifying.cursor);
    px_parquet_vector_cursor_release(&verifying.vectors);
    return rc;
}

int px_parquet_verify(struct px_parquet_reader *reader, struct px_parquet_verified *ret_verified,
                      struct proximadb_error *reterr)
{
    struct px_parquet_verified verified = {0};
    int rc = PROXIMADB_OK;
    px_parquet_reader__forget(reader);
    for (size_t i = 0; rc == PROXIMADB_OK && i < px_parquet_reader_layout(reader)->column_count;
         i++)
        rc = verify_column(reader, i, &verified, reterr);
    if (rc == PROXIMADB_OK)
        *ret_verified = verified;
    return rc;
}
