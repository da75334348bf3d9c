#include "cli/log_lines.h"

#include "base/clock.h"
#include "codec/json_line.h"

static const char *level_name(int level)
{
    switch (level) {
    case PROXIMADB_LOG_ERROR:
        return "error";
    case PROXIMADB_LOG_WARNING:
        return "warning";
    case PROXIMADB_LOG_INFO:
        return "info";
    default:
        return "debug";
    }
}

static void put_quoted(struct px_buffer *line, const char *message)
{
    px_buffer_append_byte(line, '"');
    for (; *message != '\0'; message++) {
        unsigned char c = (unsigned char)*message;
        if (c == '"' || c == '\\')
            px_buffer_append_byte(line, '\\');
        if (c < ' ' || c == 0x7f)
            px_buffer_append_format(line, "\\x%02x", c);
        else
            px_buffer_append_byte(line, c);
    }
    px_buffer_append_byte(line, '"');
}

void px_log_lines_format(struct px_buffer *line, bool as_json, int64_t wall_ms, int level,
                         const char *message)
{
    char time[PX_CLOCK_TEXT_BYTES];
    px_clock_format(wall_ms, time);
    if (!as_json) {
        px_buffer_append_format(line, "time=%s level=%s message=", time, level_name(level));
        put_quoted(line, message);
        px_buffer_append_byte(line, '\n');
        return;
    }
    px_json_line_begin(line, "log");
    px_json_line_string(line, "time", time);
    px_json_line_string(line, "level", level_name(level));
    px_json_line_string(line, "message", message);
    px_json_line_end(line);
}

void px_log_lines_write(void *context, int level, const char *message)
{
    const struct px_log_lines *lines = context;
    struct px_buffer line = {0};
    if (level > lines->most_level)
        return;
    px_log_lines_format(&line, lines->as_json, px_clock_system.wall_ms(&px_clock_system), level,
                        message);
    if (line.status == PROXIMADB_OK) {
        fwrite(line.data, 1, line.size_bytes, lines->stream);
        fflush(lines->stream);
    }
    px_buffer_release(&line);
}
