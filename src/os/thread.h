/*
 * thread: starting a thread the way all of the engine's own are started.
 *
 * Threads: any thread.
 */
#ifndef PX_OS_THREAD_H
#define PX_OS_THREAD_H

#include "base/error.h"

#include <pthread.h>

enum { PX_THREAD_NAME_BYTES = 16 }; /* the system's limit, NUL included */

/*
 * Starts run(context) as a thread of that name. It takes no signals, which are the program's and
 * not the library's, except those that a fault of its own raises (SIGSEGV, SIGBUS and their like):
 * the system ends a process in which such a signal is blocked, handler or not.
 *
 * PROXIMADB_RESOURCE_EXHAUSTED  the system has no more threads or no memory for a stack.
 */
PX_MUST_CHECK int px_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *),
                                  void *context, struct proximadb_error *reterr);

/* Makes the calling thread one of the background, on Linux: SCHED_BATCH, and of that nice level. A
 * system that refuses either only loses the courtesy. */
void px_thread_yield_to_others(int nice_level);

#endif /* PX_OS_THREAD_H */
