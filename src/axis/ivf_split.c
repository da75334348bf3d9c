/* Splitting a list into blocks: two-means (Lloyd's algorithm with two centres) again and again,
 * each time cut where the two meet, but at a multiple of 32 rows. */
#include "axis/ivf_internal.h"

#include <float.h>
#include <stdlib.h>

enum {
    SAMPLE_ROWS = 256, /* that the two centres are learnt from */
    ROUNDS = 6,
    MOST_RANGES = PX_IVF_MOST_LIST_ROWS / PX_IVF_BLOCK_ROWS + 1, /* each has a block at least */
};

struct place {
    float position; /* along the line through the two centres */
    uint32_t row;
};

struct splitter {
    const struct px_rows *rows;
    const struct px_kernels *kernels;
    struct place *places; /* owned; the order, as it is */
    float *centres[2];    /* owned, in one piece */
    float *line;          /* from the first to the second */
    uint64_t random;
};

static const float *row_at(const struct splitter *splitter, uint32_t row)
{
    return (const float *)(const void *)((const uint8_t *)splitter->rows->data +
                                         row * splitter->rows->stride_bytes);
}

/* Numerical Recipes' multiplier; the upper bits are good enough to pick rows with. */
static size_t random_below(struct splitter *splitter, size_t limit)
{
    splitter->random = splitter->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (size_t)(splitter->random >> 33) % limit;
}

static float project(const struct splitter *splitter, uint32_t row)
{
    struct px_rows one = {row_at(splitter, row), splitter->rows->stride_bytes, 1,
                          splitter->rows->dim_count};
    float position, norm_squared;
    splitter->kernels->dot_and_norm(&one, splitter->line, &position, &norm_squared);
    return position == position ? position : FLT_MAX;
}

/* The line, and the position on it that is as far from both centres. */
static float draw_line(struct splitter *splitter)
{
    double middle = 0;
    for (size_t i = 0; i < splitter->rows->dim_count; i++) {
        float a = splitter->centres[0][i], b = splitter->centres[1][i];
        splitter->line[i] = b - a;
        middle += ((double)b - (double)a) * ((double)b + (double)a) / 2;
    }
    return (float)middle;
}

/* Each centre becomes the mean of the sampled rows nearest to it; false: one has none. */
static bool move_centres(struct splitter *splitter, const struct place *places, size_t count,
                         float middle)
{
    size_t dim_count = splitter->rows->dim_count, counts[2] = {0, 0};
    memset(splitter->centres[0], 0, 2 * dim_count * sizeof(float));
    size_t step = count > SAMPLE_ROWS ? count / SAMPLE_ROWS : 1;
    for (size_t i = 0; i < count; i += step) {
        size_t side = project(splitter, places[i].row) > middle;
        const float *row = row_at(splitter, places[i].row);
        float *sum = splitter->centres[side];
        for (size_t d = 0; d < dim_count; d++)
            sum[d] += row[d];
        counts[side]++;
    }
    if (counts[0] == 0 || counts[1] == 0)
        return false;
    for (size_t side = 0; side < 2; side++)
        for (size_t d = 0; d < dim_count; d++)
            splitter->centres[side][d] /= (float)counts[side];
    return true;
}

/* Learns a line; the position where to cut. */
static float learn(struct splitter *splitter, const struct place *places, size_t count)
{
    size_t size_bytes = splitter->rows->dim_count * sizeof(float);
    for (size_t side = 0; side < 2; side++) {
        size_t pick = random_below(splitter, count);
        memcpy(splitter->centres[side], row_at(splitter, places[pick].row), size_bytes);
    }
    float middle = draw_line(splitter);
    for (size_t round = 0; round < ROUNDS; round++) {
        if (!move_centres(splitter, places, count, middle))
            break; /* the line stays that of before */
        middle = draw_line(splitter);
    }
    return middle;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Orders the rows of a range along a line of its own; how many are to be cut off at its beginning.
 * */
static size_t cut(struct splitter *splitter, struct place *places, size_t count)
{
    float middle = learn(splitter, places, count);
    size_t before = 0, most = (count - 1) / PX_IVF_BLOCK_ROWS;
    for (size_t i = 0; i < count; i++) {
        places[i].position = project(splitter, places[i].row);
        before += places[i].position <= middle;
    }
    qsort(places, count, sizeof *places, compare_places);
    size_t blocks = (before + PX_IVF_BLOCK_ROWS / 2) / PX_IVF_BLOCK_ROWS;
    blocks = blocks < 1 ? 1 : blocks > most ? most : blocks;
    return blocks * PX_IVF_BLOCK_ROWS;
}

static void split_all(struct splitter *splitter)
{
    struct range {
        size_t first, count;
    } stack[MOST_RANGES] = {{0, splitter->rows->row_count}};
    size_t depth = 1;
    while (depth > 0) {
        struct range range = stack[--depth];
        if (range.count <= PX_IVF_BLOCK_ROWS)
            continue;
        size_t before = cut(splitter, splitter->places + range.first, range.count);
        stack[depth++] = (struct range){range.first, before};
        stack[depth++] = (struct range){range.first + before, range.count - before};
    }
}

int px_ivf__split(const struct px_rows *rows, uint32_t *ret_order, struct proximadb_error *reterr)
{
    struct splitter splitter = {.rows = rows, .kernels = px_kernels_get()};
    size_t dim_count = rows->dim_count;
    splitter.places = malloc(rows->row_count * sizeof *splitter.places);
    splitter.centres[0] = malloc(3 * dim_count * sizeof(float));
    int rc = PROXIMADB_OK;
    if (splitter.places == NULL || splitter.centres[0] == NULL) {
        rc = px_fail_no_memory(reterr);
        goto out;
    }
    splitter.centres[1] = splitter.centres[0] + dim_count;
    splitter.line = splitter.centres[0] + 2 * dim_count;
    for (uint32_t i = 0; i < rows->row_count; i++)
        splitter.places[i].row = i;
    split_all(&splitter);
    for (size_t i = 0; i < rows->row_count; i++)
        ret_order[i] = splitter.places[i].row;
out:
    free(splitter.places);
    free(splitter.centres[0]);
    return rc;
}
