/* Sharing work (viper/kmeans_internal.h). */
#include "viper/kmeans_internal.h"

#include <limits.h>
#include <stdatomic.h>

struct share {
    const struct px_kmeans__work *work;
    atomic_size_t next; /* the item to take; item_count or more: none is left */
    bool stopped;       /* the owner's */
};

static bool stops(const struct px_kmeans__work *work)
{
    return work->should_stop != NULL && work->should_stop(work->context);
}

/* Only the owner, member 0, asks whether to stop; the others find no items then. */
static void take_items(void *context, unsigned member)
{
    struct share *share = context;
    const struct px_kmeans__work *work = share->work;
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
        if (item >= work->item_count)
            return;
        if (member == 0 && stops(work)) {
            atomic_store_explicit(&share->next, work->item_count, memory_order_relaxed);
            share->stopped = true;
            return;
        }
        work->run(work->context, item);
    }
}

bool px_kmeans__share(struct px_crew *crew, const struct px_kmeans__work *work)
{
    struct share share = {.work = work};
    unsigned members = work->item_count < UINT_MAX ? (unsigned)work->item_count : UINT_MAX;
    px_crew_run(crew, members, take_items, &share);
    return !share.stopped;
}
