/*
 * Goal: members are taken by name and type, nothing is ignored, and each refusal names the member.
 * Method: small documents.
 */
#include "rest/rest_members.h"

#include "support/rest_test.h"

enum { FLAG, COUNT, SIGNED, TEXT, MEMBERS };

static struct proximadb_error error;
static struct px_rest_member members[MEMBERS];
static yyjson_doc *doc;

static int read_members(const char *json)
{
    static const char *const names[MEMBERS] = {"flag", "count", "signed", "text"};
    yyjson_doc_free(doc);
    doc = NULL;
    for (int i = 0; i < MEMBERS; i++)
        members[i] = (struct px_rest_member){.name = names[i]};
    int rc = px_rest_json_parse(rest_json(json), "the body", &doc, &error);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_rest_members_read(yyjson_doc_get_root(doc), "the body", members, MEMBERS, &error);
}

static int release(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    doc = NULL;
    return 0;
}

static void test_rest_members__reads_what_is_there(void **state)
{
    (void)state;
    bool flag = false;
    uint64_t count = 10;
    int64_t number = 0;
    struct proximadb_text text = {0};
    assert_int_equal(read_members("{'signed': -5, 'flag': true, 'text': 'a\\u0000b', "
                                  "'count': 18446744073709551615}"),
                     PROXIMADB_OK);
    assert_int_equal(px_rest_member_bool(&members[FLAG], &flag, &error), PROXIMADB_OK);
    assert_int_equal(px_rest_member_u64(&members[COUNT], &count, &error), PROXIMADB_OK);
    assert_int_equal(px_rest_member_i64(&members[SIGNED], &number, &error), PROXIMADB_OK);
    assert_int_equal(px_rest_member_text(&members[TEXT], &text, &error), PROXIMADB_OK);
    assert_true(flag);
    assert_true(count == UINT64_MAX);
    assert_int_equal(number, -5);
    assert_int_equal(text.size_bytes, 3);
    assert_memory_equal(text.data, "a\0b", 3);
}

static void test_rest_members__takes_null_for_absent(void **state)
{
    (void)state;
    bool flag = true;
    uint64_t count = 10;
    int64_t number = 11;
    const char *string = "default";
    assert_int_equal(read_members("{'flag': null, 'count': null}"), PROXIMADB_OK);
    assert_true(px_rest_member_is_absent(&members[FLAG]));
    assert_true(px_rest_member_is_absent(&members[TEXT]));
    assert_int_equal(px_rest_member_bool(&members[FLAG], &flag, &error), PROXIMADB_OK);
    assert_int_equal(px_rest_member_u64(&members[COUNT], &count, &error), PROXIMADB_OK);
    assert_int_equal(px_rest_member_i64(&members[SIGNED], &number, &error), PROXIMADB_OK);
    assert_int_equal(px_rest_member_string(&members[TEXT], &string, &error), PROXIMADB_OK);
    assert_true(flag && count == 10 && number == 11);
    assert_string_equal(string, "default");
}

static void test_rest_members__refuses_what_it_does_not_know(void **state)
{
    (void)state;
    rest_expect_error(read_members("{'flat': true}"), &error, PROXIMADB_INVALID,
                      "the body has no member 'flat'; it may have flag, count, signed, text");
    rest_expect_error(read_members("{'FLAG': true}"), &error, PROXIMADB_INVALID, "'FLAG'");
    rest_expect_error(read_members("{'flag\\u0000': true}"), &error, PROXIMADB_INVALID,
                      "no member");
    rest_expect_error(read_members("{'': true}"), &error, PROXIMADB_INVALID, "no member ''");
    rest_expect_error(read_members("{'flag': true, 'fl\\u0061g': true}"), &error, PROXIMADB_INVALID,
                      "the member 'flag' twice");
    rest_expect_error(read_members("{'flag': null, 'flag': true}"), &error, PROXIMADB_INVALID,
                      "twice");
    rest_expect_error(read_members("[]"), &error, PROXIMADB_INVALID,
                      "the body must be a JSON object, and is an array");
}

static void test_rest_members__cuts_long_names_within_its_message(void **state)
{
    (void)state;
    char json[300] = "{'";
    for (int i = 0; i < 100; i++)
        strcat(json, "\xc3\xa9");
    strcat(json, "': 1}");
    rest_expect_error(read_members(json), &error, PROXIMADB_INVALID, "\xc3\xa9'; it may have");
    assert_true(strlen(error.message) < 150);
}

static void test_rest_members__refuses_other_types(void **state)
{
    (void)state;
    bool flag;
    uint64_t count;
    int64_t number;
    struct proximadb_text text;
    const char *string = NULL;
    const struct {
        const char *json;
        const char *kind;
    } wrong[] = {{"1.0", "a number with a fraction or an exponent"},
                 {"'1'", "a string"},
                 {"[]", "an array"},
                 {"{}", "an object"},
                 {"18446744073709551616", "a number out of range"},
                 {"1e400", "a number out of range"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char json[200];
        snprintf(json, sizeof json, "{'flag': %s, 'count': %s, 'signed': %s}", wrong[i].json,
                 wrong[i].json, wrong[i].json);
        assert_int_equal(read_members(json), PROXIMADB_OK);
        rest_expect_error(px_rest_member_bool(&members[FLAG], &flag, &error), &error,
                          PROXIMADB_INVALID, "flag must be true or false, and is");
        rest_expect_error(px_rest_member_u64(&members[COUNT], &count, &error), &error,
                          PROXIMADB_INVALID, wrong[i].kind);
        rest_expect_error(px_rest_member_i64(&members[SIGNED], &number, &error), &error,
                          PROXIMADB_INVALID, wrong[i].kind);
    }
    assert_int_equal(read_members("{'count': -1, 'signed': 9223372036854775808, 'text': 5}"),
                     PROXIMADB_OK);
    rest_expect_error(px_rest_member_u64(&members[COUNT], &count, &error), &error,
                      PROXIMADB_INVALID, "count must not be negative, and is -1");
    rest_expect_error(px_rest_member_i64(&members[SIGNED], &number, &error), &error,
                      PROXIMADB_INVALID, "signed must be a signed integer of 64 bits");
    rest_expect_error(px_rest_member_text(&members[TEXT], &text, &error), &error, PROXIMADB_INVALID,
                      "text must be a string, and is an integer");
    assert_int_equal(read_members("{'text': 'a\\u0000b'}"), PROXIMADB_OK);
    rest_expect_error(px_rest_member_string(&members[TEXT], &string, &error), &error,
                      PROXIMADB_INVALID, "NUL");
}

static void test_rest_members__takes_integers_to_their_ends(void **state)
{
    (void)state;
    int64_t number = 0;
    assert_int_equal(read_members("{'signed': 9223372036854775807}"), PROXIMADB_OK);
    assert_int_equal(px_rest_member_i64(&members[SIGNED], &number, &error), PROXIMADB_OK);
    assert_true(number == INT64_MAX);
    assert_int_equal(read_members("{'signed': -9223372036854775808}"), PROXIMADB_OK);
    assert_int_equal(px_rest_member_i64(&members[SIGNED], &number, &error), PROXIMADB_OK);
    assert_true(number == INT64_MIN);
}

static void test_rest_members__says_where_json_is_broken(void **state)
{
    (void)state;
    rest_expect_error(read_members("{'flag':\n tru}"), &error, PROXIMADB_INVALID,
                      "the body: not valid JSON at line 2, column 2");
    rest_expect_error(read_members("{'text': '\xff'}"), &error, PROXIMADB_INVALID, "UTF-8");
    rest_expect_error(read_members("{'text': '\\ud800'}"), &error, PROXIMADB_INVALID, "line 1");
    rest_expect_error(read_members("{'count': NaN}"), &error, PROXIMADB_INVALID,
                      "NaN or Infinity, which JSON does not know");
    rest_expect_error(read_members("{'count': -Infinity}"), &error, PROXIMADB_INVALID, "finite");
    rest_expect_error(read_members("{'flag': true,}"), &error, PROXIMADB_INVALID, "line 1");
    char deep[300] = "{'flag': ";
    for (int i = 0; i < PX_JSON_DEEPEST; i++)
        strcat(deep, "[");
    rest_expect_error(read_members(deep), &error, PROXIMADB_INVALID, "deeper than 64");
}

static void test_rest_members__limits_what_a_document_costs(void **state)
{
    (void)state;
    enum { VALUES = 20 << 20 }; /* 16 bytes each in memory */
    struct px_buffer text = {0};
    px_buffer_append_byte(&text, '[');
    for (int i = 0; i < VALUES; i++)
        px_buffer_append(&text, "1,", 2);
    px_buffer_append(&text, "1]", 2);
    assert_int_equal(px_buffer_status(&text, NULL), PROXIMADB_OK);
    yyjson_doc *large;
    int rc = px_rest_json_parse(px_buffer_slice(&text), "the body", &large, &error);
    rest_expect_error(rc, &error, PROXIMADB_RESOURCE_EXHAUSTED, "send less at a time");
    px_buffer_release(&text);
    rest_expect_error(px_rest_fail_memory("metadata", &error), &error, PROXIMADB_RESOURCE_EXHAUSTED,
                      "metadata takes more memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rest_members__reads_what_is_there, release),
        cmocka_unit_test_teardown(test_rest_members__takes_null_for_absent, release),
        cmocka_unit_test_teardown(test_rest_members__refuses_what_it_does_not_know, release),
        cmocka_unit_test_teardown(test_rest_members__cuts_long_names_within_its_message, release),
        cmocka_unit_test_teardown(test_rest_members__refuses_other_types, release),
        cmocka_unit_test_teardown(test_rest_members__takes_integers_to_their_ends, release),
        cmocka_unit_test_teardown(test_rest_members__says_where_json_is_broken, release),
        cmocka_unit_test_teardown(test_rest_members__limits_what_a_document_costs, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
