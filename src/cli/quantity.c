#include "cli/quantity.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", UINT64_C(1000000000000)},
};

static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000},
};

static const struct unit no_units[] = {{"", 1}};

/* Reads digits, and a unit behind them. */
static bool parse(const char *text, const struct unit *units, size_t unit_count,
                  uint64_t *ret_value)
{
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0)
        return false;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
            return false;
    for (size_t i = 0; i < unit_count; i++)
        if (strcasecmp(text + digits, units[i].name) == 0) {
            if (__builtin_mul_overflow(number, units[i].factor, &number))
                return false;
            *ret_value = number;
            return true;
        }
    return false;
}

bool px_quantity_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse(text, size_units, sizeof size_units / sizeof size_units[0], ret_bytes);
}

bool px_quantity_parse_time(const char *text, uint64_t *ret_ms)
{
    return parse(text, time_units, sizeof time_units / sizeof time_units[0], ret_ms);
}

bool px_quantity_parse_count(const char *text, uint64_t *ret_count)
{
    return parse(text, no_units, 1, ret_count);
}

void px_quantity_format_size(uint64_t bytes, char text[PX_QUANTITY_TEXT_BYTES])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    /* 1023.95 would be printed as 1024.0. */
    for (; value >= 1023.95 && unit + 1 < sizeof names / sizeof names[0]; unit++)
        value /= 1024;
    if (unit == 0)
        snprintf(text, PX_QUANTITY_TEXT_BYTES, "%d B", (int)bytes);
    else
        snprintf(text, PX_QUANTITY_TEXT_BYTES, "%.1f %s", value, names[unit]);
}

void px_quantity_format_count(uint64_t count, char text[PX_QUANTITY_TEXT_BYTES])
{
    char digits[PX_QUANTITY_TEXT_BYTES];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}
