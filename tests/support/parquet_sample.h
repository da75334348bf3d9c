/*
 * parquet_sample: rows for a Parquet file with any columns, each value a function of seed, row and
 * column.
 *
 * So nothing has to be remembered: a test writes a file, forgets the rows, and makes them once
 * more, in any order, to compare. Values are awkward on purpose: nulls, empty strings and lists,
 * long texts of characters of every length in UTF-8, extreme numbers, both zeros, NaN with
 * payloads.
 */
#ifndef PX_PARQUET_SAMPLE_H
#define PX_PARQUET_SAMPLE_H

#include "base/buffer.h"
#include "parquet/parquet_cursor.h"
#include "parquet/parquet_writer.h"

#include <stdio.h>

enum { SAMPLE_MOST_ITEMS = 20 };

struct parquet_sample {
    bool is_null;
    uint64_t bits; /* of a value of a fixed type */
    struct px_slice bytes;
    struct px_slice items[SAMPLE_MOST_ITEMS];
    size_t item_count;
};

/* splitmix64's finaliser over what names a value. */
static inline uint64_t sample_hash(uint64_t seed, uint64_t row, uint64_t column, uint64_t what)
{
    uint64_t z = seed;
    const uint64_t parts[] = {row, column, what};
    for (size_t i = 0; i < 3; i++) {
        z += UINT64_C(0x9e3779b97f4a7c15) * (parts[i] + 1);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
    }
    return z;
}

/* Appends text of about size_bytes, of characters of 1 to 4 bytes. */
static inline void sample_text(uint64_t hash, size_t size_bytes, struct px_buffer *scratch)
{
    static const char *const characters[] = {
        "a",
        "b",
        "Z",
        "0",
        " ",
        "\"",
        "\\",
        "\n",
        "\x7f",
        "\xc2\x80",
        "\xc3\xa9",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xe2\x82\xac",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbd",
        "\xf0\x9f\x98\x80",
        "\xf4\x8f\xbf\xbf",
    };
    size_t kinds = hash % 3 == 0 ? 4 : sizeof characters / sizeof characters[0];
    for (size_t at = 0; at < size_bytes;) {
        const char *character = characters[sample_hash(hash, at, 0, 0) % kinds];
        px_buffer_append(scratch, character, strlen(character));
        at += strlen(character);
    }
}

/* The size of a text: often short, sometimes nothing, rarely long. */
static inline size_t sample_text_size(uint64_t hash)
{
    if (hash % 16 == 0)
        return 0;
    return hash % 32 == 1 ? hash / 32 % 500 : hash / 32 % 40;
}

/* Awkward numbers, given by their bits. */
static inline uint64_t sample_bits(enum px_parquet_type type, uint64_t hash, uint64_t row)
{
    static const uint64_t doubles[] = {0,
                                       UINT64_C(1) << 63,
                                       UINT64_C(0x7ff0000000000000),
                                       UINT64_C(0xfff0000000000000),
                                       UINT64_C(0x7ff8000000000001),
                                       UINT64_C(0xfff8dead00000000),
                                       1,
                                       UINT64_C(0x7fefffffffffffff)};
    static const uint32_t floats[] = {0,          0x80000000, 0x7f800000, 0xff800000,
                                      0x7fc00001, 0xffc0dead, 1,          0x7f7fffff};
    bool is_awkward = hash % 16 == 0;
    size_t which = hash / 16 % 8;
    switch (type) {
    case PX_PARQUET_BOOLEAN:
        return hash >> 63;
    case PX_PARQUET_INT32:
        return hash % 4 == 0 ? (uint32_t)hash : (uint32_t)(row * 3);
    case PX_PARQUET_INT64:
        return hash % 64 == 0 ? hash : row + 1000000;
    case PX_PARQUET_FLOAT:
        return is_awkward ? floats[which] : (uint32_t)(hash >> 32) & 0xbfffffff;
    case PX_PARQUET_DOUBLE:
        return is_awkward ? doubles[which] : hash & UINT64_C(0xbfffffffffffffff);
    case PX_PARQUET_BYTE_ARRAY:
        break;
    }
    return 0;
}

static inline void sample_bytes(const struct px_parquet_column *column, uint64_t hash, uint64_t row,
                                struct px_buffer *scratch)
{
    if (column->logical == PX_PARQUET_JSON) {
        px_buffer_append_format(scratch, "{\"row\":%llu,\"hash\":%llu,\"half\":%llu.5}",
                                (unsigned long long)row, (unsigned long long)hash,
                                (unsigned long long)(hash % 1000));
    } else if (column->logical == PX_PARQUET_STRING) {
        if (column->shape == PX_PARQUET_REQUIRED) /* an id: unique */
            px_buffer_append_format(scratch, "id-%llu-", (unsigned long long)row);
        sample_text(hash, sample_text_size(hash), scratch);
    } else {
        for (size_t left = sample_text_size(hash); left > 0; left--)
            px_buffer_append_byte(scratch, (uint8_t)(hash % 5 == 0 ? 0xff : hash >> left % 56));
    }
}

/* Makes a value of any column but a vector. What *ret_sample points to lies in `scratch`, which is
 * emptied first. */
static inline void parquet_sample_get(uint64_t seed, uint64_t row, size_t index,
                                      const struct px_parquet_column *column,
                                      struct px_buffer *scratch, struct parquet_sample *ret_sample)
{
    uint64_t hash = sample_hash(seed, row, index, 0);
    struct parquet_sample sample = {0};
    size_t ends[SAMPLE_MOST_ITEMS];
    px_buffer_clear(scratch);
    (void)px_buffer_reserve(scratch, 1); /* so that empty texts have an address, too */
    /* Now and then a run of rows without a value, longer than a small page. */
    bool is_gap = sample_hash(seed, row / 64, index, 1) % 8 == 0;
    sample.is_null = column->shape != PX_PARQUET_REQUIRED && (is_gap || hash % 5 == 0);
    hash = sample_hash(seed, row, index, 2);
    sample.bits = sample_bits(column->type, hash, row);
    if (column->logical == PX_PARQUET_TIMESTAMP_MILLIS) /* 1938 to 2065: what every reader shows */
        sample.bits = hash % UINT64_C(4000000000000) - UINT64_C(1000000000000);
    if (column->shape == PX_PARQUET_STRINGS) {
        sample.item_count = sample.is_null ? 0 : hash % (hash % 16 == 0 ? SAMPLE_MOST_ITEMS : 4);
        for (size_t i = 0; i < sample.item_count; i++) {
            sample_bytes(column, sample_hash(hash, row, index, i), row, scratch);
            ends[i] = scratch->size_bytes;
        }
        for (size_t i = 0, at = 0; i < sample.item_count; at = ends[i], i++)
            sample.items[i] = px_slice_of(scratch->data + at, ends[i] - at);
    } else if (column->type == PX_PARQUET_BYTE_ARRAY) {
        sample_bytes(column, hash, row, scratch);
        sample.bytes = px_buffer_slice(scratch);
    }
    *ret_sample = sample;
}

/* Makes one vector: any bits, so that it shows whether floats are moved untouched. */
static inline void parquet_sample_vector(uint64_t seed, uint64_t row, uint32_t dim_count,
                                         uint32_t *vector)
{
    for (uint32_t i = 0; i < dim_count; i++)
        vector[i] = (uint32_t)(sample_hash(seed, row, i, 3) >> 32);
}

static inline void sample_append_fixed(struct px_parquet_writer *writer, size_t index,
                                       enum px_parquet_type type, uint64_t bits)
{
    float f32;
    double f64;
    uint32_t low = (uint32_t)bits;
    memcpy(&f32, &low, sizeof f32);
    memcpy(&f64, &bits, sizeof f64);
    if (type == PX_PARQUET_BOOLEAN)
        px_parquet_append_bool(writer, index, bits != 0);
    else if (type == PX_PARQUET_INT32)
        px_parquet_append_i32(writer, index, (int32_t)low);
    else if (type == PX_PARQUET_INT64)
        px_parquet_append_i64(writer, index, (int64_t)bits);
    else if (type == PX_PARQUET_FLOAT)
        px_parquet_append_float(writer, index, f32);
    else
        px_parquet_append_double(writer, index, f64);
}

/* Appends a row to all columns. vector: room for the vector column's dimensions. */
static inline void parquet_sample_append(struct px_parquet_writer *writer,
                                         const struct px_parquet_column *columns,
                                         size_t column_count, uint64_t seed, uint64_t row,
                                         struct px_buffer *scratch, uint32_t *vector)
{
    for (size_t i = 0; i < column_count; i++) {
        const struct px_parquet_column *column = &columns[i];
        struct parquet_sample sample;
        if (column->shape == PX_PARQUET_VECTOR) {
            parquet_sample_vector(seed, row, column->dim_count, vector);
            px_parquet_append_vectors(writer, i, vector, 1);
            continue;
        }
        parquet_sample_get(seed, row, i, column, scratch, &sample);
        if (sample.is_null)
            px_parquet_append_null(writer, i);
        else if (column->shape == PX_PARQUET_STRINGS)
            px_parquet_append_strings(writer, i, sample.items, sample.item_count);
        else if (column->type == PX_PARQUET_BYTE_ARRAY)
            px_parquet_append_bytes(writer, i, sample.bytes);
        else
            sample_append_fixed(writer, i, column->type, sample.bits);
    }
}

/* Reads a value of any column but a vector, as a sample; floating point and integers as bits. */
static inline int parquet_sample_read(struct px_parquet_cursor *cursor, uint64_t row,
                                      const struct px_parquet_column *column,
                                      struct parquet_sample *ret_sample,
                                      struct proximadb_error *reterr)
{
    int rc = px_parquet_cursor_seek(cursor, row, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct parquet_sample sample = {0};
    size_t index = (size_t)(row - cursor->rows.first_row);
    sample.is_null = cursor->rows.is_present[index] == 0;
    size_t size = px_parquet_type_bytes(column->type);
    if (column->shape == PX_PARQUET_STRINGS) {
        struct px_parquet_strings strings;
        rc = px_parquet_cursor_get_strings(cursor, row, &strings, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        sample.item_count = strings.count;
        for (size_t i = 0; i < strings.count && i < SAMPLE_MOST_ITEMS; i++)
            sample.items[i] = strings.items[i];
    } else if (size == 0) {
        sample.bytes = cursor->rows.as.bytes[index];
    } else {
        memcpy(&sample.bits, cursor->rows.as.booleans + index * size, size);
    }
    *ret_sample = sample;
    return PROXIMADB_OK;
}

/* Whether what was read is what was written. */
static inline bool parquet_sample_equal(const struct px_parquet_column *column,
                                        const struct parquet_sample *written,
                                        const struct parquet_sample *read)
{
    if (written->is_null || read->is_null)
        return written->is_null == read->is_null && read->bytes.size_bytes == 0 &&
               read->item_count == 0;
    if (column->shape != PX_PARQUET_STRINGS)
        return column->type == PX_PARQUET_BYTE_ARRAY ? px_slice_equal(written->bytes, read->bytes)
                                                     : written->bits == read->bits;
    if (written->item_count != read->item_count)
        return false;
    for (size_t i = 0; i < written->item_count; i++)
        if (!px_slice_equal(written->items[i], read->items[i]))
            return false;
    return true;
}

#endif /* PX_PARQUET_SAMPLE_H */
