/* px-test: layers=rest */
/*
 * Goal: the OpenAPI document says what the server does: every route of the router's table is in it
 * with its parameters, body, members and statuses, and nothing else is; what it gives as examples is
 * accepted.
 * Method: the document that is in the program, walked beside px_rest_endpoints; requests are decoded
 * as the server does it.
 */
#include "rest/rest_problem.h"
#include "rest/rest_query.h"
#include "rest/rest_router.h"
#include "support/rest_test.h"

extern const unsigned char px_rest_openapi[];
extern const size_t px_rest_openapi_size_bytes;

static const char *const methods[] = {"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"};
static const char *const members_of_methods[] = {"get", "post", "patch", "delete", "put", "head"};
enum { METHODS = sizeof methods / sizeof methods[0] };

static yyjson_doc *doc;
static yyjson_val *root;

static int set_up(void **state)
{
    (void)state;
    struct proximadb_error error;
    if (px_json_parse(px_slice_of(px_rest_openapi, px_rest_openapi_size_bytes), &doc, &error) !=
        PROXIMADB_OK)
        fail_msg("%s", error.message);
    root = yyjson_doc_get_root(doc);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    return 0;
}

/* ---- the document -------------------------------------------------------------------------- */

/* The value, or what it refers to: {"$ref": "#/components/..."}. */
static yyjson_val *resolved(yyjson_val *value)
{
    const char *ref = yyjson_get_str(yyjson_obj_get(value, "$ref"));
    if (ref == NULL)
        return value;
    assert_int_equal(ref[0], '#');
    yyjson_val *target = yyjson_ptr_get(root, ref + 1);
    if (target == NULL)
        fail_msg("there is no %s", ref);
    return target;
}

/* NULL where the document has no such operation. */
static yyjson_val *operation_at(const char *path, const char *method)
{
    yyjson_val *item = yyjson_obj_get(yyjson_obj_get(root, "paths"), path);
    for (int i = 0; i < METHODS; i++)
        if (strcmp(method, methods[i]) == 0)
            return yyjson_obj_get(item, members_of_methods[i]);
    fail_msg("the method %s is new", method);
    return NULL;
}

static yyjson_val *operation_of(const struct px_rest_endpoint *endpoint)
{
    yyjson_val *operation = operation_at(endpoint->path, endpoint->method);
    if (operation == NULL)
        fail_msg("%s %s is not documented", endpoint->method, endpoint->path);
    return operation;
}

/* The parameter of that name and place, of the operation or of its path; NULL if there is none. */
static yyjson_val *parameter_of(const struct px_rest_endpoint *endpoint, const char *name,
                                const char *place)
{
    yyjson_val *item = yyjson_obj_get(yyjson_obj_get(root, "paths"), endpoint->path);
    yyjson_val *const lists[] = {yyjson_obj_get(operation_of(endpoint), "parameters"),
                                 yyjson_obj_get(item, "parameters")};
    for (size_t i = 0; i < 2; i++) {
        yyjson_arr_iter all = yyjson_arr_iter_with(lists[i]);
        for (yyjson_val *next; (next = yyjson_arr_iter_next(&all)) != NULL;) {
            yyjson_val *parameter = resolved(next);
            if (yyjson_equals_str(yyjson_obj_get(parameter, "name"), name) &&
                yyjson_equals_str(yyjson_obj_get(parameter, "in"), place))
                return parameter;
        }
    }
    return NULL;
}

static yyjson_val *body_of(const struct px_rest_endpoint *endpoint)
{
    return yyjson_obj_get(operation_of(endpoint), "requestBody");
}

static yyjson_val *json_of(yyjson_val *with_content)
{
    return yyjson_obj_get(yyjson_obj_get(with_content, "content"), "application/json");
}

/* ---- routes -------------------------------------------------------------------------------- */

static bool is_endpoint(const char *path, const char *method)
{
    for (size_t i = 0; i < px_rest_endpoint_count; i++)
        if (strcmp(px_rest_endpoints[i].path, path) == 0 &&
            strcmp(px_rest_endpoints[i].method, method) == 0)
            return true;
    return false;
}

/* What src/server/probes.c serves. */
static bool is_probe(const char *path, const char *method)
{
    return strcmp(method, "GET") == 0 &&
           (strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0 ||
            strcmp(path, "/metrics") == 0);
}

static void test_rest_openapi__has_the_routes_there_are(void **state)
{
    (void)state;
    size_t count = 0;
    yyjson_obj_iter paths = yyjson_obj_iter_with(yyjson_obj_get(root, "paths"));
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&paths)) != NULL;) {
        const char *path = yyjson_get_str(key);
        for (int i = 0; i < METHODS; i++) {
            if (operation_at(path, methods[i]) == NULL || is_probe(path, methods[i]))
                continue;
            if (!is_endpoint(path, methods[i]))
                fail_msg("%s %s is documented, but not served", methods[i], path);
            count++;
        }
    }
    assert_int_equal(count, px_rest_endpoint_count);
    for (size_t i = 0; i < px_rest_endpoint_count; i++)
        assert_non_null(operation_of(&px_rest_endpoints[i]));
}

static void test_rest_openapi__is_of_this_version(void **state)
{
    (void)state;
    assert_true(yyjson_equals_str(yyjson_obj_get(root, "openapi"), "3.1.0"));
    assert_true(yyjson_equals_str(yyjson_obj_get(yyjson_obj_get(root, "info"), "version"),
                                  PROXIMADB_VERSION));
}

static void test_rest_openapi__has_the_parameters_of_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        for (int j = 0; j < PX_REST_PARAMETER_COUNT; j++) {
            const char *name = px_rest_parameter_name((enum px_rest_parameter)j);
            bool is_taken = (endpoint->parameters & PX_REST_TAKES(j)) != 0;
            if ((parameter_of(endpoint, name, "query") != NULL) != is_taken)
                fail_msg("%s %s: the parameter %s", endpoint->method, endpoint->path, name);
        }
        bool has_name = strstr(endpoint->path, "{name}") != NULL;
        assert_int_equal(parameter_of(endpoint, "name", "path") != NULL, has_name);
        bool writes =
            endpoint->operation == PROXIMADB_INSERT || endpoint->operation == PROXIMADB_DELETE;
        assert_int_equal(parameter_of(endpoint, "Idempotency-Key", "header") != NULL, writes);
    }
}

static void test_rest_openapi__has_the_bodies_of_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        yyjson_val *body = body_of(endpoint);
        assert_int_equal(body != NULL, endpoint->body != PX_REST_BODY_NONE);
        if (body == NULL)
            continue;
        assert_int_equal(yyjson_get_bool(yyjson_obj_get(body, "required")),
                         endpoint->body == PX_REST_BODY_NEEDED);
        assert_non_null(yyjson_obj_get(json_of(body), "schema"));
    }
}

/* ---- statuses ------------------------------------------------------------------------------ */

/* A set of HTTP statuses from 200 to 599. */
struct statuses {
    bool has[600];
};

static struct statuses expected_of(const struct px_rest_endpoint *endpoint)
{
    struct statuses expected = {0};
    expected.has[endpoint->success] = true;
    if (endpoint->operation == PROXIMADB_CREATE_COLLECTION)
        expected.has[200] = true; /* exist_ok */
    for (int status = 0; status < PROXIMADB_STATUS_COUNT; status++)
        if (endpoint->statuses & PX_REST_MAY(status))
            expected.has[px_rest_http_status(status)] = true;
    if (endpoint->body != PX_REST_BODY_NONE)
        expected.has[PX_REST_TOO_LARGE] = expected.has[PX_REST_UNSUPPORTED_TYPE] = true;
    return expected;
}

static void test_rest_openapi__has_the_statuses_of_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        const struct statuses expected = expected_of(endpoint);
        yyjson_val *responses = yyjson_obj_get(operation_of(endpoint), "responses");
        for (int status = 200; status < 600; status++) {
            char name[8];
            snprintf(name, sizeof name, "%d", status);
            yyjson_val *response = resolved(yyjson_obj_get(responses, name));
            if ((response != NULL) != expected.has[status])
                fail_msg("%s %s: the status %d", endpoint->method, endpoint->path, status);
            if (response == NULL)
                continue;
            yyjson_val *content = yyjson_obj_get(response, "content");
            assert_non_null(yyjson_obj_get(response, "description"));
            assert_int_equal(content != NULL, status != 204);
            const char *type = status < 400 ? "application/json" : "application/problem+json";
            assert_int_equal(yyjson_obj_get(content, type) != NULL, status != 204);
        }
    }
}

static void test_rest_openapi__knows_every_code(void **state)
{
    (void)state;
    yyjson_val *codes = yyjson_ptr_get(root, "/components/schemas/Problem/properties/code/enum");
    assert_int_equal(yyjson_arr_size(codes), PROXIMADB_STATUS_COUNT - 1);
    for (int status = 1; status < PROXIMADB_STATUS_COUNT; status++)
        assert_true(yyjson_equals_str(yyjson_arr_get(codes, (size_t)status - 1),
                                      proximadb_status_name(status)));
}

/* ---- members and examples ------------------------------------------------------------------ */

/* Decodes a body as the endpoint does, and drops what it gives. */
static int decode(const struct px_rest_endpoint *endpoint, int operation, const char *body,
                  struct proximadb_error *reterr)
{
    struct px_rest_request request = {.operation = operation, .body = px_slice_of_string(body)};
    int rc = endpoint->decode(&request, reterr);
    proximadb_buffer_release(&request.payload);
    return rc;
}

static void test_rest_openapi__gives_examples_that_are_accepted(void **state)
{
    (void)state;
    struct proximadb_error error;
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        yyjson_val *examples = yyjson_obj_get(json_of(body_of(endpoint)), "examples");
        if (endpoint->body != PX_REST_BODY_NONE)
            assert_true(yyjson_obj_size(examples) > 0);
        yyjson_obj_iter all = yyjson_obj_iter_with(examples);
        for (yyjson_val *key; (key = yyjson_obj_iter_next(&all)) != NULL;) {
            yyjson_val *value = yyjson_obj_get(yyjson_obj_iter_get_val(key), "value");
            char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, NULL);
            if (decode(endpoint, endpoint->operation, text, &error) != PROXIMADB_OK)
                fail_msg("%s: %s: %s", endpoint->path, yyjson_get_str(key), error.message);
            free(text);
        }
    }
}

/* "...; it may have a, b, c" against the names of the properties. */
static void expect_members(const char *message, yyjson_val *properties)
{
    char list[400], name[64];
    size_t count = 0;
    const char *at = strstr(message, "it may have ");
    if (at == NULL)
        fail_msg("'%s' has no list", message);
    snprintf(list, sizeof list, "%s", at + strlen("it may have "));
    for (char *next = list; *next != '\0'; count++) {
        size_t size = strcspn(next, ",");
        snprintf(name, sizeof name, "%.*s", (int)size, next);
        if (yyjson_obj_get(properties, name) == NULL)
            fail_msg("'%s' of '%s' is not documented", name, message);
        next += size;
        next += strspn(next, ", ");
    }
    assert_int_equal(count, yyjson_obj_size(properties));
}

static void test_rest_openapi__has_the_members_of_each_body(void **state)
{
    (void)state;
    struct proximadb_error error;
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        if (endpoint->body == PX_REST_BODY_NONE || endpoint->operation == PROXIMADB_INSERT)
            continue;
        yyjson_val *schema = resolved(yyjson_obj_get(json_of(body_of(endpoint)), "schema"));
        assert_int_equal(decode(endpoint, endpoint->operation, "{\"?\":1}", &error),
                         PROXIMADB_INVALID);
        expect_members(error.message, yyjson_obj_get(schema, "properties"));
        assert_false(yyjson_get_bool(yyjson_obj_get(schema, "additionalProperties")));
    }
}

/* Rows and updates of rows share one list of members; each has those that it takes. */
static void test_rest_openapi__has_the_members_of_rows(void **state)
{
    (void)state;
    const struct px_rest_endpoint *endpoint = px_rest_endpoints;
    while (endpoint->operation != PROXIMADB_INSERT)
        endpoint++;
    const struct {
        const char *schema;
        int operation;
    } kinds[] = {{"/components/schemas/Row/properties", PROXIMADB_INSERT},
                 {"/components/schemas/RowUpdate/properties", PROXIMADB_UPDATE}};
    const char *members[] = {"\"vector\":[1]",        "\"vector_base64\":\"AACAPw==\"",
                             "\"metadata\":{}",       "\"document\":\"x\"",
                             "\"timestamp\":1",       "\"expires_at\":1",
                             "\"expected_version\":1"};
    for (size_t i = 0; i < 2; i++) {
        yyjson_val *properties = yyjson_ptr_get(root, kinds[i].schema);
        size_t taken = 1; /* id */
        for (size_t j = 0; j < sizeof members / sizeof members[0]; j++) {
            char body[200], name[40];
            bool has_vector = strncmp(members[j], "\"vector", 7) == 0;
            bool needs_vector = kinds[i].operation == PROXIMADB_INSERT && !has_vector;
            snprintf(body, sizeof body, "{\"records\":[{\"id\":\"a\",%s%s}]}",
                     needs_vector ? "\"vector\":[1]," : "", members[j]);
            snprintf(name, sizeof name, "%.*s", (int)strcspn(members[j] + 1, "\""), members[j] + 1);
            bool is_taken = decode(endpoint, kinds[i].operation, body, NULL) == PROXIMADB_OK;
            if ((yyjson_obj_get(properties, name) != NULL) != is_taken)
                fail_msg("%s: %s", kinds[i].schema, name);
            taken += is_taken;
        }
        assert_int_equal(taken, yyjson_obj_size(properties));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_rest_openapi__##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(has_the_routes_there_are),         TEST(is_of_this_version),
        TEST(has_the_parameters_of_each),       TEST(has_the_bodies_of_each),
        TEST(has_the_statuses_of_each),         TEST(knows_every_code),
        TEST(gives_examples_that_are_accepted), TEST(has_the_members_of_each_body),
        TEST(has_the_members_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
