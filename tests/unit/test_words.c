/*
 * Goal: every enum value has a word that parses back to it; others are refused with the choice.
 * Method: all values of all vocabularies, and words that are nearly right.
 */
#include "bridge/words.h"

#include "support/px_test.h"

static void test_words__round_trip(void **state)
{
    (void)state;
    const int counts[] = {3, 3, 3, 3, 2, 5};
    for (int vocabulary = 0; vocabulary < 6; vocabulary++) {
        for (int value = vocabulary == PX_WORD_LAYOUT; value < counts[vocabulary]; value++) {
            int parsed = -1;
            const char *word = px_word_of((enum px_vocabulary)vocabulary, value);
            assert_int_equal(px_word_parse((enum px_vocabulary)vocabulary, px_slice_of_string(word),
                                           &parsed, NULL),
                             PROXIMADB_OK);
            assert_int_equal(parsed, value);
        }
        assert_string_equal(px_word_of((enum px_vocabulary)vocabulary, counts[vocabulary]),
                            "unknown");
        assert_string_equal(px_word_of((enum px_vocabulary)vocabulary, -1), "unknown");
    }
}

static void test_words__ignore_case_and_nothing_else(void **state)
{
    (void)state;
    int value = 77;
    struct proximadb_error error = {0};
    assert_int_equal(px_word_parse(PX_WORD_METRIC, px_slice_of_string("CoSine"), &value, NULL),
                     PROXIMADB_OK);
    assert_int_equal(value, PROXIMADB_COSINE);
    value = 77;
    const char *wrong[] = {"", "cosin", "cosine ", "l 2", "unknown"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(
            px_word_parse(PX_WORD_METRIC, px_slice_of_string(wrong[i]), &value, &error),
            PROXIMADB_INVALID);
        assert_non_null(strstr(error.message, "none of cosine, l2, dot"));
    }
    assert_int_equal(value, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words__round_trip),
        cmocka_unit_test(test_words__ignore_case_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
