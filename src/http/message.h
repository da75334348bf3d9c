/*
 * message: the memory that a request's body is received into, counted in the budget.
 *
 * A message becomes the payload of an engine request as it is: px_message_share() gives a public
 * buffer that is a view into it and whose release frees it and returns its bytes to the budget, on
 * whatever thread the engine is done with it.
 *
 * Threads: one owner at a time; freeing, any thread.
 */
#ifndef PX_HTTP_MESSAGE_H
#define PX_HTTP_MESSAGE_H

#include "base/error.h"
#include "base/slice.h"
#include "http/budget.h"

struct px_message {
    struct px_budget *budget; /* one reference */
    size_t charged_bytes;     /* returned to the budget with the message */
    size_t capacity_bytes;    /* of data */
    size_t size_bytes;        /* received so far */
    uint8_t data[];
};

/* A message with room for capacity_bytes, which the caller has reserved in the budget; from now on
 * the message holds that reservation. NULL without memory: the reservation is the caller's still.
 * */
struct px_message *px_message_new(struct px_budget *budget, size_t capacity_bytes);

/* Accepts NULL. */
void px_message_free(struct px_message *message);

static inline struct px_slice px_message_slice(const struct px_message *message)
{
    return px_slice_of(message->data, message->size_bytes);
}

/* A public buffer over `part`, a view into the message, which is taken: releasing the buffer frees
 * it. */
struct proximadb_buffer px_message_share(struct px_message *message, struct px_slice part);

#endif /* PX_HTTP_MESSAGE_H */
