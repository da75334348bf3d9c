/*
 * cmocka_shim: as much of cmocka as the tests of src/simd and src/axis use, for builds where the
 * library does not exist: tools/test_neon compiles those tests for ARM and runs them in an emulator.
 *
 * A failed assertion ends the program. Values are compared as cmocka does: integers as 64 bits.
 */
#ifndef PX_CMOCKA_SHIM_H
#define PX_CMOCKA_SHIM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(function) \
    {                              \
#function, function        \
    }

#define cmocka_run_group_tests(tests, setup, teardown) \
    px_shim_run((tests), sizeof(tests) / sizeof((tests)[0]))

static inline int px_shim_run(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        printf("[ RUN      ] %s\n", tests[i].name);
        tests[i].run(&state);
        printf("[       OK ] %s\n", tests[i].name);
    }
    return 0;
}

#define print_message(...) printf(__VA_ARGS__)

#define fail_msg(...)                          \
    do {                                       \
        printf("%s:%d: ", __FILE__, __LINE__); \
        printf(__VA_ARGS__);                   \
        printf("\n");                          \
        exit(1);                               \
    } while (0)

#define PX_SHIM_ASSERT(condition)               \
    do {                                        \
        if (!(condition))                       \
            fail_msg("failed: %s", #condition); \
    } while (0)

#define assert_true(condition)        PX_SHIM_ASSERT(condition)
#define assert_false(condition)       PX_SHIM_ASSERT(!(condition))
#define assert_null(pointer)          PX_SHIM_ASSERT((pointer) == NULL)
#define assert_non_null(pointer)      PX_SHIM_ASSERT((pointer) != NULL)
#define assert_int_equal(a, b)        PX_SHIM_ASSERT((int64_t)(a) == (int64_t)(b))
#define assert_int_not_equal(a, b)    PX_SHIM_ASSERT((int64_t)(a) != (int64_t)(b))
#define assert_ptr_equal(a, b)        PX_SHIM_ASSERT((a) == (b))
#define assert_in_range(a, low, high) PX_SHIM_ASSERT((a) >= (low) && (a) <= (high))
#define assert_string_equal(a, b)     PX_SHIM_ASSERT(strcmp((a), (b)) == 0)
#define assert_memory_equal(a, b, n)  PX_SHIM_ASSERT(memcmp((a), (b), (n)) == 0)

#endif /* PX_CMOCKA_SHIM_H */
