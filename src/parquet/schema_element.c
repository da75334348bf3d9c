#include "parquet/schema_element_internal.h"

#include "codec/utf8.h"
#include "parquet/parquet_format_internal.h"

enum { MOST_ELEMENTS = 3 * PX_PARQUET_MOST_COLUMNS + 1 };

enum element_field {
    ELEMENT_TYPE = 1,
    ELEMENT_REPETITION = 3,
    ELEMENT_NAME = 4,
    ELEMENT_CHILD_COUNT = 5,
    ELEMENT_CONVERTED = 6,
    ELEMENT_FIELD_ID = 9,
    ELEMENT_LOGICAL = 10,
};

enum logical_choice {
    LOGICAL_STRING = 1,
    LOGICAL_LIST = 3,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_JSON = 12
};
enum timestamp_field { TIMESTAMP_IS_UTC = 1, TIMESTAMP_UNIT = 2, UNIT_MILLIS = 1 };

/* ---- writing ------------------------------------------------------------------------------- */

static int32_t converted_of(enum px_parquet_logical logical)
{
    static const int8_t converted[] = {
        [PX_PARQUET_NONE] = -1,
        [PX_PARQUET_STRING] = PX_PARQUET_CONVERTED_UTF8,
        [PX_PARQUET_JSON] = PX_PARQUET_CONVERTED_JSON,
        [PX_PARQUET_TIMESTAMP_MILLIS] = PX_PARQUET_CONVERTED_TIMESTAMP_MILLIS,
    };
    return converted[logical];
}

static void put_logical(struct px_thrift_writer *writer, enum px_parquet_logical logical)
{
    px_thrift_begin_struct(writer, ELEMENT_LOGICAL);
    if (logical == PX_PARQUET_TIMESTAMP_MILLIS) {
        px_thrift_begin_struct(writer, LOGICAL_TIMESTAMP);
        px_thrift_put_bool(writer, TIMESTAMP_IS_UTC, true);
        px_thrift_begin_struct(writer, TIMESTAMP_UNIT);
        px_thrift_put_empty_struct(writer, UNIT_MILLIS);
        px_thrift_end_struct(writer);
        px_thrift_end_struct(writer);
    } else {
        px_thrift_put_empty_struct(writer,
                                   logical == PX_PARQUET_JSON ? LOGICAL_JSON : LOGICAL_STRING);
    }
    px_thrift_end_struct(writer);
}

/* One value: a column, or the element of a list. */
static void put_leaf(struct px_thrift_writer *writer, const struct px_parquet_column *column,
                     const char *name, enum px_parquet_repetition repetition, int32_t field_id)
{
    px_thrift_add_struct(writer);
    px_thrift_put_i32(writer, ELEMENT_TYPE, (int32_t)column->type);
    px_thrift_put_i32(writer, ELEMENT_REPETITION, (int32_t)repetition);
    px_thrift_put_string(writer, ELEMENT_NAME, name);
    if (column->logical != PX_PARQUET_NONE)
        px_thrift_put_i32(writer, ELEMENT_CONVERTED, converted_of(column->logical));
    px_thrift_put_i32(writer, ELEMENT_FIELD_ID, field_id);
    if (column->logical != PX_PARQUET_NONE)
        put_logical(writer, column->logical);
    px_thrift_end_struct(writer);
}

static void put_list(struct px_thrift_writer *writer, const struct px_parquet_column *column)
{
    px_thrift_add_struct(writer);
    px_thrift_put_i32(writer, ELEMENT_REPETITION,
                      column->shape == PX_PARQUET_VECTOR ? PX_PARQUET_REPETITION_REQUIRED
                                                         : PX_PARQUET_REPETITION_OPTIONAL);
    px_thrift_put_string(writer, ELEMENT_NAME, column->name);
    px_thrift_put_i32(writer, ELEMENT_CHILD_COUNT, 1);
    px_thrift_put_i32(writer, ELEMENT_CONVERTED, PX_PARQUET_CONVERTED_LIST);
    px_thrift_put_i32(writer, ELEMENT_FIELD_ID, column->field_id);
    px_thrift_begin_struct(writer, ELEMENT_LOGICAL);
    px_thrift_put_empty_struct(writer, LOGICAL_LIST);
    px_thrift_end_struct(writer);
    px_thrift_end_struct(writer);

    px_thrift_add_struct(writer);
    px_thrift_put_i32(writer, ELEMENT_REPETITION, PX_PARQUET_REPETITION_REPEATED);
    px_thrift_put_string(writer, ELEMENT_NAME, PX_PARQUET_LIST_NAME);
    px_thrift_put_i32(writer, ELEMENT_CHILD_COUNT, 1);
    px_thrift_end_struct(writer);

    put_leaf(writer, column, PX_PARQUET_ELEMENT_NAME, PX_PARQUET_REPETITION_REQUIRED,
             column->element_field_id);
}

void px_schema_element__put(struct px_thrift_writer *writer, int16_t id,
                            const struct px_parquet_column *columns, size_t column_count)
{
    size_t count = 1;
    for (size_t i = 0; i < column_count; i++)
        count += px_parquet_is_list(&columns[i]) ? 3 : 1;
    px_thrift_begin_list(writer, id, PX_THRIFT_STRUCT, (uint32_t)count);

    px_thrift_add_struct(writer);
    px_thrift_put_string(writer, ELEMENT_NAME, "schema");
    px_thrift_put_i32(writer, ELEMENT_CHILD_COUNT, (int32_t)column_count);
    px_thrift_end_struct(writer);
    for (size_t i = 0; i < column_count; i++) {
        const struct px_parquet_column *column = &columns[i];
        if (px_parquet_is_list(column))
            put_list(writer, column);
        else
            put_leaf(writer, column, column->name,
                     column->shape == PX_PARQUET_REQUIRED ? PX_PARQUET_REPETITION_REQUIRED
                                                          : PX_PARQUET_REPETITION_OPTIONAL,
                     column->field_id);
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

struct element {
    int32_t type;       /* -1: a group */
    int32_t repetition; /* -1: the root */
    int32_t converted;  /* -1: none */
    int32_t logical;    /* enum logical_choice, 0: none or another */
    uint32_t child_count;
    int32_t field_id;
    struct px_slice name;
};

struct px_schema_elements {
    size_t count;
    struct element items[];
};

static bool read_is_millis(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    bool is_millis = false;
    struct px_thrift_field unit = {0};
    px_thrift_get_struct(reader, field);
    while (px_thrift_next(reader, &unit)) {
        is_millis = unit.id == UNIT_MILLIS;
        px_thrift_skip(reader, unit);
    }
    return is_millis;
}

/* LOGICAL_TIMESTAMP where it is in milliseconds and UTC, 0 otherwise. */
static int32_t read_timestamp(struct px_thrift_reader *reader, struct px_thrift_field choice)
{
    bool is_utc = false, is_millis = false;
    struct px_thrift_field field = {0};
    px_thrift_get_struct(reader, choice);
    while (px_thrift_next(reader, &field)) {
        if (field.id == TIMESTAMP_IS_UTC)
            is_utc = px_thrift_get_bool(reader, field);
        else if (field.id == TIMESTAMP_UNIT)
            is_millis = read_is_millis(reader, field);
        else
            px_thrift_skip(reader, field);
    }
    return is_utc && is_millis ? LOGICAL_TIMESTAMP : 0;
}

static int32_t read_logical(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    int32_t logical = 0;
    struct px_thrift_field choice = {0};
    px_thrift_get_struct(reader, field);
    while (px_thrift_next(reader, &choice)) {
        if (choice.id == LOGICAL_TIMESTAMP) {
            logical = read_timestamp(reader, choice);
        } else {
            logical = choice.id;
            px_thrift_skip(reader, choice);
        }
    }
    return logical;
}

static struct element read_element(struct px_thrift_reader *reader)
{
    struct element element = {.type = -1, .repetition = -1, .converted = -1};
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        switch (field.id) {
        case ELEMENT_TYPE:
            element.type = (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case ELEMENT_REPETITION:
            element.repetition = (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case ELEMENT_NAME:
            element.name = px_thrift_get_binary(reader, field);
            break;
        case ELEMENT_CHILD_COUNT:
            element.child_count = (uint32_t)px_thrift_get_integer(reader, field, 0, MOST_ELEMENTS);
            break;
        case ELEMENT_CONVERTED:
            element.converted = (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case ELEMENT_FIELD_ID:
            element.field_id = (int32_t)px_thrift_get_integer(reader, field, INT32_MIN, INT32_MAX);
            break;
        case ELEMENT_LOGICAL:
            element.logical = read_logical(reader, field);
            break;
        default:
            px_thrift_skip(reader, field);
        }
    }
    return element;
}

bool px_schema_element__read(struct px_thrift_reader *reader, struct px_thrift_field field,
                             struct px_arena *arena, struct px_schema_elements **ret_elements)
{
    uint32_t count = px_thrift_get_list(reader, field, PX_THRIFT_STRUCT, MOST_ELEMENTS).count;
    struct px_schema_elements *elements =
        px_arena_alloc(arena, sizeof *elements + count * sizeof elements->items[0]);
    if (elements == NULL)
        return false;
    elements->count = count;
    for (uint32_t i = 0; i < count; i++)
        elements->items[i] = read_element(reader);
    *ret_elements = elements;
    return true;
}

static enum px_parquet_logical logical_of(const struct element *leaf)
{
    bool is_bytes = leaf->type == PX_PARQUET_BYTE_ARRAY;
    if (is_bytes && (leaf->logical == LOGICAL_STRING ||
                     (leaf->logical == 0 && leaf->converted == PX_PARQUET_CONVERTED_UTF8)))
        return PX_PARQUET_STRING;
    if (is_bytes && (leaf->logical == LOGICAL_JSON ||
                     (leaf->logical == 0 && leaf->converted == PX_PARQUET_CONVERTED_JSON)))
        return PX_PARQUET_JSON;
    if (leaf->type == PX_PARQUET_INT64 && leaf->logical == LOGICAL_TIMESTAMP)
        return PX_PARQUET_TIMESTAMP_MILLIS;
    return PX_PARQUET_NONE;
}

static bool is_list(const struct element *element)
{
    return element->logical == LOGICAL_LIST || element->converted == PX_PARQUET_CONVERTED_LIST;
}

/* The shape of the list that the three elements make, or why it is none of ours. */
static const char *list_shape(const struct element *group, enum px_parquet_shape *ret_shape)
{
    const struct element *leaf = &group[2];
    if (group->child_count != 1 || group[1].child_count != 1 ||
        group[1].repetition != PX_PARQUET_REPETITION_REPEATED || leaf->child_count != 0)
        return "it is a list, but not of single values";
    if (leaf->repetition != PX_PARQUET_REPETITION_REQUIRED)
        return "it is a list whose elements may be null";
    if (leaf->type == PX_PARQUET_FLOAT && group->repetition == PX_PARQUET_REPETITION_REQUIRED)
        *ret_shape = PX_PARQUET_VECTOR;
    else if (leaf->type == PX_PARQUET_BYTE_ARRAY &&
             group->repetition == PX_PARQUET_REPETITION_OPTIONAL)
        *ret_shape = PX_PARQUET_STRINGS;
    else
        return "it is neither a required list of FLOAT nor an optional list of strings";
    return NULL;
}

static const char *scalar_shape(const struct element *leaf, enum px_parquet_shape *ret_shape)
{
    if (leaf->repetition == PX_PARQUET_REPETITION_REQUIRED)
        *ret_shape = PX_PARQUET_REQUIRED;
    else if (leaf->repetition == PX_PARQUET_REPETITION_OPTIONAL)
        *ret_shape = PX_PARQUET_OPTIONAL;
    else
        return "it is repeated without being a list";
    return NULL;
}

/* Whether the type is one of ours. */
static bool is_known_type(int32_t type)
{
    static const uint8_t known[] = {
        [PX_PARQUET_BOOLEAN] = 1, [PX_PARQUET_INT32] = 1,  [PX_PARQUET_INT64] = 1,
        [PX_PARQUET_FLOAT] = 1,   [PX_PARQUET_DOUBLE] = 1, [PX_PARQUET_BYTE_ARRAY] = 1,
    };
    return type >= 0 && type < (int32_t)sizeof known && known[type] != 0;
}

static bool is_name(struct px_slice name)
{
    return name.size_bytes >= 1 && name.size_bytes <= PX_PARQUET_NAME_LIMIT_BYTES &&
           memchr(name.data, 0, name.size_bytes) == NULL && px_utf8_validate(name);
}

/* Sets what the elements of a column say: one, or three of a list. Why it is not read, or NULL. */
static const char *set_column(const struct element *elements, struct px_parquet_column *column)
{
    bool is_group = elements->child_count > 0;
    const struct element *leaf = is_group ? &elements[2] : elements;
    const char *reason =
        is_group ? list_shape(elements, &column->shape) : scalar_shape(elements, &column->shape);
    if (reason == NULL && !is_known_type(leaf->type))
        reason = "its type is INT96, FIXED_LEN_BYTE_ARRAY or unknown";
    if (reason != NULL)
        return reason;
    column->type = (enum px_parquet_type)leaf->type;
    column->logical = logical_of(leaf);
    column->field_id = elements->field_id;
    column->element_field_id = is_group ? leaf->field_id : 0;
    return NULL;
}

/* Makes a column of the elements at `elements`, of which there are `left`; *ret_used is how many it
 * takes. */
static int make_column(const struct element *elements, size_t left, struct px_arena *arena,
                       struct px_parquet_column *column, size_t *ret_used,
                       struct proximadb_error *reterr)
{
    const char *reason = NULL;
    bool is_group = elements->child_count > 0;
    if (!is_name(elements->name))
        return px_fail(reterr, PROXIMADB_CORRUPT, "a column has an impossible name");
    column->name = px_arena_copy(arena, elements->name.data, elements->name.size_bytes);
    if (column->name == NULL)
        return px_fail_no_memory(reterr);
    if (is_group && !is_list(elements))
        reason = "it is nested, and not a list";
    else if (is_group && left < 3)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the schema ends too early");
    else
        reason = set_column(elements, column);
    if (reason != NULL)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "column '%s' is of a kind that ProximaDB does not read: %s", column->name,
                       reason);
    *ret_used = is_group ? 3 : 1;
    return PROXIMADB_OK;
}

int px_schema_element__columns(const struct px_schema_elements *elements, struct px_arena *arena,
                               struct px_parquet_column **ret_columns, size_t *ret_count,
                               struct proximadb_error *reterr)
{
    size_t count = elements->count > 0 ? elements->items[0].child_count : 0;
    if (count < 1 || count > PX_PARQUET_MOST_COLUMNS)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the schema has %zu columns; 1 to 1,024 are read",
                       count);
    struct px_parquet_column *columns = px_arena_calloc(arena, count, sizeof *columns);
    if (columns == NULL)
        return px_fail_no_memory(reterr);
    size_t at = 1;
    for (size_t i = 0; i < count; i++) {
        size_t used = 0;
        if (at >= elements->count)
            return px_fail(reterr, PROXIMADB_CORRUPT, "the schema ends too early");
        int rc = make_column(&elements->items[at], elements->count - at, arena, &columns[i], &used,
                             reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        at += used;
    }
    if (at != elements->count)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the schema has more elements than columns");
    *ret_columns = columns;
    *ret_count = count;
    return PROXIMADB_OK;
}
