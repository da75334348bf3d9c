#include "cli/commands.h"
#include "cli/log_lines.h"
#include "cli/serve_options.h"
#include "codec/json_line.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

/* Connections and mapped files need descriptors; the soft limit is often a mere 1,024. */
static void raise_descriptor_limit(const struct px_log *log)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            px_log_write(log, PROXIMADB_LOG_WARNING,
                         "the limit of open files cannot be raised to %llu",
                         (unsigned long long)limit.rlim_max);
    }
    px_log_write(log, PROXIMADB_LOG_DEBUG, "up to %llu files may be open",
                 (unsigned long long)limit.rlim_cur);
}

/* Once the server is on its way out a further signal ends the process: nothing is lost by it. */
static void let_signals_end_us(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void warn_of_remote_clients(const struct px_serve_options *options, const struct px_log *log)
{
    for (size_t i = 0; i < options->listen.count; i++) {
        bool is_remote = false;
        int rc = px_serve_is_remote(options->listen.items[i], &is_remote, NULL);
        if (rc == PROXIMADB_OK && is_remote)
            px_log_write(log, PROXIMADB_LOG_WARNING,
                         "other machines can connect to %s, unencrypted (no TLS yet) and without "
                         "a key: whoever can connect can read and change everything",
                         options->listen.items[i]);
    }
}

/* One line for each address, which others wait for. */
static int print_addresses(const struct px_server *server, bool as_json,
                           struct proximadb_error *reterr)
{
    char address[PX_ADDRESS_TEXT_BYTES];
    for (size_t i = 0; px_server_address(server, i, address); i++) {
        if (as_json)
            printf("{\"kind\":\"listening\",\"address\":\"%s\"}\n", address);
        else
            printf("listening on %s\n", address);
    }
    return px_command_flush(reterr);
}

static int serve(proximadb *db, const struct px_serve_options *options, const struct px_log *log,
                 struct proximadb_error *reterr)
{
    struct px_server_options server_options;
    struct px_http_limits limits;
    struct px_server *server;
    px_serve_options_server(options, &limits, &server_options);
    server_options.log = *log;
    int rc = px_server_start(db, &server_options, &server, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = print_addresses(server, options->json, reterr);
    if (rc != PROXIMADB_OK) {
        px_server_stop(server, 0);
        return rc;
    }
    px_server_run_until_signal(server, (int64_t)options->stop_grace_ms);
    let_signals_end_us();
    return PROXIMADB_OK;
}

/* Of a folder that is in use: a server, unlike other commands, does as well with another one. */
static int fail_open(int rc, struct proximadb_error *reterr)
{
    if (rc == PROXIMADB_UNAVAILABLE && reterr != NULL) {
        size_t used = strlen(reterr->message);
        snprintf(reterr->message + used, sizeof reterr->message - used,
                 ", or give this one a folder of its own with --data");
    }
    return rc;
}

static int run(void *context, const struct px_arguments *arguments, struct proximadb_error *reterr)
{
    const struct px_serve_options *options = context;
    struct px_log_lines lines = {
        .stream = stderr, .most_level = options->log_level, .as_json = options->json};
    const struct px_log log = {.write = px_log_lines_write, .context = &lines};
    struct proximadb_options engine_options;
    proximadb *db;
    (void)arguments;
    int rc = px_serve_options_check(options, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    signal(SIGPIPE, SIG_IGN); /* a log that nobody reads any more is no reason to end */
    raise_descriptor_limit(&log);
    warn_of_remote_clients(options, &log);
    px_serve_options_engine(options, &engine_options);
    engine_options.log = log.write;
    engine_options.log_context = log.context;
    px_log_write(&log, PROXIMADB_LOG_INFO, "proximadb %s opens '%s'", proximadb_version(),
                 options->data);
    /* Signals are held back only now: until the server runs, they end the process at once. */
    rc = proximadb_open(options->data, &engine_options, &db, reterr);
    if (rc != PROXIMADB_OK)
        return fail_open(rc, reterr);
    px_server_block_signals();
    rc = serve(db, options, &log, reterr);
    proximadb_close(db);
    return rc;
}

const struct px_command px_command_serve = {
    .name = "serve",
    .summary = "run the server: gRPC, REST, health and metrics on one port",
    .usage = "--data DIR [FLAG]...",
    .details =
        "Prints one line 'listening on ADDR:PORT' when it is ready; port 0 is any free one.\n"
        "SIGTERM and SIGINT stop it once what is under way is finished; a second signal\n"
        "stops it at once. Logs go to standard error. A flag counts more than its variable\n"
        "in the environment, and that more than the configuration file.\n",
    .example = "  proximadb serve --data ./data --listen 127.0.0.1:5678\n"
               "  curl http://127.0.0.1:5678/readyz\n",
    .flags = &px_serve_flags,
    .options_bytes = sizeof(struct px_serve_options),
    .run = run,
};
