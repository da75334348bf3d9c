/*
 * Goal: bodies and query parameters become the very payloads that proximadb_encode_*() makes of the
 * same arguments, with the defaults of the Python client; what is wrong is said.
 * Method: each kind of request in JSON beside its arguments in C, payloads compared byte by byte.
 */
#include "rest/rest_request.h"

#include "support/rest_test.h"

static const uint8_t request_id[16] = "0123456789abcde";
static struct proximadb_error error;
static struct px_rest_request request;
static struct proximadb_buffer expected;

static int decode(px_rest_decode *function, const char *body)
{
    request = (struct px_rest_request){.body = rest_json(body), .has_request_id = true};
    memcpy(request.request_id, request_id, sizeof request_id);
    return function(&request, &error);
}

static void must(int rc)
{
    if (rc != PROXIMADB_OK)
        fail_msg("%s", error.message);
}

/* The body gives `expected`. */
static void expect_payload(px_rest_decode *function, const char *body)
{
    must(decode(function, body));
    rest_expect_same_payload(&request.payload, &expected);
}

static void expect_refused(px_rest_decode *function, const char *body, const char *part)
{
    rest_expect_error(decode(function, body), &error, PROXIMADB_INVALID, part);
    assert_null(request.payload.data);
}

static struct proximadb_text text_of(const char *string)
{
    return (struct proximadb_text){.data = string, .size_bytes = strlen(string)};
}

static const struct proximadb_field year = {
    .name = {"year", 4}, .value = {.kind = PROXIMADB_VALUE_LONG, .as.integer = 2000}};

/* "year < $year", and what $year is. */
static struct proximadb_filter by_year(void)
{
    return (struct proximadb_filter){
        .text = "year < $year", .text_size_bytes = 12, .params = &year, .param_count = 1};
}

#define FILTER_JSON "'filter': 'year < $year', 'params': {'year': 2000}"

/* ---- get and delete ------------------------------------------------------------------------ */

static void test_rest_request__gets(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {text_of("a"), text_of("caf\xc3\xa9")};
    must(proximadb_encode_get(ids, 2, true, &expected, &error));
    expect_payload(px_rest_decode_get, "{'ids': ['a', 'caf\\u00e9']}");
    assert_int_equal(request.shape.vectors, PX_REST_VECTOR_ARRAY);
    must(proximadb_encode_get(ids, 1, false, &expected, &error));
    expect_payload(px_rest_decode_get, "{'ids': ['a'], 'include_vectors': false}");
    assert_int_equal(request.shape.vectors, PX_REST_VECTOR_NONE);
    must(proximadb_encode_get(ids, 0, true, &expected, &error));
    expect_payload(px_rest_decode_get, "{'vector_format': 'base64', 'ids': []}");
    assert_int_equal(request.shape.vectors, PX_REST_VECTOR_BASE64);

    expect_refused(px_rest_decode_get, "{}", "ids must be an array of strings, and is missing");
    expect_refused(px_rest_decode_get, "{'ids': null}", "and is null");
    expect_refused(px_rest_decode_get, "{'ids': ['a', 5]}", "row 1: ids[1] is an integer");
    assert_int_equal(error.row_index, 1);
    expect_refused(px_rest_decode_get, "{'ids': ['a', '']}", "row 1: the id is empty");
    expect_refused(px_rest_decode_get, "{'ids': [], 'vector_format': 'text'}",
                   "vector_format must be \"array\" or \"base64\"");
    expect_refused(px_rest_decode_get, "{'ids': [], 'filter': 'a = 1'}", "no member 'filter'");
}

static void test_rest_request__deletes(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {text_of("a"), text_of("b")};
    const struct proximadb_filter filter = by_year();
    must(proximadb_encode_delete(request_id, ids, 2, NULL, &expected, &error));
    expect_payload(px_rest_decode_delete, "{'ids': ['a', 'b'], 'filter': null}");
    must(proximadb_encode_delete(request_id, NULL, 0, &filter, &expected, &error));
    expect_payload(px_rest_decode_delete, "{" FILTER_JSON "}");

    /* Nothing that could be taken for "every row". */
    const char *neither[] = {"{}", "{'ids': []}", "{'ids': null, 'filter': null}"};
    for (size_t i = 0; i < 3; i++)
        expect_refused(px_rest_decode_delete, neither[i], "this one has neither");
    expect_refused(px_rest_decode_delete, "{'ids': ['a'], 'filter': 'a = 1'}", "has both");
    expect_refused(px_rest_decode_delete, "{'ids': ['a'], 'params': {'a': 1}}",
                   "parameters but no filter");
    expect_refused(px_rest_decode_delete, "{'filter': ['a']}", "filter must be a string");
}

/* ---- search -------------------------------------------------------------------------------- */

static const float queries[] = {1, 0, 0.5f, -1};

static void test_rest_request__searches_with_defaults(void **state)
{
    (void)state;
    const struct proximadb_search_options options = {
        .struct_size = sizeof options,
        .queries = queries,
        .query_count = 1,
        .dim_count = 2,
        .k = 10,
        .include_metadata = true,
    };
    const char *bodies[] = {
        "{'vector': [1, 0]}", "{'vector_base64': 'AACAPwAAAAA='}", "{'vectors': [[1, 0]]}",
        "{'vectors_base64': ['AACAPwAAAAA=']}",
        "{'vector': [1, 0], 'vectors': null, 'k': null, 'filter': null, 'params': null,"
        " 'include_vectors': null, 'include_metadata': null, 'ef': null, 'nprobe': null,"
        " 'exact': null, 'vector_format': null}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        must(proximadb_encode_search(&options, &expected, &error));
        expect_payload(px_rest_decode_search, bodies[i]);
        assert_int_equal(request.shape.is_single, strstr(bodies[i], "'vectors") == NULL || i == 4);
        assert_true(request.shape.include_metadata);
        assert_int_equal(request.shape.vectors, PX_REST_VECTOR_NONE);
    }
}

static void test_rest_request__searches_with_everything(void **state)
{
    (void)state;
    const struct proximadb_search_options options = {
        .struct_size = sizeof options,
        .queries = queries,
        .query_count = 2,
        .dim_count = 2,
        .k = 10000,
        .filter = by_year(),
        .include_vectors = true,
        .ef = 200,
        .nprobe = 20,
        .exact = true,
    };
    must(proximadb_encode_search(&options, &expected, &error));
    expect_payload(px_rest_decode_search,
                   "{'vectors': [[1, 0], [0.5, -1]], 'k': 10000, " FILTER_JSON
                   ", 'include_vectors': true, 'vector_format': 'base64',"
                   " 'include_metadata': false, 'ef': 200, 'nprobe': 20, 'exact': true}");
    assert_false(request.shape.is_single);
    assert_false(request.shape.include_metadata);
    assert_int_equal(request.shape.vectors, PX_REST_VECTOR_BASE64);
}

static void test_rest_request__refuses_searches(void **state)
{
    (void)state;
    const struct {
        const char *body;
        const char *part;
    } faults[] = {
        {"{}", "there is no vector to search for"},
        {"{'vector': [1], 'vectors': [[1]]}", "there are vector and vectors; give one"},
        {"{'vector': [1], 'vector_base64': 'AACAPw=='}", "give one of them"},
        {"{'vector': []}", "vector is empty"},
        {"{'vectors': []}", "there are 0 queries"},
        {"{'vectors': [[1], []]}", "vectors[1] is empty"},
        {"{'vectors': [[1], [1, 2]]}", "vectors[1] has 2 numbers, but vectors[0] has 1"},
        {"{'vectors': [1]}", "vectors[0] must be an array of numbers"},
        {"{'vectors': {'a': 1}}", "vectors must be an array of vectors, and is an object"},
        {"{'vector': [1], 'k': 0}", "k is 0; it may be 1 to 10000"},
        {"{'vector': [1], 'k': 10001}", "k is 10001"},
        {"{'vector': [1], 'k': 18446744073709551615}", "k is 18446744073709551615"},
        {"{'vector': [1], 'k': 18446744073709551616}", "k must be an integer"},
        {"{'vector': [1], 'k': -1}", "k must not be negative"},
        {"{'vector': [1], 'k': 1.0}", "k must be an integer"},
        {"{'vector': [1], 'ef': 0}", "ef is 0; give 1 or more, or null"},
        {"{'vector': [1], 'ef': 2147483648}", "ef is 2147483648; it may be at most"},
        {"{'vector': [1], 'nprobe': 18446744073709551615}", "nprobe is 4294967295; it may be"},
        {"{'vector': [1], 'exact': 'yes'}", "exact must be true or false"},
        {"{'vector': [1], 'params': {'a': 1}}", "parameters but no filter"},
        {"{'vector': [1], 'filter': 'a = $a', 'params': {'a': {}}}", "params.a is an object"},
        {"{'vector': [1], 'fliter': 'a = 1'}", "no member 'fliter'"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        expect_refused(px_rest_decode_search, faults[i].body, faults[i].part);
}

/* ---- scan, count, compact ------------------------------------------------------------------ */

static void test_rest_request__scans(void **state)
{
    (void)state;
    struct proximadb_scan_options options = {.struct_size = sizeof options,
                                             .include_vectors = true};
    must(proximadb_encode_scan(&options, &expected, &error));
    expect_payload(px_rest_decode_scan, "{}");
    assert_int_equal(request.shape.vectors, PX_REST_VECTOR_ARRAY);
    options.filter = by_year();
    options.batch_size = 100;
    options.include_vectors = false;
    options.cursor = "the cursor";
    options.cursor_size_bytes = 10;
    must(proximadb_encode_scan(&options, &expected, &error));
    expect_payload(px_rest_decode_scan, "{" FILTER_JSON ", 'batch_size': 100,"
                                        " 'include_vectors': false, 'cursor': 'the cursor'}");
    assert_int_equal(request.shape.vectors, PX_REST_VECTOR_NONE);
    expect_refused(px_rest_decode_scan, "{'batch_size': 0}", "batch_size is 0");
    expect_refused(px_rest_decode_scan, "{'batch_size': 10001}", "batch_size is 10001");
    expect_refused(px_rest_decode_scan, "{'cursor': 5}", "cursor must be a string");
    expect_refused(px_rest_decode_scan, "", "the request has no body");
}

static void test_rest_request__counts_by_body(void **state)
{
    (void)state;
    const struct proximadb_filter filter = by_year();
    must(proximadb_encode_count(NULL, &expected, &error));
    expect_payload(px_rest_decode_count, "{}");
    must(proximadb_encode_count(&filter, &expected, &error));
    expect_payload(px_rest_decode_count, "{" FILTER_JSON "}");
    expect_refused(px_rest_decode_count, "{'where': 'a = 1'}", "no member 'where'");
}

static int count_query(const char *query)
{
    request = (struct px_rest_request){.query = px_slice_of_string(query)};
    return px_rest_decode_count_query(&request, &error);
}

static void test_rest_request__counts_by_query(void **state)
{
    (void)state;
    const struct proximadb_filter filter = by_year();
    const struct proximadb_filter empty = {.text = ""};
    must(proximadb_encode_count(NULL, &expected, &error));
    must(count_query(""));
    rest_expect_same_payload(&request.payload, &expected);
    must(proximadb_encode_count(&filter, &expected, &error));
    must(count_query("params=%7B%22year%22:2000}&filter=year+%3C+$year"));
    rest_expect_same_payload(&request.payload, &expected);
    must(proximadb_encode_count(&empty, &expected, &error)); /* and not every row */
    must(count_query("filter="));
    rest_expect_same_payload(&request.payload, &expected);
    rest_expect_error(count_query("filter=a&params=x"), &error, PROXIMADB_INVALID,
                      "the query parameter 'params': not valid JSON");
    rest_expect_error(count_query("filter=a&params=[]"), &error, PROXIMADB_INVALID,
                      "params must be a JSON object");
    rest_expect_error(count_query("params={%22a%22:1}"), &error, PROXIMADB_INVALID,
                      "parameters but no filter");
    rest_expect_error(count_query("filter=%ff"), &error, PROXIMADB_INVALID, "not valid UTF-8");
}

static void test_rest_request__compacts(void **state)
{
    (void)state;
    const char *chosen[] = {"", "{}", "{'cluster_count': null}"};
    for (size_t i = 0; i < 3; i++) {
        must(proximadb_encode_compact(0, &expected, &error));
        expect_payload(px_rest_decode_compact, chosen[i]);
    }
    must(proximadb_encode_compact(11, &expected, &error));
    expect_payload(px_rest_decode_compact, "{'cluster_count': 11}");
    expect_refused(px_rest_decode_compact, "{'cluster_count': 0}", "cluster_count is 0");
    expect_refused(px_rest_decode_compact, "{'clusters': 1}", "it may have cluster_count");
}

static void test_rest_request__refuses_bodies_that_are_no_object(void **state)
{
    (void)state;
    px_rest_decode *const all[] = {px_rest_decode_get,    px_rest_decode_delete,
                                   px_rest_decode_search, px_rest_decode_scan,
                                   px_rest_decode_count,  px_rest_decode_compact};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        expect_refused(all[i], "[]", "the body must be a JSON object, and is an array");
        expect_refused(all[i], "null", "and is null");
        expect_refused(all[i], "{'a': }", "the body: not valid JSON at line 1, column 7");
        expect_refused(all[i], "{} {}", "the body: not valid JSON at line 1, column 4");
    }
}

static void test_rest_request__reads_rows_and_nothing(void **state)
{
    (void)state;
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_UPDATE, request_id);
    const struct proximadb_row row = {.struct_size = sizeof row, .id = text_of("a")};
    must(proximadb_batch_add(batch, &row, &error));
    must(proximadb_batch_take(batch, &expected, &error));
    proximadb_batch_free(batch);
    request = (struct px_rest_request){.operation = PROXIMADB_UPDATE,
                                       .body = rest_json("{'records': [{'id': 'a'}]}"),
                                       .has_request_id = true};
    memcpy(request.request_id, request_id, sizeof request_id);
    must(px_rest_decode_rows(&request, &error));
    rest_expect_same_payload(&request.payload, &expected);
    must(px_rest_decode_nothing(&request, &error));
    assert_null(request.payload.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_request__gets),
        cmocka_unit_test(test_rest_request__deletes),
        cmocka_unit_test(test_rest_request__searches_with_defaults),
        cmocka_unit_test(test_rest_request__searches_with_everything),
        cmocka_unit_test(test_rest_request__refuses_searches),
        cmocka_unit_test(test_rest_request__scans),
        cmocka_unit_test(test_rest_request__counts_by_body),
        cmocka_unit_test(test_rest_request__counts_by_query),
        cmocka_unit_test(test_rest_request__compacts),
        cmocka_unit_test(test_rest_request__refuses_bodies_that_are_no_object),
        cmocka_unit_test(test_rest_request__reads_rows_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
