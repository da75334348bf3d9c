/*
 * Goal: a prefix is read as it was written, and an unknown flag is refused.
 * Method: sizes at the edges of their bytes; all 256 flags.
 */
#include "rpc/grpc_prefix.h"

#include "support/px_test.h"

static void test_grpc_prefix__round_trips(void **state)
{
    (void)state;
    const uint32_t sizes[] = {0, 1, 255, 256, 65536, 0x01020304, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t bytes[PX_GRPC_PREFIX_BYTES];
        struct px_grpc_prefix prefix;
        px_grpc_prefix_write(bytes, sizes[i]);
        assert_true(px_grpc_prefix_read(bytes, &prefix));
        assert_int_equal(prefix.size_bytes, sizes[i]);
        assert_false(prefix.is_compressed);
    }
    uint8_t bytes[PX_GRPC_PREFIX_BYTES];
    px_grpc_prefix_write(bytes, 0x01020304);
    assert_memory_equal(bytes, "\0\1\2\3\4", 5);
}

static void test_grpc_prefix__knows_two_flags(void **state)
{
    (void)state;
    for (unsigned flag = 0; flag < 256; flag++) {
        const uint8_t bytes[PX_GRPC_PREFIX_BYTES] = {(uint8_t)flag};
        struct px_grpc_prefix prefix;
        assert_int_equal(px_grpc_prefix_read(bytes, &prefix), flag <= 1);
        if (flag <= 1)
            assert_int_equal(prefix.is_compressed, flag == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grpc_prefix__round_trips),
        cmocka_unit_test(test_grpc_prefix__knows_two_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
