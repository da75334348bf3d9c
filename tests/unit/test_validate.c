/*
 * Goal: each rule refuses what it must, at its edge, with a sentence that helps.
 * Method: values on both sides of each limit; vectors around the places where the fast norm hands
 * over to the exact one.
 */
#include "payload/validate.h"

#include "model/record.h"
#include "support/payload_test.h"

#include <float.h>

static void test_validate__ids(void **state)
{
    (void)state;
    static char longest[PX_LONGEST_ID_BYTES + 1];
    struct proximadb_error error;
    memset(longest, 'x', sizeof longest);
    assert_int_equal(px_validate_id(payload_test_slice("a"), NULL), PROXIMADB_OK);
    assert_int_equal(px_validate_id(payload_test_slice("\xc3\xa9"), NULL), PROXIMADB_OK);
    assert_int_equal(px_validate_id(px_slice_of(longest, PX_LONGEST_ID_BYTES), NULL), PROXIMADB_OK);
    assert_int_equal(px_validate_id(px_slice_of(longest, PX_LONGEST_ID_BYTES + 1), &error),
                     PROXIMADB_INVALID);
    payload_test_says(&error, "513 bytes");
    assert_int_equal(px_validate_id(px_slice_of("", 0), &error), PROXIMADB_INVALID);
    payload_test_says(&error, "empty");
    assert_int_equal(px_validate_id(px_slice_of("a\0b", 3), &error), PROXIMADB_INVALID);
    payload_test_says(&error, "NUL");
    assert_int_equal(px_validate_id(payload_test_slice("a\xff"), &error), PROXIMADB_INVALID);
    payload_test_says(&error, "UTF-8");
}

static int check_vector(int metric, const float *vector, size_t dim_count,
                        struct proximadb_error *reterr)
{
    struct px_collection collection = payload_test_collection(4, metric);
    return px_validate_vector(&collection, vector, dim_count, reterr);
}

static void test_validate__dimension_carries_both_numbers(void **state)
{
    (void)state;
    const float vector[5] = {1, 1, 1, 1, 1};
    struct proximadb_error error;
    assert_int_equal(check_vector(PROXIMADB_COSINE, vector, 4, NULL), PROXIMADB_OK);
    assert_int_equal(check_vector(PROXIMADB_COSINE, vector, 5, &error), PROXIMADB_DIMENSION);
    assert_int_equal(error.expected, 4);
    assert_int_equal(error.actual, 5);
    assert_int_equal(check_vector(PROXIMADB_COSINE, vector, 0, &error), PROXIMADB_DIMENSION);
    assert_int_equal(error.actual, 0);
}

static void test_validate__components_must_be_finite(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        float vector[4] = {1, 1, 1, 1};
        struct proximadb_error error;
        vector[2] = bad[i];
        assert_int_equal(check_vector(PROXIMADB_L2, vector, 4, &error), PROXIMADB_INVALID);
        payload_test_says(&error, i == 0 ? "component 2 of the vector is NaN" : "infinite");
    }
}

static void test_validate__norm_must_be_a_float(void **state)
{
    (void)state;
    const float largest = sqrtf(FLT_MAX); /* rounded down: its square is below FLT_MAX */
    const float fits[4] = {nextafterf(largest, 0.0f), 0, 0, 0};
    const float exceeds[4] = {largest, largest, 0, 0};
    struct proximadb_error error;
    assert_int_equal(check_vector(PROXIMADB_DOT, fits, 4, NULL), PROXIMADB_OK);
    assert_int_equal(check_vector(PROXIMADB_DOT, exceeds, 4, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "too long");
}

static void test_validate__cosine_needs_a_direction(void **state)
{
    (void)state;
    const float zeros[4] = {0, -0.0f, 0, 0};
    const float just[4] = {0, 0, 0x1p-63f, 0};        /* its square is FLT_MIN */
    const float tiny[4] = {0x1.fffffep-64f, 0, 0, 0}; /* below it by one step */
    const float denormal[4] = {0x1p-140f, 0, 0, 0};
    struct proximadb_error error;
    assert_int_equal(check_vector(PROXIMADB_COSINE, zeros, 4, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "all zeros");
    assert_int_equal(check_vector(PROXIMADB_COSINE, tiny, 4, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "too short");
    assert_int_equal(check_vector(PROXIMADB_COSINE, denormal, 4, &error), PROXIMADB_INVALID);
    payload_test_says(&error, "too short");
    assert_int_equal(check_vector(PROXIMADB_COSINE, just, 4, NULL), PROXIMADB_OK);
    assert_int_equal(check_vector(PROXIMADB_L2, zeros, 4, NULL), PROXIMADB_OK);
    assert_int_equal(check_vector(PROXIMADB_DOT, denormal, 4, NULL), PROXIMADB_OK);
}

static void test_validate__vectors_may_lie_at_any_address(void **state)
{
    (void)state;
    const float vector[4] = {1, 2, 3, NAN};
    uint8_t bytes[32];
    struct px_collection collection = payload_test_collection(3, PROXIMADB_COSINE);
    for (size_t offset = 0; offset < 8; offset++) {
        memcpy(bytes + offset, vector, 4 * sizeof vector[0]);
        assert_int_equal(px_validate_vector(&collection, bytes + offset, 3, NULL), PROXIMADB_OK);
    }
}

static void test_validate__documents(void **state)
{
    (void)state;
    struct proximadb_error error;
    char *large = malloc(PX_LARGEST_DOCUMENT_BYTES + 1);
    assert_non_null(large);
    memset(large, ' ', PX_LARGEST_DOCUMENT_BYTES + 1);
    assert_int_equal(px_validate_document(px_slice_of("", 0), NULL), PROXIMADB_OK);
    assert_int_equal(px_validate_document(px_slice_of(large, PX_LARGEST_DOCUMENT_BYTES), NULL),
                     PROXIMADB_OK);
    assert_int_equal(
        px_validate_document(px_slice_of(large, PX_LARGEST_DOCUMENT_BYTES + 1), &error),
        PROXIMADB_INVALID);
    payload_test_says(&error, "16 MiB");
    assert_int_equal(px_validate_document(payload_test_slice("\xc0\x80"), &error),
                     PROXIMADB_INVALID);
    payload_test_says(&error, "UTF-8");
    free(large);
}

static void test_validate__times(void **state)
{
    (void)state;
    struct proximadb_error error;
    assert_int_equal(px_validate_time(0, "t", NULL), PROXIMADB_OK);
    assert_int_equal(px_validate_time(PX_LATEST_TIME_MS, "t", NULL), PROXIMADB_OK);
    assert_int_equal(px_validate_time(-1, "expires_at_ms", &error), PROXIMADB_INVALID);
    payload_test_says(&error, "expires_at_ms is -1");
    assert_int_equal(px_validate_time(PX_LATEST_TIME_MS + 1, "t", NULL), PROXIMADB_INVALID);
    assert_int_equal(px_validate_time(INT64_MAX, "t", NULL), PROXIMADB_INVALID);
}

static void test_validate__shows_whole_characters(void **state)
{
    (void)state;
    char id[70];
    memset(id, 'a', sizeof id);
    memcpy(id + 63, "\xc3\xa9", 2);
    assert_int_equal(px_validate_shown_bytes(px_slice_of(id, sizeof id)), 63);
    assert_int_equal(px_validate_shown_bytes(px_slice_of(id, 10)), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validate__ids),
        cmocka_unit_test(test_validate__dimension_carries_both_numbers),
        cmocka_unit_test(test_validate__components_must_be_finite),
        cmocka_unit_test(test_validate__norm_must_be_a_float),
        cmocka_unit_test(test_validate__cosine_needs_a_direction),
        cmocka_unit_test(test_validate__vectors_may_lie_at_any_address),
        cmocka_unit_test(test_validate__documents),
        cmocka_unit_test(test_validate__times),
        cmocka_unit_test(test_validate__shows_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
