/*
 * fake_server: the real server in front of the fake engine (support/fake_engine.h), for tests from
 * outside.
 *
 *      fake_server [--listen HOST:PORT] [--threads N] [--grace-ms N] [--access-log] [--LIMIT N]...
 *
 * At /echo a body is sent back, or "nothing". LIMIT is a member of struct px_http_limits with
 * dashes, or message-limit-bytes. Prints "listening on HOST:PORT" to standard output, log lines to
 * standard error, and runs until SIGTERM. Its status is not 0 if anything was left in the engine.
 */
#include "server/server.h"
#include "support/fake_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    struct px_server_options options;
    struct px_http_limits limits;
    const char *address;
    int64_t grace_ms;
};

/* ---- /echo --------------------------------------------------------------------------------- */

enum { ECHO_LIMIT_BYTES = 32 << 20 };

static void on_echo(struct px_exchange *x)
{
    px_exchange_collect(x, ECHO_LIMIT_BYTES);
}

static void on_echo_body(struct px_exchange *x, enum px_body_result result,
                         struct px_message *message, const struct proximadb_error *error)
{
    if (result != PX_BODY_COMPLETE) {
        px_exchange_respond_text(x, result == PX_BODY_TOO_LARGE ? 413 : 503, "text/plain",
                                 px_slice_of_string(error->message));
        return;
    }
    if (message->size_bytes == 0) {
        px_message_free(message);
        px_exchange_respond_text(x, 200, "text/plain", px_slice_of_string("nothing"));
        return;
    }
    struct proximadb_buffer body = px_message_share(message, px_message_slice(message));
    px_exchange_respond(x, 200, NULL, 0, &body);
}

static const struct px_handler echo = {.on_request = on_echo, .on_body = on_echo_body};
static const struct px_route routes[] = {{.path = "/echo", .handler = &echo}};

/* ---- options ------------------------------------------------------------------------------- */

static void print_line(void *context, int level, const char *line)
{
    (void)context;
    fprintf(level == PROXIMADB_LOG_INFO && strncmp(line, "listening", 9) == 0 ? stdout : stderr,
            "%s\n", line);
    fflush(stdout);
}

static bool set_limit(struct settings *settings, const char *name, int64_t value)
{
    struct px_http_limits *limits = &settings->limits;
    const struct {
        const char *name;
        int64_t *time_ms;
        size_t *size;
        uint32_t *count;
    } known[] = {
        {"budget-bytes", NULL, &limits->budget_bytes, NULL},
        {"answer-bytes", NULL, &limits->answer_bytes, NULL},
        {"header-bytes", NULL, &limits->header_bytes, NULL},
        {"message-limit-bytes", NULL, &settings->options.message_limit_bytes, NULL},
        {"connection-count", NULL, NULL, &limits->connection_count},
        {"stream-count", NULL, NULL, &limits->stream_count},
        {"header-timeout-ms", &limits->header_timeout_ms, NULL, NULL},
        {"idle-timeout-ms", &limits->idle_timeout_ms, NULL, NULL},
        {"body-timeout-ms", &limits->body_timeout_ms, NULL, NULL},
        {"send-timeout-ms", &limits->send_timeout_ms, NULL, NULL},
        {"budget-wait-ms", &limits->budget_wait_ms, NULL, NULL},
        {"grace-ms", &settings->grace_ms, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        if (known[i].time_ms != NULL)
            *known[i].time_ms = value;
        else if (known[i].size != NULL)
            *known[i].size = (size_t)value;
        else
            *known[i].count = (uint32_t)value;
        return true;
    }
    return false;
}

static void parse(struct settings *settings, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(name, "--access-log") == 0) {
            settings->options.access_log = true;
            continue;
        }
        if (strcmp(name, "--listen") == 0)
            settings->address = value;
        else if (strcmp(name, "--threads") == 0)
            settings->options.io_thread_count = (unsigned)strtoul(value, NULL, 10);
        else if (strncmp(name, "--", 2) != 0 ||
                 !set_limit(settings, name + 2, strtoll(value, NULL, 10))) {
            fprintf(stderr, "fake_server: '%s' is no option\n", name);
            exit(2);
        }
        i++;
    }
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .options = {.log = {.write = print_line}, .io_thread_count = 2},
        .limits = px_http_limits_default,
        .address = "127.0.0.1:0",
        .grace_ms = 10000,
    };
    parse(&settings, argc, argv);
    settings.options.addresses = &settings.address;
    settings.options.address_count = 1;
    settings.options.limits = &settings.limits;
    settings.options.routes = routes;
    settings.options.route_count = sizeof routes / sizeof routes[0];

    px_server_block_signals();
    proximadb *db = fake_engine_open();
    struct px_server *server;
    struct proximadb_error error;
    if (px_server_start(db, &settings.options, &server, &error) != PROXIMADB_OK) {
        fprintf(stderr, "fake_server: %s\n", error.message);
        return 1;
    }
    px_server_run_until_signal(server, settings.grace_ms);
    struct fake_engine_counts counts;
    fake_engine_counts(db, &counts);
    fake_engine_close(db);
    return counts.live == 0 ? 0 : 3;
}
