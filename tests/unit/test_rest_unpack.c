/*
 * Goal: gzip unpacks to what was packed, is never larger than the limit or the budget, and what is
 * damaged is the client's fault; the budget is exact whatever happens.
 * Method: bodies packed with libdeflate, with damage and tight limits.
 */
#include "rest/rest_unpack.h"

#include "support/rest_test.h"

#include <libdeflate.h>

enum { BUDGET_BYTES = 100000 };

static struct proximadb_error error;
static struct px_budget *budget;

static int set_up(void **state)
{
    (void)state;
    budget = px_budget_new(BUDGET_BYTES);
    return budget == NULL;
}

/* Asserts that nothing is used. */
static int tear_down(void **state)
{
    (void)state;
    px_budget_unref(budget);
    return 0;
}

static struct px_message *message_of(const void *data, size_t size_bytes)
{
    assert_true(px_budget_reserve(budget, size_bytes));
    struct px_message *message = px_message_new(budget, size_bytes);
    assert_non_null(message);
    memcpy(message->data, data, size_bytes);
    message->size_bytes = size_bytes;
    return message;
}

static struct px_message *packed(const void *data, size_t size_bytes)
{
    static uint8_t bytes[4000];
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    size_t size = libdeflate_gzip_compress(compressor, data, size_bytes, bytes, sizeof bytes);
    libdeflate_free_compressor(compressor);
    assert_true(size > 0);
    return message_of(bytes, size);
}

static void test_rest_unpack__gives_what_was_packed(void **state)
{
    (void)state;
    struct px_message *message = packed("hello hello hello", 17);
    assert_int_equal(px_rest_unpack(&message, 17, &error), PROXIMADB_OK);
    assert_int_equal(message->size_bytes, 17);
    assert_memory_equal(message->data, "hello hello hello", 17);
    assert_int_equal(budget->used_bytes, 17);
    px_message_free(message);
    message = packed("", 0);
    assert_int_equal(px_rest_unpack(&message, 17, &error), PROXIMADB_OK);
    assert_int_equal(message->size_bytes, 0);
    px_message_free(message);
}

static void expect_refused(struct px_message *message, size_t limit_bytes, int status,
                           const char *part)
{
    const struct px_message *before = message;
    size_t used = budget->used_bytes;
    rest_expect_error(px_rest_unpack(&message, limit_bytes, &error), &error, status, part);
    assert_ptr_equal(message, before);
    assert_int_equal(budget->used_bytes, used);
    px_message_free(message);
}

static void test_rest_unpack__keeps_limits(void **state)
{
    (void)state;
    static uint8_t zeros[50000];
    expect_refused(packed("hello hello hello", 17), 16, PROXIMADB_RESOURCE_EXHAUSTED,
                   "over the limit of 16");
    struct px_message *other = message_of(zeros, 50000);
    expect_refused(packed(zeros, 50000), 60000, PROXIMADB_UNAVAILABLE,
                   "no room now for the 50000 bytes");
    px_message_free(other);
}

static void test_rest_unpack__refuses_damage(void **state)
{
    (void)state;
    expect_refused(message_of("{\"records\":[]}        ", 22), 100, PROXIMADB_INVALID,
                   "content-encoding is gzip: the bytes are not gzip");
    struct px_message *message = packed("hello hello hello", 17);
    message->data[message->size_bytes - 6] ^= 1; /* its checksum */
    expect_refused(message, 100, PROXIMADB_INVALID, "damaged");
    message = packed("hello hello hello", 17);
    message->data[message->size_bytes - 2] = 1; /* claims 64 KiB */
    expect_refused(message, 1 << 20, PROXIMADB_INVALID, "impossible");
    message = packed("hello", 5);
    message->size_bytes -= 3;
    expect_refused(message, 1 << 30, PROXIMADB_INVALID, "gzip");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rest_unpack__gives_what_was_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rest_unpack__keeps_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rest_unpack__refuses_damage, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
