/* px-test: layers=wal label=fault */
/*
 * Goal: whatever the moment of a power cut, a log gives back every entry that was acknowledged and of
 * the last block all entries or none; what was shown once stays; what was refused never comes.
 * Method: a workload with new files, small and large appends, rotation and removal on a disk that
 * loses power at each of its syncs and changes, under several policies and seeds; then recovery,
 * another write, and a second cut. PX_POWER_SEEDS=100 tries a hundred times as many seeds.
 */
#include "wal/wal.h"

#include "support/fault_fs.h"
#include "support/powercut_help.h"
#include "support/wal_support.h"

enum {
    SEEDS_PER_POLICY = 4,     /* times PX_POWER_SEEDS, if that is set */
    FILE_LIMIT_BYTES = 12000, /* a header has about 8,000 */
};

/* What the log must hold. */
struct expected {
    int64_t flushed_lsn;
    int64_t acknowledged; /* the LSN behind the last acknowledged entry */
    int64_t attempted;    /* behind the last that may have been written */
};

struct step {
    size_t entry_count;
    uint32_t row_count;
    size_t batch_bytes;
    bool trim; /* all that was there before */
};

static const struct step steps[] = {
    {1, 1, 20, false},     {3, 2, 100, false},  {1, 1, 5000, false}, {2, 10, 3000, true},
    {1, 1, 70000, false},  {1, 3, 10, false},   {2, 1, 8000, true},  {1, 1, 300, false},
    {1, 1, 140000, false}, {64, 1, 700, false}, {1, 1, 1, true},     {1, 1, 60, false},
};
enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

static int open_log(struct wal_fixture *fixture, struct px_fs *fs, int64_t flushed_lsn)
{
    wal_fixture_set(fixture, fs, "data");
    fixture->options.file_limit_bytes = FILE_LIMIT_BYTES;
    fixture->options.flushed_lsn = flushed_lsn;
    return wal_fixture_try_open(fixture);
}

static struct px_powercut *make_disk(void)
{
    struct px_powercut *disk = px_powercut_new();
    struct px_fs *fs = px_powercut_boot(disk);
    static struct wal_fixture fixture;
    assert_int_equal(px_folder_make(fs, "data", NULL), PROXIMADB_OK);
    wal_fixture_init(&fixture, fs, "data");
    return disk;
}

/* One append and its sync; false when the log takes no more. */
static bool take_step(struct wal_fixture *fixture, const struct step *step,
                      struct expected *expected)
{
    int64_t next = expected->acknowledged + (int64_t)(step->entry_count * step->row_count);
    expected->attempted = next;
    int rc = wal_fixture_append(fixture, step->entry_count, step->row_count, step->batch_bytes);
    if (rc == PROXIMADB_OK)
        rc = px_wal_sync(fixture->wal, &fixture->error);
    if (rc == PROXIMADB_OK)
        expected->acknowledged = next;
    else if (rc != PROXIMADB_OUTCOME_UNKNOWN)
        expected->attempted = expected->acknowledged; /* refused */
    return rc == PROXIMADB_OK;
}

/* Runs the workload until the machine dies. */
static void run(struct px_fs *fs, struct expected *expected)
{
    static struct wal_fixture fixture;
    *expected = (struct expected){.acknowledged = 1, .attempted = 1};
    if (open_log(&fixture, fs, 0) != PROXIMADB_OK)
        return;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        int64_t before = expected->acknowledged;
        fixture.clock.wall_ms += i % 3 == 0 ? 1000 : i % 3 == 1 ? -500 : 0;
        if (!take_step(&fixture, &steps[i], expected))
            break;
        if (steps[i].trim) {
            expected->flushed_lsn = before - 1;
            px_wal_trim(fixture.wal, expected->flushed_lsn);
        }
    }
    px_wal_close(fixture.wal);
}

/* Opens the log and compares; returns the LSN behind its last entry. */
static int64_t look(struct px_fs *fs, const struct expected *expected, struct wal_fixture *fixture)
{
    if (open_log(fixture, fs, expected->flushed_lsn) != PROXIMADB_OK)
        fail_msg("%s", fixture->error.message);
    if (px_wal_read_only_reason(fixture->wal) != NULL)
        fail_msg("%s", px_wal_read_only_reason(fixture->wal));
    int64_t next = px_wal_next_lsn(fixture->wal);
    if (next != expected->acknowledged && next != expected->attempted)
        fail_msg("the log ends at %lld, not at %lld or %lld", (long long)next,
                 (long long)expected->acknowledged, (long long)expected->attempted);
    if (fixture->seen.entry_count > 0) {
        assert_int_equal(fixture->seen.first_lsn, expected->flushed_lsn + 1);
        assert_int_equal(fixture->seen.next_lsn, next);
    } else {
        assert_int_equal(next, expected->flushed_lsn + 1);
    }
    return next;
}

/* What recovery gives stays, also what is written behind it. */
static void recover_twice(struct px_powercut *disk, struct expected expected, uint64_t seed)
{
    static struct wal_fixture fixture;
    struct step step = {2, 3, 1000, false};
    expected.acknowledged = expected.attempted = look(px_powercut_boot(disk), &expected, &fixture);
    bool writes = seed % 2 == 0;
    if (writes)
        assert_true(take_step(&fixture, &step, &expected));
    px_powercut_kill(disk);
    px_wal_close(fixture.wal);
    px_powercut_cut(disk, PX_POWERCUT_ANY, seed);
    (void)look(px_powercut_boot(disk), &expected, &fixture);
    px_wal_close(fixture.wal);
}

static uint64_t seed_count(int policy)
{
    const char *factor = getenv("PX_POWER_SEEDS");
    if (policy < PX_POWERCUT_IN_ORDER)
        return 2; /* one that writes behind the recovery, and one that does not */
    return SEEDS_PER_POLICY * (factor != NULL ? strtoull(factor, NULL, 10) : 1);
}

static void try_all_cuts(struct px_powercut *disk, const struct expected *expected)
{
    for (int policy = PX_POWERCUT_DROP_ALL; policy <= PX_POWERCUT_RANDOM; policy++) {
        for (uint64_t seed = 0; seed < seed_count(policy); seed++) {
            struct px_powercut *copy = powercut_after(disk, (enum px_powercut_policy)policy, seed);
            recover_twice(copy, *expected, seed);
            px_powercut_free(copy);
        }
    }
    struct px_powercut *copy = px_powercut_copy(disk); /* the process was only killed */
    recover_twice(copy, *expected, 1);
    px_powercut_free(copy);
}

typedef void set_stop(struct px_powercut *disk, uint64_t n, enum px_powercut_when when);

/* Whether the workload got to its n-th call. */
static bool try_stop(set_stop *stop, uint64_t n, enum px_powercut_when when)
{
    struct px_powercut *disk = make_disk();
    struct px_fs *fs = px_powercut_boot(disk);
    struct expected expected;
    stop(disk, n, when);
    run(fs, &expected);
    bool stopped = px_powercut_stopped(disk);
    if (!stopped)
        assert_int_equal(expected.acknowledged, expected.attempted);
    px_powercut_kill(disk);
    try_all_cuts(disk, &expected);
    px_powercut_free(disk);
    return stopped;
}

static void test_wal_power__every_sync(void **state)
{
    (void)state;
    for (uint64_t n = 1; try_stop(px_powercut_stop_at_sync, n, PX_POWERCUT_BEFORE); n++)
        assert_true(try_stop(px_powercut_stop_at_sync, n, PX_POWERCUT_AFTER));
}

static void test_wal_power__every_change(void **state)
{
    (void)state;
    for (uint64_t n = 1; try_stop(px_powercut_stop_at_change, n, PX_POWERCUT_BEFORE); n++)
        continue;
}

/* The system forgets which pages it could not write: what it goes on showing may be lost. */
static void test_wal_power__a_failed_sync_poisons(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= STEP_COUNT; n++) {
        struct px_powercut *disk = make_disk();
        struct px_fs *fs = px_powercut_boot(disk);
        struct expected expected;
        px_powercut_fail_sync(disk, ".wal", n);
        run(fs, &expected);
        px_powercut_kill(disk);
        try_all_cuts(disk, &expected);
        px_powercut_free(disk);
    }
}

/* The same at recovery, which must not trust the next one's sync then. */
static void test_wal_power__a_sync_that_fails_at_recovery_is_remembered(void **state)
{
    (void)state;
    static struct wal_fixture fixture;
    struct px_powercut *disk = make_disk();
    struct expected expected = {.acknowledged = 1, .attempted = 1};
    assert_int_equal(open_log(&fixture, px_powercut_boot(disk), 0), PROXIMADB_OK);
    assert_true(take_step(&fixture, &steps[0], &expected));
    assert_int_equal(wal_fixture_append(&fixture, 1, 1, 100), PROXIMADB_OK); /* not synced */
    px_powercut_kill(disk);
    px_wal_close(fixture.wal);

    struct px_fs *fs = px_powercut_boot(disk);
    px_powercut_fail_sync(disk, ".wal", 1);
    assert_int_equal(open_log(&fixture, fs, 0), PROXIMADB_IO);
    px_powercut_kill(disk);
    expected.attempted = 3;
    int64_t shown = look(px_powercut_boot(disk), &expected, &fixture);
    assert_int_equal(shown, 3);
    px_powercut_kill(disk);
    px_wal_close(fixture.wal);

    px_powercut_cut(disk, PX_POWERCUT_DROP_ALL, 0);
    expected.acknowledged = shown;
    (void)look(px_powercut_boot(disk), &expected, &fixture);
    px_wal_close(fixture.wal);
    px_powercut_free(disk);
}

/* A block that could not be written whole was refused, so it must not come to light later. */
static void refuse_step(size_t index, size_t written_bytes)
{
    static struct wal_fixture fixture;
    struct px_powercut *disk = make_disk();
    struct px_fault_fs faults;
    struct expected expected = {.acknowledged = 1, .attempted = 1};
    px_fault_fs_init(&faults, px_powercut_boot(disk));
    assert_int_equal(open_log(&fixture, &faults.base, 0), PROXIMADB_OK);
    for (size_t i = 0; i < index; i++)
        assert_true(take_step(&fixture, &steps[i], &expected));
    px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = PX_FAULT_WRITE_AT,
                                                     .path_part = ".wal",
                                                     .fail_at = 1,
                                                     .write_first_bytes = written_bytes});
    assert_false(take_step(&fixture, &steps[index], &expected));
    assert_int_equal(expected.attempted, expected.acknowledged);
    px_powercut_kill(disk);
    px_wal_close(fixture.wal);
    px_fault_fs_release(&faults);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct px_powercut *copy = powercut_after(disk, PX_POWERCUT_RANDOM, seed);
        recover_twice(copy, expected, seed);
        px_powercut_free(copy);
    }
    px_powercut_free(disk);
}

static void test_wal_power__what_was_refused_stays_away(void **state)
{
    (void)state;
    for (size_t index = 0; index < STEP_COUNT; index++) {
        refuse_step(index, 0);
        refuse_step(index, 100);
        refuse_step(index,
                    SIZE_MAX); /* all of it was written; the answer was an error all the same */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_power__every_sync),
        cmocka_unit_test(test_wal_power__every_change),
        cmocka_unit_test(test_wal_power__a_failed_sync_poisons),
        cmocka_unit_test(test_wal_power__a_sync_that_fails_at_recovery_is_remembered),
        cmocka_unit_test(test_wal_power__what_was_refused_stays_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
