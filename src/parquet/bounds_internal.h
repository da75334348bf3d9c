/*
 * bounds_internal: the smallest and the largest value of a page or of a chunk.
 *
 * Order is the format's TYPE_ORDER: false before true, integers signed, floating point by value,
 * BYTE_ARRAY bytewise. NaN is left out; a smallest zero is written as -0.0 and a largest as +0.0,
 * since both zeros may be there.
 *
 * A bound of more than 64 bytes is cut: a lower one to its beginning, an upper one to its beginning
 * with the last code point (or byte) that can be raised raised. It is still a bound, of valid text
 * where the values are text, and marked as not exact. Where nothing can be raised there are no
 * bounds.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PARQUET_BOUNDS_INTERNAL_H
#define PX_PARQUET_BOUNDS_INTERNAL_H

#include "parquet/parquet_layout.h"

enum { PX_BOUND_BYTES = 64 };

struct px_bound {
    bool is_exact;
    uint8_t size_bytes;
    uint8_t
        bytes[PX_BOUND_BYTES]; /* the value in PLAIN encoding, a BYTE_ARRAY without its length */
};

/* A zeroed struct has no bounds. */
struct px_bounds {
    bool is_set;
    struct px_bound min;
    struct px_bound max;
};

/* The order of two values in PLAIN encoding (a BOOLEAN is one byte, a BYTE_ARRAY has no length):
 * < 0, 0, > 0. Neither is NaN, and fixed types have their size. */
int px_bounds__compare(enum px_parquet_type type, struct px_slice a, struct px_slice b);

/* Whether the value is a NaN of a floating point type. */
bool px_bounds__is_nan(enum px_parquet_type type, struct px_slice value);

/* Whether bounds that were read can be compared with: the size of their type, no NaN, in order. */
bool px_bounds__is_valid(enum px_parquet_type type, const struct px_parquet_statistics *statistics);

/* The bounds of `count` values in PLAIN encoding, one after the other (a BOOLEAN is one byte). */
void px_bounds__of_values(const struct px_parquet_column *column, struct px_slice values,
                          size_t count, struct px_bounds *ret_bounds);

/* Widens *bounds to hold `other`, too. Both are set. */
void px_bounds__widen(enum px_parquet_type type, struct px_bounds *bounds,
                      const struct px_bounds *other);

static inline struct px_slice px_bound__slice(const struct px_bound *bound)
{
    return px_slice_of(bound->bytes, bound->size_bytes);
}

#endif /* PX_PARQUET_BOUNDS_INTERNAL_H */
