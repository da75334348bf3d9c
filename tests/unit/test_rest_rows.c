/*
 * Goal: rows in JSON become the very payload that a batch builder makes of the same rows, for each
 * of the three operations, and every fault is told with its row.
 * Method: bodies with a known request id beside rows in C, payloads compared byte by byte.
 */
#include "rest/rest_rows.h"

#include "support/rest_test.h"

static const uint8_t request_id[16] = "0123456789abcde";
static struct proximadb_error error;

static struct proximadb_text text_of(const char *string)
{
    return (struct proximadb_text){.data = string, .size_bytes = strlen(string)};
}

/* Both the same payload? */
static void expect_rows(int operation, const char *body, const struct proximadb_row *rows,
                        size_t row_count)
{
    struct proximadb_buffer payload, expected;
    proximadb_batch *batch = proximadb_batch_new(operation, request_id);
    for (size_t i = 0; i < row_count; i++)
        if (proximadb_batch_add(batch, &rows[i], &error) != PROXIMADB_OK)
            fail_msg("%s", error.message);
    assert_int_equal(proximadb_batch_take(batch, &expected, NULL), PROXIMADB_OK);
    proximadb_batch_free(batch);
    if (px_rest_rows_read(rest_json(body), operation, request_id, &payload, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    rest_expect_same_payload(&payload, &expected);
}

static void test_rest_rows__makes_the_payload_of_an_insert(void **state)
{
    (void)state;
    static const float vector[] = {1, -0.5f, 3};
    static const int64_t timestamp_ms = 1700000000000, expires_at_ms = 1800000000000;
    const struct proximadb_field fields[] = {
        {text_of("year"), {.kind = PROXIMADB_VALUE_LONG, .as.integer = 2024}},
        {text_of("rate"), {.kind = PROXIMADB_VALUE_DOUBLE, .as.number = 2024}},
        {text_of("gone"), {.kind = PROXIMADB_VALUE_NULL}},
    };
    const struct proximadb_row rows[] = {
        {.struct_size = sizeof rows[0], .id = text_of("a"), .vector = vector, .dim_count = 3},
        {.struct_size = sizeof rows[0],
         .id = text_of("caf\xc3\xa9"),
         .vector = vector,
         .dim_count = 2,
         .fields = fields,
         .field_count = 3,
         .document = "a text",
         .document_size_bytes = 6,
         .timestamp_ms = &timestamp_ms,
         .expires_at_ms = &expires_at_ms},
        {.struct_size = sizeof rows[0],
         .id = text_of("c"),
         .vector = vector,
         .dim_count = 1,
         .document = "",
         .document_size_bytes = 0},
    };
    static const char body[] =
        "{'records': [{'id': 'a', 'vector': [1, -0.5, 3e0], 'metadata': {}, 'document': null,"
        " 'timestamp': null, 'expires_at': null, 'vector_base64': null},\n"
        "{'expires_at': 1800000000000, 'timestamp': 1700000000000, 'document': 'a text',"
        " 'metadata': {'year': 2024, 'rate': 2024.0, 'gone': null},"
        " 'vector_base64': 'AACAPwAAAL8=', 'id': 'caf\\u00e9'},"
        "{'id': 'c', 'vector': [1], 'document': '', 'expected_version': null}]}";
    expect_rows(PROXIMADB_INSERT, body, rows, 3);
    expect_rows(PROXIMADB_UPSERT, body, rows, 3);
}

static void test_rest_rows__makes_the_payload_of_an_update(void **state)
{
    (void)state;
    static const float vector[] = {1, 2};
    static const int64_t version = 7, expires_at_ms = 5;
    const struct proximadb_field fields[] = {{text_of("gone"), {.kind = PROXIMADB_VALUE_NULL}}};
    const struct proximadb_row rows[] = {
        {.struct_size = sizeof rows[0], .id = text_of("stays")},
        {.struct_size = sizeof rows[0],
         .id = text_of("cleared"),
         .clear_document = true,
         .clear_expires_at = true},
        {.struct_size = sizeof rows[0],
         .id = text_of("set"),
         .vector = vector,
         .dim_count = 2,
         .fields = fields,
         .field_count = 1,
         .document = "new",
         .document_size_bytes = 3,
         .expires_at_ms = &expires_at_ms,
         .expected_version = &version},
    };
    expect_rows(PROXIMADB_UPDATE,
                "{'records': [{'id': 'stays', 'vector': null, 'metadata': null, 'timestamp': null},"
                "{'id': 'cleared', 'document': null, 'expires_at': null},"
                "{'id': 'set', 'vector': [1, 2], 'metadata': {'gone': null}, 'document': 'new',"
                " 'expires_at': 5, 'expected_version': 7}]}",
                rows, 3);
}

static void test_rest_rows__takes_no_rows_for_the_engine_to_refuse(void **state)
{
    (void)state;
    expect_rows(PROXIMADB_INSERT, "{'records': []}", NULL, 0);
}

static void test_rest_rows__makes_an_id_where_none_is_given(void **state)
{
    (void)state;
    struct proximadb_buffer first, second;
    struct px_slice body = rest_json("{'records': [{'id': 'a', 'vector': [1]}]}");
    assert_int_equal(px_rest_rows_read(body, PROXIMADB_INSERT, NULL, &first, NULL), PROXIMADB_OK);
    assert_int_equal(px_rest_rows_read(body, PROXIMADB_INSERT, NULL, &second, NULL), PROXIMADB_OK);
    assert_int_equal(first.size_bytes, second.size_bytes);
    assert_memory_not_equal(first.data, second.data, first.size_bytes);
    proximadb_buffer_release(&first);
    proximadb_buffer_release(&second);
}

/* ---- faults -------------------------------------------------------------------------------- */

static void expect_body_refused(int operation, const char *body, int row_index, const char *part)
{
    struct proximadb_buffer payload = {0};
    int rc = px_rest_rows_read(rest_json(body), operation, NULL, &payload, &error);
    rest_expect_error(rc, &error, PROXIMADB_INVALID, part);
    assert_int_equal(error.row_index, row_index);
    assert_null(payload.data);
}

/* The record as the second of two, the first of which is good. */
static void expect_refused(int operation, const char *record, const char *part)
{
    char body[1000];
    snprintf(body, sizeof body, "{'records': [{'id': 'good', 'vector': [1]}, %s]}", record);
    expect_body_refused(operation, body, 1, part);
}

static void test_rest_rows__says_which_record_is_wrong(void **state)
{
    (void)state;
    const struct {
        const char *record;
        const char *part;
    } faults[] = {
        {"3", "row 1: the record must be a JSON object, and is an integer"},
        {"{}", "row 1: the row has no vector"},
        {"{'vector': [1]}", "row 1: the row has no id"},
        {"{'id': '', 'vector': [1]}", "row 1: the id is empty"},
        {"{'id': 5, 'vector': [1]}", "row 1: id must be a string, and is an integer"},
        {"{'id': 'a\\u0000', 'vector': [1]}", "row 1: the id has a NUL"},
        {"{'id': 'a', 'vector': []}", "row 1: vector is empty"},
        {"{'id': 'a', 'vector': [1, 'x']}", "row 1: vector[1] is a string"},
        {"{'id': 'a', 'vector_base64': 'AAA'}", "row 1: vector_base64: "},
        {"{'id': 'a', 'vector': [1], 'vector_base64': 'AACAPw=='}", "give one of them"},
        {"{'id': 'a', 'vektor': [1]}", "row 1: the record has no member 'vektor'; it may have id,"},
        {"{'id': 'a', 'vector': [1], 'vector': [2]}",
         "row 1: the record has the member 'vector' tw"},
        {"{'id': 'a', 'vector': [1], 'metadata': []}", "metadata must be a JSON object"},
        {"{'id': 'a', 'vector': [1], 'metadata': {'a': {}}}", "row 1: metadata.a is an object"},
        {"{'id': 'a', 'vector': [1], 'metadata': {'a': 1, 'a': 2}}", "it is there twice"},
        {"{'id': 'a', 'vector': [1], 'document': 1}", "row 1: document must be a string"},
        {"{'id': 'a', 'vector': [1], 'timestamp': 'now'}", "timestamp must be a signed integer"},
        {"{'id': 'a', 'vector': [1], 'expires_at': 1.5}", "expires_at must be a signed integer"},
        {"{'id': 'a', 'vector': [1], 'expected_version': 3}", "are for updates"},
        {"{'id': 'a', 'vector': [NaN]}", "row 1: the record has NaN or Infinity"},
        {"{'id': 'a', 'vector': [1,]}", "row 1: the record: not valid JSON at line 1"},
        {"", "row 1: the record: not valid JSON"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        expect_refused(PROXIMADB_INSERT, faults[i].record, faults[i].part);
}

static void test_rest_rows__refuses_in_an_update_what_it_has_not(void **state)
{
    (void)state;
    expect_refused(PROXIMADB_UPDATE, "{'id': 'a', 'timestamp': 5}", "cannot be updated");
    expect_refused(PROXIMADB_UPDATE, "{'id': 'a', 'expected_version': 0}", "versions begin at 1");
    expect_refused(PROXIMADB_UPDATE, "{'vector': [1]}", "no id");
}

static void test_rest_rows__says_where_the_body_is_broken(void **state)
{
    (void)state;
    expect_body_refused(PROXIMADB_INSERT, "", -1, "a JSON object should stand there");
    expect_body_refused(PROXIMADB_INSERT, "{'vectors': []}", -1, "the member \"records\"");
    expect_body_refused(PROXIMADB_INSERT, "{'records': [{'id': 'a', 'vector': [1]}", -1,
                        "a comma or the end of the array");
    expect_body_refused(PROXIMADB_INSERT, "{'records': [{'id': 'a', 'vector': [1]", 0,
                        "row 0: the record: not valid JSON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_rows__makes_the_payload_of_an_insert),
        cmocka_unit_test(test_rest_rows__makes_the_payload_of_an_update),
        cmocka_unit_test(test_rest_rows__takes_no_rows_for_the_engine_to_refuse),
        cmocka_unit_test(test_rest_rows__makes_an_id_where_none_is_given),
        cmocka_unit_test(test_rest_rows__says_which_record_is_wrong),
        cmocka_unit_test(test_rest_rows__refuses_in_an_update_what_it_has_not),
        cmocka_unit_test(test_rest_rows__says_where_the_body_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
