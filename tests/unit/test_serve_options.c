/* px-test: layers=server files=cli/serve_options.c,cli/flags.c,cli/quantity.c,cli/suggest.c */
/*
 * Goal: every setting reaches the engine or the server, defaults are theirs, and a server that other
 * machines reach is nothing that happens by chance.
 * Method: defaults against those of the layers below; a value of its own for each flag; addresses.
 */
#include "cli/serve_options.h"

#include "support/px_test.h"

static struct px_serve_options read_words(const char *const *words)
{
    struct px_serve_options options = {0};
    struct px_arguments arguments;
    struct proximadb_error error = {0};
    int count = 0;
    while (words[count] != NULL)
        count++;
    px_flags_set_defaults(&px_serve_flags, &options);
    int rc = px_flags_read_line(&px_serve_flags, count, words, &options, &arguments, &error);
    if (rc != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return options;
}

#define READ(...) read_words((const char *const[]){__VA_ARGS__, NULL})

static void test_serve_options__defaults_are_those_of_the_server(void **state)
{
    struct px_serve_options options = READ("--data=x");
    struct px_http_limits limits;
    struct px_server_options server;
    (void)state;
    px_serve_options_server(&options, &limits, &server);
    assert_int_equal(limits.budget_bytes, px_http_limits_default.budget_bytes);
    assert_int_equal(limits.answer_bytes, px_http_limits_default.answer_bytes);
    assert_int_equal(limits.header_bytes, px_http_limits_default.header_bytes);
    assert_int_equal(limits.connection_count, px_http_limits_default.connection_count);
    assert_int_equal(limits.stream_count, px_http_limits_default.stream_count);
    assert_int_equal(limits.window_bytes, px_http_limits_default.window_bytes);
    assert_int_equal(limits.header_timeout_ms, px_http_limits_default.header_timeout_ms);
    assert_int_equal(limits.idle_timeout_ms, px_http_limits_default.idle_timeout_ms);
    assert_int_equal(limits.body_timeout_ms, px_http_limits_default.body_timeout_ms);
    assert_int_equal(limits.send_timeout_ms, px_http_limits_default.send_timeout_ms);
    assert_int_equal(limits.budget_wait_ms, px_http_limits_default.budget_wait_ms);
    assert_int_equal(server.message_limit_bytes, 64 << 20);
    assert_int_equal(server.address_count, 1);
    assert_string_equal(server.addresses[0], "127.0.0.1:5678");
    assert_false(server.access_log);
    assert_int_equal(options.log_level, PROXIMADB_LOG_INFO);
}

static void test_serve_options__passes_everything_to_the_engine(void **state)
{
    struct px_serve_options options = READ(
        "--read-threads=3", "--commit-threads=4", "--memtable-limit=5MiB", "--wal-file-limit=6MiB",
        "--wal-rotate=7s", "--wal-idle=8s", "--expiry-sweep=9s", "--snapshot-limit=10s");
    struct proximadb_options engine;
    (void)state;
    px_serve_options_engine(&options, &engine);
    assert_int_equal(engine.struct_size, sizeof engine);
    assert_int_equal(engine.worker_count, 3);
    assert_int_equal(engine.committer_count, 4);
    assert_int_equal(engine.memtable_limit_bytes, 5 << 20);
    assert_int_equal(engine.wal_file_limit_bytes, 6 << 20);
    assert_int_equal(engine.wal_rotate_ms, 7000);
    assert_int_equal(engine.wal_idle_ms, 8000);
    assert_int_equal(engine.expiry_sweep_ms, 9000);
    assert_int_equal(engine.snapshot_limit_ms, 10000);
}

static void test_serve_options__passes_everything_to_the_server(void **state)
{
    struct px_serve_options options =
        READ("--io-threads=3", "--message-limit=4MiB", "--request-memory=5MiB",
             "--header-limit=6KiB", "--connections=7", "--streams=8", "--window=90000",
             "--header-timeout=10s", "--body-timeout=11s", "--send-timeout=12s",
             "--idle-timeout=13s", "--memory-wait=14s", "--stop-grace=15s", "--answer-memory=16MiB",
             "--access-log", "--listen=[::1]:0", "--listen=localhost:0");
    struct px_http_limits limits;
    struct px_server_options server;
    (void)state;
    px_serve_options_server(&options, &limits, &server);
    assert_int_equal(server.io_thread_count, 3);
    assert_int_equal(server.message_limit_bytes, 4 << 20);
    assert_ptr_equal(server.limits, &limits);
    assert_int_equal(limits.budget_bytes, 5 << 20);
    assert_int_equal(limits.answer_bytes, 16 << 20);
    assert_int_equal(limits.header_bytes, 6 << 10);
    assert_int_equal(limits.connection_count, 7);
    assert_int_equal(limits.stream_count, 8);
    assert_int_equal(limits.window_bytes, 90000);
    assert_int_equal(limits.header_timeout_ms, 10000);
    assert_int_equal(limits.body_timeout_ms, 11000);
    assert_int_equal(limits.send_timeout_ms, 12000);
    assert_int_equal(limits.idle_timeout_ms, 13000);
    assert_int_equal(limits.budget_wait_ms, 14000);
    assert_int_equal(options.stop_grace_ms, 15000);
    assert_true(server.access_log);
    assert_int_equal(server.address_count, 2);
    assert_string_equal(server.addresses[1], "localhost:0");
}

/* What the table lets through, the server takes. */
static void test_serve_options__has_the_limits_of_the_server(void **state)
{
    (void)state;
    for (int at_most = 0; at_most < 2; at_most++) {
        struct px_serve_options options = {0};
        struct px_http_limits limits;
        struct px_server_options server;
        struct proximadb_error error = {0};
        px_flags_set_defaults(&px_serve_flags, &options);
        for (size_t i = 0; i < px_serve_flags.count; i++) {
            const struct px_flag *flag = &px_serve_flags.flags[i];
            uint64_t value = at_most == 1 ? flag->most : flag->least;
            if (flag->most != 0)
                memcpy((char *)&options + flag->offset, &value, sizeof value);
        }
        px_serve_options_server(&options, &limits, &server);
        int rc = px_http_limits_check(&limits, &error);
        if (rc != PROXIMADB_OK)
            fail_msg("%s", error.message);
    }
}

static int check(const char *address, bool allowed, struct proximadb_error *error)
{
    struct px_serve_options options = {.data = "x", .allow_remote_clients = allowed};
    options.listen.items[0] = "127.0.0.1:0";
    options.listen.items[1] = address;
    options.listen.count = 2;
    return px_serve_options_check(&options, error);
}

static void test_serve_options__refuses_other_machines_unless_told(void **state)
{
    static const char *const near[] = {"127.0.0.1:0", "127.9.9.9:0", "[::1]:0", "localhost:0"};
    static const char *const far[] = {"0.0.0.0:0", "[::]:0", ":0", "10.0.0.1:0", "128.0.0.1:0"};
    struct proximadb_error error = {0};
    (void)state;
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++)
        assert_int_equal(check(near[i], false, &error), PROXIMADB_OK);
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        assert_int_equal(check(far[i], false, &error), PROXIMADB_INVALID);
        assert_non_null(strstr(error.message, "neither TLS nor keys"));
        assert_non_null(strstr(error.message, "--allow-remote-clients"));
        assert_int_equal(check(far[i], true, &error), PROXIMADB_OK);
    }
    assert_int_equal(check("nonsense", true, &error), PROXIMADB_INVALID);
}

static void test_serve_options__needs_a_data_folder(void **state)
{
    struct px_serve_options options = {0};
    struct proximadb_error error;
    (void)state;
    px_flags_set_defaults(&px_serve_flags, &options);
    assert_int_equal(px_serve_options_check(&options, &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "--data DIR"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_options__defaults_are_those_of_the_server),
        cmocka_unit_test(test_serve_options__passes_everything_to_the_engine),
        cmocka_unit_test(test_serve_options__passes_everything_to_the_server),
        cmocka_unit_test(test_serve_options__has_the_limits_of_the_server),
        cmocka_unit_test(test_serve_options__refuses_other_machines_unless_told),
        cmocka_unit_test(test_serve_options__needs_a_data_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
