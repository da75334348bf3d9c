/*
 * Goal: schemas have the canonical form and the fingerprint that every other Avro library gives them.
 * Method: the fingerprints of Avro's own test data for the primitive types, and one text for each
 * rule of the canonical form.
 */
#include "avro/fingerprint.h"

#include "support/px_test.h"

static void check_canonical(const char *schema, const char *expected)
{
    struct px_buffer buffer = {0};
    struct proximadb_error error;
    if (px_fingerprint_canonical(px_slice_of_string(schema), &buffer, &error) != PROXIMADB_OK)
        fail_msg("%s: %s", schema, error.message);
    px_buffer_append_byte(&buffer, '\0');
    assert_string_equal((char *)buffer.data, expected);
    px_buffer_release(&buffer);
}

static void test_fingerprint__of_primitives_is_avros(void **state)
{
    (void)state; /* share/test/data/schema-tests.txt of Apache Avro 1.11 */
    static const struct {
        const char *schema;
        int64_t fingerprint;
    } examples[] = {
        {"\"null\"", 7195948357588979594},
        {"\"boolean\"", -6970731678124411036},
        {"\"int\"", 8247732601305521295},
        {"\"long\"", -3434872931120570953},
        {"\"float\"", 5583340709985441680},
        {"\"double\"", -8181574048448539266},
        {"\"bytes\"", 5746618253357095269},
        {"\"string\"", -8142146995180207161},
        {"[]", -1241056759729112623},
        {"[\"int\"]", -5232228896498058493},
        {"[\"int\",\"boolean\"]", 5392556393470105090},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        uint64_t fingerprint = 0;
        assert_int_equal(
            px_fingerprint_schema(px_slice_of_string(examples[i].schema), &fingerprint, NULL),
            PROXIMADB_OK);
        assert_true(fingerprint == (uint64_t)examples[i].fingerprint);
    }
    assert_true(px_fingerprint_crc64(px_slice_of("", 0)) == UINT64_C(0xc15d213aa4d7a795));
}

static void test_fingerprint__canonical_form_unwraps_and_strips(void **state)
{
    (void)state;
    check_canonical("{\"type\": \"int\"}", "\"int\"");
    check_canonical("{\"type\": {\"type\": \"int\", \"logicalType\": \"date\"}}", "\"int\"");
    check_canonical(" [ \"int\" , {\"type\" : \"long\"} ] ", "[\"int\",\"long\"]");
    check_canonical("{\"values\": \"int\", \"type\": \"map\", \"doc\": \"x\"}",
                    "{\"type\":\"map\",\"values\":\"int\"}");
    check_canonical("{\"items\": {\"type\": \"float\"}, \"type\": \"array\"}",
                    "{\"type\":\"array\",\"items\":\"float\"}");
    check_canonical(
        "{\"type\":\"record\",\"doc\":\"d\",\"aliases\":[\"b\"],\"fields\":[{\"default\":"
        "1,\"type\":\"int\",\"order\":\"ignore\",\"name\":\"f\"}],\"name\":\"r\"}",
        "{\"name\":\"r\",\"type\":\"record\",\"fields\":[{\"name\":\"f\",\"type\":"
        "\"int\"}]}");
    check_canonical("{\"type\":\"fixed\",\"size\":16,\"name\":\"a.b.F\"}",
                    "{\"name\":\"a.b.F\",\"type\":\"fixed\",\"size\":16}");
    check_canonical("\"AZ_az.09\"", "\"AZ_az.09\"");
    check_canonical("{\"symbols\":[\"B\",\"A\"],\"type\":\"enum\",\"name\":\"E\"}",
                    "{\"name\":\"E\",\"type\":\"enum\",\"symbols\":[\"B\",\"A\"]}");
}

static void test_fingerprint__canonical_form_gives_full_names(void **state)
{
    (void)state;
    /* The namespace of the outer record holds inside, until an inner one sets its own. */
    check_canonical(
        "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"x.y\",\"fields\":["
        "{\"name\":\"a\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}},"
        "{\"name\":\"b\",\"type\":\"F\"},"
        "{\"name\":\"c\",\"type\":{\"type\":\"enum\",\"name\":\"z.E\",\"symbols\":[]}},"
        "{\"name\":\"d\",\"type\":[\"null\",\"z.E\",\"R\"]},"
        "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"N\",\"namespace\":\"\","
        "\"symbols\":[]}}]}",
        "{\"name\":\"x.y.R\",\"type\":\"record\",\"fields\":["
        "{\"name\":\"a\",\"type\":{\"name\":\"x.y.F\",\"type\":\"fixed\",\"size\":2}},"
        "{\"name\":\"b\",\"type\":\"x.y.F\"},"
        "{\"name\":\"c\",\"type\":{\"name\":\"z.E\",\"type\":\"enum\",\"symbols\":[]}},"
        "{\"name\":\"d\",\"type\":[\"null\",\"z.E\",\"x.y.R\"]},"
        "{\"name\":\"e\",\"type\":{\"name\":\"N\",\"type\":\"enum\",\"symbols\":[]}}]}");
}

static void test_fingerprint__refuses_what_is_no_schema(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "1",
        "{}",
        "[1]",
        "\"\"",
        "\"a b\"",
        "\"a-b\"",
        "\"a[b\"",
        "\"a@b\"",
        "\"a{b\"",
        "\"a`b\"",
        "\"a:b\"",
        "\"a/b\"",
        "{\"type\":\"array\"}",
        "{\"type\":\"map\",\"values\":null}",
        "{\"type\":\"record\",\"name\":\"r\"}",
        "{\"type\":\"record\",\"fields\":[]}",
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"type\":\"int\"}]}",
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"f\"}]}",
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[1]}",
        "{\"type\":\"enum\",\"name\":\"e\"}",
        "{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[1]}",
        "{\"type\":\"fixed\",\"name\":\"f\"}",
        "{\"type\":\"fixed\",\"name\":\"f\",\"size\":-1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t fingerprint = 7;
        struct proximadb_error error;
        int rc = px_fingerprint_schema(px_slice_of_string(texts[i]), &fingerprint, &error);
        if (rc != PROXIMADB_INVALID)
            fail_msg("'%s' was taken", texts[i]);
        assert_true(error.message[0] != '\0');
        assert_int_equal(fingerprint, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fingerprint__of_primitives_is_avros),
        cmocka_unit_test(test_fingerprint__canonical_form_unwraps_and_strips),
        cmocka_unit_test(test_fingerprint__canonical_form_gives_full_names),
        cmocka_unit_test(test_fingerprint__refuses_what_is_no_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
