#include "os/timer.h"

#include "os/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

/* The thread looks at the clock at least so often. A clock that a test moves may stand still while
 * the condition variable waits in real time. */
enum { LONGEST_WAIT_MS = 60 * 1000 };

struct px_timer {
    const struct px_clock *clock;
    pthread_t thread;
    pthread_mutex_t lock;    /* guards: all that follow, and the events in the list */
    pthread_cond_t changed;  /* the list's first event, the clock, or closing; CLOCK_MONOTONIC */
    pthread_cond_t finished; /* running has become NULL */
    struct px_timer_event *first, *last;  /* by due_ms */
    const struct px_timer_event *running; /* whose function runs; only ever compared */
    bool closing;
};

static void unlink_event(struct px_timer *timer, struct px_timer_event *event)
{
    *(event->previous != NULL ? &event->previous->next : &timer->first) = event->next;
    *(event->next != NULL ? &event->next->previous : &timer->last) = event->previous;
    event->previous = NULL;
    event->next = NULL;
    event->waits = false;
}

/* Behind all events that are due no later. */
static void link_event(struct px_timer *timer, struct px_timer_event *event)
{
    struct px_timer_event *before = timer->last;
    while (before != NULL && before->due_ms > event->due_ms)
        before = before->previous;
    event->previous = before;
    event->next = before != NULL ? before->next : timer->first;
    *(event->previous != NULL ? &event->previous->next : &timer->first) = event;
    *(event->next != NULL ? &event->next->previous : &timer->last) = event;
    event->waits = true;
}

/* Waits at most wait_ms of real time for a change. */
static void wait_for_change(struct px_timer *timer, int64_t wait_ms)
{
    if (wait_ms > LONGEST_WAIT_MS)
        wait_ms = LONGEST_WAIT_MS;
    int64_t until_ns = px_clock_now_ns() + wait_ms * 1000000;
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_cond_timedwait(&timer->changed, &timer->lock, &until);
}

/* Fires the first event, without the lock. The event may be gone then. */
static void fire_first(struct px_timer *timer)
{
    struct px_timer_event *event = timer->first;
    unlink_event(timer, event);
    timer->running = event;
    pthread_mutex_unlock(&timer->lock);
    event->fire(event);
    pthread_mutex_lock(&timer->lock);
    timer->running = NULL;
    pthread_cond_broadcast(&timer->finished);
}

static void *run_timer(void *context)
{
    struct px_timer *timer = context;
    pthread_mutex_lock(&timer->lock);
    while (!timer->closing) {
        if (timer->first == NULL) {
            pthread_cond_wait(&timer->changed, &timer->lock);
            continue;
        }
        int64_t left_ms = timer->first->due_ms - timer->clock->monotonic_ms(timer->clock);
        if (left_ms > 0)
            wait_for_change(timer, left_ms);
        else
            fire_first(timer);
    }
    pthread_mutex_unlock(&timer->lock);
    return NULL;
}

static void release(struct px_timer *timer)
{
    pthread_cond_destroy(&timer->finished);
    pthread_cond_destroy(&timer->changed);
    pthread_mutex_destroy(&timer->lock);
    free(timer);
}

int px_timer_open(const struct px_clock *clock, struct px_timer **ret_timer,
                  struct proximadb_error *reterr)
{
    struct px_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return px_fail_no_memory(reterr);
    timer->clock = clock;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&timer->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&timer->finished, NULL);
    pthread_mutex_init(&timer->lock, NULL);
    int rc = px_thread_start(&timer->thread, "px-timer", run_timer, timer, reterr);
    if (rc != PROXIMADB_OK) {
        release(timer);
        return rc;
    }
    *ret_timer = timer;
    return PROXIMADB_OK;
}

void px_timer_close(struct px_timer *timer)
{
    if (timer == NULL)
        return;
    assert(!pthread_equal(pthread_self(), timer->thread));
    pthread_mutex_lock(&timer->lock);
    timer->closing = true;
    pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
    pthread_join(timer->thread, NULL);
    while (timer->first != NULL)
        unlink_event(timer, timer->first);
    release(timer);
}

void px_timer_schedule(struct px_timer *timer, struct px_timer_event *event, int64_t delay_ms)
{
    assert(event->fire != NULL);
    pthread_mutex_lock(&timer->lock);
    if (!event->cancelling) {
        if (event->waits)
            unlink_event(timer, event);
        int64_t now_ms = timer->clock->monotonic_ms(timer->clock);
        if (__builtin_add_overflow(now_ms, delay_ms > 0 ? delay_ms : 0, &event->due_ms))
            event->due_ms = INT64_MAX;
        link_event(timer, event);
        if (timer->first == event)
            pthread_cond_signal(&timer->changed);
    }
    pthread_mutex_unlock(&timer->lock);
}

bool px_timer_cancel(struct px_timer *timer, struct px_timer_event *event)
{
    pthread_mutex_lock(&timer->lock);
    bool waited = event->waits;
    if (waited)
        unlink_event(timer, event);
    if (!pthread_equal(pthread_self(), timer->thread)) {
        event->cancelling = true;
        while (timer->running == event)
            pthread_cond_wait(&timer->finished, &timer->lock);
        event->cancelling = false;
    }
    pthread_mutex_unlock(&timer->lock);
    return waited;
}

void px_timer_wake(struct px_timer *timer)
{
    pthread_mutex_lock(&timer->lock);
    pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
}
