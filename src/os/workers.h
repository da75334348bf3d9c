/*
 * workers: a fixed number of threads that run jobs from one queue, first in, first out.
 *
 * A job is a part of the caller's own struct, so submitting it takes no memory and cannot fail:
 *
 *      struct flush {
 *          struct px_job job;
 *          struct collection *collection;
 *      };
 *      static void run_flush(struct px_job *job)
 *      {
 *          struct flush *flush = (struct flush *)job;          job is the first member
 *          ...
 *          free(flush);                                        nobody touches it any more
 *      }
 *      *flush = (struct flush){.job = {.run = run_flush}, .collection = collection};
 *      px_workers_submit(workers, &flush->job);
 *
 * A job that waits for another one of its pool takes a thread away from it; with enough of them no
 * thread goes on. So a job that has to wait for something is submitted by what it waits for.
 *
 * Threads: any thread. The lock is never held while a job runs.
 */
#ifndef PX_OS_WORKERS_H
#define PX_OS_WORKERS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct px_job {
    struct px_job *next;             /* the pool's while the job waits */
    void (*run)(struct px_job *job); /* may free the job, or submit it again */
};

struct px_workers;

/*
 * Starts thread_count threads (1 to 999) named "NAME-0", "NAME-1" and so on, NAME being cut at 11
 * bytes. nice_level 0 is the priority of the caller; 1 to 19 makes a pool for the background, which
 * the system runs when others leave it time (also SCHED_BATCH), as far as it allows that.
 *
 * *ret_workers: returned, close with px_workers_close().
 * PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (no more threads): nothing was started.
 */
PX_MUST_CHECK int px_workers_open(unsigned thread_count, const char *name, int nice_level,
                                  struct px_workers **ret_workers, struct proximadb_error *reterr);

/* Runs all that was submitted, also what jobs submit meanwhile, and ends the threads. Nobody else
 * may submit any more, and no job may call this. Accepts NULL. */
void px_workers_close(struct px_workers *workers);

/* Appends a job (kept until it runs, which it does exactly once). Never blocks. */
void px_workers_submit(struct px_workers *workers, struct px_job *job);

/* Whether a job that is submitted now would have to wait for another one to end. */
bool px_workers_are_busy(struct px_workers *workers);

/* The number of jobs that wait; those that run do not count. */
size_t px_workers_depth(struct px_workers *workers);

#endif /* PX_OS_WORKERS_H */
