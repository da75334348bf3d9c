/*
 * Goal: every line is JSON and together they tell what the file is. Method: the lines of a file of
 * sample rows, parsed and held against its layout; a small file, line by line.
 */
#include "parquet/parquet_describe.h"

#include "codec/json.h"
#include "support/parquet_test.h"

static void test_parquet_describe__is_a_json_object_a_line(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("parquet_describe");
    for (int round = 0; round < 30; round++) {
        char names[PARQUET_TEST_MOST_COLUMNS][8];
        struct px_parquet_column columns[PARQUET_TEST_MOST_COLUMNS];
        size_t count = parquet_test_random_columns(&random, 3, names, columns);
        struct parquet_test_file file =
            parquet_test_write("parquet_describe", columns, count, px_test_next(&random), 90, 40);
        struct px_parquet_reader *reader = parquet_test_open(&file);
        const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
        struct px_buffer text = {0};
        size_t pages = 0, lines = 0;
        for (size_t i = 0; i < count; i++)
            pages += layout->page_lists[i].count;
        px_parquet_describe(reader, round % 2 == 0, &text);
        const char *at = (const char *)text.data, *end = at + text.size_bytes;
        for (; at < end; lines++) {
            const char *newline = memchr(at, '\n', (size_t)(end - at));
            yyjson_doc *doc = NULL;
            struct px_slice kind;
            assert_non_null(newline);
            assert_int_equal(px_json_parse(px_slice_of(at, (size_t)(newline - at)), &doc, NULL),
                             PROXIMADB_OK);
            assert_true(px_json_get_string(yyjson_doc_get_root(doc), "kind", &kind));
            yyjson_doc_free(doc);
            at = newline + 1;
        }
        size_t groups = layout->row_group_count;
        assert_int_equal(lines, 1 + layout->key_value_count + count + groups + groups * count +
                                    (round % 2 == 0 ? pages : 0));
        px_buffer_release(&text);
        px_parquet_reader_close(reader);
        parquet_test_release(&file);
    }
}

static const char *find_line(const struct px_buffer *text, const char *part)
{
    const char *found = strstr((const char *)text->data, part);
    if (found == NULL)
        fail_msg("'%s' is not in:\n%s", part, (const char *)text->data);
    return found;
}

static void test_parquet_describe__tells_what_is_there(void **state)
{
    (void)state;
    static const struct px_parquet_column columns[] = {
        {.name = "name",
         .type = PX_PARQUET_BYTE_ARRAY,
         .logical = PX_PARQUET_STRING,
         .field_id = 1,
         .has_statistics = true,
         .has_bloom_filter = true},
        {.name = "blob", .type = PX_PARQUET_BYTE_ARRAY, .field_id = 2, .has_statistics = true},
        {.name = "price",
         .shape = PX_PARQUET_OPTIONAL,
         .type = PX_PARQUET_DOUBLE,
         .zstd_level = 1,
         .has_statistics = true},
        {.name = "vector",
         .shape = PX_PARQUET_VECTOR,
         .type = PX_PARQUET_FLOAT,
         .dim_count = 2,
         .field_id = 3,
         .element_field_id = 4},
    };
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    const float vectors[] = {1, 2, 3, 4};
    int fd = parquet_test_create("parquet_describe");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, columns, 4, &writer, &error),
                       &error);
    px_parquet_append_bytes(writer, 0, px_slice_of_string("a\"b"));
    px_parquet_append_bytes(writer, 0, px_slice_of_string("zz"));
    px_parquet_append_bytes(writer, 1, px_slice_of("\xff\x00", 2));
    px_parquet_append_bytes(writer, 1, px_slice_of("\x00", 1));
    px_parquet_append_double(writer, 2, 1.5);
    px_parquet_append_null(writer, 2);
    px_parquet_append_vectors(writer, 3, vectors, 2);
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_buffer text = {0};
    px_parquet_describe(reader, true, &text);
    px_buffer_append_byte(&text, '\0');
    find_line(&text, "\"row_count\":2,\"row_group_count\":1,\"column_count\":4,\"created_by\":"
                     "\"proximadb version ");
    find_line(&text, "{\"kind\":\"key_value\",\"key\":\"ARROW:schema\"");
    find_line(&text, "{\"kind\":\"column\",\"column\":0,\"name\":\"name\",\"shape\":\"required\","
                     "\"type\":\"BYTE_ARRAY\",\"logical\":\"STRING\",\"field_id\":1}\n");
    find_line(&text, "\"field_id\":3,\"element_field_id\":4,\"dim_count\":2}\n");
    find_line(&text, "\"min\":\"a\\\"b\",\"max\":\"zz\",\"min_is_exact\":true");
    find_line(&text, "\"min\":\"AA==\",\"max\":\"/wA=\"");
    find_line(&text, "\"codec\":\"ZSTD\"");
    find_line(&text, "\"value_count\":4,\"null_count\":0,");
    find_line(&text, "\"null_count\":1,\"page_count\":1,\"bloom_filter_bytes\":0,\"min\":1.5");
    find_line(&text, "{\"kind\":\"page\",\"row_group\":0,\"column\":\"vector\",\"page\":0,"
                     "\"offset\":4,");
    px_buffer_release(&text);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

/* 200 rows of 2 values, the last 100 of 20: pages of 1 and of 5 bits. */
static void test_parquet_describe__tells_how_vectors_are_written(void **state)
{
    (void)state;
    enum { DIMS = 384, ROWS = 200 };
    static const struct px_parquet_column column = {.name = "vector",
                                                    .shape = PX_PARQUET_VECTOR,
                                                    .type = PX_PARQUET_FLOAT,
                                                    .dim_count = DIMS,
                                                    .vector_encoding =
                                                        PX_PARQUET_VECTOR_DICTIONARY};
    struct proximadb_error error;
    struct px_parquet_writer *writer = NULL;
    struct px_parquet_written written;
    float vector[DIMS];
    int fd = parquet_test_create("parquet_describe");
    parquet_test_check(px_parquet_writer_open(&px_fs_posix, fd, &column, 1, &writer, &error),
                       &error);
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < DIMS; i++)
            vector[i] = (float)(row < ROWS / 2 ? i % 2 : i % 20);
        px_parquet_append_vectors(writer, 0, vector, 1);
    }
    parquet_test_check(px_parquet_writer_finish(writer, NULL, 0, &written, &error), &error);
    px_parquet_writer_free(writer);
    struct parquet_test_file file = parquet_test_load(fd, &written);
    struct px_parquet_reader *reader = parquet_test_open(&file);
    struct px_buffer text = {0};
    file.bytes[px_parquet_reader_layout(reader)->page_lists[0].pages[1].offset + 100] ^= 1;
    px_parquet_describe(reader, true, &text);
    px_buffer_append_byte(&text, '\0');
    find_line(&text, "\"encoding\":\"DICTIONARY\",\"dictionary_count\":20}\n");
    find_line(&text, "\"first_row\":0,\"row_count\":64,\"bit_width\":1}\n");
    find_line(&text, "\"bit_width\":null}\n"); /* the page that was damaged */
    find_line(&text, "\"first_row\":100,\"row_count\":64,\"bit_width\":5}\n");
    px_buffer_release(&text);
    px_parquet_reader_close(reader);
    parquet_test_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_describe__is_a_json_object_a_line),
        cmocka_unit_test(test_parquet_describe__tells_what_is_there),
        cmocka_unit_test(test_parquet_describe__tells_how_vectors_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
