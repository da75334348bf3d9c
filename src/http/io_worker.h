/*
 * io_worker: what the connections of one I/O thread share: the loop, limits, counters and free
 * lists.
 *
 * Threads: the loop's thread, but for the counters, which any thread may read, and
 * connection_count, which the acceptor raises when it hands a connection over.
 */
#ifndef PX_HTTP_IO_WORKER_H
#define PX_HTTP_IO_WORKER_H

#include "base/log.h"
#include "http/budget.h"
#include "http/loop.h"
#include "http/route.h"

enum {
    PX_IO_WORKER_SCRATCH_BYTES = 16
                                 << 10, /* what is read together with framing is copied from here */
    PX_IO_WORKER_DATE_BYTES = 30,       /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */
};

struct px_http_limits {
    size_t budget_bytes;       /* request bytes in flight, whole server */
    size_t answer_bytes;       /* of answers that peers have not taken, whole server */
    size_t header_bytes;       /* of one request, counted as HTTP/2 does */
    uint32_t connection_count; /* whole server */
    uint32_t stream_count;     /* concurrent requests of one HTTP/2 connection */
    uint32_t window_bytes;     /* what a connection may send before anything was reserved */
    int64_t header_timeout_ms; /* from the first byte of a request, or the connection's start */
    int64_t idle_timeout_ms;   /* without any request under way */
    int64_t body_timeout_ms;   /* for a message, and more by what has come of it */
    int64_t send_timeout_ms;   /* for the peer to take an answer, and more by what it has taken */
    int64_t budget_wait_ms;    /* in the queue for the budget */
};

/* The defaults of docs/HTTP2.md. */
extern const struct px_http_limits px_http_limits_default;

/* PROXIMADB_INVALID: a limit that the server cannot keep or that would keep everybody out; the
 * message names it and the range. */
PX_MUST_CHECK int px_http_limits_check(const struct px_http_limits *limits,
                                       struct proximadb_error *reterr);

/* What all workers of a server share, read-only while it runs. Everything is kept. */
struct px_http_config {
    struct px_http_limits limits;
    const struct px_route *routes;
    size_t route_count;
    struct px_log log;
    bool access_log; /* a line for each exchange */
    bool is_local;   /* only this machine can connect; the server finds out itself */
};

/* Each worker counts for itself; px_http_stats_add() sums up. */
struct px_http_stats {
    _Atomic uint64_t connections;
    _Atomic uint64_t connections_failed; /* ended by us: protocol errors, timeouts, floods */
    _Atomic uint64_t requests;
    _Atomic uint64_t requests_cancelled; /* closed before their response was complete */
    _Atomic uint64_t received_bytes;
    _Atomic uint64_t sent_bytes;
    _Atomic uint64_t body_bytes;        /* of bodies, as handlers received them */
    _Atomic uint64_t body_copied_bytes; /* those that did not land in place */
};

/* Raises a counter of the calling worker: one writer, so no locked instruction is needed. */
static inline void px_http_count(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

void px_http_stats_add(struct px_http_stats *sum, const struct px_http_stats *part);

struct px_connection;

struct px_io_worker {
    struct px_loop loop;
    const struct px_http_config *config;
    struct px_budget *budget;  /* of requests */
    struct px_budget *answers; /* the budget of answers */
    struct px_http_stats stats;

    struct px_connection *connections; /* all that are open */
    struct px_exchange *free_exchanges;
    size_t free_exchange_count;
    size_t exchange_count;  /* live ones, those that are only held included */
    unsigned staying_count; /* of the open ones */
    atomic_uint connection_count;
    bool is_draining;

    /* Called when is_draining and nothing lives here any more. May be NULL. */
    void (*on_idle)(struct px_io_worker *worker);
    void *context; /* of on_idle */

    int64_t complained_ms;        /* when px_io_worker_complain() last wrote; 0: never */
    uint64_t complaints_withheld; /* since */

    int64_t date_ms; /* when `date` was made */
    char date[PX_IO_WORKER_DATE_BYTES];
    uint8_t scratch[PX_IO_WORKER_SCRATCH_BYTES];
};

/* config and both budgets are kept. PROXIMADB_IO. */
PX_MUST_CHECK int px_io_worker_init(struct px_io_worker *worker,
                                    const struct px_http_config *config, struct px_budget *budget,
                                    struct px_budget *answers, struct proximadb_error *reterr);

/* Nothing may live in it any more. */
void px_io_worker_release(struct px_io_worker *worker);

/* Tells every connection to finish what it has under way and to end. */
void px_io_worker_drain(struct px_io_worker *worker);

/* Ends every connection at once. */
void px_io_worker_abort(struct px_io_worker *worker);

/* To be called whenever something has ceased to live. */
void px_io_worker_check_idle(struct px_io_worker *worker);

/* Logs a warning about a peer, which peers could make without end: a line a second of each worker,
 * with how many were withheld before it. */
void px_io_worker_complain(struct px_io_worker *worker, const char *peer, const char *format, ...)
    PX_PRINTF(3, 4);

/* The time for a "date" field, made at most once a second. */
const char *px_io_worker_date(struct px_io_worker *worker);

#endif /* PX_HTTP_IO_WORKER_H */
