/*
 * Goal: columns come back from the schema they were written as, and schemas of other shapes are
 * refused, naming the column.
 * Method: random columns; elements put together by hand, as others write them.
 */
#include "parquet/schema_element_internal.h"

#include "support/parquet_test.h"

enum { FIELD = 2 };

/* Reads a struct whose field FIELD is a schema. */
static int read_columns(const struct px_buffer *buffer, struct px_arena *arena,
                        struct px_parquet_column **ret_columns, size_t *ret_count,
                        struct proximadb_error *error)
{
    struct px_schema_elements *elements = NULL;
    struct px_thrift_reader reader = px_thrift_reader_of(px_buffer_slice(buffer));
    struct px_thrift_field field = {0};
    assert_true(px_thrift_next(&reader, &field));
    assert_true(px_schema_element__read(&reader, field, arena, &elements));
    int rc = px_thrift_check(&reader, "the schema", error);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_schema_element__columns(elements, arena, ret_columns, ret_count, error);
}

static void test_schema_element__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("schema_element");
    for (int round = 0; round < 500; round++) {
        char names[PARQUET_TEST_MOST_COLUMNS][8];
        struct px_parquet_column columns[PARQUET_TEST_MOST_COLUMNS], *again = NULL;
        struct proximadb_error error;
        struct px_buffer buffer = {0};
        struct px_arena arena = {0};
        size_t again_count = 0;
        size_t count = parquet_test_random_columns(&random, (uint32_t)round % 3, names, columns);
        struct px_thrift_writer writer = px_thrift_writer_of(&buffer);
        px_schema_element__put(&writer, FIELD, columns, count);
        px_thrift_end_struct(&writer);
        parquet_test_check(read_columns(&buffer, &arena, &again, &again_count, &error), &error);
        assert_int_equal(again_count, count);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(again[i].name, columns[i].name);
            assert_int_equal(again[i].shape, columns[i].shape);
            assert_int_equal(again[i].type, columns[i].type);
            assert_int_equal(again[i].logical, columns[i].logical);
            assert_int_equal(again[i].field_id, columns[i].field_id);
            assert_int_equal(again[i].element_field_id, columns[i].element_field_id);
        }
        px_arena_release(&arena);
        px_buffer_release(&buffer);
    }
}

/* An element as others may write it; -1 or NULL leaves a field out. */
struct raw {
    int32_t type, repetition;
    const char *name;
    int32_t children, converted;
};

static int read_raw(const struct raw *elements, size_t count, struct px_parquet_column *ret_first,
                    struct proximadb_error *error)
{
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_parquet_column *columns = NULL;
    size_t column_count = 0;
    struct px_thrift_writer writer = px_thrift_writer_of(&buffer);
    px_thrift_begin_list(&writer, FIELD, PX_THRIFT_STRUCT, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        px_thrift_add_struct(&writer);
        if (elements[i].type >= 0)
            px_thrift_put_i32(&writer, 1, elements[i].type);
        if (elements[i].repetition >= 0)
            px_thrift_put_i32(&writer, 3, elements[i].repetition);
        if (elements[i].name != NULL)
            px_thrift_put_string(&writer, 4, elements[i].name);
        if (elements[i].children >= 0)
            px_thrift_put_i32(&writer, 5, elements[i].children);
        if (elements[i].converted >= 0)
            px_thrift_put_i32(&writer, 6, elements[i].converted);
        px_thrift_end_struct(&writer);
    }
    px_thrift_end_struct(&writer);
    int rc = read_columns(&buffer, &arena, &columns, &column_count, error);
    if (rc == PROXIMADB_OK && ret_first != NULL)
        *ret_first = columns[0];
    px_arena_release(&arena);
    px_buffer_release(&buffer);
    return rc;
}

#define ROOT(children_count)               \
    {                                      \
        -1, -1, "root", children_count, -1 \
    }

static void test_schema_element__reads_schemas_of_others(void **state)
{
    (void)state;
    struct px_parquet_column column;
    /* A string by its converted type alone, and a list with other names for its groups. */
    const struct raw string[] = {ROOT(1), {6, 1, "s", -1, 0}};
    assert_int_equal(read_raw(string, 2, &column, NULL), PROXIMADB_OK);
    assert_int_equal(column.logical, PX_PARQUET_STRING);
    assert_int_equal(column.shape, PX_PARQUET_OPTIONAL);
    const struct raw list[] = {
        ROOT(1), {-1, 0, "v", 1, 3}, {-1, 2, "bag", 1, -1}, {4, 0, "item", -1, -1}};
    assert_int_equal(read_raw(list, 4, &column, NULL), PROXIMADB_OK);
    assert_int_equal(column.shape, PX_PARQUET_VECTOR);
    const struct raw date[] = {ROOT(1), {1, 0, "d", -1, 6}}; /* its meaning is not ours */
    assert_int_equal(read_raw(date, 2, &column, NULL), PROXIMADB_OK);
    assert_int_equal(column.logical, PX_PARQUET_NONE);
}

static void check_refused(const struct raw *elements, size_t count, int status, const char *part)
{
    struct proximadb_error error;
    assert_int_equal(read_raw(elements, count, NULL, &error), status);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_schema_element__names_columns_it_does_not_read(void **state)
{
    (void)state;
    const struct raw int96[] = {ROOT(1), {3, 0, "i", -1, -1}};
    check_refused(int96, 2, PROXIMADB_UNIMPLEMENTED, "column 'i'");
    const struct raw fixed[] = {ROOT(1), {7, 0, "f", -1, -1}};
    check_refused(fixed, 2, PROXIMADB_UNIMPLEMENTED, "FIXED_LEN_BYTE_ARRAY");
    const struct raw repeated[] = {ROOT(1), {1, 2, "r", -1, -1}};
    check_refused(repeated, 2, PROXIMADB_UNIMPLEMENTED, "repeated without being a list");
    const struct raw group[] = {
        ROOT(1), {-1, 0, "g", 2, -1}, {1, 0, "a", -1, -1}, {1, 0, "b", -1, -1}};
    check_refused(group, 4, PROXIMADB_UNIMPLEMENTED, "column 'g'");
    const struct raw nested[] = {ROOT(1), {-1, 0, "g", 1, -1}, {1, 0, "a", -1, -1}};
    check_refused(nested, 3, PROXIMADB_UNIMPLEMENTED, "column 'g'");
    const struct raw pairs[] = {ROOT(1),
                                {-1, 0, "v", 1, 3},
                                {-1, 2, "list", 2, -1},
                                {1, 0, "a", -1, -1},
                                {1, 0, "b", -1, -1}};
    check_refused(pairs, 5, PROXIMADB_UNIMPLEMENTED, "not of single values");
    const struct raw nullable[] = {
        ROOT(1), {-1, 0, "v", 1, 3}, {-1, 2, "list", 1, -1}, {4, 1, "element", -1, -1}};
    check_refused(nullable, 4, PROXIMADB_UNIMPLEMENTED, "elements may be null");
    const struct raw doubles[] = {
        ROOT(1), {-1, 0, "v", 1, 3}, {-1, 2, "list", 1, -1}, {5, 0, "element", -1, -1}};
    check_refused(doubles, 4, PROXIMADB_UNIMPLEMENTED, "neither a required list of FLOAT");
}

static void test_schema_element__refuses_damaged_trees(void **state)
{
    (void)state;
    const struct raw more[] = {ROOT(2), {1, 0, "a", -1, -1}};
    check_refused(more, 2, PROXIMADB_CORRUPT, "ends too early");
    const struct raw fewer[] = {ROOT(1), {1, 0, "a", -1, -1}, {1, 0, "b", -1, -1}};
    check_refused(fewer, 3, PROXIMADB_CORRUPT, "more elements than columns");
    const struct raw cut[] = {ROOT(1), {-1, 0, "v", 1, 3}, {-1, 2, "list", 1, -1}};
    check_refused(cut, 3, PROXIMADB_CORRUPT, "ends too early");
    const struct raw none[] = {ROOT(0)};
    check_refused(none, 1, PROXIMADB_CORRUPT, "0 columns");
    check_refused(none, 0, PROXIMADB_CORRUPT, "0 columns");
    const struct raw nameless[] = {ROOT(1), {1, 0, NULL, -1, -1}};
    check_refused(nameless, 2, PROXIMADB_CORRUPT, "impossible name");
    const struct raw garbled[] = {ROOT(1), {1, 0, "\xff", -1, -1}};
    check_refused(garbled, 2, PROXIMADB_CORRUPT, "impossible name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_element__reads_what_it_writes),
        cmocka_unit_test(test_schema_element__reads_schemas_of_others),
        cmocka_unit_test(test_schema_element__names_columns_it_does_not_read),
        cmocka_unit_test(test_schema_element__refuses_damaged_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
