/* px-test: layers=api */
/*
 * Goal: a collection of index type IVF finds rows as soon as they are written, whether the codes
 * know them or not, and does not find them any more as soon as they are gone; codes come with the
 * parts of clusters, go with them, come back from their files, and are made anew, part by part,
 * where a file is missing, damaged or of another part, while searches are exact; what is hard (equal
 * vectors, one dimension and 65,536, nothing left) is answered like anything else.
 * Method: collections of some hundred rows in lists of some tens, whose searches are compared with
 * exact ones; an indexer that is held back; files that are cut, changed, swapped and removed.
 */
#include "service/engine.h"

#include "support/engine_index.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

enum { DIMS = 16, LEAST_ROWS = 100, PARTS = 4, MOST_FILES = 40 };

#if defined(PX_SANITIZED) /* ten times slower */
enum { MOST_ROWS = 4000, MOST_DIMS = 8192 };
#else
enum { MOST_ROWS = 10000, MOST_DIMS = 65536 };
#endif

static struct engine_box box;
static struct px_test_random dice;

static void open_box(const char *folder)
{
    engine_init(&box, &px_fs_posix, px_test_folder(folder));
    box.options.index_least_rows = LEAST_ROWS;
    box.options.list_rows = 40;
    engine_open(&box);
    dice = px_test_random_new(folder);
}

static void create(const char *name, uint32_t dim_count, int metric)
{
    engine_must(
        index_try_create_of(&box, name, dim_count, metric, PROXIMADB_IVF, PROXIMADB_INDEX_LEAN),
        &box.error);
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

/* Puts all rows into clusters, and waits for their codes. */
static void settle(const char *name)
{
    engine_flush(&box, name);
    engine_compact(&box, name, PARTS);
    assert_true(index_wait(&box, name));
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

/* ---- files --------------------------------------------------------------------------------- */

struct files {
    char paths[MOST_FILES][400];
    size_t count;
};

static struct files list_files(const char *name)
{
    struct files files = {0};
    char pattern[400];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/store/docs/indexes/ivf/%s", box.folder, name);
    if (glob(pattern, 0, NULL, &found) != 0)
        return files;
    assert_true(found.gl_pathc <= MOST_FILES);
    for (; files.count < found.gl_pathc; files.count++)
        snprintf(files.paths[files.count], sizeof files.paths[0], "%s",
                 found.gl_pathv[files.count]);
    globfree(&found);
    return files;
}

/* One for each part, what was learnt, and nothing else. */
static void check_files(void)
{
    size_t count = list_files("part_*.axis").count;
    char pattern[400];
    glob_t found;
    assert_int_equal(list_files("effort.axis").count, 1);
    assert_int_equal(list_files("*").count, count + 1);
    snprintf(pattern, sizeof pattern, "%s/store/docs/vectors/cluster_*/part_*.parquet", box.folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        bool is_fresh = strstr(found.gl_pathv[i], "cluster_000") != NULL;
        char *name = strrchr(found.gl_pathv[i], '/') + 1, with_ending[100];
        snprintf(with_ending, sizeof with_ending, "%.*saxis", (int)(strlen(name) - 7), name);
        assert_int_equal(list_files(with_ending).count, is_fresh ? 0 : 1);
        count -= !is_fresh;
    }
    globfree(&found);
    assert_int_equal(count, 0);
}

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
    assert_string_equal(info_of("docs").index_state, "none"); /* there are no lists yet */
    assert_int_equal(info_of("docs").index_lag, 500);
    settle("docs");
    assert_string_equal(info_of("docs").index_state, "ready");
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
    assert_string_equal(info_of("docs").index_state, "building");
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
        assert_string_equal(info_of("docs").index_state, "ready");
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
    engine_must(engine_try_delete_where(&box, "docs", NULL, "id >= 'row-00040'", NULL), &box.error);
    float query[DIMS] = {0};
    index_search(&box, "docs", query, DIMS, 30, false, &rows);
    assert_int_equal(rows.count, 30);
    assert_true(index_compare(&box, "docs", query, DIMS, 30) <= 10);
    engine_rows_clear(&rows);
    free(vectors);
    engine_close(&box);
}

/* ---- coming back --------------------------------------------------------------------------- */

static void reopen(void)
{
    engine_open(&box);
    assert_true(index_wait(&box, "docs"));
}

static void test_shard_ivf__comes_back_from_its_files(void **state)
{
    (void)state;
    open_box("shard_ivf_file");
    create("docs", DIMS, PROXIMADB_COSINE);
    put("docs", "row", 1000, DIMS);
    settle("docs");
    check_files();
    put("docs", "more", 30, DIMS);
    engine_must(engine_try_delete(&box, "docs", "row-00007", NULL), &box.error);
    engine_close(&box);
    struct stat before, after;
    struct files files = list_files("*");
    assert_int_equal(stat(files.paths[1], &before), 0);
    reopen();
    assert_int_equal(info_of("docs").index_rebuild_count, 0);
    assert_int_equal(info_of("docs").index_row_count, 999);
    assert_int_equal(info_of("docs").index_lag, 30);
    assert_int_equal(stat(files.paths[1], &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* it was not written again */
    assert_false(engine_has_logged(&box, "anew"));
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
    check_files();
}

static void test_shard_ivf__removes_files_with_their_parts(void **state)
{
    (void)state;
    char path[420];
    open_box("shard_ivf_sweeps");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 500, DIMS);
    settle("docs");
    struct files first = list_files("part_*");
    put("docs", "more", 500, DIMS);
    settle("docs");
    check_files();
    for (size_t i = 0; i < first.count; i++)
        assert_int_not_equal(access(first.paths[i], F_OK), 0);
    engine_close(&box);
    /* What a crash has left goes at the next start, and what is not ours stays. */
    static const char *const names[] = {"part_999.axis", "part_001.axis.tmp", "notes.txt"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/store/docs/indexes/ivf/%s", box.folder, names[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    reopen();
    assert_int_equal(unlink(path), 0);
    engine_close(&box);
    check_files();
}

/* With one thing wrong with a file; the codes of the others stay what they are. */
static void check_rebuilt(void (*spoil)(const char *path), const char *why, uint64_t row_count)
{
    struct files files = list_files("part_*.axis");
    spoil(files.paths[px_test_below(&dice, files.count)]);
    box.lines.text[0] = '\0';
    engine_open(&box);
    assert_true(recall_of("docs", DIMS, 10) > 0.9); /* exact, or from new ones */
    assert_true(index_wait(&box, "docs"));
    assert_true(engine_has_logged(&box, "built anew"));
    assert_true(engine_has_logged(&box, why));
    assert_true(strstr(info_of("docs").index_rebuild_reason, "part_") != NULL);
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
    assert_int_equal(info_of("docs").index_row_count, row_count);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
    check_files();
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

static void empty_file(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static off_t flipped_at; /* of 1,000 */

static void flip_bit(const char *path)
{
    int fd = open(path, O_RDWR);
    struct stat info;
    uint8_t byte;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    off_t at = info.st_size * flipped_at / 1000;
    do { /* what fills a section up is under no checksum, and of no use */
        assert_int_equal(pread(fd, &byte, 1, at--), 1);
    } while (byte == 0);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at + 1), 1);
    close(fd);
}

/* The file of another part takes its place. */
static void swap_file(const char *path)
{
    struct files files = list_files("part_*.axis");
    const char *other = strcmp(path, files.paths[0]) == 0 ? files.paths[1] : files.paths[0];
    char bytes[1 << 16];
    int from = open(other, O_RDONLY), to = open(path, O_WRONLY | O_TRUNC);
    ssize_t count;
    while ((count = read(from, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(to, bytes, (size_t)count), count);
    close(from);
    close(to);
}

static void test_shard_ivf__makes_anew_what_is_of_no_use(void **state)
{
    (void)state;
    open_box("shard_ivf_spoilt");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 800, DIMS);
    settle("docs");
    engine_close(&box);
    check_rebuilt(remove_file, "part_", 800);
    check_rebuilt(cut_file, "part_", 800);
    check_rebuilt(empty_file, "no index", 800);
    check_rebuilt(swap_file, "another part", 800);
    for (flipped_at = 0; flipped_at < 1000; flipped_at += 83)
        check_rebuilt(flip_bit, "part_", 800);
}

static void test_shard_ivf__learns_anew_what_is_of_no_use(void **state)
{
    (void)state;
    struct px_shard *shard;
    open_box("shard_ivf_effort");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 800, DIMS);
    settle("docs");
    engine_close(&box);
    void (*const spoils[])(const char *path) = {remove_file, cut_file, flip_bit};
    flipped_at = 300;
    for (size_t i = 0; i < 3; i++) {
        spoils[i](list_files("effort.axis").paths[0]);
        box.lines.text[0] = '\0';
        reopen();
        assert_int_equal(engine_has_logged(&box, "learnt anew"), i > 0);
        assert_int_equal(info_of("docs").index_rebuild_count, 0);
        shard = index_shard(&box, "docs");
        assert_true(shard->indexing.ivf.effort.few.point_count > 0);
        assert_int_equal(shard->indexing.ivf.effort.few.row_count, 800);
        px_shard_unref(shard);
        engine_close(&box);
        check_files();
    }
}

/* Those that a part had before it was written anew, with other rows, under its name. */
static void test_shard_ivf__refuses_files_of_other_parts(void **state)
{
    (void)state;
    char kept[420];
    open_box("shard_ivf_stale");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 600, DIMS);
    settle("docs");
    struct files old = list_files("part_*.axis");
    for (size_t i = 0; i < old.count; i++) {
        snprintf(kept, sizeof kept, "%s/kept-%zu", box.folder, i);
        assert_int_equal(link(old.paths[i], kept), 0);
    }
    put("docs", "row", 100, DIMS); /* other vectors for some of them */
    put("docs", "more", 100, DIMS);
    settle("docs");
    engine_close(&box);
    struct files new = list_files("part_*.axis");
    assert_true(new.count >= 2 && old.count >= 2);
    for (size_t i = 0; i < 2; i++) {
        snprintf(kept, sizeof kept, "%s/kept-%zu", box.folder, i);
        assert_int_equal(rename(kept, new.paths[i]), 0);
    }
    box.lines.text[0] = '\0';
    reopen();
    assert_true(engine_has_logged(&box, "2 parts"));
    assert_int_equal(info_of("docs").index_row_count, 700);
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
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

static void test_shard_ivf__is_built_anew_when_asked(void **state)
{
    (void)state;
    struct stat before, after;
    open_box("shard_ivf_asked");
    create("docs", DIMS, PROXIMADB_DOT);
    put("docs", "row", 700, DIMS);
    settle("docs");
    struct files files = list_files("part_*.axis");
    assert_int_equal(stat(files.paths[0], &before), 0);
    engine_must(rebuild("docs", -1), &box.error);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
    assert_int_equal(info_of("docs").index_row_count, 700);
    assert_int_equal(stat(files.paths[0], &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    engine_must(rebuild("docs", PROXIMADB_INDEX_FAST), &box.error);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_rebuild_count, 2);
    assert_int_equal(info_of("docs").spec.index_memory, PROXIMADB_INDEX_FAST);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    check_files();
    engine_close(&box);
    reopen(); /* with the same files, copied */
    assert_int_equal(info_of("docs").spec.index_memory, PROXIMADB_INDEX_FAST);
    assert_int_equal(info_of("docs").index_rebuild_count, 0);
    assert_int_equal(info_of("docs").index_row_count, 700);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
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
    assert_true(missed <= 5);
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
    assert_string_equal(info_of("docs").index_state, "none");
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

/* A higher recall looks further: fewer of the nearest are missed, and at 0.99 hardly any. */
static void test_shard_ivf__has_the_recall_that_is_asked_for(void **state)
{
    (void)state;
    enum { COUNT = 5000, QUERIES = 200, K = 10 };
    static const double targets[] = {0.5, 0.9, 0.99};
    open_box("shard_ivf_recall");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", COUNT, DIMS);
    settle("docs");
    float *queries = make_vectors(QUERIES, DIMS);
    double recalls[3];
    for (size_t t = 0; t < 3; t++) {
        size_t found_count = 0;
        for (size_t i = 0; i < QUERIES; i++) {
            struct engine_rows exact = {0}, found = {0};
            struct proximadb_search_options options = {.struct_size = sizeof options,
                                                       .queries = queries + i * DIMS,
                                                       .query_count = 1,
                                                       .dim_count = DIMS,
                                                       .k = K,
                                                       .target_recall = targets[t]};
            engine_must(search_with(options, &found), &box.error);
            index_search(&box, "docs", queries + i * DIMS, DIMS, K, true, &exact);
            for (size_t j = 0; j < exact.count; j++)
                found_count += engine_rows_find(&found, exact.items[j].id) != NULL;
            engine_rows_clear(&exact);
            engine_rows_clear(&found);
        }
        recalls[t] = (double)found_count / (QUERIES * K);
        print_message("target %g: recall %g\n", targets[t], recalls[t]);
        assert_true(recalls[t] >= targets[t] - 0.05);
    }
    assert_true(recalls[0] < recalls[2]); /* it does not look at everything anyway */
    free(queries);
    engine_close(&box);
}

/* As one by one, whatever threads they are on. */
static void test_shard_ivf__answers_many_queries_at_once(void **state)
{
    (void)state;
    enum { QUERIES = 150, K = 7 };
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
        cmocka_unit_test(test_shard_ivf__comes_back_from_its_files),
        cmocka_unit_test(test_shard_ivf__removes_files_with_their_parts),
        cmocka_unit_test(test_shard_ivf__makes_anew_what_is_of_no_use),
        cmocka_unit_test(test_shard_ivf__learns_anew_what_is_of_no_use),
        cmocka_unit_test(test_shard_ivf__refuses_files_of_other_parts),
        cmocka_unit_test(test_shard_ivf__is_built_anew_when_asked),
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
