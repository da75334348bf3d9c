#include "viper/removal_gate.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct px_removal_gate {
    atomic_uint reference_count;
    pthread_mutex_t lock; /* guards: is_closed, and removing */
    bool is_closed;
};

int px_removal_gate_new(struct px_removal_gate **ret_gate, struct proximadb_error *reterr)
{
    struct px_removal_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL)
        return px_fail_no_memory(reterr);
    atomic_init(&gate->reference_count, 1);
    pthread_mutex_init(&gate->lock, NULL);
    *ret_gate = gate;
    return PROXIMADB_OK;
}

struct px_removal_gate *px_removal_gate_ref(struct px_removal_gate *gate)
{
    atomic_fetch_add_explicit(&gate->reference_count, 1, memory_order_relaxed);
    return gate;
}

void px_removal_gate_unref(struct px_removal_gate *gate)
{
    if (gate == NULL ||
        atomic_fetch_sub_explicit(&gate->reference_count, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

void px_removal_gate_close(struct px_removal_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_closed = true;
    pthread_mutex_unlock(&gate->lock);
}

void px_removal_gate_remove(struct px_removal_gate *gate, struct px_fs *fs, const char *path)
{
    pthread_mutex_lock(&gate->lock);
    if (!gate->is_closed)
        (void)fs->unlink(fs, path);
    pthread_mutex_unlock(&gate->lock);
}
