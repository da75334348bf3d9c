/*
 * powercut_engine: a model of what an engine holds, and steps that change both: the history oracle of
 * the tests that cut the power of an engine.
 *
 * One client sends one step after the other. So what may be found after a power cut is the model
 * before the step that was under way, or the model behind it, and nothing else: not a part of a batch,
 * not a row that was deleted, not a count that differs. Versions and the collections' uuids are in the
 * model, too, so nothing else can pass for what was written.
 */
#ifndef PX_TEST_POWERCUT_ENGINE_H
#define PX_TEST_POWERCUT_ENGINE_H

#include "support/engine_support.h"

enum { MODEL_COLLECTIONS = 2, MODEL_IDS = 96, MODEL_DIMS = 4, MODEL_GROUPS = 5 };

static const char *const model_names[MODEL_COLLECTIONS] = {"docs", "more"};

struct model_row {
    int64_t version; /* 0: there is no such row */
    uint32_t vector; /* follows from this number */
    uint32_t tag;    /* in the metadata */
};

struct model_collection {
    bool exists;
    char uuid[40]; /* "": not known */
    size_t field_count;
    int64_t last_version;
    struct model_row rows[MODEL_IDS];
};

struct model {
    struct model_collection collections[MODEL_COLLECTIONS];
};

enum step_kind {
    STEP_CREATE,
    STEP_DROP,
    STEP_ALTER, /* makes one more field filterable */
    STEP_INSERT,
    STEP_UPSERT,
    STEP_UPSERT_TEXT, /* with a text in the field that STEP_ALTER makes one of numbers */
    STEP_UPDATE_VECTOR,
    STEP_UPDATE_METADATA,
    STEP_DELETE,
    STEP_DELETE_GROUP, /* by filter: rows whose number is `first` modulo MODEL_GROUPS */
    STEP_FLUSH,
    STEP_COMPACT,
    STEP_SETTLE, /* waits until nothing is compacted in the background any more */
};

/* Rows are numbered; a batch has rows first to first + count - 1. */
struct step {
    enum step_kind kind;
    unsigned collection;
    unsigned first, count;
};

static inline bool step_is_write(const struct step *step)
{
    return step->kind >= STEP_INSERT && step->kind <= STEP_DELETE_GROUP;
}

/* ---- what a step does to the model --------------------------------------------------------- */

static inline void model_delete_group(struct model_collection *collection, unsigned group)
{
    for (unsigned i = group; i < MODEL_IDS; i += MODEL_GROUPS) {
        collection->last_version += collection->rows[i].version != 0;
        collection->rows[i] = (struct model_row){0};
    }
}

static inline void model_write(struct model_collection *collection, const struct step *step,
                               uint32_t value)
{
    for (unsigned i = step->first; i < step->first + step->count; i++) {
        struct model_row *row = &collection->rows[i];
        int64_t version = ++collection->last_version;
        assert_true(i < MODEL_IDS);
        if (step->kind == STEP_DELETE)
            *row = (struct model_row){0};
        else if (step->kind == STEP_UPDATE_VECTOR)
            *row = (struct model_row){version, value, row->tag};
        else if (step->kind == STEP_UPDATE_METADATA)
            *row = (struct model_row){version, row->vector, value};
        else
            *row = (struct model_row){version, value, value};
    }
}

/* `value` goes into all rows of the step. */
static inline void model_take(struct model *model, const struct step *step, uint32_t value)
{
    struct model_collection *collection = &model->collections[step->collection];
    if (step->kind == STEP_CREATE)
        *collection = (struct model_collection){.exists = true, .field_count = ENGINE_FIRST_FIELDS};
    else if (step->kind == STEP_DROP)
        *collection = (struct model_collection){0};
    else if (step->kind == STEP_ALTER)
        collection->field_count++;
    else if (step->kind == STEP_DELETE_GROUP)
        model_delete_group(collection, step->first);
    else if (step_is_write(step))
        model_write(collection, step, value);
}

/* ---- what a step does to the engine -------------------------------------------------------- */

/* A write's, by which a repeat of it is known. */
struct step_request {
    uint8_t id[16];
};

static inline struct step_request step_request_of(uint32_t value)
{
    struct step_request request = {{1}};
    memcpy(request.id + 4, &value, sizeof value);
    return request;
}

static inline void model_vector(unsigned row, uint32_t value, float vector[MODEL_DIMS])
{
    vector[0] = (float)row + 1;
    vector[1] = (float)value;
    vector[2] = (float)(row * 31 + value * 7) / 64;
    vector[3] = -1;
}

static inline struct proximadb_field model_field(const char *name, int64_t value)
{
    return (struct proximadb_field){
        .name = engine_text(name),
        .value = {.kind = PROXIMADB_VALUE_LONG, .as.integer = value},
    };
}

static inline int step_put(struct engine_box *box, const struct step *step, uint32_t value,
                           struct proximadb_write_result *ret_result)
{
    static char ids[MODEL_IDS][8];
    static float vectors[MODEL_IDS][MODEL_DIMS];
    static struct proximadb_field fields[MODEL_IDS][3];
    static struct proximadb_row rows[MODEL_IDS];
    int operation = step->kind == STEP_INSERT          ? PROXIMADB_INSERT
                    : step->kind >= STEP_UPDATE_VECTOR ? PROXIMADB_UPDATE
                                                       : PROXIMADB_UPSERT;
    for (unsigned i = 0; i < step->count; i++) {
        unsigned row = step->first + i;
        snprintf(ids[i], sizeof ids[i], "r%03u", row);
        model_vector(row, value, vectors[i]);
        fields[i][0] = model_field("count", row % MODEL_GROUPS); /* filterable */
        fields[i][1] = model_field("tag", value);
        fields[i][2] = (struct proximadb_field){
            .name = engine_text(engine_fields[ENGINE_FIRST_FIELDS].name),
            .value = {.kind = PROXIMADB_VALUE_STRING, .as.string = engine_text("text")}};
        rows[i] = (struct proximadb_row){.struct_size = sizeof rows[i], .id = engine_text(ids[i])};
        if (step->kind != STEP_UPDATE_METADATA) {
            rows[i].vector = vectors[i];
            rows[i].dim_count = MODEL_DIMS;
        }
        if (step->kind != STEP_UPDATE_VECTOR) {
            rows[i].fields = fields[i];
            rows[i].field_count = step->kind == STEP_UPSERT_TEXT ? 3 : 2;
        }
    }
    struct step_request request = step_request_of(value);
    struct proximadb_buffer payload = engine_batch(operation, request.id, rows, step->count);
    return engine_write(box, operation, model_names[step->collection], &payload, ret_result);
}

static inline int step_delete(struct engine_box *box, const struct step *step, uint32_t value,
                              struct proximadb_write_result *ret_result)
{
    char ids[MODEL_IDS][8];
    struct proximadb_text texts[MODEL_IDS];
    struct step_request request = step_request_of(value);
    struct proximadb_buffer payload;
    for (unsigned i = 0; i < step->count; i++) {
        snprintf(ids[i], sizeof ids[i], "r%03u", step->first + i);
        texts[i] = engine_text(ids[i]);
    }
    engine_must(
        proximadb_encode_delete(request.id, texts, step->count, NULL, &payload, &box->error),
        &box->error);
    return engine_write(box, PROXIMADB_DELETE, model_names[step->collection], &payload, ret_result);
}

static inline int step_delete_group(struct engine_box *box, const struct step *step, uint32_t value,
                                    struct proximadb_write_result *ret_result)
{
    struct step_request request = step_request_of(value);
    char filter[32];
    snprintf(filter, sizeof filter, "count = %u", step->first);
    return engine_try_delete_where(box, model_names[step->collection], request.id, filter,
                                   ret_result);
}

/* ret_result is filled in by writes. */
static inline int step_run(struct engine_box *box, const struct step *step, uint32_t value,
                           size_t field_count, struct proximadb_write_result *ret_result)
{
    const char *name = model_names[step->collection];
    switch (step->kind) {
    case STEP_CREATE:
        return engine_try_create(box, name, MODEL_DIMS, PROXIMADB_L2);
    case STEP_DROP:
        return engine_try_drop(box, name);
    case STEP_ALTER:
        return engine_try_alter(box, name, field_count + 1);
    case STEP_DELETE:
        return step_delete(box, step, value, ret_result);
    case STEP_DELETE_GROUP:
        return step_delete_group(box, step, value, ret_result);
    case STEP_FLUSH:
        return engine_try_flush(box, name);
    case STEP_COMPACT:
        return engine_try_compact(box, name, 2, NULL);
    case STEP_SETTLE:
        engine_settle(box);
        return PROXIMADB_OK;
    default:
        return step_put(box, step, value, ret_result);
    }
}

/* ---- comparing ----------------------------------------------------------------------------- */

/* Why an engine does not hold what the model says. */
struct model_reason {
    char text[500];
};

#define MODEL_DIFFERS(reason, ...) \
    (snprintf((reason)->text, sizeof(reason)->text, __VA_ARGS__), false)

static inline int64_t model_tag(const struct proximadb_hit *hit)
{
    for (size_t i = 0; i < hit->field_count; i++)
        if (hit->fields[i].name.size_bytes == 3 && memcmp(hit->fields[i].name.data, "tag", 3) == 0)
            return hit->fields[i].value.as.integer;
    return -1;
}

/* Takes one row off the rows that are expected. */
static inline bool model_expects(struct model_collection *left, const struct proximadb_hit *hit,
                                 struct model_reason *reason)
{
    float vector[MODEL_DIMS];
    char id[8] = "";
    assert_true(hit->id.size_bytes < sizeof id);
    memcpy(id, hit->id.data, hit->id.size_bytes);
    unsigned row = (unsigned)strtoul(id + 1, NULL, 10);
    assert_true(row < MODEL_IDS);
    struct model_row expected = left->rows[row];
    left->rows[row] = (struct model_row){0};
    if (hit->version != expected.version)
        return MODEL_DIFFERS(reason, "%s has version %lld, not %lld", id, (long long)hit->version,
                             (long long)expected.version);
    model_vector(row, expected.vector, vector);
    if (hit->dim_count != MODEL_DIMS || memcmp(hit->vector, vector, sizeof vector) != 0)
        return MODEL_DIFFERS(reason, "%s has another vector than %u", id, expected.vector);
    if (model_tag(hit) != expected.tag)
        return MODEL_DIFFERS(reason, "%s has tag %lld, not %u", id, (long long)model_tag(hit),
                             expected.tag);
    return true;
}

/* The rows of a SCAN or SEARCH, which is taken; any order. */
static inline bool model_has_rows(const struct model_collection *collection,
                                  struct proximadb_buffer *response, struct model_reason *reason)
{
    struct model_collection left = *collection;
    struct proximadb_error error = {0};
    struct proximadb_hit hit;
    proximadb_reader *reader;
    bool agrees = true;
    engine_must(proximadb_reader_new(response, &reader, &error), &error);
    while (agrees && proximadb_reader_next(reader, &hit, &error))
        agrees = model_expects(&left, &hit, reason);
    for (unsigned i = 0; agrees && i < MODEL_IDS; i++)
        if (left.rows[i].version != 0)
            agrees = MODEL_DIFFERS(reason, "r%03u of version %lld is missing", i,
                                   (long long)left.rows[i].version);
    proximadb_reader_free(reader);
    return agrees;
}

static inline bool model_agrees_on_rows(struct engine_box *box, const char *name,
                                        const struct model_collection *collection,
                                        struct model_reason *reason)
{
    static const float query[MODEL_DIMS] = {1, 2, 3, 4};
    struct proximadb_scan_options scan = {
        .struct_size = sizeof scan, .batch_size = 1000, .include_vectors = true};
    struct proximadb_search_options search = {.struct_size = sizeof search,
                                              .queries = query,
                                              .query_count = 1,
                                              .dim_count = MODEL_DIMS,
                                              .k = 1000,
                                              .include_vectors = true,
                                              .include_metadata = true,
                                              .exact = true};
    struct proximadb_buffer payload, response;
    engine_must(proximadb_encode_scan(&scan, &payload, &box->error), &box->error);
    engine_must(engine_call(box, PROXIMADB_SCAN, name, &payload, &response, &box->error),
                &box->error);
    if (!model_has_rows(collection, &response, reason))
        return false;
    engine_must(proximadb_encode_search(&search, &payload, &box->error), &box->error);
    engine_must(engine_call(box, PROXIMADB_SEARCH, name, &payload, &response, &box->error),
                &box->error);
    return model_has_rows(collection, &response, reason);
}

static inline uint64_t model_count(const struct model_collection *collection)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < MODEL_IDS; i++)
        count += collection->rows[i].version != 0;
    return count;
}

/* What GET_COLLECTION says, as far as the model knows it. */
struct model_info {
    char uuid[40];
    uint64_t vector_count;
    int64_t last_version;
    size_t field_count;
    char read_only_reason[400]; /* "": it is not */
};

static inline int model_get_info(struct engine_box *box, const char *name,
                                 struct model_info *ret_info)
{
    struct proximadb_buffer response;
    struct proximadb_collection_info info;
    proximadb_reader *reader;
    int rc = engine_call(box, PROXIMADB_GET_COLLECTION, name, NULL, &response, &box->error);
    if (rc != PROXIMADB_OK)
        return rc;
    engine_must(proximadb_reader_new(&response, &reader, &box->error), &box->error);
    assert_true(proximadb_reader_next_collection(reader, &info, &box->error));
    *ret_info = (struct model_info){.vector_count = info.vector_count,
                                    .last_version = info.last_version,
                                    .field_count = info.spec.filterable_count};
    snprintf(ret_info->uuid, sizeof ret_info->uuid, "%s", info.id);
    if (info.read_only)
        snprintf(ret_info->read_only_reason, sizeof ret_info->read_only_reason, "%s",
                 info.read_only_reason);
    proximadb_reader_free(reader);
    return PROXIMADB_OK;
}

static inline bool model_agrees_on(struct engine_box *box, const char *name,
                                   struct model_collection *collection, struct model_reason *reason)
{
    struct model_info info;
    int rc = model_get_info(box, name, &info);
    if (rc == PROXIMADB_COLLECTION_NOT_FOUND)
        return !collection->exists || MODEL_DIFFERS(reason, "there is no '%s'", name);
    engine_must(rc, &box->error);
    if (info.read_only_reason[0] != '\0')
        return MODEL_DIFFERS(reason, "'%s' is read-only: %s", name, info.read_only_reason);
    bool is_new = collection->uuid[0] == '\0';
    if (!collection->exists || (!is_new && strcmp(collection->uuid, info.uuid) != 0))
        return MODEL_DIFFERS(reason, "there is a '%s', which should not be or is another", name);
    memcpy(collection->uuid, info.uuid, sizeof info.uuid);
    uint64_t expected = model_count(collection), count = engine_count(box, name, NULL);
    if (count != expected || info.vector_count != expected)
        return MODEL_DIFFERS(reason, "'%s' has %llu rows (count %llu), not %llu", name,
                             (unsigned long long)info.vector_count, (unsigned long long)count,
                             (unsigned long long)expected);
    if (info.last_version != collection->last_version ||
        info.field_count != collection->field_count)
        return MODEL_DIFFERS(reason, "'%s' is at version %lld with %zu fields, not %lld with %zu",
                             name, (long long)info.last_version, info.field_count,
                             (long long)collection->last_version, collection->field_count);
    return model_agrees_on_rows(box, name, collection, reason);
}

/* Whether the engine holds exactly this. The uuids of collections whose uuid is not known are learned
 * then. */
static inline bool model_agrees(struct engine_box *box, struct model *model,
                                struct model_reason *reason)
{
    for (unsigned i = 0; i < MODEL_COLLECTIONS; i++)
        if (!model_agrees_on(box, model_names[i], &model->collections[i], reason))
            return false;
    return true;
}

#endif /* PX_TEST_POWERCUT_ENGINE_H */
