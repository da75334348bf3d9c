#include "cli/export_writer.h"
#include "cli/import_source.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include "os/file.h"
#include "table/table_reader.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_DIMS = 65536, MOST_JSON_MEMORY = 1 << 30, NAMES_BYTES = 300 };

struct input {
    enum px_import_role role;
    const struct px_table_column *column;
    struct px_table_cursor *cursor;
};

struct source {
    struct px_import_source base;
    struct px_slice file;
    struct px_table *table;
    struct input *inputs;
    size_t input_count;
    bool number_ids;
    yyjson_doc *doc; /* metadata of the present row */
    struct px_arena arena;
    float *vector;
    int64_t timestamp_ms, expires_at_ms;
    char number[24];
    struct proximadb_field fields[PX_IMPORT_MOST_FIELDS];
};

static void source_close(struct px_import_source *base)
{
    struct source *source = (struct source *)base;
    for (size_t i = 0; i < source->input_count; i++)
        px_table_cursor_close(source->inputs[i].cursor);
    px_table_close(source->table);
    yyjson_doc_free(source->doc);
    px_arena_release(&source->arena);
    px_file_unmap(&px_fs_posix, source->file);
    free(source->inputs);
    free(source->vector);
    free(source);
}

/* ---- values -------------------------------------------------------------------------------- */

static bool is_number(const struct px_table_column *column)
{
    return column->kind == PX_TABLE_FLOAT || column->kind == PX_TABLE_DOUBLE ||
           column->kind == PX_TABLE_LONG;
}

static const char *set_vector(struct source *source, const struct px_table_column *column,
                              const struct px_table_cell *cell, struct proximadb_row *row)
{
    if (cell->is_null)
        return "the vector is null";
    if (cell->null_count > 0)
        return "the vector has elements that are null";
    if (cell->item_count > MOST_DIMS)
        return "the vector has over 65,536 dimensions";
    row->vector = source->vector;
    row->dim_count = cell->item_count;
    if (column->kind == PX_TABLE_FLOAT)
        row->vector = cell->as.floats;
    for (size_t i = 0; column->kind == PX_TABLE_DOUBLE && i < cell->item_count; i++)
        source->vector[i] = (float)cell->as.doubles[i];
    for (size_t i = 0; column->kind == PX_TABLE_LONG && i < cell->item_count; i++)
        source->vector[i] = (float)cell->as.longs[i];
    return NULL;
}

static struct proximadb_text text_of(struct px_slice slice)
{
    const char *data = slice.data != NULL ? (const char *)slice.data : "";
    return (struct proximadb_text){.data = data, .size_bytes = slice.size_bytes};
}

static const char *set_id(struct source *source, const struct px_table_column *column,
                          const struct px_table_cell *cell, struct proximadb_row *row)
{
    if (cell->is_null)
        return "the id is null";
    if (column->kind != PX_TABLE_LONG) {
        row->id = text_of(cell->as.bytes[0]);
    } else if (column->is_unsigned) {
        row->id = px_import_number((uint64_t)cell->as.longs[0], source->number);
    } else {
        int size =
            snprintf(source->number, sizeof source->number, "%lld", (long long)cell->as.longs[0]);
        row->id = (struct proximadb_text){source->number, (size_t)size};
    }
    return NULL;
}

static const char *set_document(const struct px_table_cell *cell, struct proximadb_row *row)
{
    if (cell->is_null)
        return NULL;
    struct proximadb_text text = text_of(cell->as.bytes[0]);
    row->document = text.data;
    row->document_size_bytes = text.size_bytes;
    return NULL;
}

/* A time in milliseconds, rounded down; a number without a unit has that already. */
static bool millis_of(enum px_table_time unit, int64_t value, int64_t *ret_ms)
{
    static const int64_t divisors[] = {[PX_TIME_NONE] = 1,
                                       [PX_TIME_DAYS] = 1,
                                       [PX_TIME_MILLIS] = 1,
                                       [PX_TIME_MICROS] = 1000,
                                       [PX_TIME_NANOS] = 1000000};
    int64_t divisor = divisors[unit];
    if (unit == PX_TIME_DAYS)
        return !__builtin_mul_overflow(value, INT64_C(86400000), ret_ms);
    *ret_ms = value / divisor - (value % divisor < 0);
    return true;
}

static const char *set_time(const struct px_table_column *column, const struct px_table_cell *cell,
                            int64_t *place, const int64_t **member)
{
    if (cell->is_null)
        return NULL;
    if (!millis_of(column->time, cell->as.longs[0], place))
        return "the time is out of range";
    *member = place;
    return NULL;
}

static const char *set_metadata(struct source *source, const struct px_table_cell *cell,
                                struct proximadb_row *row)
{
    struct proximadb_error error = {0};
    if (cell->is_null)
        return NULL;
    yyjson_doc_free(source->doc);
    source->doc = NULL;
    if (px_json_parse_limited(cell->as.bytes[0], MOST_JSON_MEMORY, &source->doc, &error) !=
        PROXIMADB_OK)
        return "the metadata is no JSON text; --ignore leaves a column out";
    return px_import_object(yyjson_doc_get_root(source->doc), &source->arena, row, source->fields);
}

static const char *set_strings(struct source *source, const struct px_table_cell *cell,
                               struct proximadb_value *value)
{
    if (cell->null_count > 0)
        return "a list of strings has nulls in it";
    struct proximadb_text *items = px_arena_calloc(&source->arena, cell->item_count, sizeof *items);
    if (items == NULL)
        return "there is no memory for it";
    for (size_t i = 0; i < cell->item_count; i++)
        items[i] = text_of(cell->as.bytes[i]);
    value->kind = PROXIMADB_VALUE_STRING_ARRAY;
    value->as.strings.items = items;
    value->as.strings.count = cell->item_count;
    return NULL;
}

static const char *set_long(const struct px_table_column *column, int64_t number,
                            struct proximadb_value *value)
{
    value->kind = PROXIMADB_VALUE_LONG;
    value->as.integer = number;
    if (column->is_unsigned && number < 0)
        return "the integer is above 9,223,372,036,854,775,807";
    bool is_time = column->time != PX_TIME_NONE && column->time != PX_TIME_DAYS;
    return !is_time || millis_of(column->time, number, &value->as.integer)
               ? NULL
               : "the time is out of range";
}

static const char *set_scalar(const struct px_table_column *column,
                              const struct px_table_cell *cell, struct proximadb_value *value)
{
    switch (column->kind) {
    case PX_TABLE_BOOLEAN:
        value->kind = PROXIMADB_VALUE_BOOLEAN;
        value->as.boolean = cell->as.booleans[0] != 0;
        return NULL;
    case PX_TABLE_LONG:
        return set_long(column, cell->as.longs[0], value);
    case PX_TABLE_FLOAT:
    case PX_TABLE_DOUBLE:
        value->kind = PROXIMADB_VALUE_DOUBLE;
        value->as.number =
            column->kind == PX_TABLE_FLOAT ? (double)cell->as.floats[0] : cell->as.doubles[0];
        return NULL;
    default:
        value->kind = PROXIMADB_VALUE_STRING;
        value->as.string = text_of(cell->as.bytes[0]);
        return NULL;
    }
}

/* A null is a key that is not there. */
static const char *set_field(struct source *source, const struct px_table_column *column,
                             const struct px_table_cell *cell, struct proximadb_row *row)
{
    if (cell->is_null)
        return NULL;
    if (row->field_count == PX_IMPORT_MOST_FIELDS)
        return "it has more than 1,024 entries of metadata";
    struct proximadb_field *field = &source->fields[row->field_count];
    *field = (struct proximadb_field){.name = text_of(column->name)};
    const char *fault = column->is_list ? set_strings(source, cell, &field->value)
                                        : set_scalar(column, cell, &field->value);
    row->fields = source->fields;
    row->field_count += fault == NULL;
    return fault;
}

static const char *set_value(struct source *source, const struct input *input,
                             const struct px_table_cell *cell, struct proximadb_row *row)
{
    switch (input->role) {
    case PX_ROLE_ID:
        return set_id(source, input->column, cell, row);
    case PX_ROLE_VECTOR:
        return set_vector(source, input->column, cell, row);
    case PX_ROLE_DOCUMENT:
        return set_document(cell, row);
    case PX_ROLE_METADATA:
        return set_metadata(source, cell, row);
    case PX_ROLE_TIMESTAMP:
        return set_time(input->column, cell, &source->timestamp_ms, &row->timestamp_ms);
    case PX_ROLE_EXPIRES_AT:
        return set_time(input->column, cell, &source->expires_at_ms, &row->expires_at_ms);
    default:
        return set_field(source, input->column, cell, row);
    }
}

static bool next(struct px_import_source *base, struct proximadb_row *ret_row,
                 struct proximadb_error *reterr)
{
    struct source *source = (struct source *)base;
    if (base->next_row == base->row_count)
        return false;
    struct proximadb_row row = {.struct_size = sizeof row};
    px_arena_release(&source->arena);
    if (source->number_ids)
        row.id = px_import_number(base->next_row, source->number);
    for (size_t i = 0; i < source->input_count; i++) {
        struct input *input = &source->inputs[i];
        struct px_table_cell cell;
        if (px_table_cursor_next(input->cursor, &cell, reterr) != PROXIMADB_OK)
            return false;
        const char *fault = set_value(source, input, &cell, &row);
        if (fault != NULL) {
            (void)px_fail_row(reterr, PROXIMADB_INVALID, (int64_t)base->next_row,
                              "column '%.*s': %s", (int)input->column->name.size_bytes,
                              (const char *)input->column->name.data, fault);
            return false;
        }
    }
    base->next_row++;
    *ret_row = row;
    return true;
}

/* ---- choosing columns ---------------------------------------------------------------------- */

/* Why a column cannot have its role, or NULL. */
static const char *unfit(enum px_import_role role, const struct px_table_column *column)
{
    bool is_text = column->kind == PX_TABLE_TEXT || column->kind == PX_TABLE_BYTES;
    bool is_list = column->is_list;
    switch (role) {
    case PX_ROLE_ID:
        return !is_list && (is_text || column->kind == PX_TABLE_LONG)
                   ? NULL
                   : "an id is text or an integer";
    case PX_ROLE_VECTOR:
        return is_list && is_number(column) ? NULL : "a vector is a list of numbers";
    case PX_ROLE_DOCUMENT:
        return !is_list && is_text ? NULL : "a document is text";
    case PX_ROLE_METADATA:
        return !is_list && is_text ? NULL : "it must be a JSON object as text";
    case PX_ROLE_TIMESTAMP:
    case PX_ROLE_EXPIRES_AT:
        return !is_list && column->kind == PX_TABLE_LONG ? NULL
                                                         : "a time is a timestamp or integer";
    default:
        return column->kind != PX_TABLE_OTHER && column->kind != PX_TABLE_BYTES &&
                       (!is_list || is_text)
                   ? NULL
                   : "metadata is text, numbers, booleans and lists of text";
    }
}

/* "id (text), vector (list of FLOAT)" */
static void list_columns(const struct px_table_column *columns, size_t count,
                         char text[NAMES_BYTES])
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && at + 1 < NAMES_BYTES; i++) {
        size_t shown = px_utf8_cut(columns[i].name, 40);
        int more =
            snprintf(text + at, NAMES_BYTES - at, "%s%.*s (%s)", i == 0 ? "" : ", ", (int)shown,
                     (const char *)columns[i].name.data, px_table_column_word(&columns[i]));
        at += more > 0 ? (size_t)more : 0;
    }
    if (at >= NAMES_BYTES)
        text[px_utf8_cut(px_slice_of_string(text), NAMES_BYTES - 4)] = '\0';
}

static int check_roles(const struct px_import_names *names, const bool *has_role,
                       const struct px_table_column *columns, size_t count,
                       struct proximadb_error *reterr)
{
    static const char *const flags[PX_ROLE_COUNT] = {
        [PX_ROLE_ID] = "--id-column NAME or --number-ids",
        [PX_ROLE_VECTOR] = "--vector-column NAME",
        [PX_ROLE_DOCUMENT] = "--document-column NAME",
        [PX_ROLE_METADATA] = "--metadata-column NAME",
        [PX_ROLE_TIMESTAMP] = "--timestamp-column NAME",
        [PX_ROLE_EXPIRES_AT] = "--expires-at-column NAME",
    };
    for (int role = 0; role < PX_ROLE_COUNT; role++) {
        bool is_given;
        const char *name = px_import_name_of(names, (enum px_import_role)role, &is_given);
        bool is_needed =
            is_given || role == PX_ROLE_VECTOR || (role == PX_ROLE_ID && !names->number_ids);
        if (has_role[role] || !is_needed)
            continue;
        char text[NAMES_BYTES];
        list_columns(columns, count, text);
        return px_fail(reterr, PROXIMADB_INVALID,
                       "it has no column '%.60s'; say %s. Its columns: %s", name, flags[role],
                       text);
    }
    return PROXIMADB_OK;
}

/* Whoever mistypes a name would have the column as metadata. */
static int check_ignored(const struct px_import_names *names, const struct px_table_column *columns,
                         size_t count, struct proximadb_error *reterr)
{
    for (size_t i = 0; i < names->ignored->count; i++) {
        struct px_slice name = px_slice_of_string(names->ignored->items[i]);
        size_t at = 0;
        while (at < count && !px_slice_equal(columns[at].name, name))
            at++;
        if (at < count)
            continue;
        char text[NAMES_BYTES];
        list_columns(columns, count, text);
        return px_fail(reterr, PROXIMADB_INVALID,
                       "--ignore: it has no column '%.60s'. Its columns: %s",
                       names->ignored->items[i], text);
    }
    return PROXIMADB_OK;
}

static bool is_used(const struct px_import_names *names, enum px_import_role role)
{
    return role != PX_ROLE_NONE && !(role == PX_ROLE_ID && names->number_ids);
}

static int add_input(struct source *source, size_t index, const struct px_table_column *column,
                     enum px_import_role role, struct proximadb_error *reterr)
{
    const char *fault = unfit(role, column);
    if (fault != NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "column '%.*s' is %s; %s. --ignore NAME leaves a column out",
                       (int)px_utf8_cut(column->name, 60), (const char *)column->name.data,
                       px_table_column_word(column), fault);
    struct input *input = &source->inputs[source->input_count++];
    *input = (struct input){.role = role, .column = column};
    return px_table_cursor_open(source->table, index, &input->cursor, reterr);
}

static int choose_columns(struct source *source, const struct px_import_names *names,
                          struct proximadb_error *reterr)
{
    size_t count;
    bool has_role[PX_ROLE_NONE + 1] = {false};
    const struct px_table_column *columns = px_table_columns(source->table, &count);
    source->inputs = calloc(count, sizeof *source->inputs);
    if (source->inputs == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < count; i++)
        has_role[px_import_role_of(names, columns[i].name)] = true;
    int rc = check_ignored(names, columns, count, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_roles(names, has_role, columns, count, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < count; i++) {
        enum px_import_role role = px_import_role_of(names, columns[i].name);
        if (is_used(names, role))
            rc = add_input(source, i, &columns[i], role, reterr);
    }
    return rc;
}

/* What an export writes, so that a collection without rows comes back, too. */
static size_t noted_dimension(const struct px_table *table)
{
    struct px_slice text = px_table_key_value(table, PX_EXPORT_DIMENSION);
    size_t dim_count = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || dim_count > MOST_DIMS)
            return 0;
        dim_count = dim_count * 10 + (size_t)(text.data[i] - '0');
    }
    return dim_count <= MOST_DIMS ? dim_count : 0;
}

int px_import_parquet(struct px_slice file, const struct px_import_names *names,
                      struct px_import_source **ret_source, struct proximadb_error *reterr)
{
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return px_fail_no_memory(reterr);
    source->base = (struct px_import_source){.next = next, .close = source_close};
    source->number_ids = names->number_ids;
    source->vector = malloc(MOST_DIMS * sizeof *source->vector);
    int rc = source->vector == NULL ? px_fail_no_memory(reterr)
                                    : px_table_open(file, &source->table, reterr);
    if (rc == PROXIMADB_OK)
        rc = choose_columns(source, names, reterr);
    if (rc != PROXIMADB_OK) {
        source_close(&source->base);
        return rc;
    }
    source->file = file;
    source->base.row_count = px_table_row_count(source->table);
    source->base.dim_count = noted_dimension(source->table);
    *ret_source = &source->base;
    return PROXIMADB_OK;
}
