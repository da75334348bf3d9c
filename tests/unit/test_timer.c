/*
 * Goal: events fire once, in order, not before their time; and what was cancelled never fires nor
 * runs any more.
 * Method: a clock whose hands the test moves, semaphores that hold functions where a test needs them,
 * and once the system's clock. Nothing depends on how fast the machine is.
 */
#include "os/timer.h"

#include "support/px_test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* ---- a clock by hand and events that are noted ---------------------------------------------------- */

static _Atomic int64_t hands_ms;

static int64_t read_hands(const struct px_clock *clock)
{
    (void)clock;
    return hands_ms;
}

static const struct px_clock manual_clock = {.wall_ms = read_hands, .monotonic_ms = read_hands};

enum { MOST_NOTES = 1000 };

static int notes[MOST_NOTES];
static int note_count; /* only the timer's thread writes; whoever has waited for `noted` reads */
static sem_t noted;

struct note {
    struct px_timer_event event;
    int number;
};

static void fire_note(struct px_timer_event *event)
{
    notes[note_count++] = ((struct note *)event)->number;
    sem_post(&noted);
}

static struct note note_of(int number)
{
    return (struct note){.event = {.fire = fire_note}, .number = number};
}

static void wait_for_notes(int count)
{
    while (count-- > 0)
        sem_wait(&noted);
}

static struct px_timer *timer;

static void move_hands_to(int64_t now_ms)
{
    hands_ms = now_ms;
    px_timer_wake(timer);
}

static int set_up(void **state)
{
    (void)state;
    hands_ms = 1000;
    note_count = 0;
    sem_init(&noted, 0, 0);
    assert_int_equal(px_timer_open(&manual_clock, &timer, NULL), PROXIMADB_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    px_timer_close(timer);
    sem_destroy(&noted);
    return 0;
}

static void assert_notes(int count, ...)
{
    va_list args;
    va_start(args, count);
    assert_int_equal(note_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(notes[i], va_arg(args, int));
    va_end(args);
}

/* A function that is held until the test lets it go. */
struct held {
    struct px_timer_event event;
    sem_t started, released;
    bool done; /* written without a lock: cancelling must order it */
};

static void fire_held(struct px_timer_event *event)
{
    struct held *held = (struct held *)event;
    sem_post(&held->started);
    sem_wait(&held->released);
    held->done = true;
}

/* ---- order and time ------------------------------------------------------------------------------- */

static void test_timer__fires_in_order_of_time_then_of_scheduling(void **state)
{
    (void)state;
    struct note events[5];
    static const int64_t delays_ms[5] = {30, 10, 20, 10, INT64_MAX};
    for (int i = 0; i < 5; i++) {
        events[i] = note_of(i);
        px_timer_schedule(timer, &events[i].event, delays_ms[i]);
    }
    move_hands_to(1030);
    wait_for_notes(4);
    assert_notes(4, 1, 3, 2, 0);
    assert_true(px_timer_cancel(timer, &events[4].event));
}

/* Events that are due tell that the one behind them was passed over again and again. */
static void test_timer__fires_nothing_before_its_time(void **state)
{
    (void)state;
    enum { PROBE_COUNT = 50 };
    struct note late = note_of(1), early = note_of(2), probe = note_of(3);
    px_timer_schedule(timer, &late.event, 500);
    px_timer_schedule(timer, &early.event, 100);
    move_hands_to(1099);
    for (int i = 0; i < PROBE_COUNT; i++) {
        px_timer_schedule(timer, &probe.event, 0);
        wait_for_notes(1);
    }
    move_hands_to(1100);
    wait_for_notes(1);
    assert_int_equal(note_count, PROBE_COUNT + 1);
    for (int i = 0; i < PROBE_COUNT; i++)
        assert_int_equal(notes[i], 3);
    assert_int_equal(notes[PROBE_COUNT], 2);
    assert_true(px_timer_cancel(timer, &late.event));
}

/* A quarter of an hour at a time: a timer that did not look would take longer than a test may. */
static void test_timer__looks_at_the_clock_when_told(void **state)
{
    (void)state;
    enum { QUARTER_MS = 15 * 60 * 1000 };
    struct note event = note_of(1);
    for (int i = 1; i <= 5; i++) {
        px_timer_schedule(timer, &event.event, QUARTER_MS);
        move_hands_to(1000 + (int64_t)i * QUARTER_MS);
        wait_for_notes(1);
    }
    assert_int_equal(note_count, 5);
}

static void test_timer__takes_the_past_for_now(void **state)
{
    (void)state;
    struct held held = {.event = {.fire = fire_held}};
    struct note now = note_of(1), past = note_of(2);
    sem_init(&held.started, 0, 0);
    sem_init(&held.released, 0, 0);
    px_timer_schedule(timer, &held.event, 0);
    sem_wait(&held.started);
    px_timer_schedule(timer, &now.event, 0);
    px_timer_schedule(timer, &past.event, INT64_MIN);
    sem_post(&held.released);
    wait_for_notes(2);
    assert_notes(2, 1, 2);
    sem_destroy(&held.started);
    sem_destroy(&held.released);
}

static void test_timer__moves_an_event_that_waits(void **state)
{
    (void)state;
    struct note a = note_of(1), b = note_of(2);
    px_timer_schedule(timer, &a.event, 100);
    px_timer_schedule(timer, &b.event, 200);
    px_timer_schedule(timer, &a.event, 300);
    move_hands_to(1300);
    wait_for_notes(2);
    assert_notes(2, 2, 1);
}

/* Against a model: a table of due times, of which the smallest comes next. */
static void test_timer__fires_many_events_as_a_table_would(void **state)
{
    (void)state;
    enum { EVENT_COUNT = 200 };
    static struct note events[EVENT_COUNT];
    int64_t due_ms[EVENT_COUNT] = {0}; /* 0: does not wait */
    int order[EVENT_COUNT], sequence = 0, expected_count = 0;
    struct px_test_random random = px_test_random_new("timer");
    for (int i = 0; i < EVENT_COUNT; i++)
        events[i] = note_of(i);
    for (int i = 0; i < 1000; i++) {
        int at = (int)px_test_below(&random, EVENT_COUNT);
        int64_t delay_ms = 1 + (int64_t)px_test_below(&random, 300);
        if (px_test_below(&random, 4) == 0) {
            assert_int_equal(px_timer_cancel(timer, &events[at].event), due_ms[at] != 0);
            due_ms[at] = 0;
            continue;
        }
        px_timer_schedule(timer, &events[at].event, delay_ms);
        due_ms[at] = 1000 + delay_ms;
        order[at] = sequence++;
    }
    for (int i = 0; i < EVENT_COUNT; i++)
        expected_count += due_ms[i] != 0;
    move_hands_to(2000);
    wait_for_notes(expected_count);
    assert_int_equal(note_count, expected_count);
    for (int i = 1; i < note_count; i++) {
        int before = notes[i - 1], after = notes[i];
        assert_true(due_ms[before] != 0 && due_ms[after] != 0);
        assert_true(due_ms[before] < due_ms[after] ||
                    (due_ms[before] == due_ms[after] && order[before] < order[after]));
    }
}

static atomic_int looks;

static int64_t read_and_count(const struct px_clock *clock)
{
    (void)clock;
    looks++;
    return px_clock_system.monotonic_ms(&px_clock_system);
}

static void test_timer__sleeps_until_the_systems_time_has_come(void **state)
{
    (void)state;
    enum { DELAY_MS = 50 };
    const struct px_clock counting = {.wall_ms = read_and_count, .monotonic_ms = read_and_count};
    struct px_timer *real;
    struct note event = note_of(1), far = note_of(2);
    assert_int_equal(px_timer_open(&counting, &real, NULL), PROXIMADB_OK);
    int64_t before_ms = px_clock_system.monotonic_ms(&px_clock_system);
    px_timer_schedule(real, &far.event, INT64_MAX);
    px_timer_schedule(real, &event.event, DELAY_MS);
    wait_for_notes(1);
    assert_true(px_clock_system.monotonic_ms(&px_clock_system) - before_ms >= DELAY_MS);
    assert_notes(1, 1);
    assert_true(looks < 500); /* a loop that does not sleep makes thousands */
    px_timer_close(real);
}

/* ---- cancelling ----------------------------------------------------------------------------------- */

static void test_timer__what_was_cancelled_does_not_fire(void **state)
{
    (void)state;
    struct note a = note_of(1), b = note_of(2), c = note_of(3);
    px_timer_schedule(timer, &a.event, 100);
    px_timer_schedule(timer, &b.event, 200);
    px_timer_schedule(timer, &c.event, 300);
    assert_true(px_timer_cancel(timer, &b.event));
    assert_false(px_timer_cancel(timer, &b.event));
    move_hands_to(1300);
    wait_for_notes(2);
    assert_notes(2, 1, 3);
    assert_false(px_timer_cancel(timer, &a.event));
}

static void *let_go(void *context)
{
    struct held *held = context;
    sem_post(&held->released);
    return NULL;
}

static void test_timer__cancel_waits_for_a_function_that_runs(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct held held = {.event = {.fire = fire_held}};
        pthread_t thread;
        sem_init(&held.started, 0, 0);
        sem_init(&held.released, 0, 0);
        px_timer_schedule(timer, &held.event, 0);
        sem_wait(&held.started);
        assert_int_equal(pthread_create(&thread, NULL, let_go, &held), 0);
        assert_false(px_timer_cancel(timer, &held.event));
        assert_true(held.done);
        pthread_join(thread, NULL);
        sem_destroy(&held.started);
        sem_destroy(&held.released);
    }
}

/* A function that schedules itself at once, again and again, ends when it is cancelled. */
struct ticking {
    struct px_timer_event event;
    atomic_int ticks;
};

static void fire_ticking(struct px_timer_event *event)
{
    atomic_fetch_add(&((struct ticking *)event)->ticks, 1);
    px_timer_schedule(timer, event, 0);
}

static void test_timer__cancel_ends_a_function_that_schedules_itself(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct ticking *ticking = calloc(1, sizeof *ticking);
        ticking->event.fire = fire_ticking;
        px_timer_schedule(timer, &ticking->event, 0);
        while (i % 2 == 0 && ticking->ticks < 3)
            sched_yield();
        (void)px_timer_cancel(timer, &ticking->event);
        int ticks = ticking->ticks;
        struct note probe = note_of(1);
        px_timer_schedule(timer, &probe.event, 0);
        wait_for_notes(1);
        assert_int_equal(ticking->ticks, ticks);
        free(ticking);
    }
}

static void fire_and_cancel_itself(struct px_timer_event *event)
{
    px_timer_schedule(timer, event, 0);
    assert_true(px_timer_cancel(timer, event));
    fire_note(event);
}

static void test_timer__a_function_may_cancel_its_own_event(void **state)
{
    (void)state;
    struct note event = note_of(1), probe = note_of(2);
    event.event.fire = fire_and_cancel_itself;
    px_timer_schedule(timer, &event.event, 0);
    px_timer_schedule(timer, &probe.event, 0);
    wait_for_notes(2);
    assert_notes(2, 1, 2);
}

static void fire_and_free(struct px_timer_event *event)
{
    fire_note(event);
    free(event);
}

static void test_timer__a_function_may_free_its_own_event(void **state)
{
    (void)state;
    struct note *event = malloc(sizeof *event);
    *event = note_of(1);
    event->event.fire = fire_and_free;
    px_timer_schedule(timer, &event->event, 0);
    wait_for_notes(1);
}

static void test_timer__close_drops_what_waits(void **state)
{
    (void)state;
    struct px_timer *other;
    struct note event = note_of(1);
    assert_int_equal(px_timer_open(&manual_clock, &other, NULL), PROXIMADB_OK);
    px_timer_schedule(other, &event.event, 1);
    px_timer_close(other);
    assert_int_equal(note_count, 0);
    assert_false(event.event.waits);
    px_timer_close(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_timer__fires_in_order_of_time_then_of_scheduling),
        TEST(test_timer__fires_nothing_before_its_time),
        TEST(test_timer__looks_at_the_clock_when_told),
        TEST(test_timer__takes_the_past_for_now),
        TEST(test_timer__moves_an_event_that_waits),
        TEST(test_timer__fires_many_events_as_a_table_would),
        TEST(test_timer__sleeps_until_the_systems_time_has_come),
        TEST(test_timer__what_was_cancelled_does_not_fire),
        TEST(test_timer__cancel_waits_for_a_function_that_runs),
        TEST(test_timer__cancel_ends_a_function_that_schedules_itself),
        TEST(test_timer__a_function_may_cancel_its_own_event),
        TEST(test_timer__a_function_may_free_its_own_event),
        TEST(test_timer__close_drops_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
