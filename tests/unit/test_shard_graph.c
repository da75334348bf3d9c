/* px-test: layers=api */
/*
 * Goal: rows that the graph does not know are found as soon as they are written, and rows that it
 * knows as soon as they are gone no more; a graph comes back from its file, and a file that is of no
 * use is made anew while searches are exact; what is hard for a graph (equal vectors, one row, one
 * dimension and 65,536, nothing left) is answered like anything else.
 * Method: collections of few rows, with graphs from a hundred rows on, whose searches are compared
 * with exact ones; a builder that is held back; files that are cut, changed and removed.
 */
#include "service/engine.h"

#include "support/engine_index.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

enum { DIMS = 16, LEAST_ROWS = 100 };

#if defined(PX_SANITIZED) /* ten times slower */
enum { MOST_ROWS = 5000, MOST_DIMS = 8192 };
#else
enum { MOST_ROWS = 20000, MOST_DIMS = 65536 };
#endif

static struct engine_box box;
static struct px_test_random dice;

static void open_box(const char *folder)
{
    engine_init(&box, &px_fs_posix, px_test_folder(folder));
    box.options.index_least_rows = LEAST_ROWS;
    engine_open(&box);
    dice = px_test_random_new(folder);
}

static void create(const char *name, uint32_t dim_count, int metric)
{
    engine_must(index_try_create(&box, name, dim_count, metric, PROXIMADB_INDEX_LEAN), &box.error);
}

static float *make_vectors(size_t count, size_t dim_count)
{
    float *vectors = malloc(count * dim_count * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < count * dim_count; i++)
        vectors[i] = px_test_float(&dice) - 0.5f;
    return vectors;
}

static void put(const char *name, const char *prefix, size_t count, size_t dim_count)
{
    float *vectors = make_vectors(count, dim_count);
    index_put(&box, PROXIMADB_UPSERT, name, prefix, 0, vectors, count, dim_count);
    free(vectors);
}

/* Share of the nearest that searches find. */
static double recall_of(const char *name, size_t dim_count, size_t k)
{
    enum { QUERIES = 50 };
    float *queries = make_vectors(QUERIES, dim_count);
    size_t missed = 0;
    for (size_t i = 0; i < QUERIES; i++)
        missed += index_compare(&box, name, queries + i * dim_count, dim_count, k);
    free(queries);
    return 1.0 - (double)missed / (double)(QUERIES * k);
}

static struct proximadb_collection_info info_of(const char *name)
{
    return engine_info(&box, name).info;
}

static struct px_indexing state_of(const char *name)
{
    struct px_shard *shard = index_shard(&box, name);
    pthread_mutex_lock(&shard->lock);
    struct px_indexing state = shard->indexing;
    pthread_mutex_unlock(&shard->lock);
    px_shard_unref(shard);
    return state;
}

/* ---- what the graph does not know yet ------------------------------------------------------ */

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

static void test_shard_graph__finds_rows_that_are_not_in_it(void **state)
{
    (void)state;
    open_box("shard_graph_tail");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "old", 500, DIMS);
    assert_true(index_wait(&box, "docs"));
    assert_string_equal(state_of("docs").index != NULL ? "ready" : "none", "ready");
    index_hold(&box, "docs", true);
    float *vectors = make_vectors(200, DIMS);
    index_put(&box, PROXIMADB_INSERT, "docs", "new", 0, vectors, 200, DIMS);
    assert_int_equal(info_of("docs").index_lag, 200);
    check_found("docs", "new", vectors, 200);
    engine_must(engine_call(&box, PROXIMADB_FLUSH, "docs", NULL, NULL, &box.error), &box.error);
    check_found("docs", "new", vectors, 200); /* now in a part */
    engine_must(engine_call(&box, PROXIMADB_COMPACT, "docs", NULL, NULL, &box.error), &box.error);
    check_found("docs", "new", vectors, 200); /* and in another, between others */
    index_hold(&box, "docs", false);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_lag, 0);
    assert_int_equal(info_of("docs").index_row_count, 700);
    check_found("docs", "new", vectors, 200);
    free(vectors);
    engine_close(&box);
}

/* Of a row that is updated the old vector is in the graph, and must not be found. */
static void test_shard_graph__forgets_rows_at_once(void **state)
{
    (void)state;
    open_box("shard_graph_forgets");
    create("docs", DIMS, PROXIMADB_COSINE);
    float *before = make_vectors(300, DIMS), *after = make_vectors(300, DIMS);
    index_put(&box, PROXIMADB_INSERT, "docs", "row", 0, before, 300, DIMS);
    assert_true(index_wait(&box, "docs"));
    index_hold(&box, "docs", true);
    index_put(&box, PROXIMADB_UPDATE, "docs", "row", 0, after, 150, DIMS);
    check_found("docs", "row", after, 150);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(index_compare(&box, "docs", before + i * DIMS, DIMS, 300), 0);
    for (size_t i = 150; i < 300; i++) {
        char id[40];
        snprintf(id, sizeof id, "row-%05zu", i);
        engine_must(engine_try_delete(&box, "docs", id, NULL), &box.error);
        struct engine_rows rows = {0};
        index_search(&box, "docs", before + i * DIMS, DIMS, 300, false, &rows);
        assert_null(engine_rows_find(&rows, id));
        assert_int_equal(rows.count, 299 - (i - 150));
        engine_rows_clear(&rows);
    }
    free(before);
    free(after);
    engine_close(&box);
}

/* ---- files --------------------------------------------------------------------------------- */

static void file_of(char *path, size_t size)
{
    char pattern[400];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/store/docs/indexes/hnsw/*", box.folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1); /* no file is left of before */
    snprintf(path, size, "%s", found.gl_pathv[0]);
    globfree(&found);
}

static void reopen(void)
{
    engine_open(&box);
    assert_true(index_wait(&box, "docs"));
}

static void test_shard_graph__comes_back_from_its_file(void **state)
{
    (void)state;
    char path[400];
    open_box("shard_graph_file");
    create("docs", DIMS, PROXIMADB_COSINE);
    put("docs", "row", 1000, DIMS);
    assert_true(index_wait(&box, "docs"));
    put("docs", "more", 30, DIMS);
    engine_must(engine_try_delete(&box, "docs", "row-00007", NULL), &box.error);
    engine_close(&box); /* which saves it */
    file_of(path, sizeof path);
    reopen();
    struct px_indexing state_now = state_of("docs");
    assert_int_equal(state_now.rebuild_count, 0);
    assert_false(engine_has_logged(&box, "built anew"));
    assert_int_equal(info_of("docs").index_row_count, 1029);
    assert_true(info_of("docs").index_file_bytes > 1000 * DIMS);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
    file_of(path, sizeof path);
}

/* With one thing wrong with the file. */
static void check_rebuilt(void (*spoil)(const char *path), const char *why)
{
    char path[400];
    file_of(path, sizeof path);
    spoil(path);
    engine_open(&box);
    assert_true(recall_of("docs", DIMS, 10) > 0.9); /* exact, or from the new one */
    assert_true(index_wait(&box, "docs"));
    assert_true(engine_has_logged(&box, "built anew"));
    assert_true(engine_has_logged(&box, why));
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
    assert_int_equal(info_of("docs").index_row_count, 800);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    box.lines.text[0] = '\0';
    engine_close(&box);
    file_of(path, sizeof path); /* the new one, and no other */
}

static void remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void cut_file(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
}

static void flip_bit(const char *path)
{
    int fd = open(path, O_RDWR);
    struct stat info;
    uint8_t byte;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    off_t at = (off_t)px_test_below(&dice, (uint64_t)info.st_size);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_shard_graph__is_built_anew_if_its_file_is_of_no_use(void **state)
{
    (void)state;
    open_box("shard_graph_spoilt");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 800, DIMS);
    engine_must(engine_call(&box, PROXIMADB_FLUSH, "docs", NULL, NULL, &box.error), &box.error);
    assert_true(index_wait(&box, "docs"));
    engine_close(&box);
    check_rebuilt(remove_file, "missing");
    check_rebuilt(cut_file, "graph-");
    for (int i = 0; i < 5; i++)
        check_rebuilt(flip_bit, "graph-");
}

/* A file that is older than the rows: what it does not know is added, what is gone is not found. */
static void test_shard_graph__catches_up_from_a_stale_file(void **state)
{
    (void)state;
    char path[400], kept[420];
    open_box("shard_graph_stale");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 600, DIMS);
    assert_true(index_wait(&box, "docs"));
    engine_close(&box);
    file_of(path, sizeof path);
    snprintf(kept, sizeof kept, "%s/kept", box.folder);
    assert_int_equal(rename(path, kept), 0);
    engine_open(&box);
    put("docs", "row", 100, DIMS); /* other vectors for some of them */
    put("docs", "more", 100, DIMS);
    for (int i = 400; i < 500; i++) {
        char id[40];
        snprintf(id, sizeof id, "row-%05d", i);
        engine_must(engine_try_delete(&box, "docs", id, NULL), &box.error);
    }
    engine_must(engine_call(&box, PROXIMADB_COMPACT, "docs", NULL, NULL, &box.error), &box.error);
    assert_true(index_wait(&box, "docs"));
    engine_close(&box);
    char newer[400];
    file_of(newer, sizeof newer);
    assert_int_equal(rename(kept, newer), 0);
    reopen();
    assert_int_equal(info_of("docs").index_row_count, 600);
    assert_int_equal(info_of("docs").index_rebuild_count, 0);
    assert_int_equal(px_graph_live_count(state_of("docs").index->graph), 600);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
}

/* ---- asking for it ------------------------------------------------------------------------- */

static int rebuild(const char *name, int memory)
{
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_rebuild_index(memory, &payload, &box.error), &box.error);
    return engine_call(&box, PROXIMADB_REBUILD_INDEX, name, &payload, NULL, &box.error);
}

static void test_shard_graph__is_built_anew_when_asked(void **state)
{
    (void)state;
    open_box("shard_graph_asked");
    create("docs", DIMS, PROXIMADB_DOT);
    put("docs", "row", 700, DIMS);
    assert_true(index_wait(&box, "docs"));
    engine_must(rebuild("docs", -1), &box.error);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
    assert_int_equal(info_of("docs").spec.index_memory, PROXIMADB_INDEX_LEAN);
    engine_must(rebuild("docs", PROXIMADB_INDEX_FAST), &box.error);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_rebuild_count, 2);
    assert_int_equal(info_of("docs").spec.index_memory, PROXIMADB_INDEX_FAST);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
    reopen(); /* with the file of the new kind */
    assert_int_equal(info_of("docs").spec.index_memory, PROXIMADB_INDEX_FAST);
    assert_int_equal(info_of("docs").index_rebuild_count, 0);
    engine_create(&box, "flat", DIMS, PROXIMADB_L2);
    assert_int_equal(rebuild("flat", -1), PROXIMADB_INVALID);
    assert_non_null(strstr(box.error.message, "FLAT"));
    assert_int_equal(rebuild("nowhere", -1), PROXIMADB_COLLECTION_NOT_FOUND);
    engine_close(&box);
}

/* A graph knows the longest vector that it was made for. */
static void test_shard_graph__is_built_anew_for_longer_vectors(void **state)
{
    (void)state;
    open_box("shard_graph_longer");
    create("docs", DIMS, PROXIMADB_DOT);
    put("docs", "row", 500, DIMS);
    assert_true(index_wait(&box, "docs"));
    float *vectors = make_vectors(100, DIMS);
    for (size_t i = 0; i < 100 * DIMS; i++)
        vectors[i] *= 10;
    index_put(&box, PROXIMADB_INSERT, "docs", "long", 0, vectors, 100, DIMS);
    assert_true(index_wait(&box, "docs"));
    assert_true(info_of("docs").index_rebuild_count >= 1);
    assert_int_equal(info_of("docs").index_row_count, 600);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    free(vectors);
    engine_close(&box);
}

/* ---- hard ones ----------------------------------------------------------------------------- */

/* All rows are equally far, so their ids decide, and the graph cannot know which are wanted: what
 * counts is that k are found, and quickly. */
static void test_shard_graph__holds_equal_vectors(void **state)
{
    (void)state;
    float *vectors = malloc(MOST_ROWS * DIMS * sizeof *vectors);
    struct engine_rows rows = {0};
    assert_non_null(vectors);
    for (size_t i = 0; i < (size_t)MOST_ROWS * DIMS; i++)
        vectors[i] = (float)(i % DIMS) + 1;
    open_box("shard_graph_equal");
    create("docs", DIMS, PROXIMADB_COSINE);
    for (size_t first = 0; first < MOST_ROWS; first += 5000)
        index_put(&box, PROXIMADB_INSERT, "docs", "row", first, vectors, 5000, DIMS);
    put("docs", "other", 300, DIMS);
    assert_true(index_wait(&box, "docs"));
    index_search(&box, "docs", vectors, DIMS, 50, false, &rows);
    assert_int_equal(rows.count, 50);
    size_t equal = 0;
    for (size_t i = 0; i < rows.count; i++)
        equal += rows.items[i].distance <= rows.items[0].distance;
    print_message("equal %zu first %g\n", equal, rows.items[0].distance);
    assert_true(equal == 50);
    engine_rows_clear(&rows);
    /* The others are found all the same. */
    float *queries = make_vectors(30, DIMS);
    size_t missed = 0;
    for (size_t i = 0; i < 30; i++)
        missed += index_compare(&box, "docs", queries + i * DIMS, DIMS, 10);
    assert_true(missed < 60);
    free(queries);
    free(vectors);
    engine_close(&box);
}

static void test_shard_graph__begins_again_when_all_is_deleted(void **state)
{
    (void)state;
    open_box("shard_graph_again");
    create("docs", DIMS, PROXIMADB_L2);
    for (int i = 0; i < 3; i++) {
        struct engine_rows rows = {0};
        float *query = make_vectors(1, DIMS);
        put("docs", "row", 900, DIMS);
        assert_true(index_wait(&box, "docs"));
        assert_int_equal(info_of("docs").index_row_count, 900);
        assert_true(recall_of("docs", DIMS, 10) > 0.9);
        engine_must(engine_try_delete_where(&box, "docs", NULL, "nothing IS NULL", NULL),
                    &box.error);
        assert_int_equal(engine_count(&box, "docs", NULL), 0);
        index_search(&box, "docs", query, DIMS, 10, false, &rows);
        assert_int_equal(rows.count, 0);
        put("docs", "one", 1, DIMS);
        index_search(&box, "docs", query, DIMS, 10, false, &rows);
        assert_int_equal(rows.count, 1);
        engine_rows_clear(&rows);
        engine_must(engine_try_delete(&box, "docs", "one-00000", NULL), &box.error);
        free(query);
    }
    engine_close(&box);
}

static void check_dimension(const char *name, uint32_t dim_count, size_t count)
{
    float *queries = make_vectors(5, dim_count);
    create(name, dim_count, PROXIMADB_L2);
    put(name, "row", count, dim_count);
    assert_true(index_wait(&box, name));
    assert_int_equal(info_of(name).index_row_count, count);
    size_t missed = 0;
    for (size_t i = 0; i < 5; i++)
        missed += index_compare(&box, name, queries + i * dim_count, dim_count, 5);
    assert_true(missed <= 5);
    free(queries);
}

static void test_shard_graph__takes_any_dimension(void **state)
{
    (void)state;
    open_box("shard_graph_dims");
    check_dimension("one", 1, 600);
    check_dimension("seven", 7, 600);
    check_dimension("most", MOST_DIMS, LEAST_ROWS + 10);
    engine_close(&box);
}

static void test_shard_graph__is_none_for_few_rows(void **state)
{
    (void)state;
    open_box("shard_graph_few");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 1, DIMS);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_row_count, 0);
    assert_int_equal(info_of("docs").index_lag, 0);
    float *query = make_vectors(1, DIMS);
    assert_int_equal(index_compare(&box, "docs", query, DIMS, 10), 0);
    free(query);
    engine_close(&box);
}

/* ---- searches that ask for more than near rows --------------------------------------------- */

static int search_with(struct proximadb_search_options options)
{
    struct proximadb_buffer payload;
    int rc = proximadb_encode_search(&options, &payload, &box.error);
    return rc == PROXIMADB_OK
               ? engine_call(&box, PROXIMADB_SEARCH, "docs", &payload, NULL, &box.error)
               : rc;
}

static void test_shard_graph__is_asked_within_bounds(void **state)
{
    (void)state;
    open_box("shard_graph_bounds");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 400, DIMS);
    assert_true(index_wait(&box, "docs"));
    float *query = make_vectors(1, DIMS);
    struct proximadb_search_options options = {.struct_size = sizeof options,
                                               .queries = query,
                                               .query_count = 1,
                                               .dim_count = DIMS,
                                               .k = 5};
    options.ef = 10000;
    engine_must(search_with(options), &box.error);
    options.ef = 10001;
    assert_int_equal(search_with(options), PROXIMADB_INVALID);
    assert_non_null(strstr(box.error.message, "at most 10000"));
    options.ef = 1; /* fewer than k: k is what counts */
    engine_must(search_with(options), &box.error);
    options.nprobe = 65537;
    assert_int_equal(search_with(options), PROXIMADB_INVALID);
    options.nprobe = 0;
    options.target_recall = 0.999;
    engine_must(search_with(options), &box.error);
    options.target_recall = 1;
    assert_int_equal(search_with(options), PROXIMADB_INVALID);
    assert_non_null(strstr(box.error.message, "exact"));
    free(query);
    engine_close(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shard_graph__finds_rows_that_are_not_in_it),
        cmocka_unit_test(test_shard_graph__forgets_rows_at_once),
        cmocka_unit_test(test_shard_graph__comes_back_from_its_file),
        cmocka_unit_test(test_shard_graph__is_built_anew_if_its_file_is_of_no_use),
        cmocka_unit_test(test_shard_graph__catches_up_from_a_stale_file),
        cmocka_unit_test(test_shard_graph__is_built_anew_when_asked),
        cmocka_unit_test(test_shard_graph__is_built_anew_for_longer_vectors),
        cmocka_unit_test(test_shard_graph__holds_equal_vectors),
        cmocka_unit_test(test_shard_graph__begins_again_when_all_is_deleted),
        cmocka_unit_test(test_shard_graph__takes_any_dimension),
        cmocka_unit_test(test_shard_graph__is_none_for_few_rows),
        cmocka_unit_test(test_shard_graph__is_asked_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
