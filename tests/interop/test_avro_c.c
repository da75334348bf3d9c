/*
 * Goal: avro-c reads the batches that we build, and we read those that avro-c writes.
 * Method: random rows built by the public builder and taken apart with avro-c's generic values by the
 * schema file, value by value; and the other way round.
 */
#include <proximadb.h>

#include <avro.h>

#include "avro/schemas.h"
#include "base/bits.h"
#include "model/metadata.h"
#include "payload/batch.h"
#include "support/payload_test.h"

enum { DIMS = 3, ROWS = 40 };

/* avro-c wants its string arguments without const. */
#define TEXT(text) (char *)(uintptr_t)(text)

struct fixture {
    avro_schema_t schema;
    avro_value_iface_t *class;
    avro_value_t batch;
    struct payload_test_row rows[ROWS];
};

static void set_up(struct fixture *fixture)
{
    struct px_slice text = px_schema_text(PX_SCHEMA_VECTOR_BATCH);
    avro_schema_error_t error;
    if (avro_schema_from_json((const char *)text.data, (int32_t)text.size_bytes, &fixture->schema,
                              &error) != 0)
        fail_msg("%s", avro_strerror());
    fixture->class = avro_generic_class_from_schema(fixture->schema);
    assert_int_equal(avro_generic_value_new(fixture->class, &fixture->batch), 0);
    struct px_test_random random = px_test_random_new("avro_c");
    for (size_t i = 0; i < ROWS; i++)
        payload_test_random_row(&random, i, DIMS, &fixture->rows[i]);
}

static void tear_down(struct fixture *fixture)
{
    avro_value_decref(&fixture->batch);
    avro_value_iface_decref(fixture->class);
    avro_schema_decref(fixture->schema);
}

static avro_value_t member(const avro_value_t *record, const char *name)
{
    avro_value_t value;
    if (avro_value_get_by_name(record, name, &value, NULL) != 0)
        fail_msg("no field %s", name);
    return value;
}

static avro_value_t item(const avro_value_t *array, size_t index)
{
    avro_value_t value;
    assert_int_equal(avro_value_get_by_index(array, index, &value, NULL), 0);
    return value;
}

/* ---- avro-c reads ---------------------------------------------------------------------------- */

static void check_string(const avro_value_t *value, const char *data, size_t size_bytes)
{
    const char *text;
    size_t size;
    assert_int_equal(avro_value_get_string(value, &text, &size), 0);
    assert_int_equal(size, size_bytes + 1); /* it counts the NUL */
    assert_memory_equal(text, data, size_bytes);
}

/* A union whose branch `branch` is expected; gives the value in it. */
static avro_value_t check_branch(const avro_value_t *value, int branch)
{
    avro_value_t current;
    int discriminant = -1;
    assert_int_equal(avro_value_get_discriminant(value, &discriminant), 0);
    assert_int_equal(discriminant, branch);
    assert_int_equal(avro_value_get_current_branch(value, &current), 0);
    return current;
}

static void check_field(const avro_value_t *map, const struct proximadb_field *field)
{
    char name[32];
    avro_value_t value;
    snprintf(name, sizeof name, "%.*s", (int)field->name.size_bytes, field->name.data);
    assert_int_equal(avro_value_get_by_name(map, name, &value, NULL), 0);
    avro_value_t in = check_branch(&value, field->value.kind);
    int boolean = -1;
    int64_t integer = 0;
    double number = 0;
    size_t count = 0;
    switch (field->value.kind) {
    case PROXIMADB_VALUE_BOOLEAN:
        assert_int_equal(avro_value_get_boolean(&in, &boolean), 0);
        assert_int_equal(boolean, field->value.as.boolean);
        break;
    case PROXIMADB_VALUE_LONG:
        assert_int_equal(avro_value_get_long(&in, &integer), 0);
        assert_true(integer == field->value.as.integer);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        assert_int_equal(avro_value_get_double(&in, &number), 0);
        assert_true(number == field->value.as.number);
        break;
    case PROXIMADB_VALUE_STRING:
        check_string(&in, field->value.as.string.data, field->value.as.string.size_bytes);
        break;
    case PROXIMADB_VALUE_STRING_ARRAY:
        assert_int_equal(avro_value_get_size(&in, &count), 0);
        assert_int_equal(count, field->value.as.strings.count);
        for (size_t i = 0; i < count; i++) {
            avro_value_t string = item(&in, i);
            check_string(&string, field->value.as.strings.items[i].data,
                         field->value.as.strings.items[i].size_bytes);
        }
        break;
    default:
        break;
    }
}

static void check_optional_long(const avro_value_t *record, const char *name,
                                const int64_t *expected)
{
    avro_value_t value = member(record, name);
    avro_value_t in = check_branch(&value, expected != NULL);
    int64_t got = 0;
    if (expected == NULL)
        return;
    assert_int_equal(avro_value_get_long(&in, &got), 0);
    assert_true(got == *expected);
}

static void check_record(const avro_value_t *record, const struct proximadb_row *row)
{
    avro_value_t value = member(record, "id");
    size_t count;
    check_string(&value, row->id.data, row->id.size_bytes);
    value = member(record, "vector");
    assert_int_equal(avro_value_get_size(&value, &count), 0);
    assert_int_equal(count, DIMS);
    for (size_t i = 0; i < DIMS; i++) {
        avro_value_t component = item(&value, i);
        float number = 0;
        assert_int_equal(avro_value_get_float(&component, &number), 0);
        assert_true(number == row->vector[i]);
    }
    value = member(record, "metadata");
    assert_int_equal(avro_value_get_size(&value, &count), 0);
    assert_int_equal(count, row->field_count);
    for (size_t i = 0; i < count; i++)
        check_field(&value, &row->fields[i]);
    value = member(record, "document");
    avro_value_t document = check_branch(&value, row->document != NULL);
    if (row->document != NULL)
        check_string(&document, row->document, row->document_size_bytes);
    check_optional_long(record, "timestamp_ms", row->timestamp_ms);
    check_optional_long(record, "expires_at_ms", row->expires_at_ms);
}

static void test_avro_c__reads_what_the_builder_writes(void **state)
{
    (void)state;
    static struct fixture fixture;
    static const uint8_t request_id[16] = "0123456789abcde";
    struct proximadb_buffer payload;
    struct px_slice datum;
    set_up(&fixture);
    proximadb_batch *builder = proximadb_batch_new(PROXIMADB_INSERT, request_id);
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(proximadb_batch_add(builder, &fixture.rows[i].row, NULL), PROXIMADB_OK);
    assert_int_equal(proximadb_batch_take(builder, &payload, NULL), PROXIMADB_OK);
    assert_int_equal(px_payload_expect(px_slice_of(payload.data, payload.size_bytes),
                                       PX_SCHEMA_VECTOR_BATCH, &datum, NULL),
                     PROXIMADB_OK);
    avro_reader_t reader = avro_reader_memory((const char *)datum.data, (int64_t)datum.size_bytes);
    if (avro_value_read(reader, &fixture.batch) != 0)
        fail_msg("%s", avro_strerror());

    const void *id;
    size_t id_size, count;
    avro_value_t value = member(&fixture.batch, "request_id");
    assert_int_equal(avro_value_get_fixed(&value, &id, &id_size), 0);
    assert_int_equal(id_size, 16);
    assert_memory_equal(id, request_id, 16);
    value = member(&fixture.batch, "records");
    assert_int_equal(avro_value_get_size(&value, &count), 0);
    assert_int_equal(count, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        avro_value_t record = item(&value, i);
        check_record(&record, &fixture.rows[i].row);
    }
    avro_reader_free(reader);
    proximadb_buffer_release(&payload);
    proximadb_batch_free(builder);
    tear_down(&fixture);
}

/* ---- avro-c writes --------------------------------------------------------------------------- */

static avro_value_t set_branch(const avro_value_t *value, int branch)
{
    avro_value_t in;
    assert_int_equal(avro_value_set_branch(value, branch, &in), 0);
    return in;
}

static void set_string(avro_value_t *value, const char *data, size_t size_bytes)
{
    char text[256]; /* avro-c wants the NUL to be there, and counted */
    assert_true(size_bytes < sizeof text);
    memcpy(text, data, size_bytes);
    text[size_bytes] = '\0';
    assert_int_equal(avro_value_set_string_len(value, text, size_bytes + 1), 0);
}

static void set_value(avro_value_t *in, const struct proximadb_value *from)
{
    avro_value_t element;
    switch (from->kind) {
    case PROXIMADB_VALUE_BOOLEAN:
        assert_int_equal(avro_value_set_boolean(in, from->as.boolean), 0);
        break;
    case PROXIMADB_VALUE_LONG:
        assert_int_equal(avro_value_set_long(in, from->as.integer), 0);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        assert_int_equal(avro_value_set_double(in, from->as.number), 0);
        break;
    case PROXIMADB_VALUE_STRING:
        set_string(in, from->as.string.data, from->as.string.size_bytes);
        break;
    case PROXIMADB_VALUE_STRING_ARRAY:
        for (size_t i = 0; i < from->as.strings.count; i++) {
            assert_int_equal(avro_value_append(in, &element, NULL), 0);
            set_string(&element, from->as.strings.items[i].data,
                       from->as.strings.items[i].size_bytes);
        }
        break;
    default:
        assert_int_equal(avro_value_set_null(in), 0);
    }
}

static void set_optional_long(const avro_value_t *record, const char *name, const int64_t *from)
{
    avro_value_t value = member(record, name);
    avro_value_t in = set_branch(&value, from != NULL);
    if (from != NULL)
        assert_int_equal(avro_value_set_long(&in, *from), 0);
}

static void set_record(const avro_value_t *record, const struct proximadb_row *row)
{
    avro_value_t value = member(record, "id"), element;
    set_string(&value, row->id.data, row->id.size_bytes);
    value = member(record, "vector");
    for (size_t i = 0; i < DIMS; i++) {
        assert_int_equal(avro_value_append(&value, &element, NULL), 0);
        assert_int_equal(avro_value_set_float(&element, row->vector[i]), 0);
    }
    value = member(record, "metadata");
    for (size_t i = 0; i < row->field_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)row->fields[i].name.size_bytes,
                 row->fields[i].name.data);
        assert_int_equal(avro_value_add(&value, name, &element, NULL, NULL), 0);
        avro_value_t in = set_branch(&element, row->fields[i].value.kind);
        set_value(&in, &row->fields[i].value);
    }
    value = member(record, "document");
    avro_value_t document = set_branch(&value, row->document != NULL);
    if (row->document != NULL)
        set_string(&document, row->document, row->document_size_bytes);
    set_optional_long(record, "timestamp_ms", row->timestamp_ms);
    set_optional_long(record, "expires_at_ms", row->expires_at_ms);
}

static void check_decoded(const struct px_batch_row *got, const struct payload_test_row *from)
{
    const struct proximadb_row *row = &from->row;
    assert_true(px_slice_equal(got->record.id, px_slice_of(row->id.data, row->id.size_bytes)));
    assert_memory_equal(got->record.vector, row->vector, DIMS * sizeof(float));
    assert_int_equal(px_metadata_first(got->record.metadata).left, row->field_count);
    for (size_t i = 0; i < row->field_count; i++) {
        struct px_value value;
        struct px_slice name =
            px_slice_of(row->fields[i].name.data, row->fields[i].name.size_bytes);
        assert_true(px_metadata_find(got->record.metadata, name, &value));
        assert_int_equal(value.kind, row->fields[i].value.kind);
    }
    assert_int_equal(got->record.has_document, row->document != NULL);
    assert_int_equal(got->record.document.size_bytes, row->document_size_bytes);
    assert_int_equal(got->has_timestamp, row->timestamp_ms != NULL);
    assert_true(got->record.expires_at_ms ==
                (row->expires_at_ms != NULL ? *row->expires_at_ms : PX_NEVER));
}

static void test_avro_c__writes_what_the_engine_reads(void **state)
{
    (void)state;
    static struct fixture fixture;
    static char bytes[1 << 16];
    struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    struct px_arena arena = {0};
    struct px_batch batch;
    struct proximadb_error error;
    set_up(&fixture);
    avro_value_t value = member(&fixture.batch, "request_id"), element;
    assert_int_equal(avro_value_set_fixed(&value, TEXT("0123456789abcdef"), 16), 0);
    value = member(&fixture.batch, "records");
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(avro_value_append(&value, &element, NULL), 0);
        set_record(&element, &fixture.rows[i].row);
    }
    avro_writer_t writer = avro_writer_memory(bytes, sizeof bytes);
    if (avro_value_write(writer, &fixture.batch) != 0)
        fail_msg("%s", avro_strerror());
    struct px_slice datum = px_slice_of(bytes, (size_t)avro_writer_tell(writer));
    if (px_batch_decode(datum, &collection, &arena, &batch, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    assert_memory_equal(batch.request_id, "0123456789abcdef", 16);
    assert_int_equal(batch.row_count, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        check_decoded(&batch.rows[i], &fixture.rows[i]);
    avro_writer_free(writer);
    px_arena_release(&arena);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avro_c__reads_what_the_builder_writes),
        cmocka_unit_test(test_avro_c__writes_what_the_engine_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
