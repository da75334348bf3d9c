/*
 * Goal: a VectorBatch that is decoded is valid to the last byte, in place, and one that is not valid
 * is refused with its row; no bytes make the decoder crash.
 * Method: batches written value by value with one fault each; random batches written from public
 * rows and compared; every truncation and every flipped bit of one.
 */
#include "payload/batch.h"

#include "avro/encode.h"
#include "avro/schemas.h"
#include "base/hash.h"
#include "model/metadata.h"
#include "payload/row_writer.h"
#include "support/payload_test.h"

enum { DIMS = 3 };

/* What put_record() writes; every member has a default that is valid. */
struct record {
    const char *id;
    size_t dim_count;
    float first;
    struct px_slice map;
    struct px_slice document; /* NULL: none */
    const int64_t *timestamp_ms;
    const int64_t *expires_at_ms;
};

static struct record record_of(const char *id)
{
    return (struct record){.id = id, .dim_count = DIMS, .first = 1.0f, .map = px_metadata_empty};
}

static void put_record(struct px_buffer *buffer, const struct record *record)
{
    float vector[DIMS + 1] = {record->first, 0.5f, 0.25f, 0.125f};
    px_encode_string(buffer, payload_test_slice(record->id));
    px_encode_floats(buffer, vector, record->dim_count);
    px_buffer_append_slice(buffer, record->map);
    px_encode_optional_string(buffer, record->document.data != NULL, record->document);
    px_encode_optional_long(buffer, record->timestamp_ms != NULL,
                            record->timestamp_ms != NULL ? *record->timestamp_ms : 0);
    px_encode_optional_long(buffer, record->expires_at_ms != NULL,
                            record->expires_at_ms != NULL ? *record->expires_at_ms : 0);
}

static void put_batch(struct px_buffer *buffer, const struct record *records, size_t count)
{
    px_encode_fixed(buffer, "0123456789abcdef", 16);
    px_encode_block(buffer, count);
    for (size_t i = 0; i < count; i++)
        put_record(buffer, &records[i]);
    px_encode_block_end(buffer, count);
}

static int decode(struct px_slice datum, struct px_arena *arena, struct px_batch *ret_batch,
                  struct proximadb_error *reterr)
{
    struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    return px_batch_decode(datum, &collection, arena, ret_batch, reterr);
}

static void check_refused(const struct record *records, size_t count, int status, int64_t row,
                          const char *message)
{
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_batch batch;
    struct proximadb_error error;
    put_batch(&buffer, records, count);
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &batch, &error), status);
    assert_int_equal(error.status, status);
    assert_int_equal(error.row_index, row);
    payload_test_says(&error, message);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

/* The second of two rows is the bad one. */
static void check_row_refused(const struct record *bad, int status, const char *message)
{
    const struct record records[] = {record_of("good"), *bad};
    char text[200];
    snprintf(text, sizeof text, "row 1: %s", message);
    check_refused(records, 2, status, 1, text);
}

static void test_batch__reads_rows_in_place(void **state)
{
    (void)state;
    const int64_t timestamp_ms = 5, expires_at_ms = 6;
    struct record records[] = {record_of("a"), record_of("b")};
    records[1].document = payload_test_slice("text");
    records[1].timestamp_ms = &timestamp_ms;
    records[1].expires_at_ms = &expires_at_ms;
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_batch batch;
    put_batch(&buffer, records, 2);
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &batch, NULL), PROXIMADB_OK);
    assert_memory_equal(batch.request_id, "0123456789abcdef", 16);
    assert_int_equal(batch.row_count, 2);

    const struct px_record *a = &batch.rows[0].record, *b = &batch.rows[1].record;
    assert_true(px_slice_equal(a->id, payload_test_slice("a")));
    assert_true(a->id.data > buffer.data && a->id.data < buffer.data + buffer.size_bytes);
    assert_int_equal(batch.rows[0].id_hash, px_hash_memory(a->id));
    assert_int_equal(a->version, 0);
    assert_int_equal(a->dim_count, DIMS);
    assert_memory_equal(a->vector, ((float[]){1.0f, 0.5f, 0.25f}), DIMS * sizeof(float));
    assert_true((const uint8_t *)a->vector > buffer.data &&
                (const uint8_t *)a->vector < buffer.data + buffer.size_bytes);
    assert_true(px_slice_equal(a->metadata, px_metadata_empty));
    assert_false(a->has_document);
    assert_false(batch.rows[0].has_timestamp);
    assert_true(a->expires_at_ms == PX_NEVER);
    assert_true(b->has_document && px_slice_equal(b->document, payload_test_slice("text")));
    assert_true(batch.rows[1].has_timestamp && b->timestamp_ms == 5 && b->expires_at_ms == 6);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void test_batch__refuses_bad_rows(void **state)
{
    (void)state;
    const int64_t before_1970 = -1, never = PX_NEVER;
    struct record bad = record_of("");
    check_row_refused(&bad, PROXIMADB_INVALID, "the id is empty");
    bad = record_of("b");
    bad.first = NAN;
    check_row_refused(&bad, PROXIMADB_INVALID, "component 0 of the vector is NaN");
    bad = record_of("b");
    bad.dim_count = DIMS - 1;
    check_row_refused(&bad, PROXIMADB_DIMENSION, "the vector has 2 dimensions");
    bad = record_of("b");
    bad.document = payload_test_slice("\xff");
    check_row_refused(&bad, PROXIMADB_INVALID, "the document is not valid UTF-8");
    bad = record_of("b");
    bad.timestamp_ms = &before_1970;
    check_row_refused(&bad, PROXIMADB_INVALID, "timestamp_ms is -1");
    bad = record_of("b");
    bad.expires_at_ms = &never; /* which would read like no expiry at all */
    check_row_refused(&bad, PROXIMADB_INVALID, "expires_at_ms is 9223372036854775807");
    bad = record_of("b");
    bad.map = px_slice_of("\x02\x10"
                          "category\x02\x01\x00",
                          13);
    check_row_refused(&bad, PROXIMADB_INVALID, "");
    bad.map = px_slice_of("\x02\x02"
                          "a\x0c",
                          4); /* there is no branch 6 */
    check_row_refused(&bad, PROXIMADB_INVALID, "");
}

static void test_batch__refuses_ids_that_occur_twice(void **state)
{
    (void)state;
    const struct record records[] = {record_of("a"), record_of("b"), record_of("c"),
                                     record_of("b")};
    check_refused(records, 4, PROXIMADB_INVALID, 3,
                  "row 3: the id 'b' is that of row 1, too; a batch may name each id once");
}

static void test_batch__refuses_empty_and_overfull_batches(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_batch batch;
    struct proximadb_error error;
    const struct record record = record_of("a");
    check_refused(NULL, 0, PROXIMADB_INVALID, -1, "the batch has no rows");
    put_batch(&buffer, &record, 1);
    px_buffer_append_byte(&buffer, 0);
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &batch, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "not a valid VectorBatch: bytes follow its end");
    buffer.data[buffer.size_bytes - 2] = 2; /* one more block */
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &batch, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "one block");
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void test_batch__takes_memory_for_what_can_be_there(void **state)
{
    (void)state;
    /* 100,000 rows are claimed, in bytes that could hold so many if they had 6 bytes each. */
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_batch batch;
    struct proximadb_error error;
    const struct record record = record_of("a");
    px_encode_fixed(&buffer, "0123456789abcdef", 16);
    px_encode_block(&buffer, 100000);
    put_record(&buffer, &record);
    px_buffer_append_zeros(&buffer, 600000);
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &batch, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "row 1: the id is empty");
    assert_true(arena.used_bytes < 600000 / 20 * (sizeof(struct px_batch_row) + 64));
    px_arena_release(&arena);

    px_arena_init(&arena, 1000);
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &batch, &error), PROXIMADB_NO_MEMORY);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void test_batch__last_row_that_cannot_be_valid_is_read(void **state)
{
    (void)state;
    /* Three rows of the smallest size are claimed; the third lacks its last byte. */
    const struct record records[] = {record_of("a"), record_of("b"), record_of("c")};
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_batch batch;
    struct proximadb_error error;
    put_batch(&buffer, records, 3);
    assert_int_equal(
        decode(px_slice_of(buffer.data, buffer.size_bytes - 2), &arena, &batch, &error),
        PROXIMADB_INVALID);
    assert_int_equal(error.row_index, 2);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

/* ---- random batches ------------------------------------------------------------------------ */

static void check_equal(const struct px_batch_row *got, const struct payload_test_row *expected)
{
    const struct proximadb_row *row = &expected->row;
    const struct px_record *record = &got->record;
    assert_true(px_slice_equal(record->id, px_slice_of(row->id.data, row->id.size_bytes)));
    assert_memory_equal(record->vector, row->vector, row->dim_count * sizeof(float));
    assert_int_equal(px_metadata_first(record->metadata).left, row->field_count);
    assert_int_equal(record->has_document, row->document != NULL);
    assert_true(
        px_slice_equal(record->document, px_slice_of(row->document, row->document_size_bytes)));
    assert_int_equal(got->has_timestamp, row->timestamp_ms != NULL);
    assert_true(record->timestamp_ms == (row->timestamp_ms != NULL ? *row->timestamp_ms : 0));
    assert_true(record->expires_at_ms ==
                (row->expires_at_ms != NULL ? *row->expires_at_ms : PX_NEVER));
}

static void put_random(struct px_test_random *random, struct payload_test_row *rows, size_t count,
                       struct px_buffer *buffer)
{
    uint8_t request_id[16] = {1};
    px_row_write_head(buffer, false, request_id, count);
    for (size_t i = 0; i < count; i++) {
        struct proximadb_error error;
        payload_test_random_row(random, i, DIMS, &rows[i]);
        if (px_row_write_vector(buffer, &rows[i].row, &error) != PROXIMADB_OK)
            fail_msg("%s", error.message);
    }
    px_encode_block_end(buffer, count);
}

static void test_batch__random_batches_read_back(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("batch");
    static struct payload_test_row rows[40];
    for (int round = 0; round < 200; round++) {
        size_t count = 1 + px_test_below(&random, 40);
        struct px_buffer buffer = {0};
        struct px_arena arena = {0};
        struct px_slice datum;
        struct px_batch batch;
        struct proximadb_error error;
        put_random(&random, rows, count, &buffer);
        assert_int_equal(
            px_payload_expect(px_buffer_slice(&buffer), PX_SCHEMA_VECTOR_BATCH, &datum, NULL),
            PROXIMADB_OK);
        if (decode(datum, &arena, &batch, &error) != PROXIMADB_OK)
            fail_msg("%s", error.message);
        assert_int_equal(batch.row_count, count);
        for (size_t i = 0; i < count; i++)
            check_equal(&batch.rows[i], &rows[i]);
        px_arena_release(&arena);
        px_buffer_release(&buffer);
    }
}

/* Reads all that a decoded batch points to. */
static void decode_damaged(void *context, struct px_slice datum)
{
    size_t *accepted = context;
    struct px_arena arena = {0};
    struct px_batch batch;
    struct proximadb_error error = {0};
    int rc = decode(datum, &arena, &batch, &error);
    if (rc != PROXIMADB_OK) {
        assert_true(rc == PROXIMADB_INVALID || rc == PROXIMADB_DIMENSION);
        assert_true(error.message[0] != '\0');
    }
    for (uint32_t i = 0; rc == PROXIMADB_OK && i < batch.row_count; i++) {
        const struct px_record *record = &batch.rows[i].record;
        struct px_slice copies[] = {record->id, record->metadata, record->document,
                                    px_slice_of(record->vector, DIMS * sizeof(float))};
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(px_hash_memory(copies[j]), px_hash_memory(copies[j]));
    }
    *accepted += rc == PROXIMADB_OK;
    px_arena_release(&arena);
}

static void test_batch__survives_damage(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("batch");
    static struct payload_test_row rows[8];
    struct px_buffer buffer = {0};
    size_t accepted = 0;
    put_random(&random, rows, 8, &buffer);
    struct px_slice datum = px_slice_of(buffer.data + PX_PAYLOAD_HEADER_BYTES,
                                        buffer.size_bytes - PX_PAYLOAD_HEADER_BYTES);
    payload_test_damage(datum, decode_damaged, &accepted);
    assert_true(accepted > 0); /* a bit of the request id or of a vector may well be flipped */
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch__reads_rows_in_place),
        cmocka_unit_test(test_batch__refuses_bad_rows),
        cmocka_unit_test(test_batch__refuses_ids_that_occur_twice),
        cmocka_unit_test(test_batch__refuses_empty_and_overfull_batches),
        cmocka_unit_test(test_batch__takes_memory_for_what_can_be_there),
        cmocka_unit_test(test_batch__last_row_that_cannot_be_valid_is_read),
        cmocka_unit_test(test_batch__random_batches_read_back),
        cmocka_unit_test(test_batch__survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
