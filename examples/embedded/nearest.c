/*
 * nearest: the engine in a program of its own, without a server: makes a collection, inserts three
 * rows, and asks for the two that are nearest to a query.
 *
 *      cc nearest.c $(pkg-config --cflags --libs proximadb) -o nearest && ./nearest ./data
 *
 * Run it a second time: the rows are there, and upsert writes them again.
 */
#include <proximadb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION = 4 };

static void check(int status, const struct proximadb_error *error)
{
    if (status == PROXIMADB_OK)
        return;
    fprintf(stderr, "nearest: %s: %s\n", proximadb_status_name(status), error->message);
    exit(1);
}

/* Sends a request and waits; gives its answer. The payload is taken. */
static struct proximadb_buffer call(proximadb *db, int operation, struct proximadb_buffer payload)
{
    const struct proximadb_request request = {.struct_size = sizeof request,
                                              .operation = operation,
                                              .collection = "fruit",
                                              .collection_size_bytes = strlen("fruit"),
                                              .payload = payload};
    struct proximadb_buffer answer;
    struct proximadb_error error;
    check(proximadb_call(db, &request, &answer, &error), &error);
    return answer;
}

static void create(proximadb *db)
{
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = "fruit",
                                                   .dim_count = DIMENSION,
                                                   .metric = PROXIMADB_COSINE,
                                                   .index_type = PROXIMADB_FLAT,
                                                   .exist_ok = true};
    struct proximadb_buffer payload;
    struct proximadb_error error;
    check(proximadb_encode_collection(&spec, &payload, &error), &error);
    struct proximadb_buffer answer = call(db, PROXIMADB_CREATE_COLLECTION, payload);
    proximadb_buffer_release(&answer);
}

static void insert(proximadb *db)
{
    static const char *const ids[] = {"apple", "pear", "brick"};
    static const float vectors[][DIMENSION] = {
        {0.9f, 0.8f, 0.1f, 0.0f}, {0.8f, 0.9f, 0.2f, 0.0f}, {0.0f, 0.1f, 0.9f, 0.9f}};
    proximadb_batch *batch = proximadb_batch_new(PROXIMADB_UPSERT, NULL);
    struct proximadb_buffer payload;
    struct proximadb_error error;
    for (size_t i = 0; i < 3; i++) {
        const struct proximadb_row row = {.struct_size = sizeof row,
                                          .id = {ids[i], strlen(ids[i])},
                                          .vector = vectors[i],
                                          .dim_count = DIMENSION};
        check(proximadb_batch_add(batch, &row, &error), &error);
    }
    check(proximadb_batch_take(batch, &payload, &error), &error);
    proximadb_batch_free(batch);
    /* When this returns, the rows are on the device. */
    struct proximadb_buffer answer = call(db, PROXIMADB_UPSERT, payload);
    proximadb_buffer_release(&answer);
}

static void search(proximadb *db)
{
    static const float query[DIMENSION] = {1.0f, 0.9f, 0.1f, 0.0f};
    const struct proximadb_search_options options = {.struct_size = sizeof options,
                                                     .queries = query,
                                                     .query_count = 1,
                                                     .dim_count = DIMENSION,
                                                     .k = 2};
    struct proximadb_buffer payload;
    struct proximadb_error error;
    proximadb_reader *reader;
    struct proximadb_hit hit;
    check(proximadb_encode_search(&options, &payload, &error), &error);
    struct proximadb_buffer answer = call(db, PROXIMADB_SEARCH, payload);
    check(proximadb_reader_new(&answer, &reader, &error), &error);
    error.status = PROXIMADB_OK;
    while (proximadb_reader_next(reader, &hit, &error))
        printf("%.4f %.*s\n", hit.score, (int)hit.id.size_bytes, hit.id.data);
    check(error.status, &error);
    proximadb_reader_free(reader);
}

int main(int argc, char **argv)
{
    proximadb *db;
    struct proximadb_error error;
    check(proximadb_open(argc > 1 ? argv[1] : "data", NULL, &db, &error), &error);
    create(db);
    insert(db);
    search(db);
    proximadb_close(db);
    return 0;
}
