#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

enum { LONGEST_LINE_BYTES = 1000 };

void px_log_write(const struct px_log *log, int level, const char *format, ...)
{
    if (log == NULL || log->write == NULL)
        return;
    char line[LONGEST_LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log->write(log->context, level, line);
}
