#include "http/io_worker.h"

#include "base/clock.h"
#include "http/http_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { COMPLAINT_MS = 1000 };

const struct px_http_limits px_http_limits_default = {
    .budget_bytes = (size_t)256 << 20,
    .answer_bytes = (size_t)512 << 20,
    .header_bytes = 32 << 10,
    .connection_count = 10000,
    .stream_count = 256,
    .window_bytes = 65535,
    .header_timeout_ms = 10 * 1000,
    .idle_timeout_ms = 5 * 60 * 1000,
    .body_timeout_ms = 30 * 1000,
    .send_timeout_ms = 60 * 1000,
    .budget_wait_ms = 5 * 1000,
};

int px_http_limits_check(const struct px_http_limits *limits, struct proximadb_error *reterr)
{
    const int64_t day_ms = 24 * 3600 * 1000;
    const struct {
        const char *name;
        uint64_t value, least, most;
    } ranges[] = {
        {"budget_bytes", limits->budget_bytes, 1 << 20, UINT64_C(1) << 40},
        {"answer_bytes", limits->answer_bytes, 1 << 20, UINT64_C(1) << 40},
        {"header_bytes", limits->header_bytes, 1 << 10, 1 << 20},
        {"connection_count", limits->connection_count, 1, 1 << 20},
        {"stream_count", limits->stream_count, 1, 1 << 16},
        {"window_bytes", limits->window_bytes, 65535, 1 << 30}, /* less cannot be taken back */
        {"header_timeout_ms", (uint64_t)limits->header_timeout_ms, 1, (uint64_t)day_ms},
        {"idle_timeout_ms", (uint64_t)limits->idle_timeout_ms, 1, (uint64_t)day_ms},
        {"body_timeout_ms", (uint64_t)limits->body_timeout_ms, 1, (uint64_t)day_ms},
        {"send_timeout_ms", (uint64_t)limits->send_timeout_ms, 1, (uint64_t)day_ms},
        {"budget_wait_ms", (uint64_t)limits->budget_wait_ms, 0, (uint64_t)day_ms},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i].value < ranges[i].least || ranges[i].value > ranges[i].most)
            return px_fail(reterr, PROXIMADB_INVALID, "the limit %s is %llu, not %llu to %llu",
                           ranges[i].name, (unsigned long long)ranges[i].value,
                           (unsigned long long)ranges[i].least, (unsigned long long)ranges[i].most);
    return PROXIMADB_OK;
}

static uint64_t value_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void px_http_stats_add(struct px_http_stats *sum, const struct px_http_stats *part)
{
    px_http_count(&sum->connections, value_of(&part->connections));
    px_http_count(&sum->connections_failed, value_of(&part->connections_failed));
    px_http_count(&sum->requests, value_of(&part->requests));
    px_http_count(&sum->requests_cancelled, value_of(&part->requests_cancelled));
    px_http_count(&sum->received_bytes, value_of(&part->received_bytes));
    px_http_count(&sum->sent_bytes, value_of(&part->sent_bytes));
    px_http_count(&sum->body_bytes, value_of(&part->body_bytes));
    px_http_count(&sum->body_copied_bytes, value_of(&part->body_copied_bytes));
}

int px_io_worker_init(struct px_io_worker *worker, const struct px_http_config *config,
                      struct px_budget *budget, struct px_budget *answers,
                      struct proximadb_error *reterr)
{
    *worker = (struct px_io_worker){.config = config, .budget = budget, .answers = answers};
    return px_loop_init(&worker->loop, reterr);
}

void px_io_worker_release(struct px_io_worker *worker)
{
    assert(worker->exchange_count == 0 && worker->connections == NULL);
    while (worker->free_exchanges != NULL) {
        struct px_exchange *x = worker->free_exchanges;
        worker->free_exchanges = x->next;
        px_exchange__free(x);
    }
    px_loop_release(&worker->loop);
}

void px_io_worker_check_idle(struct px_io_worker *worker)
{
    if (worker->is_draining && worker->on_idle != NULL && worker->exchange_count == 0 &&
        worker->connections == NULL)
        worker->on_idle(worker);
}

/* A drained handler may close any exchange of the connection, so each is asked at most once by
 * walking over the list from the front while marks are set. */
static void drain_exchanges(struct px_connection *connection)
{
    size_t count = 0;
    for (struct px_exchange *x = connection->exchanges; x != NULL; x = x->next)
        count++;
    while (count-- > 0) {
        struct px_exchange *x = connection->exchanges;
        for (size_t i = 0; i < count && x != NULL; i++)
            x = x->next;
        if (x == NULL || x->handler->on_drain == NULL || !px_exchange_is_open(x))
            continue;
        px_exchange_hold(x);
        x->handler->on_drain(x);
        px_exchange_drop(x);
    }
}

void px_io_worker_drain(struct px_io_worker *worker)
{
    worker->is_draining = true;
    struct px_connection *next;
    for (struct px_connection *c = worker->connections; c != NULL; c = next) {
        next = c->next;
        drain_exchanges(c);
        px_connection__drain(c);
    }
    px_io_worker_check_idle(worker);
}

void px_io_worker_abort(struct px_io_worker *worker)
{
    worker->is_draining = true;
    while (worker->connections != NULL)
        px_connection__close(worker->connections, PX_CLOSE_SHUTDOWN);
    px_io_worker_check_idle(worker);
}

void px_io_worker_complain(struct px_io_worker *worker, const char *peer, const char *format, ...)
{
    char sentence[400], withheld[60] = "";
    int64_t now_ms = px_loop_now_ms(&worker->loop);
    if (worker->complained_ms != 0 && now_ms - worker->complained_ms < COMPLAINT_MS) {
        worker->complaints_withheld++;
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (worker->complaints_withheld > 0)
        snprintf(withheld, sizeof withheld, " (and %llu more since the last such line)",
                 (unsigned long long)worker->complaints_withheld);
    px_log_write(&worker->config->log, PROXIMADB_LOG_WARNING, "%s: %s%s", peer, sentence, withheld);
    worker->complained_ms = now_ms;
    worker->complaints_withheld = 0;
}

const char *px_io_worker_date(struct px_io_worker *worker)
{
    int64_t now_ms = px_loop_now_ms(&worker->loop);
    if (worker->date[0] != '\0' && now_ms - worker->date_ms < 1000)
        return worker->date;
    time_t now_s = (time_t)(px_clock_system.wall_ms(&px_clock_system) / 1000);
    struct tm utc;
    gmtime_r(&now_s, &utc);
    strftime(worker->date, sizeof worker->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    worker->date_ms = now_ms;
    return worker->date;
}
