#include "parquet/data_page_internal.h"

#include "base/bits.h"
#include "codec/crc32.h"
#include "codec/thrift.h"
#include "parquet/rle_internal.h"

#include <assert.h>

#define ALIGN_MARK "proximadb:align"

enum { ALIGN_MARK_BYTES = sizeof ALIGN_MARK - 1, LEVELS_HEAD_BYTES = 4 };

enum page_header_field {
    PAGE_TYPE = 1,
    PAGE_UNCOMPRESSED_SIZE = 2,
    PAGE_COMPRESSED_SIZE = 3,
    PAGE_CRC = 4,
    PAGE_DATA_HEADER = 5,
    PAGE_DICTIONARY_HEADER = 7,
};

enum data_page_header_field {
    DATA_VALUE_COUNT = 1,
    DATA_ENCODING = 2,
    DATA_DEFINITION_ENCODING = 3,
    DATA_REPETITION_ENCODING = 4,
};

/* Its first two fields are as those of a data page's header. */
enum dictionary_header_field { DICTIONARY_VALUE_COUNT = 1, DICTIONARY_ENCODING = 2 };

enum px_parquet_encoding px_data_page__encoding_of(enum px_parquet_vector_encoding encoding)
{
    assert(encoding != PX_PARQUET_VECTOR_SMALLEST);
    if (encoding == PX_PARQUET_VECTOR_DICTIONARY)
        return PX_PARQUET_RLE_DICTIONARY;
    return encoding == PX_PARQUET_VECTOR_SPLIT ? PX_PARQUET_BYTE_STREAM_SPLIT : PX_PARQUET_PLAIN;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* The fields that every kind of page has; the struct is left open. */
static struct px_thrift_writer put_common(const struct px_data_page *page,
                                          enum px_parquet_page_type type, struct px_buffer *buffer)
{
    struct px_thrift_writer writer = px_thrift_writer_of(buffer);
    px_thrift_put_i32(&writer, PAGE_TYPE, (int32_t)type);
    px_thrift_put_i32(&writer, PAGE_UNCOMPRESSED_SIZE, (int32_t)page->uncompressed_bytes);
    px_thrift_put_i32(&writer, PAGE_COMPRESSED_SIZE, (int32_t)page->body.size_bytes);
    px_thrift_put_i32(&writer, PAGE_CRC, (int32_t)page->crc); /* the bits, as the format wants */
    return writer;
}

/* All fields but the extension; the outermost struct is left open. */
static struct px_thrift_writer put_fields(const struct px_data_page *page, struct px_buffer *buffer)
{
    struct px_thrift_writer writer = put_common(page, PX_PARQUET_DATA_PAGE, buffer);
    px_thrift_begin_struct(&writer, PAGE_DATA_HEADER);
    px_thrift_put_i32(&writer, DATA_VALUE_COUNT, (int32_t)page->value_count);
    px_thrift_put_i32(&writer, DATA_ENCODING, (int32_t)page->encoding);
    px_thrift_put_i32(&writer, DATA_DEFINITION_ENCODING, PX_PARQUET_RLE);
    px_thrift_put_i32(&writer, DATA_REPETITION_ENCODING, PX_PARQUET_RLE);
    px_thrift_end_struct(&writer);
    return writer;
}

void px_data_page__encode(const struct px_data_page *page, struct px_buffer *buffer)
{
    struct px_thrift_writer writer = put_fields(page, buffer);
    px_thrift_end_struct(&writer);
}

void px_data_page__encode_dictionary(const struct px_data_page *page, struct px_buffer *buffer)
{
    struct px_thrift_writer writer = put_common(page, PX_PARQUET_DICTIONARY_PAGE, buffer);
    px_thrift_begin_struct(&writer, PAGE_DICTIONARY_HEADER);
    px_thrift_put_i32(&writer, DICTIONARY_VALUE_COUNT, (int32_t)page->value_count);
    px_thrift_put_i32(&writer, DICTIONARY_ENCODING, PX_PARQUET_PLAIN);
    px_thrift_end_struct(&writer);
    px_thrift_end_struct(&writer);
}

void px_data_page__encode_aligned(const struct px_data_page *page, uint64_t offset,
                                  size_t levels_bytes, struct px_buffer *buffer)
{
    static const uint8_t extension[ALIGN_MARK_BYTES + PX_PAGE_ALIGNMENT] = ALIGN_MARK;
    enum { FIELD_HEAD = 4, LENGTH = 1, STOP = 1 }; /* bytes, below 128 of content */
    static_assert(sizeof extension < 128, "the length must be a varint of one byte");
    size_t begin = buffer->size_bytes;
    struct px_thrift_writer writer = put_fields(page, buffer);
    size_t fixed =
        buffer->size_bytes - begin + FIELD_HEAD + LENGTH + ALIGN_MARK_BYTES + STOP + levels_bytes;
    size_t excess = (size_t)((offset + fixed) % PX_PAGE_ALIGNMENT);
    size_t padding = excess == 0 ? 0 : PX_PAGE_ALIGNMENT - excess;
    px_thrift_put_binary(&writer, PX_PARQUET_EXTENSION_ID,
                         px_slice_of(extension, ALIGN_MARK_BYTES + padding));
    px_thrift_end_struct(&writer);
}

void px_data_page__put_levels(const uint8_t *levels, size_t count, unsigned most_level,
                              struct px_buffer *buffer)
{
    size_t head = buffer->size_bytes;
    px_buffer_append_zeros(buffer, LEVELS_HEAD_BYTES);
    px_rle__encode(levels, count, px_data_page__level_bits(most_level), buffer);
    if (buffer->status == PROXIMADB_OK)
        px_store_u32(buffer->data + head,
                     (uint32_t)(buffer->size_bytes - head - LEVELS_HEAD_BYTES));
}

/* ---- reading ------------------------------------------------------------------------------- */

struct parsed {
    struct px_data_page page;
    int64_t type;
    int64_t body_bytes;
    bool has_own_header;                             /* of its kind of page */
    int64_t encodings[DATA_REPETITION_ENCODING + 1]; /* by the field's id */
};

/* Of a data page or of a dictionary page, which has no more than the first two fields. */
static void parse_own_header(struct px_thrift_reader *reader, struct parsed *parsed)
{
    struct px_thrift_field field = {0};
    parsed->has_own_header = true;
    while (px_thrift_next(reader, &field)) {
        if (field.id == DATA_VALUE_COUNT)
            parsed->page.value_count = (uint32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
        else if (field.id == DATA_ENCODING ||
                 (parsed->type == PX_PARQUET_DATA_PAGE && field.id >= DATA_DEFINITION_ENCODING &&
                  field.id <= DATA_REPETITION_ENCODING))
            parsed->encodings[field.id] = px_thrift_get_integer(reader, field, 0, INT32_MAX);
        else
            px_thrift_skip(reader, field);
    }
}

static bool is_own_header(const struct parsed *parsed, int16_t field_id)
{
    return (parsed->type == PX_PARQUET_DATA_PAGE && field_id == PAGE_DATA_HEADER) ||
           (parsed->type == PX_PARQUET_DICTIONARY_PAGE && field_id == PAGE_DICTIONARY_HEADER);
}

static void parse_header(struct px_thrift_reader *reader, struct parsed *parsed)
{
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        switch (field.id) {
        case PAGE_TYPE:
            parsed->type = px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case PAGE_UNCOMPRESSED_SIZE:
            parsed->page.uncompressed_bytes =
                (uint32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case PAGE_COMPRESSED_SIZE:
            parsed->body_bytes = px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case PAGE_CRC:
            parsed->page.has_crc = true;
            parsed->page.crc = (uint32_t)px_thrift_get_integer(reader, field, INT32_MIN, INT32_MAX);
            break;
        default:
            if (is_own_header(parsed, field.id)) {
                px_thrift_get_struct(reader, field);
                parse_own_header(reader, parsed);
            } else {
                px_thrift_skip(reader, field);
            }
        }
    }
}

const char *px_data_page__encoding_name(int64_t encoding)
{
    static const char *const names[] = {
        "PLAIN",          "GROUP_VAR_INT",       "PLAIN_DICTIONARY",        "RLE",
        "BIT_PACKED",     "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
        "RLE_DICTIONARY", "BYTE_STREAM_SPLIT",
    };
    bool is_known = encoding >= 0 && encoding < (int64_t)(sizeof names / sizeof names[0]);
    return is_known ? names[encoding] : "unknown";
}

/* What the format allows and ProximaDB does not read, or not here. */
static int check_type(const struct parsed *parsed, enum px_parquet_page_type type,
                      struct proximadb_error *reterr)
{
    static const char *const types[] = {"a data", "an index", "a dictionary", "a version 2 data"};
    bool is_known = parsed->type >= 0 && parsed->type < 4;
    if (parsed->type == (int64_t)type)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_UNIMPLEMENTED, "it is %s page; ProximaDB reads %s",
                   is_known ? types[parsed->type] : "an unknown kind of",
                   type == PX_PARQUET_DATA_PAGE ? "data pages of version 1"
                                                : "a dictionary page here");
}

static int check_encodings(const struct parsed *parsed, enum px_parquet_page_type type,
                           enum px_parquet_encoding encoding, struct proximadb_error *reterr)
{
    if (parsed->encodings[DATA_ENCODING] != (int64_t)encoding)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "its values are encoded as %s; ProximaDB reads %s%s",
                       px_data_page__encoding_name(parsed->encodings[DATA_ENCODING]),
                       px_data_page__encoding_name(encoding),
                       encoding == PX_PARQUET_PLAIN ? "" : " in this column chunk");
    if (type == PX_PARQUET_DICTIONARY_PAGE)
        return PROXIMADB_OK;
    for (int id = DATA_DEFINITION_ENCODING; id <= DATA_REPETITION_ENCODING; id++)
        if (parsed->encodings[id] != PX_PARQUET_RLE)
            return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                           "its levels are encoded as %s; ProximaDB reads RLE",
                           px_data_page__encoding_name(parsed->encodings[id]));
    return PROXIMADB_OK;
}

static int check_sizes(const struct parsed *parsed, size_t left, enum px_parquet_codec codec,
                       struct proximadb_error *reterr)
{
    if (parsed->body_bytes < 0 || (uint64_t)parsed->body_bytes != left)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "its header says %lld bytes where the offset index leaves %zu",
                       (long long)parsed->body_bytes, left);
    if (codec == PX_PARQUET_UNCOMPRESSED && parsed->page.uncompressed_bytes != left)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "its header gives two sizes, %zu and %u bytes, to what is not compressed",
                       left, parsed->page.uncompressed_bytes);
    if (parsed->page.uncompressed_bytes > PX_PARQUET_MOST_PAGE_BYTES)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it has %u bytes; ProximaDB reads pages of up to %d",
                       parsed->page.uncompressed_bytes, PX_PARQUET_MOST_PAGE_BYTES);
    return PROXIMADB_OK;
}

/* Reads and checks a page of one kind and encoding. */
static int parse_page(struct px_slice bytes, enum px_parquet_codec codec,
                      enum px_parquet_page_type type, enum px_parquet_encoding encoding,
                      struct px_data_page *ret_page, struct proximadb_error *reterr)
{
    struct parsed parsed = {.type = -1, .body_bytes = -1};
    struct px_thrift_reader reader = px_thrift_reader_of(bytes);
    parse_header(&reader, &parsed);
    int rc = px_thrift_check(&reader, "its header", reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (parsed.type < 0 || (parsed.type == (int64_t)type && !parsed.has_own_header))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its header lacks a required field");
    rc = check_type(&parsed, type, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_encodings(&parsed, type, encoding, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    size_t left = (size_t)(reader.end - reader.at);
    rc = check_sizes(&parsed, left, codec, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    parsed.page.encoding = encoding;
    parsed.page.body = px_slice_of(reader.at, left);
    *ret_page = parsed.page;
    return PROXIMADB_OK;
}

int px_data_page__parse(struct px_slice bytes, enum px_parquet_codec codec,
                        struct px_data_page *ret_page, struct proximadb_error *reterr)
{
    return px_data_page__parse_encoded(bytes, codec, PX_PARQUET_PLAIN, ret_page, reterr);
}

int px_data_page__parse_encoded(struct px_slice bytes, enum px_parquet_codec codec,
                                enum px_parquet_encoding encoding, struct px_data_page *ret_page,
                                struct proximadb_error *reterr)
{
    return parse_page(bytes, codec, PX_PARQUET_DATA_PAGE, encoding, ret_page, reterr);
}

int px_data_page__parse_dictionary(struct px_slice bytes, enum px_parquet_codec codec,
                                   struct px_data_page *ret_page, struct proximadb_error *reterr)
{
    return parse_page(bytes, codec, PX_PARQUET_DICTIONARY_PAGE, PX_PARQUET_PLAIN, ret_page, reterr);
}

int px_data_page__verify(const struct px_data_page *page, bool needs_crc,
                         struct proximadb_error *reterr)
{
    if (!page->has_crc && needs_crc)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the page is damaged: it has no checksum");
    if (page->has_crc && px_crc32(0, page->body.data, page->body.size_bytes) != page->crc)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the page is damaged: its checksum does not match; restore the file from a "
                       "backup");
    return PROXIMADB_OK;
}

/* Takes levels with their size off the front of a body. */
static bool take_levels(struct px_slice *body, struct px_slice *ret_levels)
{
    if (body->size_bytes < LEVELS_HEAD_BYTES)
        return false;
    size_t size = px_load_u32(body->data);
    if (size > body->size_bytes - LEVELS_HEAD_BYTES)
        return false;
    *ret_levels = px_slice_of(body->data + LEVELS_HEAD_BYTES, size);
    body->data += LEVELS_HEAD_BYTES + size;
    body->size_bytes -= LEVELS_HEAD_BYTES + size;
    return true;
}

int px_data_page__split(const struct px_parquet_column *column, struct px_slice body,
                        struct px_page_parts *ret_parts, struct proximadb_error *reterr)
{
    struct px_page_parts parts = {0};
    if ((px_parquet_most_repetition(column) > 0 && !take_levels(&body, &parts.repetition)) ||
        (px_parquet_most_definition(column) > 0 && !take_levels(&body, &parts.definition)))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its levels are longer than the page");
    parts.values = body;
    *ret_parts = parts;
    return PROXIMADB_OK;
}
