/*
 * payload_test: what tests of payloads share: a collection to decode for, random rows, and damage.
 */
#ifndef PX_PAYLOAD_TEST_H
#define PX_PAYLOAD_TEST_H

#include "base/buffer.h"
#include "model/collection.h"

#include "support/px_test.h"

static inline struct px_slice payload_test_slice(const char *string)
{
    return px_slice_of(string, strlen(string));
}

/* A collection with the filterable fields "price" (double) and "category" (string). */
static inline struct px_collection payload_test_collection(uint32_t dim_count, int metric)
{
    static const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_DOUBLE},
                                                         {"category", PROXIMADB_FIELD_STRING}};
    const struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec,
        .name = "docs",
        .dim_count = dim_count,
        .metric = metric,
        .storage = PROXIMADB_EXACT,
        .filterable = fields,
        .filterable_count = 2,
    };
    struct px_collection collection;
    struct proximadb_error error;
    if (px_collection_init(&collection, &spec, 1700000000000, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return collection;
}

/* A random row with its own storage; `row` points into it, so it must not be moved. */
struct payload_test_row {
    struct proximadb_row row;
    char id[40];
    float vector[64];
    char document[64];
    char names[6][16];
    char string[32];
    struct proximadb_text strings[3];
    struct proximadb_field fields[6];
    int64_t timestamp_ms;
    int64_t expires_at_ms;
    int64_t expected_version;
};

static inline struct proximadb_text payload_test_text(const char *string)
{
    return (struct proximadb_text){.data = string, .size_bytes = strlen(string)};
}

static inline void payload_test_value(struct px_test_random *random, struct payload_test_row *to,
                                      struct proximadb_value *value)
{
    value->kind = (int)px_test_below(random, 6);
    switch (value->kind) {
    case PROXIMADB_VALUE_BOOLEAN:
        value->as.boolean = px_test_below(random, 2) == 1;
        break;
    case PROXIMADB_VALUE_LONG:
        value->as.integer = (int64_t)px_test_next(random) >> px_test_below(random, 64);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        value->as.number = (double)px_test_float(random) * 1e10;
        break;
    case PROXIMADB_VALUE_STRING:
        value->as.string = payload_test_text(to->string);
        break;
    case PROXIMADB_VALUE_STRING_ARRAY:
        value->as.strings.items = to->strings;
        value->as.strings.count = px_test_below(random, 4);
        break;
    default:
        break;
    }
}

static inline void payload_test_fields(struct px_test_random *random, struct payload_test_row *to)
{
    static const char *const words[] = {"",
                                        "gr\xc3\xbc\xc3\x9f"
                                        "e",
                                        "net", "a longer string"};
    snprintf(to->string, sizeof to->string, "%s", words[px_test_below(random, 4)]);
    for (size_t i = 0; i < 3; i++)
        to->strings[i] = payload_test_text(words[px_test_below(random, 4)]);
    to->row.field_count = px_test_below(random, 7);
    to->row.fields = to->fields;
    for (size_t i = 0; i < to->row.field_count; i++) {
        snprintf(to->names[i], sizeof to->names[i], "k%zu_%u", i,
                 (unsigned)px_test_below(random, 100));
        to->fields[i].name = payload_test_text(to->names[i]);
        payload_test_value(random, to, &to->fields[i].value);
    }
}

/* Row `index` of an insert; ids of different indexes differ. */
static inline void payload_test_random_row(struct px_test_random *random, size_t index,
                                           size_t dim_count, struct payload_test_row *to)
{
    *to = (struct payload_test_row){.row = {.struct_size = sizeof to->row}};
    snprintf(to->id, sizeof to->id, "id-%zu-%llx", index,
             (unsigned long long)px_test_next(random) >> px_test_below(random, 64));
    to->row.id = payload_test_text(to->id);
    assert_true(dim_count <= 64);
    for (size_t i = 0; i < dim_count; i++)
        to->vector[i] = px_test_float(random);
    to->vector[0] += 2.0f; /* never all zeros */
    to->row.vector = to->vector;
    to->row.dim_count = dim_count;
    payload_test_fields(random, to);
    if (px_test_below(random, 2) == 1) {
        to->row.document_size_bytes = px_test_below(random, 60);
        memset(to->document, 'd', to->row.document_size_bytes);
        to->row.document = to->document;
    }
    to->timestamp_ms = (int64_t)px_test_below(random, 253402300800000);
    to->expires_at_ms = (int64_t)px_test_below(random, 253402300800000);
    if (px_test_below(random, 2) == 1)
        to->row.timestamp_ms = &to->timestamp_ms;
    if (px_test_below(random, 2) == 1)
        to->row.expires_at_ms = &to->expires_at_ms;
}

/* Makes an insert's row one of an update, with parts left out and cleared at random. */
static inline void payload_test_make_update(struct px_test_random *random,
                                            struct payload_test_row *to)
{
    to->row.timestamp_ms = NULL;
    if (px_test_below(random, 2) == 1)
        to->row.vector = NULL;
    to->row.clear_document = to->row.document == NULL && px_test_below(random, 2) == 1;
    to->row.clear_expires_at = to->row.expires_at_ms == NULL && px_test_below(random, 2) == 1;
    to->expected_version = (int64_t)px_test_below(random, 1000) + 1;
    if (px_test_below(random, 2) == 1)
        to->row.expected_version = &to->expected_version;
}

/* Calls decode() with every truncation of `bytes` and with every single bit of it flipped, each time
 * in memory of exactly that size, so that a sanitizer sees the first byte read behind it. */
static inline void payload_test_damage(struct px_slice bytes,
                                       void (*decode)(void *context, struct px_slice damaged),
                                       void *context)
{
    for (size_t size = 0; size < bytes.size_bytes; size++) {
        uint8_t *copy = malloc(size > 0 ? size : 1);
        assert_non_null(copy);
        memcpy(copy, bytes.data, size);
        decode(context, px_slice_of(copy, size));
        free(copy);
    }
    uint8_t *copy = malloc(bytes.size_bytes);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size_bytes);
    for (size_t bit = 0; bit < 8 * bytes.size_bytes; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        decode(context, px_slice_of(copy, bytes.size_bytes));
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(copy);
}

static inline void payload_test_says(const struct proximadb_error *error, const char *text)
{
    if (strstr(error->message, text) == NULL)
        fail_msg("'%s' does not say '%s'", error->message, text);
}

#endif /* PX_PAYLOAD_TEST_H */
