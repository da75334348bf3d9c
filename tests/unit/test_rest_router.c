/*
 * Goal: every route is found under its method and path, and nothing else is; a path that is known
 * says which methods it takes.
 * Method: each endpoint of the table with a name filled in; paths near to them.
 */
#include "rest/rest_router.h"

#include "support/rest_test.h"

static struct px_rest_match match;

static void route(const char *method, const char *path)
{
    px_rest_route(px_slice_of_string(method), px_slice_of_string(path), &match);
}

/* The endpoint's path with `name` in its place. */
static const char *path_with(const struct px_rest_endpoint *endpoint, const char *name)
{
    static char path[200];
    const char *at = strstr(endpoint->path, "{name}");
    if (at == NULL)
        snprintf(path, sizeof path, "%s", endpoint->path);
    else
        snprintf(path, sizeof path, "%.*s%s%s", (int)(at - endpoint->path), endpoint->path, name,
                 at + strlen("{name}"));
    return path;
}

static void test_rest_router__finds_each_endpoint(void **state)
{
    (void)state;
    const char *names[] = {"docs", "d%2Fcs", "", "..", "vectors"};
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        bool has_name = strstr(endpoint->path, "{name}") != NULL;
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            const char *path = path_with(endpoint, names[j]);
            px_rest_route(px_slice_of_string(endpoint->method), px_slice_of_string(path), &match);
            assert_ptr_equal(match.endpoint, endpoint);
            assert_true(px_slice_equal(match.name, px_slice_of_string(has_name ? names[j] : "")));
            assert_non_null(strstr(match.allow, endpoint->method));
        }
    }
}

static void test_rest_router__takes_head_for_get(void **state)
{
    (void)state;
    route("HEAD", "/v1/collections/docs");
    assert_non_null(match.endpoint);
    assert_string_equal(match.endpoint->method, "GET");
    route("HEAD", "/v1/collections/docs/search");
    assert_null(match.endpoint);
    assert_string_equal(match.allow, "POST");
}

static void test_rest_router__says_which_methods_there_are(void **state)
{
    (void)state;
    const char *others[] = {"PUT", "OPTIONS", "get", "POST", ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        route(others[i], "/v1/collections/docs");
        assert_null(match.endpoint);
        assert_string_equal(match.allow, "GET, HEAD, PATCH, DELETE");
    }
    route("DELETE", "/v1/collections/docs/count");
    assert_string_equal(match.allow, "GET, HEAD, POST");
}

static void test_rest_router__knows_no_other_paths(void **state)
{
    (void)state;
    const char *paths[] = {"",
                           "/",
                           "/v1",
                           "/v1/",
                           "v1/collections",
                           "/v1/collection",
                           "/v1/collectionss",
                           "/V1/collections",
                           "/v1//collections",
                           "/v1/collections/docs/",
                           "/v1/collections/docs/searc",
                           "/v1/collections/docs/search/",
                           "/v1/collections/docs/vectors/get/x",
                           "/v1/collections/../x",
                           "/openapi.json/",
                           "/openapi"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        route("GET", paths[i]);
        if (match.endpoint != NULL || match.allow[0] != '\0')
            fail_msg("'%s' is taken", paths[i]);
    }
}

/* What anything that asks for a collection may hear, and what writes cannot leave out. */
static void test_rest_router__says_how_each_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        bool has_name = strstr(endpoint->path, "{name}") != NULL;
        uint32_t not_found = PX_REST_MAY(PROXIMADB_COLLECTION_NOT_FOUND);
        assert_true(endpoint->statuses & PX_REST_MAY(PROXIMADB_INVALID));
        assert_int_equal((endpoint->statuses & not_found) != 0, has_name);
        assert_int_equal(endpoint->statuses & PX_REST_MAY(PROXIMADB_OK), 0);
        assert_non_null(endpoint->decode);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_router__finds_each_endpoint),
        cmocka_unit_test(test_rest_router__takes_head_for_get),
        cmocka_unit_test(test_rest_router__says_which_methods_there_are),
        cmocka_unit_test(test_rest_router__knows_no_other_paths),
        cmocka_unit_test(test_rest_router__says_how_each_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
