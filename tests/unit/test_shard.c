/* px-test: layers=api */
/*
 * Goal: a collection keeps its promises where the device fails or is full, where its fields change under
 * waiting writes, where rows move while they are written to, and across restarts.
 * Method: operations that are handed to the shard one by one, in an order that a stopped committer makes
 * certain; a disk in memory whose calls fail one after the other, is full, or loses power.
 */
#include "service/shard.h"

#include "avro/schemas.h"
#include "os/file.h"
#include "support/engine_rows.h"

#include <errno.h>
#include <semaphore.h>

/* Its variables must not shadow what the others name. */
#include "support/engine_on_disk.h"

enum { DIMS = 4 };

static int start(void **state)
{
    (void)state;
    engine_on_disk_start();
    engine_create(&box, "docs", DIMS, PROXIMADB_L2);
    return 0;
}

/* Calls of those kinds on paths with that part fail from now on. kinds 0: none does. */
static void fail_calls(unsigned kinds, const char *path_part, int error)
{
    struct px_fault_rule rule = {.kinds = kinds,
                                 .path_part = path_part,
                                 .fail_at = kinds != 0,
                                 .fail_count = PX_FAULT_FOR_EVER,
                                 .error = error};
    px_fault_fs_set(&faults, &rule);
}

/* Real time for the committers' ticks, test time for what they wait for. */
static void let_retry(void)
{
    box.clock.monotonic_ms += 1000;
    for (int i = 0; i < 4000; i++) {
        struct px_shard *shard = engine_shard(&box, "docs");
        pthread_mutex_lock(&shard->lock);
        bool done = shard->flush_retry_ms == 0 && !shard->is_flushing;
        pthread_mutex_unlock(&shard->lock);
        px_shard_unref(shard);
        if (done)
            return;
        usleep(1000);
    }
    fail_msg("the flush was not tried again");
}

/* ---- operations by hand -------------------------------------------------------------------- */

struct hand_op {
    struct px_write_op op;
    struct px_arena arena;
    struct proximadb_buffer payload;
    struct proximadb_error error; /* of its end */
    sem_t done;
    sem_t *holds; /* NULL, or what its end waits for, with the committer */
};

static void hand_op_done(struct px_write_op *op, const struct proximadb_error *error)
{
    struct hand_op *hand = op->done_context;
    hand->error = error != NULL ? *error : (struct proximadb_error){0};
    if (hand->holds != NULL)
        sem_wait(hand->holds);
    sem_post(&hand->done);
}

static void hand_op_init(struct hand_op *hand, enum px_write_kind kind)
{
    *hand = (struct hand_op){.op = {.kind = kind, .done = hand_op_done}};
    hand->op.done_context = hand;
    hand->op.arena = &hand->arena;
    sem_init(&hand->done, 0, 0);
    px_random_bytes(hand->op.request_id, sizeof hand->op.request_id);
}

static int hand_op_wait(struct hand_op *hand)
{
    sem_wait(&hand->done);
    px_description_unref(hand->op.description);
    px_buffer_release(&hand->op.own_datum);
    px_arena_release(&hand->arena);
    proximadb_buffer_release(&hand->payload);
    sem_destroy(&hand->done);
    return hand->error.status;
}

/* A row "id" whose metadata is extra = text, decoded by the present fields. */
static void make_rows(struct hand_op *hand, struct px_shard *shard, int operation, const char *id)
{
    static const float vector[DIMS] = {1, 2, 3, 4};
    struct proximadb_error error;
    enum px_schema schema;
    struct proximadb_field field = {.name = engine_text("extra"),
                                    .value = {.kind = PROXIMADB_VALUE_STRING}};
    field.value.as.string = engine_text("text");
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text(id),
                                      .vector = vector,
                                      .dim_count = DIMS,
                                      .fields = &field,
                                      .field_count = 1};
    hand_op_init(hand, operation == PROXIMADB_UPDATE ? PX_WRITE_UPDATE : PX_WRITE_UPSERT);
    hand->payload = engine_batch(operation, NULL, &row, 1);
    engine_must(px_payload_open(px_slice_of(hand->payload.data, hand->payload.size_bytes), &schema,
                                &hand->op.datum, &error),
                &error);
    hand->op.description = px_shard_describe(shard);
    const struct px_collection *collection = &hand->op.description->collection;
    int rc =
        operation == PROXIMADB_UPDATE
            ? px_update_decode(hand->op.datum, collection, &hand->arena, &hand->op.as.update,
                               &error)
            : px_batch_decode(hand->op.datum, collection, &hand->arena, &hand->op.as.batch, &error);
    engine_must(rc, &error);
}

/* Stops the committer until *holds is posted: the end of a flush with nothing to flush. */
static void stop_committer(struct px_shard *shard, struct hand_op *hand, sem_t *holds)
{
    sem_init(holds, 0, 0);
    hand_op_init(hand, PX_WRITE_FREEZE);
    hand->holds = holds;
    px_shard_submit(shard, &hand->op);
}

/* The first `count` of engine_fields. */
static void make_alter(struct hand_op *hand, size_t count)
{
    hand_op_init(hand, PX_WRITE_ALTER);
    hand->op.as.alter = (struct px_alteration){
        .has_fields = true, .fields = {.filterable = engine_fields, .filterable_count = count}};
}

/* ---- changing fields ----------------------------------------------------------------------- */

/* What the old fields let through the new ones must not: the log is replayed with them. */
static void test_shard__checks_rows_again_when_the_fields_have_changed(void **state)
{
    (void)state;
    struct hand_op upsert, update, good;
    struct px_shard *shard = engine_shard(&box, "docs");
    engine_insert(&box, "docs", "a", DIMS, 1);
    make_rows(&upsert, shard, PROXIMADB_UPSERT, "b");
    make_rows(&update, shard, PROXIMADB_UPDATE, "a");
    make_rows(&good, shard, PROXIMADB_UPSERT, "c");
    engine_must(engine_try_alter(&box, "docs", ENGINE_FIRST_FIELDS + 1), &box.error);
    px_shard_submit(shard, &upsert.op);
    assert_int_equal(hand_op_wait(&upsert), PROXIMADB_INVALID);
    assert_int_equal(upsert.error.row_index, 0);
    assert_non_null(strstr(upsert.error.message, "'extra'"));
    px_shard_submit(shard, &update.op);
    assert_int_equal(hand_op_wait(&update), PROXIMADB_INVALID);
    engine_must(engine_try_alter(&box, "docs", 0), &box.error);
    px_shard_submit(shard, &good.op); /* decoded by other fields, and right by the present ones */
    assert_int_equal(hand_op_wait(&good), PROXIMADB_OK);
    px_shard_unref(shard);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
    assert_int_equal(engine_get_version(&box, "docs", "c"), 2);
    assert_false(engine_info(&box, "docs").info.read_only);
}

/* Both wait when the committer comes to them, so one round takes both. */
static void test_shard__decides_nothing_behind_an_alteration_that_is_under_way(void **state)
{
    (void)state;
    struct hand_op stop, alter, upsert;
    sem_t holds;
    struct px_shard *shard = engine_shard(&box, "docs");
    engine_insert(&box, "docs", "a", DIMS, 1);
    make_rows(&upsert, shard, PROXIMADB_UPSERT, "b");
    engine_flush(&box, "docs");
    stop_committer(shard, &stop, &holds);
    make_alter(&alter, ENGINE_FIRST_FIELDS + 1);
    px_shard_submit(shard, &alter.op);
    px_shard_submit(shard, &upsert.op);
    sem_post(&holds);
    assert_int_equal(hand_op_wait(&stop), PROXIMADB_OK);
    assert_int_equal(hand_op_wait(&alter), PROXIMADB_OK);
    assert_int_equal(hand_op_wait(&upsert), PROXIMADB_INVALID);
    px_shard_unref(shard);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
    assert_false(engine_info(&box, "docs").info.read_only);
}

/* Behind the flush the file is open, and nothing is flushed any more when it is closed. */
static void test_shard__a_flushed_log_that_nobody_writes_to_goes(void **state)
{
    (void)state;
    engine_insert(&box, "docs", "kept", DIMS, 1);
    engine_flush(&box, "docs");
    assert_true(engine_info(&box, "docs").info.wal_bytes > 0);
    box.clock.monotonic_ms += 60 * 1000;
    for (int i = 0; i < 4000 && engine_info(&box, "docs").info.wal_bytes > 0; i++)
        usleep(1000);
    assert_int_equal(engine_info(&box, "docs").info.wal_bytes, 0);
    engine_insert(&box, "docs", "more", DIMS, 1);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
}

/* The alteration failed in a way that leaves open which JSON a crash finds. A row that only the old
 * fields take may be acknowledged behind it, and must survive any crash. */
static void test_shard__settles_the_json_before_rows_are_written(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct hand_op upsert;
        struct px_shard *shard = engine_shard(&box, "docs");
        fail_calls(PX_FAULT_SYNC_FOLDER, "metadata/collections", 0);
        assert_int_equal(engine_try_alter(&box, "docs", ENGINE_FIRST_FIELDS + 1), PROXIMADB_IO);
        assert_true(atomic_load(&shard->is_json_unsure));
        make_rows(&upsert, shard, PROXIMADB_UPSERT, "b");
        px_shard_submit(shard, &upsert.op);
        assert_int_equal(hand_op_wait(&upsert),
                         PROXIMADB_IO); /* still unsure: nothing is written */
        struct proximadb_write_result result;
        engine_must(engine_try_delete(&box, "docs", "b", &result),
                    &box.error); /* needs no fields */
        assert_int_equal(result.affected, seed > 0);
        fail_calls(0, NULL, 0);
        make_rows(&upsert, shard, PROXIMADB_UPSERT, "b");
        px_shard_submit(shard, &upsert.op);
        assert_int_equal(hand_op_wait(&upsert), PROXIMADB_OK);
        assert_false(atomic_load(&shard->is_json_unsure));
        px_shard_unref(shard);
        engine_on_disk_lose_power(PX_POWERCUT_ANY, seed);
        assert_false(engine_info(&box, "docs").info.read_only);
        assert_int_equal(engine_count(&box, "docs", "extra = 'text'"), 1);
    }
}

static void test_shard__an_alteration_that_cannot_be_flushed_changes_nothing(void **state)
{
    (void)state;
    struct hand_op upsert;
    engine_insert(&box, "docs", "a", DIMS, 1);
    fail_calls(PX_FAULT_WRITE_AT, "store/docs", ENOSPC);
    assert_int_equal(engine_try_alter(&box, "docs", ENGINE_FIRST_FIELDS + 1),
                     PROXIMADB_RESOURCE_EXHAUSTED);
    struct px_shard *shard = engine_shard(&box, "docs");
    make_rows(&upsert, shard, PROXIMADB_UPSERT, "b");
    px_shard_submit(shard, &upsert.op);
    assert_int_equal(hand_op_wait(&upsert), PROXIMADB_OK);
    px_shard_unref(shard);
    fail_calls(0, NULL, 0);
    engine_must(engine_try_alter(&box, "docs", ENGINE_FIRST_FIELDS + 1), &box.error);
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
}

/* ---- rows that were chosen ----------------------------------------------------------------- */

static void test_shard__deletes_of_chosen_rows_only_what_they_were(void **state)
{
    (void)state;
    const struct proximadb_text ids[] = {engine_text("a"), engine_text("b"), engine_text("c"),
                                         engine_text("gone")};
    const int64_t versions[] = {1, 2, 77, 1};
    struct px_delete_batch batch;
    enum px_schema schema;
    struct hand_op deletion;
    struct px_shard *shard = engine_shard(&box, "docs");
    for (int i = 0; i < 3; i++)
        engine_insert(&box, "docs", ids[i].data, DIMS, 1);
    for (int round = 0; round < 2; round++) { /* then none is left that was chosen */
        hand_op_init(&deletion, PX_WRITE_DELETE);
        engine_must(proximadb_encode_delete(NULL, ids, 4, NULL, &deletion.payload, &box.error),
                    &box.error);
        engine_must(px_payload_open(px_slice_of(deletion.payload.data, deletion.payload.size_bytes),
                                    &schema, &deletion.op.datum, &box.error),
                    &box.error);
        engine_must(px_delete_batch_decode(deletion.op.datum, &deletion.arena, &batch, &box.error),
                    &box.error);
        deletion.op.as.ids = batch.ids;
        deletion.op.chosen_versions = versions;
        px_shard_submit(shard, &deletion.op);
        assert_int_equal(hand_op_wait(&deletion), PROXIMADB_OK);
        assert_int_equal(deletion.op.result.row_count, round == 0 ? 2 : 0);
        assert_int_equal(deletion.op.result.affected, round == 0 ? 2 : 0);
    }
    px_shard_unref(shard);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
    assert_int_equal(engine_get_version(&box, "docs", "c"), 3);
    assert_int_equal(engine_info(&box, "docs").info.last_version, 5);
}

/* ---- a flush that fails -------------------------------------------------------------------- */

static const char *numbered(const char *prefix, int number)
{
    static char text[32];
    snprintf(text, sizeof text, "%s%d", prefix, number);
    return text;
}

/* Inserts rows until there is no more room; how many there are. */
static int fill_memory(void)
{
    int count = 0;
    while (engine_put(&box, PROXIMADB_INSERT, "docs", numbered("row-", count), DIMS, 1) ==
           PROXIMADB_OK)
        assert_true(++count < 1000);
    assert_int_equal(box.error.status, PROXIMADB_RESOURCE_EXHAUSTED);
    return count;
}

static void test_shard__full_memory_behind_a_failing_flush_refuses_rows(void **state)
{
    (void)state;
    engine_close(&box);
    box.options.public_options.memtable_limit_bytes = 1; /* each write is frozen at once */
    engine_open(&box);
    fail_calls(PX_FAULT_WRITE_AT, "store/docs", ENOSPC);
    int count = fill_memory();
    assert_in_range(count, PX_MOST_FROZEN, PX_MOST_FROZEN + 1);
    assert_non_null(strstr(box.error.message, "cannot be flushed"));
    assert_non_null(strstr(box.error.message, "try again later"));
    assert_int_equal(engine_try_flush(&box, "docs"), PROXIMADB_RESOURCE_EXHAUSTED);

    /* What helps goes on, and what is there is read. */
    struct proximadb_write_result result;
    for (int i = 0; i < 2; i++) {
        engine_must(engine_try_delete(&box, "docs", numbered("row-", i), &result), &box.error);
        assert_int_equal(result.affected, 1);
    }
    assert_int_equal(engine_count(&box, "docs", NULL), count - 2);
    assert_int_equal(engine_put(&box, PROXIMADB_UPDATE, "docs", numbered("row-", 2), DIMS, 2),
                     PROXIMADB_RESOURCE_EXHAUSTED);

    /* Closing does not wait for space, and nothing is lost by it. */
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), count - 2);
    fail_calls(0, NULL, 0);
    engine_flush(&box, "docs");
    assert_int_equal(engine_count(&box, "docs", NULL), count - 2);
    assert_int_equal(engine_get_version(&box, "docs", "row-0"), 0);
    assert_int_equal(engine_get_version(&box, "docs", "row-2"), 3);
}

static void test_shard__goes_on_when_there_is_space_again(void **state)
{
    (void)state;
    engine_close(&box);
    box.options.public_options.memtable_limit_bytes = 1;
    engine_open(&box);
    fail_calls(PX_FAULT_WRITE_AT, "store/docs", ENOSPC);
    int count = fill_memory();
    fail_calls(0, NULL, 0);
    let_retry();
    for (int i = 0; i < 10; i++)
        engine_insert(&box, "docs", numbered("more-", i), DIMS, 1);
    engine_flush(&box, "docs");
    assert_int_equal(engine_count(&box, "docs", NULL), count + 10);
    engine_reopen(&box);
    assert_int_equal(engine_count(&box, "docs", NULL), count + 10);
    for (int i = 0; i < count; i++)
        assert_int_equal(engine_get_version(&box, "docs", numbered("row-", i)), i + 1);
}

static int put_large(int number)
{
    static char document[16384];
    static const float vector[DIMS] = {1, 2, 3, 4};
    memset(document, 'x', sizeof document);
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text(numbered("row-", number)),
                                      .vector = vector,
                                      .dim_count = DIMS,
                                      .document = document,
                                      .document_size_bytes = sizeof document};
    struct proximadb_buffer payload = engine_batch(PROXIMADB_INSERT, NULL, &row, 1);
    return engine_write(&box, PROXIMADB_INSERT, "docs", &payload, NULL);
}

/* A disk that is really full: the log refuses rows, too, and deletes use the reserve. */
static void test_shard__a_full_disk_loses_nothing(void **state)
{
    (void)state;
    int count = 0;
    struct proximadb_write_result result;
    px_fault_fs_set_space(&faults, 300000);
    while (put_large(count) == PROXIMADB_OK)
        assert_true(++count < 5000);
    assert_int_equal(box.error.status, PROXIMADB_RESOURCE_EXHAUSTED);
    assert_true(count > 0);
    for (int i = 0; i < 3; i++) {
        engine_must(engine_try_delete(&box, "docs", numbered("row-", i), &result), &box.error);
        assert_int_equal(result.affected, 1);
    }
    for (int i = 0; !engine_has_logged(&box, "the reserve of 16 MiB is given up"); i++) {
        engine_must(engine_try_delete(&box, "docs", "row-0", &result), &box.error);
        assert_true(i < 5000);
    }
    /* What rows would take belongs to deletes from now on. */
    assert_int_equal(put_large(count), PROXIMADB_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(box.error.message, "the disk is full"));
    engine_must(engine_try_delete(&box, "docs", "row-0", &result), &box.error);
    px_fault_fs_set_space(&faults, UINT64_MAX);
    engine_must(put_large(count++), &box.error);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(engine_count(&box, "docs", NULL), count - 3);
        for (int row = 3; row + 1 < count; row++)
            assert_int_equal(engine_get_version(&box, "docs", numbered("row-", row)), row + 1);
        engine_reopen(&box);
    }
}

/* Nothing new is in memory, so it is the failed flush that is waited for. */
static void test_shard__a_flush_behind_a_failed_one_is_answered(void **state)
{
    (void)state;
    struct engine_wait wait;
    engine_insert(&box, "docs", "a", DIMS, 1);
    fail_calls(PX_FAULT_WRITE_AT, "store/docs", 0);
    assert_int_equal(engine_try_flush(&box, "docs"), PROXIMADB_IO);
    assert_int_equal(engine_try_flush(&box, "docs"), PROXIMADB_IO);
    struct proximadb_compact_result result;
    assert_int_equal(engine_try_compact(&box, "docs", 0, &result), PROXIMADB_IO);
    engine_begin(&box, PROXIMADB_FLUSH, "docs", NULL, &wait);
    engine_must(engine_try_drop(&box, "docs"), &box.error);
    assert_int_not_equal(engine_end(&wait, NULL, &box.error), PROXIMADB_OK);
    fail_calls(0, NULL, 0);
}

/* ---- every call fails once ----------------------------------------------------------------- */

/* What the manifest lists is what there is, when the last reader of replaced parts is gone. */
static void check_files(void)
{
    engine_settle(&box);
    box.clock.monotonic_ms += PX_SCAN_GRACE_MS;
    px_scan_table_sweep(box.engine->coordinator.scans, NULL);
    engine_on_disk_check_files("docs");
}

static void check_rows(void)
{
    struct engine_rows rows = {0};
    engine_scan(&box, "docs", NULL, &rows);
    assert_int_equal(rows.count, 7);
    for (int i = 0; i < 9; i++)
        assert_int_equal(engine_rows_find(&rows, numbered("row-", i)) != NULL, i != 2 && i != 5);
    assert_int_equal(engine_rows_find(&rows, "row-3")->version, 10);
    engine_rows_clear(&rows);
    assert_int_equal(engine_count(&box, "docs", NULL), 7);
}

/* Parts, deletes, and a memtable: all that a flush and a compaction touch. */
static void make_history(void)
{
    struct proximadb_write_result result;
    for (int i = 0; i < 9; i++) {
        engine_insert(&box, "docs", numbered("row-", i), DIMS, (float)i);
        if (i == 3 || i == 6)
            engine_flush(&box, "docs");
    }
    engine_must(engine_put(&box, PROXIMADB_UPSERT, "docs", "row-3", DIMS, 7), &box.error);
    engine_must(engine_try_delete(&box, "docs", "row-2", &result), &box.error);
    engine_flush(&box, "docs");
    engine_must(engine_try_delete(&box, "docs", "row-5", &result), &box.error);
}

/* Fails the nth call on the store during a flush and a compaction. False if there are fewer. */
static bool fail_nth_call(uint64_t n)
{
    make_history();
    px_fault_fs_set(&faults, &(struct px_fault_rule){.path_part = "store/docs", .fail_at = n});
    bool failed = engine_try_flush(&box, "docs") != PROXIMADB_OK;
    failed = engine_try_compact(&box, "docs", 2, NULL) != PROXIMADB_OK || failed;
    bool enough = px_fault_fs_calls(&faults) >= n;
    fail_calls(0, NULL, 0);
    check_rows();
    if (n % 2 == 0)
        engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    check_rows();
    engine_flush(&box, "docs");
    engine_compact(&box, "docs", 2);
    check_rows();
    check_files();
    engine_on_disk_lose_power(PX_POWERCUT_ANY, n);
    check_rows();
    check_files();
    assert_false(engine_info(&box, "docs").info.read_only);
    return enough;
}

static void test_shard__any_call_of_a_flush_or_compaction_may_fail(void **state)
{
    uint64_t n = 1;
    while (fail_nth_call(n)) {
        engine_on_disk_end(state);
        start(state);
        n += engine_fault_step();
    }
    assert_true(n > 60);
}

/* ---- rows that move ------------------------------------------------------------------------ */

/* The kills of the oldest frozen memtable, none of whose parts were replaced. */
static int give_kills(void *context, struct px_delete **ret_deletes, size_t *ret_count,
                      struct proximadb_error *reterr)
{
    struct px_shard *shard = context;
    size_t count;
    (void)reterr;
    const struct px_kill *kills = px_memtable_kills(shard->frozen[0].source->memtable, &count);
    struct px_delete *deletes = malloc((count + 1) * sizeof *deletes);
    for (size_t i = 0; i < count; i++)
        deletes[i] =
            (struct px_delete){.path = px_part_file(shard->sources[kills[i].source]->part)->path,
                               .row = kills[i].row,
                               .lsn = kills[i].lsn};
    *ret_deletes = deletes;
    *ret_count = count;
    return PROXIMADB_OK;
}

static void compacted(void *context, const struct proximadb_compact_result *result,
                      const struct proximadb_error *error)
{
    (void)result;
    if (error != NULL)
        fail_msg("%s", error->message);
    sem_post(context);
}

/* Stores the active memtable as the flusher would, and leaves it at that. */
static void store_without_showing(struct px_shard *shard)
{
    struct px_part *part = NULL;
    struct px_moved *moved;
    pthread_mutex_lock(&shard->lock);
    shard->is_stopped = true; /* so that no flusher comes */
    engine_must(px_shard__freeze(shard, &box.error), &box.error);
    pthread_mutex_unlock(&shard->lock);
    struct px_viper_flush what = {.collection = &shard->description->collection,
                                  .memtable = shard->frozen[0].source->memtable,
                                  .live_row_count = shard->live_count,
                                  .clock_ms = atomic_load(&shard->clock_ms),
                                  .deletes = give_kills,
                                  .context = shard};
    engine_must(px_viper_store_vectors(&shard->viper, &what, &part, &moved, &box.error),
                &box.error);
    px_part_close(part);
    free(moved);
}

/* The flusher may come no further than to the new manifest while a compaction runs as a whole. */
static void test_shard__a_compaction_may_overtake_a_flush_that_is_stored(void **state)
{
    (void)state;
    struct proximadb_write_result result;
    sem_t done;
    make_history();
    struct px_shard *shard = engine_shard(&box, "docs");
    store_without_showing(shard);
    sem_init(&done, 0, 0);
    px_shard_compact(shard, &(struct px_shard_compact_request){
                                .cluster_count = 2, .done = compacted, .context = &done});
    sem_wait(&done);
    px_shard_unref(shard);
    check_rows();
    engine_must(engine_try_delete(&box, "docs", "row-0", &result), &box.error);
    engine_insert(&box, "docs", "row-0", DIMS, 1);
    engine_on_disk_lose_power(PX_POWERCUT_ANY, 1);
    check_rows();
}

/* ---- work that nobody wants ---------------------------------------------------------------- */

struct outcome {
    sem_t done;
    int status;
};

static void note_outcome(void *context, const struct proximadb_compact_result *result,
                         const struct proximadb_error *error)
{
    struct outcome *outcome = context;
    (void)result;
    outcome->status = error != NULL ? error->status : PROXIMADB_OK;
    sem_post(&outcome->done);
}

static int compact_for(struct px_shard *shard, int64_t deadline_ms, const proximadb_cancel *cancel)
{
    struct outcome outcome;
    const struct px_shard_compact_request request = {.cluster_count = 2,
                                                     .deadline_ms = deadline_ms,
                                                     .cancel = cancel,
                                                     .done = note_outcome,
                                                     .context = &outcome};
    sem_init(&outcome.done, 0, 0);
    px_shard_compact(shard, &request);
    sem_wait(&outcome.done);
    return outcome.status;
}

static void test_shard__a_compaction_ends_with_the_call_that_asked_for_it(void **state)
{
    (void)state;
    make_history();
    engine_flush(&box, "docs");
    uint64_t part_count = engine_info(&box, "docs").info.part_count;
    struct px_shard *shard = engine_shard(&box, "docs");
    proximadb_cancel *cancel = proximadb_cancel_new();
    proximadb_cancel_fire(cancel);
    assert_int_equal(compact_for(shard, 0, cancel), PROXIMADB_CANCELLED);
    assert_int_equal(compact_for(shard, box.clock.monotonic_ms, NULL), PROXIMADB_DEADLINE_EXCEEDED);
    assert_int_equal(engine_info(&box, "docs").info.part_count, part_count);
    assert_int_equal(compact_for(shard, box.clock.monotonic_ms + 1, NULL), PROXIMADB_OK);
    assert_int_equal(engine_info(&box, "docs").info.part_count, 2);
    proximadb_cancel_free(cancel);
    px_shard_unref(shard);
    check_rows();
}

/* A sweep is work that a drop waits for. */
static void test_shard__sweeps_only_where_something_can_expire(void **state)
{
    (void)state;
    struct px_shard *shard = engine_shard(&box, "docs");
    engine_insert(&box, "docs", "a", DIMS, 1);
    pthread_mutex_lock(&shard->lock); /* so that a sweep could not end meanwhile */
    uint32_t before = shard->job_count;
    pthread_mutex_unlock(&shard->lock);
    px_shard_sweep(shard);
    pthread_mutex_lock(&shard->lock);
    assert_false(shard->is_sweeping);
    assert_int_equal(shard->job_count, before);
    pthread_mutex_unlock(&shard->lock);
    px_shard_unref(shard);
}

/* A sync of the log that waits, once, until the test lets it go on. */
static int (*sync_below)(struct px_fs *fs, int fd);
static atomic_bool holds_sync;
static sem_t sync_is_held, sync_may_go_on;

static int sync_held(struct px_fs *fs, int fd)
{
    if (atomic_exchange(&holds_sync, false)) {
        sem_post(&sync_is_held);
        sem_wait(&sync_may_go_on);
    }
    return sync_below(fs, fd);
}

/* A write is decided when the row that it replaces is in memory, and applied when it is in a part:
 * what killing it there needs was reserved by whoever moved it. */
static void test_shard__a_row_may_move_between_decision_and_application(void **state)
{
    (void)state;
    struct hand_op upsert;
    struct engine_wait flush;
    struct px_shard *shard = engine_shard(&box, "docs");
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_insert(&box, "docs", "b", DIMS, 1);
    sem_init(&sync_is_held, 0, 0);
    sem_init(&sync_may_go_on, 0, 0);
    sync_below = faults.base.sync_data;
    faults.base.sync_data = sync_held;

    pthread_mutex_lock(&shard->viper.commit_lock); /* the flusher comes no further than here */
    engine_begin(&box, PROXIMADB_FLUSH, "docs", NULL, &flush);
    for (bool frozen = false; !frozen; usleep(100)) {
        pthread_mutex_lock(&shard->lock);
        frozen = shard->frozen_count > 0;
        pthread_mutex_unlock(&shard->lock);
    }
    atomic_store(&holds_sync, true);
    make_rows(&upsert, shard, PROXIMADB_UPSERT, "a");
    px_shard_submit(shard, &upsert.op);
    sem_wait(&sync_is_held); /* it is decided and in the log */
    pthread_mutex_unlock(&shard->viper.commit_lock);
    engine_must(engine_end(&flush, NULL, &box.error), &box.error);
    sem_post(&sync_may_go_on);
    assert_int_equal(hand_op_wait(&upsert), PROXIMADB_OK);
    px_shard_unref(shard);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(engine_count(&box, "docs", NULL), 2);
        assert_int_equal(engine_get_version(&box, "docs", "a"), 3);
        if (i == 0)
            engine_flush(&box, "docs");
        engine_reopen(&box);
    }
}

/* ---- clocks -------------------------------------------------------------------------------- */

static void put_expiring(const char *id, int64_t expires_at_ms)
{
    const float vector[DIMS] = {1, 2, 3, 4};
    const struct proximadb_row row = {.struct_size = sizeof row,
                                      .id = engine_text(id),
                                      .vector = vector,
                                      .dim_count = DIMS,
                                      .expires_at_ms = &expires_at_ms};
    struct proximadb_buffer payload = engine_batch(PROXIMADB_UPSERT, NULL, &row, 1);
    engine_must(engine_write(&box, PROXIMADB_UPSERT, "docs", &payload, NULL), &box.error);
}

static void test_shard__its_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t start_ms = box.clock.wall_ms;
    put_expiring("a", start_ms + 1000);
    engine_flush(&box, "docs");
    box.clock.wall_ms = start_ms + 2000;
    engine_insert(&box, "docs", "b", DIMS, 1); /* what the clock is written down with */
    assert_int_equal(engine_get_version(&box, "docs", "a"), 0);
    box.clock.wall_ms = start_ms;
    for (int i = 0; i < 3; i++) { /* from memory, from the log, from the manifest */
        assert_int_equal(engine_get_version(&box, "docs", "a"), 0);
        assert_int_equal(engine_count(&box, "docs", NULL), 1);
        if (i == 1)
            engine_flush(&box, "docs");
        engine_reopen(&box);
    }
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
    put_expiring("c", start_ms + 1500); /* expired already, for who has seen a later time */
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
}

static void test_shard__sweeps_what_has_expired(void **state)
{
    (void)state;
    int64_t start_ms = box.clock.wall_ms;
    for (int i = 0; i < 6; i++) {
        put_expiring(numbered("row-", i), start_ms + 100 * i);
        if (i == 2)
            engine_flush(&box, "docs");
    }
    box.clock.wall_ms = start_ms + 300;
    engine_sweep(&box, "docs");
    struct engine_info info = engine_info(&box, "docs");
    assert_int_equal(info.info.vector_count, 2);
    assert_int_equal(info.info.last_version, 10);
    engine_sweep(&box, "docs");
    assert_int_equal(engine_info(&box, "docs").info.last_version, 10);
    box.clock.wall_ms = start_ms;
    engine_reopen(&box);
    assert_int_equal(engine_info(&box, "docs").info.vector_count, 2);
    assert_int_equal(engine_count(&box, "docs", NULL), 2);
}

/* ---- the log ------------------------------------------------------------------------------- */

/* Looking at the map of such a file would end the process, at each start anew. */
static void test_shard__a_log_that_cannot_be_read_costs_its_collection_alone(void **state)
{
    (void)state;
    int64_t version;
    engine_create(&box, "more", DIMS, PROXIMADB_L2);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_insert(&box, "more", "b", DIMS, 1);
    engine_close(&box);
    fail_calls(PX_FAULT_READ_AT, "wal/docs", EIO);
    engine_open(&box);
    assert_int_equal(engine_try_get(&box, "docs", "a", &version), PROXIMADB_IO);
    assert_non_null(strstr(box.error.message, "wal/docs/"));
    assert_int_equal(engine_get_version(&box, "more", "b"), 1);
    fail_calls(0, NULL, 0);
    engine_reopen(&box);
    assert_int_equal(engine_get_version(&box, "docs", "a"), 1);
}

/* An entry with the right checksum that no engine of ours writes: an insert whose batch is deletes. */
static void append_strange_entry(const struct px_collection *collection)
{
    const struct proximadb_text id = engine_text("a");
    struct proximadb_buffer payload;
    struct px_slice datum;
    enum px_schema schema;
    struct px_wal *wal;
    struct px_log log = {0};
    struct px_wal_options options = {.fs = &faults.base,
                                     .clock = &box.clock.base,
                                     .log = &log,
                                     .folder = "data/wal/docs",
                                     .trash_folder = "data/trash",
                                     .collection = "docs",
                                     .collection_id = collection->id,
                                     .file_limit_bytes = 1 << 20,
                                     .rotate_ms = 1000000,
                                     .idle_ms = 1000000,
                                     .flushed_lsn = 1};
    engine_must(px_wal_open(&options, NULL, NULL, &wal, &box.error), &box.error);
    engine_must(proximadb_encode_delete(NULL, &id, 1, NULL, &payload, &box.error), &box.error);
    engine_must(
        px_payload_open(px_slice_of(payload.data, payload.size_bytes), &schema, &datum, &box.error),
        &box.error);
    struct px_wal_entry entry = {
        .row_count = 1, .time_ms = 1705320000000, .operation = PX_WAL_INSERT, .batch = datum};
    engine_must(
        px_schema_fingerprint(PX_SCHEMA_DELETE_BATCH, &entry.schema_fingerprint, &box.error),
        &box.error);
    engine_must(px_wal_append_avro_entries(wal, &entry, 1, &box.error), &box.error);
    engine_must(px_wal_sync(wal, &box.error), &box.error);
    px_wal_close(wal);
    proximadb_buffer_release(&payload);
}

static void test_shard__an_entry_must_be_of_its_operations_schema(void **state)
{
    (void)state;
    struct px_shard *shard = engine_shard(&box, "docs");
    struct px_collection collection = shard->description->collection;
    px_shard_unref(shard);
    engine_insert(&box, "docs", "a", DIMS, 1);
    engine_flush(&box, "docs");
    engine_close(&box);
    append_strange_entry(&collection);
    engine_open(&box);
    struct engine_info info = engine_info(&box, "docs");
    assert_true(info.info.read_only);
    assert_non_null(strstr(info.reason, "do not go together"));
    assert_int_equal(engine_count(&box, "docs", NULL), 1);
    assert_int_equal(engine_put(&box, PROXIMADB_INSERT, "docs", "b", DIMS, 1), PROXIMADB_READ_ONLY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, engine_on_disk_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shard__a_compaction_ends_with_the_call_that_asked_for_it),
        TEST(test_shard__sweeps_only_where_something_can_expire),
        TEST(test_shard__checks_rows_again_when_the_fields_have_changed),
        TEST(test_shard__decides_nothing_behind_an_alteration_that_is_under_way),
        TEST(test_shard__a_flushed_log_that_nobody_writes_to_goes),
        TEST(test_shard__settles_the_json_before_rows_are_written),
        TEST(test_shard__an_alteration_that_cannot_be_flushed_changes_nothing),
        TEST(test_shard__deletes_of_chosen_rows_only_what_they_were),
        TEST(test_shard__full_memory_behind_a_failing_flush_refuses_rows),
        TEST(test_shard__goes_on_when_there_is_space_again),
        TEST(test_shard__a_full_disk_loses_nothing),
        TEST(test_shard__a_flush_behind_a_failed_one_is_answered),
        TEST(test_shard__any_call_of_a_flush_or_compaction_may_fail),
        TEST(test_shard__a_compaction_may_overtake_a_flush_that_is_stored),
        TEST(test_shard__a_row_may_move_between_decision_and_application),
        TEST(test_shard__its_clock_never_goes_back),
        TEST(test_shard__sweeps_what_has_expired),
        TEST(test_shard__a_log_that_cannot_be_read_costs_its_collection_alone),
        TEST(test_shard__an_entry_must_be_of_its_operations_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
