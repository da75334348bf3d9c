#include "parquet/page_index_internal.h"

#include "codec/thrift.h"

enum offset_index_field { OFFSET_LOCATIONS = 1 };
enum location_field { LOCATION_OFFSET = 1, LOCATION_SIZE = 2, LOCATION_FIRST_ROW = 3 };

enum column_index_field {
    COLUMN_NULL_PAGES = 1,
    COLUMN_MINS = 2,
    COLUMN_MAXES = 3,
    COLUMN_ORDER = 4,
    COLUMN_NULL_COUNTS = 5,
};

enum boundary_order { UNORDERED = 0, ASCENDING = 1, DESCENDING = 2 };

/* ---- writing ------------------------------------------------------------------------------- */

void px_page_index__put_offsets(const struct px_page_record *records, size_t count,
                                uint64_t chunk_offset, struct px_buffer *buffer)
{
    struct px_thrift_writer writer = px_thrift_writer_of(buffer);
    px_thrift_begin_list(&writer, OFFSET_LOCATIONS, PX_THRIFT_STRUCT, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        px_thrift_add_struct(&writer);
        px_thrift_put_i64(&writer, LOCATION_OFFSET, (int64_t)(chunk_offset + records[i].offset));
        px_thrift_put_i32(&writer, LOCATION_SIZE, (int32_t)records[i].size_bytes);
        px_thrift_put_i64(&writer, LOCATION_FIRST_ROW, (int64_t)records[i].first_row);
        px_thrift_end_struct(&writer);
    }
    px_thrift_end_struct(&writer);
}

static bool is_null_page(const struct px_page_record *record)
{
    return record->null_count == record->row_count;
}

bool px_page_index__has_bounds(const struct px_page_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!records[i].bounds.is_set && !is_null_page(&records[i]))
            return false;
    return true;
}

/* Whether neither the mins nor the maxes step against `direction` (1 or -1), null pages apart. */
static bool is_ordered(enum px_parquet_type type, const struct px_page_record *records,
                       size_t count, int direction)
{
    const struct px_bounds *before = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct px_bounds *bounds = &records[i].bounds;
        if (is_null_page(&records[i]))
            continue;
        if (before != NULL && (direction * px_bounds__compare(type, px_bound__slice(&bounds->min),
                                                              px_bound__slice(&before->min)) <
                                   0 ||
                               direction * px_bounds__compare(type, px_bound__slice(&bounds->max),
                                                              px_bound__slice(&before->max)) <
                                   0))
            return false;
        before = bounds;
    }
    return true;
}

static enum boundary_order order_of(enum px_parquet_type type, const struct px_page_record *records,
                                    size_t count)
{
    if (is_ordered(type, records, count, 1))
        return ASCENDING;
    return is_ordered(type, records, count, -1) ? DESCENDING : UNORDERED;
}

static void put_bounds_list(struct px_thrift_writer *writer, int16_t id,
                            const struct px_page_record *records, size_t count)
{
    px_thrift_begin_list(writer, id, PX_THRIFT_BINARY, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct px_bounds *bounds = &records[i].bounds;
        const struct px_bound *bound = id == COLUMN_MINS ? &bounds->min : &bounds->max;
        px_thrift_add_binary(writer, is_null_page(&records[i]) ? px_slice_of(NULL, 0)
                                                               : px_bound__slice(bound));
    }
}

void px_page_index__put_bounds(enum px_parquet_type type, const struct px_page_record *records,
                               size_t count, struct px_buffer *buffer)
{
    struct px_thrift_writer writer = px_thrift_writer_of(buffer);
    px_thrift_begin_list(&writer, COLUMN_NULL_PAGES, PX_THRIFT_TRUE, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        px_thrift_add_bool(&writer, is_null_page(&records[i]));
    put_bounds_list(&writer, COLUMN_MINS, records, count);
    put_bounds_list(&writer, COLUMN_MAXES, records, count);
    px_thrift_put_i32(&writer, COLUMN_ORDER, (int32_t)order_of(type, records, count));
    px_thrift_begin_list(&writer, COLUMN_NULL_COUNTS, PX_THRIFT_I64, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        px_thrift_add_integer(&writer, records[i].null_count);
    px_thrift_end_struct(&writer);
}

/* ---- reading ------------------------------------------------------------------------------- */

static const char *const OFFSET_INDEX = "its offset index";
static const char *const COLUMN_INDEX = "its column index";

int px_page_index__count(struct px_slice index, size_t *ret_count, struct proximadb_error *reterr)
{
    size_t count = 0;
    struct px_thrift_reader reader = px_thrift_reader_of(index);
    struct px_thrift_field field = {0};
    while (px_thrift_next(&reader, &field)) {
        if (field.id == OFFSET_LOCATIONS) {
            count = px_thrift_get_list(&reader, field, PX_THRIFT_STRUCT, INT32_MAX).count;
            break;
        }
        px_thrift_skip(&reader, field);
    }
    int rc = px_thrift_check(&reader, OFFSET_INDEX, reterr);
    if (rc == PROXIMADB_OK)
        *ret_count = count;
    return rc;
}

static struct px_parquet_page parse_location(struct px_thrift_reader *reader)
{
    struct px_parquet_page page = {0};
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        if (field.id == LOCATION_OFFSET)
            page.offset = (uint64_t)px_thrift_get_integer(reader, field, 0, INT64_MAX);
        else if (field.id == LOCATION_SIZE)
            page.size_bytes = (uint32_t)px_thrift_get_integer(reader, field, 1, INT32_MAX);
        else if (field.id == LOCATION_FIRST_ROW)
            page.first_row = (uint64_t)px_thrift_get_integer(reader, field, 0, INT64_MAX);
        else
            px_thrift_skip(reader, field);
    }
    return page;
}

/* Page by page: each begins where the one before has ended or later, in the file and in rows. */
static int check_pages(const struct px_parquet_row_group *group,
                       const struct px_parquet_chunk *chunk, struct px_parquet_page *pages,
                       struct proximadb_error *reterr)
{
    uint64_t end = chunk->pages.offset + chunk->dictionary_bytes;
    for (size_t i = 0; i < chunk->page_count; i++) {
        bool is_last = i + 1 == chunk->page_count;
        uint64_t next_row = is_last ? group->row_count : pages[i + 1].first_row;
        bool is_first_wrong = i == 0 && pages[i].first_row != 0;
        if (is_first_wrong || next_row <= pages[i].first_row || next_row > group->row_count)
            return px_fail(reterr, PROXIMADB_CORRUPT, "the rows of its page %zu are impossible", i);
        if (next_row - pages[i].first_row > PX_PARQUET_MOST_PAGE_ROWS)
            return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                           "its page %zu has %llu rows; ProximaDB reads up to %d", i,
                           (unsigned long long)(next_row - pages[i].first_row),
                           PX_PARQUET_MOST_PAGE_ROWS);
        uint64_t chunk_end = chunk->pages.offset + chunk->pages.size_bytes;
        if (pages[i].offset < end || pages[i].offset > chunk_end ||
            pages[i].size_bytes > chunk_end - pages[i].offset)
            return px_fail(reterr, PROXIMADB_CORRUPT, "its page %zu is not where its chunk is", i);
        end = pages[i].offset + pages[i].size_bytes;
        pages[i].row_count = (uint32_t)(next_row - pages[i].first_row);
    }
    return PROXIMADB_OK;
}

int px_page_index__parse_offsets(struct px_slice index, const struct px_parquet_row_group *group,
                                 const struct px_parquet_chunk *chunk,
                                 struct px_parquet_page *pages, struct proximadb_error *reterr)
{
    size_t count = 0;
    struct px_thrift_reader reader = px_thrift_reader_of(index);
    struct px_thrift_field field = {0};
    while (px_thrift_next(&reader, &field)) {
        if (field.id != OFFSET_LOCATIONS) {
            px_thrift_skip(&reader, field);
            continue;
        }
        count =
            px_thrift_get_list(&reader, field, PX_THRIFT_STRUCT, (uint32_t)chunk->page_count).count;
        for (size_t i = 0; i < count; i++)
            pages[i] = parse_location(&reader);
    }
    int rc = px_thrift_check(&reader, OFFSET_INDEX, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (count != chunk->page_count || (count == 0 && group->row_count > 0))
        return px_fail(reterr, PROXIMADB_CORRUPT, "%s lists no pages", OFFSET_INDEX);
    rc = check_pages(group, chunk, pages, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < count; i++)
        pages[i].first_row += group->first_row;
    return rc;
}

/* A list with an entry for each page; anything else is a fault. */
static void expect_list(struct px_thrift_reader *reader, struct px_thrift_field field, uint8_t type,
                        size_t count)
{
    if (px_thrift_get_list(reader, field, type, (uint32_t)count).count != count)
        px_thrift_fail(reader, "a list does not have an entry for each page");
}

static void parse_bounds_field(struct px_thrift_reader *reader, struct px_thrift_field field,
                               struct px_parquet_statistics *statistics, size_t count)
{
    switch (field.id) {
    case COLUMN_NULL_PAGES:
        expect_list(reader, field, PX_THRIFT_TRUE, count);
        for (size_t i = 0; i < count; i++)
            statistics[i].has_bounds = !px_thrift_read_bool(reader);
        break;
    case COLUMN_MINS:
        expect_list(reader, field, PX_THRIFT_BINARY, count);
        for (size_t i = 0; i < count; i++)
            statistics[i].min = px_thrift_read_binary(reader);
        break;
    case COLUMN_MAXES:
        expect_list(reader, field, PX_THRIFT_BINARY, count);
        for (size_t i = 0; i < count; i++)
            statistics[i].max = px_thrift_read_binary(reader);
        break;
    case COLUMN_NULL_COUNTS:
        expect_list(reader, field, PX_THRIFT_I64, count);
        for (size_t i = 0; i < count; i++)
            statistics[i].null_count = px_thrift_read_integer(reader, 0, INT64_MAX);
        break;
    default:
        px_thrift_skip(reader, field);
    }
}

int px_page_index__parse_bounds(struct px_slice index, enum px_parquet_type type,
                                struct px_parquet_statistics *statistics, size_t count,
                                struct proximadb_error *reterr)
{
    unsigned seen = 0;
    struct px_thrift_reader reader = px_thrift_reader_of(index);
    struct px_thrift_field field = {0};
    for (size_t i = 0; i < count; i++)
        statistics[i] = (struct px_parquet_statistics){.null_count = -1};
    while (px_thrift_next(&reader, &field)) {
        parse_bounds_field(&reader, field, statistics, count);
        seen |= field.id >= COLUMN_NULL_PAGES && field.id <= COLUMN_MAXES ? 1u << field.id : 0;
    }
    int rc = px_thrift_check(&reader, COLUMN_INDEX, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (seen != (1u << COLUMN_NULL_PAGES | 1u << COLUMN_MINS | 1u << COLUMN_MAXES))
        return px_fail(reterr, PROXIMADB_CORRUPT, "%s lacks a required field", COLUMN_INDEX);
    for (size_t i = 0; i < count; i++)
        if (statistics[i].has_bounds && !px_bounds__is_valid(type, &statistics[i]))
            return px_fail(reterr, PROXIMADB_CORRUPT, "%s has impossible bounds for page %zu",
                           COLUMN_INDEX, i);
    return PROXIMADB_OK;
}
