#include "codec/utf8.h"
#include "table/table_internal.h"

enum element_field {
    ELEMENT_TYPE = 1,
    ELEMENT_TYPE_LENGTH = 2,
    ELEMENT_REPETITION = 3,
    ELEMENT_NAME = 4,
    ELEMENT_CHILD_COUNT = 5,
    ELEMENT_CONVERTED = 6,
    ELEMENT_LOGICAL = 10,
};

enum repetition { REQUIRED = 0, OPTIONAL = 1, REPEATED = 2 };

enum logical {
    LOGICAL_STRING = 1,
    LOGICAL_LIST = 3,
    LOGICAL_ENUM = 4,
    LOGICAL_DECIMAL = 5,
    LOGICAL_DATE = 6,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_INTEGER = 10,
    LOGICAL_JSON = 12,
    LOGICAL_UUID = 14,
    LOGICAL_FLOAT16 = 15,
};

enum converted {
    CONVERTED_UTF8 = 0,
    CONVERTED_LIST = 3,
    CONVERTED_ENUM = 4,
    CONVERTED_DECIMAL = 5,
    CONVERTED_DATE = 6,
    CONVERTED_TIMESTAMP_MILLIS = 9,
    CONVERTED_TIMESTAMP_MICROS = 10,
    CONVERTED_FIRST_UNSIGNED = 11,
    CONVERTED_LAST_UNSIGNED = 14,
    CONVERTED_JSON = 19,
    CONVERTED_INTERVAL = 21,
};

enum { FLOAT16_BYTES = 2, MOST_FIXED_BYTES = 1 << 20 };

struct element {
    int32_t type;       /* -1: a group */
    int32_t repetition; /* REQUIRED where it is not said */
    int32_t converted;  /* -1: none */
    int32_t logical;    /* 0: none */
    uint32_t type_bytes;
    uint32_t child_count;
    enum px_table_time unit;
    bool is_unsigned;
    struct px_slice name;
};

/* ---- elements ------------------------------------------------------------------------------ */

static enum px_table_time read_unit(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    enum px_table_time unit = PX_TIME_NONE;
    struct px_thrift_field choice = {0};
    px_thrift_get_struct(reader, field);
    while (px_thrift_next(reader, &choice)) {
        if (choice.id >= 1 && choice.id <= 3)
            unit = (enum px_table_time)(PX_TIME_MILLIS + choice.id - 1);
        px_thrift_skip(reader, choice);
    }
    return unit;
}

static void read_parameters(struct px_thrift_reader *reader, struct px_thrift_field choice,
                            struct element *element)
{
    struct px_thrift_field field = {0};
    px_thrift_get_struct(reader, choice);
    while (px_thrift_next(reader, &field)) {
        if (choice.id == LOGICAL_TIMESTAMP && field.id == 2)
            element->unit = read_unit(reader, field);
        else if (choice.id == LOGICAL_INTEGER && field.id == 2)
            element->is_unsigned = !px_thrift_get_bool(reader, field);
        else
            px_thrift_skip(reader, field);
    }
}

static void read_logical(struct px_thrift_reader *reader, struct px_thrift_field field,
                         struct element *element)
{
    struct px_thrift_field choice = {0};
    px_thrift_get_struct(reader, field);
    while (px_thrift_next(reader, &choice)) {
        element->logical = choice.id;
        if (choice.type == PX_THRIFT_STRUCT)
            read_parameters(reader, choice, element);
        else
            px_thrift_skip(reader, choice);
    }
}

static struct element read_element(struct px_thrift_reader *reader)
{
    struct element element = {.type = -1, .converted = -1};
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        switch (field.id) {
        case ELEMENT_TYPE:
            element.type = (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case ELEMENT_TYPE_LENGTH:
            element.type_bytes =
                (uint32_t)px_thrift_get_integer(reader, field, 0, MOST_FIXED_BYTES);
            break;
        case ELEMENT_REPETITION:
            element.repetition = (int32_t)px_thrift_get_integer(reader, field, 0, REPEATED);
            break;
        case ELEMENT_NAME:
            element.name = px_thrift_get_binary(reader, field);
            break;
        case ELEMENT_CHILD_COUNT:
            element.child_count =
                (uint32_t)px_thrift_get_integer(reader, field, 0, PX_TABLE_MOST_ELEMENTS);
            break;
        case ELEMENT_CONVERTED:
            element.converted = (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case ELEMENT_LOGICAL:
            read_logical(reader, field, &element);
            break;
        default:
            px_thrift_skip(reader, field);
        }
    }
    return element;
}

/* ---- columns ------------------------------------------------------------------------------- */

static bool is_text(const struct element *leaf)
{
    return leaf->logical == LOGICAL_STRING || leaf->logical == LOGICAL_ENUM ||
           leaf->logical == LOGICAL_JSON ||
           (leaf->logical == 0 &&
            (leaf->converted == CONVERTED_UTF8 || leaf->converted == CONVERTED_ENUM ||
             leaf->converted == CONVERTED_JSON));
}

static bool is_unsigned(const struct element *leaf)
{
    return leaf->is_unsigned || (leaf->converted >= CONVERTED_FIRST_UNSIGNED &&
                                 leaf->converted <= CONVERTED_LAST_UNSIGNED);
}

static enum px_table_time time_of(const struct element *leaf)
{
    if (leaf->unit != PX_TIME_NONE)
        return leaf->unit;
    if (leaf->logical == LOGICAL_DATE || leaf->converted == CONVERTED_DATE)
        return PX_TIME_DAYS;
    if (leaf->converted == CONVERTED_TIMESTAMP_MILLIS)
        return PX_TIME_MILLIS;
    return leaf->converted == CONVERTED_TIMESTAMP_MICROS ? PX_TIME_MICROS : PX_TIME_NONE;
}

static enum px_table_kind kind_of_fixed(const struct element *leaf, const char **ret_reason)
{
    if (leaf->logical == LOGICAL_FLOAT16 && leaf->type_bytes == FLOAT16_BYTES)
        return PX_TABLE_FLOAT;
    if (leaf->logical == LOGICAL_UUID || leaf->converted == CONVERTED_INTERVAL) {
        *ret_reason = leaf->logical == LOGICAL_UUID ? "UUID" : "INTERVAL";
        return PX_TABLE_OTHER;
    }
    if (leaf->type_bytes > 0)
        return PX_TABLE_BYTES;
    *ret_reason = "values of no size";
    return PX_TABLE_OTHER;
}

static enum px_table_kind kind_of(const struct element *leaf, const char **ret_reason)
{
    if (leaf->logical == LOGICAL_DECIMAL || leaf->converted == CONVERTED_DECIMAL) {
        *ret_reason = "DECIMAL";
        return PX_TABLE_OTHER;
    }
    switch (leaf->type) {
    case PX_TYPE_BOOLEAN:
        return PX_TABLE_BOOLEAN;
    case PX_TYPE_INT32:
    case PX_TYPE_INT64:
        return PX_TABLE_LONG;
    case PX_TYPE_FLOAT:
        return PX_TABLE_FLOAT;
    case PX_TYPE_DOUBLE:
        return PX_TABLE_DOUBLE;
    case PX_TYPE_BYTE_ARRAY:
        return is_text(leaf) ? PX_TABLE_TEXT : PX_TABLE_BYTES;
    case PX_TYPE_FIXED:
        return kind_of_fixed(leaf, ret_reason);
    default:
        *ret_reason = leaf->type == PX_TYPE_INT96 ? "INT96" : "an unknown type";
        return PX_TABLE_OTHER;
    }
}

static void set_leaf(const struct element *leaf, struct px_table_column *column)
{
    column->type = leaf->type < PX_TYPE_COUNT ? (enum px_table_type)leaf->type : PX_TYPE_BYTE_ARRAY;
    column->kind = kind_of(leaf, &column->reason);
    column->time = time_of(leaf);
    column->type_bytes = leaf->type_bytes;
    column->is_unsigned = is_unsigned(leaf);
    column->is_json = leaf->logical == LOGICAL_JSON || leaf->converted == CONVERTED_JSON;
}

static void set_list(struct px_table_column *column, bool is_optional, bool has_optional_items)
{
    column->is_list = true;
    column->most_repetition = 1;
    column->list_level = is_optional;
    column->item_level = (uint8_t)(column->list_level + 1);
    column->most_definition = (uint8_t)(column->item_level + has_optional_items);
}

static void set_other(struct px_table_column *column, const char *reason)
{
    column->kind = PX_TABLE_OTHER;
    column->reason = reason;
}

/* What the elements of a top-level column mean; `count` of them belong to it. */
static void set_column(const struct element *elements, size_t count, struct px_table_column *column)
{
    const struct element *top = elements;
    bool is_list = top->logical == LOGICAL_LIST || top->converted == CONVERTED_LIST;
    bool is_optional = top->repetition == OPTIONAL;
    if (count == 1 && top->type >= 0) {
        set_leaf(top, column);
        if (top->repetition == REPEATED)
            set_list(column, false, false);
        else
            column->most_definition = is_optional;
    } else if (is_list && top->repetition != REPEATED && count == 2 && elements[1].type >= 0 &&
               elements[1].repetition == REPEATED) {
        set_leaf(&elements[1], column);
        set_list(column, is_optional, false);
    } else if (is_list && top->repetition != REPEATED && count == 3 && elements[2].type >= 0 &&
               elements[1].repetition == REPEATED && elements[2].repetition != REPEATED) {
        set_leaf(&elements[2], column);
        set_list(column, is_optional, elements[2].repetition == OPTIONAL);
    } else {
        set_other(column, is_list ? "a list of lists or structs" : "a struct or a map");
    }
}

/* How many elements the one at `at` and all below it are, and how many of them have chunks; 0 where
 * the tree is none. Without recursion: `open` counts the elements that are still to come. */
static size_t tree_size(const struct element *elements, size_t count, size_t at, uint32_t *leaves)
{
    uint64_t open = 1;
    size_t i = at;
    for (; open > 0 && i < count; i++) {
        open += elements[i].child_count;
        open--;
        *leaves += elements[i].type >= 0 && elements[i].child_count == 0;
    }
    return open == 0 ? i - at : 0;
}

static bool is_column_name(struct px_slice name)
{
    return name.size_bytes > 0 && memchr(name.data, 0, name.size_bytes) == NULL &&
           px_utf8_validate(name);
}

static const char *make_columns(const struct element *elements, size_t count,
                                struct px_table_schema *schema)
{
    size_t at = 1;
    for (size_t i = 0; i < schema->count; i++) {
        struct px_table_column *column = &schema->columns[i];
        column->leaf_index = schema->leaf_count;
        size_t size = tree_size(elements, count, at, &schema->leaf_count);
        if (size == 0)
            return "the schema ends too early";
        if (!is_column_name(elements[at].name))
            return "a column has an impossible name";
        column->name = elements[at].name;
        set_column(elements + at, size, column);
        at += size;
    }
    return at == count ? NULL : "the schema has more elements than columns";
}

bool px_table__read_schema(struct px_thrift_reader *reader, struct px_thrift_field field,
                           struct px_arena *arena, struct px_table_schema *ret_schema)
{
    uint32_t count =
        px_thrift_get_list(reader, field, PX_THRIFT_STRUCT, PX_TABLE_MOST_ELEMENTS).count;
    struct element *elements = px_arena_calloc(arena, count, sizeof *elements);
    if (elements == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        elements[i] = read_element(reader);
    struct px_table_schema schema = {.count = count > 0 ? elements[0].child_count : 0};
    if (schema.count < 1 || schema.count > PX_TABLE_MOST_COLUMNS) {
        px_thrift_fail(reader, "it has no columns, or more than 4,096");
        return true;
    }
    schema.columns = px_arena_calloc(arena, schema.count, sizeof *schema.columns);
    if (schema.columns == NULL)
        return false;
    const char *fault = reader->fault == NULL ? make_columns(elements, count, &schema) : NULL;
    if (fault != NULL)
        px_thrift_fail(reader, fault);
    *ret_schema = schema;
    return true;
}

const char *px_table_column_word(const struct px_table_column *column)
{
    static const char *const words[][2] = {
        [PX_TABLE_BOOLEAN] = {"BOOLEAN", "list of BOOLEAN"},
        [PX_TABLE_LONG] = {"integer", "list of integers"},
        [PX_TABLE_FLOAT] = {"FLOAT", "list of FLOAT"},
        [PX_TABLE_DOUBLE] = {"DOUBLE", "list of DOUBLE"},
        [PX_TABLE_TEXT] = {"text", "list of text"},
        [PX_TABLE_BYTES] = {"bytes", "list of bytes"},
    };
    return column->kind == PX_TABLE_OTHER ? column->reason : words[column->kind][column->is_list];
}
