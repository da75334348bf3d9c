/*
 * listener: a port that is listened on, and what is done with those who call.
 *
 * Accepted sockets are handed out rather than raced for. gRPC clients keep few connections for
 * long, so what matters is that these are spread evenly over the I/O threads. SO_REUSEPORT spreads
 * by a hash, which puts four connections on one of four threads now and then, and loses the
 * connections that wait in the queue of a listener that closes; EPOLLEXCLUSIVE wakes the thread
 * that slept last again and again. One acceptor that knows the number of connections of each
 * thread does neither.
 *
 * When the process runs out of descriptors the listener rests for a moment instead of spinning.
 *
 * Threads: the loop's thread.
 */
#ifndef PX_HTTP_LISTENER_H
#define PX_HTTP_LISTENER_H

#include "base/log.h"
#include "http/address.h"
#include "http/loop.h"

struct px_listener {
    struct px_source source;
    struct px_loop *loop;
    const struct px_log *log;
    struct px_timer rest; /* until the next try */
    bool is_watched;
    struct px_address address; /* as bound: with the port that the system chose for port 0 */

    /* A connected, non-blocking socket, which is taken. */
    void (*on_accept)(struct px_listener *listener, int fd, const struct px_address *peer);
    void *context; /* of on_accept */
};

/* Binds and listens; nothing is accepted before px_listener_start(). PROXIMADB_UNAVAILABLE: the
 * address is in use; PROXIMADB_IO. Close with px_listener_close(). */
PX_MUST_CHECK int px_listener_open(struct px_listener *listener, const struct px_address *address,
                                   struct proximadb_error *reterr);

/* Fill in log, on_accept and context before. loop is kept. PROXIMADB_IO */
PX_MUST_CHECK int px_listener_start(struct px_listener *listener, struct px_loop *loop,
                                    struct proximadb_error *reterr);

void px_listener_close(struct px_listener *listener);

#endif /* PX_HTTP_LISTENER_H */
