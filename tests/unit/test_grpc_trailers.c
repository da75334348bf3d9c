/*
 * Goal: the end of a call says code, sentence and details as gRPC clients parse them, for the
 * longest sentence, too.
 * Method: the details are decoded with the protobuf reader; the real parser of grpcio is in
 * tests/server/test_grpc.py.
 */
#include "rpc/grpc_trailers.h"

#include "codec/base64.h"
#include "codec/protobuf.h"
#include "support/px_test.h"

static struct px_slice find(const struct px_grpc_trailers *trailers, const char *name)
{
    for (size_t i = 0; i < trailers->count; i++)
        if (strcmp(trailers->headers[i].name, name) == 0)
            return trailers->headers[i].value;
    return (struct px_slice){0};
}

static void expect(const struct px_grpc_trailers *trailers, const char *name, const char *value)
{
    struct px_slice found = find(trailers, name);
    if (!px_slice_equal(found, px_slice_of_string(value)))
        fail_msg("%s is '%.*s'", name, (int)found.size_bytes, (const char *)found.data);
}

static void test_grpc_trailers__say_success_in_one_field(void **state)
{
    (void)state;
    struct px_grpc_trailers trailers;
    px_grpc_trailers_of_error(&trailers, NULL);
    assert_int_equal(trailers.count, 1);
    expect(&trailers, "grpc-status", "0");
    assert_int_equal(trailers.code, PX_GRPC_OK);
}

static void test_grpc_trailers__encode_the_sentence(void **state)
{
    (void)state;
    struct px_grpc_trailers trailers;
    px_grpc_trailers_of_code(&trailers, PX_GRPC_UNAUTHENTICATED, "100% caf\xc3\xa9\n");
    assert_int_equal(trailers.count, 2);
    expect(&trailers, "grpc-status", "16");
    expect(&trailers, "grpc-message", "100%25 caf%C3%A9%0A");
}

/* The bytes field of that number. */
static struct px_slice inner(struct px_slice message, uint32_t number)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    while (px_proto_next(&reader, &field))
        if (px_proto_is(&field, number, PX_PROTO_BYTES))
            return field.bytes;
    fail_msg("there is no field %u", number);
    return message;
}

/* Puts the padding back that base64 in headers goes without, and decodes. */
static struct px_slice decode_details(const struct px_grpc_trailers *trailers,
                                      struct px_buffer *bytes)
{
    struct px_buffer text = {0};
    px_buffer_append_slice(&text, find(trailers, "grpc-status-details-bin"));
    while (text.size_bytes % 4 != 0)
        px_buffer_append_byte(&text, '=');
    assert_int_equal(px_base64_decode(px_buffer_slice(&text), bytes, NULL), PROXIMADB_OK);
    px_buffer_release(&text);
    return px_buffer_slice(bytes);
}

static void test_grpc_trailers__carry_the_details_of_an_error(void **state)
{
    (void)state;
    struct px_grpc_trailers trailers;
    struct proximadb_error error;
    struct px_buffer bytes = {0};
    (void)px_fail_numbers(&error, PROXIMADB_DIMENSION, 3, 384, 128, "wrong size");
    px_grpc_trailers_of_error(&trailers, &error);
    expect(&trailers, "grpc-status", "3");
    struct px_slice status = decode_details(&trailers, &bytes);
    assert_true(px_slice_equal(inner(status, 2), px_slice_of_string(error.message)));
    struct px_slice any = inner(status, 3);
    assert_true(px_slice_equal(inner(any, 1),
                               px_slice_of_string("type.googleapis.com/google.rpc.ErrorInfo")));
    struct px_slice info = inner(any, 2);
    assert_true(px_slice_equal(inner(info, 1), px_slice_of_string("DIMENSION")));
    assert_true(px_slice_equal(inner(info, 2), px_slice_of_string("proximadb")));
    assert_true(px_slice_equal(inner(inner(info, 3), 1), px_slice_of_string("row_index")));
    assert_true(px_slice_equal(inner(inner(info, 3), 2), px_slice_of_string("3")));
    px_buffer_release(&bytes);
}

static void test_grpc_trailers__hold_the_longest_error(void **state)
{
    (void)state;
    struct px_grpc_trailers trailers;
    struct px_buffer bytes = {0};
    struct proximadb_error error = {.status = PROXIMADB_VERSION_MISMATCH,
                                    .row_index = INT64_MIN,
                                    .expected = INT64_MIN,
                                    .actual = INT64_MIN};
    memset(error.message, '\xff', sizeof error.message - 1);
    error.row_index = INT64_MAX;
    px_grpc_trailers_of_error(&trailers, &error);
    assert_int_equal(find(&trailers, "grpc-message").size_bytes, 3 * (sizeof error.message - 1));
    struct px_slice status = decode_details(&trailers, &bytes);
    assert_int_equal(inner(status, 2).size_bytes, sizeof error.message - 1);
    px_buffer_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grpc_trailers__say_success_in_one_field),
        cmocka_unit_test(test_grpc_trailers__encode_the_sentence),
        cmocka_unit_test(test_grpc_trailers__carry_the_details_of_an_error),
        cmocka_unit_test(test_grpc_trailers__hold_the_longest_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
