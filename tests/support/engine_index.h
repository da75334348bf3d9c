/*
 * engine_index: an engine's collections with an index: making them, waiting for their index, and
 * looking at what their searches answer.
 */
#ifndef PX_TEST_ENGINE_INDEX_H
#define PX_TEST_ENGINE_INDEX_H

#include "support/engine_rows.h"

#include <unistd.h>

static inline struct px_shard *index_shard(struct engine_box *box, const char *name)
{
    struct px_shard *shard;
    engine_must(px_collection_service_find(&box->engine->collections, name, &shard, &box->error),
                &box->error);
    return shard;
}

static inline int index_try_create_of(struct engine_box *box, const char *name, uint32_t dim_count,
                                      int metric, int index_type, int memory)
{
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = name,
                                                   .dim_count = dim_count,
                                                   .metric = metric,
                                                   .index_type = index_type,
                                                   .storage = PROXIMADB_EXACT,
                                                   .index_memory = memory};
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_collection(&spec, &payload, &box->error), &box->error);
    return engine_call(box, PROXIMADB_CREATE_COLLECTION, NULL, &payload, NULL, &box->error);
}

static inline int index_try_create(struct engine_box *box, const char *name, uint32_t dim_count,
                                   int metric, int memory)
{
    return index_try_create_of(box, name, dim_count, metric, PROXIMADB_HNSW, memory);
}

/* Waits until nothing is left to do: every row is in the graph, every part of a cluster has codes;
 * false if that takes a minute. */
static inline bool index_wait(struct engine_box *box, const char *name)
{
    struct px_shard *shard = index_shard(box, name);
    bool is_done = false;
    for (int i = 0; i < 60000 && !is_done; i++) {
        pthread_mutex_lock(&shard->lock);
        px_shard__tick_index(shard, INT64_MAX);
        is_done = !px_shard__index_has_work(shard) && !shard->indexing.is_scheduled;
        pthread_mutex_unlock(&shard->lock);
        if (!is_done)
            usleep(1000);
    }
    px_shard_unref(shard);
    return is_done;
}

/* Keeps the index from following, as a slow builder would, or lets it go on. */
static inline void index_hold(struct engine_box *box, const char *name, bool is_held)
{
    struct px_shard *shard = index_shard(box, name);
    pthread_mutex_lock(&shard->lock);
    shard->indexing.retry_ms = is_held ? INT64_MAX : 0;
    pthread_mutex_unlock(&shard->lock);
    px_shard_unref(shard);
}

/* Inserts rows of packed vectors as one batch, with the ids PREFIX-00000 and so on from `first`. */
static inline void index_put(struct engine_box *box, int operation, const char *name,
                             const char *prefix, size_t first, const float *vectors, size_t count,
                             size_t dim_count)
{
    struct proximadb_row *rows = calloc(count, sizeof *rows);
    char(*ids)[40] = calloc(count, sizeof *ids);
    assert_true(rows != NULL && ids != NULL);
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%s-%05zu", prefix, first + i);
        rows[i] = (struct proximadb_row){.struct_size = sizeof rows[i],
                                         .id = engine_text(ids[i]),
                                         .vector = vectors + i * dim_count,
                                         .dim_count = dim_count};
    }
    struct proximadb_buffer payload = engine_batch(operation, NULL, rows, count);
    engine_must(engine_write(box, operation, name, &payload, NULL), &box->error);
    free(rows);
    free(ids);
}

static inline void index_search(struct engine_box *box, const char *name, const float *query,
                                size_t dim_count, size_t k, bool exact, struct engine_rows *rows)
{
    const struct proximadb_search_options options = {.struct_size = sizeof options,
                                                     .queries = query,
                                                     .query_count = 1,
                                                     .dim_count = dim_count,
                                                     .k = k,
                                                     .exact = exact};
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_search(&options, &payload, &box->error), &box->error);
    engine_must(engine_read(box, PROXIMADB_SEARCH, name, &payload, rows), &box->error);
}

/* Searches by the graph and exactly: each hit must be right, and in the right order. Returns how
 * many of the nearest were missed. */
static inline size_t index_compare(struct engine_box *box, const char *name, const float *query,
                                   size_t dim_count, size_t k)
{
    struct engine_rows found = {0}, expected = {0};
    size_t missed = 0;
    index_search(box, name, query, dim_count, k, false, &found);
    index_search(box, name, query, dim_count, k, true, &expected);
    assert_int_equal(found.count, expected.count);
    for (size_t i = 0; i < expected.count; i++) {
        const struct engine_row *row = engine_rows_find(&found, expected.items[i].id);
        missed += row == NULL;
        if (row != NULL) {
            assert_int_equal(row->version, expected.items[i].version);
            assert_memory_equal(&row->distance, &expected.items[i].distance, sizeof row->distance);
        }
        if (i > 0)
            assert_true(found.items[i - 1].distance <= found.items[i].distance);
    }
    engine_rows_clear(&found);
    engine_rows_clear(&expected);
    return missed;
}

#endif /* PX_TEST_ENGINE_INDEX_H */
