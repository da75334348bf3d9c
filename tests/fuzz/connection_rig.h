/*
 * connection_rig: a worker and connections without sockets, for the fuzz targets of src/http and
 * src/rpc: bytes in through px_connection__input(), out through the connection's queue, which is
 * thrown away. After each input everything must be gone, or an assertion of the layers fails.
 */
#ifndef PX_CONNECTION_RIG_H
#define PX_CONNECTION_RIG_H

#include "http/http_internal.h"

#include <assert.h>
#include <stdlib.h>

struct connection_rig {
    struct px_http_config config;
    struct px_budget *budget;
    struct px_budget *answers;
    struct px_io_worker worker;
};

static inline void connection_rig_set_up(struct connection_rig *rig, const struct px_route *routes,
                                         size_t route_count)
{
    rig->config = (struct px_http_config){
        .limits = px_http_limits_default, .routes = routes, .route_count = route_count};
    rig->config.limits.header_bytes = 2000;
    rig->budget = px_budget_new(1 << 16);
    rig->answers = px_budget_new(1 << 20);
    int rc = px_io_worker_init(&rig->worker, &rig->config, rig->budget, rig->answers, NULL);
    if (rig->budget == NULL || rig->answers == NULL || rc != PROXIMADB_OK)
        abort();
}

static inline struct px_connection *connection_rig_connect(struct connection_rig *rig)
{
    const struct px_address nowhere = {0};
    atomic_fetch_add(&rig->worker.connection_count, 1);
    struct px_connection *c = px_connection__new(&rig->worker, -1, &nowhere);
    if (c == NULL)
        abort();
    return c;
}

/* One turn, which writes; the peer takes everything. False once the connection has ended. */
static inline bool connection_rig_turn(struct connection_rig *rig, struct px_connection *c)
{
    px_loop_turn(&rig->worker.loop, 0);
    if (rig->worker.connections == NULL)
        return false;
    px_send_queue_consume(&c->output, c->output.size_bytes);
    return !c->is_ending;
}

static inline void connection_rig_tear_down(struct connection_rig *rig)
{
    px_io_worker_abort(&rig->worker);
    px_loop_turn(&rig->worker.loop, 0);
    assert(rig->worker.exchange_count == 0);
    px_io_worker_release(&rig->worker);
    px_budget_unref(rig->budget); /* asserts that nothing is used */
    px_budget_unref(rig->answers);
}

#endif /* PX_CONNECTION_RIG_H */
