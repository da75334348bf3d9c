/*
 * Goal: addresses to listen on are read as operators write them, and wrong ones are refused with
 * what is expected.
 * Method: each form, resolved and formatted back; each way to be wrong.
 */
#include "http/address.h"

#include "support/px_test.h"

#include <netinet/in.h>

static void check_round_trip(const char *text, const char *expected)
{
    struct px_address addresses[PX_ADDRESS_LIMIT];
    char formatted[PX_ADDRESS_TEXT_BYTES];
    size_t count = 0;
    assert_int_equal(px_address_resolve(text, addresses, &count, NULL), PROXIMADB_OK);
    assert_true(count >= 1);
    px_address_format(&addresses[0], formatted);
    assert_string_equal(formatted, expected);
}

static void test_address__resolves_numbers(void **state)
{
    (void)state;
    check_round_trip("127.0.0.1:5678", "127.0.0.1:5678");
    check_round_trip("0.0.0.0:0", "0.0.0.0:0");
    check_round_trip("[::1]:65535", "[::1]:65535");
}

static void test_address__takes_a_name_and_every_interface(void **state)
{
    (void)state;
    struct px_address addresses[PX_ADDRESS_LIMIT];
    size_t count = 0;
    assert_int_equal(px_address_resolve("localhost:80", addresses, &count, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(px_address_port(&addresses[i]), 80);
    assert_int_equal(px_address_resolve(":5678", addresses, &count, NULL), PROXIMADB_OK);
    assert_true(count >= 1);
}

static void test_address__refuses_what_is_none(void **state)
{
    (void)state;
    const char *wrong[] = {"",         "5678",   "localhost",  "127.0.0.1:", "127.0.0.1:x",
                           "::1:5678", "[::1]",  "host:65536", "host:-1",    "host:123456",
                           "[::1:80",  "a:b:80", "host: 80",   "host:80 "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct px_address addresses[PX_ADDRESS_LIMIT];
        struct proximadb_error error = {0};
        size_t count = 77;
        if (px_address_resolve(wrong[i], addresses, &count, &error) != PROXIMADB_INVALID)
            fail_msg("'%s' was taken", wrong[i]);
        assert_non_null(strstr(error.message, "127.0.0.1:5678"));
        assert_int_equal(count, 77);
    }
    char long_host[400];
    memset(long_host, 'h', sizeof long_host);
    memcpy(long_host + sizeof long_host - 4, ":80", 4);
    struct px_address addresses[PX_ADDRESS_LIMIT];
    size_t count;
    assert_int_equal(px_address_resolve(long_host, addresses, &count, NULL), PROXIMADB_INVALID);
}

static void test_address__formats_other_families_as_unknown(void **state)
{
    (void)state;
    struct px_address address = {.socket.ss_family = AF_UNIX};
    char text[PX_ADDRESS_TEXT_BYTES];
    px_address_format(&address, text);
    assert_string_equal(text, "?");
    assert_int_equal(px_address_port(&address), 0);
}

static void expect_loopback(const char *text, bool expected)
{
    struct px_address found[PX_ADDRESS_LIMIT];
    size_t count;
    assert_int_equal(px_address_resolve(text, found, &count, NULL), PROXIMADB_OK);
    assert_int_equal(px_address_is_loopback(&found[0]), expected);
}

static void test_address__knows_loopback(void **state)
{
    (void)state;
    expect_loopback("127.0.0.1:1", true);
    expect_loopback("127.9.8.7:1", true);
    expect_loopback("[::1]:1", true);
    expect_loopback("0.0.0.0:1", false);
    expect_loopback("126.0.0.1:1", false);
    expect_loopback("[::]:1", false);
    assert_false(px_address_is_loopback(&(struct px_address){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address__resolves_numbers),
        cmocka_unit_test(test_address__takes_a_name_and_every_interface),
        cmocka_unit_test(test_address__refuses_what_is_none),
        cmocka_unit_test(test_address__formats_other_families_as_unknown),
        cmocka_unit_test(test_address__knows_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
