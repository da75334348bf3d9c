#include "cli/serve_options.h"

#include <stddef.h>

enum { MINUTE_MS = 60 * 1000 };

/* In the order of enum proximadb_log_level. */
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

#define AT(member) offsetof(struct px_serve_options, member)
#define DAY        (UINT64_C(24) * 60 * MINUTE_MS)

static const struct px_flag flags[] = {
    {"data", "DIR", "the data folder; made if the folder it is in exists", NULL, PX_FLAG_TEXT,
     AT(data), 0, 0, NULL},
    {"listen", "ADDR:PORT", "where to listen; several are possible", "127.0.0.1:5678", PX_FLAG_LIST,
     AT(listen), 0, 0, NULL},
    {"allow-remote-clients", NULL, "listen where other machines connect: no TLS, no keys yet", NULL,
     PX_FLAG_SWITCH, AT(allow_remote_clients), 0, 0, NULL},
    {"config", "FILE", "a TOML file of these settings", NULL, PX_FLAG_TEXT, AT(config), 0, 0, NULL},

    {"read-threads", "COUNT", "threads that search (without: one a core)", NULL, PX_FLAG_COUNT,
     AT(read_threads), 1, 1024, NULL},
    {"commit-threads", "COUNT", "threads that write the logs", "2", PX_FLAG_COUNT,
     AT(commit_threads), 1, 64, NULL},
    {"memtable-limit", "SIZE", "new rows of a collection in memory", "64MiB", PX_FLAG_SIZE,
     AT(memtable_limit_bytes), 1 << 20, UINT64_C(1) << 40, NULL},
    {"wal-file-limit", "SIZE", "a log file is closed at this size", "256MiB", PX_FLAG_SIZE,
     AT(wal_file_limit_bytes), 1 << 16, UINT64_C(1) << 40, NULL},
    {"wal-rotate", "TIME", "a log file is closed at this age", "30m", PX_FLAG_TIME,
     AT(wal_rotate_ms), 1000, 365 * DAY, NULL},
    {"wal-idle", "TIME", "an unused log file is closed after", "60s", PX_FLAG_TIME, AT(wal_idle_ms),
     1000, 365 * DAY, NULL},
    {"expiry-sweep", "TIME", "how often expired rows are looked for", "60s", PX_FLAG_TIME,
     AT(expiry_sweep_ms), 100, 365 * DAY, NULL},
    {"snapshot-limit", "TIME", "a scan must be continued within", "10m", PX_FLAG_TIME,
     AT(snapshot_limit_ms), 100, DAY, NULL},

    {"io-threads", "COUNT", "threads for connections (without: one a core)", NULL, PX_FLAG_COUNT,
     AT(io_threads), 1, 256, NULL},
    {"message-limit", "SIZE", "of one request", "64MiB", PX_FLAG_SIZE, AT(message_limit_bytes),
     1 << 10, UINT64_C(1) << 31, NULL},
    {"request-memory", "SIZE", "for all requests under way", "256MiB", PX_FLAG_SIZE,
     AT(request_memory_bytes), 1 << 20, UINT64_C(1) << 40, NULL},
    {"answer-memory", "SIZE", "for answers that clients have not taken", "512MiB", PX_FLAG_SIZE,
     AT(answer_memory_bytes), 1 << 20, UINT64_C(1) << 40, NULL},
    {"header-limit", "SIZE", "of a request's header fields", "32KiB", PX_FLAG_SIZE,
     AT(header_limit_bytes), 1 << 10, 1 << 20, NULL},
    {"connections", "COUNT", "at most at once", "10000", PX_FLAG_COUNT, AT(connection_count), 1,
     1 << 20, NULL},
    {"streams", "COUNT", "requests at once of a connection", "256", PX_FLAG_COUNT, AT(stream_count),
     1, 1 << 16, NULL},
    {"window", "SIZE", "what a connection sends unasked", "65535", PX_FLAG_SIZE, AT(window_bytes),
     65535, 1 << 30, NULL},
    {"header-timeout", "TIME", "for a request's header fields", "10s", PX_FLAG_TIME,
     AT(header_timeout_ms), 1, DAY, NULL},
    {"body-timeout", "TIME", "for a request, and more by its size", "30s", PX_FLAG_TIME,
     AT(body_timeout_ms), 1, DAY, NULL},
    {"send-timeout", "TIME", "for an answer, and more by what is taken", "60s", PX_FLAG_TIME,
     AT(send_timeout_ms), 1, DAY, NULL},
    {"idle-timeout", "TIME", "of a connection without requests", "5m", PX_FLAG_TIME,
     AT(idle_timeout_ms), 1, DAY, NULL},
    {"memory-wait", "TIME", "a request waits for request memory", "5s", PX_FLAG_TIME,
     AT(memory_wait_ms), 0, DAY, NULL},
    {"stop-grace", "TIME", "what is under way has it when stopped", "30s", PX_FLAG_TIME,
     AT(stop_grace_ms), 0, DAY, NULL},

    {"log-level", "LEVEL", "error, warning, info or debug", "info", PX_FLAG_WORD, AT(log_level), 0,
     0, log_levels},
    {"access-log", NULL, "log every request", NULL, PX_FLAG_SWITCH, AT(access_log), 0, 0, NULL},
    {"json", NULL, "log lines and the address as JSON", NULL, PX_FLAG_SWITCH, AT(json), 0, 0, NULL},
};

const struct px_flag_table px_serve_flags = {
    .command = "serve",
    .flags = flags,
    .count = sizeof flags / sizeof flags[0],
    .reads_environment = true,
    .config_flag = "config",
};

/* ---- checks -------------------------------------------------------------------------------- */

int px_serve_is_remote(const char *address, bool *ret_is_remote, struct proximadb_error *reterr)
{
    struct px_address resolved[PX_ADDRESS_LIMIT];
    size_t count;
    int rc = px_address_resolve(address, resolved, &count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_is_remote = false;
    for (size_t i = 0; i < count; i++)
        *ret_is_remote |= !px_address_is_loopback(&resolved[i]);
    return PROXIMADB_OK;
}

int px_serve_options_check(const struct px_serve_options *options, struct proximadb_error *reterr)
{
    if (options->data == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "say where the data is to be: --data DIR, such as --data ./data");
    for (size_t i = 0; i < options->listen.count; i++) {
        const char *address = options->listen.items[i];
        bool is_remote;
        int rc = px_serve_is_remote(address, &is_remote, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (is_remote && !options->allow_remote_clients)
            return px_fail(reterr, PROXIMADB_INVALID,
                           "other machines could connect to %s, and this version has neither TLS "
                           "nor keys: whoever can connect can read and change everything. Listen "
                           "on 127.0.0.1 or, in a network that you trust, add "
                           "--allow-remote-clients",
                           address);
    }
    return PROXIMADB_OK;
}

/* ---- options of engine and server ---------------------------------------------------------- */

void px_serve_options_engine(const struct px_serve_options *options,
                             struct proximadb_options *ret_engine)
{
    *ret_engine = (struct proximadb_options){
        .struct_size = sizeof *ret_engine,
        .worker_count = (uint32_t)options->read_threads,
        .committer_count = (uint32_t)options->commit_threads,
        .memtable_limit_bytes = options->memtable_limit_bytes,
        .wal_file_limit_bytes = options->wal_file_limit_bytes,
        .wal_rotate_ms = options->wal_rotate_ms,
        .wal_idle_ms = options->wal_idle_ms,
        .expiry_sweep_ms = options->expiry_sweep_ms,
        .snapshot_limit_ms = options->snapshot_limit_ms,
    };
}

void px_serve_options_server(const struct px_serve_options *options,
                             struct px_http_limits *ret_limits,
                             struct px_server_options *ret_server)
{
    *ret_limits = (struct px_http_limits){
        .budget_bytes = options->request_memory_bytes,
        .answer_bytes = options->answer_memory_bytes,
        .header_bytes = options->header_limit_bytes,
        .connection_count = (uint32_t)options->connection_count,
        .stream_count = (uint32_t)options->stream_count,
        .window_bytes = (uint32_t)options->window_bytes,
        .header_timeout_ms = (int64_t)options->header_timeout_ms,
        .idle_timeout_ms = (int64_t)options->idle_timeout_ms,
        .body_timeout_ms = (int64_t)options->body_timeout_ms,
        .send_timeout_ms = (int64_t)options->send_timeout_ms,
        .budget_wait_ms = (int64_t)options->memory_wait_ms,
    };
    *ret_server = (struct px_server_options){
        .addresses = options->listen.items,
        .address_count = options->listen.count,
        .io_thread_count = (unsigned)options->io_threads,
        .limits = ret_limits,
        .message_limit_bytes = options->message_limit_bytes,
        .access_log = options->access_log,
    };
}
