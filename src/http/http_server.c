#include "http/http_server.h"

#include "base/clock.h"
#include "http/http_internal.h"
#include "http/listener.h"
#include "os/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_WORKERS = 16, MOST_LISTENERS = 32, REFUSAL_LOG_MS = 1000 };

/* A worker with its thread and the orders that it may be given. */
struct seat {
    struct px_io_worker worker;
    struct px_http_server *server;
    pthread_t thread;
    bool is_running;
    struct px_task drain;
    struct px_task abort;
    bool is_idle; /* under server->lock */
};

/* An accepted socket on its way to its worker. */
struct handover {
    struct px_task task;
    struct px_io_worker *worker;
    int fd;
    struct px_address peer;
};

struct px_http_server {
    struct px_http_config config;
    struct px_budget *budget;
    struct px_budget *answers;
    struct seat *seats;
    unsigned seat_count;

    struct px_loop acceptor;
    pthread_t acceptor_thread;
    bool has_acceptor;
    bool acceptor_is_running;
    struct px_listener listeners[MOST_LISTENERS];
    size_t listener_count;
    int64_t refusal_logged_ms;

    pthread_mutex_t lock; /* guards: is_idle of all seats, is_draining */
    pthread_cond_t idle;
    bool is_draining;
};

/* ---- accepting ----------------------------------------------------------------------------- */

static void adopt(struct px_task *task)
{
    struct handover *handover = (struct handover *)task;
    struct px_io_worker *worker = handover->worker;
    if (px_connection__new(worker, handover->fd, &handover->peer) == NULL)
        atomic_fetch_sub(&worker->connection_count, 1);
    free(handover);
}

static struct px_io_worker *least_loaded(const struct px_http_server *server)
{
    struct px_io_worker *best = &server->seats[0].worker;
    for (unsigned i = 1; i < server->seat_count; i++) {
        struct px_io_worker *worker = &server->seats[i].worker;
        if (atomic_load(&worker->connection_count) < atomic_load(&best->connection_count))
            best = worker;
    }
    return best;
}

static void refuse(struct px_http_server *server, int fd)
{
    int64_t now_ms = px_loop_now_ms(&server->acceptor);
    close(fd);
    if (now_ms - server->refusal_logged_ms < REFUSAL_LOG_MS)
        return;
    server->refusal_logged_ms = now_ms;
    px_log_write(&server->config.log, PROXIMADB_LOG_WARNING,
                 "connections are refused: the limit of %u is reached",
                 server->config.limits.connection_count);
}

static void on_accept(struct px_listener *listener, int fd, const struct px_address *peer)
{
    struct px_http_server *server = listener->context;
    struct handover *handover = NULL;
    if (px_http_server_connection_count(server) < server->config.limits.connection_count)
        handover = malloc(sizeof *handover);
    if (handover == NULL) {
        refuse(server, fd);
        return;
    }
    struct px_io_worker *worker = least_loaded(server);
    *handover =
        (struct handover){.task = {.run = adopt}, .worker = worker, .fd = fd, .peer = *peer};
    atomic_fetch_add(&worker->connection_count, 1);
    px_loop_post(&worker->loop, &handover->task);
}

static void *run_acceptor(void *context)
{
    struct px_http_server *server = context;
    px_loop_run(&server->acceptor);
    return NULL;
}

/* ---- workers ------------------------------------------------------------------------------- */

static void *run_worker(void *context)
{
    struct seat *seat = context;
    px_loop_run(&seat->worker.loop);
    return NULL;
}

static void on_idle(struct px_io_worker *worker)
{
    struct seat *seat = worker->context;
    pthread_mutex_lock(&seat->server->lock);
    seat->is_idle = true;
    pthread_cond_broadcast(&seat->server->idle);
    pthread_mutex_unlock(&seat->server->lock);
}

static void run_drain(struct px_task *task)
{
    struct seat *seat = (struct seat *)((char *)task - offsetof(struct seat, drain));
    px_io_worker_drain(&seat->worker);
}

static void run_abort(struct px_task *task)
{
    struct seat *seat = (struct seat *)((char *)task - offsetof(struct seat, abort));
    px_io_worker_abort(&seat->worker);
}

/* ---- starting ------------------------------------------------------------------------------ */

static int open_listeners(struct px_http_server *server,
                          const struct px_http_server_options *options,
                          struct proximadb_error *reterr)
{
    for (size_t i = 0; i < options->address_count; i++) {
        struct px_address found[PX_ADDRESS_LIMIT];
        size_t count;
        int rc = px_address_resolve(options->addresses[i], found, &count, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        for (size_t j = 0; j < count; j++) {
            if (server->listener_count == MOST_LISTENERS)
                return px_fail(reterr, PROXIMADB_INVALID,
                               "more than %d addresses to listen on; name fewer", MOST_LISTENERS);
            rc = px_listener_open(&server->listeners[server->listener_count], &found[j], reterr);
            if (rc != PROXIMADB_OK)
                return rc;
            server->listener_count++;
        }
    }
    return PROXIMADB_OK;
}

static bool is_local(const struct px_http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        if (!px_address_is_loopback(&server->listeners[i].address))
            return false;
    return true;
}

static unsigned choose_worker_count(unsigned wanted)
{
    if (wanted > 0)
        return wanted;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > MOST_WORKERS ? MOST_WORKERS : (unsigned)cores;
}

static int start_workers(struct px_http_server *server, unsigned count,
                         struct proximadb_error *reterr)
{
    server->seats = calloc(count, sizeof *server->seats);
    if (server->seats == NULL)
        return px_fail_no_memory(reterr);
    for (unsigned i = 0; i < count; i++) {
        char name[PX_THREAD_NAME_BYTES];
        struct seat *seat = &server->seats[i];
        int rc = px_io_worker_init(&seat->worker, &server->config, server->budget, server->answers,
                                   reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        server->seat_count++;
        seat->server = server;
        seat->worker.on_idle = on_idle;
        seat->worker.context = seat;
        seat->drain.run = run_drain;
        seat->abort.run = run_abort;
        snprintf(name, sizeof name, "px-io-%u", i);
        rc = px_thread_start(&seat->thread, name, run_worker, seat, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        seat->is_running = true;
    }
    return PROXIMADB_OK;
}

static int start_acceptor(struct px_http_server *server, struct proximadb_error *reterr)
{
    int rc = px_loop_init(&server->acceptor, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    server->has_acceptor = true;
    for (size_t i = 0; i < server->listener_count && rc == PROXIMADB_OK; i++) {
        struct px_listener *listener = &server->listeners[i];
        listener->log = &server->config.log;
        listener->on_accept = on_accept;
        listener->context = server;
        rc = px_listener_start(listener, &server->acceptor, reterr);
    }
    if (rc == PROXIMADB_OK)
        rc = px_thread_start(&server->acceptor_thread, "px-accept", run_acceptor, server, reterr);
    server->acceptor_is_running = rc == PROXIMADB_OK;
    return rc;
}

int px_http_server_start(const struct px_http_server_options *options,
                         struct px_http_server **ret_server, struct proximadb_error *reterr)
{
    int rc = px_http_limits_check(&options->config.limits, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return px_fail_no_memory(reterr);
    server->config = options->config;
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);

    server->budget = px_budget_new(options->config.limits.budget_bytes);
    server->answers = px_budget_new(options->config.limits.answer_bytes);
    rc = server->budget != NULL && server->answers != NULL ? open_listeners(server, options, reterr)
                                                           : px_fail_no_memory(reterr);
    server->config.is_local = is_local(server);
    if (rc == PROXIMADB_OK)
        rc = start_workers(server, choose_worker_count(options->worker_count), reterr);
    if (rc == PROXIMADB_OK)
        rc = start_acceptor(server, reterr);
    if (rc != PROXIMADB_OK) {
        px_http_server_stop(server, 0);
        return rc;
    }
    *ret_server = server;
    return PROXIMADB_OK;
}

/* ---- stopping ------------------------------------------------------------------------------ */

static void stop_accepting(struct px_http_server *server)
{
    if (server->acceptor_is_running) {
        px_loop_stop(&server->acceptor);
        pthread_join(server->acceptor_thread, NULL);
        server->acceptor_is_running = false;
    }
    for (size_t i = 0; i < server->listener_count; i++)
        px_listener_close(&server->listeners[i]);
    if (server->has_acceptor)
        px_loop_release(&server->acceptor);
    server->has_acceptor = false;
}

/* The acceptor has ended, so all its handovers are in the mailboxes before this order. */
void px_http_server_drain(struct px_http_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool is_first = !server->is_draining;
    server->is_draining = true;
    pthread_mutex_unlock(&server->lock);
    if (!is_first)
        return;
    stop_accepting(server);
    for (unsigned i = 0; i < server->seat_count; i++)
        if (server->seats[i].is_running)
            px_loop_post(&server->seats[i].worker.loop, &server->seats[i].drain);
}

static bool all_idle(const struct px_http_server *server)
{
    for (unsigned i = 0; i < server->seat_count; i++)
        if (server->seats[i].is_running && !server->seats[i].is_idle)
            return false;
    return true;
}

bool px_http_server_is_idle(struct px_http_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool is_idle = server->is_draining && all_idle(server);
    pthread_mutex_unlock(&server->lock);
    return is_idle;
}

/* Waits until nothing lives in any worker, or until the time on the monotonic clock. */
static void wait_idle(struct px_http_server *server, const struct timespec *until)
{
    int rc = 0;
    pthread_mutex_lock(&server->lock);
    while (!all_idle(server) && rc != ETIMEDOUT)
        rc = until != NULL ? pthread_cond_timedwait(&server->idle, &server->lock, until)
                           : pthread_cond_wait(&server->idle, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static void stop_workers(struct px_http_server *server)
{
    for (unsigned i = 0; i < server->seat_count; i++) {
        struct seat *seat = &server->seats[i];
        if (seat->is_running) {
            px_loop_stop(&seat->worker.loop);
            pthread_join(seat->thread, NULL);
        }
        px_io_worker_release(&seat->worker);
    }
    free(server->seats);
}

void px_http_server_stop(struct px_http_server *server, int64_t grace_ms)
{
    if (server == NULL)
        return;
    int64_t until_ns = px_clock_now_ns() + grace_ms * 1000000;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    px_http_server_drain(server);
    wait_idle(server, &until);
    for (unsigned i = 0; i < server->seat_count; i++)
        if (server->seats[i].is_running)
            px_loop_post(&server->seats[i].worker.loop, &server->seats[i].abort);
    wait_idle(server, NULL);
    stop_workers(server);
    px_budget_unref(server->budget);
    px_budget_unref(server->answers);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

/* ---- looking ------------------------------------------------------------------------------- */

bool px_http_server_address(const struct px_http_server *server, size_t index,
                            char text[PX_ADDRESS_TEXT_BYTES])
{
    if (index >= server->listener_count)
        return false;
    px_address_format(&server->listeners[index].address, text);
    return true;
}

void px_http_server_stats(const struct px_http_server *server, struct px_http_stats *ret_stats)
{
    *ret_stats = (struct px_http_stats){0};
    for (unsigned i = 0; i < server->seat_count; i++)
        px_http_stats_add(ret_stats, &server->seats[i].worker.stats);
}

size_t px_http_server_connection_count(const struct px_http_server *server)
{
    size_t count = 0;
    for (unsigned i = 0; i < server->seat_count; i++)
        count += atomic_load(&server->seats[i].worker.connection_count);
    return count;
}

size_t px_http_server_budget_used_bytes(const struct px_http_server *server)
{
    return atomic_load(&server->budget->used_bytes);
}

size_t px_http_server_answers_used_bytes(const struct px_http_server *server)
{
    return atomic_load(&server->answers->used_bytes);
}
