/*
 * Goal: bytes come back from their text, and a text that is not strict base64 is refused.
 * Method: the vectors of RFC 4648, padded and not; random bytes; texts with one fault each.
 */
#include "codec/base64.h"

#include "support/px_test.h"

static void test_base64__gives_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct px_buffer text = {0}, bytes = {0};
        px_base64_append(&text, px_slice_of_string(vectors[i][0]));
        assert_true(px_slice_equal(px_buffer_slice(&text), px_slice_of_string(vectors[i][1])));
        assert_int_equal(px_base64_decode(px_buffer_slice(&text), &bytes, NULL), PROXIMADB_OK);
        assert_true(px_slice_equal(px_buffer_slice(&bytes), px_slice_of_string(vectors[i][0])));
        px_buffer_release(&text);
        px_buffer_release(&bytes);
    }
}

static void test_base64__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("base64");
    uint8_t data[300];
    struct px_buffer text = {0}, bytes = {0};
    for (size_t size = 0; size < sizeof data; size++) {
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)px_test_next(&random);
        px_buffer_clear(&text);
        px_buffer_clear(&bytes);
        px_buffer_append_byte(&bytes, '!'); /* appended to, not written over */
        px_base64_append(&text, px_slice_of(data, size));
        assert_int_equal(px_base64_decode(px_buffer_slice(&text), &bytes, NULL), PROXIMADB_OK);
        assert_int_equal(bytes.size_bytes, size + 1);
        assert_memory_equal(bytes.data + 1, data, size);
    }
    px_buffer_release(&text);
    px_buffer_release(&bytes);
}

static void test_base64__refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const char *const faults[] = {
        "Zg",   "Zg=",      "Zm9vZ", "Zm 9", "Zm9v\n", "Zm9\xff", "Zh==",
        "Zm9=", "Zg==Zm9v", "=Zm9",  "Z===", "====",   "Zm-_",    "Zg=v",
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct px_buffer bytes = {0};
        struct proximadb_error error;
        int rc = px_base64_decode(px_slice_of_string(faults[i]), &bytes, &error);
        if (rc != PROXIMADB_INVALID)
            fail_msg("'%s' was accepted", faults[i]);
        assert_int_equal(bytes.size_bytes, 0);
        px_buffer_release(&bytes);
    }
}

static void test_base64__says_where_the_fault_is(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    struct proximadb_error error;
    assert_int_equal(px_base64_decode(px_slice_of_string("Zm9vZm9vZ*9v"), &bytes, &error),
                     PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "from 8 on"));
    px_buffer_release(&bytes);
}

static void check_unpadded(struct px_slice bytes, const char *expected)
{
    char text[16];
    memset(text, '!', sizeof text);
    assert_int_equal(px_base64_size(bytes.size_bytes), strlen(expected));
    px_base64_encode(bytes, text);
    assert_memory_equal(text, expected, strlen(expected));
    assert_int_equal(text[strlen(expected)], '!');
}

static void test_base64__writes_without_padding_for_headers(void **state)
{
    (void)state;
    const char *expected[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t size = 0; size <= 6; size++)
        check_unpadded(px_slice_of("foobar", size), expected[size]);
    check_unpadded(px_slice_of("\xfb\xef\xff\x00", 4), "++//AA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64__gives_the_vectors_of_rfc_4648),
        cmocka_unit_test(test_base64__reads_what_it_writes),
        cmocka_unit_test(test_base64__refuses_what_is_not_strict),
        cmocka_unit_test(test_base64__says_where_the_fault_is),
        cmocka_unit_test(test_base64__writes_without_padding_for_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
