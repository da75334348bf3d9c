/*
 * Goal: public fields and canonical metadata are the same thing in two forms.
 * Method: random fields there and back, in memory that is used again; fields with one fault each.
 */
#include "payload/fields.h"

#include "model/metadata.h"
#include "support/payload_test.h"

static void check_text(struct proximadb_text got, struct proximadb_text expected)
{
    assert_int_equal(got.size_bytes, expected.size_bytes);
    assert_memory_equal(got.data, expected.data, expected.size_bytes);
}

static void check_value(const struct proximadb_value *got, const struct proximadb_value *expected)
{
    assert_int_equal(got->kind, expected->kind);
    if (got->kind == PROXIMADB_VALUE_BOOLEAN)
        assert_int_equal(got->as.boolean, expected->as.boolean);
    if (got->kind == PROXIMADB_VALUE_LONG)
        assert_true(got->as.integer == expected->as.integer);
    if (got->kind == PROXIMADB_VALUE_DOUBLE)
        assert_true(got->as.number == expected->as.number);
    if (got->kind == PROXIMADB_VALUE_STRING)
        check_text(got->as.string, expected->as.string);
    if (got->kind != PROXIMADB_VALUE_STRING_ARRAY)
        return;
    assert_int_equal(got->as.strings.count, expected->as.strings.count);
    for (size_t i = 0; i < got->as.strings.count; i++)
        check_text(got->as.strings.items[i], expected->as.strings.items[i]);
}

static void test_fields__random_fields_read_back(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("fields");
    struct px_fields fields = {0};
    for (int round = 0; round < 500; round++) {
        struct payload_test_row row;
        struct px_buffer buffer = {0};
        payload_test_random_row(&random, 0, 1, &row);
        assert_int_equal(px_fields_write(row.fields, row.row.field_count, &buffer, NULL),
                         PROXIMADB_OK);
        assert_int_equal(px_fields_read(&fields, px_buffer_slice(&buffer), NULL), PROXIMADB_OK);
        assert_int_equal(fields.count, row.row.field_count);
        for (size_t i = 0; i < fields.count; i++) {
            check_text(fields.items[i].name, row.fields[i].name);
            check_value(&fields.items[i].value, &row.fields[i].value);
        }
        px_buffer_release(&buffer);
    }
    px_fields_release(&fields);
}

static void test_fields__writes_behind_what_is_there(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    px_buffer_append(&buffer, "xyz", 3);
    assert_int_equal(px_fields_write(NULL, 0, &buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, 4);
    assert_memory_equal(buffer.data, "xyz\0", 4);
    px_buffer_release(&buffer);
}

static void check_refused(const struct proximadb_field *fields, size_t count, const char *message)
{
    struct px_buffer buffer = {0};
    struct proximadb_error error;
    assert_int_equal(px_fields_write(fields, count, &buffer, &error), PROXIMADB_INVALID);
    payload_test_says(&error, message);
    px_buffer_release(&buffer);
}

static void test_fields__refuses_bad_fields(void **state)
{
    (void)state;
    const struct proximadb_text null_strings[] = {{"ok", 2}, {NULL, 1}};
    struct proximadb_field fields[2] = {{.name = {"a", 1}}, {.name = {"b", 1}}};
    check_refused(NULL, 1, "fields is NULL");
    fields[1].value.kind = 6;
    check_refused(fields, 2, "field 1 has no such kind of value: 6");
    fields[1].value.kind = -1;
    check_refused(fields, 2, "-1");
    fields[1].value =
        (struct proximadb_value){.kind = PROXIMADB_VALUE_STRING, .as.string = {NULL, 1}};
    check_refused(fields, 2, "field 1 has a NULL pointer");
    fields[1].value = (struct proximadb_value){.kind = PROXIMADB_VALUE_STRING_ARRAY,
                                               .as.strings = {null_strings, 2}};
    check_refused(fields, 2, "field 1 has a NULL pointer");
    fields[1].value.as.strings.items = NULL;
    fields[1].value.as.strings.count = 1;
    check_refused(fields, 2, "field 1 has a NULL pointer");
    fields[1].value = (struct proximadb_value){.kind = PROXIMADB_VALUE_DOUBLE, .as.number = NAN};
    check_refused(fields, 2, "finite");
    fields[1].value =
        (struct proximadb_value){.kind = PROXIMADB_VALUE_STRING, .as.string = {"\xff", 1}};
    check_refused(fields, 2, "UTF-8");
    fields[1] = fields[0];
    check_refused(fields, 2, "twice");
    fields[1].name = (struct proximadb_text){NULL, 1};
    check_refused(fields, 2, "field 1 has a NULL pointer");
}

static void test_fields__says_when_a_buffer_is_full(void **state)
{
    (void)state;
    const struct proximadb_field field = {.name = {"a long name", 11}};
    struct px_buffer buffer;
    px_buffer_init(&buffer, 8);
    assert_int_equal(px_fields_write(&field, 1, &buffer, NULL), PROXIMADB_RESOURCE_EXHAUSTED);
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields__random_fields_read_back),
        cmocka_unit_test(test_fields__writes_behind_what_is_there),
        cmocka_unit_test(test_fields__refuses_bad_fields),
        cmocka_unit_test(test_fields__says_when_a_buffer_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
