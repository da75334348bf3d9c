#define _GNU_SOURCE
#include "os/thread.h"

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void fill_blocked(sigset_t *ret_blocked)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigfillset(ret_blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(ret_blocked, faults[i]);
}

int px_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *context,
                    struct proximadb_error *reterr)
{
    assert(strlen(name) < PX_THREAD_NAME_BYTES);
    /* A thread inherits its creator's mask: there is no moment at which a signal could hit it. */
    sigset_t blocked, before;
    fill_blocked(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = pthread_create(ret_thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "cannot start the thread '%s': %s; raise the limit of threads (ulimit -u) "
                       "or of memory",
                       name, strerror(error));
    (void)pthread_setname_np(*ret_thread, name); /* for people only: a failure is no harm */
    return PROXIMADB_OK;
}

void px_thread_yield_to_others(int nice_level)
{
    struct sched_param param = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &param);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice_level);
}
