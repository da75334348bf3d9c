#include "avro/fingerprint.h"

#include "codec/json.h"

#include <assert.h>

/* Of the empty string; as a polynomial it is the CRC's generator, too. */
#define CRC64_EMPTY UINT64_C(0xc15d213aa4d7a795)

static const char *const primitives[] = {"null",  "boolean", "int",   "long",
                                         "float", "double",  "bytes", "string"};

/*
 * Schemas nest, and so do the calls below; px_json_parse() bounds the depth of a document, and with
 * it theirs. `space` is the namespace that names without a dot are in.
 */
struct writer {
    struct px_buffer *buffer;
    struct proximadb_error *reterr;
};

static int write_schema(struct writer *writer, yyjson_val *schema, struct px_slice space);

static int invalid(struct writer *writer, const char *what)
{
    return px_fail(writer->reterr, PROXIMADB_INVALID, "not an Avro schema: %s", what);
}

static void put_text(struct writer *writer, const char *text)
{
    px_buffer_append_slice(writer->buffer, px_slice_of_string(text));
}

static bool is_primitive(struct px_slice name)
{
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++)
        if (px_slice_equal(name, px_slice_of_string(primitives[i])))
            return true;
    return false;
}

/* The size of what stands in front of the last dot, or SIZE_MAX. */
static size_t last_dot(struct px_slice name)
{
    for (size_t i = name.size_bytes; i > 0; i--)
        if (name.data[i - 1] == '.')
            return i - 1;
    return SIZE_MAX;
}

/* Names are letters, digits, underscores and dots; nothing in them needs an escape. */
static int put_name(struct writer *writer, struct px_slice name, struct px_slice space)
{
    for (size_t i = 0; i < name.size_bytes; i++) {
        uint8_t byte = name.data[i];
        bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        bool other = (byte >= '0' && byte <= '9') || byte == '_' || byte == '.';
        if (!letter && !other)
            return invalid(writer, "a name has other characters than A-Z, a-z, 0-9, _ and '.'");
    }
    if (name.size_bytes == 0)
        return invalid(writer, "a name is empty");
    put_text(writer, "\"");
    if (last_dot(name) == SIZE_MAX && space.size_bytes > 0) {
        px_buffer_append_slice(writer->buffer, space);
        put_text(writer, ".");
    }
    px_buffer_append_slice(writer->buffer, name);
    put_text(writer, "\"");
    return PROXIMADB_OK;
}

static int write_reference(struct writer *writer, struct px_slice name, struct px_slice space)
{
    return put_name(writer, name, is_primitive(name) ? px_slice_of("", 0) : space);
}

static int write_union(struct writer *writer, yyjson_val *branches, struct px_slice space)
{
    size_t i, count;
    yyjson_val *branch;
    put_text(writer, "[");
    yyjson_arr_foreach(branches, i, count, branch)
    {
        put_text(writer, i > 0 ? "," : "");
        int rc = write_schema(writer, branch, space);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    put_text(writer, "]");
    return PROXIMADB_OK;
}

static int write_field(struct writer *writer, yyjson_val *field, struct px_slice space)
{
    struct px_slice name;
    if (!px_json_get_string(field, "name", &name))
        return invalid(writer, "a field has no name");
    put_text(writer, "{\"name\":");
    int rc = put_name(writer, name, px_slice_of("", 0));
    if (rc != PROXIMADB_OK)
        return rc;
    put_text(writer, ",\"type\":");
    rc = write_schema(writer, yyjson_obj_get(field, "type"), space);
    put_text(writer, "}");
    return rc;
}

static int write_fields(struct writer *writer, yyjson_val *schema, struct px_slice space)
{
    yyjson_val *fields = yyjson_obj_get(schema, "fields");
    size_t i, count;
    yyjson_val *field;
    if (!yyjson_is_arr(fields))
        return invalid(writer, "a record has no fields");
    put_text(writer, ",\"fields\":[");
    yyjson_arr_foreach(fields, i, count, field)
    {
        put_text(writer, i > 0 ? "," : "");
        int rc = write_field(writer, field, space);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    put_text(writer, "]");
    return PROXIMADB_OK;
}

static int write_symbols(struct writer *writer, yyjson_val *schema)
{
    yyjson_val *symbols = yyjson_obj_get(schema, "symbols");
    size_t i, count;
    yyjson_val *symbol;
    if (!yyjson_is_arr(symbols))
        return invalid(writer, "an enum has no symbols");
    put_text(writer, ",\"symbols\":[");
    yyjson_arr_foreach(symbols, i, count, symbol)
    {
        if (!yyjson_is_str(symbol))
            return invalid(writer, "a symbol of an enum is no string");
        put_text(writer, i > 0 ? "," : "");
        struct px_slice name = px_slice_of(yyjson_get_str(symbol), yyjson_get_len(symbol));
        int rc = put_name(writer, name, px_slice_of("", 0));
        if (rc != PROXIMADB_OK)
            return rc;
    }
    put_text(writer, "]");
    return PROXIMADB_OK;
}

static int write_size(struct writer *writer, yyjson_val *schema)
{
    uint64_t size;
    if (!px_json_get_u64(schema, "size", &size))
        return invalid(writer, "a fixed has no size");
    px_buffer_append_format(writer->buffer, ",\"size\":%llu", (unsigned long long)size);
    return PROXIMADB_OK;
}

/* A record, an enum or a fixed: the types that have a name, which opens a namespace. */
static int write_named(struct writer *writer, yyjson_val *schema, const char *type,
                       struct px_slice space)
{
    struct px_slice name;
    if (!px_json_get_string(schema, "name", &name))
        return invalid(writer, "a record, an enum or a fixed has no name");
    px_json_get_string(schema, "namespace", &space);
    size_t dot = last_dot(name);
    if (dot != SIZE_MAX)
        space = px_slice_of(name.data, dot);

    put_text(writer, "{\"name\":");
    int rc = put_name(writer, name, space);
    if (rc != PROXIMADB_OK)
        return rc;
    px_buffer_append_format(writer->buffer, ",\"type\":\"%s\"", type);
    if (type[0] == 'r')
        rc = write_fields(writer, schema, space);
    else if (type[0] == 'e')
        rc = write_symbols(writer, schema);
    else
        rc = write_size(writer, schema);
    put_text(writer, "}");
    return rc;
}

static int write_array_or_map(struct writer *writer, yyjson_val *schema, bool is_array,
                              struct px_slice space)
{
    put_text(writer, is_array ? "{\"type\":\"array\",\"items\":" : "{\"type\":\"map\",\"values\":");
    int rc = write_schema(writer, yyjson_obj_get(schema, is_array ? "items" : "values"), space);
    put_text(writer, "}");
    return rc;
}

static int write_object(struct writer *writer, yyjson_val *schema, struct px_slice space)
{
    static const char *const named[] = {"record", "enum", "fixed"};
    yyjson_val *type = yyjson_obj_get(schema, "type");
    if (!yyjson_is_str(type)) /* {"type": {...}} is {...} */
        return write_schema(writer, type, space);
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (yyjson_equals_str(type, named[i]))
            return write_named(writer, schema, named[i], space);
    if (yyjson_equals_str(type, "array") || yyjson_equals_str(type, "map"))
        return write_array_or_map(writer, schema, yyjson_equals_str(type, "array"), space);
    return write_schema(writer, type, space);
}

static int write_schema(struct writer *writer, yyjson_val *schema, struct px_slice space)
{
    if (yyjson_is_str(schema))
        return write_reference(writer, px_slice_of(yyjson_get_str(schema), yyjson_get_len(schema)),
                               space);
    if (yyjson_is_arr(schema))
        return write_union(writer, schema, space);
    if (yyjson_is_obj(schema))
        return write_object(writer, schema, space);
    return invalid(writer, "a type is missing, or no string, object or array");
}

int px_fingerprint_canonical(struct px_slice schema, struct px_buffer *buffer,
                             struct proximadb_error *reterr)
{
    yyjson_doc *doc;
    int rc = px_json_parse(schema, &doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct writer writer = {.buffer = buffer, .reterr = reterr};
    rc = write_schema(&writer, yyjson_doc_get_root(doc), px_slice_of("", 0));
    yyjson_doc_free(doc);
    return rc != PROXIMADB_OK ? rc : px_buffer_status(buffer, reterr);
}

/* Bit by bit: all that it is used for is a few schemas of some KiB, once in a process. */
uint64_t px_fingerprint_crc64(struct px_slice bytes)
{
    uint64_t crc = CRC64_EMPTY;
    for (size_t i = 0; i < bytes.size_bytes; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (CRC64_EMPTY & (~(crc & 1) + 1));
    }
    return crc;
}

int px_fingerprint_schema(struct px_slice schema, uint64_t *ret_fingerprint,
                          struct proximadb_error *reterr)
{
    struct px_buffer canonical = {0};
    int rc = px_fingerprint_canonical(schema, &canonical, reterr);
    if (rc == PROXIMADB_OK)
        *ret_fingerprint = px_fingerprint_crc64(px_buffer_slice(&canonical));
    px_buffer_release(&canonical);
    return rc;
}
