/* ivf_rows: vectors in lists, as an index is made of them, their index, and an oracle. */
#ifndef PX_TEST_IVF_ROWS_H
#define PX_TEST_IVF_ROWS_H

#include "axis/ivf.h"
#include "simd/distance.h"
#include "support/px_test.h"

enum { IVF_MOST_LISTS = 64 };

struct ivf_rows {
    size_t row_count;
    size_t dim_count;
    enum proximadb_metric metric;
    float *vectors; /* owned */
    struct px_ivf_list lists[IVF_MOST_LISTS];
    size_t list_count;
    size_t reads_until_failure; /* 0: none fails */
};

static inline float *ivf_row(const struct ivf_rows *rows, size_t index)
{
    return rows->vectors + index * rows->dim_count;
}

/* Rows of as many blobs as lists, each blob a list. With `spread` 0 all rows of a blob are equal.
 * */
static inline struct ivf_rows ivf_rows_new(struct px_test_random *random,
                                           enum proximadb_metric metric, size_t row_count,
                                           size_t dim_count, size_t list_count, float spread)
{
    struct ivf_rows rows = {
        .row_count = row_count, .dim_count = dim_count, .metric = metric, .list_count = list_count};
    rows.vectors = malloc(row_count * dim_count * sizeof(float));
    float *centre = malloc(dim_count * sizeof(float));
    assert_non_null(rows.vectors);
    assert_non_null(centre);
    for (size_t list = 0; list < list_count; list++) {
        size_t first = list * row_count / list_count, end = (list + 1) * row_count / list_count;
        rows.lists[list] = (struct px_ivf_list){.id = (uint32_t)(100 + list),
                                                .first_row = (uint32_t)first,
                                                .row_count = (uint32_t)(end - first)};
        for (size_t i = 0; i < dim_count; i++)
            centre[i] = px_test_float(random) + 0.1f;
        for (size_t row = first; row < end; row++)
            for (size_t i = 0; i < dim_count; i++)
                ivf_row(&rows, row)[i] = centre[i] + spread * px_test_float(random);
    }
    free(centre);
    return rows;
}

static inline void ivf_rows_free(struct ivf_rows *rows)
{
    free(rows->vectors);
}

static inline int ivf_read(void *context, uint32_t first_row, uint32_t row_count,
                           float *ret_vectors, struct proximadb_error *reterr)
{
    struct ivf_rows *rows = context;
    assert_true((size_t)first_row + row_count <= rows->row_count);
    if (rows->reads_until_failure > 0 && --rows->reads_until_failure == 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a page is damaged");
    memcpy(ret_vectors, ivf_row(rows, first_row),
           row_count * rows->dim_count * sizeof *ret_vectors);
    return PROXIMADB_OK;
}

static inline struct px_ivf_input ivf_input_of(struct ivf_rows *rows)
{
    return (struct px_ivf_input){.identity = {.collection_id = {.bytes = {1, 2, 3}},
                                              .part_bytes = 12345,
                                              .part_checksum = 678,
                                              .dim_count = (uint32_t)rows->dim_count,
                                              .metric = rows->metric},
                                 .lists = rows->lists,
                                 .list_count = rows->list_count,
                                 .read = ivf_read,
                                 .context = rows};
}

static inline struct px_ivf *ivf_build(struct ivf_rows *rows)
{
    struct px_ivf_input input = ivf_input_of(rows);
    struct px_ivf *ivf = NULL;
    struct proximadb_error error;
    assert_int_equal(px_ivf_build(&input, &ivf, &error), PROXIMADB_OK);
    return ivf;
}

/* How many rows are nearer to the query than `distance`, by more than `slack`. */
static inline size_t ivf_count_nearer(const struct ivf_rows *rows, const float *query,
                                      double distance, double slack)
{
    size_t count = 0;
    for (size_t row = 0; row < rows->row_count; row++)
        count += px_distance(rows->metric, query, ivf_row(rows, row), rows->dim_count) <
                 distance - slack;
    return count;
}

#endif /* PX_TEST_IVF_ROWS_H */
