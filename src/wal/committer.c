#define _GNU_SOURCE
#include "wal/committer.h"

#include "os/thread.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    MOST_COMMITTERS = 64,
    FIRST_ROUND_OPS = 4,
    TICK_MS = 1000,
};

/* Bytes of batches after which a round takes no more operations: what is read at once at recovery,
 * and how long the first of them waits for the last, stay bounded. */
static const uint64_t round_limit_bytes = UINT64_C(64) << 20;

struct op_queue {
    struct px_commit_op *first;
    struct px_commit_op **end;
};

struct px_commit_lane {
    struct committer *committer;
    struct px_wal *wal;
    const struct px_commit_handler *handler;
    void *context;

    /* Guarded by the committer's lock. */
    struct op_queue submitted;
    struct px_commit_lane *next_ready;
    struct px_commit_lane *next; /* of all lanes */
    bool is_queued;              /* in the ready list */
    bool is_busy;                /* the committer is working on it */
    bool is_parked;
    bool is_closing;

    /* The committer's own. */
    struct op_queue pending; /* taken from submitted, not yet decided */
    struct px_commit_lane *next_in_round;
    struct px_commit_op **ops; /* written in this round */
    struct px_wal_entry *entries;
    size_t op_count;
    size_t op_capacity;
};

struct committer {
    pthread_t thread;
    bool is_started;
    pthread_mutex_t lock; /* guards: all below, and the lanes' part that says so */
    pthread_cond_t wake;  /* work, or stopping */
    pthread_cond_t idle;  /* a lane is not busy any more */
    struct px_commit_lane *lanes;
    struct px_commit_lane *ready_first;
    struct px_commit_lane **ready_end;
    bool is_stopping;
};

struct px_committers {
    uint32_t count;
    struct committer items[MOST_COMMITTERS];
};

static void queue_init(struct op_queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_append(struct op_queue *queue, struct px_commit_op *op)
{
    op->next = NULL;
    *queue->end = op;
    queue->end = &op->next;
}

/* Moves everything from one queue to the end of the other. */
static void queue_move(struct op_queue *from, struct op_queue *to)
{
    if (from->first == NULL)
        return;
    *to->end = from->first;
    to->end = from->end;
    queue_init(from);
}

static bool has_work(const struct px_commit_lane *lane)
{
    return lane->submitted.first != NULL || lane->pending.first != NULL;
}

/* Puts a lane with work into the ready list, unless it is there, parked, or being worked on
 * (whoever works on it calls this again). Under the lock. */
static void make_ready(struct px_commit_lane *lane)
{
    struct committer *committer = lane->committer;
    if (lane->is_queued || lane->is_busy || lane->is_parked || !has_work(lane))
        return;
    lane->is_queued = true;
    lane->next_ready = NULL;
    *committer->ready_end = lane;
    committer->ready_end = &lane->next_ready;
    pthread_cond_signal(&committer->wake);
}

/* Takes the ready lanes, with what was submitted to them, as one round. Under the lock. */
static struct px_commit_lane *take_round(struct committer *committer)
{
    struct px_commit_lane *round = NULL;
    struct px_commit_lane **end = &round;
    for (struct px_commit_lane *lane = committer->ready_first; lane != NULL;
         lane = lane->next_ready) {
        lane->is_queued = false;
        lane->is_busy = true;
        lane->is_parked = true; /* until it is found to be ready; see start_lane() */
        queue_move(&lane->submitted, &lane->pending);
        lane->next_in_round = NULL;
        *end = lane;
        end = &lane->next_in_round;
    }
    committer->ready_first = NULL;
    committer->ready_end = &committer->ready_first;
    return round;
}

/* Asks whether the lane may go on. It was marked as parked before it is asked, so that a resume
 * which comes between the question and the answer is not lost. */
static bool start_lane(struct px_commit_lane *lane)
{
    struct committer *committer = lane->committer;
    bool ready = lane->handler->is_ready(lane->context);
    pthread_mutex_lock(&committer->lock);
    if (ready || lane->is_closing)
        lane->is_parked = false;
    bool may_start = !lane->is_parked;
    pthread_mutex_unlock(&committer->lock);
    return may_start;
}

/* Room for one more operation in the round. */
static bool has_room(struct px_commit_lane *lane)
{
    if (lane->op_count < lane->op_capacity)
        return true;
    size_t capacity = lane->op_capacity == 0 ? FIRST_ROUND_OPS : 2 * lane->op_capacity;
    if (capacity > PX_WAL_MOST_ENTRIES)
        return false;
    struct px_commit_op **ops = realloc(lane->ops, capacity * sizeof(struct px_commit_op *));
    if (ops != NULL)
        lane->ops = ops;
    struct px_wal_entry *entries = realloc(lane->entries, capacity * sizeof *entries);
    if (entries != NULL)
        lane->entries = entries;
    if (ops == NULL || entries == NULL)
        return false; /* the round stays smaller */
    lane->op_capacity = capacity;
    return true;
}

/* Decides operations until the round is full or one has to wait. */
static void decide(struct px_commit_lane *lane)
{
    uint64_t batch_bytes = 0;
    lane->op_count = 0;
    while (lane->pending.first != NULL && batch_bytes < round_limit_bytes && has_room(lane)) {
        struct px_commit_op *op = lane->pending.first;
        struct px_wal_entry *entry = &lane->entries[lane->op_count];
        *entry = (struct px_wal_entry){0};
        /* The handler may free an operation that it finishes. */
        struct px_commit_op *next = op->next;
        enum px_commit_decision decision = lane->handler->decide(lane->context, op, entry);
        assert(decision != PX_COMMIT_WAIT || lane->op_count > 0);
        if (decision == PX_COMMIT_WAIT)
            return;
        lane->pending.first = next;
        if (next == NULL)
            lane->pending.end = &lane->pending.first;
        if (decision == PX_COMMIT_STOP)
            return;
        if (decision == PX_COMMIT_WRITE) {
            batch_bytes += entry->batch.size_bytes;
            lane->ops[lane->op_count++] = op;
        }
    }
}

static void finish_all(struct px_commit_lane *lane, const struct proximadb_error *error)
{
    for (size_t i = 0; i < lane->op_count; i++)
        lane->handler->finish(lane->context, lane->ops[i], error);
    lane->op_count = 0;
}

/* Finishes what takes more space, so that it does not keep back what frees some. */
static void keep_freeing(struct px_commit_lane *lane, const struct proximadb_error *error)
{
    size_t kept = 0;
    for (size_t i = 0; i < lane->op_count; i++) {
        if (lane->handler->frees_space(lane->context, lane->ops[i])) {
            lane->ops[kept] = lane->ops[i];
            lane->entries[kept++] = lane->entries[i];
        } else {
            lane->handler->finish(lane->context, lane->ops[i], error);
        }
    }
    lane->op_count = kept;
}

static int append_entries(struct px_commit_lane *lane, struct proximadb_error *reterr)
{
    return px_wal_append_avro_entries(lane->wal, lane->entries, lane->op_count, reterr);
}

static void append(struct px_commit_lane *lane)
{
    struct proximadb_error error;
    decide(lane);
    if (lane->op_count == 0)
        return;
    int rc = append_entries(lane, &error);
    if (rc == PROXIMADB_RESOURCE_EXHAUSTED) {
        keep_freeing(lane, &error);
        if (lane->op_count == 0)
            return;
        rc = append_entries(lane, &error);
        if (rc == PROXIMADB_RESOURCE_EXHAUSTED && lane->handler->make_space(lane->context))
            rc = append_entries(lane, &error);
    }
    if (rc != PROXIMADB_OK)
        finish_all(lane, &error);
}

static void sync_and_apply(struct px_commit_lane *lane)
{
    struct proximadb_error error;
    if (lane->op_count == 0)
        return;
    if (px_wal_sync(lane->wal, &error) != PROXIMADB_OK) {
        finish_all(lane, &error);
        return;
    }
    for (size_t i = 0; i < lane->op_count; i++)
        lane->handler->apply(lane->context, lane->ops[i], &lane->entries[i]);
    lane->handler->publish(lane->context);
    finish_all(lane, NULL);
}

/* All lanes are written before the first is synced, so that the device sees them together. */
static void run_round(struct px_commit_lane *round)
{
    for (struct px_commit_lane *lane = round; lane != NULL; lane = lane->next_in_round) {
        lane->op_count = 0;
        if (start_lane(lane))
            append(lane);
    }
    for (struct px_commit_lane *lane = round; lane != NULL; lane = lane->next_in_round)
        sync_and_apply(lane);
}

/* Under the lock. */
static void end_round(struct committer *committer, struct px_commit_lane *round)
{
    while (round != NULL) {
        struct px_commit_lane *lane = round;
        round = lane->next_in_round; /* a closed lane may be freed as soon as it is idle */
        lane->is_busy = false;
        make_ready(lane);
    }
    pthread_cond_broadcast(&committer->idle);
}

/* Gives every lane its tick. Called and returns under the lock, which it gives up in between; a
 * lane is marked as busy meanwhile, and found again by its place in the list. */
static void tick(struct committer *committer)
{
    for (struct px_commit_lane *lane = committer->lanes; lane != NULL; lane = lane->next) {
        lane->is_busy = true;
        pthread_mutex_unlock(&committer->lock);
        px_wal_idle(lane->wal);
        lane->handler->tick(lane->context);
        pthread_mutex_lock(&committer->lock);
        lane->is_busy = false;
        make_ready(lane);
        pthread_cond_broadcast(&committer->idle);
    }
}

static struct timespec after_ms(int64_t delay_ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += delay_ms / 1000;
    time.tv_nsec += delay_ms % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static bool is_past(const struct timespec *time)
{
    struct timespec now = after_ms(0);
    return now.tv_sec > time->tv_sec ||
           (now.tv_sec == time->tv_sec && now.tv_nsec >= time->tv_nsec);
}

static void *run_committer(void *argument)
{
    struct committer *committer = argument;
    struct timespec next_tick = after_ms(TICK_MS);
    pthread_mutex_lock(&committer->lock);
    while (!committer->is_stopping) {
        if (committer->ready_first != NULL) {
            struct px_commit_lane *round = take_round(committer);
            pthread_mutex_unlock(&committer->lock);
            run_round(round);
            pthread_mutex_lock(&committer->lock);
            end_round(committer, round);
        } else {
            (void)pthread_cond_timedwait(&committer->wake, &committer->lock, &next_tick);
        }
        if (is_past(&next_tick)) {
            tick(committer);
            next_tick = after_ms(TICK_MS);
        }
    }
    pthread_mutex_unlock(&committer->lock);
    return NULL;
}

static void committer_init(struct committer *committer)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&committer->lock, NULL);
    pthread_cond_init(&committer->wake, &attributes);
    pthread_cond_init(&committer->idle, NULL);
    pthread_condattr_destroy(&attributes);
    committer->ready_end = &committer->ready_first;
}

int px_committers_open(uint32_t count, struct px_committers **ret_committers,
                       struct proximadb_error *reterr)
{
    assert(count > 0 && count <= MOST_COMMITTERS);
    struct px_committers *committers = calloc(1, sizeof *committers);
    if (committers == NULL)
        return px_fail_no_memory(reterr);
    committers->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct committer *committer = &committers->items[i];
        char name[PX_THREAD_NAME_BYTES];
        snprintf(name, sizeof name, "px-commit-%u", i);
        committer_init(committer);
        int rc = px_thread_start(&committer->thread, name, run_committer, committer, reterr);
        if (rc != PROXIMADB_OK) {
            px_committers_close(committers);
            return rc;
        }
        committer->is_started = true;
    }
    *ret_committers = committers;
    return PROXIMADB_OK;
}

void px_committers_close(struct px_committers *committers)
{
    if (committers == NULL)
        return;
    for (uint32_t i = 0; i < committers->count; i++) {
        struct committer *committer = &committers->items[i];
        if (!committer->is_started)
            continue;
        assert(committer->lanes == NULL);
        pthread_mutex_lock(&committer->lock);
        committer->is_stopping = true;
        pthread_cond_signal(&committer->wake);
        pthread_mutex_unlock(&committer->lock);
        pthread_join(committer->thread, NULL);
        pthread_mutex_destroy(&committer->lock);
        pthread_cond_destroy(&committer->wake);
        pthread_cond_destroy(&committer->idle);
    }
    free(committers);
}

static void lane_free(struct px_commit_lane *lane)
{
    free(lane->ops);
    free(lane->entries);
    free(lane);
}

int px_commit_lane_open(struct px_committers *committers, uint64_t hash, struct px_wal *wal,
                        const struct px_commit_handler *handler, void *context,
                        struct px_commit_lane **ret_lane, struct proximadb_error *reterr)
{
    struct px_commit_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return px_fail_no_memory(reterr);
    struct committer *committer = &committers->items[hash % committers->count];
    lane->committer = committer;
    lane->wal = wal;
    lane->handler = handler;
    lane->context = context;
    queue_init(&lane->submitted);
    queue_init(&lane->pending);
    if (!has_room(lane)) {
        lane_free(lane);
        return px_fail_no_memory(reterr);
    }
    pthread_mutex_lock(&committer->lock);
    lane->next = committer->lanes;
    committer->lanes = lane;
    pthread_mutex_unlock(&committer->lock);
    *ret_lane = lane;
    return PROXIMADB_OK;
}

/* Under the lock. */
static void drain(struct px_commit_lane *lane)
{
    lane->is_closing = true;
    lane->is_parked = false;
    make_ready(lane);
    while (lane->is_busy || has_work(lane))
        pthread_cond_wait(&lane->committer->idle, &lane->committer->lock);
}

void px_commit_lane_drain(struct px_commit_lane *lane)
{
    pthread_mutex_lock(&lane->committer->lock);
    drain(lane);
    pthread_mutex_unlock(&lane->committer->lock);
}

void px_commit_lane_close(struct px_commit_lane *lane)
{
    if (lane == NULL)
        return;
    struct committer *committer = lane->committer;
    pthread_mutex_lock(&committer->lock);
    drain(lane);
    struct px_commit_lane **link = &committer->lanes;
    while (*link != lane)
        link = &(*link)->next;
    *link = lane->next;
    pthread_mutex_unlock(&committer->lock);
    lane_free(lane);
}

void px_commit_lane_submit(struct px_commit_lane *lane, struct px_commit_op *op)
{
    struct committer *committer = lane->committer;
    pthread_mutex_lock(&committer->lock);
    queue_append(&lane->submitted, op);
    make_ready(lane);
    pthread_mutex_unlock(&committer->lock);
}

void px_commit_lane_resume(struct px_commit_lane *lane)
{
    struct committer *committer = lane->committer;
    pthread_mutex_lock(&committer->lock);
    lane->is_parked = false;
    make_ready(lane);
    pthread_mutex_unlock(&committer->lock);
}
