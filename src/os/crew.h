/*
 * crew: threads that lend a hand with one piece of work that its owner does anyway.
 *
 * A piece of work is a function that takes shares of it until none are left. The owner runs it on
 * its own thread, and threads of the crew that have nothing to do run it at the same time. A thread
 * that has not begun when the owner is done is called back: nobody ever waits for one that has yet
 * to start, so a busy crew costs nothing, and it cannot come to a standstill.
 *
 * Threads: any thread, except that a piece of work may not run another one on the same crew.
 */
#ifndef PX_OS_CREW_H
#define PX_OS_CREW_H

#include "base/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct px_crew;

/*
 * Starts thread_count threads (0 to 999; with none, owners work alone), named as by
 * px_workers_open().
 *
 * *ret_crew: returned, close with px_crew_close().
 * PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (no more threads): nothing was started.
 */
PX_MUST_CHECK int px_crew_open(unsigned thread_count, const char *name, struct px_crew **ret_crew,
                               struct proximadb_error *reterr);

/* The same, with threads that give way to others: nice_level as for px_workers_open(). */
PX_MUST_CHECK int px_crew_open_nice(unsigned thread_count, const char *name, int nice_level,
                                    struct px_crew **ret_crew, struct proximadb_error *reterr);

/* Ends the threads. Nobody may have work under way. Accepts NULL. */
void px_crew_close(struct px_crew *crew);

/*
 * Calls run(context, 0) on this thread and run(context, m) on idle ones, each m below most_members
 * at most once. Returns when all that were called have returned; crew NULL: an empty one.
 */
void px_crew_run(struct px_crew *crew, unsigned most_members,
                 void (*run)(void *context, unsigned member), void *context);

/* Threads, that is, members of a run besides its owner. */
unsigned px_crew_size(const struct px_crew *crew);

/* What went wrong first in a piece of work: members note it and look whether to go on; the owner
 * ends it. Begin with PX_CREW_NO_FAILURE. */
struct px_crew_failure {
    atomic_bool has_failed;
    pthread_mutex_t lock; /* guards: error */
    struct proximadb_error error;
};
#define PX_CREW_NO_FAILURE ((struct px_crew_failure){.lock = PTHREAD_MUTEX_INITIALIZER})

void px_crew_failure_note(struct px_crew_failure *failure, const struct proximadb_error *error);

static inline bool px_crew_has_failed(const struct px_crew_failure *failure)
{
    return atomic_load(&failure->has_failed);
}

/* PROXIMADB_OK, or the status of what was noted first. When all members have returned. */
int px_crew_failure_end(struct px_crew_failure *failure, struct proximadb_error *reterr);

#endif /* PX_OS_CREW_H */
