/*
 * Goal: every rule of a collection holds, its fields keep their ids, and values are fitted to their
 * columns or refused.
 * Method: each rule is broken at its edge; fields are replaced again and again; each pair of a field's
 * type and a value's kind is tried.
 */
#include "model/collection.h"

#include "model/metadata.h"
#include "support/px_test.h"

static struct proximadb_error last_error;

static struct proximadb_collection_spec spec_of(const char *name)
{
    return (struct proximadb_collection_spec){
        .struct_size = sizeof(struct proximadb_collection_spec),
        .name = name,
        .dim_count = 384,
        .metric = PROXIMADB_COSINE,
        .index_type = PROXIMADB_HNSW,
        .storage = PROXIMADB_EXACT,
    };
}

static int init_status(const struct proximadb_collection_spec *spec)
{
    struct px_collection collection;
    memset(&collection, 0x5a, sizeof collection);
    int rc = px_collection_init(&collection, spec, 1000, &last_error);
    if (rc != PROXIMADB_OK)
        assert_int_equal(collection.name[0], 0x5a); /* untouched */
    return rc;
}

/* A collection with these fields. */
static struct px_collection collection_of(const struct proximadb_filterable *fields, size_t count)
{
    struct proximadb_collection_spec spec = spec_of("docs");
    struct px_collection collection;
    spec.filterable = fields;
    spec.filterable_count = count;
    if (px_collection_init(&collection, &spec, 1000, &last_error) != PROXIMADB_OK)
        fail_msg("%s", last_error.message);
    return collection;
}

static const struct px_field *field_of(const struct px_collection *collection, const char *name)
{
    return px_collection_find_field(collection, px_slice_of_string(name));
}

static void test_collection__takes_names_by_the_rule(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "Z", "0", "docs-2024_v1", "0-", "a_"};
    static const char *const bad[] = {"",    "_a", "-a",       "a b",  "a/b",
                                      "a.b", "..", "\xc3\xa9", "a\xff"};
    char name[131];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(px_collection_name_validate(px_slice_of_string(good[i]), NULL),
                         PROXIMADB_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(px_collection_name_validate(px_slice_of_string(bad[i]), &last_error),
                         PROXIMADB_INVALID);
    assert_int_equal(px_collection_name_validate(px_slice_of("a\0b", 3), NULL), PROXIMADB_INVALID);
    memset(name, 'n', sizeof name);
    assert_int_equal(px_collection_name_validate(px_slice_of(name, 128), NULL), PROXIMADB_OK);
    assert_int_equal(px_collection_name_validate(px_slice_of(name, 129), &last_error),
                     PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "nnn...' is no name"));
}

static void test_collection__is_made_from_a_spec(void **state)
{
    (void)state;
    static const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_DOUBLE},
                                                         {"Zone", PROXIMADB_FIELD_STRING},
                                                         {"archived", PROXIMADB_FIELD_BOOLEAN}};
    struct px_collection collection = collection_of(fields, 3), other = collection_of(NULL, 0);
    assert_string_equal(collection.name, "docs");
    assert_int_equal(collection.dim_count, 384);
    assert_int_equal(collection.created_at_ms, 1000);
    assert_int_equal(collection.vector_count, 0);
    assert_false(px_uuid_equal(collection.id, other.id));
    assert_int_equal(collection.field_count, 3);
    assert_string_equal(collection.fields[0].name, "Zone"); /* bytewise order */
    assert_string_equal(collection.fields[1].name, "archived");
    assert_string_equal(collection.fields[2].name, "price");
    assert_int_equal(field_of(&collection, "price")->parquet_id, 100); /* in the order given */
    assert_int_equal(field_of(&collection, "Zone")->parquet_id, 101);
    assert_int_equal(field_of(&collection, "archived")->parquet_id, 102);
    assert_int_equal(collection.next_parquet_id, 103);
    assert_null(field_of(&collection, "zone"));
    assert_null(field_of(&collection, ""));
}

static void test_collection__refuses_specs_outside_the_rules(void **state)
{
    (void)state;
    struct proximadb_collection_spec spec = spec_of("docs");
    assert_int_equal(init_status(&spec), PROXIMADB_OK);
    spec.dim_count = 0;
    assert_int_equal(init_status(&spec), PROXIMADB_INVALID);
    spec.dim_count = PX_MOST_DIMS;
    assert_int_equal(init_status(&spec), PROXIMADB_OK);
    spec.dim_count = PX_MOST_DIMS + 1;
    assert_int_equal(init_status(&spec), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "1 to 65536 dimensions, not 65537"));
    spec = spec_of(NULL);
    assert_int_equal(init_status(&spec), PROXIMADB_INVALID);
    spec = spec_of("docs");
    spec.metric = 3;
    assert_int_equal(init_status(&spec), PROXIMADB_INVALID);
    spec = spec_of("docs");
    spec.index_type = -1;
    assert_int_equal(init_status(&spec), PROXIMADB_INVALID);
    spec = spec_of("docs");
    spec.storage = 7;
    assert_int_equal(init_status(&spec), PROXIMADB_INVALID);
    spec.storage = PROXIMADB_EXACT;
    spec.layout = 3;
    assert_int_equal(init_status(&spec), PROXIMADB_INVALID);
}

static void test_collection__has_a_profile_and_a_layout(void **state)
{
    (void)state;
    for (int storage = 0; storage < 3; storage++)
        for (int layout = 0; layout < 3; layout++) {
            struct proximadb_collection_spec spec = spec_of("docs");
            struct px_collection collection;
            spec.storage = storage;
            spec.layout = layout;
            bool fits = layout != PROXIMADB_LAYOUT_PLAIN || storage == PROXIMADB_EXACT;
            int rc = px_collection_init(&collection, &spec, 0, &last_error);
            assert_int_equal(rc, fits ? PROXIMADB_OK : PROXIMADB_INVALID);
            if (!fits) {
                assert_non_null(strstr(last_error.message, "\"exact\" only"));
                assert_non_null(strstr(last_error.message, px_storage_name(storage)));
                continue;
            }
            assert_int_equal(collection.storage, storage);
            assert_int_equal(collection.layout, layout == PROXIMADB_LAYOUT_PLAIN
                                                    ? PROXIMADB_LAYOUT_PLAIN
                                                    : PROXIMADB_LAYOUT_COMPRESSED);
            for (int wanted = 0; wanted < 3; wanted++) { /* no layout wanted: any will do */
                spec.layout = wanted;
                assert_int_equal(px_collection_matches(&collection, &spec),
                                 wanted == PROXIMADB_LAYOUT_DEFAULT ||
                                     wanted == (int)collection.layout);
            }
        }
    assert_int_equal(px_storage_mantissa_bits(PROXIMADB_BALANCED), 7);
    assert_int_equal(px_storage_mantissa_bits(PROXIMADB_COMPACT_STORAGE), 4);
    assert_int_equal(px_storage_mantissa_bits(PROXIMADB_EXACT), PX_ALL_MANTISSA_BITS);
    assert_true(px_storage_relative_error(PROXIMADB_BALANCED) == 1.0 / 256);
    assert_true(px_storage_relative_error(PROXIMADB_COMPACT_STORAGE) == 1.0 / 32);
    assert_true(px_storage_relative_error(PROXIMADB_EXACT) == 0.0);
}

static int fields_status(const struct proximadb_filterable *fields, size_t count)
{
    struct px_collection collection = collection_of(NULL, 0), before = collection;
    int rc = px_collection_set_fields(&collection, fields, count, &last_error);
    if (rc != PROXIMADB_OK)
        assert_memory_equal(&collection, &before, sizeof before);
    return rc;
}

static int field_name_status(const char *name)
{
    const struct proximadb_filterable field = {name, PROXIMADB_FIELD_LONG};
    return fields_status(&field, 1);
}

static void test_collection__checks_fields(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1a", "a-b", "a b", "a.b", "\xc3\xa9"};
    char name[66];
    assert_int_equal(field_name_status("_"), PROXIMADB_OK);
    assert_int_equal(field_name_status("A9_z"), PROXIMADB_OK);
    assert_int_equal(field_name_status(NULL), PROXIMADB_INVALID);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(field_name_status(bad[i]), PROXIMADB_INVALID);
    memset(name, 'f', 65);
    name[65] = '\0';
    assert_int_equal(field_name_status(name), PROXIMADB_INVALID);
    name[64] = '\0';
    assert_int_equal(field_name_status(name), PROXIMADB_OK);

    const struct proximadb_filterable typeless = {"a", 5};
    assert_int_equal(fields_status(&typeless, 1), PROXIMADB_INVALID);
    static const struct proximadb_filterable same[] = {{"Price", PROXIMADB_FIELD_LONG},
                                                       {"x", PROXIMADB_FIELD_LONG},
                                                       {"pRICE", PROXIMADB_FIELD_LONG}};
    assert_int_equal(fields_status(same, 3), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "'Price' and 'pRICE'"));
    assert_int_equal(fields_status(same, 2), PROXIMADB_OK);
}

static void test_collection__has_at_most_64_fields(void **state)
{
    (void)state;
    char names[65][8];
    struct proximadb_filterable fields[65];
    for (int i = 0; i < 65; i++) {
        snprintf(names[i], sizeof names[i], "f%d", i);
        fields[i] = (struct proximadb_filterable){names[i], PROXIMADB_FIELD_LONG};
    }
    assert_int_equal(fields_status(fields, 65), PROXIMADB_INVALID);
    struct px_collection collection = collection_of(fields, 64);
    for (int i = 0; i < 64; i++)
        assert_int_equal(field_of(&collection, names[i])->parquet_id, 100 + i);
}

static void test_collection__never_reuses_a_column_id(void **state)
{
    (void)state;
    static const struct proximadb_filterable ab[] = {{"a", PROXIMADB_FIELD_LONG},
                                                     {"b", PROXIMADB_FIELD_STRING}};
    static const struct proximadb_filterable bc[] = {{"c", PROXIMADB_FIELD_LONG},
                                                     {"b", PROXIMADB_FIELD_STRING}};
    static const struct proximadb_filterable other_b = {"b", PROXIMADB_FIELD_LONG};
    struct px_collection collection = collection_of(ab, 2);
    assert_int_equal(px_collection_set_fields(&collection, bc, 2, NULL), PROXIMADB_OK);
    assert_int_equal(field_of(&collection, "b")->parquet_id, 101); /* stays */
    assert_int_equal(field_of(&collection, "c")->parquet_id, 102);
    assert_null(field_of(&collection, "a"));
    assert_int_equal(px_collection_set_fields(&collection, ab, 2, NULL), PROXIMADB_OK);
    assert_int_equal(field_of(&collection, "a")->parquet_id, 103); /* not 100 again */
    assert_int_equal(px_collection_set_fields(&collection, &other_b, 1, &last_error),
                     PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "'b' is string and cannot become long"));
    assert_int_equal(px_collection_set_fields(&collection, NULL, 0, NULL), PROXIMADB_OK);
    assert_int_equal(collection.field_count, 0);
    assert_int_equal(collection.next_parquet_id, 104);
    collection.next_parquet_id = PX_END_OF_FIELD_IDS;
    assert_int_equal(px_collection_set_fields(&collection, ab, 1, NULL),
                     PROXIMADB_RESOURCE_EXHAUSTED);
}

static void test_collection__matches_an_equal_spec(void **state)
{
    (void)state;
    static const struct proximadb_filterable ab[] = {{"a", PROXIMADB_FIELD_LONG},
                                                     {"b", PROXIMADB_FIELD_STRING}};
    static const struct proximadb_filterable others[][2] = {
        {{"b", PROXIMADB_FIELD_STRING}, {"a", PROXIMADB_FIELD_LONG}}, /* equal */
        {{"a", PROXIMADB_FIELD_LONG}, {"a", PROXIMADB_FIELD_LONG}},
        {{"a", PROXIMADB_FIELD_LONG}, {"b", PROXIMADB_FIELD_LONG}},
        {{"a", PROXIMADB_FIELD_LONG}, {"c", PROXIMADB_FIELD_STRING}},
        {{"a", PROXIMADB_FIELD_LONG}, {NULL, PROXIMADB_FIELD_STRING}},
    };
    struct px_collection collection = collection_of(ab, 2);
    struct proximadb_collection_spec spec = spec_of("another name");
    spec.filterable_count = 2;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        spec.filterable = others[i];
        assert_int_equal(px_collection_matches(&collection, &spec), i == 0);
    }
    const struct proximadb_collection_spec equal = {
        .dim_count = 384, .storage = PROXIMADB_EXACT, .filterable = ab, .filterable_count = 2};
    assert_true(px_collection_matches(&collection, &equal));
    for (int i = 0; i < 5; i++) {
        spec = equal;
        spec.dim_count += i == 0;
        spec.metric += i == 1;
        spec.index_type += i == 2;
        spec.storage += i == 3;
        spec.filterable_count -= i == 4;
        assert_false(px_collection_matches(&collection, &spec));
    }
}

static void test_collection__knows_its_words(void **state)
{
    (void)state;
    int value = -1;
    assert_true(px_metric_parse(px_slice_of_string("Cosine"), &value) && value == PROXIMADB_COSINE);
    assert_true(px_index_type_parse(px_slice_of_string("hnsw"), &value) && value == PROXIMADB_HNSW);
    assert_true(px_storage_parse(px_slice_of_string("EXACT"), &value) && value == PROXIMADB_EXACT);
    assert_true(px_layout_parse(px_slice_of_string("Plain"), &value) &&
                value == PROXIMADB_LAYOUT_PLAIN);
    assert_string_equal(px_layout_name(PROXIMADB_LAYOUT_DEFAULT), "compressed");
    assert_string_equal(px_layout_name(PROXIMADB_LAYOUT_COMPRESSED), "compressed");
    assert_true(px_field_type_parse(px_slice_of_string("string_array"), &value) &&
                value == PROXIMADB_FIELD_STRING_ARRAY);
    value = -1;
    assert_false(px_metric_parse(px_slice_of_string("cos"), &value));
    assert_false(px_metric_parse(px_slice_of("", 0), &value));
    assert_int_equal(value, -1);
    for (int i = 0; i < 3; i++) {
        assert_true(
            px_metric_parse(px_slice_of_string(px_metric_name((enum proximadb_metric)i)), &value));
        assert_int_equal(value, i);
        assert_true(px_index_type_parse(
            px_slice_of_string(px_index_type_name((enum proximadb_index_type)i)), &value));
        assert_int_equal(value, i);
        assert_true(px_storage_parse(px_slice_of_string(px_storage_name((enum proximadb_storage)i)),
                                     &value));
        assert_int_equal(value, i);
    }
    for (int i = 0; i < 5; i++) {
        assert_true(px_field_type_parse(
            px_slice_of_string(px_field_type_name((enum proximadb_field_type)i)), &value));
        assert_int_equal(value, i);
    }
}

static void test_collection__fits_each_kind_to_its_type(void **state)
{
    (void)state;
    static const uint8_t empty_array[] = {0};
    const struct px_value values[] = {
        {.kind = PROXIMADB_VALUE_NULL},
        {.kind = PROXIMADB_VALUE_BOOLEAN, .as.boolean = true},
        {.kind = PROXIMADB_VALUE_LONG, .as.integer = 7},
        {.kind = PROXIMADB_VALUE_DOUBLE, .as.number = 7},
        {.kind = PROXIMADB_VALUE_STRING, .as.string = px_slice_of_string("7")},
        {.kind = PROXIMADB_VALUE_STRING_ARRAY, .as.array = px_slice_of(empty_array, 1)},
    };
    static const bool fits[5][6] = {
        [PROXIMADB_FIELD_STRING] = {1, 0, 0, 0, 1, 0},
        [PROXIMADB_FIELD_LONG] = {1, 0, 1, 0, 0, 0},
        [PROXIMADB_FIELD_DOUBLE] = {1, 0, 1, 1, 0, 0},
        [PROXIMADB_FIELD_BOOLEAN] = {1, 1, 0, 0, 0, 0},
        [PROXIMADB_FIELD_STRING_ARRAY] = {1, 0, 0, 0, 0, 1},
    };
    for (int type = 0; type < 5; type++)
        for (int kind = 0; kind < 6; kind++) {
            const struct px_field field = {.name = "f", .type = (enum proximadb_field_type)type};
            struct px_value value = values[kind];
            int rc = px_field_fit(&field, &value, &last_error);
            assert_int_equal(rc, fits[type][kind] ? PROXIMADB_OK : PROXIMADB_INVALID);
            if (rc != PROXIMADB_OK) {
                assert_non_null(strstr(last_error.message, "'f' is"));
                assert_non_null(strstr(last_error.message, px_value_kind_name(values[kind].kind)));
            }
            if (type == PROXIMADB_FIELD_DOUBLE && kind == PROXIMADB_VALUE_LONG)
                assert_true(value.kind == PROXIMADB_VALUE_DOUBLE && value.as.number == 7);
            else
                assert_int_equal(value.kind, values[kind].kind);
        }
    const struct px_field field = {.name = "f", .type = PROXIMADB_FIELD_DOUBLE};
    struct px_value odd = {.kind = PROXIMADB_VALUE_LONG, .as.integer = (INT64_C(1) << 53) + 1};
    assert_int_equal(px_field_fit(&field, &odd, &last_error), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "9007199254740993"));
    odd.as.integer = INT64_MAX;
    assert_int_equal(px_field_fit(&field, &odd, NULL), PROXIMADB_INVALID);
}

static struct px_buffer metadata_of(const char *json)
{
    struct px_buffer bytes = {0};
    assert_int_equal(px_metadata_from_json(px_slice_of_string(json), &bytes, NULL), PROXIMADB_OK);
    return bytes;
}

static void test_collection__fits_rows(void **state)
{
    (void)state;
    static const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_DOUBLE},
                                                         {"name", PROXIMADB_FIELD_STRING}};
    struct px_collection collection = collection_of(fields, 2);
    struct px_buffer fit = metadata_of("{\"x\":1,\"price\":1.5,\"name\":null}");
    struct px_buffer unfit = metadata_of("{\"x\":[\"a\"],\"price\":2,\"name\":\"n\",\"y\":3}");
    struct px_buffer wanted = metadata_of("{\"x\":[\"a\"],\"price\":2.0,\"name\":\"n\",\"y\":3}");
    struct px_buffer wrong = metadata_of("{\"price\":2,\"name\":3}");
    struct px_buffer buffer = {0};
    struct px_slice fitted = {0};

    assert_int_equal(px_collection_fit(&collection, px_buffer_slice(&fit), &buffer, &fitted, NULL),
                     PROXIMADB_OK);
    assert_ptr_equal(fitted.data, fit.data);
    assert_int_equal(buffer.size_bytes, 0);
    px_buffer_append_byte(&buffer, 1);
    assert_int_equal(
        px_collection_fit(&collection, px_buffer_slice(&unfit), &buffer, &fitted, NULL),
        PROXIMADB_OK);
    assert_ptr_equal(fitted.data, buffer.data + 1);
    assert_true(px_slice_equal(fitted, px_buffer_slice(&wanted)));
    assert_int_equal(
        px_collection_fit(&collection, px_buffer_slice(&wrong), &buffer, &fitted, &last_error),
        PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "'name' is string, but its value is long"));
    px_buffer_release(&fit);
    px_buffer_release(&unfit);
    px_buffer_release(&wanted);
    px_buffer_release(&wrong);
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collection__takes_names_by_the_rule),
        cmocka_unit_test(test_collection__is_made_from_a_spec),
        cmocka_unit_test(test_collection__refuses_specs_outside_the_rules),
        cmocka_unit_test(test_collection__checks_fields),
        cmocka_unit_test(test_collection__has_at_most_64_fields),
        cmocka_unit_test(test_collection__never_reuses_a_column_id),
        cmocka_unit_test(test_collection__matches_an_equal_spec),
        cmocka_unit_test(test_collection__has_a_profile_and_a_layout),
        cmocka_unit_test(test_collection__knows_its_words),
        cmocka_unit_test(test_collection__fits_each_kind_to_its_type),
        cmocka_unit_test(test_collection__fits_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
