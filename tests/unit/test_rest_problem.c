/*
 * Goal: every status has the HTTP status that docs/REST.md promises, and every error becomes JSON
 * that says what gRPC's details say.
 * Method: the table written out; texts of problems.
 */
#include "rest/rest_problem.h"

#include "support/rest_test.h"

static void test_rest_problem__has_an_http_status_for_each(void **state)
{
    (void)state;
    const int expected[PROXIMADB_STATUS_COUNT] = {200, 400, 503, 500, 500, 404, 409, 404,
                                                  409, 400, 412, 429, 409, 503, 504, 503,
                                                  501, 500, 401, 403, 410, 500, 413};
    for (int status = 0; status < PROXIMADB_STATUS_COUNT; status++)
        assert_int_equal(px_rest_http_status(status), expected[status]);
    assert_int_equal(px_rest_http_status(PROXIMADB_STATUS_COUNT), 500);
    assert_int_equal(px_rest_http_status(-1), 500);
    assert_true(px_rest_is_temporary(429));
    assert_true(px_rest_is_temporary(503));
    assert_false(px_rest_is_temporary(500));
    assert_false(px_rest_is_temporary(413)); /* as much would be too much again */
    assert_false(px_rest_is_temporary(504)); /* the same time limit would pass again */
}

static void expect_problem(const struct proximadb_error *error, int http_status,
                           const char *expected)
{
    struct px_buffer text = {0};
    px_rest_problem_write(&text, http_status, error);
    rest_expect_text(&text, expected);
}

static void test_rest_problem__says_what_is_known(void **state)
{
    (void)state;
    struct proximadb_error error;
    (void)px_fail(&error, PROXIMADB_INVALID, "a \"bad\" thing");
    expect_problem(&error, 400,
                   "{'type':'urn:proximadb:error:INVALID','title':'Invalid request','status':400,"
                   "'detail':'a \\'bad\\' thing','code':'INVALID'}");
    (void)px_fail_numbers(&error, PROXIMADB_DIMENSION, 3, 384, 128, "too short");
    expect_problem(&error, 400,
                   "{'type':'urn:proximadb:error:DIMENSION','title':'Wrong dimension','status':400,"
                   "'detail':'row 3: too short','code':'DIMENSION','row_index':3,"
                   "'expected':384,'actual':128}");
    (void)px_fail_row(&error, PROXIMADB_VECTOR_EXISTS, 0, "taken");
    expect_problem(&error, 409,
                   "{'type':'urn:proximadb:error:VECTOR_EXISTS','title':'Vector exists',"
                   "'status':409,'detail':'row 0: taken','code':'VECTOR_EXISTS','row_index':0}");
}

static void test_rest_problem__calls_http_s_own_by_its_names(void **state)
{
    (void)state;
    struct proximadb_error error;
    const struct {
        int http_status;
        const char *title;
    } own[] = {{404, "Not Found"},
               {405, "Method Not Allowed"},
               {413, "Content Too Large"},
               {415, "Unsupported Media Type"}};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        char expected[200];
        (void)px_fail(&error, PROXIMADB_UNIMPLEMENTED, "no");
        snprintf(expected, sizeof expected,
                 "{'type':'about:blank','title':'%s','status':%d,'detail':'no',"
                 "'code':'UNIMPLEMENTED'}",
                 own[i].title, own[i].http_status);
        expect_problem(&error, own[i].http_status, expected);
    }
}

static void test_rest_problem__is_json_whatever_the_message(void **state)
{
    (void)state;
    struct proximadb_error error;
    struct px_buffer text = {0};
    (void)px_fail(&error, PROXIMADB_INVALID, "caf\xc3\xa9 \x01");
    px_rest_problem_write(&text, 400, &error);
    rest_expect_text(&text, "{'type':'urn:proximadb:error:INVALID','title':'Invalid request',"
                            "'status':400,'detail':'caf\xc3\xa9 \\u0001','code':'INVALID'}");
    (void)px_fail(&error, PROXIMADB_INVALID, "caf\xc3"); /* cut within a character */
    px_rest_problem_write(&text, 400, &error);
    rest_expect_text(&text, "{'type':'urn:proximadb:error:INVALID','title':'Invalid request',"
                            "'status':400,'detail':'caf?','code':'INVALID'}");
    error.status = 1000;
    px_rest_problem_write(&text, 500, &error);
    rest_expect_text(&text, "{'type':'urn:proximadb:error:INTERNAL','title':'Internal error',"
                            "'status':500,'detail':'caf?','code':'INTERNAL'}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_problem__has_an_http_status_for_each),
        cmocka_unit_test(test_rest_problem__says_what_is_known),
        cmocka_unit_test(test_rest_problem__calls_http_s_own_by_its_names),
        cmocka_unit_test(test_rest_problem__is_json_whatever_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
