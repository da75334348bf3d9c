#include "parquet/vector_page_internal.h"

#include "base/bits.h"
#include "codec/varint.h"
#include "parquet/vector_levels_internal.h"
#include "simd/unpack.h"

#include <assert.h>

enum { GROUP = 8, MOST_HEAD_BYTES = 1 + PX_VARINT_BYTES };

/* ---- the head of codes --------------------------------------------------------------------- */

/* Writes what stands in front of the codes; returns its size. */
static size_t write_head(unsigned bit_width, size_t value_count, uint8_t *head)
{
    head[0] = (uint8_t)bit_width;
    return 1 + px_varint_write(head + 1, (uint64_t)((value_count + GROUP - 1) / GROUP) << 1 | 1);
}

void px_vector_page__put_head(unsigned bit_width, size_t value_count, struct px_buffer *buffer)
{
    uint8_t head[MOST_HEAD_BYTES];
    px_buffer_append(buffer, head, write_head(bit_width, value_count, head));
}

static size_t count_values(const struct px_vector_page *page)
{
    return (size_t)page->row_count * page->dim_count;
}

unsigned px_vector_page__bit_width(const struct px_vector_page *page)
{
    return page->encoding == PX_PARQUET_RLE_DICTIONARY ? page->values.data[0] : 0;
}

/* Where the codes of a row begin. */
static struct px_codes codes_of(const struct px_vector_page *page, uint32_t row)
{
    uint8_t head[MOST_HEAD_BYTES];
    unsigned bit_width = px_vector_page__bit_width(page);
    size_t head_bytes = write_head(bit_width, count_values(page), head);
    return (struct px_codes){
        .bytes = page->values.data + head_bytes,
        .size_bytes = page->values.size_bytes - head_bytes,
        .first_bit = (uint64_t)row * page->dim_count * bit_width,
        .bit_width = bit_width,
    };
}

/* ---- checking ------------------------------------------------------------------------------ */

static int check_floats(const struct px_vector_page *page, struct proximadb_error *reterr)
{
    size_t size = count_values(page) * sizeof(float);
    if (page->values.size_bytes == size)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT,
                   "the page is damaged: its values take %zu bytes, not the %zu of %u rows of %u "
                   "elements",
                   page->values.size_bytes, size, page->row_count, page->dim_count);
}

/* The width, the head of the run, and the size of it all. */
static int check_run(const struct px_vector_page *page, struct proximadb_error *reterr)
{
    uint8_t head[MOST_HEAD_BYTES];
    const struct px_slice *values = &page->values;
    if (values->size_bytes < 1)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the page is damaged: it has no codes");
    unsigned bit_width = values->data[0];
    if (bit_width > PX_MOST_CODE_BITS)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "its codes have %u bits; ProximaDB reads up to %d", bit_width,
                       PX_MOST_CODE_BITS);
    size_t size = write_head(bit_width, count_values(page), head);
    if (values->size_bytes < size || memcmp(values->data, head, size) != 0)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "its codes are not one bit-packed run of %u rows of %u elements, which is "
                       "all that ProximaDB reads",
                       page->row_count, page->dim_count);
    size += px_vector_page__codes_bytes(bit_width, count_values(page));
    if (values->size_bytes != size)
        return px_fail(
            reterr, PROXIMADB_CORRUPT,
            "the page is damaged: its codes take %zu bytes, not the %zu of %u rows of %u "
            "elements of %u bits",
            values->size_bytes, size, page->row_count, page->dim_count, bit_width);
    return PROXIMADB_OK;
}

/* No code may be beyond the dictionary; where none can be, none is looked at. */
static int check_codes(const struct px_vector_page *page,
                       const struct px_vector_dictionary *dictionary,
                       struct proximadb_error *reterr)
{
    struct px_codes codes = codes_of(page, 0);
    if (UINT32_C(1) << codes.bit_width <= dictionary->count)
        return PROXIMADB_OK;
    uint32_t greatest = px_unpack_get()->greatest(&codes, count_values(page));
    if (greatest < dictionary->count)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT,
                   "the page is damaged: it names value %u of a dictionary of %u", greatest,
                   dictionary->count);
}

int px_vector_page__check(const struct px_parquet_column *column, uint32_t row_count,
                          const struct px_data_page *page, struct px_slice body,
                          const struct px_vector_dictionary *dictionary,
                          struct px_vector_page *ret_page, struct proximadb_error *reterr)
{
    struct px_page_parts parts;
    int rc = px_data_page__split(column, body, &parts, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_vector_page checked = {.encoding = page->encoding,
                                     .row_count = row_count,
                                     .dim_count = column->dim_count,
                                     .values = parts.values};
    if (page->value_count != (uint64_t)row_count * column->dim_count ||
        !px_vector_levels__check(parts.repetition, parts.definition, row_count, column->dim_count))
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the page is damaged: it does not hold %u rows of %u elements", row_count,
                       column->dim_count);
    if (page->encoding != PX_PARQUET_RLE_DICTIONARY) {
        rc = check_floats(&checked, reterr);
    } else {
        assert(dictionary != NULL);
        rc = check_run(&checked, reterr);
        if (rc == PROXIMADB_OK)
            rc = check_codes(&checked, dictionary, reterr);
    }
    if (rc == PROXIMADB_OK)
        *ret_page = checked;
    return rc;
}

/* ---- decoding ------------------------------------------------------------------------------ */

/* Puts `count` floats together, the bytes of each stream_bytes apart. */
static void join_streams(const uint8_t *first, size_t stream_bytes, size_t count, float *ret)
{
    const uint8_t *second = first + stream_bytes, *third = second + stream_bytes,
                  *fourth = third + stream_bytes;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)first[i] | (uint32_t)second[i] << 8 | (uint32_t)third[i] << 16 |
                        (uint32_t)fourth[i] << 24;
        memcpy(&ret[i], &bits, sizeof bits);
    }
}

void px_vector_page__decode(const struct px_vector_page *page,
                            const struct px_vector_dictionary *dictionary, uint32_t first_row,
                            uint32_t row_count, float *ret_vectors)
{
    assert(first_row <= page->row_count && row_count <= page->row_count - first_row);
    size_t begin = (size_t)first_row * page->dim_count;
    size_t count = (size_t)row_count * page->dim_count;
    if (page->encoding == PX_PARQUET_RLE_DICTIONARY) {
        struct px_codes codes = codes_of(page, first_row);
        px_unpack_get()->look_up(&codes, dictionary->values, count, ret_vectors);
    } else if (page->encoding == PX_PARQUET_BYTE_STREAM_SPLIT) {
        join_streams(page->values.data + begin, count_values(page), count, ret_vectors);
    } else {
        memcpy(ret_vectors, page->values.data + begin * sizeof *ret_vectors,
               count * sizeof *ret_vectors);
    }
}
