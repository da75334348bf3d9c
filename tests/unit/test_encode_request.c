/* px-test: layers=payload files=api/encode_request.c,api/buffer_release.c,api/struct_copy.c,api/version.c */
/*
 * Goal: each public encoder gives a payload of its schema, or fails without giving anything.
 * Method: one good and one bad call of each. What the payloads say is tested in test_request.c.
 */
#include <proximadb.h>

#include "avro/schemas.h"
#include "payload/request.h"
#include "support/payload_test.h"

/* Opens the payload of a good call and releases it; returns the size of its datum. */
static size_t check_payload(int rc, struct proximadb_buffer *payload, enum px_schema schema)
{
    struct px_slice datum;
    assert_int_equal(rc, PROXIMADB_OK);
    assert_int_equal(
        px_payload_expect(px_slice_of(payload->data, payload->size_bytes), schema, &datum, NULL),
        PROXIMADB_OK);
    proximadb_buffer_release(payload);
    proximadb_buffer_release(payload); /* a released one may be released again */
    return datum.size_bytes;
}

static void check_refused(int rc, struct proximadb_buffer *payload)
{
    assert_int_equal(rc, PROXIMADB_INVALID);
    assert_null(payload->data);
}

static void test_encode_request__search_and_scan(void **state)
{
    (void)state;
    const float query[2] = {1, 2};
    struct proximadb_search_options search = {
        .struct_size = sizeof search, .queries = query, .query_count = 1, .dim_count = 2, .k = 1};
    struct proximadb_scan_options scan = {.struct_size = sizeof scan};
    struct proximadb_buffer payload = {0};
    check_payload(proximadb_encode_search(&search, &payload, NULL), &payload,
                  PX_SCHEMA_SEARCH_REQUEST);
    check_payload(proximadb_encode_scan(&scan, &payload, NULL), &payload, PX_SCHEMA_SCAN_REQUEST);
    search.k = 0;
    scan.struct_size = 0;
    check_refused(proximadb_encode_search(&search, &payload, NULL), &payload);
    check_refused(proximadb_encode_scan(&scan, &payload, NULL), &payload);
}

static void test_encode_request__ids(void **state)
{
    (void)state;
    const struct proximadb_text good = {"a", 1}, bad = {"", 0};
    const struct proximadb_filter filter = {.text = "a = 1", .text_size_bytes = 5};
    struct proximadb_buffer payload = {0};
    check_payload(proximadb_encode_get(&good, 1, true, &payload, NULL), &payload,
                  PX_SCHEMA_GET_REQUEST);
    check_payload(proximadb_encode_delete(NULL, &good, 1, NULL, &payload, NULL), &payload,
                  PX_SCHEMA_DELETE_BATCH);
    check_payload(proximadb_encode_delete(NULL, NULL, 9, &filter, &payload, NULL), &payload,
                  PX_SCHEMA_DELETE_BATCH);
    check_refused(proximadb_encode_get(&bad, 1, true, &payload, NULL), &payload);
    check_refused(proximadb_encode_delete(NULL, &bad, 1, NULL, &payload, NULL), &payload);
    check_refused(proximadb_encode_delete(NULL, &good, 1, &filter, &payload, NULL), &payload);
}

static void test_encode_request__delete_has_a_request_id(void **state)
{
    (void)state;
    const struct proximadb_text id = {"a", 1};
    const uint8_t request_id[16] = "0123456789abcde";
    struct proximadb_buffer given, random[2];
    assert_int_equal(proximadb_encode_delete(request_id, &id, 1, NULL, &given, NULL), PROXIMADB_OK);
    assert_memory_equal((const uint8_t *)given.data + PX_PAYLOAD_HEADER_BYTES, request_id, 16);
    for (int i = 0; i < 2; i++)
        assert_int_equal(proximadb_encode_delete(NULL, &id, 1, NULL, &random[i], NULL),
                         PROXIMADB_OK);
    assert_memory_not_equal(random[0].data, random[1].data, random[0].size_bytes);
    proximadb_buffer_release(&given);
    proximadb_buffer_release(&random[0]);
    proximadb_buffer_release(&random[1]);
}

static void test_encode_request__collections(void **state)
{
    (void)state;
    const struct proximadb_filterable field = {"a", PROXIMADB_FIELD_LONG};
    struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec, .name = "docs", .dim_count = 3};
    struct proximadb_buffer payload = {0};
    check_payload(proximadb_encode_collection(&spec, &payload, NULL), &payload,
                  PX_SCHEMA_COLLECTION_SPEC);
    check_payload(proximadb_encode_collection_change(&field, 1, &payload, NULL), &payload,
                  PX_SCHEMA_COLLECTION_CHANGE);
    spec.dim_count = 0;
    check_refused(proximadb_encode_collection(&spec, &payload, NULL), &payload);
    check_refused(proximadb_encode_collection(NULL, &payload, NULL), &payload);
    check_refused(proximadb_encode_collection_change(NULL, 1, &payload, NULL), &payload);
}

static void test_encode_request__count_and_compact(void **state)
{
    (void)state;
    const struct proximadb_filter bad = {.text = "\xff", .text_size_bytes = 1};
    struct proximadb_buffer payload = {0};
    assert_int_equal(check_payload(proximadb_encode_count(NULL, &payload, NULL), &payload,
                                   PX_SCHEMA_COUNT_REQUEST),
                     2);
    assert_int_equal(check_payload(proximadb_encode_compact(0, &payload, NULL), &payload,
                                   PX_SCHEMA_COMPACT_REQUEST),
                     1);
    assert_int_equal(check_payload(proximadb_encode_rebuild_index(-1, &payload, NULL), &payload,
                                   PX_SCHEMA_REBUILD_INDEX_REQUEST),
                     1);
    check_payload(proximadb_encode_rebuild_index(PROXIMADB_INDEX_FAST, &payload, NULL), &payload,
                  PX_SCHEMA_REBUILD_INDEX_REQUEST);
    check_refused(proximadb_encode_rebuild_index(2, &payload, NULL), &payload);
    check_refused(proximadb_encode_count(&bad, &payload, NULL), &payload);
    check_refused(proximadb_encode_compact(UINT32_MAX, &payload, NULL), &payload);
}

static void test_encode_request__version_is_the_headers(void **state)
{
    (void)state;
    assert_string_equal(proximadb_version(), PROXIMADB_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_request__search_and_scan),
        cmocka_unit_test(test_encode_request__ids),
        cmocka_unit_test(test_encode_request__delete_has_a_request_id),
        cmocka_unit_test(test_encode_request__collections),
        cmocka_unit_test(test_encode_request__count_and_compact),
        cmocka_unit_test(test_encode_request__version_is_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
