/*
 * Goal: a thread runs its function under its name, and takes no signals but those of its own faults.
 * Method: a thread that looks at itself.
 */
#define _GNU_SOURCE
#include "os/thread.h"

#include "support/px_test.h"

#include <signal.h>

struct seen {
    char name[PX_THREAD_NAME_BYTES];
    sigset_t blocked;
};

static void *look(void *context)
{
    struct seen *seen = context;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
    return context;
}

static void test_thread__runs_the_function_with_its_context(void **state)
{
    (void)state;
    struct seen seen;
    pthread_t thread;
    void *returned;
    assert_int_equal(px_thread_start(&thread, "px-look", look, &seen, NULL), PROXIMADB_OK);
    assert_int_equal(pthread_join(thread, &returned), 0);
    assert_ptr_equal(returned, &seen);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *context)
{
    (void)context;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return NULL;
}

static void test_thread__has_its_name(void **state)
{
    (void)state;
    char name[PX_THREAD_NAME_BYTES];
    pthread_t thread;
    pthread_mutex_lock(&gate);
    assert_int_equal(px_thread_start(&thread, "px-fifteen-char", wait_at_gate, NULL, NULL),
                     PROXIMADB_OK);
    assert_int_equal(pthread_getname_np(thread, name, sizeof name), 0);
    pthread_mutex_unlock(&gate);
    assert_string_equal(name, "px-fifteen-char");
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_thread__leaves_signals_to_the_program(void **state)
{
    (void)state;
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct seen seen;
    sigset_t before, after;
    pthread_t thread;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(px_thread_start(&thread, "px-look", look, &seen, NULL), PROXIMADB_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sigismember(&seen.blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&seen.blocked, SIGALRM), 1);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        assert_int_equal(sigismember(&seen.blocked, faults[i]), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread__runs_the_function_with_its_context),
        cmocka_unit_test(test_thread__has_its_name),
        cmocka_unit_test(test_thread__leaves_signals_to_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
