/*
 * Goal: page indexes read back as written, and pages that overlap, leave the chunk, or do not cover
 * the rows are refused.
 * Method: round trips; indexes with one thing wrong each.
 */
#include "parquet/page_index_internal.h"

#include "base/bits.h"
#include "codec/thrift.h"
#include "support/px_test.h"

/* Three pages of 10, 5 and 1 rows at 100, 150 and 170 of the file, in a chunk up to 180. */
static const struct px_parquet_row_group group = {.first_row = 1000, .row_count = 16};
static const struct px_parquet_chunk chunk = {.pages = {.offset = 100, .size_bytes = 80},
                                              .page_count = 3};

static struct px_page_record record_of(uint64_t offset, uint32_t size, uint64_t first_row,
                                       uint32_t row_count)
{
    return (struct px_page_record){
        .offset = offset, .size_bytes = size, .first_row = first_row, .row_count = row_count};
}

static void make_records(struct px_page_record records[3])
{
    records[0] = record_of(0, 50, 0, 10);
    records[1] = record_of(50, 20, 10, 5);
    records[2] = record_of(70, 10, 15, 1);
}

static int parse(const struct px_page_record *records, struct px_parquet_page *pages,
                 struct proximadb_error *error)
{
    struct px_buffer index = {0};
    px_page_index__put_offsets(records, 3, 100, &index);
    int rc = px_page_index__parse_offsets(px_buffer_slice(&index), &group, &chunk, pages, error);
    px_buffer_release(&index);
    return rc;
}

static void test_page_index__reads_offsets_back(void **state)
{
    (void)state;
    struct px_page_record records[3];
    struct px_parquet_page pages[3] = {0};
    struct px_buffer index = {0};
    size_t count = 0;
    make_records(records);
    px_page_index__put_offsets(records, 3, 100, &index);
    assert_int_equal(px_page_index__count(px_buffer_slice(&index), &count, NULL), PROXIMADB_OK);
    assert_int_equal(count, 3);
    px_buffer_release(&index);
    assert_int_equal(parse(records, pages, NULL), PROXIMADB_OK);
    assert_int_equal(pages[1].offset, 150);
    assert_int_equal(pages[1].size_bytes, 20);
    assert_int_equal(pages[1].first_row, 1010);
    assert_int_equal(pages[1].row_count, 5);
    assert_int_equal(pages[2].row_count, 1);
}

static void check_refused(const struct px_page_record *records, const char *part)
{
    struct px_parquet_page pages[3];
    struct proximadb_error error;
    assert_int_equal(parse(records, pages, &error), PROXIMADB_CORRUPT);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_page_index__refuses_pages_that_are_not_in_their_chunk(void **state)
{
    (void)state;
    struct px_page_record records[3];
    make_records(records);
    records[1].offset = 49; /* overlaps the first */
    check_refused(records, "page 1 is not where its chunk is");
    make_records(records);
    records[2].size_bytes = 11; /* beyond the chunk */
    check_refused(records, "page 2 is not where");
    make_records(records);
    records[2].offset = UINT64_C(1) << 62;
    check_refused(records, "page 2 is not where");
    make_records(records);
    records[0].offset = (uint64_t)-1; /* in front of the chunk */
    check_refused(records, "page 0 is not where");
    make_records(records);
    records[2].size_bytes = 0;
    check_refused(records, "out of range");
}

static void test_page_index__refuses_pages_that_do_not_cover_the_rows(void **state)
{
    (void)state;
    struct px_page_record records[3];
    make_records(records);
    records[0].first_row = 1;
    check_refused(records, "rows of its page 0");
    make_records(records);
    records[1].first_row = 15; /* an empty page */
    check_refused(records, "rows of its page 1");
    make_records(records);
    records[1].first_row = 20; /* behind the group, and behind the next */
    check_refused(records, "rows of its page");
    make_records(records);
    records[2].first_row = 16; /* nothing left for the last page */
    check_refused(records, "rows of its page 2");
}

static void test_page_index__refuses_damaged_offsets(void **state)
{
    (void)state;
    struct px_page_record records[3];
    struct px_parquet_page pages[3];
    struct px_buffer index = {0};
    size_t count;
    make_records(records);
    px_page_index__put_offsets(records, 3, 100, &index);
    for (size_t size = 0; size < index.size_bytes; size++) {
        struct px_slice cut = px_slice_of(index.data, size);
        if (px_page_index__count(cut, &count, NULL) == PROXIMADB_OK)
            assert_true(size > 1); /* the count stands in the second byte */
        assert_int_equal(px_page_index__parse_offsets(cut, &group, &chunk, pages, NULL),
                         PROXIMADB_CORRUPT);
    }
    struct px_slice none = px_slice_of("\x00", 1); /* a struct without fields */
    assert_int_equal(px_page_index__count(none, &count, NULL), PROXIMADB_OK);
    assert_int_equal(count, 0);
    assert_int_equal(px_page_index__parse_offsets(none, &group, &chunk, pages, NULL),
                     PROXIMADB_CORRUPT);
    px_buffer_release(&index);
}

/* Bounds of int32 pages; min > max means a page of nulls. */
static struct px_page_record bounded(int32_t min, int32_t max)
{
    struct px_page_record record = {.row_count = 5, .null_count = min > max ? 5 : 1};
    record.bounds.is_set = min <= max;
    record.bounds.min.size_bytes = record.bounds.max.size_bytes = 4;
    px_store_u32(record.bounds.min.bytes, (uint32_t)min);
    px_store_u32(record.bounds.max.bytes, (uint32_t)max);
    return record;
}

static void test_page_index__reads_bounds_back(void **state)
{
    (void)state;
    struct px_page_record records[] = {bounded(-5, 7), bounded(1, 0), bounded(8, 8)};
    struct px_parquet_statistics statistics[4];
    struct px_buffer index = {0};
    assert_true(px_page_index__has_bounds(records, 3));
    px_page_index__put_bounds(PX_PARQUET_INT32, records, 3, &index);
    struct px_slice bytes = px_buffer_slice(&index);
    assert_int_equal(px_page_index__parse_bounds(bytes, PX_PARQUET_INT32, statistics, 3, NULL),
                     PROXIMADB_OK);
    assert_true(statistics[0].has_bounds && !statistics[1].has_bounds && statistics[2].has_bounds);
    assert_int_equal((int32_t)px_load_u32(statistics[0].min.data), -5);
    assert_int_equal(px_load_u32(statistics[2].max.data), 8);
    assert_int_equal(statistics[0].null_count, 1);
    assert_int_equal(statistics[1].null_count, 5);
    assert_int_equal(px_page_index__parse_bounds(bytes, PX_PARQUET_INT64, statistics, 3, NULL),
                     PROXIMADB_CORRUPT); /* 4 bytes are no INT64 */
    assert_int_equal(px_page_index__parse_bounds(bytes, PX_PARQUET_INT32, statistics, 2, NULL),
                     PROXIMADB_CORRUPT);
    assert_int_equal(px_page_index__parse_bounds(bytes, PX_PARQUET_INT32, statistics, 4, NULL),
                     PROXIMADB_CORRUPT);
    for (bytes.size_bytes = 0; bytes.size_bytes < index.size_bytes; bytes.size_bytes++)
        assert_int_equal(px_page_index__parse_bounds(bytes, PX_PARQUET_INT32, statistics, 3, NULL),
                         PROXIMADB_CORRUPT);
    records[2].bounds.is_set = false; /* values, but all NaN */
    assert_false(px_page_index__has_bounds(records, 3));
    px_buffer_release(&index);
}

/* The field boundary_order of a column index. */
static int64_t order_of(const struct px_page_record *records, size_t count)
{
    struct px_buffer index = {0};
    int64_t order = -1;
    px_page_index__put_bounds(PX_PARQUET_INT32, records, count, &index);
    struct px_thrift_reader reader = px_thrift_reader_of(px_buffer_slice(&index));
    struct px_thrift_field field = {0};
    while (px_thrift_next(&reader, &field)) {
        if (field.id == 4)
            order = px_thrift_get_integer(&reader, field, 0, 2);
        else
            px_thrift_skip(&reader, field);
    }
    px_buffer_release(&index);
    return order;
}

static void test_page_index__tells_the_order(void **state)
{
    (void)state;
    enum { UNORDERED, ASCENDING, DESCENDING };
    const struct px_page_record rising[] = {bounded(1, 5), bounded(1, 0), bounded(1, 6)};
    const struct px_page_record falling[] = {bounded(3, 5), bounded(1, 0), bounded(2, 5)};
    const struct px_page_record crossed[] = {bounded(1, 5), bounded(2, 4)};
    const struct px_page_record nulls[] = {bounded(1, 0), bounded(1, 0)};
    assert_int_equal(order_of(rising, 3), ASCENDING);
    assert_int_equal(order_of(falling, 3), DESCENDING);
    assert_int_equal(order_of(crossed, 2), UNORDERED);
    assert_int_equal(order_of(nulls, 2), ASCENDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_index__reads_offsets_back),
        cmocka_unit_test(test_page_index__refuses_pages_that_are_not_in_their_chunk),
        cmocka_unit_test(test_page_index__refuses_pages_that_do_not_cover_the_rows),
        cmocka_unit_test(test_page_index__refuses_damaged_offsets),
        cmocka_unit_test(test_page_index__reads_bounds_back),
        cmocka_unit_test(test_page_index__tells_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
