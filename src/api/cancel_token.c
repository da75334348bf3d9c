#include "base/cancel.h"

#include "base/clock.h"

proximadb_cancel *proximadb_cancel_new(void)
{
    return px_cancel_new();
}

void proximadb_cancel_fire(proximadb_cancel *cancel)
{
    px_cancel_fire(cancel);
}

void proximadb_cancel_free(proximadb_cancel *cancel)
{
    px_cancel_unref(cancel);
}

int64_t proximadb_now_ms(void)
{
    return px_clock_system.monotonic_ms(&px_clock_system);
}
