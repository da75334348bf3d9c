/*
 * Goal: operations are decided, written, applied and finished in order, each exactly once; none is
 * finished before its sync; waiting, refusing, parking and failing lose nothing.
 * Method: operations that record what happens to them, submitted by several threads.
 */
#include "wal/committer.h"

#include "support/wal_support.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct test_op {
    struct px_commit_op base; /* first member: the committer's view of it */
    int thread;
    int number;      /* within its thread */
    int wait_rounds; /* how often decide says WAIT, when it may */
    bool refuse;     /* decide finishes it */
    bool stop;       /* likewise, and ends the round */
    bool frees_space;
    uint8_t batch[16];
    int64_t lsn;
    int status; /* of finish; -1 before */
};

struct test_lane {
    struct px_commit_lane *lane;
    struct wal_fixture *fixture;
    atomic_int in_round;        /* decided to write, not yet published */
    atomic_int published_count; /* operations */
    atomic_int finished_count;
    atomic_bool is_ready;
    bool becomes_unready; /* when an operation stops it */
    atomic_int tick_count;
    int space_count; /* how often make_space says yes */
    int64_t last_lsn;
    int last_number[16]; /* by thread: order within each is kept */
};

static enum px_commit_decision decide(void *context, struct px_commit_op *op,
                                      struct px_wal_entry *entry)
{
    struct test_lane *lane = context;
    struct test_op *self = (struct test_op *)op;
    if (self->refuse) {
        self->status = PROXIMADB_INVALID;
        if (self->stop)
            lane->is_ready = !lane->becomes_unready;
        lane->finished_count++;
        return self->stop ? PX_COMMIT_STOP : PX_COMMIT_DONE;
    }
    if (self->wait_rounds > 0 && lane->in_round > 0) {
        self->wait_rounds--;
        return PX_COMMIT_WAIT;
    }
    lane->in_round++;
    *entry = (struct px_wal_entry){.row_count = 2,
                                   .batch = px_slice_of(self->batch, sizeof self->batch)};
    return PX_COMMIT_WRITE;
}

static void apply(void *context, struct px_commit_op *op, const struct px_wal_entry *entry)
{
    struct test_lane *lane = context;
    struct test_op *self = (struct test_op *)op;
    assert_true(entry->lsn > lane->last_lsn);
    lane->last_lsn = entry->lsn;
    assert_true(self->number > lane->last_number[self->thread]);
    lane->last_number[self->thread] = self->number;
    self->lsn = entry->lsn;
}

static void publish(void *context)
{
    struct test_lane *lane = context;
    lane->published_count += lane->in_round;
    lane->in_round = 0;
}

static void finish(void *context, struct px_commit_op *op, const struct proximadb_error *error)
{
    struct test_lane *lane = context;
    struct test_op *self = (struct test_op *)op;
    if (error == NULL)
        assert_int_equal(lane->in_round, 0); /* published before */
    else
        lane->in_round = 0;
    self->status = error == NULL ? PROXIMADB_OK : error->status;
    lane->finished_count++;
}

static bool is_ready(void *context)
{
    return ((struct test_lane *)context)->is_ready;
}

static bool frees_space(void *context, const struct px_commit_op *op)
{
    (void)context;
    return ((const struct test_op *)op)->frees_space;
}

static bool make_space(void *context)
{
    return ((struct test_lane *)context)->space_count-- > 0;
}

static void tick(void *context)
{
    ((struct test_lane *)context)->tick_count++;
}

static const struct px_commit_handler handler = {.decide = decide,
                                                 .apply = apply,
                                                 .publish = publish,
                                                 .finish = finish,
                                                 .is_ready = is_ready,
                                                 .frees_space = frees_space,
                                                 .make_space = make_space,
                                                 .tick = tick};

static void lane_open(struct test_lane *lane, struct px_committers *committers,
                      struct wal_fixture *fixture, uint64_t hash)
{
    *lane = (struct test_lane){.fixture = fixture};
    lane->is_ready = true;
    for (size_t i = 0; i < 16; i++)
        lane->last_number[i] = -1;
    assert_int_equal(
        px_commit_lane_open(committers, hash, fixture->wal, &handler, lane, &lane->lane, NULL),
        PROXIMADB_OK);
}

static void wait_for(atomic_int *count, int expected)
{
    for (int i = 0; i < 20000 && *count < expected; i++)
        usleep(1000);
    assert_int_equal(*count, expected);
}

enum { THREAD_COUNT = 4, OPS_PER_THREAD = 300 };

struct submitter {
    struct test_lane *lane;
    int thread;
    struct test_op ops[OPS_PER_THREAD];
};

static void *submit_all(void *argument)
{
    struct submitter *self = argument;
    for (int i = 0; i < OPS_PER_THREAD; i++) {
        self->ops[i] = (struct test_op){.thread = self->thread,
                                        .number = i,
                                        .wait_rounds = i % 5 == 0 ? 2 : 0,
                                        .refuse = i % 11 == 0,
                                        .status = -1};
        px_commit_lane_submit(self->lane->lane, &self->ops[i].base);
    }
    return NULL;
}

static void check_finished(const struct submitter *submitter, int *written)
{
    for (int i = 0; i < OPS_PER_THREAD; i++) {
        const struct test_op *op = &submitter->ops[i];
        assert_int_equal(op->status, op->refuse ? PROXIMADB_INVALID : PROXIMADB_OK);
        *written += !op->refuse;
    }
}

static void test_committer__finishes_everything_in_order(void **state)
{
    (void)state;
    static struct wal_fixture fixtures[2];
    static struct test_lane lanes[2];
    static struct submitter submitters[THREAD_COUNT];
    struct px_committers *committers;
    pthread_t threads[THREAD_COUNT];
    assert_int_equal(px_committers_open(1, &committers, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < 2; i++) { /* two collections of one committer */
        wal_fixture_init(&fixtures[i], &px_fs_posix,
                         px_test_folder(i == 0 ? "committer_a" : "committer_b"));
        wal_fixture_open(&fixtures[i]);
        lane_open(&lanes[i], committers, &fixtures[i], i);
    }
    for (int i = 0; i < THREAD_COUNT; i++) {
        submitters[i].lane = &lanes[i % 2];
        submitters[i].thread = i;
        assert_int_equal(pthread_create(&threads[i], NULL, submit_all, &submitters[i]), 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 2; i++) {
        int written = 0;
        px_commit_lane_close(lanes[i].lane); /* waits for all of it */
        assert_int_equal(lanes[i].finished_count, 2 * OPS_PER_THREAD);
        check_finished(&submitters[i], &written);
        check_finished(&submitters[i + 2], &written);
        assert_int_equal(lanes[i].published_count, written);
        assert_int_equal(px_wal_next_lsn(fixtures[i].wal), 1 + 2 * written);
        wal_fixture_close(&fixtures[i]);
    }
    px_committers_close(committers);
}

static void test_committer__parks_until_resumed(void **state)
{
    (void)state;
    static struct wal_fixture fixture;
    static struct test_lane lane;
    struct px_committers *committers;
    struct test_op ops[3];
    wal_fixture_init(&fixture, &px_fs_posix, px_test_folder("committer"));
    wal_fixture_open(&fixture);
    assert_int_equal(px_committers_open(2, &committers, NULL), PROXIMADB_OK);
    lane_open(&lane, committers, &fixture, 7);
    lane.is_ready = false;
    for (int i = 0; i < 3; i++) {
        ops[i] = (struct test_op){.number = i, .status = -1};
        px_commit_lane_submit(lane.lane, &ops[i].base);
    }
    usleep(50000);
    assert_int_equal(lane.finished_count, 0);
    lane.is_ready = true;
    px_commit_lane_resume(lane.lane);
    wait_for(&lane.finished_count, 3);

    lane.is_ready = false; /* closing does not wait for a resume that may never come */
    ops[0] = (struct test_op){.number = 3, .status = -1};
    px_commit_lane_submit(lane.lane, &ops[0].base);
    px_commit_lane_close(lane.lane);
    assert_int_equal(lane.finished_count, 4);
    px_committers_close(committers);
    wal_fixture_close(&fixture);
}

static void test_committer__ticks(void **state)
{
    (void)state;
    static struct wal_fixture fixture;
    static struct test_lane lane;
    struct px_committers *committers;
    wal_fixture_init(&fixture, &px_fs_posix, px_test_folder("committer"));
    wal_fixture_open(&fixture);
    assert_int_equal(px_committers_open(1, &committers, NULL), PROXIMADB_OK);
    lane_open(&lane, committers, &fixture, 7);
    for (int i = 0; i < 20000 && lane.tick_count == 0; i++)
        usleep(1000);
    assert_true(lane.tick_count > 0);
    px_commit_lane_close(lane.lane);
    px_committers_close(committers);
    wal_fixture_close(&fixture);
}

/* A file system on which the log cannot grow for the first calls. */
static int64_t full_disk_calls;
static int64_t full_disk_until;

static int full_disk_open(struct px_fs *fs, const char *path, enum px_fs_mode mode)
{
    if (mode == PX_FS_READ || full_disk_calls++ >= full_disk_until)
        return px_fs_posix.open(fs, path, mode);
    errno = ENOSPC;
    return -1;
}

struct full_disk {
    struct px_fs fs;
    struct wal_fixture fixture;
    struct test_lane lane;
    struct px_committers *committers;
};

static void full_disk_begin(struct full_disk *disk, int64_t until)
{
    *disk = (struct full_disk){.fs = px_fs_posix};
    disk->fs.open = full_disk_open;
    full_disk_calls = 0;
    full_disk_until = until;
    wal_fixture_init(&disk->fixture, &disk->fs, px_test_folder("committer"));
    wal_fixture_open(&disk->fixture);
    assert_int_equal(px_committers_open(1, &disk->committers, NULL), PROXIMADB_OK);
    lane_open(&disk->lane, disk->committers, &disk->fixture, 7);
}

static void full_disk_end(struct full_disk *disk)
{
    px_commit_lane_close(disk->lane.lane);
    px_committers_close(disk->committers);
    wal_fixture_close(&disk->fixture);
}

static void test_committer__tries_again_when_space_was_made(void **state)
{
    (void)state;
    static struct full_disk disk;
    struct test_op op = {.status = -1, .frees_space = true};
    full_disk_begin(&disk, INT64_MAX);
    disk.lane.space_count = 1;
    px_commit_lane_submit(disk.lane.lane, &op.base);
    wait_for(&disk.lane.finished_count, 1);
    assert_int_equal(op.status, PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(full_disk_calls, 3); /* at first, alone, and when space was made */
    assert_int_equal(px_wal_next_lsn(disk.fixture.wal), 1);
    full_disk_end(&disk);
}

/* Submits operations as one round. */
static void submit_together(struct test_lane *lane, struct test_op *ops, int count)
{
    lane->is_ready = false;
    for (int i = 0; i < count; i++) {
        ops[i].number = i;
        ops[i].status = -1;
        px_commit_lane_submit(lane->lane, &ops[i].base);
    }
    usleep(20000); /* long enough for the lane to be parked; a shorter wait only tests less */
    lane->is_ready = true;
    px_commit_lane_resume(lane->lane);
    wait_for(&lane->finished_count, count);
}

static void test_committer__does_not_keep_back_what_frees_space(void **state)
{
    (void)state;
    static struct full_disk disk;
    struct test_op ops[4] = {
        {.status = -1}, {.frees_space = true}, {.status = -1}, {.frees_space = true}};
    full_disk_begin(&disk, 2);
    disk.lane.space_count = 1;
    submit_together(&disk.lane, ops, 4);
    assert_int_equal(ops[0].status, PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(ops[1].status, PROXIMADB_OK);
    assert_int_equal(ops[2].status, PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(ops[3].status, PROXIMADB_OK);
    assert_int_equal(ops[1].lsn, 1); /* what was refused took no numbers */
    assert_int_equal(ops[3].lsn, 3);
    full_disk_end(&disk);
}

/* An operation that stops the lane lets nothing of its own round pass. */
static void test_committer__stops_behind_a_barrier(void **state)
{
    (void)state;
    static struct full_disk disk;
    struct test_op ops[3] = {{.status = -1}, {.refuse = true, .stop = true}, {.status = -1}};
    full_disk_begin(&disk, 0);
    disk.lane.becomes_unready = true;
    disk.lane.is_ready = false;
    for (int i = 0; i < 3; i++) {
        ops[i].number = i;
        ops[i].status = -1;
        px_commit_lane_submit(disk.lane.lane, &ops[i].base);
    }
    usleep(20000);
    disk.lane.is_ready = true;
    px_commit_lane_resume(disk.lane.lane);
    wait_for(&disk.lane.finished_count, 2);
    usleep(20000);
    assert_int_equal(disk.lane.finished_count, 2);
    assert_int_equal(ops[2].status, -1);
    disk.lane.is_ready = true;
    px_commit_lane_resume(disk.lane.lane);
    wait_for(&disk.lane.finished_count, 3);
    full_disk_end(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committer__finishes_everything_in_order),
        cmocka_unit_test(test_committer__parks_until_resumed),
        cmocka_unit_test(test_committer__ticks),
        cmocka_unit_test(test_committer__tries_again_when_space_was_made),
        cmocka_unit_test(test_committer__does_not_keep_back_what_frees_space),
        cmocka_unit_test(test_committer__stops_behind_a_barrier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
