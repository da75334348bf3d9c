#define _GNU_SOURCE
#include "os/pacer.h"

#include "base/clock.h"

#include <assert.h>
#include <time.h>

#define MS_NS INT64_C(1000000)

/* Below it a sleep costs more than it gives. */
#define LEAST_SLEEP_NS (2 * MS_NS)
/* So that who must be told to stop is told soon. */
#define MOST_SLEEP_NS (100 * MS_NS)
/* How long a request is taken for one of many. */
#define SERVED_NS (1000 * MS_NS)
enum { PERCENT = 100 };

static int64_t thread_cpu_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000 * MS_NS + time.tv_nsec;
}

static void sleep_ns(int64_t delay)
{
    struct timespec time = {.tv_sec = (time_t)(delay / (1000 * MS_NS)),
                            .tv_nsec = (long)(delay % (1000 * MS_NS))};
    (void)nanosleep(&time, NULL);
}

static const struct px_pacer_time system_time = {px_clock_now_ns, thread_cpu_ns, sleep_ns};

void px_pacer_init(struct px_pacer *pacer, uint32_t duty_percent, const struct px_pacer_time *time)
{
    assert(duty_percent >= 1 && duty_percent <= PERCENT);
    pacer->time = time != NULL ? time : &system_time;
    pacer->duty_percent = duty_percent;
    atomic_init(&pacer->was_asked, false);
    atomic_init(&pacer->served_until_ns, 0);
    atomic_init(&pacer->hurry_count, 0);
}

void px_pacer_begin_hurry(struct px_pacer *pacer)
{
    atomic_fetch_add(&pacer->hurry_count, 1);
}

void px_pacer_end_hurry(struct px_pacer *pacer)
{
    unsigned before = atomic_fetch_sub(&pacer->hurry_count, 1);
    assert(before > 0);
    (void)before;
}

void px_pace_init(struct px_pace *pace, const struct px_pacer *pacer)
{
    *pace = (struct px_pace){.cpu_ns = pacer->time->cpu_ns()};
}

static bool is_serving(struct px_pacer *pacer)
{
    int64_t now_ns = pacer->time->now_ns();
    if (atomic_exchange_explicit(&pacer->was_asked, false, memory_order_relaxed))
        atomic_store_explicit(&pacer->served_until_ns, now_ns + SERVED_NS, memory_order_relaxed);
    return now_ns < atomic_load_explicit(&pacer->served_until_ns, memory_order_relaxed);
}

void px_pacer_pace(struct px_pacer *pacer, struct px_pace *pace)
{
    int64_t cpu_ns = pacer->time->cpu_ns(), worked_ns = cpu_ns - pace->cpu_ns;
    pace->cpu_ns = cpu_ns;
    if (atomic_load_explicit(&pacer->hurry_count, memory_order_relaxed) > 0 || !is_serving(pacer)) {
        pace->debt_ns = 0;
        return;
    }
    pace->debt_ns += worked_ns * (PERCENT - pacer->duty_percent) / pacer->duty_percent;
    if (pace->debt_ns < LEAST_SLEEP_NS)
        return;
    int64_t delay = pace->debt_ns < MOST_SLEEP_NS ? pace->debt_ns : MOST_SLEEP_NS;
    pacer->time->sleep_ns(delay);
    pace->debt_ns -= delay;
}
