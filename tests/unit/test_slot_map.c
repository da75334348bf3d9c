/*
 * Goal: a slot map gives for each row what was put last, and nothing for any other row, however it
 * grows.
 * Method: rows at the ends of chunks, of maps that begin small and large, against a plain array.
 */
#include "service/slot_map.h"

#include "support/px_test.h"

#include <stdlib.h>

enum { ROWS = 5000 };

static void put(struct px_slot_map *map, uint32_t row, uint32_t slot)
{
    assert_int_equal(px_slot_map_reserve(map, row, NULL), PROXIMADB_OK);
    px_slot_map_put(map, row, slot);
}

static void check_against_array(uint32_t first_rows)
{
    static uint32_t expected[ROWS];
    struct px_slot_map map;
    struct px_test_random random = px_test_random_new("slot_map");
    px_slot_map_init(&map, first_rows);
    for (uint32_t row = 0; row < ROWS; row++)
        expected[row] = PX_NO_SLOT;
    for (int i = 0; i < 2 * ROWS; i++) {
        uint32_t row = (uint32_t)px_test_below(&random, ROWS);
        expected[row] = (uint32_t)px_test_below(&random, 1000000);
        put(&map, row, expected[row]);
    }
    for (uint32_t row = 0; row < ROWS; row++)
        assert_int_equal(px_slot_map_get(&map, row), expected[row]);
    px_slot_map_clear(&map);
    for (uint32_t row = 0; row < ROWS; row++)
        assert_int_equal(px_slot_map_get(&map, row), PX_NO_SLOT);
    px_slot_map_release(&map);
}

static void test_slot_map__gives_what_was_put(void **state)
{
    (void)state;
    static const uint32_t first_rows[] = {1, 2, 7, 1024, ROWS - 1, ROWS};
    for (size_t i = 0; i < sizeof first_rows / sizeof first_rows[0]; i++)
        check_against_array(first_rows[i]);
}

static void test_slot_map__takes_memory_where_something_was_put(void **state)
{
    (void)state;
    struct px_slot_map map;
    px_slot_map_init(&map, 100);
    assert_int_equal(px_slot_map_size_bytes(&map), 0);
    assert_int_equal(px_slot_map_get(&map, 12345), PX_NO_SLOT);
    put(&map, 99, 5);
    assert_int_equal(px_slot_map_size_bytes(&map), 400);
    put(&map, 100, 6);
    assert_int_equal(px_slot_map_size_bytes(&map), 1200);
    put(&map, 700, 7); /* chunk 3: rows 700 to 1499; chunk 2 is not needed */
    assert_int_equal(px_slot_map_size_bytes(&map), 1200 + 3200);
    assert_int_equal(px_slot_map_get(&map, 299), PX_NO_SLOT);
    assert_int_equal(px_slot_map_get(&map, 300), PX_NO_SLOT);
    assert_int_equal(px_slot_map_get(&map, 700), 7);
    px_slot_map_release(&map);
}

static void test_slot_map__has_room_for_the_last_row(void **state)
{
    (void)state;
    struct px_slot_map map;
    px_slot_map_init(&map, 1024);
    assert_int_equal(px_slot_map_get(&map, UINT32_MAX - 1), PX_NO_SLOT);
    px_slot_map_init(&map, UINT32_C(1) << 31);
    assert_int_equal(px_slot_map_get(&map, UINT32_MAX - 1), PX_NO_SLOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slot_map__gives_what_was_put),
        cmocka_unit_test(test_slot_map__takes_memory_where_something_was_put),
        cmocka_unit_test(test_slot_map__has_room_for_the_last_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
