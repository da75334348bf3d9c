#include "codec/json.h"

#include "base/bits.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* ---- structure ----------------------------------------------------------------------------- */

static bool is_structural(uint8_t byte)
{
    return byte == '"' || byte == '[' || byte == ']' || byte == '{' || byte == '}';
}

/* Whether one of eight bytes may be structural: with the bits 0x26 set, all brackets are 0x7f, and
 * so are few other characters. Subtracting 1 from each byte borrows where a byte is 0 (Mycroft's
 * test, which never misses one). */
static bool may_be_structural(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t brackets = (bytes | ones * 0x26) ^ (ones * 0x7f);
    uint64_t quotes = bytes ^ (ones * '"');
    uint64_t zeros = ((brackets - ones) & ~brackets) | ((quotes - ones) & ~quotes);
    return (zeros & (ones * 0x80)) != 0;
}

size_t px_json_find_structural(struct px_slice text, size_t from)
{
    size_t at = from;
    for (;;) {
        while (at + 8 <= text.size_bytes && !may_be_structural(px_load_u64(text.data + at)))
            at += 8;
        size_t end = at + 8 < text.size_bytes ? at + 8 : text.size_bytes;
        while (at < end && !is_structural(text.data[at]))
            at++;
        if (at < end || at >= text.size_bytes)
            return at < text.size_bytes ? at : text.size_bytes;
    }
}

/* An odd number of backslashes in front of a quote makes it a part of the string. */
static bool is_escaped(const uint8_t *begin, const uint8_t *quote)
{
    const uint8_t *at = quote;
    while (at > begin && at[-1] == '\\')
        at--;
    return (quote - at) % 2 != 0;
}

size_t px_json_skip_string(struct px_slice text, size_t from)
{
    const uint8_t *begin = text.data + from + 1;
    const uint8_t *end = text.data + text.size_bytes;
    for (const uint8_t *at = begin; at < end; at++) {
        at = memchr(at, '"', (size_t)(end - at));
        if (at == NULL)
            break;
        if (!is_escaped(begin, at))
            return (size_t)(at + 1 - text.data);
    }
    return text.size_bytes;
}

/* The depth of brackets outside strings; the text need not be valid. */
static bool too_deep(struct px_slice text)
{
    int depth = 0;
    size_t at = px_json_find_structural(text, 0);
    while (at < text.size_bytes) {
        uint8_t byte = text.data[at];
        if (byte == '[' || byte == '{')
            depth++;
        else if (byte != '"')
            depth--;
        if (depth > PX_JSON_DEEPEST)
            return true;
        at = px_json_find_structural(text, byte == '"' ? px_json_skip_string(text, at) : at + 1);
    }
    return false;
}

/* ---- parsing ------------------------------------------------------------------------------- */

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

/* ---- a ceiling ----------------------------------------------------------------------------- */

/* Counts what yyjson takes while it parses. Freeing does not count back: what yyjson frees in the
 * middle it has copied. */
struct ceiling {
    size_t left_bytes;
    bool is_hit;
};

static bool take(struct ceiling *ceiling, size_t size_bytes)
{
    if (size_bytes > ceiling->left_bytes) {
        ceiling->is_hit = true;
        return false;
    }
    ceiling->left_bytes -= size_bytes;
    return true;
}

static void *limited_malloc(void *context, size_t size_bytes)
{
    return take(context, size_bytes) ? malloc(size_bytes) : NULL;
}

static void *limited_realloc(void *context, void *old, size_t old_bytes, size_t size_bytes)
{
    size_t more_bytes = size_bytes > old_bytes ? size_bytes - old_bytes : 0;
    return take(context, more_bytes) ? realloc(old, size_bytes) : NULL;
}

/* The document is freed by this when the ceiling is gone. */
static void limited_free(void *context, void *memory)
{
    (void)context;
    free(memory);
}

int px_json_parse_limited(struct px_slice text, size_t memory_limit_bytes, yyjson_doc **ret_doc,
                          struct proximadb_error *reterr)
{
    struct ceiling ceiling = {.left_bytes = memory_limit_bytes};
    const yyjson_alc allocator = {.malloc = limited_malloc,
                                  .realloc = limited_realloc,
                                  .free = limited_free,
                                  .ctx = &ceiling};
    int rc = parse(text, YYJSON_READ_BIGNUM_AS_RAW, &allocator, ret_doc, reterr);
    if (rc != PROXIMADB_OK && ceiling.is_hit)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "the JSON has too many values: they take more than %zu bytes of memory; "
                       "send less at a time",
                       memory_limit_bytes);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------- */

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

/* Writes up to FLOATS_AT_ONCE floats as "[a,b,c]"; *ret_size counts that. yyjson keeps a number in
 * place as its value and a tag, and an array as its size in front of its values. */
enum { FLOATS_AT_ONCE = 64, LONGEST_FLOAT_BYTES = 40 /* what yyjson sets aside for a number */ };

static char *write_floats(const uint8_t *floats, size_t count, const yyjson_alc *allocator,
                          size_t *ret_size)
{
    yyjson_val values[1 + FLOATS_AT_ONCE];
    values[0].tag = ((uint64_t)count << YYJSON_TAG_BIT) | YYJSON_TYPE_ARR;
    values[0].uni.ofs = (1 + count) * sizeof values[0];
    for (size_t i = 0; i < count; i++) {
        float value = px_load_f32(floats + i * sizeof(float));
        assert(isfinite(value));
        values[1 + i].tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL;
        values[1 + i].uni.f64 = (double)value;
    }
    return yyjson_val_write_opts(values, YYJSON_WRITE_FP_TO_FLOAT, allocator, ret_size, NULL);
}

void px_json_append_floats(struct px_buffer *buffer, const void *floats, size_t count)
{
    char memory[(2 + FLOATS_AT_ONCE) * LONGEST_FLOAT_BYTES + 1024];
    const uint8_t *at = floats;
    px_buffer_append_byte(buffer, '[');
    for (size_t done = 0, part; done < count; done += part, at += part * sizeof(float)) {
        yyjson_alc allocator;
        size_t size;
        part = count - done < FLOATS_AT_ONCE ? count - done : FLOATS_AT_ONCE;
        yyjson_alc_pool_init(&allocator, memory, sizeof memory);
        char *text = write_floats(at, part, &allocator, &size);
        assert(text != NULL && text[0] == '[' && text[size - 1] == ']');
        if (done > 0)
            px_buffer_append_byte(buffer, ',');
        px_buffer_append(buffer, text + 1, size - 2);
    }
    px_buffer_append_byte(buffer, ']');
}

/* ---- members ------------------------------------------------------------------------------- */

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
