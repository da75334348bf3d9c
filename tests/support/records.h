/*
 * records: rows that follow from their number and a seed, for tests that write rows and read them back.
 */
#ifndef PX_TEST_RECORDS_H
#define PX_TEST_RECORDS_H

#include "support/px_test.h"

#include "model/collection.h"
#include "model/metadata.h"
#include "model/record.h"

/* A collection with one filterable field of each type. */
static inline struct px_collection records_collection(const char *name, uint32_t dim_count)
{
    static const struct proximadb_filterable fields[] = {{"category", PROXIMADB_FIELD_STRING},
                                                         {"count", PROXIMADB_FIELD_LONG},
                                                         {"price", PROXIMADB_FIELD_DOUBLE},
                                                         {"archived", PROXIMADB_FIELD_BOOLEAN},
                                                         {"tags", PROXIMADB_FIELD_STRING_ARRAY}};
    struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                             .name = name,
                                             .dim_count = dim_count,
                                             .storage = PROXIMADB_EXACT,
                                             .filterable = fields,
                                             .filterable_count = 5};
    struct px_collection collection;
    struct proximadb_error error;
    if (px_collection_init(&collection, &spec, 1705320000000, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return collection;
}

/* A record with its memory. */
struct made_record {
    struct px_record record;
    float *vector;
    char id[40];
    char document[120];
    struct px_buffer metadata;
};

static inline void records_put_string(struct px_buffer *buffer, const char *key, const char *text)
{
    struct px_value value = {.kind = PROXIMADB_VALUE_STRING};
    value.as.string = px_slice_of_string(text);
    px_metadata_put(buffer, px_slice_of_string(key), &value);
}

/* Two to eight entries: some for columns, some not, nulls, and values that do not fit their column. */
static inline void records_make_metadata(struct px_buffer *buffer, uint64_t number)
{
    struct px_value value = {.kind = PROXIMADB_VALUE_NULL};
    struct px_buffer array = {0};
    size_t count = 3; /* category, free text, a null */
    for (uint64_t divisor = 2; divisor <= 7; divisor++)
        count += divisor != 6 && number % divisor == 0;
    px_metadata_begin(buffer, count);
    records_put_string(buffer, "category", number % 2 == 0 ? "net" : "sound \xc3\xa9");
    records_put_string(buffer, "free text", "\"quoted\"\n");
    if (number % 2 == 0) {
        value.kind = PROXIMADB_VALUE_LONG;
        value.as.integer = (int64_t)(number * UINT64_C(0x9e3779b97f4a7c15));
        px_metadata_put(buffer, px_slice_of_string("count"), &value);
    }
    if (number % 3 == 0) {
        value.kind = PROXIMADB_VALUE_DOUBLE;
        value.as.number = (double)number / 7.0;
        px_metadata_put(buffer, px_slice_of_string("price"), &value);
    }
    if (number % 5 == 0) {
        value.kind = PROXIMADB_VALUE_BOOLEAN;
        value.as.boolean = number % 10 == 0;
        px_metadata_put(buffer, px_slice_of_string("archived"), &value);
    }
    if (number % 7 == 0) {
        const struct px_slice tags[] = {px_slice_of_string("a"), px_slice_of_string("")};
        px_strings_write(&array, tags, number % 3);
        value.kind = PROXIMADB_VALUE_STRING_ARRAY;
        value.as.array = px_buffer_slice(&array);
        px_metadata_put(buffer, px_slice_of_string("tags"), &value);
    }
    if (number % 4 == 0) {
        value.kind = PROXIMADB_VALUE_DOUBLE;
        value.as.number = 1e300;
        px_metadata_put(buffer, px_slice_of_string("big"), &value);
    }
    value.kind = PROXIMADB_VALUE_NULL;
    px_metadata_put(buffer, px_slice_of_string(number % 5 == 0 ? "nothing" : "archived"), &value);
    px_metadata_finish(buffer, count);
    px_buffer_release(&array);
}

/* Release with records_release(). */
static inline struct made_record *records_make(uint64_t number, uint32_t dim_count)
{
    struct made_record *made = calloc(1, sizeof *made);
    struct px_test_random random = {.state = number * 77 + dim_count};
    made->vector = malloc(dim_count * sizeof(float));
    for (uint32_t i = 0; i < dim_count; i++)
        made->vector[i] = px_test_float(&random);
    snprintf(made->id, sizeof made->id, "row-%llu", (unsigned long long)number);
    snprintf(made->document, sizeof made->document, "the document of row %llu, in plain words",
             (unsigned long long)number);
    records_make_metadata(&made->metadata, number);
    made->record = (struct px_record){
        .id = px_slice_of_string(made->id),
        .version = (int64_t)number + 1,
        .vector = made->vector,
        .dim_count = dim_count,
        .metadata = px_buffer_slice(&made->metadata),
        .has_document = number % 3 != 0,
        .document = px_slice_of(made->document, number % 3 == 1 ? strlen(made->document) : 0),
        .timestamp_ms = 1700000000000 + (int64_t)number,
        .expires_at_ms = number % 11 == 0 ? 1800000000000 + (int64_t)number : PX_NEVER,
    };
    return made;
}

static inline void records_release(struct made_record *made)
{
    free(made->vector);
    px_buffer_release(&made->metadata);
    free(made);
}

static inline void records_check_value(const struct px_value *got, const struct px_value *expected)
{
    assert_int_equal(got->kind, expected->kind);
    switch (expected->kind) {
    case PROXIMADB_VALUE_NULL:
        break;
    case PROXIMADB_VALUE_BOOLEAN:
        assert_int_equal(got->as.boolean, expected->as.boolean);
        break;
    case PROXIMADB_VALUE_LONG:
        assert_int_equal(got->as.integer, expected->as.integer);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        assert_memory_equal(&got->as.number, &expected->as.number, sizeof(double));
        break;
    case PROXIMADB_VALUE_STRING:
        assert_true(px_slice_equal(got->as.string, expected->as.string));
        break;
    case PROXIMADB_VALUE_STRING_ARRAY:
        assert_true(px_slice_equal(got->as.array, expected->as.array));
        break;
    }
}

/* The same keys with the same values, in any order. */
static inline void records_check_metadata(struct px_slice got, struct px_slice expected)
{
    struct px_metadata_walk walk = px_metadata_first(expected);
    struct px_slice key;
    struct px_value value, found;
    assert_int_equal(px_metadata_first(got).left, walk.left);
    while (px_metadata_next(&walk, &key, &value)) {
        assert_true(px_metadata_find(got, key, &found));
        records_check_value(&found, &value);
    }
}

static inline void records_check(const struct px_record *got, const struct px_record *expected)
{
    assert_true(px_slice_equal(got->id, expected->id));
    assert_int_equal(got->version, expected->version);
    assert_int_equal(got->dim_count, expected->dim_count);
    assert_memory_equal(got->vector, expected->vector, expected->dim_count * sizeof(float));
    assert_int_equal(got->has_document, expected->has_document);
    assert_true(px_slice_equal(got->document, expected->document));
    assert_int_equal(got->timestamp_ms, expected->timestamp_ms);
    assert_int_equal(got->expires_at_ms, expected->expires_at_ms);
    records_check_metadata(got->metadata, expected->metadata);
}

#endif /* PX_TEST_RECORDS_H */
