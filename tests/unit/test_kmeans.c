/* px-test: layers=viper label=unit */
/*
 * Goal: training finds the clusters that there are, keeps lists of similar size, gives the same
 * centroids from the same seed, and copes with too few, equal, zero, denormal and huge rows.
 * Method: blobs whose centres are known; skewed blobs for the balance; a brute-force nearest
 * centroid in double as the oracle of assignment. Failures are made to happen at every call of the
 * callbacks.
 */
#include "viper/kmeans.h"

#include "os/crew.h"
#include "simd/distance.h"
#include "support/px_test.h"

enum { MOST_ROWS = 20000, MOST_DIMS = 64 };

static struct {
    float rows[MOST_ROWS * MOST_DIMS];
    uint32_t blobs[MOST_ROWS]; /* that each row was made from */
    uint32_t lists[MOST_ROWS];
    float distances[MOST_ROWS];
    size_t row_count, dim_count;
    size_t reads, reads_until_failure, polls, polls_until_stop;
    uint64_t last_index;
} data;

static int read_rows(void *context, const uint64_t *row_indexes, size_t count, float *ret_vectors,
                     struct proximadb_error *reterr)
{
    assert_ptr_equal(context, &data);
    if (++data.reads == data.reads_until_failure)
        return px_fail(reterr, PROXIMADB_IO, "the disk is gone");
    for (size_t i = 0; i < count; i++) {
        assert_true(row_indexes[i] < data.row_count);
        assert_true(data.last_index == UINT64_MAX || row_indexes[i] > data.last_index);
        data.last_index = row_indexes[i];
        memcpy(ret_vectors + i * data.dim_count, data.rows + row_indexes[i] * data.dim_count,
               data.dim_count * sizeof(float));
    }
    return PROXIMADB_OK;
}

static bool should_stop(void *context)
{
    assert_ptr_equal(context, &data);
    return ++data.polls == data.polls_until_stop;
}

static const enum proximadb_metric metrics[] = {PROXIMADB_COSINE, PROXIMADB_L2, PROXIMADB_DOT};

/* Rows of `blob_count` blobs. Blob b is drawn with weight (b + 1)^-skew; larger ones overlap. */
static void make_blobs(struct px_test_random *random, size_t row_count, size_t dim_count,
                       size_t blob_count, double skew)
{
    static float centres[1000 * MOST_DIMS];
    double total = 0;
    float radius = skew > 0.0 ? 8.0f : 0.5f;
    for (size_t i = 0; i < blob_count * dim_count; i++)
        centres[i] = 10.0f * px_test_float(random);
    for (size_t b = 0; b < blob_count; b++)
        total += pow((double)(b + 1), -skew);
    data.row_count = row_count;
    data.dim_count = dim_count;
    for (size_t r = 0; r < row_count; r++) {
        double at = total * (double)px_test_below(random, 1 << 30) / (double)(1 << 30);
        uint32_t blob = 0;
        for (; blob + 1 < blob_count && at >= pow((double)(blob + 1), -skew); blob++)
            at -= pow((double)(blob + 1), -skew);
        data.blobs[r] = blob;
        for (size_t dim = 0; dim < dim_count; dim++)
            data.rows[r * dim_count + dim] =
                centres[blob * dim_count + dim] + radius * px_test_float(random);
    }
}

static struct px_kmeans_options options_of(enum proximadb_metric metric, uint32_t list_count)
{
    return (struct px_kmeans_options){.metric = metric,
                                      .dim_count = (uint32_t)data.dim_count,
                                      .list_count = list_count,
                                      .seed = 7};
}

static int train(const struct px_kmeans_options *options, struct px_kmeans *kmeans,
                 struct proximadb_error *reterr)
{
    struct px_kmeans_input input = {.row_count = data.row_count,
                                    .read = read_rows,
                                    .should_stop = should_stop,
                                    .context = &data};
    data.reads = data.polls = 0;
    data.last_index = UINT64_MAX;
    return px_kmeans_train(options, &input, kmeans, reterr);
}

static struct px_rows all_rows(void)
{
    return (struct px_rows){data.rows, data.dim_count * sizeof(float), data.row_count,
                            data.dim_count};
}

static const float *centroid_of(const struct px_kmeans *kmeans, size_t list)
{
    return (const float *)((uintptr_t)kmeans->centroids.data +
                           list * kmeans->centroids.stride_bytes);
}

/* What no training may leave behind. */
static void check_centroids(const struct px_kmeans *kmeans)
{
    for (size_t list = 0; list < kmeans->centroids.row_count; list++) {
        double norm = px_norm_squared_exact(centroid_of(kmeans, list), data.dim_count);
        assert_true(isfinite(norm));
        if (kmeans->metric == PROXIMADB_L2)
            assert_true(fabs((double)kmeans->biases[list] - norm / 2) <= 1e-5 * norm + 1e-36);
        else
            assert_true(norm == 0.0 || fabs(norm - 1.0) < 1e-4);
    }
}

static void train_and_assign(const struct px_kmeans_options *options, struct px_kmeans *kmeans)
{
    struct px_rows rows = all_rows();
    struct proximadb_error error;
    if (train(options, kmeans, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    check_centroids(kmeans);
    px_kmeans_assign(kmeans, &rows, data.lists, data.distances);
}

/* ---- what training finds -------------------------------------------------------------------- */

/* Rows share a list if, and only if, they share a blob. */
static void test_kmeans__finds_blobs_that_lie_apart(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    for (size_t m = 0; m < 3; m++) {
        enum { BLOBS = 12 };
        struct px_kmeans kmeans;
        uint32_t list_of[BLOBS], blob_of[BLOBS];
        make_blobs(&random, 3000, 32, BLOBS, 0.0);
        struct px_kmeans_options options = options_of(metrics[m], BLOBS);
        options.iteration_count = 20;
        train_and_assign(&options, &kmeans);
        assert_int_equal(kmeans.centroids.row_count, BLOBS);
        memset(list_of, 0xff, sizeof list_of);
        memset(blob_of, 0xff, sizeof blob_of);
        for (size_t r = 0; r < data.row_count; r++) {
            uint32_t blob = data.blobs[r], list = data.lists[r];
            if (list_of[blob] == UINT32_MAX)
                list_of[blob] = list;
            if (blob_of[list] == UINT32_MAX)
                blob_of[list] = blob;
            assert_int_equal(list_of[blob], list);
            assert_int_equal(blob_of[list], blob);
        }
        px_kmeans_release(&kmeans);
    }
}

static size_t largest_list(size_t list_count, size_t *ret_empty_count)
{
    static size_t sizes[1000];
    size_t largest = 0, empty = 0;
    memset(sizes, 0, sizeof sizes);
    for (size_t r = 0; r < data.row_count; r++)
        sizes[data.lists[r]]++;
    for (size_t list = 0; list < list_count; list++) {
        largest = sizes[list] > largest ? sizes[list] : largest;
        empty += sizes[list] == 0;
    }
    *ret_empty_count = empty;
    return largest;
}

/* The largest blob has a fifth of all rows: 10 times the mean of the lists. Without balance, the
 * largest list has up to 5 times the mean. */
static void test_kmeans__keeps_lists_of_similar_size(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    enum { LISTS = 50 };
    for (size_t m = 0; m < 3; m++) {
        struct px_kmeans kmeans;
        size_t empty_count;
        make_blobs(&random, MOST_ROWS, 16, 100, 1.0);
        struct px_kmeans_options options = options_of(metrics[m], LISTS);
        train_and_assign(&options, &kmeans);
        assert_true(largest_list(LISTS, &empty_count) < 2 * MOST_ROWS / LISTS);
        assert_int_equal(empty_count, 0);
        px_kmeans_release(&kmeans);
    }
}

static void test_kmeans__gives_the_same_from_the_same_seed(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    struct px_kmeans first, second, other;
    make_blobs(&random, 5000, 24, 30, 0.5);
    struct px_kmeans_options options = options_of(PROXIMADB_COSINE, 40);
    train_and_assign(&options, &first);
    train_and_assign(&options, &second);
    options.seed++;
    train_and_assign(&options, &other);
    size_t size_bytes = first.centroids.row_count * first.centroids.stride_bytes;
    size_t row_bytes = data.dim_count * sizeof(float), differing = 0;
    assert_int_equal(size_bytes, second.centroids.row_count * second.centroids.stride_bytes);
    for (size_t list = 0; list < first.centroids.row_count; list++) {
        const float *centroid = centroid_of(&first, list);
        assert_memory_equal(centroid, centroid_of(&second, list), row_bytes);
        differing += memcmp(centroid, centroid_of(&other, list), row_bytes) != 0;
    }
    assert_true(differing > 0);
    px_kmeans_release(&first);
    px_kmeans_release(&second);
    px_kmeans_release(&other);
}

/* The memory's ceiling and rows_per_list decide how many rows are read. */
static void test_kmeans__reads_no_more_than_a_sample(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    struct px_kmeans kmeans;
    make_blobs(&random, MOST_ROWS, 8, 10, 0.0);
    struct px_kmeans_options options = options_of(PROXIMADB_L2, 10);
    train_and_assign(&options, &kmeans);
    assert_int_equal(data.reads, 20); /* 2,560 rows, 128 at once */
    px_kmeans_release(&kmeans);
    options.rows_per_list = 64;
    train_and_assign(&options, &kmeans);
    assert_int_equal(data.reads, 5);
    px_kmeans_release(&kmeans);
    options.memory_limit_bytes = 100 * 8 * sizeof(float);
    train_and_assign(&options, &kmeans);
    assert_int_equal(data.reads, 1);
    assert_int_equal(kmeans.centroids.row_count, 10);
    px_kmeans_release(&kmeans);
    options.memory_limit_bytes = 1;
    train_and_assign(&options, &kmeans);
    assert_int_equal(kmeans.centroids.row_count, 10);
    px_kmeans_release(&kmeans);
}

/* ---- strange rows --------------------------------------------------------------------------- */

static void test_kmeans__copes_with_fewer_rows_than_lists(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    for (size_t row_count = 1; row_count <= 40; row_count++)
        for (size_t m = 0; m < 3; m++) {
            struct px_kmeans kmeans;
            make_blobs(&random, row_count, 5, row_count, 0.0);
            struct px_kmeans_options options = options_of(metrics[m], 40);
            train_and_assign(&options, &kmeans);
            assert_int_equal(kmeans.centroids.row_count, row_count);
            for (size_t r = 0; metrics[m] == PROXIMADB_L2 && r < row_count; r++)
                assert_true((double)data.distances[r] < 0.02); /* each row is its own centroid */
            px_kmeans_release(&kmeans);
        }
}

static void set_all_rows(size_t row_count, size_t dim_count, float value)
{
    data.row_count = row_count;
    data.dim_count = dim_count;
    for (size_t i = 0; i < row_count * dim_count; i++)
        data.rows[i] = value;
}

static void test_kmeans__copes_with_strange_rows(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    static const float values[] = {1.0f, 0.0f, -1e-45f, 1e-20f, 1e18f};
    static const size_t dims[] = {1, 3, MOST_DIMS};
    for (size_t v = 0; v < 5; v++)
        for (size_t d = 0; d < 3; d++)
            for (size_t m = 0; m < 3; m++) {
                struct px_kmeans kmeans;
                set_all_rows(500, dims[d], values[v]);
                struct px_kmeans_options options = options_of(metrics[m], 20);
                train_and_assign(&options, &kmeans);
                for (size_t r = 0; r < data.row_count; r++)
                    assert_int_equal(data.lists[r], data.lists[0]);
                px_kmeans_release(&kmeans);
                for (size_t i = 0; i < data.row_count * dims[d]; i++)
                    data.rows[i] = px_test_float(&random) * values[v];
                train_and_assign(&options, &kmeans);
                px_kmeans_release(&kmeans);
            }
}

/* Opposite rows: the mean of a list may be the zero vector, which has no direction. */
static void test_kmeans__copes_with_means_of_zero(void **state)
{
    (void)state;
    struct px_kmeans kmeans;
    set_all_rows(400, 2, 1.0f);
    for (size_t r = 0; r < 400; r += 2)
        data.rows[r * 2] = data.rows[r * 2 + 1] = -1.0f;
    struct px_kmeans_options options = options_of(PROXIMADB_COSINE, 1);
    train_and_assign(&options, &kmeans);
    px_kmeans_release(&kmeans);
}

static void test_kmeans__is_not_poisoned_by_nan(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    for (size_t m = 0; m < 3; m++) {
        struct px_kmeans kmeans;
        make_blobs(&random, 1000, 8, 10, 0.0);
        data.rows[17] = NAN;
        data.rows[800] = INFINITY;
        struct px_kmeans_options options = options_of(metrics[m], 10);
        train_and_assign(&options, &kmeans);
        px_kmeans_release(&kmeans);
    }
}

/* ---- assigning ------------------------------------------------------------------------------ */

/* By distance from the centroid, in double; spherical metrics know the direction of a row only. */
static void test_kmeans__assigns_to_the_nearest_centroid(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    for (size_t round = 0; round < 30; round++) {
        enum proximadb_metric metric = metrics[round % 3];
        struct px_kmeans kmeans, again;
        make_blobs(&random, 300, 1 + px_test_below(&random, MOST_DIMS), 50, 0.0);
        uint32_t list_count = 1 + (uint32_t)px_test_below(&random, 300); /* more than a block */
        struct px_kmeans_options options = options_of(metric, list_count);
        train_and_assign(&options, &kmeans);
        assert_int_equal(px_kmeans_init(&again, metric, &kmeans.centroids, NULL), PROXIMADB_OK);
        enum proximadb_metric measure = metric == PROXIMADB_L2 ? PROXIMADB_L2 : PROXIMADB_COSINE;
        for (size_t r = 0; r < data.row_count; r++) {
            const float *row = data.rows + r * data.dim_count;
            struct px_rows one = {row, data.dim_count * sizeof(float), 1, data.dim_count};
            double nearest = (double)INFINITY;
            uint32_t list;
            for (size_t c = 0; c < kmeans.centroids.row_count; c++)
                nearest = fmin(nearest,
                               px_distance(measure, row, centroid_of(&kmeans, c), data.dim_count));
            double found =
                px_distance(measure, row, centroid_of(&kmeans, data.lists[r]), data.dim_count);
            double scale =
                metric == PROXIMADB_L2 ? sqrt(px_norm_squared_exact(row, data.dim_count)) : 1.0;
            assert_true(found <= nearest + 2e-3 * scale);
            assert_true(fabs((double)data.distances[r] - found) <= 2e-3 * scale);
            px_kmeans_assign(&again, &one, &list, NULL);
            assert_int_equal(list, data.lists[r]);
        }
        px_kmeans_release(&kmeans);
        px_kmeans_release(&again);
    }
}

static void test_kmeans__assigns_rows_at_odd_addresses(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    struct px_kmeans kmeans;
    make_blobs(&random, 200, 7, 20, 0.0);
    struct px_kmeans_options options = options_of(PROXIMADB_L2, 20);
    train_and_assign(&options, &kmeans);
    enum { STRIDE = 7 * sizeof(float) + 3 };
    static uint8_t moved[200 * STRIDE + 1];
    uint32_t lists[200];
    for (size_t r = 0; r < 200; r++)
        memcpy(moved + 1 + r * STRIDE, data.rows + r * 7, 7 * sizeof(float));
    struct px_rows rows = {moved + 1, STRIDE, 200, 7};
    px_kmeans_assign(&kmeans, &rows, lists, NULL);
    assert_memory_equal(lists, data.lists, sizeof lists);
    px_kmeans_release(&kmeans);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void test_kmeans__can_be_stopped_on_many_threads(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    struct px_kmeans kmeans;
    struct px_crew *crew;
    make_blobs(&random, 5000, 8, 30, 0.5);
    assert_int_equal(px_crew_open(3, "kmeans", &crew, NULL), PROXIMADB_OK);
    struct px_kmeans_options options = options_of(PROXIMADB_L2, 50);
    options.crew = crew;
    data.polls_until_stop = 0;
    assert_int_equal(train(&options, &kmeans, NULL), PROXIMADB_OK);
    px_kmeans_release(&kmeans);
    /* How often the calling thread asks depends on how much the others leave to it. */
    for (size_t poll = 1; poll <= 50; poll++) {
        data.polls_until_stop = poll;
        assert_int_equal(train(&options, &kmeans, NULL), PROXIMADB_CANCELLED);
        assert_int_equal(data.polls, poll);
    }
    data.polls_until_stop = 0;
    px_crew_close(crew);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void test_kmeans__passes_failures_on(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kmeans");
    struct px_kmeans kmeans;
    struct proximadb_error error;
    make_blobs(&random, 2000, 4, 100, 1.0);
    struct px_kmeans_options options = options_of(PROXIMADB_L2, 20);
    for (size_t call = 1; call <= 16; call++) {
        data.reads_until_failure = call;
        assert_int_equal(train(&options, &kmeans, &error), PROXIMADB_IO);
        assert_non_null(strstr(error.message, "the disk is gone"));
    }
    data.reads_until_failure = 0;
    data.polls_until_stop = 0;
    assert_int_equal(train(&options, &kmeans, &error), PROXIMADB_OK);
    px_kmeans_release(&kmeans);
    size_t polls = data.polls;
    assert_true(polls > 50);
    for (size_t poll = 1; poll <= polls; poll += 7) {
        data.polls_until_stop = poll;
        assert_int_equal(train(&options, &kmeans, &error), PROXIMADB_CANCELLED);
        assert_int_equal(data.polls, poll);
    }
    data.polls_until_stop = 0;
    data.row_count = 0;
    assert_int_equal(train(&options, &kmeans, &error), PROXIMADB_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kmeans__finds_blobs_that_lie_apart),
        cmocka_unit_test(test_kmeans__keeps_lists_of_similar_size),
        cmocka_unit_test(test_kmeans__gives_the_same_from_the_same_seed),
        cmocka_unit_test(test_kmeans__reads_no_more_than_a_sample),
        cmocka_unit_test(test_kmeans__copes_with_fewer_rows_than_lists),
        cmocka_unit_test(test_kmeans__copes_with_strange_rows),
        cmocka_unit_test(test_kmeans__copes_with_means_of_zero),
        cmocka_unit_test(test_kmeans__is_not_poisoned_by_nan),
        cmocka_unit_test(test_kmeans__assigns_to_the_nearest_centroid),
        cmocka_unit_test(test_kmeans__assigns_rows_at_odd_addresses),
        cmocka_unit_test(test_kmeans__can_be_stopped_on_many_threads),
        cmocka_unit_test(test_kmeans__passes_failures_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
