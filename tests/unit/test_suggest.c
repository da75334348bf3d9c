/* px-test: layers=base files=cli/suggest.c */
/*
 * Goal: a slip of the fingers finds its word, and other words find none.
 * Method: examples of each kind of slip, of words too far, and of words too long.
 */
#include "cli/suggest.h"

#include "support/px_test.h"

static const char *nearest(const char *typed)
{
    static const char *const known[] = {"serve", "inspect", "check", "version", "sql"};
    struct px_suggestion suggestion = {0};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        px_suggest_consider(&suggestion, typed, known[i]);
    return suggestion.word;
}

static void test_suggest__finds_what_was_meant(void **state)
{
    (void)state;
    assert_string_equal(nearest("serve"), "serve");
    assert_string_equal(nearest("srve"), "serve");   /* one missing */
    assert_string_equal(nearest("sserve"), "serve"); /* one too many */
    assert_string_equal(nearest("servo"), "serve");  /* another one */
    assert_string_equal(nearest("sevre"), "serve");  /* two exchanged */
    assert_string_equal(nearest("inspct"), "inspect");
    assert_string_equal(nearest("versoin"), "version");
    assert_string_equal(nearest("sq"), "sql");
}

static void test_suggest__does_not_guess(void **state)
{
    (void)state;
    assert_null(nearest(""));
    assert_null(nearest("import"));
    assert_null(nearest("xyzve")); /* three away from serve */
    assert_null(nearest("sxx"));   /* two of the three letters of sql */
}

static void test_suggest__keeps_the_nearest_and_the_first(void **state)
{
    struct px_suggestion suggestion = {0};
    (void)state;
    px_suggest_consider(&suggestion, "abcdef", "abcdxy");
    assert_int_equal(suggestion.distance, 2);
    px_suggest_consider(&suggestion, "abcdef", "abcdeg");
    px_suggest_consider(&suggestion, "abcdef", "abcdeh");
    assert_string_equal(suggestion.word, "abcdeg");
    assert_int_equal(suggestion.distance, 1);
}

static void test_suggest__leaves_long_words_alone(void **state)
{
    char word[42] = {0}, longer[42] = {0};
    struct px_suggestion suggestion = {0};
    (void)state;
    memset(word, 'a', 40);
    memset(longer, 'a', 41);
    px_suggest_consider(&suggestion, longer, word);
    px_suggest_consider(&suggestion, word, longer);
    assert_null(suggestion.word);
    px_suggest_consider(&suggestion, word, word);
    assert_ptr_equal(suggestion.word, word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggest__finds_what_was_meant),
        cmocka_unit_test(test_suggest__does_not_guess),
        cmocka_unit_test(test_suggest__keeps_the_nearest_and_the_first),
        cmocka_unit_test(test_suggest__leaves_long_words_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
