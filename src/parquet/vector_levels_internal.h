/*
 * vector_levels_internal: the levels of a page of vectors, which say no more than how many rows
 * there are: repetition 0 at the first element of a row and 1 at the others, definition 1
 * everywhere.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_VECTOR_LEVELS_INTERNAL_H
#define PX_PARQUET_VECTOR_LEVELS_INTERNAL_H

#include "base/buffer.h"

/* Appends both kinds, each with its size in front, the way they stand in a body. Failures mark the
 * buffer. */
void px_vector_levels__put(uint32_t row_count, uint32_t dim_count, struct px_buffer *buffer);

/* Whether levels (without their sizes) say just that. */
bool px_vector_levels__check(struct px_slice repetition, struct px_slice definition,
                             uint32_t row_count, uint32_t dim_count);

#endif /* PX_PARQUET_VECTOR_LEVELS_INTERNAL_H */
