/*
 * Goal: the statement names every file once, escapes what it must, and has all columns whatever the
 * parts have. That it gives the live rows is tested with DuckDB (tests/interop/test_openness.py).
 * Method: manifests made by hand; whole statements compared.
 */
#include "viper/sql.h"

#include "support/px_test.h"

static void add_file(struct px_manifest_files *files, const char *path)
{
    struct px_manifest_file file = {0};
    snprintf(file.path, sizeof file.path, "%s", path);
    assert_int_equal(px_manifest_add(files, &file, NULL), PROXIMADB_OK);
}

static void add_field(struct px_sql_fields *fields, const char *name,
                      enum proximadb_field_type type, bool is_in_parts)
{
    assert_int_equal(px_sql_fields_add(fields, px_slice_of_string(name), type, is_in_parts, NULL),
                     PROXIMADB_OK);
}

static void expect(const char *folder, struct px_manifest *manifest, struct px_sql_fields *fields,
                   const char *expected)
{
    struct px_buffer sql = {0};
    px_sql_live_rows(folder, manifest, fields, &sql);
    px_buffer_append_byte(&sql, '\0');
    assert_string_equal((const char *)sql.data, expected);
    px_buffer_release(&sql);
    px_manifest_release(manifest);
    px_sql_fields_release(fields);
}

static void test_sql__joins_parts_with_deletes(void **state)
{
    (void)state;
    struct px_manifest manifest = {0};
    struct px_sql_fields fields = {0};
    add_file(&manifest.parts, "vectors/cluster_000/part_001.parquet");
    add_file(&manifest.parts, "vectors/cluster_001/part_003.parquet");
    add_file(&manifest.deletes, "deletes/deletes_002.parquet");
    add_field(&fields, "price", PROXIMADB_FIELD_DOUBLE, false);
    add_field(&fields, "tags", PROXIMADB_FIELD_STRING_ARRAY, false);
    add_field(&fields, "price", PROXIMADB_FIELD_DOUBLE, true);
    add_field(&fields, "Price", PROXIMADB_FIELD_LONG, true); /* the same name to SQL */
    expect("/data/store/docs", &manifest, &fields,
           "SELECT\n"
           "    part.\"id\",\n"
           "    part.\"version\",\n"
           "    part.\"vector\",\n"
           "    part.\"timestamp\",\n"
           "    part.\"expires_at\",\n"
           "    part.\"document\",\n"
           "    part.\"metadata\",\n"
           "    part.\"m_price\",\n"
           "    CAST(NULL AS VARCHAR[]) AS \"m_tags\"\n"
           "FROM read_parquet([\n"
           "        '/data/store/docs/vectors/cluster_000/part_001.parquet',\n"
           "        '/data/store/docs/vectors/cluster_001/part_003.parquet'\n"
           "    ], union_by_name = true, filename = true,\n"
           "    file_row_number = true, hive_partitioning = false) AS part\n"
           "WHERE (part.expires_at IS NULL OR part.expires_at > now())\n"
           "    AND NOT EXISTS (\n"
           "    SELECT 1\n"
           "    FROM read_parquet([\n"
           "        '/data/store/docs/deletes/deletes_002.parquet'\n"
           "    ], hive_partitioning = false) AS dead\n"
           "    WHERE part.filename = '/data/store/docs/' || dead.file_path\n"
           "        AND part.file_row_number = dead.pos);\n");
}

static void test_sql__has_the_columns_without_parts(void **state)
{
    (void)state;
    struct px_manifest manifest = {0};
    struct px_sql_fields fields = {0};
    add_field(&fields, "n", PROXIMADB_FIELD_LONG, false);
    expect("/data/store/docs", &manifest, &fields,
           "SELECT\n"
           "    CAST(NULL AS VARCHAR) AS \"id\",\n"
           "    CAST(NULL AS BIGINT) AS \"version\",\n"
           "    CAST(NULL AS FLOAT[]) AS \"vector\",\n"
           "    CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS \"timestamp\",\n"
           "    CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS \"expires_at\",\n"
           "    CAST(NULL AS VARCHAR) AS \"document\",\n"
           "    CAST(NULL AS JSON) AS \"metadata\",\n"
           "    CAST(NULL AS BIGINT) AS \"m_n\"\n"
           "WHERE false;\n");
}

static void test_sql__escapes_names_of_folders(void **state)
{
    (void)state;
    struct px_manifest manifest = {0};
    struct px_sql_fields fields = {0};
    struct px_buffer sql = {0};
    add_file(&manifest.parts, "vectors/part_001.parquet");
    add_file(&manifest.deletes, "deletes/deletes_002.parquet");
    px_sql_live_rows("/it's [a] *?", &manifest, &fields, &sql);
    px_buffer_append_byte(&sql, '\0');
    const char *text = (const char *)sql.data;
    assert_non_null(strstr(text, "'/it''s [[]a] [*][?]/vectors/part_001.parquet'"));
    assert_non_null(strstr(text, "'/it''s [[]a] [*][?]/deletes/deletes_002.parquet'"));
    assert_non_null(strstr(text, "part.filename = '/it''s [a] *?/' || dead.file_path"));
    px_buffer_release(&sql);
    px_manifest_release(&manifest);
}

static void test_sql__needs_no_join_without_deletes(void **state)
{
    (void)state;
    struct px_manifest manifest = {0};
    struct px_sql_fields fields = {0};
    struct px_buffer sql = {0};
    add_file(&manifest.parts, "vectors/part_001.parquet");
    px_sql_live_rows("/d", &manifest, &fields, &sql);
    px_buffer_append_byte(&sql, '\0');
    assert_null(strstr((const char *)sql.data, "EXISTS"));
    assert_non_null(strstr((const char *)sql.data, "now());\n"));
    px_buffer_release(&sql);
    px_manifest_release(&manifest);
}

static void test_sql__refuses_names_that_are_none(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a\"b", "a b", "\xc3\xa9", "a;"};
    struct px_sql_fields fields = {0};
    struct proximadb_error error;
    char longest[PX_FIELD_NAME_BYTES + 1] = "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(px_sql_fields_add(&fields, px_slice_of_string(names[i]),
                                           PROXIMADB_FIELD_LONG, true, &error),
                         PROXIMADB_CORRUPT);
    memset(longest, 'x', PX_FIELD_NAME_BYTES);
    assert_int_equal(
        px_sql_fields_add(&fields, px_slice_of_string(longest), PROXIMADB_FIELD_LONG, true, &error),
        PROXIMADB_CORRUPT);
    longest[PX_FIELD_NAME_BYTES - 1] = '\0';
    assert_int_equal(
        px_sql_fields_add(&fields, px_slice_of_string(longest), PROXIMADB_FIELD_LONG, true, &error),
        PROXIMADB_OK);
    assert_int_equal(fields.count, 1);
    px_sql_fields_release(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sql__joins_parts_with_deletes),
        cmocka_unit_test(test_sql__has_the_columns_without_parts),
        cmocka_unit_test(test_sql__escapes_names_of_folders),
        cmocka_unit_test(test_sql__needs_no_join_without_deletes),
        cmocka_unit_test(test_sql__refuses_names_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
