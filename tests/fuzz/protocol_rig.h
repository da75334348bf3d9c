/*
 * protocol_rig: a protocol whose requests are made by hand and whose answers go to the target's own
 * `produce`, for targets that begin behind the parsing of HTTP.
 */
#ifndef PX_FUZZ_PROTOCOL_RIG_H
#define PX_FUZZ_PROTOCOL_RIG_H

#include "fuzz/connection_rig.h"

static inline void protocol_rig_start(struct px_exchange *x, const struct px_header *headers,
                                      size_t count)
{
    (void)headers;
    (void)count;
    px_connection__schedule(x->connection);
}

static inline void protocol_rig_wake(struct px_exchange *x)
{
    px_connection__schedule(x->connection);
}

static inline void protocol_rig_ignore(struct px_exchange *x)
{
    (void)x;
}

static inline bool protocol_rig_no(struct px_connection *c)
{
    (void)c;
    return false;
}

static inline void protocol_rig_ignore_connection(struct px_connection *c)
{
    (void)c;
}

/* The members of a struct px_protocol. */
#define PROTOCOL_RIG(produce_function)                                               \
    .is_http2 = true, .produce = (produce_function), .wants_input = protocol_rig_no, \
    .is_over = protocol_rig_no, .drain = protocol_rig_ignore_connection,             \
    .release = protocol_rig_ignore_connection, .want_body = protocol_rig_ignore,     \
    .start = protocol_rig_start, .wake = protocol_rig_wake, .reset = protocol_rig_ignore

#endif /* PX_FUZZ_PROTOCOL_RIG_H */
