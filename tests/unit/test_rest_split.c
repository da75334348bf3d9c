/*
 * Goal: a body is taken apart into its records, whatever they hold, and together with a parser of
 * the pieces the splitter accepts exactly what a parser of the whole body accepts.
 * Method: bodies written out; then thousands of bodies with random damage, given to both.
 */
#include "rest/rest_split.h"

#include "codec/json.h"
#include "support/rest_test.h"

static struct proximadb_error error;

/* Splits; `ret_pieces` gets the pieces with '|' behind each. */
static int split(struct px_slice body, struct px_buffer *ret_pieces)
{
    struct px_rest_split splitter;
    struct px_slice piece;
    bool found = true;
    int rc = px_rest_split_open(&splitter, body, "records", &error);
    while (rc == PROXIMADB_OK && found) {
        rc = px_rest_split_next(&splitter, &found, &piece, &error);
        if (rc == PROXIMADB_OK && found) {
            px_buffer_append_slice(ret_pieces, piece);
            px_buffer_append_byte(ret_pieces, '|');
        }
    }
    return rc;
}

static void expect_pieces(const char *body, const char *pieces)
{
    struct px_buffer text = {0};
    if (split(rest_json(body), &text) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    rest_expect_text(&text, pieces);
}

static void test_rest_split__finds_the_records(void **state)
{
    (void)state;
    expect_pieces("{'records':[]}", "");
    expect_pieces(" {\n'records' : [ ] }\t\r\n", "");
    expect_pieces("{'records':[{}]}", "{}|");
    expect_pieces("{'records':[ {'a':1} , {'b':[1,{'c':2}]} ]}", "{'a':1}|{'b':[1,{'c':2}]}|");
    expect_pieces("{'records':[{'a':'}],\\'{['},1, 'x' ,null]}", "{'a':'}],\\'{['}|1|'x'|null|");
    expect_pieces("{'records':['\\\\',[]]}", "'\\\\'|[]|");
}

static void expect_refused(const char *body, const char *part)
{
    struct px_buffer text = {0};
    rest_expect_error(split(rest_json(body), &text), &error, PROXIMADB_INVALID, part);
    px_buffer_release(&text);
}

static void test_rest_split__says_what_should_stand_where(void **state)
{
    (void)state;
    expect_refused("", "line 1, column 1: a JSON object should stand there, but the body ends");
    expect_refused("[]", "a JSON object should stand there, but something else does");
    expect_refused("{}", "line 1, column 2: the member \"records\"");
    expect_refused("{'recs':[]}", "the member \"records\"");
    expect_refused("{'records'}", "column 11: a colon");
    expect_refused("{'records':{}}", "an array");
    expect_refused("{'records':[]", "the end of the object");
    expect_refused("{'records':[],'more':1}", "has no other member");
    expect_refused("{'records':[]}\n}", "line 2, column 1: the end of the body");
    expect_refused("{'records':[{}}", "a comma or the end of the array");
    expect_refused("{'records':[{}", "but the body ends");
}

/* ---- both together ------------------------------------------------------------------------- */

static bool is_json(struct px_slice text, yyjson_doc **ret_doc)
{
    return px_json_parse_limited(text, 1 << 20, ret_doc, NULL) == PROXIMADB_OK;
}

/* As somebody would who parses the whole; *ret_count is the number of records. */
static bool whole_accepts(struct px_slice body, size_t *ret_count)
{
    yyjson_doc *doc;
    if (!is_json(body, &doc))
        return false;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *records = yyjson_obj_get(root, "records");
    bool accepts = yyjson_obj_size(root) == 1 && yyjson_is_arr(records);
    *ret_count = yyjson_arr_size(records);
    yyjson_doc_free(doc);
    return accepts;
}

static bool pieces_accept(struct px_slice body, size_t *ret_count)
{
    struct px_rest_split splitter;
    struct px_slice piece;
    bool found = true;
    int rc = px_rest_split_open(&splitter, body, "records", NULL);
    while (rc == PROXIMADB_OK && found) {
        yyjson_doc *doc = NULL;
        rc = px_rest_split_next(&splitter, &found, &piece, NULL);
        if (rc == PROXIMADB_OK && found && !is_json(piece, &doc))
            return false;
        yyjson_doc_free(doc);
    }
    *ret_count = splitter.count;
    return rc == PROXIMADB_OK;
}

static void test_rest_split__accepts_what_a_parser_of_the_whole_accepts(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"records\":[]}",
        "{\"records\":[{\"a\":[1,2.5,\"x,]\"]},{\"b\":\"\\\"}\"}]}",
        " { \"records\" : [ 1 , \"a\\\\\" , null , [[],{}] , true ] } ",
    };
    static const char bytes[] = "{}[],:\"\\ 1ea\n";
    struct px_test_random random = px_test_random_new("rest_split");
    int accepted = 0;
    for (int i = 0; i < 60000; i++) {
        uint8_t body[100];
        const char *from = bodies[px_test_below(&random, 3)];
        size_t size = strlen(from);
        memcpy(body, from, size);
        for (uint64_t changes = px_test_below(&random, 3); changes > 0; changes--)
            body[px_test_below(&random, size)] =
                (uint8_t)bytes[px_test_below(&random, sizeof bytes - 1)];
        if (px_test_below(&random, 4) == 0)
            size = px_test_below(&random, size + 1);
        size_t of_whole = 0, of_pieces = 0;
        bool expected = whole_accepts(px_slice_of(body, size), &of_whole);
        bool got = pieces_accept(px_slice_of(body, size), &of_pieces);
        if (got != expected || (expected && of_whole != of_pieces))
            fail_msg("%.*s: %d, of %zu records; %d, of %zu", (int)size, (const char *)body,
                     expected, of_whole, got, of_pieces);
        accepted += expected;
    }
    assert_true(accepted > 5000 && accepted < 55000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_split__finds_the_records),
        cmocka_unit_test(test_rest_split__says_what_should_stand_where),
        cmocka_unit_test(test_rest_split__accepts_what_a_parser_of_the_whole_accepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
