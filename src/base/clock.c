#define _GNU_SOURCE
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t system_wall_ms(const struct px_clock *clock)
{
    (void)clock;
    return read_ns(CLOCK_REALTIME) / 1000000;
}

static int64_t system_monotonic_ms(const struct px_clock *clock)
{
    (void)clock;
    return read_ns(CLOCK_MONOTONIC) / 1000000;
}

const struct px_clock px_clock_system = {
    .wall_ms = system_wall_ms,
    .monotonic_ms = system_monotonic_ms,
};

int64_t px_clock_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

void px_clock_format(int64_t wall_ms, char text[PX_CLOCK_TEXT_BYTES])
{
    int64_t seconds_down = wall_ms / 1000, millis = wall_ms % 1000;
    if (millis < 0) {
        millis += 1000;
        seconds_down--;
    }
    time_t seconds = (time_t)seconds_down;
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || parts.tm_year < 1000 - 1900 ||
        parts.tm_year > 9999 - 1900) {
        snprintf(text, PX_CLOCK_TEXT_BYTES, "%lld ms", (long long)wall_ms);
        return;
    }
    size_t length = strftime(text, PX_CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, PX_CLOCK_TEXT_BYTES - length, ".%03dZ", (int)millis);
}

int64_t px_clock_parse(const char *text)
{
    int year, month, day, hour, minute, second, millis, length = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second,
               &millis, &length) != 7 ||
        text[length] != '\0')
        return -1;
    struct tm parts = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_sec = second};
    int64_t wall_ms = (int64_t)timegm(&parts) * 1000 + millis;
    char again[PX_CLOCK_TEXT_BYTES];
    px_clock_format(wall_ms, again);
    return strcmp(again, text) == 0 ? wall_ms : -1;
}
