/*
 * Goal: the cursor reads what Avro allows, never behind the end, and its first fault sticks.
 * Method: values of each type with every truncation, and one hand-made fault for each rule.
 */
#include "avro/cursor.h"

#include "avro/encode.h"

#include "support/px_test.h"

static struct px_cursor cursor_of(const char *bytes, size_t size_bytes)
{
    return px_cursor_of(px_slice_of(bytes, size_bytes));
}

static void check_fault(const struct px_cursor *cursor, const char *fault)
{
    struct proximadb_error error;
    assert_int_equal(px_cursor_check(cursor, PROXIMADB_CORRUPT, "thing", &error),
                     PROXIMADB_CORRUPT);
    if (strstr(error.message, fault) == NULL)
        fail_msg("'%s' does not say '%s'", error.message, fault);
    assert_int_equal(px_cursor_left(cursor), 0);
}

/* One value of each type; the encoder's own test is that these read back. */
static void write_all(struct px_buffer *buffer)
{
    static const float floats[] = {1.5f, -2.0f};
    px_encode_long(buffer, INT64_MIN);
    px_encode_int(buffer, INT32_MIN);
    px_encode_boolean(buffer, true);
    px_encode_float(buffer, 0.25f);
    px_encode_double(buffer, -1e300);
    px_encode_string(buffer, px_slice_of_string("text"));
    px_encode_fixed(buffer, "0123456789abcdef", 16);
    px_encode_branch(buffer, 2);
    px_encode_floats(buffer, floats, 2);
    px_encode_optional_long(buffer, true, -7);
    px_encode_optional_string(buffer, false, px_slice_of_string("not written"));
}

static void read_all(struct px_cursor *cursor)
{
    size_t count;
    (void)px_cursor_long(cursor);
    (void)px_cursor_int(cursor);
    (void)px_cursor_boolean(cursor);
    (void)px_cursor_float(cursor);
    (void)px_cursor_double(cursor);
    (void)px_cursor_string(cursor);
    (void)px_cursor_fixed(cursor, 16);
    (void)px_cursor_branch(cursor, 3);
    (void)px_cursor_floats(cursor, &count);
    if (px_cursor_branch(cursor, 2) == 1)
        (void)px_cursor_long(cursor);
    (void)px_cursor_branch(cursor, 2);
}

static void test_cursor__reads_each_type(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    write_all(&buffer);
    struct px_cursor cursor = px_cursor_of(px_buffer_slice(&buffer));
    size_t count;
    assert_true(px_cursor_long(&cursor) == INT64_MIN);
    assert_true(px_cursor_int(&cursor) == INT32_MIN);
    assert_true(px_cursor_boolean(&cursor));
    assert_true(px_cursor_float(&cursor) == 0.25f);
    assert_true(px_cursor_double(&cursor) == -1e300);
    assert_true(px_slice_equal(px_cursor_string(&cursor), px_slice_of_string("text")));
    assert_memory_equal(px_cursor_fixed(&cursor, 16), "0123456789abcdef", 16);
    assert_int_equal(px_cursor_branch(&cursor, 3), 2);
    const uint8_t *floats = px_cursor_floats(&cursor, &count);
    assert_int_equal(count, 2);
    assert_true(px_load_f32(floats) == 1.5f && px_load_f32(floats + 4) == -2.0f);
    assert_int_equal(px_cursor_branch(&cursor, 2), 1);
    assert_int_equal(px_cursor_long(&cursor), -7);
    assert_int_equal(px_cursor_branch(&cursor, 2), 0);
    assert_int_equal(px_cursor_finish(&cursor, PROXIMADB_INVALID, "thing", NULL), PROXIMADB_OK);
    px_buffer_release(&buffer);
}

static void test_cursor__faults_at_every_truncation(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    write_all(&buffer);
    for (size_t size = 0; size < buffer.size_bytes; size++) {
        uint8_t *cut = malloc(size + 1); /* of exactly that size, so that a sanitizer sees more */
        assert_non_null(cut);
        cut = realloc(cut, size > 0 ? size : 1);
        assert_non_null(cut);
        memcpy(cut, buffer.data, size);
        struct px_cursor cursor = px_cursor_of(px_slice_of(cut, size));
        read_all(&cursor);
        assert_int_equal(px_cursor_check(&cursor, PROXIMADB_CORRUPT, "thing", NULL),
                         PROXIMADB_CORRUPT);
        free(cut);
    }
    px_buffer_release(&buffer);
}

static void test_cursor__keeps_its_first_fault(void **state)
{
    (void)state;
    struct px_cursor cursor = cursor_of("\x02\x05\x02\x00\x00", 5);
    assert_int_equal(px_cursor_long(&cursor), 1);
    (void)px_cursor_boolean(&cursor);
    assert_int_equal(px_cursor_long(&cursor), 0);
    assert_int_equal(px_cursor_string(&cursor).size_bytes, 0);
    assert_null(px_cursor_fixed(&cursor, 1));
    check_fault(&cursor, "not a valid thing: a boolean is neither 0 nor 1, at byte 2");
}

static void test_cursor__refuses_values_out_of_range(void **state)
{
    (void)state;
    struct px_cursor cursor = cursor_of("\x80\x80\x80\x80\x10", 5);
    (void)px_cursor_int(&cursor);
    check_fault(&cursor, "32 bits");
    cursor = cursor_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    (void)px_cursor_long(&cursor);
    check_fault(&cursor, "64 bits");
    cursor = cursor_of("\x02", 1);
    (void)px_cursor_boolean(&cursor);
    check_fault(&cursor, "neither 0 nor 1");
    cursor = cursor_of("\x06", 1);
    (void)px_cursor_branch(&cursor, 3);
    check_fault(&cursor, "branch");
    cursor = cursor_of("\x01", 1);
    (void)px_cursor_branch(&cursor, 3);
    check_fault(&cursor, "branch");
    cursor = cursor_of("\x06oo", 3);
    (void)px_cursor_string(&cursor);
    check_fault(&cursor, "string");
    cursor = cursor_of("\x01o", 2);
    (void)px_cursor_string(&cursor);
    check_fault(&cursor, "string");
    cursor = cursor_of("\x02\x02", 2);
    (void)px_cursor_long(&cursor);
    assert_int_equal(px_cursor_finish(&cursor, PROXIMADB_INVALID, "thing", NULL),
                     PROXIMADB_INVALID);
    check_fault(&cursor, "bytes follow");
}

/* Reads an array of boolean. */
static int64_t read_booleans(struct px_cursor *cursor)
{
    struct px_cursor_block block = px_cursor_array_begin(cursor, 1);
    for (int64_t i = 0; i < block.count; i++)
        (void)px_cursor_boolean(cursor);
    px_cursor_array_end(cursor, &block);
    return block.count;
}

static void test_cursor__reads_arrays_in_one_block(void **state)
{
    (void)state;
    struct px_cursor cursor = cursor_of("\x00", 1);
    assert_int_equal(read_booleans(&cursor), 0);
    assert_int_equal(px_cursor_finish(&cursor, PROXIMADB_INVALID, "", NULL), PROXIMADB_OK);
    cursor = cursor_of("\x04\x01\x00\x00", 4);
    assert_int_equal(read_booleans(&cursor), 2);
    assert_int_equal(px_cursor_finish(&cursor, PROXIMADB_INVALID, "", NULL), PROXIMADB_OK);
    cursor = cursor_of("\x03\x04\x01\x00\x00", 5); /* count -2, 2 bytes */
    assert_int_equal(read_booleans(&cursor), 2);
    assert_int_equal(px_cursor_finish(&cursor, PROXIMADB_INVALID, "", NULL), PROXIMADB_OK);
}

static void test_cursor__refuses_what_is_no_single_block(void **state)
{
    (void)state;
    struct px_cursor cursor = cursor_of("\x02\x01\x02\x01\x00", 5);
    (void)read_booleans(&cursor);
    check_fault(&cursor, "one block");
    cursor = cursor_of("\x03\x02\x01\x00\x00", 5); /* count -2, but 1 byte */
    (void)read_booleans(&cursor);
    check_fault(&cursor, "size of a block");
    cursor = cursor_of("\x03\x40\x01\x00\x00", 5);
    (void)read_booleans(&cursor);
    check_fault(&cursor, "longer than what is left");
    cursor = cursor_of("\x03\x01\x01\x00\x00", 5); /* a size of -1 */
    (void)read_booleans(&cursor);
    check_fault(&cursor, "longer than what is left");
    cursor = cursor_of("\x08\x01\x00\x00", 4);
    (void)read_booleans(&cursor);
    check_fault(&cursor, "more items");
    cursor = cursor_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", 11); /* INT64_MIN */
    (void)read_booleans(&cursor);
    check_fault(&cursor, "more items");
}

static void test_cursor__bounds_counts_by_the_size_of_items(void **state)
{
    (void)state;
    size_t count;
    struct px_cursor cursor = cursor_of("\x04\0\0\0\0\0\0\0", 8);
    (void)px_cursor_floats(&cursor, &count);
    assert_int_equal(count, 0);
    check_fault(&cursor, "more items");
}

static void test_cursor__walks_items_of_several_blocks(void **state)
{
    (void)state;
    struct px_cursor cursor = cursor_of("\x04\x02\x04\x01\x02\x06\x00", 7);
    struct px_cursor_items items = {0};
    int64_t sum = 0;
    while (px_cursor_next_item(&cursor, &items))
        sum = 10 * sum + px_cursor_long(&cursor);
    assert_int_equal(sum, 123);
    assert_int_equal(px_cursor_finish(&cursor, PROXIMADB_INVALID, "", NULL), PROXIMADB_OK);

    cursor = cursor_of("\x01\x04\x02\x00", 4); /* one item of 1 byte that is said to have 2 */
    items = (struct px_cursor_items){0};
    while (px_cursor_next_item(&cursor, &items))
        (void)px_cursor_long(&cursor);
    check_fault(&cursor, "size of a block");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cursor__reads_each_type),
        cmocka_unit_test(test_cursor__faults_at_every_truncation),
        cmocka_unit_test(test_cursor__keeps_its_first_fault),
        cmocka_unit_test(test_cursor__refuses_values_out_of_range),
        cmocka_unit_test(test_cursor__reads_arrays_in_one_block),
        cmocka_unit_test(test_cursor__refuses_what_is_no_single_block),
        cmocka_unit_test(test_cursor__bounds_counts_by_the_size_of_items),
        cmocka_unit_test(test_cursor__walks_items_of_several_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
