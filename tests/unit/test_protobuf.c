/*
 * Goal: messages are read and written as protobuf's encoding document says, and no input makes the
 * reader leave its bytes.
 * Method: the document's own examples; every kind of damage; written messages read back; a measuring
 * pass compared with a writing one.
 */
#include "codec/protobuf.h"

#include "support/px_test.h"

#define SLICE(literal) px_slice_of(literal, sizeof(literal) - 1)

static void test_protobuf__reads_every_wire_type(void **state)
{
    (void)state;
    struct px_proto_reader reader = px_proto_reader_of(SLICE("\x08\x96\x01"         /* 1: 150 */
                                                             "\x12\x07testing"      /* 2: text */
                                                             "\x1d\x01\x02\x03\x04" /* 3: fixed32 */
                                                             "\x21\1\2\3\4\5\6\7\x8"));
    struct px_proto_field field;
    assert_true(px_proto_next(&reader, &field));
    assert_true(px_proto_is(&field, 1, PX_PROTO_VARINT));
    assert_int_equal(field.value, 150);
    assert_true(px_proto_next(&reader, &field));
    assert_true(px_proto_is(&field, 2, PX_PROTO_BYTES));
    assert_true(px_slice_equal(field.bytes, SLICE("testing")));
    assert_true(px_proto_next(&reader, &field));
    assert_true(px_proto_is(&field, 3, PX_PROTO_FIXED32));
    assert_int_equal(field.value, 0x04030201);
    assert_true(px_proto_next(&reader, &field));
    assert_true(px_proto_is(&field, 4, PX_PROTO_FIXED64));
    assert_int_equal(field.value, 0x0807060504030201);
    assert_false(px_proto_next(&reader, &field));
    assert_false(reader.damaged);
}

static void test_protobuf__passes_over_groups(void **state)
{
    (void)state;
    /* Group 5 with field 1, group 6 and text inside; then field 2. */
    struct px_proto_reader reader =
        px_proto_reader_of(SLICE("\x2b\x08\x01\x33\x12\x01x\x34\x2c\x10\x07"));
    struct px_proto_field field;
    assert_true(px_proto_next(&reader, &field));
    assert_true(px_proto_is(&field, 5, PX_PROTO_GROUP));
    assert_true(px_proto_next(&reader, &field));
    assert_true(px_proto_is(&field, 2, PX_PROTO_VARINT));
    assert_int_equal(field.value, 7);
    assert_false(px_proto_next(&reader, &field));
    assert_false(reader.damaged);
}

static void test_protobuf__refuses_damage(void **state)
{
    (void)state;
    char deep[2 * PX_PROTO_DEEPEST_GROUP + 2];
    memset(deep, 0x0b, PX_PROTO_DEEPEST_GROUP + 1);
    memset(deep + PX_PROTO_DEEPEST_GROUP + 1, 0x0c, PX_PROTO_DEEPEST_GROUP + 1);
    const struct px_slice damaged[] = {
        SLICE("\x08"),                                         /* no value */
        SLICE("\x08\x80"),                                     /* a cut varint */
        SLICE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), /* over 64 bits */
        SLICE("\x00\x01"),                                     /* number 0 */
        SLICE("\x80\x80\x80\x80\x10\x01"),                     /* a number over 2^29 - 1 */
        SLICE("\x12\x02x"),                                    /* shorter than its length */
        SLICE("\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7fx"),    /* a length near 2^63 */
        SLICE("\x1d\x01\x02\x03"),                             /* 3 of 4 bytes */
        SLICE("\x21\x01\x02\x03\x04\x05\x06\x07"),
        SLICE("\x0e\x01"),              /* wire type 6 */
        SLICE("\x0c"),                  /* the end of no group */
        SLICE("\x0b\x14"),              /* the end of another group */
        SLICE("\x0b\x08\x01"),          /* a group without an end */
        px_slice_of(deep, sizeof deep), /* groups too deep */
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        /* A copy of the exact size, so that a sanitizer sees a read behind it. */
        uint8_t *copy = malloc(damaged[i].size_bytes);
        memcpy(copy, damaged[i].data, damaged[i].size_bytes);
        struct px_proto_reader reader =
            px_proto_reader_of(px_slice_of(copy, damaged[i].size_bytes));
        struct px_proto_field field;
        while (px_proto_next(&reader, &field))
            ;
        assert_true(reader.damaged);
        assert_false(px_proto_next(&reader, &field));
        free(copy);
    }
}

static void test_protobuf__takes_an_empty_message(void **state)
{
    (void)state;
    struct px_proto_reader reader = px_proto_reader_of((struct px_slice){0});
    struct px_proto_field field;
    assert_false(px_proto_next(&reader, &field));
    assert_false(reader.damaged);
}

static void write_sample(struct px_proto_writer *writer, struct px_slice long_text)
{
    px_proto_put_varint(writer, 1, 150);
    px_proto_set_varint(writer, 2, 0); /* left out */
    px_proto_set_text(writer, 3, "");  /* left out */
    px_proto_set_text(writer, 3, "abc");
    px_proto_set_double(writer, 9, 0.0); /* left out */
    px_proto_set_double(writer, 9, -2.5);
    size_t outer = px_proto_begin(writer, 4);
    px_proto_put_bytes(writer, 1, long_text);
    size_t inner = px_proto_begin(writer, 2);
    px_proto_end(writer, inner);
    px_proto_end(writer, outer);
    px_proto_put_head(writer, 5, 1000);
}

static void test_protobuf__writes_what_it_measured(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    struct px_slice long_text = px_slice_of(text, sizeof text);
    struct px_proto_writer measure = {0};
    write_sample(&measure, long_text);

    uint8_t *data = malloc(measure.size_bytes);
    struct px_proto_writer writer = {.data = data, .capacity_bytes = measure.size_bytes};
    write_sample(&writer, long_text);
    assert_true(px_proto_fits(&writer));
    assert_int_equal(writer.size_bytes, measure.size_bytes);
    assert_memory_equal(data,
                        "\x08\x96\x01\x1a\x03"
                        "abc\x49\0\0\0\0\0\0\x04\xc0\x22\xb1\x02\x0a\xac\x02xxx",
                        26);
    assert_memory_equal(data + measure.size_bytes - 7, "xx\x12\x00\x2a\xe8\x07", 7);

    /* One byte less: counted as before, and never written behind the end. */
    struct px_proto_writer tight = {.data = data, .capacity_bytes = measure.size_bytes - 1};
    write_sample(&tight, long_text);
    assert_false(px_proto_fits(&tight));
    assert_int_equal(tight.size_bytes, measure.size_bytes);
    free(data);
}

static void test_protobuf__reads_back_what_it_wrote(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("protobuf");
    for (int round = 0; round < 2000; round++) {
        uint8_t data[64];
        struct px_proto_writer writer = {.data = data, .capacity_bytes = sizeof data};
        uint32_t number = 1 + (uint32_t)px_test_below(&random, (1 << 29) - 1);
        uint64_t value = px_test_next(&random) >> px_test_below(&random, 64);
        struct px_slice bytes = px_slice_of("0123456789", px_test_below(&random, 11));
        px_proto_put_varint(&writer, number, value);
        px_proto_put_bytes(&writer, number, bytes);
        struct px_proto_reader reader = px_proto_reader_of(px_slice_of(data, writer.size_bytes));
        struct px_proto_field field;
        assert_true(px_proto_next(&reader, &field));
        assert_true(px_proto_is(&field, number, PX_PROTO_VARINT) && field.value == value);
        assert_true(px_proto_next(&reader, &field));
        assert_true(px_proto_is(&field, number, PX_PROTO_BYTES));
        assert_true(px_slice_equal(field.bytes, bytes));
        assert_false(px_proto_next(&reader, &field));
        assert_false(reader.damaged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protobuf__reads_every_wire_type),
        cmocka_unit_test(test_protobuf__passes_over_groups),
        cmocka_unit_test(test_protobuf__refuses_damage),
        cmocka_unit_test(test_protobuf__takes_an_empty_message),
        cmocka_unit_test(test_protobuf__writes_what_it_measured),
        cmocka_unit_test(test_protobuf__reads_back_what_it_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
