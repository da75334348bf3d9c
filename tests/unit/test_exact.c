/*
 * Goal: an exact search gives the k nearest accepted rows in the order (distance, id), for any
 * metric, data, split into sources and blocks, number of queries, and CPU level.
 * Method: a brute-force oracle that computes all canonical distances and sorts them. Rows are
 * spread over sources and blocks of random sizes, at odd addresses; data are random, duplicated,
 * equal, denormal and huge. Answers are compared to the last bit between levels, and between one
 * query and many.
 */
#include "axis/exact.h"

#include "os/crew.h"

#include "support/px_test.h"

enum { MOST_ROWS = 3000, MOST_DIMS = 800, MOST_SOURCES = 4, MOST_QUERIES = 70, ID_BYTES = 8 };

/* Row r of the table is row r - first[s] of the source s that it lies in. */
static struct {
    size_t row_count, dim_count, stride_bytes, query_count;
    uint32_t source_count;
    uint32_t first[MOST_SOURCES + 1]; /* row of the table that each source begins with */
    uint32_t block_rows;              /* at most so many in a block */
    uint8_t vectors[MOST_ROWS * (MOST_DIMS * sizeof(float) + 4) + 8];
    char ids[MOST_ROWS][ID_BYTES + 1];
    bool refused[MOST_ROWS];
    float queries[MOST_QUERIES * MOST_DIMS];
    size_t polls, polls_until_stop, blocks_until_failure;
} table;

static const enum proximadb_metric metrics[] = {PROXIMADB_COSINE, PROXIMADB_L2, PROXIMADB_DOT};

static uint8_t *vector_of(size_t row)
{
    return table.vectors + 1 + row * table.stride_bytes;
}

/* ---- callbacks ------------------------------------------------------------------------------ */

static bool accept_row(void *context, uint32_t source_index, uint32_t row_index)
{
    assert_ptr_equal(context, &table);
    return !table.refused[table.first[source_index] + row_index];
}

static struct px_slice row_id(void *context, uint32_t source_index, uint32_t row_index)
{
    (void)context;
    return px_slice_of(table.ids[table.first[source_index] + row_index], ID_BYTES);
}

static const void *row_vector(void *context, uint32_t source_index, uint32_t row_index)
{
    (void)context;
    return vector_of(table.first[source_index] + row_index);
}

static uint32_t source_rows(void *context, uint32_t source_index)
{
    (void)context;
    return table.first[source_index + 1] - table.first[source_index];
}

/* Blocks are of varying size, and begin anywhere before the row. */
static int give_block(void *context, uint32_t source_index, uint32_t row,
                      struct px_exact_block *ret_block, struct proximadb_error *reterr)
{
    (void)context;
    if (table.blocks_until_failure > 0 && --table.blocks_until_failure == 0)
        return px_fail(reterr, PROXIMADB_IO, "the disk is gone");
    uint32_t first = table.first[source_index], count = source_rows(context, source_index);
    assert_true(row < count);
    uint32_t mixed = row * 2654435761u >> 7;
    uint32_t from_row = row - mixed % (row < table.block_rows ? row + 1 : table.block_rows);
    uint32_t rows = row - from_row + 1 + mixed % table.block_rows;
    if (rows > count - from_row)
        rows = count - from_row;
    *ret_block = (struct px_exact_block){.vectors = vector_of(first + from_row),
                                         .stride_bytes = table.stride_bytes,
                                         .first_row = from_row,
                                         .row_count = rows};
    return PROXIMADB_OK;
}

static bool should_stop(void *context)
{
    (void)context;
    return ++table.polls == table.polls_until_stop;
}

static struct px_exact_input all_rows(void)
{
    return (struct px_exact_input){
        .context = &table,
        .source_count = table.source_count,
        .row_count = table.row_count,
        .source_rows = source_rows,
        .block = give_block,
        .should_stop = should_stop,
        .rows = {.context = &table, .accept = accept_row, .id = row_id, .vector = row_vector}};
}

/* ---- data ----------------------------------------------------------------------------------- */

enum kind { RANDOM, DUPLICATES, EQUAL, DENORMAL, HUGE_VALUES, MIXED, NEAR_TIES, KIND_COUNT };

static float component_of(struct px_test_random *random, enum kind kind)
{
    static const float scales[] = {1.0f, 1e-30f, 1e17f, 1e-44f, 1e3f};
    switch (kind) {
    case DENORMAL:
        return px_test_float(random) * 1e-42f;
    case HUGE_VALUES:
        return px_test_float(random) * 5e17f;
    case MIXED:
        return px_test_float(random) * scales[px_test_below(random, 5)];
    case NEAR_TIES: /* differences that float32 sums do not see */
        return 1.0f + 0x1p-22f * (float)px_test_below(random, 3);
    default:
        return px_test_float(random);
    }
}

static void set_vector(struct px_test_random *random, size_t row, enum kind kind)
{
    for (size_t dim = 0; dim < table.dim_count; dim++) {
        float value = component_of(random, kind);
        memcpy(vector_of(row) + dim * sizeof value, &value, sizeof value);
    }
    bool copies = kind == EQUAL || (kind == DUPLICATES && px_test_below(random, 3) != 0);
    if (copies && row > 0)
        memcpy(vector_of(row), vector_of(kind == EQUAL ? 0 : px_test_below(random, row)),
               table.dim_count * sizeof(float));
}

static void split_into_sources(struct px_test_random *random)
{
    table.source_count = 1 + (uint32_t)px_test_below(random, MOST_SOURCES);
    table.block_rows = 1 + (uint32_t)px_test_below(random, 2 * table.row_count + 1);
    uint32_t at = 0;
    for (uint32_t s = 0; s < table.source_count; s++) {
        table.first[s] = at;
        at += (uint32_t)px_test_below(random, table.row_count - at + 1);
    }
    table.first[table.source_count] = (uint32_t)table.row_count;
}

static void make_table(struct px_test_random *random, enum kind kind, size_t row_count,
                       size_t dim_count)
{
    table.row_count = row_count;
    table.dim_count = dim_count;
    table.stride_bytes = dim_count * sizeof(float) + px_test_below(random, 5);
    table.polls = table.polls_until_stop = table.blocks_until_failure = 0;
    memset(table.refused, 0, sizeof table.refused);
    for (size_t r = 0; r < row_count; r++) {
        set_vector(random, r, kind);
        snprintf(table.ids[r], sizeof table.ids[r], "%08x", (unsigned)(0x9e3779b1u * (r + 1)));
    }
    for (size_t i = 0; i < MOST_QUERIES * dim_count; i++)
        table.queries[i] = component_of(random, kind);
    split_into_sources(random);
}

/* ---- the oracle ----------------------------------------------------------------------------- */

static double distances[MOST_ROWS];

static int compare_rows(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (distances[x] != distances[y])
        return distances[x] < distances[y] ? -1 : 1;
    return memcmp(table.ids[x], table.ids[y], ID_BYTES);
}

static void check_hits(const struct px_hits *hits, enum proximadb_metric metric, size_t query,
                       size_t k)
{
    static uint32_t order[MOST_ROWS];
    size_t count = 0;
    for (uint32_t r = 0; r < table.row_count; r++) {
        distances[r] = px_distance(metric, vector_of(r), table.queries + query * table.dim_count,
                                   table.dim_count);
        if (!table.refused[r])
            order[count++] = r;
    }
    qsort(order, count, sizeof order[0], compare_rows);
    assert_int_equal(hits->count, count < k ? count : k);
    for (size_t i = 0; i < hits->count; i++) {
        const struct px_hit *hit = &hits->items[i];
        assert_int_equal(table.first[hit->source_index] + hit->row_index, order[i]);
        assert_true(hit->distance == distances[order[i]]);
        assert_true(hit->score == px_score(metric, hit->distance));
    }
}

/* ---- searching ------------------------------------------------------------------------------ */

static struct px_exact_request request_of(enum proximadb_metric metric, size_t query_count,
                                          uint32_t k, const struct px_kernels *kernels)
{
    return (struct px_exact_request){.queries = {.data = table.queries,
                                                 .stride_bytes = table.dim_count * sizeof(float),
                                                 .row_count = query_count,
                                                 .dim_count = table.dim_count},
                                     .metric = metric,
                                     .k = k,
                                     .kernels = kernels};
}

static void search_and_check(enum proximadb_metric metric, size_t query_count, uint32_t k)
{
    for (size_t level = 0; px_kernels_at(level) != NULL; level++) {
        struct px_arena arena = {0};
        struct px_hits hits[MOST_QUERIES];
        struct px_exact_input input = all_rows();
        struct px_exact_request request = request_of(metric, query_count, k, px_kernels_at(level));
        assert_int_equal(px_exact_search(&request, &input, &arena, hits, NULL), PROXIMADB_OK);
        for (size_t q = 0; q < query_count; q++)
            check_hits(&hits[q], metric, q, k);
        px_arena_release(&arena);
    }
}

static void test_exact__equals_brute_force(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("exact");
    for (size_t round = 0; round < 20; round++)
        for (int kind = 0; kind < KIND_COUNT; kind++) {
            size_t dim_count = 1 + px_test_below(&random, round % 5 == 0 ? MOST_DIMS : 40);
            make_table(&random, (enum kind)kind, 1 + px_test_below(&random, 400), dim_count);
            for (size_t m = 0; m < 3; m++) {
                search_and_check(metrics[m], 1, 1 + (uint32_t)px_test_below(&random, 20));
                search_and_check(metrics[m], 1 + px_test_below(&random, 6),
                                 1 + (uint32_t)px_test_below(&random, 500));
            }
        }
}

static void test_exact__goes_over_many_chunks_and_groups(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("exact");
    make_table(&random, RANDOM, MOST_ROWS, 3);
    search_and_check(PROXIMADB_L2, 1, 10);
    search_and_check(PROXIMADB_COSINE, MOST_QUERIES, 3);
    make_table(&random, DUPLICATES, 700, MOST_DIMS);
    search_and_check(PROXIMADB_DOT, 1, 10);
    search_and_check(PROXIMADB_L2, 33, 2);
}

/* Threads that search together, each with a scan of its own. */
struct together {
    struct px_exact_request request;
    struct px_exact_input input;
    struct px_exact_shares shares;
    struct px_arena arenas[3];
    struct px_exact_scan *scans[3];
    atomic_uint begun;
};

static void search_as(void *context, unsigned member)
{
    struct together *together = context;
    int rc = px_exact_begin(&together->request, &together->input, &together->arenas[member],
                            &together->scans[member], NULL);
    assert_int_equal(rc, PROXIMADB_OK);
    atomic_fetch_add(&together->begun, 1);
    assert_int_equal(px_exact_run(together->scans[member], &together->shares, NULL), PROXIMADB_OK);
}

static void search_together(struct px_crew *crew, enum proximadb_metric metric, size_t query_count)
{
    struct px_hits hits[MOST_QUERIES];
    struct together together = {.request = request_of(metric, query_count, 10, NULL),
                                .input = all_rows()};
    together.input.should_stop = NULL; /* ours counts without a lock */
    px_crew_run(crew, 3, search_as, &together);
    for (size_t member = 1; member < 3; member++)
        if (together.scans[member] != NULL)
            px_exact_merge(together.scans[0], together.scans[member]);
    assert_int_equal(px_exact_finish(together.scans[0], hits, NULL), PROXIMADB_OK);
    for (size_t q = 0; q < query_count; q++)
        check_hits(&hits[q], metric, q, 10);
    for (size_t member = 0; member < 3; member++)
        px_arena_release(&together.arenas[member]);
}

static void test_exact__shares_the_rows_with_other_threads(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("exact");
    struct px_crew *crew;
    assert_int_equal(px_crew_open(2, "test", &crew, NULL), PROXIMADB_OK);
    for (size_t round = 0; round < 20; round++) {
        make_table(&random, (enum kind)(round % KIND_COUNT), MOST_ROWS - round, MOST_DIMS);
        for (size_t m = 0; m < 3; m++)
            search_together(crew, metrics[m], 1 + round % 3);
    }
    px_crew_close(crew);
}

static void test_exact__leaves_refused_rows_out(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("exact");
    for (size_t kept_of = 1; kept_of <= 1000; kept_of *= 10) {
        make_table(&random, DUPLICATES, 1500, 16);
        for (size_t r = 0; r < table.row_count; r++)
            table.refused[r] = px_test_below(&random, kept_of) != 0;
        for (size_t m = 0; m < 3; m++)
            search_and_check(metrics[m], 2, 25);
    }
}

static void test_exact__gives_all_rows_when_k_is_larger(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("exact");
    make_table(&random, RANDOM, 100, 5);
    search_and_check(PROXIMADB_L2, 3, 10000);
    table.row_count = 0;
    table.source_count = 2;
    memset(table.first, 0, sizeof table.first);
    search_and_check(PROXIMADB_COSINE, 3, 10);
    table.source_count = 0;
    search_and_check(PROXIMADB_COSINE, 1, 10);
}

static void test_exact__without_queries_does_nothing(void **state)
{
    (void)state;
    struct px_arena arena = {0};
    struct px_exact_input input = all_rows();
    struct px_exact_request request = request_of(PROXIMADB_L2, 0, 1, NULL);
    request.queries.dim_count = 1;
    assert_int_equal(px_exact_search(&request, &input, &arena, NULL, NULL), PROXIMADB_OK);
    assert_int_equal(arena.used_bytes, 0);
}

/* MOST_ROWS * MOST_DIMS * MOST_QUERIES products are 40 times what may pass between two questions.
 * */
static void test_exact__stops_when_told_to(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("exact");
    make_table(&random, RANDOM, MOST_ROWS, MOST_DIMS);
    struct px_exact_input input = all_rows();
    struct px_exact_request request = request_of(PROXIMADB_L2, MOST_QUERIES, 5, NULL);
    for (size_t polls = 0; polls <= 3; polls++) {
        struct px_arena arena = {0};
        struct px_hits hits[MOST_QUERIES];
        table.polls = 0;
        table.polls_until_stop = polls;
        int rc = px_exact_search(&request, &input, &arena, hits, NULL);
        assert_int_equal(rc, polls > 0 ? PROXIMADB_CANCELLED : PROXIMADB_OK);
        assert_in_range(table.polls, polls > 0 ? polls : 20, polls > 0 ? polls : 40);
        px_arena_release(&arena);
    }
}

static void test_exact__passes_failures_on(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("exact");
    struct px_hits hits[MOST_QUERIES];
    struct proximadb_error error;
    make_table(&random, RANDOM, 500, 8);
    table.block_rows = 10;
    struct px_exact_input input = all_rows();
    struct px_exact_request request = request_of(PROXIMADB_L2, 4, 50, NULL);
    for (size_t call = 1; call < 5; call++) {
        struct px_arena arena = {0};
        table.blocks_until_failure = call;
        assert_int_equal(px_exact_search(&request, &input, &arena, hits, &error), PROXIMADB_IO);
        assert_non_null(strstr(error.message, "the disk is gone"));
        px_arena_release(&arena);
    }
    table.blocks_until_failure = 0;
    for (size_t limit = 64; limit < 1 << 22; limit *= 4) {
        struct px_arena arena;
        px_arena_init(&arena, limit);
        int rc = px_exact_search(&request, &input, &arena, hits, &error);
        assert_true(rc == PROXIMADB_TOO_LARGE || (rc == PROXIMADB_OK && limit > 1 << 14));
        px_arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact__equals_brute_force),
        cmocka_unit_test(test_exact__goes_over_many_chunks_and_groups),
        cmocka_unit_test(test_exact__shares_the_rows_with_other_threads),
        cmocka_unit_test(test_exact__leaves_refused_rows_out),
        cmocka_unit_test(test_exact__gives_all_rows_when_k_is_larger),
        cmocka_unit_test(test_exact__without_queries_does_nothing),
        cmocka_unit_test(test_exact__stops_when_told_to),
        cmocka_unit_test(test_exact__passes_failures_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
