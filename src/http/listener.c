#define _GNU_SOURCE
#include "http/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    ACCEPTS_PER_TURN = 64,
    REST_MS = 200, /* when descriptors or memory have run out */
};

static void on_ready(struct px_source *source, uint32_t events);
static void on_rested(struct px_timer *timer);

static int fail_address(const struct px_address *address, struct proximadb_error *reterr)
{
    char text[PX_ADDRESS_TEXT_BYTES];
    int status = errno == EADDRINUSE ? PROXIMADB_UNAVAILABLE : PROXIMADB_IO;
    px_address_format(address, text);
    if (status == PROXIMADB_UNAVAILABLE)
        return px_fail(reterr, status,
                       "cannot listen on %s: the address is in use; is another server running?",
                       text);
    return px_fail(reterr, status, "cannot listen on %s", text);
}

static bool bind_and_listen(int fd, const struct px_address *address)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return false;
    /* So that 0.0.0.0 and [::] can be listened on side by side. */
    if (address->socket.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return false;
    return bind(fd, (const struct sockaddr *)&address->socket, address->size_bytes) == 0 &&
           listen(fd, BACKLOG) == 0;
}

int px_listener_open(struct px_listener *listener, const struct px_address *address,
                     struct proximadb_error *reterr)
{
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_address(address, reterr);
    struct px_address bound = {.size_bytes = sizeof bound.socket};
    if (!bind_and_listen(fd, address) ||
        getsockname(fd, (struct sockaddr *)&bound.socket, &bound.size_bytes) < 0) {
        int rc = fail_address(address, reterr);
        close(fd);
        return rc;
    }
    *listener = (struct px_listener){
        .source = {.on_ready = on_ready, .fd = fd}, .rest = {.fire = on_rested}, .address = bound};
    return PROXIMADB_OK;
}

static int watch(struct px_listener *listener, struct proximadb_error *reterr)
{
    int rc = px_loop_watch(listener->loop, &listener->source, EPOLLIN, reterr);
    listener->is_watched = rc == PROXIMADB_OK;
    return rc;
}

int px_listener_start(struct px_listener *listener, struct px_loop *loop,
                      struct proximadb_error *reterr)
{
    listener->loop = loop;
    return watch(listener, reterr);
}

static void unwatch(struct px_listener *listener)
{
    if (listener->is_watched)
        px_loop_unwatch(listener->loop, &listener->source);
    listener->is_watched = false;
}

static void rest(struct px_listener *listener)
{
    unwatch(listener);
    px_loop_set_timer(listener->loop, &listener->rest, px_loop_now_ms(listener->loop) + REST_MS);
}

static void on_rested(struct px_timer *timer)
{
    struct px_listener *listener =
        (struct px_listener *)((char *)timer - offsetof(struct px_listener, rest));
    if (watch(listener, NULL) != PROXIMADB_OK)
        rest(listener);
}

static void on_ready(struct px_source *source, uint32_t events)
{
    struct px_listener *listener =
        (struct px_listener *)((char *)source - offsetof(struct px_listener, source));
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct px_address peer = {.size_bytes = sizeof peer.socket};
        int fd = accept4(source->fd, (struct sockaddr *)&peer.socket, &peer.size_bytes,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->on_accept(listener, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            px_log_write(listener->log, PROXIMADB_LOG_ERROR, "cannot accept a connection: %s",
                         strerror(errno));
            rest(listener);
        }
        return; /* nobody waits, or whoever did has gone again */
    }
}

void px_listener_close(struct px_listener *listener)
{
    if (listener->loop != NULL) {
        px_loop_clear_timer(listener->loop, &listener->rest);
        unwatch(listener);
    }
    if (listener->source.fd >= 0)
        close(listener->source.fd);
    listener->source.fd = -1;
}
