/* px-test: layers=axis label=unit */
/*
 * Goal: an index finds the nearest rows under every metric, at every dimension, with any rows; what
 * it says of distances is right; a file that was damaged, cut, or is of something else is refused
 * with a reason; failures come through and leave nothing behind. Method: blobs of rows against a
 * brute-force oracle with canonical distances, recall as a gate; bytes of files changed one by one.
 */
#include "axis/ivf.h"

#include "os/crew.h"
#include "support/fault_fs.h"
#include "support/ivf_rows.h"
#include "support/powercut_fs.h"

#include <float.h>

enum { K = 10, CANDIDATES = 20, QUERIES = 25, ALL = 1 << 30 };

static const enum proximadb_metric metrics[] = {PROXIMADB_COSINE, PROXIMADB_L2, PROXIMADB_DOT};

struct results {
    struct px_ivf_hit hits[QUERIES * CANDIDATES];
    uint32_t counts[QUERIES];
};

/* Searches a set, all queries at once or one at a time. */
static void search_set(const struct px_ivf_set *set, struct px_ivf_request *request, bool at_once,
                       struct results *ret)
{
    struct px_ivf_searcher *searcher;
    struct px_rows queries = request->queries;
    assert_int_equal(px_ivf_searcher_new(&searcher, NULL), PROXIMADB_OK);
    for (size_t q = 0; q < queries.row_count; q += at_once ? queries.row_count : 1) {
        request->queries.data = (const uint8_t *)queries.data + q * queries.stride_bytes;
        request->queries.row_count = at_once ? queries.row_count : 1;
        assert_int_equal(px_ivf_search(searcher, set, request, ret->hits + q * request->k,
                                       ret->counts + q, NULL),
                         PROXIMADB_OK);
    }
    request->queries = queries;
    px_ivf_searcher_free(searcher);
}

static void search_all(const struct px_ivf *ivf, const float *queries, size_t dim_count,
                       uint32_t probe_count, bool at_once, struct results *ret)
{
    struct px_ivf_set set = {&ivf, 1};
    struct px_ivf_request request = {
        .queries = {queries, dim_count * sizeof(float), QUERIES, dim_count},
        .k = CANDIDATES,
        .probe_count = probe_count};
    search_set(&set, &request, at_once, ret);
}

/* Queries near rows. */
static float *make_queries(struct px_test_random *random, const struct ivf_rows *rows, float spread)
{
    float *queries = malloc(QUERIES * rows->dim_count * sizeof *queries);
    assert_non_null(queries);
    for (size_t q = 0; q < QUERIES; q++) {
        const float *row = ivf_row(rows, px_test_below(random, rows->row_count));
        for (size_t i = 0; i < rows->dim_count; i++)
            queries[q * rows->dim_count + i] = row[i] + spread * px_test_float(random);
    }
    return queries;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The distance of the K-th nearest row to each query. */
static void find_truth(const struct ivf_rows *rows, const float *queries, double *ret_farthest)
{
    double *distances = malloc(rows->row_count * sizeof *distances);
    assert_non_null(distances);
    for (size_t q = 0; q < QUERIES; q++) {
        for (size_t row = 0; row < rows->row_count; row++)
            distances[row] = px_distance(rows->metric, queries + q * rows->dim_count,
                                         ivf_row(rows, row), rows->dim_count);
        qsort(distances, rows->row_count, sizeof *distances, compare_doubles);
        ret_farthest[q] = distances[K - 1];
    }
    free(distances);
}

/* Of the K nearest rows, the share among the candidates: those that are as near as the K-th. */
static double recall_of(const struct ivf_rows *rows, const float *queries, const double *farthest,
                        const struct results *results)
{
    size_t found = 0;
    for (size_t q = 0; q < QUERIES; q++) {
        size_t near = 0;
        for (uint32_t i = 0; i < results->counts[q]; i++) {
            const float *row = ivf_row(rows, results->hits[q * CANDIDATES + i].row_index);
            near += px_distance(rows->metric, queries + q * rows->dim_count, row,
                                rows->dim_count) <= farthest[q];
        }
        found += near < K ? near : K;
    }
    return (double)found / (K * QUERIES);
}

/* Hits are of different rows, in order, and their distances about right. */
static void check_hits(const struct ivf_rows *rows, const float *queries,
                       const struct results *results, double slack)
{
    for (size_t q = 0; q < QUERIES; q++) {
        const struct px_ivf_hit *hits = results->hits + q * CANDIDATES;
        for (uint32_t i = 0; i < results->counts[q]; i++) {
            assert_true(hits[i].row_index < rows->row_count);
            assert_int_equal(hits[i].part_index, 0);
            assert_true(i == 0 || hits[i].distance >= hits[i - 1].distance);
            for (uint32_t j = 0; j < i; j++)
                assert_int_not_equal(hits[j].row_index, hits[i].row_index);
            double distance = px_distance(rows->metric, queries + q * rows->dim_count,
                                          ivf_row(rows, hits[i].row_index), rows->dim_count);
            if (!(fabs(distance - (double)hits[i].distance) <= slack))
                fail_msg("a distance of %g was told as %g", distance, (double)hits[i].distance);
        }
    }
}

/* ---- recall --------------------------------------------------------------------------------- */

static void check_recall(struct px_test_random *random, enum proximadb_metric metric,
                         size_t dim_count, size_t row_count)
{
    struct results results;
    struct ivf_rows rows = ivf_rows_new(random, metric, row_count, dim_count, 12, 0.5f);
    struct px_ivf *ivf = ivf_build(&rows);
    float *queries = make_queries(random, &rows, 0.2f);
    uint32_t blocks = px_ivf_info(ivf).block_count;
    double farthest[QUERIES], norms = metric == PROXIMADB_COSINE ? 1 : (double)dim_count;
    find_truth(&rows, queries, farthest);
    for (int at_once = 0; at_once < 2; at_once++) {
        search_all(ivf, queries, dim_count, ALL, at_once, &results);
        check_hits(&rows, queries, &results, 0.02 * norms);
        double recall = recall_of(&rows, queries, farthest, &results);
        if (recall < 0.95)
            fail_msg("metric %d, %zu dimensions: all blocks give %.3f", metric, dim_count, recall);
        search_all(ivf, queries, dim_count, blocks / 4, at_once, &results);
        check_hits(&rows, queries, &results, 0.02 * norms);
        recall = recall_of(&rows, queries, farthest, &results);
        if (recall < 0.8)
            fail_msg("metric %d, %zu dimensions: a quarter gives %.3f", metric, dim_count, recall);
    }
    free(queries);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

static void test_ivf__finds_the_nearest_rows(void **state)
{
    (void)state;
    static const size_t dims[] = {2, 7, 64, 100, 384};
    struct px_test_random random = px_test_random_new("ivf");
    for (size_t m = 0; m < 3; m++)
        for (size_t d = 0; d < 5; d++)
            check_recall(&random, metrics[m], dims[d], 2500);
}

/* The scan's sums, its error and the bytes must hold at the largest dimension, too. */
static void test_ivf__takes_the_most_dimensions(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    for (size_t m = 0; m < 3; m++) {
        struct results results;
        struct ivf_rows rows = ivf_rows_new(&random, metrics[m], 70, 65536, 2, 0.5f);
        struct px_ivf *ivf = ivf_build(&rows);
        float *queries = make_queries(&random, &rows, 0.2f);
        search_all(ivf, queries, 65536, ALL, true, &results);
        for (size_t q = 0; q < QUERIES; q++) {
            double nearest =
                px_distance(metrics[m], queries + q * 65536,
                            ivf_row(&rows, results.hits[q * CANDIDATES].row_index), 65536);
            if (metrics[m] != PROXIMADB_DOT)
                assert_int_equal(ivf_count_nearer(&rows, queries + q * 65536, nearest, 0), 0);
            assert_int_equal(results.counts[q], CANDIDATES);
        }
        free(queries);
        px_ivf_close(ivf);
        ivf_rows_free(&rows);
    }
}

/* Few rows, equal ones, one dimension: every row must be found, since k are asked for. */
static void check_all_found(enum proximadb_metric metric, size_t row_count, size_t dim_count,
                            size_t list_count, float spread)
{
    struct px_test_random random = {.state = row_count * 31 + dim_count};
    struct results results;
    struct ivf_rows rows = ivf_rows_new(&random, metric, row_count, dim_count, list_count, spread);
    struct px_ivf *ivf = ivf_build(&rows);
    float *queries = make_queries(&random, &rows, 0);
    size_t expected = row_count < CANDIDATES ? row_count : CANDIDATES;
    for (int at_once = 0; at_once < 2; at_once++) {
        search_all(ivf, queries, dim_count, ALL, at_once, &results);
        for (size_t q = 0; q < QUERIES; q++)
            assert_int_equal(results.counts[q], expected);
        check_hits(&rows, queries, &results, 0.02 * (double)dim_count);
    }
    free(queries);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

static void test_ivf__finds_rows_that_are_few_or_equal(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (size_t dim_count = 1; dim_count < 66; dim_count += 8) {
            check_all_found(metrics[m], 1, dim_count, 1, 0.5f);
            check_all_found(metrics[m], 33, dim_count, 1, 0.5f);
            check_all_found(metrics[m], 100, dim_count, 1, 0);
            check_all_found(metrics[m], 300, dim_count, 3, 0);
        }
}

static void test_ivf__finds_vectors_of_zeros(void **state)
{
    (void)state;
    struct results results;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 50, 16, 1, 0.5f);
    memset(rows.vectors, 0, 40 * 16 * sizeof(float));
    struct px_ivf *ivf = ivf_build(&rows);
    float queries[QUERIES * 16] = {0};
    search_all(ivf, queries, 16, ALL, true, &results);
    for (size_t i = 0; i < CANDIDATES; i++)
        assert_true(results.hits[i].row_index < 40);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

/* Squares of the largest rows overflow: nothing is known of their distances, but they are found. */
static void test_ivf__survives_huge_and_tiny_rows(void **state)
{
    (void)state;
    static const float scales[] = {1e-30f, 1e-19f, 1e18f, 1e30f};
    struct px_test_random random = px_test_random_new("ivf");
    for (size_t s = 0; s < 4; s++)
        for (size_t m = 0; m < 3; m++) {
            struct results results;
            struct ivf_rows rows = ivf_rows_new(&random, metrics[m], 200, 24, 2, 0.5f);
            for (size_t i = 0; i < (size_t)200 * 24; i++)
                rows.vectors[i] *= scales[s];
            struct px_ivf *ivf = ivf_build(&rows);
            search_all(ivf, rows.vectors, 24, ALL, true, &results);
            for (size_t q = 0; q < QUERIES; q++) {
                assert_true(results.counts[q] <= CANDIDATES);
                for (uint32_t i = 0; i < results.counts[q]; i++)
                    assert_true(results.hits[q * CANDIDATES + i].distance <= FLT_MAX);
            }
            px_ivf_close(ivf);
            ivf_rows_free(&rows);
        }
}

static void test_ivf__cuts_long_lists(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct results results;
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 9000, 8, 1, 1.0f);
    struct px_ivf *ivf = ivf_build(&rows);
    assert_int_equal(px_ivf_info(ivf).list_count, 2);
    assert_int_equal(px_ivf_info(ivf).block_count, 8192 / 32 + (9000 - 8192 + 31) / 32);
    float *queries = make_queries(&random, &rows, 0.1f);
    double farthest[QUERIES];
    find_truth(&rows, queries, farthest);
    search_all(ivf, queries, 8, ALL, true, &results);
    assert_true(recall_of(&rows, queries, farthest, &results) > 0.97);
    free(queries);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

/* ---- sets and filters ----------------------------------------------------------------------- */

struct filter {
    uint32_t calls;
    uint32_t modulus;
};

static bool accept_some(void *context, uint32_t query_index, uint32_t part_index,
                        uint32_t row_index)
{
    struct filter *filter = context;
    filter->calls++;
    assert_true(query_index < QUERIES);
    return (row_index + part_index) % filter->modulus == 0;
}

static void test_ivf__returns_only_what_is_accepted(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct results results;
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_COSINE, 3000, 64, 8, 0.5f);
    struct px_ivf *ivf = ivf_build(&rows);
    const struct px_ivf *parts[] = {ivf, ivf};
    struct px_ivf_set set = {parts, 2};
    struct filter filter = {.modulus = 100};
    struct px_ivf_request request = {.queries = {rows.vectors, 64 * sizeof(float), QUERIES, 64},
                                     .k = CANDIDATES,
                                     .probe_count = ALL,
                                     .accept = accept_some,
                                     .context = &filter};
    for (int at_once = 0; at_once < 2; at_once++) {
        search_set(&set, &request, at_once, &results);
        uint32_t of_second_part = 0;
        for (size_t q = 0; q < QUERIES; q++) {
            assert_int_equal(results.counts[q], CANDIDATES); /* 60 match */
            for (size_t i = 0; i < CANDIDATES; i++) {
                const struct px_ivf_hit *hit = &results.hits[q * CANDIDATES + i];
                assert_int_equal((hit->row_index + hit->part_index) % 100, 0);
                of_second_part += hit->part_index;
            }
        }
        assert_true(of_second_part > QUERIES);
    }
    filter = (struct filter){.modulus = 1};
    search_set(&set, &request, false, &results);
    assert_true(filter.calls < QUERIES * 1500); /* of 6,000 rows */
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static void test_ivf__stops_when_asked(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    static struct results results;
    struct proximadb_error error;
    struct px_ivf_searcher *searcher;
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 8000, 4, 8, 0.5f);
    struct px_ivf_input input = ivf_input_of(&rows);
    struct px_ivf *ivf = NULL;
    input.should_stop = stop_at_once;
    assert_int_equal(px_ivf_build(&input, &ivf, &error), PROXIMADB_CANCELLED);
    ivf = ivf_build(&rows);
    const struct px_ivf *parts[] = {ivf};
    struct px_ivf_request request = {.queries = {rows.vectors, 4 * sizeof(float), QUERIES, 4},
                                     .k = CANDIDATES,
                                     .probe_count = ALL,
                                     .should_stop = stop_at_once};
    assert_int_equal(px_ivf_searcher_new(&searcher, &error), PROXIMADB_OK);
    assert_int_equal(px_ivf_search(searcher, &(struct px_ivf_set){parts, 1}, &request, results.hits,
                                   results.counts, &error),
                     PROXIMADB_CANCELLED);
    struct px_ivf_calibration calibration;
    struct px_ivf_calibrating calibrating = {.should_stop = stop_at_once};
    assert_int_equal(
        px_ivf_calibrate(&(struct px_ivf_set){parts, 1}, &calibrating, &calibration, &error),
        PROXIMADB_CANCELLED);
    px_ivf_searcher_free(searcher);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

/* ---- making --------------------------------------------------------------------------------- */

static void test_ivf__is_the_same_from_any_number_of_threads(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_COSINE, 5000, 40, 30, 0.5f);
    struct px_ivf *alone = ivf_build(&rows), *together;
    struct px_ivf_input input = ivf_input_of(&rows);
    assert_int_equal(px_crew_open(3, "test", &input.crew, NULL), PROXIMADB_OK);
    assert_int_equal(px_ivf_build(&input, &together, NULL), PROXIMADB_OK);
    assert_true(px_slice_equal(px_ivf_content(alone), px_ivf_content(together)));
    px_crew_close(input.crew);
    px_ivf_close(alone);
    px_ivf_close(together);
    ivf_rows_free(&rows);
}

static void test_ivf__passes_on_what_reading_fails_with(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 500, 8, 5, 0.5f);
    for (size_t n = 1; n <= 5; n++) {
        struct px_ivf_input input = ivf_input_of(&rows);
        struct px_ivf *ivf = NULL;
        struct proximadb_error error;
        rows.reads_until_failure = n;
        assert_int_equal(px_ivf_build(&input, &ivf, &error), PROXIMADB_CORRUPT);
        assert_string_equal(error.message, "a page is damaged");
        assert_null(ivf);
    }
    ivf_rows_free(&rows);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void test_ivf__comes_back_from_a_file(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 1000, 20, 4, 0.5f);
    struct px_powercut *disk = px_powercut_new();
    struct px_fs *fs = px_powercut_boot(disk);
    struct proximadb_error error;
    struct px_ivf_calibration calibration = {.row_count = 9, .point_count = 1};
    calibration.points[0] = (struct px_ivf_point){0.9f, 7};
    struct px_ivf_input input = ivf_input_of(&rows);
    input.calibration = &calibration;
    struct px_ivf *ivf, *opened;
    assert_int_equal(px_ivf_build(&input, &ivf, &error), PROXIMADB_OK);
    assert_int_equal(px_ivf_save(ivf, fs, "part.axis", &error), PROXIMADB_OK);
    assert_int_equal(px_ivf_open(fs, "part.axis", &input.identity, &opened, &error), PROXIMADB_OK);
    assert_true(px_slice_equal(px_ivf_content(ivf), px_ivf_content(opened)));
    assert_int_equal(px_ivf_verify(opened, &error), PROXIMADB_OK);
    struct px_ivf_info info = px_ivf_info(opened);
    assert_int_equal(info.row_count, 1000);
    assert_int_equal(info.list_count, 4);
    assert_int_equal(info.identity.part_bytes, 12345);
    assert_int_equal(info.calibration.points[0].probe_count, 7);
    struct results results;
    search_all(opened, rows.vectors, 20, ALL, true, &results);
    check_hits(&rows, rows.vectors, &results, 0.1);
    px_ivf_close(opened);
    px_ivf_close(ivf);
    struct px_powercut_counts counts = px_powercut_counts(disk);
    assert_int_equal(counts.open_files + counts.maps, 0);
    px_powercut_free(disk);
    ivf_rows_free(&rows);
}

static void test_ivf__of_something_else_is_refused(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 100, 20, 1, 0.5f);
    struct px_ivf *ivf = ivf_build(&rows), *opened = NULL;
    struct px_ivf_identity right = ivf_input_of(&rows).identity, wrong[5];
    for (size_t i = 0; i < 5; i++)
        wrong[i] = right;
    wrong[0].collection_id.bytes[15]++;
    wrong[1].part_bytes++;
    wrong[2].part_checksum++;
    wrong[3].dim_count++;
    wrong[4].metric = PROXIMADB_DOT;
    for (size_t i = 0; i < 5; i++) {
        struct proximadb_error error;
        assert_int_equal(px_ivf_parse(px_ivf_content(ivf), &wrong[i], &opened, &error),
                         PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, "another part"));
        assert_null(opened);
    }
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

/* One byte is changed: either the file is refused, or it is found by a closer look, and until then
 * searches give hits that are rows. */
static void check_changed(const struct px_slice content, size_t at, const float *queries,
                          size_t *refused)
{
    uint8_t *copy = aligned_alloc(64, content.size_bytes);
    struct px_ivf *ivf = NULL;
    struct proximadb_error error = {0};
    memcpy(copy, content.data, content.size_bytes);
    copy[at] ^= (uint8_t)(1 << at % 8);
    int rc = px_ivf_parse(px_slice_of(copy, content.size_bytes), NULL, &ivf, &error);
    *refused += rc != PROXIMADB_OK;
    if (rc != PROXIMADB_OK) {
        assert_true(rc == PROXIMADB_CORRUPT || rc == PROXIMADB_UNIMPLEMENTED);
        assert_int_not_equal(error.message[0], '\0');
        assert_null(ivf);
    } else {
        struct results results;
        search_all(ivf, queries, 8, ALL, at % 2, &results);
        for (size_t q = 0; q < QUERIES; q++)
            for (uint32_t i = 0; i < results.counts[q]; i++)
                assert_true(results.hits[q * CANDIDATES + i].row_index < 100);
        px_ivf_close(ivf);
    }
    free(copy);
}

static void test_ivf__with_a_changed_byte_is_refused_or_harmless(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 100, 8, 2, 0.5f);
    struct px_ivf *ivf = ivf_build(&rows);
    struct px_slice content = px_ivf_content(ivf);
    size_t refused = 0;
    for (size_t at = 0; at < 320 + 2 * 40; at++)
        check_changed(content, at, rows.vectors, &refused);
    assert_int_equal(refused, 320 + 2 * 40); /* the header and the lists */
    for (size_t at = 400; at < content.size_bytes; at += 1 + px_test_below(&random, 30))
        check_changed(content, at, rows.vectors, &refused);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

static void test_ivf__verify_finds_every_changed_byte(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_COSINE, 64, 64, 1, 0.5f);
    struct px_ivf *ivf = ivf_build(&rows), *changed;
    struct px_slice content = px_ivf_content(ivf);
    uint8_t *copy = aligned_alloc(64, content.size_bytes);
    memcpy(copy, content.data, content.size_bytes);
    assert_int_equal(px_ivf_parse(px_slice_of(copy, content.size_bytes), NULL, &changed, NULL),
                     PROXIMADB_OK);
    /* 64 rows have two blocks, no padding; the last section ends with the file but for alignment.
     * */
    size_t last = content.size_bytes - 64;
    for (size_t at = 400; at < last; at += 1 + px_test_below(&random, 9)) {
        struct proximadb_error error;
        copy[at] ^= 4;
        bool is_padding = px_ivf_verify(changed, &error) == PROXIMADB_OK;
        if (is_padding)
            assert_int_equal(content.data[at], 0);
        copy[at] ^= 4;
    }
    copy[last - 100] ^= 1;
    struct proximadb_error error;
    assert_int_equal(px_ivf_verify(changed, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "vectors"));
    px_ivf_close(changed);
    free(copy);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

static void test_ivf__that_was_cut_is_refused_with_its_name(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 100, 8, 2, 0.5f);
    struct px_ivf *ivf = ivf_build(&rows), *opened = NULL;
    struct px_slice content = px_ivf_content(ivf);
    struct px_powercut *disk = px_powercut_new();
    struct px_fs *fs = px_powercut_boot(disk);
    struct proximadb_error error;
    for (size_t size = 0; size < content.size_bytes; size += 1 + px_test_below(&random, 99)) {
        struct px_slice piece = px_slice_of(content.data, size);
        int fd = fs->open(fs, "cut.axis", PX_FS_TRUNCATE);
        assert_true(fd >= 0 && fs->write_at(fs, fd, &piece, 1, 0) >= 0 && fs->close(fs, fd) >= 0);
        assert_int_equal(px_ivf_open(fs, "cut.axis", NULL, &opened, &error), PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, "cut.axis"));
    }
    assert_int_equal(px_ivf_open(fs, "none.axis", NULL, &opened, &error), PROXIMADB_IO);
    struct px_powercut_counts counts = px_powercut_counts(disk);
    assert_int_equal(counts.open_files + counts.maps, 0);
    px_powercut_free(disk);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

static void test_ivf__says_which_file_could_not_be_written(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 100, 8, 2, 0.5f);
    struct px_ivf *ivf = ivf_build(&rows);
    struct px_powercut *disk = px_powercut_new();
    struct px_fault_fs fs;
    struct proximadb_error error;
    px_fault_fs_init(&fs, px_powercut_boot(disk));
    px_fault_fs_set(&fs, &(struct px_fault_rule){0});
    assert_int_equal(px_ivf_save(ivf, &fs.base, "part.axis", &error), PROXIMADB_OK);
    uint64_t calls = px_fault_fs_calls(&fs);
    assert_true(calls >= 3); /* to make, to write, to sync */
    for (uint64_t n = 1; n <= calls; n++) {
        px_fault_fs_set(&fs, &(struct px_fault_rule){.fail_at = n});
        assert_int_not_equal(px_ivf_save(ivf, &fs.base, "part.axis", &error), PROXIMADB_OK);
        assert_non_null(strstr(error.message, "part.axis"));
        assert_int_equal(px_powercut_counts(disk).open_files, 0);
    }
    px_fault_fs_release(&fs);
    px_powercut_free(disk);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

/* ---- effort --------------------------------------------------------------------------------- */

static void test_ivf__probe_count_follows_the_calibration(void **state)
{
    (void)state;
    struct px_ivf_calibration calibration = {.row_count = 1000, .point_count = 2};
    calibration.points[0] = (struct px_ivf_point){0.9f, 4};
    calibration.points[1] = (struct px_ivf_point){1.0f, 8};
    assert_int_equal(px_ivf_probe_count(&calibration, 0.5, 1000), 4);
    assert_int_equal(px_ivf_probe_count(&calibration, 0.9428572, 1000), 6);
    assert_int_equal(px_ivf_probe_count(&calibration, 1.0, 1000), 8);
    assert_int_equal(px_ivf_probe_count(&calibration, 0.9428572, 10000), 60);
    assert_int_equal(px_ivf_probe_count(&calibration, 0.9428572, 100), 1);
    assert_int_equal(px_ivf_probe_count(NULL, 0.95, 32 * 80), 10);
    assert_int_equal(px_ivf_probe_count(NULL, 0.95, 1), 1);
    calibration.points[1].recall = 0.95f;
    assert_int_equal(px_ivf_probe_count(&calibration, 0.99, 1000), 16);
}

static void test_ivf__calibration_holds_for_other_queries(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf");
    for (size_t m = 0; m < 3; m++) {
        struct ivf_rows rows = ivf_rows_new(&random, metrics[m], 6000, 48, 4, 1.0f);
        struct px_ivf *ivf = ivf_build(&rows);
        const struct px_ivf *parts[] = {ivf};
        struct px_ivf_calibration calibration;
        struct px_ivf_calibrating calibrating = {.seed = px_test_next(&random)};
        assert_int_equal(
            px_ivf_calibrate(&(struct px_ivf_set){parts, 1}, &calibrating, &calibration, NULL),
            PROXIMADB_OK);
        assert_int_equal(calibration.row_count, 6000);
        assert_int_equal(calibration.point_count, PX_IVF_MOST_POINTS);
        for (size_t i = 1; i < PX_IVF_MOST_POINTS; i++)
            assert_true(calibration.points[i].probe_count >= calibration.points[i - 1].probe_count);
        float *queries = make_queries(&random, &rows, 0.2f);
        struct results results;
        double farthest[QUERIES];
        find_truth(&rows, queries, farthest);
        search_all(ivf, queries, 48, px_ivf_probe_count(&calibration, 0.9, 6000), true, &results);
        double recall = recall_of(&rows, queries, farthest, &results);
        if (recall < 0.8)
            fail_msg("metric %zu: calibrated for .9, got %.3f", m, recall);
        free(queries);
        px_ivf_close(ivf);
        ivf_rows_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ivf__finds_the_nearest_rows),
        cmocka_unit_test(test_ivf__takes_the_most_dimensions),
        cmocka_unit_test(test_ivf__finds_rows_that_are_few_or_equal),
        cmocka_unit_test(test_ivf__finds_vectors_of_zeros),
        cmocka_unit_test(test_ivf__survives_huge_and_tiny_rows),
        cmocka_unit_test(test_ivf__cuts_long_lists),
        cmocka_unit_test(test_ivf__returns_only_what_is_accepted),
        cmocka_unit_test(test_ivf__stops_when_asked),
        cmocka_unit_test(test_ivf__is_the_same_from_any_number_of_threads),
        cmocka_unit_test(test_ivf__passes_on_what_reading_fails_with),
        cmocka_unit_test(test_ivf__comes_back_from_a_file),
        cmocka_unit_test(test_ivf__of_something_else_is_refused),
        cmocka_unit_test(test_ivf__with_a_changed_byte_is_refused_or_harmless),
        cmocka_unit_test(test_ivf__verify_finds_every_changed_byte),
        cmocka_unit_test(test_ivf__that_was_cut_is_refused_with_its_name),
        cmocka_unit_test(test_ivf__says_which_file_could_not_be_written),
        cmocka_unit_test(test_ivf__probe_count_follows_the_calibration),
        cmocka_unit_test(test_ivf__calibration_holds_for_other_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
