#include "os/workers.h"

#include "os/thread.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct px_workers {
    pthread_mutex_t lock; /* guards: first, end, depth, idle_count, closing */
    pthread_cond_t wake;  /* first or closing has changed */
    struct px_job *first;
    struct px_job **end; /* where the next job is linked in */
    size_t depth;
    size_t idle_count; /* threads that wait for a job */
    bool closing;

    int nice_level;
    unsigned thread_count; /* of those that were started */
    pthread_t threads[];
};

/* Waits for a job; NULL when the pool closes and none is left. */
static struct px_job *take_job(struct px_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->idle_count++;
    while (workers->first == NULL && !workers->closing)
        pthread_cond_wait(&workers->wake, &workers->lock);
    workers->idle_count--;
    struct px_job *job = workers->first;
    if (job != NULL) {
        workers->first = job->next;
        if (workers->first == NULL)
            workers->end = &workers->first;
        workers->depth--;
    }
    pthread_mutex_unlock(&workers->lock);
    return job;
}

static void *run_jobs(void *context)
{
    struct px_workers *workers = context;
    if (workers->nice_level > 0)
        px_thread_yield_to_others(workers->nice_level);
    for (struct px_job *job = take_job(workers); job != NULL; job = take_job(workers)) {
        job->next = NULL;
        job->run(job);
    }
    return NULL;
}

static int start_threads(struct px_workers *workers, unsigned thread_count, const char *name,
                         struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (unsigned i = 0; i < thread_count && rc == PROXIMADB_OK; i++) {
        char thread_name[PX_THREAD_NAME_BYTES];
        snprintf(thread_name, sizeof thread_name, "%.11s-%u", name, i);
        rc = px_thread_start(&workers->threads[i], thread_name, run_jobs, workers, reterr);
        workers->thread_count += rc == PROXIMADB_OK;
    }
    return rc;
}

int px_workers_open(unsigned thread_count, const char *name, int nice_level,
                    struct px_workers **ret_workers, struct proximadb_error *reterr)
{
    assert(thread_count >= 1 && thread_count <= 999);
    assert(nice_level >= 0 && nice_level <= 19);
    struct px_workers *workers = calloc(1, sizeof *workers + thread_count * sizeof(pthread_t));
    if (workers == NULL)
        return px_fail_no_memory(reterr);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    workers->end = &workers->first;
    workers->nice_level = nice_level;
    int rc = start_threads(workers, thread_count, name, reterr);
    if (rc != PROXIMADB_OK) {
        px_workers_close(workers);
        return rc;
    }
    *ret_workers = workers;
    return PROXIMADB_OK;
}

void px_workers_close(struct px_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->closing = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->thread_count; i++) {
        assert(!pthread_equal(pthread_self(), workers->threads[i]));
        pthread_join(workers->threads[i], NULL);
    }
    assert(workers->first == NULL);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

void px_workers_submit(struct px_workers *workers, struct px_job *job)
{
    assert(job->run != NULL);
    job->next = NULL;
    pthread_mutex_lock(&workers->lock);
    *workers->end = job;
    workers->end = &job->next;
    workers->depth++;
    pthread_cond_signal(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}

bool px_workers_are_busy(struct px_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    bool are_busy = workers->depth >= workers->idle_count;
    pthread_mutex_unlock(&workers->lock);
    return are_busy;
}

size_t px_workers_depth(struct px_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    size_t depth = workers->depth;
    pthread_mutex_unlock(&workers->lock);
    return depth;
}
