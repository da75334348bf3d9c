/*
 * progress: how far a command has come, on standard error if that is a terminal, and nothing
 * otherwise.
 *
 *      import: 120,000 of 1,000,000 rows, 52,310 rows/s
 *
 * Threads: one.
 */
#ifndef PX_CLI_PROGRESS_H
#define PX_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct px_progress {
    const char *what;
    uint64_t total; /* 0: unknown */
    bool is_shown;
    int64_t begin_ns;
    int64_t shown_ns;
};

void px_progress_begin(struct px_progress *progress, const char *what, uint64_t total);

/* Shows `rows`, a few times a second at most. */
void px_progress_update(struct px_progress *progress, uint64_t rows);

/* Wipes the line; gives the seconds since it began. */
double px_progress_end(struct px_progress *progress);

#endif /* PX_CLI_PROGRESS_H */
