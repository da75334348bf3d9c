/*
 * engine_ivf: an engine with a collection "docs" of index type IVF, whose lists are of some tens of
 * rows, and its files of codes.
 *
 * Threads: one.
 */
#ifndef PX_TEST_ENGINE_IVF_H
#define PX_TEST_ENGINE_IVF_H

#include "support/engine_index.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

enum { DIMS = 16, LEAST_ROWS = 100, PARTS = 4, MOST_FILES = 40 };

static struct engine_box box;
static struct px_test_random dice;

static inline void open_box(const char *folder)
{
    engine_init(&box, &px_fs_posix, px_test_folder(folder));
    box.options.index_least_rows = LEAST_ROWS;
    box.options.list_rows = 40;
    engine_open(&box);
    dice = px_test_random_new(folder);
}

static inline void create(const char *name, uint32_t dim_count, int metric)
{
    engine_must(
        index_try_create_of(&box, name, dim_count, metric, PROXIMADB_IVF, PROXIMADB_INDEX_LEAN),
        &box.error);
}

static inline float *make_vectors(size_t count, size_t dim_count)
{
    float *vectors = malloc(count * dim_count * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < count * dim_count; i++)
        vectors[i] = px_test_float(&dice) - 0.5f;
    return vectors;
}

static inline void put(const char *name, const char *prefix, size_t count, size_t dim_count)
{
    float *vectors = make_vectors(count, dim_count);
    index_put(&box, PROXIMADB_UPSERT, name, prefix, 0, vectors, count, dim_count);
    free(vectors);
}

/* Puts all rows into clusters, and waits for their codes. */
static inline void settle(const char *name)
{
    engine_flush(&box, name);
    engine_compact(&box, name, PARTS);
    assert_true(index_wait(&box, name));
}

/* Share of the nearest that searches find. */
static inline double recall_of(const char *name, size_t dim_count, size_t k)
{
    enum { QUERIES = 50 };
    float *queries = make_vectors(QUERIES, dim_count);
    size_t missed = 0;
    for (size_t i = 0; i < QUERIES; i++)
        missed += index_compare(&box, name, queries + i * dim_count, dim_count, k);
    free(queries);
    return 1.0 - (double)missed / (double)(QUERIES * k);
}

static inline struct proximadb_collection_info info_of(const char *name)
{
    return engine_info(&box, name).info;
}

/* With texts that outlive the answer. */
static inline struct px_shard_numbers numbers_of(const char *name)
{
    struct px_shard *shard = index_shard(&box, name);
    struct px_shard_numbers numbers;
    px_shard_get_numbers(shard, &numbers);
    px_shard_unref(shard);
    return numbers;
}

/* ---- files --------------------------------------------------------------------------------- */

struct files {
    char paths[MOST_FILES][400];
    size_t count;
};

static inline struct files list_files(const char *name)
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
static inline void check_files(void)
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

static inline void reopen(void)
{
    engine_open(&box);
    assert_true(index_wait(&box, "docs"));
}

#endif /* PX_TEST_ENGINE_IVF_H */
