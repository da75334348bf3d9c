/*
 * Goal: an id is found again exactly where it was put before, also when hashes collide.
 * Method: random ids against a quadratic search; hashes that are all equal, or equal in one half.
 */
#include "payload/id_set.h"

#include "base/hash.h"
#include "support/px_test.h"

enum { ROWS = 600 };

struct row {
    char text[8];
    struct px_slice id;
    uint64_t other;
};

static uint32_t first_equal(const struct row *rows, uint32_t row)
{
    for (uint32_t i = 0; i < row; i++)
        if (px_slice_equal(rows[i].id, rows[row].id))
            return i;
    return row;
}

static void fill(struct row *rows, struct px_test_random *random)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(rows[i].text, sizeof rows[i].text, "%u", (unsigned)px_test_below(random, 400));
        rows[i].id = px_slice_of_string(rows[i].text);
    }
}

/* A row that is equal to an earlier one is not put, so the first one stays the answer. */
static void check_all(uint64_t keep_bits)
{
    static struct row rows[ROWS];
    struct px_test_random random = px_test_random_new("id_set");
    struct px_arena arena = {0};
    struct px_id_set set;
    fill(rows, &random);
    assert_true(px_id_set_init(&set, &arena, ROWS, &rows[0].id, sizeof rows[0]));
    uint32_t found = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t expected = first_equal(rows, i);
        assert_int_equal(px_id_set_put(&set, px_hash_memory(rows[i].id) & keep_bits, i), expected);
        found += expected != i;
    }
    assert_true(found > 0);
    px_arena_release(&arena);
}

static void test_id_set__finds_equal_ids(void **state)
{
    (void)state;
    check_all(UINT64_MAX);
}

static void test_id_set__tells_apart_colliding_ids(void **state)
{
    (void)state;
    check_all(0);
    check_all(0xffffffff);
    check_all(UINT64_C(0xffffffff00000000));
}

static void test_id_set__fails_without_memory(void **state)
{
    (void)state;
    struct px_arena arena;
    struct px_id_set set;
    struct px_slice id;
    px_arena_init(&arena, 100);
    assert_false(px_id_set_init(&set, &arena, 1000, &id, sizeof id));
    px_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_set__finds_equal_ids),
        cmocka_unit_test(test_id_set__tells_apart_colliding_ids),
        cmocka_unit_test(test_id_set__fails_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
