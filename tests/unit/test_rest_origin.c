/*
 * Goal: what a browser may have been made to send by a page of another site is refused, and what
 * programs and the server's own pages send is not.
 * Method: tables of header fields.
 */
#include "rest/rest_origin.h"

#include "support/px_test.h"

struct fields {
    const char *method;
    const char *authority;
    const char *origin;
    const char *site;
};

static int check(const struct fields *fields, bool is_local, struct proximadb_error *error)
{
    const struct px_rest_origin request = {
        .method = px_slice_of_string(fields->method),
        .authority = px_slice_of_string(fields->authority),
        .origin = px_slice_of_string(fields->origin),
        .site = px_slice_of_string(fields->site),
        .is_local = is_local,
    };
    return px_rest_origin_check(&request, error);
}

static void test_rest_origin__takes_a_local_server_s_own_names_only(void **state)
{
    static const char *const own[] = {
        "localhost",      "localhost:5678", "LocalHost:1",        "127.0.0.1:5678", "127.0.0.1",
        "127.8.9.1:5678", "[::1]:5678",     "[::ffff:127.0.0.1]", "192.168.1.7:80", ""};
    static const char *const foreign[] = {"evil.example",
                                          "evil.example:5678",
                                          "localhost.evil.example:5678",
                                          "evil.localhost.x",
                                          "127.0.0.1.evil.example",
                                          "127.0.0.1@evil.example",
                                          "evil.example:x@127.0.0.1",
                                          "localhost:80.evil.example",
                                          "[::1].evil.example",
                                          "[::1]15678",
                                          "[evil.example]",
                                          "[::1",
                                          "2130706433",
                                          "127.0.0.1x",
                                          "::1",
                                          ":5678",
                                          "[]:5678",
                                          "a-name-that-is-longer-than-any-address-could-be:1"};
    struct proximadb_error error;
    (void)state;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (check(&(struct fields){"GET", own[i], "", ""}, true, &error) != PROXIMADB_OK)
            fail_msg("%s: %s", own[i], error.message);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        const struct fields fields = {"GET", foreign[i], "", ""};
        if (check(&fields, true, &error) != PROXIMADB_PERMISSION_DENIED)
            fail_msg("%s", foreign[i]);
        if (check(&fields, false, &error) != PROXIMADB_OK) /* others reach it by a name */
            fail_msg("%s: %s", foreign[i], error.message);
    }
}

static void test_rest_origin__refuses_changes_by_other_pages(void **state)
{
    static const struct fields refused[] = {
        {"POST", "localhost:5678", "http://evil.example", ""},
        {"POST", "localhost:5678", "null", ""},
        {"POST", "localhost:5678", "http://localhost:3000", "same-site"},
        {"POST", "localhost:5678", "http://localhost", ""},
        {"POST", "localhost:5678", "localhost:5678", ""},
        {"POST", "localhost:5678", "", "cross-site"},
        {"DELETE", "db.example", "https://evil.example", ""},
        {"PATCH", "", "http://localhost:5678", ""},
        {"PATCH", "", "null", ""},
        {"OPTIONS", "localhost:5678", "http://evil.example", "cross-site"},
    };
    static const struct fields taken[] = {
        {"POST", "localhost:5678", "", ""},
        {"POST", "localhost:5678", "http://localhost:5678", "same-origin"},
        {"POST", "localhost:5678", "http://LOCALHOST:5678", ""},
        {"POST", "localhost:5678", "", "none"},
        {"GET", "localhost:5678", "http://evil.example", "cross-site"},
        {"HEAD", "localhost:5678", "http://evil.example", "cross-site"},
    };
    struct proximadb_error error;
    (void)state;
    for (int is_local = 0; is_local < 2; is_local++) {
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
            if (check(&refused[i], is_local && i != 6, &error) != PROXIMADB_PERMISSION_DENIED)
                fail_msg("%zu is taken", i);
        for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
            if (check(&taken[i], is_local, &error) != PROXIMADB_OK)
                fail_msg("%zu: %s", i, error.message);
    }
    assert_int_equal(check(&refused[0], true, &error), PROXIMADB_PERMISSION_DENIED);
    assert_string_equal(error.message, "a web page of 'http://evil.example' asks, and pages of "
                                       "other sites may not change anything here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_origin__takes_a_local_server_s_own_names_only),
        cmocka_unit_test(test_rest_origin__refuses_changes_by_other_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
