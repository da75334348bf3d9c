/*
 * clock: wall time and monotonic time behind a table, so that tests of rotation and expiry can turn
 * the hands themselves.
 *
 * Threads: any thread.
 */
#ifndef PX_BASE_CLOCK_H
#define PX_BASE_CLOCK_H

#include <stdint.h>

struct px_clock {
    int64_t (*wall_ms)(const struct px_clock *clock);      /* since 1970, UTC */
    int64_t (*monotonic_ms)(const struct px_clock *clock); /* never goes back */
};

/* The system's clocks. */
extern const struct px_clock px_clock_system;

/* The system's monotonic clock (CLOCK_MONOTONIC) in nanoseconds, for measuring and waiting. */
int64_t px_clock_now_ns(void);

/* Formats a wall time as "2024-01-15T12:00:00.123Z" (25 bytes with the NUL); outside of the years
 * 1000 to 9999 as "-30610224000001 ms". */
enum { PX_CLOCK_TEXT_BYTES = 32 };
void px_clock_format(int64_t wall_ms, char text[PX_CLOCK_TEXT_BYTES]);

/* Reads a time of the first form that px_clock_format() writes; -1 if the text is anything else. */
int64_t px_clock_parse(const char *text);

#endif /* PX_BASE_CLOCK_H */
