/*
 * serve_options: what `proximadb serve` can be told, and how it becomes the options of engine and
 * server.
 *
 * Threads: any.
 */
#ifndef PX_CLI_SERVE_OPTIONS_H
#define PX_CLI_SERVE_OPTIONS_H

#include "cli/flags.h"
#include "server/server.h"

struct px_serve_options {
    const char *data;
    const char *config;
    struct px_texts listen;
    bool allow_remote_clients;

    uint64_t read_threads; /* the engine's; 0: its default */
    uint64_t commit_threads;
    uint64_t memtable_limit_bytes;
    uint64_t wal_file_limit_bytes;
    uint64_t wal_rotate_ms;
    uint64_t wal_idle_ms;
    uint64_t expiry_sweep_ms;
    uint64_t snapshot_limit_ms;

    uint64_t io_threads; /* the server's */
    uint64_t message_limit_bytes;
    uint64_t request_memory_bytes;
    uint64_t answer_memory_bytes;
    uint64_t header_limit_bytes;
    uint64_t connection_count;
    uint64_t stream_count;
    uint64_t window_bytes;
    uint64_t header_timeout_ms;
    uint64_t body_timeout_ms;
    uint64_t send_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t memory_wait_ms;
    uint64_t stop_grace_ms;

    int log_level; /* enum proximadb_log_level */
    bool access_log;
    bool json;
};

extern const struct px_flag_table px_serve_flags;

/* Refuses what would let anybody into the database: an address that other machines reach, unless
 * that is asked for. PROXIMADB_INVALID, PROXIMADB_UNAVAILABLE (a name that cannot be resolved) */
PX_MUST_CHECK int px_serve_options_check(const struct px_serve_options *options,
                                         struct proximadb_error *reterr);

/* Whether other machines can reach the address. PROXIMADB_INVALID, PROXIMADB_UNAVAILABLE */
PX_MUST_CHECK int px_serve_is_remote(const char *address, bool *ret_is_remote,
                                     struct proximadb_error *reterr);

/* Without what they log to. ret_server has views into options and ret_limits. */
void px_serve_options_engine(const struct px_serve_options *options,
                             struct proximadb_options *ret_engine);
void px_serve_options_server(const struct px_serve_options *options,
                             struct px_http_limits *ret_limits,
                             struct px_server_options *ret_server);

#endif /* PX_CLI_SERVE_OPTIONS_H */
