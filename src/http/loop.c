#include "http/loop.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 64 };

/* Having been woken is all there is to it: the eventfd is watched for edges, so that its count need
 * never be read back, and 2^64 posts would be needed to fill it. */
static void on_wake(struct px_source *source, uint32_t events)
{
    (void)source;
    (void)events;
}

int px_loop_init(struct px_loop *loop, struct proximadb_error *reterr)
{
    *loop = (struct px_loop){.wake = {.on_ready = on_wake, .fd = -1}};
    loop->now_ms = px_clock_system.monotonic_ms(&px_clock_system);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return px_fail(reterr, PROXIMADB_IO, "cannot make an epoll descriptor");
    loop->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc = loop->wake.fd >= 0 ? px_loop_watch(loop, &loop->wake, EPOLLIN | EPOLLET, reterr)
                                : px_fail(reterr, PROXIMADB_IO, "cannot make an eventfd");
    if (rc != PROXIMADB_OK)
        px_loop_release(loop);
    return rc;
}

void px_loop_release(struct px_loop *loop)
{
    while (atomic_load(&loop->poster_count) > 0)
        sched_yield();
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->wake.fd = loop->epoll_fd = -1;
}

/* ---- descriptors --------------------------------------------------------------------------- */

int px_loop_watch(struct px_loop *loop, struct px_source *source, uint32_t events,
                  struct proximadb_error *reterr)
{
    assert(source->on_ready != NULL);
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0)
        return px_fail(reterr, PROXIMADB_IO, "cannot watch a descriptor");
    return PROXIMADB_OK;
}

void px_loop_change(struct px_loop *loop, struct px_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
    assert(rc == 0);
    (void)rc;
}

void px_loop_unwatch(struct px_loop *loop, struct px_source *source)
{
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

/* ---- tasks --------------------------------------------------------------------------------- */

/* The order of the two atomics is the mirror of the one in px_loop_turn(): whichever side comes
 * second sees what the other did, so a task is never left lying while the loop sleeps. Once it is
 * in the mailbox it may run, and be the last that the loop was kept for: hence poster_count. */
void px_loop_post(struct px_loop *loop, struct px_task *task)
{
    atomic_fetch_add(&loop->poster_count, 1);
    px_mailbox_post(&loop->mailbox, task);
    if (atomic_exchange(&loop->is_asleep, false)) {
        uint64_t one = 1;
        ssize_t put = write(loop->wake.fd, &one, sizeof one);
        (void)put; /* fails only when the counter is full, and then the loop is awake */
    }
    atomic_fetch_sub(&loop->poster_count, 1);
}

void px_loop_defer(struct px_loop *loop, struct px_task *task)
{
    task->next = NULL;
    if (loop->deferred_first == NULL)
        loop->deferred_first = task;
    else
        loop->deferred_last->next = task;
    loop->deferred_last = task;
}

static void run_list(struct px_task *task)
{
    while (task != NULL) {
        struct px_task *next = task->next;
        task->run(task);
        task = next;
    }
}

static void run_deferred(struct px_loop *loop)
{
    while (loop->deferred_first != NULL) {
        struct px_task *task = loop->deferred_first;
        loop->deferred_first = NULL;
        run_list(task);
    }
}

/* ---- turning ------------------------------------------------------------------------------- */

/* How long to sleep: until the first timer, but not longer than the caller wants. */
static int sleep_ms(const struct px_loop *loop, int timeout_ms)
{
    int64_t next_ms = px_timers_next_ms(&loop->timers);
    if (next_ms == INT64_MAX)
        return timeout_ms;
    int64_t now_ms = px_clock_system.monotonic_ms(&px_clock_system);
    int64_t left_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    if (timeout_ms >= 0 && left_ms > timeout_ms)
        return timeout_ms;
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

void px_loop_turn(struct px_loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    timeout_ms = sleep_ms(loop, timeout_ms);
    atomic_store(&loop->is_asleep, true);
    if (!px_mailbox_is_empty(&loop->mailbox) || atomic_load(&loop->is_stopping))
        timeout_ms = 0;
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, timeout_ms);
    atomic_store(&loop->is_asleep, false);

    loop->now_ms = px_clock_system.monotonic_ms(&px_clock_system);
    for (int i = 0; i < count; i++) {
        struct px_source *source = events[i].data.ptr;
        source->on_ready(source, events[i].events);
    }
    run_list(px_mailbox_take(&loop->mailbox));
    px_timers_run(&loop->timers, loop->now_ms);
    run_deferred(loop);
}

void px_loop_run(struct px_loop *loop)
{
    while (!atomic_load(&loop->is_stopping))
        px_loop_turn(loop, -1);
    px_loop_turn(loop, 0);
}

void px_loop_stop(struct px_loop *loop)
{
    atomic_store(&loop->is_stopping, true);
    uint64_t one = 1;
    ssize_t put = write(loop->wake.fd, &one, sizeof one);
    (void)put;
}
