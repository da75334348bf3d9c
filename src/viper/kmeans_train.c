/* Training: the sample, Lloyd's iterations, and the balance between them (viper/kmeans.h). */
#include "viper/kmeans_internal.h"

#include "base/random.h"
#include "simd/distance.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_ROWS_PER_LIST = 256,
    LEAST_ROWS_PER_LIST = 32, /* in the part of the sample that an early iteration looks at */
    DEFAULT_ITERATIONS = 10,
    DEFAULT_MEMORY_BYTES = 512 << 20,
    READ_ROWS = 128,        /* read at once */
    MOST_SPLIT_ROWS = 1024, /* that the split of a list looks at */
    SPLIT_ITERATIONS = 4,
    SPLIT_TRIES = 8, /* to find two different rows in a list */
};

static const double large_list = 1.5; /* times the mean */
static const double small_list = 0.7;

/* ---- a training under way ------------------------------------------------------------------- */

struct training {
    const struct px_kmeans_input *input;
    struct px_crew *crew; /* NULL: none */
    struct px_kmeans *kmeans;
    uint64_t random;
    size_t iteration_count;
    struct px_rows sample;   /* unit vectors where spherical */
    struct px_rows part;     /* of the sample: evenly spaced rows, for this iteration */
    double *sums;            /* per list: of its rows */
    double *half_sums;       /* likewise */
    uint32_t *counts;        /* per list: its rows */
    uint32_t *lists;         /* per row of the part: its list */
    uint32_t *members;       /* rows of the part, by list */
    uint32_t *ends;          /* per list: of its rows in `members` */
    uint64_t *order;         /* lists by size: the size above, the list below */
    struct px_kmeans halves; /* two centroids, to split a list */
};

/* 0 to limit - 1. */
static uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return px_random_next(state) % limit;
}

static bool is_spherical(const struct px_kmeans *kmeans)
{
    return kmeans->metric != PROXIMADB_L2;
}

/* Makes a unit vector of one that has a direction. In double, since under dot it may be tiny. */
static void normalise(float *vector, size_t dim_count)
{
    double norm = sqrt(px_norm_squared_exact(vector, dim_count));
    for (size_t dim = 0; dim < dim_count && norm > 0.0; dim++)
        vector[dim] = (float)((double)vector[dim] / norm);
}

static bool should_stop(void *context)
{
    const struct px_kmeans_input *input = ((const struct training *)context)->input;
    return input->should_stop != NULL && input->should_stop(input->context);
}

static int fail_stopped(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CANCELLED, "the clustering was stopped");
}

static int check_stop(struct training *training, struct proximadb_error *reterr)
{
    return should_stop(training) ? fail_stopped(reterr) : PROXIMADB_OK;
}

/* Runs items on all threads that there are. */
static int share(struct training *training, size_t item_count, void (*run)(void *, size_t),
                 struct proximadb_error *reterr)
{
    struct px_kmeans__work work = {item_count, run, should_stop, training};
    return px_kmeans__share(training->crew, &work) ? PROXIMADB_OK : fail_stopped(reterr);
}

/* ---- the sample ----------------------------------------------------------------------------- */

/* Puts a row into the sample. What is not finite, which no insert lets in, counts as zeros. */
static void put_row(struct training *training, size_t index, const float *vector)
{
    size_t size_bytes = training->sample.dim_count * sizeof(float);
    float *row = px_kmeans__row(&training->sample, index);
    memcpy(row, vector, size_bytes);
    if (!isfinite(training->kmeans->kernels->norm_squared(row, training->sample.dim_count)))
        memset(row, 0, size_bytes);
    if (is_spherical(training->kmeans))
        normalise(row, training->sample.dim_count);
}

/* Reads rows and puts them behind the `filled` ones that the sample has. */
static int read_rows(struct training *training, const uint64_t *indexes, size_t count,
                     float *packed, size_t filled, struct proximadb_error *reterr)
{
    size_t dim_count = training->sample.dim_count;
    int rc = check_stop(training, reterr);
    if (rc == PROXIMADB_OK)
        rc = training->input->read(training->input->context, indexes, count, packed, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < count; i++)
        put_row(training, filled + i, packed + i * dim_count);
    return rc;
}

/* Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): rows in their order, so that they are
 * read from front to back. */
static int read_sample(struct training *training, struct proximadb_error *reterr)
{
    uint64_t indexes[READ_ROWS], row_count = training->input->row_count;
    size_t wanted = training->sample.row_count, chosen = 0, pending = 0;
    float *packed = calloc(READ_ROWS * training->sample.dim_count, sizeof *packed);
    int rc = packed != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
    for (uint64_t index = 0; rc == PROXIMADB_OK && chosen < wanted; index++) {
        if (random_below(&training->random, row_count - index) >= wanted - chosen)
            continue;
        indexes[pending++] = index;
        chosen++;
        if (pending == READ_ROWS || chosen == wanted) {
            rc = read_rows(training, indexes, pending, packed, chosen - pending, reterr);
            pending = 0;
        }
    }
    free(packed);
    return rc;
}

static void choose_first_centroids(struct training *training)
{
    size_t wanted = training->kmeans->centroids.row_count, chosen = 0;
    for (size_t i = 0; chosen < wanted; i++)
        if (random_below(&training->random, training->sample.row_count - i) < wanted - chosen)
            px_kmeans__set_centroid(training->kmeans, chosen++,
                                    px_kmeans__row(&training->sample, i));
}

/* ---- an iteration --------------------------------------------------------------------------- */

/* Early iterations look at a part of the sample, unless that is too small to say anything. */
static void choose_part(struct training *training, size_t iteration)
{
    size_t tenth = 10 * iteration / training->iteration_count;
    size_t step = tenth < 3 ? 8 : tenth < 5 ? 4 : tenth < 7 ? 2 : 1;
    size_t least = LEAST_ROWS_PER_LIST * training->kmeans->centroids.row_count;
    while (step > 1 && training->sample.row_count / step < least)
        step /= 2;
    training->part = training->sample;
    training->part.stride_bytes *= step;
    training->part.row_count /= step;
}

static void add_to_sum(double *sum, const float *vector, size_t dim_count)
{
    for (size_t dim = 0; dim < dim_count; dim++)
        sum[dim] += (double)vector[dim];
}

static void assign_block_of_part(void *context, size_t item)
{
    struct training *training = context;
    struct px_kmeans__best best[PX_KMEANS_BLOCK_ROWS];
    size_t first = item * PX_KMEANS_BLOCK_ROWS;
    struct px_rows block = px_kmeans__block(&training->part, first);
    px_kmeans__assign_block(training->kmeans, &block, best);
    for (size_t r = 0; r < block.row_count; r++)
        training->lists[first + r] = best[r].list;
}

static int assign_part(struct training *training, struct proximadb_error *reterr)
{
    size_t row_count = training->part.row_count;
    px_kmeans__pack(training->kmeans);
    int rc = share(training, (row_count + PX_KMEANS_BLOCK_ROWS - 1) / PX_KMEANS_BLOCK_ROWS,
                   assign_block_of_part, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    memset(training->counts, 0, training->kmeans->centroids.row_count * sizeof *training->counts);
    for (size_t r = 0; r < row_count; r++)
        training->counts[training->lists[r]]++;
    return PROXIMADB_OK;
}

/* Puts a centroid where the mean of its rows is. One without rows stays where it was. */
static void move_centroid(struct px_kmeans *kmeans, size_t list, const double *sum, uint32_t count)
{
    if (count == 0)
        return;
    float *centroid = px_kmeans__row(&kmeans->centroids, list);
    for (size_t dim = 0; dim < kmeans->centroids.dim_count; dim++)
        centroid[dim] = (float)(sum[dim] / (double)count);
    if (is_spherical(kmeans))
        normalise(centroid, kmeans->centroids.dim_count);
    px_kmeans__set_bias(kmeans, list);
}

/* Sorts the rows of the part by list. */
static void group_rows(struct training *training)
{
    size_t list_count = training->kmeans->centroids.row_count;
    uint32_t begin = 0;
    for (size_t list = 0; list < list_count; list++) {
        training->ends[list] = begin;
        begin += training->counts[list];
    }
    for (size_t r = 0; r < training->part.row_count; r++)
        training->members[training->ends[training->lists[r]]++] = (uint32_t)r;
}

/* Rows of one list. */
struct members {
    const uint32_t *rows;
    size_t count;
};

static struct members members_of(const struct training *training, uint32_t list)
{
    size_t count = training->counts[list];
    return (struct members){training->members + training->ends[list] - count, count};
}

/* Adds up the rows of a list in their order, whatever thread it is. */
static void move_to_mean(void *context, size_t list)
{
    struct training *training = context;
    struct members members = members_of(training, (uint32_t)list);
    size_t dim_count = training->part.dim_count;
    double *sum = training->sums + list * dim_count;
    memset(sum, 0, dim_count * sizeof *sum);
    for (size_t i = 0; i < members.count; i++)
        add_to_sum(sum, px_kmeans__row(&training->part, members.rows[i]), dim_count);
    move_centroid(training->kmeans, list, sum, training->counts[list]);
}

/* ---- balance -------------------------------------------------------------------------------- */

static const void *random_member(struct training *training, const struct members *members)
{
    size_t index = random_below(&training->random, members->count);
    return px_kmeans__row(&training->part, members->rows[index]);
}

/* Two different rows as the first centroids of the halves; false if a few tries find none. */
static bool choose_halves(struct training *training, const struct members *members)
{
    size_t size_bytes = training->part.dim_count * sizeof(float);
    const void *first = random_member(training, members);
    px_kmeans__set_centroid(&training->halves, 0, first);
    for (int tries = 0; tries < SPLIT_TRIES; tries++) {
        const void *second = random_member(training, members);
        if (memcmp(first, second, size_bytes) != 0) {
            px_kmeans__set_centroid(&training->halves, 1, second);
            return true;
        }
    }
    return false;
}

/* 0 or 1. */
static uint32_t nearer_half(const struct px_kmeans *halves, const struct px_rows *row)
{
    float products[2];
    halves->kernels->dot_matrix(&halves->centroids, row, products, 2);
    return products[1] - halves->biases[1] > products[0] - halves->biases[0];
}

/* One iteration of k-means on a list, or on evenly spaced rows of a long one. False if a half has
 * no rows. */
static bool improve_halves(struct training *training, const struct members *members)
{
    size_t dim_count = training->part.dim_count, step = members->count / MOST_SPLIT_ROWS + 1;
    uint32_t counts[2] = {0, 0};
    memset(training->half_sums, 0, 2 * dim_count * sizeof *training->half_sums);
    for (size_t i = 0; i < members->count; i += step) {
        struct px_rows row = training->part;
        row.data = px_kmeans__row(&training->part, members->rows[i]);
        row.row_count = 1;
        uint32_t half = nearer_half(&training->halves, &row);
        add_to_sum(training->half_sums + half * dim_count, row.data, dim_count);
        counts[half]++;
    }
    for (size_t half = 0; half < 2; half++)
        move_centroid(&training->halves, half, training->half_sums + half * dim_count,
                      counts[half]);
    return counts[0] > 0 && counts[1] > 0;
}

/* Gives list `large` two centroids, the second of which is that of `small`. */
static bool split_list(struct training *training, uint32_t large, uint32_t small)
{
    struct members members = members_of(training, large);
    if (!choose_halves(training, &members))
        return false;
    for (int iteration = 0; iteration < SPLIT_ITERATIONS; iteration++)
        if (!improve_halves(training, &members))
            return false;
    px_kmeans__set_centroid(training->kmeans, large,
                            px_kmeans__row(&training->halves.centroids, 0));
    px_kmeans__set_centroid(training->kmeans, small,
                            px_kmeans__row(&training->halves.centroids, 1));
    return true;
}

static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int balance(struct training *training, struct proximadb_error *reterr)
{
    size_t list_count = training->kmeans->centroids.row_count;
    double mean = (double)training->part.row_count / (double)list_count;
    for (size_t list = 0; list < list_count; list++)
        training->order[list] = (uint64_t)training->counts[list] << 32 | list;
    qsort(training->order, list_count, sizeof *training->order, compare_sizes);
    size_t low = 0;
    for (size_t high = list_count - 1; high > low; high--) {
        uint32_t large = (uint32_t)training->order[high], small = (uint32_t)training->order[low];
        if ((double)training->counts[large] <= large_list * mean ||
            (double)training->counts[small] >= small_list * mean)
            break;
        int rc = check_stop(training, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (split_list(training, large, small))
            low++;
    }
    return PROXIMADB_OK;
}

/* ---- training ------------------------------------------------------------------------------- */

static int iterate(struct training *training, struct proximadb_error *reterr)
{
    for (size_t iteration = 0; iteration < training->iteration_count; iteration++) {
        choose_part(training, iteration);
        int rc = assign_part(training, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        group_rows(training);
        rc = share(training, training->kmeans->centroids.row_count, move_to_mean, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (iteration + 1 < training->iteration_count)
            rc = balance(training, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

static size_t sample_size(const struct px_kmeans_options *options, uint64_t row_count)
{
    uint64_t rows_per_list =
        options->rows_per_list > 0 ? options->rows_per_list : DEFAULT_ROWS_PER_LIST;
    uint64_t limit_bytes =
        options->memory_limit_bytes > 0 ? options->memory_limit_bytes : DEFAULT_MEMORY_BYTES;
    uint64_t size = rows_per_list * options->list_count;
    uint64_t most = limit_bytes / (options->dim_count * sizeof(float));
    if (size > most)
        size = most > options->list_count ? most : options->list_count;
    if (size > UINT32_MAX)
        size = UINT32_MAX;
    return (size_t)(size < row_count ? size : row_count);
}

static int take_memory(struct training *training, size_t row_count, struct proximadb_error *reterr)
{
    struct px_kmeans *kmeans = training->kmeans;
    size_t list_count = kmeans->centroids.row_count, dim_count = kmeans->centroids.dim_count;
    training->sums = calloc(list_count * dim_count, sizeof *training->sums);
    training->half_sums = calloc(2 * dim_count, sizeof *training->half_sums);
    training->counts = calloc(list_count, sizeof *training->counts);
    training->ends = calloc(list_count, sizeof *training->ends);
    training->order = calloc(list_count, sizeof *training->order);
    training->lists = calloc(row_count, sizeof *training->lists);
    training->members = calloc(row_count, sizeof *training->members);
    bool has_all = training->sums != NULL && training->half_sums != NULL &&
                   training->counts != NULL && training->ends != NULL && training->order != NULL &&
                   training->lists != NULL && training->members != NULL;
    if (!has_all || !px_kmeans__rows_init(&training->sample, row_count, dim_count))
        return px_fail_no_memory(reterr);
    return px_kmeans__make_room(&training->halves, kmeans->kernels, kmeans->metric, 2, dim_count,
                                reterr);
}

static void release_memory(struct training *training)
{
    px_kmeans_release(&training->halves);
    px_kmeans__rows_release(&training->sample);
    free(training->sums);
    free(training->half_sums);
    free(training->counts);
    free(training->ends);
    free(training->order);
    free(training->lists);
    free(training->members);
}

int px_kmeans_train(const struct px_kmeans_options *options, const struct px_kmeans_input *input,
                    struct px_kmeans *ret_kmeans, struct proximadb_error *reterr)
{
    assert(options->dim_count > 0 && options->list_count > 0);
    size_t row_count = sample_size(options, input->row_count);
    if (row_count == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "there are no rows to cluster");
    size_t list_count = options->list_count < row_count ? options->list_count : row_count;
    struct px_kmeans made;
    int rc =
        px_kmeans__make_room(&made, options->kernels != NULL ? options->kernels : px_kernels_get(),
                             options->metric, list_count, options->dim_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;

    struct training training = {.input = input,
                                .crew = options->crew,
                                .kmeans = &made,
                                .random = options->seed,
                                .iteration_count = options->iteration_count > 0
                                                       ? options->iteration_count
                                                       : DEFAULT_ITERATIONS};
    rc = take_memory(&training, row_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_sample(&training, reterr);
    if (rc == PROXIMADB_OK) {
        choose_first_centroids(&training);
        rc = iterate(&training, reterr);
        px_kmeans__pack(&made);
    }
    release_memory(&training);
    if (rc == PROXIMADB_OK)
        *ret_kmeans = made;
    else
        px_kmeans_release(&made);
    return rc;
}
