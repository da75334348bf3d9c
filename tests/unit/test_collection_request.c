/*
 * Goal: a spec means what its words say, and words that mean nothing are refused with those that do.
 * Method: specs written by the writer and value by value; every truncation and every flipped bit.
 */
#include "payload/collection_request.h"

#include "avro/encode.h"
#include "avro/schemas.h"
#include "payload/request_writer.h"
#include "support/payload_test.h"

/* A CollectionSpec datum as strings; `field` NULL: no filterable fields. */
struct spec {
    struct px_slice name;
    int32_t dimension;
    const char *metric;
    const char *index_type;
    const char *storage;
    const char *field;
    const char *field_type;
    const char *layout;
    const char *index_memory;
};

static struct spec valid_spec(void)
{
    return (struct spec){
        payload_test_slice("docs"), 384, "l2", "IVF", "exact", "price", "double", "plain", "fast"};
}

static void put_spec(struct px_buffer *buffer, const struct spec *spec, size_t field_count)
{
    px_encode_string(buffer, spec->name);
    px_encode_int(buffer, spec->dimension);
    px_encode_string(buffer, payload_test_slice(spec->metric));
    px_encode_string(buffer, payload_test_slice(spec->index_type));
    px_encode_string(buffer, payload_test_slice(spec->storage));
    px_encode_block(buffer, field_count);
    for (size_t i = 0; i < field_count; i++) {
        px_encode_string(buffer, payload_test_slice(spec->field));
        px_encode_string(buffer, payload_test_slice(spec->field_type));
    }
    px_encode_block_end(buffer, field_count);
    px_encode_boolean(buffer, true);
    px_encode_string(buffer, payload_test_slice(spec->layout));
    px_encode_string(buffer, payload_test_slice(spec->index_memory));
}

static int decode(const struct spec *spec, size_t field_count, struct px_arena *arena,
                  struct proximadb_collection_spec *ret_spec, struct proximadb_error *reterr)
{
    struct px_buffer datum = {0};
    put_spec(&datum, spec, field_count);
    int rc = px_collection_spec_decode(px_buffer_slice(&datum), arena, ret_spec, reterr);
    px_buffer_release(&datum); /* nothing may point into it */
    return rc;
}

static void test_collection_request__reads_a_spec(void **state)
{
    (void)state;
    struct px_arena arena = {0};
    struct proximadb_collection_spec got;
    struct spec spec = valid_spec();
    assert_int_equal(decode(&spec, 1, &arena, &got, NULL), PROXIMADB_OK);
    assert_int_equal(got.struct_size, sizeof got);
    assert_string_equal(got.name, "docs");
    assert_int_equal(got.dim_count, 384);
    assert_int_equal(got.metric, PROXIMADB_L2);
    assert_int_equal(got.index_type, PROXIMADB_IVF);
    assert_int_equal(got.index_memory, PROXIMADB_INDEX_FAST);
    assert_int_equal(got.storage, PROXIMADB_EXACT);
    assert_int_equal(got.layout, PROXIMADB_LAYOUT_PLAIN);
    assert_int_equal(got.filterable_count, 1);
    assert_string_equal(got.filterable[0].name, "price");
    assert_int_equal(got.filterable[0].type, PROXIMADB_FIELD_DOUBLE);
    assert_true(got.exist_ok);
    px_arena_release(&arena);
}

static void test_collection_request__empty_words_mean_defaults(void **state)
{
    (void)state;
    struct px_arena arena = {0};
    struct proximadb_collection_spec got;
    struct spec spec = {payload_test_slice("docs"), 1, "", "", "", NULL, NULL, "", ""};
    assert_int_equal(decode(&spec, 0, &arena, &got, NULL), PROXIMADB_OK);
    assert_int_equal(got.metric, PROXIMADB_COSINE);
    assert_int_equal(got.index_type, PROXIMADB_HNSW);
    assert_int_equal(got.storage, PROXIMADB_BALANCED);
    assert_int_equal(got.layout, PROXIMADB_LAYOUT_DEFAULT);
    assert_int_equal(got.filterable_count, 0);
    px_arena_release(&arena);
}

static void check_refused(const struct spec *spec, size_t field_count, const char *message)
{
    struct px_arena arena = {0};
    struct proximadb_collection_spec got;
    struct proximadb_error error;
    assert_int_equal(decode(spec, field_count, &arena, &got, &error), PROXIMADB_INVALID);
    payload_test_says(&error, message);
    px_arena_release(&arena);
}

static void test_collection_request__refuses_what_means_nothing(void **state)
{
    (void)state;
    struct spec spec = valid_spec();
    spec.metric = "hamming";
    check_refused(&spec, 0, "metric is 'hamming'; there are cosine, l2 and dot");
    spec = valid_spec();
    spec.index_memory = "thick";
    check_refused(&spec, 0, "index_memory is 'thick'; there are lean and fast");
    spec = valid_spec();
    spec.index_type = "DISKANN";
    check_refused(&spec, 0, "index_type is 'DISKANN'; there are HNSW, IVF and FLAT");
    spec = valid_spec();
    spec.storage = "\xff";
    check_refused(&spec, 0, "storage is 'not valid UTF-8'; there are exact, balanced and compact");
    spec = valid_spec();
    spec.layout = "flat";
    check_refused(&spec, 0, "layout is 'flat'; there are compressed and plain");
    spec = valid_spec();
    spec.field_type = "";
    check_refused(&spec, 1, "the type of a filterable field is ''");
    spec = valid_spec();
    spec.name = px_slice_of("a\0b", 3);
    check_refused(&spec, 0, "the name of the collection is not valid UTF-8, or has a NUL");
    spec = valid_spec();
    spec.field = "\xc3";
    check_refused(&spec, 1, "the name of a filterable field is not valid UTF-8");
    spec = valid_spec();
    spec.dimension = 0;
    check_refused(&spec, 0, "dimension is 0; it may be 1 to 65536");
    spec.dimension = -5;
    check_refused(&spec, 0, "dimension is -5");
    spec.dimension = 65537;
    check_refused(&spec, 0, "dimension is 65537");
    spec = valid_spec();
    check_refused(&spec, 65, "more than 64 filterable fields");
}

static struct px_slice datum_of(const struct px_buffer *payload, enum px_schema schema)
{
    struct px_slice datum;
    assert_int_equal(px_payload_expect(px_buffer_slice(payload), schema, &datum, NULL),
                     PROXIMADB_OK);
    return datum;
}

static const struct proximadb_filterable fields[] = {
    {"a", PROXIMADB_FIELD_STRING},
    {"b", PROXIMADB_FIELD_LONG},
    {"c", PROXIMADB_FIELD_STRING_ARRAY},
};

static void test_collection_request__reads_a_change(void **state)
{
    (void)state;
    struct px_buffer payload = {0};
    struct px_arena arena = {0};
    struct px_collection_change change;
    assert_int_equal(px_request_write_change(&payload, fields, 3, NULL), PROXIMADB_OK);
    assert_int_equal(px_collection_change_decode(datum_of(&payload, PX_SCHEMA_COLLECTION_CHANGE),
                                                 &arena, &change, NULL),
                     PROXIMADB_OK);
    assert_int_equal(change.filterable_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(change.filterable[i].name, fields[i].name);
        assert_int_equal(change.filterable[i].type, fields[i].type);
    }
    px_arena_release(&arena);
    px_buffer_release(&payload);
}

static void test_collection_request__every_enum_value_reads_back(void **state)
{
    (void)state;
    for (int value = 0; value < 3; value++) {
        const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                       .name = "docs",
                                                       .dim_count = 65536,
                                                       .metric = value,
                                                       .index_type = 2 - value,
                                                       .storage = value,
                                                       .filterable = fields,
                                                       .filterable_count = 3,
                                                       .exist_ok = value == 1,
                                                       .layout = value,
                                                       .index_memory = value % 2};
        struct px_buffer payload = {0};
        struct px_arena arena = {0};
        struct proximadb_collection_spec got;
        assert_int_equal(px_request_write_collection(&payload, &spec, NULL), PROXIMADB_OK);
        assert_int_equal(px_collection_spec_decode(datum_of(&payload, PX_SCHEMA_COLLECTION_SPEC),
                                                   &arena, &got, NULL),
                         PROXIMADB_OK);
        assert_int_equal(got.dim_count, 65536);
        assert_int_equal(got.metric, value);
        assert_int_equal(got.index_type, 2 - value);
        assert_int_equal(got.storage, value);
        assert_int_equal(got.layout, value);
        assert_int_equal(got.index_memory, value % 2);
        assert_int_equal(got.filterable_count, 3);
        assert_int_equal(got.exist_ok, value == 1);
        px_arena_release(&arena);
        px_buffer_release(&payload);
    }
}

static void test_collection_request__refuses_what_follows(void **state)
{
    (void)state;
    struct px_buffer datum = {0};
    struct px_arena arena = {0};
    struct proximadb_collection_spec got;
    struct px_collection_change change;
    struct proximadb_error error;
    struct spec spec = valid_spec();
    put_spec(&datum, &spec, 0);
    px_buffer_append_byte(&datum, 0);
    assert_int_equal(px_collection_spec_decode(px_buffer_slice(&datum), &arena, &got, &error),
                     PROXIMADB_INVALID);
    payload_test_says(&error, "not a valid CollectionSpec: bytes follow its end");
    assert_int_equal(px_collection_change_decode(px_slice_of("\0\0", 2), &arena, &change, &error),
                     PROXIMADB_INVALID);
    payload_test_says(&error, "not a valid CollectionChange: bytes follow its end");
    px_arena_release(&arena);
    px_buffer_release(&datum);
}

static void decode_damaged(void *context, struct px_slice datum)
{
    (void)context;
    struct px_arena arena = {0};
    struct proximadb_collection_spec spec;
    struct px_collection_change change;
    int rc = px_collection_spec_decode(datum, &arena, &spec, NULL);
    assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_INVALID);
    rc = px_collection_change_decode(datum, &arena, &change, NULL);
    assert_true(rc == PROXIMADB_OK || rc == PROXIMADB_INVALID);
    px_arena_release(&arena);
}

static void test_collection_request__survives_damage(void **state)
{
    (void)state;
    struct px_buffer payload = {0};
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = "docs",
                                                   .dim_count = 384,
                                                   .filterable = fields,
                                                   .filterable_count = 3};
    assert_int_equal(px_request_write_collection(&payload, &spec, NULL), PROXIMADB_OK);
    payload_test_damage(datum_of(&payload, PX_SCHEMA_COLLECTION_SPEC), decode_damaged, NULL);
    px_buffer_clear(&payload);
    assert_int_equal(px_request_write_change(&payload, fields, 3, NULL), PROXIMADB_OK);
    payload_test_damage(datum_of(&payload, PX_SCHEMA_COLLECTION_CHANGE), decode_damaged, NULL);
    px_buffer_release(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collection_request__reads_a_spec),
        cmocka_unit_test(test_collection_request__empty_words_mean_defaults),
        cmocka_unit_test(test_collection_request__refuses_what_means_nothing),
        cmocka_unit_test(test_collection_request__reads_a_change),
        cmocka_unit_test(test_collection_request__every_enum_value_reads_back),
        cmocka_unit_test(test_collection_request__refuses_what_follows),
        cmocka_unit_test(test_collection_request__survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
