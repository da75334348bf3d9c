/*
 * Goal: answers have the bytes of their schemas.
 * Method: one small answer of each kind, byte by byte. That answers of any size read back is tested
 * in test_answer.c and, by fastavro, in tests/interop.
 */
#include "payload/result.h"

#include "avro/schemas.h"
#include "model/metadata.h"
#include "support/payload_test.h"

static void check_datum(struct px_buffer *buffer, enum px_schema schema, const char *expected,
                        size_t size_bytes)
{
    struct px_slice datum;
    assert_int_equal(px_buffer_status(buffer, NULL), PROXIMADB_OK);
    assert_int_equal(px_payload_expect(px_buffer_slice(buffer), schema, &datum, NULL),
                     PROXIMADB_OK);
    assert_int_equal(datum.size_bytes, size_bytes);
    assert_memory_equal(datum.data, expected, size_bytes);
    px_buffer_release(buffer);
}

static void test_result__small_answers(void **state)
{
    (void)state;
    const struct proximadb_write_result write = {1, 2, 3, true};
    const struct proximadb_compact_result compact = {1, 2, 3, 64};
    struct px_buffer buffer = {0};
    px_result_write_write(&buffer, &write);
    check_datum(&buffer, PX_SCHEMA_WRITE_RESULT, "\2\4\6\1", 4);
    px_result_write_count(&buffer, 65);
    check_datum(&buffer, PX_SCHEMA_COUNT_RESULT, "\x82\1", 2);
    px_result_write_compact(&buffer, &compact);
    check_datum(&buffer, PX_SCHEMA_COMPACT_RESULT, "\2\4\6\x80\1", 5);
}

static struct px_record record_of(const char *id, const float *vector)
{
    return (struct px_record){.id = payload_test_slice(id),
                              .version = 7,
                              .vector = vector,
                              .dim_count = 1,
                              .metadata = px_metadata_empty,
                              .timestamp_ms = 1,
                              .expires_at_ms = PX_NEVER};
}

static void test_result__record_batches(void **state)
{
    (void)state;
    const float one = 1.0f;
    const struct px_slice cursor = payload_test_slice("c");
    struct px_record record = record_of("a", &one);
    struct px_buffer buffer = {0};
    struct px_record_writer writer = px_record_writer_begin(&buffer);
    px_record_writer_put(&writer, &record);
    record = record_of("b", NULL);
    record.has_document = true;
    record.document = payload_test_slice("d");
    record.expires_at_ms = 2;
    px_record_writer_put(&writer, &record);
    px_record_writer_finish(&writer, &cursor);
    check_datum(&buffer, PX_SCHEMA_RECORD_BATCH,
                "\x84\x80\x80\x80\0"
                "\2a\x0e\2\2\0\0\x80\x3f\0\0\0\2\0"
                "\2b\x0e\0\0\2\2d\2\2\4"
                "\0"
                "\2\2c",
                5 + 14 + 11 + 1 + 3);
    writer = px_record_writer_begin(&buffer);
    px_record_writer_finish(&writer, NULL);
    check_datum(&buffer, PX_SCHEMA_RECORD_BATCH, "\x80\x80\x80\x80\0\0", 6);
}

static void test_result__search_results(void **state)
{
    (void)state;
    const float one = 1.0f;
    struct px_record record = record_of("a", &one);
    const struct px_result_hit hit = {&record, 1.0, -2.0};
    struct px_buffer buffer = {0};
    record.has_document = true;
    record.document = payload_test_slice("d");
    px_result_begin_search(&buffer, 3);
    px_result_begin_hits(&buffer, 1);
    px_result_put_hit(&buffer, &hit, (struct px_hit_parts){.vector = true, .metadata = true});
    px_result_finish_hits(&buffer, 1);
    px_result_begin_hits(&buffer, 0);
    px_result_finish_hits(&buffer, 0);
    px_result_begin_hits(&buffer, 1);
    px_result_put_hit(&buffer, &hit, (struct px_hit_parts){0});
    px_result_finish_hits(&buffer, 1);
    px_result_finish_search(&buffer, 3);
    check_datum(&buffer, PX_SCHEMA_SEARCH_RESULT,
                "\6"
                "\2\2a\x0e\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0"
                "\2\2\0\0\x80\x3f\0\2\0\2\2d\0"
                "\0"
                "\2\2a\x0e\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0\0\0\0\0"
                "\0",
                1 + 20 + 13 + 1 + 24 + 1);
}

/* A CollectionInfo's bytes, without the uuid. */
static const char name_part[] = "\x08"
                                "docs"
                                "\x48";
static const char tail_part[] = "\6"
                                "\4l2"
                                "\6IVF"
                                "\x0a"
                                "exact"
                                "\x14"
                                "compressed"
                                "\x2e\0\0\0\0\0\0\0\0"
                                "\4"
                                "\x10"
                                "category"
                                "\x0c"
                                "string"
                                "\x0a"
                                "price"
                                "\x0c"
                                "double"
                                "\0"
                                "\x80\xa0\xab\xfe\xf9\x62" /* 1,700,000,000,000 */
                                "\2\4\6\x08\x0a\x0c"
                                "\x0e\x10\x12\x14"
                                "\x0c"
                                "paused"
                                "\x16\x18"
                                "\x08"
                                "fast"
                                "\x0a"
                                "ready"
                                "\x1a\x1c\x1e\x20\x22\x24"
                                "\x06"
                                "old"
                                "\2\6why";

static void test_result__collections(void **state)
{
    (void)state;
    const struct px_collection_numbers numbers = {
        1,        2,  3,  4,     5,
        6,        7,  8,  9,     10,
        "paused", 11, 12, "why", {"ready", 13, 14, 15, 16, 17, 18, "old"}};
    struct px_collection collection = payload_test_collection(3, PROXIMADB_L2);
    struct px_buffer buffer = {0};
    char expected[256];
    char id[PX_UUID_TEXT_BYTES];
    collection.index_type = PROXIMADB_IVF;
    collection.index_memory = PROXIMADB_INDEX_FAST;
    px_uuid_format(collection.id, id);
    memcpy(expected, name_part, 6);
    memcpy(expected + 6, id, 36);
    memcpy(expected + 42, tail_part, sizeof tail_part - 1);
    px_result_write_collection(&buffer, &collection, &numbers);
    check_datum(&buffer, PX_SCHEMA_COLLECTION_INFO, expected, 42 + sizeof tail_part - 1);

    px_result_begin_list(&buffer, 1);
    px_result_put_collection(&buffer, &collection, &numbers);
    px_result_finish_list(&buffer, 1);
    memmove(expected + 1, expected, 42 + sizeof tail_part - 1);
    expected[0] = 2;
    expected[43 + sizeof tail_part - 1] = 0;
    check_datum(&buffer, PX_SCHEMA_COLLECTION_LIST, expected, 44 + sizeof tail_part - 1);
    px_result_begin_list(&buffer, 0);
    px_result_finish_list(&buffer, 0);
    check_datum(&buffer, PX_SCHEMA_COLLECTION_LIST, "\0", 1);
}

static void test_result__says_when_an_answer_is_too_large(void **state)
{
    (void)state;
    const float one = 1.0f;
    const struct px_record record = record_of("a", &one);
    struct px_buffer buffer;
    px_buffer_init(&buffer, 300);
    struct px_record_writer writer = px_record_writer_begin(&buffer);
    for (int i = 0; i < 100; i++)
        px_record_writer_put(&writer, &record);
    px_record_writer_finish(&writer, NULL);
    assert_int_equal(px_buffer_status(&buffer, NULL), PROXIMADB_RESOURCE_EXHAUSTED);
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result__small_answers),
        cmocka_unit_test(test_result__record_batches),
        cmocka_unit_test(test_result__search_results),
        cmocka_unit_test(test_result__collections),
        cmocka_unit_test(test_result__says_when_an_answer_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
