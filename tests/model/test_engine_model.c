/* px-test: layers=api label=model */
/*
 * Goal: whatever the history of a collection (writes of every kind and their repeats, alterations, expiry
 * under clocks that go both ways, flushes, compactions, clean ends, kills and power cuts), it holds
 * exactly the rows that a plain array would hold, and answers as if it were one.
 * Method: a random history on a disk in memory beside such an array. After each step the count and one
 * row are compared; now and then all rows, a search, whose order and distances must be equal to the
 * last bit, and a scan that began some steps ago. PX_TEST_SEED repeats a history; PX_MODEL_STEPS=100000
 * makes a long one.
 */
#include "service/engine.h"

#include "simd/distance.h"
#include "support/engine_rows.h"
#include "support/powercut_fs.h"

enum {
    DIMS = 4,
    ID_COUNT = 48, /* few, so that rows are found, superseded, and equally far */
    MOST_BATCH = 5,
    STEPS = 1000, /* of each metric, unless PX_MODEL_STEPS says otherwise */
    STEPS_BETWEEN_CHECKS = 20,
    REMEMBERED = 8,
};

enum model_keys { HAS_CATEGORY = 1, HAS_COUNT = 2, HAS_EXTRA = 4, HAS_NOTE = 8 };

struct model_row {
    bool exists; /* maybe expired */
    int64_t version;
    float vector[DIMS];
    unsigned keys;
    int category;
    int64_t count;
    bool extra_is_text;
    int64_t extra;
    int note;
    int document; /* 0: none */
    int64_t timestamp_ms;
    int64_t expires_at_ms; /* INT64_MAX: never */
};

/* A write that was carried out, to be sent again. */
struct remembered {
    int operation;
    void *bytes;
    size_t size_bytes;
    struct proximadb_write_result result;
};

/* A scan that is under way, and what it must give. */
struct open_scan {
    bool is_open;
    int64_t now_ms;
    struct model_row expected[ID_COUNT];
    struct engine_rows rows;
};

struct model {
    struct engine_box box;
    struct px_powercut *disk;
    struct px_test_random random;
    enum proximadb_metric metric;
    struct model_row rows[ID_COUNT];
    int64_t next_lsn;
    int64_t clock_ms;  /* of the collection: the latest time of a write, carried out or not */
    int64_t logged_ms; /* likewise, of those that are in the log */
    size_t field_count;
    struct remembered remembered[REMEMBERED];
    size_t remembered_count;
    struct open_scan scan;
};

static uint64_t below(struct model *model, uint64_t limit)
{
    return px_test_below(&model->random, limit);
}

static bool chance(struct model *model, uint64_t percent)
{
    return below(model, 100) < percent;
}

static const char *id_name(int id)
{
    static _Thread_local char names[4][16];
    static _Thread_local unsigned turn;
    char *name = names[turn++ % 4];
    snprintf(name, sizeof names[0], "id-%d", id);
    return name;
}

/* ---- the array ----------------------------------------------------------------------------- */

static int64_t now_ms(const struct model *model)
{
    int64_t wall_ms = model->box.clock.wall_ms;
    return wall_ms > model->clock_ms ? wall_ms : model->clock_ms;
}

static bool is_live(const struct model_row *row, int64_t at_ms)
{
    return row->exists && row->expires_at_ms > at_ms;
}

static uint64_t live_count(const struct model *model)
{
    uint64_t count = 0;
    for (int id = 0; id < ID_COUNT; id++)
        count += is_live(&model->rows[id], now_ms(model));
    return count;
}

/* Whether "count < limit" takes the row. */
static bool fits(const struct model_row *row, int64_t limit)
{
    return (row->keys & HAS_COUNT) != 0 && row->count < limit;
}

static void metadata_text(const struct model_row *row, char *text, size_t size)
{
    text[0] = '\0';
    if (row->keys & HAS_CATEGORY)
        engine_put_text(text, size, "category=\"c%d\";", row->category);
    if (row->keys & HAS_COUNT)
        engine_put_text(text, size, "count=%lld;", (long long)row->count);
    if (row->keys & HAS_EXTRA)
        engine_put_text(text, size, row->extra_is_text ? "extra=\"%lld\";" : "extra=%lld;",
                        (long long)row->extra);
    if (row->keys & HAS_NOTE)
        engine_put_text(text, size, "note=\"n%d\";", row->note);
}

static void check_row(const struct model_row *row, const struct engine_row *got)
{
    char text[400];
    metadata_text(row, text, sizeof text);
    assert_int_equal(got->version, row->version);
    assert_int_equal(got->dim_count, DIMS);
    assert_memory_equal(got->vector, row->vector, sizeof row->vector);
    assert_string_equal(got->metadata, text);
    assert_int_equal(got->has_document, row->document != 0);
    if (row->document != 0)
        assert_int_equal(strtol(got->document, NULL, 10), row->document);
}

static void check_whole_row(const struct model_row *row, const struct engine_row *got)
{
    check_row(row, got);
    assert_int_equal(got->timestamp_ms, row->timestamp_ms);
    assert_int_equal(got->expires_at_ms, row->expires_at_ms);
}

/* ---- making writes ------------------------------------------------------------------------- */

/* What a write asks of a row. */
struct change {
    int id;
    struct model_row to; /* the new values; of an update those that are set */
    bool has_vector;
    unsigned removed; /* keys */
    bool clears_document;
    bool sets_expiry;
    bool clears_expiry;
    bool has_timestamp;
    bool has_expected;
    int64_t expected;

    char texts[4][24]; /* what the fields point to */
    struct proximadb_field fields[8];
};

/* Components that many vectors share, so that distances are equal. */
static void make_vector(struct model *model, float vector[DIMS])
{
    static const float values[] = {-1.0f, -0.5f, 0.0f, 0.1f, 1.0f, 3.0f};
    bool is_zero = true;
    for (int i = 0; i < DIMS; i++) {
        vector[i] = values[below(model, 6)];
        is_zero = is_zero && vector[i] == 0;
    }
    if (is_zero)
        vector[0] = 1;
}

static void make_change(struct model *model, int operation, int id, struct change *change)
{
    bool is_update = operation == PROXIMADB_UPDATE;
    *change = (struct change){.id = id, .has_vector = !is_update || chance(model, 60)};
    struct model_row *to = &change->to;
    make_vector(model, to->vector);
    to->keys = (unsigned)below(model, 16);
    to->category = (int)below(model, 3);
    to->count = (int64_t)below(model, 20);
    to->extra = (int64_t)below(model, 5);
    to->extra_is_text = chance(model, 20);
    to->note = (int)below(model, 9);
    to->document = chance(model, 40) ? (int)below(model, 1000) + 1 : 0;
    to->expires_at_ms = INT64_MAX;
    if (chance(model, 25)) {
        to->expires_at_ms = model->box.clock.wall_ms + (int64_t)below(model, 4000);
        change->sets_expiry = true;
    }
    if (!is_update && chance(model, 20)) {
        to->timestamp_ms = (int64_t)below(model, 1000000);
        change->has_timestamp = true;
    }
    if (!is_update)
        return;
    change->removed = ~to->keys & (unsigned)below(model, 16);
    change->clears_document = to->document == 0 && chance(model, 30);
    change->clears_expiry = !change->sets_expiry && chance(model, 30);
    change->has_expected = chance(model, 30);
    change->expected = model->rows[id].version + (chance(model, 10) ? 1 : 0);
    if (change->expected == 0)
        change->expected = 1; /* versions begin there */
}

static void put_text_field(struct change *change, size_t *count, const char *name,
                           const char *prefix, int64_t value)
{
    char *text = change->texts[*count];
    struct proximadb_field *field = &change->fields[(*count)++];
    snprintf(text, sizeof change->texts[0], "%s%lld", prefix, (long long)value);
    *field = (struct proximadb_field){.name = engine_text(name),
                                      .value = {.kind = PROXIMADB_VALUE_STRING}};
    field->value.as.string = engine_text(text);
}

static void put_long_field(struct change *change, size_t *count, const char *name, int64_t value)
{
    struct proximadb_field *field = &change->fields[(*count)++];
    *field = (struct proximadb_field){.name = engine_text(name),
                                      .value = {.kind = PROXIMADB_VALUE_LONG}};
    field->value.as.integer = value;
}

static size_t make_fields(struct change *change)
{
    static const char *const names[] = {"category", "count", "extra", "note"};
    const struct model_row *to = &change->to;
    size_t count = 0;
    if (to->keys & HAS_NOTE)
        put_text_field(change, &count, "note", "n", to->note);
    if (to->keys & HAS_CATEGORY)
        put_text_field(change, &count, "category", "c", to->category);
    if ((to->keys & HAS_EXTRA) && to->extra_is_text)
        put_text_field(change, &count, "extra", "", to->extra);
    else if (to->keys & HAS_EXTRA)
        put_long_field(change, &count, "extra", to->extra);
    if (to->keys & HAS_COUNT)
        put_long_field(change, &count, "count", to->count);
    for (unsigned i = 0; i < 4; i++)
        if (change->removed & (1u << i))
            change->fields[count++] =
                (struct proximadb_field){.name = engine_text(names[i]), .value = {0}};
    return count;
}

static void make_row(struct change *change, struct proximadb_row *row)
{
    static _Thread_local char documents[MOST_BATCH][16];
    static _Thread_local unsigned turn;
    *row = (struct proximadb_row){.struct_size = sizeof *row,
                                  .id = engine_text(id_name(change->id)),
                                  .fields = change->fields,
                                  .field_count = make_fields(change),
                                  .clear_document = change->clears_document,
                                  .clear_expires_at = change->clears_expiry};
    if (change->has_vector) {
        row->vector = change->to.vector;
        row->dim_count = DIMS;
    }
    if (change->to.document != 0) {
        char *document = documents[turn++ % MOST_BATCH];
        snprintf(document, sizeof documents[0], "%d words", change->to.document);
        row->document = document;
        row->document_size_bytes = strlen(document);
    }
    if (change->has_timestamp)
        row->timestamp_ms = &change->to.timestamp_ms;
    if (change->sets_expiry)
        row->expires_at_ms = &change->to.expires_at_ms;
    if (change->has_expected)
        row->expected_version = &change->expected;
}

static struct proximadb_buffer make_batch(int operation, struct change *changes, size_t count)
{
    struct proximadb_error error;
    struct proximadb_buffer payload;
    proximadb_batch *batch = proximadb_batch_new(operation, NULL);
    for (size_t i = 0; i < count; i++) {
        struct proximadb_row row;
        make_row(&changes[i], &row);
        engine_must(proximadb_batch_add(batch, &row, &error), &error);
    }
    engine_must(proximadb_batch_take(batch, &payload, &error), &error);
    proximadb_batch_free(batch);
    return payload;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* Sends a write, and keeps what was carried out to send it again. Takes the payload. */
static int send_write(struct model *model, int operation, struct proximadb_buffer *payload,
                      struct proximadb_write_result *result)
{
    struct remembered kept = {.operation = operation,
                              .bytes = malloc(payload->size_bytes),
                              .size_bytes = payload->size_bytes};
    memcpy(kept.bytes, payload->data, payload->size_bytes);
    *result = (struct proximadb_write_result){0};
    int rc = engine_write(&model->box, operation, "docs", payload, result);
    if (rc != PROXIMADB_OK || result->row_count == 0) {
        free(kept.bytes);
        return rc;
    }
    assert_false(result->repeated);
    kept.result = *result;
    struct remembered *place = &model->remembered[model->remembered_count++ % REMEMBERED];
    free(place->bytes);
    *place = kept;
    return rc;
}

/* The write was logged, with so many LSNs. */
static void note_logged(struct model *model, const struct proximadb_write_result *result)
{
    assert_int_equal(result->first_version, model->next_lsn);
    model->next_lsn += (int64_t)result->row_count;
    model->clock_ms = model->logged_ms = now_ms(model);
}

static void repeat_write(struct model *model)
{
    size_t most = model->remembered_count < REMEMBERED ? model->remembered_count : REMEMBERED;
    if (most == 0)
        return;
    const struct remembered *again = &model->remembered[below(model, most)];
    struct proximadb_buffer payload = {.data = again->bytes, .size_bytes = again->size_bytes};
    struct proximadb_write_result result;
    engine_must(engine_write(&model->box, again->operation, "docs", &payload, &result),
                &model->box.error);
    assert_true(result.repeated);
    assert_int_equal(result.first_version, again->result.first_version);
    assert_int_equal(result.row_count, again->result.row_count);
    assert_int_equal(result.affected, again->result.affected);
}

/* ---- inserts, upserts, updates ------------------------------------------------------------- */

static int expect_row(const struct model *model, int operation, const struct change *change)
{
    const struct model_row *row = &model->rows[change->id];
    bool live = is_live(row, now_ms(model));
    if (operation == PROXIMADB_INSERT && live)
        return PROXIMADB_VECTOR_EXISTS;
    if (operation != PROXIMADB_UPDATE)
        return PROXIMADB_OK;
    if (!live)
        return PROXIMADB_VECTOR_NOT_FOUND;
    return change->has_expected && change->expected != row->version ? PROXIMADB_VERSION_MISMATCH
                                                                    : PROXIMADB_OK;
}

/* What a batch must end with, and the row that is to blame. The engine's clock goes on when it has
 * decided, whatever it has decided. */
static int expect_batch(struct model *model, int operation, const struct change *changes,
                        size_t count, int64_t *ret_row)
{
    for (size_t i = 0; i < count; i++) {
        *ret_row = (int64_t)i;
        if (model->field_count == ENGINE_FIRST_FIELDS + 1 && (changes[i].to.keys & HAS_EXTRA) &&
            changes[i].to.extra_is_text)
            return PROXIMADB_INVALID;
    }
    model->clock_ms = now_ms(model);
    for (size_t i = 0; i < count; i++) {
        *ret_row = (int64_t)i;
        int status = expect_row(model, operation, &changes[i]);
        if (status != PROXIMADB_OK)
            return status;
    }
    *ret_row = -1;
    return PROXIMADB_OK;
}

static void update_row(const struct change *change, struct model_row *row)
{
    const struct model_row *to = &change->to;
    if (change->has_vector)
        memcpy(row->vector, to->vector, sizeof row->vector);
    if (to->keys & HAS_CATEGORY)
        row->category = to->category;
    if (to->keys & HAS_COUNT)
        row->count = to->count;
    if (to->keys & HAS_EXTRA) {
        row->extra = to->extra;
        row->extra_is_text = to->extra_is_text;
    }
    if (to->keys & HAS_NOTE)
        row->note = to->note;
    row->keys = (row->keys | to->keys) & ~change->removed;
    if (to->document != 0 || change->clears_document)
        row->document = to->document;
    if (change->sets_expiry || change->clears_expiry)
        row->expires_at_ms = to->expires_at_ms;
}

static void write_batch(struct model *model, int operation)
{
    static struct change changes[MOST_BATCH];
    size_t count = below(model, MOST_BATCH) + 1;
    int first = (int)below(model, ID_COUNT);
    for (size_t i = 0; i < count; i++) /* 7 is prime to 48: no id comes twice */
        make_change(model, operation, (first + 7 * (int)i) % ID_COUNT, &changes[i]);
    int64_t row_index;
    int expected = expect_batch(model, operation, changes, count, &row_index);
    struct proximadb_buffer payload = make_batch(operation, changes, count);
    struct proximadb_write_result result;
    assert_int_equal(send_write(model, operation, &payload, &result), expected);
    if (expected != PROXIMADB_OK) {
        assert_int_equal(model->box.error.row_index, row_index);
        return;
    }
    assert_int_equal(result.row_count, count);
    assert_int_equal(result.affected, count);
    note_logged(model, &result);
    for (size_t i = 0; i < count; i++) {
        struct model_row *row = &model->rows[changes[i].id];
        if (operation == PROXIMADB_UPDATE) {
            update_row(&changes[i], row);
        } else {
            *row = changes[i].to;
            row->exists = true;
            if (!changes[i].has_timestamp)
                row->timestamp_ms = model->logged_ms;
        }
        row->version = result.first_version + (int64_t)i;
    }
}

/* ---- deletes ------------------------------------------------------------------------------- */

static void delete_ids(struct model *model)
{
    struct proximadb_text ids[4];
    struct proximadb_buffer payload;
    struct proximadb_write_result result;
    uint64_t expected = 0, count = below(model, 4) + 1;
    int first = (int)below(model, ID_COUNT);
    int64_t at_ms = now_ms(model);
    for (int i = 0; i < (int)count; i++) {
        struct model_row *row = &model->rows[(first + 5 * i) % ID_COUNT];
        ids[i] = engine_text(id_name((first + 5 * i) % ID_COUNT));
        expected += is_live(row, at_ms);
        row->exists = false;
    }
    engine_must(proximadb_encode_delete(NULL, ids, count, NULL, &payload, &model->box.error),
                &model->box.error);
    engine_must(send_write(model, PROXIMADB_DELETE, &payload, &result), &model->box.error);
    assert_int_equal(result.row_count, count);
    assert_int_equal(result.affected, expected);
    note_logged(model, &result);
}

static void delete_where(struct model *model)
{
    char text[40];
    struct proximadb_buffer payload;
    struct proximadb_write_result result;
    uint64_t expected = 0;
    int64_t limit = (int64_t)below(model, 4), at_ms = now_ms(model);
    snprintf(text, sizeof text, "count < %lld", (long long)limit);
    for (int id = 0; id < ID_COUNT; id++)
        if (is_live(&model->rows[id], at_ms) && fits(&model->rows[id], limit)) {
            model->rows[id].exists = false;
            expected++;
        }
    struct proximadb_filter filter = engine_filter(text);
    engine_must(proximadb_encode_delete(NULL, NULL, 0, &filter, &payload, &model->box.error),
                &model->box.error);
    engine_must(send_write(model, PROXIMADB_DELETE, &payload, &result), &model->box.error);
    assert_int_equal(result.affected, expected);
    assert_int_equal(result.row_count, expected);
    if (expected > 0)
        note_logged(model, &result);
}

/* A compaction that is asked for sweeps first. */
static void sweep(struct model *model, bool compacts)
{
    struct proximadb_write_result result = {.first_version = model->next_lsn};
    int64_t at_ms = now_ms(model);
    for (int id = 0; id < ID_COUNT; id++)
        if (model->rows[id].exists && !is_live(&model->rows[id], at_ms)) {
            model->rows[id].exists = false;
            result.row_count++;
        }
    if (compacts)
        engine_compact(&model->box, "docs", (uint32_t)below(model, 4));
    else
        engine_sweep(&model->box, "docs");
    if (result.row_count > 0)
        note_logged(model, &result);
    assert_int_equal(engine_info(&model->box, "docs").info.last_version, model->next_lsn - 1);
}

/* ---- ends and beginnings ------------------------------------------------------------------- */

static void close_scan(struct model *model)
{
    engine_rows_clear(&model->scan.rows);
    model->scan.is_open = false;
}

/* What is written down of the clock at least, and never more than it was. */
static void adopt_clock(struct model *model)
{
    struct px_shard *shard = engine_shard(&model->box, "docs");
    int64_t clock_ms = atomic_load(&shard->clock_ms);
    px_shard_unref(shard);
    assert_true(clock_ms >= model->logged_ms && clock_ms <= model->clock_ms);
    model->clock_ms = clock_ms;
}

static void reopen(struct model *model)
{
    uint64_t way = below(model, 3);
    if (way == 1)
        px_powercut_kill(model->disk);
    if (way == 2)
        px_powercut_cut(model->disk, PX_POWERCUT_ANY, px_test_next(&model->random));
    engine_close(&model->box);
    close_scan(model);
    model->box.options.fs = px_powercut_boot(model->disk);
    model->box.options.public_options.memtable_limit_bytes = chance(model, 50) ? 0 : 12000;
    engine_open(&model->box);
    adopt_clock(model);
}

static void alter(struct model *model)
{
    model->field_count = below(model, ENGINE_FIRST_FIELDS + 2);
    engine_must(engine_try_alter(&model->box, "docs", model->field_count), &model->box.error);
}

/* ---- checks -------------------------------------------------------------------------------- */

static void check_count_and_a_row(struct model *model)
{
    struct engine_rows rows = {0};
    int id = (int)below(model, ID_COUNT);
    const char *name = id_name(id);
    assert_int_equal(engine_count(&model->box, "docs", NULL), live_count(model));
    engine_get(&model->box, "docs", &name, 1, &rows);
    assert_int_equal(rows.count, is_live(&model->rows[id], now_ms(model)));
    if (rows.count > 0)
        check_whole_row(&model->rows[id], &rows.items[0]);
    engine_rows_clear(&rows);
}

/* Whether the rows are those that were live at a time, in any order. */
static void check_all(const struct model_row *expected, int64_t at_ms,
                      const struct engine_rows *rows)
{
    size_t found = 0;
    for (int id = 0; id < ID_COUNT; id++) {
        const struct engine_row *got = engine_rows_find(rows, id_name(id));
        assert_int_equal(got != NULL, is_live(&expected[id], at_ms));
        if (got != NULL)
            check_whole_row(&expected[id], got);
        found += got != NULL;
    }
    assert_int_equal(rows->count, found);
}

struct near_row {
    double distance;
    int id;
};

static int compare_near(const void *a, const void *b)
{
    const struct near_row *left = a, *right = b;
    if (left->distance != right->distance)
        return left->distance < right->distance ? -1 : 1;
    return strcmp(id_name(left->id), id_name(right->id));
}

static void check_search(struct model *model)
{
    float vector[DIMS];
    char filter[40];
    struct near_row nearest[ID_COUNT];
    struct engine_rows rows = {0};
    size_t count = 0;
    bool filters = chance(model, 40);
    int64_t limit = (int64_t)below(model, 20), at_ms = now_ms(model);
    make_vector(model, vector);
    snprintf(filter, sizeof filter, "count < %lld", (long long)limit);
    struct engine_query query = {vector, 1, DIMS, below(model, ID_COUNT) + 1,
                                 filters ? filter : NULL};
    engine_search(&model->box, "docs", &query, &rows);
    for (int id = 0; id < ID_COUNT; id++) {
        const struct model_row *row = &model->rows[id];
        if (is_live(row, at_ms) && (!filters || fits(row, limit)))
            nearest[count++] = (struct near_row){
                .distance = px_distance(model->metric, vector, row->vector, DIMS), .id = id};
    }
    qsort(nearest, count, sizeof nearest[0], compare_near);
    assert_int_equal(rows.count, count < query.k ? count : query.k);
    for (size_t i = 0; i < rows.count; i++) {
        double score = px_score(model->metric, nearest[i].distance);
        assert_string_equal(rows.items[i].id, id_name(nearest[i].id));
        assert_memory_equal(&rows.items[i].distance, &nearest[i].distance, sizeof(double));
        assert_memory_equal(&rows.items[i].score, &score, sizeof score);
        check_row(&model->rows[nearest[i].id], &rows.items[i]);
    }
    engine_rows_clear(&rows);
}

/* Begins a scan, or goes on with the one that is under way. */
static void step_scan(struct model *model)
{
    struct open_scan *scan = &model->scan;
    if (!scan->is_open) {
        scan->is_open = true;
        scan->now_ms = now_ms(model);
        memcpy(scan->expected, model->rows, sizeof scan->expected);
    }
    engine_must(
        engine_try_page(&model->box, "docs", NULL, (uint32_t)below(model, 12) + 1, &scan->rows),
        &model->box.error);
    if (scan->rows.cursor[0] != '\0')
        return;
    check_all(scan->expected, scan->now_ms, &scan->rows);
    close_scan(model);
}

static void check_everything(struct model *model)
{
    struct engine_rows rows = {0};
    uint64_t existing = 0;
    engine_scan(&model->box, "docs", NULL, &rows);
    check_all(model->rows, now_ms(model), &rows);
    engine_rows_clear(&rows);
    for (int i = 0; i < 3; i++)
        check_search(model);
    for (int id = 0; id < ID_COUNT; id++)
        existing += model->rows[id].exists;
    struct engine_info info = engine_info(&model->box, "docs");
    assert_int_equal(info.info.vector_count, existing);
    assert_int_equal(info.info.last_version, model->next_lsn - 1);
    assert_false(info.info.read_only);
}

/* ---- the history --------------------------------------------------------------------------- */

static void move_clock(struct model *model)
{
    int64_t by_ms = (int64_t)below(model, 1500);
    model->box.clock.wall_ms += chance(model, 30) ? -by_ms : by_ms;
}

static void step(struct model *model)
{
    uint64_t kind = below(model, 100);
    if (kind < 14)
        write_batch(model, PROXIMADB_INSERT);
    else if (kind < 34)
        write_batch(model, PROXIMADB_UPSERT);
    else if (kind < 52)
        write_batch(model, PROXIMADB_UPDATE);
    else if (kind < 60)
        delete_ids(model);
    else if (kind < 64)
        delete_where(model);
    else if (kind < 68)
        repeat_write(model);
    else if (kind < 72)
        sweep(model, false);
    else if (kind < 80)
        move_clock(model);
    else if (kind < 87)
        step_scan(model);
    else if (kind < 92)
        engine_flush(&model->box, "docs");
    else if (kind < 95)
        sweep(model, true);
    else if (kind < 97)
        alter(model);
    else
        reopen(model);
}

static size_t step_count(void)
{
    const char *given = getenv("PX_MODEL_STEPS");
    return given != NULL ? strtoul(given, NULL, 10) : STEPS;
}

static void run_history(enum proximadb_metric metric, struct px_test_random *random)
{
    static struct model model;
    model = (struct model){.disk = px_powercut_new(),
                           .random = {.state = px_test_next(random)},
                           .metric = metric,
                           .next_lsn = 1,
                           .field_count = ENGINE_FIRST_FIELDS};
    engine_init(&model.box, px_powercut_boot(model.disk), "data");
    /* Few rows are a collection that compacts itself, all the time. */
    model.box.options.plan_limits =
        (struct px_plan_limits){.round_parts = 2, .least_round_bytes = 1, .cluster_parts = 2};
    model.box.options.cluster_sizes =
        (struct px_clustering_sizes){.least_bytes = 3000, .aimed_bytes = 6000, .most_bytes = 9000};
    model.box.options.list_rows = 8;
    engine_open(&model.box);
    engine_create(&model.box, "docs", DIMS, metric);
    size_t count = step_count();
    for (size_t i = 1; i <= count; i++) {
        step(&model);
        check_count_and_a_row(&model);
        if (i % STEPS_BETWEEN_CHECKS == 0 || i == count)
            check_everything(&model);
    }
    close_scan(&model);
    engine_close(&model.box);
    for (size_t i = 0; i < REMEMBERED; i++)
        free(model.remembered[i].bytes);
    px_powercut_free(model.disk);
}

static void test_engine_model__holds_what_an_array_would_hold(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("engine_model");
    run_history(PROXIMADB_L2, &random);
    run_history(PROXIMADB_COSINE, &random);
    run_history(PROXIMADB_DOT, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_model__holds_what_an_array_would_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
