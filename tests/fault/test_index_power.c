/* px-test: layers=api label=fault */
/*
 * Goal: whatever the moment of a power cut, and whatever call fails while a graph, or the codes of
 * parts, are saved or read, every acknowledged row is found, no deleted one is, and the index is
 * complete again soon, with no file more than it needs.
 * Method: a collection with an index and its files on a disk in memory; then rows that come and go,
 * a save, or a compaction, and another, on a disk that loses power at each change, or fails each call in turn; then a
 * start, searches that are compared with exact ones, and an end. A quick run does so at some of the
 * moments, PX_FAULT_STEP=1 at all.
 */
#include "support/engine_index.h"
#include "support/fault_fs.h"
#include "support/powercut_fs.h"

#include <errno.h>

#if defined(PX_SANITIZED)
enum { QUICK_STEP = 17 };
#else
enum { QUICK_STEP = 3 };
#endif

enum { DIMS = 8, OLD_ROWS = 300, NEW_ROWS = 120, LEAST_ROWS = 100, QUERIES = 20 };

struct vectors {
    float old_rows[OLD_ROWS * DIMS];
    float new_rows[NEW_ROWS * DIMS];
};

static struct vectors vectors;

static void make_all_vectors(void)
{
    struct px_test_random dice = px_test_random_new("index_power");
    float *all = (float *)&vectors;
    for (size_t i = 0; i < sizeof vectors / sizeof *all; i++)
        all[i] = px_test_float(&dice);
}

/* A kind of index. */
struct kind {
    int index_type;
    const char *folder;
    const char *path_part; /* of all calls on it */
};

static const struct kind graphs = {PROXIMADB_HNSW, "data/store/docs/indexes/hnsw", "/hnsw"};
static const struct kind codes = {PROXIMADB_IVF, "data/store/docs/indexes/ivf", "/ivf"};

static void set_up(struct engine_box *box, struct px_fs *fs)
{
    engine_init(box, fs, "data");
    box->options.index_least_rows = LEAST_ROWS;
    box->options.list_rows = 40;
}

/* Codes come with clusters. */
static int try_compact(struct engine_box *box, const struct kind *kind)
{
    return kind->index_type == PROXIMADB_IVF ? engine_try_compact(box, "docs", 2, NULL)
                                             : PROXIMADB_OK;
}

static struct px_powercut *make_disk(const struct kind *kind)
{
    struct engine_box box;
    struct px_powercut *disk = px_powercut_new();
    set_up(&box, px_powercut_boot(disk));
    engine_open(&box);
    engine_must(index_try_create_of(&box, "docs", DIMS, PROXIMADB_L2, kind->index_type,
                                    PROXIMADB_INDEX_LEAN),
                &box.error);
    index_put(&box, PROXIMADB_INSERT, "docs", "old", 0, vectors.old_rows, OLD_ROWS, DIMS);
    engine_must(try_compact(&box, kind), &box.error);
    assert_true(index_wait(&box, "docs"));
    engine_close(&box); /* which saves the graph */
    return disk;
}

/* How far a life came. */
struct progress {
    bool has_new;     /* the new rows are acknowledged */
    bool has_deleted; /* the first old row is gone */
    bool asked_new;   /* they may be there */
    bool asked_delete;
};

static int try_put_new(struct engine_box *box)
{
    struct proximadb_row rows[NEW_ROWS];
    char ids[NEW_ROWS][16];
    for (size_t i = 0; i < NEW_ROWS; i++) {
        snprintf(ids[i], sizeof ids[i], "new-%05zu", i);
        rows[i] = (struct proximadb_row){.struct_size = sizeof rows[i],
                                         .id = engine_text(ids[i]),
                                         .vector = vectors.new_rows + i * DIMS,
                                         .dim_count = DIMS};
    }
    struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, NULL, rows, NEW_ROWS);
    return engine_write(box, PROXIMADB_INSERT, "docs", &payload, NULL);
}

/* Waits as long as something may still happen; on a dead disk nothing does. */
static void wait_a_little(struct engine_box *box)
{
    struct px_shard *shard;
    if (px_collection_service_find(&box->engine->collections, "docs", &shard, NULL) != PROXIMADB_OK)
        return;
    bool is_busy = px_shard_check(shard, NULL) == PROXIMADB_OK;
    for (int i = 0; i < 5000 && is_busy; i++) {
        usleep(200);
        pthread_mutex_lock(&shard->lock);
        is_busy = shard->indexing.is_scheduled;
        pthread_mutex_unlock(&shard->lock);
    }
    px_shard_unref(shard);
}

/* Opens the index's files, changes rows, and has it saved twice: the second files take the first
 * ones' place. */
static void live(const struct kind *kind, struct px_fs *fs, struct progress *progress)
{
    struct engine_box box;
    set_up(&box, fs);
    for (int i = 0; i < 2; i++) {
        if (engine_try_open(&box) != PROXIMADB_OK)
            return;
        if (i == 0) {
            progress->asked_new = true;
            progress->has_new = try_put_new(&box) == PROXIMADB_OK;
        } else {
            progress->asked_delete = true;
            progress->has_deleted =
                engine_try_delete(&box, "docs", "old-00000", NULL) == PROXIMADB_OK;
        }
        (void)try_compact(&box, kind);
        wait_a_little(&box);
        engine_close(&box);
    }
}

static bool count_file(void *context, const char *name, enum px_fs_kind kind)
{
    size_t *count = context;
    *count += kind == PX_FS_FILE && strstr(name, ".axis") != NULL;
    return true;
}

static bool finds(struct engine_box *box, const float *query, const char *id)
{
    struct engine_rows rows = {0};
    index_search(box, "docs", query, DIMS, 1, false, &rows);
    bool is_found = rows.count == 1 && strcmp(rows.items[0].id, id) == 0;
    engine_rows_clear(&rows);
    return is_found;
}

static void check_rows(struct engine_box *box, const struct progress *progress)
{
    uint64_t count = engine_count(box, "docs", NULL);
    uint64_t least = OLD_ROWS, most = OLD_ROWS;
    least += progress->has_new ? NEW_ROWS : 0;
    least -= progress->asked_delete;
    most += progress->asked_new ? NEW_ROWS : 0;
    most -= progress->has_deleted;
    assert_true(count >= least && count <= most);
    assert_true(finds(box, vectors.old_rows + DIMS, "old-00001"));
    if (progress->has_deleted)
        assert_false(finds(box, vectors.old_rows, "old-00000"));
    if (progress->has_new)
        assert_true(finds(box, vectors.new_rows + 5 * DIMS, "new-00005"));
    size_t missed = 0;
    for (size_t i = 0; i < QUERIES; i++)
        missed += index_compare(box, "docs", vectors.new_rows + i * DIMS, DIMS, 5);
    assert_true(missed <= QUERIES * 5 / 10);
}

/* Before the index is there, and when it is; and what is left in its folder: one file, or one for
 * each part, and what was learnt. */
static void check_after(const struct kind *kind, struct px_powercut *disk,
                        const struct progress *progress)
{
    struct engine_box box;
    size_t file_count = 0, expected = 1;
    struct px_fs *fs = px_powercut_boot(disk);
    set_up(&box, fs);
    engine_open(&box);
    check_rows(&box, progress);
    engine_must(try_compact(&box, kind), &box.error);
    assert_true(index_wait(&box, "docs"));
    check_rows(&box, progress);
    assert_int_equal(engine_info(&box, "docs").info.index_lag, 0);
    if (kind->index_type == PROXIMADB_IVF)
        expected += engine_info(&box, "docs").info.part_count;
    index_put(&box, PROXIMADB_UPSERT, "docs", "last", 0, vectors.new_rows, 1, DIMS);
    assert_true(index_wait(&box, "docs"));
    engine_close(&box);
    fs = px_powercut_boot(disk);
    assert_int_equal(fs->list(fs, kind->folder, count_file, &file_count), 0);
    assert_int_equal(file_count, expected);
}

static void cut_at_any_change(const struct kind *kind)
{
    uint64_t step = px_test_fault_step(QUICK_STEP);
    bool stopped = true;
    make_all_vectors();
    struct px_powercut *base = make_disk(kind);
    for (uint64_t n = 1; stopped; n += step) {
        struct px_powercut *disk = px_powercut_copy(base);
        struct progress progress = {0};
        enum px_powercut_when when = n % 2 == 0 ? PX_POWERCUT_BEFORE : PX_POWERCUT_AFTER;
        px_powercut_stop_at_change(disk, n, when);
        live(kind, px_powercut_boot(disk), &progress);
        stopped = px_powercut_stopped(disk);
        px_powercut_stop_at_change(disk, 0, when);
        px_powercut_cut(disk, PX_POWERCUT_ANY, n);
        check_after(kind, disk, &progress);
        px_powercut_free(disk);
    }
    px_powercut_free(base);
}

/* Calls on the index's files and their folder. */
static void let_any_call_fail(const struct kind *kind)
{
    uint64_t call_count = 1;
    make_all_vectors();
    struct px_powercut *base = make_disk(kind);
    for (uint64_t n = 1; n <= call_count; n++) {
        struct px_powercut *disk = px_powercut_copy(base);
        struct progress progress = {0};
        struct px_fault_fs faults;
        px_fault_fs_init(&faults, px_powercut_boot(disk));
        px_fault_fs_set(&faults, &(struct px_fault_rule){.path_part = kind->path_part,
                                                         .fail_at = n,
                                                         .error = n % 2 == 0 ? EIO : ENOSPC});
        live(kind, &faults.base, &progress);
        call_count = px_fault_fs_calls(&faults);
        px_fault_fs_release(&faults);
        assert_true(progress.has_new && progress.has_deleted); /* writes know nothing of it */
        px_powercut_kill(disk);
        check_after(kind, disk, &progress);
        px_powercut_free(disk);
    }
    px_powercut_free(base);
}

static void test_index_power__cut_at_any_change_of_a_graph(void **state)
{
    (void)state;
    cut_at_any_change(&graphs);
}

static void test_index_power__cut_at_any_change_of_codes(void **state)
{
    (void)state;
    cut_at_any_change(&codes);
}

static void test_index_power__any_call_of_a_graph_fails(void **state)
{
    (void)state;
    let_any_call_fail(&graphs);
}

static void test_index_power__any_call_of_codes_fails(void **state)
{
    (void)state;
    let_any_call_fail(&codes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_power__cut_at_any_change_of_a_graph),
        cmocka_unit_test(test_index_power__cut_at_any_change_of_codes),
        cmocka_unit_test(test_index_power__any_call_of_a_graph_fails),
        cmocka_unit_test(test_index_power__any_call_of_codes_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
