/*
 * Goal: a paced worker works its share of the time while somebody is served, all of it otherwise or
 * when it is waited for, and never sleeps long at once.
 * Method: a worker on a clock that only its work and its sleep move.
 */
#include "os/pacer.h"

#include "support/px_test.h"

#define MS INT64_C(1000000)

static int64_t now_ns, cpu_ns, longest_sleep_ns;

static int64_t get_now(void)
{
    return now_ns;
}

static int64_t get_cpu(void)
{
    return cpu_ns;
}

static void sleep_for(int64_t delay)
{
    now_ns += delay;
    longest_sleep_ns = delay > longest_sleep_ns ? delay : longest_sleep_ns;
}

static const struct px_pacer_time made_time = {get_now, get_cpu, sleep_for};

/* Works for so many milliseconds in steps; the share of the time that was work, in percent. */
static int64_t work(struct px_pacer *pacer, int64_t total_ms, int64_t step_ms, bool is_asked)
{
    struct px_pace pace;
    int64_t began_ns = now_ns;
    px_pace_init(&pace, pacer);
    for (int64_t i = 0; i < total_ms / step_ms; i++) {
        now_ns += step_ms * MS;
        cpu_ns += step_ms * MS;
        if (is_asked)
            px_pacer_note_request(pacer);
        px_pacer_pace(pacer, &pace);
    }
    return total_ms * MS * 100 / (now_ns - began_ns);
}

static void test_pacer__keeps_to_its_share_while_requests_are_served(void **state)
{
    (void)state;
    static const uint32_t duties[] = {5, 25, 50, 90, 100};
    for (size_t i = 0; i < sizeof duties / sizeof duties[0]; i++) {
        struct px_pacer pacer;
        px_pacer_init(&pacer, duties[i], &made_time);
        assert_in_range(work(&pacer, 10000, 1, true), duties[i] - 1, duties[i] + 1);
    }
}

static void test_pacer__works_at_full_speed_when_nobody_asks(void **state)
{
    (void)state;
    struct px_pacer pacer;
    px_pacer_init(&pacer, 25, &made_time);
    assert_int_equal(work(&pacer, 10000, 1, false), 100);
    (void)work(&pacer, 100, 1, true);
    /* A second behind the last request it is alone again: 250 of 10,000 ms of work took four times
     * as long. */
    assert_in_range(work(&pacer, 10000, 1, false), 90, 95);
    assert_int_equal(work(&pacer, 10000, 1, false), 100);
}

static void test_pacer__hurries_while_somebody_waits_for_it(void **state)
{
    (void)state;
    struct px_pacer pacer;
    px_pacer_init(&pacer, 10, &made_time);
    px_pacer_begin_hurry(&pacer);
    px_pacer_begin_hurry(&pacer);
    px_pacer_end_hurry(&pacer);
    assert_int_equal(work(&pacer, 1000, 1, true), 100);
    px_pacer_end_hurry(&pacer);
    assert_in_range(work(&pacer, 1000, 1, true), 9, 11);
}

static void test_pacer__never_sleeps_long_at_once(void **state)
{
    (void)state;
    struct px_pacer pacer;
    px_pacer_init(&pacer, 10, &made_time);
    longest_sleep_ns = 0;
    (void)work(&pacer, 1000, 50, true);
    assert_int_equal(longest_sleep_ns, 100 * MS);
}

/* A thread that waited for a core has not worked. */
static void test_pacer__counts_only_time_that_the_thread_ran(void **state)
{
    (void)state;
    struct px_pacer pacer;
    struct px_pace pace;
    px_pacer_init(&pacer, 25, &made_time);
    px_pace_init(&pace, &pacer);
    int64_t began_ns = now_ns;
    for (int i = 0; i < 100; i++) {
        now_ns += 40 * MS;
        px_pacer_note_request(&pacer);
        px_pacer_pace(&pacer, &pace);
    }
    assert_int_equal(now_ns - began_ns, 4000 * MS);
}

static void test_pacer__sleeps_by_the_clock_of_the_system(void **state)
{
    (void)state;
    struct px_pacer pacer;
    struct px_pace pace;
    px_pacer_init(&pacer, 50, NULL);
    px_pace_init(&pace, &pacer);
    int64_t began_ns = pacer.time->now_ns(), worked_from = pacer.time->cpu_ns();
    while (pacer.time->cpu_ns() - worked_from < 20 * MS)
        ;
    px_pacer_note_request(&pacer);
    px_pacer_pace(&pacer, &pace);
    assert_true(pacer.time->now_ns() - began_ns >= 40 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pacer__keeps_to_its_share_while_requests_are_served),
        cmocka_unit_test(test_pacer__works_at_full_speed_when_nobody_asks),
        cmocka_unit_test(test_pacer__hurries_while_somebody_waits_for_it),
        cmocka_unit_test(test_pacer__never_sleeps_long_at_once),
        cmocka_unit_test(test_pacer__counts_only_time_that_the_thread_ran),
        cmocka_unit_test(test_pacer__sleeps_by_the_clock_of_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
