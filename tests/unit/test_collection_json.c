/*
 * Goal: a collection's file is read back as it was written, a file that breaks a rule is refused with
 * what is wrong, and one of a newer format asks for an upgrade.
 * Method: the exact text of one file; then that text with one piece replaced, for each rule.
 */
#include "model/collection.h"

#include "support/px_test.h"

static const char file[] =
    "{\n"
    "  \"name\": \"my_collection\",\n"
    "  \"id\": \"123e4567-e89b-42d3-a456-426614174000\",\n"
    "  \"dimension\": 384,\n"
    "  \"metric\": \"cosine\",\n"
    "  \"created_at\": \"2024-01-15T12:00:00.123Z\",\n"
    "  \"vector_count\": 10000,\n"
    "  \"index_type\": \"HNSW\",\n"
    "  \"index_memory\": \"fast\",\n"
    "  \"storage\": {\"profile\": \"exact\", \"layout\": \"compressed\"},\n"
    "  \"filterable\": [\n"
    "    {\"name\": \"category\", \"type\": \"string\", \"parquet_id\": 101},\n"
    "    {\"name\": \"price\", \"type\": \"double\", \"parquet_id\": 100}\n"
    "  ],\n"
    "  \"next_parquet_id\": 104,\n"
    "  \"format_version\": 1\n"
    "}\n";

static struct proximadb_error last_error;

/* The status of reading the file with `old`, which must be in it, replaced. */
static int status_with(const char *old, const char *new)
{
    char text[sizeof file + 512];
    const char *at = strstr(file, old);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - file), file, new, at + strlen(old));
    struct px_collection collection;
    memset(&collection, 0x5a, sizeof collection);
    int rc = px_collection_from_json(px_slice_of_string(text), &collection, &last_error);
    if (rc != PROXIMADB_OK) {
        assert_int_equal(collection.name[0], 0x5a); /* untouched */
        assert_int_equal(last_error.status, rc);
    }
    return rc;
}

static void test_collection_json__is_read_and_written(void **state)
{
    (void)state;
    struct px_collection collection;
    struct px_buffer again = {0};
    int rc = px_collection_from_json(px_slice_of_string(file), &collection, &last_error);
    if (rc != PROXIMADB_OK)
        fail_msg("%s", last_error.message);
    assert_string_equal(collection.name, "my_collection");
    assert_int_equal(collection.id.bytes[0], 0x12);
    assert_int_equal(collection.dim_count, 384);
    assert_int_equal(collection.metric, PROXIMADB_COSINE);
    assert_int_equal(collection.created_at_ms, INT64_C(1705320000123));
    assert_int_equal(collection.vector_count, 10000);
    assert_int_equal(collection.index_type, PROXIMADB_HNSW);
    assert_int_equal(collection.index_memory, PROXIMADB_INDEX_FAST);
    assert_int_equal(collection.storage, PROXIMADB_EXACT);
    assert_int_equal(collection.layout, PROXIMADB_LAYOUT_COMPRESSED);
    assert_int_equal(collection.field_count, 2);
    assert_int_equal(collection.fields[1].type, PROXIMADB_FIELD_DOUBLE);
    assert_int_equal(collection.fields[1].parquet_id, 100);
    assert_int_equal(collection.next_parquet_id, 104);
    px_collection_to_json(&collection, &again);
    px_buffer_append_byte(&again, 0);
    assert_string_equal((const char *)again.data, file);
    px_buffer_release(&again);
}

static void test_collection_json__holds_any_collection(void **state)
{
    (void)state;
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = "0-",
                                                   .dim_count = PX_MOST_DIMS,
                                                   .metric = PROXIMADB_DOT,
                                                   .index_type = PROXIMADB_FLAT,
                                                   .storage = PROXIMADB_EXACT};
    struct px_collection collection, again;
    struct px_buffer json = {0};
    assert_int_equal(px_collection_init(&collection, &spec, 0, NULL), PROXIMADB_OK);
    collection.vector_count = UINT64_MAX;
    px_collection_to_json(&collection, &json);
    assert_int_equal(px_collection_from_json(px_buffer_slice(&json), &again, NULL), PROXIMADB_OK);
    assert_memory_equal(&again, &collection, sizeof again);
    px_buffer_release(&json);
}

static void test_collection_json__ignores_unknown_keys(void **state)
{
    (void)state;
    assert_int_equal(status_with("  \"dimension\"", "  \"colour\": [1, {}],\n  \"dimension\""),
                     PROXIMADB_OK);
    assert_int_equal(status_with("\"profile\"", "\"grid\": 3, \"profile\""), PROXIMADB_OK);
    assert_int_equal(status_with("\"cosine\"", "\"COSINE\""), PROXIMADB_OK);
}

static void test_collection_json__without_a_layout_is_plain(void **state)
{
    (void)state;
    struct px_collection collection;
    const char *old = strstr(file, ", \"layout\": \"compressed\"");
    struct px_buffer json = {0};
    px_buffer_append(&json, file, (size_t)(old - file));
    px_buffer_append_format(&json, "%s", old + strlen(", \"layout\": \"compressed\""));
    assert_int_equal(px_collection_from_json(px_buffer_slice(&json), &collection, NULL),
                     PROXIMADB_OK);
    assert_int_equal(collection.storage, PROXIMADB_EXACT);
    assert_int_equal(collection.layout, PROXIMADB_LAYOUT_PLAIN);
    px_buffer_release(&json);
}

static void test_collection_json__asks_for_an_upgrade(void **state)
{
    (void)state;
    assert_int_equal(status_with("\"format_version\": 1", "\"format_version\": 2"),
                     PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "format version 2"));
    assert_non_null(strstr(last_error.message, "upgrade ProximaDB"));
    /* The version comes first: whatever else is odd is the newer version's business. */
    assert_int_equal(px_collection_from_json(px_slice_of_string("{\"format_version\":9}"),
                                             &(struct px_collection){0}, NULL),
                     PROXIMADB_INVALID);
}

static void test_collection_json__refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *message;
    } cases[] = {
        {"\"format_version\": 1", "\"format_version\": 0", "format_version"},
        {"\"format_version\": 1", "\"format_version\": \"1\"", "format_version"},
        {"\"format_version\": 1", "\"x\": 1", "format_version"},
        {"\"my_collection\"", "\"../etc\"", "no name for a collection"},
        {"\"my_collection\"", "7", "\"name\""},
        {"\"123e4567-", "\"23e4567-", "\"id\""},
        {"174000\"", "174000\\u0000\"", "\"id\""},
        {"384", "0", "dimensions"},
        {"384", "65537", "dimensions"},
        {"384", "4294967680", "dimensions"},
        {"384", "-384", "\"dimension\""},
        {"384", "384.0", "\"dimension\""},
        {"cosine", "sine", "\"metric\""},
        {"HNSW", "TREE", "\"index_type\""},
        {"\"fast\"", "\"thick\"", "\"index_memory\""},
        {"{\"profile\": \"exact\", \"layout\": \"compressed\"}", "\"exact\"", "\"storage\""},
        {"\"compressed\"", "\"tiny\"", "\"layout\""},
        {"\"compressed\"", "7", "\"layout\""},
        {"\"exact\", \"layout\": \"compressed\"", "\"balanced\", \"layout\": \"plain\"", "plain"},
        {"\"exact\"", "\"tiny\"", "\"storage\""},
        {"2024-01-15T12:00:00.123Z", "2024-13-15T12:00:00.123Z", "\"created_at\""},
        {"2024-01-15T12:00:00.123Z", "1924-01-15T12:00:00.123Z", "\"created_at\""},
        {"10000", "-1", "\"vector_count\""},
        {"104", "101", "parquet_id"}, /* below an id that is in use */
        {"104", "99", "\"next_parquet_id\""},
        {"104", "1073741825", "\"next_parquet_id\""},
        {"\"parquet_id\": 100", "\"parquet_id\": 99", "parquet_id is below 100"},
        {"\"parquet_id\": 100", "\"parquet_id\": 101", "same parquet_id"},
        {"\"parquet_id\": 100", "\"p\": 100", "without name"},
        {"\"name\": \"price\"", "\"name\": \"Category\"", "same name"},
        {"\"name\": \"price\"", "\"name\": \"a b\"", "no name for a filterable field"},
        {"\"double\"", "\"float\"", "known type"},
        {"  \"filterable\": [", "  \"filterable\": [1,", "without name"},
        {"\"filterable\"", "\"fields\"", "\"filterable\""},
        {"}\n", "", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(status_with(cases[i].old, cases[i].new), PROXIMADB_CORRUPT);
        if (strstr(last_error.message, cases[i].message) == NULL)
            fail_msg("case %zu: %s", i, last_error.message);
    }
    assert_int_equal(
        px_collection_from_json(px_slice_of_string("[1]"), &(struct px_collection){0}, &last_error),
        PROXIMADB_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collection_json__is_read_and_written),
        cmocka_unit_test(test_collection_json__holds_any_collection),
        cmocka_unit_test(test_collection_json__ignores_unknown_keys),
        cmocka_unit_test(test_collection_json__without_a_layout_is_plain),
        cmocka_unit_test(test_collection_json__asks_for_an_upgrade),
        cmocka_unit_test(test_collection_json__refuses_what_breaks_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
