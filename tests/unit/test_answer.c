/*
 * Goal: answers read back as they were written, and damaged ones are refused before their first row.
 * Method: answers of random rows; hand-made ones with one fault each; every truncation and every
 * flipped bit.
 */
#include "payload/answer.h"

#include "avro/encode.h"
#include "base/hash.h"
#include "model/metadata.h"
#include "payload/result.h"
#include "support/payload_test.h"

enum { DIMS = 3 };

/* The engine's record of a random row; `metadata` receives its map. */
static struct px_record record_of(const struct payload_test_row *from, struct px_buffer *metadata)
{
    const struct proximadb_row *row = &from->row;
    px_buffer_clear(metadata);
    assert_int_equal(px_fields_write(row->fields, row->field_count, metadata, NULL), PROXIMADB_OK);
    return (struct px_record){
        .id = px_slice_of(row->id.data, row->id.size_bytes),
        .version = from->timestamp_ms / 1000 + 1,
        .vector = row->vector,
        .dim_count = DIMS,
        .metadata = px_buffer_slice(metadata),
        .has_document = row->document != NULL,
        .document = px_slice_of(row->document, row->document_size_bytes),
        .timestamp_ms = from->timestamp_ms,
        .expires_at_ms = row->expires_at_ms != NULL ? *row->expires_at_ms : PX_NEVER,
    };
}

static void check_hit(const struct proximadb_hit *hit, const struct payload_test_row *from)
{
    const struct proximadb_row *row = &from->row;
    assert_int_equal(hit->id.size_bytes, row->id.size_bytes);
    assert_memory_equal(hit->id.data, row->id.data, row->id.size_bytes);
    assert_int_equal(hit->version, from->timestamp_ms / 1000 + 1);
    assert_int_equal(hit->dim_count, DIMS);
    assert_memory_equal(hit->vector, row->vector, DIMS * sizeof(float));
    assert_int_equal(hit->field_count, row->field_count);
    for (size_t i = 0; i < hit->field_count; i++) {
        assert_int_equal(hit->fields[i].name.size_bytes, row->fields[i].name.size_bytes);
        assert_int_equal(hit->fields[i].value.kind, row->fields[i].value.kind);
    }
    assert_int_equal(hit->document != NULL, row->document != NULL);
    assert_int_equal(hit->document_size_bytes, row->document_size_bytes);
}

static void test_answer__random_record_batches_read_back(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("answer");
    static struct payload_test_row rows[30];
    struct px_buffer metadata = {0};
    for (int round = 0; round < 100; round++) {
        size_t count = px_test_below(&random, 31);
        const struct px_slice cursor = payload_test_slice("go on");
        struct px_buffer buffer = {0};
        struct px_answer answer;
        struct proximadb_hit hit;
        struct proximadb_error error;
        struct px_record_writer writer = px_record_writer_begin(&buffer);
        for (size_t i = 0; i < count; i++) {
            payload_test_random_row(&random, i, DIMS, &rows[i]);
            const struct px_record record = record_of(&rows[i], &metadata);
            px_record_writer_put(&writer, &record);
        }
        px_record_writer_finish(&writer, round % 2 == 1 ? &cursor : NULL);
        assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, NULL), PROXIMADB_OK);
        assert_int_equal(answer.query_count, 1);
        assert_int_equal(answer.scan_cursor.size_bytes, round % 2 == 1 ? 5 : 0);
        for (size_t i = 0; i < count; i++) {
            assert_true(px_answer_next_row(&answer, &hit, &error));
            check_hit(&hit, &rows[i]);
            assert_true(hit.score == 0.0 && hit.distance == 0.0 && hit.query_index == 0);
            assert_true(hit.timestamp_ms == rows[i].timestamp_ms);
            assert_int_equal(hit.expires_at_ms != NULL, rows[i].row.expires_at_ms != NULL);
            if (hit.expires_at_ms != NULL)
                assert_true(*hit.expires_at_ms == rows[i].expires_at_ms);
        }
        for (int again = 0; again < 3; again++) {
            error.status = -1;
            assert_false(px_answer_next_row(&answer, &hit, &error));
            assert_int_equal(error.status, PROXIMADB_OK);
        }
        px_answer_release(&answer);
        px_buffer_release(&buffer);
    }
    px_buffer_release(&metadata);
}

static void put_query(struct px_buffer *buffer, const struct payload_test_row *rows, size_t count,
                      struct px_hit_parts parts)
{
    struct px_buffer metadata = {0};
    px_result_begin_hits(buffer, count);
    for (size_t i = 0; i < count; i++) {
        const struct px_record record = record_of(&rows[i], &metadata);
        const struct px_result_hit hit = {&record, (double)i, -(double)i};
        px_result_put_hit(buffer, &hit, parts);
    }
    px_result_finish_hits(buffer, count);
    px_buffer_release(&metadata);
}

static void test_answer__search_results_read_back(void **state)
{
    (void)state;
    static const size_t hit_counts[] = {0, 3, 0, 0, 2, 0};
    struct px_test_random random = px_test_random_new("answer");
    struct payload_test_row rows[3];
    struct px_buffer buffer = {0};
    struct px_answer answer;
    struct proximadb_hit hit;
    for (size_t i = 0; i < 3; i++)
        payload_test_random_row(&random, i, DIMS, &rows[i]);
    px_result_begin_search(&buffer, 6);
    for (size_t i = 0; i < 6; i++)
        put_query(&buffer, rows, hit_counts[i], (struct px_hit_parts){true, true});
    px_result_finish_search(&buffer, 6);
    assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, NULL), PROXIMADB_OK);
    assert_int_equal(answer.query_count, 6);
    for (uint32_t query = 0; query < 6; query++)
        for (size_t i = 0; i < hit_counts[query]; i++) {
            assert_true(px_answer_next_row(&answer, &hit, NULL));
            assert_int_equal(hit.query_index, query);
            assert_true(hit.score == (double)i && hit.distance == -(double)i);
            assert_int_equal(hit.timestamp_ms, 0);
            check_hit(&hit, &rows[i]);
        }
    assert_false(px_answer_next_row(&answer, &hit, NULL));
    assert_false(px_answer_next_row(&answer, &hit, NULL));
    px_answer_release(&answer);
    px_buffer_release(&buffer);
}

static void test_answer__leaves_out_what_was_not_asked_for(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("answer");
    struct payload_test_row row;
    struct px_buffer buffer = {0};
    struct px_answer answer;
    struct proximadb_hit hit;
    payload_test_random_row(&random, 0, DIMS, &row);
    px_result_begin_search(&buffer, 1);
    put_query(&buffer, &row, 1, (struct px_hit_parts){false, false});
    px_result_finish_search(&buffer, 1);
    assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, NULL), PROXIMADB_OK);
    assert_true(px_answer_next_row(&answer, &hit, NULL));
    assert_null(hit.vector);
    assert_int_equal(hit.dim_count, 0);
    assert_int_equal(hit.field_count, 0);
    assert_null(hit.document);
    px_answer_release(&answer);
    px_buffer_release(&buffer);
}

static const struct px_collection_numbers numbers = {
    1,        2,  3,  4,    5,
    6,        7,  8,  9,    10,
    "paused", 11, 12, NULL, {"ready", 13, 14, 15, 16, 17, 18, "why"}};

static void put_collections(struct px_buffer *buffer, size_t count)
{
    px_result_begin_list(buffer, count);
    for (size_t i = 0; i < count; i++) {
        struct px_collection_numbers own = numbers;
        struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_DOT);
        snprintf(collection.name, sizeof collection.name, "c%zu", i);
        own.read_only_reason = i % 2 == 1 ? "damaged" : NULL;
        px_result_put_collection(buffer, &collection, &own);
    }
    px_result_finish_list(buffer, count);
}

static void test_answer__collections_read_back(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct px_answer answer;
    struct proximadb_collection_info info;
    put_collections(&buffer, 5);
    assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%zu", i);
        assert_true(px_answer_next_collection(&answer, &info, NULL));
        assert_string_equal(info.spec.name, name);
        assert_int_equal(info.spec.dim_count, DIMS);
        assert_int_equal(info.spec.metric, PROXIMADB_DOT);
        assert_int_equal(info.spec.storage, PROXIMADB_EXACT);
        assert_int_equal(info.spec.layout, PROXIMADB_LAYOUT_COMPRESSED);
        assert_int_equal(info.spec.index_memory, PROXIMADB_INDEX_LEAN);
        assert_string_equal(info.index_state, "ready");
        assert_true(info.index_row_count == 13 && info.index_lag == 14);
        assert_true(info.index_file_bytes == 15 && info.index_memory_bytes == 16);
        assert_true(info.index_rows_done == 17 && info.index_rebuild_count == 18);
        assert_string_equal(info.index_rebuild_reason, "why");
        assert_int_equal(info.mantissa_bits, 23);
        assert_true(info.relative_error == 0.0);
        assert_int_equal(info.spec.filterable_count, 2);
        assert_string_equal(info.spec.filterable[0].name, "category");
        assert_int_equal(info.spec.filterable[1].type, PROXIMADB_FIELD_DOUBLE);
        assert_int_equal(strlen(info.id), 36);
        assert_true(info.created_at_ms == 1700000000000);
        assert_true(info.vector_count == 1 && info.part_count == 2 && info.disk_bytes == 3);
        assert_true(info.memtable_bytes == 4 && info.wal_bytes == 5 && info.last_version == 6);
        assert_true(info.fresh_part_count == 7 && info.dead_row_count == 8);
        assert_true(info.bytes_accepted == 9 && info.bytes_written == 10);
        assert_string_equal(info.compaction_state, "paused");
        assert_true(info.compaction_rows_done == 11 && info.compaction_row_count == 12);
        assert_int_equal(info.read_only, i % 2 == 1);
        if (info.read_only)
            assert_string_equal(info.read_only_reason, "damaged");
    }
    assert_false(px_answer_next_collection(&answer, &info, NULL));
    px_answer_release(&answer);
    px_buffer_release(&buffer);
}

static void test_answer__one_collection_is_a_list_of_one(void **state)
{
    (void)state;
    struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    struct px_buffer buffer = {0};
    struct px_answer answer;
    struct proximadb_collection_info info;
    struct proximadb_hit hit;
    px_result_write_collection(&buffer, &collection, &numbers);
    assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, NULL), PROXIMADB_OK);
    assert_false(px_answer_next_row(&answer, &hit, NULL));
    assert_true(px_answer_next_collection(&answer, &info, NULL));
    assert_string_equal(info.spec.name, "docs");
    assert_false(px_answer_next_collection(&answer, &info, NULL));
    px_answer_release(&answer);
    px_buffer_release(&buffer);
}

static void test_answer__small_answers_read_back(void **state)
{
    (void)state;
    const struct proximadb_write_result write = {3, INT64_MAX, 2, true};
    const struct proximadb_compact_result compact = {1, 2, INT64_MAX, 4};
    struct proximadb_write_result got_write;
    struct proximadb_compact_result got_compact;
    uint64_t count = 0;
    struct px_buffer buffer = {0};
    px_result_write_write(&buffer, &write);
    assert_int_equal(px_answer_write_result(px_buffer_slice(&buffer), &got_write, NULL),
                     PROXIMADB_OK);
    assert_true(got_write.row_count == 3 && got_write.first_version == INT64_MAX);
    assert_true(got_write.affected == 2 && got_write.repeated);
    px_buffer_clear(&buffer);
    px_result_write_count(&buffer, 1000);
    assert_int_equal(px_answer_count(px_buffer_slice(&buffer), &count, NULL), PROXIMADB_OK);
    assert_int_equal(count, 1000);
    px_buffer_clear(&buffer);
    px_result_write_compact(&buffer, &compact);
    assert_int_equal(px_answer_compact_result(px_buffer_slice(&buffer), &got_compact, NULL),
                     PROXIMADB_OK);
    assert_true(got_compact.row_count == 1 && got_compact.cluster_count == 2);
    assert_true(got_compact.bytes_read == INT64_MAX && got_compact.bytes_written == 4);
    px_buffer_release(&buffer);
}

static void check_refused(enum px_schema schema, const char *datum, size_t size_bytes,
                          const char *message)
{
    struct px_buffer buffer = {0};
    struct px_answer answer;
    struct proximadb_error error;
    px_payload_begin(&buffer, schema);
    px_buffer_append(&buffer, datum, size_bytes);
    assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, &error), PROXIMADB_CORRUPT);
    assert_int_equal(error.status, PROXIMADB_CORRUPT);
    payload_test_says(&error, message);
    assert_null(answer.arena.chunks);
    px_buffer_release(&buffer);
}

static void test_answer__refuses_damage(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct proximadb_write_result write;
    struct proximadb_compact_result compact;
    uint64_t count;
    check_refused(PX_SCHEMA_RECORD_BATCH, "\0\0\0", 3, "bytes follow its end");
    check_refused(PX_SCHEMA_RECORD_BATCH, "\0\4", 2, "no such branch");
    check_refused(PX_SCHEMA_RECORD_BATCH, "\2\2a\2\0\2\2k\x0c\0\0\2\0\0\0", 15, "unknown type");
    check_refused(PX_SCHEMA_RECORD_BATCH, "\2\2a\2\0\2\2k\6\0\0\0\0\0\0\xf8\x7f\0\0\0\0\0\0", 23,
                  "metadata key 'k'");
    check_refused(PX_SCHEMA_SEARCH_RESULT, "\2\2\0", 3, "more items");
    check_refused(PX_SCHEMA_COLLECTION_INFO, "\2a\2b\2\2x", 7, "a word is none of its enum's");
    check_refused(PX_SCHEMA_COLLECTION_LIST, "\2", 1, "more items");
    px_payload_begin(&buffer, PX_SCHEMA_COUNT_RESULT);
    px_buffer_append(&buffer, "\1", 1);
    assert_int_equal(px_answer_count(px_buffer_slice(&buffer), &count, NULL), PROXIMADB_CORRUPT);
    px_buffer_clear(&buffer);
    px_result_write_write(&buffer, &(struct proximadb_write_result){0});
    px_buffer_append_byte(&buffer, 0);
    assert_int_equal(px_answer_write_result(px_buffer_slice(&buffer), &write, NULL),
                     PROXIMADB_CORRUPT);
    px_buffer_clear(&buffer);
    px_result_write_compact(&buffer, &(struct proximadb_compact_result){0});
    px_buffer_append_byte(&buffer, 0);
    assert_int_equal(px_answer_compact_result(px_buffer_slice(&buffer), &compact, NULL),
                     PROXIMADB_CORRUPT);
    px_buffer_release(&buffer);
}

static void test_answer__refuses_other_schemas(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct px_answer answer;
    struct proximadb_write_result result;
    px_result_write_count(&buffer, 1);
    assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, NULL),
                     PROXIMADB_UNIMPLEMENTED);
    assert_int_equal(px_answer_write_result(px_buffer_slice(&buffer), &result, NULL),
                     PROXIMADB_INVALID);
    buffer.data[5] ^= 1;
    assert_int_equal(px_answer_open(px_buffer_slice(&buffer), &answer, NULL),
                     PROXIMADB_UNIMPLEMENTED);
    assert_int_equal(px_answer_open(px_slice_of("{}", 2), &answer, NULL), PROXIMADB_CORRUPT);
    px_buffer_release(&buffer);
}

/* Reads all that an answer gives. */
static void read_damaged(void *context, struct px_slice payload)
{
    (void)context;
    struct px_answer answer;
    struct proximadb_hit hit;
    struct proximadb_collection_info info;
    struct proximadb_error error;
    if (px_answer_open(payload, &answer, &error) != PROXIMADB_OK)
        return;
    while (px_answer_next_row(&answer, &hit, &error)) {
        struct px_slice views[] = {px_slice_of(hit.id.data, hit.id.size_bytes),
                                   px_slice_of(hit.vector, hit.dim_count * sizeof(float)),
                                   px_slice_of(hit.document, hit.document_size_bytes)};
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(px_hash_memory(views[i]), px_hash_memory(views[i]));
    }
    assert_int_equal(error.status, PROXIMADB_OK); /* all damage is found when it is opened */
    while (px_answer_next_collection(&answer, &info, &error))
        assert_true(strlen(info.spec.name) < payload.size_bytes);
    assert_int_equal(error.status, PROXIMADB_OK);
    px_answer_release(&answer);
}

static void test_answer__survives_damage(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("answer");
    struct payload_test_row rows[3];
    struct px_buffer buffer = {0}, metadata = {0};
    const struct px_slice cursor = payload_test_slice("c");
    struct px_record_writer writer = px_record_writer_begin(&buffer);
    for (size_t i = 0; i < 3; i++) {
        payload_test_random_row(&random, i, DIMS, &rows[i]);
        const struct px_record record = record_of(&rows[i], &metadata);
        px_record_writer_put(&writer, &record);
    }
    px_record_writer_finish(&writer, &cursor);
    payload_test_damage(px_buffer_slice(&buffer), read_damaged, NULL);
    px_buffer_clear(&buffer);
    px_result_begin_search(&buffer, 2);
    put_query(&buffer, rows, 2, (struct px_hit_parts){true, true});
    put_query(&buffer, rows, 3, (struct px_hit_parts){true, false});
    px_result_finish_search(&buffer, 2);
    payload_test_damage(px_buffer_slice(&buffer), read_damaged, NULL);
    px_buffer_clear(&buffer);
    put_collections(&buffer, 2);
    payload_test_damage(px_buffer_slice(&buffer), read_damaged, NULL);
    px_buffer_release(&buffer);
    px_buffer_release(&metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer__random_record_batches_read_back),
        cmocka_unit_test(test_answer__search_results_read_back),
        cmocka_unit_test(test_answer__leaves_out_what_was_not_asked_for),
        cmocka_unit_test(test_answer__collections_read_back),
        cmocka_unit_test(test_answer__one_collection_is_a_list_of_one),
        cmocka_unit_test(test_answer__small_answers_read_back),
        cmocka_unit_test(test_answer__refuses_damage),
        cmocka_unit_test(test_answer__refuses_other_schemas),
        cmocka_unit_test(test_answer__survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
