/*
 * Goal: an operation says of each of its rows the id and its hash, whatever kind it is, and lets go of the
 * rows that were found for it.
 * Method: one of each kind, made by hand.
 */
#include "service/write_op.h"

#include "support/px_test.h"

static struct px_batch_row batch_rows[] = {
    {.record = {.id = {(const uint8_t *)"a", 1}}, .id_hash = 11},
    {.record = {.id = {(const uint8_t *)"b", 1}}, .id_hash = 12},
};
static struct px_update_row update_rows[] = {
    {.id = {(const uint8_t *)"c", 1}, .id_hash = 13},
};
static struct px_id ids[] = {
    {.text = {(const uint8_t *)"d", 1}, .hash = 14},
    {.text = {(const uint8_t *)"e", 1}, .hash = 15},
    {.text = {(const uint8_t *)"f", 1}, .hash = 16},
};

static void check(const struct px_write_op *op, const char *expected, uint64_t first_hash,
                  bool has_rows)
{
    uint32_t count = (uint32_t)strlen(expected);
    assert_int_equal(px_write_op_row_count(op), count);
    assert_int_equal(px_write_op_has_rows(op), has_rows);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(px_write_op_hash(op, i), first_hash + i);
        assert_int_equal(px_write_op_id(op, i).size_bytes, 1);
        assert_int_equal(px_write_op_id(op, i).data[0], expected[i]);
    }
}

static void test_write_op__knows_its_rows(void **state)
{
    (void)state;
    struct px_write_op op = {.kind = PX_WRITE_INSERT,
                             .as.batch = {.row_count = 2, .rows = batch_rows}};
    check(&op, "ab", 11, true);
    op.kind = PX_WRITE_UPSERT;
    check(&op, "ab", 11, true);
    op = (struct px_write_op){.kind = PX_WRITE_UPDATE,
                              .as.update = {.row_count = 1, .rows = update_rows}};
    check(&op, "c", 13, true);
    op = (struct px_write_op){.kind = PX_WRITE_DELETE, .as.ids = {.items = ids, .count = 3}};
    check(&op, "def", 14, false);
    op.kind = PX_WRITE_EXPIRE;
    check(&op, "def", 14, false);
    op.kind = PX_WRITE_FREEZE;
    check(&op, "", 0, false);
    op.kind = PX_WRITE_ALTER;
    check(&op, "", 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_op__knows_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
