#include "service/vector_storage_coordinator.h"

#include "service/coordinator_internal.h"

int px_vector_storage_coordinator_init(struct px_vector_storage_coordinator *coordinator,
                                       const struct px_clock *clock, uint64_t snapshot_limit_ms,
                                       struct px_crew *crew, struct proximadb_error *reterr)
{
    coordinator->crew = crew;
    return px_scan_table_new(clock, snapshot_limit_ms, &coordinator->scans, reterr);
}

void px_vector_storage_coordinator_release(struct px_vector_storage_coordinator *coordinator)
{
    px_scan_table_free(coordinator->scans);
    coordinator->scans = NULL;
}

int px_coordinator__parse_filter(struct px_shard *shard, struct px_call *call,
                                 const struct px_filter_text *text,
                                 const struct px_filter **ret_filter,
                                 struct proximadb_error *reterr)
{
    *ret_filter = NULL;
    if (!text->present)
        return PROXIMADB_OK;
    struct px_description *description = px_shard_describe(shard);
    int rc = px_filter_parse(text->text, text->params, &description->collection, &call->arena,
                             ret_filter, reterr);
    px_description_unref(description);
    return rc;
}

int px_coordinator__begin_reading(struct px_reading *reading, struct px_call *call,
                                  struct px_snapshot *snapshot, const struct px_filter *filter,
                                  struct proximadb_error *reterr)
{
    *reading = (struct px_reading){.call = call, .snapshot = *snapshot, .filter = filter};
    return px_row_reader_init(&reading->rows, &reading->snapshot, reterr);
}

void px_coordinator__end_reading(struct px_reading *reading)
{
    px_row_reader_release(&reading->rows);
    px_snapshot_release(&reading->snapshot);
}

bool px_coordinator__accepts(struct px_reading *reading, uint32_t source_index, uint32_t row)
{
    struct px_slice metadata;
    if (!px_row_reader_is_visible(&reading->rows, source_index, row))
        return false;
    if (reading->filter == NULL)
        return true;
    return px_row_reader_metadata(&reading->rows, source_index, row, &metadata) &&
           px_filter_evaluate(reading->filter, metadata) == PX_TRUE;
}

static int read_into(struct px_vector_storage_coordinator *coordinator, struct px_shard *shard,
                     const struct px_operation *operation, struct px_call *call,
                     struct px_buffer *answer, struct proximadb_error *reterr)
{
    switch (operation->kind) {
    case PROXIMADB_GET:
        return px_coordinator__get(shard, call, &operation->as.get, answer, reterr);
    case PROXIMADB_SEARCH:
        return px_coordinator__search(coordinator, shard, call, &operation->as.search, answer,
                                      reterr);
    case PROXIMADB_SCAN:
        return px_coordinator__scan(coordinator, shard, call, &operation->as.scan, answer, reterr);
    case PROXIMADB_COUNT:
        return px_coordinator__count(shard, call, &operation->as.count, answer, reterr);
    default:
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED, "operation %d is unknown",
                       (int)operation->kind);
    }
}

static void read_and_finish(struct px_vector_storage_coordinator *coordinator,
                            struct px_shard *shard, const struct px_operation *operation,
                            struct px_call *call)
{
    struct px_buffer answer;
    struct proximadb_error error;
    px_buffer_init(&answer, PX_ANSWER_LIMIT_BYTES);
    int rc = read_into(coordinator, shard, operation, call, &answer, &error);
    px_shard_unref(shard);
    if (rc == PX_CALL_TAKES_LONG)
        px_call_move(call);
    else if (rc == PROXIMADB_OK)
        px_call_finish(call, &answer);
    else
        px_call_fail(call, &error);
    px_buffer_release(&answer);
}

void px_vector_storage_coordinator_execute_operation(
    struct px_vector_storage_coordinator *coordinator, struct px_shard *shard,
    const struct px_operation *operation, struct px_call *call)
{
    switch (operation->kind) {
    case PROXIMADB_INSERT:
    case PROXIMADB_UPSERT:
    case PROXIMADB_UPDATE:
        px_coordinator__write(shard, call, operation);
        break;
    case PROXIMADB_DELETE:
        if (operation->as.deletion.filter.present)
            px_coordinator__delete_by_filter(shard, call, &operation->as.deletion);
        else
            px_coordinator__write(shard, call, operation);
        break;
    case PROXIMADB_FLUSH:
        px_coordinator__flush(shard, call);
        break;
    case PROXIMADB_COMPACT:
        px_coordinator__compact(shard, call, &operation->as.compact);
        break;
    default:
        read_and_finish(coordinator, shard, operation, call);
        break;
    }
}
