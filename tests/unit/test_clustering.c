/*
 * Goal: lists are of useful size and keep their ids, clusters are balanced by bytes, upkeep finds
 * every row that a split or a removal moves, probe recall tells good lists from bad ones, and the
 * centroid file gives all of it back; whatever the rows: duplicates, one row, one dimension.
 * Method: assigning all rows anew is the oracle of upkeep; brute force in double that of recall.
 */
#include "viper/clustering.h"

#include "os/file.h"
#include "os/crew.h"
#include "simd/distance.h"
#include "support/px_test.h"
#include "viper/part_columns.h"

enum { MOST_ROWS = 30000, MOST_DIMS = 32 };

static struct {
    float rows[MOST_ROWS * MOST_DIMS];
    uint32_t lists[MOST_ROWS]; /* index of each row's list */
    uint32_t before[MOST_ROWS];
    uint32_t members[MOST_ROWS]; /* rows of one list */
    float distances[MOST_ROWS];
    size_t row_count, dim_count, member_count;
    size_t reads, reads_until_failure;
} data;

static const enum proximadb_metric metrics[] = {PROXIMADB_COSINE, PROXIMADB_L2, PROXIMADB_DOT};

/* ---- rows ----------------------------------------------------------------------------------- */

static void set_rows(size_t row_count, size_t dim_count)
{
    assert_true(row_count <= MOST_ROWS && dim_count <= MOST_DIMS);
    data.row_count = row_count;
    data.dim_count = dim_count;
    data.reads = data.reads_until_failure = 0;
}

/* Overlapping blobs, so that lists have neighbours; blob b has weight 1 / (b + 1). */
static void make_blobs(struct px_test_random *random, size_t row_count, size_t dim_count)
{
    enum { BLOBS = 40 };
    static float centres[BLOBS * MOST_DIMS];
    set_rows(row_count, dim_count);
    for (size_t i = 0; i < BLOBS * dim_count; i++)
        centres[i] = px_test_float(random);
    for (size_t r = 0; r < row_count; r++) {
        uint64_t blob = px_test_below(random, 1 + px_test_below(random, BLOBS));
        for (size_t dim = 0; dim < dim_count; dim++)
            data.rows[r * dim_count + dim] =
                centres[blob * dim_count + dim] + 0.7f * px_test_float(random);
    }
}

static void make_equal(size_t row_count, size_t dim_count, float value)
{
    set_rows(row_count, dim_count);
    for (size_t i = 0; i < row_count * dim_count; i++)
        data.rows[i] = value;
}

static struct px_rows all_rows(void)
{
    return (struct px_rows){data.rows, data.dim_count * sizeof(float), data.row_count,
                            data.dim_count};
}

static int fail_now(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_IO, "the disk is gone");
}

static int read_all(void *context, const uint64_t *row_indexes, size_t count, float *ret_vectors,
                    struct proximadb_error *reterr)
{
    (void)context;
    if (++data.reads == data.reads_until_failure)
        return fail_now(reterr);
    for (size_t i = 0; i < count; i++)
        memcpy(ret_vectors + i * data.dim_count, data.rows + row_indexes[i] * data.dim_count,
               data.dim_count * sizeof(float));
    return PROXIMADB_OK;
}

static int read_members(void *context, const uint64_t *row_indexes, size_t count,
                        float *ret_vectors, struct proximadb_error *reterr)
{
    (void)context;
    if (++data.reads == data.reads_until_failure)
        return fail_now(reterr);
    for (size_t i = 0; i < count; i++) {
        assert_true(row_indexes[i] < data.member_count);
        memcpy(ret_vectors + i * data.dim_count,
               data.rows + data.members[row_indexes[i]] * data.dim_count,
               data.dim_count * sizeof(float));
    }
    return PROXIMADB_OK;
}

/* ---- a clustering of all rows --------------------------------------------------------------- */

/* What must hold of any clustering. */
static void check(const struct px_clustering *clustering)
{
    assert_true(clustering->list_count > 0);
    assert_int_equal(clustering->kmeans.centroids.row_count, clustering->list_count);
    for (size_t i = 0; i < clustering->list_count; i++) {
        const struct px_clustering_list *list = &clustering->lists[i];
        size_t index = SIZE_MAX;
        assert_true(list->id > 0 && list->id < clustering->next_list);
        assert_true(list->cluster < clustering->next_cluster);
        assert_true(i == 0 || list->id > clustering->lists[i - 1].id);
        assert_true(px_clustering_find(clustering, list->id, &index));
        assert_int_equal(index, i);
    }
    size_t index = 17;
    assert_false(px_clustering_find(clustering, clustering->next_list, &index));
    assert_int_equal(index, 17);
}

/* Assigns all rows and counts them. */
static void assign_all(struct px_clustering *clustering)
{
    struct px_rows rows = all_rows();
    px_clustering_assign(clustering, NULL, &rows, data.lists, data.distances);
    for (size_t i = 0; i < clustering->list_count; i++)
        clustering->lists[i].row_count = 0;
    for (size_t r = 0; r < data.row_count; r++) {
        assert_true(data.lists[r] < clustering->list_count);
        clustering->lists[data.lists[r]].row_count++;
    }
}

static void build(struct px_clustering *clustering, enum proximadb_metric metric,
                  uint32_t list_rows)
{
    struct proximadb_error error;
    struct px_clustering_options options = {
        .metric = metric, .dim_count = (uint32_t)data.dim_count, .seed = 5, .list_rows = list_rows};
    struct px_kmeans_input input = {.row_count = data.row_count, .read = read_all};
    if (px_clustering_build(clustering, &options, &input, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    assign_all(clustering);
    check(clustering);
}

static size_t largest_list(const struct px_clustering *clustering)
{
    size_t largest = 0;
    for (size_t i = 1; i < clustering->list_count; i++)
        if (clustering->lists[i].row_count > clustering->lists[largest].row_count)
            largest = i;
    return largest;
}

static void take_members(size_t index)
{
    data.member_count = 0;
    for (size_t r = 0; r < data.row_count; r++)
        if (data.lists[r] == index)
            data.members[data.member_count++] = (uint32_t)r;
}

static struct px_clustering_split split(struct px_clustering *clustering, size_t index)
{
    struct px_clustering_split made;
    struct proximadb_error error;
    take_members(index);
    struct px_kmeans_input input = {.row_count = data.member_count, .read = read_members};
    if (px_clustering_split(clustering, index, &input, 3, &made, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    check(clustering);
    return made;
}

/* ---- building ------------------------------------------------------------------------------- */

static void test_clustering__has_lists_of_the_wanted_size(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering clustering;
        make_blobs(&random, 20000, 16);
        build(&clustering, metrics[m], 0);
        assert_int_equal(clustering.list_count, 10); /* 20,000 / 2,048 */
        px_clustering_release(&clustering);
        build(&clustering, metrics[m], 200);
        assert_int_equal(clustering.list_count, 100);
        assert_true(clustering.lists[largest_list(&clustering)].row_count < 3 * 200);
        px_clustering_release(&clustering);
    }
}

/* Ids and cluster numbers go on where those of the clustering that is replaced end. */
static void test_clustering__gives_no_number_twice(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering;
    make_blobs(&random, 2000, 8);
    struct px_clustering_options options = {.metric = PROXIMADB_L2,
                                            .dim_count = 8,
                                            .list_rows = 100,
                                            .next_list = 1000,
                                            .next_cluster = 70};
    struct px_kmeans_input input = {.row_count = data.row_count, .read = read_all};
    assert_int_equal(px_clustering_build(&clustering, &options, &input, NULL), PROXIMADB_OK);
    assign_all(&clustering);
    assert_int_equal(clustering.lists[0].id, 1000);
    assert_int_equal(clustering.next_list, 1020);
    struct px_clustering_sizes sizes = {.row_bytes = 1 << 20};
    assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < clustering.list_count; i++)
        assert_true(clustering.lists[i].cluster >= 70);
    uint32_t next = clustering.next_cluster;
    assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < clustering.list_count; i++)
        assert_true(clustering.lists[i].cluster >= next);
    px_clustering_release(&clustering);
}

static void test_clustering__is_the_same_on_any_number_of_threads(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    static uint32_t shared[MOST_ROWS];
    make_blobs(&random, MOST_ROWS, 24);
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering alone, together;
        struct px_crew *crew;
        build(&alone, metrics[m], 300);
        assert_int_equal(px_crew_open(3, "cluster", &crew, NULL), PROXIMADB_OK);
        struct px_clustering_options options = {
            .metric = metrics[m], .dim_count = 24, .seed = 5, .list_rows = 300, .crew = crew};
        struct px_kmeans_input input = {.row_count = data.row_count, .read = read_all};
        assert_int_equal(px_clustering_build(&together, &options, &input, NULL), PROXIMADB_OK);
        struct px_rows rows = all_rows();
        px_clustering_assign(&together, crew, &rows, shared, NULL);
        px_crew_close(crew);
        assert_memory_equal(shared, data.lists, data.row_count * sizeof *shared);
        assert_memory_equal(alone.kmeans.biases, together.kmeans.biases,
                            alone.list_count * sizeof(float));
        for (size_t i = 0; i < alone.list_count; i++)
            assert_memory_equal((const char *)alone.kmeans.centroids.data +
                                    i * alone.kmeans.centroids.stride_bytes,
                                (const char *)together.kmeans.centroids.data +
                                    i * together.kmeans.centroids.stride_bytes,
                                24 * sizeof(float));
        px_clustering_release(&alone);
        px_clustering_release(&together);
    }
}

/* ---- clusters ------------------------------------------------------------------------------- */

static double bytes_of_cluster(const struct px_clustering *clustering, uint32_t cluster,
                               double row_bytes)
{
    double rows = 0;
    for (size_t i = 0; i < clustering->list_count; i++)
        if (clustering->lists[i].cluster == cluster)
            rows += (double)clustering->lists[i].row_count;
    return rows * row_bytes;
}

static size_t count_clusters(const struct px_clustering *clustering)
{
    size_t count = 0;
    for (size_t i = 0; i < clustering->list_count; i++) {
        bool is_first = true;
        for (size_t j = 0; j < i; j++)
            is_first &= clustering->lists[j].cluster != clustering->lists[i].cluster;
        count += is_first;
    }
    return count;
}

static void test_clustering__packs_lists_into_clusters_of_equal_bytes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    /* 30,000 rows are 0.3, 29, 86, 858 and 5,722 MiB. */
    static const double row_bytes[] = {10.0, 1000.0, 3000.0, 30000.0, 200000.0};
    static const size_t expected[] = {1, 2, 5, 8, 45}; /* of 16 MiB, an eighth, or 128 MiB */
    make_blobs(&random, MOST_ROWS, 16);
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering clustering;
        build(&clustering, metrics[m], 150);
        double most_list = (double)clustering.lists[largest_list(&clustering)].row_count;
        for (size_t i = 0; i < 5; i++) {
            struct px_clustering_sizes sizes = {.row_bytes = row_bytes[i]};
            assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
            check(&clustering);
            assert_int_equal(count_clusters(&clustering), expected[i]);
            double mean = row_bytes[i] * MOST_ROWS / (double)expected[i];
            for (size_t l = 0; l < clustering.list_count; l++) {
                double bytes =
                    bytes_of_cluster(&clustering, clustering.lists[l].cluster, row_bytes[i]);
                /* A cut may be off by half a list, at each of the halvings: 1 + 1/2 + 1/4 ... */
                assert_true(fabs(bytes - mean) <= most_list * row_bytes[i]);
            }
        }
        px_clustering_release(&clustering);
    }
}

/* Rows and their nearest neighbours share a cluster more often than they would by chance. */
static void test_clustering__packs_near_lists_together(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering;
    make_blobs(&random, MOST_ROWS, 8);
    build(&clustering, PROXIMADB_L2, 150);
    struct px_clustering_sizes sizes = {.row_bytes = 36e3};
    assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
    assert_int_equal(count_clusters(&clustering), 8);
    size_t shared = 0;
    for (size_t i = 0; i < clustering.list_count; i++) {
        uint32_t nearest;
        assert_int_equal(px_clustering_neighbours(&clustering, i, 1, &nearest), 1);
        shared += clustering.lists[i].cluster == clustering.lists[nearest].cluster;
    }
    assert_true(shared > clustering.list_count / 2);
    px_clustering_release(&clustering);
}

static void test_clustering__keeps_averages_above_the_least(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering;
    make_blobs(&random, 10000, 8);
    build(&clustering, PROXIMADB_L2, 100);
    struct px_clustering_sizes sizes = {.row_bytes = 1,
                                        .least_bytes = 3000,
                                        .aimed_bytes = 1000,
                                        .most_bytes = 9000,
                                        .least_clusters = 1};
    assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
    assert_int_equal(count_clusters(&clustering), 3);
    px_clustering_release(&clustering);
}

/* What fits is not touched; what is too large is split, what is too small dissolved. */
static void test_clustering__packs_anew_only_what_has_to_be(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering;
    uint32_t before[400];
    make_blobs(&random, MOST_ROWS, 8);
    build(&clustering, PROXIMADB_COSINE, 100);
    struct px_clustering_sizes sizes = {.row_bytes = 1,
                                        .least_bytes = 1000,
                                        .aimed_bytes = 5000,
                                        .most_bytes = 9000,
                                        .least_clusters = 1};
    assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < clustering.list_count; i++)
        before[i] = clustering.lists[i].cluster;
    assert_int_equal(px_clustering_repack(&clustering, &sizes, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < clustering.list_count; i++)
        assert_int_equal(clustering.lists[i].cluster, before[i]);

    uint32_t large = before[0], small = before[0];
    for (size_t i = 0; i < clustering.list_count; i++)
        if (before[i] != large)
            small = before[i];
    for (size_t i = 0; i < clustering.list_count; i++)
        if (before[i] == large)
            clustering.lists[i].row_count *= 3;
        else if (before[i] == small)
            clustering.lists[i].row_count /= 20;
    assert_int_equal(px_clustering_repack(&clustering, &sizes, NULL), PROXIMADB_OK);
    check(&clustering);
    for (size_t i = 0; i < clustering.list_count; i++) {
        uint32_t now = clustering.lists[i].cluster;
        double bytes = bytes_of_cluster(&clustering, now, 1.0);
        assert_true(bytes >= 1000.0 && bytes <= 9000.0);
        if (before[i] == large || before[i] == small)
            assert_true(now != before[i]);
        else
            assert_int_equal(now, before[i]);
    }
    px_clustering_release(&clustering);
}

static void test_clustering__packs_lists_that_have_no_cluster(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering;
    make_blobs(&random, 5000, 8);
    build(&clustering, PROXIMADB_L2, 100);
    struct px_clustering_sizes sizes = {.row_bytes = 1,
                                        .least_bytes = 100,
                                        .aimed_bytes = 1000,
                                        .most_bytes = 3000,
                                        .least_clusters = 1};
    assert_int_equal(px_clustering_repack(&clustering, &sizes, NULL), PROXIMADB_OK);
    assert_int_equal(count_clusters(&clustering), 5);
    uint32_t nearest;
    clustering.lists[7].cluster = 0;
    px_clustering_neighbours(&clustering, 7, 1, &nearest);
    assert_int_equal(px_clustering_repack(&clustering, &sizes, NULL), PROXIMADB_OK);
    assert_int_equal(clustering.lists[7].cluster, clustering.lists[nearest].cluster);
    px_clustering_release(&clustering);
}

/* ---- upkeep --------------------------------------------------------------------------------- */

static void test_clustering__says_what_lists_need(void **state)
{
    (void)state;
    struct px_clustering_list lists[] = {{.row_count = 200},
                                         {.row_count = 201},
                                         {.row_count = 25},
                                         {.row_count = 24},
                                         {.row_count = 299, .equal_rows = 201},
                                         {.row_count = 302, .equal_rows = 201}};
    struct px_clustering clustering = {.lists = lists, .list_count = 6, .list_rows = 100};
    static const enum px_clustering_need needs[] = {PX_CLUSTERING_KEEP, PX_CLUSTERING_SPLIT,
                                                    PX_CLUSTERING_KEEP, PX_CLUSTERING_REMOVE,
                                                    PX_CLUSTERING_KEEP, PX_CLUSTERING_SPLIT};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(px_clustering_need(&clustering, i), needs[i]);
    clustering.lists += 3;
    clustering.list_count = 1;
    assert_int_equal(px_clustering_need(&clustering, 0), PX_CLUSTERING_KEEP);
}

static void test_clustering__finds_the_nearest_lists(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering;
    uint32_t found[PX_CLUSTERING_MOST_NEIGHBOURS];
    make_blobs(&random, 10000, 8);
    build(&clustering, PROXIMADB_L2, 100);
    const struct px_rows *centroids = &clustering.kmeans.centroids;
    const char *all = centroids->data, *own = all + 9 * centroids->stride_bytes;
    assert_int_equal(px_clustering_neighbours(&clustering, 9, 20, found), 20);
    double last = 0.0, farthest = 0.0;
    for (size_t i = 0; i < 20; i++, last = farthest) {
        assert_int_not_equal(found[i], 9);
        farthest = px_distance(PROXIMADB_L2, all + found[i] * centroids->stride_bytes, own, 8);
        assert_true(farthest >= last - 1e-5);
    }
    size_t nearer = 0;
    for (size_t i = 0; i < clustering.list_count; i++)
        nearer += i != 9 && px_distance(PROXIMADB_L2, all + i * centroids->stride_bytes, own, 8) <
                                farthest - 1e-5;
    assert_true(nearer <= 19);
    px_clustering_release(&clustering);
    make_blobs(&random, 400, 8);
    build(&clustering, PROXIMADB_L2, 100);
    assert_int_equal(px_clustering_neighbours(&clustering, 0, 64, found), 3);
    px_clustering_release(&clustering);
}

/* Whether two lists are as near to the row as float32 can tell. */
static bool are_as_near(const struct px_clustering *clustering, size_t row, size_t a, size_t b)
{
    enum proximadb_metric metric =
        clustering->kmeans.metric == PROXIMADB_L2 ? PROXIMADB_L2 : PROXIMADB_COSINE;
    const struct px_rows *centroids = &clustering->kmeans.centroids;
    const char *all = centroids->data;
    const float *vector = data.rows + row * data.dim_count;
    return fabs(px_distance(metric, all + a * centroids->stride_bytes, vector, data.dim_count) -
                px_distance(metric, all + b * centroids->stride_bytes, vector, data.dim_count)) <
           1e-5;
}

/* The list that the selection gives a row of list `list` is that which it gets when all rows are
 * assigned anew. Returns how many rows stayed and moved. */
static void check_list(const struct px_clustering *clustering,
                       const struct px_clustering_split *done, size_t list, bool is_old,
                       size_t *ret_sums)
{
    static uint32_t selected[MOST_ROWS], pieces[MOST_ROWS];
    static bool is_selected[MOST_ROWS];
    struct px_rows rows = all_rows();
    size_t count = px_clustering_select(clustering, done, is_old ? PX_CLUSTERING_OLD_LIST : list,
                                        &rows, selected, pieces);
    memset(is_selected, 0, sizeof is_selected);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || selected[i] > selected[i - 1]);
        is_selected[selected[i]] = true;
    }
    for (size_t r = 0; r < data.row_count; r++) {
        if (data.before[r] != list || (is_old && is_selected[r]))
            continue;
        size_t expected = is_old || is_selected[r] ? pieces[r] : list;
        if (data.lists[r] != expected)
            assert_true(are_as_near(clustering, r, data.lists[r], expected));
        ret_sums[is_selected[r]]++;
    }
}

static void check_selection(struct px_clustering *clustering,
                            const struct px_clustering_split *done, size_t old_index)
{
    size_t old_sums[2] = {0, 0}, sums[2] = {0, 0};
    /* The indexes of what is there still, and for the split list one that is none. */
    for (size_t r = 0; r < data.row_count; r++)
        data.before[r] =
            data.lists[r] == old_index ? MOST_ROWS : data.lists[r] - (data.lists[r] > old_index);
    assign_all(clustering);
    check_list(clustering, done, MOST_ROWS, true, old_sums);
    assert_true(old_sums[0] > 0);
    for (size_t list = 0; list < done->first_index; list++)
        check_list(clustering, done, list, false, sums);
    assert_true(sums[0] > sums[1]);
}

static void test_clustering__finds_all_rows_that_a_split_moves(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t round = 0; round < 12; round++) {
        struct px_clustering clustering;
        make_blobs(&random, 10000, 1 + px_test_below(&random, MOST_DIMS));
        build(&clustering, metrics[round % 3], 400);
        struct px_clustering_sizes sizes = {.row_bytes = 36e3};
        assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
        size_t index = largest_list(&clustering), count = clustering.list_count;
        struct px_clustering_list old = clustering.lists[index];
        clustering.list_rows = 100;
        struct px_clustering_split done = split(&clustering, index);
        if (done.piece_count == 0) { /* under cosine in one dimension there are two directions */
            assert_true(data.dim_count == 1);
            px_clustering_release(&clustering);
            continue;
        }
        size_t gone;
        assert_false(px_clustering_find(&clustering, old.id, &gone));
        assert_int_equal(done.old_id, old.id);
        assert_int_equal(clustering.list_count, count - 1 + done.piece_count);
        assert_int_equal(done.first_index, count - 1);
        for (size_t i = done.first_index; i < clustering.list_count; i++) {
            assert_int_equal(clustering.lists[i].cluster, old.cluster);
            assert_int_equal(clustering.lists[i].row_count, 0);
        }
        check_selection(&clustering, &done, index);
        for (size_t i = done.first_index; i < clustering.list_count; i++)
            assert_true(clustering.lists[i].row_count > 0);
        px_clustering_split_release(&done);
        px_clustering_release(&clustering);
    }
}

/* No other row changes its list. */
static void test_clustering__moves_only_rows_of_a_list_that_is_removed(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering clustering;
        make_blobs(&random, 10000, 12);
        build(&clustering, metrics[m], 200);
        while (clustering.list_count > 1) {
            size_t index = px_test_below(&random, clustering.list_count);
            memcpy(data.before, data.lists, sizeof data.before);
            px_clustering_remove(&clustering, index);
            check(&clustering);
            assign_all(&clustering);
            for (size_t r = 0; r < data.row_count; r++)
                if (data.before[r] != index)
                    assert_int_equal(data.lists[r], data.before[r] - (data.before[r] > index));
        }
        px_clustering_release(&clustering);
    }
}

/* Upkeep until nothing is needed: every list ends within its bounds. */
static void test_clustering__settles(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering clustering;
        make_blobs(&random, 20000, 16);
        build(&clustering, metrics[m], 2000);
        clustering.list_rows = 200;
        size_t changes = 0, i = 0;
        while (i < clustering.list_count && changes < 400) {
            enum px_clustering_need need = px_clustering_need(&clustering, i);
            if (need == PX_CLUSTERING_KEEP) {
                i++;
                continue;
            }
            if (need == PX_CLUSTERING_SPLIT) {
                struct px_clustering_split done = split(&clustering, i);
                px_clustering_split_release(&done);
            } else {
                px_clustering_remove(&clustering, i);
            }
            assign_all(&clustering);
            changes++;
            i = 0;
        }
        assert_int_equal(i, clustering.list_count);
        assert_in_range(clustering.list_count, 60, 200);
        px_clustering_release(&clustering);
    }
}

static void test_clustering__is_unchanged_by_a_split_that_fails(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering;
    struct px_clustering_split done;
    struct proximadb_error error;
    make_blobs(&random, 5000, 8);
    build(&clustering, PROXIMADB_L2, 500);
    size_t count = clustering.list_count;
    take_members(0);
    clustering.list_rows = 50;
    struct px_kmeans_input input = {.row_count = data.member_count, .read = read_members};
    for (size_t call = 1;; call++) {
        data.reads = 0;
        data.reads_until_failure = call;
        int rc = px_clustering_split(&clustering, 0, &input, 1, &done, &error);
        if (rc == PROXIMADB_OK)
            break;
        assert_int_equal(rc, PROXIMADB_IO);
        assert_int_equal(clustering.list_count, count);
        check(&clustering);
        assert_int_equal(clustering.lists[0].equal_rows, 0);
    }
    assert_true(data.reads > 5);
    px_clustering_split_release(&done);
    px_clustering_release(&clustering);
}

/* ---- strange rows --------------------------------------------------------------------------- */

/* Equal rows cannot be split, and are not tried again and again. */
static void test_clustering__copes_with_equal_rows(void **state)
{
    (void)state;
    static const float values[] = {0.0f, 1.0f, -3e-30f};
    static const size_t dims[] = {1, 7};
    for (size_t v = 0; v < 3; v++)
        for (size_t d = 0; d < 2; d++)
            for (size_t m = 0; m < 3; m++) {
                struct px_clustering clustering;
                make_equal(20000, dims[d], values[v]);
                build(&clustering, metrics[m], 1000);
                assert_int_equal(clustering.lists[data.lists[0]].row_count, 20000);
                size_t index = data.lists[0];
                assert_int_equal(px_clustering_need(&clustering, index), PX_CLUSTERING_SPLIT);
                struct px_clustering_split done = split(&clustering, index);
                assert_int_equal(done.piece_count, 0);
                assert_int_equal(px_clustering_need(&clustering, index), PX_CLUSTERING_KEEP);
                clustering.lists[index].row_count *= 2;
                assert_int_equal(px_clustering_need(&clustering, index), PX_CLUSTERING_SPLIT);
                struct px_clustering_sizes sizes = {.row_bytes = 1e6};
                assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
                check(&clustering);
                px_clustering_split_release(&done);
                px_clustering_release(&clustering);
            }
}

/* 10,000 equal rows among others: their list stays, and takes no part in an endless game of
 * splitting and removing. */
static void test_clustering__copes_with_many_duplicates(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering clustering;
        make_blobs(&random, 15000, 8);
        for (size_t r = 0; r < 10000; r++)
            memcpy(data.rows + (r + 5000) * 8, data.rows, 8 * sizeof(float));
        build(&clustering, metrics[m], 500);
        size_t changes = 0;
        for (size_t i = 0; i < clustering.list_count && changes < 200; i++) {
            enum px_clustering_need need = px_clustering_need(&clustering, i);
            if (need == PX_CLUSTERING_KEEP)
                continue;
            if (need == PX_CLUSTERING_SPLIT) {
                struct px_clustering_split done = split(&clustering, i);
                px_clustering_split_release(&done);
            } else {
                px_clustering_remove(&clustering, i);
            }
            assign_all(&clustering);
            changes++;
            i = SIZE_MAX; /* from the first again */
        }
        assert_true(changes < 200);
        assert_true(clustering.lists[data.lists[0]].row_count >= 10000);
        assert_int_equal(data.lists[0], data.lists[14999]);
        px_clustering_release(&clustering);
    }
}

/* A list that would only lose a piece too small to stay is left alone, as one of equal rows is. */
static void test_clustering__splits_off_no_piece_that_is_too_small(void **state)
{
    (void)state;
    struct px_clustering clustering;
    make_equal(2100, 2, 1.0f);
    for (size_t r = 0; r < 2100; r += 21)
        data.rows[2 * r] = -5.0f;
    build(&clustering, PROXIMADB_L2, 10000);
    assert_int_equal(clustering.list_count, 1);
    clustering.list_rows = 500; /* 100 rows are fewer than a quarter */
    take_members(0);
    struct px_kmeans_input input = {.row_count = data.member_count, .read = read_members};
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct px_clustering_split done;
        assert_int_equal(px_clustering_split(&clustering, 0, &input, seed, &done, NULL),
                         PROXIMADB_OK);
        assert_int_equal(done.piece_count, 0);
        px_clustering_split_release(&done);
    }
    clustering.list_rows = 350; /* and now they are not */
    struct px_clustering_split done = split(&clustering, 0);
    assert_int_equal(done.piece_count, 2);
    px_clustering_split_release(&done);
    px_clustering_release(&clustering);
}

static void test_clustering__copes_with_few_rows(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t row_count = 1; row_count < 10; row_count++)
        for (size_t m = 0; m < 3; m++) {
            struct px_clustering clustering;
            double recall = 0.0;
            make_blobs(&random, row_count, 1 + row_count % 3);
            build(&clustering, metrics[m], 1); /* as many lists as rows */
            assert_int_equal(clustering.list_count, row_count);
            struct px_clustering_sizes sizes = {.row_bytes = 1e9};
            assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
            assert_int_equal(count_clusters(&clustering), row_count);
            struct px_rows rows = all_rows();
            struct px_clustering_measuring measuring = {.sample = &rows, .lists = data.lists};
            assert_int_equal(px_clustering_measure(&clustering, &measuring, &recall, NULL),
                             PROXIMADB_OK);
            assert_true(recall >= 0.0 && recall <= 1.0);
            px_clustering_release(&clustering);
        }
}

/* ---- probe recall --------------------------------------------------------------------------- */

/* The share by brute force in double: of neighbours, and of ranks of lists. */
static double recall_by_hand(const struct px_clustering *clustering, size_t query_count,
                             size_t probe_count)
{
    enum { NEIGHBOURS = 10 };
    enum proximadb_metric metric = clustering->kmeans.metric;
    enum proximadb_metric of_lists = metric == PROXIMADB_L2 ? PROXIMADB_L2 : PROXIMADB_COSINE;
    static double distances[MOST_ROWS];
    const struct px_rows *centroids = &clustering->kmeans.centroids;
    size_t found = 0;
    for (size_t q = 0; q < query_count; q++) {
        const float *query = data.rows + q * data.dim_count;
        for (size_t r = 0; r < data.row_count; r++)
            distances[r] =
                r == q ? INFINITY
                       : px_distance(metric, data.rows + r * data.dim_count, query, data.dim_count);
        for (size_t i = 0; i < NEIGHBOURS; i++) {
            size_t best = 0, rank = 0;
            for (size_t r = 1; r < data.row_count; r++)
                if (distances[r] < distances[best])
                    best = r;
            distances[best] = INFINITY;
            const char *all = centroids->data;
            double own = px_distance(of_lists, all + data.lists[best] * centroids->stride_bytes,
                                     query, data.dim_count);
            for (size_t list = 0; list < clustering->list_count; list++)
                rank += px_distance(of_lists, all + list * centroids->stride_bytes, query,
                                    data.dim_count) < own - 1e-12;
            found += rank < probe_count;
        }
    }
    return (double)found / (double)(query_count * NEIGHBOURS);
}

static void test_clustering__measures_probe_recall(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering clustering;
        make_blobs(&random, 3000, 16);
        build(&clustering, metrics[m], 50);
        struct px_rows rows = all_rows();
        struct px_clustering_measuring measuring = {
            .sample = &rows, .lists = data.lists, .query_count = 100};
        double recall;
        assert_int_equal(px_clustering_measure(&clustering, &measuring, &recall, NULL),
                         PROXIMADB_OK);
        double expected = recall_by_hand(&clustering, 100, clustering.list_count / 20);
        assert_true(fabs(recall - expected) < 0.003);
        assert_true(recall > 0.2 && recall < 0.99);
        clustering.built_recall = recall;
        assert_false(px_clustering_is_stale(&clustering, recall - 0.04));

        /* Rows that are stored anywhere are not found, and that is stale. */
        for (size_t r = 0; r < data.row_count; r++)
            data.lists[r] = (uint32_t)px_test_below(&random, clustering.list_count);
        assert_int_equal(px_clustering_measure(&clustering, &measuring, &recall, NULL),
                         PROXIMADB_OK);
        assert_true(recall < 0.12);
        assert_true(px_clustering_is_stale(&clustering, recall));
        measuring.probe_count = clustering.list_count;
        assert_int_equal(px_clustering_measure(&clustering, &measuring, &recall, NULL),
                         PROXIMADB_OK);
        assert_true(recall == 1.0);
        clustering.built_recall = 0.0;
        assert_false(px_clustering_is_stale(&clustering, 0.0));
        px_clustering_release(&clustering);
    }
}

/* ---- the file ------------------------------------------------------------------------------- */

static int open_new(const char *folder, const char *name, char *path, size_t size_bytes)
{
    snprintf(path, size_bytes, "%s/%s", folder, name);
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_CREATE);
    assert_true(fd >= 0);
    return fd;
}

static void read_file(const char *path, struct px_buffer *content)
{
    assert_int_equal(px_file_read(&px_fs_posix, path, 1 << 30, content, NULL), PROXIMADB_OK);
}

static void write_file(const struct px_clustering *clustering, const char *name,
                       struct px_buffer *content)
{
    char path[4096];
    struct px_parquet_written written;
    struct px_uuid id = {{7}};
    int fd = open_new(px_test_folder("clustering"), name, path, sizeof path);
    assert_int_equal(px_clustering_write(clustering, &px_fs_posix, fd, id, &written, NULL),
                     PROXIMADB_OK);
    px_fs_posix.close(&px_fs_posix, fd);
    read_file(path, content);
    assert_int_equal(content->size_bytes, written.size_bytes);
    assert_int_equal(written.row_count, clustering->list_count);
}

static void check_same(const struct px_clustering *a, const struct px_clustering *b)
{
    assert_int_equal(a->list_count, b->list_count);
    assert_int_equal(a->list_rows, b->list_rows);
    assert_int_equal(a->next_list, b->next_list);
    assert_int_equal(a->next_cluster, b->next_cluster);
    assert_true(a->built_recall == b->built_recall);
    assert_memory_equal(a->lists, b->lists, a->list_count * sizeof *a->lists);
    assert_memory_equal(a->kmeans.biases, b->kmeans.biases, a->list_count * sizeof(float));
    for (size_t i = 0; i < a->list_count; i++)
        assert_memory_equal(
            (const char *)a->kmeans.centroids.data + i * a->kmeans.centroids.stride_bytes,
            (const char *)b->kmeans.centroids.data + i * b->kmeans.centroids.stride_bytes,
            data.dim_count * sizeof(float));
}

static void test_clustering__comes_back_from_its_file(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (size_t m = 0; m < 3; m++) {
        struct px_clustering clustering, back;
        struct px_buffer content = {0};
        struct proximadb_error error;
        char name[32];
        make_blobs(&random, 8000, 1 + 15 * m);
        build(&clustering, metrics[m], 100);
        struct px_clustering_sizes sizes = {.row_bytes = 80e3};
        assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
        clustering.built_recall = 0.8125 + 1.0 / 3.0 / 1024.0;
        clustering.lists[3].equal_rows = 12345;
        px_clustering_remove(&clustering, 1);
        snprintf(name, sizeof name, "centroids_%zu.parquet", m);
        write_file(&clustering, name, &content);
        uint32_t dims = (uint32_t)data.dim_count;
        if (px_clustering_read(&back, metrics[m], dims, px_buffer_slice(&content), &error) !=
            PROXIMADB_OK)
            fail_msg("%s", error.message);
        check(&back);
        check_same(&clustering, &back);
        assign_all(&clustering);
        memcpy(data.before, data.lists, sizeof data.before);
        assign_all(&back);
        assert_memory_equal(data.before, data.lists, data.row_count * sizeof *data.lists);
        px_clustering_release(&back);
        assert_int_equal(
            px_clustering_read(&back, metrics[m], dims + 1, px_buffer_slice(&content), &error),
            PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, "dimensions"));
        px_buffer_release(&content);
        px_clustering_release(&clustering);
    }
}

static const char *name_of_clusters = "cluster";

/* Writes a file by hand: version 1 has `cluster` and `centroid` only. */
static void write_old_file(const char *name, const char *version, const int32_t *clusters,
                           size_t count, struct px_buffer *content)
{
    const struct px_parquet_column columns[] = {
        {.name = name_of_clusters,
         .shape = PX_PARQUET_REQUIRED,
         .type = PX_PARQUET_INT32,
         .field_id = 1},
        {.name = "centroid",
         .shape = PX_PARQUET_VECTOR,
         .type = PX_PARQUET_FLOAT,
         .field_id = 2,
         .element_field_id = 3,
         .dim_count = 2},
    };
    char path[4096];
    struct px_parquet_writer *writer;
    struct px_parquet_written written;
    int fd = open_new(px_test_folder("clustering"), name, path, sizeof path);
    assert_int_equal(px_parquet_writer_open(&px_fs_posix, fd, columns, 2, &writer, NULL),
                     PROXIMADB_OK);
    for (size_t i = 0; i < count; i++) {
        const float vector[2] = {(float)clusters[i], 1.0f};
        px_parquet_append_i32(writer, 0, clusters[i]);
        px_parquet_append_vectors(writer, 1, vector, 1);
    }
    const struct px_parquet_key_value key = {px_slice_of_string(px_part_key_format_version),
                                             px_slice_of_string(version)};
    assert_int_equal(px_parquet_writer_finish(writer, &key, 1, &written, NULL), PROXIMADB_OK);
    px_parquet_writer_free(writer);
    px_fs_posix.close(&px_fs_posix, fd);
    read_file(path, content);
}

static void test_clustering__reads_files_of_version_1(void **state)
{
    (void)state;
    static const int32_t clusters[] = {1, 2, 5};
    struct px_clustering clustering;
    struct px_buffer content = {0};
    write_old_file("old.parquet", "1", clusters, 3, &content);
    assert_int_equal(
        px_clustering_read(&clustering, PROXIMADB_L2, 2, px_buffer_slice(&content), NULL),
        PROXIMADB_OK);
    check(&clustering);
    assert_int_equal(clustering.list_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(clustering.lists[i].id, clusters[i]);
        assert_int_equal(clustering.lists[i].cluster, clusters[i]);
        assert_int_equal(clustering.lists[i].row_count, 0);
    }
    assert_int_equal(clustering.next_list, 6);
    assert_int_equal(clustering.next_cluster, 6);
    assert_int_equal(clustering.list_rows, PX_CLUSTERING_LIST_ROWS);
    set_rows(1, 2);
    data.rows[0] = 4.4f;
    data.rows[1] = 1.0f;
    assign_all(&clustering);
    assert_int_equal(data.lists[0], 2);
    px_clustering_release(&clustering);
    px_buffer_release(&content);
}

static void test_clustering__refuses_files_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        int32_t clusters[2];
        int status;
        const char *message;
    } cases[] = {
        {"3", {1, 2}, PROXIMADB_UNIMPLEMENTED, "newer"},
        {"2", {1, 2}, PROXIMADB_CORRUPT, "columns"},
        {"0", {1, 2}, PROXIMADB_CORRUPT, "positive"},
        {"x", {1, 2}, PROXIMADB_CORRUPT, "positive"},
        {"1", {2, 1}, PROXIMADB_CORRUPT, "order"},
        {"1", {1, 1}, PROXIMADB_CORRUPT, "order"},
        {"1", {0, 1}, PROXIMADB_CORRUPT, "sense"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_clustering clustering;
        struct px_buffer content = {0};
        struct proximadb_error error;
        char name[32];
        snprintf(name, sizeof name, "bad_%zu.parquet", i);
        write_old_file(name, cases[i].version, cases[i].clusters, 2, &content);
        assert_int_equal(
            px_clustering_read(&clustering, PROXIMADB_L2, 2, px_buffer_slice(&content), &error),
            cases[i].status);
        assert_non_null(strstr(error.message, cases[i].message));
        px_buffer_release(&content);
    }
    struct px_clustering clustering;
    struct px_buffer content = {0};
    name_of_clusters = "klass";
    write_old_file("other_name.parquet", "1", (const int32_t[]){1, 2}, 2, &content);
    name_of_clusters = "cluster";
    assert_int_equal(
        px_clustering_read(&clustering, PROXIMADB_L2, 2, px_buffer_slice(&content), NULL),
        PROXIMADB_CORRUPT);
    px_buffer_release(&content);
}

/* Ids and numbers that are to be given next, but are in use. */
static void test_clustering__refuses_numbers_that_would_be_given_twice(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    for (int which = 0; which < 3; which++) {
        struct px_clustering clustering, back;
        struct px_buffer content = {0};
        char name[32];
        make_blobs(&random, 1000, 4);
        build(&clustering, PROXIMADB_L2, 100);
        struct px_clustering_sizes sizes = {.row_bytes = 1e6};
        assert_int_equal(px_clustering_pack(&clustering, &sizes, NULL), PROXIMADB_OK);
        clustering.next_list -= which == 1;
        clustering.next_cluster -= which == 2;
        snprintf(name, sizeof name, "twice_%d.parquet", which);
        write_file(&clustering, name, &content);
        int rc = px_clustering_read(&back, PROXIMADB_L2, 4, px_buffer_slice(&content), NULL);
        assert_int_equal(rc, which == 0 ? PROXIMADB_OK : PROXIMADB_CORRUPT);
        if (rc == PROXIMADB_OK)
            px_clustering_release(&back);
        px_buffer_release(&content);
        px_clustering_release(&clustering);
    }
}

/* No byte that is wrong brings anything but an error or a clustering that makes sense. */
static void test_clustering__survives_damaged_files(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("clustering");
    struct px_clustering clustering, back;
    struct px_buffer content = {0};
    size_t refused = 0;
    make_blobs(&random, 1000, 4);
    build(&clustering, PROXIMADB_L2, 100);
    write_file(&clustering, "damaged.parquet", &content);
    for (size_t i = 0; i < content.size_bytes; i++) {
        uint8_t *at = (uint8_t *)content.data + i,
                flip = (uint8_t)(1u << px_test_below(&random, 8));
        *at ^= flip;
        int rc = px_clustering_read(&back, PROXIMADB_L2, 4, px_buffer_slice(&content), NULL);
        if (rc == PROXIMADB_OK) {
            check(&back);
            px_clustering_release(&back);
        }
        refused += rc != PROXIMADB_OK;
        *at ^= flip;
    }
    assert_true(refused > content.size_bytes / 2);
    px_buffer_release(&content);
    px_clustering_release(&clustering);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clustering__has_lists_of_the_wanted_size),
        cmocka_unit_test(test_clustering__gives_no_number_twice),
        cmocka_unit_test(test_clustering__is_the_same_on_any_number_of_threads),
        cmocka_unit_test(test_clustering__packs_lists_into_clusters_of_equal_bytes),
        cmocka_unit_test(test_clustering__packs_near_lists_together),
        cmocka_unit_test(test_clustering__keeps_averages_above_the_least),
        cmocka_unit_test(test_clustering__packs_anew_only_what_has_to_be),
        cmocka_unit_test(test_clustering__packs_lists_that_have_no_cluster),
        cmocka_unit_test(test_clustering__says_what_lists_need),
        cmocka_unit_test(test_clustering__finds_the_nearest_lists),
        cmocka_unit_test(test_clustering__finds_all_rows_that_a_split_moves),
        cmocka_unit_test(test_clustering__moves_only_rows_of_a_list_that_is_removed),
        cmocka_unit_test(test_clustering__settles),
        cmocka_unit_test(test_clustering__is_unchanged_by_a_split_that_fails),
        cmocka_unit_test(test_clustering__copes_with_equal_rows),
        cmocka_unit_test(test_clustering__copes_with_many_duplicates),
        cmocka_unit_test(test_clustering__splits_off_no_piece_that_is_too_small),
        cmocka_unit_test(test_clustering__copes_with_few_rows),
        cmocka_unit_test(test_clustering__measures_probe_recall),
        cmocka_unit_test(test_clustering__comes_back_from_its_file),
        cmocka_unit_test(test_clustering__reads_files_of_version_1),
        cmocka_unit_test(test_clustering__refuses_files_that_make_no_sense),
        cmocka_unit_test(test_clustering__refuses_numbers_that_would_be_given_twice),
        cmocka_unit_test(test_clustering__survives_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
