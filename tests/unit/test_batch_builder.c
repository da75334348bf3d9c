/* px-test: layers=payload files=api/batch_builder.c,api/buffer_release.c,api/struct_copy.c */
/*
 * Goal: what a builder gives is a batch with exactly the rows that were added.
 * Method: batches of random rows, decoded again; rows that are refused in between; several batches
 * from one builder.
 */
#include <proximadb.h>

#include "avro/schemas.h"
#include "payload/update.h"
#include "support/payload_test.h"

enum { DIMS = 3 };

static const uint8_t request_id[16] = "0123456789abcde";

static struct px_slice datum_of(const struct proximadb_buffer *payload, enum px_schema schema)
{
    struct px_slice datum;
    struct proximadb_error error;
    if (px_payload_expect(px_slice_of(payload->data, payload->size_bytes), schema, &datum,
                          &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return datum;
}

static void add(proximadb_batch *batch, const struct proximadb_row *row)
{
    struct proximadb_error error;
    if (proximadb_batch_add(batch, row, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
}

/* Decodes an insert; returns its number of rows, and the ids' last characters as a string. */
static uint32_t decode_insert(const struct proximadb_buffer *payload, uint8_t ret_request_id[16],
                              char *ret_ids)
{
    struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    struct px_arena arena = {0};
    struct px_batch batch;
    struct proximadb_error error;
    if (px_batch_decode(datum_of(payload, PX_SCHEMA_VECTOR_BATCH), &collection, &arena, &batch,
                        &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    memcpy(ret_request_id, batch.request_id, 16);
    for (uint32_t i = 0; i < batch.row_count; i++)
        ret_ids[i] = (char)batch.rows[i].record.id.data[batch.rows[i].record.id.size_bytes - 1];
    ret_ids[batch.row_count] = '\0';
    uint32_t row_count = batch.row_count;
    px_arena_release(&arena);
    return row_count;
}

static struct proximadb_row row_of(const char *id)
{
    static const float vector[DIMS] = {1, 2, 3};
    return (struct proximadb_row){.struct_size = sizeof(struct proximadb_row),
                                  .id = payload_test_text(id),
                                  .vector = vector,
                                  .dim_count = DIMS};
}

static void test_batch_builder__gives_batch_after_batch(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("batch_builder");
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_UPSERT, request_id);
    uint8_t first_id[16], second_id[16];
    char ids[301];
    assert_non_null(batch);
    for (int round = 0; round < 3; round++) {
        static const size_t counts[] = {1, 300, 60}; /* heads of different lengths */
        struct proximadb_buffer payload;
        for (size_t i = 0; i < counts[round]; i++) {
            struct payload_test_row row;
            payload_test_random_row(&random, i, DIMS, &row);
            add(batch, &row.row);
        }
        assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
        uint8_t *id = round == 0 ? first_id : second_id;
        assert_int_equal(decode_insert(&payload, id, ids), counts[round]);
        proximadb_buffer_release(&payload);
        assert_null(payload.data);
    }
    assert_memory_equal(first_id, request_id, 16);
    assert_memory_not_equal(second_id, request_id, 16);
    proximadb_batch_free(batch);
    proximadb_batch_free(NULL);
}

static void test_batch_builder__makes_random_request_ids(void **state)
{
    (void)state;
    uint8_t ids[2][16];
    char letters[4];
    for (int i = 0; i < 2; i++) {
        struct proximadb_buffer payload;
        struct proximadb_row row = row_of("a");
        proximadb_batch *batch = proximadb_batch_new(PROXIMADB_INSERT, NULL);
        assert_non_null(batch);
        add(batch, &row);
        assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
        decode_insert(&payload, ids[i], letters);
        proximadb_buffer_release(&payload);
        proximadb_batch_free(batch);
    }
    assert_memory_not_equal(ids[0], ids[1], 16);
}

static void test_batch_builder__refused_rows_leave_the_batch_as_it_was(void **state)
{
    (void)state;
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_INSERT, request_id);
    struct proximadb_row good = row_of("a"), next = row_of("b"), bad = row_of("x\xff");
    struct proximadb_buffer payload;
    struct proximadb_error error;
    uint8_t id[16];
    char ids[4];
    assert_non_null(batch);
    assert_int_equal(proximadb_batch_add(batch, &bad, &error), PROXIMADB_INVALID);
    assert_int_equal(error.row_index, 0);
    add(batch, &good);
    bad = row_of("x");
    bad.document = "\xff";
    bad.document_size_bytes = 1;
    assert_int_equal(proximadb_batch_add(batch, &bad, &error), PROXIMADB_INVALID);
    assert_int_equal(error.row_index, 1);
    payload_test_says(&error, "row 1: the document");
    bad.struct_size = 0;
    assert_int_equal(proximadb_batch_add(batch, &bad, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "struct_size");
    assert_int_equal(proximadb_batch_add(batch, NULL, &error), PROXIMADB_INVALID);
    add(batch, &next);
    assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
    assert_int_equal(decode_insert(&payload, id, ids), 2);
    assert_string_equal(ids, "ab");
    proximadb_buffer_release(&payload);
    proximadb_batch_free(batch);
}

static void test_batch_builder__builds_updates(void **state)
{
    (void)state;
    struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_UPDATE, request_id);
    struct proximadb_row row = row_of("a");
    struct proximadb_buffer payload;
    struct px_arena arena = {0};
    struct px_update update;
    assert_non_null(batch);
    row.vector = NULL;
    row.clear_document = true;
    add(batch, &row);
    assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
    assert_int_equal(px_update_decode(datum_of(&payload, PX_SCHEMA_UPDATE_BATCH), &collection,
                                      &arena, &update, NULL),
                     PROXIMADB_OK);
    assert_int_equal(update.row_count, 1);
    assert_int_equal(update.rows[0].document_change, PX_CHANGE_CLEAR);
    px_arena_release(&arena);
    proximadb_buffer_release(&payload);
    proximadb_batch_free(batch);
}

static void test_batch_builder__empty_batch_is_a_payload(void **state)
{
    (void)state;
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_INSERT, request_id);
    struct proximadb_buffer payload;
    assert_non_null(batch);
    assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
    assert_int_equal(datum_of(&payload, PX_SCHEMA_VECTOR_BATCH).size_bytes, 17);
    proximadb_buffer_release(&payload);
    proximadb_batch_free(batch);
}

static void test_batch_builder__refuses_other_operations(void **state)
{
    (void)state;
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_SEARCH, NULL);
    struct proximadb_row row = row_of("a");
    struct proximadb_error error;
    assert_non_null(batch);
    assert_int_equal(proximadb_batch_add(batch, &row, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "operation 6");
    proximadb_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_builder__gives_batch_after_batch),
        cmocka_unit_test(test_batch_builder__makes_random_request_ids),
        cmocka_unit_test(test_batch_builder__refused_rows_leave_the_batch_as_it_was),
        cmocka_unit_test(test_batch_builder__builds_updates),
        cmocka_unit_test(test_batch_builder__empty_batch_is_a_payload),
        cmocka_unit_test(test_batch_builder__refuses_other_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
