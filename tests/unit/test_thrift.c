/*
 * Goal: structs read back as written, unknown fields are skipped, and no bytes, however bad, are read
 * beyond their end, looped over for long, or taken for a value of another type.
 * Method: bytes spelled out by the protocol's rules; a struct with every type and each prefix of it;
 * faults one by one; random bytes.
 */
#include "codec/thrift.h"

#include "support/px_test.h"

/* Every kind of value, with a long jump between ids. */
static void write_sample(struct px_buffer *buffer)
{
    struct px_thrift_writer writer = px_thrift_writer_of(buffer);
    px_thrift_put_bool(&writer, 1, true);
    px_thrift_put_bool(&writer, 2, false);
    px_thrift_put_i16(&writer, 3, INT16_MIN);
    px_thrift_put_i32(&writer, 4, INT32_MAX);
    px_thrift_put_i64(&writer, 5, INT64_MIN);
    px_thrift_put_string(&writer, 6, "six");
    px_thrift_begin_struct(&writer, 7);
    px_thrift_put_i32(&writer, 1, -1);
    px_thrift_put_empty_struct(&writer, 9);
    px_thrift_end_struct(&writer);
    px_thrift_begin_list(&writer, 8, PX_THRIFT_I64, 20);
    for (int64_t i = 0; i < 20; i++)
        px_thrift_add_integer(&writer, i - 10);
    px_thrift_begin_list(&writer, 9, PX_THRIFT_BINARY, 2);
    px_thrift_add_binary(&writer, px_slice_of("\0\1", 2));
    px_thrift_add_binary(&writer, px_slice_of(NULL, 0));
    px_thrift_begin_list(&writer, 10, PX_THRIFT_TRUE, 3);
    px_thrift_add_bool(&writer, true);
    px_thrift_add_bool(&writer, false);
    px_thrift_add_bool(&writer, true);
    px_thrift_begin_list(&writer, 11, PX_THRIFT_STRUCT, 2);
    for (int16_t i = 1; i <= 2; i++) {
        px_thrift_add_struct(&writer);
        px_thrift_put_i16(&writer, i, i);
        px_thrift_end_struct(&writer);
    }
    px_thrift_put_i32(&writer, INT16_MAX, 7);
    px_thrift_end_struct(&writer);
    assert_int_equal(px_buffer_status(buffer, NULL), PROXIMADB_OK);
}

static void read_lists(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    struct px_thrift_list list;
    if (field.id == 8) {
        list = px_thrift_get_list(reader, field, PX_THRIFT_I64, 20);
        for (uint32_t i = 0; i < list.count; i++)
            assert_int_equal(px_thrift_read_integer(reader, -10, 9), (int64_t)i - 10);
    } else if (field.id == 9) {
        list = px_thrift_get_list(reader, field, PX_THRIFT_BINARY, 2);
        struct px_slice first = px_thrift_read_binary(reader);
        struct px_slice second = px_thrift_read_binary(reader);
        if (reader->fault == NULL) {
            assert_true(px_slice_equal(first, px_slice_of("\0\1", 2)));
            assert_int_equal(second.size_bytes, 0);
        }
    } else if (field.id == 10) {
        list = px_thrift_get_list(reader, field, PX_THRIFT_TRUE, 3);
        for (uint32_t i = 0; i < list.count && reader->fault == NULL; i++) {
            bool value = px_thrift_read_bool(reader);
            assert_true(reader->fault != NULL || value == (i != 1));
        }
    } else {
        list = px_thrift_get_list(reader, field, PX_THRIFT_STRUCT, 2);
        for (uint32_t i = 0; i < list.count; i++) {
            struct px_thrift_field inner = {0};
            while (px_thrift_next(reader, &inner))
                (void)px_thrift_get_integer(reader, inner, 1, 2);
        }
    }
}

/* Reads the sample, checks what it gives, and returns a bit for each field id that was seen. */
static unsigned read_sample(struct px_thrift_reader *reader)
{
    unsigned seen = 0;
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        if (field.id == 1)
            assert_true(px_thrift_get_bool(reader, field));
        else if (field.id == 2)
            assert_false(px_thrift_get_bool(reader, field));
        else if (field.id == 3)
            (void)px_thrift_get_integer(reader, field, INT16_MIN, INT16_MIN);
        else if (field.id == 4)
            (void)px_thrift_get_integer(reader, field, INT32_MAX, INT32_MAX);
        else if (field.id == 5)
            (void)px_thrift_get_integer(reader, field, INT64_MIN, INT64_MIN);
        else if (field.id == 6)
            (void)px_thrift_get_binary(reader, field);
        else if (field.id == 7)
            px_thrift_skip(reader, field);
        else if (field.id <= 11)
            read_lists(reader, field);
        else
            (void)px_thrift_get_integer(reader, field, 7, 7);
        seen |= 1u << (field.id < 31 ? field.id : 31);
    }
    return seen;
}

static void test_thrift__writes_the_bytes_of_the_protocol(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        0x11,                         /* id 1, true */
        0x22,                         /* id 3, false */
        0x15, 0x01,                   /* id 4, i32 -1 */
        0x06, 0xc8, 0x01, 0xac, 0x02, /* id 100, i64 150 */
        0x18, 0x02, 'h',  'i',        /* id 101, binary */
        0x1c, 0x14, 0x06, 0x00,       /* id 102, struct { id 1, i16 3 } */
        0x19, 0x25, 0x02, 0x03,       /* id 103, list of two i32: 1, -2 */
        0x00,
    };
    struct px_buffer buffer = {0};
    struct px_thrift_writer writer = px_thrift_writer_of(&buffer);
    px_thrift_put_bool(&writer, 1, true);
    px_thrift_put_bool(&writer, 3, false);
    px_thrift_put_i32(&writer, 4, -1);
    px_thrift_put_i64(&writer, 100, 150);
    px_thrift_put_string(&writer, 101, "hi");
    px_thrift_begin_struct(&writer, 102);
    px_thrift_put_i16(&writer, 1, 3);
    px_thrift_end_struct(&writer);
    px_thrift_begin_list(&writer, 103, PX_THRIFT_I32, 2);
    px_thrift_add_integer(&writer, 1);
    px_thrift_add_integer(&writer, -2);
    px_thrift_end_struct(&writer);
    assert_true(px_slice_equal(px_buffer_slice(&buffer), px_slice_of(expected, sizeof expected)));
    px_buffer_release(&buffer);
}

static void test_thrift__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    write_sample(&buffer);
    struct px_thrift_reader reader = px_thrift_reader_of(px_buffer_slice(&buffer));
    assert_int_equal(read_sample(&reader), 0x80000ffe);
    assert_int_equal(px_thrift_check(&reader, "the sample", NULL), PROXIMADB_OK);
    assert_ptr_equal(reader.at, reader.end);
    px_buffer_release(&buffer);
}

static void test_thrift__skips_what_it_does_not_know(void **state)
{
    (void)state;
    static const uint8_t others[] = {
        0x13, 0x7f,                                   /* i8 */
        0x17, 1,    2,    3, 4,   5,    6, 7,   8,    /* double */
        0x1b, 0x00,                                   /* an empty map */
        0x1b, 0x02, 0x81, 1, 'a', 0x01, 1, 'b', 0x02, /* a map of two strings to booleans */
        0x1a, 0x23, 1,    2,                          /* a set of two i8 */
        0x1d, 1,    2,    3, 4,   5,    6, 7,   8,    9, 10, 11, 12, 13, 14, 15, 16, /* uuid */
        0x00,
    };
    struct px_buffer buffer = {0};
    write_sample(&buffer);
    px_buffer_append(&buffer, others, sizeof others);
    struct px_thrift_reader reader = px_thrift_reader_of(px_buffer_slice(&buffer));
    for (int i = 0; i < 2; i++) {
        struct px_thrift_field field = {0};
        while (px_thrift_next(&reader, &field))
            px_thrift_skip(&reader, field);
    }
    assert_int_equal(px_thrift_check(&reader, "the sample", NULL), PROXIMADB_OK);
    assert_ptr_equal(reader.at, reader.end);
    px_buffer_release(&buffer);
}

static void test_thrift__finds_every_truncation(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    write_sample(&buffer);
    for (size_t size = 0; size < buffer.size_bytes; size++) {
        /* An allocation of its own, so that a sanitizer sees one byte too many. */
        uint8_t *prefix = malloc(size + 1);
        memcpy(prefix, buffer.data, size);
        prefix = realloc(prefix, size > 0 ? size : 1);
        struct px_thrift_reader reader = px_thrift_reader_of(px_slice_of(prefix, size));
        read_sample(&reader);
        assert_int_equal(px_thrift_check(&reader, "the sample", NULL), PROXIMADB_CORRUPT);
        struct px_thrift_field field = {.type = PX_THRIFT_STRUCT};
        reader = px_thrift_reader_of(px_slice_of(prefix, size));
        px_thrift_skip(&reader, field);
        assert_int_equal(px_thrift_check(&reader, "the sample", NULL), PROXIMADB_CORRUPT);
        free(prefix);
    }
    px_buffer_release(&buffer);
}

static const char *fault_of(const void *bytes, size_t size)
{
    struct px_thrift_reader reader = px_thrift_reader_of(px_slice_of(bytes, size));
    struct px_thrift_field field = {0};
    while (px_thrift_next(&reader, &field))
        px_thrift_skip(&reader, field);
    return reader.fault != NULL ? reader.fault : "";
}

static void test_thrift__names_each_fault(void **state)
{
    (void)state;
    assert_string_equal(fault_of("\x1e\x00", 2), "a field has an unknown type or an impossible id");
    assert_string_equal(fault_of("\x05\x80\x80\x04\x00", 5),
                        "a field has an unknown type or an impossible id");
    assert_string_equal(fault_of("\x10", 1), "a field has an unknown type or an impossible id");
    assert_string_equal(fault_of("\x15\x80", 2), "an integer does not end");
    assert_string_equal(fault_of("\x18\x05pad\x00", 6), "it ends too early");
    assert_string_equal(fault_of("\x19\xf5\xff\xff\xff\x7f\x00", 7),
                        "a list is longer than what holds it");
    assert_string_equal(fault_of("\x1b\xff\xff\xff\x7f\x55\x00", 7),
                        "a map is longer than what holds it");
    assert_string_equal(fault_of("\x19\x1f\x00\x00", 4), "an element has an unknown type");
}

static void test_thrift__skips_to_a_depth_only(void **state)
{
    (void)state;
    static uint8_t structs[200000], lists[200000];
    memset(structs, 0x1c, sizeof structs);
    memset(lists, 0x19, sizeof lists); /* a list of one list of one list ... */
    assert_string_equal(fault_of(structs, sizeof structs), "it is nested too deep");
    assert_string_equal(fault_of(lists, sizeof lists), "it is nested too deep");
}

static void test_thrift__refuses_other_types_and_ranges(void **state)
{
    (void)state;
    struct px_thrift_field binary = {.id = 1, .type = PX_THRIFT_BINARY};
    struct px_thrift_field integer = {.id = 1, .type = PX_THRIFT_I32};
    struct px_slice bytes = px_slice_of("\x02\x02\x02\x02", 4);
    struct px_thrift_reader reader = px_thrift_reader_of(bytes);
    assert_int_equal(px_thrift_get_integer(&reader, integer, 2, 9), 0);
    assert_string_equal(reader.fault, "an integer is out of range");
    reader = px_thrift_reader_of(bytes);
    assert_int_equal(px_thrift_get_integer(&reader, binary, 0, 9), 0);
    assert_non_null(reader.fault);
    reader = px_thrift_reader_of(bytes);
    assert_int_equal(px_thrift_get_binary(&reader, integer).size_bytes, 0);
    assert_non_null(reader.fault);
    reader = px_thrift_reader_of(bytes);
    assert_false(px_thrift_get_bool(&reader, integer));
    assert_non_null(reader.fault);
    reader = px_thrift_reader_of(bytes);
    px_thrift_get_struct(&reader, integer);
    assert_non_null(reader.fault);
}

static void test_thrift__bounds_lists(void **state)
{
    (void)state;
    struct px_thrift_field list = {.id = 1, .type = PX_THRIFT_LIST};
    struct px_slice three = px_slice_of("\x35\x02\x02\x02", 4);
    struct px_thrift_reader reader = px_thrift_reader_of(three);
    assert_int_equal(px_thrift_get_list(&reader, list, PX_THRIFT_I32, 3).count, 3);
    reader = px_thrift_reader_of(three);
    assert_int_equal(px_thrift_get_list(&reader, list, PX_THRIFT_I32, 2).count, 0);
    assert_string_equal(reader.fault, "a list is longer than the format allows");
    reader = px_thrift_reader_of(three);
    assert_int_equal(px_thrift_get_list(&reader, list, PX_THRIFT_BINARY, 3).count, 0);
    assert_non_null(reader.fault);
}

static void test_thrift__says_what_and_where(void **state)
{
    (void)state;
    struct proximadb_error error;
    struct px_thrift_reader reader = px_thrift_reader_of(px_slice_of("\x15\x02\x1e", 3));
    struct px_thrift_field field = {0};
    while (px_thrift_next(&reader, &field))
        px_thrift_skip(&reader, field);
    px_thrift_fail(&reader, "a later fault");
    assert_int_equal(px_thrift_check(&reader, "the footer", &error), PROXIMADB_CORRUPT);
    assert_string_equal(error.message, "the footer is damaged: a field has an unknown type or an "
                                       "impossible id (byte 3 of it)");
}

static void test_thrift__survives_random_bytes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("thrift");
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        size_t size = px_test_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)px_test_next(&random);
        (void)fault_of(bytes, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thrift__writes_the_bytes_of_the_protocol),
        cmocka_unit_test(test_thrift__reads_what_it_writes),
        cmocka_unit_test(test_thrift__skips_what_it_does_not_know),
        cmocka_unit_test(test_thrift__finds_every_truncation),
        cmocka_unit_test(test_thrift__names_each_fault),
        cmocka_unit_test(test_thrift__skips_to_a_depth_only),
        cmocka_unit_test(test_thrift__refuses_other_types_and_ranges),
        cmocka_unit_test(test_thrift__bounds_lists),
        cmocka_unit_test(test_thrift__says_what_and_where),
        cmocka_unit_test(test_thrift__survives_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
