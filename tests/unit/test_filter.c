/*
 * Goal: a filter means what SQL says, holds its limits, and says what is wrong with a text at which
 * place.
 * Method: tables of filters with their truth for one row; each limit from both sides; each message by
 * a text that provokes it. Random filters against DuckDB are in tests/interop/test_filter_duckdb.py.
 */
#include "model/filter.h"

#include "model/collection.h"
#include "model/metadata.h"
#include "support/px_test.h"

static struct proximadb_error last_error;

static struct px_buffer metadata_of(const char *json)
{
    struct px_buffer bytes = {0};
    if (px_metadata_from_json(px_slice_of_string(json), &bytes, &last_error) != PROXIMADB_OK)
        fail_msg("%s: %s", json, last_error.message);
    return bytes;
}

/* The filter for a row; fails the test where it does not parse. */
static enum px_truth truth_of(const char *text, const char *params_json, const char *row_json)
{
    struct px_buffer params = metadata_of(params_json), row = metadata_of(row_json);
    struct px_arena arena = {0};
    const struct px_filter *filter = NULL;
    if (px_filter_parse(px_slice_of_string(text), px_buffer_slice(&params), NULL, &arena, &filter,
                        &last_error) != PROXIMADB_OK)
        fail_msg("%s: %s", text, last_error.message);
    enum px_truth truth = px_filter_evaluate(filter, px_buffer_slice(&row));
    px_arena_release(&arena);
    px_buffer_release(&params);
    px_buffer_release(&row);
    return truth;
}

struct filter_case {
    const char *text;
    char truth; /* T, F or U */
};

static void check_cases(const struct filter_case *cases, size_t count, const char *row)
{
    for (size_t i = 0; i < count; i++) {
        enum px_truth truth = truth_of(cases[i].text, "{}", row);
        if ("FTU"[truth] != cases[i].truth)
            fail_msg("%s: %c, not %c", cases[i].text, "FTU"[truth], cases[i].truth);
    }
}

#define CHECK_CASES(cases, row) check_cases(cases, sizeof(cases) / sizeof(cases)[0], row)

static int parse_status(struct px_slice text, const char *params_json,
                        const struct px_collection *collection)
{
    struct px_buffer params = metadata_of(params_json);
    struct px_arena arena = {0};
    const struct px_filter *filter = NULL;
    int rc =
        px_filter_parse(text, px_buffer_slice(&params), collection, &arena, &filter, &last_error);
    assert_int_equal(filter != NULL, rc == PROXIMADB_OK);
    px_arena_release(&arena);
    px_buffer_release(&params);
    return rc;
}

static void check_error(const char *text, const char *params_json, const char *message,
                        const struct px_collection *collection)
{
    assert_int_equal(parse_status(px_slice_of_string(text), params_json, collection),
                     PROXIMADB_INVALID);
    if (strstr(last_error.message, message) == NULL)
        fail_msg("%s: %s", text, last_error.message);
}

/* ---- meaning ---- */

static void test_filter__compares(void **state)
{
    (void)state;
    static const struct filter_case cases[] = {
        {"l = 5", 'T'},
        {"l != 5", 'F'},
        {"l <> 4", 'T'},
        {"l < 5", 'F'},
        {"l <= 5", 'T'},
        {"l > 4", 'T'},
        {"l >= 6", 'F'},
        {"5 = l", 'T'},
        {"4 < l", 'T'},
        {"l = 5.0", 'T'},
        {"l < 5.5", 'T'},
        {"d = 2.5", 'T'},
        {"d = 25e-1", 'T'},
        {"d > 2", 'T'},
        {"d < l", 'T'},
        {"l = l", 'T'},
        {"s = 'text'", 'T'},
        {"s < 'texu'", 'T'},
        {"s > 'tex'", 'T'},
        {"s > 'Z'", 'T'},
        {"quoted = 'it''s'", 'T'},
        {"b = TRUE", 'T'},
        {"b > false", 'T'},
        {"a = a", 'T'},
        {"missing = missing", 'U'},
        {"s = l", 'U'}, /* other types */
        {"s = 5", 'U'},
        {"b = 1", 'U'},
        {"a = 'x'", 'U'},
        {"-3 < l", 'T'},
        {"- 3 < l", 'T'},
        {"l > -.5", 'T'},
        {"l = 05", 'T'},
        {"l = 5.", 'T'},
        {"l = 00.5e1", 'T'},
        {"l = 5.e0 AND l = 0.05E+2 AND l = 50e-1", 'T'},
        {"zZ = 1 AND containsx = 1 AND _9 = 1", 'T'}, /* names, though they look like keywords */
        {"\"key with \"\"quotes\"\"\" = 1", 'T'},
        {"\"S\" = 'text'", 'U'}, /* names are exact */
        {"1 = 1", 'T'},
        {"'a' < 'b'", 'T'},
    };
    CHECK_CASES(cases, "{\"l\":5,\"d\":2.5,\"s\":\"text\",\"b\":true,\"a\":[\"x\",\"y\"],"
                       "\"n\":null,\"zZ\":1,\"containsx\":1,\"_9\":1,\"quoted\":\"it's\",\"key "
                       "with \\\"quotes\\\"\":1}");
}

static void test_filter__compares_longs_and_doubles_exactly(void **state)
{
    (void)state;
    static const struct filter_case cases[] = {
        {"odd = 9007199254740993", 'T'},
        {"odd = 9007199254740992.0", 'F'}, /* the nearest double */
        {"odd > 9007199254740992.0", 'T'},
        {"even = odd", 'F'},
        {"even = 9007199254740992", 'T'},
        {"even = 9007199254740993", 'F'},
        {"even IN (9007199254740991, 9007199254740993)", 'F'},
        {"odd BETWEEN 9007199254740992.0 AND 9007199254740994.0", 'T'},
        {"least = -9223372036854775808", 'T'},
        {"most = 9223372036854775807", 'T'},
        {"most < 9223372036854775808.0", 'T'},
    };
    CHECK_CASES(cases, "{\"odd\":9007199254740993,\"even\":9007199254740992.0,"
                       "\"least\":-9223372036854775808,\"most\":9223372036854775807}");
}

static void test_filter__joins_by_three_valued_logic(void **state)
{
    (void)state;
    static const struct filter_case cases[] = {
        {"t AND t", 'T'},
        {"t AND f", 'F'},
        {"t AND u", 'U'},
        {"f AND t", 'F'},
        {"f AND f", 'F'},
        {"f AND u", 'F'},
        {"u AND t", 'U'},
        {"u AND f", 'F'},
        {"u AND u", 'U'},
        {"t OR t", 'T'},
        {"t OR f", 'T'},
        {"t OR u", 'T'},
        {"f OR t", 'T'},
        {"f OR f", 'F'},
        {"f OR u", 'U'},
        {"u OR t", 'T'},
        {"u OR f", 'U'},
        {"u OR u", 'U'},
        {"NOT t", 'F'},
        {"NOT f", 'T'},
        {"NOT u", 'U'},
        {"NOT NOT t", 'T'},
        {"t OR t AND f", 'T'},
        {"(t OR t) AND f", 'F'},
        {"NOT t OR t", 'T'},
        {"NOT (t OR t)", 'F'},
        {"NOT f AND f", 'F'},
        {"NOT (f AND f)", 'T'},
        {"NOT NOT (u)", 'U'},
        {"f OR f OR f OR t", 'T'},
        {"u OR f OR f", 'U'},
        {"t AND t AND u AND t", 'U'},
        {"t and Not f oR u", 'T'},
        {"not(not(t))and(t)", 'T'},
        {"t AND (f OR (t AND (u OR t)))", 'T'},
        {"TRUE", 'T'},
        {"FALSE OR NULL", 'U'},
        {"s", 'U'},
        {"NOT s", 'U'}, /* not a boolean */
    };
    CHECK_CASES(cases, "{\"t\":true,\"f\":false,\"u\":null,\"s\":\"true\"}");
}

static void test_filter__treats_null_as_unknown(void **state)
{
    (void)state;
    static const struct filter_case cases[] = {
        {"n = 1", 'U'},
        {"missing = 1", 'U'},
        {"n = NULL", 'U'},
        {"l = NULL", 'U'},
        {"l != NULL", 'U'},
        {"n IS NULL", 'T'},
        {"missing IS NULL", 'T'},
        {"l IS NULL", 'F'},
        {"n IS NOT NULL", 'F'},
        {"l IS NOT NULL", 'T'},
        {"NOT l IS NULL", 'T'},
        {"NULL IS NULL", 'T'},
        {"1 IS NULL", 'F'},
        {"l BETWEEN NULL AND 4", 'F'}, /* false whatever the bound */
        {"l BETWEEN NULL AND 6", 'U'},
        {"l BETWEEN 6 AND NULL", 'F'},
        {"l NOT BETWEEN 6 AND NULL", 'T'},
        {"n BETWEEN 1 AND 2", 'U'},
        {"n IN (1, 2)", 'U'},
        {"l IN (5, NULL)", 'T'},
        {"l IN (4, NULL)", 'U'},
        {"l NOT IN (4, NULL)", 'U'},
        {"l IN (NULL)", 'U'},
        {"NULL IN (1)", 'U'},
        {"n LIKE '%'", 'U'},
        {"s LIKE NULL", 'U'},
        {"s NOT LIKE NULL", 'U'},
        {"n CONTAINS 'x'", 'U'},
        {"a CONTAINS NULL", 'U'},
        {"a CONTAINS n", 'U'},
        {"n", 'U'},
    };
    CHECK_CASES(cases, "{\"n\":null,\"l\":5,\"s\":\"text\",\"a\":[\"x\"]}");
}

static void test_filter__knows_lists_and_ranges(void **state)
{
    (void)state;
    static const struct filter_case cases[] = {
        {"l IN (5)", 'T'},
        {"l IN (1, 2, 3)", 'F'},
        {"l IN (3, 5.0, 1)", 'T'},
        {"l NOT IN (1, 2)", 'T'},
        {"l NOT IN (5, 2)", 'F'},
        {"d IN (2, 3)", 'F'},
        {"d IN (2.5, 3)", 'T'},
        {"s IN ('a', 'text', 'b')", 'T'},
        {"s IN ('a', 'Text')", 'F'},
        {"b IN (FALSE)", 'F'},
        {"b IN (FALSE, TRUE)", 'T'},
        {"'text' IN ('text')", 'T'},
        {"l IN ('a', 5)", 'T'},
        {"l IN ('a', 6)", 'U'}, /* 'a' compares with no number */
        {"s IN (1, 2)", 'U'},
        {"l BETWEEN 5 AND 6", 'T'},
        {"l BETWEEN 4 AND 5", 'T'},
        {"l BETWEEN 6 AND 4", 'F'},
        {"l NOT BETWEEN 4 AND 5", 'F'},
        {"l BETWEEN d AND 5.5", 'T'},
        {"3 BETWEEN d AND l", 'T'},
        {"s BETWEEN 'a' AND 'z'", 'T'},
        {"s BETWEEN 1 AND 2", 'U'},
        {"l BETWEEN 1 AND 9 AND b", 'T'},
        {"a CONTAINS 'x'", 'T'},
        {"a CONTAINS 'z'", 'F'},
        {"a NOT CONTAINS 'z'", 'T'},
        {"a CONTAINS ''", 'F'},
        {"a CONTAINS member", 'T'},
        {"empty CONTAINS 'x'", 'F'},
        {"empty CONTAINS NULL", 'F'},
        {"empty NOT CONTAINS n", 'T'},
        {"s CONTAINS 't'", 'U'}, /* arrays only */
        {"a CONTAINS l", 'U'},
        {"a < others", 'T'},
        {"empty < a", 'T'},
        {"a != others", 'T'},
    };
    CHECK_CASES(cases, "{\"l\":5,\"d\":2.5,\"s\":\"text\",\"b\":true,\"a\":[\"w\",\"x\"],"
                       "\"others\":[\"x\"],\"empty\":[],\"member\":\"x\"}");
}

static void test_filter__matches_patterns(void **state)
{
    (void)state;
    static const struct filter_case cases[] = {
        {"s LIKE 'network'", 'T'},
        {"s LIKE 'net'", 'F'},
        {"s LIKE 'net%'", 'T'},
        {"s LIKE '%work'", 'T'},
        {"s LIKE '%two%'", 'T'},
        {"s LIKE '%'", 'T'},
        {"s LIKE ''", 'F'},
        {"s LIKE '_______'", 'T'},
        {"s LIKE '______'", 'F'},
        {"s LIKE '________'", 'F'},
        {"s LIKE 'n_t%'", 'T'},
        {"s LIKE '%_k'", 'T'},
        {"s LIKE '%w_rk_'", 'F'},
        {"s LIKE '%%%t%%%k%%%'", 'T'},
        {"s LIKE 'NET%'", 'F'},
        {"s NOT LIKE 'x%'", 'T'},
        {"s LIKE '%network%network%'", 'F'},
        {"e LIKE ''", 'T'},
        {"e LIKE '%'", 'T'},
        {"e LIKE '_'", 'F'},
        {"u LIKE 'h_llo'", 'T'},
        {"u LIKE 'h__llo'", 'F'},
        {"u LIKE '%\xc3\xa9%'", 'T'},
        {"u LIKE '_____'", 'T'},
        {"smile LIKE '_'", 'T'},
        {"smile LIKE '__'", 'F'},
        {"smile LIKE '%_'", 'T'},
        {"smile LIKE '%__'", 'F'},
        {"p LIKE '100!%' ESCAPE '!'", 'T'},
        {"p LIKE '10!%%' ESCAPE '!'", 'F'},
        {"p LIKE '100%%' ESCAPE '%'", 'T'},
        {"p LIKE '!1!0!0_' ESCAPE '!'", 'T'},
        {"under LIKE 'a!_b' ESCAPE '!'", 'T'},
        {"s LIKE 'n!_t%' ESCAPE '!'", 'F'},
        {"back LIKE 'a\\b'", 'T'},
        {"l LIKE '5'", 'U'},
        {"'literal' LIKE 'lit%'", 'T'},
        {"repeats LIKE '%aab'", 'T'},
        {"repeats LIKE '%a_b%c'", 'F'},
    };
    CHECK_CASES(cases,
                "{\"s\":\"network\",\"e\":\"\",\"u\":\"h\xc3\xa9llo\",\"p\":\"100%\","
                "\"smile\":\"\xf0\x9f\x98\x80\",\"under\":\"a_b\",\"back\":\"a\\\\b\",\"l\":5,"
                "\"repeats\":\"aaaaaaab\"}");
}

static void test_filter__takes_parameters(void **state)
{
    (void)state;
    static const char params[] =
        "{\"l\":5,\"s\":\"a\",\"list\":[\"a\",\"b\"],\"none\":[],\"n\":null,"
        "\"t\":true,\"p\":\"a%\",\"esc\":\"!\",\"1\":1}";
    static const char all[] =
        "$l = 5 AND $s = 'a' AND $list = $list AND $none = $none AND $n IS NULL AND $t AND "
        "'abc' LIKE $p AND 'a' LIKE 'a' ESCAPE $esc AND $1 = 1";
    assert_int_equal(truth_of(all, params, "{}"), PX_TRUE);
    assert_int_equal(truth_of("s IN $list", "{\"list\":[\"a\",\"b\"]}", "{\"s\":\"b\"}"), PX_TRUE);
    assert_int_equal(truth_of("s IN $list", "{\"list\":[\"a\",\"b\"]}", "{\"s\":\"c\"}"), PX_FALSE);
    assert_int_equal(truth_of("s NOT IN $list", "{\"list\":[]}", "{\"s\":\"c\"}"), PX_TRUE);
    assert_int_equal(truth_of("s IN $list", "{\"list\":[]}", "{}"), PX_FALSE);
    assert_int_equal(truth_of("s NOT IN $list", "{\"list\":[]}", "{}"), PX_TRUE);
    assert_int_equal(truth_of("l IN ($x, 7)", "{\"x\":5}", "{\"l\":5}"), PX_TRUE);
    assert_int_equal(truth_of("l BETWEEN $x AND $x", "{\"x\":5.0}", "{\"l\":5}"), PX_TRUE);
    assert_int_equal(truth_of("a = $list", "{\"list\":[\"a\"]}", "{\"a\":[\"a\"]}"), PX_TRUE);
    assert_int_equal(truth_of("$list CONTAINS s", "{\"list\":[\"a\"]}", "{\"s\":\"a\"}"), PX_TRUE);
}

static void test_filter__finds_each_of_many_list_members(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    struct px_buffer text = {0}, row = {0};
    struct px_arena arena = {0};
    const struct px_filter *filter;
    px_buffer_append_format(&text, "n IN (");
    for (int i = 0; i < COUNT; i++) /* odd numbers, in an order that is none */
        px_buffer_append_format(&text, "%s%d", i == 0 ? "" : ",", (i * 7919 % COUNT) * 2 + 1);
    px_buffer_append_format(&text, ")");
    assert_int_equal(px_filter_parse(px_buffer_slice(&text), px_metadata_empty, NULL, &arena,
                                     &filter, &last_error),
                     PROXIMADB_OK);
    for (int i = 0; i < COUNT * 2; i += 37) {
        const struct px_value value = {.kind = PROXIMADB_VALUE_LONG, .as.integer = i};
        px_buffer_clear(&row);
        px_metadata_begin(&row, 1);
        px_metadata_put(&row, px_slice_of_string("n"), &value);
        px_metadata_finish(&row, 1);
        assert_int_equal(px_filter_evaluate(filter, px_buffer_slice(&row)),
                         i % 2 == 1 ? PX_TRUE : PX_FALSE);
    }
    px_arena_release(&arena);
    px_buffer_release(&text);
    px_buffer_release(&row);
}

static void test_filter__does_not_blow_up_on_patterns(void **state)
{
    (void)state;
    /* Backtracking to every % would take 2^60 steps. */
    struct px_buffer text = {0}, row = {0};
    struct px_arena arena = {0};
    const struct px_filter *filter;
    px_buffer_append_format(&text, "s LIKE '");
    for (int i = 0; i < 60; i++)
        px_buffer_append_format(&text, "%%a");
    px_buffer_append_format(&text, "%%b'");
    char *value = malloc(100001);
    assert_non_null(value);
    memset(value, 'a', 100000);
    value[100000] = '\0';
    const struct px_value string = {.kind = PROXIMADB_VALUE_STRING,
                                    .as.string = px_slice_of_string(value)};
    px_metadata_begin(&row, 1);
    px_metadata_put(&row, px_slice_of_string("s"), &string);
    px_metadata_finish(&row, 1);
    assert_int_equal(
        px_filter_parse(px_buffer_slice(&text), px_metadata_empty, NULL, &arena, &filter, NULL),
        PROXIMADB_OK);
    assert_int_equal(px_filter_evaluate(filter, px_buffer_slice(&row)), PX_FALSE);
    free(value);
    px_arena_release(&arena);
    px_buffer_release(&text);
    px_buffer_release(&row);
}

/* ---- faults ---- */

static void test_filter__says_what_is_wrong_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1, column 1: the filter is empty"},
        {" \n ", "line 2, column 2: the filter is empty"},
        {"a = = 1", "column 5: expected a field, a literal or a $parameter, but found `=`"},
        {"a =", "column 4: expected a field, a literal or a $parameter, but the filter ends here"},
        {"a == 1", "column 3: equality is written with one ="},
        {"a = 1 b", "column 7: expected AND, OR or the end, but found `b`"},
        {"a b", "column 3: expected a comparison (=, "},
        {"a = 1)", "column 6: expected AND, OR or the end, but found `)`"},
        {"(a = 1", "column 7: expected AND, OR or ), but the filter ends here"},
        {"()", "column 2: expected a field"},
        {"a = 1 AND", "column 10: expected a field"},
        {"a = 1 OR OR b", "column 10: expected a field, a literal or a $parameter, but found `OR`"},
        {"NOT", "column 4: expected a field"},
        {"a = b = c", "column 7: expected AND, OR or the end, but found `=`"},
        {"a NOT 3", "column 7: expected IN, BETWEEN, LIKE or CONTAINS behind NOT, but found `3`"},
        {"a NOT = 3", "column 7: expected IN, BETWEEN"},
        {"a IS 3", "column 6: expected NULL or NOT NULL behind IS, but found `3`"},
        {"a IS NOT TRUE", "column 10: expected NULL behind IS NOT, but found `TRUE`"},
        {"a IN 3", "column 6: expected a list in parentheses or a $parameter behind IN"},
        {"a IN ()", "column 7: expected a field, a literal or a $parameter, but found `)`"},
        {"a IN (1,)", "column 9: expected a field"},
        {"a IN (1 2)", "column 9: expected a comma or ) in the list of IN, but found `2`"},
        {"a IN (1", "column 8: expected a comma or ) in the list of IN"},
        {"a IN (b)", "column 7: expected a literal or a $parameter, since a list holds no fields"},
        {"a BETWEEN 1", "column 12: expected AND between the two bounds"},
        {"a BETWEEN 1 OR 2",
         "column 13: expected AND between the two bounds of BETWEEN, but found"},
        {"a LIKE 3", "column 8: expected a pattern behind LIKE: a string or a $parameter, but this "
                     "is of type long"},
        {"a LIKE b", "column 8: expected a pattern behind LIKE"},
        {"a LIKE 'x' ESCAPE 'ab'", "column 19: expected one ASCII character"},
        {"a LIKE 'x' ESCAPE ''", "column 19: expected one ASCII character"},
        {"a LIKE 'x' ESCAPE '\xc3\xa9'", "column 19: expected one ASCII character"},
        {"a LIKE 'x' ESCAPE NULL", "column 19: expected one ASCII character"},
        {"a LIKE 'x!' ESCAPE '!'", "column 8: the pattern ends with its escape character"},
        {"a = 'open", "column 5: the text that begins here has no closing '"},
        {"a = 'it''s", "column 5: the text that begins here has no closing '"},
        {"\"a = 1", "column 1: the field name that begins here has no closing \""},
        {"\"\" = 1", "column 1: a field name has 1 to 256 bytes"},
        {"a = 1x", "column 6: expected a blank between a number and what follows"},
        {"1e = a", "column 1: the number that begins here has an exponent without digits"},
        {"a = 1e+", "column 5: the number that begins here has an exponent without digits"},
        {"a = 9223372036854775808",
         "column 5: `9223372036854775808` does not fit a 64-bit integer"},
        {"a = -9223372036854775809", "column 6: `9223372036854775809` does not fit"},
        {"a = 99999999999999999999", "column 5: `99999999999999999999` does not fit"},
        {"a = 1e309", "column 5: `1e309` is larger than any double"},
        {"a = --1", "column 6: expected a number behind the minus sign, but found `-`"},
        {"a = -b", "column 6: expected a number behind the minus sign, but found `b`"},
        {"a ! 1", "column 3: `!` means nothing here"},
        {"a.b = 1", "column 2: `.` means nothing here"},
        {"\xc3\xa9 = 1", "column 1: `\xc3\xa9` means nothing here"},
        {"a = 1 \xf0\x9f\x98\x80", "column 7: `\xf0\x9f\x98\x80` means nothing here"},
        {"a = 1 \xf0\x9f\x98", "column 7: the byte 0xf0 is no character"},
        {"a 'two words'", "but found `'two words'`"},
        {"a 'two\nlines'", "but found `'two...`"},
        {"a = \x01", "column 5: the byte 0x01 is no character"},
        {"a = \xff", "column 5: the byte 0xff is no character"},
        {"a = '\xff'", "column 5: the text that begins here is not valid UTF-8"},
        {"$ = 1", "column 1: expected the parameter's name right behind the $"},
        {"a = $p", "column 5: the parameter `$p` was given no value"},
        {"'a'", "column 1: only a boolean is a condition by itself, but `'a'` is of type string"},
        {"b AND 7", "column 7: only a boolean is a condition by itself, but `7` is of type long"},
        {"1 = 'a'", "column 5: `1` (long) can never compare with `'a'` (string)"},
        {"1 IN (TRUE)", "column 7: `1` (long) can never compare with `TRUE` (boolean)"},
        {"5 LIKE 'a'", "column 1: LIKE takes a string, but `5` is of type long"},
        {"'a' CONTAINS 'a'", "column 1: CONTAINS looks into an array of strings, but `'a'` is"},
        {"a CONTAINS 5", "column 12: CONTAINS looks for a string, but `5` is of type long"},
        /* Lines are counted, and columns in characters. */
        {"a = '\xc3\xa9\xc3\xa9'\nAND\n  b = '\xc3\xa9' c", "line 3, column 11: expected AND, OR"},
        /* A long token is cut between characters. */
        {"a = 'x' '\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
         "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
         "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9'",
         "\xc3\xa9...`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_error(cases[i].text, "{}", cases[i].message, NULL);
    assert_int_equal(parse_status(px_slice_of("a = '\0'", 7), "{}", NULL), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "has a NUL in it"));
    assert_int_equal(parse_status(px_slice_of("a = 1\0", 6), "{}", NULL), PROXIMADB_INVALID);
    assert_int_equal(parse_status(px_slice_of(NULL, 0), "{}", NULL), PROXIMADB_INVALID);
}

static void test_filter__checks_parameters(void **state)
{
    (void)state;
    check_error("a = $x", "{\"x\":1,\"y\":2}", "no parameter of the name `y`", NULL);
    check_error("a = 1", "{\"x\":1}", "no parameter of the name `x`", NULL);
    check_error("a = $X", "{\"x\":1}", "`$X` was given no value", NULL);
    check_error("a IN $x", "{\"x\":1}", "takes an array of strings; this is of type long", NULL);
    check_error("a IN $x", "{\"x\":null}", "this is of type null", NULL);
    check_error("a IN ($x)", "{\"x\":[\"a\"]}", "write IN $x without parentheses", NULL);
    check_error("5 IN $x", "{\"x\":[\"a\"]}", "`5` (long) can never compare with `$x` (strings)",
                NULL);
    check_error("$x", "{\"x\":1}", "only a boolean is a condition", NULL);
    check_error("a LIKE $x", "{\"x\":1}", "expected a pattern", NULL);
}

static void test_filter__checks_the_types_of_filterable_fields(void **state)
{
    (void)state;
    static const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_DOUBLE},
                                                         {"year", PROXIMADB_FIELD_LONG},
                                                         {"name", PROXIMADB_FIELD_STRING},
                                                         {"archived", PROXIMADB_FIELD_BOOLEAN},
                                                         {"tags", PROXIMADB_FIELD_STRING_ARRAY}};
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = "c",
                                                   .dim_count = 1,
                                                   .storage = PROXIMADB_EXACT,
                                                   .filterable = fields,
                                                   .filterable_count = 5};
    struct px_collection collection;
    assert_int_equal(px_collection_init(&collection, &spec, 0, NULL), PROXIMADB_OK);
    static const char *const good[] = {
        "price = 3",         "price < year",
        "year = 2.5",        "name = other",
        "archived",          "archived = TRUE",
        "tags CONTAINS 'a'", "name LIKE 'a%'",
        "price = NULL",      "other = 'a'",
        "other = 1",         "name IN ('a', NULL)",
        "tags IS NULL",      "name BETWEEN 'a' AND other",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (parse_status(px_slice_of_string(good[i]), "{}", &collection) != PROXIMADB_OK)
            fail_msg("%s: %s", good[i], last_error.message);
    static const char *const bad[][2] = {
        {"price = 'a'", "column 9: `price` (double) can never compare with `'a'` (string)"},
        {"'a' = price", "column 7: `'a'` (string) can never compare with `price` (double)"},
        {"year != TRUE", "`year` (long) can never compare with `TRUE` (boolean)"},
        {"name < 3", "`name` (string) can never compare with `3` (long)"},
        {"name = year", "`name` (string) can never compare with `year` (long)"},
        {"tags = 'a'", "`tags` (string_array) can never compare with `'a'` (string)"},
        {"archived IN (1)", "`archived` (boolean) can never compare with `1` (long)"},
        {"price BETWEEN 1 AND 'b'", "column 21: `price` (double) can never compare"},
        {"price", "only a boolean is a condition by itself, but `price` is of type double"},
        {"year LIKE 'a'", "LIKE takes a string, but `year` is of type long"},
        {"name CONTAINS 'a'", "CONTAINS looks into an array of strings, but `name` is of type"},
        {"tags CONTAINS year", "CONTAINS looks for a string, but `year` is of type long"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_error(bad[i][0], "{}", bad[i][1], &collection);
}

/* ---- limits ---- */

/* `open` n times, then `inner`, then `close` n times. */
static int nested_status(const char *open, const char *inner, const char *close, int n)
{
    struct px_buffer text = {0};
    for (int i = 0; i < n; i++)
        px_buffer_append_format(&text, "%s", open);
    px_buffer_append_format(&text, "%s", inner);
    for (int i = 0; i < n; i++)
        px_buffer_append_format(&text, "%s", close);
    int rc = parse_status(px_buffer_slice(&text), "{}", NULL);
    px_buffer_release(&text);
    return rc;
}

static void test_filter__bounds_its_depth(void **state)
{
    (void)state;
    assert_int_equal(nested_status("(", "a", ")", 200), PROXIMADB_OK);
    assert_int_equal(nested_status("(", "a", ")", 201), PROXIMADB_INVALID);
    assert_non_null(
        strstr(last_error.message, "column 201: parentheses are nested deeper than 200"));
    assert_int_equal(nested_status("NOT (a AND b OR ", "a", ")", 200), PROXIMADB_OK);
    assert_int_equal(nested_status("(", "", "", 300000), PROXIMADB_INVALID);
    assert_int_equal(nested_status("NOT ", "a", "", 100000), PROXIMADB_OK); /* not deep */
    assert_int_equal(nested_status("a AND ", "a", " OR a", 25000), PROXIMADB_OK);
}

static void test_filter__bounds_its_size(void **state)
{
    (void)state;
    /* Each "a AND " is a node, so are the last "a" and the AND. */
    assert_int_equal(nested_status("a AND ", "a", "", 99998), PROXIMADB_OK);
    assert_int_equal(nested_status("a AND ", "a", "", 99999), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "at most 100000 conditions and list members"));
    struct px_buffer text = {0};
    px_buffer_append_format(&text, "a IN (1");
    for (int i = 0; i < 99998; i++)
        px_buffer_append_format(&text, ",1");
    px_buffer_append_byte(&text, ')');
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_OK);
    text.size_bytes--;
    px_buffer_append_format(&text, ",1)");
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_INVALID);

    px_buffer_clear(&text);
    px_buffer_append_format(&text, "a=1");
    while (text.size_bytes < PX_FILTER_LARGEST_BYTES)
        px_buffer_append_byte(&text, ' ');
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_OK);
    px_buffer_append_byte(&text, ' ');
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "the filter has 1048577 bytes"));
    px_buffer_release(&text);
}

static void test_filter__bounds_its_fields_and_names(void **state)
{
    (void)state;
    struct px_buffer text = {0}, row = {0};
    struct px_arena arena = {0};
    const struct px_filter *filter;
    px_metadata_begin(&row, PX_FILTER_MOST_FIELDS);
    for (int i = 0; i < PX_FILTER_MOST_FIELDS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        const struct px_value value = {.kind = PROXIMADB_VALUE_LONG, .as.integer = i};
        px_metadata_put(&row, px_slice_of_string(key), &value);
        px_buffer_append_format(&text, "%sk%d = %d", i == 0 ? "" : " AND ", i, i);
    }
    px_metadata_finish(&row, PX_FILTER_MOST_FIELDS);
    assert_int_equal(
        px_filter_parse(px_buffer_slice(&text), px_metadata_empty, NULL, &arena, &filter, NULL),
        PROXIMADB_OK);
    assert_int_equal(px_filter_evaluate(filter, px_buffer_slice(&row)), PX_TRUE);
    px_buffer_append_format(&text, " AND k0 = 0"); /* known already */
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_OK);
    px_buffer_append_format(&text, " AND one_more = 0");
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "at most 256 different fields"));

    char name[300];
    memset(name, 'n', sizeof name);
    memcpy(name + 256, " = 1", 5);
    assert_int_equal(parse_status(px_slice_of_string(name), "{}", NULL), PROXIMADB_OK);
    memcpy(name + 256, "n = 1", 6);
    check_error(name, "{}", "a field name has 1 to 256 bytes", NULL);
    px_arena_release(&arena);
    px_buffer_release(&text);
    px_buffer_release(&row);
}

static void test_filter__bounds_its_patterns(void **state)
{
    (void)state;
    struct px_buffer text = {0};
    px_buffer_append_format(&text, "a LIKE '%*s'", PX_FILTER_LONGEST_PATTERN_BYTES, "");
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_OK);
    text.size_bytes--;
    px_buffer_append_format(&text, " '");
    assert_int_equal(parse_status(px_buffer_slice(&text), "{}", NULL), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "a pattern has at most 4096 bytes"));
    px_buffer_release(&text);
}

static void test_filter__reports_a_full_arena(void **state)
{
    (void)state;
    static const char text[] =
        "\"a\"\"b\" = 'it''s' AND c IN (1, 2, 3) AND d LIKE 'x%' AND e < 2.5 "
        "AND f = $p";
    struct px_buffer params = metadata_of("{\"p\":1}");
    const struct px_filter *filter = NULL;
    size_t limit = 1;
    int rc = PROXIMADB_NO_MEMORY;
    for (; rc != PROXIMADB_OK && limit < 100000; limit += 7) {
        struct px_arena arena;
        px_arena_init(&arena, limit);
        rc = px_filter_parse(px_slice_of_string(text), px_buffer_slice(&params), NULL, &arena,
                             &filter, &last_error);
        assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_NO_MEMORY);
        assert_int_equal(filter != NULL, rc == PROXIMADB_OK);
        px_arena_release(&arena);
    }
    assert_int_equal(rc, PROXIMADB_OK);
    assert_true(limit > 500); /* it did fail before */
    px_buffer_release(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter__compares),
        cmocka_unit_test(test_filter__compares_longs_and_doubles_exactly),
        cmocka_unit_test(test_filter__joins_by_three_valued_logic),
        cmocka_unit_test(test_filter__treats_null_as_unknown),
        cmocka_unit_test(test_filter__knows_lists_and_ranges),
        cmocka_unit_test(test_filter__matches_patterns),
        cmocka_unit_test(test_filter__takes_parameters),
        cmocka_unit_test(test_filter__finds_each_of_many_list_members),
        cmocka_unit_test(test_filter__does_not_blow_up_on_patterns),
        cmocka_unit_test(test_filter__says_what_is_wrong_where),
        cmocka_unit_test(test_filter__checks_parameters),
        cmocka_unit_test(test_filter__checks_the_types_of_filterable_fields),
        cmocka_unit_test(test_filter__bounds_its_depth),
        cmocka_unit_test(test_filter__bounds_its_size),
        cmocka_unit_test(test_filter__bounds_its_fields_and_names),
        cmocka_unit_test(test_filter__bounds_its_patterns),
        cmocka_unit_test(test_filter__reports_a_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
