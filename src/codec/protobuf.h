/*
 * protobuf: the wire format of protocol buffers, read in place and written into the caller's
 * memory.
 *
 * There are no generated classes: a message is a run of fields, and whoever reads one walks through
 * it with a switch on the field's number. Views point into the message, so the payload of a request
 * is never copied.
 *
 *      struct px_proto_reader reader = px_proto_reader_of(message);
 *      struct px_proto_field field;
 *      while (px_proto_next(&reader, &field)) {
 *          if (px_proto_is(&field, 1, PX_PROTO_BYTES))
 *              collection = field.bytes;
 *      }
 *      if (reader.damaged)
 *          return px_fail(...);
 *
 *      BYTES      MEANING
 *      varint     number << 3 | wire type
 *      then       VARINT: a varint; FIXED64: 8 bytes; FIXED32: 4 bytes; BYTES: a varint length and
 *                 as many bytes; GROUP: fields up to the end-group tag of the same number
 *
 * As the format wants it: fields come in any order, of a repeated scalar field the last one counts,
 * a field of an unexpected number or wire type is passed over.
 *
 * Writing works like snprintf(): what does not fit is counted but not stored, so a first pass with
 * no memory at all measures and a second one writes.
 *
 * Threads: externally serialised. Memory: none.
 */
#ifndef PX_CODEC_PROTOBUF_H
#define PX_CODEC_PROTOBUF_H

#include "base/slice.h"

enum px_proto_wire {
    PX_PROTO_VARINT = 0,
    PX_PROTO_FIXED64 = 1,
    PX_PROTO_BYTES = 2,
    PX_PROTO_GROUP = 3, /* passed over as one field without a value */
    PX_PROTO_FIXED32 = 5
};

enum { PX_PROTO_DEEPEST_GROUP = 32 };

struct px_proto_field {
    uint32_t number;
    enum px_proto_wire wire;
    uint64_t value;        /* of VARINT, FIXED64 and FIXED32 */
    struct px_slice bytes; /* of BYTES: a view into the message */
};

struct px_proto_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool damaged; /* the message does not follow the format; set when px_proto_next() says false */
};

static inline struct px_proto_reader px_proto_reader_of(struct px_slice message)
{
    return (struct px_proto_reader){
        .at = message.data,
        .end = message.size_bytes > 0 ? message.data + message.size_bytes : message.data};
}

/* The next field; false at the end and on damage. */
bool px_proto_next(struct px_proto_reader *reader, struct px_proto_field *ret_field);

static inline bool px_proto_is(const struct px_proto_field *field, uint32_t number,
                               enum px_proto_wire wire)
{
    return field->number == number && field->wire == wire;
}

struct px_proto_writer {
    uint8_t *data; /* the caller's; may be NULL when capacity_bytes is 0 */
    size_t capacity_bytes;
    size_t size_bytes; /* of the whole message, what did not fit included */
};

static inline bool px_proto_fits(const struct px_proto_writer *writer)
{
    return writer->size_bytes <= writer->capacity_bytes;
}

/* The put functions always write the field: members of a repeated field and of a oneof. The set
 * functions leave a zero or an empty text out, as proto3 does with plain fields. */
void px_proto_put_varint(struct px_proto_writer *writer, uint32_t number, uint64_t value);
void px_proto_put_bytes(struct px_proto_writer *writer, uint32_t number, struct px_slice bytes);
void px_proto_set_varint(struct px_proto_writer *writer, uint32_t number, uint64_t value);
void px_proto_set_double(struct px_proto_writer *writer, uint32_t number, double value);
void px_proto_set_text(struct px_proto_writer *writer, uint32_t number, const char *text);

/* Tag and length of a BYTES field whose bytes the caller sends from elsewhere. */
void px_proto_put_head(struct px_proto_writer *writer, uint32_t number, size_t size_bytes);

/* A message inside the message: begin gives a mark that the matching end takes. */
size_t px_proto_begin(struct px_proto_writer *writer, uint32_t number);
void px_proto_end(struct px_proto_writer *writer, size_t mark);

#endif /* PX_CODEC_PROTOBUF_H */
