#include "service/searchers.h"

void px_searchers_init(struct px_searchers *searchers)
{
    *searchers = (struct px_searchers){.idle_count = 0};
    pthread_mutex_init(&searchers->lock, NULL);
}

void px_searchers_release(struct px_searchers *searchers)
{
    for (uint32_t i = 0; i < searchers->idle_count; i++)
        px_ivf_searcher_free(searchers->idle[i]);
    pthread_mutex_destroy(&searchers->lock);
}

int px_searchers_take(struct px_searchers *searchers, struct px_ivf_searcher **ret_searcher,
                      struct proximadb_error *reterr)
{
    struct px_ivf_searcher *searcher = NULL;
    pthread_mutex_lock(&searchers->lock);
    if (searchers->idle_count > 0)
        searcher = searchers->idle[--searchers->idle_count];
    pthread_mutex_unlock(&searchers->lock);
    if (searcher == NULL)
        return px_ivf_searcher_new(ret_searcher, reterr);
    *ret_searcher = searcher;
    return PROXIMADB_OK;
}

void px_searchers_give(struct px_searchers *searchers, struct px_ivf_searcher *searcher)
{
    pthread_mutex_lock(&searchers->lock);
    bool has_room = searchers->idle_count < PX_MOST_IDLE_SEARCHERS;
    if (has_room)
        searchers->idle[searchers->idle_count++] = searcher;
    pthread_mutex_unlock(&searchers->lock);
    if (!has_room)
        px_ivf_searcher_free(searcher);
}
