/*
 * Goal: exactly the texts of RFC 3629 pass.
 * Method: every code point encoded by hand; each way to be wrong, at each place of a long text.
 */
#include "codec/utf8.h"

#include "support/px_test.h"

static size_t encode(uint32_t point, uint8_t *at)
{
    if (point < 0x80) {
        at[0] = (uint8_t)point;
        return 1;
    }
    size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--, point >>= 6)
        at[i] = (uint8_t)(0x80 | (point & 0x3f));
    at[0] = (uint8_t)(first[size] | point);
    return size;
}

static void test_utf8__takes_every_code_point_but_surrogates(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x120000; point++) {
        uint8_t bytes[4];
        size_t size = encode(point, bytes);
        bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        assert_int_equal(px_utf8_validate(px_slice_of(bytes, size)), valid);
        if (size > 1)
            assert_false(px_utf8_validate(px_slice_of(bytes, size - 1)));
    }
}

static void test_utf8__finds_a_fault_anywhere(void **state)
{
    (void)state;
    static const char *const faults[] = {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80",
                                         "\xff", "\xc3",     "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    for (size_t fault = 0; fault < sizeof faults / sizeof faults[0]; fault++)
        for (size_t place = 0; place < 40; place++) {
            uint8_t text[50];
            memset(text, 'a', sizeof text);
            assert_true(px_utf8_validate(px_slice_of(text, sizeof text)));
            memcpy(text + place, faults[fault], strlen(faults[fault]));
            assert_false(px_utf8_validate(px_slice_of(text, sizeof text)));
        }
}

static void test_utf8__cuts_between_code_points(void **state)
{
    (void)state;
    struct px_slice text = px_slice_of_string("a\xc3\xa9\xf0\x9f\x98\x80z"); /* a, 2, 4 bytes, z */
    static const size_t sizes[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
    for (size_t most = 0; most < sizeof sizes / sizeof sizes[0]; most++)
        assert_int_equal(px_utf8_cut(text, most), sizes[most]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8__takes_every_code_point_but_surrogates),
        cmocka_unit_test(test_utf8__finds_a_fault_anywhere),
        cmocka_unit_test(test_utf8__cuts_between_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
