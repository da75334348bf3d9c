/*
 * kernels_body_internal: the kernels, written once in terms of a vector of floats; each level's
 * file defines that vector, includes this file, and so gets functions of its own.
 *
 * To be defined before:
 *
 *      vec                       LANES floats
 *      LANES, QUERY_TILE, PANEL_VECS, PANEL_ROWS    numbers
 *      vec_zero()
 *      vec_load(p)               from any address
 *      vec_set(p)                the float at that address in all lanes
 *      vec_load_tail(p, n)       the first n (1 to LANES - 1) floats, zeros behind; reads no more
 *      vec_store(p, a)           to any address
 *      vec_add(a, b), vec_sub(a, b)
 *      vec_add_product(sum, a, b)
 *      vec_sum(a)                of the lanes, as a tree
 *      vec_sum_four(a, ret)      the sums of a[0] to a[3], each as a tree, to ret[0] to ret[3]
 *
 * Single kernels keep ACCUMULATORS vectors per sum, since an addition takes four cycles and two can
 * start in each. Matrix kernels keep one vector per pair, but ROW_TILE * QUERY_TILE pairs at a
 * time. The panel kernel keeps PANEL_ROWS * PANEL_VECS vectors with a pair in each lane, so that
 * nothing is left to add up across lanes.
 */
#ifndef PX_SIMD_KERNELS_BODY_INTERNAL_H
#define PX_SIMD_KERNELS_BODY_INTERNAL_H

#include "base/bits.h"
#include "simd/kernels.h"

enum {
    ACCUMULATORS = 4,
    STEP = ACCUMULATORS * LANES,
    ROW_TILE = 4,
    PANEL_WIDTH = PANEL_VECS * LANES,
    CACHE_LINE_BYTES = 64,
    PREFETCH_BYTES = 2048,        /* measured: 10 to 25 % on rows that come from memory */
    QUERY_BLOCK_BYTES = 24 << 10, /* of a first-level cache of 32 KiB or more */
    ROW_PANEL_BYTES = 256 << 10,  /* of a second-level cache of 512 KiB or more */
};

#define UNROLL       _Pragma("GCC unroll 8")
#define FORCE_INLINE static inline __attribute__((always_inline))

static_assert(LANES >= 4 && QUERY_TILE >= 1, "bounds are stated for at least four partial sums");

FORCE_INLINE size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

FORCE_INLINE vec combine(const vec *sums)
{
    return vec_add(vec_add(sums[0], sums[1]), vec_add(sums[2], sums[3]));
}

/* One vector of `x`; behind its end, zeros, which add nothing to any of the sums. */
FORCE_INLINE vec load_at(const uint8_t *x, size_t dim, size_t dim_count)
{
    const uint8_t *at = x + dim * sizeof(float);
    return dim + LANES <= dim_count ? vec_load(at) : vec_load_tail(at, dim_count - dim);
}

/* Asks for the lines that the scan of contiguous rows will be at in a while. The CPU's own
 * prefetcher stops at the end of each page. A prefetch behind the last row does nothing. */
FORCE_INLINE void prefetch_step(const uint8_t *x)
{
    UNROLL for (size_t line = 0; line < STEP * sizeof(float); line += CACHE_LINE_BYTES)
        __builtin_prefetch(x + PREFETCH_BYTES + line);
}

static float norm_squared(const void *x, size_t dim_count)
{
    const uint8_t *row = x;
    vec sums[ACCUMULATORS] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    size_t dim = 0;
    for (; dim + STEP <= dim_count; dim += STEP) {
        UNROLL for (size_t a = 0; a < ACCUMULATORS; a++)
        {
            vec value = vec_load(row + (dim + a * LANES) * sizeof(float));
            sums[a] = vec_add_product(sums[a], value, value);
        }
    }
    for (; dim < dim_count; dim += LANES) {
        vec value = load_at(row, dim, dim_count);
        sums[0] = vec_add_product(sums[0], value, value);
    }
    return vec_sum(combine(sums));
}

FORCE_INLINE void dot_and_norm_row(const uint8_t *x, const uint8_t *q, size_t dim_count,
                                   float *ret_dot, float *ret_norm)
{
    vec dots[ACCUMULATORS] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    vec norms[ACCUMULATORS] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    size_t dim = 0;
    for (; dim + STEP <= dim_count; dim += STEP) {
        prefetch_step(x + dim * sizeof(float));
        UNROLL for (size_t a = 0; a < ACCUMULATORS; a++)
        {
            vec value = vec_load(x + (dim + a * LANES) * sizeof(float));
            vec other = vec_load(q + (dim + a * LANES) * sizeof(float));
            dots[a] = vec_add_product(dots[a], value, other);
            norms[a] = vec_add_product(norms[a], value, value);
        }
    }
    for (; dim < dim_count; dim += LANES) {
        vec value = load_at(x, dim, dim_count);
        dots[0] = vec_add_product(dots[0], value, load_at(q, dim, dim_count));
        norms[0] = vec_add_product(norms[0], value, value);
    }
    *ret_dot = vec_sum(combine(dots));
    *ret_norm = vec_sum(combine(norms));
}

static void dot_and_norm(const struct px_rows *rows, const void *query, float *ret_dots,
                         float *ret_norms_squared)
{
    const uint8_t *x = rows->data;
    for (size_t r = 0; r < rows->row_count; r++, x += rows->stride_bytes)
        dot_and_norm_row(x, query, rows->dim_count, &ret_dots[r], &ret_norms_squared[r]);
}

FORCE_INLINE vec add_difference(vec sum, vec a, vec b)
{
    vec difference = vec_sub(a, b);
    return vec_add_product(sum, difference, difference);
}

FORCE_INLINE float l2_squared_row(const uint8_t *x, const uint8_t *q, size_t dim_count)
{
    vec sums[ACCUMULATORS] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    size_t dim = 0;
    for (; dim + STEP <= dim_count; dim += STEP) {
        prefetch_step(x + dim * sizeof(float));
        UNROLL for (size_t a = 0; a < ACCUMULATORS; a++)
        {
            size_t at = (dim + a * LANES) * sizeof(float);
            sums[a] = add_difference(sums[a], vec_load(x + at), vec_load(q + at));
        }
    }
    for (; dim < dim_count; dim += LANES)
        sums[0] = add_difference(sums[0], load_at(x, dim, dim_count), load_at(q, dim, dim_count));
    return vec_sum(combine(sums));
}

static void l2_squared(const struct px_rows *rows, const void *query, float *ret_sums)
{
    const uint8_t *x = rows->data;
    for (size_t r = 0; r < rows->row_count; r++, x += rows->stride_bytes)
        ret_sums[r] = l2_squared_row(x, query, rows->dim_count);
}

/* ROW_TILE rows and QUERY_TILE queries, and where each query's sums go. */
struct tile {
    const uint8_t *rows[ROW_TILE];
    const uint8_t *queries[QUERY_TILE];
    float *sums[QUERY_TILE];
};

FORCE_INLINE vec add_term(bool is_l2, vec sum, vec a, vec b)
{
    return is_l2 ? add_difference(sum, a, b) : vec_add_product(sum, a, b);
}

FORCE_INLINE void sum_tile(bool is_l2, const struct tile *tile, size_t dim_count)
{
    vec sums[QUERY_TILE][ROW_TILE];
    UNROLL for (size_t q = 0; q < QUERY_TILE; q++) UNROLL for (size_t r = 0; r < ROW_TILE; r++)
        sums[q][r] = vec_zero();
    size_t dim = 0;
    for (; dim + LANES <= dim_count; dim += LANES) {
        vec row[ROW_TILE];
        UNROLL for (size_t r = 0; r < ROW_TILE; r++) row[r] =
            vec_load(tile->rows[r] + dim * sizeof(float));
        UNROLL for (size_t q = 0; q < QUERY_TILE; q++)
        {
            vec query = vec_load(tile->queries[q] + dim * sizeof(float));
            UNROLL for (size_t r = 0; r < ROW_TILE; r++) sums[q][r] =
                add_term(is_l2, sums[q][r], row[r], query);
        }
    }
    if (dim < dim_count) {
        UNROLL for (size_t q = 0; q < QUERY_TILE; q++)
        {
            vec query = load_at(tile->queries[q], dim, dim_count);
            UNROLL for (size_t r = 0; r < ROW_TILE; r++) sums[q][r] =
                add_term(is_l2, sums[q][r], load_at(tile->rows[r], dim, dim_count), query);
        }
    }
    UNROLL for (size_t q = 0; q < QUERY_TILE; q++) vec_sum_four(sums[q], tile->sums[q]);
}

/* Pointers to `count` vectors from number `first` on. Behind the end the last one stands in for
 * those that are missing, so that there is one kind of tile only. */
FORCE_INLINE void point(const struct px_rows *rows, size_t first, size_t count,
                        const uint8_t **ret_pointers)
{
    for (size_t i = 0; i < count; i++)
        ret_pointers[i] = (const uint8_t *)rows->data +
                          smaller(first + i, rows->row_count - 1) * rows->stride_bytes;
}

/* What one call of a matrix kernel works on. */
struct product {
    bool is_l2;
    const struct px_rows *rows, *queries;
    float *ret; /* row r and query q at q * ret_stride + r */
    size_t ret_stride;
};

/* One tile of rows, from row_index on, against queries `begin` to `end` - 1. Sums of vectors that
 * stood in for missing ones stay in `spare`. */
FORCE_INLINE void sum_row_tile(const struct product *product, size_t row_index, size_t begin,
                               size_t end)
{
    float spare[QUERY_TILE][ROW_TILE];
    struct tile tile;
    size_t row_count = smaller(ROW_TILE, product->rows->row_count - row_index);
    point(product->rows, row_index, ROW_TILE, tile.rows);
    for (size_t q = begin; q < end; q += QUERY_TILE) {
        size_t query_count = smaller(QUERY_TILE, end - q);
        float *to = product->ret + q * product->ret_stride + row_index;
        point(product->queries, q, QUERY_TILE, tile.queries);
        for (size_t i = 0; i < QUERY_TILE; i++)
            tile.sums[i] =
                row_count == ROW_TILE && i < query_count ? to + i * product->ret_stride : spare[i];
        sum_tile(product->is_l2, &tile, product->rows->dim_count);
        for (size_t i = 0; row_count < ROW_TILE && i < query_count; i++)
            memcpy(to + i * product->ret_stride, spare[i], row_count * sizeof(float));
    }
}

/* At least one tile of vectors, and as many tiles as `size_bytes` holds. */
FORCE_INLINE size_t fitting(size_t size_bytes, size_t dim_count, size_t tile)
{
    size_t count = size_bytes / (dim_count * sizeof(float));
    return count > tile ? count - count % tile : tile;
}

/* Rows in panels that the second-level cache holds; each panel goes by each block of queries that
 * the first-level cache holds. */
FORCE_INLINE void sum_matrix(const struct product *product)
{
    size_t row_end = product->rows->row_count, query_end = product->queries->row_count;
    size_t panel = fitting(ROW_PANEL_BYTES, product->rows->dim_count, ROW_TILE);
    size_t block = fitting(QUERY_BLOCK_BYTES, product->rows->dim_count, QUERY_TILE);
    for (size_t first = 0; first < row_end; first += panel)
        for (size_t begin = 0; begin < query_end; begin += block)
            for (size_t row = first; row < smaller(first + panel, row_end); row += ROW_TILE)
                sum_row_tile(product, row, begin, smaller(begin + block, query_end));
}

static void dot_matrix(const struct px_rows *rows, const struct px_rows *queries, float *ret,
                       size_t ret_stride)
{
    sum_matrix(&(struct product){false, rows, queries, ret, ret_stride});
}

static void l2_matrix(const struct px_rows *rows, const struct px_rows *queries, float *ret,
                      size_t ret_stride)
{
    sum_matrix(&(struct product){true, rows, queries, ret, ret_stride});
}

FORCE_INLINE void sum_panel_tile(const uint8_t *const *rows, const float *panel,
                                 const float *starts, size_t dim_count, float *const *ret)
{
    vec sums[PANEL_ROWS][PANEL_VECS];
    UNROLL for (size_t r = 0; r < PANEL_ROWS; r++) UNROLL for (size_t v = 0; v < PANEL_VECS; v++)
        sums[r][v] = vec_load(starts + v * LANES);
    for (size_t dim = 0; dim < dim_count; dim++) {
        vec across[PANEL_VECS];
        UNROLL for (size_t v = 0; v < PANEL_VECS; v++) across[v] =
            vec_load(panel + dim * PANEL_WIDTH + v * LANES);
        UNROLL for (size_t r = 0; r < PANEL_ROWS; r++)
        {
            vec component = vec_set(rows[r] + dim * sizeof(float));
            UNROLL for (size_t v = 0; v < PANEL_VECS; v++) sums[r][v] =
                vec_add_product(sums[r][v], component, across[v]);
        }
    }
    UNROLL for (size_t r = 0; r < PANEL_ROWS; r++) UNROLL for (size_t v = 0; v < PANEL_VECS; v++)
        vec_store(ret[r] + v * LANES, sums[r][v]);
}

static void dot_panel(const struct px_rows *rows, const float *panel, const float *starts,
                      float *ret)
{
    float spare[PANEL_WIDTH];
    const uint8_t *tile[PANEL_ROWS];
    float *to[PANEL_ROWS];
    for (size_t first = 0; first < rows->row_count; first += PANEL_ROWS) {
        point(rows, first, PANEL_ROWS, tile);
        for (size_t r = 0; r < PANEL_ROWS; r++)
            to[r] = first + r < rows->row_count ? ret + (first + r) * PANEL_WIDTH : spare;
        sum_panel_tile(tile, panel, starts, rows->dim_count, to);
    }
}

#endif /* PX_SIMD_KERNELS_BODY_INTERNAL_H */
