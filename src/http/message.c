#include "http/message.h"

#include <assert.h>
#include <stdlib.h>

struct px_message *px_message_new(struct px_budget *budget, size_t capacity_bytes)
{
    if (capacity_bytes > SIZE_MAX - sizeof(struct px_message))
        return NULL;
    struct px_message *message = malloc(sizeof *message + capacity_bytes);
    if (message == NULL)
        return NULL;
    *message = (struct px_message){.budget = px_budget_ref(budget),
                                   .charged_bytes = capacity_bytes,
                                   .capacity_bytes = capacity_bytes};
    return message;
}

void px_message_free(struct px_message *message)
{
    if (message == NULL)
        return;
    struct px_budget *budget = message->budget;
    px_budget_return(budget, message->charged_bytes);
    free(message);
    px_budget_unref(budget);
}

static void release_shared(void *context)
{
    px_message_free(context);
}

struct proximadb_buffer px_message_share(struct px_message *message, struct px_slice part)
{
    assert(part.size_bytes <= message->size_bytes);
    return (struct proximadb_buffer){
        .data = part.data,
        .size_bytes = part.size_bytes,
        .release = release_shared,
        .context = message,
    };
}
