/*
 * http_internal: connections and exchanges from the inside, for the files that move bytes between
 * them: connection.c (the socket), h1.c and h2.c (the two protocols), exchange.c and body.c.
 *
 * A protocol turns bytes into calls of px_exchange__*() and is told by its table what the handlers
 * want. It knows no socket: bytes come in through `input` and go out through the connection's
 * output, so it runs under a unit test or a fuzzer without one.
 *
 * A connection stays in memory until the last of its exchanges is gone, held ones included.
 */
#ifndef PX_HTTP_INTERNAL_H
#define PX_HTTP_INTERNAL_H

#include "http/address.h"
#include "http/exchange.h"
#include "http/send_queue.h"
#include "http/io_worker.h"

#include <stdalign.h>

enum {
    PX_OUTPUT_HIGH_BYTES = 256 << 10, /* protocols add nothing to an output of this size */
    PX_MOST_EXCHANGES = 16 << 10,     /* of one I/O thread, those that are only held included */
    PX_MOST_STAYING = 16,             /* px_exchange_stay(), of one connection ... */
    PX_MOST_STAYING_IN_ALL = 1024,    /* ... and of one I/O thread */
    PX_RESPONSE_HEADERS_LIMIT = 24,   /* of one response */
    PX_LOWEST_RATE_BYTES = 32768,     /* a second, of what comes or goes beyond its timeout */
};

struct px_protocol {
    bool is_http2;

    /* Takes bytes from the peer. */
    void (*input)(struct px_connection *connection, const uint8_t *data, size_t size_bytes);

    /* Where the next bytes from the peer may be stored directly: how many, and at *ret_at; and how
     * many more are worth reading behind them. 0: nowhere. */
    size_t (*direct)(struct px_connection *connection, uint8_t **ret_at, size_t *ret_more_bytes);

    /* Moves what is to be sent to the connection's output, up to PX_OUTPUT_HIGH_BYTES. */
    void (*produce)(struct px_connection *connection);

    bool (*wants_input)(struct px_connection *connection);

    /* The connection may end once its output is sent. */
    bool (*is_over)(struct px_connection *connection);

    /* No new requests; over when those under way are done. */
    void (*drain)(struct px_connection *connection);

    void (*release)(struct px_connection *connection);

    /* About one exchange, which is open: its handler asked for body bytes; it starts its response;
     * something was added to x->output or x->is_finished was set; it was given up. */
    void (*want_body)(struct px_exchange *x);
    void (*start)(struct px_exchange *x, const struct px_header *headers, size_t header_count);
    void (*wake)(struct px_exchange *x);
    void (*reset)(struct px_exchange *x);
};

extern const struct px_protocol px_h1__protocol;
extern const struct px_protocol px_h2__protocol;

/* Attach the protocol to the connection. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_h1__attach(struct px_connection *connection);
PX_MUST_CHECK int px_h2__attach(struct px_connection *connection);

/* ---- connections --------------------------------------------------------------------------- */

struct px_connection {
    struct px_source source; /* fd is -1 where there is no socket */
    struct px_io_worker *worker;
    struct px_connection *next; /* in worker->connections */
    struct px_connection **link;
    const struct px_protocol *protocol; /* NULL until the first bytes told */
    void *session;                      /* owned by the protocol */
    struct px_send_queue output;
    uint32_t events; /* that are watched */

    struct px_exchange *exchanges; /* the open ones */
    size_t exchange_count;         /* open or held */
    unsigned staying_count;        /* of the open ones */
    size_t body_wanted_bytes;      /* asked for by reads under way, and not here yet */
    size_t body_held_bytes;        /* here, and not asked for */

    struct px_task flush;
    bool flush_is_due;
    bool has_sent;     /* some exchange is due its on_sent */
    bool has_more;     /* writing stopped for this turn, though the socket takes more */
    bool is_ending;    /* nothing more is taken from the peer; closed when the output is sent */
    bool is_lingering; /* our side is shut; waiting for the peer's */
    bool is_closed;    /* the descriptor is gone */

    struct px_timer timer;
    int64_t idle_ms;  /* when it was last seen with a request; its start, where none came yet */
    bool had_request; /* its peer has begun one */
    int64_t started_ms;
    int64_t drained_ms; /* when the peer was told to go; 0: it was not */
    int64_t written_ms; /* when bytes last went out, or the output was found empty */
    int64_t paced_ms;   /* from when on the pace of what goes out is measured */
    size_t paced_bytes; /* that went out since */

    uint8_t first[4]; /* the first bytes, until they tell the protocol */
    size_t first_bytes;
    char peer[PX_ADDRESS_TEXT_BYTES];
};

/* A connection on a connected, non-blocking socket, which is taken (closed on failure, too); fd -1:
 * none. NULL without memory. The acceptor has counted it in worker->connection_count. */
struct px_connection *px_connection__new(struct px_io_worker *worker, int fd,
                                         const struct px_address *peer);

/* Bytes from the peer. */
void px_connection__input(struct px_connection *connection, const uint8_t *data, size_t size_bytes);

/* Writes at the end of this turn. */
void px_connection__schedule(struct px_connection *connection);

/* Takes nothing more from the peer; closes when the output is sent. `why` (borrowed; NULL: nothing
 * is wrong) is logged. */
void px_connection__end(struct px_connection *connection, const char *why);

/* Lets what is under way finish and takes no new requests. */
void px_connection__drain(struct px_connection *connection);

/* Closes at once; its open exchanges are closed for `reason`. The memory goes at the end of the
 * turn, or with the last held exchange. */
void px_connection__close(struct px_connection *connection, enum px_close_reason reason);

/* An exchange of a connection is gone. */
void px_connection__forget_exchange(struct px_connection *connection);

/* ---- exchanges ----------------------------------------------------------------------------- */

/* px_exchange_receive() and px_exchange_collect() under way. */
struct px_body {
    struct px_message *message; /* what was received so far */
    struct px_budget_waiter waiter;
    struct px_task granted;
    struct px_timer patience;
    size_t limit_bytes;
    bool is_open_ended; /* the size is not known: the message grows */
    bool is_waiting;    /* for the budget; the exchange is then held */
};

struct px_exchange {
    struct px_exchange *next; /* in connection->exchanges, or in worker->free_exchanges */
    struct px_exchange **link;
    struct px_io_worker *worker;
    struct px_connection *connection;
    const struct px_handler *handler;
    void *context;
    unsigned hold_count; /* one is the protocol's, until the exchange is closed */
    int32_t stream_id;   /* HTTP/2's; 0 with HTTP/1.1 */
    int64_t started_ms;
    struct px_timer deadline;

    bool is_ready;    /* the headers are complete */
    bool is_closed;   /* px_exchange__close() was called */
    bool is_started;  /* the response is */
    bool is_finished; /* the handler has said all of the response */
    bool is_head;     /* the request is HEAD: the response's body is not sent */
    bool is_deferred; /* HTTP/2: its stream waits for wake() */
    bool is_sent_due; /* on_sent is to be called */
    bool has_trailers;
    bool is_staying; /* counted as such */

    struct px_headers headers;
    size_t header_reserved_bytes; /* in the budget, until the exchange is gone */
    struct px_slice method;       /* views into headers */
    struct px_slice path;
    struct px_slice query;
    int64_t content_length; /* -1: not announced */

    uint8_t *read_at; /* where the next byte of the body goes */
    size_t read_left_bytes;
    size_t read_size_bytes;
    int64_t read_started_ms;
    void (*read_done)(struct px_exchange *x, size_t size_bytes);
    bool is_reading;
    bool is_patient;
    bool is_asked;      /* the protocol was told of this read */
    bool is_delivering; /* the outermost of nested calls goes on with the next read */
    bool body_ended;
    struct px_buffer held; /* came before it was asked for; charged to the budget */
    size_t held_taken_bytes;
    uint64_t body_bytes;
    struct px_body body;

    int status;
    struct px_send_queue output;
    struct px_headers trailers;
    int64_t progress_ms; /* when bytes of the response last moved on, or began to wait */
    int64_t waiting_ms;  /* since when there have been bytes that wait */
    uint64_t waiting_at; /* sent_bytes then */
    uint64_t sent_bytes;

    alignas(16) uint8_t state[PX_EXCHANGE_STATE_BYTES];
};

/* An exchange whose headers are to come; NULL without memory, or where there are too many. */
struct px_exchange *px_exchange__new(struct px_connection *connection);

/* The headers are complete: finds the route, tells the handler. */
void px_exchange__ready(struct px_exchange *x);

/* Answers for the route: what it cannot be asked. */
void px_exchange__refuse(struct px_exchange *x, int status, const char *text);

/* Body bytes, which may lie at x->read_at already; its end; how many more the handler wants. */
void px_exchange__deliver(struct px_exchange *x, const uint8_t *data, size_t size_bytes);
void px_exchange__end_body(struct px_exchange *x);
static inline size_t px_exchange__held_bytes(const struct px_exchange *x)
{
    return x->held.size_bytes - x->held_taken_bytes;
}

/* Moves bytes of the response on to the connection's output. */
void px_exchange__move_output(struct px_exchange *x, size_t size_bytes);

/* Calls the on_sent that are due on a connection. */
void px_exchange__call_sent(struct px_connection *connection);

/* The protocol is done with the exchange. */
void px_exchange__close(struct px_exchange *x, enum px_close_reason reason);

/* Gives up on a peer that is too slow, where `sharers` exchanges have something to send on the
 * connection. False: its headers are not even complete. */
bool px_exchange__check_time(struct px_exchange *x, int64_t now_ms, size_t sharers);

/* A read with its own callback, for body.c. */
void px_exchange__read(struct px_exchange *x, void *destination, size_t size_bytes,
                       enum px_patience patience,
                       void (*done)(struct px_exchange *x, size_t size_bytes));

/* Drops what is being received. */
void px_body__cancel(struct px_exchange *x);

/* Frees an exchange that is in no list. */
void px_exchange__free(struct px_exchange *x);

#endif /* PX_HTTP_INTERNAL_H */
