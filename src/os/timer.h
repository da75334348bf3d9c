/*
 * timer: a thread that calls functions when their time has come: log rotation, idle files, sweeps.
 *
 * An event is a part of the caller's own struct, so that scheduling it takes no memory and cannot
 * fail. It fires once; a function that wants to be called again schedules its event again:
 *
 *      static void tick(struct px_timer_event *event)
 *      {
 *          struct sweeper *sweeper = (struct sweeper *)event;  event is the first member
 *          px_workers_submit(sweeper->workers, &sweeper->job);
 *          px_timer_schedule(sweeper->timer, event, 1000);
 *      }
 *
 * Functions run on the timer's thread, one at a time, and delay each other; so they must not block,
 * but submit a job where there is work to do.
 *
 * Time is that of the clock's monotonic_ms. A test that moves the hands calls px_timer_wake().
 *
 * Threads: any thread; one event is scheduled and cancelled by one thread at a time, beside its own
 * function. The lock is never held while a function runs.
 *
 * Cost: events wait in a list, which a new one enters from its end: cheap for a few hundred events,
 * or for any number that are all scheduled with one delay.
 */
#ifndef PX_OS_TIMER_H
#define PX_OS_TIMER_H

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>

/* Zeroed except for `fire` before it is first scheduled. */
struct px_timer_event {
    void (*fire)(struct px_timer_event *event); /* may free the event */

    /* The timer's, under its lock: */
    struct px_timer_event *previous, *next;
    int64_t due_ms;
    bool waits;      /* it is in the list */
    bool cancelling; /* it must not enter the list */
};

struct px_timer;

/* Starts the thread. `clock` is kept. *ret_timer: returned, close with px_timer_close().
 * PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (no more threads). */
PX_MUST_CHECK int px_timer_open(const struct px_clock *clock, struct px_timer **ret_timer,
                                struct proximadb_error *reterr);

/* Waits for a function that runs, ends the thread, and lets go of the events that still wait, which
 * never fire. No function of an event may call this. Accepts NULL. */
void px_timer_close(struct px_timer *timer);

/* Lets the event (kept until it fires or is cancelled) fire in delay_ms, 0 or less meaning at once.
 * One that waits already is moved to the new time. Events of one time fire in the order in which
 * they were scheduled. */
void px_timer_schedule(struct px_timer *timer, struct px_timer_event *event, int64_t delay_ms);

/* Sees to it that the event does not fire any more: takes it out, and waits for its function if it
 * runs, unless called by that function itself; what the function schedules meanwhile is ignored.
 * The event may be freed then. Returns whether the event waited to fire. */
bool px_timer_cancel(struct px_timer *timer, struct px_timer_event *event);

/* Looks at the clock again. */
void px_timer_wake(struct px_timer *timer);

#endif /* PX_OS_TIMER_H */
