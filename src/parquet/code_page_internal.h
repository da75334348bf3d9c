/*
 * code_page_internal: the bodies of pages of vectors that are not plain, while they are made.
 *
 * What stands in them is told in vector_page_internal.h.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_CODE_PAGE_INTERNAL_H
#define PX_PARQUET_CODE_PAGE_INTERNAL_H

#include "base/buffer.h"

/* The bits that a code takes: 1 at least, since a width of 0, which the format allows, is not what
 * readers have met often. */
unsigned px_code_page__width(uint32_t greatest_code);

/* Appends levels and codes of a page; each has at most bit_width (1 to 16) bits. Failures mark the
 * buffer. */
void px_code_page__put_codes(const uint16_t *codes, uint32_t row_count, uint32_t dim_count,
                             unsigned bit_width, struct px_buffer *body);

/* Appends levels and the floats (of any alignment) of a page, split into streams. */
void px_code_page__put_streams(const void *floats, uint32_t row_count, uint32_t dim_count,
                               struct px_buffer *body);

#endif /* PX_PARQUET_CODE_PAGE_INTERNAL_H */
