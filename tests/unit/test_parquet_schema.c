/*
 * Goal: columns that can be written pass, and each rule that is broken is named with its column.
 * Method: one good column of each shape; one fault at a time.
 */
#include "parquet/parquet_schema.h"

#include "support/px_test.h"

static const struct px_parquet_column id = {.name = "id",
                                            .type = PX_PARQUET_BYTE_ARRAY,
                                            .logical = PX_PARQUET_STRING,
                                            .has_statistics = true,
                                            .has_bloom_filter = true};
static const struct px_parquet_column time_of = {.name = "t",
                                                 .shape = PX_PARQUET_OPTIONAL,
                                                 .type = PX_PARQUET_INT64,
                                                 .logical = PX_PARQUET_TIMESTAMP_MILLIS};
static const struct px_parquet_column vector = {.name = "v",
                                                .shape = PX_PARQUET_VECTOR,
                                                .type = PX_PARQUET_FLOAT,
                                                .dim_count = PX_PARQUET_MOST_DIMS};
static const struct px_parquet_column strings = {.name = "s",
                                                 .shape = PX_PARQUET_STRINGS,
                                                 .type = PX_PARQUET_BYTE_ARRAY,
                                                 .logical = PX_PARQUET_STRING};

static void test_parquet_schema__passes_every_shape(void **state)
{
    (void)state;
    const struct px_parquet_column columns[] = {id, time_of, vector, strings};
    assert_int_equal(px_parquet_schema_validate(columns, 4, NULL), PROXIMADB_OK);
}

static void check_refused(struct px_parquet_column column, const char *part)
{
    struct proximadb_error error;
    assert_int_equal(px_parquet_schema_validate(&column, 1, &error), PROXIMADB_INVALID);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_parquet_schema__names_the_broken_rule(void **state)
{
    (void)state;
    struct px_parquet_column column = id;
    column.type = PX_PARQUET_INT32;
    check_refused(column, "column 'id' cannot be written: text must be a BYTE_ARRAY");
    column = time_of;
    column.type = PX_PARQUET_INT32;
    check_refused(column, "a timestamp must be an INT64");
    column = strings;
    column.type = PX_PARQUET_INT32;
    column.logical = PX_PARQUET_NONE;
    check_refused(column, "list of strings");
    column = id;
    column.dim_count = 3;
    check_refused(column, "only a vector has dimensions");
    column = vector;
    column.type = PX_PARQUET_DOUBLE;
    check_refused(column, "must have the type FLOAT");
    column = vector;
    column.dim_count = 0;
    check_refused(column, "1 to 65,536 dimensions");
    column.dim_count = PX_PARQUET_MOST_DIMS + 1;
    check_refused(column, "1 to 65,536 dimensions");
    column = vector;
    column.zstd_level = 1;
    check_refused(column, "cannot be compressed");
    column = vector;
    column.most_row_bytes = 1;
    check_refused(column, "only a dictionary is compressed by its size");
    column = id;
    column.vector_encoding = PX_PARQUET_VECTOR_SPLIT;
    check_refused(column, "only a vector has a vector's encoding");
    column = strings;
    column.has_statistics = true;
    check_refused(column, "a list has neither statistics");
    column = vector;
    column.has_bloom_filter = true;
    check_refused(column, "a list has neither statistics");
    column = (struct px_parquet_column){.name = "b", .has_bloom_filter = true};
    check_refused(column, "a BOOLEAN has no bloom filter");
    column = id;
    column.page_row_limit = PX_PARQUET_MOST_PAGE_ROWS + 1;
    check_refused(column, "1,048,576 rows");
    column = id;
    column.page_byte_limit = PX_PARQUET_MOST_PAGE_BYTES / 2 + 1;
    check_refused(column, "64 MiB");
}

static void test_parquet_schema__checks_names(void **state)
{
    (void)state;
    char long_name[PX_PARQUET_NAME_LIMIT_BYTES + 2];
    struct px_parquet_column column = id;
    column.name = "";
    check_refused(column, "1 to 256 bytes");
    memset(long_name, 'n', sizeof long_name);
    long_name[PX_PARQUET_NAME_LIMIT_BYTES + 1] = '\0';
    column.name = long_name;
    check_refused(column, "1 to 256 bytes");
    long_name[PX_PARQUET_NAME_LIMIT_BYTES] = '\0';
    assert_int_equal(px_parquet_schema_validate(&column, 1, NULL), PROXIMADB_OK);
    column.name = "\xff";
    check_refused(column, "UTF-8");
}

static void test_parquet_schema__checks_columns_together(void **state)
{
    (void)state;
    struct proximadb_error error;
    struct px_parquet_column twice[] = {id, time_of, id};
    assert_int_equal(px_parquet_schema_validate(twice, 3, &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "same name"));
    struct px_parquet_column vectors[] = {vector, vector};
    vectors[1].name = "w";
    assert_int_equal(px_parquet_schema_validate(vectors, 2, &error), PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "column 'w'"));
    assert_int_equal(px_parquet_schema_validate(vectors, 0, &error), PROXIMADB_INVALID);
    assert_int_equal(px_parquet_schema_validate(vectors, PX_PARQUET_MOST_COLUMNS + 1, &error),
                     PROXIMADB_INVALID);
}

static void test_parquet_schema__has_levels_by_shape(void **state)
{
    (void)state;
    assert_int_equal(px_parquet_most_definition(&id), 0);
    assert_int_equal(px_parquet_most_definition(&time_of), 1);
    assert_int_equal(px_parquet_most_definition(&vector), 1);
    assert_int_equal(px_parquet_most_definition(&strings), 2);
    assert_int_equal(px_parquet_most_repetition(&time_of), 0);
    assert_int_equal(px_parquet_most_repetition(&vector), 1);
    assert_int_equal(px_parquet_most_repetition(&strings), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_schema__passes_every_shape),
        cmocka_unit_test(test_parquet_schema__names_the_broken_rule),
        cmocka_unit_test(test_parquet_schema__checks_names),
        cmocka_unit_test(test_parquet_schema__checks_columns_together),
        cmocka_unit_test(test_parquet_schema__has_levels_by_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
