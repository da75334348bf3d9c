#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

PX_PRINTF(4, 0)
static void fill(struct proximadb_error *reterr, int status, int64_t row_index, const char *format,
                 va_list args)
{
    int os_errno = status == PROXIMADB_IO ? errno : 0;
    reterr->status = status;
    reterr->os_errno = os_errno;
    reterr->row_index = row_index;
    reterr->expected = 0;
    reterr->actual = 0;

    size_t used = 0;
    if (row_index >= 0)
        used = (size_t)snprintf(reterr->message, sizeof reterr->message,
                                "row %lld: ", (long long)row_index);
    int length = vsnprintf(reterr->message + used, sizeof reterr->message - used, format, args);
    if (length < 0)
        reterr->message[used] = '\0';
    used += length > 0 ? (size_t)length : 0;
    if (os_errno != 0 && used + 1 < sizeof reterr->message)
        snprintf(reterr->message + used, sizeof reterr->message - used, ": %s", strerror(os_errno));
}

int px_fail(struct proximadb_error *reterr, int status, const char *format, ...)
{
    if (reterr == NULL)
        return status;
    va_list args;
    va_start(args, format);
    fill(reterr, status, -1, format, args);
    va_end(args);
    return status;
}

int px_fail_row(struct proximadb_error *reterr, int status, int64_t row_index, const char *format,
                ...)
{
    if (reterr == NULL)
        return status;
    va_list args;
    va_start(args, format);
    fill(reterr, status, row_index, format, args);
    va_end(args);
    return status;
}

int px_fail_numbers(struct proximadb_error *reterr, int status, int64_t row_index, int64_t expected,
                    int64_t actual, const char *format, ...)
{
    if (reterr == NULL)
        return status;
    va_list args;
    va_start(args, format);
    fill(reterr, status, row_index, format, args);
    va_end(args);
    reterr->expected = expected;
    reterr->actual = actual;
    return status;
}

int px_fail_no_memory(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_NO_MEMORY,
                   "out of memory; nothing was changed, try a smaller request");
}

static void put_in_front(struct proximadb_error *reterr, const char *front)
{
    char old[sizeof reterr->message];
    memcpy(old, reterr->message, sizeof old);
    /* A message that is too long is cut at its end. */
    snprintf(reterr->message, sizeof reterr->message, "%s: %s", front, old);
}

void px_error_context(struct proximadb_error *reterr, const char *format, ...)
{
    if (reterr == NULL)
        return;
    char front[sizeof reterr->message / 2];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(front, sizeof front, format, args);
    va_end(args);
    if (length > 0)
        put_in_front(reterr, front);
}

void px_error_set_row(struct proximadb_error *reterr, int64_t row_index)
{
    if (reterr == NULL || reterr->row_index >= 0)
        return;
    char front[32];
    snprintf(front, sizeof front, "row %lld", (long long)row_index);
    reterr->row_index = row_index;
    put_in_front(reterr, front);
}
