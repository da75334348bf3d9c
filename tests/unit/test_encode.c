/* px-test: layers=avro */
/*
 * Goal: values have the bytes of the Avro specification, and a failed append is remembered.
 * Method: the specification's own examples, literally; a buffer with a ceiling.
 */
#include "avro/encode.h"

#include "support/px_test.h"

static void check_bytes(struct px_buffer *buffer, const char *expected, size_t size_bytes)
{
    assert_int_equal(px_buffer_status(buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer->size_bytes, size_bytes);
    assert_memory_equal(buffer->data, expected, size_bytes);
    px_buffer_clear(buffer);
}

static void test_encode__gives_avro_examples(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    px_encode_string(&buffer, px_slice_of_string("foo"));
    check_bytes(&buffer, "\x06\x66\x6f\x6f", 4);
    px_encode_string(&buffer, px_slice_of_string("foo")); /* record {a: 27, b: "foo"}, reversed */
    px_encode_long(&buffer, 27);
    check_bytes(&buffer, "\x06\x66\x6f\x6f\x36", 5);
    px_encode_block(&buffer, 2); /* array [3, 27] */
    px_encode_long(&buffer, 3);
    px_encode_long(&buffer, 27);
    px_encode_block_end(&buffer, 2);
    check_bytes(&buffer, "\x04\x06\x36\x00", 4);
    px_encode_null(&buffer); /* union [null, string]: null, then "a" */
    px_encode_optional_string(&buffer, true, px_slice_of_string("a"));
    check_bytes(&buffer, "\x00\x02\x02\x61", 4);
    px_buffer_release(&buffer);
}

static void test_encode__writes_the_other_types(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    const float one = 1.0f;
    px_encode_boolean(&buffer, false);
    px_encode_boolean(&buffer, true);
    px_encode_int(&buffer, -65);
    px_encode_branch(&buffer, 5);
    check_bytes(&buffer, "\x00\x01\x81\x01\x0a", 5);
    px_encode_float(&buffer, 1.0f);
    px_encode_double(&buffer, 1.0);
    px_encode_fixed(&buffer, "ab", 2);
    check_bytes(&buffer, "\0\0\x80\x3f\0\0\0\0\0\0\xf0\x3f\x61\x62", 14);
    px_encode_floats(&buffer, &one, 1);
    px_encode_floats(&buffer, NULL, 0);
    check_bytes(&buffer, "\x02\0\0\x80\x3f\x00\x00", 7);
    px_encode_optional_long(&buffer, false, 9);
    px_encode_optional_long(&buffer, true, 9);
    check_bytes(&buffer, "\x00\x02\x12", 3);
    px_buffer_release(&buffer);
}

static void test_encode__marks_a_full_buffer(void **state)
{
    (void)state;
    struct px_buffer buffer;
    px_buffer_init(&buffer, 300);
    for (int i = 0; i < 100; i++)
        px_encode_string(&buffer, px_slice_of_string("three"));
    assert_int_equal(px_buffer_status(&buffer, NULL), PROXIMADB_RESOURCE_EXHAUSTED);
    assert_true(buffer.size_bytes <= 300);
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode__gives_avro_examples),
        cmocka_unit_test(test_encode__writes_the_other_types),
        cmocka_unit_test(test_encode__marks_a_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
