/*
 * Sharing work (viper/kmeans_internal.h).
 *
 * The calling thread submits a few jobs and begins at once; whoever comes takes the next item from
 * a counter. A job that comes when all items are taken touches nothing but that counter, which the
 * last one to let go of it frees: so nobody waits for jobs that still stand in the queue.
 */
#include "viper/kmeans_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MOST_HELPERS = 15 };

struct share;

struct helper {
    struct px_job job; /* the first member: run_helper() is given its address */
    struct share *share;
};

struct share {
    struct px_kmeans__work work;
    atomic_size_t next; /* the item to take; item_count or more: none is left */

    pthread_mutex_t lock;   /* guards: running, holders */
    pthread_cond_t is_idle; /* running has become 0 */
    size_t running;         /* helpers that may be at an item */
    size_t holders;         /* of this struct */
    struct helper helpers[MOST_HELPERS];
};

static bool take_item(struct share *share, size_t *ret_item)
{
    *ret_item = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
    return *ret_item < share->work.item_count;
}

static void let_go(struct share *share)
{
    pthread_mutex_lock(&share->lock);
    bool is_last = --share->holders == 0;
    pthread_mutex_unlock(&share->lock);
    if (!is_last)
        return;
    pthread_cond_destroy(&share->is_idle);
    pthread_mutex_destroy(&share->lock);
    free(share);
}

static void change_running(struct share *share, bool begins)
{
    pthread_mutex_lock(&share->lock);
    share->running += begins ? 1 : (size_t)-1;
    if (share->running == 0)
        pthread_cond_signal(&share->is_idle);
    pthread_mutex_unlock(&share->lock);
}

/* An item is taken only while `running` says so: once the calling thread has seen it at 0 and no
 * item left, none can be taken. */
static void run_helper(struct px_job *job)
{
    struct share *share = ((struct helper *)job)->share;
    size_t item;
    change_running(share, true);
    while (take_item(share, &item))
        share->work.run(share->work.context, item);
    change_running(share, false);
    let_go(share);
}

static struct share *share_new(const struct px_kmeans__work *work, size_t helper_count)
{
    struct share *share = calloc(1, sizeof *share);
    if (share == NULL)
        return NULL;
    share->work = *work;
    share->holders = helper_count + 1;
    pthread_mutex_init(&share->lock, NULL);
    pthread_cond_init(&share->is_idle, NULL);
    for (size_t i = 0; i < helper_count; i++)
        share->helpers[i] = (struct helper){.job = {.run = run_helper}, .share = share};
    return share;
}

static bool stops(const struct px_kmeans__work *work)
{
    return work->should_stop != NULL && work->should_stop(work->context);
}

static bool run_alone(const struct px_kmeans__work *work)
{
    for (size_t item = 0; item < work->item_count; item++) {
        if (stops(work))
            return false;
        work->run(work->context, item);
    }
    return true;
}

/* The part of the calling thread. */
static bool run_own(struct share *share)
{
    size_t item;
    bool stopped = false;
    while (!stopped && take_item(share, &item)) {
        stopped = stops(&share->work);
        if (!stopped)
            share->work.run(share->work.context, item);
    }
    if (stopped)
        atomic_store_explicit(&share->next, share->work.item_count, memory_order_relaxed);
    pthread_mutex_lock(&share->lock);
    while (share->running > 0)
        pthread_cond_wait(&share->is_idle, &share->lock);
    pthread_mutex_unlock(&share->lock);
    return !stopped;
}

bool px_kmeans__share(struct px_workers *workers, const struct px_kmeans__work *work)
{
    size_t helper_count = work->item_count < MOST_HELPERS + 1 ? work->item_count : MOST_HELPERS + 1;
    struct share *share = NULL;
    if (workers != NULL && helper_count > 1)
        share = share_new(work, --helper_count);
    if (share == NULL) /* a matter of speed only */
        return run_alone(work);
    for (size_t i = 0; i < helper_count; i++)
        px_workers_submit(workers, &share->helpers[i].job);
    bool is_done = run_own(share);
    let_go(share);
    return is_done;
}
