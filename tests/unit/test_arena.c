/*
 * Goal: pieces of an arena are aligned, do not overlap, do not move, and stop at the ceiling.
 * Method: fill thousands of pieces of random size with their number, then look at all of them.
 */
#include "base/arena.h"

#include "support/px_test.h"

enum { PIECE_COUNT = 3000 };

static void test_arena__pieces_are_aligned_and_separate(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("arena");
    struct px_arena arena = {0};
    static uint8_t *pieces[PIECE_COUNT];
    static size_t sizes[PIECE_COUNT];
    for (size_t i = 0; i < PIECE_COUNT; i++) {
        size_t align = (size_t)1 << px_test_below(&random, 7);
        sizes[i] = px_test_below(&random, i % 100 == 0 ? 100000 : 300);
        pieces[i] = px_arena_alloc_aligned(&arena, sizes[i], align);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % align, 0);
        memset(pieces[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < PIECE_COUNT; i++)
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(pieces[i][at], i % 251);
    px_arena_release(&arena);
    assert_int_equal(arena.held_bytes, 0);
}

static void test_arena__stops_at_its_ceiling(void **state)
{
    (void)state;
    struct px_arena arena;
    px_arena_init(&arena, 1000);
    assert_non_null(px_arena_alloc(&arena, 600));
    assert_null(px_arena_alloc(&arena, 401));
    assert_non_null(px_arena_alloc(&arena, 400));
    assert_null(px_arena_alloc(&arena, 1));
    assert_null(px_arena_alloc(&arena, SIZE_MAX));
    assert_null(px_arena_calloc(&arena, SIZE_MAX / 2, 3));
    px_arena_release(&arena);
    assert_non_null(px_arena_alloc(&arena, 1000));
    px_arena_release(&arena);
}

static void test_arena__copies_with_a_nul(void **state)
{
    (void)state;
    struct px_arena arena = {0};
    assert_string_equal(px_arena_copy(&arena, "abcdef", 3), "abc");
    assert_string_equal(px_arena_copy(&arena, NULL, 0), "");
    px_arena_release(&arena);
}

static void test_arena__goes_back_to_a_mark(void **state)
{
    (void)state;
    struct px_arena arena = {0};
    struct px_arena_mark empty = px_arena_mark(&arena);
    char *kept = px_arena_copy(&arena, "kept", 4);
    struct px_arena_mark mark = px_arena_mark(&arena);
    size_t held_bytes = arena.held_bytes;
    char *next = px_arena_alloc(&arena, 8);
    for (int round = 0; round < 3; round++) {
        px_arena_rewind(&arena, mark);
        assert_ptr_equal(px_arena_alloc(&arena, 8), next); /* the same place is given out again */
        assert_non_null(px_arena_alloc(&arena, 100000));
    }
    px_arena_rewind(&arena, mark);
    assert_int_equal(arena.held_bytes, held_bytes);
    assert_int_equal(arena.used_bytes, 5);
    assert_string_equal(kept, "kept");
    px_arena_rewind(&arena, empty);
    assert_int_equal(arena.held_bytes, 0);
    px_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena__pieces_are_aligned_and_separate),
        cmocka_unit_test(test_arena__stops_at_its_ceiling),
        cmocka_unit_test(test_arena__copies_with_a_nul),
        cmocka_unit_test(test_arena__goes_back_to_a_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
