/* px-test: layers=api label=fault */
/*
 * Goal: a backup or a restore that is interrupted at any file operation, by an error, a full disk or a
 * power cut, leaves nothing or the whole, the source as it was, and can be run again.
 * Method: an engine on a disk in memory, with parts, clusters, deletes, logs and two collections; every
 * call of a backup and of a restore failed in turn; the power cut at every change, before and behind
 * it, under several policies; space for ever more bytes. What is left is opened and held against the
 * model of what was written.
 */
#include "os/file.h"
#include "support/backup_support.h"
#include "support/powercut_help.h"

#if defined(PX_SANITIZED)
enum { QUICK_STEP = 11, SEEDS = 1 };
#else
enum { QUICK_STEP = 7, SEEDS = 2 };
#endif

static uint64_t fault_step; /* PX_FAULT_STEP=1 tries every call and moment */

static const struct backup_case linking = {0};
static const struct backup_case copying = {.copy = true};
static const char *const renamed[] = {"docs:other"};
static const struct backup_case one_renamed = {.collections = renamed, .collection_count = 1};

/* A disk with an engine's folder "data", closed, and what is in it. */
static struct px_powercut *disk;
static struct model model;

static void expect_in(struct px_fs *below, const char *data_dir, struct model *expected)
{
    struct px_fault_fs fs;
    backup_without_reserve(&fs, below);
    backup_expect(&fs.base, data_dir, expected);
    px_fault_fs_release(&fs);
}

static int make_disk(void **state)
{
    struct px_fault_fs fs;
    struct engine_box box;
    struct proximadb_error error;
    (void)state;
    disk = px_powercut_new();
    model = (struct model){0};
    backup_without_reserve(&fs, px_powercut_boot(disk));
    engine_init(&box, &fs.base, "data");
    engine_open(&box);
    backup_fill(&box, &model);
    engine_must(backup_make(&fs.base, "data", "whole", &linking, &error), &error);
    engine_close(&box);
    px_fault_fs_release(&fs);
    return 0;
}

static int free_disk(void **state)
{
    (void)state;
    px_powercut_free(disk);
    return 0;
}

/* Lets power be lost now, in every way, and looks at what a machine finds that is booted behind it. */
static void look_behind_cuts(struct px_powercut *stopped, uint64_t n,
                             void (*look)(struct px_fs *machine, const void *context,
                                          bool was_made),
                             const void *context, bool was_made)
{
    static const enum px_powercut_policy policies[] = {PX_POWERCUT_DROP_ALL, PX_POWERCUT_KEEP_ALL,
                                                       PX_POWERCUT_ANY, PX_POWERCUT_IN_ORDER};
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct px_powercut *cut = powercut_after(stopped, policies[i], n * 100 + seed);
            look(px_powercut_boot(cut), context, was_made);
            px_powercut_free(cut);
        }
}

/* ---- backups ------------------------------------------------------------------------------- */

static bool has_backup(struct px_fs *fs, const char *backup_dir)
{
    struct px_path path;
    assert_int_equal(px_path_format(&path, NULL, "%s/BACKUP.json", backup_dir), PROXIMADB_OK);
    return powercut_exists(fs, path.text);
}

static void expect_backup(struct px_fs *below, const char *backup_dir, const char *data_dir)
{
    struct px_fault_fs fs;
    struct proximadb_error error;
    backup_without_reserve(&fs, below);
    engine_must(backup_restore(&fs.base, backup_dir, data_dir, &linking, &error), &error);
    backup_expect(&fs.base, data_dir, &model);
    px_fault_fs_release(&fs);
}

static void fail_calls_of_backup(const struct backup_case *how)
{
    bool failed = true;
    for (uint64_t n = 1; failed; n += fault_step) {
        struct px_powercut *copy = px_powercut_copy(disk);
        struct px_fs *machine = px_powercut_boot(copy);
        struct px_fault_fs fs;
        struct proximadb_error error;
        px_fault_fs_init(&fs, machine);
        px_fault_fs_set(&fs, &(struct px_fault_rule){.fail_at = n});
        int rc = backup_make(&fs.base, "data", "out", how, &error);
        failed = px_fault_fs_calls(&fs) >= n;
        if (rc != PROXIMADB_OK && (error.message[0] == '\0' || powercut_exists(machine, "out")))
            fail_msg("call %d: %s, and something is left", (int)n, error.message);
        if (rc != PROXIMADB_OK) {
            px_fault_fs_set(&fs, &(struct px_fault_rule){0});
            engine_must(backup_make(&fs.base, "data", "out", how, &error), &error);
        }
        px_fault_fs_release(&fs);
        assert_int_equal(px_powercut_counts(copy).open_files, 0);
        /* They are all made by a second run, which knows nothing of the first. */
        if (n / fault_step % 16 == 0) {
            expect_backup(machine, "out", "restored");
            expect_in(machine, "data", &model);
        }
        px_powercut_free(copy);
    }
}

static void test_backup_power__a_failed_call_leaves_nothing_of_a_backup(void **state)
{
    (void)state;
    fail_calls_of_backup(&linking);
    fail_calls_of_backup(&copying);
}

static void test_backup_power__a_full_disk_leaves_nothing_of_a_backup(void **state)
{
    struct proximadb_error error;
    int rc = PROXIMADB_RESOURCE_EXHAUSTED;
    (void)state;
    for (uint64_t space = 0; rc != PROXIMADB_OK; space += 1500 * fault_step) {
        struct px_powercut *copy = px_powercut_copy(disk);
        struct px_fs *machine = px_powercut_boot(copy);
        struct px_fault_fs fs;
        px_fault_fs_init(&fs, machine);
        px_fault_fs_set_space(&fs, space);
        rc = backup_make(&fs.base, "data", "out", &copying, &error);
        if (rc != PROXIMADB_OK) {
            assert_int_equal(rc, PROXIMADB_RESOURCE_EXHAUSTED);
            assert_non_null(strstr(error.message, "full"));
            assert_false(powercut_exists(machine, "out"));
        }
        px_fault_fs_release(&fs);
        if (rc == PROXIMADB_OK)
            expect_backup(machine, "out", "restored");
        px_powercut_free(copy);
    }
}

static void look_for_backup(struct px_fs *machine, const void *context, bool was_made)
{
    struct proximadb_error error;
    (void)context;
    assert_true(!was_made || has_backup(machine, "out"));
    if (has_backup(machine, "out")) {
        expect_backup(machine, "out", "restored");
    } else if (powercut_exists(machine, "out")) {
        int rc = backup_restore(machine, "out", "restored", &linking, &error);
        assert_true(rc == PROXIMADB_CORRUPT || rc == PROXIMADB_INVALID);
        assert_false(powercut_exists(machine, "restored"));
    }
    expect_in(machine, "data", &model);
}

/* Makes a backup, and loses power at change n. False: there were fewer. */
static bool cut_backup_at(uint64_t n, enum px_powercut_when when, const struct backup_case *how)
{
    struct px_powercut *copy = px_powercut_copy(disk);
    struct proximadb_error error;
    struct px_fs *machine = px_powercut_boot(copy);
    px_powercut_stop_at_change(copy, n, when);
    int rc = backup_make(machine, "data", "out", how, &error);
    bool stopped = px_powercut_stopped(copy);
    px_powercut_stop_at_change(copy, 0, when);
    look_behind_cuts(copy, n, look_for_backup, NULL, rc == PROXIMADB_OK);
    px_powercut_free(copy);
    return stopped;
}

static void
test_backup_power__a_power_cut_leaves_a_whole_backup_or_one_that_is_refused(void **state)
{
    bool goes_on = true;
    (void)state;
    for (uint64_t n = 1; goes_on; n += fault_step) {
        goes_on = cut_backup_at(n, PX_POWERCUT_BEFORE, &linking);
        (void)cut_backup_at(n, PX_POWERCUT_AFTER, &copying);
    }
}

/* ---- restores ------------------------------------------------------------------------------ */

/* How many collections a data folder has; none where it is none. */
static size_t count_collections(struct px_fs *fs, const char *data_dir)
{
    struct px_names names;
    struct px_path path;
    size_t count = 0;
    assert_int_equal(px_path_format(&path, NULL, "%s/metadata/collections", data_dir), 0);
    assert_int_equal(px_folder_list(fs, path.text, &names, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < names.count; i++)
        count += strstr(names.items[i].text, ".tmp") == NULL;
    px_names_release(&names);
    return count;
}

/* A restore into a new folder of all, or into the one it came from under another name. */
struct restore_case {
    const char *data_dir;
    size_t before, after; /* collections */
    const struct backup_case *how;
};

static const struct restore_case restores[] = {
    {"restored", 0, 2, &linking},
    {"restored", 0, 2, &copying},
    {"data", 2, 3, &one_renamed},
};
enum { RESTORES = sizeof restores / sizeof restores[0] };

/* That the folder has all that it should have; the renamed collection is looked at by its count. */
static void expect_restored(struct px_fs *below, const struct restore_case *restore)
{
    struct px_fault_fs fs;
    struct engine_box box;
    expect_in(below, restore->data_dir, &model);
    if (restore->after != 3)
        return;
    backup_without_reserve(&fs, below);
    engine_init(&box, &fs.base, restore->data_dir);
    engine_open(&box);
    assert_int_equal(engine_count(&box, "other", NULL), model_count(&model.collections[0]));
    engine_close(&box);
    px_fault_fs_release(&fs);
}

/* Nothing or all is there; if nothing, the restore can be run again. */
static void expect_nothing_or_all(struct px_fs *below, const struct restore_case *restore,
                                  bool was_made)
{
    struct px_fault_fs fs;
    struct proximadb_error error;
    size_t count = count_collections(below, restore->data_dir);
    assert_true(count == restore->after || (!was_made && count == restore->before));
    if (count == restore->before) {
        if (restore->before > 0)
            expect_in(below, restore->data_dir, &model);
        backup_without_reserve(&fs, below);
        engine_must(backup_restore(&fs.base, "whole", restore->data_dir, restore->how, &error),
                    &error);
        px_fault_fs_release(&fs);
    }
    expect_restored(below, restore);
}

static void look_for_restored(struct px_fs *machine, const void *context, bool was_made)
{
    expect_nothing_or_all(machine, context, was_made);
}

static void fail_calls_of_restore(const struct restore_case *restore)
{
    bool failed = true;
    for (uint64_t n = 1; failed; n += fault_step) {
        struct px_powercut *copy = px_powercut_copy(disk);
        struct px_fs *machine = px_powercut_boot(copy);
        struct px_fault_fs faults, fs;
        struct proximadb_error error;
        px_fault_fs_init(&faults, machine);
        px_fault_fs_set(&faults, &(struct px_fault_rule){.fail_at = n});
        backup_without_reserve(&fs, &faults.base);
        int rc = backup_restore(&fs.base, "whole", restore->data_dir, restore->how, &error);
        failed = px_fault_fs_calls(&faults) >= n;
        px_fault_fs_release(&fs);
        px_fault_fs_release(&faults);
        assert_int_equal(px_powercut_counts(copy).open_files, 0);
        expect_nothing_or_all(machine, restore, rc == PROXIMADB_OK);
        px_powercut_free(copy);
    }
}

static void test_backup_power__a_failed_call_leaves_nothing_or_all_of_a_restore(void **state)
{
    (void)state;
    for (size_t i = 0; i < RESTORES; i++)
        fail_calls_of_restore(&restores[i]);
}

static void test_backup_power__a_full_disk_leaves_nothing_of_a_restore(void **state)
{
    struct proximadb_error error;
    int rc = PROXIMADB_RESOURCE_EXHAUSTED;
    (void)state;
    for (uint64_t space = 0; rc != PROXIMADB_OK; space += 1500 * fault_step) {
        struct px_powercut *copy = px_powercut_copy(disk);
        struct px_fs *machine = px_powercut_boot(copy);
        struct px_fault_fs faults, fs;
        px_fault_fs_init(&faults, machine);
        px_fault_fs_set_space(&faults, space);
        backup_without_reserve(&fs, &faults.base);
        rc = backup_restore(&fs.base, "whole", "restored", &copying, &error);
        px_fault_fs_release(&fs);
        px_fault_fs_release(&faults);
        assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_RESOURCE_EXHAUSTED);
        expect_nothing_or_all(machine, &restores[1], rc == PROXIMADB_OK);
        px_powercut_free(copy);
    }
}

static bool cut_restore_at(uint64_t n, enum px_powercut_when when,
                           const struct restore_case *restore)
{
    struct px_powercut *copy = px_powercut_copy(disk);
    struct px_fault_fs fs;
    struct proximadb_error error;
    backup_without_reserve(&fs, px_powercut_boot(copy));
    px_powercut_stop_at_change(copy, n, when);
    int rc = backup_restore(&fs.base, "whole", restore->data_dir, restore->how, &error);
    bool stopped = px_powercut_stopped(copy);
    px_powercut_stop_at_change(copy, 0, when);
    look_behind_cuts(copy, n, look_for_restored, restore, rc == PROXIMADB_OK);
    px_fault_fs_release(&fs);
    px_powercut_free(copy);
    return stopped;
}

static void test_backup_power__a_power_cut_leaves_nothing_or_all_of_a_restore(void **state)
{
    (void)state;
    for (size_t i = 0; i < RESTORES; i++) {
        bool goes_on = true;
        for (uint64_t n = 1; goes_on; n += fault_step) {
            enum px_powercut_when when = n % 2 == 0 ? PX_POWERCUT_BEFORE : PX_POWERCUT_AFTER;
            goes_on = cut_restore_at(n, when, &restores[i]);
        }
    }
}

int main(void)
{
    fault_step = px_test_fault_step(QUICK_STEP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backup_power__a_failed_call_leaves_nothing_of_a_backup,
                                        make_disk, free_disk),
        cmocka_unit_test_setup_teardown(test_backup_power__a_full_disk_leaves_nothing_of_a_backup,
                                        make_disk, free_disk),
        cmocka_unit_test_setup_teardown(
            test_backup_power__a_power_cut_leaves_a_whole_backup_or_one_that_is_refused, make_disk,
            free_disk),
        cmocka_unit_test_setup_teardown(
            test_backup_power__a_failed_call_leaves_nothing_or_all_of_a_restore, make_disk,
            free_disk),
        cmocka_unit_test_setup_teardown(test_backup_power__a_full_disk_leaves_nothing_of_a_restore,
                                        make_disk, free_disk),
        cmocka_unit_test_setup_teardown(
            test_backup_power__a_power_cut_leaves_nothing_or_all_of_a_restore, make_disk,
            free_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
