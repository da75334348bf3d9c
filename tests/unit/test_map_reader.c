/*
 * Goal: metadata comes out canonical and fitted, in place where it can be, and outlives the next map.
 * Method: one map of each kind; two that both need rewriting, one after the other.
 */
#include "payload/map_reader.h"

#include "avro/encode.h"
#include "model/metadata.h"
#include "support/payload_test.h"

struct fixture {
    struct px_collection collection;
    struct px_arena arena;
    struct px_map_reader reader;
};

static void set_up(struct fixture *fixture)
{
    fixture->collection = payload_test_collection(4, PROXIMADB_COSINE);
    px_arena_init(&fixture->arena, 0);
    px_map_reader_init(&fixture->reader, &fixture->collection, &fixture->arena);
}

static void tear_down(struct fixture *fixture)
{
    px_map_reader_release(&fixture->reader);
    px_arena_release(&fixture->arena);
}

/* {key: value} and what follows it. */
static void put_long_map(struct px_buffer *buffer, const char *key, int64_t value)
{
    px_encode_block(buffer, 1);
    px_encode_string(buffer, payload_test_slice(key));
    px_encode_branch(buffer, PROXIMADB_VALUE_LONG);
    px_encode_long(buffer, value);
    px_encode_block_end(buffer, 1);
    px_buffer_append_byte(buffer, 0x7e);
}

static void test_map_reader__leaves_canonical_maps_in_place(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_buffer buffer = {0};
    struct px_slice metadata;
    set_up(&fixture);
    put_long_map(&buffer, "n", 7);
    struct px_cursor cursor = px_cursor_of(px_buffer_slice(&buffer));
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata, NULL), PROXIMADB_OK);
    assert_ptr_equal(metadata.data, buffer.data);
    assert_int_equal(metadata.size_bytes, buffer.size_bytes - 1);
    assert_int_equal(px_cursor_left(&cursor), 1);
    assert_int_equal(fixture.arena.used_bytes, 0);
    px_buffer_release(&buffer);
    tear_down(&fixture);
}

static void check_number(struct px_slice metadata, const char *key, double expected)
{
    struct px_value value;
    assert_true(px_metadata_find(metadata, payload_test_slice(key), &value));
    assert_int_equal(value.kind, PROXIMADB_VALUE_DOUBLE);
    assert_true(value.as.number == expected);
}

static void test_map_reader__keeps_rewritten_maps(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_buffer buffer = {0};
    struct px_slice metadata[2];
    set_up(&fixture);
    put_long_map(&buffer, "price", 3); /* a long, where the field is a double */
    struct px_cursor cursor = px_cursor_of(px_buffer_slice(&buffer));
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata[0], NULL),
                     PROXIMADB_OK);

    static const uint8_t two_blocks[] = {2,   2,   'a', 0, 2,    0x0a, 'p', 'r',
                                         'i', 'c', 'e', 4, 0x10, 0}; /* {a: null}, {price: 8} */
    cursor = px_cursor_of(px_slice_of(two_blocks, sizeof two_blocks));
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata[1], NULL),
                     PROXIMADB_OK);
    assert_int_equal(px_cursor_left(&cursor), 0);
    check_number(metadata[0], "price", 3.0);
    check_number(metadata[1], "price", 8.0);
    cursor = px_cursor_of(px_metadata_empty); /* and nothing of them is left behind */
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata[0], NULL),
                     PROXIMADB_OK);
    assert_ptr_equal(metadata[0].data, px_metadata_empty.data);
    px_buffer_release(&buffer);
    tear_down(&fixture);
}

static void test_map_reader__fits_nothing_without_a_collection(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_buffer buffer = {0};
    struct px_slice metadata;
    set_up(&fixture);
    fixture.reader.collection = NULL;
    put_long_map(&buffer, "category", 3); /* no string */
    struct px_cursor cursor = px_cursor_of(px_buffer_slice(&buffer));
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata, NULL), PROXIMADB_OK);
    px_buffer_release(&buffer);
    tear_down(&fixture);
}

static void test_map_reader__refuses_bad_maps_as_invalid(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_buffer buffer = {0};
    struct px_slice metadata;
    struct proximadb_error error;
    set_up(&fixture);
    put_long_map(&buffer, "category", 3);
    struct px_cursor cursor = px_cursor_of(px_buffer_slice(&buffer));
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata, &error),
                     PROXIMADB_INVALID);
    payload_test_says(&error, "category");
    cursor = px_cursor_of(px_slice_of("\x02\x02", 2)); /* ends within the key */
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata, &error),
                     PROXIMADB_INVALID);
    assert_int_equal(error.status, PROXIMADB_INVALID);
    assert_int_equal(px_cursor_left(&cursor), 2);
    px_buffer_release(&buffer);
    tear_down(&fixture);
}

static void test_map_reader__fails_without_memory(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_buffer buffer = {0};
    struct px_slice metadata;
    set_up(&fixture);
    fixture.arena.limit_bytes = 4;
    put_long_map(&buffer, "price", 3);
    struct px_cursor cursor = px_cursor_of(px_buffer_slice(&buffer));
    assert_int_equal(px_map_reader_read(&fixture.reader, &cursor, &metadata, NULL),
                     PROXIMADB_NO_MEMORY);
    px_buffer_release(&buffer);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_reader__leaves_canonical_maps_in_place),
        cmocka_unit_test(test_map_reader__keeps_rewritten_maps),
        cmocka_unit_test(test_map_reader__fits_nothing_without_a_collection),
        cmocka_unit_test(test_map_reader__refuses_bad_maps_as_invalid),
        cmocka_unit_test(test_map_reader__fails_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
