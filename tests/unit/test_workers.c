/*
 * Goal: every job runs exactly once, in order where one thread runs them, and closing loses none;
 * the threads are named, deaf to signals, and polite where asked to be.
 * Method: jobs that note what they saw; semaphores hold threads where a test needs them. Nothing
 * depends on time. The thread sanitizer looks on.
 */
#define _GNU_SOURCE
#include "os/workers.h"

#include "support/px_test.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct px_workers *open_workers(unsigned thread_count)
{
    struct px_workers *workers = NULL;
    assert_int_equal(px_workers_open(thread_count, "test", 0, &workers, NULL), PROXIMADB_OK);
    assert_non_null(workers);
    return workers;
}

/* A job that counts itself. */
struct counted {
    struct px_job job;
    atomic_int *counter;
    int order; /* the counter when it ran */
};

static void run_counted(struct px_job *job)
{
    struct counted *counted = (struct counted *)job;
    counted->order = atomic_fetch_add(counted->counter, 1);
}

static void test_workers__one_thread_keeps_the_order(void **state)
{
    (void)state;
    enum { JOB_COUNT = 1000 };
    static struct counted jobs[JOB_COUNT];
    atomic_int counter = 0;
    struct px_workers *workers = open_workers(1);
    for (int i = 0; i < JOB_COUNT; i++) {
        jobs[i] = (struct counted){.job = {.run = run_counted}, .counter = &counter, .order = -1};
        px_workers_submit(workers, &jobs[i].job);
    }
    px_workers_close(workers);
    for (int i = 0; i < JOB_COUNT; i++)
        assert_int_equal(jobs[i].order, i);
}

/* A job that goes on only when as many jobs as there are threads run at once. */
struct meeting {
    struct px_job job;
    pthread_barrier_t *barrier;
};

static void run_meeting(struct px_job *job)
{
    pthread_barrier_wait(((struct meeting *)job)->barrier);
}

static void test_workers__all_threads_work_at_once(void **state)
{
    (void)state;
    enum { THREAD_COUNT = 5, JOB_COUNT = 20 };
    struct meeting jobs[JOB_COUNT];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREAD_COUNT);
    struct px_workers *workers = open_workers(THREAD_COUNT);
    for (int i = 0; i < JOB_COUNT; i++) {
        jobs[i] = (struct meeting){.job = {.run = run_meeting}, .barrier = &barrier};
        px_workers_submit(workers, &jobs[i].job);
    }
    px_workers_close(workers);
    pthread_barrier_destroy(&barrier);
}

/* A job that frees itself and sends others after it. */
struct tree {
    struct px_job job;
    struct px_workers *workers;
    atomic_int *counter;
    int depth;
};

static void submit_tree(struct px_workers *workers, atomic_int *counter, int depth);

static void run_tree(struct px_job *job)
{
    struct tree tree = *(struct tree *)job;
    free(job);
    atomic_fetch_add(tree.counter, 1);
    for (int i = 0; i < 2 && tree.depth > 0; i++)
        submit_tree(tree.workers, tree.counter, tree.depth - 1);
}

static void submit_tree(struct px_workers *workers, atomic_int *counter, int depth)
{
    struct tree *tree = malloc(sizeof *tree);
    assert_non_null(tree);
    *tree = (struct tree){
        .job = {.run = run_tree}, .workers = workers, .counter = counter, .depth = depth};
    px_workers_submit(workers, &tree->job);
}

static void test_workers__closing_runs_what_jobs_submit(void **state)
{
    (void)state;
    for (unsigned thread_count = 1; thread_count <= 4; thread_count++) {
        atomic_int counter = 0;
        struct px_workers *workers = open_workers(thread_count);
        submit_tree(workers, &counter, 9);
        px_workers_close(workers);
        assert_int_equal(counter, (1 << 10) - 1);
    }
}

/* A job that submits itself until it has run often enough. */
static void run_again(struct px_job *job)
{
    struct tree *tree = (struct tree *)job;
    if (atomic_fetch_add(tree->counter, 1) + 1 < tree->depth)
        px_workers_submit(tree->workers, job);
}

static void test_workers__a_job_may_submit_itself(void **state)
{
    (void)state;
    atomic_int counter = 0;
    struct px_workers *workers = open_workers(2);
    struct tree again = {
        .job = {.run = run_again}, .workers = workers, .counter = &counter, .depth = 100};
    px_workers_submit(workers, &again.job);
    px_workers_close(workers);
    assert_int_equal(counter, 100);
}

struct producer {
    struct px_workers *workers;
    struct counted jobs[500];
};

static void *produce(void *context)
{
    struct producer *producer = context;
    for (size_t i = 0; i < 500; i++)
        px_workers_submit(producer->workers, &producer->jobs[i].job);
    return NULL;
}

static void test_workers__takes_jobs_from_many_threads(void **state)
{
    (void)state;
    enum { PRODUCER_COUNT = 4 };
    static struct producer producers[PRODUCER_COUNT];
    pthread_t threads[PRODUCER_COUNT];
    atomic_int counter = 0;
    struct px_workers *workers = open_workers(3);
    for (int i = 0; i < PRODUCER_COUNT; i++) {
        producers[i].workers = workers;
        for (size_t at = 0; at < 500; at++)
            producers[i].jobs[at] =
                (struct counted){.job = {.run = run_counted}, .counter = &counter, .order = -1};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (int i = 0; i < PRODUCER_COUNT; i++)
        pthread_join(threads[i], NULL);
    px_workers_close(workers);
    assert_int_equal(counter, PRODUCER_COUNT * 500);
    for (int i = 0; i < PRODUCER_COUNT; i++)
        for (size_t at = 0; at < 500; at++)
            assert_true(producers[i].jobs[at].order >= 0);
}

struct held {
    struct px_job job;
    sem_t started, released;
};

static void run_held(struct px_job *job)
{
    struct held *held = (struct held *)job;
    sem_post(&held->started);
    sem_wait(&held->released);
}

static void test_workers__a_sleeping_thread_wakes_for_a_job(void **state)
{
    (void)state;
    struct held held = {.job = {.run = run_held}};
    sem_init(&held.started, 0, 0);
    sem_init(&held.released, 0, 0);
    struct px_workers *workers = open_workers(2);
    for (int i = 0; i < 100; i++) {
        px_workers_submit(workers, &held.job);
        sem_wait(&held.started);
        sem_post(&held.released);
    }
    px_workers_close(workers);
    sem_destroy(&held.started);
    sem_destroy(&held.released);
}

static void test_workers__depth_counts_those_that_wait(void **state)
{
    (void)state;
    atomic_int counter = 0;
    struct held held = {.job = {.run = run_held}};
    struct counted jobs[3];
    sem_init(&held.started, 0, 0);
    sem_init(&held.released, 0, 0);
    struct px_workers *workers = open_workers(1);
    assert_int_equal(px_workers_depth(workers), 0);
    while (px_workers_are_busy(workers))
        sched_yield(); /* until its thread has come to wait */
    px_workers_submit(workers, &held.job);
    assert_true(px_workers_are_busy(workers));
    sem_wait(&held.started);
    assert_true(px_workers_are_busy(workers));
    assert_int_equal(px_workers_depth(workers), 0);
    for (size_t i = 0; i < 3; i++) {
        jobs[i] = (struct counted){.job = {.run = run_counted}, .counter = &counter};
        px_workers_submit(workers, &jobs[i].job);
        assert_int_equal(px_workers_depth(workers), i + 1);
    }
    sem_post(&held.released);
    px_workers_close(workers);
    sem_destroy(&held.started);
    sem_destroy(&held.released);
}

/* What a thread of a pool is like. */
struct portrait {
    struct px_job job;
    sigset_t blocked;
    char name[16];
    int policy, nice_level;
};

static void run_portrait(struct px_job *job)
{
    struct portrait *portrait = (struct portrait *)job;
    pthread_sigmask(SIG_BLOCK, NULL, &portrait->blocked);
    pthread_getname_np(pthread_self(), portrait->name, sizeof portrait->name);
    portrait->policy = sched_getscheduler(0);
    portrait->nice_level = getpriority(PRIO_PROCESS, (id_t)gettid());
}

static struct portrait portray(const char *name, int nice_level)
{
    struct portrait portrait = {.job = {.run = run_portrait}};
    struct px_workers *workers;
    assert_int_equal(px_workers_open(1, name, nice_level, &workers, NULL), PROXIMADB_OK);
    px_workers_submit(workers, &portrait.job);
    px_workers_close(workers);
    return portrait;
}

static void test_workers__threads_are_named_and_take_no_signals(void **state)
{
    (void)state;
    sigset_t mine;
    struct portrait portrait = portray("viper", 0);
    assert_string_equal(portrait.name, "viper-0");
    assert_int_equal(portrait.policy, sched_getscheduler(0));
    assert_int_equal(portrait.nice_level, getpriority(PRIO_PROCESS, 0));
    static const int blocked[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE, SIGCHLD, SIGALRM};
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++)
        assert_int_equal(sigismember(&portrait.blocked, blocked[i]), 1);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        assert_int_equal(sigismember(&portrait.blocked, open[i]), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0);
}

static void test_workers__a_background_pool_is_nice(void **state)
{
    (void)state;
    int mine = getpriority(PRIO_PROCESS, 0); /* whoever runs the tests may have lowered it */
    struct portrait portrait = portray("a long name of a pool", 19);
    assert_string_equal(portrait.name, "a long name-0");
    assert_int_equal(portrait.policy, SCHED_BATCH);
    assert_int_equal(portrait.nice_level, 19);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), mine);
}

/* A sanitizer's shadow memory is larger than any limit on the address space. */
#ifndef PX_SANITIZED
/* In a child that may not have the memory for all the stacks; its status says what it found. */
static int open_too_many(void)
{
    struct proximadb_error error = {0};
    struct px_workers *workers = NULL;
    struct rlimit limit = {.rlim_cur = 512 << 20, .rlim_max = 512 << 20};
    if (setrlimit(RLIMIT_AS, &limit) < 0)
        return 1;
    if (px_workers_open(200, "test", 0, &workers, &error) != PROXIMADB_RESOURCE_EXHAUSTED)
        return 2;
    if (workers != NULL || strstr(error.message, "cannot start the thread 'test-") == NULL)
        return 3;
    return px_workers_open(2, "test", 0, &workers, &error) == PROXIMADB_OK ? 0 : 4;
}

static void test_workers__open_ends_what_it_started_when_it_fails(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(open_too_many());
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

static void test_workers__close_accepts_null(void **state)
{
    (void)state;
    px_workers_close(NULL);
    px_workers_close(open_workers(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers__one_thread_keeps_the_order),
        cmocka_unit_test(test_workers__all_threads_work_at_once),
        cmocka_unit_test(test_workers__closing_runs_what_jobs_submit),
        cmocka_unit_test(test_workers__a_job_may_submit_itself),
        cmocka_unit_test(test_workers__takes_jobs_from_many_threads),
        cmocka_unit_test(test_workers__a_sleeping_thread_wakes_for_a_job),
        cmocka_unit_test(test_workers__depth_counts_those_that_wait),
        cmocka_unit_test(test_workers__threads_are_named_and_take_no_signals),
        cmocka_unit_test(test_workers__a_background_pool_is_nice),
#ifndef PX_SANITIZED
        cmocka_unit_test(test_workers__open_ends_what_it_started_when_it_fails),
#endif
        cmocka_unit_test(test_workers__close_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
