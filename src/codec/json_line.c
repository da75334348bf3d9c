#include "codec/json_line.h"

#include "codec/json.h"
#include "codec/utf8.h"

#include <inttypes.h>

void px_json_line_begin(struct px_buffer *buffer, const char *kind)
{
    px_buffer_append_format(buffer, "{\"kind\":\"%s\"", kind);
}

void px_json_line_end(struct px_buffer *buffer)
{
    px_buffer_append(buffer, "}\n", 2);
}

void px_json_line_u64(struct px_buffer *buffer, const char *key, uint64_t value)
{
    px_buffer_append_format(buffer, ",\"%s\":%" PRIu64, key, value);
}

void px_json_line_i64(struct px_buffer *buffer, const char *key, int64_t value)
{
    px_buffer_append_format(buffer, ",\"%s\":%" PRId64, key, value);
}

void px_json_line_bool(struct px_buffer *buffer, const char *key, bool value)
{
    px_buffer_append_format(buffer, ",\"%s\":%s", key, value ? "true" : "false");
}

void px_json_line_double(struct px_buffer *buffer, const char *key, double value)
{
    px_buffer_append_format(buffer, ",\"%s\":", key);
    px_json_append_double(buffer, value);
}

/* The bytes of the character at the beginning of `text`, or 0 where there is no valid one. */
static size_t character_bytes(struct px_slice text)
{
    uint8_t first = text.data[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    bool valid = size <= text.size_bytes && px_utf8_validate(px_slice_of(text.data, size));
    return valid ? size : 0;
}

static void append_replaced(struct px_buffer *buffer, struct px_slice text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    struct px_buffer valid = {0};
    while (text.size_bytes > 0) {
        size_t size = character_bytes(text);
        if (size > 0)
            px_buffer_append(&valid, text.data, size);
        else
            px_buffer_append(&valid, replacement, sizeof replacement - 1);
        size = size > 0 ? size : 1;
        text = px_slice_of(text.data + size, text.size_bytes - size);
    }
    if (valid.status == PROXIMADB_OK)
        px_json_append_string(buffer, px_buffer_slice(&valid));
    else if (buffer->status == PROXIMADB_OK)
        buffer->status = valid.status;
    px_buffer_release(&valid);
}

void px_json_line_text(struct px_buffer *buffer, const char *key, struct px_slice value)
{
    px_buffer_append_format(buffer, ",\"%s\":", key);
    if (px_utf8_validate(value))
        px_json_append_string(buffer, value);
    else
        append_replaced(buffer, value);
}

void px_json_line_string(struct px_buffer *buffer, const char *key, const char *value)
{
    px_json_line_text(buffer, key, px_slice_of_string(value));
}
