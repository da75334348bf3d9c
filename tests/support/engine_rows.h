/*
 * engine_rows: what an engine answers about rows, as plain values: get, search and scan.
 *
 *      struct engine_rows rows = {0};
 *      engine_scan(&box, "docs", NULL, &rows);
 *      assert_int_equal(rows.count, 3);
 *      engine_rows_clear(&rows);
 *
 * Rows are appended. Metadata is made a text that does not depend on the order in which the engine
 * gives the keys: `count=7;name="x";tags=["a","b"];`, sorted by key.
 */
#ifndef PX_TEST_ENGINE_ROWS_H
#define PX_TEST_ENGINE_ROWS_H

#include "support/engine_support.h"

enum { ENGINE_ROW_DIMS = 16, ENGINE_ROW_FIELDS = 16 };

struct engine_row {
    char id[40];
    uint32_t query_index;
    int64_t version;
    double score;
    double distance;
    size_t dim_count; /* 0: the vector was not given */
    float vector[ENGINE_ROW_DIMS];
    char metadata[400];
    bool has_document;
    char document[80];
    int64_t timestamp_ms;
    int64_t expires_at_ms; /* INT64_MAX: never */
};

struct engine_rows {
    struct engine_row *items;
    size_t count;
    size_t capacity;
    char cursor[64]; /* "": at the end */
};

static inline void engine_rows_clear(struct engine_rows *rows)
{
    free(rows->items);
    *rows = (struct engine_rows){0};
}

/* The row of that id among those from `from` on, or NULL. */
static inline const struct engine_row *engine_rows_find(const struct engine_rows *rows,
                                                        const char *id)
{
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(rows->items[i].id, id) == 0)
            return &rows->items[i];
    return NULL;
}

/* ---- metadata as a text -------------------------------------------------------------------- */

static inline void engine_put_text(char *into, size_t size, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(into);
    va_start(arguments, format);
    int length = vsnprintf(into + used, size - used, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < size - used);
}

static inline void engine_put_value(char *into, size_t size, const struct proximadb_value *value)
{
    switch (value->kind) {
    case PROXIMADB_VALUE_NULL:
        engine_put_text(into, size, "null");
        break;
    case PROXIMADB_VALUE_BOOLEAN:
        engine_put_text(into, size, value->as.boolean ? "true" : "false");
        break;
    case PROXIMADB_VALUE_LONG:
        engine_put_text(into, size, "%lld", (long long)value->as.integer);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        engine_put_text(into, size, "%.17gd", value->as.number);
        break;
    case PROXIMADB_VALUE_STRING:
        engine_put_text(into, size, "\"%.*s\"", (int)value->as.string.size_bytes,
                        value->as.string.data);
        break;
    default:
        engine_put_text(into, size, "[");
        for (size_t i = 0; i < value->as.strings.count; i++)
            engine_put_text(into, size, "%s\"%.*s\"", i > 0 ? "," : "",
                            (int)value->as.strings.items[i].size_bytes,
                            value->as.strings.items[i].data);
        engine_put_text(into, size, "]");
        break;
    }
}

static inline int engine_compare_fields(const void *a, const void *b)
{
    const struct proximadb_field *left = a, *right = b;
    size_t least = left->name.size_bytes < right->name.size_bytes ? left->name.size_bytes
                                                                  : right->name.size_bytes;
    int order = memcmp(left->name.data, right->name.data, least);
    return order != 0 ? order : (int)left->name.size_bytes - (int)right->name.size_bytes;
}

static inline void engine_metadata_text(const struct proximadb_field *fields, size_t count,
                                        char *into, size_t size)
{
    struct proximadb_field sorted[ENGINE_ROW_FIELDS];
    assert_true(count <= ENGINE_ROW_FIELDS);
    if (count > 0)
        memcpy(sorted, fields, count * sizeof *fields);
    qsort(sorted, count, sizeof sorted[0], engine_compare_fields);
    into[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        engine_put_text(into, size, "%.*s=", (int)sorted[i].name.size_bytes, sorted[i].name.data);
        engine_put_value(into, size, &sorted[i].value);
        engine_put_text(into, size, ";");
    }
}

/* ---- reading answers ----------------------------------------------------------------------- */

static inline void engine_copy_row(const struct proximadb_hit *hit, struct engine_row *row)
{
    *row = (struct engine_row){.query_index = hit->query_index,
                               .version = hit->version,
                               .score = hit->score,
                               .distance = hit->distance,
                               .has_document = hit->document != NULL,
                               .timestamp_ms = hit->timestamp_ms,
                               .expires_at_ms =
                                   hit->expires_at_ms != NULL ? *hit->expires_at_ms : INT64_MAX};
    assert_true(hit->id.size_bytes < sizeof row->id);
    memcpy(row->id, hit->id.data, hit->id.size_bytes);
    if (hit->vector != NULL) {
        assert_true(hit->dim_count <= ENGINE_ROW_DIMS);
        row->dim_count = hit->dim_count;
        memcpy(row->vector, hit->vector, hit->dim_count * sizeof(float));
    }
    engine_metadata_text(hit->fields, hit->field_count, row->metadata, sizeof row->metadata);
    if (hit->document != NULL) {
        assert_true(hit->document_size_bytes < sizeof row->document);
        memcpy(row->document, hit->document, hit->document_size_bytes);
    }
}

/* Appends the rows of an answer, which is taken. */
static inline void engine_take_rows(struct proximadb_buffer *response, struct engine_rows *rows)
{
    struct proximadb_error error;
    struct proximadb_hit hit;
    proximadb_reader *reader;
    engine_must(proximadb_reader_new(response, &reader, &error), &error);
    error.status = PROXIMADB_OK;
    while (proximadb_reader_next(reader, &hit, &error)) {
        if (rows->count == rows->capacity) {
            rows->capacity = rows->capacity == 0 ? 16 : 2 * rows->capacity;
            rows->items = realloc(rows->items, rows->capacity * sizeof *rows->items);
            assert_non_null(rows->items);
        }
        engine_copy_row(&hit, &rows->items[rows->count++]);
    }
    engine_must(error.status, &error);
    struct proximadb_text cursor = proximadb_reader_cursor(reader);
    assert_true(cursor.size_bytes < sizeof rows->cursor);
    snprintf(rows->cursor, sizeof rows->cursor, "%.*s", (int)cursor.size_bytes,
             cursor.size_bytes > 0 ? cursor.data : "");
    proximadb_reader_free(reader);
}

/* A read whose payload is made; its status. */
static inline int engine_read(struct engine_box *box, int operation, const char *name,
                              struct proximadb_buffer *payload, struct engine_rows *rows)
{
    struct proximadb_buffer response;
    int rc = engine_call(box, operation, name, payload, &response, &box->error);
    if (rc == PROXIMADB_OK)
        engine_take_rows(&response, rows);
    return rc;
}

static inline struct proximadb_filter engine_filter(const char *text)
{
    return (struct proximadb_filter){.text = text,
                                     .text_size_bytes = text != NULL ? strlen(text) : 0};
}

static inline void engine_get(struct engine_box *box, const char *name, const char *const *ids,
                              size_t count, struct engine_rows *rows)
{
    struct proximadb_text texts[64];
    struct proximadb_buffer payload;
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++)
        texts[i] = engine_text(ids[i]);
    engine_must(proximadb_encode_get(texts, count, true, &payload, &box->error), &box->error);
    engine_must(engine_read(box, PROXIMADB_GET, name, &payload, rows), &box->error);
}

/* What is looked for. */
struct engine_query {
    const float *queries;
    size_t query_count;
    uint32_t dim_count;
    uint64_t k;
    const char *filter; /* NULL: none */
};

static inline int engine_try_search(struct engine_box *box, const char *name,
                                    const struct engine_query *query, struct engine_rows *rows)
{
    const struct proximadb_search_options options = {.struct_size = sizeof options,
                                                     .queries = query->queries,
                                                     .query_count = query->query_count,
                                                     .dim_count = query->dim_count,
                                                     .k = query->k,
                                                     .filter = engine_filter(query->filter),
                                                     .include_vectors = true,
                                                     .include_metadata = true};
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_search(&options, &payload, &box->error), &box->error);
    return engine_read(box, PROXIMADB_SEARCH, name, &payload, rows);
}

static inline void engine_search(struct engine_box *box, const char *name,
                                 const struct engine_query *query, struct engine_rows *rows)
{
    engine_must(engine_try_search(box, name, query, rows), &box->error);
}

/* One page of a scan; rows->cursor "" begins one. */
static inline int engine_try_page(struct engine_box *box, const char *name, const char *filter,
                                  uint32_t batch_size, struct engine_rows *rows)
{
    char cursor[sizeof rows->cursor];
    memcpy(cursor, rows->cursor, sizeof cursor);
    const struct proximadb_scan_options options = {.struct_size = sizeof options,
                                                   .filter = engine_filter(filter),
                                                   .batch_size = batch_size,
                                                   .include_vectors = true,
                                                   .cursor = cursor[0] != '\0' ? cursor : NULL,
                                                   .cursor_size_bytes = strlen(cursor)};
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_scan(&options, &payload, &box->error), &box->error);
    return engine_read(box, PROXIMADB_SCAN, name, &payload, rows);
}

/* All rows. filter NULL: none. */
static inline void engine_scan(struct engine_box *box, const char *name, const char *filter,
                               struct engine_rows *rows)
{
    do
        engine_must(engine_try_page(box, name, filter, 100, rows), &box->error);
    while (rows->cursor[0] != '\0');
}

#endif /* PX_TEST_ENGINE_ROWS_H */
