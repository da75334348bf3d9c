/*
 * Goal: every task that any thread posts is taken exactly once, those of one thread in their order.
 * Method: four threads post while one takes.
 */
#include "http/mailbox.h"

#include "support/px_test.h"

#include <pthread.h>

enum { THREADS = 4, PER_THREAD = 20000 };

struct numbered {
    struct px_task task;
    int thread;
    int number;
};

static struct px_mailbox mailbox;
static struct numbered tasks[THREADS][PER_THREAD];

static void *post_all(void *context)
{
    int thread = *(int *)context;
    for (int i = 0; i < PER_THREAD; i++) {
        tasks[thread][i] = (struct numbered){.thread = thread, .number = i};
        px_mailbox_post(&mailbox, &tasks[thread][i].task);
    }
    return NULL;
}

static void test_mailbox__delivers_everything_once_and_in_order(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    int next[THREADS] = {0};
    size_t taken = 0;
    assert_true(px_mailbox_is_empty(&mailbox));
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &numbers[i]), 0);
    }
    while (taken < (size_t)THREADS * PER_THREAD) {
        for (struct px_task *task = px_mailbox_take(&mailbox); task != NULL; task = task->next) {
            const struct numbered *numbered = (const struct numbered *)task;
            assert_int_equal(numbered->number, next[numbered->thread]);
            next[numbered->thread]++;
            taken++;
        }
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(px_mailbox_is_empty(&mailbox));
    assert_null(px_mailbox_take(&mailbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailbox__delivers_everything_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
