/*
 * Goal: a server serves on its threads, spreads connections evenly, keeps its limit, and stops in
 * order: what is under way is finished, what does not finish is closed, late work is waited for.
 * Method: blocking clients over the loopback interface; handlers that finish from another thread.
 */
#include "http/http_server.h"

#include "http/http_internal.h"
#include "support/px_test.h"

#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct px_exchange *waiting;
static struct px_task finish_task;
static int closed_reason;
static pthread_t worker_threads[64];
static size_t worker_thread_count;

static _Atomic bool all_were_local = true;

static void on_request(struct px_exchange *x)
{
    if (!px_exchange_is_local(x))
        all_were_local = false;
    pthread_mutex_lock(&lock);
    worker_threads[worker_thread_count++ % 64] = pthread_self();
    pthread_mutex_unlock(&lock);
    if (!px_slice_equal(px_exchange_path(x), px_slice_of_string("/wait"))) {
        px_exchange_respond_text(x, 200, "text/plain", px_slice_of_string("ok"));
        return;
    }
    px_exchange_hold(x);
    pthread_mutex_lock(&lock);
    waiting = x;
    pthread_mutex_unlock(&lock);
}

static void on_close(struct px_exchange *x, enum px_close_reason reason)
{
    (void)x;
    pthread_mutex_lock(&lock);
    closed_reason = (int)reason;
    pthread_mutex_unlock(&lock);
}

static const struct px_handler handler = {.on_request = on_request, .on_close = on_close};
static const struct px_route routes[] = {{.path = "/", .is_prefix = true, .handler = &handler}};

static struct px_http_server *start(unsigned worker_count, uint32_t connection_limit)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct px_http_server_options options = {
        .config = {.limits = px_http_limits_default, .routes = routes, .route_count = 1},
        .addresses = addresses,
        .address_count = 1,
        .worker_count = worker_count,
    };
    options.config.limits.connection_count = connection_limit;
    struct px_http_server *server;
    struct proximadb_error error = {0};
    if (px_http_server_start(&options, &server, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    worker_thread_count = 0;
    closed_reason = -1;
    waiting = NULL;
    return server;
}

static int dial(const struct px_http_server *server)
{
    char text[PX_ADDRESS_TEXT_BYTES];
    struct px_address found[PX_ADDRESS_LIMIT];
    size_t count;
    assert_true(px_http_server_address(server, 0, text));
    assert_int_equal(px_address_resolve(text, found, &count, NULL), PROXIMADB_OK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&found[0].socket, found[0].size_bytes), 0);
    return fd;
}

static void ask(int fd, const char *path)
{
    char text[100];
    int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    assert_int_equal(send(fd, text, (size_t)size, MSG_NOSIGNAL), size);
}

/* Reads until the text came, or the end. */
static bool answer_has(int fd, const char *text)
{
    static char answer[10000];
    size_t size = 0;
    memset(answer, 0, sizeof answer);
    while (strstr(answer, text) == NULL) {
        ssize_t got = read(fd, answer + size, sizeof answer - 1 - size);
        if (got <= 0)
            return false;
        size += (size_t)got;
    }
    return true;
}

static void test_http_server__serves_and_spreads_connections(void **state)
{
    (void)state;
    struct px_http_server *server = start(4, 100);
    int clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = dial(server);
        ask(clients[i], "/");
        assert_true(answer_has(clients[i], "\r\n\r\nok"));
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_false(pthread_equal(worker_threads[i], worker_threads[j]));
    assert_int_equal(px_http_server_connection_count(server), 4);
    struct px_http_stats stats;
    px_http_server_stats(server, &stats);
    assert_int_equal(stats.requests, 4);
    assert_int_equal(px_http_server_budget_used_bytes(server), 0);
    char text[PX_ADDRESS_TEXT_BYTES];
    assert_false(px_http_server_address(server, 1, text));
    assert_true(all_were_local);
    for (int i = 0; i < 4; i++)
        close(clients[i]);
    px_http_server_stop(server, 10000);
    px_http_server_stop(NULL, 0);
}

/* A thread's name and the signals that it blocks; false if it is none of the server's. */
static bool read_task(const char *path, unsigned long long *ret_blocked)
{
    char text[4096] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(sscanf(strstr(text, "SigBlk:"), "SigBlk: %llx", ret_blocked), 1);
    return strstr(text, "px-io-0\n") != NULL || strstr(text, "px-io-1\n") != NULL ||
           strstr(text, "px-accept\n") != NULL;
}

/* Names are given by whoever starts a thread, so they are there once px_http_server_start() is back.
 * A thread that blocked the signal of its own fault would end without a word. (In its first moments
 * it blocks all of them: the C library's doing.) */
static void test_http_server__names_its_threads_and_leaves_faults_alone(void **state)
{
    (void)state;
    const unsigned long long faults = 1ULL << (SIGSEGV - 1) | 1ULL << (SIGBUS - 1);
    struct px_http_server *server = start(2, 100);
    glob_t tasks;
    int found = 0;
    assert_int_equal(glob("/proc/self/task/*/status", 0, NULL, &tasks), 0);
    for (size_t i = 0; i < tasks.gl_pathc; i++) {
        unsigned long long blocked;
        if (!read_task(tasks.gl_pathv[i], &blocked))
            continue;
        found++;
        for (int wait = 0; (blocked & faults) != 0 && wait < 5000; wait++) {
            usleep(1000);
            assert_true(read_task(tasks.gl_pathv[i], &blocked));
        }
        assert_true((blocked & 1ULL << (SIGTERM - 1)) != 0);
        assert_true((blocked & faults) == 0);
    }
    globfree(&tasks);
    assert_int_equal(found, 3);
    px_http_server_stop(server, 0);
}

static void test_http_server__keeps_its_connection_limit(void **state)
{
    (void)state;
    struct px_http_server *server = start(1, 1);
    int first = dial(server);
    ask(first, "/");
    assert_true(answer_has(first, "\r\n\r\nok"));
    int second = dial(server);
    assert_false(answer_has(second, "HTTP"));
    close(second);
    ask(first, "/");
    assert_true(answer_has(first, "\r\n\r\nok"));
    close(first);
    px_http_server_stop(server, 10000);
}

static struct px_exchange *wait_for_request(void)
{
    struct px_exchange *x = NULL;
    while (x == NULL) {
        usleep(1000);
        pthread_mutex_lock(&lock);
        x = waiting;
        pthread_mutex_unlock(&lock);
    }
    return x;
}

static void finish(struct px_task *task)
{
    (void)task;
    px_exchange_respond_text(waiting, 200, "text/plain", px_slice_of_string("late"));
    px_exchange_drop(waiting);
}

static void *stop(void *context)
{
    px_http_server_stop(context, 60000);
    return NULL;
}

static void test_http_server__finishes_what_is_under_way(void **state)
{
    (void)state;
    struct px_http_server *server = start(2, 100);
    int idle = dial(server);
    int busy = dial(server);
    pthread_t thread;
    ask(idle, "/");
    assert_true(answer_has(idle, "ok"));
    ask(busy, "/wait");
    struct px_exchange *x = wait_for_request();
    assert_int_equal(pthread_create(&thread, NULL, stop, server), 0);
    assert_false(answer_has(idle, "never")); /* is closed at once */
    close(idle);
    finish_task.run = finish;
    px_exchange_post(x, &finish_task);
    assert_true(answer_has(busy, "late"));
    close(busy);
    pthread_join(thread, NULL);
    assert_int_equal(closed_reason, PX_CLOSE_DONE);
}

static void test_http_server__closes_what_does_not_finish_and_waits_for_it(void **state)
{
    (void)state;
    struct px_http_server *server = start(1, 100);
    int busy = dial(server);
    pthread_t thread;
    ask(busy, "/wait");
    struct px_exchange *x = wait_for_request();
    px_http_server_drain(server);
    px_http_server_drain(server);
    assert_int_equal(pthread_create(&thread, NULL, stop, server), 0);
    /* The grace period is long; the peer's going away ends the exchange, but it is held still. */
    close(busy);
    for (int reason = -1; reason == -1;) {
        usleep(1000);
        pthread_mutex_lock(&lock);
        reason = closed_reason;
        pthread_mutex_unlock(&lock);
    }
    assert_int_equal(closed_reason, PX_CLOSE_PEER_GONE);
    finish_task.run = finish;
    px_exchange_post(x, &finish_task);
    pthread_join(thread, NULL);
}

static void *drop_later(void *context)
{
    while (true) {
        usleep(1000);
        pthread_mutex_lock(&lock);
        int reason = closed_reason;
        pthread_mutex_unlock(&lock);
        if (reason != -1)
            break;
    }
    finish_task.run = finish;
    px_exchange_post(context, &finish_task);
    return NULL;
}

static void test_http_server__ends_the_grace_period(void **state)
{
    (void)state;
    struct px_http_server *server = start(1, 100);
    int busy = dial(server);
    pthread_t thread;
    ask(busy, "/wait");
    struct px_exchange *x = wait_for_request();
    assert_int_equal(pthread_create(&thread, NULL, drop_later, x), 0);
    px_http_server_stop(server, 10);
    pthread_join(thread, NULL);
    assert_int_equal(closed_reason, PX_CLOSE_SHUTDOWN);
    assert_false(answer_has(busy, "late"));
    close(busy);
}

static void test_http_server__says_why_it_cannot_start(void **state)
{
    (void)state;
    static const char *const addresses[] = {"nonsense"};
    struct px_http_server_options options = {
        .config = {.limits = px_http_limits_default}, .addresses = addresses, .address_count = 1};
    struct px_http_server *server = NULL;
    struct proximadb_error error = {0};
    assert_int_equal(px_http_server_start(&options, &server, &error), PROXIMADB_INVALID);
    assert_null(server);
    assert_non_null(strstr(error.message, "nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_server__serves_and_spreads_connections),
        cmocka_unit_test(test_http_server__names_its_threads_and_leaves_faults_alone),
        cmocka_unit_test(test_http_server__keeps_its_connection_limit),
        cmocka_unit_test(test_http_server__finishes_what_is_under_way),
        cmocka_unit_test(test_http_server__closes_what_does_not_finish_and_waits_for_it),
        cmocka_unit_test(test_http_server__ends_the_grace_period),
        cmocka_unit_test(test_http_server__says_why_it_cannot_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
