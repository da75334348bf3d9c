/*
 * Goal: vectors come and go as the same floats, as numbers and as base64, and what is no vector is
 * refused with the place.
 * Method: floats of random bits, written and read again; texts that are none.
 */
#include "rest/rest_floats.h"

#include "support/rest_test.h"

static struct proximadb_error error;
static struct px_buffer floats;

/* Reads the value; what is collected stays in `floats`. */
static int read_value(const char *json, bool is_base64)
{
    yyjson_doc *doc;
    if (px_json_parse_limited(px_slice_of_string(json), 1 << 20, &doc, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    yyjson_val *value = yyjson_doc_get_root(doc);
    int rc = is_base64 ? px_rest_floats_read_base64(value, "v", &floats, &error)
                       : px_rest_floats_read(value, "v", &floats, &error);
    yyjson_doc_free(doc);
    return rc;
}

static void expect_refused(const char *json, bool is_base64, const char *part)
{
    size_t size = floats.size_bytes;
    rest_expect_error(read_value(json, is_base64), &error, PROXIMADB_INVALID, part);
    assert_int_equal(floats.size_bytes, size);
}

static int release(void **state)
{
    (void)state;
    px_buffer_release(&floats);
    return 0;
}

static void test_rest_floats__rounds_to_float32(void **state)
{
    (void)state;
    const float expected[] = {0.1f, -2, 3e-5f, 16777216, -0.0f, INFINITY, 1.8446744e19f};
    assert_int_equal(
        read_value("[0.1, -2, 3e-5, 16777217, -0.0, 1e39, 18446744073709551615]", false),
        PROXIMADB_OK);
    assert_int_equal(floats.size_bytes, sizeof expected);
    assert_memory_equal(floats.data, expected, sizeof expected);
}

static void test_rest_floats__appends(void **state)
{
    (void)state;
    const float expected[] = {1, 2, 3};
    assert_int_equal(read_value("[1, 2]", false), PROXIMADB_OK);
    assert_int_equal(read_value("\"AABAQA==\"", true), PROXIMADB_OK);
    assert_int_equal(floats.size_bytes, sizeof expected);
    assert_memory_equal(floats.data, expected, sizeof expected);
}

/* Finite floats of any bits. */
static float random_float(struct px_test_random *random)
{
    for (;;) {
        uint32_t bits = (uint32_t)px_test_next(random);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            return value;
    }
}

static void test_rest_floats__comes_back_as_it_went(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct px_test_random random = px_test_random_new("rest_floats");
    float vector[COUNT];
    for (int i = 0; i < COUNT; i++)
        vector[i] = random_float(&random);
    for (int is_base64 = 0; is_base64 < 2; is_base64++) {
        static const char *const heads[] = {"\"vector\":", "\"vector_base64\":"};
        struct px_buffer text = {0};
        px_buffer_clear(&floats);
        px_rest_floats_write(&text, is_base64 ? PX_REST_VECTOR_BASE64 : PX_REST_VECTOR_ARRAY,
                             vector, COUNT);
        px_buffer_append_byte(&text, '\0');
        assert_memory_equal(text.data, heads[is_base64], strlen(heads[is_base64]));
        assert_int_equal(
            read_value((const char *)text.data + strlen(heads[is_base64]), is_base64 != 0),
            PROXIMADB_OK);
        assert_int_equal(floats.size_bytes, sizeof vector);
        assert_memory_equal(floats.data, vector, sizeof vector);
        px_buffer_release(&text);
    }
}

static void test_rest_floats__writes_nothing_where_none_is_wanted(void **state)
{
    (void)state;
    struct px_buffer text = {0};
    px_rest_floats_write(&text, PX_REST_VECTOR_NONE, rest_vector, 2);
    rest_expect_text(&text, "");
    px_rest_floats_write(&text, PX_REST_VECTOR_ARRAY, rest_vector, 2);
    rest_expect_text(&text, "'vector':[0.5,-2.0]");
}

static void test_rest_floats__refuses_what_is_no_vector(void **state)
{
    (void)state;
    expect_refused("\"a\"", false, "v must be an array of numbers, and is a string");
    expect_refused("{}", false, "an object");
    expect_refused("[]", false, "v is empty");
    expect_refused("[1, null]", false, "v[1] is null");
    expect_refused("[1, \"2\"]", false, "v[1] is a string");
    expect_refused("[[1]]", false, "v[0] is an array");
    expect_refused("[1e400]", false, "v[0] is a number out of range");
    expect_refused("[18446744073709551616000]", false, "up to 3.4e38");
}

static void test_rest_floats__refuses_what_is_no_base64(void **state)
{
    (void)state;
    expect_refused("[1]", true, "v must be a string of base64, and is an array");
    expect_refused("\"\"", true, "v is empty");
    expect_refused("\"AACA\"", true, "v has 3 bytes");
    expect_refused("\"AACAPw\"", true, "v: ");
    expect_refused("\"AACA*w==\"", true, "v: ");
    expect_refused("\"AACAPw==\\n\"", true, "v: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rest_floats__rounds_to_float32, release),
        cmocka_unit_test_teardown(test_rest_floats__appends, release),
        cmocka_unit_test_teardown(test_rest_floats__comes_back_as_it_went, release),
        cmocka_unit_test_teardown(test_rest_floats__writes_nothing_where_none_is_wanted, release),
        cmocka_unit_test_teardown(test_rest_floats__refuses_what_is_no_vector, release),
        cmocka_unit_test_teardown(test_rest_floats__refuses_what_is_no_base64, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
