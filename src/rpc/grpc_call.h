/*
 * grpc_call: one gRPC call on an exchange: messages in, messages out, and how it ends.
 *
 * gRPC over HTTP/2 (the protocol document of grpc.io) from the server's side. A method is a table
 * of callbacks; what is common to all calls is done here: content type, deadline, compression, the
 * limit on messages (refused by their announced size, before a byte is received), the number of
 * messages that a method takes, status and trailers.
 *
 *      a method that takes one message           a method that takes a stream
 *      on_message, when the client has           on_message for each; px_grpc_call_next() asks for
 *      finished its side                         the one behind it; on_half_close behind the last
 *
 * A call ends once: with px_grpc_call_finish() or px_grpc_call_fail(), by its deadline, or with
 * its exchange. In the last two cases on_stop tells the method to stop what it has under way.
 * After that all functions do nothing and release what they are given.
 *
 * Threads: the exchange's I/O thread. Memory: PX_GRPC_STATE_BYTES of zeroed state are the method's.
 */
#ifndef PX_RPC_GRPC_CALL_H
#define PX_RPC_GRPC_CALL_H

#include "http/exchange.h"
#include "http/route.h"
#include "rpc/grpc_prefix.h"
#include "rpc/grpc_status.h"

#include <stdalign.h>

enum {
    PX_GRPC_STATE_BYTES = 768,
    PX_GRPC_SMALL_MESSAGE_BYTES = 64 << 10, /* the limit of health checks and reflection */
};

struct px_grpc_call;

/* on_message must be there; the others may be NULL. */
struct px_grpc_method {
    const char *path; /* "/package.Service/Method" */
    bool takes_stream;
    bool stays_open;            /* px_exchange_stay() */
    size_t message_limit_bytes; /* below the server's; 0: the server's */
    void (*on_message)(struct px_grpc_call *call, struct px_message *message); /* taken */
    void (*on_half_close)(struct px_grpc_call *call);
    void (*on_sent)(struct px_grpc_call *call);  /* nothing waits to be sent */
    void (*on_drain)(struct px_grpc_call *call); /* the server is about to stop */
    void (*on_stop)(struct px_grpc_call *call);
};

struct px_grpc_counters {
    _Atomic uint64_t ended[PX_GRPC_CODE_COUNT]; /* calls, by how they ended */
};

struct px_grpc_server;

struct px_grpc_call {
    struct px_exchange *exchange;
    struct px_grpc_server *server;
    const struct px_grpc_method *method; /* NULL: unknown */
    struct px_grpc_counters *counters;
    struct px_message *message; /* of a method that takes one, until the client is finished */
    struct px_grpc_prefix prefix;
    uint8_t prefix_bytes[PX_GRPC_PREFIX_BYTES];
    bool may_be_gzip; /* the call's grpc-encoding */
    bool is_over;
    alignas(16) uint8_t state[PX_GRPC_STATE_BYTES];
};

/* What all calls share. Fill in, then px_grpc_server_init(). */
struct px_grpc_server {
    const struct px_grpc_method *const *methods; /* kept */
    size_t method_count;
    size_t message_limit_bytes;
    void *context; /* for the methods */

    struct px_slice *paths;            /* of the methods, in their order */
    struct px_grpc_counters *counters; /* of the methods, and one more for unknown ones */
};

PX_MUST_CHECK int px_grpc_server_init(struct px_grpc_server *server,
                                      struct proximadb_error *reterr);
void px_grpc_server_release(struct px_grpc_server *server);

/* The route for every request that says it is gRPC, whatever its path; its context is a
 * struct px_grpc_server. */
bool px_grpc_matches(const struct px_exchange *exchange);
extern const struct px_handler px_grpc_handler;

/* ---- for methods --------------------------------------------------------------------------- */

static inline void *px_grpc_call_state(struct px_grpc_call *call)
{
    return call->state;
}

/* The call of an exchange that px_grpc_handler handles. */
struct px_grpc_call *px_grpc_call_of(struct px_exchange *exchange);

/* Asks for the next message of a stream. */
void px_grpc_call_next(struct px_grpc_call *call);

/* Sends one message: the bytes of `head` (copied), then those of `body` (taken; may be NULL). */
void px_grpc_call_send(struct px_grpc_call *call, struct px_slice head,
                       struct proximadb_buffer *body);

/* Ends the call; NULL: with success. An error that is no fault of the caller is logged. */
void px_grpc_call_finish(struct px_grpc_call *call, const struct proximadb_error *error);

/* Ends the call with a status that gRPC itself defines. */
void px_grpc_call_fail(struct px_grpc_call *call, enum px_grpc_code code, const char *format, ...)
    PX_PRINTF(3, 4);

#endif /* PX_RPC_GRPC_CALL_H */
