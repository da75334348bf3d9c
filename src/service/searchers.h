/*
 * searchers: the memory of searches by codes (axis/ivf.h) that nobody uses just now. It grows with
 * the largest search, so an engine has one for each thread that searches, whatever it searches.
 *
 * Threads: any.
 */
#ifndef PX_SERVICE_SEARCHERS_H
#define PX_SERVICE_SEARCHERS_H

#include "axis/ivf.h"

#include <pthread.h>

enum { PX_MOST_IDLE_SEARCHERS = 64 }; /* as many threads as an engine may have of a kind */

struct px_searchers {
    pthread_mutex_t lock; /* guards: idle, idle_count */
    struct px_ivf_searcher *idle[PX_MOST_IDLE_SEARCHERS];
    uint32_t idle_count;
};

void px_searchers_init(struct px_searchers *searchers);
void px_searchers_release(struct px_searchers *searchers);

/* One that is to be given back. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_searchers_take(struct px_searchers *searchers,
                                    struct px_ivf_searcher **ret_searcher,
                                    struct proximadb_error *reterr);
void px_searchers_give(struct px_searchers *searchers, struct px_ivf_searcher *searcher);

#endif /* PX_SERVICE_SEARCHERS_H */
