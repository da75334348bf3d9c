/* px-test: layers=api */
/*
 * Goal: a collection of index type IVF finds rows as soon as they are written, whether the codes
 * know them or not, and does not find them any more as soon as they are gone; it has the recall that
 * is asked for; what is hard (equal vectors, one dimension and 65,536, nothing left) is answered like
 * anything else.
 * Method: collections of some hundred rows in lists of some tens, whose searches are compared with
 * exact ones; an indexer that is held back.
 */
#include "service/engine.h"

#include "support/engine_ivf.h"

#if defined(PX_SANITIZED) /* ten times slower */
enum { MOST_ROWS = 4000, MOST_DIMS = 8192 };
#else
enum { MOST_ROWS = 10000, MOST_DIMS = 65536 };
#endif

/* ---- what has no codes --------------------------------------------------------------------- */

/* Each row by its own vector, at the first place. */
static void check_found(const char *name, const char *prefix, const float *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct engine_rows rows = {0};
        char id[40];
        snprintf(id, sizeof id, "%s-%05zu", prefix, i);
        index_search(&box, name, vectors + i * DIMS, DIMS, 1, false, &rows);
        assert_int_equal(rows.count, 1);
        assert_string_equal(rows.items[0].id, id);
        engine_rows_clear(&rows);
    }
}

/* Nothing can be written to the folder of files, or it can again. */
static void hide_folder(bool is_hidden)
{
    char path[400], hidden[400];
    snprintf(path, sizeof path, "%s/store/docs/indexes/ivf", box.folder);
    snprintf(hidden, sizeof hidden, "%s/hidden", box.folder);
    assert_int_equal(rename(is_hidden ? path : hidden, is_hidden ? hidden : path), 0);
}

static void test_shard_ivf__finds_rows_without_codes(void **state)
{
    (void)state;
    open_box("shard_ivf_tail");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "old", 500, DIMS);
    assert_true(index_wait(&box, "docs"));
    assert_string_equal(numbers_of("docs").index_state, "none"); /* there are no lists yet */
    assert_int_equal(info_of("docs").index_lag, 500);
    settle("docs");
    assert_string_equal(numbers_of("docs").index_state, "ready");
    assert_int_equal(info_of("docs").index_lag, 0);
    assert_int_equal(info_of("docs").index_row_count, 500);
    assert_true(info_of("docs").index_file_bytes > 500 * DIMS);
    float *vectors = make_vectors(200, DIMS);
    index_put(&box, PROXIMADB_INSERT, "docs", "new", 0, vectors, 200, DIMS);
    assert_int_equal(info_of("docs").index_lag, 200);
    check_found("docs", "new", vectors, 200);
    engine_flush(&box, "docs");
    check_found("docs", "new", vectors, 200); /* now in a part */
    index_hold(&box, "docs", true);
    hide_folder(true); /* so that the compaction cannot give its parts codes */
    engine_compact(&box, "docs", PARTS);
    hide_folder(false);
    assert_string_equal(numbers_of("docs").index_state, "building");
    assert_int_equal(info_of("docs").index_lag, 700);
    check_found("docs", "new", vectors, 200); /* and in parts whose codes are to come */
    index_hold(&box, "docs", false);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_lag, 0);
    assert_int_equal(info_of("docs").index_row_count, 700);
    check_found("docs", "new", vectors, 200);
    free(vectors);
    engine_close(&box);
}

/* Parts that compaction has written have their codes as soon as somebody sees them. */
static void test_shard_ivf__is_not_lost_by_compaction(void **state)
{
    (void)state;
    open_box("shard_ivf_compacted");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "old", 500, DIMS);
    index_hold(&box, "docs", true); /* nobody else makes any */
    engine_flush(&box, "docs");
    for (int i = 0; i < 3; i++) {
        put("docs", "new", 100, DIMS);
        engine_flush(&box, "docs");
        engine_compact(&box, "docs", PARTS);
        assert_string_equal(numbers_of("docs").index_state, "ready");
        assert_int_equal(info_of("docs").index_lag, 0);
        assert_int_equal(info_of("docs").index_row_count, 600);
        assert_true(recall_of("docs", DIMS, 10) > 0.7); /* nothing was learnt */
    }
    index_hold(&box, "docs", false);
    assert_true(index_wait(&box, "docs"));
    check_files();
    engine_close(&box);
}

/* Of a row that is updated the old vector is in the codes, and must not be found. */
static void test_shard_ivf__forgets_rows_at_once(void **state)
{
    (void)state;
    open_box("shard_ivf_forgets");
    create("docs", DIMS, PROXIMADB_COSINE);
    float *before = make_vectors(300, DIMS), *after = make_vectors(300, DIMS);
    index_put(&box, PROXIMADB_INSERT, "docs", "row", 0, before, 300, DIMS);
    settle("docs");
    index_put(&box, PROXIMADB_UPDATE, "docs", "row", 0, after, 150, DIMS);
    assert_int_equal(info_of("docs").index_row_count, 150);
    check_found("docs", "row", after, 150);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(index_compare(&box, "docs", before + i * DIMS, DIMS, 300), 0);
    for (size_t i = 150; i < 300; i++) {
        char id[40];
        snprintf(id, sizeof id, "row-%05zu", i);
        engine_must(engine_try_delete(&box, "docs", id, NULL), &box.error);
        for (size_t k = 1; k <= 20; k += 19) {
            struct engine_rows rows = {0};
            index_search(&box, "docs", before + i * DIMS, DIMS, k, false, &rows);
            assert_null(engine_rows_find(&rows, id));
            assert_int_equal(rows.count, k);
            engine_rows_clear(&rows);
        }
    }
    free(before);
    free(after);
    engine_close(&box);
}

static void delete_rows(const char *prefix, size_t first, size_t count)
{
    struct proximadb_text *texts = calloc(count, sizeof *texts);
    char(*ids)[40] = calloc(count, sizeof *ids);
    struct proximadb_buffer payload;
    struct proximadb_write_result result;
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%s-%05zu", prefix, first + i);
        texts[i] = engine_text(ids[i]);
    }
    engine_must(proximadb_encode_delete(NULL, texts, count, NULL, &payload, NULL), NULL);
    engine_must(engine_write(&box, PROXIMADB_DELETE, "docs", &payload, &result), &box.error);
    assert_int_equal(result.affected, count);
    free(ids);
    free(texts);
}

/* Nearly all that is near is dead: a search looks further until it has k rows. */
static void test_shard_ivf__finds_k_rows_among_dead_ones(void **state)
{
    (void)state;
    struct engine_rows rows = {0};
    enum { COUNT = 2000, KEPT = 40 };
    open_box("shard_ivf_dead");
    create("docs", DIMS, PROXIMADB_L2);
    float *vectors = make_vectors(COUNT, DIMS);
    for (size_t i = KEPT * DIMS; i < COUNT * (size_t)DIMS; i++)
        vectors[i] *= 0.1f; /* around the query, and the kept ones are not */
    for (size_t i = 0; i < KEPT; i++)
        vectors[i * DIMS] += 5;
    index_put(&box, PROXIMADB_INSERT, "docs", "row", 0, vectors, COUNT, DIMS);
    settle("docs");
    delete_rows("row", KEPT, COUNT - KEPT);
    float query[DIMS] = {0};
    index_search(&box, "docs", query, DIMS, 30, false, &rows);
    assert_int_equal(rows.count, 30);
    assert_true(index_compare(&box, "docs", query, DIMS, 30) <= 10);
    engine_rows_clear(&rows);
    free(vectors);
    engine_close(&box);
}

/* ---- hard ones ----------------------------------------------------------------------------- */

/* All rows are equally far, so their ids decide, and the codes cannot know which are wanted: what
 * counts is that k are found. */
static void test_shard_ivf__holds_equal_vectors(void **state)
{
    (void)state;
    float *vectors = malloc(MOST_ROWS * DIMS * sizeof *vectors);
    struct engine_rows rows = {0};
    assert_non_null(vectors);
    for (size_t i = 0; i < (size_t)MOST_ROWS * DIMS; i++)
        vectors[i] = (float)(i % DIMS) + 1;
    open_box("shard_ivf_equal");
    create("docs", DIMS, PROXIMADB_COSINE);
    for (size_t first = 0; first < MOST_ROWS; first += 2000)
        index_put(&box, PROXIMADB_INSERT, "docs", "row", first, vectors, 2000, DIMS);
    put("docs", "other", 300, DIMS);
    settle("docs");
    assert_int_equal(info_of("docs").index_row_count, MOST_ROWS + 300);
    index_search(&box, "docs", vectors, DIMS, 50, false, &rows);
    assert_int_equal(rows.count, 50);
    for (size_t i = 0; i < rows.count; i++)
        assert_true(rows.items[i].distance <= rows.items[0].distance);
    engine_rows_clear(&rows);
    float *queries = make_vectors(30, DIMS);
    size_t missed = 0;
    for (size_t i = 0; i < 30; i++) /* the others are found all the same */
        missed += index_compare(&box, "docs", queries + i * DIMS, DIMS, 10);
    assert_true(missed < 60);
    free(queries);
    free(vectors);
    engine_close(&box);
}

static void test_shard_ivf__begins_again_when_all_is_deleted(void **state)
{
    (void)state;
    open_box("shard_ivf_again");
    create("docs", DIMS, PROXIMADB_L2);
    for (int i = 0; i < 3; i++) {
        struct engine_rows rows = {0};
        float *query = make_vectors(1, DIMS);
        put("docs", "row", 900, DIMS);
        settle("docs");
        assert_int_equal(info_of("docs").index_row_count, 900);
        assert_true(recall_of("docs", DIMS, 10) > 0.9);
        engine_must(engine_try_delete_where(&box, "docs", NULL, "nothing IS NULL", NULL),
                    &box.error);
        assert_int_equal(engine_count(&box, "docs", NULL), 0);
        assert_int_equal(info_of("docs").index_row_count, 0);
        index_search(&box, "docs", query, DIMS, 10, false, &rows);
        assert_int_equal(rows.count, 0);
        put("docs", "one", 1, DIMS);
        index_search(&box, "docs", query, DIMS, 10, false, &rows);
        assert_int_equal(rows.count, 1);
        engine_rows_clear(&rows);
        engine_must(engine_try_delete(&box, "docs", "one-00000", NULL), &box.error);
        settle("docs"); /* which leaves no part */
        assert_int_equal(list_files("part_*").count, 0);
        free(query);
    }
    engine_close(&box);
}

static void check_dimension(const char *name, uint32_t dim_count, int metric, size_t count)
{
    float *queries = make_vectors(5, dim_count);
    create(name, dim_count, metric);
    put(name, "row", count, dim_count);
    settle(name);
    assert_int_equal(info_of(name).index_row_count, count);
    size_t missed = 0;
    for (size_t i = 0; i < 5; i++)
        missed += index_compare(&box, name, queries + i * dim_count, dim_count, 5);
    /* Random vectors of many dimensions are almost equally far, so that codes take one for another. */
    print_message("%s: %zu of 25 missed\n", name, missed);
    assert_true(missed <= 10);
    free(queries);
}

static void test_shard_ivf__takes_any_dimension_and_metric(void **state)
{
    (void)state;
    open_box("shard_ivf_dims");
    check_dimension("one", 1, PROXIMADB_L2, 600);
    check_dimension("seven", 7, PROXIMADB_COSINE, 600);
    check_dimension("hundred", 100, PROXIMADB_DOT, 600);
    check_dimension("most", MOST_DIMS, PROXIMADB_L2, LEAST_ROWS + 10);
    engine_close(&box);
}

static void test_shard_ivf__is_none_for_few_rows(void **state)
{
    (void)state;
    open_box("shard_ivf_few");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", LEAST_ROWS - 1, DIMS);
    settle("docs");
    assert_int_equal(info_of("docs").index_row_count, 0);
    assert_int_equal(info_of("docs").index_lag, 0);
    assert_string_equal(numbers_of("docs").index_state, "none");
    float *query = make_vectors(1, DIMS);
    assert_int_equal(index_compare(&box, "docs", query, DIMS, 10), 0);
    free(query);
    put("docs", "more", 1, DIMS); /* that makes enough */
    settle("docs");
    assert_int_equal(info_of("docs").index_row_count, LEAST_ROWS);
    engine_close(&box);
    reopen();
    assert_int_equal(info_of("docs").index_row_count, LEAST_ROWS);
    engine_close(&box);
}

/* ---- what may be asked --------------------------------------------------------------------- */

static int search_with(struct proximadb_search_options options, struct engine_rows *rows)
{
    struct proximadb_buffer payload;
    int rc = proximadb_encode_search(&options, &payload, &box.error);
    engine_rows_clear(rows);
    return rc == PROXIMADB_OK ? engine_read(&box, PROXIMADB_SEARCH, "docs", &payload, rows) : rc;
}

static double distance_sum(const struct engine_rows *rows)
{
    double sum = 0;
    for (size_t i = 0; i < rows->count; i++)
        sum += rows->items[i].distance;
    return sum;
}

static void test_shard_ivf__is_asked_within_bounds(void **state)
{
    (void)state;
    struct engine_rows rows = {0};
    open_box("shard_ivf_bounds");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 3000, DIMS);
    settle("docs");
    float *query = make_vectors(1, DIMS);
    struct proximadb_search_options options = {.struct_size = sizeof options,
                                               .queries = query,
                                               .query_count = 1,
                                               .dim_count = DIMS,
                                               .k = 20,
                                               .exact = true};
    engine_must(search_with(options, &rows), &box.error);
    double exact = distance_sum(&rows);
    options.exact = false;
    options.nprobe = 1;
    engine_must(search_with(options, &rows), &box.error);
    assert_int_equal(rows.count, 20);
    assert_true(distance_sum(&rows) > exact * 1.001); /* one list has not all of them */
    options.nprobe = 65536;
    engine_must(search_with(options, &rows), &box.error);
    assert_true(distance_sum(&rows) <= exact);
    options.ef = 10000; /* more candidates than there are rows */
    engine_must(search_with(options, &rows), &box.error);
    assert_true(distance_sum(&rows) <= exact);
    options.nprobe = 65537;
    assert_int_equal(search_with(options, &rows), PROXIMADB_INVALID);
    assert_non_null(strstr(box.error.message, "nprobe"));
    options.nprobe = 0;
    options.ef = 10001;
    assert_int_equal(search_with(options, &rows), PROXIMADB_INVALID);
    options.ef = 1; /* fewer than k: k is what counts */
    engine_must(search_with(options, &rows), &box.error);
    assert_int_equal(rows.count, 20);
    options.target_recall = 0.999;
    engine_must(search_with(options, &rows), &box.error);
    options.target_recall = 1;
    assert_int_equal(search_with(options, &rows), PROXIMADB_INVALID);
    engine_rows_clear(&rows);
    free(query);
    engine_close(&box);
}

/* ---- recall -------------------------------------------------------------------------------- */

enum { PLACES = 50, QUERIES = 200, K = 10 };

/* Near one of some places, as real vectors are. */
static void fill_near_places(const float *places, float *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float *place = places + px_test_below(&dice, PLACES) * DIMS;
        for (size_t j = 0; j < DIMS; j++)
            vectors[i * DIMS + j] = place[j] + 0.6f * (px_test_float(&dice) - 0.5f);
    }
}

/* Share of the nearest that searches for it find; queries are no rows. */
static double recall_at(const float *places, double target)
{
    float *queries = make_vectors(QUERIES, DIMS);
    size_t found_count = 0;
    fill_near_places(places, queries, QUERIES);
    for (size_t i = 0; i < QUERIES; i++) {
        struct engine_rows exact = {0}, found = {0};
        struct proximadb_search_options options = {.struct_size = sizeof options,
                                                   .queries = queries + i * DIMS,
                                                   .query_count = 1,
                                                   .dim_count = DIMS,
                                                   .k = K,
                                                   .target_recall = target};
        engine_must(search_with(options, &found), &box.error);
        index_search(&box, "docs", queries + i * DIMS, DIMS, K, true, &exact);
        for (size_t j = 0; j < exact.count; j++)
            found_count += engine_rows_find(&found, exact.items[j].id) != NULL;
        engine_rows_clear(&exact);
        engine_rows_clear(&found);
    }
    free(queries);
    double recall = (double)found_count / (QUERIES * K);
    print_message("target %g: recall %g\n", target, recall);
    return recall;
}

/* Before and behind all that may happen to rows. What is wanted, less three standard deviations of
 * what 200 queries may give. */
static void test_shard_ivf__has_the_recall_that_is_asked_for(void **state)
{
    (void)state;
    enum { COUNT = 5000, CHANGED = 2000 };
    open_box("shard_ivf_recall");
    create("docs", DIMS, PROXIMADB_L2);
    float *places = make_vectors(PLACES, DIMS), *vectors = make_vectors(COUNT, DIMS);
    fill_near_places(places, vectors, COUNT);
    index_put(&box, PROXIMADB_INSERT, "docs", "row", 0, vectors, COUNT, DIMS);
    settle("docs");
    assert_true(recall_at(places, 0.5) >= 0.45);
    assert_true(recall_at(places, 0.9) >= 0.86);
    assert_true(recall_at(places, 0.99) >= 0.97);
    for (int round = 0; round < 3; round++) {
        fill_near_places(places, vectors, CHANGED);
        index_put(&box, PROXIMADB_UPSERT, "docs", "row", (size_t)round * 1000, vectors, CHANGED,
                  DIMS);
        delete_rows("row", (size_t)round * 1000, 300);
        assert_true(recall_at(places, 0.9) >= 0.86); /* of what has codes, and what has none */
        settle("docs");
        assert_true(recall_at(places, 0.9) >= 0.86);
        assert_true(recall_at(places, 0.99) >= 0.97);
    }
    free(vectors);
    free(places);
    engine_close(&box);
}

/* As one by one, whatever threads they are on. */
static void test_shard_ivf__answers_many_queries_at_once(void **state)
{
    (void)state;
    struct engine_rows many = {0}, one = {0};
    open_box("shard_ivf_many");
    engine_close(&box);
    box.options.public_options.worker_count = 4;
    engine_open(&box);
    create("docs", DIMS, PROXIMADB_COSINE);
    put("docs", "row", 2000, DIMS);
    settle("docs");
    put("docs", "tail", 20, DIMS);
    float *queries = make_vectors(QUERIES, DIMS);
    struct proximadb_search_options options = {.struct_size = sizeof options,
                                               .queries = queries,
                                               .query_count = QUERIES,
                                               .dim_count = DIMS,
                                               .k = K,
                                               .target_recall = 0.99};
    engine_must(search_with(options, &many), &box.error);
    assert_int_equal(many.count, QUERIES * K);
    size_t different = 0;
    options.query_count = 1;
    for (size_t i = 0; i < QUERIES; i++) {
        options.queries = queries + i * DIMS;
        engine_must(search_with(options, &one), &box.error);
        for (size_t j = 0; j < K; j++) {
            assert_int_equal(many.items[i * K + j].query_index, i);
            different += strcmp(many.items[i * K + j].id, one.items[j].id) != 0;
        }
    }
    assert_true(different <= QUERIES * K / 100);
    engine_rows_clear(&one);
    engine_rows_clear(&many);
    free(queries);
    engine_close(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shard_ivf__finds_rows_without_codes),
        cmocka_unit_test(test_shard_ivf__is_not_lost_by_compaction),
        cmocka_unit_test(test_shard_ivf__forgets_rows_at_once),
        cmocka_unit_test(test_shard_ivf__finds_k_rows_among_dead_ones),
        cmocka_unit_test(test_shard_ivf__holds_equal_vectors),
        cmocka_unit_test(test_shard_ivf__begins_again_when_all_is_deleted),
        cmocka_unit_test(test_shard_ivf__takes_any_dimension_and_metric),
        cmocka_unit_test(test_shard_ivf__is_none_for_few_rows),
        cmocka_unit_test(test_shard_ivf__is_asked_within_bounds),
        cmocka_unit_test(test_shard_ivf__has_the_recall_that_is_asked_for),
        cmocka_unit_test(test_shard_ivf__answers_many_queries_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
