#include "support/fake_engine.h"

#include "avro/schemas.h"
#include "base/arena.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "model/collection.h"
#include "payload/collection_request.h"
#include "payload/request.h"
#include "payload/result.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_COLLECTIONS = 64 };

struct job {
    struct job *next;
    int operation;
    char collection[256];
    struct proximadb_buffer payload;
    proximadb_cancel *cancel;
    int64_t deadline_ms;
    int64_t due_ms;
    bool is_stuck;
    proximadb_done *done;
    void *context;
};

struct proximadb {
    pthread_t thread;
    pthread_mutex_t lock; /* guards: everything below */
    pthread_cond_t wake;
    struct job *ready_first; /* to be answered at once, in order */
    struct job *ready_last;
    struct job *waiting; /* looked at every millisecond */
    bool is_closing;
    struct fake_engine_counts counts;
    struct fake_engine_last last;
    struct px_collection collections[MOST_COLLECTIONS];
    size_t collection_count;
    struct px_slice row_answer; /* without data: the request's own payload */
};

/* ---- answers ------------------------------------------------------------------------------- */

static struct px_collection *find_collection(proximadb *db, const char *name)
{
    for (size_t i = 0; i < db->collection_count; i++)
        if (strcmp(db->collections[i].name, name) == 0)
            return &db->collections[i];
    return NULL;
}

static int fail_not_found(const char *name, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND, "there is no collection '%s'", name);
}

static const struct px_collection_numbers numbers = {
    .vector_count = 7,
    .part_count = 2,
    .disk_bytes = 3000,
    .memtable_bytes = 400,
    .wal_bytes = 500,
    .last_version = 9,
    .fresh_part_count = 1,
    .dead_row_count = 6,
    .bytes_accepted = 2000,
    .bytes_written = 5000,
    .compaction_state = "running",
    .compaction_rows_done = 40,
    .compaction_row_count = 50,
    .index = {.state = "building",
              .row_count = 60,
              .lag = 11,
              .file_bytes = 12,
              .memory_bytes = 13,
              .rows_done = 14,
              .rebuild_count = 15,
              .rebuild_reason = "somebody asked for it"},
};

static int create_collection(proximadb *db, struct px_slice payload, struct px_buffer *answer,
                             struct proximadb_error *reterr)
{
    struct px_arena arena = {0};
    struct proximadb_collection_spec spec;
    struct px_slice datum;
    int rc = px_payload_expect(payload, PX_SCHEMA_COLLECTION_SPEC, &datum, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_spec_decode(datum, &arena, &spec, reterr);
    if (rc == PROXIMADB_OK && find_collection(db, spec.name) != NULL)
        rc = px_fail(reterr, PROXIMADB_COLLECTION_EXISTS, "collection '%s' exists", spec.name);
    else if (rc == PROXIMADB_OK && db->collection_count == MOST_COLLECTIONS)
        rc = px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED, "too many collections");
    if (rc == PROXIMADB_OK)
        rc = px_collection_init(&db->collections[db->collection_count], &spec, 1700000000000,
                                reterr);
    if (rc == PROXIMADB_OK)
        px_result_write_collection(answer, &db->collections[db->collection_count++], &numbers);
    px_arena_release(&arena);
    return rc;
}

static int update_collection(proximadb *db, const struct job *job, struct px_buffer *answer,
                             struct proximadb_error *reterr)
{
    struct px_arena arena = {0};
    struct px_collection_change change;
    struct px_collection *collection = find_collection(db, job->collection);
    struct px_slice datum;
    struct px_slice payload = px_slice_of(job->payload.data, job->payload.size_bytes);
    if (collection == NULL)
        return fail_not_found(job->collection, reterr);
    int rc = px_payload_expect(payload, PX_SCHEMA_COLLECTION_CHANGE, &datum, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_change_decode(datum, &arena, &change, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_set_fields(collection, change.filterable, change.filterable_count,
                                      reterr);
    if (rc == PROXIMADB_OK)
        px_result_write_collection(answer, collection, &numbers);
    px_arena_release(&arena);
    return rc;
}

static int get_collection(proximadb *db, const char *name, struct px_buffer *answer,
                          struct proximadb_error *reterr)
{
    struct px_collection *collection = find_collection(db, name);
    if (collection == NULL)
        return fail_not_found(name, reterr);
    px_result_write_collection(answer, collection, &numbers);
    return PROXIMADB_OK;
}

static int delete_collection(proximadb *db, const char *name, struct proximadb_error *reterr)
{
    struct px_collection *collection = find_collection(db, name);
    if (collection == NULL)
        return fail_not_found(name, reterr);
    *collection = db->collections[--db->collection_count];
    return PROXIMADB_OK;
}

static void list_collections(proximadb *db, struct px_buffer *answer)
{
    px_result_begin_list(answer, db->collection_count);
    for (size_t i = 0; i < db->collection_count; i++)
        px_result_put_collection(answer, &db->collections[i], &numbers);
    px_result_finish_list(answer, db->collection_count);
}

static int compact(const struct job *job, struct px_buffer *answer, struct proximadb_error *reterr)
{
    struct px_arena arena = {0};
    struct px_compact_request request = {0};
    struct px_slice datum;
    struct px_slice payload = px_slice_of(job->payload.data, job->payload.size_bytes);
    int rc = PROXIMADB_OK;
    if (payload.size_bytes > 0)
        rc = px_payload_expect(payload, PX_SCHEMA_COMPACT_REQUEST, &datum, reterr);
    if (rc == PROXIMADB_OK && payload.size_bytes > 0)
        rc = px_compact_request_decode(datum, &request, reterr);
    const struct proximadb_compact_result result = {.row_count = 70,
                                                    .cluster_count = request.cluster_count,
                                                    .bytes_read = 1000,
                                                    .bytes_written = 900};
    if (rc == PROXIMADB_OK)
        px_result_write_compact(answer, &result);
    px_arena_release(&arena);
    return rc;
}

static void write_metrics(const proximadb *db, struct px_buffer *answer)
{
    px_buffer_append_format(
        answer,
        "fake_submitted_total %llu\nfake_live %llu\nfake_cancelled_total %llu\n"
        "fake_late_total %llu\n",
        (unsigned long long)db->counts.submitted, (unsigned long long)db->counts.live,
        (unsigned long long)db->counts.cancelled, (unsigned long long)db->counts.late);
}

/* The number in a name such as "big-100-x" behind its prefix, or -1. */
static int64_t number_behind(const char *name, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(name, prefix, size) == 0 ? strtoll(name + size, NULL, 10) : -1;
}

static void write_big(struct px_buffer *answer, int64_t size_bytes)
{
    uint8_t *room = px_buffer_reserve(answer, (size_t)size_bytes);
    if (room == NULL)
        return;
    for (int64_t i = 0; i < size_bytes; i++)
        room[i] = (uint8_t)('0' + i % 10);
    answer->size_bytes += (size_t)size_bytes;
}

static int perform(proximadb *db, const struct job *job, struct px_buffer *answer,
                   struct proximadb_error *reterr)
{
    struct px_slice payload = px_slice_of(job->payload.data, job->payload.size_bytes);
    switch (job->operation) {
    case PROXIMADB_CREATE_COLLECTION:
        return create_collection(db, payload, answer, reterr);
    case PROXIMADB_GET_COLLECTION:
        return get_collection(db, job->collection, answer, reterr);
    case PROXIMADB_UPDATE_COLLECTION:
        return update_collection(db, job, answer, reterr);
    case PROXIMADB_DELETE_COLLECTION:
        return delete_collection(db, job->collection, reterr);
    case PROXIMADB_LIST_COLLECTIONS:
        list_collections(db, answer);
        break;
    case PROXIMADB_COUNT:
        px_result_write_count(answer, 42);
        break;
    case PROXIMADB_COMPACT:
        return compact(job, answer, reterr);
    case PROXIMADB_METRICS:
        write_metrics(db, answer);
        break;
    default:
        break;
    }
    return px_buffer_status(answer, reterr);
}

/* Answers a job and frees it; called without the lock. */
static void answer(proximadb *db, struct job *job, int status, const char *why)
{
    struct proximadb_error error = {.row_index = -1};
    struct proximadb_buffer response = {0};
    struct px_buffer bytes = {0};
    int64_t wanted_status = number_behind(job->collection, "fail-");
    int64_t big_bytes = number_behind(job->collection, "big-");
    pthread_mutex_lock(&db->lock);
    struct px_slice row_answer = db->row_answer;
    pthread_mutex_unlock(&db->lock);
    if (status != PROXIMADB_OK) {
        (void)px_fail(&error, status, "%s", why);
    } else if (wanted_status > 0) {
        status = px_fail_numbers(&error, (int)wanted_status, 3, 384, 128,
                                 "fake failure, 100%% caf\xc3\xa9");
    } else if (big_bytes >= 0) {
        write_big(&bytes, big_bytes);
    } else if (job->operation <= PROXIMADB_SCAN && row_answer.data != NULL) {
        px_buffer_append_slice(&bytes, row_answer);
    } else if (job->operation <= PROXIMADB_SCAN) {
        response = job->payload;
        job->payload = (struct proximadb_buffer){0};
    } else {
        pthread_mutex_lock(&db->lock);
        status = perform(db, job, &bytes, &error);
        pthread_mutex_unlock(&db->lock);
    }
    if (status == PROXIMADB_OK && response.release == NULL)
        status = px_buffer_take(&bytes, &response, &error);
    px_buffer_release(&bytes);
    proximadb_buffer_release(&job->payload);
    px_cancel_unref(job->cancel);
    pthread_mutex_lock(&db->lock);
    db->counts.live--;
    pthread_mutex_unlock(&db->lock);
    job->done(job->context, status, &response, &error);
    proximadb_buffer_release(&response);
    free(job);
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* Whether the time of a waiting job has come, and with which outcome. */
static bool is_due(proximadb *db, const struct job *job, int64_t now_ms, int *ret_status)
{
    *ret_status = PROXIMADB_OK;
    if (!job->is_stuck && job->cancel != NULL && px_cancel_is_fired(job->cancel)) {
        db->counts.cancelled++;
        *ret_status = PROXIMADB_CANCELLED;
        return true;
    }
    if (!job->is_stuck && job->deadline_ms != 0 && now_ms >= job->deadline_ms) {
        db->counts.late++;
        *ret_status = PROXIMADB_DEADLINE_EXCEEDED;
        return true;
    }
    return now_ms >= job->due_ms;
}

static struct job *take_due(proximadb *db, int *ret_status)
{
    struct job *job = db->ready_first;
    *ret_status = PROXIMADB_OK;
    if (job != NULL) {
        db->ready_first = job->next;
        return job;
    }
    int64_t now_ms = proximadb_now_ms();
    for (struct job **link = &db->waiting; *link != NULL; link = &(*link)->next) {
        job = *link;
        if (is_due(db, job, now_ms, ret_status)) {
            *link = job->next;
            return job;
        }
    }
    return NULL;
}

static void *run(void *context)
{
    proximadb *db = context;
    pthread_mutex_lock(&db->lock);
    for (;;) {
        int status;
        struct job *job = take_due(db, &status);
        if (job != NULL) {
            pthread_mutex_unlock(&db->lock);
            answer(db, job, status, "the fake engine was told to stop");
            pthread_mutex_lock(&db->lock);
        } else if (db->waiting != NULL) {
            int64_t until_ns = px_clock_now_ns() + 1000000;
            const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                           .tv_nsec = (long)(until_ns % 1000000000)};
            pthread_cond_timedwait(&db->wake, &db->lock, &until);
        } else if (db->is_closing) {
            break;
        } else {
            pthread_cond_wait(&db->wake, &db->lock);
        }
    }
    pthread_mutex_unlock(&db->lock);
    return NULL;
}

proximadb *fake_engine_open(void)
{
    proximadb *db = calloc(1, sizeof *db);
    pthread_condattr_t monotonic;
    if (db == NULL)
        abort();
    pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&db->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&db->thread, NULL, run, db) != 0)
        abort();
    return db;
}

void fake_engine_close(proximadb *db)
{
    pthread_mutex_lock(&db->lock);
    db->is_closing = true;
    pthread_cond_signal(&db->wake);
    pthread_mutex_unlock(&db->lock);
    pthread_join(db->thread, NULL);
    pthread_cond_destroy(&db->wake);
    pthread_mutex_destroy(&db->lock);
    free(db);
}

/* ---- submitting ---------------------------------------------------------------------------- */

static void remember(proximadb *db, const struct job *job)
{
    struct fake_engine_last *last = &db->last;
    size_t kept = job->payload.size_bytes < sizeof last->payload ? job->payload.size_bytes
                                                                 : sizeof last->payload;
    *last = (struct fake_engine_last){.operation = job->operation,
                                      .payload_bytes = job->payload.size_bytes,
                                      .payload_at = job->payload.data,
                                      .deadline_ms = job->deadline_ms};
    snprintf(last->collection, sizeof last->collection, "%s", job->collection);
    if (kept > 0)
        memcpy(last->payload, job->payload.data, kept);
    db->counts.submitted++;
    db->counts.live++;
    db->counts.payload_bytes += job->payload.size_bytes;
}

static void schedule(proximadb *db, struct job *job)
{
    int64_t slow_ms = number_behind(job->collection, "slow-");
    int64_t stuck_ms = number_behind(job->collection, "stuck-");
    bool is_never = strncmp(job->collection, "never", 5) == 0;
    job->is_stuck = stuck_ms >= 0;
    job->next = NULL;
    if (slow_ms >= 0 || stuck_ms >= 0 || is_never) {
        int64_t delay_ms = slow_ms >= 0 ? slow_ms : stuck_ms;
        job->due_ms = is_never ? INT64_MAX : proximadb_now_ms() + delay_ms;
        job->next = db->waiting;
        db->waiting = job;
    } else if (db->ready_first == NULL) {
        db->ready_first = db->ready_last = job;
    } else {
        db->ready_last->next = job;
        db->ready_last = job;
    }
}

void proximadb_submit(proximadb *db, const struct proximadb_request *request, proximadb_done *done,
                      void *context)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        abort();
    job->operation = request->operation;
    job->payload = request->payload;
    job->deadline_ms = request->deadline_ms;
    job->cancel = request->cancel != NULL ? px_cancel_ref(request->cancel) : NULL;
    job->done = done;
    job->context = context;
    snprintf(job->collection, sizeof job->collection, "%.*s", (int)request->collection_size_bytes,
             request->collection != NULL ? request->collection : "");
    pthread_mutex_lock(&db->lock);
    remember(db, job);
    schedule(db, job);
    pthread_cond_signal(&db->wake);
    pthread_mutex_unlock(&db->lock);
}

void fake_engine_counts(proximadb *db, struct fake_engine_counts *ret_counts)
{
    pthread_mutex_lock(&db->lock);
    *ret_counts = db->counts;
    pthread_mutex_unlock(&db->lock);
}

void fake_engine_answer_with(proximadb *db, const void *answer, size_t size_bytes)
{
    pthread_mutex_lock(&db->lock);
    db->row_answer = px_slice_of(answer, size_bytes);
    pthread_mutex_unlock(&db->lock);
}

void fake_engine_last(proximadb *db, struct fake_engine_last *ret_last)
{
    pthread_mutex_lock(&db->lock);
    *ret_last = db->last;
    pthread_mutex_unlock(&db->lock);
}
