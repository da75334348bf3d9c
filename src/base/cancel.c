#include "base/cancel.h"

#include <stdatomic.h>
#include <stdlib.h>

struct proximadb_cancel {
    atomic_uint reference_count;
    atomic_bool is_fired;
};

proximadb_cancel *px_cancel_new(void)
{
    proximadb_cancel *cancel = malloc(sizeof *cancel);
    if (cancel == NULL)
        return NULL;
    atomic_init(&cancel->reference_count, 1);
    atomic_init(&cancel->is_fired, false);
    return cancel;
}

proximadb_cancel *px_cancel_ref(proximadb_cancel *cancel)
{
    atomic_fetch_add_explicit(&cancel->reference_count, 1, memory_order_relaxed);
    return cancel;
}

void px_cancel_unref(proximadb_cancel *cancel)
{
    if (cancel != NULL &&
        atomic_fetch_sub_explicit(&cancel->reference_count, 1, memory_order_acq_rel) == 1)
        free(cancel);
}

void px_cancel_fire(proximadb_cancel *cancel)
{
    atomic_store_explicit(&cancel->is_fired, true, memory_order_relaxed);
}

bool px_cancel_is_fired(const proximadb_cancel *cancel)
{
    return atomic_load_explicit(&cancel->is_fired, memory_order_relaxed);
}
