/*
 * Goal: every share of a piece of work is taken exactly once, by its owner or by a thread of the
 * crew; a crew that is busy holds nobody up, and nobody of it is at work when the owner goes on.
 * Method: work that counts; barriers and semaphores hold threads where a test needs them. Nothing
 * depends on time. The thread sanitizer looks on.
 */
#include "os/crew.h"

#include "support/px_test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { SHARE_COUNT = 1000, MOST_MEMBERS = 8 };

static struct px_crew *open_crew(unsigned thread_count)
{
    struct px_crew *crew = NULL;
    assert_int_equal(px_crew_open(thread_count, "test", &crew, NULL), PROXIMADB_OK);
    assert_int_equal(px_crew_size(crew), thread_count);
    return crew;
}

struct counting {
    atomic_uint next;
    unsigned taken[SHARE_COUNT]; /* not atomic: no two may take the same */
    unsigned calls[MOST_MEMBERS];
    atomic_int at_work;
};

static void count_shares(void *context, unsigned member)
{
    struct counting *counting = context;
    atomic_fetch_add(&counting->at_work, 1);
    assert_true(member < MOST_MEMBERS);
    counting->calls[member]++;
    for (unsigned share = atomic_fetch_add(&counting->next, 1); share < SHARE_COUNT;
         share = atomic_fetch_add(&counting->next, 1))
        counting->taken[share]++;
    atomic_fetch_sub(&counting->at_work, 1);
}

static void run_and_check(struct px_crew *crew, unsigned most_members)
{
    struct counting counting = {0};
    px_crew_run(crew, most_members, count_shares, &counting);
    assert_int_equal(atomic_load(&counting.at_work), 0);
    for (unsigned i = 0; i < SHARE_COUNT; i++)
        assert_int_equal(counting.taken[i], 1);
    assert_int_equal(counting.calls[0], 1);
    for (unsigned member = 1; member < MOST_MEMBERS; member++)
        assert_true(counting.calls[member] <= (member < most_members));
}

static void test_crew__takes_every_share_once(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads <= 4; threads++) {
        struct px_crew *crew = open_crew(threads);
        for (unsigned i = 0; i < 200; i++)
            run_and_check(crew, 1 + i % 6);
        px_crew_close(crew);
    }
    run_and_check(NULL, 4);
    px_crew_close(NULL);
}

static void meet(void *context, unsigned member)
{
    (void)member;
    pthread_barrier_wait(context);
}

static void test_crew__idle_threads_help_at_once(void **state)
{
    (void)state;
    struct px_crew *crew = open_crew(3);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 4);
    for (unsigned i = 0; i < 50; i++)
        px_crew_run(crew, 10, meet, &barrier);
    pthread_barrier_destroy(&barrier);
    px_crew_close(crew);
}

/* Keeps a thread of the crew, and its owner, until they are let go. */
struct hold {
    struct px_crew *crew;
    sem_t held;
    sem_t go;
};

static void hold_one(void *context, unsigned member)
{
    struct hold *hold = context;
    (void)member;
    sem_post(&hold->held);
    sem_wait(&hold->go);
}

static void *own_hold(void *context)
{
    struct hold *hold = context;
    px_crew_run(hold->crew, 2, hold_one, hold);
    return NULL;
}

static void test_crew__a_busy_crew_holds_nobody_up(void **state)
{
    (void)state;
    struct hold hold = {.crew = open_crew(1)};
    pthread_t owner;
    sem_init(&hold.held, 0, 0);
    sem_init(&hold.go, 0, 0);
    assert_int_equal(pthread_create(&owner, NULL, own_hold, &hold), 0);
    sem_wait(&hold.held);
    sem_wait(&hold.held); /* the crew's only thread is at work for another owner */
    run_and_check(hold.crew, 2);
    sem_post(&hold.go);
    sem_post(&hold.go);
    pthread_join(owner, NULL);
    px_crew_close(hold.crew);
    sem_destroy(&hold.held);
    sem_destroy(&hold.go);
}

static void *own_many(void *context)
{
    for (unsigned i = 0; i < 200; i++)
        run_and_check(context, 3);
    return NULL;
}

static void test_crew__serves_many_owners(void **state)
{
    (void)state;
    struct px_crew *crew = open_crew(2);
    pthread_t owners[4];
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&owners[i], NULL, own_many, crew), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(owners[i], NULL);
    px_crew_close(crew);
}

static void fail_as_member(void *context, unsigned member)
{
    struct px_crew_failure *failure = context;
    struct proximadb_error error;
    (void)px_fail(&error, member == 0 ? PROXIMADB_CORRUPT : PROXIMADB_IO, "member %u", member);
    px_crew_failure_note(failure, &error);
    (void)px_fail(&error, PROXIMADB_INVALID, "too late");
    px_crew_failure_note(failure, &error);
}

static void test_crew__the_first_failure_is_the_works(void **state)
{
    (void)state;
    struct px_crew_failure failure = PX_CREW_NO_FAILURE;
    struct proximadb_error error = {0};
    assert_false(px_crew_has_failed(&failure));
    assert_int_equal(px_crew_failure_end(&failure, &error), PROXIMADB_OK);
    failure = PX_CREW_NO_FAILURE;
    px_crew_run(NULL, 1, fail_as_member, &failure);
    assert_true(px_crew_has_failed(&failure));
    assert_int_equal(px_crew_failure_end(&failure, &error), PROXIMADB_CORRUPT);
    assert_string_equal(error.message, "member 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crew__takes_every_share_once),
        cmocka_unit_test(test_crew__idle_threads_help_at_once),
        cmocka_unit_test(test_crew__a_busy_crew_holds_nobody_up),
        cmocka_unit_test(test_crew__serves_many_owners),
        cmocka_unit_test(test_crew__the_first_failure_is_the_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
