/*
 * Goal: a page of codes or of streams holds just what it was made of, and nothing behind it.
 * Method: random codes of every width and count, taken out bit by bit as the format says; and what
 * vector_page.c makes of both.
 */
#include "parquet/code_page_internal.h"

#include "parquet/vector_page_internal.h"
#include "support/px_test.h"

enum { MOST_ROWS = 5, MOST_DIMS = 60 };

static struct px_parquet_column column_of(uint32_t dims)
{
    return (struct px_parquet_column){
        .name = "v", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT, .dim_count = dims};
}

/* The codes of a body, one by one. */
static void check_bits(const struct px_parquet_column *column, const struct px_buffer *body,
                       const uint16_t *codes, size_t count, unsigned width)
{
    struct px_page_parts parts;
    assert_int_equal(px_data_page__split(column, px_buffer_slice(body), &parts, NULL),
                     PROXIMADB_OK);
    size_t groups = (count + 7) / 8;
    assert_int_equal(parts.values.data[0], width);
    assert_int_equal(parts.values.data[1], groups << 1 | 1); /* less than 64 of them */
    assert_int_equal(parts.values.size_bytes, 2 + groups * width);
    for (size_t i = 0; i < groups * 8; i++) {
        unsigned code = 0;
        for (size_t j = 0; j < width; j++) {
            size_t bit = 16 + i * width + j;
            code |= ((unsigned)parts.values.data[bit / 8] >> bit % 8 & 1u) << j;
        }
        assert_int_equal(code, i < count ? codes[i] : 0); /* padding is zeros */
    }
}

static void check_page(const struct px_parquet_column *column, uint32_t rows,
                       enum px_parquet_encoding encoding, const struct px_buffer *body,
                       const uint32_t *table, const uint32_t *expected)
{
    uint32_t found[MOST_ROWS * MOST_DIMS];
    struct px_vector_dictionary dictionary = {.values = (const void *)table, .count = 65536};
    struct px_data_page header = {.encoding = encoding, .value_count = rows * column->dim_count};
    struct px_vector_page page;
    assert_int_equal(px_vector_page__check(column, rows, &header, px_buffer_slice(body),
                                           &dictionary, &page, NULL),
                     PROXIMADB_OK);
    px_vector_page__decode(&page, &dictionary, 0, rows, (float *)(void *)found);
    assert_memory_equal(found, expected, (size_t)rows * column->dim_count * sizeof *found);
    px_vector_page__decode(&page, &dictionary, rows - 1, 1, (float *)(void *)found);
    assert_memory_equal(found, expected + (size_t)(rows - 1) * column->dim_count,
                        column->dim_count * sizeof *found);
}

static void test_code_page__holds_codes_of_every_width(void **state)
{
    (void)state;
    static uint32_t table[65536];
    struct px_test_random random = px_test_random_new("code_page");
    struct px_buffer body = {0};
    for (uint32_t i = 0; i < 65536; i++)
        table[i] = i * UINT32_C(2654435761);
    for (unsigned width = 1; width <= 16; width++)
        for (uint32_t dims = 1; dims <= MOST_DIMS; dims++) {
            struct px_parquet_column column = column_of(dims);
            uint32_t rows = 1 + (uint32_t)px_test_below(&random, MOST_ROWS);
            size_t count = (size_t)rows * dims;
            uint16_t codes[MOST_ROWS * MOST_DIMS];
            uint32_t expected[MOST_ROWS * MOST_DIMS];
            for (size_t i = 0; i < count; i++) {
                codes[i] = (uint16_t)px_test_below(&random, UINT32_C(1) << width);
                expected[i] = table[codes[i]];
            }
            px_buffer_clear(&body);
            px_code_page__put_codes(codes, rows, dims, width, &body);
            check_bits(&column, &body, codes, count, width);
            check_page(&column, rows, PX_PARQUET_RLE_DICTIONARY, &body, table, expected);
        }
    px_buffer_release(&body);
}

static void test_code_page__splits_floats_by_bytes(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("code_page");
    struct px_buffer body = {0};
    for (uint32_t dims = 1; dims <= MOST_DIMS; dims++) {
        struct px_parquet_column column = column_of(dims);
        uint8_t rows[MOST_ROWS * MOST_DIMS * 4 + 1]; /* at an odd address */
        uint32_t expected[MOST_ROWS * MOST_DIMS];
        for (size_t i = 0; i < MOST_ROWS * (size_t)dims; i++)
            expected[i] = (uint32_t)px_test_next(&random);
        memcpy(rows + 1, expected, MOST_ROWS * (size_t)dims * 4);
        px_buffer_clear(&body);
        px_code_page__put_streams(rows + 1, MOST_ROWS, dims, &body);
        check_page(&column, MOST_ROWS, PX_PARQUET_BYTE_STREAM_SPLIT, &body, NULL, expected);
        size_t count = MOST_ROWS * (size_t)dims;
        const uint8_t *streams = body.data + body.size_bytes - 4 * count;
        for (size_t i = 0; i < 4 * count; i++)
            assert_int_equal(streams[i], expected[i % count] >> 8 * (i / count) & 0xff);
    }
    px_buffer_release(&body);
}

static void test_code_page__knows_the_width_of_a_code(void **state)
{
    (void)state;
    assert_int_equal(px_code_page__width(0), 1);
    assert_int_equal(px_code_page__width(1), 1);
    for (unsigned width = 2; width <= 16; width++) {
        assert_int_equal(px_code_page__width((1u << width) - 1), width);
        assert_int_equal(px_code_page__width(1u << (width - 1)), width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_page__holds_codes_of_every_width),
        cmocka_unit_test(test_code_page__splits_floats_by_bytes),
        cmocka_unit_test(test_code_page__knows_the_width_of_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
