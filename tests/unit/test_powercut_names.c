/* px-test: layers=os */
/*
 * Goal: the disk that forgets treats names as its header says: a name is durable only by a sync of
 * its folder, unsynced changes of names are kept or dropped in any order, and a rename is whole.
 * Method: bring a disk into a state, copy it, cut the power of the copies under many seeds, and look
 * at which sets of names were seen.
 */
#include "support/powercut_help.h"

#include "support/px_test.h"

#include <errno.h>

enum { SEED_COUNT = 400 };

static struct px_powercut *disk;
static struct px_fs *fs;

/* Every test starts with two durable folders, f and g, and a durable file f/a. */
static int set_up(void **state)
{
    (void)state;
    disk = px_powercut_new();
    fs = px_powercut_boot(disk);
    assert_int_equal(fs->make_folder(fs, "f"), 0);
    assert_int_equal(fs->make_folder(fs, "/g"), 0);
    assert_int_equal(fs->sync_folder(fs, "/"), 0);
    powercut_put(fs, "f/a", "A");
    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    px_powercut_free(disk);
    return 0;
}

/* Which of the paths exist after power cuts, as sets of bits: seen[set]. */
static void collect_names(const char *const *paths, unsigned count, bool *seen)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, PX_POWERCUT_RANDOM, seed);
        struct px_fs *then = px_powercut_boot(after);
        unsigned set = 0;
        for (unsigned i = 0; i < count; i++)
            set |= powercut_exists(then, paths[i]) ? 1U << i : 0;
        seen[set] = true;
        px_powercut_free(after);
    }
}

static void test_powercut_names__a_new_name_is_durable_by_its_folders_sync(void **state)
{
    (void)state;
    static const char *const paths[] = {"f/b"};
    bool seen[2] = {false};
    powercut_put(fs, "f/b", "B");
    collect_names(paths, 1, seen);
    assert_true(seen[0] && seen[1]);
    assert_int_equal(fs->sync_folder(fs, "f/"), 0);
    seen[0] = false;
    collect_names(paths, 1, seen);
    assert_true(!seen[0] && seen[1]);
}

static void test_powercut_names__a_removed_name_may_come_back(void **state)
{
    (void)state;
    static const char *const paths[] = {"f/a"};
    bool seen[2] = {false};
    assert_int_equal(fs->unlink(fs, "f/a"), 0);
    assert_false(powercut_exists(fs, "f/a"));
    collect_names(paths, 1, seen);
    assert_true(seen[0] && seen[1]);
    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    seen[1] = false;
    collect_names(paths, 1, seen);
    assert_true(seen[0] && !seen[1]);
}

static void test_powercut_names__unrelated_changes_survive_in_any_order(void **state)
{
    (void)state;
    static const char *const paths[] = {"f/b", "f/c", "f/d"};
    bool seen[8] = {false};
    for (unsigned i = 0; i < 3; i++)
        powercut_put(fs, paths[i], "x");
    collect_names(paths, 3, seen);
    for (unsigned set = 0; set < 8; set++)
        assert_true(seen[set]);
}

static void test_powercut_names__a_rename_is_whole(void **state)
{
    (void)state;
    static const char *const paths[] = {"f/a", "f/b"};
    bool seen[4] = {false};
    assert_int_equal(fs->rename(fs, "f/a", "f/b"), 0);
    collect_names(paths, 2, seen);
    assert_true(!seen[0] && seen[1] && seen[2] && !seen[3]);
}

/* Either name of a file may be lost without the other, and neither takes the content along. */
static void test_powercut_names__a_linked_file_has_two_names(void **state)
{
    (void)state;
    static const char *const paths[] = {"f/new", "g/new"};
    bool seen[4] = {false};
    powercut_put(fs, "f/new", "N");
    assert_int_equal(fs->link(fs, "f/new", "g/new"), 0);
    assert_int_equal(fs->link(fs, "f/new", "g/new"), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(fs->link(fs, "f", "g/folder"), -1);
    collect_names(paths, 2, seen);
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    assert_int_equal(fs->unlink(fs, "f/new"), 0);
    assert_true(powercut_is(fs, "g/new", "N"));
}

static void test_powercut_names__a_file_renamed_twice_has_one_name(void **state)
{
    (void)state;
    static const char *const paths[] = {"f/a", "f/b", "g/c"};
    bool seen[8] = {false};
    assert_int_equal(fs->rename(fs, "f/a", "f/b"), 0);
    assert_int_equal(fs->rename(fs, "f/b", "g/c"), 0);
    collect_names(paths, 3, seen);
    for (unsigned set = 0; set < 8; set++)
        assert_int_equal(seen[set], set == 1 || set == 2 || set == 4);
}

static void test_powercut_names__a_replaced_file_is_the_old_or_the_new_one(void **state)
{
    (void)state;
    bool old_seen = false, new_seen = false;
    powercut_put(fs, "f/b", "B");
    assert_int_equal(fs->rename(fs, "f/b", "f/a"), 0);
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, PX_POWERCUT_ANY, seed);
        struct px_fs *then = px_powercut_boot(after);
        bool old = powercut_is(then, "f/a", "A");
        assert_true(old || powercut_is(then, "f/a", "B"));
        assert_true(old || !powercut_exists(then, "f/b"));
        old_seen |= old;
        new_seen |= !old;
        px_powercut_free(after);
    }
    assert_true(old_seen && new_seen);
}

static void test_powercut_names__a_rename_between_folders_needs_both_syncs(void **state)
{
    (void)state;
    static const char *const paths[] = {"f/a", "g/a"};
    static const char *const orders[2][2] = {{"f", "g"}, {"g", "f"}};
    for (int i = 0; i < 2; i++) {
        bool seen[4] = {false};
        assert_int_equal(fs->rename(fs, "f/a", "g/a"), 0);
        assert_int_equal(fs->sync_folder(fs, orders[i][0]), 0);
        collect_names(paths, 2, seen);
        assert_true(!seen[0] && seen[1] && seen[2] && !seen[3]);
        assert_int_equal(fs->sync_folder(fs, orders[i][1]), 0);
        seen[1] = false;
        collect_names(paths, 2, seen);
        assert_true(!seen[0] && !seen[1] && seen[2] && !seen[3]);

        assert_int_equal(fs->rename(fs, "g/a", "f/a"), 0);
        assert_int_equal(fs->sync_folder(fs, "f"), 0);
        assert_int_equal(fs->sync_folder(fs, "g"), 0);
    }
}

/* Once a name is used again the earlier rename cannot be undone, or a file would be without name. */
static void test_powercut_names__a_file_never_loses_its_name_to_a_later_one(void **state)
{
    (void)state;
    assert_int_equal(fs->rename(fs, "f/a", "f/a.1"), 0);
    powercut_put(fs, "f/a", "new");
    bool both = false, renamed = false, neither = false;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, PX_POWERCUT_RANDOM, seed);
        struct px_fs *then = px_powercut_boot(after);
        bool is_renamed = powercut_is(then, "f/a.1", "A");
        assert_true(is_renamed != powercut_is(then, "f/a", "A"));
        both |= is_renamed && powercut_is(then, "f/a", "new");
        renamed |= is_renamed && !powercut_exists(then, "f/a");
        neither |= !is_renamed;
        px_powercut_free(after);
    }
    assert_true(both && renamed && neither);
}

/* The same when the later name is synced: the rename that is half synced goes along. */
static void test_powercut_names__a_sync_settles_what_it_depends_on(void **state)
{
    (void)state;
    assert_int_equal(fs->rename(fs, "f/a", "g/a"), 0);
    powercut_put(fs, "f/a", "new");
    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    px_powercut_cut(disk, PX_POWERCUT_DROP_ALL, 0);
    fs = px_powercut_boot(disk);
    assert_true(powercut_is(fs, "f/a", "new"));
    assert_true(powercut_is(fs, "g/a", "A"));
}

static void test_powercut_names__content_goes_with_the_file_not_with_the_name(void **state)
{
    (void)state;
    int fd = powercut_write(fs, "f/b", 0, "B");
    assert_int_equal(fs->rename(fs, "f/b", "f/c"), 0);
    assert_int_equal(fs->sync_data(fs, fd), 0);
    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    px_powercut_cut(disk, PX_POWERCUT_DROP_ALL, 0);
    fs = px_powercut_boot(disk);
    assert_true(powercut_is(fs, "f/c", "B"));
    assert_false(powercut_exists(fs, "f/b"));
}

/* The well-known trap: the name reaches the device before the bytes do. */
static void test_powercut_names__a_durable_name_may_lead_to_an_empty_file(void **state)
{
    (void)state;
    bool empty = false, whole = false;
    assert_true(powercut_write(fs, "f/b", 0, "B") >= 0);
    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, PX_POWERCUT_RANDOM, seed);
        struct px_fs *then = px_powercut_boot(after);
        assert_true(powercut_exists(then, "f/b"));
        empty |= powercut_is(then, "f/b", "");
        whole |= powercut_is(then, "f/b", "B");
        px_powercut_free(after);
    }
    assert_true(empty && whole);
}

static void test_powercut_names__a_lost_folder_takes_its_files_along(void **state)
{
    (void)state;
    assert_int_equal(fs->make_folder(fs, "f/new"), 0);
    powercut_put(fs, "f/new/b", "B");
    assert_int_equal(fs->sync_folder(fs, "f/new"), 0);
    struct px_powercut *after = powercut_after(disk, PX_POWERCUT_DROP_ALL, 0);
    struct px_fs *then = px_powercut_boot(after);
    assert_false(powercut_exists(then, "f/new"));
    assert_int_equal(then->open(then, "f/new/b", PX_FS_READ), -1);
    assert_int_equal(errno, ENOENT);
    px_powercut_free(after);

    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    px_powercut_cut(disk, PX_POWERCUT_DROP_ALL, 0);
    assert_true(powercut_is(px_powercut_boot(disk), "f/new/b", "B"));
}

static void test_powercut_names__a_removed_file_lives_while_it_is_open(void **state)
{
    (void)state;
    char got[2] = "";
    int fd = fs->open(fs, "f/a", PX_FS_READ);
    assert_int_equal(fs->unlink(fs, "f/a"), 0);
    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    assert_int_equal(fs->read_at(fs, fd, got, 1, 0), 1);
    assert_string_equal(got, "A");
    powercut_put(fs, "f/a", "other");
    assert_int_equal(fs->read_at(fs, fd, got, 1, 0), 1);
    assert_string_equal(got, "A");
}

static void test_powercut_names__a_copy_is_a_disk_of_its_own(void **state)
{
    (void)state;
    powercut_put(fs, "f/b", "B");
    struct px_powercut *copy = px_powercut_copy(disk);
    assert_int_equal(fs->sync_folder(fs, "f"), 0);
    powercut_put(fs, "f/a", "changed");
    struct px_fs *other = px_powercut_boot(copy);
    assert_true(powercut_is(other, "f/a", "A"));
    assert_true(powercut_is(other, "f/b", "B"));
    px_powercut_cut(copy, PX_POWERCUT_DROP_ALL, 0);
    assert_false(powercut_exists(px_powercut_boot(copy), "f/b"));
    px_powercut_free(copy);
    assert_true(powercut_is(fs, "f/b", "B"));
}

/* What is gone for good takes no memory: a year of daily files uses one number beside the root's. */
static void test_powercut_names__forgets_files_that_are_gone(void **state)
{
    (void)state;
    struct px_powercut_tree tree;
    px_powercut_tree_init(&tree);
    struct px_powercut_place place = {.folder = PX_POWERCUT_ROOT, .name = "log"};
    for (uint64_t i = 0; i < 365; i++) {
        (void)px_powercut_tree_make(&tree, 2 * i, PX_FS_FILE, &place);
        px_powercut_tree_remove(&tree, 2 * i + 1, &place);
        px_powercut_tree_sync(&tree, PX_POWERCUT_ROOT);
    }
    assert_int_equal(tree.node_count, 2);
    px_powercut_tree_release(&tree);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_powercut_names__a_new_name_is_durable_by_its_folders_sync),
        TEST(test_powercut_names__a_removed_name_may_come_back),
        TEST(test_powercut_names__unrelated_changes_survive_in_any_order),
        TEST(test_powercut_names__a_rename_is_whole),
        TEST(test_powercut_names__a_linked_file_has_two_names),
        TEST(test_powercut_names__a_file_renamed_twice_has_one_name),
        TEST(test_powercut_names__a_replaced_file_is_the_old_or_the_new_one),
        TEST(test_powercut_names__a_rename_between_folders_needs_both_syncs),
        TEST(test_powercut_names__a_file_never_loses_its_name_to_a_later_one),
        TEST(test_powercut_names__a_sync_settles_what_it_depends_on),
        TEST(test_powercut_names__content_goes_with_the_file_not_with_the_name),
        TEST(test_powercut_names__a_durable_name_may_lead_to_an_empty_file),
        TEST(test_powercut_names__a_lost_folder_takes_its_files_along),
        TEST(test_powercut_names__a_removed_file_lives_while_it_is_open),
        TEST(test_powercut_names__a_copy_is_a_disk_of_its_own),
        TEST(test_powercut_names__forgets_files_that_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
