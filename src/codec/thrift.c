#include "codec/thrift.h"

#include "codec/varint.h"

#include <assert.h>

enum { DOUBLE_BYTES = 8, UUID_BYTES = 16 };

/* ---- reading ------------------------------------------------------------------------------- */

struct px_thrift_reader px_thrift_reader_of(struct px_slice bytes)
{
    const uint8_t *begin = bytes.size_bytes > 0 ? bytes.data : (const uint8_t *)"";
    return (struct px_thrift_reader){.begin = begin, .at = begin, .end = begin + bytes.size_bytes};
}

void px_thrift_fail(struct px_thrift_reader *reader, const char *fault)
{
    if (reader->fault == NULL) {
        reader->fault = fault;
        reader->fault_offset = (size_t)(reader->at - reader->begin);
    }
    reader->at = reader->end;
}

int px_thrift_check(const struct px_thrift_reader *reader, const char *what,
                    struct proximadb_error *reterr)
{
    if (reader->fault == NULL)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT, "%s is damaged: %s (byte %zu of it)", what,
                   reader->fault, reader->fault_offset);
}

static size_t left(const struct px_thrift_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static uint8_t read_byte(struct px_thrift_reader *reader)
{
    if (reader->at == reader->end) {
        px_thrift_fail(reader, "it ends too early");
        return 0;
    }
    return *reader->at++;
}

static uint64_t read_varint(struct px_thrift_reader *reader)
{
    uint64_t value = 0;
    const uint8_t *behind = px_varint_read(reader->at, reader->end, &value);
    if (behind == NULL) {
        px_thrift_fail(reader, "an integer does not end");
        return 0;
    }
    reader->at = behind;
    return value;
}

static void skip_bytes(struct px_thrift_reader *reader, uint64_t size_bytes)
{
    if (size_bytes > left(reader))
        px_thrift_fail(reader, "it ends too early");
    else
        reader->at += size_bytes;
}

bool px_thrift_next(struct px_thrift_reader *reader, struct px_thrift_field *field)
{
    uint8_t head = read_byte(reader);
    uint8_t type = head & 0x0f;
    if (head == PX_THRIFT_STOP) /* also what read_byte() gives after a fault */
        return false;
    int64_t id = head >> 4 != 0 ? field->id + (head >> 4) : px_unzigzag(read_varint(reader));
    if (type == PX_THRIFT_STOP || type > PX_THRIFT_UUID || id < INT16_MIN || id > INT16_MAX)
        px_thrift_fail(reader, "a field has an unknown type or an impossible id");
    if (reader->fault != NULL)
        return false;
    *field = (struct px_thrift_field){.id = (int16_t)id, .type = type};
    return true;
}

int64_t px_thrift_read_integer(struct px_thrift_reader *reader, int64_t lowest, int64_t highest)
{
    int64_t value = px_unzigzag(read_varint(reader));
    if (reader->fault == NULL && (value < lowest || value > highest))
        px_thrift_fail(reader, "an integer is out of range");
    return reader->fault == NULL ? value : 0;
}

bool px_thrift_read_bool(struct px_thrift_reader *reader)
{
    return read_byte(reader) == PX_THRIFT_TRUE;
}

struct px_slice px_thrift_read_binary(struct px_thrift_reader *reader)
{
    uint64_t size = read_varint(reader);
    const uint8_t *data = reader->at;
    skip_bytes(reader, size);
    return reader->fault == NULL ? px_slice_of(data, (size_t)size) : px_slice_of(NULL, 0);
}

static bool expect_type(struct px_thrift_reader *reader, bool is_expected)
{
    if (!is_expected)
        px_thrift_fail(reader, "a field has another type than the format says");
    return reader->fault == NULL;
}

int64_t px_thrift_get_integer(struct px_thrift_reader *reader, struct px_thrift_field field,
                              int64_t lowest, int64_t highest)
{
    /* One byte is not a varint: no field that is read here has that type. */
    bool is_integer = field.type >= PX_THRIFT_I16 && field.type <= PX_THRIFT_I64;
    return expect_type(reader, is_integer) ? px_thrift_read_integer(reader, lowest, highest) : 0;
}

bool px_thrift_get_bool(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    return expect_type(reader, field.type == PX_THRIFT_TRUE || field.type == PX_THRIFT_FALSE) &&
           field.type == PX_THRIFT_TRUE;
}

struct px_slice px_thrift_get_binary(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    return expect_type(reader, field.type == PX_THRIFT_BINARY) ? px_thrift_read_binary(reader)
                                                               : px_slice_of(NULL, 0);
}

void px_thrift_get_struct(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    expect_type(reader, field.type == PX_THRIFT_STRUCT);
}

static struct px_thrift_list read_list(struct px_thrift_reader *reader)
{
    uint8_t head = read_byte(reader);
    uint64_t count = head >> 4 == 15 ? read_varint(reader) : head >> 4;
    /* The smallest element takes a byte. */
    if (count > left(reader) || count > INT32_MAX) {
        px_thrift_fail(reader, "a list is longer than what holds it");
        count = 0;
    }
    return (struct px_thrift_list){.count = (uint32_t)count, .type = head & 0x0f};
}

struct px_thrift_list px_thrift_get_list(struct px_thrift_reader *reader,
                                         struct px_thrift_field field, uint8_t element_type,
                                         uint32_t most_count)
{
    struct px_thrift_list none = {.count = 0, .type = element_type};
    if (!expect_type(reader, field.type == PX_THRIFT_LIST || field.type == PX_THRIFT_SET))
        return none;
    struct px_thrift_list list = read_list(reader);
    /* Both booleans name the type of a list of booleans. */
    bool is_bool = list.type == PX_THRIFT_TRUE || list.type == PX_THRIFT_FALSE;
    bool is_expected =
        list.type == element_type || (is_bool && element_type == PX_THRIFT_TRUE) || list.count == 0;
    if (!expect_type(reader, is_expected))
        return none;
    if (list.count > most_count) {
        px_thrift_fail(reader, "a list is longer than the format allows");
        return none;
    }
    return list;
}

static void skip_value(struct px_thrift_reader *reader, uint8_t type, bool in_list, int depth);

static void skip_struct(struct px_thrift_reader *reader, int depth)
{
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field))
        skip_value(reader, field.type, false, depth);
}

static void skip_list(struct px_thrift_reader *reader, int depth)
{
    struct px_thrift_list list = read_list(reader);
    for (uint32_t i = 0; i < list.count && reader->fault == NULL; i++)
        skip_value(reader, list.type, true, depth);
}

static void skip_map(struct px_thrift_reader *reader, int depth)
{
    uint64_t count = read_varint(reader);
    if (count == 0)
        return;
    uint8_t types = read_byte(reader);
    if (count > left(reader))
        px_thrift_fail(reader, "a map is longer than what holds it");
    for (uint64_t i = 0; i < count && reader->fault == NULL; i++) {
        skip_value(reader, types >> 4, true, depth);
        skip_value(reader, types & 0x0f, true, depth);
    }
}

/* Recursion ends at PX_THRIFT_DEEPEST levels. */
static void skip_value(struct px_thrift_reader *reader, uint8_t type, bool in_list, int depth)
{
    if (depth >= PX_THRIFT_DEEPEST) {
        px_thrift_fail(reader, "it is nested too deep");
        return;
    }
    switch (type) {
    case PX_THRIFT_TRUE:
    case PX_THRIFT_FALSE:
        skip_bytes(reader, in_list ? 1 : 0); /* a field's value stands in its type */
        break;
    case PX_THRIFT_I8:
        skip_bytes(reader, 1);
        break;
    case PX_THRIFT_I16:
    case PX_THRIFT_I32:
    case PX_THRIFT_I64:
        (void)read_varint(reader);
        break;
    case PX_THRIFT_DOUBLE:
        skip_bytes(reader, DOUBLE_BYTES);
        break;
    case PX_THRIFT_BINARY:
        (void)px_thrift_read_binary(reader);
        break;
    case PX_THRIFT_LIST:
    case PX_THRIFT_SET:
        skip_list(reader, depth + 1);
        break;
    case PX_THRIFT_MAP:
        skip_map(reader, depth + 1);
        break;
    case PX_THRIFT_STRUCT:
        skip_struct(reader, depth + 1);
        break;
    case PX_THRIFT_UUID:
        skip_bytes(reader, UUID_BYTES);
        break;
    default:
        px_thrift_fail(reader, "an element has an unknown type");
    }
}

void px_thrift_skip(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    skip_value(reader, field.type, false, 0);
}

/* ---- writing ------------------------------------------------------------------------------- */

struct px_thrift_writer px_thrift_writer_of(struct px_buffer *buffer)
{
    return (struct px_thrift_writer){.buffer = buffer};
}

static void write_varint(struct px_thrift_writer *writer, uint64_t value)
{
    uint8_t bytes[PX_VARINT_BYTES];
    px_buffer_append(writer->buffer, bytes, px_varint_write(bytes, value));
}

static void write_field(struct px_thrift_writer *writer, int16_t id, uint8_t type)
{
    int16_t *last_id = &writer->last_id[writer->depth];
    assert(id > *last_id);
    int step = id - *last_id;
    if (step < 16) {
        px_buffer_append_byte(writer->buffer, (uint8_t)(step << 4 | type));
    } else {
        px_buffer_append_byte(writer->buffer, type);
        write_varint(writer, px_zigzag(id));
    }
    *last_id = id;
}

static void push(struct px_thrift_writer *writer)
{
    assert(writer->depth + 1 < PX_THRIFT_DEEPEST);
    writer->last_id[++writer->depth] = 0;
}

void px_thrift_end_struct(struct px_thrift_writer *writer)
{
    px_buffer_append_byte(writer->buffer, PX_THRIFT_STOP);
    if (writer->depth > 0)
        writer->depth--;
}

void px_thrift_put_bool(struct px_thrift_writer *writer, int16_t id, bool value)
{
    write_field(writer, id, value ? PX_THRIFT_TRUE : PX_THRIFT_FALSE);
}

void px_thrift_put_i16(struct px_thrift_writer *writer, int16_t id, int16_t value)
{
    write_field(writer, id, PX_THRIFT_I16);
    px_thrift_add_integer(writer, value);
}

void px_thrift_put_i32(struct px_thrift_writer *writer, int16_t id, int32_t value)
{
    write_field(writer, id, PX_THRIFT_I32);
    px_thrift_add_integer(writer, value);
}

void px_thrift_put_i64(struct px_thrift_writer *writer, int16_t id, int64_t value)
{
    write_field(writer, id, PX_THRIFT_I64);
    px_thrift_add_integer(writer, value);
}

void px_thrift_put_binary(struct px_thrift_writer *writer, int16_t id, struct px_slice value)
{
    write_field(writer, id, PX_THRIFT_BINARY);
    px_thrift_add_binary(writer, value);
}

void px_thrift_put_string(struct px_thrift_writer *writer, int16_t id, const char *value)
{
    px_thrift_put_binary(writer, id, px_slice_of_string(value));
}

void px_thrift_begin_struct(struct px_thrift_writer *writer, int16_t id)
{
    write_field(writer, id, PX_THRIFT_STRUCT);
    push(writer);
}

void px_thrift_put_empty_struct(struct px_thrift_writer *writer, int16_t id)
{
    px_thrift_begin_struct(writer, id);
    px_thrift_end_struct(writer);
}

void px_thrift_begin_list(struct px_thrift_writer *writer, int16_t id, uint8_t element_type,
                          uint32_t count)
{
    write_field(writer, id, PX_THRIFT_LIST);
    if (count < 15) {
        px_buffer_append_byte(writer->buffer, (uint8_t)(count << 4 | element_type));
    } else {
        px_buffer_append_byte(writer->buffer, (uint8_t)(0xf0 | element_type));
        write_varint(writer, count);
    }
}

void px_thrift_add_integer(struct px_thrift_writer *writer, int64_t value)
{
    write_varint(writer, px_zigzag(value));
}

void px_thrift_add_bool(struct px_thrift_writer *writer, bool value)
{
    px_buffer_append_byte(writer->buffer, value ? PX_THRIFT_TRUE : PX_THRIFT_FALSE);
}

void px_thrift_add_binary(struct px_thrift_writer *writer, struct px_slice value)
{
    write_varint(writer, value.size_bytes);
    px_buffer_append_slice(writer->buffer, value);
}

void px_thrift_add_struct(struct px_thrift_writer *writer)
{
    push(writer);
}
