/*
 * Goal: every collection's columns are a valid Parquet schema with distinct field ids, and a field's
 * column is recognised as such.
 */
#include "viper/part_columns.h"

#include "support/records.h"

static void test_part_columns__are_a_valid_schema(void **state)
{
    (void)state;
    static struct px_part_columns columns;
    struct px_collection collection = records_collection("docs", 384);
    px_part_columns_init(&columns, &collection);
    assert_int_equal(columns.count, PX_PART_FIRST_FIELD + 5);
    assert_int_equal(px_parquet_schema_validate(columns.items, columns.count, NULL), PROXIMADB_OK);
    assert_int_equal(columns.items[PX_PART_VECTOR].dim_count, 384);
    for (size_t i = 0; i < columns.count; i++)
        for (size_t j = 0; j < columns.count; j++) {
            assert_true(i == j || columns.items[i].field_id != columns.items[j].field_id);
            if (px_parquet_is_list(&columns.items[i]))
                assert_int_not_equal(columns.items[i].element_field_id, columns.items[j].field_id);
        }
}

static void test_part_columns__recognise_their_fields(void **state)
{
    (void)state;
    static struct px_part_columns columns;
    struct px_collection collection = records_collection("docs", 3);
    enum proximadb_field_type type;
    struct px_slice name;
    px_part_columns_init(&columns, &collection);
    for (size_t i = 0; i < PX_PART_FIRST_FIELD; i++)
        assert_false(px_part_column_field(&columns.items[i], &type, &name));
    for (uint32_t i = 0; i < collection.field_count; i++) {
        assert_true(px_part_column_field(&columns.items[PX_PART_FIRST_FIELD + i], &type, &name));
        assert_int_equal(type, collection.fields[i].type);
        assert_true(px_slice_equal(name, px_slice_of_string(collection.fields[i].name)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_columns__are_a_valid_schema),
        cmocka_unit_test(test_part_columns__recognise_their_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
