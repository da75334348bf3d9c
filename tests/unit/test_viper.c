/*
 * Goal: what a flush stores is there after opening again, less what was deleted; files that do not count
 * go, files of others stay; replaced parts are replaced at once.
 * Method: flush memtables of known rows, open, compare with what must be live.
 */
#include "viper/viper.h"

#include "os/file.h"
#include "support/fault_fs.h"
#include "support/records.h"
#include "viper/part_writer.h"

enum { DIMS = 6 };

static struct px_collection collection;
static char log_text[4000];
static char folder[300];

static void log_line(void *context, int level, const char *line)
{
    (void)context;
    (void)level;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s\n", line);
}

static const struct px_log test_log = {.write = log_line};

static int make_store(void **state)
{
    (void)state;
    log_text[0] = '\0';
    collection = records_collection("docs", DIMS);
    snprintf(folder, sizeof folder, "%s/docs", px_test_folder("viper"));
    return px_viper_create(&px_fs_posix, folder, collection.id, NULL);
}

static void open_store(struct px_viper *viper, struct px_viper_parts *parts)
{
    struct proximadb_error error;
    if (px_viper_open(viper, &px_fs_posix, &test_log, folder, &collection, parts, &error) !=
        PROXIMADB_OK)
        fail_msg("%s", error.message);
}

static void close_store(struct px_viper *viper, struct px_viper_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        px_part_close(parts->items[i]);
    free(parts->items);
    px_viper_close(viper);
}

/* A memtable of the rows begin to end - 1, whose versions are one more than their numbers. */
static struct px_memtable *fill(uint64_t begin, uint64_t end)
{
    struct px_memtable *memtable;
    uint32_t row;
    assert_int_equal(px_memtable_new(DIMS, &memtable, NULL), PROXIMADB_OK);
    for (uint64_t number = begin; number < end; number++) {
        struct made_record *made = records_make(number, DIMS);
        assert_int_equal(px_memtable_stage(memtable, &made->record, &row, NULL), PROXIMADB_OK);
        px_memtable_set_version(memtable, row, made->record.version);
        records_release(made);
    }
    px_memtable_publish(memtable, (int64_t)end);
    return memtable;
}

struct given_deletes {
    const struct px_delete *items;
    size_t count;
};

static int give_deletes(void *context, struct px_delete **ret_deletes, size_t *ret_count,
                        struct proximadb_error *reterr)
{
    const struct given_deletes *given = context;
    (void)reterr;
    *ret_deletes = malloc((given->count + 1) * sizeof **ret_deletes);
    if (given->count > 0)
        memcpy(*ret_deletes, given->items, given->count * sizeof **ret_deletes);
    *ret_count = given->count;
    return PROXIMADB_OK;
}

static uint64_t count_live(const struct px_memtable *memtable)
{
    uint64_t count = 0;
    for (uint32_t row = 0; row < px_memtable_row_count(memtable); row++)
        count += px_memtable_is_live(memtable, row, px_memtable_last_lsn(memtable));
    return count;
}

/* The deletes are of rows that were live. */
static int try_flush(struct px_viper *viper, const struct px_memtable *memtable,
                     struct px_delete *deletes, size_t delete_count, struct px_part **ret_part,
                     struct px_moved **ret_moved, struct proximadb_error *reterr)
{
    struct given_deletes given = {deletes, delete_count};
    struct px_viper_flush what = {.collection = &collection,
                                  .memtable = memtable,
                                  .live_row_count = viper->manifest.live_row_count +
                                                    count_live(memtable) - delete_count,
                                  .clock_ms = 1705320000000,
                                  .request_ids = px_slice_of("0123456789", 10),
                                  .deletes = give_deletes,
                                  .context = &given};
    return px_viper_store_vectors(viper, &what, ret_part, ret_moved, reterr);
}

static struct px_part *flush(struct px_viper *viper, const struct px_memtable *memtable,
                             struct px_delete *deletes, size_t delete_count,
                             struct px_moved **ret_moved)
{
    struct px_part *part = NULL;
    struct proximadb_error error;
    if (try_flush(viper, memtable, deletes, delete_count, &part, ret_moved, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return part;
}

/* Whether the part holds row `number` at `row`. */
static void check_row(const struct px_part *part, uint32_t row, uint64_t number)
{
    struct px_part_reader *reader;
    struct px_record got;
    struct made_record *made = records_make(number, DIMS);
    assert_int_equal(px_part_reader_new(part, &reader, NULL), PROXIMADB_OK);
    assert_int_equal(px_part_read_record(reader, row, true, &got, NULL), PROXIMADB_OK);
    records_check(&got, &made->record);
    px_part_reader_free(reader);
    records_release(made);
}

static void test_viper__stores_the_live_rows_of_a_memtable(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct px_moved *moved;
    open_store(&viper, &parts);
    assert_int_equal(parts.count, 0);
    struct px_memtable *memtable = fill(0, 2000);
    for (uint32_t row = 0; row < 2000; row += 4)
        assert_true(px_memtable_kill(memtable, row, 1900)); /* before the end: not stored */
    for (uint32_t row = 1; row < 2000; row += 4)
        assert_true(px_memtable_kill(memtable, row, 2500)); /* behind it: stored */
    struct px_part *part = flush(&viper, memtable, NULL, 0, &moved);
    assert_int_equal(px_part_row_count(part), 1500);
    uint32_t next = 0;
    for (uint32_t row = 0; row < 2000; row++) {
        if (row % 4 == 0) {
            assert_int_equal(moved[row].target, PX_NOT_MOVED);
            continue;
        }
        assert_int_equal(moved[row].target, 0);
        assert_int_equal(moved[row].row, next++);
        if (row % 50 == 1)
            check_row(part, moved[row].row, row);
    }
    px_part_close(part);
    free(moved);
    close_store(&viper, &parts);

    open_store(&viper, &parts);
    assert_int_equal(parts.count, 1);
    assert_int_equal(viper.manifest.flushed_lsn, 2000);
    assert_int_equal(viper.manifest.live_row_count, 1500);
    assert_int_equal(viper.manifest.clock_ms, 1705320000000);
    assert_int_equal(viper.manifest.request_ids.size_bytes, 10);
    check_row(parts.items[0], 0, 1);
    struct px_viper_numbers numbers;
    px_viper_get_numbers(&viper, &numbers);
    assert_int_equal(numbers.part_count, 1);
    assert_int_equal(numbers.disk_bytes, px_part_file(parts.items[0])->size_bytes);
    close_store(&viper, &parts);
    px_memtable_free(memtable);
}

static void test_viper__marks_deleted_rows_again(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct px_delete deletes[30];
    struct px_moved *moved;
    open_store(&viper, &parts);
    struct px_memtable *first = fill(0, 100), *second = fill(100, 100);
    px_memtable_publish(second, 130); /* no rows, but deletes */
    struct px_part *part = flush(&viper, first, NULL, 0, &moved);
    free(moved);
    for (uint32_t i = 0; i < 30; i++)
        deletes[i] = (struct px_delete){px_part_file(part)->path, 90 - 3 * i, 101 + i};
    assert_null(flush(&viper, second, deletes, 30, &moved));
    free(moved);
    px_part_close(part);
    close_store(&viper, &parts);

    open_store(&viper, &parts);
    assert_int_equal(parts.count, 1);
    for (uint32_t row = 0; row < 100; row++) {
        bool dead = row >= 3 && row <= 90 && row % 3 == 0;
        int64_t lsn = dead ? 101 + (90 - (int64_t)row) / 3 : 0;
        assert_int_equal(px_dead_rows_killed_at(px_part_dead_rows(parts.items[0]), row), lsn);
    }
    close_store(&viper, &parts);
    px_memtable_free(first);
    px_memtable_free(second);
}

static void write_file(const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool has_file(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return px_file_exists(&px_fs_posix, path);
}

static void test_viper__sweeps_its_own_leftovers_only(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct px_moved *moved;
    open_store(&viper, &parts);
    struct px_memtable *memtable = fill(0, 10);
    px_part_close(flush(&viper, memtable, NULL, 0, &moved));
    free(moved);
    close_store(&viper, &parts);
    write_file("vectors/cluster_000/part_900.parquet", "half of a part");
    write_file("deletes/deletes_901.parquet", "");
    write_file("vectors/cluster_000/notes.txt", "mine");
    /* A whole part of another collection, under a name that could be ours. */
    struct px_collection other = records_collection("other", DIMS);
    struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = "vectors/cluster_000/part_902.parquet"};
    struct px_part_writer *writer;
    struct px_manifest_file file;
    struct made_record *made = records_make(1, DIMS);
    assert_int_equal(px_part_writer_open(&target, &other, &writer, NULL), PROXIMADB_OK);
    px_part_writer_add(writer, &made->record);
    assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
    records_release(made);

    open_store(&viper, &parts);
    assert_int_equal(parts.count, 1);
    assert_false(has_file("vectors/cluster_000/part_900.parquet"));
    assert_false(has_file("deletes/deletes_901.parquet"));
    assert_true(has_file("vectors/cluster_000/notes.txt"));
    assert_true(has_file("vectors/cluster_000/part_902.parquet"));
    assert_non_null(strstr(log_text, "notes.txt"));
    assert_non_null(strstr(log_text, "part_902.parquet"));
    assert_int_equal(px_viper_take_file_number(&viper), 903); /* 902 would be in the way */
    close_store(&viper, &parts);
    px_memtable_free(memtable);
}

static void test_viper__a_missing_part_is_told_and_nothing_is_removed(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct proximadb_error error;
    struct px_moved *moved;
    char path[600];
    open_store(&viper, &parts);
    for (uint64_t i = 0; i < 2; i++) {
        struct px_memtable *memtable = fill(10 * i, 10 * i + 10);
        px_part_close(flush(&viper, memtable, NULL, 0, &moved));
        free(moved);
        px_memtable_free(memtable);
    }
    close_store(&viper, &parts);
    write_file("vectors/cluster_000/part_900.parquet", "left over");
    snprintf(path, sizeof path, "%s/vectors/cluster_000/part_002.parquet", folder);
    assert_int_equal(px_fs_posix.unlink(&px_fs_posix, path), 0);
    assert_int_equal(
        px_viper_open(&viper, &px_fs_posix, &test_log, folder, &collection, &parts, &error),
        PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "part_002.parquet"));
    assert_true(has_file("vectors/cluster_000/part_900.parquet"));
}

static void test_viper__replaces_parts(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct px_part *old[2];
    struct px_delete deletes[] = {{"x", 3, 25}};
    struct px_moved *moved;
    open_store(&viper, &parts);
    for (uint64_t i = 0; i < 2; i++) {
        struct px_memtable *memtable = fill(10 * i, 10 * i + 10);
        deletes[0].path = "vectors/cluster_000/part_001.parquet";
        old[i] = flush(&viper, memtable, deletes, i, &moved);
        free(moved);
        px_memtable_free(memtable);
    }
    assert_true(has_file("deletes/deletes_003.parquet"));

    char path[PX_MANIFEST_PATH_BYTES];
    struct px_part_writer *writer;
    struct px_manifest_file file;
    assert_int_equal(px_viper_part_path(&viper, 5, path, NULL), PROXIMADB_OK);
    struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = path, .cluster = 5};
    assert_int_equal(px_part_writer_open(&target, &collection, &writer, NULL), PROXIMADB_OK);
    for (uint64_t number = 0; number < 20; number++) {
        struct made_record *made = records_make(number, DIMS);
        px_part_writer_add(writer, &made->record);
        records_release(made);
    }
    assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
    deletes[0].path = path;
    struct px_viper_replacement replacement = {.old_parts = old,
                                               .old_part_count = 2,
                                               .new_parts = &file,
                                               .new_part_count = 1,
                                               .deletes = deletes,
                                               .delete_count = 1};
    bool unsure;
    pthread_mutex_lock(&viper.commit_lock);
    assert_int_equal(px_viper_replace_parts(&viper, &replacement, &unsure, NULL), PROXIMADB_OK);
    pthread_mutex_unlock(&viper.commit_lock);
    assert_false(unsure);
    assert_false(has_file("deletes/deletes_003.parquet")); /* named only parts that are gone */
    for (int i = 0; i < 2; i++) {
        px_part_set_obsolete(old[i], viper.gate);
        assert_true(has_file(px_part_file(old[i])->path));
        px_part_close(old[i]);
    }
    close_store(&viper, &parts);

    open_store(&viper, &parts);
    assert_int_equal(parts.count, 1);
    assert_string_equal(px_part_file(parts.items[0])->path, path);
    assert_int_equal(px_part_file(parts.items[0])->cluster, 5);
    assert_int_equal(px_dead_rows_killed_at(px_part_dead_rows(parts.items[0]), 3), 25);
    assert_false(has_file("vectors/cluster_000/part_001.parquet"));
    close_store(&viper, &parts);
}

/* Syncs of the store's folder fail: whether a crash finds the old manifest or the new one is open. */
static struct px_fault_fs faults;

static void fail_folder_syncs(uint64_t fail_count)
{
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_SYNC_FOLDER,
                                                     .path_part = "docs",
                                                     .fail_at = 1,
                                                     .fail_count = fail_count});
}

static void open_over_faults(struct px_viper *viper, struct px_viper_parts *parts)
{
    struct proximadb_error error;
    px_fault_fs_init(&faults, &px_fs_posix);
    if (px_viper_open(viper, &faults.base, &test_log, folder, &collection, parts, &error) !=
        PROXIMADB_OK)
        fail_msg("%s", error.message);
}

static size_t count_files(const char *name)
{
    char path[600];
    struct px_names names;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(px_folder_list(&px_fs_posix, path, &names, NULL), PROXIMADB_OK);
    size_t count = names.count;
    px_names_release(&names);
    return count;
}

/* Lets the sync behind the manifest's rename fail: the third of the store, behind two of names. */
static void test_viper__keeps_the_files_of_both_manifests_while_it_is_unsure(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct px_moved *moved;
    struct px_part *part = NULL;
    struct proximadb_error error;
    open_over_faults(&viper, &parts);
    struct px_memtable *memtable = fill(0, 10);
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_SYNC_FOLDER,
                                                     .path_part = "docs",
                                                     .fail_at = 3,
                                                     .fail_count = PX_FAULT_FOR_EVER});
    assert_int_equal(try_flush(&viper, memtable, NULL, 0, &part, &moved, &error), PROXIMADB_IO);
    assert_true(viper.is_unsure);
    assert_int_equal(count_files("vectors/cluster_000"), 1);

    /* A crash here finds the new manifest: what it lists must be there. */
    struct px_viper after;
    struct px_viper_parts parts_after;
    open_store(&after, &parts_after);
    assert_int_equal(parts_after.count, 1);
    close_store(&after, &parts_after);

    /* On a device that goes on failing, tries leave no more files. */
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_flush(&viper, memtable, NULL, 0, &part, &moved, &error), PROXIMADB_IO);
    assert_int_equal(count_files("vectors/cluster_000"), 1);

    px_fault_fs_set(&faults, &(struct px_fault_rule){0});
    assert_int_equal(px_viper_settle(&viper, &error), PROXIMADB_OK);
    assert_int_equal(count_files("vectors/cluster_000"), 0);
    px_part_close(flush(&viper, memtable, NULL, 0, &moved));
    free(moved);
    assert_int_equal(count_files("vectors/cluster_000"), 1);
    close_store(&viper, &parts);
    px_fault_fs_release(&faults);
    px_memtable_free(memtable);
}

static void test_viper__removes_nothing_before_the_manifest_is_on_the_device(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct proximadb_error error;
    px_fault_fs_init(&faults, &px_fs_posix);
    write_file("vectors/cluster_000/part_900.parquet", "of an older manifest");
    fail_folder_syncs(1);
    assert_int_equal(
        px_viper_open(&viper, &faults.base, &test_log, folder, &collection, &parts, &error),
        PROXIMADB_IO);
    assert_true(has_file("vectors/cluster_000/part_900.parquet"));
    px_fault_fs_release(&faults);
}

static void test_viper__a_wrong_count_of_live_rows_is_corruption(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct px_moved *moved;
    struct proximadb_error error;
    bool unsure;
    open_store(&viper, &parts);
    struct px_memtable *memtable = fill(0, 10);
    px_part_close(flush(&viper, memtable, NULL, 0, &moved));
    viper.manifest.live_row_count++;
    assert_int_equal(px_manifest_write(&px_fs_posix, folder, &viper.manifest, &unsure, NULL),
                     PROXIMADB_OK);
    close_store(&viper, &parts);
    assert_int_equal(
        px_viper_open(&viper, &px_fs_posix, &test_log, folder, &collection, &parts, &error),
        PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "MANIFEST.json"));
    assert_non_null(strstr(error.message, "11 live rows"));
    free(moved);
    px_memtable_free(memtable);
}

static void test_viper__a_missing_or_damaged_manifest_is_corruption(void **state)
{
    (void)state;
    struct px_viper viper;
    struct px_viper_parts parts;
    struct proximadb_error error;
    static const char *const texts[] = {"", "{}", "{\n  \"format_version\": 1\n}\n"};
    for (size_t i = 0; i < 3; i++) {
        write_file("MANIFEST.json", texts[i]);
        assert_int_equal(
            px_viper_open(&viper, &px_fs_posix, &test_log, folder, &collection, &parts, &error),
            PROXIMADB_CORRUPT);
        assert_int_equal(error.status, PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, "MANIFEST.json"));
    }
    char path[600];
    snprintf(path, sizeof path, "%s/MANIFEST.json", folder);
    assert_int_equal(px_fs_posix.unlink(&px_fs_posix, path), 0);
    assert_int_equal(
        px_viper_open(&viper, &px_fs_posix, &test_log, folder, &collection, &parts, &error),
        PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_viper__stores_the_live_rows_of_a_memtable, make_store),
        cmocka_unit_test_setup(test_viper__marks_deleted_rows_again, make_store),
        cmocka_unit_test_setup(test_viper__sweeps_its_own_leftovers_only, make_store),
        cmocka_unit_test_setup(test_viper__a_missing_part_is_told_and_nothing_is_removed,
                               make_store),
        cmocka_unit_test_setup(test_viper__replaces_parts, make_store),
        cmocka_unit_test_setup(test_viper__keeps_the_files_of_both_manifests_while_it_is_unsure,
                               make_store),
        cmocka_unit_test_setup(test_viper__removes_nothing_before_the_manifest_is_on_the_device,
                               make_store),
        cmocka_unit_test_setup(test_viper__a_wrong_count_of_live_rows_is_corruption, make_store),
        cmocka_unit_test_setup(test_viper__a_missing_or_damaged_manifest_is_corruption, make_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
