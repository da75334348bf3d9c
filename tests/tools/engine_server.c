/*
 * engine_server: the real server on the real engine, for the tests of tests/server and
 * tests/crash.
 *
 *      engine_server DATA_FOLDER [--listen HOST:PORT] [--message-limit BYTES] [--budget-bytes
 *                  BYTES] [--snapshot-ms MS] [--memtable-bytes BYTES] [--wal-file-bytes BYTES]
 *                  [--expiry-sweep-ms MS] [--compaction-scale N] [--list-rows ROWS]
 *                  [--index-rows ROWS]
 *
 * --compaction-scale, --list-rows and --index-rows: see small_compaction.h.
 *
 * Prints "listening on HOST:PORT" on standard output, everything else that is logged on standard
 * error. SIGTERM stops it.
 */
#include "small_compaction.h"

#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 10000 };

struct settings {
    const char *data_folder;
    const char *address;
    struct px_server_options server;
    struct px_http_limits limits;
    struct proximadb_options engine;
};

static void print_line(void *context, int level, const char *line)
{
    static const char listening[] = "listening on ";
    (void)context;
    (void)level;
    bool is_address = strncmp(line, listening, strlen(listening)) == 0;
    fprintf(is_address ? stdout : stderr, "%s\n", line);
    fflush(stdout);
}

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "engine_server: %s: %s\n", what, why);
    exit(2);
}

static void set(struct settings *settings, const char *name, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    if (strcmp(name, "--listen") == 0)
        settings->address = value;
    else if (strcmp(name, "--message-limit") == 0)
        settings->server.message_limit_bytes = number;
    else if (strcmp(name, "--budget-bytes") == 0)
        settings->limits.budget_bytes = number;
    else if (strcmp(name, "--snapshot-ms") == 0)
        settings->engine.snapshot_limit_ms = number;
    else if (strcmp(name, "--memtable-bytes") == 0)
        settings->engine.memtable_limit_bytes = number;
    else if (strcmp(name, "--wal-file-bytes") == 0)
        settings->engine.wal_file_limit_bytes = number;
    else if (strcmp(name, "--expiry-sweep-ms") == 0)
        settings->engine.expiry_sweep_ms = number;
    else if (strcmp(name, "--compaction-scale") == 0 && number > 0)
        small_compaction_scale = number;
    else if (strcmp(name, "--list-rows") == 0)
        small_compaction_list_rows = (uint32_t)number;
    else if (strcmp(name, "--index-rows") == 0)
        small_compaction_index_rows = (uint32_t)number;
    else
        fail(name, "there is no such option");
}

static void parse(struct settings *settings, int argc, char **argv)
{
    if (argc < 2 || argc % 2 != 0)
        fail("arguments", "a data folder is expected, then pairs of option and value");
    settings->data_folder = argv[1];
    for (int i = 2; i < argc; i += 2)
        set(settings, argv[i], argv[i + 1]);
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .address = "127.0.0.1:0",
        .server = {.log = {.write = print_line}, .io_thread_count = 2},
        .limits = px_http_limits_default,
        .engine = {.struct_size = sizeof settings.engine, .log = print_line},
    };
    parse(&settings, argc, argv);
    settings.server.addresses = &settings.address;
    settings.server.address_count = 1;
    settings.server.limits = &settings.limits;

    proximadb *db;
    struct px_server *server;
    struct proximadb_error error;
    px_server_block_signals();
    if (proximadb_open(settings.data_folder, &settings.engine, &db, &error) != PROXIMADB_OK)
        fail(settings.data_folder, error.message);
    if (px_server_start(db, &settings.server, &server, &error) != PROXIMADB_OK)
        fail(settings.address, error.message);
    px_server_run_until_signal(server, GRACE_MS);
    proximadb_close(db);
    return 0;
}
