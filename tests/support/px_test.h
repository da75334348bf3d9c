/*
 * px_test: what every unit test includes: cmocka, a random generator with a printed seed, and a
 * scratch folder.
 */
#ifndef PX_TEST_H
#define PX_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* splitmix64 (Steele, Lea, Flood 2014): any seed is good, and a run can be repeated from it. */
struct px_test_random {
    uint64_t state;
};

/* Takes the seed from PX_TEST_SEED or makes one, and prints it. */
static inline struct px_test_random px_test_random_new(const char *name)
{
    const char *given = getenv("PX_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0)
                                  : (uint64_t)(uintptr_t)&given ^ (uint64_t)(uintptr_t)&printf;
    print_message("%s: PX_TEST_SEED=%llu\n", name, (unsigned long long)seed);
    return (struct px_test_random){.state = seed};
}

static inline uint64_t px_test_next(struct px_test_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to limit - 1. */
static inline uint64_t px_test_below(struct px_test_random *random, uint64_t limit)
{
    return px_test_next(random) % limit;
}

/* -1 to 1. */
static inline float px_test_float(struct px_test_random *random)
{
    return (float)(px_test_next(random) >> 40) * 0x1p-23f - 1.0f;
}

/* Of all moments at which something may fail, every how manieth is tried: every `quick`-th in a run of
 * all tests; PX_FAULT_STEP=1 tries each. A step that neither 2, 3 nor 5 divides meets all that goes by
 * the moment's number. */
static inline uint64_t px_test_fault_step(uint64_t quick)
{
    const char *given = getenv("PX_FAULT_STEP");
    uint64_t step = given != NULL ? strtoull(given, NULL, 10) : quick;
    return step > 0 ? step : 1;
}

/* An empty folder of this process's own below the build folder's scratch/, as a static string. A
 * second call empties it. */
static inline const char *px_test_folder(const char *name)
{
    static char path[256];
    char command[600];
    snprintf(path, sizeof path, "scratch/%s", name);
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", path, path);
    assert_int_equal(system(command), 0);
    return path;
}

#endif /* PX_TEST_H */
