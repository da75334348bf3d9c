#include "service/unified_avro_service.h"

#include "avro/schemas.h"
#include "service/engine.h"

enum pool { POOL_READERS, POOL_WRITERS, POOL_NONE };
enum { QUICK_PAYLOAD_BYTES = 16 << 10 };

/* What each operation takes, and where it runs. */
struct operation_form {
    enum pool pool;
    bool has_payload;
    bool payload_is_optional;
    enum px_schema schema;
};

static const struct operation_form forms[] = {
    [PROXIMADB_INSERT] = {POOL_WRITERS, true, false, PX_SCHEMA_VECTOR_BATCH},
    [PROXIMADB_UPSERT] = {POOL_WRITERS, true, false, PX_SCHEMA_VECTOR_BATCH},
    [PROXIMADB_UPDATE] = {POOL_WRITERS, true, false, PX_SCHEMA_UPDATE_BATCH},
    [PROXIMADB_DELETE] = {POOL_WRITERS, true, false, PX_SCHEMA_DELETE_BATCH},
    [PROXIMADB_GET] = {POOL_READERS, true, false, PX_SCHEMA_GET_REQUEST},
    [PROXIMADB_SEARCH] = {POOL_READERS, true, false, PX_SCHEMA_SEARCH_REQUEST},
    [PROXIMADB_SCAN] = {POOL_READERS, true, false, PX_SCHEMA_SCAN_REQUEST},
    [PROXIMADB_COUNT] = {POOL_READERS, true, true, PX_SCHEMA_COUNT_REQUEST},
    [PROXIMADB_FLUSH] = {POOL_WRITERS, false, false, 0},
    [PROXIMADB_COMPACT] = {POOL_WRITERS, true, true, PX_SCHEMA_COMPACT_REQUEST},
    [PROXIMADB_CREATE_COLLECTION] = {POOL_NONE, true, false, PX_SCHEMA_COLLECTION_SPEC},
    [PROXIMADB_GET_COLLECTION] = {POOL_READERS, false, false, 0},
    [PROXIMADB_LIST_COLLECTIONS] = {POOL_READERS, false, false, 0},
    [PROXIMADB_UPDATE_COLLECTION] = {POOL_READERS, true, false, PX_SCHEMA_COLLECTION_CHANGE},
    [PROXIMADB_DELETE_COLLECTION] = {POOL_NONE, false, false, 0},
    [PROXIMADB_METRICS] = {POOL_READERS, false, false, 0},
    [PROXIMADB_PAUSE_COMPACTION] = {POOL_READERS, false, false, 0},
    [PROXIMADB_RESUME_COMPACTION] = {POOL_READERS, false, false, 0},
    [PROXIMADB_REBUILD_INDEX] = {POOL_READERS, true, true, PX_SCHEMA_REBUILD_INDEX_REQUEST},
};
enum { OPERATION_COUNT = sizeof forms / sizeof forms[0] };

/* The payload's datum; empty where there is none and none is needed. */
static int open_payload(const struct px_call *call, struct px_slice *ret_datum,
                        struct proximadb_error *reterr)
{
    const struct operation_form *form = &forms[call->operation];
    struct px_slice payload = px_call_payload(call);
    *ret_datum = (struct px_slice){0};
    if (!form->has_payload || (form->payload_is_optional && payload.size_bytes == 0))
        return PROXIMADB_OK;
    return px_payload_expect(payload, form->schema, ret_datum, reterr);
}

static int decode_rows(struct px_call *call, const struct px_collection *collection,
                       struct px_operation *operation, struct proximadb_error *reterr)
{
    struct px_slice datum = operation->datum;
    struct px_arena *arena = &call->arena;
    switch (operation->kind) {
    case PROXIMADB_INSERT:
    case PROXIMADB_UPSERT:
        return px_batch_decode(datum, collection, arena, &operation->as.batch, reterr);
    case PROXIMADB_UPDATE:
        return px_update_decode(datum, collection, arena, &operation->as.update, reterr);
    case PROXIMADB_DELETE:
        return px_delete_batch_decode(datum, arena, &operation->as.deletion, reterr);
    case PROXIMADB_GET:
        return px_get_request_decode(datum, arena, &operation->as.get, reterr);
    case PROXIMADB_SEARCH:
        return px_search_request_decode(datum, collection, arena, &operation->as.search, reterr);
    case PROXIMADB_SCAN:
        return px_scan_request_decode(datum, arena, &operation->as.scan, reterr);
    case PROXIMADB_COUNT:
        return datum.size_bytes == 0
                   ? PROXIMADB_OK
                   : px_count_request_decode(datum, arena, &operation->as.count, reterr);
    case PROXIMADB_COMPACT:
        return datum.size_bytes == 0
                   ? PROXIMADB_OK
                   : px_compact_request_decode(datum, &operation->as.compact, reterr);
    default:
        return PROXIMADB_OK;
    }
}

/* An operation that goes on on another pool, in the call's arena. */
struct deferred {
    struct px_job job; /* first member */
    struct px_unified_avro_service *service;
    struct px_call *call;
    struct px_shard *shard; /* a reference */
    struct px_operation operation;
};

static void run_deferred(struct px_job *job)
{
    struct deferred *deferred = (struct deferred *)job;
    px_vector_storage_coordinator_execute_operation(deferred->service->coordinator, deferred->shard,
                                                    &deferred->operation, deferred->call);
}

/* A delete by filter looks at every row, for as long as that takes: the writers are not for that.
 * The shard's reference is taken on success. */
static int defer(struct px_unified_avro_service *service, struct px_call *call,
                 struct px_shard *shard, const struct px_operation *operation,
                 struct proximadb_error *reterr)
{
    struct deferred *deferred = px_arena_alloc(&call->arena, sizeof *deferred);
    if (deferred == NULL)
        return px_fail_no_memory(reterr);
    *deferred = (struct deferred){.job = {.run = run_deferred},
                                  .service = service,
                                  .call = call,
                                  .shard = shard,
                                  .operation = *operation};
    deferred->operation.description = NULL; /* deletes need none, and it is not kept for this */
    px_workers_submit(service->readers, &deferred->job);
    return PROXIMADB_OK;
}

static bool is_choice(const struct px_operation *operation)
{
    return operation->kind == PROXIMADB_DELETE && operation->as.deletion.filter.present;
}

static void execute(struct px_unified_avro_service *service, struct px_call *call,
                    struct px_shard *shard, struct px_slice datum)
{
    struct proximadb_error error;
    struct px_operation operation = {.kind = (enum proximadb_operation)call->operation,
                                     .datum = datum};
    struct px_description *description = px_shard_describe(shard);
    operation.description = description;
    int rc = px_shard_check(shard, &error);
    if (rc == PROXIMADB_OK)
        rc = decode_rows(call, &description->collection, &operation, &error);
    bool is_deferred = rc == PROXIMADB_OK && is_choice(&operation);
    if (is_deferred)
        rc = defer(service, call, shard, &operation, &error);
    if (rc == PROXIMADB_OK && !is_deferred) {
        px_vector_storage_coordinator_execute_operation(service->coordinator, shard, &operation,
                                                        call);
    } else if (rc != PROXIMADB_OK) {
        bool is_repeat = px_shard_check(shard, NULL) == PROXIMADB_OK &&
                         px_vector_storage_coordinator_repeat(shard, &operation, call);
        px_shard_unref(shard);
        if (!is_repeat)
            px_call_fail(call, &error);
    }
    px_description_unref(description);
}

static void finish_metrics(struct px_unified_avro_service *service, struct px_call *call)
{
    struct px_buffer text = {0};
    service->metrics(service->metrics_context, &text);
    px_call_finish(call, &text);
    px_buffer_release(&text);
}

static void pause_shard(void *context, struct px_shard *shard)
{
    (void)context;
    px_shard_pause_compaction(shard, true);
}

static void resume_shard(void *context, struct px_shard *shard)
{
    (void)context;
    px_shard_pause_compaction(shard, false);
}

/* Of one collection, or of all. */
static void pause_or_resume(struct px_unified_avro_service *service, struct px_call *call)
{
    struct proximadb_error error;
    struct px_shard *shard = NULL;
    int rc = PROXIMADB_OK;
    void (*change)(void *context, struct px_shard *shard) =
        call->operation == PROXIMADB_PAUSE_COMPACTION ? pause_shard : resume_shard;
    if (call->collection[0] == '\0')
        rc = px_collection_service_visit(service->collections, change, NULL, &error);
    else
        rc = px_collection_service_find(service->collections, call->collection, &shard, &error);
    if (shard != NULL) {
        rc = px_shard_check(shard, &error);
        change(NULL, shard);
    }
    px_shard_unref(shard);
    if (rc == PROXIMADB_OK)
        px_call_finish(call, NULL);
    else
        px_call_fail(call, &error);
}

static void run(struct px_job *job)
{
    struct px_call *call = (struct px_call *)job;
    struct px_unified_avro_service *service = &call->engine->service;
    struct proximadb_error error;
    struct px_slice datum;
    struct px_shard *shard;
    int rc = px_call_check(call, &error);
    if (rc == PROXIMADB_OK)
        rc = open_payload(call, &datum, &error);
    if (rc != PROXIMADB_OK) {
        px_call_fail(call, &error);
        return;
    }
    if (call->operation == PROXIMADB_METRICS) {
        finish_metrics(service, call);
    } else if (call->operation == PROXIMADB_PAUSE_COMPACTION ||
               call->operation == PROXIMADB_RESUME_COMPACTION) {
        pause_or_resume(service, call);
    } else if (call->operation >= PROXIMADB_CREATE_COLLECTION) {
        px_collection_service_execute(service->collections, call, datum);
    } else {
        rc = px_collection_service_find(service->collections, call->collection, &shard, &error);
        if (rc == PROXIMADB_OK)
            execute(service, call, shard, datum);
        else
            px_call_fail(call, &error);
    }
}

/* Whether a call is a write of few rows to a collection whose lock is free: then it is decoded and
 * queued in less time than it takes to wake another thread, and nothing has to be waited for. */
static bool is_quick(struct px_unified_avro_service *service, const struct px_call *call)
{
    struct px_shard *shard;
    if (call->operation > PROXIMADB_DELETE || call->payload.size_bytes > QUICK_PAYLOAD_BYTES ||
        px_collection_service_find(service->collections, call->collection, &shard, NULL) !=
            PROXIMADB_OK)
        return false;
    bool is_quick = px_shard_is_free(shard);
    px_shard_unref(shard);
    return is_quick;
}

/* Whether the submitting thread is to try a search itself. Whether it is a short one comes out on
 * the way (coordinator_search.c). */
static bool is_for_here(struct px_unified_avro_service *service, const struct px_call *call)
{
    if (call->operation != PROXIMADB_SEARCH || call->payload.size_bytes > QUICK_PAYLOAD_BYTES)
        return false;
    return call->thread == PROXIMADB_THIS_THREAD ||
           (call->thread == PROXIMADB_THIS_THREAD_IF_BUSY && px_workers_are_busy(service->readers));
}

void px_unified_avro_service_submit(struct px_unified_avro_service *service, struct px_call *call)
{
    struct proximadb_error error;
    if (call->operation < PROXIMADB_INSERT || call->operation >= OPERATION_COUNT) {
        (void)px_fail(&error, PROXIMADB_UNIMPLEMENTED, "operation %d is unknown", call->operation);
        px_call_fail(call, &error);
        return;
    }
    call->job.run = run;
    call->is_here = is_for_here(service, call);
    if (call->is_here || is_quick(service, call)) {
        run(&call->job);
        return;
    }
    px_workers_submit(forms[call->operation].pool == POOL_WRITERS ? service->writers
                                                                  : service->readers,
                      &call->job);
}
