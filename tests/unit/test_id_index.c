/*
 * Goal: the index always says exactly where each hash was put, through growth, moves and removals.
 * Method: random operations against a plain array, with hashes that collide often.
 */
#include "service/id_index.h"

#include "support/px_test.h"

enum { MODEL_ENTRIES = 5000, OPERATIONS = 60000 };

static struct px_id_entry model[MODEL_ENTRIES];
static size_t model_count;

static bool has(const struct px_id_index *index, const struct px_id_entry *entry)
{
    struct px_id_walk walk = {0};
    struct px_location location;
    bool found = false;
    while (px_id_index_next(index, entry->hash, &walk, &location)) {
        bool same =
            location.source == entry->location.source && location.row == entry->location.row;
        assert_false(same && found); /* each entry once */
        found |= same;
    }
    assert_false(px_id_index_next(index, entry->hash, &walk, &location));
    return found;
}

static void check_all(const struct px_id_index *index)
{
    assert_int_equal(index->count, model_count);
    for (size_t i = 0; i < model_count; i++)
        assert_true(has(index, &model[i]));
}

/* Few segments, few homes, and now and then the same hash. */
static uint64_t colliding_hash(struct px_test_random *random)
{
    uint64_t hash = px_test_below(random, 3) << 56 | px_test_below(random, 4) << 40;
    return hash | px_test_below(random, 1000);
}

static void put(struct px_id_index *index, struct px_test_random *random, uint32_t row)
{
    struct px_id_entry entry = {.hash = colliding_hash(random),
                                .location = {.source = 1 + row % 3, .row = row}};
    assert_int_equal(px_id_index_reserve(index, entry.hash, NULL), PROXIMADB_OK);
    px_id_index_put(index, entry.hash, entry.location);
    model[model_count++] = entry;
}

static void test_id_index__equals_a_model(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("id_index");
    struct px_id_index index = {0};
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        size_t chosen = model_count > 0 ? px_test_below(&random, model_count) : 0;
        uint64_t kind = px_test_below(&random, 10);
        if (model_count == 0 || (kind < 5 && model_count < MODEL_ENTRIES)) {
            put(&index, &random, i);
        } else if (kind < 7) {
            struct px_location to = {.source = 9, .row = i};
            assert_true(px_id_index_move(&index, model[chosen].hash, model[chosen].location, to));
            assert_false(px_id_index_move(&index, model[chosen].hash, model[chosen].location, to));
            model[chosen].location = to;
        } else {
            assert_true(px_id_index_remove(&index, model[chosen].hash, model[chosen].location));
            assert_false(px_id_index_remove(&index, model[chosen].hash, model[chosen].location));
            model[chosen] = model[--model_count];
        }
        if (i % 2000 == 0)
            check_all(&index);
    }
    check_all(&index);
    px_id_index_release(&index);
}

static void test_id_index__reservations_are_kept_until_used(void **state)
{
    (void)state;
    struct px_id_index index = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(px_id_index_reserve(&index, 7, NULL), PROXIMADB_OK);
    uint64_t size_bytes = px_id_index_size_bytes(&index);
    for (uint32_t i = 0; i < 600; i++)
        px_id_index_put(&index, 7 + ((uint64_t)i << 20), (struct px_location){1, i});
    for (int i = 0; i < 400; i++)
        px_id_index_unreserve(&index, 7);
    assert_int_equal(px_id_index_size_bytes(&index), size_bytes); /* it did not grow meanwhile */
    assert_int_equal(index.segments[0].reserved, 0);
    assert_int_equal(index.count, 600);
    px_id_index_release(&index);
}

static void test_id_index__an_empty_one_finds_nothing(void **state)
{
    (void)state;
    struct px_id_index index = {0};
    struct px_id_walk walk = {0};
    struct px_location location;
    assert_false(px_id_index_next(&index, 12345, &walk, &location));
    assert_false(px_id_index_remove(&index, 12345, (struct px_location){1, 1}));
    px_id_index_release(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_index__equals_a_model),
        cmocka_unit_test(test_id_index__reservations_are_kept_until_used),
        cmocka_unit_test(test_id_index__an_empty_one_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
