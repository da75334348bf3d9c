/*
 * flags_sample: a table with a flag of each kind, for the tests of what reads such tables.
 */
#ifndef PX_TEST_FLAGS_SAMPLE_H
#define PX_TEST_FLAGS_SAMPLE_H

#include "cli/flags.h"

struct sample {
    bool json;
    const char *data;
    const char *config;
    struct px_texts listen;
    uint64_t limit_bytes;
    uint64_t wait_ms;
    uint64_t threads;
    int level;
};

static const char *const sample_levels[] = {"error", "info", "debug", NULL};

static const struct px_flag sample_flags[] = {
    {"json", NULL, "a switch", NULL, PX_FLAG_SWITCH, offsetof(struct sample, json), 0, 0, NULL},
    {"data", "DIR", "a text", NULL, PX_FLAG_TEXT, offsetof(struct sample, data), 0, 0, NULL},
    {"config", "FILE", "a file", NULL, PX_FLAG_TEXT, offsetof(struct sample, config), 0, 0, NULL},
    {"listen", "ADDR", "a list", "default:1", PX_FLAG_LIST, offsetof(struct sample, listen), 0, 0,
     NULL},
    {"size-limit", "SIZE", "a size", "64MiB", PX_FLAG_SIZE, offsetof(struct sample, limit_bytes),
     4096, 1 << 30, NULL},
    {"wait", "TIME", "a time", "5s", PX_FLAG_TIME, offsetof(struct sample, wait_ms), 100, 60000,
     NULL},
    {"threads", "COUNT", "a count", NULL, PX_FLAG_COUNT, offsetof(struct sample, threads), 1, 0,
     NULL},
    {"log-level", "LEVEL", "a word", "info", PX_FLAG_WORD, offsetof(struct sample, level), 0, 0,
     sample_levels},
};

static const struct px_flag_table sample_table = {
    .command = "try",
    .flags = sample_flags,
    .count = sizeof sample_flags / sizeof sample_flags[0],
    .most_arguments = 2,
    .reads_environment = true,
    .config_flag = "config",
};

/* Takes the table's variables out of the environment, whatever the caller of the test has there. */
static inline void sample_clear_environment(void)
{
    for (size_t i = 0; i < sample_table.count; i++) {
        char name[PX_FLAG_VARIABLE_BYTES];
        px_flag_variable(&sample_flags[i], name);
        unsetenv(name);
    }
}

#endif /* PX_TEST_FLAGS_SAMPLE_H */
