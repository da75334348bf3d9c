#include "codec/protobuf.h"

#include "base/bits.h"
#include "codec/varint.h"

#include <assert.h>

enum {
    WIRE_END_GROUP = 4,
    HIGHEST_NUMBER = (1 << 29) - 1,
};

/* ---- reading ------------------------------------------------------------------------------- */

static bool read_varint(struct px_proto_reader *reader, uint64_t *ret_value)
{
    const uint8_t *behind = px_varint_read(reader->at, reader->end, ret_value);
    if (behind == NULL)
        return false;
    reader->at = behind;
    return true;
}

static bool read_bytes(struct px_proto_reader *reader, uint64_t size_bytes,
                       struct px_slice *ret_bytes)
{
    if (size_bytes > (uint64_t)(reader->end - reader->at))
        return false;
    *ret_bytes = px_slice_of(reader->at, (size_t)size_bytes);
    reader->at += size_bytes;
    return true;
}

/* Reads a tag; the wire type may be any of 0 to 7. */
static bool read_tag(struct px_proto_reader *reader, uint32_t *ret_number, unsigned *ret_wire)
{
    uint64_t tag;
    if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > HIGHEST_NUMBER)
        return false;
    *ret_number = (uint32_t)(tag >> 3);
    *ret_wire = (unsigned)(tag & 7);
    return true;
}

/* Reads what follows the tag of a field that is no group. */
static bool read_value(struct px_proto_reader *reader, unsigned wire, struct px_proto_field *field)
{
    struct px_slice fixed;
    switch (wire) {
    case PX_PROTO_VARINT:
        return read_varint(reader, &field->value);
    case PX_PROTO_FIXED64:
        if (!read_bytes(reader, 8, &fixed))
            return false;
        field->value = px_load_u64(fixed.data);
        return true;
    case PX_PROTO_FIXED32:
        if (!read_bytes(reader, 4, &fixed))
            return false;
        field->value = px_load_u32(fixed.data);
        return true;
    case PX_PROTO_BYTES:
        return read_varint(reader, &field->value) &&
               read_bytes(reader, field->value, &field->bytes);
    default:
        return false;
    }
}

/* Passes over everything up to the end of the group that was just opened. */
static bool skip_group(struct px_proto_reader *reader, uint32_t number)
{
    uint32_t open[PX_PROTO_DEEPEST_GROUP] = {number};
    size_t depth = 1;
    while (depth > 0) {
        struct px_proto_field ignored;
        unsigned wire;
        if (!read_tag(reader, &number, &wire))
            return false;
        if (wire == PX_PROTO_GROUP) {
            if (depth == PX_PROTO_DEEPEST_GROUP)
                return false;
            open[depth++] = number;
        } else if (wire == WIRE_END_GROUP) {
            if (open[--depth] != number)
                return false;
        } else if (!read_value(reader, wire, &ignored)) {
            return false;
        }
    }
    return true;
}

bool px_proto_next(struct px_proto_reader *reader, struct px_proto_field *ret_field)
{
    if (reader->damaged || reader->at == reader->end)
        return false;
    struct px_proto_field field = {0};
    unsigned wire;
    bool whole = read_tag(reader, &field.number, &wire);
    if (whole)
        whole = wire == PX_PROTO_GROUP ? skip_group(reader, field.number)
                                       : read_value(reader, wire, &field);
    if (!whole) {
        reader->damaged = true;
        return false;
    }
    field.wire = (enum px_proto_wire)wire;
    *ret_field = field;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void append(struct px_proto_writer *writer, const void *data, size_t size_bytes)
{
    if (size_bytes > 0 && px_proto_fits(writer) &&
        size_bytes <= writer->capacity_bytes - writer->size_bytes)
        memcpy(writer->data + writer->size_bytes, data, size_bytes);
    writer->size_bytes += size_bytes;
}

static void append_varint(struct px_proto_writer *writer, uint64_t value)
{
    uint8_t bytes[PX_VARINT_BYTES];
    append(writer, bytes, px_varint_write(bytes, value));
}

static void append_tag(struct px_proto_writer *writer, uint32_t number, enum px_proto_wire wire)
{
    assert(number > 0 && number <= HIGHEST_NUMBER);
    append_varint(writer, (uint64_t)number << 3 | wire);
}

void px_proto_put_varint(struct px_proto_writer *writer, uint32_t number, uint64_t value)
{
    append_tag(writer, number, PX_PROTO_VARINT);
    append_varint(writer, value);
}

void px_proto_put_head(struct px_proto_writer *writer, uint32_t number, size_t size_bytes)
{
    append_tag(writer, number, PX_PROTO_BYTES);
    append_varint(writer, size_bytes);
}

void px_proto_put_bytes(struct px_proto_writer *writer, uint32_t number, struct px_slice bytes)
{
    px_proto_put_head(writer, number, bytes.size_bytes);
    append(writer, bytes.data, bytes.size_bytes);
}

void px_proto_set_varint(struct px_proto_writer *writer, uint32_t number, uint64_t value)
{
    if (value != 0)
        px_proto_put_varint(writer, number, value);
}

/* What is left out is +0; -0 is a value. */
void px_proto_set_double(struct px_proto_writer *writer, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits == 0)
        return;
    append_tag(writer, number, PX_PROTO_FIXED64);
    append(writer, &bits, sizeof bits);
}

void px_proto_set_text(struct px_proto_writer *writer, uint32_t number, const char *text)
{
    if (text[0] != '\0')
        px_proto_put_bytes(writer, number, px_slice_of_string(text));
}

size_t px_proto_begin(struct px_proto_writer *writer, uint32_t number)
{
    append_tag(writer, number, PX_PROTO_BYTES);
    return writer->size_bytes;
}

/* The length is known only now: what was written behind the mark moves up to make room for it. */
void px_proto_end(struct px_proto_writer *writer, size_t mark)
{
    assert(mark <= writer->size_bytes);
    uint8_t length[PX_VARINT_BYTES];
    size_t inner_bytes = writer->size_bytes - mark;
    size_t length_bytes = px_varint_write(length, inner_bytes);
    writer->size_bytes += length_bytes;
    if (!px_proto_fits(writer))
        return;
    memmove(writer->data + mark + length_bytes, writer->data + mark, inner_bytes);
    memcpy(writer->data + mark, length, length_bytes);
}
