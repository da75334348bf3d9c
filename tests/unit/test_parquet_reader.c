/*
 * Goal: rows are found in their pages, vectors are where the file has them, damage to a page is
 * noticed at its first touch and named, and no file, however bad, is read beyond its end. Method:
 * files of sample rows; every byte of one changed, and all of it read; many threads at once.
 */
#include "parquet/parquet_reader.h"

#include "base/hash.h"
#include "parquet/parquet_verify.h"
#include "support/parquet_page.h"

#include <pthread.h>

enum {
    ID,
    VECTOR,
    NUMBER,
    COLUMN_COUNT,
    ROW_COUNT = 230,
    GROUP_ROWS = 100,
    DIM_COUNT = 6,
    SEED = 4
};

static const struct px_parquet_column columns[COLUMN_COUNT] = {
    [ID] = {.name = "id",
            .type = PX_PARQUET_BYTE_ARRAY,
            .logical = PX_PARQUET_STRING,
            .page_byte_limit = 300,
            .has_statistics = true,
            .has_bloom_filter = true},
    [VECTOR] = {.name = "v",
                .shape = PX_PARQUET_VECTOR,
                .type = PX_PARQUET_FLOAT,
                .dim_count = DIM_COUNT,
                .page_row_limit = 9},
    [NUMBER] = {.name = "n", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT32},
};

static struct parquet_test_file file;

static int write_file(void **state)
{
    (void)state;
    file = parquet_test_write("parquet_reader", columns, COLUMN_COUNT, SEED, ROW_COUNT, GROUP_ROWS);
    return 0;
}

static int release_file(void **state)
{
    (void)state;
    parquet_test_release(&file);
    return 0;
}

static void test_parquet_reader__finds_pages_and_row_groups(void **state)
{
    (void)state;
    struct px_parquet_reader *reader = parquet_test_open(&file);
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        const struct px_parquet_page_list *list = &layout->page_lists[column];
        uint64_t next = 0;
        for (size_t page = 0; page < list->count; page++) {
            assert_int_equal(list->pages[page].first_row, next);
            next += list->pages[page].row_count;
            for (uint64_t row = list->pages[page].first_row; row < next; row++)
                assert_int_equal(px_parquet_reader_find_page(reader, column, row), page);
        }
        assert_int_equal(next, ROW_COUNT);
    }
    for (uint64_t row = 0; row < ROW_COUNT; row++)
        assert_int_equal(px_parquet_reader_find_row_group(reader, row), row / GROUP_ROWS);
    px_parquet_reader_close(reader);
}

static void test_parquet_reader__finds_columns(void **state)
{
    (void)state;
    struct px_parquet_reader *reader = parquet_test_open(&file);
    size_t column = 99;
    assert_true(px_parquet_reader_find_column(reader, "n", &column));
    assert_int_equal(column, NUMBER);
    assert_false(px_parquet_reader_find_column(reader, "missing", &column));
    assert_int_equal(column, NUMBER);
    px_parquet_reader_close(reader);
}

static void test_parquet_reader__gives_vectors_in_place(void **state)
{
    (void)state;
    struct px_parquet_reader *reader = parquet_test_open(&file);
    for (uint64_t row = 0; row < ROW_COUNT; row++) {
        struct px_parquet_vectors vectors;
        uint32_t expected[DIM_COUNT];
        assert_int_equal(px_parquet_reader_vectors(reader, VECTOR, row, &vectors, NULL),
                         PROXIMADB_OK);
        const uint8_t *values = (const uint8_t *)vectors.values;
        assert_true(values > file.bytes && values < file.bytes + file.size_bytes);
        assert_int_equal((values - file.bytes) % 64, 0);
        assert_true(row >= vectors.first_row && row - vectors.first_row < vectors.row_count);
        parquet_sample_vector(SEED, row, DIM_COUNT, expected);
        assert_memory_equal(vectors.values + (row - vectors.first_row) * DIM_COUNT, expected,
                            sizeof expected);
    }
    px_parquet_reader_close(reader);
}

static void test_parquet_reader__asks_the_bloom_filter(void **state)
{
    (void)state;
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_buffer scratch = {0};
    struct parquet_sample sample;
    bool may_contain;
    size_t wrong = 0;
    for (uint64_t row = 0; row < ROW_COUNT; row++) {
        parquet_sample_get(SEED, row, ID, &columns[ID], &scratch, &sample);
        for (size_t group = 0; group < 3; group++) {
            assert_int_equal(
                px_parquet_reader_may_contain(reader, ID, group, sample.bytes, &may_contain, NULL),
                PROXIMADB_OK);
            if (group == row / GROUP_ROWS)
                assert_true(may_contain);
            else
                wrong += may_contain;
        }
    }
    assert_true(wrong < 20); /* of 460; at most 5 are expected */
    assert_int_equal(px_parquet_reader_may_contain(reader, NUMBER, 0, px_slice_of("abcd", 4),
                                                   &may_contain, NULL),
                     PROXIMADB_OK);
    assert_true(may_contain); /* there is no filter */
    px_buffer_release(&scratch);
    px_parquet_reader_close(reader);
}

/* Reads two rows of three elements from a page with these levels and values_bytes of values. */
static int read_rows(const char *repetition, const char *definition, size_t values_bytes)
{
    static const struct px_parquet_column column = {
        .name = "v", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT, .dim_count = 3};
    struct px_parquet_reader *reader = NULL;
    struct px_parquet_vectors vectors;
    struct px_buffer body = {0};
    parquet_test_put_levels(repetition, 1, &body);
    parquet_test_put_levels(definition, 1, &body);
    px_buffer_append_zeros(&body, values_bytes);
    struct parquet_test_file built = parquet_test_build_page(&column, 2, 6, px_buffer_slice(&body));
    int rc = px_parquet_reader_open(parquet_test_slice(&built), &reader, NULL);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_reader_vectors(reader, 0, 1, &vectors, NULL);
    px_parquet_reader_close(reader);
    parquet_test_release(&built);
    px_buffer_release(&body);
    return rc;
}

static void test_parquet_reader__refuses_rows_of_other_lengths(void **state)
{
    (void)state;
    assert_int_equal(read_rows("011011", "111111", 24), PROXIMADB_OK);
    assert_int_equal(read_rows("010111", "111111", 24), PROXIMADB_CORRUPT); /* 2 and 4 */
    assert_int_equal(read_rows("011101", "111111", 24), PROXIMADB_CORRUPT); /* 4 and 2 */
    assert_int_equal(read_rows("011111", "111111", 24), PROXIMADB_CORRUPT); /* one row */
    assert_int_equal(read_rows("011001", "111111", 24), PROXIMADB_CORRUPT); /* three rows */
    assert_int_equal(read_rows("111011", "111111", 24), PROXIMADB_CORRUPT); /* no beginning */
    assert_int_equal(read_rows("01101", "111111", 24), PROXIMADB_CORRUPT);
    assert_int_equal(read_rows("0110110", "111111", 24), PROXIMADB_OK); /* padding, not a level */
    assert_int_equal(read_rows("011011", "111011", 24), PROXIMADB_CORRUPT); /* a null */
    assert_int_equal(read_rows("011011", "11111", 24), PROXIMADB_CORRUPT);
    assert_int_equal(read_rows("011011", "111111", 20), PROXIMADB_CORRUPT);
    assert_int_equal(read_rows("011011", "111111", 28), PROXIMADB_CORRUPT);
}

static void test_parquet_reader__refuses_vectors_that_are_not_aligned(void **state)
{
    (void)state; /* levels of 2 and 3 bytes put the values at an odd place */
    struct proximadb_error error;
    static const struct px_parquet_column column = {
        .name = "v", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT, .dim_count = 9};
    struct px_parquet_reader *reader = NULL;
    struct px_parquet_vectors vectors;
    struct px_buffer body = {0};
    parquet_test_put_levels("011111111", 1, &body);
    parquet_test_put_levels("111111111", 1, &body);
    assert_int_equal(body.size_bytes % 4, 1);
    px_buffer_append_zeros(&body, 36);
    struct parquet_test_file built = parquet_test_build_page(&column, 1, 9, px_buffer_slice(&body));
    assert_int_equal(px_parquet_reader_open(parquet_test_slice(&built), &reader, NULL),
                     PROXIMADB_OK);
    assert_int_equal(px_parquet_reader_vectors(reader, 0, 0, &vectors, &error),
                     PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(error.message, "not aligned"));
    px_parquet_reader_close(reader);
    parquet_test_release(&built);
    px_buffer_release(&body);
}

/* Reads everything that can be read, whatever the file is. */
static int read_all(struct px_slice bytes, struct proximadb_error *error)
{
    struct px_parquet_reader *reader = NULL;
    struct px_parquet_verified verified;
    int rc = px_parquet_reader_open(bytes, &reader, error);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_verify(reader, &verified, error);
    px_parquet_reader_close(reader);
    return rc;
}

static void test_parquet_reader__notices_every_changed_byte_that_matters(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_reader damage");
    uint8_t *copy = parquet_test_copy(file.bytes, file.size_bytes);
    size_t unnoticed = 0;
    for (size_t at = 0; at < file.size_bytes; at++) {
        struct proximadb_error error;
        copy[at] ^= (uint8_t)(1 + px_test_below(&random, 255));
        unnoticed += read_all(px_slice_of(copy, file.size_bytes), &error) == PROXIMADB_OK;
        copy[at] = file.bytes[at];
    }
    /* What may change unnoticed are the zeros that align vectors, the name of that extension, and
     * bits of a bloom filter that are not set: they mean nothing, or make it less selective. */
    struct px_parquet_reader *reader = parquet_test_open(&file);
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    size_t meaningless = layout->page_lists[VECTOR].count * (15 + 63);
    for (size_t i = 0; i < layout->row_group_count; i++)
        meaningless += (size_t)layout->row_groups[i].chunks[ID].bloom_filter.size_bytes;
    assert_true(unnoticed <= meaningless);
    px_parquet_reader_close(reader);
    free(copy);
}

static void test_parquet_reader__names_the_damaged_page(void **state)
{
    (void)state;
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_parquet_page page = px_parquet_reader_layout(reader)->page_lists[VECTOR].pages[3];
    px_parquet_reader_close(reader);
    uint8_t *copy = parquet_test_copy(file.bytes, file.size_bytes);
    copy[page.offset + page.size_bytes - 1] ^= 1;
    struct proximadb_error error;
    const float *vector;
    char expected[100];
    assert_int_equal(px_parquet_reader_open(px_slice_of(copy, file.size_bytes), &reader, &error),
                     PROXIMADB_OK); /* pages are not touched */
    assert_int_equal(px_parquet_reader_vector(reader, VECTOR, page.first_row - 1, &vector, &error),
                     PROXIMADB_OK);
    snprintf(expected, sizeof expected, "column 'v', page 3 at offset %llu: the page is damaged",
             (unsigned long long)page.offset);
    for (int i = 0; i < 2; i++) { /* damage is not forgotten */
        assert_int_equal(px_parquet_reader_vector(reader, VECTOR, page.first_row, &vector, &error),
                         PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, expected));
    }
    px_parquet_reader_close(reader);
    free(copy);
}

static void test_parquet_reader__survives_random_damage(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_reader bytes");
    for (int round = 0; round < 1500; round++) {
        size_t size = file.size_bytes;
        if (round % 8 == 0)
            size = px_test_below(&random, size);
        uint8_t *copy = parquet_test_copy(file.bytes, size);
        for (uint64_t changes = px_test_below(&random, 20); changes > 0 && size > 0; changes--)
            copy[px_test_below(&random, size)] = (uint8_t)px_test_next(&random);
        struct proximadb_error error;
        int rc = read_all(px_slice_of(copy, size), &error);
        assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_CORRUPT || rc == PROXIMADB_UNIMPLEMENTED);
        free(copy);
    }
}

static void *read_vectors(void *context)
{
    const struct px_parquet_reader *reader = context;
    uintptr_t sum = 0;
    for (uint64_t row = 0; row < ROW_COUNT; row++) {
        const float *vector;
        if (px_parquet_reader_vector(reader, VECTOR, row, &vector, NULL) != PROXIMADB_OK)
            return NULL;
        sum += px_hash_memory(px_slice_of(vector, DIM_COUNT * sizeof *vector));
    }
    return (void *)sum;
}

static void test_parquet_reader__serves_threads_at_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    for (int round = 0; round < 20; round++) {
        struct px_parquet_reader *reader = parquet_test_open(&file);
        pthread_t threads[THREADS];
        void *sums[THREADS];
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, read_vectors, reader), 0);
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], &sums[i]);
        for (size_t i = 0; i < THREADS; i++) {
            assert_non_null(sums[i]);
            assert_ptr_equal(sums[i], sums[0]);
        }
        px_parquet_reader_close(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_reader__finds_pages_and_row_groups),
        cmocka_unit_test(test_parquet_reader__finds_columns),
        cmocka_unit_test(test_parquet_reader__gives_vectors_in_place),
        cmocka_unit_test(test_parquet_reader__asks_the_bloom_filter),
        cmocka_unit_test(test_parquet_reader__notices_every_changed_byte_that_matters),
        cmocka_unit_test(test_parquet_reader__refuses_rows_of_other_lengths),
        cmocka_unit_test(test_parquet_reader__refuses_vectors_that_are_not_aligned),
        cmocka_unit_test(test_parquet_reader__names_the_damaged_page),
        cmocka_unit_test(test_parquet_reader__survives_random_damage),
        cmocka_unit_test(test_parquet_reader__serves_threads_at_once),
    };
    return cmocka_run_group_tests(tests, write_file, release_file);
}
