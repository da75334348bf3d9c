#include "viper/compaction_internal.h"

#include "base/random.h"

#include <stdlib.h>

enum { MOST_SAMPLED_ROWS = 2000 };

/* A row is sampled for each, in vectors that take this at most. */
#define SAMPLE_BYTES ((size_t)64 << 20)

/* Rows of the collection, at random, with the indexes of their lists. */
struct sample {
    struct px_compaction *compaction;
    struct px_part_lists *lists; /* owned, with what they own; of the parts that stay */
    uint64_t other_row_count;
    uint64_t random; /* state of the generator */
    float *vectors;  /* owned */
    uint32_t *indexes;
    size_t count;
};

static int sample_init(struct px_compaction *compaction, struct sample *sample, size_t row_count,
                       struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    *sample = (struct sample){.compaction = compaction, .random = (uint64_t)input->lsn};
    sample->lists = calloc(input->other_count + 1, sizeof *sample->lists);
    sample->vectors = malloc(row_count * input->collection->dim_count * sizeof(float));
    sample->indexes = malloc(row_count * sizeof *sample->indexes);
    if (sample->lists == NULL || sample->vectors == NULL || sample->indexes == NULL)
        return px_fail_no_memory(reterr);
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < input->other_count && rc == PROXIMADB_OK; i++) {
        rc = px_part_lists_read(input->others[i], &sample->lists[i], reterr);
        if (rc == PROXIMADB_OK && sample->lists[i].count > 0)
            sample->other_row_count += px_part_row_count(input->others[i]);
    }
    return rc;
}

static void sample_release(struct sample *sample)
{
    for (size_t i = 0; sample->lists != NULL && i < sample->compaction->input->other_count; i++)
        px_part_lists_release(&sample->lists[i]);
    free(sample->lists);
    free(sample->vectors);
    free(sample->indexes);
}

static uint32_t list_at(const struct px_part_lists *lists, uint32_t row)
{
    size_t low = 0, high = lists->count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (lists->items[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return lists->items[low].id;
}

static int take(struct sample *sample, struct px_part *part, uint32_t row, uint32_t list,
                struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = sample->compaction->input;
    uint32_t dim_count = input->collection->dim_count;
    const float *vector;
    size_t index;
    if (!px_clustering_find(input->clustering, list, &index))
        return PROXIMADB_OK; /* of a list that this compaction removed */
    int rc = px_part_get_vector(part, &sample->compaction->scratch, row, &vector, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    memcpy(sample->vectors + sample->count * dim_count, vector, dim_count * sizeof(float));
    sample->indexes[sample->count++] = (uint32_t)index;
    return PROXIMADB_OK;
}

/* Row number n of the parts that stay, if it is live. */
static int take_other(struct sample *sample, uint64_t n, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = sample->compaction->input;
    size_t i = 0;
    for (;; i++) {
        uint32_t row_count = sample->lists[i].count > 0 ? px_part_row_count(input->others[i]) : 0;
        if (n < row_count)
            break;
        n -= row_count;
    }
    uint32_t row = (uint32_t)n;
    if (!px_dead_rows_is_live(px_part_dead_rows(input->others[i]), row, input->lsn))
        return PROXIMADB_OK;
    return take(sample, input->others[i], row, list_at(&sample->lists[i], row), reterr);
}

static int take_row(struct sample *sample, uint64_t n, struct proximadb_error *reterr)
{
    struct px_compaction *compaction = sample->compaction;
    if (n >= compaction->row_count)
        return take_other(sample, n - compaction->row_count, reterr);
    struct px_live_row row = compaction->rows[n];
    return take(sample, compaction->input->parts[row.part], row.row, compaction->lists[n], reterr);
}

/* Every row once, in a random order: the first ones are those that neighbours are looked for of. */
static int take_all(struct sample *sample, uint32_t row_count, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    uint32_t order[MOST_SAMPLED_ROWS];
    for (uint32_t i = 0; i < row_count; i++) {
        uint32_t other = (uint32_t)(px_random_next(&sample->random) % (i + 1));
        order[i] = order[other];
        order[other] = i;
    }
    for (uint32_t i = 0; i < row_count && rc == PROXIMADB_OK; i++)
        rc = take_row(sample, order[i], reterr);
    return rc;
}

static int take_some(struct sample *sample, size_t wanted, struct proximadb_error *reterr)
{
    uint64_t row_count = sample->compaction->row_count + sample->other_row_count;
    int rc = PROXIMADB_OK;
    if (row_count <= wanted)
        return take_all(sample, (uint32_t)row_count, reterr);
    for (size_t i = 0; i < wanted && rc == PROXIMADB_OK; i++)
        rc = take_row(sample, px_random_next(&sample->random) % row_count, reterr);
    return rc;
}

int px_compaction__measure(struct px_compaction *compaction, double *ret_recall,
                           struct proximadb_error *reterr)
{
    size_t row_bytes = compaction->input->collection->dim_count * sizeof(float);
    size_t wanted = SAMPLE_BYTES / row_bytes;
    struct sample sample;
    wanted = wanted < MOST_SAMPLED_ROWS ? wanted : MOST_SAMPLED_ROWS;
    int rc = sample_init(compaction, &sample, wanted, reterr);
    if (rc == PROXIMADB_OK)
        rc = take_some(&sample, wanted, reterr);
    const struct px_rows rows = {.data = sample.vectors,
                                 .stride_bytes = row_bytes,
                                 .row_count = sample.count,
                                 .dim_count = compaction->input->collection->dim_count};
    const struct px_clustering_measuring measuring = {.sample = &rows, .lists = sample.indexes};
    *ret_recall = 0.0;
    if (rc == PROXIMADB_OK)
        rc = px_compaction__check(compaction, reterr);
    if (rc == PROXIMADB_OK && sample.count > 0)
        rc = px_clustering_measure(compaction->input->clustering, &measuring, ret_recall, reterr);
    sample_release(&sample);
    return rc;
}
