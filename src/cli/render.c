#include "cli/render.h"

#include "cli/quantity.h"
#include "codec/json.h"
#include "codec/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    KIND_COLUMN = 12,
    LONGEST_TEXT_BYTES = 240, /* of one member; what is longer is for programs, which take JSON */
};

/* ---- one line ------------------------------------------------------------------------------ */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);
    return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static bool is_plain(const char *text)
{
    return text[0] != '\0' && strpbrk(text, " \t\r\n\"=") == NULL;
}

/* Anything, as JSON. */
static void put_json(yyjson_val *value, struct px_buffer *text)
{
    size_t size = 0;
    char *json = yyjson_val_write(value, 0, &size);
    if (json == NULL)
        text->status = PROXIMADB_NO_MEMORY;
    else
        px_buffer_append(text, json, size);
    free(json);
}

static void put_value(const char *key, yyjson_val *value, struct px_buffer *text)
{
    char number[PX_QUANTITY_TEXT_BYTES];
    bool is_count = has_suffix(key, "_count"), is_size = has_suffix(key, "_bytes");
    if (yyjson_is_uint(value) && (is_count || is_size)) {
        if (is_size)
            px_quantity_format_size(yyjson_get_uint(value), number);
        else
            px_quantity_format_count(yyjson_get_uint(value), number);
        px_buffer_append_format(text, "%s", number);
    } else if (yyjson_get_len(value) > LONGEST_TEXT_BYTES && yyjson_is_str(value)) {
        struct px_slice all = px_slice_of(yyjson_get_str(value), yyjson_get_len(value));
        px_quantity_format_count(all.size_bytes, number);
        px_buffer_append(text, all.data, px_utf8_cut(all, LONGEST_TEXT_BYTES / 4));
        px_buffer_append_format(text, "...(%s bytes)", number);
    } else if (yyjson_is_str(value) && is_plain(yyjson_get_str(value))) {
        px_buffer_append_format(text, "%s", yyjson_get_str(value));
    } else if (yyjson_is_null(value)) {
        px_buffer_append_byte(text, '-');
    } else {
        put_json(value, text);
    }
}

static void put_members(yyjson_val *object, struct px_buffer *text)
{
    yyjson_val *key_value, *value;
    size_t index, count;
    yyjson_obj_foreach(object, index, count, key_value, value)
    {
        const char *key = yyjson_get_str(key_value);
        if (strcmp(key, "kind") == 0)
            continue;
        size_t length = strlen(key) - (has_suffix(key, "_bytes") ? strlen("_bytes") : 0);
        px_buffer_append_format(text, " %.*s=", (int)length, key);
        put_value(key, value, text);
    }
}

static const char *string_of(yyjson_val *object, const char *key)
{
    const char *value = yyjson_get_str(yyjson_obj_get(object, key));
    return value != NULL ? value : "";
}

static void put_object(yyjson_val *object, struct px_buffer *text)
{
    const char *kind = string_of(object, "kind");
    if (strcmp(kind, "finding") == 0) {
        px_buffer_append_format(text, "%-*s %s: %s\n", KIND_COLUMN, string_of(object, "severity"),
                                string_of(object, "file"), string_of(object, "what"));
        return;
    }
    px_buffer_append_format(text, "%-*s", KIND_COLUMN, kind);
    put_members(object, text);
    px_buffer_append_byte(text, '\n');
}

void px_render_line(struct px_slice line, struct px_buffer *text)
{
    yyjson_doc *doc = NULL;
    int rc = px_json_parse(line, &doc, NULL);
    if (rc == PROXIMADB_OK && yyjson_is_obj(yyjson_doc_get_root(doc))) {
        put_object(yyjson_doc_get_root(doc), text);
    } else {
        px_buffer_append_slice(text, line);
        px_buffer_append_byte(text, '\n');
    }
    yyjson_doc_free(doc);
}

/* ---- a stream of lines --------------------------------------------------------------------- */

static bool write_all(struct px_render *render, const void *data, size_t size_bytes)
{
    if (size_bytes > 0 && fwrite(data, 1, size_bytes, render->stream) != size_bytes)
        render->cannot_write = true;
    return !render->cannot_write;
}

/* The whole lines of `rest`, rendered. */
static bool write_lines(struct px_render *render, struct px_slice lines)
{
    struct px_buffer text = {0};
    while (lines.size_bytes > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size_bytes);
        size_t size = end != NULL ? (size_t)(end - lines.data) : lines.size_bytes;
        px_render_line(px_slice_of(lines.data, size), &text);
        size += end != NULL;
        lines = px_slice_of(lines.data + size, lines.size_bytes - size);
    }
    bool written = text.status == PROXIMADB_OK && write_all(render, text.data, text.size_bytes);
    px_buffer_release(&text);
    return written;
}

bool px_render_sink(void *context, const char *text, size_t size_bytes)
{
    struct px_render *render = context;
    if (render->as_json)
        return write_all(render, text, size_bytes);
    px_buffer_append(&render->rest, text, size_bytes);
    if (render->rest.status != PROXIMADB_OK)
        return false;
    size_t whole = render->rest.size_bytes;
    while (whole > 0 && render->rest.data[whole - 1] != '\n')
        whole--;
    if (!write_lines(render, px_slice_of(render->rest.data, whole)))
        return false;
    if (whole > 0)
        memmove(render->rest.data, render->rest.data + whole, render->rest.size_bytes - whole);
    render->rest.size_bytes -= whole;
    return true;
}

int px_render_end(struct px_render *render, int status, struct proximadb_error *reterr)
{
    write_lines(render, px_buffer_slice(&render->rest));
    int memory = px_buffer_status(&render->rest, status == PROXIMADB_CANCELLED ? reterr : NULL);
    px_buffer_release(&render->rest);
    if (fflush(render->stream) != 0 || render->cannot_write)
        return px_fail(reterr, PROXIMADB_IO, "the output cannot be written");
    return status == PROXIMADB_CANCELLED && memory != PROXIMADB_OK ? memory : status;
}
