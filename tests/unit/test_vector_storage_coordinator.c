/* px-test: layers=api */
/*
 * Goal: what the operations on rows mean, whether the rows are in memory, in parts, or in clusters: which
 * rows a write changes, and what get, search, scan and count say of them.
 * Method: a few rows that can be told by eye, each case with the rows in each of these places.
 */
#include "service/vector_storage_coordinator.h"

#include "simd/distance.h"
#include "support/engine_rows.h"
#include "support/powercut_fs.h"

enum { DIMS = 3 };

/* Where rows are when something is done with them. */
enum place { IN_MEMORY, IN_PARTS, IN_CLUSTERS, PLACE_COUNT };

static struct engine_box box;
static uint32_t box_worker_count = 1;
static struct px_powercut *disk; /* in memory, whose power stays on */

static void start(int metric)
{
    disk = px_powercut_new();
    engine_init(&box, px_powercut_boot(disk), "data");
    box.options.public_options.worker_count = box_worker_count;
    engine_open(&box);
    engine_create(&box, "docs", DIMS, metric);
}

static void end(void)
{
    engine_close(&box);
    px_powercut_free(disk);
}

static void bring_to(enum place place)
{
    if (place >= IN_PARTS)
        engine_flush(&box, "docs");
    if (place >= IN_CLUSTERS)
        engine_compact(&box, "docs", 2);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static struct proximadb_row make(const char *id, const float *vector)
{
    return (struct proximadb_row){.struct_size = sizeof(struct proximadb_row),
                                  .id = engine_text(id),
                                  .vector = vector,
                                  .dim_count = vector != NULL ? DIMS : 0};
}

static struct proximadb_field text_field(const char *name, const char *value)
{
    struct proximadb_field field = {.name = engine_text(name),
                                    .value = {.kind = PROXIMADB_VALUE_STRING}};
    field.value.as.string = engine_text(value);
    return field;
}

static struct proximadb_field long_field(const char *name, int64_t value)
{
    struct proximadb_field field = {.name = engine_text(name),
                                    .value = {.kind = PROXIMADB_VALUE_LONG}};
    field.value.as.integer = value;
    return field;
}

static struct proximadb_field null_field(const char *name)
{
    return (struct proximadb_field){.name = engine_text(name),
                                    .value = {.kind = PROXIMADB_VALUE_NULL}};
}

static int try_write(int operation, const struct proximadb_row *rows, size_t count,
                     struct proximadb_write_result *ret_result)
{
    struct proximadb_buffer payload = engine_batch(operation, NULL, rows, count);
    return engine_write(&box, operation, "docs", &payload, ret_result);
}

static struct proximadb_write_result write_rows(int operation, const struct proximadb_row *rows,
                                                size_t count)
{
    struct proximadb_write_result result;
    engine_must(try_write(operation, rows, count, &result), &box.error);
    return result;
}

/* Rows "a" to "j" with the vectors (1, i, 0), metadata count = i, and category even or odd. */
static void insert_ten(void)
{
    struct proximadb_row rows[10];
    struct proximadb_field fields[10][2];
    float vectors[10][DIMS];
    char ids[10][2];
    for (int i = 0; i < 10; i++) {
        vectors[i][0] = 1;
        vectors[i][1] = (float)i;
        vectors[i][2] = 0;
        snprintf(ids[i], sizeof ids[i], "%c", 'a' + i);
        fields[i][0] = long_field("count", i);
        fields[i][1] = text_field("category", i % 2 == 0 ? "even" : "odd");
        rows[i] = make(ids[i], vectors[i]);
        rows[i].fields = fields[i];
        rows[i].field_count = 2;
    }
    write_rows(PROXIMADB_INSERT, rows, 10);
}

static struct engine_row get_one(const char *id)
{
    struct engine_rows rows = {0};
    engine_get(&box, "docs", &id, 1, &rows);
    assert_int_equal(rows.count, 1);
    struct engine_row row = rows.items[0];
    engine_rows_clear(&rows);
    return row;
}

/* The ids of the rows in order, each followed by a space. */
static const char *id_text(const struct engine_rows *rows)
{
    static char text[1000];
    text[0] = '\0';
    for (size_t i = 0; i < rows->count; i++)
        engine_put_text(text, sizeof text, "%s ", rows->items[i].id);
    return text;
}

/* ---- insert and upsert --------------------------------------------------------------------- */

static void test_coordinator__an_insert_of_an_existing_id_fails_its_whole_batch(void **state)
{
    (void)state;
    const float vector[DIMS] = {1, 2, 3};
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        const struct proximadb_row rows[] = {make("new", vector), make("newer", vector),
                                             make("c", vector), make("d", vector)};
        assert_int_equal(try_write(PROXIMADB_INSERT, rows, 4, NULL), PROXIMADB_VECTOR_EXISTS);
        assert_int_equal(box.error.row_index, 2);
        assert_non_null(strstr(box.error.message, "'c'"));
        assert_int_equal(engine_count(&box, "docs", NULL), 10);
        assert_int_equal(engine_get_version(&box, "docs", "new"), 0);
        assert_int_equal(engine_get_version(&box, "docs", "c"), 3);

        /* A deleted id is free again. */
        engine_must(engine_try_delete(&box, "docs", "c", NULL), &box.error);
        assert_int_equal(write_rows(PROXIMADB_INSERT, rows, 3).first_version, 12);
        assert_int_equal(engine_get_version(&box, "docs", "c"), 14);
        engine_reopen(&box);
        assert_int_equal(engine_count(&box, "docs", NULL), 12);
        assert_int_equal(engine_get_version(&box, "docs", "c"), 14);
        end();
    }
}

static void test_coordinator__an_upsert_replaces_the_whole_row(void **state)
{
    (void)state;
    const float vector[DIMS] = {7, 8, 9};
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        struct proximadb_row rows[] = {make("b", vector), make("new", vector)};
        rows[0].document = "text";
        rows[0].document_size_bytes = 4;
        struct proximadb_write_result result = write_rows(PROXIMADB_UPSERT, rows, 2);
        assert_int_equal(result.row_count, 2);
        assert_int_equal(result.affected, 2);
        assert_int_equal(result.first_version, 11);
        assert_false(result.repeated);
        for (int i = 0; i < 3; i++) {
            struct engine_row row = get_one("b");
            assert_int_equal(row.version, 11);
            assert_string_equal(row.metadata, "");
            assert_string_equal(row.document, "text");
            assert_memory_equal(row.vector, vector, sizeof vector);
            assert_int_equal(row.timestamp_ms, box.clock.wall_ms);
            assert_int_equal(engine_count(&box, "docs", NULL), 11);
            assert_int_equal(engine_count(&box, "docs", "category = 'odd'"), 4);
            if (i == 0)
                engine_flush(&box, "docs");
            else
                engine_reopen(&box);
        }
        end();
    }
}

/* ---- update -------------------------------------------------------------------------------- */

static void test_coordinator__an_update_changes_what_it_names(void **state)
{
    (void)state;
    const float vector[DIMS] = {7, 8, 9};
    const int64_t expires_at_ms = INT64_C(4000000000000);
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        struct proximadb_row only_vector = make("b", vector);
        write_rows(PROXIMADB_UPDATE, &only_vector, 1);
        struct engine_row row = get_one("b");
        assert_string_equal(row.metadata, "category=\"odd\";count=1;");
        assert_memory_equal(row.vector, vector, sizeof vector);
        assert_int_equal(row.version, 11);

        const struct proximadb_field fields[] = {null_field("category"), null_field("absent"),
                                                 text_field("note", "new"),
                                                 long_field("count", 77)};
        struct proximadb_row rest = make("b", NULL);
        rest.fields = fields;
        rest.field_count = 4;
        rest.document = "text";
        rest.document_size_bytes = 4;
        rest.expires_at_ms = &expires_at_ms;
        bring_to(place);
        write_rows(PROXIMADB_UPDATE, &rest, 1);
        row = get_one("b");
        assert_string_equal(row.metadata, "count=77;note=\"new\";");
        assert_memory_equal(row.vector, vector, sizeof vector);
        assert_string_equal(row.document, "text");
        assert_int_equal(row.expires_at_ms, expires_at_ms);

        struct proximadb_row nothing = make("b", NULL);
        nothing.clear_document = true;
        nothing.clear_expires_at = true;
        bring_to(place);
        write_rows(PROXIMADB_UPDATE, &nothing, 1);
        row = get_one("b");
        assert_string_equal(row.metadata, "count=77;note=\"new\";");
        assert_false(row.has_document);
        assert_int_equal(row.expires_at_ms, INT64_MAX);
        assert_int_equal(row.version, 13);
        engine_reopen(&box);
        row = get_one("b");
        assert_string_equal(row.metadata, "count=77;note=\"new\";");
        assert_false(row.has_document);
        assert_int_equal(engine_count(&box, "docs", NULL), 10);
        end();
    }
}

static void test_coordinator__an_update_that_cannot_be_made_changes_nothing(void **state)
{
    (void)state;
    const float vector[DIMS] = {7, 8, 9};
    const int64_t right = 1, wrong = 9;
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        struct proximadb_row rows[] = {make("a", vector), make("b", vector), make("c", vector)};
        rows[0].expected_version = &right;
        rows[2].expected_version = &wrong;
        assert_int_equal(try_write(PROXIMADB_UPDATE, rows, 3, NULL), PROXIMADB_VERSION_MISMATCH);
        assert_int_equal(box.error.row_index, 2);
        assert_int_equal(box.error.expected, 9);
        assert_int_equal(box.error.actual, 3);
        rows[2] = make("unknown", vector);
        assert_int_equal(try_write(PROXIMADB_UPDATE, rows, 3, NULL), PROXIMADB_VECTOR_NOT_FOUND);
        assert_int_equal(box.error.row_index, 2);
        assert_non_null(strstr(box.error.message, "'unknown'"));
        assert_int_equal(get_one("a").version, 1);
        assert_true(get_one("b").vector[0] == 1);
        write_rows(PROXIMADB_UPDATE, rows, 2);
        assert_int_equal(get_one("a").version, 11);
        end();
    }
}

/* What an alteration made filterable may be what a row has under that name already, and not of the
 * field's type: it stays readable, and what is written from then on is checked. */
static void test_coordinator__updates_rows_whose_metadata_is_older_than_a_field(void **state)
{
    (void)state;
    const float vector[DIMS] = {1, 2, 3};
    const struct proximadb_field old = text_field("extra", "no number");
    const struct proximadb_field other = text_field("other", "x");
    start(PROXIMADB_L2);
    struct proximadb_row row = make("a", vector);
    row.fields = &old;
    row.field_count = 1;
    write_rows(PROXIMADB_INSERT, &row, 1);
    engine_must(engine_try_alter(&box, "docs", ENGINE_FIRST_FIELDS + 1), &box.error);
    assert_int_equal(try_write(PROXIMADB_UPSERT, &row, 1, NULL), PROXIMADB_INVALID);
    row = make("a", NULL);
    row.fields = &other;
    row.field_count = 1;
    write_rows(PROXIMADB_UPDATE, &row, 1);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(get_one("a").metadata, "extra=\"no number\";other=\"x\";");
        assert_int_equal(engine_count(&box, "docs", "extra = 1"), 0);
        assert_int_equal(engine_count(&box, "docs", "other = 'x'"), 1);
        bring_to(IN_CLUSTERS);
        engine_reopen(&box);
    }
    end();
}

/* ---- delete -------------------------------------------------------------------------------- */

static void test_coordinator__deletes_by_id_and_says_how_many_there_were(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {engine_text("a"), engine_text("unknown"), engine_text("j"),
                                         engine_text("a")};
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        struct proximadb_buffer payload;
        struct proximadb_write_result result;
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        for (int i = 0; i < 2; i++) {
            engine_must(proximadb_encode_delete(NULL, ids, 4, NULL, &payload, &box.error),
                        &box.error);
            engine_must(engine_write(&box, PROXIMADB_DELETE, "docs", &payload, &result),
                        &box.error);
            assert_int_equal(result.row_count, 4);
            assert_int_equal(result.affected, i == 0 ? 2 : 0);
        }
        for (int i = 0; i < 3; i++) {
            assert_int_equal(engine_count(&box, "docs", NULL), 8);
            assert_int_equal(engine_count(&box, "docs", "category = 'even'"), 4);
            assert_int_equal(engine_get_version(&box, "docs", "a"), 0);
            assert_int_equal(engine_get_version(&box, "docs", "b"), 2);
            if (i == 0)
                bring_to(IN_CLUSTERS);
            else
                engine_reopen(&box);
        }
        end();
    }
}

static void test_coordinator__deletes_what_a_filter_chooses(void **state)
{
    (void)state;
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        struct proximadb_write_result result;
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        engine_must(
            engine_try_delete_where(&box, "docs", NULL, "count >= 3 AND category = 'odd'", &result),
            &box.error);
        assert_int_equal(result.row_count, 4);
        assert_int_equal(result.affected, 4);
        assert_int_equal(engine_count(&box, "docs", NULL), 6);
        engine_must(engine_try_delete_where(&box, "docs", NULL, "count > 100", &result),
                    &box.error);
        assert_int_equal(result.row_count, 0);
        assert_int_equal(engine_try_delete_where(&box, "docs", NULL, "count >", &result),
                         PROXIMADB_INVALID);
        engine_reopen(&box);
        assert_int_equal(engine_count(&box, "docs", NULL), 6);
        assert_int_equal(engine_get_version(&box, "docs", "d"), 0);
        assert_int_equal(engine_get_version(&box, "docs", "b"), 2);
        end();
    }
}

/* More rows than one entry of the log takes: several, of which the sum is told. */
static void test_coordinator__deletes_more_than_an_entry_takes(void **state)
{
    (void)state;
    enum { ROWS = 100010, BATCH = 50005 };
    struct proximadb_write_result result;
    start(PROXIMADB_L2);
    for (int first = 0; first < ROWS; first += BATCH) {
        proximadb_batch *batch = proximadb_batch_new(PROXIMADB_INSERT, NULL);
        struct proximadb_buffer payload;
        const float vector[DIMS] = {1, 2, 3};
        for (int i = first; i < first + BATCH; i++) {
            char id[16];
            snprintf(id, sizeof id, "%d", i);
            const struct proximadb_row row = make(id, vector);
            engine_must(proximadb_batch_add(batch, &row, &box.error), &box.error);
        }
        engine_must(proximadb_batch_take(batch, &payload, &box.error), &box.error);
        proximadb_batch_free(batch);
        engine_must(engine_write(&box, PROXIMADB_INSERT, "docs", &payload, NULL), &box.error);
    }
    engine_must(engine_try_delete_where(&box, "docs", NULL, "count IS NULL", &result), &box.error);
    assert_int_equal(result.row_count, ROWS);
    assert_int_equal(result.affected, ROWS);
    assert_int_equal(result.first_version, ROWS + 1);
    assert_int_equal(engine_count(&box, "docs", NULL), 0);
    assert_int_equal(engine_info(&box, "docs").info.last_version, 2 * ROWS);
    end();
}

/* ---- repeating ----------------------------------------------------------------------------- */

/* The same bytes again are the same outcome again, also from the log and from the manifest. */
static void test_coordinator__a_repeated_request_changes_nothing_more(void **state)
{
    (void)state;
    static const uint8_t request_id[16] = "insert of row k";
    const float vector[DIMS] = {1, 2, 3};
    const struct proximadb_row row = make("k", vector);
    struct proximadb_write_result result;
    start(PROXIMADB_L2);
    insert_ten();
    for (int i = 0; i < 4; i++) {
        struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, request_id, &row, 1);
        engine_must(engine_write(&box, PROXIMADB_INSERT, "docs", &payload, &result), &box.error);
        assert_int_equal(result.first_version, 11);
        assert_int_equal(result.affected, 1);
        assert_int_equal(result.repeated, i > 0);
        if (i == 1)
            engine_flush(&box, "docs");
        if (i > 0)
            engine_reopen(&box);
    }
    assert_int_equal(engine_count(&box, "docs", NULL), 11);
    end();
}

static void test_coordinator__a_repeated_delete_by_filter_chooses_no_new_rows(void **state)
{
    (void)state;
    static const uint8_t request_id[16] = "delete of evens";
    struct proximadb_write_result result;
    start(PROXIMADB_L2);
    insert_ten();
    engine_must(engine_try_delete_where(&box, "docs", request_id, "category = 'even'", &result),
                &box.error);
    assert_int_equal(result.affected, 5);
    const float vector[DIMS] = {1, 2, 3};
    const struct proximadb_field even = text_field("category", "even");
    struct proximadb_row row = make("k", vector);
    row.fields = &even;
    row.field_count = 1;
    write_rows(PROXIMADB_INSERT, &row, 1);
    for (int i = 0; i < 4; i++) {
        engine_must(engine_try_delete_where(&box, "docs", request_id, "category = 'even'", &result),
                    &box.error);
        assert_int_equal(result.row_count, 5);
        assert_int_equal(result.affected, 5);
        assert_int_equal(result.first_version, 11);
        assert_true(result.repeated);
        assert_int_equal(engine_count(&box, "docs", NULL), 6);
        if (i == 1)
            engine_flush(&box, "docs");
        if (i > 0)
            engine_reopen(&box);
    }
    end();
}

/* ---- get ----------------------------------------------------------------------------------- */

static void test_coordinator__gets_rows_in_the_order_asked_for(void **state)
{
    (void)state;
    static const char *const ids[] = {"j", "unknown", "a", "e", "b"};
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        struct engine_rows rows = {0};
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        engine_must(engine_try_delete(&box, "docs", "e", NULL), &box.error);
        engine_get(&box, "docs", ids, 5, &rows);
        assert_string_equal(id_text(&rows), "j a b ");
        assert_int_equal(rows.items[0].version, 10);
        assert_string_equal(rows.items[0].metadata, "category=\"odd\";count=9;");
        assert_true(rows.items[0].vector[1] == 9);
        assert_int_equal(rows.items[0].dim_count, DIMS);
        engine_rows_clear(&rows);
        end();
    }
}

/* ---- search -------------------------------------------------------------------------------- */

struct search_case {
    int metric;
    float query[DIMS];
    uint64_t k;
    const char *filter;
    const char *ids;
};

/* Rows (1, i, 0), of which "k" to "m" repeat "c": ties are ordered by id. */
static const struct search_case search_cases[] = {
    {PROXIMADB_L2, {1, 2, 0}, 6, NULL, "c k l m b d "},
    {PROXIMADB_L2, {1, 2, 0}, 3, NULL, "c k l "},
    {PROXIMADB_L2, {1, 4.25f, 0}, 3, "category = 'odd'", "f d h "},
    {PROXIMADB_L2, {1, 0, 0}, 100, NULL, "a b c k l m d e f g h i j "},
    {PROXIMADB_DOT, {0, 1, 0}, 3, NULL, "j i h "},
    {PROXIMADB_DOT, {1, 0, 0}, 4, NULL, "a b c d "},
    {PROXIMADB_DOT, {0, -1, 0}, 6, NULL, "a b c k l m "},
    {PROXIMADB_COSINE, {0, 1, 0}, 3, NULL, "j i h "},
    {PROXIMADB_COSINE, {2, 4, 0}, 5, NULL, "c k l m d "},
    {PROXIMADB_COSINE, {1, 0, 0}, 2, "count > 100", ""},
};

static void insert_ties(void)
{
    const float vector[DIMS] = {1, 2, 0};
    const struct proximadb_row rows[] = {make("m", vector), make("k", vector), make("l", vector)};
    write_rows(PROXIMADB_INSERT, rows, 3);
}

static void check_search(const struct search_case *it)
{
    struct engine_rows rows = {0};
    struct engine_query query = {it->query, 1, DIMS, it->k, it->filter};
    engine_search(&box, "docs", &query, &rows);
    assert_string_equal(id_text(&rows), it->ids);
    for (size_t i = 0; i < rows.count; i++) {
        double distance =
            px_distance((enum proximadb_metric)it->metric, it->query, rows.items[i].vector, DIMS);
        assert_true(rows.items[i].distance == distance);
        assert_true(rows.items[i].score == px_score((enum proximadb_metric)it->metric, distance));
        assert_int_equal(rows.items[i].query_index, 0);
    }
    engine_rows_clear(&rows);
}

static void test_coordinator__searches_wherever_rows_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof search_cases / sizeof search_cases[0]; i++) {
        start(search_cases[i].metric);
        insert_ten();
        bring_to(i % 2 == 0 ? IN_PARTS : IN_MEMORY);
        insert_ties();
        check_search(&search_cases[i]);
        for (enum place place = IN_PARTS; place < PLACE_COUNT; place++) {
            bring_to(place);
            check_search(&search_cases[i]);
        }
        engine_reopen(&box);
        check_search(&search_cases[i]);
        end();
    }
}

static void test_coordinator__bounds_what_one_search_may_find(void **state)
{
    (void)state;
    enum { QUERIES = 101 };
    static const float queries[QUERIES * DIMS];
    struct engine_rows rows = {0};
    struct engine_query query = {queries, QUERIES, DIMS, 10000, NULL};
    start(PROXIMADB_L2);
    insert_ten();
    assert_int_equal(engine_try_search(&box, "docs", &query, &rows), PROXIMADB_TOO_LARGE);
    assert_non_null(strstr(box.error.message, "send fewer queries"));
    query.query_count = QUERIES - 1;
    engine_search(&box, "docs", &query, &rows);
    assert_int_equal(rows.count, 10 * (QUERIES - 1));
    engine_rows_clear(&rows);
    end();
}

/* Scans of one page, and scans that fail, leave no snapshot behind: there is room for 1,024. */
static void test_coordinator__small_scans_take_no_place(void **state)
{
    (void)state;
    struct engine_rows rows = {0};
    start(PROXIMADB_L2);
    insert_ten();
    for (int i = 0; i <= PX_MOST_SCANS; i++) {
        engine_scan(&box, "docs", NULL, &rows);
        engine_rows_clear(&rows);
    }
    end();
}

static void insert_numbered(int first, int count)
{
    for (int done = 0; done < count; done += 100) {
        struct proximadb_row batch[100];
        float vectors[100][DIMS];
        char ids[100][16];
        for (int i = 0; i < 100; i++) {
            int number = first + done + i;
            snprintf(ids[i], sizeof ids[i], "%d", number);
            memcpy(vectors[i], (float[DIMS]){1, (float)number, 0}, sizeof vectors[i]);
            batch[i] = make(ids[i], vectors[i]);
        }
        write_rows(PROXIMADB_INSERT, batch, 100);
    }
}

static void delete_numbered(int number)
{
    char id[16];
    struct proximadb_buffer payload;
    struct proximadb_write_result result;
    snprintf(id, sizeof id, "%d", number);
    const struct proximadb_text text = engine_text(id);
    engine_must(proximadb_encode_delete(NULL, &text, 1, NULL, &payload, &box.error), &box.error);
    engine_must(engine_write(&box, PROXIMADB_DELETE, "docs", &payload, &result), &box.error);
    assert_int_equal(result.affected, 1);
}

/* Of what is left of (1, i, 0) without every seventh, the two nearest to (1, target + 0.25, 0). */
static void check_two_nearest(int target, const struct engine_row *found)
{
    int expected[2] = {0}, count = 0;
    for (int step = 0; count < 2; step++) { /* 0, 1, -1, 2, -2, ... */
        int number = target + (step % 2 == 1 ? step / 2 + 1 : -(step / 2));
        if (number >= 0 && number % 7 != 0)
            expected[count++] = number;
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(atoi(found[i].id), expected[i]);
}

static void test_coordinator__searches_for_several_queries_at_once(void **state)
{
    (void)state;
    const float queries[2 * DIMS] = {1, 9, 0, 1, 0, 0};
    struct engine_rows rows = {0};
    struct engine_query query = {queries, 2, DIMS, 2, NULL};
    start(PROXIMADB_L2);
    engine_search(&box, "docs", &query, &rows);
    assert_int_equal(rows.count, 0);
    insert_ten();
    engine_search(&box, "docs", &query, &rows);
    assert_string_equal(id_text(&rows), "j i a b ");
    assert_int_equal(rows.items[1].query_index, 0);
    assert_int_equal(rows.items[2].query_index, 1);
    query.dim_count = 2;
    query.query_count = 3;
    assert_int_equal(engine_try_search(&box, "docs", &query, &rows), PROXIMADB_DIMENSION);
    engine_rows_clear(&rows);
    end();
}

/* Rows (1, i, 0), every seventh of them deleted, in parts and in memory; each query has its own two
 * nearest. So many products make helpers worth their while. */
static void test_coordinator__shares_large_searches(void **state)
{
    (void)state;
    enum { ROW_COUNT = 4000, HALF = ROW_COUNT / 2, QUERY_COUNT = 1500 };
    static float queries[QUERY_COUNT * DIMS];
    struct engine_rows rows = {0};
    struct engine_query query = {queries, QUERY_COUNT, DIMS, 2, NULL};
    box_worker_count = 4;
    start(PROXIMADB_L2);
    for (int first = 0; first < ROW_COUNT; first += HALF) {
        insert_numbered(first, HALF);
        if (first == 0)
            bring_to(IN_PARTS);
    }
    for (int i = 0; i < ROW_COUNT; i += 7)
        delete_numbered(i);
    for (int q = 0; q < QUERY_COUNT; q++)
        memcpy(&queries[q * DIMS], (float[DIMS]){1, (float)(q * 2 % (ROW_COUNT - 7)) + 0.25f, 0},
               DIMS * sizeof(float));
    for (int round = 0; round < 5; round++) {
        engine_search(&box, "docs", &query, &rows);
        assert_int_equal(rows.count, 2 * QUERY_COUNT);
        for (int q = 0; q < QUERY_COUNT; q++)
            check_two_nearest(q * 2 % (ROW_COUNT - 7), &rows.items[2 * (size_t)q]);
        engine_rows_clear(&rows);
    }
    end();
    box_worker_count = 1;
}

/* ---- scan ---------------------------------------------------------------------------------- */

/* Pages of 3 while everything changes around them. */
static void test_coordinator__a_scan_sees_the_rows_of_its_beginning(void **state)
{
    (void)state;
    const float vector[DIMS] = {0, 0, 1};
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        struct engine_rows rows = {0};
        int step = 0;
        start(PROXIMADB_L2);
        insert_ten();
        bring_to(place);
        do {
            engine_must(engine_try_page(&box, "docs", NULL, 3, &rows), &box.error);
            const struct proximadb_row changed[] = {make("d", vector), make("x", vector)};
            write_rows(PROXIMADB_UPSERT, changed, 2);
            engine_must(engine_try_delete(&box, "docs", "e", NULL), &box.error);
            bring_to((enum place)(step++ % PLACE_COUNT));
        } while (rows.cursor[0] != '\0');
        assert_int_equal(rows.count, 10);
        for (char id[2] = "a"; id[0] <= 'j'; id[0]++) {
            const struct engine_row *row = engine_rows_find(&rows, id);
            assert_non_null(row);
            assert_int_equal(row->version, id[0] - 'a' + 1);
            assert_true(row->vector[1] == (float)(id[0] - 'a'));
        }
        engine_rows_clear(&rows);
        engine_scan(&box, "docs", "count < 2", &rows);
        assert_int_equal(rows.count, 2);
        engine_rows_clear(&rows);
        end();
    }
}

static void test_coordinator__a_page_may_be_asked_for_again(void **state)
{
    (void)state;
    struct engine_rows rows = {0}, again = {0};
    start(PROXIMADB_L2);
    insert_ten();
    engine_must(engine_try_page(&box, "docs", NULL, 6, &rows), &box.error);
    memcpy(again.cursor, rows.cursor, sizeof again.cursor);
    engine_must(engine_try_page(&box, "docs", NULL, 6, &rows), &box.error);
    assert_string_equal(rows.cursor, "");
    assert_string_equal(id_text(&rows), "a b c d e f g h i j ");
    engine_must(engine_try_page(&box, "docs", NULL, 6, &again), &box.error);
    assert_string_equal(id_text(&again), "g h i j ");
    engine_rows_clear(&rows);
    engine_rows_clear(&again);
    end();
}

static void test_coordinator__a_scan_ends_when_it_is_not_continued(void **state)
{
    (void)state;
    struct engine_rows rows = {0}, other = {0};
    start(PROXIMADB_L2);
    engine_create(&box, "other", DIMS, PROXIMADB_L2);
    insert_ten();
    engine_must(engine_try_page(&box, "docs", NULL, 3, &rows), &box.error);
    memcpy(other.cursor, rows.cursor, sizeof other.cursor);
    assert_int_equal(engine_try_page(&box, "other", NULL, 3, &other), PROXIMADB_SNAPSHOT_EXPIRED);
    box.clock.monotonic_ms += 599999;
    engine_must(engine_try_page(&box, "docs", NULL, 3, &rows), &box.error);
    box.clock.monotonic_ms += 600000;
    assert_int_equal(engine_try_page(&box, "docs", NULL, 3, &rows), PROXIMADB_SNAPSHOT_EXPIRED);
    assert_non_null(strstr(box.error.message, "600 seconds"));
    engine_rows_clear(&rows);
    end();
}

/* ---- expiry -------------------------------------------------------------------------------- */

static void test_coordinator__an_expired_row_is_not_there(void **state)
{
    (void)state;
    const float vector[DIMS] = {1, 1, 1};
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        struct engine_rows rows = {0};
        static const char *const ids[] = {"e"};
        const struct engine_query query = {vector, 1, DIMS, 20, NULL};
        start(PROXIMADB_L2);
        insert_ten();
        int64_t expires_at_ms = box.clock.wall_ms + 1000;
        struct proximadb_row row = make("e", vector);
        row.expires_at_ms = &expires_at_ms;
        write_rows(PROXIMADB_UPSERT, &row, 1);
        bring_to(place);
        box.clock.wall_ms += 999;
        assert_int_equal(engine_count(&box, "docs", NULL), 10);
        engine_get(&box, "docs", ids, 1, &rows);
        assert_int_equal(rows.items[0].expires_at_ms, expires_at_ms);
        engine_rows_clear(&rows);
        box.clock.wall_ms++;
        assert_int_equal(engine_count(&box, "docs", NULL), 9);
        assert_int_equal(engine_get_version(&box, "docs", "e"), 0);
        engine_scan(&box, "docs", NULL, &rows);
        assert_string_equal(id_text(&rows), "a b c d f g h i j ");
        engine_rows_clear(&rows);
        engine_search(&box, "docs", &query, &rows);
        assert_int_equal(rows.count, 9);
        assert_null(engine_rows_find(&rows, "e"));
        engine_rows_clear(&rows);

        /* It cannot be updated, a delete does not count it, and an insert may use its id. */
        assert_int_equal(try_write(PROXIMADB_UPDATE, &row, 1, NULL), PROXIMADB_VECTOR_NOT_FOUND);
        struct proximadb_write_result result;
        engine_must(engine_try_delete(&box, "docs", "e", &result), &box.error);
        assert_int_equal(result.affected, 0);
        expires_at_ms += 5000;
        write_rows(PROXIMADB_INSERT, &row, 1);
        write_rows(PROXIMADB_UPSERT, &row, 1);
        assert_int_equal(engine_count(&box, "docs", NULL), 10);
        box.clock.wall_ms += 5000;
        write_rows(PROXIMADB_INSERT,
                   &(struct proximadb_row){.struct_size = sizeof row,
                                           .id = engine_text("e"),
                                           .vector = vector,
                                           .dim_count = DIMS},
                   1);
        engine_reopen(&box);
        assert_int_equal(engine_count(&box, "docs", NULL), 10);
        end();
    }
}

static void test_coordinator__counts_exactly(void **state)
{
    (void)state;
    for (enum place place = IN_MEMORY; place < PLACE_COUNT; place++) {
        start(PROXIMADB_L2);
        assert_int_equal(engine_count(&box, "docs", NULL), 0);
        assert_int_equal(engine_count(&box, "docs", "count = 1"), 0);
        insert_ten();
        bring_to(place);
        assert_int_equal(engine_count(&box, "docs", NULL), 10);
        assert_int_equal(engine_count(&box, "docs", "count BETWEEN 2 AND 5"), 4);
        assert_int_equal(engine_count(&box, "docs", "absent IS NULL"), 10);
        uint64_t count;
        assert_int_equal(engine_try_count(&box, "docs", "count = ", &count), PROXIMADB_INVALID);
        assert_int_equal(engine_info(&box, "docs").info.vector_count, 10);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator__an_insert_of_an_existing_id_fails_its_whole_batch),
        cmocka_unit_test(test_coordinator__an_upsert_replaces_the_whole_row),
        cmocka_unit_test(test_coordinator__an_update_changes_what_it_names),
        cmocka_unit_test(test_coordinator__an_update_that_cannot_be_made_changes_nothing),
        cmocka_unit_test(test_coordinator__updates_rows_whose_metadata_is_older_than_a_field),
        cmocka_unit_test(test_coordinator__deletes_by_id_and_says_how_many_there_were),
        cmocka_unit_test(test_coordinator__deletes_what_a_filter_chooses),
        cmocka_unit_test(test_coordinator__deletes_more_than_an_entry_takes),
        cmocka_unit_test(test_coordinator__a_repeated_request_changes_nothing_more),
        cmocka_unit_test(test_coordinator__a_repeated_delete_by_filter_chooses_no_new_rows),
        cmocka_unit_test(test_coordinator__gets_rows_in_the_order_asked_for),
        cmocka_unit_test(test_coordinator__searches_wherever_rows_are),
        cmocka_unit_test(test_coordinator__searches_for_several_queries_at_once),
        cmocka_unit_test(test_coordinator__shares_large_searches),
        cmocka_unit_test(test_coordinator__bounds_what_one_search_may_find),
        cmocka_unit_test(test_coordinator__small_scans_take_no_place),
        cmocka_unit_test(test_coordinator__a_scan_sees_the_rows_of_its_beginning),
        cmocka_unit_test(test_coordinator__a_page_may_be_asked_for_again),
        cmocka_unit_test(test_coordinator__a_scan_ends_when_it_is_not_continued),
        cmocka_unit_test(test_coordinator__an_expired_row_is_not_there),
        cmocka_unit_test(test_coordinator__counts_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
