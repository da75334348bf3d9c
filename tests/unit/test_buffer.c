/*
 * Goal: a buffer holds exactly what was appended, keeps its ceiling, and fails once and for all.
 * Method: random appends against a plain array; a ceiling hit in the middle.
 */
#include "base/buffer.h"

#include "support/px_test.h"

static void test_buffer__holds_what_was_appended(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("buffer");
    static uint8_t expected[100000];
    size_t expected_bytes = 0;
    struct px_buffer buffer = {0};
    while (expected_bytes < sizeof expected - 1000) {
        uint8_t piece[700];
        size_t size = px_test_below(&random, sizeof piece);
        for (size_t i = 0; i < size; i++)
            piece[i] = (uint8_t)px_test_next(&random);
        px_buffer_append(&buffer, piece, size);
        memcpy(expected + expected_bytes, piece, size);
        expected_bytes += size;
    }
    assert_int_equal(px_buffer_status(&buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, expected_bytes);
    assert_memory_equal(buffer.data, expected, expected_bytes);
    px_buffer_release(&buffer);
}

static void test_buffer__formats_and_zeroes(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    px_buffer_append_format(&buffer, "%d-%s", 12, "ab");
    px_buffer_append_zeros(&buffer, 3);
    px_buffer_append_byte(&buffer, 'x');
    assert_int_equal(buffer.size_bytes, 9);
    assert_memory_equal(buffer.data, "12-ab\0\0\0x", 9);
    px_buffer_release(&buffer);
}

static void test_buffer__stays_failed_behind_its_ceiling(void **state)
{
    (void)state;
    struct proximadb_error error = {0};
    struct px_buffer buffer;
    px_buffer_init(&buffer, 10);
    px_buffer_append(&buffer, "12345678", 8);
    px_buffer_append(&buffer, "abc", 3);
    px_buffer_append(&buffer, "9", 1); /* would fit, but something before it is missing */
    assert_int_equal(px_buffer_status(&buffer, &error), PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(buffer.size_bytes, 8);
    px_buffer_clear(&buffer);
    px_buffer_append(&buffer, "1234567890", 10);
    assert_int_equal(px_buffer_status(&buffer, &error), PROXIMADB_OK);
    px_buffer_release(&buffer);
}

static void test_buffer__gives_its_bytes_away(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct proximadb_buffer taken;
    px_buffer_append(&buffer, "abc", 3);
    assert_int_equal(px_buffer_take(&buffer, &taken, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, 0);
    assert_int_equal(taken.size_bytes, 3);
    assert_memory_equal(taken.data, "abc", 3);
    taken.release(taken.context);

    px_buffer_init(&buffer, 1);
    px_buffer_append(&buffer, "abc", 3);
    assert_int_equal(px_buffer_take(&buffer, &taken, NULL), PROXIMADB_RESOURCE_EXHAUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer__holds_what_was_appended),
        cmocka_unit_test(test_buffer__formats_and_zeroes),
        cmocka_unit_test(test_buffer__stays_failed_behind_its_ceiling),
        cmocka_unit_test(test_buffer__gives_its_bytes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
