/* Goal: uuids are random, version 4, and survive being written and read. */
#include "base/uuid.h"

#include "support/px_test.h"

static void test_uuid__makes_version_4(void **state)
{
    (void)state;
    struct px_uuid a = px_uuid_new(), b = px_uuid_new();
    assert_false(px_uuid_equal(a, b));
    assert_int_equal(a.bytes[6] >> 4, 4);
    assert_int_equal(a.bytes[8] >> 6, 2);
}

static void test_uuid__reads_what_it_writes(void **state)
{
    (void)state;
    char text[PX_UUID_TEXT_BYTES];
    struct px_uuid uuid = px_uuid_new(), again;
    px_uuid_format(uuid, text);
    assert_int_equal(strlen(text), 36);
    assert_true(px_uuid_parse(text, &again));
    assert_true(px_uuid_equal(uuid, again));
    assert_true(px_uuid_parse("123E4567-e89b-42d3-a456-426614174000", &again));
    px_uuid_format(again, text);
    assert_string_equal(text, "123e4567-e89b-42d3-a456-426614174000");
}

static void test_uuid__refuses_other_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1",
        "123e4567-e89b-42d3-a456-42661417400",
        "123e4567-e89b-42d3-a456-4266141740000",
        "123e4567xe89b-42d3-a456-426614174000",
        "123e4567-e89b-42d3-a456-42661417400g",
    };
    struct px_uuid uuid = {{0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(px_uuid_parse(bad[i], &uuid));
    assert_int_equal(uuid.bytes[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid__makes_version_4),
        cmocka_unit_test(test_uuid__reads_what_it_writes),
        cmocka_unit_test(test_uuid__refuses_other_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
