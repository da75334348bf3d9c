#include "parquet/arrow_schema_internal.h"

#include "base/bits.h"
#include "codec/base64.h"
#include "parquet/schema_element_internal.h"

#include <assert.h>

/* Members of Arrow's enums and unions (Schema.fbs, Message.fbs). */
enum {
    METADATA_V5 = 4,
    HEADER_SCHEMA = 1,
    PRECISION_SINGLE = 1,
    PRECISION_DOUBLE = 2,
    UNIT_MILLISECOND = 1,
};

enum arrow_type {
    ARROW_INT = 2,
    ARROW_FLOATING_POINT = 3,
    ARROW_BINARY = 4,
    ARROW_UTF8 = 5,
    ARROW_BOOL = 6,
    ARROW_TIMESTAMP = 10,
    ARROW_LIST = 12,
    ARROW_FIXED_SIZE_LIST = 16,
};

/* Fields of the tables, by their place in the vtable. */
enum message_slot { MESSAGE_VERSION = 0, MESSAGE_HEADER_TYPE = 1, MESSAGE_HEADER = 2 };
enum schema_slot { SCHEMA_FIELDS = 1 };
enum field_slot {
    FIELD_NAME = 0,
    FIELD_NULLABLE = 1,
    FIELD_TYPE_TYPE = 2,
    FIELD_TYPE = 3,
    FIELD_CHILDREN = 5,
};

enum { CONTINUATION = -1, MOST_SLOTS = 8 };

/* ---- flatbuffers --------------------------------------------------------------------------- */

/* A table that is put together: scalars by value, everything else as a distance to fill in. */
struct table {
    struct slot {
        uint8_t size_bytes; /* 0: not set */
        uint32_t value;
    } slots[MOST_SLOTS];
};

/* Where the distances of a table that was written are to be filled in. */
struct written {
    size_t at[MOST_SLOTS];
};

static void set(struct table *table, unsigned slot, uint8_t size_bytes, uint32_t value)
{
    assert(slot < MOST_SLOTS);
    table->slots[slot] = (struct slot){.size_bytes = size_bytes, .value = value};
}

static void set_distance(struct table *table, unsigned slot)
{
    set(table, slot, 4, 0);
}

static void align(struct px_buffer *buffer, size_t unit)
{
    px_buffer_append_zeros(buffer, px_round_up(buffer->size_bytes, unit) - buffer->size_bytes);
}

static void append_u32(struct px_buffer *buffer, uint32_t value)
{
    px_buffer_append(buffer, &value, sizeof value);
}

/* Fills in the distance at `at` to the end of the buffer, where its object is written next. */
static void point_here(struct px_buffer *buffer, size_t at)
{
    if (buffer->status == PROXIMADB_OK)
        px_store_u32(buffer->data + at, (uint32_t)(buffer->size_bytes - at));
}

/* Writes the values of a table; wider ones first, so that nothing but the end needs padding. */
static struct written put_values(struct px_buffer *buffer, const struct table *table)
{
    struct written written = {0};
    for (unsigned size = 4; size > 0; size /= 2)
        for (unsigned i = 0; i < MOST_SLOTS; i++) {
            if (table->slots[i].size_bytes != size)
                continue;
            written.at[i] = buffer->size_bytes;
            px_buffer_append(buffer, &table->slots[i].value, size);
        }
    return written;
}

/* Writes a vtable and its table, to which the distance at `from` leads. */
static struct written put_table(struct px_buffer *buffer, size_t from, const struct table *table)
{
    enum { VTABLE_BYTES = 4 + 2 * MOST_SLOTS };
    align(buffer, 4);
    size_t vtable_at = buffer->size_bytes;
    px_buffer_append_zeros(buffer, VTABLE_BYTES);
    size_t table_at = buffer->size_bytes;
    point_here(buffer, from);
    append_u32(buffer, (uint32_t)(table_at - vtable_at));
    struct written written = put_values(buffer, table);
    if (buffer->status != PROXIMADB_OK)
        return written;
    uint8_t *vtable = buffer->data + vtable_at;
    vtable[0] = VTABLE_BYTES;
    vtable[2] = (uint8_t)(buffer->size_bytes - table_at);
    for (unsigned i = 0; i < MOST_SLOTS; i++)
        if (table->slots[i].size_bytes > 0)
            vtable[4 + 2 * i] = (uint8_t)(written.at[i] - table_at);
    return written;
}

static void put_string(struct px_buffer *buffer, size_t from, const char *string)
{
    size_t size = strlen(string);
    align(buffer, 4);
    point_here(buffer, from);
    append_u32(buffer, (uint32_t)size);
    px_buffer_append(buffer, string, size + 1); /* the NUL is part of the format */
}

/* Writes a vector of `count` distances and returns where the first one is. */
static size_t put_vector(struct px_buffer *buffer, size_t from, size_t count)
{
    align(buffer, 4);
    point_here(buffer, from);
    append_u32(buffer, (uint32_t)count);
    size_t first = buffer->size_bytes;
    px_buffer_append_zeros(buffer, 4 * count);
    return first;
}

/* ---- the schema ---------------------------------------------------------------------------- */

/* The type of a column, or of the element of a list: Arrow's name for it and its parameters. */
static enum arrow_type type_of(const struct px_parquet_column *column, struct table *parameters)
{
    switch (column->type) {
    case PX_PARQUET_BOOLEAN:
        return ARROW_BOOL;
    case PX_PARQUET_INT32:
    case PX_PARQUET_INT64:
        if (column->logical == PX_PARQUET_TIMESTAMP_MILLIS) {
            set(parameters, 0, 2, UNIT_MILLISECOND);
            set_distance(parameters, 1); /* the time zone */
            return ARROW_TIMESTAMP;
        }
        set(parameters, 0, 4, column->type == PX_PARQUET_INT32 ? 32 : 64);
        set(parameters, 1, 1, true); /* signed */
        return ARROW_INT;
    case PX_PARQUET_FLOAT:
    case PX_PARQUET_DOUBLE:
        set(parameters, 0, 2,
            column->type == PX_PARQUET_FLOAT ? PRECISION_SINGLE : PRECISION_DOUBLE);
        return ARROW_FLOATING_POINT;
    case PX_PARQUET_BYTE_ARRAY:
        break;
    }
    return px_parquet_is_text(column) ? ARROW_UTF8 : ARROW_BINARY;
}

static enum arrow_type type_of_list(const struct px_parquet_column *column,
                                    struct table *parameters)
{
    if (column->shape != PX_PARQUET_VECTOR)
        return ARROW_LIST;
    set(parameters, 0, 4, column->dim_count);
    return ARROW_FIXED_SIZE_LIST;
}

static struct written put_field_table(struct px_buffer *buffer, size_t from, const char *name,
                                      bool is_nullable, enum arrow_type type)
{
    struct table field = {0};
    set_distance(&field, FIELD_NAME);
    set(&field, FIELD_NULLABLE, 1, is_nullable);
    set(&field, FIELD_TYPE_TYPE, 1, (uint32_t)type);
    set_distance(&field, FIELD_TYPE);
    set_distance(&field, FIELD_CHILDREN);
    struct written written = put_table(buffer, from, &field);
    put_string(buffer, written.at[FIELD_NAME], name);
    return written;
}

/* A column without children, or the element of a list. */
static void put_leaf(struct px_buffer *buffer, size_t from, const struct px_parquet_column *column,
                     const char *name, bool is_nullable)
{
    struct table parameters = {0};
    enum arrow_type type = type_of(column, &parameters);
    struct written field = put_field_table(buffer, from, name, is_nullable, type);
    struct written written = put_table(buffer, field.at[FIELD_TYPE], &parameters);
    if (type == ARROW_TIMESTAMP)
        put_string(buffer, written.at[1], "UTC");
    put_vector(buffer, field.at[FIELD_CHILDREN], 0);
}

static void put_list(struct px_buffer *buffer, size_t from, const struct px_parquet_column *column)
{
    struct table parameters = {0};
    enum arrow_type type = type_of_list(column, &parameters);
    struct written field =
        put_field_table(buffer, from, column->name, column->shape == PX_PARQUET_STRINGS, type);
    put_table(buffer, field.at[FIELD_TYPE], &parameters);
    size_t child = put_vector(buffer, field.at[FIELD_CHILDREN], 1);
    put_leaf(buffer, child, column, PX_PARQUET_ELEMENT_NAME, false);
}

/* The flatbuffer; distances and alignment count from its beginning. */
static void put_message(struct px_buffer *buffer, const struct px_parquet_column *columns,
                        size_t column_count)
{
    struct table message = {0}, schema = {0};
    append_u32(buffer, 0); /* the distance to the root table */
    set(&message, MESSAGE_VERSION, 2, METADATA_V5);
    set(&message, MESSAGE_HEADER_TYPE, 1, HEADER_SCHEMA);
    set_distance(&message, MESSAGE_HEADER);
    struct written written = put_table(buffer, 0, &message);
    set_distance(&schema, SCHEMA_FIELDS);
    written = put_table(buffer, written.at[MESSAGE_HEADER], &schema);
    size_t first = put_vector(buffer, written.at[SCHEMA_FIELDS], column_count);
    for (size_t i = 0; i < column_count; i++) {
        const struct px_parquet_column *column = &columns[i];
        if (px_parquet_is_list(column))
            put_list(buffer, first + 4 * i, column);
        else
            put_leaf(buffer, first + 4 * i, column, column->name,
                     column->shape == PX_PARQUET_OPTIONAL);
    }
    align(buffer, 8);
}

void px_arrow_schema__encode(const struct px_parquet_column *columns, size_t column_count,
                             struct px_buffer *buffer)
{
    struct px_buffer flatbuffer = {0}, message = {0};
    put_message(&flatbuffer, columns, column_count);
    append_u32(&message, (uint32_t)CONTINUATION);
    append_u32(&message, (uint32_t)flatbuffer.size_bytes);
    px_buffer_append_slice(&message, px_buffer_slice(&flatbuffer));
    if (flatbuffer.status != PROXIMADB_OK || message.status != PROXIMADB_OK)
        buffer->status = PROXIMADB_NO_MEMORY;
    else
        px_base64_append(buffer, px_buffer_slice(&message));
    px_buffer_release(&flatbuffer);
    px_buffer_release(&message);
}
