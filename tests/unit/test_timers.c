/*
 * Goal: timers fire in the order of their times, none early, none lost, whatever is set and cleared
 * meanwhile.
 * Method: random operations against a plain array as the model; timers that set and clear others
 * while they fire.
 */
#include "http/timers.h"

#include "support/px_test.h"

enum { COUNT = 200 };

struct model {
    struct px_timer timers[COUNT];
    bool is_set[COUNT];
    int64_t at_ms[COUNT];
    int64_t now_ms;
    size_t fired_count;
};

static struct model model;

static void on_fire(struct px_timer *timer)
{
    size_t i = (size_t)(timer - model.timers);
    assert_true(model.is_set[i]);
    assert_false(timer->is_set);
    assert_true(model.at_ms[i] <= model.now_ms);
    for (size_t j = 0; j < COUNT; j++)
        assert_true(!model.is_set[j] || model.at_ms[j] >= model.at_ms[i]);
    model.is_set[i] = false;
    model.fired_count++;
}

static int64_t earliest(void)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < COUNT; i++)
        if (model.is_set[i] && model.at_ms[i] < first)
            first = model.at_ms[i];
    return first;
}

static void test_timers__fire_in_order_under_random_changes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("timers");
    struct px_timers timers = {0};
    memset(&model, 0, sizeof model);
    for (size_t i = 0; i < COUNT; i++)
        model.timers[i].fire = on_fire;
    for (int round = 0; round < 50000; round++) {
        size_t i = px_test_below(&random, COUNT);
        switch (px_test_below(&random, 4)) {
        case 0:
        case 1:
            model.at_ms[i] = model.now_ms + (int64_t)px_test_below(&random, 100);
            model.is_set[i] = true;
            px_timers_set(&timers, &model.timers[i], model.at_ms[i]);
            break;
        case 2:
            model.is_set[i] = false;
            px_timers_clear(&timers, &model.timers[i]);
            break;
        default:
            model.now_ms += (int64_t)px_test_below(&random, 10);
            px_timers_run(&timers, model.now_ms);
            assert_true(earliest() > model.now_ms);
            break;
        }
        assert_true(px_timers_next_ms(&timers) == earliest());
    }
    assert_true(model.fired_count > 1000);
    model.now_ms += 1000;
    px_timers_run(&timers, model.now_ms);
    assert_true(px_timers_next_ms(&timers) == INT64_MAX);
}

struct meddler {
    struct px_timer timer;
    struct px_timers *timers;
    struct px_timer *clears;
    struct px_timer *sets;
};

static int quiet_fired;

static void fire_quiet(struct px_timer *timer)
{
    (void)timer;
    quiet_fired++;
}

static void fire_meddler(struct px_timer *timer)
{
    struct meddler *meddler = (struct meddler *)timer;
    px_timers_clear(meddler->timers, meddler->clears);
    px_timers_set(meddler->timers, meddler->sets, 5);
}

static void test_timers__may_change_others_while_they_fire(void **state)
{
    (void)state;
    struct px_timers timers = {0};
    struct px_timer cleared = {.fire = fire_quiet};
    struct px_timer set = {.fire = fire_quiet};
    struct meddler meddler = {
        .timer = {.fire = fire_meddler}, .timers = &timers, .clears = &cleared, .sets = &set};
    quiet_fired = 0;
    px_timers_set(&timers, &meddler.timer, 1);
    px_timers_set(&timers, &cleared, 2);
    px_timers_run(&timers, 10);
    assert_int_equal(quiet_fired, 1); /* the one that was set, not the one that was cleared */
    px_timers_clear(&timers, &set);   /* not set any more: nothing happens */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers__fire_in_order_under_random_changes),
        cmocka_unit_test(test_timers__may_change_others_while_they_fire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
