#include "service/shard_internal.h"

#include "avro/schemas.h"
#include "base/cancel.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_HASHES = 64 };

/* ---- the ids of a round -------------------------------------------------------------------- */

static uint64_t *hash_slot(const struct px_hash_set *set, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> 32) & (set->capacity - 1);
    while (set->slots[at] != 0 && set->slots[at] != hash)
        at = (at + 1) & (set->capacity - 1);
    return &set->slots[at];
}

static bool hash_set_grow(struct px_hash_set *set)
{
    struct px_hash_set grown = {.capacity = set->capacity == 0 ? FIRST_HASHES : 2 * set->capacity,
                                .count = set->count};
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (uint32_t i = 0; i < set->capacity; i++)
        if (set->slots[i] != 0)
            *hash_slot(&grown, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = grown;
    return true;
}

static bool hash_set_add(struct px_hash_set *set, uint64_t hash)
{
    if (2 * set->count >= set->capacity && !hash_set_grow(set))
        return false;
    uint64_t *slot = hash_slot(set, hash | 1); /* never 0; a rare false match only waits */
    set->count += *slot == 0;
    *slot = hash | 1;
    return true;
}

static bool hash_set_has(const struct px_hash_set *set, uint64_t hash)
{
    return set->count > 0 && *hash_slot(set, hash | 1) != 0;
}

static void hash_set_clear(struct px_hash_set *set)
{
    if (set->count > 0)
        memset(set->slots, 0, set->capacity * sizeof *set->slots);
    set->count = 0;
}

/* ---- the round ----------------------------------------------------------------------------- */

static void round_add(struct px_shard *shard, struct px_write_op *op)
{
    struct px_round *round = &shard->round;
    op->next_in_round = NULL;
    *round->end = op;
    round->end = &op->next_in_round;
}

static void round_clear(struct px_round *round)
{
    round->first = NULL;
    round->end = &round->first;
    round->hashed_to = NULL;
    hash_set_clear(&round->hashes);
}

/* An operation that fails may be in the middle of the list. */
static void round_remove(struct px_round *round, const struct px_write_op *op)
{
    struct px_write_op **link = &round->first;
    while (*link != op)
        link = &(*link)->next_in_round;
    *link = op->next_in_round;
    if (round->end == &op->next_in_round)
        round->end = link;
    if (round->first == NULL)
        round_clear(round);
}

/* Brings the set of hashes up to date. It is made only when a second operation comes along, so a
 * round of one, which is what a single client makes, does not pay for it. */
static bool hash_round(struct px_round *round)
{
    struct px_write_op *op =
        round->hashed_to == NULL ? round->first : round->hashed_to->next_in_round;
    for (; op != NULL; op = op->next_in_round) {
        for (uint32_t i = 0; i < op->row_count; i++)
            if (!hash_set_add(&round->hashes, px_write_op_hash(op, i)))
                return false;
        round->hashed_to = op;
    }
    return true;
}

/* Whether the operation depends on one of the round, which is not applied yet: the same request
 * again, or a row of its own. Without memory to find out, it does. */
static bool depends_on_round(struct px_shard *shard, const struct px_write_op *op)
{
    struct px_round *round = &shard->round;
    if (round->first == NULL)
        return false;
    for (const struct px_write_op *other = round->first; other != NULL;
         other = other->next_in_round)
        if (memcmp(other->request_id, op->request_id, PX_REQUEST_ID_BYTES) == 0)
            return true;
    if (!hash_round(round))
        return true;
    uint32_t row_count = px_write_op_row_count(op);
    for (uint32_t i = 0; i < row_count; i++)
        if (hash_set_has(&round->hashes, px_write_op_hash(op, i)))
            return true;
    return false;
}

/* ---- deciding ------------------------------------------------------------------------------ */

static void end_op(struct px_shard *shard, struct px_write_op *op,
                   const struct proximadb_error *error)
{
    px_shard__release_found(shard, op);
    op->done(op, error);
}

static int check_still_wanted(const struct px_shard *shard, const struct px_write_op *op,
                              struct proximadb_error *reterr)
{
    const struct px_clock *clock = shard->context->clock;
    if (op->cancel != NULL && px_cancel_is_fired(op->cancel))
        return px_fail(reterr, PROXIMADB_CANCELLED, "the write was cancelled; nothing was written");
    if (op->deadline_ms != 0 && clock->monotonic_ms(clock) >= op->deadline_ms)
        return px_fail(reterr, PROXIMADB_DEADLINE_EXCEEDED,
                       "the deadline passed while the write waited; nothing was written");
    return PROXIMADB_OK;
}

int px_shard__fail_gone(const struct px_shard *shard, struct proximadb_error *reterr)
{
    if (atomic_load(&shard->is_dropped))
        return px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND,
                       "the collection '%s' was deleted; nothing was changed", shard->name);
    return px_fail(reterr, PROXIMADB_UNAVAILABLE,
                   "the database is closing; nothing was changed; try again later");
}

/* When the lane goes on although it is not ready, since the shard is closing or nothing can be
 * flushed, there is no room for what needs some. Deletes are let through: they help. */
static int check_room(struct px_shard *shard, const struct px_write_op *op,
                      struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    pthread_mutex_lock(&shard->lock);
    if (shard->altering != NULL)
        rc = px_shard__fail_gone(shard, reterr);
    else if (shard->frozen_count == PX_MOST_FROZEN && shard->flush_retry_ms != 0 &&
             px_write_op_has_rows(op))
        rc = px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                     "the memory for writes is full because the collection '%s' cannot be flushed; "
                     "nothing was written; try again later: %s",
                     shard->name, shard->flush_failure.message);
    pthread_mutex_unlock(&shard->lock);
    if (rc == PROXIMADB_OK && px_write_op_has_rows(op) &&
        px_data_folder_is_short(shard->context->data_folder))
        rc = px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                     "the disk is full; nothing was written; free some space, then try again");
    return rc;
}

static int check_open(struct px_shard *shard, const struct px_write_op *op,
                      struct proximadb_error *reterr)
{
    if (atomic_load_explicit(&shard->is_dropped, memory_order_relaxed))
        return px_shard__fail_gone(shard, reterr);
    return check_room(shard, op, reterr);
}

bool px_shard_recall(struct px_shard *shard, const uint8_t *request_id,
                     struct proximadb_write_result *ret_result)
{
    pthread_mutex_lock(&shard->lock);
    const struct px_request_outcome *outcome = px_request_memory_find(shard->requests, request_id);
    if (outcome != NULL)
        *ret_result = (struct proximadb_write_result){.row_count = outcome->row_count,
                                                      .first_version = outcome->first_version,
                                                      .affected = outcome->affected,
                                                      .repeated = true};
    pthread_mutex_unlock(&shard->lock);
    return outcome != NULL;
}

/* Rows that were checked by a description which was replaced meanwhile are checked by the present
 * one, which the log will be replayed with. */
static int check_again(struct px_shard *shard, struct px_write_op *op,
                       struct proximadb_error *reterr)
{
    struct px_description *present;
    int rc = PROXIMADB_OK;
    if (op->description == NULL)
        return rc;
    present = px_shard_describe(shard);
    if (present != op->description)
        rc = op->kind == PX_WRITE_UPDATE ? px_update_decode(op->datum, &present->collection,
                                                            op->arena, &op->as.update, reterr)
                                         : px_batch_decode(op->datum, &present->collection,
                                                           op->arena, &op->as.batch, reterr);
    px_description_unref(op->description);
    op->description = present;
    return rc;
}

static int64_t advance_clock(struct px_shard *shard)
{
    int64_t now_ms = shard->context->clock->wall_ms(shard->context->clock);
    if (now_ms > atomic_load(&shard->clock_ms))
        atomic_store(&shard->clock_ms, now_ms);
    return atomic_load(&shard->clock_ms);
}

struct entry_form {
    enum px_wal_operation operation;
    enum px_schema schema;
    uint32_t branch;
};

static const struct entry_form entry_forms[] = {
    [PX_WRITE_INSERT] = {PX_WAL_INSERT, PX_SCHEMA_VECTOR_BATCH, 0},
    [PX_WRITE_UPSERT] = {PX_WAL_UPSERT, PX_SCHEMA_VECTOR_BATCH, 0},
    [PX_WRITE_UPDATE] = {PX_WAL_UPDATE, PX_SCHEMA_UPDATE_BATCH, 1},
    [PX_WRITE_DELETE] = {PX_WAL_DELETE, PX_SCHEMA_DELETE_BATCH, 2},
    [PX_WRITE_EXPIRE] = {PX_WAL_EXPIRE, PX_SCHEMA_DELETE_BATCH, 2},
};

static void fill_entry(const struct px_write_op *op, uint64_t schema_fingerprint,
                       struct px_wal_entry *entry)
{
    const struct entry_form *form = &entry_forms[op->kind];
    *entry = (struct px_wal_entry){.row_count = op->row_count,
                                   .time_ms = op->time_ms,
                                   .operation = form->operation,
                                   .schema_fingerprint = schema_fingerprint,
                                   .branch = form->branch,
                                   .batch = op->datum};
    memcpy(entry->request_id, op->request_id, sizeof entry->request_id);
}

/* A barrier: everything submitted before it is applied, and nothing behind it is decided yet, nor
 * will be before the lane has asked whether there is room and no alteration under way. */
static enum px_commit_decision decide_barrier(struct px_shard *shard, struct px_write_op *op)
{
    struct proximadb_error error;
    pthread_mutex_lock(&shard->lock);
    int rc = px_shard__freeze(shard, &error);
    bool waits = rc == PROXIMADB_OK && (shard->frozen_count > 0 || op->kind == PX_WRITE_ALTER);
    if (waits && op->kind == PX_WRITE_ALTER) {
        shard->altering = op;
    } else if (waits) {
        struct px_frozen *last = &shard->frozen[shard->frozen_count - 1];
        op->next_waiting = last->waiting;
        last->waiting = op;
    }
    px_shard__start_flush(shard); /* also one that has failed: it is what the operation waits for */
    pthread_mutex_unlock(&shard->lock);
    if (rc == PROXIMADB_OK)
        shard->active_since_ms = 0;
    if (!waits)
        op->done(op, rc == PROXIMADB_OK ? NULL : &error);
    return PX_COMMIT_STOP;
}

/* Finds out what the operation will do, and stages it. */
static int prepare(struct px_shard *shard, struct px_write_op *op, uint64_t *ret_fingerprint,
                   struct proximadb_error *reterr)
{
    int rc = px_write_op_has_rows(op) ? px_shard__settle_json(shard, reterr) : PROXIMADB_OK;
    if (rc == PROXIMADB_OK)
        rc = check_again(shard, op, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_schema_fingerprint(entry_forms[op->kind].schema, ret_fingerprint, reterr);
    return rc == PROXIMADB_OK ? px_shard__prepare(shard, op, true, reterr) : rc;
}

static enum px_commit_decision decide_write(struct px_shard *shard, struct px_write_op *op,
                                            struct px_wal_entry *entry)
{
    struct proximadb_error error;
    if (px_shard_recall(shard, op->request_id, &op->result)) {
        op->done(op, NULL);
        return PX_COMMIT_DONE;
    }
    if (shard->round.first == NULL)
        shard->round.mark = px_memtable_mark(shard->active->memtable);
    op->time_ms = advance_clock(shard);
    uint64_t fingerprint;
    int rc = prepare(shard, op, &fingerprint, &error);
    if (rc == PROXIMADB_OK && op->row_count > 0) {
        fill_entry(op, fingerprint, entry);
        round_add(shard, op);
        return PX_COMMIT_WRITE;
    }
    /* Of rows that were chosen, none may be left: then there is nothing to log. */
    end_op(shard, op, rc == PROXIMADB_OK ? NULL : &error);
    return PX_COMMIT_DONE;
}

static enum px_commit_decision decide(void *context, struct px_commit_op *base,
                                      struct px_wal_entry *entry)
{
    struct px_shard *shard = context;
    struct px_write_op *op = (struct px_write_op *)base;
    struct proximadb_error error;
    int rc = check_open(shard, op, &error);
    if (rc == PROXIMADB_OK)
        rc = check_still_wanted(shard, op, &error);
    if (rc != PROXIMADB_OK) {
        op->done(op, &error);
        return PX_COMMIT_DONE;
    }
    bool is_barrier = op->kind == PX_WRITE_FREEZE || op->kind == PX_WRITE_ALTER;
    if (is_barrier)
        return shard->round.first != NULL ? PX_COMMIT_WAIT : decide_barrier(shard, op);
    return depends_on_round(shard, op) ? PX_COMMIT_WAIT : decide_write(shard, op, entry);
}

/* ---- applying ------------------------------------------------------------------------------ */

/* Marks the old row as dead at `lsn`. False if it was dead already, by the same batch. */
static bool kill_row(struct px_shard *shard, const struct px_found_row *found, int64_t lsn)
{
    struct px_source *source = found->source;
    uint32_t row = found->row;
    bool there = px_source_resolve(&source, &row);
    assert(there);
    px_shard__kill_slots(shard, source, row);
    if (source->memtable != NULL)
        return px_memtable_kill(source->memtable, row, lsn);
    if (!px_dead_rows_kill(px_part_dead_rows(source->part), row, lsn))
        return false;
    px_memtable_add_kill(shard->active->memtable,
                         (struct px_kill){.source = source->number, .row = row, .lsn = lsn});
    return there;
}

static void apply_rows(struct px_shard *shard, struct px_write_op *op, int64_t lsn)
{
    struct px_source *active = shard->active;
    for (uint32_t i = 0; i < op->row_count; i++) {
        struct px_location location = {active->number, op->first_row + i};
        const struct px_found_row *found = &op->found[i];
        px_memtable_set_version(active->memtable, location.row, lsn + i);
        if (found->source == NULL) {
            px_id_index_put(&shard->index, px_write_op_hash(op, i), location);
            shard->live_count++;
        } else {
            (void)kill_row(shard, found, lsn + i);
            px_shard__move_entry(shard, px_write_op_hash(op, i), found, location);
        }
    }
    op->result.affected = op->row_count;
}

static void apply_deletes(struct px_shard *shard, struct px_write_op *op, int64_t lsn)
{
    for (uint32_t i = 0; i < op->row_count; i++) {
        const struct px_found_row *found = &op->found[i];
        if (found->source == NULL || !kill_row(shard, found, lsn + i))
            continue;
        px_shard__remove_entry(shard, px_write_op_hash(op, i), found);
        shard->live_count--;
        op->result.affected += !found->is_expired || op->kind == PX_WRITE_EXPIRE;
    }
}

void px_shard__apply(struct px_shard *shard, struct px_write_op *op,
                     const struct px_wal_entry *entry)
{
    op->result =
        (struct proximadb_write_result){.row_count = op->row_count, .first_version = entry->lsn};
    if (px_write_op_has_rows(op))
        apply_rows(shard, op, entry->lsn);
    else
        apply_deletes(shard, op, entry->lsn);
    struct px_request_outcome outcome = {
        .first_version = entry->lsn, .row_count = op->row_count, .affected = op->result.affected};
    memcpy(outcome.request_id, op->request_id, sizeof outcome.request_id);
    px_request_memory_put(shard->requests, &outcome);
    shard->round.last_lsn = px_wal_entry_next_lsn(entry) - 1;
}

/* The lock is held from the first operation of a round to its publishing: readers see all of it at
 * once, and the index never says more than what they see. */
static void apply(void *context, struct px_commit_op *base, const struct px_wal_entry *entry)
{
    struct px_shard *shard = context;
    if (!shard->round.is_locked)
        pthread_mutex_lock(&shard->lock);
    shard->round.is_locked = true;
    px_shard__apply(shard, (struct px_write_op *)base, entry);
}

static void publish(void *context)
{
    struct px_shard *shard = context;
    const struct px_clock *clock = shard->context->clock;
    assert(shard->round.is_locked);
    struct px_memtable *active = shard->active->memtable;
    px_memtable_publish(active, shard->round.last_lsn);
    shard->visible_lsn = shard->round.last_lsn;
    shard->reserved_kill_count = 0;
    if (shard->active_since_ms == 0)
        shard->active_since_ms = clock->monotonic_ms(clock);
    if (shard->compacting.delay_ms > 0)
        shard->compacting.slow_until_ms = clock->monotonic_ms(clock) + shard->compacting.delay_ms;
    if (px_memtable_size_bytes(active) >= shard->context->memtable_limit_bytes &&
        px_shard__freeze(shard, NULL) == PROXIMADB_OK)
        shard->active_since_ms = 0; /* without memory it is tried again at the next write */
    px_shard__note_index(shard);
    shard->round.is_locked = false;
    pthread_mutex_unlock(&shard->lock);
}

static void finish(void *context, struct px_commit_op *base, const struct proximadb_error *error)
{
    struct px_shard *shard = context;
    struct px_write_op *op = (struct px_write_op *)base;
    struct px_round *round = &shard->round;
    if (error != NULL) {
        /* Whatever puts rows in fails together: the first to be told takes back what was staged. */
        px_memtable_unstage(shard->active->memtable, round->mark);
        px_shard__unprepare(shard, op);
    }
    round_remove(round, op);
    end_op(shard, op, error);
}

/* ---- in between ---------------------------------------------------------------------------- */

/* How long writes are to wait because compaction is behind. Under the lock. */
static int64_t slow_ms(struct px_shard *shard)
{
    const struct px_clock *clock = shard->context->clock;
    int64_t delay_ms = px_shard__write_delay_ms(shard);
    if (delay_ms == 0 || shard->is_closing)
        return 0;
    int64_t left_ms = shard->compacting.slow_until_ms - clock->monotonic_ms(clock);
    return left_ms < delay_ms ? left_ms : delay_ms;
}

static bool is_ready(void *context)
{
    struct px_shard *shard = context;
    pthread_mutex_lock(&shard->lock);
    bool has_room = shard->frozen_count < PX_MOST_FROZEN || shard->flush_retry_ms != 0;
    int64_t delay_ms = slow_ms(shard);
    bool ready = has_room && shard->altering == NULL && delay_ms <= 0;
    pthread_mutex_unlock(&shard->lock);
    if (delay_ms > 0)
        px_timer_schedule(shard->context->timer, &shard->slow_event, delay_ms);
    return ready;
}

/* Deletes do, so they may use the reserve. */
static bool frees_space(void *context, const struct px_commit_op *base)
{
    const struct px_write_op *op = (const struct px_write_op *)base;
    (void)context;
    return op->kind == PX_WRITE_DELETE || op->kind == PX_WRITE_EXPIRE;
}

static bool make_space(void *context)
{
    struct px_shard *shard = context;
    return px_data_folder_release_reserve(shard->context->data_folder);
}

/* Flushes what has been in memory for as long as a log file lives, so that logs can be removed,
 * tries a flush that failed again, and has log files removed that were closed behind their flush,
 * because nobody wrote. */
static void tick(void *context)
{
    struct px_shard *shard = context;
    const struct px_clock *clock = shard->context->clock;
    int64_t now_ms = clock->monotonic_ms(clock);
    pthread_mutex_lock(&shard->lock);
    if (shard->active_since_ms != 0 && shard->frozen_count == 0 &&
        now_ms - shard->active_since_ms >= (int64_t)shard->context->wal_rotate_ms &&
        px_shard__freeze(shard, NULL) == PROXIMADB_OK)
        shard->active_since_ms = 0;
    if (now_ms >= shard->flush_retry_ms)
        px_shard__start_flush(shard);
    px_shard__tick_index(shard, now_ms);
    pthread_mutex_unlock(&shard->lock);
    px_shard__retry_compaction(shard, now_ms);
}

const struct px_commit_handler px_shard__commit_handler = {
    .decide = decide,
    .apply = apply,
    .publish = publish,
    .finish = finish,
    .is_ready = is_ready,
    .frees_space = frees_space,
    .make_space = make_space,
    .tick = tick,
};

void px_shard_submit(struct px_shard *shard, struct px_write_op *op)
{
    struct proximadb_error error;
    int rc = px_shard_check(shard, &error);
    if (rc == PROXIMADB_OK) {
        pthread_mutex_lock(&shard->lock);
        if (shard->is_closing)
            rc = px_shard__fail_gone(shard, &error);
        else
            px_commit_lane_submit(shard->lane, &op->base);
        pthread_mutex_unlock(&shard->lock);
    }
    if (rc != PROXIMADB_OK)
        op->done(op, &error);
}
