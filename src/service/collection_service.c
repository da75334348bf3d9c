#include "service/collection_service.h"

#include "metadata/collection_store.h"
#include "os/file.h"
#include "payload/collection_request.h"
#include "payload/result.h"

#include <assert.h>
#include <stdlib.h>

/* ---- the table ----------------------------------------------------------------------------- */

/* The place of a name, or where it would go. Under the lock. */
static size_t find_place(const struct px_collection_service *service, const char *name,
                         bool *ret_found)
{
    size_t low = 0, high = service->shard_count;
    *ret_found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, px_shard_name(service->shards[middle]));
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Takes a reference. Under the lock. */
static int insert(struct px_collection_service *service, struct px_shard *shard,
                  struct proximadb_error *reterr)
{
    bool found;
    if (service->shard_count == service->shard_capacity) {
        size_t capacity = service->shard_capacity == 0 ? 16 : 2 * service->shard_capacity;
        struct px_shard **shards = realloc(service->shards, capacity * sizeof(struct px_shard *));
        if (shards == NULL)
            return px_fail_no_memory(reterr);
        service->shards = shards;
        service->shard_capacity = capacity;
    }
    size_t place = find_place(service, px_shard_name(shard), &found);
    assert(!found);
    memmove(service->shards + place + 1, service->shards + place,
            (service->shard_count - place) * sizeof(struct px_shard *));
    service->shards[place] = shard;
    service->shard_count++;
    return PROXIMADB_OK;
}

/* Gives the table's reference back to the caller; NULL if there is no such collection. */
static struct px_shard *take(struct px_collection_service *service, const char *name)
{
    struct px_shard *shard = NULL;
    bool found;
    pthread_mutex_lock(&service->lock);
    size_t place = find_place(service, name, &found);
    if (found) {
        shard = service->shards[place];
        service->shard_count--;
        memmove(service->shards + place, service->shards + place + 1,
                (service->shard_count - place) * sizeof(struct px_shard *));
    }
    pthread_mutex_unlock(&service->lock);
    return shard;
}

int px_collection_service_find(struct px_collection_service *service, const char *name,
                               struct px_shard **ret_shard, struct proximadb_error *reterr)
{
    bool found;
    pthread_mutex_lock(&service->lock);
    size_t place = find_place(service, name, &found);
    if (found)
        *ret_shard = px_shard_ref(service->shards[place]);
    pthread_mutex_unlock(&service->lock);
    if (found)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_COLLECTION_NOT_FOUND,
                   "there is no collection '%.64s'; create it first, or check the name", name);
}

/* Copies of all references, to work on without the lock; NULL without memory. */
static struct px_shard **copy_table(struct px_collection_service *service, size_t *ret_count)
{
    pthread_mutex_lock(&service->lock);
    size_t count = service->shard_count;
    struct px_shard **shards = malloc((count + 1) * sizeof(struct px_shard *));
    for (size_t i = 0; shards != NULL && i < count; i++)
        shards[i] = px_shard_ref(service->shards[i]);
    pthread_mutex_unlock(&service->lock);
    *ret_count = count;
    return shards;
}

static void free_copy(struct px_shard **shards, size_t count)
{
    for (size_t i = 0; i < count; i++)
        px_shard_unref(shards[i]);
    free(shards);
}

int px_collection_service_visit(struct px_collection_service *service,
                                void (*visit)(void *context, struct px_shard *shard), void *context,
                                struct proximadb_error *reterr)
{
    size_t count;
    struct px_shard **shards = copy_table(service, &count);
    if (shards == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < count; i++)
        visit(context, shards[i]);
    free_copy(shards, count);
    return PROXIMADB_OK;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_one(void *context, const struct px_found_collection *found,
                    struct proximadb_error *reterr)
{
    struct px_collection_service *service = context;
    struct px_shard *shard;
    int rc =
        found->collection != NULL
            ? px_shard_open(service->context, found->collection, &shard, reterr)
            : px_shard_new_failed(service->context, found->name, found->damage, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = insert(service, shard, reterr);
    if (rc != PROXIMADB_OK) {
        px_shard_close(shard);
        px_shard_unref(shard);
    }
    return rc;
}

/* Moves folders of collections that are not there (any more, or yet) to the trash. */
static int discard_strays(struct px_collection_service *service, enum px_data_place place,
                          struct proximadb_error *reterr)
{
    struct px_data_folder *folder = service->context->data_folder;
    struct px_path path;
    struct px_names names;
    int rc = px_data_folder_path(folder, place, NULL, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_list(folder->fs, path.text, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < names.count && rc == PROXIMADB_OK; i++) {
        const char *name = names.items[i].text;
        if (names.items[i].kind != PX_FS_FOLDER || px_collection_store_has(folder, name))
            continue;
        px_log_write(&service->context->log, PROXIMADB_LOG_WARNING,
                     "'%s/%s' belongs to no collection; it is moved to the trash", path.text, name);
        struct px_path stray;
        rc = px_data_folder_path(folder, place, name, &stray, reterr);
        if (rc == PROXIMADB_OK)
            rc = px_data_folder_discard(folder, stray.text, reterr);
    }
    px_names_release(&names);
    return rc;
}

int px_collection_service_open(struct px_collection_service *service,
                               const struct px_engine_context *context, struct px_scan_table *scans,
                               struct proximadb_error *reterr)
{
    *service = (struct px_collection_service){.context = context, .scans = scans};
    pthread_mutex_init(&service->lock, NULL);
    int rc = px_workers_open(1, "px-catalog", 0, &service->catalogue, reterr);
    if (rc == PROXIMADB_OK)
        rc = discard_strays(service, PX_DATA_WAL, reterr);
    if (rc == PROXIMADB_OK)
        rc = discard_strays(service, PX_DATA_STORE, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_store_load(context->data_folder, open_one, service, reterr);
    return rc;
}

void px_collection_service_close(struct px_collection_service *service)
{
    px_workers_close(service->catalogue);
    for (size_t i = 0; i < service->shard_count; i++)
        px_shard_begin_close(service->shards[i]); /* all at once, so that none waits for another */
    for (size_t i = 0; i < service->shard_count; i++) {
        px_shard_close(service->shards[i]);
        px_shard_unref(service->shards[i]);
    }
    free(service->shards);
    pthread_mutex_destroy(&service->lock);
    *service = (struct px_collection_service){0};
}

/* ---- answers ------------------------------------------------------------------------------- */

/* Appends what is known of a collection, alone or as a part of a list. */
static void put_info(struct px_shard *shard, struct px_buffer *answer, bool in_list)
{
    struct px_shard_numbers known;
    struct px_description *description = px_shard_describe(shard);
    px_shard_get_numbers(shard, &known);
    struct px_collection_numbers numbers = {
        .vector_count = known.vector_count,
        .part_count = known.part_count,
        .disk_bytes = known.disk_bytes,
        .memtable_bytes = known.memtable_bytes,
        .wal_bytes = known.wal_bytes,
        .last_version = known.last_version,
        .fresh_part_count = known.fresh_part_count,
        .dead_row_count = known.dead_row_count,
        .bytes_accepted = known.bytes_accepted,
        .bytes_written = known.bytes_written,
        .compaction_state = known.compaction_state,
        .compaction_rows_done = known.compaction_rows_done,
        .compaction_row_count = known.compaction_row_count,
        .index = {.state = known.index_state,
                  .row_count = known.index_row_count,
                  .lag = known.index_lag,
                  .file_bytes = known.index_file_bytes,
                  .memory_bytes = known.index_memory_bytes,
                  .rows_done = known.index_rows_done,
                  .rebuild_count = known.index_rebuild_count,
                  .rebuild_reason = known.index_rebuild_reason},
        .read_only_reason = known.read_only_reason[0] != '\0' ? known.read_only_reason : NULL,
    };
    if (in_list)
        px_result_put_collection(answer, &description->collection, &numbers);
    else
        px_result_write_collection(answer, &description->collection, &numbers);
    px_description_unref(description);
}

static int get(struct px_collection_service *service, const char *name, struct px_buffer *answer,
               struct proximadb_error *reterr)
{
    struct px_shard *shard;
    int rc = px_collection_service_find(service, name, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (px_shard_is_described(shard))
        put_info(shard, answer, false);
    else
        rc = px_shard_check(shard, reterr);
    px_shard_unref(shard);
    return rc;
}

static int list(struct px_collection_service *service, struct px_buffer *answer,
                struct proximadb_error *reterr)
{
    size_t count;
    struct px_shard **shards = copy_table(service, &count);
    if (shards == NULL)
        return px_fail_no_memory(reterr);
    px_result_begin_list(answer, count);
    for (size_t i = 0; i < count; i++)
        put_info(shards[i], answer, true);
    px_result_finish_list(answer, count);
    free_copy(shards, count);
    return PROXIMADB_OK;
}

/* ---- folders ------------------------------------------------------------------------------- */

static void remove_folder(struct px_collection_service *service, enum px_data_place place,
                          const char *name)
{
    struct px_path path;
    struct proximadb_error error;
    int rc = px_data_folder_path(service->context->data_folder, place, name, &path, &error);
    if (rc == PROXIMADB_OK)
        rc = px_folder_remove(service->context->fs, path.text, &error);
    if (rc != PROXIMADB_OK) /* the next start moves it to the trash */
        px_log_write(&service->context->log, PROXIMADB_LOG_WARNING,
                     "what is left of collection '%s' could not be removed: %s", name,
                     error.message);
}

static void remove_folders(struct px_collection_service *service, const char *name)
{
    remove_folder(service, PX_DATA_WAL, name);
    remove_folder(service, PX_DATA_STORE, name);
}

/* ---- creating ------------------------------------------------------------------------------ */

static bool exists(struct px_collection_service *service, const char *name)
{
    bool found;
    pthread_mutex_lock(&service->lock);
    (void)find_place(service, name, &found);
    pthread_mutex_unlock(&service->lock);
    return found || px_collection_store_has(service->context->data_folder, name);
}

/* With exist_ok, an equal collection is as good as a new one. */
static int check_existing(struct px_collection_service *service,
                          const struct proximadb_collection_spec *spec,
                          struct proximadb_error *reterr)
{
    struct px_shard *shard;
    bool matches = false;
    if (spec->exist_ok &&
        px_collection_service_find(service, spec->name, &shard, NULL) == PROXIMADB_OK) {
        struct px_description *description = px_shard_describe(shard);
        matches = px_collection_matches(&description->collection, spec);
        px_description_unref(description);
        px_shard_unref(shard);
    }
    if (matches)
        return PROXIMADB_OK;
    return px_fail(
        reterr, PROXIMADB_COLLECTION_EXISTS,
        "there is a collection '%s' already%s; use it, delete it, or choose another name",
        spec->name, spec->exist_ok ? ", and it is not what was asked for" : "");
}

/* Opens a collection that is on the device, and lets others find it. One that cannot be used from
 * its beginning on was not created. */
static int show_new(struct px_collection_service *service, const struct px_collection *collection,
                    struct proximadb_error *reterr)
{
    struct px_shard *shard;
    int rc = px_shard_open(service->context, collection, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_shard_check(shard, reterr);
    if (rc == PROXIMADB_OK) {
        pthread_mutex_lock(&service->lock);
        rc = insert(service, shard, reterr);
        pthread_mutex_unlock(&service->lock);
    }
    if (rc != PROXIMADB_OK) {
        px_shard_close(shard);
        px_shard_unref(shard);
    }
    return rc;
}

static int create_new(struct px_collection_service *service, const struct px_collection *collection,
                      struct proximadb_error *reterr)
{
    const struct px_engine_context *context = service->context;
    int rc = px_shard_create(context, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_store_put(context->data_folder, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = show_new(service, collection, reterr);
    /* What was not created must not be there, or come back with the next start; if its JSON may
     * come back all the same, it needs what it describes. */
    if (rc != PROXIMADB_OK && px_collection_store_remove(context->data_folder, collection->name,
                                                         NULL, NULL) == PROXIMADB_OK)
        remove_folders(service, collection->name);
    return rc;
}

static int create(struct px_collection_service *service, struct px_call *call,
                  struct px_slice datum, struct px_buffer *answer, struct proximadb_error *reterr)
{
    const struct px_clock *clock = service->context->clock;
    struct proximadb_collection_spec spec;
    struct px_collection collection;
    int rc = px_collection_spec_decode(datum, &call->arena, &spec, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_init(&collection, &spec, clock->wall_ms(clock), reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = exists(service, spec.name) ? check_existing(service, &spec, reterr)
                                    : create_new(service, &collection, reterr);
    return rc == PROXIMADB_OK ? get(service, spec.name, answer, reterr) : rc;
}

/* ---- dropping ------------------------------------------------------------------------------ */

/* Ends a collection whose JSON is gone. */
static void forget(struct px_collection_service *service, const char *name)
{
    struct px_shard *shard = take(service, name);
    px_shard_close(shard);
    px_scan_table_sweep(service->scans, shard);
    px_shard_unref(shard);
}

static int drop(struct px_collection_service *service, const char *name,
                struct proximadb_error *reterr)
{
    struct px_shard *shard;
    bool unsure;
    int rc = px_collection_service_find(service, name, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_shard_set_dropped(shard, true);
    rc = px_collection_store_remove(service->context->data_folder, name, &unsure, reterr);
    if (rc != PROXIMADB_OK && !unsure)
        px_shard_set_dropped(shard, false);
    px_shard_unref(shard);
    if (rc != PROXIMADB_OK && !unsure)
        return rc;
    forget(service, name);
    if (unsure) /* the JSON may come back, and then needs what it describes */
        return px_fail(reterr, PROXIMADB_OUTCOME_UNKNOWN,
                       "the collection '%s' is deleted, but the device failed while that was made "
                       "sure: after a power cut it may be back; then delete it again",
                       name);
    remove_folders(service, name);
    return PROXIMADB_OK;
}

/* ---- updating ------------------------------------------------------------------------------ */

struct updating {
    struct px_write_op op;
    struct px_collection_service *service;
    struct px_call *call;
    struct px_shard *shard;
};

static void finish_read(struct px_call *call, int rc, struct px_buffer *answer,
                        const struct proximadb_error *error)
{
    if (rc == PROXIMADB_OK)
        px_call_finish(call, answer);
    else
        px_call_fail(call, error);
    px_buffer_release(answer);
}

/* A new memory profile is that of the next graph. */
static void rebuild_if_changed(struct px_shard *shard, const struct px_write_op *op)
{
    if (op->as.alter.is_rebuild)
        (void)!px_shard_rebuild_index(shard, NULL);
}

static void updated(struct px_write_op *op, const struct proximadb_error *error)
{
    struct updating *updating = op->done_context;
    struct px_call *call = updating->call;
    struct px_shard *shard = updating->shard;
    struct px_buffer answer = {0};
    if (error == NULL)
        rebuild_if_changed(shard, op);
    if (error == NULL && !op->as.alter.is_rebuild)
        put_info(shard, &answer, false);
    px_shard_unref(shard);
    finish_read(call, error != NULL ? error->status : PROXIMADB_OK, &answer, error);
}

/* The shard's reference is taken on success. */
static int submit_update(struct px_collection_service *service, struct px_call *call,
                         struct px_shard *shard, const struct px_alteration *alteration,
                         struct proximadb_error *reterr)
{
    struct updating *updating = px_arena_calloc(&call->arena, 1, sizeof *updating);
    if (updating == NULL)
        return px_fail_no_memory(reterr);
    *updating = (struct updating){.service = service, .call = call, .shard = shard};
    updating->op = (struct px_write_op){.kind = PX_WRITE_ALTER,
                                        .as.alter = *alteration,
                                        .arena = &call->arena,
                                        .deadline_ms = call->deadline_ms,
                                        .cancel = call->cancel,
                                        .done = updated,
                                        .done_context = updating};
    px_shard_submit(shard, &updating->op);
    return PROXIMADB_OK;
}

static int update(struct px_collection_service *service, struct px_call *call,
                  struct px_slice datum, struct proximadb_error *reterr)
{
    struct px_shard *shard;
    struct px_alteration alteration = {.has_fields = true};
    int rc = px_collection_change_decode(datum, &call->arena, &alteration.fields, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_service_find(service, call->collection, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = submit_update(service, call, shard, &alteration, reterr);
    if (rc != PROXIMADB_OK)
        px_shard_unref(shard);
    return rc;
}

/* Whether the index is to be of another kind than it is, which the description has to say first. */
static bool changes_memory(struct px_shard *shard, int index_memory)
{
    struct px_description *description = px_shard_describe(shard);
    bool changes = index_memory >= 0 && index_memory != (int)description->collection.index_memory;
    px_description_unref(description);
    return changes;
}

/* Without a payload, the datum is empty. *ret_finished: the call is not taken further. */
static int rebuild_index(struct px_collection_service *service, struct px_call *call,
                         struct px_slice datum, bool *ret_finished, struct proximadb_error *reterr)
{
    struct px_shard *shard;
    struct px_alteration alteration = {.index_memory = -1, .is_rebuild = true};
    int rc = PROXIMADB_OK;
    if (datum.size_bytes > 0)
        rc = px_rebuild_index_request_decode(datum, &alteration.index_memory, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection_service_find(service, call->collection, &shard, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_finished = !changes_memory(shard, alteration.index_memory);
    if (*ret_finished) {
        rc = px_shard_rebuild_index(shard, reterr);
        px_shard_unref(shard);
        return rc;
    }
    rc = px_shard_check_index(shard, reterr);
    if (rc == PROXIMADB_OK)
        rc = submit_update(service, call, shard, &alteration, reterr);
    if (rc != PROXIMADB_OK)
        px_shard_unref(shard);
    return rc;
}

/* ---- dispatch ------------------------------------------------------------------------------ */

/* A call on its way through the catalogue's thread. */
struct change {
    struct px_job job; /* first member */
    struct px_collection_service *service;
    struct px_call *call;
    struct px_slice datum;
};

static void run_change(struct px_job *job)
{
    struct change *change = (struct change *)job;
    struct px_call *call = change->call;
    struct px_buffer answer = {0};
    struct proximadb_error error;
    int rc;
    if (call->operation == PROXIMADB_CREATE_COLLECTION)
        rc = create(change->service, call, change->datum, &answer, &error);
    else
        rc = drop(change->service, call->collection, &error);
    finish_read(call, rc, &answer, &error);
}

static int submit_change(struct px_collection_service *service, struct px_call *call,
                         struct px_slice datum, struct proximadb_error *reterr)
{
    struct change *change = px_arena_calloc(&call->arena, 1, sizeof *change);
    if (change == NULL)
        return px_fail_no_memory(reterr);
    *change = (struct change){
        .job = {.run = run_change}, .service = service, .call = call, .datum = datum};
    px_workers_submit(service->catalogue, &change->job);
    return PROXIMADB_OK;
}

void px_collection_service_execute(struct px_collection_service *service, struct px_call *call,
                                   struct px_slice datum)
{
    struct px_buffer answer = {0};
    struct proximadb_error error;
    bool is_finished;
    int rc;
    switch (call->operation) {
    case PROXIMADB_GET_COLLECTION:
        rc = get(service, call->collection, &answer, &error);
        finish_read(call, rc, &answer, &error);
        return;
    case PROXIMADB_LIST_COLLECTIONS:
        rc = list(service, &answer, &error);
        finish_read(call, rc, &answer, &error);
        return;
    case PROXIMADB_UPDATE_COLLECTION:
        rc = update(service, call, datum, &error);
        break;
    case PROXIMADB_REBUILD_INDEX:
        rc = rebuild_index(service, call, datum, &is_finished, &error);
        if (rc == PROXIMADB_OK && is_finished)
            finish_read(call, rc, &answer, &error);
        break;
    default:
        rc = submit_change(service, call, datum, &error);
        break;
    }
    if (rc != PROXIMADB_OK)
        px_call_fail(call, &error);
}
