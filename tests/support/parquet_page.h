/*
 * parquet_page: a Parquet file around one page whose body a test has made: everything is right, with
 * right checksums, but perhaps the body.
 */
#ifndef PX_PARQUET_PAGE_H
#define PX_PARQUET_PAGE_H

#include "codec/crc32.h"
#include "parquet/data_page_internal.h"
#include "parquet/footer_internal.h"
#include "parquet/page_index_internal.h"
#include "support/parquet_test.h"

/* Appends levels, given as text of '0' to '2'; NULL: none. */
static inline void parquet_test_put_levels(const char *levels, unsigned most_level,
                                           struct px_buffer *body)
{
    uint8_t bytes[64];
    if (levels == NULL)
        return;
    assert_true(strlen(levels) <= sizeof bytes);
    for (size_t i = 0; i < strlen(levels); i++)
        bytes[i] = (uint8_t)(levels[i] - '0');
    px_data_page__put_levels(bytes, strlen(levels), most_level, body);
}

/* Not compressed. value_count is what the page's header and, of a list, the footer say. */
static inline struct parquet_test_file
parquet_test_build_page(const struct px_parquet_column *column, uint64_t row_count,
                        uint32_t value_count, struct px_slice body)
{
    struct px_buffer bytes = {0}, tail = {0};
    struct px_data_page page = {.value_count = value_count,
                                .uncompressed_bytes = (uint32_t)body.size_bytes,
                                .crc = px_crc32(0, body.data, body.size_bytes),
                                .body = body};
    px_buffer_append(&bytes, "PAR1", 4);
    px_data_page__encode_aligned(&page, 4, 0, &bytes);
    px_buffer_append_slice(&bytes, page.body);
    struct px_page_record record = {.size_bytes = (uint32_t)bytes.size_bytes - 4,
                                    .row_count = (uint32_t)row_count};
    px_page_index__put_offsets(&record, 1, 4, &tail);
    struct px_parquet_chunk chunk = {
        .value_count = px_parquet_is_list(column) ? value_count : row_count,
        .pages = {.offset = 4, .size_bytes = bytes.size_bytes - 4},
        .offset_index = {.offset = bytes.size_bytes, .size_bytes = tail.size_bytes},
        .page_count = 1};
    struct px_parquet_row_group group = {.row_count = row_count, .chunks = &chunk};
    struct px_parquet_layout layout = {.row_count = row_count,
                                       .created_by = px_slice_of_string(PX_PARQUET_APPLICATION),
                                       .columns = column,
                                       .column_count = 1,
                                       .row_groups = &group,
                                       .row_group_count = 1};
    px_footer__encode(&layout, bytes.size_bytes, &tail);
    px_buffer_append_slice(&bytes, px_buffer_slice(&tail));
    struct parquet_test_file file = {.bytes = parquet_test_copy(bytes.data, bytes.size_bytes),
                                     .size_bytes = bytes.size_bytes};
    px_buffer_release(&bytes);
    px_buffer_release(&tail);
    return file;
}

#endif /* PX_PARQUET_PAGE_H */
