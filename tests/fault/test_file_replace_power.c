/* px-test: layers=os label=fault */
/*
 * Goal: px_file_replace() is all or nothing across a power cut at every moment, and each of its
 * steps is needed for that.
 * Method: let the machine die before and behind every call that changes something, cut the power
 * under every policy and many seeds, and read the file. The same with copies of the algorithm that
 * leave out one step, of which every one must be caught, or this test could not fail.
 */
#include "os/file_replace.h"

#include "support/powercut_help.h"

enum { SEED_COUNT = 60, CALLS = 5, CONTENT_BYTES = 3000 };

static const char path[] = "data/a.json";

/* Contents of several sectors, so that they can be torn. */
static char old_content[CONTENT_BYTES + 1], new_content[CONTENT_BYTES / 2 + 1];

static int set_up_contents(void **state)
{
    (void)state;
    memset(old_content, 'o', sizeof old_content - 1);
    memset(new_content, 'n', sizeof new_content - 1);
    return 0;
}

typedef bool replace_function(struct px_fs *fs, const char *content);

static bool replace(struct px_fs *fs, const char *content)
{
    return px_file_replace(fs, path, px_slice_of_string(content), NULL, NULL) == PROXIMADB_OK;
}

/* ---- the algorithm with one step left out -------------------------------------------------------- */

enum step { WRITE_ASIDE = 1, SYNC_DATA = 2, SYNC_FOLDER = 4, ALL_STEPS = 7 };

static bool replace_by(struct px_fs *fs, const char *content, unsigned steps)
{
    struct px_slice piece = px_slice_of_string(content);
    const char *written = (steps & WRITE_ASIDE) != 0 ? "data/a.json.tmp" : path;
    int fd = fs->open(fs, written, PX_FS_TRUNCATE);
    bool good = fd >= 0 && fs->write_at(fs, fd, &piece, 1, 0) >= 0;
    if ((steps & SYNC_DATA) != 0)
        good = good && fs->sync_data(fs, fd) >= 0;
    (void)fs->close(fs, fd);
    if ((steps & WRITE_ASIDE) != 0)
        good = good && fs->rename(fs, written, path) >= 0;
    if ((steps & SYNC_FOLDER) != 0)
        good = good && fs->sync_folder(fs, "data") >= 0;
    return good;
}

static bool replace_as_it_should(struct px_fs *fs, const char *content)
{
    return replace_by(fs, content, ALL_STEPS);
}

static bool replace_in_place(struct px_fs *fs, const char *content)
{
    return replace_by(fs, content, ALL_STEPS & ~WRITE_ASIDE);
}

static bool replace_without_sync_of_data(struct px_fs *fs, const char *content)
{
    return replace_by(fs, content, ALL_STEPS & ~SYNC_DATA);
}

static bool replace_without_sync_of_folder(struct px_fs *fs, const char *content)
{
    return replace_by(fs, content, ALL_STEPS & ~SYNC_FOLDER);
}

/* ---- the trial ------------------------------------------------------------------------------------ */

/* What was found after power cuts, as numbers of seeds. */
struct findings {
    unsigned old_found, new_found, damaged;
    unsigned lost; /* the old content though the new one was acknowledged */
};

static void look(struct px_powercut *disk, bool had_old, bool acknowledged,
                 struct findings *findings)
{
    struct px_fs *fs = px_powercut_boot(disk);
    bool is_old = had_old ? powercut_is(fs, path, old_content) : !powercut_exists(fs, path);
    bool is_new = powercut_is(fs, path, new_content);
    findings->old_found += is_old;
    findings->new_found += is_new;
    findings->damaged += !is_old && !is_new;
    findings->lost += acknowledged && !is_new;
}

static struct px_powercut *make_disk(bool with_old)
{
    struct px_powercut *disk = px_powercut_new();
    struct px_fs *fs = px_powercut_boot(disk);
    assert_int_equal(fs->make_folder(fs, "data"), 0);
    assert_int_equal(fs->sync_folder(fs, "."), 0);
    if (with_old)
        powercut_put(fs, path, old_content);
    assert_int_equal(fs->sync_folder(fs, "data"), 0);
    return disk;
}

/* Stops at the nth change of the replacement and cuts the power under many seeds. */
static void try_stop(replace_function *function, bool with_old, uint64_t n,
                     enum px_powercut_when when, struct findings *findings)
{
    struct px_powercut *disk = make_disk(with_old);
    px_powercut_stop_at_change(disk, n, when);
    bool acknowledged = function(px_powercut_boot(disk), new_content);
    assert_int_equal(acknowledged, !px_powercut_stopped(disk));
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++)
        for (int policy = PX_POWERCUT_DROP_ALL; policy <= PX_POWERCUT_RANDOM; policy++) {
            struct px_powercut *after = powercut_after(disk, (enum px_powercut_policy)policy, seed);
            look(after, with_old, acknowledged, findings);
            px_powercut_free(after);
        }
    px_powercut_free(disk);
}

static struct findings try_everywhere(replace_function *function, bool with_old)
{
    struct findings findings = {0};
    for (uint64_t n = 1; n <= CALLS + 1; n++) {
        try_stop(function, with_old, n, PX_POWERCUT_BEFORE, &findings);
        try_stop(function, with_old, n, PX_POWERCUT_AFTER, &findings);
    }
    return findings;
}

static void test_file_replace_power__is_all_or_nothing(void **state)
{
    (void)state;
    replace_function *const functions[] = {replace, replace_as_it_should};
    for (int i = 0; i < 2; i++)
        for (int with_old = 0; with_old <= 1; with_old++) {
            struct findings findings = try_everywhere(functions[i], with_old != 0);
            assert_true(findings.old_found > 0 && findings.new_found > 0);
            assert_int_equal(findings.damaged, 0);
            assert_int_equal(findings.lost, 0);
        }
}

static void test_file_replace_power__needs_each_of_its_steps(void **state)
{
    (void)state;
    for (int with_old = 0; with_old <= 1; with_old++) {
        struct findings findings = try_everywhere(replace_in_place, with_old != 0);
        assert_true(findings.damaged > 0);
        findings = try_everywhere(replace_without_sync_of_data, with_old != 0);
        assert_true(findings.damaged > 0 && findings.lost > 0);
        findings = try_everywhere(replace_without_sync_of_folder, with_old != 0);
        assert_true(findings.damaged == 0 && findings.lost > 0);
    }
}

/* A process that is killed, started again and then loses power is no worse off. */
static void test_file_replace_power__stands_a_kill_before_the_cut(void **state)
{
    (void)state;
    struct findings findings = {0};
    for (uint64_t n = 1; n <= CALLS; n++) {
        struct px_powercut *disk = make_disk(true);
        px_powercut_stop_at_change(disk, n, PX_POWERCUT_AFTER);
        assert_false(replace(px_powercut_boot(disk), new_content));
        px_powercut_kill(disk);
        assert_true(replace(px_powercut_boot(disk), new_content));
        for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
            struct px_powercut *after = powercut_after(disk, PX_POWERCUT_ANY, seed);
            look(after, true, true, &findings);
            px_powercut_free(after);
        }
        px_powercut_free(disk);
    }
    assert_int_equal(findings.new_found, CALLS * SEED_COUNT);
}

/* The sync of the data fails and what it was to write is lost without another word. */
static void test_file_replace_power__keeps_old_content_when_the_sync_fails(void **state)
{
    (void)state;
    struct px_powercut *disk = make_disk(true);
    struct px_fs *fs = px_powercut_boot(disk);
    px_powercut_fail_sync(disk, ".tmp", 1);
    assert_false(replace(fs, new_content));
    assert_true(powercut_is(fs, path, old_content));
    px_powercut_cut(disk, PX_POWERCUT_KEEP_ALL, 0);
    fs = px_powercut_boot(disk);
    assert_true(powercut_is(fs, path, old_content));
    assert_false(powercut_exists(fs, "data/a.json.tmp"));
    px_powercut_free(disk);
}

static void test_file_replace_power__makes_five_changes_two_of_them_syncs(void **state)
{
    (void)state;
    struct px_powercut *disk = make_disk(true);
    assert_true(replace(px_powercut_boot(disk), new_content));
    struct px_powercut_counts counts = px_powercut_counts(disk);
    assert_int_equal(counts.open_files, 0);
    assert_int_equal(counts.changes, CALLS);
    assert_int_equal(counts.syncs, 2);
    px_powercut_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_replace_power__is_all_or_nothing),
        cmocka_unit_test(test_file_replace_power__needs_each_of_its_steps),
        cmocka_unit_test(test_file_replace_power__stands_a_kill_before_the_cut),
        cmocka_unit_test(test_file_replace_power__keeps_old_content_when_the_sync_fails),
        cmocka_unit_test(test_file_replace_power__makes_five_changes_two_of_them_syncs),
    };
    return cmocka_run_group_tests(tests, set_up_contents, NULL);
}
