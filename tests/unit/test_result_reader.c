/* px-test: layers=payload files=api/result_reader.c,api/buffer_release.c */
/*
 * Goal: readers take their response, give what is in it, and release it once, whatever happens.
 * Method: small answers with a counting release function. What rows say is tested in test_answer.c.
 */
#include <proximadb.h>

#include "model/metadata.h"
#include "payload/result.h"
#include "support/payload_test.h"

static void count_release(void *context)
{
    ++*(int *)context;
}

/* A response over bytes that stay the test's own. */
static struct proximadb_buffer response_of(const struct px_buffer *bytes, int *releases)
{
    return (struct proximadb_buffer){bytes->data, bytes->size_bytes, count_release, releases};
}

static void write_rows(struct px_buffer *buffer, const struct px_slice *cursor)
{
    static const float vector[2] = {1.0f, 2.0f};
    struct px_record record = {.id = payload_test_slice("a"),
                               .version = 7,
                               .vector = vector,
                               .dim_count = 2,
                               .metadata = px_metadata_empty,
                               .expires_at_ms = PX_NEVER};
    struct px_record_writer writer = px_record_writer_begin(buffer);
    px_record_writer_put(&writer, &record);
    record.id = payload_test_slice("b");
    px_record_writer_put(&writer, &record);
    px_record_writer_finish(&writer, cursor);
}

static void test_result_reader__gives_rows_and_cursor(void **state)
{
    (void)state;
    const struct px_slice cursor = payload_test_slice("next");
    struct px_buffer bytes = {0};
    int releases = 0;
    proximadb_reader *reader;
    struct proximadb_hit hit;
    write_rows(&bytes, &cursor);
    struct proximadb_buffer response = response_of(&bytes, &releases);
    assert_int_equal(proximadb_reader_new(&response, &reader, NULL), PROXIMADB_OK);
    assert_null(response.data); /* taken */
    assert_int_equal(proximadb_reader_query_count(reader), 1);
    assert_int_equal(proximadb_reader_cursor(reader).size_bytes, 4);
    assert_memory_equal(proximadb_reader_cursor(reader).data, "next", 4);
    assert_true(proximadb_reader_next(reader, &hit, NULL));
    assert_memory_equal(hit.id.data, "a", 1);
    assert_true(proximadb_reader_next(reader, &hit, NULL));
    assert_int_equal(hit.version, 7);
    assert_false(proximadb_reader_next(reader, &hit, NULL));
    assert_int_equal(releases, 0);
    proximadb_reader_free(reader);
    assert_int_equal(releases, 1);
    proximadb_reader_free(NULL);
    px_buffer_release(&bytes);
}

static void test_result_reader__gives_collections(void **state)
{
    (void)state;
    const struct px_collection_numbers numbers = {.vector_count = 5};
    struct px_collection collection = payload_test_collection(2, PROXIMADB_COSINE);
    struct px_buffer bytes = {0};
    int releases = 0;
    proximadb_reader *reader;
    struct proximadb_collection_info info;
    struct proximadb_error error;
    px_result_write_collection(&bytes, &collection, &numbers);
    struct proximadb_buffer response = response_of(&bytes, &releases);
    assert_int_equal(proximadb_reader_new(&response, &reader, NULL), PROXIMADB_OK);
    assert_true(proximadb_reader_next_collection(reader, &info, &error));
    assert_int_equal(info.vector_count, 5);
    assert_false(proximadb_reader_next_collection(reader, &info, &error));
    assert_int_equal(error.status, PROXIMADB_OK);
    proximadb_reader_free(reader);
    assert_int_equal(releases, 1);
    px_buffer_release(&bytes);
}

static void test_result_reader__releases_a_damaged_response(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    int releases = 0;
    proximadb_reader *reader = NULL;
    struct proximadb_error error;
    write_rows(&bytes, NULL);
    bytes.size_bytes -= 3;
    struct proximadb_buffer response = response_of(&bytes, &releases);
    assert_int_equal(proximadb_reader_new(&response, &reader, &error), PROXIMADB_CORRUPT);
    payload_test_says(&error, "not a valid RecordBatch");
    assert_null(reader);
    assert_null(response.data);
    assert_int_equal(releases, 1);
    px_buffer_release(&bytes);
}

static void test_result_reader__decodes_small_answers(void **state)
{
    (void)state;
    const struct proximadb_write_result write = {2, 10, 2, false};
    const struct proximadb_compact_result compact = {1, 2, 3, 4};
    struct proximadb_write_result got_write;
    struct proximadb_compact_result got_compact;
    struct px_buffer bytes = {0};
    int releases = 0;
    uint64_t count = 0;
    px_result_write_write(&bytes, &write);
    struct proximadb_buffer response = response_of(&bytes, &releases);
    assert_int_equal(proximadb_decode_write_result(&response, &got_write, NULL), PROXIMADB_OK);
    assert_int_equal(got_write.first_version, 10);
    assert_int_equal(proximadb_decode_count(&response, &count, NULL), PROXIMADB_INVALID);
    px_buffer_clear(&bytes);
    px_result_write_count(&bytes, 9);
    response = response_of(&bytes, &releases);
    assert_int_equal(proximadb_decode_count(&response, &count, NULL), PROXIMADB_OK);
    assert_int_equal(count, 9);
    px_buffer_clear(&bytes);
    px_result_write_compact(&bytes, &compact);
    response = response_of(&bytes, &releases);
    assert_int_equal(proximadb_decode_compact_result(&response, &got_compact, NULL), PROXIMADB_OK);
    assert_int_equal(got_compact.bytes_written, 4);
    assert_int_equal(releases, 0); /* borrowed */
    px_buffer_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_reader__gives_rows_and_cursor),
        cmocka_unit_test(test_result_reader__gives_collections),
        cmocka_unit_test(test_result_reader__releases_a_damaged_response),
        cmocka_unit_test(test_result_reader__decodes_small_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
