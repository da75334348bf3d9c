#include "rpc/grpc_timeout.h"

enum { MOST_DIGITS = 8 };

/* Nanoseconds of a unit, or 0. */
static int64_t unit_ns(uint8_t unit)
{
    switch (unit) {
    case 'H':
        return INT64_C(3600000000000);
    case 'M':
        return INT64_C(60000000000);
    case 'S':
        return 1000000000;
    case 'm':
        return 1000000;
    case 'u':
        return 1000;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool px_grpc_timeout_parse(struct px_slice text, int64_t *ret_ms)
{
    if (text.size_bytes < 2 || text.size_bytes > MOST_DIGITS + 1)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i + 1 < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = 10 * value + (text.data[i] - '0');
    }
    int64_t unit = unit_ns(text.data[text.size_bytes - 1]);
    if (unit == 0)
        return false;
    /* 99,999,999 hours in nanoseconds would not fit, in milliseconds they do. */
    if (unit >= 1000000)
        *ret_ms = value * (unit / 1000000);
    else
        *ret_ms = (value * unit + 999999) / 1000000;
    return true;
}
