/*
 * Goal: any text travels through grpc-message and comes back the same; damage is noticed.
 * Method: the examples of gRPC's document, every byte, every capacity.
 */
#include "codec/percent.h"

#include "support/px_test.h"

static void test_percent__encodes_what_is_not_printable(void **state)
{
    (void)state;
    char encoded[64];
    struct px_slice text = px_slice_of_string("100% d\xc3\xa9j\xc3\xa0\n\x7f~ ");
    size_t size = px_percent_encode_message(text, encoded, sizeof encoded);
    const char *expected = "100%25 d%C3%A9j%C3%A0%0A%7F~ ";
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(encoded, expected, size);
}

static void test_percent__never_writes_half_an_escape(void **state)
{
    (void)state;
    char encoded[8];
    struct px_slice text = px_slice_of_string("a\xff\xff");
    const size_t sizes[] = {0, 1, 1, 1, 4, 4, 4, 7, 7};
    for (size_t capacity = 0; capacity < sizeof sizes / sizeof sizes[0]; capacity++) {
        size_t given = capacity < sizeof encoded ? capacity : sizeof encoded;
        assert_int_equal(px_percent_encode_message(text, encoded, given), sizes[capacity]);
    }
}

static void test_percent__decodes_what_it_encoded(void **state)
{
    (void)state;
    uint8_t all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    char encoded[3 * sizeof all];
    size_t size = px_percent_encode_message(px_slice_of(all, sizeof all), encoded, sizeof encoded);
    assert_int_equal(px_percent_decode(px_slice_of(encoded, size), encoded), sizeof all);
    assert_memory_equal(encoded, all, sizeof all);
}

static void test_percent__decodes_both_cases_and_refuses_damage(void **state)
{
    (void)state;
    char text[16];
    assert_int_equal(px_percent_decode(px_slice_of_string("%2f%2F+"), text), 3);
    assert_memory_equal(text, "//+", 3);
    const char *damaged[] = {"%", "%2", "a%2", "%G0", "%0g", "%-1"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++)
        assert_true(px_percent_decode(px_slice_of_string(damaged[i]), text) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percent__encodes_what_is_not_printable),
        cmocka_unit_test(test_percent__never_writes_half_an_escape),
        cmocka_unit_test(test_percent__decodes_what_it_encoded),
        cmocka_unit_test(test_percent__decodes_both_cases_and_refuses_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
