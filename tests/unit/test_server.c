/*
 * Goal: a server starts with its defaults and options, serves, refuses options that it cannot keep,
 * and stops on a signal; a second signal ends the grace period.
 * Method: HTTP/1.1 requests over the loopback interface; signals to the own process.
 */
#include "server/server.h"

#include "support/fake_engine.h"
#include "support/px_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static char last_line[300];

static void keep_line(void *context, int level, const char *line)
{
    (void)context;
    (void)level;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static struct px_server *start(proximadb *db)
{
    static const char *const addresses[] = {"127.0.0.1:0", "127.0.0.1:0"};
    const struct px_server_options options = {
        .addresses = addresses, .address_count = 2, .log = {.write = keep_line}};
    struct px_server *server;
    struct proximadb_error error;
    if (px_server_start(db, &options, &server, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return server;
}

static int dial(const struct px_server *server, size_t index)
{
    char text[PX_ADDRESS_TEXT_BYTES];
    struct px_address found[PX_ADDRESS_LIMIT];
    size_t count;
    assert_true(px_server_address(server, index, text));
    assert_int_equal(px_address_resolve(text, found, &count, NULL), PROXIMADB_OK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&found[0].socket, found[0].size_bytes), 0);
    return fd;
}

static void ask(int fd, const char *path)
{
    char text[200];
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(send(fd, text, (size_t)size, MSG_NOSIGNAL), size);
}

/* Everything up to the end of the connection. */
static const char *read_all(int fd)
{
    static char answer[20000];
    size_t size = 0;
    memset(answer, 0, sizeof answer);
    for (ssize_t got = 1; got > 0; size += got > 0 ? (size_t)got : 0)
        got = read(fd, answer + size, sizeof answer - 1 - size);
    close(fd);
    return answer;
}

static void test_server__serves_on_every_address(void **state)
{
    (void)state;
    proximadb *db = fake_engine_open();
    struct px_server *server = start(db);
    char text[PX_ADDRESS_TEXT_BYTES];
    assert_false(px_server_address(server, 2, text));
    assert_non_null(strstr(last_line, "listening on 127.0.0.1:"));
    for (size_t i = 0; i < 2; i++) {
        int fd = dial(server, i);
        ask(fd, "/readyz");
        assert_non_null(strstr(read_all(fd), "200 OK"));
    }
    int fd = dial(server, 0);
    ask(fd, "/metrics");
    const char *answer = read_all(fd);
    assert_non_null(strstr(answer, "fake_submitted_total 1\n"));
    assert_non_null(strstr(answer, "\nproximadb_http_connections_total 3\n"));
    assert_non_null(strstr(answer, "\nproximadb_http_budget_limit_bytes 268435456\n"));
    assert_non_null(strstr(answer, "grpc_server_handled_total"));
    px_server_stop(server, 5000);
    px_server_stop(NULL, 0);
    fake_engine_close(db);
}

static int start_with(const struct px_server_options *options, struct proximadb_error *reterr)
{
    struct px_server *server = NULL;
    proximadb *db = fake_engine_open();
    int rc = px_server_start(db, options, &server, reterr);
    px_server_stop(server, 0);
    fake_engine_close(db);
    return rc;
}

static void test_server__refuses_what_it_cannot_keep(void **state)
{
    (void)state;
    static const char *const keys[] = {"secret"};
    static const char *const addresses[] = {"nowhere"};
    struct proximadb_error error;
    struct px_server_options options = {.api_keys = {.keys = keys, .count = 1}};
    assert_int_equal(start_with(&options, &error), PROXIMADB_UNIMPLEMENTED);
    options = (struct px_server_options){.message_limit_bytes = (size_t)1 << 30};
    assert_int_equal(start_with(&options, &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "1073741824"));
    options = (struct px_server_options){.addresses = addresses, .address_count = 1};
    assert_int_equal(start_with(&options, &error), PROXIMADB_INVALID);
}

static void *signal_after_request(void *context)
{
    usleep(*(useconds_t *)context);
    kill(getpid(), SIGTERM);
    return NULL;
}

static void test_server__runs_until_a_signal(void **state)
{
    (void)state;
    useconds_t delay_us = 20000;
    proximadb *db = fake_engine_open();
    struct px_server *server = start(db);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, signal_after_request, &delay_us), 0);
    assert_int_equal(px_server_run_until_signal(server, 60000), SIGTERM);
    pthread_join(thread, NULL);
    assert_string_equal(last_line, "stopped");
    fake_engine_close(db);
}

/* A connection that sends half a request keeps the server from being idle. */
static void test_server__ends_the_grace_period_on_a_second_signal(void **state)
{
    (void)state;
    useconds_t delay_us = 300000;
    proximadb *db = fake_engine_open();
    struct px_server *server = start(db);
    int fd = dial(server, 0);
    assert_int_equal(send(fd, "GET / HT", 8, MSG_NOSIGNAL), 8);
    usleep(50000);
    pthread_t thread;
    kill(getpid(), SIGINT);
    assert_int_equal(pthread_create(&thread, NULL, signal_after_request, &delay_us), 0);
    assert_int_equal(px_server_run_until_signal(server, 3600000), SIGINT);
    pthread_join(thread, NULL);
    close(fd);
    fake_engine_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server__serves_on_every_address),
        cmocka_unit_test(test_server__refuses_what_it_cannot_keep),
        cmocka_unit_test(test_server__runs_until_a_signal),
        cmocka_unit_test(test_server__ends_the_grace_period_on_a_second_signal),
    };
    px_server_block_signals();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
