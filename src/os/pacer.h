/*
 * pacer: keeps work in the background from being felt by who is served meanwhile.
 *
 * A low priority decides who gets a core, but not who finds the caches, the memory bus and the
 * device in use. So beside it the background works only a share of the time while requests are
 * served, its duty, and sleeps for the rest; when nobody has asked for anything for a second it
 * works at full speed. The worker calls px_pacer_pace() every few milliseconds of work:
 *
 *      struct px_pace pace;
 *      px_pace_init(&pace, pacer);
 *      while (there is work) {
 *          a little of it;
 *          px_pacer_pace(pacer, &pace);        may sleep, a tenth of a second at most
 *      }
 *
 * Time that the thread did not run is no work, so a thread that the system keeps waiting anyway is
 * not made to wait more.
 *
 * Threads: any thread; a px_pace belongs to one.
 */
#ifndef PX_OS_PACER_H
#define PX_OS_PACER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Where time comes from and goes to. */
struct px_pacer_time {
    int64_t (*now_ns)(void);         /* monotonic */
    int64_t (*cpu_ns)(void);         /* that the calling thread has run */
    void (*sleep_ns)(int64_t delay); /* the calling thread */
};

struct px_pacer {
    const struct px_pacer_time *time;
    uint32_t duty_percent;           /* share of the time to work while requests are served */
    atomic_bool was_asked;           /* since somebody looked */
    _Atomic int64_t served_until_ns; /* requests count as being served */
    atomic_uint hurry_count;         /* who wants it done, whoever is served */
};

/* duty_percent: 1 to 100. time (kept) NULL: the system's. */
void px_pacer_init(struct px_pacer *pacer, uint32_t duty_percent, const struct px_pacer_time *time);

/* Says that somebody asked for something. Costs one load, mostly. */
static inline void px_pacer_note_request(struct px_pacer *pacer)
{
    if (!atomic_load_explicit(&pacer->was_asked, memory_order_relaxed))
        atomic_store_explicit(&pacer->was_asked, true, memory_order_relaxed);
}

/* From begin to end nothing sleeps: somebody waits for the work itself. */
void px_pacer_begin_hurry(struct px_pacer *pacer);
void px_pacer_end_hurry(struct px_pacer *pacer);

/* What one worker has done since it last slept. */
struct px_pace {
    int64_t cpu_ns; /* when it was last asked */
    int64_t debt_ns;
};

void px_pace_init(struct px_pace *pace, const struct px_pacer *pacer);

/* Sleeps, if it is time to. */
void px_pacer_pace(struct px_pacer *pacer, struct px_pace *pace);

#endif /* PX_OS_PACER_H */
