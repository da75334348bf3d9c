#include "http/counted.h"

#include <stdlib.h>

struct counted {
    struct proximadb_buffer buffer;
    struct px_budget *budget; /* one reference */
};

static void release_counted(void *context)
{
    struct counted *counted = context;
    size_t size_bytes = counted->buffer.size_bytes;
    px_public_buffer_release(&counted->buffer);
    px_budget_return(counted->budget, size_bytes);
    px_budget_unref(counted->budget);
    free(counted);
}

int px_counted_buffer(struct proximadb_buffer *buffer, struct px_budget *budget,
                      struct proximadb_error *reterr)
{
    struct counted *counted = malloc(sizeof *counted);
    if (counted == NULL)
        return px_fail_no_memory(reterr);
    *counted = (struct counted){.buffer = *buffer, .budget = px_budget_ref(budget)};
    buffer->release = release_counted;
    buffer->context = counted;
    return PROXIMADB_OK;
}
