/*
 * Goal: rows have the bytes of their schema, and a row that is refused leaves no trace.
 * Method: one full row of each kind, byte by byte (fastavro's bytes for the same rows are compared
 * in tests/interop); rows with one fault each. That random rows read back is tested where they are
 * read (test_batch.c, test_update.c).
 */
#include "payload/row_writer.h"

#include "support/payload_test.h"

static const float vector[2] = {1.0f, -2.0f};
static const int64_t timestamp_ms = 64;
static const int64_t expires_at_ms = 1;
static const int64_t version = 3;

static struct proximadb_row full_row(void)
{
    static const struct proximadb_field field = {{"n", 1},
                                                 {.kind = PROXIMADB_VALUE_LONG, .as.integer = -1}};
    return (struct proximadb_row){.struct_size = sizeof(struct proximadb_row),
                                  .id = {"ab", 2},
                                  .vector = vector,
                                  .dim_count = 2,
                                  .fields = &field,
                                  .field_count = 1,
                                  .document = "doc",
                                  .document_size_bytes = 3,
                                  .expires_at_ms = &expires_at_ms};
}

static void check_bytes(struct px_buffer *buffer, const char *expected, size_t size_bytes)
{
    assert_int_equal(buffer->size_bytes, size_bytes);
    assert_memory_equal(buffer->data, expected, size_bytes);
    px_buffer_release(buffer);
}

static void test_row_writer__writes_a_vector_record(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct proximadb_row row = full_row();
    row.timestamp_ms = &timestamp_ms;
    assert_int_equal(px_row_write_vector(&buffer, &row, NULL), PROXIMADB_OK);
    check_bytes(&buffer,
                "\4ab"                       /* id */
                "\4\0\0\x80\x3f\0\0\0\xc0\0" /* vector */
                "\2\2n\4\1\0"                /* metadata */
                "\2\6doc"                    /* document */
                "\2\x80\1"                   /* timestamp_ms */
                "\2\2",                      /* expires_at_ms */
                3 + 10 + 6 + 5 + 3 + 2);
    row = (struct proximadb_row){
        .struct_size = sizeof row, .id = {"ab", 2}, .vector = vector, .dim_count = 1};
    assert_int_equal(px_row_write_vector(&buffer, &row, NULL), PROXIMADB_OK);
    check_bytes(&buffer, "\4ab\2\0\0\x80\x3f\0\0\0\0\0", 13);
}

static void test_row_writer__writes_an_update(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    struct proximadb_row row = full_row();
    row.expected_version = &version;
    assert_int_equal(px_row_write_update(&buffer, &row, NULL), PROXIMADB_OK);
    check_bytes(&buffer,
                "\4ab"
                "\2\4\0\0\x80\x3f\0\0\0\xc0\0"
                "\2\2\2n\4\1\0"
                "\2\6doc"
                "\2\2"  /* expires_at_ms */
                "\2\6", /* expected_version */
                3 + 11 + 7 + 5 + 2 + 2);
    row = (struct proximadb_row){.struct_size = sizeof row, .id = {"ab", 2}};
    assert_int_equal(px_row_write_update(&buffer, &row, NULL), PROXIMADB_OK);
    check_bytes(&buffer, "\4ab\0\0\0\0\0", 8);
    row.clear_document = row.clear_expires_at = true;
    assert_int_equal(px_row_write_update(&buffer, &row, NULL), PROXIMADB_OK);
    check_bytes(&buffer, "\4ab\0\0\4\0\4\0\0", 10);
}

static void test_row_writer__writes_heads(void **state)
{
    (void)state;
    struct px_buffer buffer = {0};
    px_row_write_head(&buffer, false, (const uint8_t *)"0123456789abcdef", 100);
    check_bytes(&buffer,
                "\xc3\x01\x22\x7a\xb0\x76\xb3\x64\xd7\xb7"
                "0123456789abcdef"
                "\xc8\1",
                28);
    px_row_write_head(&buffer, true, (const uint8_t *)"0123456789abcdef", SIZE_MAX / 2);
    assert_int_equal(buffer.size_bytes, PX_ROW_LARGEST_HEAD_BYTES);
    px_buffer_release(&buffer);
}

typedef int write_row(struct px_buffer *buffer, const struct proximadb_row *row,
                      struct proximadb_error *reterr);

static void check_refused(write_row *write, const struct proximadb_row *row, const char *message)
{
    struct px_buffer buffer = {0};
    struct proximadb_error error;
    px_buffer_append(&buffer, "before", 6);
    assert_int_equal(write(&buffer, row, &error), PROXIMADB_INVALID);
    payload_test_says(&error, message);
    assert_int_equal(px_buffer_status(&buffer, NULL), PROXIMADB_OK);
    check_bytes(&buffer, "before", 6);
}

static void check_both_refused(const struct proximadb_row *row, const char *message)
{
    check_refused(px_row_write_vector, row, message);
    check_refused(px_row_write_update, row, message);
}

static void test_row_writer__refuses_what_no_row_may_be(void **state)
{
    (void)state;
    const int64_t early = -1;
    struct proximadb_row row = full_row();
    row.id = (struct proximadb_text){NULL, 2};
    check_both_refused(&row, "no id");
    row.id = (struct proximadb_text){"a\xff", 2};
    check_both_refused(&row, "the id is not valid UTF-8");
    row = full_row();
    row.dim_count = 0;
    check_both_refused(&row, "dim_count is 0");
    row.dim_count = 65537;
    check_both_refused(&row, "dim_count is 65537");
    row = full_row();
    row.fields = NULL;
    check_both_refused(&row, "fields is NULL");
    row = full_row();
    row.document = "\xff";
    row.document_size_bytes = 1;
    check_both_refused(&row, "document");
    row = full_row();
    row.expires_at_ms = &early;
    check_both_refused(&row, "expires_at_ms is -1");
}

static void test_row_writer__refuses_what_does_not_fit_the_operation(void **state)
{
    (void)state;
    const int64_t no_version = 0;
    struct proximadb_row row = full_row();
    row.vector = NULL;
    check_refused(px_row_write_vector, &row, "no vector");
    row = full_row();
    row.expected_version = &version;
    check_refused(px_row_write_vector, &row, "for updates");
    row = full_row();
    row.clear_document = true;
    check_refused(px_row_write_vector, &row, "for updates");
    check_refused(px_row_write_update, &row, "clear_document");
    row = full_row();
    row.clear_expires_at = true;
    check_refused(px_row_write_vector, &row, "for updates");
    check_refused(px_row_write_update, &row, "clear_expires_at");
    row = full_row();
    row.timestamp_ms = &timestamp_ms;
    check_refused(px_row_write_update, &row, "timestamp_ms cannot be updated");
    row = full_row();
    row.expected_version = &no_version;
    check_refused(px_row_write_update, &row, "versions begin at 1");
}

static void test_row_writer__full_buffer_is_as_before(void **state)
{
    (void)state;
    struct px_buffer buffer;
    const struct proximadb_row row = full_row();
    px_buffer_init(&buffer, 300);
    while (px_row_write_vector(&buffer, &row, NULL) == PROXIMADB_OK)
        ;
    assert_int_equal(px_buffer_status(&buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes % 27, 0); /* whole rows */
    px_buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_writer__writes_a_vector_record),
        cmocka_unit_test(test_row_writer__writes_an_update),
        cmocka_unit_test(test_row_writer__writes_heads),
        cmocka_unit_test(test_row_writer__refuses_what_no_row_may_be),
        cmocka_unit_test(test_row_writer__refuses_what_does_not_fit_the_operation),
        cmocka_unit_test(test_row_writer__full_buffer_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
