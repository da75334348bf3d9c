/*
 * Goal: the value of "ARROW:schema" is a flatbuffer that says of each column what Arrow is to make
 * of it, with every offset, alignment and size by the rules of flatbuffers. Method: a reader of
 * flatbuffers that checks those rules, written for this test; pyarrow and polars read the same in
 * tests/interop.
 */
#include "parquet/arrow_schema_internal.h"

#include "base/bits.h"
#include "codec/base64.h"
#include "support/px_test.h"

static const struct px_parquet_column columns[] = {
    {.name = "id", .type = PX_PARQUET_BYTE_ARRAY, .logical = PX_PARQUET_STRING},
    {.name = "n", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT64},
    {.name = "vector", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT, .dim_count = 384},
    {.name = "t",
     .shape = PX_PARQUET_OPTIONAL,
     .type = PX_PARQUET_INT64,
     .logical = PX_PARQUET_TIMESTAMP_MILLIS},
    {.name = "tags", .shape = PX_PARQUET_STRINGS, .type = PX_PARQUET_BYTE_ARRAY},
    {.name = "flag", .type = PX_PARQUET_BOOLEAN},
    {.name = "price", .type = PX_PARQUET_DOUBLE},
    {.name = "small", .type = PX_PARQUET_INT32},
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

static struct px_buffer message;
static const uint8_t *flatbuffer;
static size_t flatbuffer_bytes;

/* ---- a strict reader of flatbuffers -------------------------------------------------------- */

static uint32_t load(size_t at)
{
    assert_true(at % 4 == 0 && at + 4 <= flatbuffer_bytes);
    return px_load_u32(flatbuffer + at);
}

static size_t load_u16(size_t at)
{
    assert_true(at % 2 == 0 && at + 2 <= flatbuffer_bytes);
    return (size_t)flatbuffer[at] | (size_t)flatbuffer[at + 1] << 8;
}

/* Follows a distance, which leads forwards. */
static size_t follow(size_t at)
{
    assert_true(load(at) > 0);
    return at + load(at);
}

/* Where a field of a table is; 0: not set. */
static size_t field_at(size_t table, size_t slot, size_t size)
{
    size_t vtable = table - load(table);
    size_t vtable_bytes = load_u16(vtable);
    size_t table_bytes = load_u16(vtable + 2);
    assert_true(vtable + vtable_bytes <= flatbuffer_bytes);
    assert_true(table + table_bytes <= flatbuffer_bytes);
    if (4 + 2 * slot >= vtable_bytes || load_u16(vtable + 4 + 2 * slot) == 0)
        return 0;
    size_t offset = load_u16(vtable + 4 + 2 * slot);
    assert_true(offset >= 4 && offset + size <= table_bytes);
    assert_int_equal((table + offset) % size, 0);
    return table + offset;
}

static unsigned get_byte(size_t table, size_t slot)
{
    size_t at = field_at(table, slot, 1);
    return at == 0 ? 0 : flatbuffer[at];
}

static void check_string(size_t table, size_t slot, const char *expected)
{
    size_t at = follow(field_at(table, slot, 4));
    size_t size = load(at);
    assert_int_equal(size, strlen(expected));
    assert_true(at + 4 + size < flatbuffer_bytes);
    assert_memory_equal(flatbuffer + at + 4, expected, size + 1);
}

/* The table that is element `index` of a vector of `count`. */
static size_t element(size_t table, size_t slot, size_t count, size_t index)
{
    size_t at = follow(field_at(table, slot, 4));
    assert_int_equal(load(at), count);
    return count == 0 ? 0 : follow(at + 4 + 4 * index);
}

/* ---- tests --------------------------------------------------------------------------------- */

static int encode(void **state)
{
    (void)state;
    struct px_buffer text = {0};
    px_arrow_schema__encode(columns, COLUMN_COUNT, &text);
    int rc = px_base64_decode(px_buffer_slice(&text), &message, NULL);
    px_buffer_release(&text);
    flatbuffer = message.data + 8;
    flatbuffer_bytes = message.size_bytes - 8;
    return rc;
}

static int release(void **state)
{
    (void)state;
    px_buffer_release(&message);
    return 0;
}

static size_t schema_table(void)
{
    size_t root = follow(0);
    assert_int_equal(load_u16(field_at(root, 0, 2)), 4); /* version 5 */
    assert_int_equal(get_byte(root, 1), 1);              /* a schema */
    return follow(field_at(root, 2, 4));
}

static void test_arrow_schema__is_an_encapsulated_message(void **state)
{
    (void)state;
    assert_int_equal(px_load_u32(message.data), UINT32_MAX);
    assert_int_equal(px_load_u32(message.data + 4), flatbuffer_bytes);
    assert_int_equal(flatbuffer_bytes % 8, 0);
}

static void test_arrow_schema__says_type_and_nullability(void **state)
{
    (void)state;
    static const struct {
        unsigned type;
        bool is_nullable;
    } expected[COLUMN_COUNT] = {{5, false}, {2, true},  {16, false}, {10, true},
                                {12, true}, {6, false}, {3, false},  {2, false}};
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        size_t field = element(schema_table(), 1, COLUMN_COUNT, i);
        check_string(field, 0, columns[i].name);
        assert_int_equal(get_byte(field, 1), expected[i].is_nullable);
        assert_int_equal(get_byte(field, 2), expected[i].type);
        if (px_parquet_is_list(&columns[i])) {
            size_t child = element(field, 5, 1, 0);
            check_string(child, 0, "element");
            assert_int_equal(get_byte(child, 1), false);
            assert_int_equal(get_byte(child, 2), columns[i].type == PX_PARQUET_FLOAT ? 3 : 4);
            element(child, 5, 0, 0);
        } else {
            element(field, 5, 0, 0);
        }
    }
}

static size_t type_of(size_t column)
{
    return follow(field_at(element(schema_table(), 1, COLUMN_COUNT, column), 3, 4));
}

static void test_arrow_schema__says_the_parameters_of_types(void **state)
{
    (void)state;
    assert_int_equal(load(field_at(type_of(1), 0, 4)), 64);
    assert_int_equal(get_byte(type_of(1), 1), 1); /* signed */
    assert_int_equal(load(field_at(type_of(2), 0, 4)), 384);
    assert_int_equal(load_u16(field_at(type_of(3), 0, 2)), 1); /* milliseconds */
    check_string(type_of(3), 1, "UTC");
    assert_int_equal(load_u16(field_at(type_of(6), 0, 2)), 2); /* double */
    assert_int_equal(load(field_at(type_of(7), 0, 4)), 32);
    size_t child = element(element(schema_table(), 1, COLUMN_COUNT, 2), 5, 1, 0);
    assert_int_equal(load_u16(field_at(follow(field_at(child, 3, 4)), 0, 2)), 1); /* float */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrow_schema__is_an_encapsulated_message),
        cmocka_unit_test(test_arrow_schema__says_type_and_nullability),
        cmocka_unit_test(test_arrow_schema__says_the_parameters_of_types),
    };
    return cmocka_run_group_tests(tests, encode, release);
}
