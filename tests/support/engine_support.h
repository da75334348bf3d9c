/*
 * engine_support: an engine on any px_fs and on a clock that the test moves, and its operations as
 * functions of C values, for tests that use all of it.
 *
 *      struct engine_box box;
 *      engine_init(&box, &px_fs_posix, px_test_folder("name"));    options may be changed now
 *      engine_open(&box);
 *      engine_create(&box, "docs", 4, PROXIMADB_L2);
 *      ...
 *      engine_close(&box);
 *
 * Functions that return a status do so with box.error filled in; the others fail the test. All may
 * be called by several threads that each have an error of their own: engine_call().
 */
#ifndef PX_TEST_ENGINE_SUPPORT_H
#define PX_TEST_ENGINE_SUPPORT_H

#include "support/px_test.h"

#include "os/fs.h"
#include "service/engine.h"
#include "service/shard_internal.h"

#include <pthread.h>
#include <unistd.h>

/* Of all calls that could fail, every how manieth does: all of them, where that takes seconds. */
static inline uint64_t engine_fault_step(void)
{
#if defined(__SANITIZE_THREAD__)
    return px_test_fault_step(7);
#else
    return px_test_fault_step(1);
#endif
}

/* ---- clock and log ------------------------------------------------------------------------- */

struct engine_clock {
    struct px_clock base; /* first member */
    _Atomic int64_t wall_ms;
    _Atomic int64_t monotonic_ms;
};

static inline int64_t engine_clock_wall(const struct px_clock *clock)
{
    return atomic_load(&((const struct engine_clock *)(const void *)clock)->wall_ms);
}

static inline int64_t engine_clock_monotonic(const struct px_clock *clock)
{
    return atomic_load(&((const struct engine_clock *)(const void *)clock)->monotonic_ms);
}

struct engine_lines {
    pthread_mutex_t lock; /* guards: text */
    char text[32000];
};

static inline void engine_log_line(void *context, int level, const char *line)
{
    struct engine_lines *lines = context;
    pthread_mutex_lock(&lines->lock);
    size_t used = strlen(lines->text);
    if (used + strlen(line) + 10 > sizeof lines->text)
        used = 0; /* the newest lines are of interest */
    snprintf(lines->text + used, sizeof lines->text - used, "%d %s\n", level, line);
    pthread_mutex_unlock(&lines->lock);
}

/* ---- opening and closing ------------------------------------------------------------------- */

enum { ENGINE_START_WALL_MS_DAY = 19737 }; /* 2024-01-15 */

struct engine_box {
    struct engine_clock clock;
    struct engine_lines lines;
    struct px_engine_options options;
    char folder[300];
    struct px_engine *engine;
    struct proximadb_error error;
};

/* One thread of each kind: many engines are opened one after the other. */
static inline void engine_init(struct engine_box *box, struct px_fs *fs, const char *folder)
{
    *box = (struct engine_box){
        .clock = {.base = {.wall_ms = engine_clock_wall, .monotonic_ms = engine_clock_monotonic},
                  .wall_ms = ENGINE_START_WALL_MS_DAY * INT64_C(86400000),
                  .monotonic_ms = 1000000},
        .lines = {.lock = PTHREAD_MUTEX_INITIALIZER},
    };
    box->options = (struct px_engine_options){
        .fs = fs,
        .clock = &box->clock.base,
        .public_options = {.struct_size = sizeof box->options.public_options,
                           .log = engine_log_line,
                           .log_context = &box->lines,
                           .worker_count = 1,
                           .committer_count = 1,
                           .expiry_sweep_ms = INT64_C(1) << 40}, /* engine_sweep() instead */
    };
    snprintf(box->folder, sizeof box->folder, "%s", folder);
}

static inline int engine_try_open(struct engine_box *box)
{
    box->engine = NULL;
    return px_engine_open(box->folder, &box->options, &box->engine, &box->error);
}

static inline void engine_open(struct engine_box *box)
{
    if (engine_try_open(box) != PROXIMADB_OK)
        fail_msg("%s", box->error.message);
}

static inline void engine_close(struct engine_box *box)
{
    px_engine_close(box->engine);
    box->engine = NULL;
}

static inline void engine_reopen(struct engine_box *box)
{
    engine_close(box);
    engine_open(box);
}

static inline bool engine_has_logged(struct engine_box *box, const char *text)
{
    pthread_mutex_lock(&box->lines.lock);
    bool found = strstr(box->lines.text, text) != NULL;
    pthread_mutex_unlock(&box->lines.lock);
    return found;
}

/* ---- calls --------------------------------------------------------------------------------- */

/* A call that is under way. */
struct engine_wait {
    pthread_mutex_t lock; /* guards: the rest */
    pthread_cond_t done;
    bool is_done;
    int status;
    struct proximadb_buffer response;
    struct proximadb_error error;
};

static inline void engine_wake(void *context, int status, struct proximadb_buffer *response,
                               const struct proximadb_error *error)
{
    struct engine_wait *wait = context;
    pthread_mutex_lock(&wait->lock);
    assert_false(wait->is_done);
    wait->status = status;
    wait->response = *response;
    wait->error = *error;
    wait->is_done = true;
    pthread_cond_signal(&wait->done);
    pthread_mutex_unlock(&wait->lock);
}

/* Begins a call; the payload, which may be NULL, is taken. */
static inline void engine_begin(struct engine_box *box, int operation, const char *name,
                                struct proximadb_buffer *payload, struct engine_wait *wait)
{
    struct proximadb_request request = {.struct_size = sizeof request,
                                        .operation = operation,
                                        .collection = name,
                                        .collection_size_bytes = name != NULL ? strlen(name) : 0};
    if (payload != NULL)
        request.payload = *payload;
    *wait =
        (struct engine_wait){.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    px_engine_submit(box->engine, &request, engine_wake, wait);
}

/* The status; ret_response (may be NULL) is to be released. */
static inline int engine_end(struct engine_wait *wait, struct proximadb_buffer *ret_response,
                             struct proximadb_error *ret_error)
{
    pthread_mutex_lock(&wait->lock);
    while (!wait->is_done)
        pthread_cond_wait(&wait->done, &wait->lock);
    pthread_mutex_unlock(&wait->lock);
    pthread_mutex_destroy(&wait->lock);
    pthread_cond_destroy(&wait->done);
    assert_int_equal(wait->status, wait->error.status);
    if (ret_error != NULL)
        *ret_error = wait->error;
    if (ret_response != NULL)
        *ret_response = wait->response;
    else
        px_public_buffer_release(&wait->response);
    return wait->status;
}

static inline bool engine_is_done(struct engine_wait *wait)
{
    pthread_mutex_lock(&wait->lock);
    bool is_done = wait->is_done;
    pthread_mutex_unlock(&wait->lock);
    return is_done;
}

static inline int engine_call(struct engine_box *box, int operation, const char *name,
                              struct proximadb_buffer *payload,
                              struct proximadb_buffer *ret_response,
                              struct proximadb_error *ret_error)
{
    struct engine_wait wait;
    engine_begin(box, operation, name, payload, &wait);
    return engine_end(&wait, ret_response, ret_error);
}

/* For arguments that must be right. */
static inline void engine_must(int rc, const struct proximadb_error *error)
{
    if (rc == PROXIMADB_OK)
        return;
    fail_msg("%s: %s", proximadb_status_name(rc), error->message);
    abort(); /* it does not return, which the compiler does not know */
}

/* ---- collections --------------------------------------------------------------------------- */

static const struct proximadb_filterable engine_fields[] = {
    {"category", PROXIMADB_FIELD_STRING},   {"count", PROXIMADB_FIELD_LONG},
    {"price", PROXIMADB_FIELD_DOUBLE},      {"archived", PROXIMADB_FIELD_BOOLEAN},
    {"tags", PROXIMADB_FIELD_STRING_ARRAY}, {"extra", PROXIMADB_FIELD_LONG}};
enum { ENGINE_FIRST_FIELDS = 5 }; /* the last one comes by an update of the collection */

static inline int engine_try_create(struct engine_box *box, const char *name, uint32_t dim_count,
                                    int metric)
{
    struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                             .name = name,
                                             .dim_count = dim_count,
                                             .metric = metric,
                                             .index_type = PROXIMADB_FLAT,
                                             .storage = PROXIMADB_EXACT,
                                             .filterable = engine_fields,
                                             .filterable_count = ENGINE_FIRST_FIELDS};
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_collection(&spec, &payload, &box->error), &box->error);
    return engine_call(box, PROXIMADB_CREATE_COLLECTION, NULL, &payload, NULL, &box->error);
}

static inline void engine_create(struct engine_box *box, const char *name, uint32_t dim_count,
                                 int metric)
{
    engine_must(engine_try_create(box, name, dim_count, metric), &box->error);
}

static inline int engine_try_drop(struct engine_box *box, const char *name)
{
    return engine_call(box, PROXIMADB_DELETE_COLLECTION, name, NULL, NULL, &box->error);
}

/* Makes the first `field_count` of engine_fields filterable. */
static inline int engine_try_alter(struct engine_box *box, const char *name, size_t field_count)
{
    struct proximadb_buffer payload;
    engine_must(
        proximadb_encode_collection_change(engine_fields, field_count, &payload, &box->error),
        &box->error);
    return engine_call(box, PROXIMADB_UPDATE_COLLECTION, name, &payload, NULL, &box->error);
}

/* What is known of a collection, without its strings and fields. */
struct engine_info {
    struct proximadb_collection_info info;
    char reason[400];
};

static inline int engine_try_info(struct engine_box *box, const char *name,
                                  struct engine_info *ret_info)
{
    struct proximadb_buffer response;
    proximadb_reader *reader;
    int rc = engine_call(box, PROXIMADB_GET_COLLECTION, name, NULL, &response, &box->error);
    if (rc != PROXIMADB_OK)
        return rc;
    engine_must(proximadb_reader_new(&response, &reader, &box->error), &box->error);
    assert_true(proximadb_reader_next_collection(reader, &ret_info->info, &box->error));
    snprintf(ret_info->reason, sizeof ret_info->reason, "%s",
             ret_info->info.read_only ? ret_info->info.read_only_reason : "");
    proximadb_reader_free(reader);
    return PROXIMADB_OK;
}

static inline struct engine_info engine_info(struct engine_box *box, const char *name)
{
    struct engine_info info;
    engine_must(engine_try_info(box, name, &info), &box->error);
    return info;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* A batch of PROXIMADB_INSERT, _UPSERT or _UPDATE. request_id NULL: a random one. */
static inline struct proximadb_buffer engine_batch(int operation, const uint8_t *request_id,
                                                   const struct proximadb_row *rows, size_t count)
{
    struct proximadb_error error;
    struct proximadb_buffer payload;
    proximadb_batch *batch = proximadb_batch_new(operation, request_id);
    assert_non_null(batch);
    for (size_t i = 0; i < count; i++)
        engine_must(proximadb_batch_add(batch, &rows[i], &error), &error);
    engine_must(proximadb_batch_take(batch, &payload, &error), &error);
    proximadb_batch_free(batch);
    return payload;
}

/* The outcome of a write; ret_result may be NULL. */
static inline int engine_end_write(struct engine_wait *wait,
                                   struct proximadb_write_result *ret_result,
                                   struct proximadb_error *ret_error)
{
    struct proximadb_buffer response;
    struct proximadb_write_result result = {0};
    int rc = engine_end(wait, &response, ret_error);
    if (rc != PROXIMADB_OK)
        return rc;
    engine_must(proximadb_decode_write_result(&response, &result, ret_error), ret_error);
    proximadb_buffer_release(&response);
    if (ret_result != NULL)
        *ret_result = result;
    return PROXIMADB_OK;
}

static inline int engine_write(struct engine_box *box, int operation, const char *name,
                               struct proximadb_buffer *payload,
                               struct proximadb_write_result *ret_result)
{
    struct engine_wait wait;
    engine_begin(box, operation, name, payload, &wait);
    return engine_end_write(&wait, ret_result, &box->error);
}

static inline struct proximadb_text engine_text(const char *string)
{
    return (struct proximadb_text){string, strlen(string)};
}

/* A row whose vector is of `dim_count` times `value`, and 1 in the first place. */
static inline int engine_put(struct engine_box *box, int operation, const char *name,
                             const char *id, uint32_t dim_count, float value)
{
    float vector[64] = {0};
    for (uint32_t i = 0; i < dim_count; i++)
        vector[i] = i == 0 ? 1.0f : value;
    struct proximadb_row row = {
        .struct_size = sizeof row, .id = engine_text(id), .vector = vector, .dim_count = dim_count};
    struct proximadb_buffer payload = engine_batch(operation, NULL, &row, 1);
    return engine_write(box, operation, name, &payload, NULL);
}

static inline void engine_insert(struct engine_box *box, const char *name, const char *id,
                                 uint32_t dim_count, float value)
{
    engine_must(engine_put(box, PROXIMADB_INSERT, name, id, dim_count, value), &box->error);
}

static inline int engine_try_delete(struct engine_box *box, const char *name, const char *id,
                                    struct proximadb_write_result *ret_result)
{
    struct proximadb_text text = engine_text(id);
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_delete(NULL, &text, 1, NULL, &payload, &box->error), &box->error);
    return engine_write(box, PROXIMADB_DELETE, name, &payload, ret_result);
}

static inline int engine_try_delete_where(struct engine_box *box, const char *name,
                                          const uint8_t *request_id, const char *filter_text,
                                          struct proximadb_write_result *ret_result)
{
    struct proximadb_filter filter = {.text = filter_text, .text_size_bytes = strlen(filter_text)};
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_delete(request_id, NULL, 0, &filter, &payload, &box->error),
                &box->error);
    return engine_write(box, PROXIMADB_DELETE, name, &payload, ret_result);
}

/* filter_text NULL: all rows. */
static inline int engine_try_count(struct engine_box *box, const char *name,
                                   const char *filter_text, uint64_t *ret_count)
{
    struct proximadb_filter filter = {.text = filter_text};
    struct proximadb_buffer payload, response;
    filter.text_size_bytes = filter_text != NULL ? strlen(filter_text) : 0;
    engine_must(proximadb_encode_count(filter_text != NULL ? &filter : NULL, &payload, &box->error),
                &box->error);
    int rc = engine_call(box, PROXIMADB_COUNT, name, &payload, &response, &box->error);
    if (rc != PROXIMADB_OK)
        return rc;
    engine_must(proximadb_decode_count(&response, ret_count, &box->error), &box->error);
    proximadb_buffer_release(&response);
    return PROXIMADB_OK;
}

static inline uint64_t engine_count(struct engine_box *box, const char *name,
                                    const char *filter_text)
{
    uint64_t count = 0;
    engine_must(engine_try_count(box, name, filter_text, &count), &box->error);
    return count;
}

/* Whether there is a row of that id, and its version. */
static inline int engine_try_get(struct engine_box *box, const char *name, const char *id,
                                 int64_t *ret_version)
{
    struct proximadb_text text = engine_text(id);
    struct proximadb_buffer payload, response;
    struct proximadb_hit hit;
    proximadb_reader *reader;
    engine_must(proximadb_encode_get(&text, 1, true, &payload, &box->error), &box->error);
    int rc = engine_call(box, PROXIMADB_GET, name, &payload, &response, &box->error);
    if (rc != PROXIMADB_OK)
        return rc;
    engine_must(proximadb_reader_new(&response, &reader, &box->error), &box->error);
    *ret_version = proximadb_reader_next(reader, &hit, &box->error) ? hit.version : 0;
    proximadb_reader_free(reader);
    return PROXIMADB_OK;
}

static inline int64_t engine_get_version(struct engine_box *box, const char *name, const char *id)
{
    int64_t version = 0;
    engine_must(engine_try_get(box, name, id, &version), &box->error);
    return version;
}

/* ---- background ---------------------------------------------------------------------------- */

static inline int engine_try_flush(struct engine_box *box, const char *name)
{
    return engine_call(box, PROXIMADB_FLUSH, name, NULL, NULL, &box->error);
}

static inline int engine_try_compact(struct engine_box *box, const char *name,
                                     uint32_t cluster_count,
                                     struct proximadb_compact_result *ret_result)
{
    struct proximadb_buffer payload, response;
    struct proximadb_compact_result result;
    engine_must(proximadb_encode_compact(cluster_count, &payload, &box->error), &box->error);
    int rc = engine_call(box, PROXIMADB_COMPACT, name, &payload, &response, &box->error);
    if (rc != PROXIMADB_OK)
        return rc;
    engine_must(proximadb_decode_compact_result(&response, &result, &box->error), &box->error);
    proximadb_buffer_release(&response);
    if (ret_result != NULL)
        *ret_result = result;
    return PROXIMADB_OK;
}

static inline void engine_flush(struct engine_box *box, const char *name)
{
    engine_must(engine_try_flush(box, name), &box->error);
}

static inline void engine_compact(struct engine_box *box, const char *name, uint32_t cluster_count)
{
    engine_must(engine_try_compact(box, name, cluster_count, NULL), &box->error);
}

/* The collection's shard, a reference; NULL if there is none. */
static inline struct px_shard *engine_shard(struct engine_box *box, const char *name)
{
    struct px_shard *shard;
    if (px_collection_service_find(&box->engine->collections, name, &shard, NULL) != PROXIMADB_OK)
        return NULL;
    return shard;
}

static inline void engine_settle_shard(void *context, struct px_shard *shard)
{
    (void)context;
    bool busy = true;
    while (busy) {
        pthread_mutex_lock(&shard->lock);
        busy = shard->job_count > 0;
        pthread_mutex_unlock(&shard->lock);
        if (busy)
            usleep(50);
    }
}

/* Waits until nothing is done in the background any more. */
static inline void engine_settle(struct engine_box *box)
{
    engine_must(px_collection_service_visit(&box->engine->collections, engine_settle_shard, NULL,
                                            &box->error),
                &box->error);
}

/* Deletes what has expired, and waits for it. */
static inline void engine_sweep(struct engine_box *box, const char *name)
{
    struct px_shard *shard = engine_shard(box, name);
    assert_non_null(shard);
    px_shard_sweep(shard);
    engine_settle_shard(NULL, shard);
    px_shard_unref(shard);
}

#endif /* PX_TEST_ENGINE_SUPPORT_H */
