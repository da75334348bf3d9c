/* px-test: layers=table,parquet */
/*
 * Goal: the tolerant reader gives every value of a file, nulls, lists and rows over several pages
 * included, and a damaged file gives errors and never a read outside of it.
 * Method: files of random columns by our own writer, held against the sample rows; those that others
 * write are in the corpus of fuzz_table and in tests/cli. All beginnings of files, and flipped bits.
 */
#include "table/table_reader.h"

#include "support/parquet_test.h"

enum { ROWS = 700 };

static void check_cell(const struct px_parquet_column *column, const struct px_table_cell *cell,
                       const struct parquet_sample *sample)
{
    assert_int_equal(cell->is_null, sample->is_null);
    assert_int_equal(cell->null_count, 0);
    if (sample->is_null)
        return;
    if (column->shape == PX_PARQUET_STRINGS) {
        assert_int_equal(cell->item_count, sample->item_count);
        for (size_t i = 0; i < cell->item_count; i++)
            assert_true(px_slice_equal(cell->as.bytes[i], sample->items[i]));
        return;
    }
    assert_int_equal(cell->item_count, 1);
    switch (column->type) {
    case PX_PARQUET_BOOLEAN:
        assert_int_equal(cell->as.booleans[0], sample->bits & 1);
        break;
    case PX_PARQUET_INT32:
        assert_int_equal(cell->as.longs[0], (int32_t)sample->bits);
        break;
    case PX_PARQUET_BYTE_ARRAY:
        assert_true(px_slice_equal(cell->as.bytes[0], sample->bytes));
        break;
    default:
        assert_memory_equal(cell->as.items, &sample->bits, px_parquet_type_bytes(column->type));
    }
}

static void check_column(const struct px_table *table, const struct px_parquet_column *columns,
                         size_t index, uint64_t seed)
{
    const struct px_parquet_column *column = &columns[index];
    struct px_table_cursor *cursor = NULL;
    struct proximadb_error error = {0};
    struct px_buffer scratch = {0};
    uint32_t vector[64];
    parquet_test_check(px_table_cursor_open(table, index, &cursor, &error), &error);
    for (uint64_t row = 0; row < px_table_row_count(table); row++) {
        struct px_table_cell cell;
        struct parquet_sample sample = {0};
        parquet_test_check(px_table_cursor_next(cursor, &cell, &error), &error);
        if (column->shape == PX_PARQUET_VECTOR) {
            parquet_sample_vector(seed, row, column->dim_count, vector);
            assert_int_equal(cell.item_count, column->dim_count);
            assert_memory_equal(cell.as.floats, vector, column->dim_count * sizeof *vector);
            continue;
        }
        parquet_sample_get(seed, row, index, column, &scratch, &sample);
        check_cell(column, &cell, &sample);
    }
    struct px_table_cell none;
    assert_int_equal(px_table_cursor_next(cursor, &none, &error), PROXIMADB_CORRUPT);
    px_table_cursor_close(cursor);
    px_buffer_release(&scratch);
}

static const struct px_parquet_column columns[] = {
    {.name = "id", .type = PX_PARQUET_BYTE_ARRAY, .logical = PX_PARQUET_STRING},
    {.name = "text",
     .shape = PX_PARQUET_OPTIONAL,
     .type = PX_PARQUET_BYTE_ARRAY,
     .logical = PX_PARQUET_STRING,
     .page_row_limit = 50,
     .zstd_level = 1},
    {.name = "v",
     .shape = PX_PARQUET_VECTOR,
     .type = PX_PARQUET_FLOAT,
     .dim_count = 9,
     .page_row_limit = 33},
    {.name = "tags",
     .shape = PX_PARQUET_STRINGS,
     .type = PX_PARQUET_BYTE_ARRAY,
     .logical = PX_PARQUET_STRING,
     .page_row_limit = 20},
    {.name = "flag", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_BOOLEAN},
    {.name = "small", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT32},
    {.name = "long", .type = PX_PARQUET_INT64, .zstd_level = 1},
    {.name = "ratio", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_FLOAT},
    {.name = "price", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_DOUBLE},
};
enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

static void test_table_reader__gives_every_value(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("values");
    for (int i = 0; i < 6; i++) {
        uint64_t seed = px_test_next(&random), rows = px_test_below(&random, ROWS) + 1;
        struct parquet_test_file file = parquet_test_write("table", columns, COLUMN_COUNT, seed,
                                                           rows, px_test_below(&random, 2) * 101);
        struct px_table *table = NULL;
        struct proximadb_error error = {0};
        parquet_test_check(px_table_open(parquet_test_slice(&file), &table, &error), &error);
        size_t count;
        const struct px_table_column *found = px_table_columns(table, &count);
        assert_int_equal(count, COLUMN_COUNT);
        assert_int_equal(px_table_row_count(table), rows);
        for (size_t j = 0; j < count; j++) {
            assert_true(px_slice_equal(found[j].name, px_slice_of_string(columns[j].name)));
            assert_int_equal(found[j].is_list, px_parquet_is_list(&columns[j]));
            check_column(table, columns, j, seed);
        }
        assert_string_equal(px_table_column_word(&found[2]), "list of FLOAT");
        assert_true(px_table_key_value(table, "ARROW:schema").size_bytes > 0);
        assert_int_equal(px_table_key_value(table, "ARROW").size_bytes, 0);
        px_table_close(table);
        parquet_test_release(&file);
    }
}

/* Reads what can be read; every failure has a message. Whether all was read. */
static bool read_all(struct px_slice file)
{
    struct px_table *table = NULL;
    struct proximadb_error error = {0};
    bool is_sound = px_table_open(file, &table, &error) == PROXIMADB_OK;
    if (!is_sound) {
        assert_true(error.message[0] != '\0');
        return false;
    }
    size_t count;
    (void)px_table_columns(table, &count);
    for (size_t i = 0; i < count; i++) {
        struct px_table_cursor *cursor = NULL;
        int rc = px_table_cursor_open(table, i, &cursor, &error);
        for (uint64_t row = 0; rc == PROXIMADB_OK && row < px_table_row_count(table); row++) {
            struct px_table_cell cell;
            rc = px_table_cursor_next(cursor, &cell, &error);
        }
        assert_true(rc == PROXIMADB_OK || error.message[0] != '\0');
        is_sound = is_sound && rc == PROXIMADB_OK;
        px_table_cursor_close(cursor);
    }
    px_table_close(table);
    return is_sound;
}

static void test_table_reader__notices_damage(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("damage");
    struct parquet_test_file file =
        parquet_test_write("damaged", columns, COLUMN_COUNT, px_test_next(&random), 60, 25);
    assert_true(read_all(parquet_test_slice(&file)));
    for (size_t size = 0; size < file.size_bytes; size += 1 + size / 40) {
        uint8_t *cut = parquet_test_copy(file.bytes, size);
        assert_false(read_all(px_slice_of(cut, size)));
        free(cut);
    }
    for (int i = 0; i < 3000; i++) {
        size_t at = px_test_below(&random, file.size_bytes);
        uint8_t bit = (uint8_t)(1u << px_test_below(&random, 8));
        file.bytes[at] ^= bit;
        (void)read_all(parquet_test_slice(&file));
        file.bytes[at] ^= bit;
    }
    parquet_test_release(&file);
}

/* ---- footers by hand ------------------------------------------------------------------------ */

/* Fields of Thrift in the long form; numbers and counts are below 64, one byte each. */
static void put_number(struct px_buffer *footer, int id, int type, int number)
{
    const uint8_t bytes[] = {(uint8_t)type, (uint8_t)(2 * id), (uint8_t)(2 * number)};
    px_buffer_append(footer, bytes, sizeof bytes);
}

static void put_list(struct px_buffer *footer, int id, int count)
{
    const uint8_t bytes[] = {9, (uint8_t)(2 * id), 0xFC, (uint8_t)count};
    px_buffer_append(footer, bytes, sizeof bytes);
}

static void put_name(struct px_buffer *footer, char name)
{
    const uint8_t bytes[] = {8, 2 * 4, 1, (uint8_t)name};
    px_buffer_append(footer, bytes, sizeof bytes);
}

static void put_schema(struct px_buffer *footer, int leaf_count)
{
    put_list(footer, 2, leaf_count + 1);
    put_name(footer, 'r');
    put_number(footer, 5, 5, leaf_count);
    px_buffer_append_byte(footer, 0);
    for (int i = 0; i < leaf_count; i++) {
        put_number(footer, 1, 5, PX_TYPE_INT32);
        put_name(footer, (char)('0' + i));
        px_buffer_append_byte(footer, 0);
    }
}

/* One row group of one row. */
static void put_groups(struct px_buffer *footer, int chunk_count)
{
    put_list(footer, 4, 1);
    put_list(footer, 1, chunk_count);
    for (int i = 0; i < chunk_count; i++) {
        px_buffer_append(footer, "\x0c\x06", 2); /* the meta data, a struct */
        put_number(footer, 1, 5, PX_TYPE_INT32);
        put_number(footer, 5, 6, 1); /* values */
        put_number(footer, 7, 6, 8); /* bytes */
        put_number(footer, 9, 6, 4); /* where they begin */
        px_buffer_append(footer, "\0\0", 2);
    }
    put_number(footer, 3, 6, 1);
    px_buffer_append_byte(footer, 0);
}

/* Reads a file of one row with the footer, a word of 's' and 'g' and leaves: "1s1g" is sound. */
static int read_footer(const char *word, struct proximadb_error *error)
{
    struct px_buffer file = {0};
    uint8_t size[4];
    px_buffer_append(&file, "PAR1\0\0\0\0\0\0\0\0", 12);
    put_number(&file, 3, 6, 1); /* rows */
    for (const char *at = word; *at != '\0'; at += 2)
        (at[1] == 's' ? put_schema : put_groups)(&file, at[0] - '0');
    px_buffer_append_byte(&file, 0);
    px_store_u32(size, (uint32_t)file.size_bytes - 12);
    px_buffer_append(&file, size, sizeof size);
    px_buffer_append(&file, "PAR1", 4);
    uint8_t *bytes = parquet_test_copy(file.data, file.size_bytes);
    struct px_table *table = NULL;
    int rc = px_table_open(px_slice_of(bytes, file.size_bytes), &table, error);
    px_table_close(table);
    (void)read_all(px_slice_of(bytes, file.size_bytes));
    free(bytes);
    px_buffer_release(&file);
    return rc;
}

static void test_table_reader__refuses_fields_that_come_twice_or_late(void **state)
{
    (void)state;
    static const char *const sound[] = {"1s1g", "9s9g"};
    static const char *const others[][2] = {{"1s1g9s", "two schemas"},
                                            {"9s9g1s", "two schemas"},
                                            {"1s1g1s", "two schemas"},
                                            {"2s2g2g", "two lists of row groups"},
                                            {"0g9s", "the columns of the schema"},
                                            {"1s2g", "the columns of the schema"},
                                            {"2s1g", "the columns of the schema"}};
    for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
        struct proximadb_error error = {0};
        parquet_test_check(read_footer(sound[i], &error), &error);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct proximadb_error error = {0};
        assert_int_equal(read_footer(others[i][0], &error), PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, others[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_reader__gives_every_value),
        cmocka_unit_test(test_table_reader__notices_damage),
        cmocka_unit_test(test_table_reader__refuses_fields_that_come_twice_or_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
