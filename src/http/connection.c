/* The socket side of http_internal.h: reading, writing, waiting, closing. */
#include "http/http_internal.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READS_PER_TURN = 16,            /* then other connections have their turn */
    WRITE_PER_TURN_BYTES = 4 << 20, /* likewise */
    PARTS_PER_WRITE = 64,
    PACED_BYTES = 4 << 20, /* went out: its pace is measured anew */
    TICK_MS = 1000,        /* how often a busy connection's patience is looked at */
    LINGER_MS = 1000,      /* for the peer to read our last words */
    DRAIN_MS = 5000,       /* for an idle peer to confirm that it saw GOAWAY */
    TLS_HANDSHAKE = 0x16,
    KEEPALIVE_IDLE_S = 60, /* then a probe each ... */
    KEEPALIVE_PROBE_S = 10,
    KEEPALIVE_PROBES = 6, /* ... so often before a silent peer is given up */
};

static void on_ready(struct px_source *source, uint32_t events);
static void on_flush(struct px_task *task);
static void on_timer(struct px_timer *timer);

static struct px_connection *connection_of_timer(struct px_timer *timer)
{
    return (struct px_connection *)((char *)timer - offsetof(struct px_connection, timer));
}

static struct px_connection *connection_of_task(struct px_task *task)
{
    return (struct px_connection *)((char *)task - offsetof(struct px_connection, flush));
}

/* ---- life ---------------------------------------------------------------------------------- */

static void link_connection(struct px_connection *c)
{
    c->next = c->worker->connections;
    c->link = &c->worker->connections;
    if (c->next != NULL)
        c->next->link = &c->next;
    c->worker->connections = c;
}

static void unlink_connection(struct px_connection *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
}

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value); /* other than TCP has none of them */
}

/* Keepalive probes notice a peer whose machine has gone: a stream may wait for its next message for
 * hours, and no timer of ours ends it. */
static bool set_up_socket(struct px_connection *c)
{
    set_option(c->source.fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(c->source.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(c->source.fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(c->source.fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_PROBE_S);
    set_option(c->source.fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    c->events = EPOLLIN;
    struct proximadb_error error;
    if (px_loop_watch(&c->worker->loop, &c->source, c->events, &error) == PROXIMADB_OK)
        return true;
    px_log_write(&c->worker->config->log, PROXIMADB_LOG_ERROR, "%s", error.message);
    return false;
}

struct px_connection *px_connection__new(struct px_io_worker *worker, int fd,
                                         const struct px_address *peer)
{
    struct px_connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    c->source = (struct px_source){.on_ready = on_ready, .fd = fd};
    c->worker = worker;
    c->flush.run = on_flush;
    c->timer.fire = on_timer;
    c->started_ms = c->idle_ms = c->written_ms = c->paced_ms = px_loop_now_ms(&worker->loop);
    px_address_format(peer, c->peer);
    if (fd >= 0 && !set_up_socket(c)) {
        close(fd);
        free(c);
        return NULL;
    }
    link_connection(c);
    px_loop_set_timer(&worker->loop, &c->timer, c->started_ms + TICK_MS);
    px_http_count(&worker->stats.connections, 1);
    if (worker->is_draining)
        px_connection__drain(c);
    return c;
}

/* The last flush has run, or will not run, and no exchange is left. */
static void free_connection(struct px_task *task)
{
    struct px_connection *c = connection_of_task(task);
    if (c->protocol != NULL)
        c->protocol->release(c);
    px_send_queue_release(&c->output);
    free(c);
}

/* Frees at the end of the turn, because this turn's events may name the connection still. */
static void free_if_unused(struct px_connection *c)
{
    if (!c->is_closed || c->exchange_count > 0 || c->flush_is_due)
        return;
    c->flush.run = free_connection;
    c->flush_is_due = true;
    px_loop_defer(&c->worker->loop, &c->flush);
}

void px_connection__forget_exchange(struct px_connection *connection)
{
    connection->exchange_count--;
    free_if_unused(connection);
}

void px_connection__close(struct px_connection *connection, enum px_close_reason reason)
{
    struct px_connection *c = connection;
    struct px_io_worker *worker = c->worker;
    if (c->is_closed)
        return;
    c->is_closed = true;
    unlink_connection(c);
    px_loop_clear_timer(&worker->loop, &c->timer);
    if (c->source.fd >= 0) {
        px_loop_unwatch(&worker->loop, &c->source);
        close(c->source.fd);
        c->source.fd = -1;
    }
    while (c->exchanges != NULL)
        px_exchange__close(c->exchanges, reason);
    atomic_fetch_sub(&worker->connection_count, 1);
    free_if_unused(c);
    px_io_worker_check_idle(worker);
}

void px_connection__end(struct px_connection *connection, const char *why)
{
    if (connection->is_ending || connection->is_closed)
        return;
    connection->is_ending = true;
    if (why != NULL) {
        px_http_count(&connection->worker->stats.connections_failed, 1);
        px_io_worker_complain(connection->worker, connection->peer, "connection ended: %s", why);
    }
    px_connection__schedule(connection);
}

void px_connection__drain(struct px_connection *connection)
{
    if (connection->is_closed || connection->is_ending || connection->drained_ms != 0)
        return;
    connection->drained_ms = px_loop_now_ms(&connection->worker->loop);
    if (connection->protocol != NULL)
        connection->protocol->drain(connection);
    else
        px_connection__end(connection, NULL);
    px_connection__schedule(connection);
}

/* ---- input --------------------------------------------------------------------------------- */

static void attach(struct px_connection *c, bool is_http2)
{
    int rc = is_http2 ? px_h2__attach(c) : px_h1__attach(c);
    if (rc != PROXIMADB_OK)
        px_connection__close(c, PX_CLOSE_RESET);
}

/* Looks at the first bytes, which may come one by one: "PRI" is HTTP/2's greeting, and no method of
 * HTTP/1.1 begins so. False: it takes more to tell. */
static bool tell_protocol(struct px_connection *c)
{
    static const uint8_t greeting[] = {'P', 'R', 'I'};
    if (c->first[0] == TLS_HANDSHAKE) {
        px_connection__end(c, "the peer speaks TLS, which this port does not; use http:// or an "
                              "insecure channel");
        return true;
    }
    size_t count = c->first_bytes < sizeof greeting ? c->first_bytes : sizeof greeting;
    bool may_be_http2 = memcmp(c->first, greeting, count) == 0;
    if (may_be_http2 && count < sizeof greeting)
        return false;
    attach(c, may_be_http2);
    return true;
}

void px_connection__input(struct px_connection *connection, const uint8_t *data, size_t size_bytes)
{
    struct px_connection *c = connection;
    while (c->protocol == NULL && size_bytes > 0 && !c->is_ending && !c->is_closed) {
        c->first[c->first_bytes++] = *data++;
        size_bytes--;
        if (tell_protocol(c) && c->protocol != NULL)
            c->protocol->input(c, c->first, c->first_bytes);
    }
    if (c->protocol != NULL && size_bytes > 0 && !c->is_ending && !c->is_closed)
        c->protocol->input(c, data, size_bytes);
    if (!c->is_closed)
        px_connection__schedule(c);
}

/* One read: into the memory that the next body bytes belong in, if there is such, and behind that
 * into the worker's scratch memory. Returns whether there may be more to read. */
static bool read_once(struct px_connection *c)
{
    struct px_io_worker *worker = c->worker;
    uint8_t *direct = NULL;
    size_t more_bytes = PX_IO_WORKER_SCRATCH_BYTES;
    size_t direct_bytes = 0;
    if (c->protocol != NULL && !c->is_ending)
        direct_bytes = c->protocol->direct(c, &direct, &more_bytes);
    assert(more_bytes <= PX_IO_WORKER_SCRATCH_BYTES);
    struct iovec parts[] = {{direct, direct_bytes}, {worker->scratch, more_bytes}};
    ssize_t got = direct_bytes > 0 ? readv(c->source.fd, parts, 2)
                                   : read(c->source.fd, worker->scratch, more_bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        px_connection__close(c, PX_CLOSE_PEER_GONE);
        return false;
    }
    size_t size = (size_t)got;
    px_http_count(&worker->stats.received_bytes, size);
    size_t in_place = size < direct_bytes ? size : direct_bytes;
    if (c->is_ending)
        return true; /* lingering: read and forgotten */
    if (in_place > 0)
        px_connection__input(c, direct, in_place);
    if (size > in_place && !c->is_closed && !c->is_ending)
        px_connection__input(c, worker->scratch, size - in_place);
    return size == direct_bytes + more_bytes;
}

static bool wants_input(struct px_connection *c)
{
    return c->is_ending || c->protocol == NULL || c->protocol->wants_input(c);
}

static void on_ready(struct px_source *source, uint32_t events)
{
    struct px_connection *c =
        (struct px_connection *)((char *)source - offsetof(struct px_connection, source));
    if (c->is_closed)
        return; /* an event of the same batch closed it */
    if (events & EPOLLOUT)
        px_connection__schedule(c);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
        return;
    if ((events & (EPOLLHUP | EPOLLERR)) && !wants_input(c)) {
        px_connection__close(c, PX_CLOSE_PEER_GONE);
        return;
    }
    for (int i = 0; i < READS_PER_TURN && read_once(c); i++)
        if (c->is_closed || !wants_input(c))
            break;
}

/* ---- output -------------------------------------------------------------------------------- */

void px_connection__schedule(struct px_connection *connection)
{
    if (connection->flush_is_due || connection->is_closed)
        return;
    connection->flush_is_due = true;
    px_loop_defer(&connection->worker->loop, &connection->flush);
}

/* Sends the front of the output; 0 if the socket takes nothing now, -1 if it is broken. */
static ssize_t send_once(struct px_connection *c)
{
    struct iovec parts[PARTS_PER_WRITE];
    struct msghdr message = {.msg_iov = parts};
    message.msg_iovlen = px_send_queue_parts(&c->output, parts, PARTS_PER_WRITE);
    ssize_t sent = sendmsg(c->source.fd, &message, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    c->written_ms = px_loop_now_ms(&c->worker->loop);
    px_http_count(&c->worker->stats.sent_bytes, (uint64_t)sent);
    px_send_queue_consume(&c->output, (size_t)sent);
    c->paced_bytes += (size_t)sent;
    if (c->paced_bytes >= PACED_BYTES) { /* no credit for hours is earned by having been fast */
        c->paced_ms = c->written_ms;
        c->paced_bytes = 0;
    }
    return sent;
}

/* Lets the protocol and the handlers fill the output as far as they may. */
static void fill_output(struct px_connection *c)
{
    if (c->output.size_bytes == 0) {
        c->written_ms = c->paced_ms = px_loop_now_ms(&c->worker->loop);
        c->paced_bytes = 0;
    }
    do {
        if (c->protocol != NULL)
            c->protocol->produce(c);
        if (c->is_closed || !c->has_sent)
            return;
        px_exchange__call_sent(c);
    } while (!c->is_closed && c->output.size_bytes < PX_OUTPUT_HIGH_BYTES);
}

/* False if the connection was closed. */
static bool write_out(struct px_connection *c)
{
    size_t left = WRITE_PER_TURN_BYTES;
    c->has_more = false;
    for (;;) {
        fill_output(c);
        if (c->is_closed)
            return false;
        if (c->output.failed) {
            px_connection__close(c, PX_CLOSE_RESET);
            return false;
        }
        if (c->output.size_bytes == 0 || c->source.fd < 0)
            return true;
        ssize_t sent = send_once(c);
        if (sent < 0) {
            px_connection__close(c, PX_CLOSE_PEER_GONE);
            return false;
        }
        c->has_more = (size_t)sent >= left;
        if (sent == 0 || c->has_more)
            return true;
        left -= (size_t)sent;
    }
}

/* Everything was said: shuts our side and gives the peer a moment to read it; closing at once, with
 * bytes of the peer unread, would make the kernel take back what is under way to it. */
static void linger(struct px_connection *c)
{
    if (c->is_lingering)
        return;
    c->is_ending = c->is_lingering = true;
    while (c->exchanges != NULL)
        px_exchange__close(c->exchanges, PX_CLOSE_RESET);
    if (c->source.fd >= 0)
        (void)shutdown(c->source.fd, SHUT_WR);
    px_loop_set_timer(&c->worker->loop, &c->timer, px_loop_now_ms(&c->worker->loop) + LINGER_MS);
}

static void watch_what_matters(struct px_connection *c)
{
    uint32_t events = (wants_input(c) ? (uint32_t)EPOLLIN : 0) |
                      (c->output.size_bytes > 0 || c->has_more ? (uint32_t)EPOLLOUT : 0);
    if (events == c->events || c->source.fd < 0)
        return;
    c->events = events;
    px_loop_change(&c->worker->loop, &c->source, events);
}

static void on_flush(struct px_task *task)
{
    struct px_connection *c = connection_of_task(task);
    c->flush_is_due = false;
    if (c->is_closed) {
        free_if_unused(c);
        return;
    }
    if (!write_out(c))
        return;
    bool is_over = c->is_ending || (c->protocol != NULL && c->protocol->is_over(c));
    if (is_over && c->output.size_bytes == 0 && !c->has_more)
        linger(c);
    watch_what_matters(c);
}

/* ---- patience ------------------------------------------------------------------------------ */

static size_t count_sharers(const struct px_connection *c)
{
    size_t count = 0;
    for (const struct px_exchange *x = c->exchanges; x != NULL; x = x->next)
        count += x->output.size_bytes > 0;
    return count;
}

/* Looks at every exchange; false if the connection is to end. Checking one may close it, but no
 * other. */
static bool check_exchanges(struct px_connection *c, int64_t now_ms)
{
    struct px_exchange *next;
    size_t sharers = count_sharers(c);
    for (struct px_exchange *x = c->exchanges; x != NULL; x = next) {
        next = x->next;
        if (!px_exchange__check_time(x, now_ms, sharers))
            return false;
        if (c->is_closed)
            return true;
    }
    return true;
}

static bool takes_too_slowly(const struct px_connection *c, int64_t now_ms)
{
    int64_t timeout_ms = c->worker->config->limits.send_timeout_ms;
    int64_t earned_ms = (int64_t)(c->paced_bytes / PX_LOWEST_RATE_BYTES) * 1000;
    return c->output.size_bytes > 0 &&
           (now_ms - c->written_ms > timeout_ms || now_ms - c->paced_ms > timeout_ms + earned_ms);
}

/* Why the connection has lasted long enough; NULL if it has not. */
static const char *reason_to_end(struct px_connection *c, int64_t now_ms)
{
    const struct px_http_limits *limits = &c->worker->config->limits;
    if (takes_too_slowly(c, now_ms))
        return "the peer takes what is sent too slowly, or not at all";
    if (c->protocol == NULL && now_ms - c->started_ms > limits->header_timeout_ms)
        return "no request came";
    if (!check_exchanges(c, now_ms))
        return "the header fields of a request came too slowly";
    return NULL;
}

/* An idle connection is first told to go, and ended when the peer does not react. What is neither
 * a request nor an answer on its way keeps nothing alive: no PING, no stray bytes. */
static void end_if_idle(struct px_connection *c, int64_t now_ms)
{
    const struct px_http_limits *limits = &c->worker->config->limits;
    if (c->exchanges != NULL || (c->had_request && c->output.size_bytes > 0)) {
        c->idle_ms = now_ms;
        return;
    }
    int64_t limit_ms = c->had_request ? limits->idle_timeout_ms : limits->header_timeout_ms;
    if (c->protocol != NULL && now_ms - c->idle_ms > limit_ms)
        px_connection__drain(c);
    if (c->drained_ms != 0 && now_ms - c->drained_ms > DRAIN_MS)
        px_connection__end(c, NULL);
}

static void on_timer(struct px_timer *timer)
{
    struct px_connection *c = connection_of_timer(timer);
    int64_t now_ms = px_loop_now_ms(&c->worker->loop);
    if (c->is_lingering) {
        px_connection__close(c, PX_CLOSE_RESET);
        return;
    }
    const char *why = reason_to_end(c, now_ms);
    if (c->is_closed)
        return;
    if (why != NULL) {
        px_connection__end(c, why);
        px_connection__close(c, PX_CLOSE_TIMEOUT);
        return;
    }
    end_if_idle(c, now_ms);
    px_loop_set_timer(&c->worker->loop, timer, now_ms + TICK_MS);
}
