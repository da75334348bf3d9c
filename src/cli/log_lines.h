/*
 * log_lines: what the server and the engine log, as lines on a stream: one event, one line.
 *
 *      time=2024-01-15T12:00:00.123Z level=info message="listening on 127.0.0.1:5678"
 *      {"kind":"log","time":"2024-01-15T12:00:00.123Z","level":"info","message":"..."}
 *
 * The second form is that of as_json. Whatever stands in a message, a line holds no control
 * characters, quotes in it are escaped, and it is written at once, so lines of several threads are
 * never mixed.
 *
 * Threads: any, for px_log_lines_write().
 */
#ifndef PX_CLI_LOG_LINES_H
#define PX_CLI_LOG_LINES_H

#include "base/buffer.h"

#include <stdio.h>

struct px_log_lines {
    FILE *stream;
    int most_level; /* enum proximadb_log_level; what is above is left out */
    bool as_json;
};

/* The sink of struct px_log and proximadb_options; context is a struct px_log_lines, kept. */
void px_log_lines_write(void *context, int level, const char *message);

/* One line with its newline, appended. */
void px_log_lines_format(struct px_buffer *line, bool as_json, int64_t wall_ms, int level,
                         const char *message);

#endif /* PX_CLI_LOG_LINES_H */
