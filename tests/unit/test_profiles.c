/* px-test: layers=api */
/*
 * Goal: a vector has the same bits on every path and for ever, those that its storage profile makes
 * of what was sent: scanned, got, found, flushed, compacted, updated without it, after a restart that
 * replays the log, and when the log is replayed again. What is answered about a collection says so.
 * Method: under each profile and layout, random rows, whole numbers among them, through the public
 * header; after every step all rows are compared with simd/rounding.h, and a search with one by hand.
 */
#include <proximadb.h>

#include "model/collection.h"
#include "simd/distance.h"
#include "simd/rounding.h"
#include "support/database.h"

enum { ROWS = 700, DIMS = 45, QUERIES = 5, K = 7 };

static const struct profile {
    int storage;
    int layout;
    uint32_t mantissa_bits;
} profiles[] = {
    {PROXIMADB_BALANCED, PROXIMADB_LAYOUT_DEFAULT, 7},
    {PROXIMADB_COMPACT_STORAGE, PROXIMADB_LAYOUT_COMPRESSED, 4},
    {PROXIMADB_EXACT, PROXIMADB_LAYOUT_DEFAULT, 23},
    {PROXIMADB_EXACT, PROXIMADB_LAYOUT_PLAIN, 23},
};

static struct database database;
static const struct profile *profile;
static float expected[ROWS][DIMS]; /* as stored */
static char ids[ROWS][16];

/* ---- requests ------------------------------------------------------------------------------- */

static void call(int operation, struct proximadb_buffer payload, proximadb_reader **ret_reader)
{
    const struct proximadb_request request = {.struct_size = sizeof request,
                                              .operation = operation,
                                              .collection = "docs",
                                              .collection_size_bytes = 4,
                                              .payload = payload};
    struct proximadb_buffer answer;
    if (proximadb_call(database.db, &request, &answer, &database.error) != PROXIMADB_OK)
        fail_msg("%s", database.error.message);
    if (ret_reader == NULL)
        proximadb_buffer_release(&answer);
    else
        assert_int_equal(proximadb_reader_new(&answer, ret_reader, NULL), PROXIMADB_OK);
}

static void check_description(proximadb_reader *reader)
{
    struct proximadb_collection_info info;
    assert_true(proximadb_reader_next_collection(reader, &info, NULL));
    assert_int_equal(info.spec.storage, profile->storage);
    assert_int_equal(info.spec.layout, profile->layout == PROXIMADB_LAYOUT_PLAIN
                                           ? PROXIMADB_LAYOUT_PLAIN
                                           : PROXIMADB_LAYOUT_COMPRESSED);
    assert_int_equal(info.mantissa_bits, profile->mantissa_bits);
    assert_true(info.relative_error ==
                (profile->mantissa_bits == 23 ? 0.0 : ldexp(0.5, -(int)profile->mantissa_bits)));
    proximadb_reader_free(reader);
}

static void create(void)
{
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = "docs",
                                                   .dim_count = DIMS,
                                                   .metric = PROXIMADB_L2,
                                                   .storage = profile->storage,
                                                   .layout = profile->layout};
    struct proximadb_buffer payload;
    proximadb_reader *reader;
    assert_int_equal(proximadb_encode_collection(&spec, &payload, NULL), PROXIMADB_OK);
    call(PROXIMADB_CREATE_COLLECTION, payload, &reader);
    check_description(reader);
}

static void expect(size_t row, const float *sent)
{
    memcpy(expected[row], sent, sizeof expected[row]);
    if (profile->mantissa_bits != 23)
        px_round_vector(sent, DIMS, profile->mantissa_bits, expected[row]);
}

/* Writes every row for which row % step == 0, with a new vector or, in an update, without. */
static void write_rows(struct px_test_random *random, int operation, size_t step, bool with_vectors)
{
    proximadb_batch *batch = proximadb_batch_new(operation, NULL);
    struct proximadb_buffer payload;
    for (size_t row = 0; row < ROWS; row += step) {
        float vector[DIMS];
        float scale = ldexpf(1.0f, (int)px_test_below(random, 20) - 10);
        for (size_t i = 0; i < DIMS; i++)
            vector[i] = row % 5 == 0 ? (float)px_test_below(random, 511) - 255.0f
                                     : px_test_float(random) * scale;
        snprintf(ids[row], sizeof ids[row], "row-%zu", row);
        const struct proximadb_row sent = {.struct_size = sizeof sent,
                                           .id = database_text(ids[row]),
                                           .vector = with_vectors ? vector : NULL,
                                           .dim_count = with_vectors ? DIMS : 0,
                                           .document = "text",
                                           .document_size_bytes = 4};
        assert_int_equal(proximadb_batch_add(batch, &sent, NULL), PROXIMADB_OK);
        if (with_vectors)
            expect(row, vector);
        if (row % 5 == 0 && with_vectors)
            assert_memory_equal(expected[row], vector, sizeof vector); /* bytes are kept */
    }
    assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
    proximadb_batch_free(batch);
    call(operation, payload, NULL);
}

/* ---- looking -------------------------------------------------------------------------------- */

static size_t row_of(struct proximadb_text id)
{
    char text[sizeof ids[0]];
    assert_true(id.size_bytes > 4 && id.size_bytes < sizeof text &&
                memcmp(id.data, "row-", 4) == 0);
    snprintf(text, sizeof text, "%.*s", (int)id.size_bytes, id.data);
    return strtoul(text + 4, NULL, 10);
}

static size_t check_rows(proximadb_reader *reader)
{
    struct proximadb_hit hit;
    size_t count = 0;
    for (; proximadb_reader_next(reader, &hit, NULL); count++)
        assert_memory_equal(hit.vector, expected[row_of(hit.id)], sizeof expected[0]);
    proximadb_reader_free(reader);
    return count;
}

static void check_scan_and_get(void)
{
    const struct proximadb_scan_options scan = {
        .struct_size = sizeof scan, .batch_size = ROWS + 1, .include_vectors = true};
    struct proximadb_text texts[ROWS];
    struct proximadb_buffer payload;
    proximadb_reader *reader;
    assert_int_equal(proximadb_encode_scan(&scan, &payload, NULL), PROXIMADB_OK);
    call(PROXIMADB_SCAN, payload, &reader);
    assert_int_equal(check_rows(reader), ROWS);
    for (size_t i = 0; i < ROWS; i++)
        texts[i] = database_text(ids[i * 333 % ROWS]);
    assert_int_equal(proximadb_encode_get(texts, ROWS, true, &payload, NULL), PROXIMADB_OK);
    call(PROXIMADB_GET, payload, &reader);
    assert_int_equal(check_rows(reader), ROWS);
    assert_int_equal(proximadb_encode_get(texts, 9, false, &payload, NULL), PROXIMADB_OK);
    call(PROXIMADB_GET, payload, &reader);
    struct proximadb_hit hit;
    while (proximadb_reader_next(reader, &hit, NULL))
        assert_null(hit.vector);
    proximadb_reader_free(reader);
}

/* How many stored rows are nearer to the query than `distance`. */
static size_t count_nearer(const float *query, double distance)
{
    size_t count = 0;
    for (size_t row = 0; row < ROWS; row++)
        count += px_distance(PROXIMADB_L2, expected[row], query, DIMS) < distance;
    return count;
}

static void check_search(struct px_test_random *random)
{
    static float queries[QUERIES][DIMS];
    for (size_t i = 0; i < QUERIES * DIMS; i++)
        queries[i / DIMS][i % DIMS] = px_test_float(random);
    const struct proximadb_search_options search = {.struct_size = sizeof search,
                                                    .queries = queries[0],
                                                    .query_count = QUERIES,
                                                    .dim_count = DIMS,
                                                    .k = K,
                                                    .include_vectors = true,
                                                    .exact = true};
    struct proximadb_buffer payload;
    struct proximadb_hit hit;
    proximadb_reader *reader;
    size_t count = 0;
    assert_int_equal(proximadb_encode_search(&search, &payload, NULL), PROXIMADB_OK);
    call(PROXIMADB_SEARCH, payload, &reader);
    for (; proximadb_reader_next(reader, &hit, NULL); count++) {
        const float *row = expected[row_of(hit.id)], *query = queries[hit.query_index];
        assert_memory_equal(hit.vector, row, sizeof expected[0]);
        assert_true(hit.distance == px_distance(PROXIMADB_L2, row, query, DIMS));
        assert_true(count_nearer(query, hit.distance) <= count % K);
    }
    assert_int_equal(count, QUERIES * K);
    proximadb_reader_free(reader);
}

static void check(struct px_test_random *random)
{
    proximadb_reader *reader;
    check_scan_and_get();
    check_search(random);
    call(PROXIMADB_GET_COLLECTION, (struct proximadb_buffer){0}, &reader);
    check_description(reader);
}

/* ---- the history ---------------------------------------------------------------------------- */

static void reopen(const char *folder)
{
    database_close(&database);
    database_open(&database, folder);
}

static void compact(uint32_t cluster_count)
{
    struct proximadb_buffer payload;
    assert_int_equal(proximadb_encode_compact(cluster_count, &payload, NULL), PROXIMADB_OK);
    call(PROXIMADB_COMPACT, payload, NULL);
}

static void run_history(struct px_test_random *random)
{
    const struct proximadb_buffer nothing = {0};
    const char *folder = px_test_folder("profiles");
    database_open(&database, folder);
    create();
    write_rows(random, PROXIMADB_INSERT, 1, true);
    check(random); /* in memory */
    reopen(folder);
    check(random); /* by replay, or from what closing has flushed */
    call(PROXIMADB_FLUSH, nothing, NULL);
    check(random);
    write_rows(random, PROXIMADB_UPSERT, 3, true);
    write_rows(random, PROXIMADB_UPDATE, 4, true);
    write_rows(random, PROXIMADB_UPDATE, 2, false); /* vectors stay, out of parts and memory */
    check(random);
    reopen(folder);
    check(random);
    compact(3);
    check(random);
    write_rows(random, PROXIMADB_UPDATE, 7, false);
    compact(0);
    check(random);
    reopen(folder);
    check(random);
    database_close(&database);
}

static void test_profiles__keep_their_bits_on_every_path(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("profiles");
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        profile = &profiles[i];
        run_history(&random);
    }
}

/* The check is made of what was sent; nothing that it lets pass is rounded to zeros. */
static void test_profiles__look_at_what_was_sent_for_its_direction(void **state)
{
    (void)state;
    float short_vector[2] = {1e-18f, 1e-30f}, zeros[2] = {0};
    const char *folder = px_test_folder("profiles");
    for (int storage = PROXIMADB_BALANCED; storage <= PROXIMADB_COMPACT_STORAGE; storage++) {
        const struct proximadb_collection_spec spec = {
            .struct_size = sizeof spec, .name = "docs", .dim_count = 2, .storage = storage};
        struct proximadb_row row = {.struct_size = sizeof row,
                                    .id = database_text("a"),
                                    .vector = short_vector,
                                    .dim_count = 2};
        struct proximadb_buffer payload;
        proximadb_reader *reader;
        struct proximadb_hit hit;
        folder = px_test_folder("profiles");
        database_open(&database, folder);
        assert_int_equal(proximadb_encode_collection(&spec, &payload, NULL), PROXIMADB_OK);
        call(PROXIMADB_CREATE_COLLECTION, payload, NULL);
        proximadb_batch *batch = proximadb_batch_new(PROXIMADB_INSERT, NULL);
        assert_int_equal(proximadb_batch_add(batch, &row, NULL), PROXIMADB_OK);
        assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
        call(PROXIMADB_INSERT, payload, NULL);
        assert_int_equal(proximadb_encode_get(&row.id, 1, true, &payload, NULL), PROXIMADB_OK);
        call(PROXIMADB_GET, payload, &reader);
        assert_true(proximadb_reader_next(reader, &hit, NULL));
        assert_true(px_norm_squared_exact(hit.vector, 2) > 0.0);
        proximadb_reader_free(reader);
        row.vector = zeros;
        assert_int_equal(proximadb_batch_add(batch, &row, NULL), PROXIMADB_OK);
        assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
        const struct proximadb_request request = {.struct_size = sizeof request,
                                                  .operation = PROXIMADB_UPSERT,
                                                  .collection = "docs",
                                                  .collection_size_bytes = 4,
                                                  .payload = payload};
        assert_int_equal(proximadb_call(database.db, &request, NULL, &database.error),
                         PROXIMADB_INVALID);
        assert_non_null(strstr(database.error.message, "all zeros"));
        proximadb_batch_free(batch);
        database_close(&database);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles__keep_their_bits_on_every_path),
        cmocka_unit_test(test_profiles__look_at_what_was_sent_for_its_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
