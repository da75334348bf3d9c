/*
 * Goal: a memtable gives back the rows that were put in, hides what is staged, remembers when a row
 * was killed, and forgets what was unstaged.
 * Method: random rows of several dimensions against copies; a reader thread beside the writer.
 */
#include "viper/memtable.h"

#include "support/px_test.h"

#include "model/metadata.h"

#include <pthread.h>

/* A record that follows from its number; views into `storage`. */
struct test_record {
    char id[16];
    char document[64];
    float *vector;
    struct px_record record;
};

static void make_record(struct test_record *made, uint32_t number, uint32_t dim_count)
{
    snprintf(made->id, sizeof made->id, "row-%u", number);
    snprintf(made->document, sizeof made->document, "the text of row %u", number);
    made->vector = malloc(dim_count * sizeof(float));
    for (uint32_t i = 0; i < dim_count; i++)
        made->vector[i] = (float)number + (float)i / 1024.0f;
    made->record = (struct px_record){
        .id = px_slice_of_string(made->id),
        .vector = made->vector,
        .dim_count = dim_count,
        .metadata = px_metadata_empty,
        .has_document = number % 3 != 0,
        .document = px_slice_of(made->document, number % 3 == 1 ? strlen(made->document) : 0),
        .timestamp_ms = 1000 + number,
        .expires_at_ms = number % 5 == 0 ? 5000 + (int64_t)number : PX_NEVER,
    };
}

static void stage(struct px_memtable *memtable, uint32_t number, uint32_t dim_count)
{
    struct test_record made;
    uint32_t row;
    make_record(&made, number, dim_count);
    assert_int_equal(px_memtable_stage(memtable, &made.record, &row, NULL), PROXIMADB_OK);
    free(made.vector); /* nothing may point to it any more */
    px_memtable_set_version(memtable, row, (int64_t)number + 1);
}

static void check_row(const struct px_memtable *memtable, uint32_t row, uint32_t number,
                      uint32_t dim_count)
{
    struct test_record made;
    struct px_record got;
    make_record(&made, number, dim_count);
    px_memtable_get(memtable, row, &got);
    assert_true(px_slice_equal(got.id, made.record.id));
    assert_true(px_slice_equal(px_memtable_get_id(memtable, row), made.record.id));
    assert_int_equal(got.version, (int64_t)number + 1);
    assert_memory_equal(got.vector, made.vector, dim_count * sizeof(float));
    assert_int_equal((uintptr_t)got.vector % 64, 0);
    assert_true(px_slice_equal(got.metadata, px_metadata_empty));
    assert_int_equal(got.has_document, made.record.has_document);
    assert_true(px_slice_equal(got.document, made.record.document));
    assert_int_equal(got.timestamp_ms, made.record.timestamp_ms);
    assert_int_equal(got.expires_at_ms, made.record.expires_at_ms);
    assert_int_equal(px_memtable_get_expiry(memtable, row), made.record.expires_at_ms);
    free(made.vector);
}

static void check_blocks(const struct px_memtable *memtable, uint32_t row_count)
{
    struct px_memtable_block block;
    uint32_t next_row = 0;
    while (px_memtable_get_block(memtable, next_row, row_count, &block)) {
        assert_int_equal(block.first_row, next_row);
        assert_true(block.row_count > 0);
        for (uint32_t row = 0; row < block.row_count; row++)
            assert_ptr_equal((const uint8_t *)block.vectors + row * block.stride_bytes,
                             px_memtable_get_vector(memtable, next_row + row));
        next_row += block.row_count;
    }
    assert_int_equal(next_row, row_count);
}

static void test_memtable__gives_back_its_rows(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 3, 16, 384, 65536};
    static const uint32_t counts[] = {5000, 3000, 3000, 2500, 40};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        struct px_memtable *memtable;
        assert_int_equal(px_memtable_new(dims[i], &memtable, NULL), PROXIMADB_OK);
        assert_true(px_memtable_is_empty(memtable));
        for (uint32_t row = 0; row < counts[i]; row++)
            stage(memtable, row, dims[i]);
        assert_int_equal(px_memtable_row_count(memtable), 0);
        px_memtable_publish(memtable, counts[i]);
        assert_int_equal(px_memtable_row_count(memtable), counts[i]);
        assert_int_equal(px_memtable_expiring_count(memtable), (counts[i] + 4) / 5);
        assert_int_equal(px_memtable_last_lsn(memtable), counts[i]);
        for (uint32_t row = 0; row < counts[i]; row++)
            check_row(memtable, row, row, dims[i]);
        check_blocks(memtable, counts[i]);
        check_blocks(memtable, counts[i] / 2 + 1);
        check_blocks(memtable, 0);
        assert_true(px_memtable_size_bytes(memtable) >= counts[i] * dims[i] * sizeof(float));
        px_memtable_free(memtable);
    }
}

static void test_memtable__unstages(void **state)
{
    (void)state;
    struct px_memtable *memtable;
    assert_int_equal(px_memtable_new(4, &memtable, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < 100; row++)
        stage(memtable, row, 4);
    px_memtable_publish(memtable, 100);
    size_t size_bytes = px_memtable_size_bytes(memtable);
    struct px_memtable_mark published = px_memtable_mark(memtable);
    for (int round = 0; round < 200; round++) {
        for (uint32_t row = 0; row < 50; row++)
            stage(memtable, 7000 + row, 4);
        px_memtable_unstage(memtable, published);
    }
    assert_int_equal(px_memtable_staged_count(memtable), 100);
    for (uint32_t row = 100; row < 130; row++) {
        stage(memtable, row, 4);
        struct px_memtable_mark mark = px_memtable_mark(memtable);
        stage(memtable, 7000, 4);
        px_memtable_unstage(memtable, mark); /* what was staged before the mark stays */
    }
    px_memtable_publish(memtable, 130);
    for (uint32_t row = 0; row < 130; row++)
        check_row(memtable, row, row, 4);
    assert_int_equal(px_memtable_expiring_count(memtable), 26);
    assert_true(px_memtable_size_bytes(memtable) < 2 * size_bytes + 100000); /* no pile of rests */
    px_memtable_free(memtable);
}

static void test_memtable__remembers_when_rows_were_killed(void **state)
{
    (void)state;
    struct px_memtable *memtable;
    assert_int_equal(px_memtable_new(2, &memtable, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < 10; row++)
        stage(memtable, row, 2);
    px_memtable_publish(memtable, 10);
    assert_true(px_memtable_kill(memtable, 3, 20));
    assert_false(px_memtable_kill(memtable, 3, 21));
    assert_int_equal(px_memtable_killed_at(memtable, 3), 20);
    assert_true(px_memtable_is_live(memtable, 3, 19));
    assert_false(px_memtable_is_live(memtable, 3, 20));
    assert_true(px_memtable_is_live(memtable, 4, INT64_MAX));
    px_memtable_free(memtable);
}

static void test_memtable__keeps_the_kills_of_parts(void **state)
{
    (void)state;
    struct px_memtable *memtable;
    size_t count;
    assert_int_equal(px_memtable_new(2, &memtable, NULL), PROXIMADB_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(px_memtable_reserve_kills(memtable, 1, NULL), PROXIMADB_OK);
        px_memtable_add_kill(memtable, (struct px_kill){.source = 1, .row = i, .lsn = i + 1});
    }
    px_memtable_publish(memtable, 1000);
    assert_false(px_memtable_is_empty(memtable)); /* kills alone are something to flush */
    const struct px_kill *kills = px_memtable_kills(memtable, &count);
    assert_int_equal(count, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(kills[i].row, i);
    px_memtable_free(memtable);
}

enum { RACE_ROWS = 20000, RACE_DIMS = 3 };

static void *read_all_the_time(void *argument)
{
    struct px_memtable *memtable = argument;
    uint32_t row_count = 0;
    while (row_count < RACE_ROWS) {
        row_count = px_memtable_row_count(memtable);
        for (uint32_t row = row_count > 50 ? row_count - 50 : 0; row < row_count; row++)
            check_row(memtable, row, row, RACE_DIMS);
        check_blocks(memtable, row_count);
        if (row_count > 0)
            (void)px_memtable_is_live(memtable, row_count / 2, 7);
    }
    return NULL;
}

static void test_memtable__is_read_while_it_is_written(void **state)
{
    (void)state;
    struct px_memtable *memtable;
    pthread_t reader;
    assert_int_equal(px_memtable_new(RACE_DIMS, &memtable, NULL), PROXIMADB_OK);
    assert_int_equal(pthread_create(&reader, NULL, read_all_the_time, memtable), 0);
    for (uint32_t row = 0; row < RACE_ROWS; row++) {
        stage(memtable, row, RACE_DIMS);
        if (row % 10 == 9)
            px_memtable_publish(memtable, row + 1);
        if (row % 100 == 99)
            (void)px_memtable_kill(memtable, row / 2, row + 1);
    }
    pthread_join(reader, NULL);
    px_memtable_free(memtable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memtable__gives_back_its_rows),
        cmocka_unit_test(test_memtable__unstages),
        cmocka_unit_test(test_memtable__remembers_when_rows_were_killed),
        cmocka_unit_test(test_memtable__keeps_the_kills_of_parts),
        cmocka_unit_test(test_memtable__is_read_while_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
