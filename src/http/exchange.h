/*
 * exchange: one request and its response, whichever HTTP version carries them.
 *
 * What handles requests (gRPC, REST, the console) registers routes (route.h) with a table of
 * callbacks and talks to the exchange through the functions below. It never sees a connection.
 *
 *      the peer sends            callback           what the handler then does
 *      headers                   on_request         responds, or asks for the body
 *      body                      on_read, on_body   asks for more, or starts its work
 *      (work is done)            posted task        responds
 *      it goes away, gives up    on_close           stops its work
 *
 * Reading is by asking: bytes are taken from the peer only after px_exchange_read(),
 * px_exchange_receive() or px_exchange_collect() said where they go, so back-pressure is the
 * absence of a call, and a large body is received straight into its final memory. One of them may
 * be under way at a time.
 *
 * Writing never waits: what is sent is queued. A handler that sends without end asks for the next
 * piece of work in on_sent, when the queue has run empty.
 *
 * Threads    An exchange lives on one I/O thread; all callbacks run there and all functions must be
 *            called there, except px_exchange_post(). Work elsewhere holds the exchange, and comes
 *            back with a posted task.
 * Lifetime   An exchange that was closed stays valid while it is held: functions then do nothing
 *            and release what they are given, so whoever comes back late need not care.
 * Memory     PX_EXCHANGE_STATE_BYTES of zeroed state per exchange belong to its handler.
 */
#ifndef PX_HTTP_EXCHANGE_H
#define PX_HTTP_EXCHANGE_H

#include "base/error.h"
#include "base/log.h"
#include "base/slice.h"
#include "http/headers.h"
#include "http/mailbox.h"
#include "http/message.h"

struct px_exchange;

enum { PX_EXCHANGE_STATE_BYTES = 1024 };

enum px_close_reason {
    PX_CLOSE_DONE,      /* the whole response was handed to the connection */
    PX_CLOSE_PEER_GONE, /* the connection ended */
    PX_CLOSE_RESET,     /* the peer or the handler gave the exchange up */
    PX_CLOSE_TIMEOUT,   /* the peer sent or took bytes too slowly */
    PX_CLOSE_SHUTDOWN   /* the server stops, and its grace period is over */
};

enum px_body_result {
    PX_BODY_COMPLETE,
    PX_BODY_TOO_LARGE, /* over the limit of px_exchange_collect(): 413 */
    PX_BODY_NO_ROOM,   /* the server's budget stayed used up: 503, try again */
    PX_BODY_CUT_SHORT, /* the peer ended the body before the size it owed: 400 */
    PX_BODY_NO_MEMORY
};

/* Each may be NULL. */
struct px_handler {
    /* The headers are there; the body may follow. */
    void (*on_request)(struct px_exchange *exchange);

    /* px_exchange_read() is done: size_bytes were stored, fewer than asked for only where the body
     * ended. */
    void (*on_read)(struct px_exchange *exchange, size_t size_bytes);

    /* px_exchange_receive() or px_exchange_collect() is done. message is taken by the handler, and
     * NULL unless the result is PX_BODY_COMPLETE; error (borrowed) says why in a sentence. */
    void (*on_body)(struct px_exchange *exchange, enum px_body_result result,
                    struct px_message *message, const struct proximadb_error *error);

    /* Everything sent so far has left for the connection, and the response is not finished. */
    void (*on_sent)(struct px_exchange *exchange);

    /* The time of px_exchange_set_deadline() has come. NULL: the exchange is reset. */
    void (*on_deadline)(struct px_exchange *exchange);

    /* The server is about to stop: bring to an end what has none of its own. */
    void (*on_drain)(struct px_exchange *exchange);

    /* The last callback. Nothing can be sent any more; stop the work that is under way. */
    void (*on_close)(struct px_exchange *exchange, enum px_close_reason reason);
};

/* ---- the request; slices are views, valid until on_close returns ---------------------------- */

struct px_slice px_exchange_method(const struct px_exchange *exchange);
struct px_slice px_exchange_path(const struct px_exchange *exchange);  /* encoded, without query */
struct px_slice px_exchange_query(const struct px_exchange *exchange); /* without the '?' */
const struct px_headers *px_exchange_headers(const struct px_exchange *exchange);

/* The first header field of that name (lower case); false where there is none. */
bool px_exchange_header(const struct px_exchange *exchange, const char *name,
                        struct px_slice *ret_value);

/* The announced size of the body, or -1. */
int64_t px_exchange_content_length(const struct px_exchange *exchange);

bool px_exchange_is_http2(const struct px_exchange *exchange);
const char *px_exchange_peer(const struct px_exchange *exchange); /* "127.0.0.1:40112" */

/* ---- the surroundings ---------------------------------------------------------------------- */

void *px_exchange_state(struct px_exchange *exchange);         /* the handler's own bytes */
void *px_exchange_context(const struct px_exchange *exchange); /* of the route */
int64_t px_exchange_now_ms(const struct px_exchange *exchange);
const struct px_log *px_exchange_log(const struct px_exchange *exchange);
struct px_budget *px_exchange_budget(const struct px_exchange *exchange); /* of requests */

/* The budget of answers. Any thread, while the exchange is held. */
struct px_budget *px_exchange_answers(const struct px_exchange *exchange);

/* Only this machine can reach the server: it listens on loopback addresses and no others. */
bool px_exchange_is_local(const struct px_exchange *exchange);

/* Neither closed nor finished: something may still be sent. */
bool px_exchange_is_open(const struct px_exchange *exchange);

/* No other exchange of its I/O thread is under way, but for those that stay open. */
bool px_exchange_is_alone(const struct px_exchange *exchange);

/* The server is stopping. */
bool px_exchange_is_draining(const struct px_exchange *exchange);

/* Says that the exchange stays open without a request under way: it waits for something to happen,
 * or for the peer's next message. False: its connection (16) or its I/O thread (1,024) has too many
 * of that kind. */
PX_MUST_CHECK bool px_exchange_stay(struct px_exchange *exchange);

/* Calls on_deadline once at `at_ms` on px_exchange_now_ms()'s clock; 0 takes it back. */
void px_exchange_set_deadline(struct px_exchange *exchange, int64_t at_ms);
/* Sets it to when `timeout_ms` have passed in full, counted from now. */
void px_exchange_set_timeout(struct px_exchange *exchange, int64_t timeout_ms);
int64_t px_exchange_deadline(const struct px_exchange *exchange); /* 0: none */

/* ---- the body ------------------------------------------------------------------------------ */

/* A callback may come before these return, so let them be the last thing that a callback does. */

enum px_patience {
    PX_IMPATIENT, /* the peer owes the bytes: too slow is an error */
    PX_PATIENT    /* the next message of a stream, which may come in an hour */
};

/* Stores the next size_bytes of the body at `destination` (kept), then calls on_read. */
void px_exchange_read(struct px_exchange *exchange, void *destination, size_t size_bytes,
                      enum px_patience patience);

/* Reserves size_bytes in the server's budget, waiting for it if need be, receives that many bytes
 * of the body into a message of that size, then calls on_body. */
void px_exchange_receive(struct px_exchange *exchange, size_t size_bytes);

/* Likewise with the whole body, whether its size was announced or not, up to limit_bytes. */
void px_exchange_collect(struct px_exchange *exchange, size_t limit_bytes);

/* ---- the response -------------------------------------------------------------------------- */

/* None of these fails: what cannot be sent is released, and on_close says why. A length or date
 * field is added where the version wants one. Names are in lower case. */

/* A whole response. body is taken and zeroed; NULL or empty: none. */
void px_exchange_respond(struct px_exchange *exchange, int status, const struct px_header *headers,
                         size_t header_count, struct proximadb_buffer *body);

/* Likewise with a copy of a text. */
void px_exchange_respond_text(struct px_exchange *exchange, int status, const char *content_type,
                              struct px_slice text);

/* Or piece by piece: start, send any number of times, finish. With is_all the headers are all of
 * the response, and none of the others may follow. */
void px_exchange_start(struct px_exchange *exchange, int status, const struct px_header *headers,
                       size_t header_count, bool is_all);
void px_exchange_send(struct px_exchange *exchange, struct proximadb_buffer *data); /* taken */
void px_exchange_send_copy(struct px_exchange *exchange, const void *data, size_t size_bytes);
void px_exchange_finish(struct px_exchange *exchange, const struct px_header *trailers,
                        size_t trailer_count);

/* Whether px_exchange_start() or px_exchange_respond() was called. */
bool px_exchange_is_started(const struct px_exchange *exchange);

/* Bytes given to send that wait for the peer. */
size_t px_exchange_unsent_bytes(const struct px_exchange *exchange);

/* Gives up: the peer sees a broken response. */
void px_exchange_reset(struct px_exchange *exchange);

/* ---- work elsewhere ------------------------------------------------------------------------ */

/* Keeps the exchange valid until the matching drop. */
void px_exchange_hold(struct px_exchange *exchange);
void px_exchange_drop(struct px_exchange *exchange);

/* Any thread, while the exchange is held: runs `task` on its I/O thread, soon. */
void px_exchange_post(struct px_exchange *exchange, struct px_task *task);

#endif /* PX_HTTP_EXCHANGE_H */
