/* px-test: layers=payload label=fuzz */
/*
 * fuzz_payload: any bytes as a payload. Bytes that begin with the marker C3 01 are taken as a whole
 * payload; otherwise the first byte chooses a schema and the rest is the datum.
 *
 * What is accepted is used: every view is read, and a VectorBatch is written again from its rows and
 * must read back the same.
 */
#include "avro/encode.h"
#include "avro/schemas.h"
#include "base/hash.h"
#include "model/metadata.h"
#include "payload/answer.h"
#include "payload/collection_request.h"
#include "payload/request.h"
#include "payload/update.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two dimensions, cosine, and a field of each type but string_array. */
static const struct px_collection collection = {
    .name = "docs",
    .dim_count = 2,
    .metric = PROXIMADB_COSINE,
    .field_count = 4,
    .fields = {{"b", PROXIMADB_FIELD_BOOLEAN, 100},
               {"d", PROXIMADB_FIELD_DOUBLE, 101},
               {"l", PROXIMADB_FIELD_LONG, 102},
               {"s", PROXIMADB_FIELD_STRING, 103}},
};

static uint64_t
    used; /* depends on every byte that was read, so that reading is not optimised away */

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void use(struct px_slice slice)
{
    used ^= px_hash_memory(slice);
}

static void use_map(struct px_slice metadata)
{
    struct px_metadata_walk walk = px_metadata_first(metadata);
    struct px_slice key;
    struct px_value value;
    while (px_metadata_next(&walk, &key, &value))
        use(key);
    use(metadata);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void put_record(struct px_buffer *buffer, const struct px_batch_row *row)
{
    const struct px_record *record = &row->record;
    px_encode_string(buffer, record->id);
    px_encode_floats(buffer, record->vector, record->dim_count);
    px_buffer_append_slice(buffer, record->metadata);
    px_encode_optional_string(buffer, record->has_document, record->document);
    px_encode_optional_long(buffer, row->has_timestamp, record->timestamp_ms);
    px_encode_optional_long(buffer, record->expires_at_ms != PX_NEVER, record->expires_at_ms);
}

static void demand_same(const struct px_batch_row *a, const struct px_batch_row *b)
{
    demand(px_slice_equal(a->record.id, b->record.id) && a->id_hash == b->id_hash);
    demand(memcmp(a->record.vector, b->record.vector, 2 * sizeof(float)) == 0);
    demand(px_slice_equal(a->record.metadata, b->record.metadata));
    demand(px_slice_equal(a->record.document, b->record.document));
    demand(a->record.timestamp_ms == b->record.timestamp_ms);
    demand(a->record.expires_at_ms == b->record.expires_at_ms);
}

static void fuzz_batch(struct px_slice datum, struct px_arena *arena)
{
    struct px_batch batch, again;
    struct px_buffer buffer = {0};
    if (px_batch_decode(datum, &collection, arena, &batch, NULL) != PROXIMADB_OK)
        return;
    px_encode_fixed(&buffer, batch.request_id, PX_REQUEST_ID_BYTES);
    px_encode_block(&buffer, batch.row_count);
    for (uint32_t i = 0; i < batch.row_count; i++)
        put_record(&buffer, &batch.rows[i]);
    px_encode_block_end(&buffer, batch.row_count);
    demand(px_batch_decode(px_buffer_slice(&buffer), &collection, arena, &again, NULL) ==
           PROXIMADB_OK);
    demand(again.row_count == batch.row_count);
    for (uint32_t i = 0; i < batch.row_count; i++)
        demand_same(&batch.rows[i], &again.rows[i]);
    px_buffer_release(&buffer);
}

static void fuzz_update(struct px_slice datum, struct px_arena *arena)
{
    struct px_update update;
    if (px_update_decode(datum, &collection, arena, &update, NULL) != PROXIMADB_OK)
        return;
    for (uint32_t i = 0; i < update.row_count; i++) {
        const struct px_update_row *row = &update.rows[i];
        use(row->id);
        use(row->document);
        if (row->vector != NULL)
            use(px_slice_of(row->vector, 2 * sizeof(float)));
        if (row->has_metadata)
            use_map(row->metadata);
    }
}

static void use_ids(const struct px_id_list *ids)
{
    for (uint32_t i = 0; i < ids->count; i++)
        use(ids->items[i].text);
}

static void use_filter(const struct px_filter_text *filter)
{
    use(filter->text);
    use_map(filter->params);
}

static void fuzz_request(enum px_schema schema, struct px_slice datum, struct px_arena *arena)
{
    struct px_delete_batch delete;
    struct px_get_request get;
    struct px_search_request search;
    struct px_scan_request scan;
    struct px_count_request count;
    struct px_compact_request compact;
    if (schema == PX_SCHEMA_DELETE_BATCH &&
        px_delete_batch_decode(datum, arena, &delete, NULL) == 0) {
        use_ids(&delete.ids);
        use_filter(&delete.filter);
    }
    if (schema == PX_SCHEMA_GET_REQUEST && px_get_request_decode(datum, arena, &get, NULL) == 0)
        use_ids(&get.ids);
    if (schema == PX_SCHEMA_SEARCH_REQUEST &&
        px_search_request_decode(datum, &collection, arena, &search, NULL) == 0) {
        use(px_slice_of(search.queries, search.query_count * 2 * sizeof(float)));
        use_filter(&search.filter);
    }
    if (schema == PX_SCHEMA_SCAN_REQUEST &&
        px_scan_request_decode(datum, arena, &scan, NULL) == 0) {
        use(scan.cursor);
        use_filter(&scan.filter);
    }
    if (schema == PX_SCHEMA_COUNT_REQUEST &&
        px_count_request_decode(datum, arena, &count, NULL) == 0)
        use_filter(&count.filter);
    if (schema == PX_SCHEMA_COMPACT_REQUEST)
        (void)!px_compact_request_decode(datum, &compact, NULL);
}

static void use_filterable(const struct proximadb_filterable *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        use(px_slice_of_string(fields[i].name));
}

static void fuzz_collection(enum px_schema schema, struct px_slice datum, struct px_arena *arena)
{
    struct proximadb_collection_spec spec;
    struct px_collection_change change;
    struct px_collection made;
    if (schema == PX_SCHEMA_COLLECTION_SPEC &&
        px_collection_spec_decode(datum, arena, &spec, NULL) == PROXIMADB_OK) {
        use_filterable(spec.filterable, spec.filterable_count);
        if (px_collection_init(&made, &spec, 0, NULL) == PROXIMADB_OK)
            demand(px_collection_matches(&made, &spec));
    }
    if (schema == PX_SCHEMA_COLLECTION_CHANGE &&
        px_collection_change_decode(datum, arena, &change, NULL) == PROXIMADB_OK)
        use_filterable(change.filterable, change.filterable_count);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void use_hit(const struct proximadb_hit *hit)
{
    use(px_slice_of(hit->id.data, hit->id.size_bytes));
    use(px_slice_of(hit->vector, hit->dim_count * sizeof(float)));
    use(px_slice_of(hit->document, hit->document_size_bytes));
    for (size_t i = 0; i < hit->field_count; i++) {
        const struct proximadb_value *value = &hit->fields[i].value;
        use(px_slice_of(hit->fields[i].name.data, hit->fields[i].name.size_bytes));
        for (size_t j = 0;
             value->kind == PROXIMADB_VALUE_STRING_ARRAY && j < value->as.strings.count; j++)
            use(px_slice_of(value->as.strings.items[j].data,
                            value->as.strings.items[j].size_bytes));
    }
}

static void fuzz_answer(struct px_slice payload)
{
    struct px_answer answer;
    struct proximadb_hit hit;
    struct proximadb_collection_info info;
    struct proximadb_error error;
    struct proximadb_write_result write;
    struct proximadb_compact_result compact;
    uint64_t count;
    (void)!px_answer_write_result(payload, &write, NULL);
    (void)!px_answer_compact_result(payload, &compact, NULL);
    (void)!px_answer_count(payload, &count, NULL);
    if (px_answer_open(payload, &answer, NULL) != PROXIMADB_OK)
        return;
    while (px_answer_next_row(&answer, &hit, &error)) {
        demand(hit.query_index < answer.query_count);
        use_hit(&hit);
    }
    demand(error.status == PROXIMADB_OK);
    while (px_answer_next_collection(&answer, &info, &error)) {
        use(px_slice_of_string(info.id));
        use_filterable(info.spec.filterable, info.spec.filterable_count);
    }
    demand(error.status == PROXIMADB_OK);
    use(answer.scan_cursor);
    px_answer_release(&answer);
}

static void fuzz(struct px_slice payload)
{
    struct px_arena arena = {0};
    enum px_schema schema;
    struct px_slice datum;
    if (px_payload_open(payload, &schema, &datum, NULL) != PROXIMADB_OK)
        return;
    if (schema == PX_SCHEMA_VECTOR_BATCH)
        fuzz_batch(datum, &arena);
    else if (schema == PX_SCHEMA_UPDATE_BATCH)
        fuzz_update(datum, &arena);
    else if (schema == PX_SCHEMA_COLLECTION_SPEC || schema == PX_SCHEMA_COLLECTION_CHANGE)
        fuzz_collection(schema, datum, &arena);
    else if (schema < PX_SCHEMA_WRITE_RESULT)
        fuzz_request(schema, datum, &arena);
    else
        fuzz_answer(payload);
    px_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_buffer payload = {0};
    if (size == 0)
        return 0;
    if (data[0] != 0xc3) {
        px_payload_begin(&payload, (enum px_schema)(data[0] % PX_SCHEMA_TOTAL));
        data++;
        size--;
    }
    px_buffer_append(&payload, data, size);
    /* Of exactly that size, so that the sanitizer sees the first byte read behind it. */
    uint8_t *exact = malloc(payload.size_bytes);
    demand(exact != NULL);
    memcpy(exact, payload.data, payload.size_bytes);
    fuzz(px_slice_of(exact, payload.size_bytes));
    free(exact);
    px_buffer_release(&payload);
    return 0;
}
