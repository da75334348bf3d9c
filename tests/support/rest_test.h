/*
 * rest_test: for the tests of src/rest: JSON that is readable within C, and answers of the engine
 * with known content.
 *
 * JSON is written with ' for ": rest_text("{'k': 3}").
 */
#ifndef PX_REST_TEST_H
#define PX_REST_TEST_H

#include "model/metadata.h"
#include "payload/result.h"
#include "support/px_test.h"

/* The text with its quotes, valid until the fourth call from now. */
static inline const char *rest_text(const char *text)
{
    static char texts[4][8192];
    static int next;
    char *quoted = texts[next++ % 4];
    assert_true(strlen(text) < sizeof texts[0]);
    for (size_t i = 0; i <= strlen(text); i++)
        quoted[i] = text[i] == '\'' ? '"' : text[i];
    return quoted;
}

static inline struct px_slice rest_json(const char *text)
{
    return px_slice_of_string(rest_text(text));
}

static inline void rest_expect_text(struct px_buffer *buffer, const char *expected)
{
    assert_int_equal(px_buffer_status(buffer, NULL), PROXIMADB_OK);
    *(char *)px_buffer_reserve(buffer, 1) = '\0';
    assert_string_equal((const char *)buffer->data, rest_text(expected));
    px_buffer_release(buffer);
}

/* That an error is as expected, and that its sentence has `part`. */
static inline void rest_expect_error(int rc, const struct proximadb_error *error, int status,
                                     const char *part)
{
    assert_int_equal(rc, status);
    assert_int_equal(error->status, status);
    if (strstr(error->message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, error->message);
}

/* Both are released. */
static inline void rest_expect_same_payload(struct proximadb_buffer *payload,
                                            struct proximadb_buffer *expected)
{
    assert_int_equal(payload->size_bytes, expected->size_bytes);
    assert_memory_equal(payload->data, expected->data, expected->size_bytes);
    proximadb_buffer_release(payload);
    proximadb_buffer_release(expected);
}

/* ---- answers of the engine ----------------------------------------------------------------- */

static inline struct proximadb_buffer rest_taken(struct px_buffer *buffer)
{
    struct proximadb_buffer taken;
    assert_int_equal(px_buffer_take(buffer, &taken, NULL), PROXIMADB_OK);
    return taken;
}

static inline struct proximadb_buffer rest_write_answer(void)
{
    const struct proximadb_write_result result = {
        .row_count = 3, .first_version = 7, .affected = 2, .repeated = true};
    struct px_buffer buffer = {0};
    px_result_write_write(&buffer, &result);
    return rest_taken(&buffer);
}

static const float rest_vector[2] = {0.5f, -2};

/* A record with version 1 + index and the id "r<index>". */
static inline struct px_record rest_record(int index, struct px_buffer *metadata)
{
    static char ids[100][8];
    const struct px_value value = {.kind = PROXIMADB_VALUE_LONG, .as.integer = index};
    assert_true(index < 100);
    snprintf(ids[index], sizeof ids[index], "r%d", index);
    px_buffer_clear(metadata);
    px_metadata_begin(metadata, 1);
    px_metadata_put(metadata, px_slice_of_string("n"), &value);
    px_metadata_finish(metadata, 1);
    return (struct px_record){
        .id = px_slice_of_string(ids[index]),
        .vector = rest_vector,
        .dim_count = 2,
        .metadata = px_buffer_slice(metadata),
        .has_document = index % 2 == 0,
        .document = px_slice_of_string("a \"text\""),
        .version = 1 + index,
        .timestamp_ms = 1000 + index,
        .expires_at_ms = index % 2 == 0 ? PX_NEVER : 5000,
    };
}

/* Records 0 to count - 1; cursor may be NULL. */
static inline struct proximadb_buffer rest_record_answer(int count, const char *cursor)
{
    struct px_buffer buffer = {0};
    struct px_buffer metadata = {0};
    struct px_record_writer writer = px_record_writer_begin(&buffer);
    struct px_slice text = px_slice_of_string(cursor != NULL ? cursor : "");
    for (int i = 0; i < count; i++) {
        struct px_record record = rest_record(i % 100, &metadata);
        px_record_writer_put(&writer, &record);
    }
    px_record_writer_finish(&writer, cursor != NULL ? &text : NULL);
    px_buffer_release(&metadata);
    return rest_taken(&buffer);
}

/* A query with hit_counts[i] hits each: records 0 and up, at distances 0.25, 1.25 and so on. */
static inline struct proximadb_buffer rest_search_answer(const int *hit_counts, size_t query_count,
                                                         struct px_hit_parts parts)
{
    struct px_buffer buffer = {0};
    struct px_buffer metadata = {0};
    px_result_begin_search(&buffer, query_count);
    for (size_t i = 0; i < query_count; i++) {
        px_result_begin_hits(&buffer, (size_t)hit_counts[i]);
        for (int j = 0; j < hit_counts[i]; j++) {
            struct px_record record = rest_record(j, &metadata);
            const struct px_result_hit hit = {
                .record = &record, .score = 0.75 - j, .distance = 0.25 + j};
            px_result_put_hit(&buffer, &hit, parts);
        }
        px_result_finish_hits(&buffer, (size_t)hit_counts[i]);
    }
    px_result_finish_search(&buffer, query_count);
    px_buffer_release(&metadata);
    return rest_taken(&buffer);
}

#endif /* PX_REST_TEST_H */
