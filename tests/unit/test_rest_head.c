/*
 * Goal: name, mode, time limit and key of a request are read from its path, query and header; each
 * fault has a sentence.
 * Method: heads written out, for the endpoints of the router's table.
 */
#include "rest/rest_head.h"

#include "support/rest_test.h"

static struct proximadb_error error;
static struct px_rest_request request;
static int64_t timeout_ms;

/* The table's endpoint of that path. */
static const struct px_rest_endpoint *endpoint_of(const char *method, const char *path)
{
    for (size_t i = 0; i < px_rest_endpoint_count; i++)
        if (strcmp(px_rest_endpoints[i].method, method) == 0 &&
            strcmp(px_rest_endpoints[i].path, path) == 0)
            return &px_rest_endpoints[i];
    fail_msg("there is no %s %s", method, path);
    return NULL;
}

static int read_head(const char *name, const char *query, const char *key)
{
    const struct px_rest_head head = {
        .name = px_slice_of_string(name),
        .query = px_slice_of_string(query),
        .idempotency_key = key != NULL ? px_slice_of_string(key) : (struct px_slice){0},
    };
    request = (struct px_rest_request){0};
    timeout_ms = -1;
    return px_rest_head_read(&head, endpoint_of("POST", "/v1/collections/{name}/vectors"), &request,
                             &timeout_ms, &error);
}

static void expect_name(const char *encoded, const char *expected)
{
    assert_int_equal(read_head(encoded, "", NULL), PROXIMADB_OK);
    assert_int_equal(request.name_bytes, strlen(expected));
    assert_memory_equal(request.name, expected, strlen(expected));
}

static void test_rest_head__decodes_the_name(void **state)
{
    (void)state;
    char longest[PX_REST_LONGEST_NAME_BYTES + 1];
    memset(longest, 'n', sizeof longest);
    longest[PX_REST_LONGEST_NAME_BYTES] = '\0';
    expect_name("docs", "docs");
    expect_name("d%6Fcs%2f", "docs/");
    expect_name("a+b", "a+b"); /* a blank only in a query */
    expect_name("", "");
    expect_name(longest, longest);
}

static void test_rest_head__refuses_names_that_are_none(void **state)
{
    (void)state;
    char name[3 * PX_REST_LONGEST_NAME_BYTES + 2];
    rest_expect_error(read_head("a%", "", NULL), &error, PROXIMADB_INVALID, "hexadecimal");
    rest_expect_error(read_head("a%ff", "", NULL), &error, PROXIMADB_INVALID, "not UTF-8");
    rest_expect_error(read_head("a%00", "", NULL), &error, PROXIMADB_INVALID, "NUL");
    memset(name, 'n', sizeof name);
    name[PX_REST_LONGEST_NAME_BYTES + 1] = '\0';
    rest_expect_error(read_head(name, "", NULL), &error, PROXIMADB_INVALID, "129 bytes");
    name[PX_REST_LONGEST_NAME_BYTES + 1] = 'n';
    name[sizeof name - 1] = '\0';
    rest_expect_error(read_head(name, "", NULL), &error, PROXIMADB_INVALID, "at most 128");
}

static void test_rest_head__takes_the_mode(void **state)
{
    (void)state;
    assert_int_equal(read_head("docs", "", NULL), PROXIMADB_OK);
    assert_int_equal(request.operation, PROXIMADB_INSERT);
    assert_int_equal(read_head("docs", "mode=insert", NULL), PROXIMADB_OK);
    assert_int_equal(request.operation, PROXIMADB_INSERT);
    assert_int_equal(read_head("docs", "mode=upsert", NULL), PROXIMADB_OK);
    assert_int_equal(request.operation, PROXIMADB_UPSERT);
    assert_int_equal(read_head("docs", "mode=update", NULL), PROXIMADB_OK);
    assert_int_equal(request.operation, PROXIMADB_UPDATE);
    const char *bad[] = {"mode=", "mode", "mode=Insert", "mode=delete", "mode=insert2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        rest_expect_error(read_head("docs", bad[i], NULL), &error, PROXIMADB_INVALID,
                          "insert, upsert or update");
}

static void test_rest_head__takes_the_time_limit(void **state)
{
    (void)state;
    assert_int_equal(read_head("docs", "", NULL), PROXIMADB_OK);
    assert_int_equal(timeout_ms, 0);
    assert_int_equal(read_head("docs", "timeout_ms=1", NULL), PROXIMADB_OK);
    assert_int_equal(timeout_ms, 1);
    assert_int_equal(read_head("docs", "timeout_ms=86400000", NULL), PROXIMADB_OK);
    assert_int_equal(timeout_ms, PX_REST_LONGEST_TIMEOUT_MS);
    const char *bad[] = {"timeout_ms=",    "timeout_ms=0",   "timeout_ms=-1",
                         "timeout_ms=1.5", "timeout_ms=1e3", "timeout_ms=86400001",
                         "timeout_ms=1s",  "timeout_ms=%20", "timeout_ms=99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        rest_expect_error(read_head("docs", bad[i], NULL), &error, PROXIMADB_INVALID,
                          "from 1 to 86400000");
}

static void test_rest_head__takes_the_key(void **state)
{
    (void)state;
    const char *uuid = "123e4567-e89b-42d3-a456-426614174000";
    assert_int_equal(read_head("docs", "", NULL), PROXIMADB_OK);
    assert_false(request.has_request_id);
    assert_int_equal(read_head("docs", "", uuid), PROXIMADB_OK);
    assert_true(request.has_request_id);
    assert_memory_equal(request.request_id, "\x12\x3e\x45\x67\xe8\x9b\x42\xd3", 8);
    rest_expect_error(read_head("docs", "", ""), &error, PROXIMADB_INVALID, "Idempotency-Key");
    assert_false(request.has_request_id);
}

static void test_rest_head__refuses_parameters_of_other_routes(void **state)
{
    (void)state;
    const struct px_rest_head head = {.query = px_slice_of_string("mode=insert")};
    int rc = px_rest_head_read(&head, endpoint_of("GET", "/v1/collections"), &request, &timeout_ms,
                               &error);
    rest_expect_error(rc, &error, PROXIMADB_INVALID, "'mode' is not known here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_head__decodes_the_name),
        cmocka_unit_test(test_rest_head__refuses_names_that_are_none),
        cmocka_unit_test(test_rest_head__takes_the_mode),
        cmocka_unit_test(test_rest_head__takes_the_time_limit),
        cmocka_unit_test(test_rest_head__takes_the_key),
        cmocka_unit_test(test_rest_head__refuses_parameters_of_other_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
