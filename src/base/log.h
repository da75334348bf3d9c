/*
 * log: where the engine's few log lines go: to the function that proximadb_open() was given.
 *
 * The library never prints. It logs what no caller is told otherwise: a torn tail that was cut, a
 * collection that came up read-only, a background task that failed.
 *
 * Threads: any thread; the sink must cope with several at once.
 */
#ifndef PX_BASE_LOG_H
#define PX_BASE_LOG_H

#include "base/error.h"

struct px_log {
    void (*write)(void *context, int level, const char *line); /* NULL: silent */
    void *context;
};

/* Writes one line, cut at 1,000 bytes. log may be NULL. */
void px_log_write(const struct px_log *log, int level, const char *format, ...) PX_PRINTF(3, 4);

#endif /* PX_BASE_LOG_H */
