/*
 * Goal: requests say what their sender said, and each limit of the design is held.
 * Method: payloads made by the writers and read back; datums written value by value with one fault
 * each; every truncation and every flipped bit of one payload of each kind.
 */
#include "payload/request.h"

#include "avro/encode.h"
#include "avro/schemas.h"
#include "base/hash.h"
#include "model/filter.h"
#include "model/metadata.h"
#include "payload/request_writer.h"
#include "support/payload_test.h"

enum { DIMS = 3 };

static const uint8_t request_id[16] = "0123456789abcde";

/* A filter with one parameter. */
static const struct proximadb_field param = {{"max", 3},
                                             {.kind = PROXIMADB_VALUE_LONG, .as.integer = 7}};
static const struct proximadb_filter filter = {"price < $max", 12, &param, 1};

static struct px_slice datum_of(const struct px_buffer *payload, enum px_schema schema)
{
    struct px_slice datum;
    struct proximadb_error error;
    if (px_payload_expect(px_buffer_slice(payload), schema, &datum, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return datum;
}

static void check_filter(const struct px_filter_text *got)
{
    struct px_value value;
    assert_true(got->present);
    assert_true(px_slice_equal(got->text, payload_test_slice("price < $max")));
    assert_true(px_metadata_find(got->params, payload_test_slice("max"), &value));
    assert_int_equal(value.as.integer, 7);
}

static void check_no_filter(const struct px_filter_text *got)
{
    assert_false(got->present);
    assert_int_equal(px_metadata_first(got->params).left, 0);
}

/* ---- what was said is read ----------------------------------------------------------------- */

static void test_request__delete_by_ids_or_filter(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {{"a", 1}, {"b", 1}, {"a", 1}};
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_delete_batch batch;
    assert_int_equal(px_request_write_delete(&buffer, request_id, ids, 3, NULL, NULL),
                     PROXIMADB_OK);
    assert_int_equal(
        px_delete_batch_decode(datum_of(&buffer, PX_SCHEMA_DELETE_BATCH), &arena, &batch, NULL),
        PROXIMADB_OK);
    assert_memory_equal(batch.request_id, request_id, 16);
    assert_int_equal(batch.ids.count, 3);
    assert_true(px_slice_equal(batch.ids.items[2].text, payload_test_slice("a")));
    assert_int_equal(batch.ids.items[1].hash, px_hash_memory(payload_test_slice("b")));
    check_no_filter(&batch.filter);

    px_buffer_clear(&buffer);
    assert_int_equal(px_request_write_delete(&buffer, request_id, NULL, 0, &filter, NULL),
                     PROXIMADB_OK);
    assert_int_equal(
        px_delete_batch_decode(datum_of(&buffer, PX_SCHEMA_DELETE_BATCH), &arena, &batch, NULL),
        PROXIMADB_OK);
    assert_int_equal(batch.ids.count, 0);
    check_filter(&batch.filter);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void test_request__delete_as_the_log_keeps_it(void **state)
{
    (void)state;
    const struct px_slice ids[] = {px_slice_of("x", 1), px_slice_of("yy", 2)};
    struct px_buffer datum = {0};
    struct px_arena arena = {0};
    struct px_delete_batch batch;
    px_request_write_delete_datum(&datum, request_id, ids, 2);
    assert_int_equal(px_delete_batch_decode(px_buffer_slice(&datum), &arena, &batch, NULL),
                     PROXIMADB_OK);
    assert_int_equal(batch.ids.count, 2);
    assert_true(px_slice_equal(batch.ids.items[1].text, ids[1]));
    check_no_filter(&batch.filter);
    px_arena_release(&arena);
    px_buffer_release(&datum);
}

static void test_request__get(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {{"a", 1}, {"b", 1}};
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_get_request request;
    assert_int_equal(px_request_write_get(&buffer, ids, 2, true, NULL), PROXIMADB_OK);
    assert_int_equal(
        px_get_request_decode(datum_of(&buffer, PX_SCHEMA_GET_REQUEST), &arena, &request, NULL),
        PROXIMADB_OK);
    assert_int_equal(request.ids.count, 2);
    assert_true(request.include_vectors);
    px_buffer_clear(&buffer);
    assert_int_equal(px_request_write_get(&buffer, NULL, 0, false, NULL), PROXIMADB_OK);
    assert_int_equal(
        px_get_request_decode(datum_of(&buffer, PX_SCHEMA_GET_REQUEST), &arena, &request, NULL),
        PROXIMADB_OK);
    assert_int_equal(request.ids.count, 0);
    assert_false(request.include_vectors);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void test_request__search(void **state)
{
    (void)state;
    const float queries[2 * DIMS] = {1, 2, 3, 4, 5, 6};
    const struct proximadb_search_options options = {
        .struct_size = sizeof options,
        .queries = queries,
        .query_count = 2,
        .dim_count = DIMS,
        .k = 10000,
        .filter = filter,
        .include_vectors = true,
        .ef = 200,
        .exact = true,
    };
    struct px_collection collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_search_request request;
    assert_int_equal(px_request_write_search(&buffer, &options, NULL), PROXIMADB_OK);
    assert_int_equal(px_search_request_decode(datum_of(&buffer, PX_SCHEMA_SEARCH_REQUEST),
                                              &collection, &arena, &request, NULL),
                     PROXIMADB_OK);
    assert_int_equal(request.query_count, 2);
    assert_memory_equal(request.queries, queries, sizeof queries);
    assert_int_equal((uintptr_t)request.queries % 64, 0);
    assert_int_equal(request.k, 10000);
    check_filter(&request.filter);
    assert_true(request.include_vectors && !request.include_metadata && request.exact);
    assert_int_equal(request.ef, 200);
    assert_int_equal(request.nprobe, 0);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

static void test_request__scan_count_compact(void **state)
{
    (void)state;
    struct proximadb_scan_options options = {.struct_size = sizeof options,
                                             .filter = filter,
                                             .include_vectors = true,
                                             .cursor = "c1",
                                             .cursor_size_bytes = 2};
    const struct proximadb_scan_options defaults = {.struct_size = sizeof defaults};
    struct px_buffer buffer = {0};
    struct px_arena arena = {0};
    struct px_scan_request scan;
    struct px_count_request count;
    struct px_compact_request compact;
    assert_int_equal(px_request_write_scan(&buffer, &options, NULL), PROXIMADB_OK);
    assert_int_equal(
        px_scan_request_decode(datum_of(&buffer, PX_SCHEMA_SCAN_REQUEST), &arena, &scan, NULL),
        PROXIMADB_OK);
    check_filter(&scan.filter);
    assert_int_equal(scan.batch_size, 1000);
    assert_true(scan.include_vectors && scan.has_cursor);
    assert_true(px_slice_equal(scan.cursor, payload_test_slice("c1")));
    px_buffer_clear(&buffer);
    assert_int_equal(px_request_write_scan(&buffer, &defaults, NULL), PROXIMADB_OK);
    assert_int_equal(
        px_scan_request_decode(datum_of(&buffer, PX_SCHEMA_SCAN_REQUEST), &arena, &scan, NULL),
        PROXIMADB_OK);
    check_no_filter(&scan.filter);
    assert_true(!scan.include_vectors && !scan.has_cursor);
    options.batch_size = 1;
    px_buffer_clear(&buffer);
    assert_int_equal(px_request_write_scan(&buffer, &options, NULL), PROXIMADB_OK);
    assert_int_equal(
        px_scan_request_decode(datum_of(&buffer, PX_SCHEMA_SCAN_REQUEST), &arena, &scan, NULL),
        PROXIMADB_OK);
    assert_int_equal(scan.batch_size, 1);

    px_buffer_clear(&buffer);
    assert_int_equal(px_request_write_count(&buffer, &filter, NULL), PROXIMADB_OK);
    assert_int_equal(
        px_count_request_decode(datum_of(&buffer, PX_SCHEMA_COUNT_REQUEST), &arena, &count, NULL),
        PROXIMADB_OK);
    check_filter(&count.filter);
    px_buffer_clear(&buffer);
    assert_int_equal(px_request_write_compact(&buffer, 12, NULL), PROXIMADB_OK);
    assert_int_equal(
        px_compact_request_decode(datum_of(&buffer, PX_SCHEMA_COMPACT_REQUEST), &compact, NULL),
        PROXIMADB_OK);
    assert_int_equal(compact.cluster_count, 12);
    px_arena_release(&arena);
    px_buffer_release(&buffer);
}

/* ---- limits -------------------------------------------------------------------------------- */

/* Decodes a datum of any kind. */
static int decode(enum px_schema schema, struct px_slice datum, struct proximadb_error *reterr)
{
    static struct px_collection collection;
    union {
        struct px_delete_batch delete;
        struct px_get_request get;
        struct px_search_request search;
        struct px_scan_request scan;
        struct px_count_request count;
        struct px_compact_request compact;
    } ret;
    struct px_arena arena = {0};
    int rc = PROXIMADB_INTERNAL;
    collection = payload_test_collection(DIMS, PROXIMADB_COSINE);
    if (schema == PX_SCHEMA_DELETE_BATCH)
        rc = px_delete_batch_decode(datum, &arena, &ret.delete, reterr);
    else if (schema == PX_SCHEMA_GET_REQUEST)
        rc = px_get_request_decode(datum, &arena, &ret.get, reterr);
    else if (schema == PX_SCHEMA_SEARCH_REQUEST)
        rc = px_search_request_decode(datum, &collection, &arena, &ret.search, reterr);
    else if (schema == PX_SCHEMA_SCAN_REQUEST)
        rc = px_scan_request_decode(datum, &arena, &ret.scan, reterr);
    else if (schema == PX_SCHEMA_COUNT_REQUEST)
        rc = px_count_request_decode(datum, &arena, &ret.count, reterr);
    else if (schema == PX_SCHEMA_COMPACT_REQUEST)
        rc = px_compact_request_decode(datum, &ret.compact, reterr);
    px_arena_release(&arena);
    return rc;
}

static void check_refused(enum px_schema schema, struct px_buffer *datum, int64_t row,
                          const char *message)
{
    struct proximadb_error error;
    assert_int_equal(decode(schema, px_buffer_slice(datum), &error), PROXIMADB_INVALID);
    payload_test_says(&error, message);
    assert_int_equal(error.row_index, row);
    px_buffer_clear(datum);
}

static void put_delete(struct px_buffer *buffer, size_t id_count, const char *text, const char *map)
{
    px_encode_fixed(buffer, request_id, 16);
    px_encode_block(buffer, id_count);
    for (size_t i = 0; i < id_count; i++)
        px_encode_string(buffer, payload_test_slice("id"));
    px_encode_block_end(buffer, id_count);
    px_encode_optional_string(buffer, text != NULL, payload_test_slice(text != NULL ? text : ""));
    px_buffer_append(buffer, map, strlen(map) + 1);
}

static void test_request__delete_is_by_ids_or_filter_but_one(void **state)
{
    (void)state;
    struct px_buffer datum = {0};
    put_delete(&datum, 1, "a = 1", "");
    check_refused(PX_SCHEMA_DELETE_BATCH, &datum, -1, "both");
    put_delete(&datum, 0, NULL, "");
    check_refused(PX_SCHEMA_DELETE_BATCH, &datum, -1, "neither");
    put_delete(&datum, PX_MOST_DELETED_IDS + 1, NULL, "");
    check_refused(PX_SCHEMA_DELETE_BATCH, &datum, -1, "at most 100000");
    put_delete(&datum, 1, NULL, "\x02\x02p\x04\x02");
    check_refused(PX_SCHEMA_DELETE_BATCH, &datum, -1, "parameters but no filter");
    put_delete(&datum, 0, "\xff", "");
    check_refused(PX_SCHEMA_DELETE_BATCH, &datum, -1, "the filter is not valid UTF-8");
    put_delete(&datum, 1, NULL, "");
    px_buffer_append_byte(&datum, 0);
    check_refused(PX_SCHEMA_DELETE_BATCH, &datum, -1, "bytes follow");
    px_buffer_release(&datum);
}

static void put_get(struct px_buffer *buffer, size_t id_count, const char *last_id)
{
    px_encode_block(buffer, id_count);
    for (size_t i = 0; i + 1 < id_count; i++)
        px_encode_string(buffer, payload_test_slice("id"));
    px_encode_string(buffer, payload_test_slice(last_id));
    px_encode_block_end(buffer, id_count);
    px_encode_boolean(buffer, false);
}

static void test_request__get_has_a_number_of_valid_ids(void **state)
{
    (void)state;
    struct px_buffer datum = {0};
    put_get(&datum, PX_MOST_GET_IDS, "id");
    assert_int_equal(decode(PX_SCHEMA_GET_REQUEST, px_buffer_slice(&datum), NULL), PROXIMADB_OK);
    px_buffer_clear(&datum);
    put_get(&datum, PX_MOST_GET_IDS + 1, "id");
    check_refused(PX_SCHEMA_GET_REQUEST, &datum, -1, "at most 10000");
    put_get(&datum, 4, "");
    check_refused(PX_SCHEMA_GET_REQUEST, &datum, 3, "row 3: the id is empty");
    px_buffer_release(&datum);
}

/* A search whose fields behind the queries are these; defaults are valid. */
struct search {
    size_t query_count;
    size_t last_dim_count;
    float first;
    int64_t k;
    size_t filter_bytes;
    int64_t ef;           /* 0: null */
    int64_t nprobe;       /* likewise */
    double target_recall; /* likewise */
};

static const struct search valid_search = {2, DIMS, 1.0f, 10, 5, 10, 10, 0.99};

static void put_search(struct px_buffer *buffer, const struct search *search)
{
    const float query[DIMS + 1] = {search->first, 1.0f, 1.0f, 1.0f};
    px_encode_block(buffer, search->query_count);
    for (size_t i = 0; i < search->query_count; i++)
        px_encode_floats(buffer, query,
                         i + 1 < search->query_count ? DIMS : search->last_dim_count);
    px_encode_block_end(buffer, search->query_count);
    px_encode_long(buffer, search->k);
    px_encode_branch(buffer, 1);
    px_encode_long(buffer, (int64_t)search->filter_bytes);
    for (size_t i = 0; i < search->filter_bytes; i++)
        px_buffer_append_byte(buffer, ' ');
    px_buffer_append_slice(buffer, px_metadata_empty);
    px_encode_boolean(buffer, true);
    px_encode_boolean(buffer, true);
    px_encode_optional_long(buffer, search->ef != 0, search->ef);
    px_encode_optional_long(buffer, search->nprobe != 0, search->nprobe);
    px_encode_boolean(buffer, false);
    px_encode_branch(buffer, search->target_recall > 0 || search->target_recall < 0);
    if (search->target_recall > 0 || search->target_recall < 0)
        px_encode_double(buffer, search->target_recall);
}

static void test_request__search_is_within_its_limits(void **state)
{
    (void)state;
    struct px_buffer datum = {0};
    struct search search = valid_search;
    put_search(&datum, &search);
    assert_int_equal(decode(PX_SCHEMA_SEARCH_REQUEST, px_buffer_slice(&datum), NULL), PROXIMADB_OK);
    px_buffer_clear(&datum);
    search = (struct search){1, DIMS, 1.0f, 1, 0, 1, 1, 0};
    put_search(&datum, &search);
    assert_int_equal(decode(PX_SCHEMA_SEARCH_REQUEST, px_buffer_slice(&datum), NULL), PROXIMADB_OK);
    px_buffer_clear(&datum);
    search.k = 0;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "k is 0; it may be 1 to 10000");
    search.k = PX_MOST_HITS + 1;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "k is 10001");
    search = valid_search;
    search.ef = PX_MOST_EF + 1;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "ef is 10001; give 1 to 10000");
    search = valid_search;
    search.nprobe = PX_MOST_NPROBE + 1;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "nprobe is 65537; give 1 to 65536");
    search = valid_search;
    search.target_recall = 1;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "target_recall is 1; give a share above 0");
    search.target_recall = -0.5;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "target_recall is -0.5");
    search = valid_search;
    search.query_count = 0;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "0 queries");
    search = valid_search;
    search.first = NAN;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, 0, "row 0: component 0 of the vector is NaN");
    search = valid_search;
    search.filter_bytes = PX_FILTER_LARGEST_BYTES + 1;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "the filter has 1048577 bytes");
    search = valid_search;
    search.ef = -1;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "ef is -1");
    search = valid_search;
    search.nprobe = INT64_C(1) << 32;
    put_search(&datum, &search);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "32 bits");
    px_buffer_release(&datum);
}

static void test_request__queries_have_the_dimension(void **state)
{
    (void)state;
    struct px_buffer datum = {0};
    struct proximadb_error error;
    struct search search = valid_search;
    search.query_count = 3;
    search.last_dim_count = DIMS + 1;
    put_search(&datum, &search);
    assert_int_equal(decode(PX_SCHEMA_SEARCH_REQUEST, px_buffer_slice(&datum), &error),
                     PROXIMADB_DIMENSION);
    assert_int_equal(error.row_index, 2);
    assert_int_equal(error.expected, DIMS);
    assert_int_equal(error.actual, DIMS + 1);
    px_buffer_clear(&datum);
    px_encode_block(&datum, 50000); /* so many empty queries are no reason for much memory */
    px_buffer_append_zeros(&datum, 60000);
    assert_int_equal(decode(PX_SCHEMA_SEARCH_REQUEST, px_buffer_slice(&datum), &error),
                     PROXIMADB_DIMENSION);
    assert_int_equal(error.row_index, 0);
    px_buffer_clear(&datum);
    search = valid_search;
    search.query_count = PX_MOST_QUERIES;
    put_search(&datum, &search);
    assert_int_equal(decode(PX_SCHEMA_SEARCH_REQUEST, px_buffer_slice(&datum), NULL), PROXIMADB_OK);
    px_buffer_clear(&datum);
    px_encode_block(&datum, PX_MOST_QUERIES + 1);
    px_buffer_append_zeros(&datum, PX_MOST_QUERIES + 10);
    check_refused(PX_SCHEMA_SEARCH_REQUEST, &datum, -1, "100001 queries; a search has 1 to 100000");
    px_buffer_release(&datum);
}

static void test_request__scan_and_compact_are_within_their_limits(void **state)
{
    (void)state;
    static const int32_t bad_sizes[] = {0, -1, PX_MOST_SCAN_ROWS + 1};
    struct px_buffer datum = {0};
    for (size_t i = 0; i < 3; i++) {
        px_buffer_append(&datum, "\0\0", 2);
        px_encode_int(&datum, bad_sizes[i]);
        px_buffer_append(&datum, "\0\0", 2);
        check_refused(PX_SCHEMA_SCAN_REQUEST, &datum, -1, "it may be 1 to 10000");
    }
    px_buffer_append(&datum, "\0\0", 2);
    px_encode_int(&datum, PX_MOST_SCAN_ROWS);
    px_buffer_append(&datum, "\0\0", 2);
    assert_int_equal(decode(PX_SCHEMA_SCAN_REQUEST, px_buffer_slice(&datum), NULL), PROXIMADB_OK);
    px_buffer_clear(&datum);
    px_encode_optional_long(&datum, true, 0);
    check_refused(PX_SCHEMA_COMPACT_REQUEST, &datum, -1, "cluster_count is 0");
    px_buffer_append(&datum, "\0\2\2p\0\0", 6);
    check_refused(PX_SCHEMA_COUNT_REQUEST, &datum, -1, "parameters but no filter");
    px_buffer_release(&datum);
}

/* ---- damage -------------------------------------------------------------------------------- */

static void decode_damaged(void *context, struct px_slice datum)
{
    const enum px_schema *schema = context;
    struct proximadb_error error;
    int rc = decode(*schema, datum, &error);
    assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_INVALID || rc == PROXIMADB_DIMENSION);
}

static void damage(enum px_schema schema, struct px_buffer *payload, int rc)
{
    assert_int_equal(rc, PROXIMADB_OK);
    payload_test_damage(datum_of(payload, schema), decode_damaged, &schema);
    px_buffer_release(payload);
}

static void test_request__survive_damage(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {{"a", 1}, {"b", 1}, {"a", 1}};
    const float queries[2 * DIMS] = {1, 2, 3, 4, 5, 6};
    const struct proximadb_search_options search = {.struct_size = sizeof search,
                                                    .queries = queries,
                                                    .query_count = 2,
                                                    .dim_count = DIMS,
                                                    .k = 3,
                                                    .filter = filter};
    const struct proximadb_scan_options scan = {
        .struct_size = sizeof scan, .filter = filter, .cursor = "c", .cursor_size_bytes = 1};
    struct px_buffer payload = {0};
    damage(PX_SCHEMA_DELETE_BATCH, &payload,
           px_request_write_delete(&payload, request_id, ids, 3, NULL, NULL));
    damage(PX_SCHEMA_GET_REQUEST, &payload, px_request_write_get(&payload, ids, 3, true, NULL));
    damage(PX_SCHEMA_SEARCH_REQUEST, &payload, px_request_write_search(&payload, &search, NULL));
    damage(PX_SCHEMA_SCAN_REQUEST, &payload, px_request_write_scan(&payload, &scan, NULL));
    damage(PX_SCHEMA_COUNT_REQUEST, &payload, px_request_write_count(&payload, &filter, NULL));
    damage(PX_SCHEMA_COMPACT_REQUEST, &payload, px_request_write_compact(&payload, 300, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request__delete_by_ids_or_filter),
        cmocka_unit_test(test_request__delete_as_the_log_keeps_it),
        cmocka_unit_test(test_request__get),
        cmocka_unit_test(test_request__search),
        cmocka_unit_test(test_request__scan_count_compact),
        cmocka_unit_test(test_request__delete_is_by_ids_or_filter_but_one),
        cmocka_unit_test(test_request__get_has_a_number_of_valid_ids),
        cmocka_unit_test(test_request__search_is_within_its_limits),
        cmocka_unit_test(test_request__queries_have_the_dimension),
        cmocka_unit_test(test_request__scan_and_compact_are_within_their_limits),
        cmocka_unit_test(test_request__survive_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
