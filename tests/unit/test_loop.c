/*
 * Goal: a loop runs what is posted, due, ready or deferred, in its documented order, wakes from sleep
 * for a post, and loses none when posts race with its falling asleep.
 * Method: turns by hand; a loop thread that posts are sent to one at a time, each waiting for the
 * one before, which hangs if a wake-up is ever lost.
 */
#include "http/loop.h"

#include "base/clock.h"
#include "support/px_test.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <unistd.h>

static char order[16];

static void note(char c)
{
    size_t size = strlen(order);
    assert_true(size + 1 < sizeof order);
    order[size] = c;
    order[size + 1] = '\0';
}

struct rig {
    struct px_loop loop;
    struct px_task posted;
    struct px_task deferred;
    struct px_task deferred_again;
    struct px_timer timer;
    struct px_source source;
};

static struct rig rig;

static void run_posted(struct px_task *task)
{
    (void)task;
    note('p');
    px_loop_defer(&rig.loop, &rig.deferred);
}

static void run_deferred(struct px_task *task)
{
    (void)task;
    note('d');
    px_loop_defer(&rig.loop, &rig.deferred_again);
}

static void run_deferred_again(struct px_task *task)
{
    (void)task;
    note('D');
}

static void fire(struct px_timer *timer)
{
    (void)timer;
    note('t');
}

static void on_ready(struct px_source *source, uint32_t events)
{
    char byte;
    assert_int_equal(events, EPOLLIN);
    assert_int_equal(read(source->fd, &byte, 1), 1);
    note('r');
}

static void test_loop__turns_in_its_order(void **state)
{
    (void)state;
    int ends[2];
    order[0] = '\0';
    rig = (struct rig){
        .posted = {.run = run_posted},
        .deferred = {.run = run_deferred},
        .deferred_again = {.run = run_deferred_again},
        .timer = {.fire = fire},
    };
    assert_int_equal(px_loop_init(&rig.loop, NULL), PROXIMADB_OK);
    assert_int_equal(pipe(ends), 0);
    rig.source = (struct px_source){.on_ready = on_ready, .fd = ends[0]};
    assert_int_equal(px_loop_watch(&rig.loop, &rig.source, EPOLLIN, NULL), PROXIMADB_OK);
    assert_int_equal(write(ends[1], "x", 1), 1);
    px_loop_set_timer(&rig.loop, &rig.timer, px_loop_now_ms(&rig.loop));
    px_loop_post(&rig.loop, &rig.posted);
    px_loop_turn(&rig.loop, -1);
    assert_string_equal(order, "rptdD");

    px_loop_change(&rig.loop, &rig.source, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    px_loop_turn(&rig.loop, 0);
    assert_string_equal(order, "rptdD");
    px_loop_unwatch(&rig.loop, &rig.source);
    close(ends[0]);
    close(ends[1]);
    px_loop_release(&rig.loop);
}

static void test_loop__sleeps_until_the_next_timer(void **state)
{
    (void)state;
    order[0] = '\0';
    rig = (struct rig){.timer = {.fire = fire}};
    assert_int_equal(px_loop_init(&rig.loop, NULL), PROXIMADB_OK);
    int64_t start_ms = px_loop_now_ms(&rig.loop);
    px_loop_set_timer(&rig.loop, &rig.timer, start_ms + 20);
    while (order[0] == '\0')
        px_loop_turn(&rig.loop, -1); /* would sleep for ever without the timer */
    assert_true(px_loop_now_ms(&rig.loop) - start_ms >= 20);
    px_loop_release(&rig.loop);
}

struct ping {
    struct px_task task;
    sem_t done;
    int count;
};

static void run_ping(struct px_task *task)
{
    struct ping *ping = (struct ping *)task;
    ping->count++;
    sem_post(&ping->done);
}

static void *run_loop(void *context)
{
    px_loop_run(context);
    return NULL;
}

static void test_loop__never_misses_a_post(void **state)
{
    (void)state;
    struct px_loop loop;
    struct ping ping = {.task = {.run = run_ping}};
    pthread_t thread;
    sem_init(&ping.done, 0, 0);
    assert_int_equal(px_loop_init(&loop, NULL), PROXIMADB_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, &loop), 0);
    for (int i = 0; i < 20000; i++) {
        px_loop_post(&loop, &ping.task);
        sem_wait(&ping.done);
    }
    px_loop_stop(&loop);
    pthread_join(thread, NULL);
    assert_int_equal(ping.count, 20000);
    px_loop_release(&loop);
    sem_destroy(&ping.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop__turns_in_its_order),
        cmocka_unit_test(test_loop__sleeps_until_the_next_timer),
        cmocka_unit_test(test_loop__never_misses_a_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
