/*
 * timers: what is to happen when, for one I/O thread.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) whose nodes are part of what they time:
 * setting a timer needs no memory and so cannot fail, takes a constant time, and most timers are
 * taken back before they fire, which is cheap for a node without children.
 *
 * Threads: owner thread. Memory: none of its own.
 */
#ifndef PX_HTTP_TIMERS_H
#define PX_HTTP_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed one is a timer that is not set. `fire` may set or clear any timer, free its own, too. */
struct px_timer {
    void (*fire)(struct px_timer *timer);
    int64_t at_ms; /* while it is set: on the clock of whoever calls px_timers_run() */
    bool is_set;
    struct px_timer *child;    /* the first of those that come later */
    struct px_timer *sibling;  /* the next child of the same parent */
    struct px_timer *previous; /* the sibling before, or the parent of a first child */
};

/* A zeroed one is empty. */
struct px_timers {
    struct px_timer *first; /* the earliest */
};

/* Sets a timer, or moves one that is set. */
void px_timers_set(struct px_timers *timers, struct px_timer *timer, int64_t at_ms);

/* Does nothing to a timer that is not set. */
void px_timers_clear(struct px_timers *timers, struct px_timer *timer);

/* Fires all that are due at now_ms, in order. */
void px_timers_run(struct px_timers *timers, int64_t now_ms);

/* When the first one fires, or INT64_MAX. */
static inline int64_t px_timers_next_ms(const struct px_timers *timers)
{
    return timers->first != NULL ? timers->first->at_ms : INT64_MAX;
}

#endif /* PX_HTTP_TIMERS_H */
