#include "codec/json.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* The depth of brackets outside strings; the text need not be valid. */
static bool too_deep(struct px_slice text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        uint8_t byte = text.data[i];
        if (in_string) {
            if (byte == '\\')
                i++;
            else if (byte == '"')
                in_string = false;
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '[' || byte == '{') {
            if (++depth > PX_JSON_DEEPEST)
                return true;
        } else if (byte == ']' || byte == '}') {
            depth--;
        }
    }
    return false;
}

static void locate(struct px_slice text, size_t at, size_t *ret_line, size_t *ret_column)
{
    *ret_line = 1;
    *ret_column = 1;
    for (size_t i = 0; i < at && i < text.size_bytes; i++) {
        *ret_column = text.data[i] == '\n' ? 1 : *ret_column + 1;
        *ret_line += text.data[i] == '\n';
    }
}

static int parse(struct px_slice text, yyjson_read_flag flags, const yyjson_alc *allocator,
                 yyjson_doc **ret_doc, struct proximadb_error *reterr)
{
    if (too_deep(text))
        return px_fail(reterr, PROXIMADB_INVALID, "the JSON is nested deeper than %d levels",
                       PX_JSON_DEEPEST);
    yyjson_read_err error;
    /* Without YYJSON_READ_INSITU the text is not written to; the cast is yyjson's own idiom. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.data, text.size_bytes, flags, allocator, &error);
    if (doc != NULL) {
        *ret_doc = doc;
        return PROXIMADB_OK;
    }
    if (error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return px_fail_no_memory(reterr);
    size_t line, column;
    locate(text, error.pos, &line, &column);
    return px_fail(reterr, PROXIMADB_INVALID, "not valid JSON at line %zu, column %zu: %s", line,
                   column, error.msg);
}

int px_json_parse(struct px_slice text, yyjson_doc **ret_doc, struct proximadb_error *reterr)
{
    return parse(text, YYJSON_READ_NOFLAG, NULL, ret_doc, reterr);
}

int px_json_parse_exact(struct px_slice text, void *memory, size_t memory_bytes,
                        yyjson_doc **ret_doc, struct proximadb_error *reterr)
{
    yyjson_alc pool;
    bool suffices =
        text.size_bytes < memory_bytes &&
        yyjson_read_max_memory_usage(text.size_bytes, YYJSON_READ_BIGNUM_AS_RAW) <= memory_bytes &&
        yyjson_alc_pool_init(&pool, memory, memory_bytes);
    return parse(text, YYJSON_READ_BIGNUM_AS_RAW, suffices ? &pool : NULL, ret_doc, reterr);
}

void px_json_write(const yyjson_mut_doc *doc, bool pretty, struct px_buffer *buffer)
{
    yyjson_write_flag flags = YYJSON_WRITE_NOFLAG;
    if (pretty)
        flags = YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_NEWLINE_AT_END;
    size_t size;
    char *text = yyjson_mut_write_opts(doc, flags, NULL, &size, NULL);
    if (text == NULL) {
        if (buffer->status == PROXIMADB_OK)
            buffer->status = PROXIMADB_NO_MEMORY;
        return;
    }
    px_buffer_append(buffer, text, size);
    free(text);
}

void px_json_append_string(struct px_buffer *buffer, struct px_slice text)
{
    static const char digits[] = "0123456789abcdef";
    px_buffer_append_byte(buffer, '"');
    /* An empty slice may have no address, and nothing may be added to none. */
    const uint8_t *data = text.size_bytes > 0 ? text.data : (const uint8_t *)"";
    size_t plain_begin = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        uint8_t byte = data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        px_buffer_append(buffer, data + plain_begin, i - plain_begin);
        plain_begin = i + 1;
        char escape[6] = {'\\', (char)byte};
        size_t size = 2;
        if (byte == '\n' || byte == '\r' || byte == '\t') {
            escape[1] = byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't';
        } else if (byte < 0x20) {
            memcpy(escape + 1, "u00", 3);
            escape[4] = digits[byte >> 4];
            escape[5] = digits[byte & 0x0f];
            size = 6;
        }
        px_buffer_append(buffer, escape, size);
    }
    px_buffer_append(buffer, data + plain_begin, text.size_bytes - plain_begin);
    px_buffer_append_byte(buffer, '"');
}

void px_json_append_double(struct px_buffer *buffer, double value)
{
    if (!isfinite(value)) {
        px_buffer_append(buffer, "null", 4);
        return;
    }
    char memory[1024]; /* for the writer, so that it need not allocate */
    yyjson_alc allocator;
    yyjson_val number;
    size_t size;
    yyjson_alc_pool_init(&allocator, memory, sizeof memory);
    number.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL;
    number.uni.f64 = value;
    char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &allocator, &size, NULL);
    assert(text != NULL);
    px_buffer_append(buffer, text, size);
}

bool px_json_get_string(yyjson_val *object, const char *key, struct px_slice *ret_value)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_str(value))
        return false;
    *ret_value = px_slice_of(yyjson_get_str(value), yyjson_get_len(value));
    return true;
}

bool px_json_get_u64(yyjson_val *object, const char *key, uint64_t *ret_value)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_uint(value))
        return false;
    *ret_value = yyjson_get_uint(value);
    return true;
}

bool px_json_get_i64(yyjson_val *object, const char *key, int64_t *ret_value)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (yyjson_is_sint(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX)) {
        *ret_value = yyjson_get_sint(value);
        return true;
    }
    return false;
}

bool px_json_get_bool(yyjson_val *object, const char *key, bool *ret_value)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_bool(value))
        return false;
    *ret_value = yyjson_get_bool(value);
    return true;
}
