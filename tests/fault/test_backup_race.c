/* px-test: layers=api label=fault */
/*
 * Goal: a backup holds what was acknowledged before it began and whole batches
 * only, whatever an engine does meanwhile: writing, flushing, compacting,
 * altering, dropping and making a collection anew. Method: at each file
 * operation of a backup in turn the engine takes some steps, so that every
 * order of the backup's and the engine's operations is met (with PX_FAULT_STEP=1; a quick run takes some). What is restored
 * must be what the model says for a moment between the beginning and the end.
 */
#include "support/backup_support.h"
#include "support/powercut_help.h"

#include <time.h>

#if defined(PX_SANITIZED)
enum { QUICK_STEP = 17 };
#else
enum { QUICK_STEP = 7 };
#endif

enum { MOST_STEPS = 8, MOST_MOMENTS = MOST_STEPS + 1 };

/* What happens at once, between two file operations of the backup. */
struct interruption {
    const char *name;
    struct step steps[MOST_STEPS];
    size_t step_count;
};

static const struct interruption interruptions[] = {
    {"write", {{STEP_UPSERT, 0, 50, 9}, {STEP_DELETE, 0, 50, 3}}, 2},
    {"flush", {{STEP_UPSERT, 0, 50, 9}, {STEP_FLUSH, 0, 0, 0}}, 2},
    {"flushes",
     {{STEP_FLUSH, 0, 0, 0},
      {STEP_UPSERT, 0, 20, 9},
      {STEP_FLUSH, 0, 0, 0},
      {STEP_DELETE_GROUP, 0, 2, 0},
      {STEP_FLUSH, 0, 0, 0}},
     5},
    {"compact", {{STEP_UPSERT, 0, 50, 9}, {STEP_COMPACT, 0, 0, 0}, {STEP_DELETE, 0, 51, 2}}, 3},
    {"alter", {{STEP_ALTER, 1, 0, 0}, {STEP_UPSERT, 1, 70, 2}, {STEP_FLUSH, 1, 0, 0}}, 3},
    {"anew",
     {{STEP_DROP, 0, 0, 0},
      {STEP_CREATE, 0, 0, 0},
      {STEP_UPSERT, 0, 5, 20},
      {STEP_FLUSH, 0, 0, 0},
      {STEP_UPSERT, 0, 60, 2}},
     5},
    {"the same paths", /* of other files */
     {{STEP_DROP, 1, 0, 0}, {STEP_CREATE, 1, 0, 0}, {STEP_UPSERT, 1, 5, 20}, {STEP_FLUSH, 1, 0, 0}},
     4},
    {"drop", {{STEP_DROP, 0, 0, 0}}, 1},
};

/* A machine, the engine on it, and the file system of the backup, which
 * interrupts itself. */
static struct px_powercut *disk;
static struct px_fault_fs engine_fs, backup_fs;
static struct engine_box box;
static struct model moments[MOST_MOMENTS]; /* from the beginning of the backup on */
static size_t moment_count;
static uint32_t value;

static void start(struct px_powercut *from)
{
    disk = from;
    backup_without_reserve(&engine_fs, px_powercut_boot(disk));
    px_fault_fs_init(&backup_fs, &engine_fs.base);
    engine_init(&box, &engine_fs.base, "data");
    box.options.public_options.wal_file_limit_bytes = 9000; /* one or two batches a file */
    engine_open(&box);
    value = 100;
    moment_count = 1;
}

static void end(void)
{
    engine_close(&box);
    px_fault_fs_release(&backup_fs);
    px_fault_fs_release(&engine_fs);
    px_powercut_free(disk);
}

/* Takes the steps of an interruption; each ends at a moment that may be found.
 */
static void interrupt(void *context)
{
    const struct interruption *interruption = context;
    for (size_t i = 0; i < interruption->step_count; i++) {
        moments[moment_count] = moments[moment_count - 1];
        backup_step(&box, &moments[moment_count++], &interruption->steps[i], ++value);
    }
    engine_settle(&box);
}

static void restore_and_compare(const char *name, uint64_t at)
{
    static const struct backup_case all = {0};
    struct engine_box restored;
    struct proximadb_error error;
    struct model_reason reason;
    bool agrees = false;
    engine_must(backup_restore(&engine_fs.base, "backup", "restored", &all, &error), &error);
    engine_init(&restored, &engine_fs.base, "restored");
    engine_open(&restored);
    for (size_t i = 0; i < moment_count && !agrees; i++)
        agrees = model_agrees(&restored, &moments[i], &reason);
    engine_close(&restored);
    if (!agrees)
        fail_msg("%s at call %d: none of the moments: %s", name, (int)at, reason.text);
}

/* A backup of the prepared disk with an interruption at that call. False: it
 * had fewer. */
static bool back_up(struct px_powercut *prepared, const struct interruption *interruption,
                    uint64_t at, const struct backup_case *how)
{
    struct proximadb_error error;
    start(px_powercut_copy(prepared));
    px_fault_fs_set(&backup_fs,
                    &(struct px_fault_rule){.fail_at = at,
                                            .interrupt = interrupt,
                                            .context = (void *)(uintptr_t)interruption});
    engine_must(backup_make(&backup_fs.base, "data", "backup", how, &error), &error);
    bool was_met = px_fault_fs_calls(&backup_fs) >= at;
    restore_and_compare(interruption->name, at);
    end();
    return was_met;
}

/* The first file of the log stays open while engines come and go, so it is
 * long-lived here. */
static struct px_powercut *prepare(void)
{
    start(px_powercut_new());
    moments[0] = (struct model){0};
    backup_fill(&box, &moments[0]);
    engine_settle(&box);
    struct px_powercut *prepared = px_powercut_copy(disk);
    px_powercut_cut(prepared, PX_POWERCUT_KEEP_ALL, 0);
    end();
    return prepared;
}

static void test_backup_race__any_moment_is_a_good_one(void **state)
{
    static const struct backup_case hows[] = {{0}, {.copy = true}};
    struct px_powercut *prepared = prepare();
    (void)state;
    for (size_t i = 0; i < sizeof interruptions / sizeof interruptions[0]; i++)
        for (size_t how = 0; how < 2; how++) {
            uint64_t at = 1;
            while (back_up(prepared, &interruptions[i], at, &hows[how]))
                at += px_test_fault_step(QUICK_STEP);
            print_message("%s: %d calls\n", interruptions[i].name, (int)at);
        }
    px_powercut_free(prepared);
}

/* ---- a log without a trace
 * ----------------------------------------------------------------- */

static uint64_t log_bytes(void)
{
    struct px_shard_numbers numbers;
    struct px_shard *shard = engine_shard(&box, "docs");
    px_shard_get_numbers(shard, &numbers);
    px_shard_unref(shard);
    return numbers.wal_bytes;
}

/* All that is in the log is flushed and its files are removed, the last one
 * too, since it was closed for being idle: what was in them above the backup's
 * manifest leaves no gap behind. */
static void empty_log(void *context)
{
    static const struct step flush = {STEP_FLUSH, 0, 0, 0};
    const struct timespec pause = {.tv_nsec = 20000000};
    uint64_t bytes = log_bytes();
    (void)context;
    atomic_fetch_add(&box.clock.monotonic_ms, 61000);
    for (int i = 0; i < 500 && log_bytes() == bytes; i++)
        (void)nanosleep(&pause, NULL); /* until its padding is cut off */
    backup_step(&box, &moments[0], &flush, ++value);
    engine_settle(&box);
    assert_int_equal(log_bytes(), 0);
}

static void test_backup_race__misses_no_log_that_was_flushed_and_removed(void **state)
{
    static const struct step write = {STEP_UPSERT, 0, 50, 9};
    static const struct backup_case all = {0};
    struct proximadb_error error;
    struct px_powercut *prepared = prepare();
    (void)state;
    start(px_powercut_copy(prepared));
    backup_step(&box, &moments[0], &write, ++value);
    px_fault_fs_set(&backup_fs, &(struct px_fault_rule){.kinds = PX_FAULT_LINK,
                                                        .path_part = "data/store/docs/",
                                                        .fail_at = 1,
                                                        .interrupt = empty_log});
    engine_must(backup_make(&backup_fs.base, "data", "backup", &all, &error), &error);
    restore_and_compare("an empty log", 1);
    end();
    px_powercut_free(prepared);
}

/* Between the manifest and the log some files of the log become the store's,
 * and newer ones stay: a gap, in more rounds than damage is given. */
static void move_log(void *context)
{
    static const struct step steps[] = {{STEP_UPSERT, 0, 0, 60},
                                        {STEP_UPSERT, 0, 0, 60},
                                        {STEP_FLUSH, 0, 0, 0},
                                        {STEP_UPSERT, 0, 0, 60},
                                        {STEP_UPSERT, 0, 0, 60}};
    (void)context;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        backup_step(&box, &moments[0], &steps[i], ++value);
    engine_settle(&box);
}

static void test_backup_race__takes_no_flush_for_damage(void **state)
{
    static const struct backup_case all = {0};
    struct proximadb_error error;
    struct px_powercut *prepared = prepare();
    (void)state;
    start(px_powercut_copy(prepared));
    px_fault_fs_set(&backup_fs, &(struct px_fault_rule){.kinds = PX_FAULT_LIST,
                                                        .path_part = "data/wal/docs",
                                                        .fail_at = 1,
                                                        .fail_count = 6,
                                                        .interrupt = move_log});
    engine_must(backup_make(&backup_fs.base, "data", "backup", &all, &error), &error);
    assert_true(px_fault_fs_calls(&backup_fs) >= 7);
    restore_and_compare("a log that moves on", 1);
    end();
    px_powercut_free(prepared);
}

/* ---- what cannot be backed up
 * -------------------------------------------------------------- */

/* Whenever the manifest is read, it is that of a newer store. */
static void move_on(void *context)
{
    static const struct step write = {STEP_UPSERT, 0, 50, 9}, flush = {STEP_FLUSH, 0, 0, 0};
    (void)context;
    backup_step(&box, &moments[0], &write, ++value);
    backup_step(&box, &moments[0], &flush, ++value);
}

static void test_backup_race__gives_up_on_what_never_rests(void **state)
{
    static const struct backup_case all = {0};
    struct proximadb_error error;
    struct px_powercut *prepared = prepare();
    (void)state;
    start(px_powercut_copy(prepared));
    px_fault_fs_set(&backup_fs, &(struct px_fault_rule){.kinds = PX_FAULT_OPEN,
                                                        .path_part = "data/store/docs/MANIFEST",
                                                        .fail_at = 1,
                                                        .fail_count = PX_FAULT_FOR_EVER,
                                                        .interrupt = move_on});
    assert_int_equal(backup_make(&backup_fs.base, "data", "backup", &all, &error),
                     PROXIMADB_UNAVAILABLE);
    assert_non_null(strstr(error.message, "'docs'"));
    assert_false(powercut_exists(&engine_fs.base, "backup"));
    end();
    px_powercut_free(prepared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backup_race__any_moment_is_a_good_one),
        cmocka_unit_test(test_backup_race__misses_no_log_that_was_flushed_and_removed),
        cmocka_unit_test(test_backup_race__takes_no_flush_for_damage),
        cmocka_unit_test(test_backup_race__gives_up_on_what_never_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
