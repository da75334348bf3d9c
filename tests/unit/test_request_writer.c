/*
 * Goal: mistakes in public option structs are reported where they are made.
 * Method: options with one fault each. That good ones read back is tested where they are read
 * (test_request.c, test_collection_request.c) and, against fastavro, in tests/interop.
 */
#include "payload/request_writer.h"

#include "payload/request.h"
#include "support/payload_test.h"

static const uint8_t request_id[16];
static const struct proximadb_text one_id = {"a", 1};
static const struct proximadb_filter bad_filter = {.text = "\xff", .text_size_bytes = 1};

static void check_refused(struct px_buffer *buffer, int rc, const struct proximadb_error *error,
                          const char *message)
{
    assert_int_equal(rc, PROXIMADB_INVALID);
    payload_test_says(error, message);
    px_buffer_clear(buffer);
}

static void test_request_writer__refuses_bad_searches(void **state)
{
    (void)state;
    const float query = 1.0f;
    const struct proximadb_search_options good = {
        .struct_size = sizeof good, .queries = &query, .query_count = 1, .dim_count = 1, .k = 1};
    struct proximadb_search_options options = good;
    struct proximadb_error error;
    struct px_buffer buffer = {0};
    assert_int_equal(px_request_write_search(&buffer, &options, NULL), PROXIMADB_OK);
    px_buffer_clear(&buffer);
    options.dim_count = 65537;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error,
                  "dim_count is 65537");
    options = good;
    options.queries = NULL;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error, "0 queries");
    options = good;
    options.query_count = PX_MOST_QUERIES + 1;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error, "100001");
    options = good;
    options.dim_count = 0;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error,
                  "dim_count is 0");
    options = good;
    options.k = 0;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error, "k is 0");
    options.k = PX_MOST_HITS + 1;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error,
                  "k is 10001");
    options = good;
    options.ef = UINT32_MAX;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error, "ef is");
    options = good;
    options.nprobe = UINT32_MAX;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error, "nprobe is");
    options = good;
    options.filter = bad_filter;
    check_refused(&buffer, px_request_write_search(&buffer, &options, &error), &error,
                  "the filter is not valid UTF-8");
    px_buffer_release(&buffer);
}

static void test_request_writer__takes_what_is_just_allowed(void **state)
{
    (void)state;
    static struct proximadb_text ids[PX_MOST_GET_IDS];
    static const float query[65536] = {1.0f};
    const struct proximadb_search_options options = {.struct_size = sizeof options,
                                                     .queries = query,
                                                     .query_count = 1,
                                                     .dim_count = 65536,
                                                     .k = PX_MOST_HITS,
                                                     .ef = PX_MOST_EF};
    struct px_buffer buffer = {0};
    for (size_t i = 0; i < PX_MOST_GET_IDS; i++)
        ids[i] = one_id;
    assert_int_equal(px_request_write_get(&buffer, ids, PX_MOST_GET_IDS, false, NULL),
                     PROXIMADB_OK);
    px_buffer_clear(&buffer);
    assert_int_equal(px_request_write_search(&buffer, &options, NULL), PROXIMADB_OK);
    px_buffer_release(&buffer);
}

static void test_request_writer__refuses_bad_filters(void **state)
{
    (void)state;
    const struct proximadb_field param = {.name = {"p", 1}};
    const struct proximadb_field bad_param = {.name = {"", 0}};
    char *large = calloc(1, (1 << 20) + 2);
    struct proximadb_filter filter = {.params = &param, .param_count = 1};
    struct proximadb_error error;
    struct px_buffer buffer = {0};
    assert_non_null(large);
    memset(large, ' ', (1 << 20) + 1);
    check_refused(&buffer, px_request_write_count(&buffer, &filter, &error), &error,
                  "parameters but no filter");
    filter = (struct proximadb_filter){.text = large, .text_size_bytes = (1 << 20) + 1};
    check_refused(&buffer, px_request_write_count(&buffer, &filter, &error), &error,
                  "the filter has 1048577 bytes");
    filter = (struct proximadb_filter){
        .text = "a", .text_size_bytes = 1, .params = &bad_param, .param_count = 1};
    check_refused(&buffer, px_request_write_count(&buffer, &filter, &error), &error, "key");
    filter.params = NULL;
    check_refused(&buffer, px_request_write_count(&buffer, &filter, &error), &error, "NULL");
    free(large);
    px_buffer_release(&buffer);
}

static void test_request_writer__refuses_bad_ids(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {{"a", 1}, {"", 0}};
    const struct proximadb_text null_id = {NULL, 3};
    const struct proximadb_filter filter = {.text = "a", .text_size_bytes = 1};
    struct proximadb_error error;
    struct px_buffer buffer = {0};
    check_refused(&buffer, px_request_write_get(&buffer, ids, 2, false, &error), &error,
                  "row 1: the id is empty");
    check_refused(&buffer, px_request_write_get(&buffer, &null_id, 1, false, &error), &error,
                  "row 0: the id is empty");
    check_refused(&buffer, px_request_write_get(&buffer, NULL, 1, false, &error), &error,
                  "ids is NULL");
    check_refused(&buffer,
                  px_request_write_get(&buffer, &one_id, PX_MOST_GET_IDS + 1, false, &error),
                  &error, "at most 10000");
    check_refused(&buffer, px_request_write_delete(&buffer, request_id, ids, 2, NULL, &error),
                  &error, "row 1: the id is empty");
    check_refused(&buffer,
                  px_request_write_delete(&buffer, request_id, &one_id, 1, &filter, &error), &error,
                  "both");
    check_refused(&buffer, px_request_write_delete(&buffer, request_id, NULL, 0, NULL, &error),
                  &error, "neither");
    check_refused(&buffer,
                  px_request_write_delete(&buffer, request_id, NULL, 0, &bad_filter, &error),
                  &error, "UTF-8");
    px_buffer_release(&buffer);
}

static void test_request_writer__refuses_bad_scans(void **state)
{
    (void)state;
    struct proximadb_scan_options options = {.struct_size = sizeof options, .batch_size = 10001};
    struct proximadb_error error;
    struct px_buffer buffer = {0};
    check_refused(&buffer, px_request_write_scan(&buffer, &options, &error), &error,
                  "batch_size is 10001");
    options.batch_size = 10000;
    options.cursor = "\xff";
    options.cursor_size_bytes = 1;
    check_refused(&buffer, px_request_write_scan(&buffer, &options, &error), &error, "cursor");
    options.cursor = NULL;
    options.filter = bad_filter;
    check_refused(&buffer, px_request_write_scan(&buffer, &options, &error), &error, "filter");
    check_refused(&buffer, px_request_write_compact(&buffer, UINT32_MAX, &error), &error,
                  "cluster_count is");
    px_buffer_release(&buffer);
}

static struct proximadb_collection_spec good_spec(void)
{
    return (struct proximadb_collection_spec){
        .struct_size = sizeof(struct proximadb_collection_spec), .name = "docs", .dim_count = 3};
}

static void check_spec_refused(const struct proximadb_collection_spec *spec, const char *message)
{
    struct proximadb_error error;
    struct px_buffer buffer = {0};
    check_refused(&buffer, px_request_write_collection(&buffer, spec, &error), &error, message);
    px_buffer_release(&buffer);
}

static void test_request_writer__refuses_bad_specs(void **state)
{
    (void)state;
    struct proximadb_filterable field = {NULL, PROXIMADB_FIELD_LONG};
    struct proximadb_collection_spec spec = good_spec();
    spec.name = NULL;
    check_spec_refused(&spec, "the name of the collection is NULL");
    spec.name = "\xff";
    check_spec_refused(&spec, "UTF-8");
    spec = good_spec();
    spec.dim_count = 0;
    check_spec_refused(&spec, "dimension is 0");
    spec.dim_count = 65537;
    check_spec_refused(&spec, "dimension is 65537");
    spec = good_spec();
    spec.metric = 3;
    check_spec_refused(&spec, "no metric 3");
    spec = good_spec();
    spec.index_type = -1;
    check_spec_refused(&spec, "no index type -1");
    spec = good_spec();
    spec.storage = 3;
    check_spec_refused(&spec, "no storage profile 3");
    spec = good_spec();
    spec.filterable_count = 1;
    check_spec_refused(&spec, "filterable is NULL");
    spec.filterable = &field;
    check_spec_refused(&spec, "the name of a filterable field is NULL");
    field = (struct proximadb_filterable){"a", 5};
    check_spec_refused(&spec, "filterable field 0 has no such type: 5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_writer__refuses_bad_searches),
        cmocka_unit_test(test_request_writer__takes_what_is_just_allowed),
        cmocka_unit_test(test_request_writer__refuses_bad_filters),
        cmocka_unit_test(test_request_writer__refuses_bad_ids),
        cmocka_unit_test(test_request_writer__refuses_bad_scans),
        cmocka_unit_test(test_request_writer__refuses_bad_specs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
