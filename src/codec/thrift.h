/*
 * thrift: Thrift's compact protocol, in which Parquet writes its headers and its footer.
 *
 *      A struct is a sequence of fields and a zero byte. A field begins with one byte:
 *      BITS  MEANING
 *      0-3   type of the value, enum px_thrift_type
 *      4-7   field id minus the id before it; 0: the id follows as a zigzag varint
 *
 * Reading is a loop over fields, so what is unknown is skipped, and a newer writer may add fields:
 *
 *      struct px_thrift_field field = {0};
 *      while (px_thrift_next(&reader, &field))
 *          switch (field.id) {
 *          case 1: size = px_thrift_get_integer(&reader, field, 0, 99); break;
 *          default: px_thrift_skip(&reader, field);
 *          }
 *
 * Bytes from outside are not trusted: every read is checked against the end, a count against the
 * bytes that are left, integers against their range, and skipping goes 32 levels deep at most. The
 * first fault sticks: later reads give zero and loops end, so the caller asks once, at the end,
 * with px_thrift_check().
 *
 * Writing appends to a px_buffer, whose failures stick in the same way.
 *
 * Threads: externally serialised.
 */
#ifndef PX_CODEC_THRIFT_H
#define PX_CODEC_THRIFT_H

#include "base/buffer.h"

enum px_thrift_type {
    PX_THRIFT_STOP = 0,
    PX_THRIFT_TRUE = 1, /* a boolean field's type is its value */
    PX_THRIFT_FALSE = 2,
    PX_THRIFT_I8 = 3,
    PX_THRIFT_I16 = 4,
    PX_THRIFT_I32 = 5,
    PX_THRIFT_I64 = 6,
    PX_THRIFT_DOUBLE = 7,
    PX_THRIFT_BINARY = 8, /* and string */
    PX_THRIFT_LIST = 9,
    PX_THRIFT_SET = 10,
    PX_THRIFT_MAP = 11,
    PX_THRIFT_STRUCT = 12,
    PX_THRIFT_UUID = 13,
};

enum { PX_THRIFT_DEEPEST = 32 }; /* levels of nesting that are skipped */

struct px_thrift_reader {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    const char *fault; /* what was wrong first, a static string; NULL: nothing */
    size_t fault_offset;
};

/* A zeroed one stands in front of a struct's first field. */
struct px_thrift_field {
    int16_t id;
    uint8_t type; /* enum px_thrift_type */
};

struct px_thrift_list {
    uint32_t count;
    uint8_t type; /* of the elements */
};

/* Views into `bytes`, which are kept. */
struct px_thrift_reader px_thrift_reader_of(struct px_slice bytes);

/* Records a fault, unless there is one, and ends the reading. `fault` is a static string. */
void px_thrift_fail(struct px_thrift_reader *reader, const char *fault);

/* PROXIMADB_OK, or PROXIMADB_CORRUPT with "WHAT is damaged: FAULT (byte N of it)". */
PX_MUST_CHECK int px_thrift_check(const struct px_thrift_reader *reader, const char *what,
                                  struct proximadb_error *reterr);

/* Goes to the next field of a struct; false at its end and after a fault. The value of the field
 * must then be read or skipped. */
bool px_thrift_next(struct px_thrift_reader *reader, struct px_thrift_field *field);

/* Values of a field. Another type than the asked one is a fault, and so is an integer outside of
 * lowest to highest. */
int64_t px_thrift_get_integer(struct px_thrift_reader *reader, struct px_thrift_field field,
                              int64_t lowest, int64_t highest);
bool px_thrift_get_bool(struct px_thrift_reader *reader, struct px_thrift_field field);
struct px_slice px_thrift_get_binary(struct px_thrift_reader *reader, struct px_thrift_field field);
/* After it, the struct's fields are read with a px_thrift_field of its own. */
void px_thrift_get_struct(struct px_thrift_reader *reader, struct px_thrift_field field);
/* After it, `count` elements follow. At most most_count, and at most one a byte that is left. */
struct px_thrift_list px_thrift_get_list(struct px_thrift_reader *reader,
                                         struct px_thrift_field field, uint8_t element_type,
                                         uint32_t most_count);
void px_thrift_skip(struct px_thrift_reader *reader, struct px_thrift_field field);

/* Elements of a list. A struct is read field by field, beginning with a zeroed px_thrift_field. */
int64_t px_thrift_read_integer(struct px_thrift_reader *reader, int64_t lowest, int64_t highest);
bool px_thrift_read_bool(struct px_thrift_reader *reader);
struct px_slice px_thrift_read_binary(struct px_thrift_reader *reader);

struct px_thrift_writer {
    struct px_buffer *buffer; /* kept */
    unsigned depth;
    int16_t last_id[PX_THRIFT_DEEPEST];
};

/* Begins the outermost struct. */
struct px_thrift_writer px_thrift_writer_of(struct px_buffer *buffer);

/* Ends the innermost struct that was begun; the last call ends the outermost one. */
void px_thrift_end_struct(struct px_thrift_writer *writer);

/* Fields. Within a struct ids must rise. */
void px_thrift_put_bool(struct px_thrift_writer *writer, int16_t id, bool value);
void px_thrift_put_i16(struct px_thrift_writer *writer, int16_t id, int16_t value);
void px_thrift_put_i32(struct px_thrift_writer *writer, int16_t id, int32_t value);
void px_thrift_put_i64(struct px_thrift_writer *writer, int16_t id, int64_t value);
void px_thrift_put_binary(struct px_thrift_writer *writer, int16_t id, struct px_slice value);
void px_thrift_put_string(struct px_thrift_writer *writer, int16_t id, const char *value);
void px_thrift_begin_struct(struct px_thrift_writer *writer, int16_t id);
/* A struct without fields, the way Thrift's unions name a choice. */
void px_thrift_put_empty_struct(struct px_thrift_writer *writer, int16_t id);
/* Exactly `count` elements must follow. */
void px_thrift_begin_list(struct px_thrift_writer *writer, int16_t id, uint8_t element_type,
                          uint32_t count);

/* Elements of a list. A struct ends with px_thrift_end_struct(). */
void px_thrift_add_integer(struct px_thrift_writer *writer, int64_t value);
void px_thrift_add_bool(struct px_thrift_writer *writer, bool value);
void px_thrift_add_binary(struct px_thrift_writer *writer, struct px_slice value);
void px_thrift_add_struct(struct px_thrift_writer *writer);

#endif /* PX_CODEC_THRIFT_H */
