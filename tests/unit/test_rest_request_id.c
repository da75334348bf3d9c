/*
 * Goal: a key always means the same request id: a uuid its bytes, other texts their hash, with or
 * without quotes; what is no key is refused.
 * Method: the uuid's bytes written out, and the hash of a text as another XXH3 gives it.
 */
#include "rest/rest_request_id.h"

#include "support/rest_test.h"

static struct proximadb_error error;
static uint8_t id[16];

static int parse(const char *key)
{
    return px_rest_request_id_parse(px_slice_of_string(key), id, &error);
}

static void expect_id(const char *key, const char *expected)
{
    assert_int_equal(parse(key), PROXIMADB_OK);
    assert_memory_equal(id, expected, 16);
}

static void test_rest_request_id__takes_uuids_as_they_are(void **state)
{
    (void)state;
    static const char bytes[] = "\x12\x3e\x45\x67\xe8\x9b\x42\xd3\xa4\x56\x42\x66\x14\x17\x40\x00";
    expect_id("123e4567-e89b-42d3-a456-426614174000", bytes);
    expect_id("\"123E4567-e89b-42d3-a456-426614174000\"", bytes);
}

static void test_rest_request_id__hashes_other_texts(void **state)
{
    (void)state;
    /* python: xxhash.xxh3_128(b"abc").digest() */
    static const char digest[] = "\x06\xb0\x5a\xb6\x73\x3a\x61\x85\x78\xaf\x5f\x94\x89\x2f\x39\x50";
    expect_id("abc", digest);
    expect_id("\"abc\"", digest);
    assert_int_equal(parse("123e4567-e89b-42d3-a456-42661417400g"), PROXIMADB_OK);
    assert_int_not_equal(id[0], 0x12);
    uint8_t other[16];
    memcpy(other, id, sizeof other);
    assert_int_equal(parse("\""), PROXIMADB_OK); /* one quote is a text, too */
    assert_memory_not_equal(id, other, sizeof other);
}

static void test_rest_request_id__refuses_what_is_no_key(void **state)
{
    (void)state;
    char longest[PX_REST_LONGEST_KEY_BYTES + 2];
    memset(longest, 'k', sizeof longest);
    longest[PX_REST_LONGEST_KEY_BYTES] = '\0';
    assert_int_equal(parse(longest), PROXIMADB_OK);
    longest[PX_REST_LONGEST_KEY_BYTES] = 'k';
    longest[PX_REST_LONGEST_KEY_BYTES + 1] = '\0';
    const char *bad[] = {"", "\"\"", "a\\b", "a\tb", "caf\xc3\xa9", "\x7f", longest};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        rest_expect_error(parse(bad[i]), &error, PROXIMADB_INVALID, "1 to 128 visible");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_request_id__takes_uuids_as_they_are),
        cmocka_unit_test(test_rest_request_id__hashes_other_texts),
        cmocka_unit_test(test_rest_request_id__refuses_what_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
