/*
 * Goal: each embedded schema has the fingerprint that the rest of the world computes for it, and a
 * payload is opened by it. Method: the fingerprints that fastavro 1.13 gives the files of schemas/,
 * written down here and in docs/format/avro.md; headers with one fault each; threads that ask first
 * at the same time.
 */
#include "avro/schemas.h"

#include "avro/fingerprint.h"

#include "support/px_test.h"

#include <pthread.h>

/* Released schemas never change, so neither do these, from the first release on. */
static const struct {
    enum px_schema schema;
    const char *name;
    uint64_t fingerprint;
} expected[PX_SCHEMA_TOTAL] = {
    {PX_SCHEMA_VECTOR_BATCH, "VectorBatch", 0xb7d764b376b07a22},
    {PX_SCHEMA_UPDATE_BATCH, "UpdateBatch", 0x34d311b7639e71ff},
    {PX_SCHEMA_DELETE_BATCH, "DeleteBatch", 0xeb8ddee0599c5ba6},
    {PX_SCHEMA_SEARCH_REQUEST, "SearchRequest", 0x73ce9b3e5d838572},
    {PX_SCHEMA_GET_REQUEST, "GetRequest", 0x53ec0ab59b5afef2},
    {PX_SCHEMA_SCAN_REQUEST, "ScanRequest", 0x441e0289ccc716bf},
    {PX_SCHEMA_COUNT_REQUEST, "CountRequest", 0x2e3c9165cc69b6c8},
    {PX_SCHEMA_COMPACT_REQUEST, "CompactRequest", 0x038d8cfc8c255222},
    {PX_SCHEMA_REBUILD_INDEX_REQUEST, "RebuildIndexRequest", 0x5e12089c86672411},
    {PX_SCHEMA_COLLECTION_SPEC, "CollectionSpec", 0x7da771b01350fc6f},
    {PX_SCHEMA_COLLECTION_CHANGE, "CollectionChange", 0x30b6c18f1bce9df7},
    {PX_SCHEMA_WRITE_RESULT, "WriteResult", 0x82be319415a33fed},
    {PX_SCHEMA_SEARCH_RESULT, "SearchResult", 0xdf1673055192785e},
    {PX_SCHEMA_RECORD_BATCH, "RecordBatch", 0x735e1952426fbd2b},
    {PX_SCHEMA_COUNT_RESULT, "CountResult", 0xe2c4e96e581f7f48},
    {PX_SCHEMA_COMPACT_RESULT, "CompactResult", 0xef21b10ea7915e6b},
    {PX_SCHEMA_COLLECTION_INFO, "CollectionInfo", 0x54f6aed7418c5560},
    {PX_SCHEMA_COLLECTION_LIST, "CollectionList", 0xeb4f8bc32c42ee87},
    {PX_SCHEMA_WAL_ENTRY, "WalEntry", 0x62477a75e5c6be47},
};

static void *ask(void *arg)
{
    uint64_t *ret = arg;
    if (px_schema_fingerprint(PX_SCHEMA_WAL_ENTRY, ret, NULL) != PROXIMADB_OK)
        *ret = 0;
    return NULL;
}

/* Runs first, so that the threads meet the table empty. */
static void test_schemas__may_be_asked_first_by_several_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    uint64_t fingerprints[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &fingerprints[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(fingerprints[i] == 0x62477a75e5c6be47);
    }
}

static void test_schemas__have_the_fingerprints_that_others_compute(void **state)
{
    (void)state;
    for (int i = 0; i < PX_SCHEMA_TOTAL; i++) {
        uint64_t fingerprint = 0;
        enum px_schema found = PX_SCHEMA_TOTAL;
        enum px_schema schema = expected[i].schema;
        assert_int_equal(px_schema_fingerprint(schema, &fingerprint, NULL), PROXIMADB_OK);
        assert_true(fingerprint == expected[i].fingerprint);
        assert_string_equal(px_schema_name(schema), expected[i].name);
        assert_int_equal(px_schema_find(fingerprint, &found, NULL), PROXIMADB_OK);
        assert_int_equal(found, schema);
        assert_int_equal(px_schema_text(schema).data[0], '{');
    }
}

static char *read_document(void)
{
    const char *path = PX_SOURCE_FOLDER "/docs/format/avro.md";
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void test_schemas__stand_in_the_document(void **state)
{
    (void)state;
    char *text = read_document();
    size_t rows = 0;
    for (int i = 0; i < PX_SCHEMA_TOTAL; i++) {
        char row[256];
        uint64_t value = expected[i].fingerprint;
        int used = snprintf(row, sizeof row, "| %s | `%016llx` | `", expected[i].name,
                            (unsigned long long)value);
        for (int byte = 0; byte < 8; byte++)
            used += snprintf(row + used, sizeof row - (size_t)used, "%s%02x", byte > 0 ? " " : "",
                             (unsigned)(value >> (8 * byte) & 0xff));
        if (strstr(text, row) == NULL)
            fail_msg("docs/format/avro.md has no row %s", row);
    }
    for (const char *at = text; (at = strstr(at, "\n| ")) != NULL; at += 3) {
        const char *column = strstr(at, " | `");
        const char *end = strchr(at + 1, '\n');
        rows += column != NULL && column < end && strspn(column + 4, "0123456789abcdef") == 16;
    }
    assert_int_equal(rows, PX_SCHEMA_TOTAL); /* and none that the code does not have */
    free(text);
}

static void test_schemas__open_what_they_began(void **state)
{
    (void)state;
    for (int i = 0; i < PX_SCHEMA_TOTAL; i++) {
        struct px_buffer buffer = {0};
        enum px_schema schema = PX_SCHEMA_TOTAL;
        struct px_slice datum;
        px_payload_begin(&buffer, (enum px_schema)i);
        px_buffer_append(&buffer, "datum", 5);
        assert_int_equal(px_payload_open(px_buffer_slice(&buffer), &schema, &datum, NULL),
                         PROXIMADB_OK);
        assert_int_equal(schema, i);
        assert_true(px_slice_equal(datum, px_slice_of_string("datum")));
        assert_int_equal(
            px_payload_expect(px_buffer_slice(&buffer), (enum px_schema)i, &datum, NULL),
            PROXIMADB_OK);
        px_buffer_release(&buffer);
    }
}

static void test_schemas__refuse_other_bytes(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct proximadb_error error;
    enum px_schema schema = PX_SCHEMA_TOTAL;
    struct px_slice datum;
    px_payload_begin(&buffer, PX_SCHEMA_GET_REQUEST);
    for (size_t size = 0; size < PX_PAYLOAD_HEADER_BYTES; size++)
        assert_int_equal(px_payload_open(px_slice_of(buffer.data, size), &schema, &datum, NULL),
                         PROXIMADB_INVALID);
    assert_int_equal(
        px_payload_expect(px_buffer_slice(&buffer), PX_SCHEMA_SCAN_REQUEST, &datum, &error),
        PROXIMADB_INVALID);
    assert_string_equal(error.message, "the payload is a GetRequest; a ScanRequest is needed here");
    buffer.data[1] ^= 1;
    assert_int_equal(px_payload_open(px_buffer_slice(&buffer), &schema, &datum, &error),
                     PROXIMADB_INVALID);
    assert_non_null(strstr(error.message, "C3 01"));
    assert_int_equal(schema, PX_SCHEMA_TOTAL);
    px_buffer_release(&buffer);
}

static void test_schemas__list_what_is_known(void **state)
{
    (void)state;
    struct proximadb_error error;
    enum px_schema schema;
    assert_int_equal(px_schema_find(0x0123456789abcdef, &schema, &error), PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(error.message, "0123456789abcdef"));
    assert_non_null(strstr(error.message, "VectorBatch b7d764b376b07a22, UpdateBatch"));
    const char *more = strstr(error.message, " and ");
    assert_non_null(more); /* the list was cut, and not by the end of the message */
    assert_non_null(strstr(more, " more"));
    size_t listed = 0;
    for (const char *at = error.message; (at = strpbrk(at, ",")) != NULL; at++)
        listed++;
    assert_int_equal(listed + 1 + (size_t)atol(more + 5), PX_SCHEMA_WAL_ENTRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas__may_be_asked_first_by_several_threads),
        cmocka_unit_test(test_schemas__have_the_fingerprints_that_others_compute),
        cmocka_unit_test(test_schemas__stand_in_the_document),
        cmocka_unit_test(test_schemas__open_what_they_began),
        cmocka_unit_test(test_schemas__refuse_other_bytes),
        cmocka_unit_test(test_schemas__list_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
