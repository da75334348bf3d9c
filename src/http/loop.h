/*
 * loop: one I/O thread's event loop on epoll: descriptors, timers, and work from other threads.
 *
 * One turn waits, calls the sources that are ready, then runs posted tasks, due timers and, last,
 * deferred tasks. Connections defer their writing, so all that a turn has to say to a peer leaves
 * in one system call. A source must not be freed in the middle of a turn, because an event for it
 * may be waiting in the same batch: free it in a deferred task.
 *
 * A post wakes the loop through an eventfd, but only if it sleeps: while it is busy, which is when
 * posts are many, posting costs no system call.
 *
 * Threads: px_loop_post() and px_loop_stop() any thread; everything else the thread that runs it.
 */
#ifndef PX_HTTP_LOOP_H
#define PX_HTTP_LOOP_H

#include "base/error.h"
#include "http/mailbox.h"
#include "http/timers.h"

#include <stdatomic.h>

/* A descriptor that is watched. events: EPOLLIN and so on. */
struct px_source {
    void (*on_ready)(struct px_source *source, uint32_t events);
    int fd;
};

struct px_loop {
    int epoll_fd;
    struct px_source wake; /* the eventfd */
    struct px_timers timers;
    int64_t now_ms;
    struct px_task *deferred_first;
    struct px_task *deferred_last;

    struct px_mailbox mailbox;
    atomic_uint poster_count; /* threads in the middle of px_loop_post() */
    atomic_bool is_asleep;
    atomic_bool is_stopping;
};

/* PROXIMADB_IO. Released by px_loop_release(), which needs an initialised loop, and waits for posts
 * that were taken before they had returned. */
PX_MUST_CHECK int px_loop_init(struct px_loop *loop, struct proximadb_error *reterr);
void px_loop_release(struct px_loop *loop);

/* Runs until px_loop_stop(), and then what is posted and deferred still. */
void px_loop_run(struct px_loop *loop);
void px_loop_stop(struct px_loop *loop);

/* One turn that waits for at most timeout_ms (-1: for ever). What px_loop_run() repeats; tests call
 * it themselves. */
void px_loop_turn(struct px_loop *loop, int timeout_ms);

/* Runs `task` on the loop's thread, soon. */
void px_loop_post(struct px_loop *loop, struct px_task *task);

/* Runs `task` at the end of this turn. */
void px_loop_defer(struct px_loop *loop, struct px_task *task);

/* Watches a descriptor for `events`, level-triggered. PROXIMADB_IO */
PX_MUST_CHECK int px_loop_watch(struct px_loop *loop, struct px_source *source, uint32_t events,
                                struct proximadb_error *reterr);
void px_loop_change(struct px_loop *loop, struct px_source *source, uint32_t events);
void px_loop_unwatch(struct px_loop *loop, struct px_source *source);

/* Timers on px_loop_now_ms()'s clock, which is the system's monotonic one as of this turn. */
static inline int64_t px_loop_now_ms(const struct px_loop *loop)
{
    return loop->now_ms;
}

static inline void px_loop_set_timer(struct px_loop *loop, struct px_timer *timer, int64_t at_ms)
{
    px_timers_set(&loop->timers, timer, at_ms);
}

static inline void px_loop_clear_timer(struct px_loop *loop, struct px_timer *timer)
{
    px_timers_clear(&loop->timers, timer);
}

#endif /* PX_HTTP_LOOP_H */
