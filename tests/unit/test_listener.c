/*
 * Goal: a listener accepts, says which port it got, and explains an address that it cannot have.
 * Method: connections over the loopback interface.
 */
#include "http/listener.h"

#include "support/px_test.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

static int accepted_fd;
static char accepted_peer[PX_ADDRESS_TEXT_BYTES];
static char last_line[200];

static void on_accept(struct px_listener *listener, int fd, const struct px_address *peer)
{
    (void)listener;
    accepted_fd = fd;
    px_address_format(peer, accepted_peer);
}

static void keep_line(void *context, int level, const char *line)
{
    (void)context;
    (void)level;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static const struct px_log log_sink = {.write = keep_line};

static void open_listener(struct px_listener *listener, struct px_loop *loop)
{
    struct px_address found[PX_ADDRESS_LIMIT];
    size_t count;
    assert_int_equal(px_address_resolve("127.0.0.1:0", found, &count, NULL), PROXIMADB_OK);
    assert_int_equal(px_loop_init(loop, NULL), PROXIMADB_OK);
    assert_int_equal(px_listener_open(listener, &found[0], NULL), PROXIMADB_OK);
    listener->log = &log_sink;
    listener->on_accept = on_accept;
    assert_int_equal(px_listener_start(listener, loop, NULL), PROXIMADB_OK);
    accepted_fd = -1;
}

static int dial(const struct px_listener *listener)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&listener->address.socket,
                             listener->address.size_bytes),
                     0);
    return fd;
}

static void test_listener__accepts(void **state)
{
    (void)state;
    struct px_loop loop;
    struct px_listener listener;
    open_listener(&listener, &loop);
    assert_true(px_address_port(&listener.address) > 0);
    int fd = dial(&listener);
    px_loop_turn(&loop, 1000);
    assert_true(accepted_fd >= 0);
    assert_int_equal(strncmp(accepted_peer, "127.0.0.1:", 10), 0);
    close(accepted_fd);
    close(fd);
    px_listener_close(&listener);
    px_loop_release(&loop);
}

static void test_listener__says_when_the_address_is_taken(void **state)
{
    (void)state;
    struct px_loop loop;
    struct px_listener listener;
    struct px_listener second;
    struct proximadb_error error = {0};
    open_listener(&listener, &loop);
    assert_int_equal(px_listener_open(&second, &listener.address, &error), PROXIMADB_UNAVAILABLE);
    assert_non_null(strstr(error.message, "is another server running"));
    px_listener_close(&listener);
    px_loop_release(&loop);

    struct px_address found[PX_ADDRESS_LIMIT];
    size_t count;
    assert_int_equal(px_address_resolve("192.0.2.1:0", found, &count, NULL), PROXIMADB_OK);
    assert_int_equal(px_listener_open(&second, &found[0], &error), PROXIMADB_IO); /* not ours */
    assert_non_null(strstr(error.message, "192.0.2.1"));
}

/* Without a descriptor to spare the listener rests, and goes on when there is one again. */
static void test_listener__rests_when_descriptors_run_out(void **state)
{
    (void)state;
    struct px_loop loop;
    struct px_listener listener;
    struct rlimit before;
    open_listener(&listener, &loop);
    int fd = dial(&listener);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit tight = {.rlim_cur = (rlim_t)fd + 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    px_loop_turn(&loop, 1000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(accepted_fd, -1);
    assert_non_null(strstr(last_line, "cannot accept"));
    assert_false(listener.is_watched);
    while (accepted_fd < 0)
        px_loop_turn(&loop, 1000);
    close(accepted_fd);
    close(fd);
    px_listener_close(&listener);
    px_loop_release(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listener__accepts),
        cmocka_unit_test(test_listener__says_when_the_address_is_taken),
        cmocka_unit_test(test_listener__rests_when_descriptors_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
