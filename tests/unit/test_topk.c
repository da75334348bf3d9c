/*
 * Goal: the collector gives the k first rows by (distance, id), whatever it was told about them and
 * in whatever order, and asks about rows no more than it has to.
 * Method: one-dimensional vectors under l2, whose distance from the origin is their value; a sorted
 * copy is the oracle. Intervals are drawn around the distance, from exact to infinite. Callbacks
 * count.
 */
#include "axis/topk.h"

#include "support/px_test.h"

enum { MOST_ROWS = 100000, ID_BYTES = 8 };

static struct {
    size_t row_count;
    float values[MOST_ROWS];
    char ids[MOST_ROWS][ID_BYTES + 1]; /* random, so that their order is not that of rows */
    bool refused[MOST_ROWS];
    uint8_t accept_calls[MOST_ROWS];
    size_t accept_count, id_count, vector_count;
    uint32_t unreadable; /* a row whose vector() gives NULL, or UINT32_MAX */
} data;

static bool accept_row(void *context, uint32_t source_index, uint32_t row_index)
{
    assert_ptr_equal(context, &data);
    assert_int_equal(source_index, row_index % 3);
    data.accept_count++;
    data.accept_calls[row_index]++;
    return !data.refused[row_index];
}

static struct px_slice row_id(void *context, uint32_t source_index, uint32_t row_index)
{
    (void)context;
    (void)source_index;
    data.id_count++;
    return px_slice_of(data.ids[row_index], ID_BYTES);
}

static const void *row_vector(void *context, uint32_t source_index, uint32_t row_index)
{
    (void)context;
    (void)source_index;
    data.vector_count++;
    return row_index == data.unreadable ? NULL : &data.values[row_index];
}

static const struct px_row_visitor visitor = {
    .context = &data, .accept = accept_row, .id = row_id, .vector = row_vector};

/* Distances are whole numbers below `distinct`. */
static void make_rows(struct px_test_random *random, size_t row_count, uint64_t distinct)
{
    memset(&data, 0, sizeof data);
    data.row_count = row_count;
    data.unreadable = UINT32_MAX;
    for (size_t r = 0; r < row_count; r++) {
        data.values[r] = (float)px_test_below(random, distinct);
        snprintf(data.ids[r], sizeof data.ids[r], "%08x",
                 (unsigned)(0x9e3779b1u * ((uint32_t)r + 1)));
    }
}

static struct px_query origin_query(void)
{
    static const float origin = 0.0f;
    struct px_query query;
    px_query_init(&query, PROXIMADB_L2, &origin, 1);
    return query;
}

/* ---- the oracle ----------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (data.values[x] != data.values[y])
        return data.values[x] < data.values[y] ? -1 : 1;
    return memcmp(data.ids[x], data.ids[y], ID_BYTES);
}

static void check_hits(const struct px_hits *hits, size_t k)
{
    static uint32_t order[MOST_ROWS];
    size_t count = 0;
    for (uint32_t r = 0; r < data.row_count; r++)
        if (!data.refused[r])
            order[count++] = r;
    qsort(order, count, sizeof order[0], compare_rows);
    assert_int_equal(hits->count, count < k ? count : k);
    for (size_t i = 0; i < hits->count; i++) {
        assert_int_equal(hits->items[i].row_index, order[i]);
        assert_int_equal(hits->items[i].source_index, order[i] % 3);
        assert_true(hits->items[i].distance == (double)data.values[order[i]]);
        assert_true(hits->items[i].score == 0.0 - hits->items[i].distance);
    }
}

/* ---- offering ------------------------------------------------------------------------------- */

/* How much is told about a row: from the distance itself to nothing. */
static struct px_interval interval_of(struct px_test_random *random, uint32_t row, double width)
{
    double value = (double)data.values[row];
    if (width == (double)INFINITY)
        return (struct px_interval){-width, width};
    double below = width * (double)px_test_below(random, 1000) / 1000.0;
    return (struct px_interval){value - below, value + width - below};
}

static void offer_row(struct px_topk *topk, struct px_test_random *random, uint32_t row,
                      double width)
{
    px_topk_offer(topk, interval_of(random, row, width), row % 3, row);
}

static void finish_and_check(struct px_topk *topk, struct px_arena *arena)
{
    struct px_hits hits;
    assert_int_equal(px_topk_finish(topk, arena, &hits, NULL), PROXIMADB_OK);
    check_hits(&hits, topk->k);
}

static void shuffle(struct px_test_random *random, uint32_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t other = px_test_below(random, i + 1);
        order[i] = order[other];
        order[other] = (uint32_t)i;
    }
}

/* Offers all rows in a random order and checks the answer. */
static void search_and_check(struct px_test_random *random, size_t k, double width)
{
    static uint32_t order[MOST_ROWS];
    struct px_arena arena = {0};
    struct px_query query = origin_query();
    struct px_topk topk;
    assert_int_equal(px_topk_init(&topk, k, &query, &visitor, &arena, NULL), PROXIMADB_OK);
    memset(data.accept_calls, 0, sizeof data.accept_calls);
    shuffle(random, order, data.row_count);
    for (size_t i = 0; i < data.row_count; i++)
        offer_row(&topk, random, order[i], width);
    finish_and_check(&topk, &arena);
    for (size_t r = 0; r < data.row_count; r++)
        assert_true(data.accept_calls[r] <= 1);
    px_arena_release(&arena);
}

static const double widths[] = {0.0, 0.001, 1.0, 30.0, 1e9, (double)INFINITY};

static void test_topk__equals_a_sort_whatever_is_told(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    static const size_t counts[] = {1, 7, 100, 3000};
    static const uint64_t distincts[] = {1, 5, 1000, 1 << 24};
    static const size_t ks[] = {1, 2, 10, 100, 1000, 5000};
    for (size_t c = 0; c < 4; c++)
        for (size_t d = 0; d < 4; d++) {
            make_rows(&random, counts[c], distincts[d]);
            for (size_t k = 0; k < 6; k++)
                for (size_t w = 0; w < 6; w++)
                    search_and_check(&random, ks[k], widths[w]);
        }
}

static void test_topk__leaves_refused_rows_out(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    for (size_t kept_of = 1; kept_of <= 1000; kept_of *= 10) {
        make_rows(&random, 3000, 100);
        for (size_t r = 0; r < data.row_count; r++)
            data.refused[r] = px_test_below(&random, kept_of) != 0;
        for (size_t w = 0; w < 6; w++)
            search_and_check(&random, 20, widths[w]);
    }
    memset(data.refused, true, sizeof data.refused);
    search_and_check(&random, 20, 1.0);
}

/* Offers rows first to last - 1 in their order. */
static void offer_range(struct px_topk *topk, struct px_test_random *random, uint32_t first,
                        uint32_t last, double width)
{
    for (uint32_t r = first; r < last; r++)
        offer_row(topk, random, r, width);
}

static void test_topk__of_merged_collectors_is_that_of_one(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    for (size_t round = 0; round < 60; round++) {
        make_rows(&random, 1 + px_test_below(&random, 3000), round % 2 == 0 ? 3 : 100000);
        struct px_arena arena = {0};
        struct px_query query = origin_query();
        struct px_topk topks[3];
        size_t k = 1 + px_test_below(&random, 400);
        uint32_t count = (uint32_t)data.row_count;
        for (uint32_t t = 0; t < 3; t++) {
            assert_int_equal(px_topk_init(&topks[t], k, &query, &visitor, &arena, NULL),
                             PROXIMADB_OK);
            offer_range(&topks[t], &random, t * count / 3, (t + 1) * count / 3,
                        widths[px_test_below(&random, 6)]);
        }
        px_topk_merge(&topks[0], &topks[1]);
        px_topk_merge(&topks[0], &topks[2]);
        finish_and_check(&topks[0], &arena);
        px_arena_release(&arena);
    }
}

/* ---- how much it asks ----------------------------------------------------------------------- */

static struct px_topk search_all(struct px_arena *arena, const struct px_query *query, size_t k,
                                 double width)
{
    struct px_test_random random = {.state = 1};
    struct px_topk topk;
    assert_int_equal(px_topk_init(&topk, k, query, &visitor, arena, NULL), PROXIMADB_OK);
    offer_range(&topk, &random, 0, (uint32_t)data.row_count, width);
    finish_and_check(&topk, arena);
    return topk;
}

static void test_topk__asks_little_about_rows_that_are_far(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    struct px_query query = origin_query();
    struct px_arena arena = {0};
    make_rows(&random, MOST_ROWS, 1 << 24);
    for (size_t r = 0; r < MOST_ROWS; r++)
        data.values[r] = (float)(r * 41 % MOST_ROWS); /* all different */
    search_all(&arena, &query, 10, 0.5);
    assert_in_range(data.accept_count, 10, 300); /* about 10 ln(10,000) are nearer at their time */
    assert_in_range(data.vector_count, 10, 12);
    assert_int_equal(data.id_count, 0);
    px_arena_release(&arena);
}

static void test_topk__takes_the_first_ids_of_many_equal_rows(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    struct px_query query = origin_query();
    static const size_t ks[] = {1, 10, 10000};
    make_rows(&random, MOST_ROWS, 1);
    for (size_t i = 0; i < 3; i++) {
        struct px_arena arena = {0};
        data.vector_count = 0;
        struct px_topk topk = search_all(&arena, &query, ks[i], 0.25);
        assert_int_equal(topk.spare_count, 0);
        assert_true(data.vector_count <= MOST_ROWS);
        px_arena_release(&arena);
    }
}

/* Each row is nearer than all before it: the heap changes with every offer, the spare rows do not
 * pile up, and few vectors are read. */
static void test_topk__copes_with_falling_distances(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    struct px_query query = origin_query();
    struct px_arena arena = {0};
    make_rows(&random, MOST_ROWS, 1);
    for (size_t r = 0; r < MOST_ROWS; r++)
        data.values[r] = (float)(MOST_ROWS - r);
    search_all(&arena, &query, 100, 1.5);
    assert_in_range(data.vector_count, 100, 110);
    px_arena_release(&arena);
}

/* Upper ends are far off. Once distances were computed, the threshold is one of those, and few rows
 * are asked about any more: 9,000 have a distance below the upper ends' threshold. */
static void test_topk__learns_from_computed_distances(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    struct px_query query = origin_query();
    struct px_arena arena = {0};
    struct px_topk topk;
    make_rows(&random, MOST_ROWS, 1);
    for (size_t r = 0; r < MOST_ROWS; r++)
        data.values[r] = (float)(r * 41 % MOST_ROWS); /* all different */
    assert_int_equal(px_topk_init(&topk, 10, &query, &visitor, &arena, NULL), PROXIMADB_OK);
    for (uint32_t r = 0; r < MOST_ROWS; r++) {
        double value = (double)data.values[r];
        px_topk_offer(&topk, (struct px_interval){value, value + 9000.0}, r % 3, r);
    }
    finish_and_check(&topk, &arena);
    assert_in_range(data.accept_count, 10, 1000);
    px_arena_release(&arena);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void test_topk__reports_a_vector_that_cannot_be_read(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    struct px_query query = origin_query();
    struct px_arena arena = {0};
    struct px_topk topk, merged;
    struct px_hits hits;
    struct proximadb_error error;
    make_rows(&random, 50, 1000);
    data.unreadable = 7;
    assert_int_equal(px_topk_init(&topk, 100, &query, &visitor, &arena, NULL), PROXIMADB_OK);
    assert_int_equal(px_topk_init(&merged, 100, &query, &visitor, &arena, NULL), PROXIMADB_OK);
    offer_range(&topk, &random, 0, 50, 1.0);
    assert_int_equal(px_topk_finish(&topk, &arena, &hits, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "could not be read"));
    px_topk_merge(&merged, &topk);
    assert_int_equal(px_topk_finish(&merged, &arena, &hits, &error), PROXIMADB_CORRUPT);
    px_arena_release(&arena);
}

static void test_topk__puts_nan_last(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("topk");
    struct px_query query = origin_query();
    struct px_arena arena = {0};
    struct px_topk topk;
    struct px_hits hits;
    make_rows(&random, 3, 10);
    data.values[0] = NAN;
    assert_int_equal(px_topk_init(&topk, 3, &query, &visitor, &arena, NULL), PROXIMADB_OK);
    offer_range(&topk, &random, 0, 3, (double)INFINITY);
    assert_int_equal(px_topk_finish(&topk, &arena, &hits, NULL), PROXIMADB_OK);
    assert_int_equal(hits.count, 3);
    assert_int_equal(hits.items[2].row_index, 0);
    assert_true(hits.items[2].distance == (double)INFINITY);
    px_arena_release(&arena);
}

static void test_topk__keeps_to_the_arenas_ceiling(void **state)
{
    (void)state;
    struct px_query query = origin_query();
    struct px_topk topk;
    struct px_hits hits;
    struct px_arena arena;
    struct proximadb_error error;
    px_arena_init(&arena, 10000);
    assert_int_equal(px_topk_init(&topk, 10000, &query, &visitor, &arena, &error),
                     PROXIMADB_TOO_LARGE);
    assert_int_equal(px_topk_init(&topk, 100, &query, &visitor, &arena, &error), PROXIMADB_OK);
    struct px_test_random random = px_test_random_new("topk");
    make_rows(&random, 100, 10);
    offer_range(&topk, &random, 0, 100, 0.5);
    assert_int_equal(px_topk_finish(&topk, &arena, &hits, &error), PROXIMADB_TOO_LARGE);
    px_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topk__equals_a_sort_whatever_is_told),
        cmocka_unit_test(test_topk__leaves_refused_rows_out),
        cmocka_unit_test(test_topk__of_merged_collectors_is_that_of_one),
        cmocka_unit_test(test_topk__asks_little_about_rows_that_are_far),
        cmocka_unit_test(test_topk__takes_the_first_ids_of_many_equal_rows),
        cmocka_unit_test(test_topk__copes_with_falling_distances),
        cmocka_unit_test(test_topk__learns_from_computed_distances),
        cmocka_unit_test(test_topk__reports_a_vector_that_cannot_be_read),
        cmocka_unit_test(test_topk__puts_nan_last),
        cmocka_unit_test(test_topk__keeps_to_the_arenas_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
