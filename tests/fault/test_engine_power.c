/* px-test: layers=api label=fault */
/*
 * Goal: whatever the moment of a power cut, an engine holds every write that was acknowledged, of the
 * one that was under way all or nothing, no deleted row, no dropped collection, and exact counts; what
 * it has shown once, it shows for ever.
 * Method: for each way in which the engine writes files, a sequence of steps on a disk that loses power
 * at each of its syncs, right before and right behind it, and at each other change, under several
 * policies and seeds; the opening of the database is cut like everything else. Then recovery, more
 * writes, another cut, and another look. A quick run does so at some of the moments, PX_FAULT_STEP=1 at
 * all of them; PX_POWER_SEEDS=10 tries ten times as many seeds.
 */
#include "support/fault_fs.h"
#include "support/powercut_engine.h"
#include "support/powercut_help.h"
#include "viper/store_check.h"

#include <errno.h>

#if defined(PX_SANITIZED) /* three to ten times slower */
enum { SEEDS_PER_POLICY = 1, QUICK_STEP = 11 };
#else
enum { SEEDS_PER_POLICY = 2, QUICK_STEP = 7 }; /* seeds: times PX_POWER_SEEDS, if that is set */
#endif

enum {
    LOG_LIMIT_BYTES = 12000, /* the header has about 8,000: a log file takes one large batch */
    MOST_STEPS = 16,
};

/* How the engine is used, so that one of its ways of writing files is met often. */
struct theme {
    const char *name;
    struct step setup[MOST_STEPS]; /* with the power on; what it leaves is not all synced */
    size_t setup_count;
    struct step steps[MOST_STEPS];
    size_t step_count;
};

/* ---- a machine with an engine -------------------------------------------------------------- */

/* What may be found: the model before the step that was under way, or behind it. */
struct expected {
    struct model before, after;
    unsigned alter_doubt; /* collections that may have one more field: bits by number */
    bool failed;          /* a step did */
    uint32_t step_count;  /* taken in all lives, so that each has a value of its own */

    const struct step *last_write; /* that was not refused; NULL: none, or its collection is gone */
    uint32_t last_value;           /* what it wrote */
    bool is_last_in_doubt;         /* whether it happened is not known yet */
};

/* Whether engines compact in the background, with limits for collections of a few rows. */
static bool is_compacted;

struct life {
    struct px_powercut *disk;
    struct px_fault_fs faults;
    struct px_fault_fs
        fs; /* refuses the reserve, which would make each copy of the disk 16 MiB larger */
    struct engine_box box;
};

/* `fault` may be NULL. */
static int life_begin(struct life *life, struct px_powercut *disk,
                      const struct px_fault_rule *fault)
{
    static const struct px_plan_limits limits = {
        .round_parts = 2, .least_round_bytes = 1, .cluster_parts = 2, .fold_parts = 3};
    static const struct px_clustering_sizes sizes = {
        .least_bytes = 2000, .aimed_bytes = 4000, .most_bytes = 6000};
    life->disk = disk;
    px_fault_fs_init(&life->faults, px_powercut_boot(disk));
    if (fault != NULL)
        px_fault_fs_set(&life->faults, fault);
    px_fault_fs_init(&life->fs, &life->faults.base);
    px_fault_fs_set(&life->fs, &(struct px_fault_rule){.kinds = PX_FAULT_ALLOCATE,
                                                       .path_part = "reserve",
                                                       .fail_at = 1,
                                                       .fail_count = PX_FAULT_FOR_EVER,
                                                       .error = ENOSPC});
    engine_init(&life->box, &life->fs.base, "data");
    life->box.options.public_options.wal_file_limit_bytes = LOG_LIMIT_BYTES;
    life->box.options.has_no_compaction = !is_compacted;
    life->box.options.plan_limits = limits;
    life->box.options.cluster_sizes = sizes;
    life->box.options.list_rows = 6;
    return engine_try_open(&life->box);
}

/* The machine is killed, before the engine can tidy up. */
static void life_end(struct life *life)
{
    px_powercut_kill(life->disk);
    engine_close(&life->box);
    px_fault_fs_release(&life->fs);
    px_fault_fs_release(&life->faults);
}

/* Rows, and another change of fields, are not accepted before it is sure which fields there are. */
static bool settles_fields(const struct step *step)
{
    return step->kind == STEP_ALTER || step->kind == STEP_CREATE || step->kind == STEP_DROP ||
           (step_is_write(step) && step->kind != STEP_DELETE && step->kind != STEP_DELETE_GROUP);
}

/* A step that failed: what may be found now? Writes say whether their outcome is in doubt. */
static void note_failure(struct expected *expected, const struct step *step, int rc)
{
    bool is_refused = step_is_write(step) && rc != PROXIMADB_OUTCOME_UNKNOWN;
    if (step->kind == STEP_ALTER)
        expected->alter_doubt |= 1u << step->collection;
    else if (!is_refused && settles_fields(step))
        expected->alter_doubt &= ~(1u << step->collection);
    if (is_refused || step->kind == STEP_ALTER || step->kind == STEP_FLUSH ||
        step->kind == STEP_COMPACT)
        expected->after = expected->before;
    expected->failed = true;
}

static void note_success(struct expected *expected, const struct step *step)
{
    if (settles_fields(step))
        expected->alter_doubt &= ~(1u << step->collection);
    expected->before = expected->after;
}

/* Notes the write that can be sent again, under its request id. */
static void note_write(struct expected *expected, const struct step *step, int rc, bool wrote_rows)
{
    if (step->kind == STEP_CREATE || step->kind == STEP_DROP) {
        expected->last_write = NULL;
    } else if (step_is_write(step) &&
               (rc == PROXIMADB_OUTCOME_UNKNOWN || (rc == PROXIMADB_OK && wrote_rows))) {
        expected->last_write = step;
        expected->last_value = expected->step_count;
        expected->is_last_in_doubt = rc != PROXIMADB_OK;
    }
}

/* Takes a step; false if it fails. */
static bool take_step(struct life *life, const struct step *step, struct expected *expected)
{
    struct proximadb_write_result result = {0};
    uint32_t value = ++expected->step_count;
    size_t field_count = expected->before.collections[step->collection].field_count;
    expected->after = expected->before;
    model_take(&expected->after, step, value);
    struct model_collection *collection = &expected->after.collections[step->collection];
    int rc = step_run(&life->box, step, value, field_count, &result);
    note_write(expected, step, rc, result.row_count > 0);
    if (rc != PROXIMADB_OK) {
        note_failure(expected, step, rc);
        return false;
    }
    if (step_is_write(step) && result.row_count > 0)
        assert_int_equal(result.first_version + (int64_t)result.row_count - 1,
                         collection->last_version);
    if (step->kind == STEP_CREATE) {
        struct model_info info;
        engine_must(model_get_info(&life->box, model_names[step->collection], &info),
                    &life->box.error);
        memcpy(collection->uuid, info.uuid, sizeof info.uuid);
    }
    note_success(expected, step);
    return true;
}

/* What failed in the background is tried again at once, not in a second. */
static void heal(struct life *life, unsigned collection)
{
    struct px_shard *shard = engine_shard(&life->box, model_names[collection]);
    if (shard == NULL)
        return;
    engine_settle_shard(NULL, shard);
    pthread_mutex_lock(&shard->lock);
    px_shard__start_flush(shard);
    pthread_mutex_unlock(&shard->lock);
    engine_settle_shard(NULL, shard);
    px_shard_unref(shard);
}

/* Until one fails behind which it is not known what there is. */
static void take_steps(struct life *life, const struct step *steps, size_t count,
                       struct expected *expected)
{
    for (size_t i = 0; i < count; i++) {
        bool goes_on = take_step(life, &steps[i], expected) || steps[i].kind == STEP_ALTER ||
                       steps[i].kind == STEP_FLUSH || steps[i].kind == STEP_COMPACT;
        if (!goes_on)
            return;
        if (expected->failed)
            heal(life, steps[i].collection);
    }
}

/* ---- looking ------------------------------------------------------------------------------- */

/* Which cut it was, for the message of a failure. */
struct moment {
    const struct theme *theme;
    const char *what;
    uint64_t n;
    enum px_powercut_when when;
    int policy;
    enum px_powercut_policy second_policy;
    uint64_t seed;
    int look; /* 1: after the cut; 2: after the second one */
};

static _Noreturn void fail_at(const struct moment *moment, const char *what, const char *why)
{
    fail_msg("%s: %s %llu, %s it; policy %d, seed %llu, look %d: %s%s", moment->theme->name,
             moment->what, (unsigned long long)moment->n,
             moment->when == PX_POWERCUT_BEFORE ? "before" : "behind", moment->policy,
             (unsigned long long)moment->seed, moment->look, what, why);
    abort();
}

static void take_finding(void *context, enum px_severity severity, const char *file,
                         const char *what)
{
    struct model_reason *damage = context;
    if (severity == PX_DAMAGE)
        snprintf(damage->text, sizeof damage->text, "'%s' is damaged: %s", file, what);
}

/* Reads all files of a collection's store, also those that no answer needs. */
static void check_store(struct life *life, const char *name, const struct moment *moment)
{
    struct px_shard *shard = engine_shard(&life->box, name);
    struct model_reason damage = {""};
    const struct px_findings findings = {.report = take_finding, .context = &damage};
    struct px_store_checked checked;
    char folder[64];
    if (shard == NULL)
        return;
    struct px_description *description = px_shard_describe(shard);
    snprintf(folder, sizeof folder, "data/store/%s", name);
    const struct px_store_check check = {.fs = &life->fs.base,
                                         .folder = folder,
                                         .collection = &description->collection,
                                         .findings = &findings};
    engine_must(px_store_check_run(&check, &checked, &life->box.error), &life->box.error);
    px_description_unref(description);
    px_shard_unref(shard);
    if (damage.text[0] != '\0')
        fail_at(moment, "", damage.text);
}

/* Whether the engine holds what the model says, but for fields that are in doubt: those are learned
 * then. */
static bool agrees(struct life *life, struct model *model, unsigned alter_doubt,
                   struct model_reason *reason)
{
    for (unsigned altered = 0; altered < 1u << MODEL_COLLECTIONS; altered++) {
        struct model candidate = *model;
        if ((altered & alter_doubt) != altered)
            continue;
        for (unsigned i = 0; i < MODEL_COLLECTIONS; i++)
            candidate.collections[i].field_count += altered >> i & 1;
        if (model_agrees(&life->box, &candidate, reason)) {
            *model = candidate;
            return true;
        }
    }
    return false;
}

/* What is found is all that may be found from then on. Whether it is the state behind the last step. */
static bool look(struct life *life, struct expected *expected, const struct moment *moment)
{
    struct model_reason before, after;
    if (life->box.engine == NULL)
        fail_at(moment, "it does not open: ", life->box.error.message);
    engine_settle(&life->box); /* else files may go while they are checked */
    for (size_t i = 0; i < MODEL_COLLECTIONS; i++)
        check_store(life, model_names[i], moment);
    unsigned doubt = expected->alter_doubt;
    expected->alter_doubt = 0;
    if (agrees(life, &expected->after, doubt, &after)) {
        expected->before = expected->after;
        return true;
    }
    if (!agrees(life, &expected->before, doubt, &before)) {
        char both[1100];
        snprintf(both, sizeof both, "%s; and %s", before.text, after.text);
        fail_at(moment, "neither the state before nor behind the last step: ", both);
    }
    expected->after = expected->before;
    return false;
}

/* The last write is sent again: if it happened it must not happen twice, otherwise it happens now. */
static void repeat_last(struct life *life, struct expected *expected, bool happened,
                        const struct moment *moment)
{
    const struct step *step = expected->last_write;
    struct proximadb_write_result result = {0};
    if (step == NULL)
        return;
    int rc = step_run(&life->box, step, expected->last_value, 0, &result);
    if (rc != PROXIMADB_OK)
        fail_at(moment, "a repeat fails: ", life->box.error.message);
    if (result.repeated != happened)
        fail_at(moment, "a repeat is answered as if it had ",
                happened ? "not happened" : "happened");
    if (!happened)
        model_take(&expected->before, step, expected->last_value);
    expected->after = expected->before;
}

/* What a recovered engine does before the second cut. */
static void go_on(struct life *life, struct expected *expected, const struct moment *moment)
{
    static const struct step upsert = {STEP_UPSERT, 0, 60, 4}, more = {STEP_UPSERT, 1, 60, 4},
                             flush = {STEP_FLUSH, 0, 0, 0}, erase = {STEP_DELETE, 0, 61, 2},
                             create = {STEP_CREATE, 0, 0, 0};
    static const struct step *const ways[][3] = {
        {NULL}, {&upsert, &more, NULL}, {&upsert, &erase, &flush}, {&flush, &upsert, NULL}};
    const struct step *const *way = ways[moment->seed % 4];
    if (!expected->before.collections[0].exists && moment->seed % 2 == 1 &&
        !take_step(life, &create, expected))
        fail_at(moment, "a creation fails: ", life->box.error.message);
    for (size_t i = 0; i < 3 && way[i] != NULL; i++)
        if (expected->before.collections[way[i]->collection].exists &&
            !take_step(life, way[i], expected))
            fail_at(moment, "a write fails: ", life->box.error.message);
}

/* Recovery, some writes, a cut, and recovery again. The disk is not needed any more. */
static void recover_twice(struct px_powercut *disk, struct expected expected, struct moment moment)
{
    static struct life life;
    moment.look = 1;
    (void)life_begin(&life, disk, NULL);
    bool is_after = look(&life, &expected, &moment);
    if (moment.seed % 3 != 0)
        repeat_last(&life, &expected, is_after || !expected.is_last_in_doubt, &moment);
    go_on(&life, &expected, &moment);
    life_end(&life);
    px_powercut_cut(disk, moment.second_policy, moment.seed);
    moment.look = 2;
    (void)life_begin(&life, disk, NULL);
    (void)look(&life, &expected, &moment);
    life_end(&life);
    px_powercut_free(disk);
}

/* ---- cutting ------------------------------------------------------------------------------- */

static uint64_t seed_count(void)
{
    const char *factor = getenv("PX_POWER_SEEDS");
    return SEEDS_PER_POLICY * (factor != NULL ? strtoull(factor, NULL, 10) : 1);
}

/* The process is only killed. Then the next one shows what is not on the device yet, and must see to it
 * that it is before anything hangs on it. */
static void try_kills(struct px_powercut *disk, const struct expected *expected,
                      struct moment moment)
{
    moment.policy = -1;
    for (uint64_t i = 0; i < 2 * seed_count(); i++) {
        moment.second_policy = i % 2 == 0 ? PX_POWERCUT_RANDOM : PX_POWERCUT_ANY;
        moment.seed = moment.n + i;
        recover_twice(px_powercut_copy(disk), *expected, moment);
    }
}

static void try_cuts(struct px_powercut *disk, const struct expected *expected,
                     struct moment moment)
{
    try_kills(disk, expected, moment);
    moment.second_policy = PX_POWERCUT_ANY;
    for (int policy = PX_POWERCUT_DROP_ALL; policy <= PX_POWERCUT_RANDOM; policy++) {
        for (uint64_t i = 0; i < seed_count(); i++) {
            moment.policy = policy;
            moment.seed = moment.n * 5 + (uint64_t)policy * 3 + i; /* all ways of going on */
            recover_twice(powercut_after(disk, (enum px_powercut_policy)policy, moment.seed),
                          *expected, moment);
        }
    }
}

static struct px_powercut *set_up(const struct theme *theme, struct expected *expected)
{
    static struct life life;
    struct px_powercut *disk = px_powercut_new();
    *expected = (struct expected){0};
    if (theme->setup_count == 0)
        return disk;
    if (life_begin(&life, disk, NULL) != PROXIMADB_OK)
        fail_msg("%s", life.box.error.message);
    take_steps(&life, theme->setup, theme->setup_count, expected);
    if (expected->failed)
        fail_msg("%s: the setup fails: %s", theme->name, life.box.error.message);
    life_end(&life);
    return disk;
}

typedef void set_stop(struct px_powercut *disk, uint64_t n, enum px_powercut_when when);

/* Whether the theme got to its n-th call; `tries` are made of what is left then. */
static bool try_stop(struct px_powercut *base, const struct expected *at_start, set_stop *stop,
                     void (*tries)(struct px_powercut *, const struct expected *, struct moment),
                     struct moment moment)
{
    static struct life life;
    struct px_powercut *disk = px_powercut_copy(base);
    struct expected expected = *at_start;
    life.disk = disk;
    stop(disk, moment.n, moment.when);
    bool opened = life_begin(&life, disk, NULL) == PROXIMADB_OK;
    if (opened)
        take_steps(&life, moment.theme->steps, moment.theme->step_count, &expected);
    bool stopped = px_powercut_stopped(disk);
    if (!stopped &&
        (!opened || expected.step_count - at_start->step_count < moment.theme->step_count))
        fail_at(&moment, "with the power on: ", life.box.error.message);
    life_end(&life);
    tries(disk, &expected, moment);
    px_powercut_free(disk);
    return stopped;
}

static void try_one_cut(struct px_powercut *disk, const struct expected *expected,
                        struct moment moment)
{
    moment.seed = moment.n;
    moment.policy = moment.second_policy = PX_POWERCUT_ANY;
    recover_twice(powercut_after(disk, PX_POWERCUT_ANY, moment.seed), *expected, moment);
}

/* The cuts at all syncs, and then at all changes. */
static void try_theme(const struct theme *theme)
{
    struct expected expected;
    struct px_powercut *base = set_up(theme, &expected);
    struct moment moment = {.theme = theme, .what = "sync"};
    const uint64_t step = px_test_fault_step(QUICK_STEP);
    bool stopped = true;
    for (moment.n = 1; stopped; moment.n += step) {
        moment.when = PX_POWERCUT_AFTER;
        stopped = try_stop(base, &expected, px_powercut_stop_at_sync, try_cuts, moment);
        moment.when = PX_POWERCUT_BEFORE;
        if (stopped)
            (void)try_stop(base, &expected, px_powercut_stop_at_sync, try_cuts, moment);
    }
    uint64_t sync_count = moment.n - 1 - step;
    assert_true(sync_count + step > theme->step_count);
    moment.what = "change";
    for (moment.n = 1, stopped = true; stopped; moment.n += step)
        stopped = try_stop(base, &expected, px_powercut_stop_at_change, try_one_cut, moment);
    print_message("%s: %llu syncs, %llu changes\n", theme->name, (unsigned long long)sync_count,
                  (unsigned long long)(moment.n - 1 - step));
    px_powercut_free(base);
}

/* ---- the ways of writing files ------------------------------------------------------------- */

#define THEME_STEPS(...) {__VA_ARGS__}, sizeof((struct step[]){__VA_ARGS__}) / sizeof(struct step)

/* From an empty disk: the data folder itself is made. */
static void test_engine_power__creation(void **state)
{
    (void)state;
    static const struct theme theme = {"creation", .step_count = 5,
                                       .steps = {{STEP_CREATE, 0, 0, 0},
                                                 {STEP_INSERT, 0, 0, 3},
                                                 {STEP_CREATE, 1, 0, 0},
                                                 {STEP_ALTER, 0, 0, 0},
                                                 {STEP_INSERT, 1, 0, 3}}};
    try_theme(&theme);
}

static void test_engine_power__writes(void **state)
{
    (void)state;
    static const struct theme theme = {
        "writes", THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 20}),
        THEME_STEPS({STEP_INSERT, 0, 20, 6}, {STEP_UPDATE_METADATA, 0, 2, 4},
                    {STEP_UPDATE_VECTOR, 0, 4, 3}, {STEP_UPSERT, 0, 15, 12}, {STEP_DELETE, 0, 1, 4},
                    {STEP_DELETE_GROUP, 0, 0, 0}, {STEP_INSERT, 0, 1, 3})};
    try_theme(&theme);
}

static void test_engine_power__rotation(void **state)
{
    (void)state;
    static const struct theme theme = {
        "rotation", THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 55}),
        THEME_STEPS({STEP_UPSERT, 0, 0, 55}, {STEP_UPDATE_VECTOR, 0, 0, 50},
                    {STEP_DELETE, 0, 5, 50}, {STEP_UPSERT, 0, 3, 55}, {STEP_FLUSH, 0, 0, 0},
                    {STEP_UPSERT, 0, 1, 55})};
    try_theme(&theme);
}

static void test_engine_power__flush(void **state)
{
    (void)state;
    static const struct theme theme = {
        "flush", THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 20}),
        THEME_STEPS({STEP_FLUSH, 0, 0, 0}, {STEP_DELETE, 0, 2, 5}, {STEP_UPDATE_METADATA, 0, 8, 4},
                    {STEP_FLUSH, 0, 0, 0}, {STEP_UPSERT, 0, 0, 4}, {STEP_ALTER, 0, 0, 0},
                    {STEP_DELETE_GROUP, 0, 1, 0}, {STEP_FLUSH, 0, 0, 0})};
    try_theme(&theme);
}

static void test_engine_power__compaction(void **state)
{
    (void)state;
    static const struct theme theme = {
        "compaction",
        THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 30}, {STEP_FLUSH, 0, 0, 0},
                    {STEP_UPSERT, 0, 20, 20}, {STEP_DELETE, 0, 3, 3}, {STEP_FLUSH, 0, 0, 0}),
        THEME_STEPS({STEP_DELETE_GROUP, 0, 2, 0}, {STEP_COMPACT, 0, 0, 0}, {STEP_UPSERT, 0, 0, 10},
                    {STEP_DELETE, 0, 30, 3}, {STEP_COMPACT, 0, 0, 0}, {STEP_INSERT, 0, 50, 3})};
    try_theme(&theme);
}

/* Each flush is followed by a round, which appends to clusters or writes them anew, splits lists and
 * clusters and merges them, or by all being clustered anew. The steps behind some of them do not wait for
 * that. */
static void test_engine_power__background_compaction(void **state)
{
    (void)state;
    static const struct theme theme = {
        "background compaction",
        THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 30}, {STEP_FLUSH, 0, 0, 0},
                    {STEP_UPSERT, 0, 20, 20}, {STEP_FLUSH, 0, 0, 0}, {STEP_SETTLE, 0, 0, 0}),
        THEME_STEPS({STEP_INSERT, 0, 40, 10}, {STEP_FLUSH, 0, 0, 0}, {STEP_SETTLE, 0, 0, 0},
                    {STEP_DELETE, 0, 0, 15}, {STEP_UPSERT, 0, 30, 8}, {STEP_FLUSH, 0, 0, 0},
                    {STEP_SETTLE, 0, 0, 0}, {STEP_DELETE, 0, 20, 12}, {STEP_FLUSH, 0, 0, 0},
                    {STEP_UPSERT, 0, 2, 9}, {STEP_FLUSH, 0, 0, 0}, {STEP_SETTLE, 0, 0, 0})};
    is_compacted = true;
    try_theme(&theme);
    is_compacted = false;
}

static void test_engine_power__dropping_and_creating_again(void **state)
{
    (void)state;
    static const struct theme theme = {
        "dropping",
        THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_CREATE, 1, 0, 0}, {STEP_INSERT, 0, 0, 20},
                    {STEP_FLUSH, 0, 0, 0}, {STEP_INSERT, 0, 20, 5}, {STEP_INSERT, 1, 0, 5}),
        THEME_STEPS({STEP_DROP, 0, 0, 0}, {STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 7, 6},
                    {STEP_FLUSH, 0, 0, 0}, {STEP_DROP, 0, 0, 0}, {STEP_DROP, 1, 0, 0},
                    {STEP_CREATE, 1, 0, 0}, {STEP_INSERT, 1, 3, 2})};
    try_theme(&theme);
}

/* ---- recovery ------------------------------------------------------------------------------ */

/* Finds out what a disk without anything unsynced holds. */
static void settle(struct px_powercut *disk, struct expected *expected, const struct moment *moment)
{
    static struct life life;
    struct px_powercut *copy = px_powercut_copy(disk);
    (void)life_begin(&life, copy, NULL);
    if (look(&life, expected, moment) || !expected->is_last_in_doubt)
        expected->is_last_in_doubt = false;
    else
        expected->last_write = NULL; /* it never happened */
    life_end(&life);
    px_powercut_free(copy);
}

/* A recovery that has something to do, and is cut off itself, at every sync and change. */
static void cut_recovery(struct px_powercut *disk, const struct expected *expected,
                         struct moment moment)
{
    moment.when = PX_POWERCUT_BEFORE;
    moment.what = "change of a recovery";
    const uint64_t step = px_test_fault_step(QUICK_STEP);
    bool stopped = true;
    for (moment.n = 1; stopped; moment.n += step)
        stopped = try_stop(disk, expected, px_powercut_stop_at_change, try_one_cut, moment);
    moment.what = "sync of a recovery";
    moment.when = PX_POWERCUT_AFTER;
    for (moment.n = 1, stopped = true; stopped; moment.n += step)
        stopped = try_stop(disk, expected, px_powercut_stop_at_sync, try_one_cut, moment);
}

/* The last step of the setup is cut at each of its changes; what comes then is cut, too. */
static void try_recovery(const struct theme *theme)
{
    struct expected at_start;
    struct px_powercut *base = set_up(theme, &at_start);
    struct moment moment = {.theme = theme, .what = "change of the first life", .look = 1};
    bool stopped = true;
    for (uint64_t n = 1; stopped; n++) {
        static struct life life;
        struct px_powercut *disk = px_powercut_copy(base);
        struct expected expected = at_start;
        px_powercut_stop_at_change(disk, n, PX_POWERCUT_AFTER);
        if (life_begin(&life, disk, NULL) == PROXIMADB_OK)
            take_steps(&life, theme->steps, theme->step_count, &expected);
        stopped = px_powercut_stopped(disk);
        life_end(&life);
        px_powercut_cut(disk, n % 3 == 0 ? PX_POWERCUT_KEEP_ALL : PX_POWERCUT_IN_ORDER, n);
        moment.n = n;
        settle(disk, &expected, &moment);
        cut_recovery(disk, &expected, moment);
        px_powercut_free(disk);
    }
    px_powercut_free(base);
}

static void test_engine_power__recovery_of_writes(void **state)
{
    (void)state;
    static const struct theme theme = {"recovery of writes",
                                       THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 20}),
                                       THEME_STEPS({STEP_UPSERT, 0, 10, 50})};
    try_recovery(&theme);
}

/* ---- syncs that fail ----------------------------------------------------------------------- */

typedef bool live_through(struct px_powercut *disk, struct expected *expected,
                          const struct moment *moment);

/* A sync of a folder fails, once, and its names are as durable as before. Whether there was one. */
static bool fail_folder_sync(struct px_powercut *disk, struct expected *expected,
                             const struct moment *moment)
{
    static struct life life;
    const struct px_fault_rule rule = {.kinds = PX_FAULT_SYNC_FOLDER, .fail_at = moment->n};
    if (life_begin(&life, disk, &rule) == PROXIMADB_OK)
        take_steps(&life, moment->theme->steps, moment->theme->step_count, expected);
    bool failed = px_fault_fs_calls(&life.faults) >= moment->n;
    life_end(&life);
    return failed;
}

/* A sync of a file fails, and the system forgets what it was to write. */
static bool fail_file_sync(struct px_powercut *disk, struct expected *expected,
                           const struct moment *moment)
{
    static struct life life;
    px_powercut_fail_sync(disk, NULL, moment->n);
    if (life_begin(&life, disk, NULL) == PROXIMADB_OK)
        take_steps(&life, moment->theme->steps, moment->theme->step_count, expected);
    bool failed = px_powercut_counts(disk).syncs >= moment->n;
    px_powercut_fail_sync(disk, NULL, 0);
    life_end(&life);
    return failed;
}

static void try_failing_syncs(const struct theme *theme)
{
    static live_through *const ways[] = {fail_folder_sync, fail_file_sync};
    struct expected at_start;
    struct px_powercut *base = set_up(theme, &at_start);
    struct moment moment = {.theme = theme, .when = PX_POWERCUT_BEFORE};
    for (size_t way = 0; way < 2; way++) {
        bool failed = true;
        moment.what = way == 0 ? "failing sync of a folder" : "failing sync of a file";
        for (moment.n = 1; failed; moment.n += px_test_fault_step(QUICK_STEP)) {
            struct px_powercut *disk = px_powercut_copy(base);
            struct expected expected = at_start;
            failed = ways[way](disk, &expected, &moment);
            try_cuts(disk, &expected, moment);
            px_powercut_free(disk);
        }
    }
    px_powercut_free(base);
}

static void test_engine_power__syncs_that_fail(void **state)
{
    (void)state;
    static const struct theme theme = {
        "failing syncs",
        THEME_STEPS({STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 20}, {STEP_FLUSH, 0, 0, 0},
                    {STEP_INSERT, 0, 20, 5}),
        THEME_STEPS({STEP_FLUSH, 0, 0, 0}, {STEP_DELETE, 0, 2, 5}, {STEP_FLUSH, 0, 0, 0},
                    {STEP_ALTER, 0, 0, 0}, {STEP_UPSERT, 0, 4, 3}, {STEP_COMPACT, 0, 0, 0},
                    {STEP_UPSERT, 0, 30, 3}, {STEP_FLUSH, 0, 0, 0}, {STEP_DELETE, 0, 0, 3},
                    {STEP_COMPACT, 0, 0, 0}, {STEP_UPSERT, 0, 8, 3}, {STEP_DROP, 0, 0, 0},
                    {STEP_CREATE, 0, 0, 0}, {STEP_INSERT, 0, 0, 2})};
    try_failing_syncs(&theme);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_power__creation),
        cmocka_unit_test(test_engine_power__writes),
        cmocka_unit_test(test_engine_power__rotation),
        cmocka_unit_test(test_engine_power__flush),
        cmocka_unit_test(test_engine_power__compaction),
        cmocka_unit_test(test_engine_power__background_compaction),
        cmocka_unit_test(test_engine_power__dropping_and_creating_again),
        cmocka_unit_test(test_engine_power__recovery_of_writes),
        cmocka_unit_test(test_engine_power__syncs_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
