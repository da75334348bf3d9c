/* px-test: layers=codec label=fuzz
 *
 * Goal: no message makes the reader leave its bytes, loop, or show a field that is not in them.
 * Method: walk through the input, one level of nesting down; write the fields back and read them
 * again: the second message must have the same fields.
 */
#include "codec/protobuf.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_field(struct px_proto_writer *writer, const struct px_proto_field *field)
{
    if (field->wire == PX_PROTO_BYTES)
        px_proto_put_bytes(writer, field->number, field->bytes);
    else
        px_proto_put_varint(writer, field->number, field->value);
}

static void walk(struct px_slice message)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    while (px_proto_next(&reader, &field))
        ;
}

static void check_same(struct px_slice first, struct px_slice second)
{
    struct px_proto_reader a = px_proto_reader_of(first);
    struct px_proto_reader b = px_proto_reader_of(second);
    struct px_proto_field x;
    struct px_proto_field y;
    while (px_proto_next(&a, &x)) {
        assert(px_proto_next(&b, &y));
        assert(x.number == y.number && x.value == y.value);
        assert(px_slice_equal(x.bytes, y.bytes));
    }
    assert(!px_proto_next(&b, &y) && !b.damaged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_slice message = px_slice_of(data, size);
    size_t capacity = 6 * size + 16; /* a fixed32 of 5 bytes becomes a varint of up to 10 */
    uint8_t *copy = malloc(capacity);
    if (copy == NULL)
        return 0;
    struct px_proto_writer writer = {.data = copy, .capacity_bytes = capacity};
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    while (px_proto_next(&reader, &field)) {
        assert(reader.at >= data && reader.at <= data + size);
        if (field.wire == PX_PROTO_BYTES)
            walk(field.bytes);
        write_field(&writer, &field);
    }
    assert(px_proto_fits(&writer));
    check_same(message, px_slice_of(copy, writer.size_bytes));
    free(copy);
    return 0;
}
