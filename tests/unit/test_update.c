/*
 * Goal: each part of an update is kept, set or cleared as the client said, and bad rows are refused.
 * Method: rows written from public structs, by hand and at random; datums with one fault each; every
 * truncation and every flipped bit.
 */
#include "payload/update.h"

#include "avro/encode.h"
#include "avro/schemas.h"
#include "base/hash.h"
#include "model/metadata.h"
#include "model/record.h"
#include "payload/row_writer.h"
#include "support/payload_test.h"

enum { DIMS = 3 };

static int decode(struct px_slice datum, struct px_arena *arena, struct px_update *ret_update,
                  struct proximadb_error *reterr)
{
    struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    return px_update_decode(datum, &collection, arena, ret_update, reterr);
}

static struct px_slice datum_of(const struct px_buffer *payload)
{
    struct px_slice datum;
    assert_int_equal(
        px_payload_expect(px_buffer_slice(payload), PX_SCHEMA_UPDATE_BATCH, &datum, NULL),
        PROXIMADB_OK);
    return datum;
}

static void put_random(struct px_test_random *random, struct payload_test_row *rows, size_t count,
                       struct px_buffer *buffer)
{
    uint8_t request_id[16] = {2};
    px_row_write_head(buffer, true, request_id, count);
    for (size_t i = 0; i < count; i++) {
        struct proximadb_error error;
        payload_test_random_row(random, i, DIMS, &rows[i]);
        payload_test_make_update(random, &rows[i]);
        if (px_row_write_update(buffer, &rows[i].row, &error) != PROXIMADB_OK)
            fail_msg("%s", error.message);
    }
    px_encode_block_end(buffer, count);
}

static void check_parts(const struct px_update_row *got, const struct proximadb_row *row)
{
    assert_true(px_slice_equal(got->id, px_slice_of(row->id.data, row->id.size_bytes)));
    assert_int_equal(got->id_hash, px_hash_memory(got->id));
    assert_int_equal(got->vector != NULL, row->vector != NULL);
    if (row->vector != NULL)
        assert_memory_equal(got->vector, row->vector, DIMS * sizeof(float));
    assert_int_equal(got->has_metadata, row->field_count > 0);
    if (got->has_metadata)
        assert_int_equal(px_metadata_first(got->metadata).left, row->field_count);
    assert_int_equal(got->has_expected_version, row->expected_version != NULL);
    if (row->expected_version != NULL)
        assert_int_equal(got->expected_version, *row->expected_version);
}

static enum px_change change_of(bool set, bool clear)
{
    return set ? PX_CHANGE_SET : clear ? PX_CHANGE_CLEAR : PX_CHANGE_KEEP;
}

static void check_changes(const struct px_update_row *got, const struct proximadb_row *row)
{
    assert_int_equal(got->document_change, change_of(row->document != NULL, row->clear_document));
    assert_true(
        px_slice_equal(got->document, px_slice_of(row->document, row->document_size_bytes)));
    assert_int_equal(got->expires_change,
                     change_of(row->expires_at_ms != NULL, row->clear_expires_at));
    assert_true(got->expires_at_ms ==
                (row->expires_at_ms != NULL ? *row->expires_at_ms : PX_NEVER));
}

static void test_update__random_updates_read_back(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("update");
    static struct payload_test_row rows[40];
    for (int round = 0; round < 200; round++) {
        size_t count = 1 + px_test_below(&random, 40);
        struct px_buffer buffer = {0};
        struct px_arena arena = {0};
        struct px_update update;
        struct proximadb_error error;
        put_random(&random, rows, count, &buffer);
        if (decode(datum_of(&buffer), &arena, &update, &error) != PROXIMADB_OK)
            fail_msg("%s", error.message);
        assert_int_equal(update.row_count, count);
        assert_int_equal(update.request_id[0], 2);
        for (size_t i = 0; i < count; i++) {
            check_parts(&update.rows[i], &rows[i].row);
            check_changes(&update.rows[i], &rows[i].row);
        }
        px_arena_release(&arena);
        px_buffer_release(&buffer);
    }
}

/* The datum of one update whose fields behind the id are these bytes. */
static int decode_one(const char *id, const char *fields, size_t size_bytes,
                      struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_update update;
    px_encode_fixed(&buffer, "0123456789abcdef", 16);
    px_encode_block(&buffer, 1);
    px_encode_string(&buffer, payload_test_slice(id));
    px_buffer_append(&buffer, fields, size_bytes);
    px_encode_block_end(&buffer, 1);
    int rc = decode(px_buffer_slice(&buffer), &arena, &update, reterr);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
    return rc;
}

static void test_update__refuses_bad_rows(void **state)
{
    (void)state; /* vector, metadata, document, expires_at_ms, expected_version */
    struct proximadb_error error;
    assert_int_equal(decode_one("a", "\0\0\0\0\0", 5, NULL), PROXIMADB_OK);
    assert_int_equal(decode_one("", "\0\0\0\0\0", 5, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "row 0: the id is empty");
    assert_int_equal(decode_one("a", "\2\2\0\0\x80\x3f\0\0\0\0\0", 11, &error),
                     PROXIMADB_DIMENSION);
    assert_int_equal(error.expected, DIMS);
    assert_int_equal(error.actual, 1);
    assert_int_equal(error.row_index, 0);
    assert_int_equal(decode_one("a", "\0\0\2\2\xff\0\0", 7, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "document");
    assert_int_equal(decode_one("a", "\0\0\0\2\1\0", 6, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "expires_at_ms is -1");
    assert_int_equal(decode_one("a", "\0\0\0\0\2\0", 6, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "expected_version is 0");
    assert_int_equal(decode_one("a", "\0\0\4\2\0\0", 6, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "no such branch"); /* Clear has one symbol */
    assert_int_equal(decode_one("a", "\0\0\6\0\0", 5, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "no such branch");
    assert_int_equal(decode_one("a", "\0\2\2\2x\x0e\0\0\0\0", 10, &error), PROXIMADB_INVALID);
}

static void test_update__fits_metadata_and_keeps_nulls(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_update update;
    struct px_value value;
    const struct proximadb_field fields[] = {
        {payload_test_text("price"), {.kind = PROXIMADB_VALUE_LONG, .as.integer = 2}},
        {payload_test_text("category"), {.kind = PROXIMADB_VALUE_NULL}}};
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = payload_test_text("a"),
                                      .fields = fields,
                                      .field_count = 2};
    px_row_write_head(&buffer, true, (const uint8_t *)"0123456789abcdef", 1);
    assert_int_equal(px_row_write_update(&buffer, &row, NULL), PROXIMADB_OK);
    px_encode_block_end(&buffer, 1);
    assert_int_equal(decode(datum_of(&buffer), &arena, &update, NULL), PROXIMADB_OK);
    assert_true(px_metadata_find(update.rows[0].metadata, payload_test_slice("price"), &value));
    assert_int_equal(value.kind, PROXIMADB_VALUE_DOUBLE);
    assert_true(px_metadata_find(update.rows[0].metadata, payload_test_slice("category"), &value));
    assert_int_equal(value.kind, PROXIMADB_VALUE_NULL);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void test_update__refuses_empty_batches_and_repeated_ids(void **state)
{
    (void)state;
    struct px_arena arena = {0};
    struct px_update update;
    struct proximadb_error error;
    struct px_buffer buffer = {0};
    px_encode_fixed(&buffer, "0123456789abcdef\0", 17);
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &update, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "no rows");
    px_buffer_clear(&buffer);
    px_encode_fixed(&buffer, "0123456789abcdef\4\2a\0\0\0\0\0\2a\0\0\0\0\0\0", 32);
    assert_int_equal(decode(px_buffer_slice(&buffer), &arena, &update, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "row 1: the id 'a' is that of row 0");
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void decode_damaged(void *context, struct px_slice datum)
{
    (void)context;
    struct px_arena arena = {0};
    struct px_update update;
    int rc = decode(datum, &arena, &update, NULL);
    assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_INVALID || rc == PROXIMADB_DIMENSION);
    for (uint32_t i = 0; rc == PROXIMADB_OK && i < update.row_count; i++)
        assert_int_equal(update.rows[i].id_hash, px_hash_memory(update.rows[i].id));
    px_arena_release(&arena);
}

static void test_update__survives_damage(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("update");
    static struct payload_test_row rows[8];
    struct px_buffer buffer = {0};
    put_random(&random, rows, 8, &buffer);
    payload_test_damage(datum_of(&buffer), decode_damaged, NULL);
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update__random_updates_read_back),
        cmocka_unit_test(test_update__refuses_bad_rows),
        cmocka_unit_test(test_update__fits_metadata_and_keeps_nulls),
        cmocka_unit_test(test_update__refuses_empty_batches_and_repeated_ids),
        cmocka_unit_test(test_update__survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
