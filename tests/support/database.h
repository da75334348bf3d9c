/*
 * database: a database that is reached through <proximadb.h> alone, with rows that follow from their
 * number, for tests that look at what it leaves on disk.
 */
#ifndef PX_TEST_DATABASE_H
#define PX_TEST_DATABASE_H

#include "support/px_test.h"

#include <proximadb.h>

enum { DATABASE_DIMS = 4 };

struct database {
    proximadb *db;
    struct proximadb_error error;
};

static inline void database_open(struct database *database, const char *folder)
{
    const struct proximadb_options options = {
        .struct_size = sizeof options, .worker_count = 1, .committer_count = 1};
    if (proximadb_open(folder, &options, &database->db, &database->error) != PROXIMADB_OK)
        fail_msg("%s", database->error.message);
}

static inline void database_close(struct database *database)
{
    proximadb_close(database->db);
    database->db = NULL;
}

/* The payload, which may be NULL, is taken. */
static inline void database_call(struct database *database, int operation, const char *name,
                                 const struct proximadb_buffer *payload)
{
    struct proximadb_request request = {.struct_size = sizeof request,
                                        .operation = operation,
                                        .collection = name,
                                        .collection_size_bytes = name != NULL ? strlen(name) : 0};
    if (payload != NULL)
        request.payload = *payload;
    if (proximadb_call(database->db, &request, NULL, &database->error) != PROXIMADB_OK)
        fail_msg("%s", database->error.message);
}

/* A collection with the fields price (double) and tag (string). */
static inline void database_create_stored(struct database *database, const char *name, int storage)
{
    static const struct proximadb_filterable fields[] = {{"price", PROXIMADB_FIELD_DOUBLE},
                                                         {"tag", PROXIMADB_FIELD_STRING}};
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = name,
                                                   .dim_count = DATABASE_DIMS,
                                                   .metric = PROXIMADB_L2,
                                                   .storage = storage,
                                                   .filterable = fields,
                                                   .filterable_count = 2};
    struct proximadb_buffer payload;
    assert_int_equal(proximadb_encode_collection(&spec, &payload, NULL), PROXIMADB_OK);
    database_call(database, PROXIMADB_CREATE_COLLECTION, NULL, &payload);
}

static inline void database_create(struct database *database, const char *name)
{
    database_create_stored(database, name, PROXIMADB_EXACT);
}

static inline struct proximadb_text database_text(const char *text)
{
    return (struct proximadb_text){.data = text, .size_bytes = strlen(text)};
}

/* Upserts the rows first to first + count - 1, "row-N", as one batch. */
static inline void database_put(struct database *database, const char *name, size_t first,
                                size_t count)
{
    struct proximadb_batch *batch = proximadb_batch_new(PROXIMADB_UPSERT, NULL);
    struct proximadb_buffer payload;
    assert_non_null(batch);
    for (size_t number = first; number < first + count; number++) {
        char id[40];
        float vector[DATABASE_DIMS];
        struct proximadb_field price = {.name = database_text("price"),
                                        .value = {.kind = PROXIMADB_VALUE_DOUBLE}};
        price.value.as.number = (double)number / 4;
        snprintf(id, sizeof id, "row-%zu", number);
        for (size_t i = 0; i < DATABASE_DIMS; i++)
            vector[i] = (float)(number * 7 + i);
        const struct proximadb_row row = {.struct_size = sizeof row,
                                          .id = database_text(id),
                                          .vector = vector,
                                          .dim_count = DATABASE_DIMS,
                                          .fields = &price,
                                          .field_count = 1,
                                          .document = "a document",
                                          .document_size_bytes = 10};
        assert_int_equal(proximadb_batch_add(batch, &row, NULL), PROXIMADB_OK);
    }
    assert_int_equal(proximadb_batch_take(batch, &payload, NULL), PROXIMADB_OK);
    proximadb_batch_free(batch);
    database_call(database, PROXIMADB_UPSERT, name, &payload);
}

static inline void database_delete(struct database *database, const char *name, const char *id)
{
    const struct proximadb_text text = database_text(id);
    struct proximadb_buffer payload;
    assert_int_equal(proximadb_encode_delete(NULL, &text, 1, NULL, &payload, NULL), PROXIMADB_OK);
    database_call(database, PROXIMADB_DELETE, name, &payload);
}

/* What a sink received. */
struct database_lines {
    char text[400000];
    size_t size_bytes;
    size_t call_count;
    size_t calls_left; /* then the sink wants no more; 0: it wants all */
};

static inline bool database_sink(void *context, const char *text, size_t size_bytes)
{
    struct database_lines *lines = context;
    assert_true(lines->size_bytes + size_bytes < sizeof lines->text);
    memcpy(lines->text + lines->size_bytes, text, size_bytes);
    lines->size_bytes += size_bytes;
    lines->text[lines->size_bytes] = '\0';
    return ++lines->call_count != lines->calls_left;
}

/* Collections with rows in clusters, in parts, dead, and in the log only ("docs"), and with none
 * ("empty"). */
static inline void database_fill(struct database *database)
{
    database_create(database, "docs");
    database_create(database, "empty");
    database_put(database, "docs", 0, 300);
    database_call(database, PROXIMADB_COMPACT, "docs", NULL);
    database_put(database, "docs", 290, 30);
    database_delete(database, "docs", "row-3");
    database_call(database, PROXIMADB_FLUSH, "docs", NULL);
    for (size_t i = 0; i < 5; i++)
        database_put(database, "docs", 500 + i, 1);
}

#endif /* PX_TEST_DATABASE_H */
