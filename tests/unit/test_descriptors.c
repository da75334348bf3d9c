/*
 * Goal: files and symbols of the embedded descriptor set are found by every kind of name, and only
 * by whole names; imports are followed.
 * Method: the real set; and a small one by hand, where files import each other.
 */
#include "rpc/descriptors.h"

#include "codec/protobuf.h"
#include "support/px_test.h"

static struct px_descriptors descriptors;

static void load(void)
{
    assert_int_equal(px_descriptors_init(&descriptors, px_descriptors_embedded(), NULL),
                     PROXIMADB_OK);
}

static void expect(const char *symbol, const char *file)
{
    const struct px_descriptor_file *found =
        px_descriptors_find_symbol(&descriptors, px_slice_of_string(symbol));
    if ((found == NULL) != (file == NULL) ||
        (found != NULL && !px_slice_equal(found->name, px_slice_of_string(file))))
        fail_msg("'%s' was looked for in vain, or found", symbol);
}

static void test_descriptors__find_symbols(void **state)
{
    (void)state;
    const char *file = "proximadb/v1/proximadb.proto";
    load();
    expect("proximadb.v1.ProximaDB", file);
    expect("proximadb.v1.ProximaDB.VectorSearch", file);
    expect("proximadb.v1.VectorSearchRequest", file);
    expect("proximadb.v1.VectorSearchRequest.collection", file);
    expect("proximadb.v1.InsertMode", file);
    expect("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto");
    expect("grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto");
    expect("grpc.reflection.v1alpha.ServerReflection", "grpc/reflection/v1alpha/reflection.proto");
    expect("grpc.reflection.v1.ServerReflectionRequest.message_request",
           "grpc/reflection/v1/reflection.proto");
}

static void test_descriptors__find_whole_names_only(void **state)
{
    (void)state;
    load();
    const char *wrong[] = {"",
                           ".",
                           "proximadb",
                           "proximadb.v1",
                           "proximadb.v1.",
                           "proximadb.v1.Proxima",
                           "proximadb.v1.ProximaDBx",
                           "proximadb.v1.ProximaDB.",
                           "proximadb.v1.ProximaDB.Nothing",
                           "proximadb.v1.ProximaDB.VectorSearch.x",
                           "proximadb.v1..ProximaDB",
                           "xproximadb.v1.ProximaDB",
                           "proximadb_v1.ProximaDB",
                           "ProximaDB"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect(wrong[i], NULL);
}

static void test_descriptors__find_files(void **state)
{
    (void)state;
    load();
    assert_non_null(
        px_descriptors_find_file(&descriptors, px_slice_of_string("proximadb/v1/proximadb.proto")));
    assert_null(px_descriptors_find_file(&descriptors, px_slice_of_string("proximadb.proto")));
}

struct list {
    char text[400];
};

static void append(void *context, struct px_slice package, struct px_slice name)
{
    struct list *list = context;
    size_t size = strlen(list->text);
    snprintf(list->text + size, sizeof list->text - size, "%.*s.%.*s ", (int)package.size_bytes,
             (const char *)package.data, (int)name.size_bytes, (const char *)name.data);
}

static void test_descriptors__list_services(void **state)
{
    (void)state;
    struct list list = {""};
    load();
    px_descriptors_each_service(&descriptors, append, &list);
    assert_non_null(strstr(list.text, "proximadb.v1.ProximaDB "));
    assert_non_null(strstr(list.text, "grpc.health.v1.Health "));
    assert_non_null(strstr(list.text, "grpc.reflection.v1.ServerReflection "));
    assert_non_null(strstr(list.text, "grpc.reflection.v1alpha.ServerReflection "));
}

static void put_file(struct px_proto_writer *writer, const char *name, const char *import)
{
    size_t mark = px_proto_begin(writer, 1);
    px_proto_set_text(writer, 1, name);
    px_proto_set_text(writer, 3, import);
    px_proto_end(writer, mark);
}

static void test_descriptors__follow_imports(void **state)
{
    (void)state;
    uint8_t bytes[200];
    struct px_proto_writer writer = {.data = bytes, .capacity_bytes = sizeof bytes};
    put_file(&writer, "a", "b");
    put_file(&writer, "b", "c");
    put_file(&writer, "c", "a"); /* protoc would not have it; nor do we loop */
    put_file(&writer, "d", "missing");
    assert_int_equal(px_descriptors_init(&descriptors, px_slice_of(bytes, writer.size_bytes), NULL),
                     PROXIMADB_OK);
    assert_int_equal(px_descriptors_with_imports(&descriptors, &descriptors.files[1]), 7);
    assert_int_equal(px_descriptors_with_imports(&descriptors, &descriptors.files[3]), 8);
}

static void test_descriptors__refuse_what_is_no_set(void **state)
{
    (void)state;
    uint8_t bytes[200];
    struct px_proto_writer writer = {.data = bytes, .capacity_bytes = sizeof bytes};
    assert_int_equal(px_descriptors_init(&descriptors, px_slice_of("\x0a\x7f", 2), NULL),
                     PROXIMADB_INTERNAL);
    for (int i = 0; i <= PX_DESCRIPTOR_FILES_LIMIT; i++)
        put_file(&writer, "a", "");
    assert_int_equal(px_descriptors_init(&descriptors, px_slice_of(bytes, writer.size_bytes), NULL),
                     PROXIMADB_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors__find_symbols),
        cmocka_unit_test(test_descriptors__find_whole_names_only),
        cmocka_unit_test(test_descriptors__find_files),
        cmocka_unit_test(test_descriptors__list_services),
        cmocka_unit_test(test_descriptors__follow_imports),
        cmocka_unit_test(test_descriptors__refuse_what_is_no_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
