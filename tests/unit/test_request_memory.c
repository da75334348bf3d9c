/*
 * Goal: the last 10,000 outcomes are found by request id, older ones are not, the first outcome of an
 * id stays, and all of it survives encoding.
 * Method: 25,000 requests against what must be remembered.
 */
#include "service/request_memory.h"

#include "support/px_test.h"

static struct px_request_outcome make(uint32_t number)
{
    struct px_request_outcome outcome = {
        .first_version = (int64_t)number * 10 + 1, .row_count = 10, .affected = number % 7};
    memcpy(outcome.request_id, &number, sizeof number);
    return outcome;
}

static void check(const struct px_request_memory *memory, uint32_t number, bool expected)
{
    struct px_request_outcome outcome = make(number);
    const struct px_request_outcome *found = px_request_memory_find(memory, outcome.request_id);
    assert_int_equal(found != NULL, expected);
    if (found == NULL)
        return;
    assert_int_equal(found->first_version, outcome.first_version);
    assert_int_equal(found->row_count, outcome.row_count);
    assert_int_equal(found->affected, outcome.affected);
}

static void test_request_memory__remembers_the_last_ones(void **state)
{
    (void)state;
    struct px_request_memory *memory;
    assert_int_equal(px_request_memory_new(&memory, NULL), PROXIMADB_OK);
    for (uint32_t number = 0; number < 25000; number++) {
        struct px_request_outcome outcome = make(number);
        check(memory, number, false);
        px_request_memory_put(memory, &outcome);
        check(memory, number, true);
    }
    for (uint32_t number = 0; number < 25000; number++)
        check(memory, number, number >= 25000 - PX_REQUESTS_REMEMBERED);
    px_request_memory_free(memory);
}

static void test_request_memory__keeps_the_first_outcome(void **state)
{
    (void)state;
    struct px_request_memory *memory;
    struct px_request_outcome outcome = make(5), other = make(5);
    assert_int_equal(px_request_memory_new(&memory, NULL), PROXIMADB_OK);
    px_request_memory_put(memory, &outcome);
    other.first_version = 999;
    px_request_memory_put(memory, &other);
    check(memory, 5, true);
    px_request_memory_free(memory);
}

static void test_request_memory__survives_encoding_up_to_an_lsn(void **state)
{
    (void)state;
    struct px_request_memory *memory, *again;
    struct px_buffer buffer = {0};
    assert_int_equal(px_request_memory_new(&memory, NULL), PROXIMADB_OK);
    assert_int_equal(px_request_memory_new(&again, NULL), PROXIMADB_OK);
    for (uint32_t number = 0; number < 12000; number++) {
        struct px_request_outcome outcome = make(number);
        px_request_memory_put(memory, &outcome);
    }
    px_request_memory_encode(memory, 11000 * 10, &buffer); /* 0 to 10,999 end at or below it */
    assert_int_equal(buffer.size_bytes, (11000 - 2000) * PX_REQUEST_ENCODED_BYTES);
    assert_int_equal(px_request_memory_decode(again, px_buffer_slice(&buffer), NULL), PROXIMADB_OK);
    for (uint32_t number = 0; number < 12000; number++)
        check(again, number, number >= 2000 && number < 11000);
    buffer.size_bytes--;
    assert_int_equal(px_request_memory_decode(again, px_buffer_slice(&buffer), NULL),
                     PROXIMADB_CORRUPT);
    px_buffer_release(&buffer);
    px_request_memory_free(memory);
    px_request_memory_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_memory__remembers_the_last_ones),
        cmocka_unit_test(test_request_memory__keeps_the_first_outcome),
        cmocka_unit_test(test_request_memory__survives_encoding_up_to_an_lsn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
