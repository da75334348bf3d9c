/*
 * vector_page_internal: the values of a page of vectors, in each encoding.
 *
 *      PLAIN              the floats
 *      RLE_DICTIONARY     u8 the bits of a code, 0 to 16
 *                         varint h, h & 1 = 1, h >> 1 groups: one bit-packed run (rle_internal.h)
 *                         the codes, groups * 8 of them, the first in the lowest bits; those behind
 *                         the last value are padding
 *      BYTE_STREAM_SPLIT  the first bytes of all floats, then the second, the third, the fourth
 *
 * A code is the number of a float in the chunk's dictionary. The format allows any sequence of
 * runs; ours is always the one, so that the codes of row r begin at bit r * dim_count * width.
 * Others are refused.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_VECTOR_PAGE_INTERNAL_H
#define PX_PARQUET_VECTOR_PAGE_INTERNAL_H

#include "parquet/data_page_internal.h"

/* The distinct values of a chunk: `count` floats, of any alignment. */
struct px_vector_dictionary {
    const uint8_t *values;
    uint32_t count;
};

/* A page whose values were checked. */
struct px_vector_page {
    enum px_parquet_encoding encoding;
    uint32_t row_count;
    uint32_t dim_count;
    struct px_slice values; /* view; all of them, as above */
};

/*
 * Checks everything that stands in a body, levels included. `page` is its header, `body` its
 * content decompressed, `dictionary` (NULL in other encodings) that of the chunk. What it gives can
 * be decoded without a further check. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED
 */
PX_MUST_CHECK int px_vector_page__check(const struct px_parquet_column *column, uint32_t row_count,
                                        const struct px_data_page *page, struct px_slice body,
                                        const struct px_vector_dictionary *dictionary,
                                        struct px_vector_page *ret_page,
                                        struct proximadb_error *reterr);

/* Rows first_row (counted from the page's first) to first_row + row_count - 1 as floats. The page
 * was checked with the same dictionary. */
void px_vector_page__decode(const struct px_vector_page *page,
                            const struct px_vector_dictionary *dictionary, uint32_t first_row,
                            uint32_t row_count, float *ret_vectors);

/* The bits of a code; 0 of other encodings. */
unsigned px_vector_page__bit_width(const struct px_vector_page *page);

/* Appends what stands in front of the codes: the width and the head of the run. */
void px_vector_page__put_head(unsigned bit_width, size_t value_count, struct px_buffer *buffer);

/* The bytes of `value_count` codes. */
static inline size_t px_vector_page__codes_bytes(unsigned bit_width, size_t value_count)
{
    return (value_count + 7) / 8 * bit_width;
}

#endif /* PX_PARQUET_VECTOR_PAGE_INTERNAL_H */
