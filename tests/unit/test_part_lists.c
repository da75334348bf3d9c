/*
 * Goal: the lists of a part read back as they were written, and no text is believed that does not
 * cover its rows exactly.
 * Method: a part written with lists and one without; made-up texts.
 */
#include "viper/part_lists.h"

#include "support/records.h"
#include "viper/part_writer.h"

enum { DIMS = 8 };

static struct px_part *write_part(const char *folder, const struct px_collection *collection,
                                  const uint32_t *row_counts, size_t list_count)
{
    struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = "part_001.parquet", .cluster = 3};
    struct px_part_writer *writer;
    struct px_manifest_file file;
    struct px_part *part;
    uint64_t number = 0;
    assert_int_equal(px_part_writer_open(&target, collection, &writer, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < list_count; i++) {
        px_part_writer_begin_list(writer, (uint32_t)(10 * (i + 1)));
        for (uint32_t row = 0; row < row_counts[i]; row++) {
            struct made_record *made = records_make(number++, DIMS);
            px_part_writer_add(writer, &made->record);
            records_release(made);
        }
    }
    if (list_count == 0) {
        struct made_record *made = records_make(number, DIMS);
        px_part_writer_add(writer, &made->record);
        records_release(made);
    }
    assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
    assert_int_equal(px_part_open(&px_fs_posix, folder, &file, collection, &part, NULL),
                     PROXIMADB_OK);
    return part;
}

static void test_part_lists__are_read_as_written(void **state)
{
    (void)state;
    static const uint32_t row_counts[] = {300, 1, 0, 77};
    struct px_collection collection = records_collection("docs", DIMS);
    struct px_part *part = write_part(px_test_folder("part_lists"), &collection, row_counts, 4);
    struct px_part_lists lists;
    assert_int_equal(px_part_lists_read(part, &lists, NULL), PROXIMADB_OK);
    assert_int_equal(lists.count, 3); /* the empty one is left out */
    static const struct px_part_list expected[] = {{10, 0, 300}, {20, 300, 1}, {40, 301, 77}};
    assert_memory_equal(lists.items, expected, sizeof expected);
    px_part_lists_release(&lists);
    px_part_close(part);
}

static void test_part_lists__may_be_missing(void **state)
{
    (void)state;
    struct px_collection collection = records_collection("docs", DIMS);
    struct px_part *part = write_part(px_test_folder("part_lists"), &collection, NULL, 0);
    struct px_part_lists lists = {.count = 9};
    assert_int_equal(px_part_lists_read(part, &lists, NULL), PROXIMADB_OK);
    assert_int_equal(lists.count, 0);
    px_part_lists_release(&lists);
    px_part_close(part);
}

static void test_part_lists__must_cover_the_rows(void **state)
{
    (void)state;
    static const char *const right[] = {"1:10", "7:4,3:6", "4294967295:9,2:1"};
    static const char *const wrong[] = {"",
                                        "1",
                                        "1:",
                                        "1:9",
                                        "1:11",
                                        "0:10",
                                        "1:10,",
                                        "1:4,2:0,3:6",
                                        ",1:10",
                                        "1:5,2:6",
                                        "1:10 ",
                                        "-1:10",
                                        "1:10;",
                                        "1:4294967306",
                                        "4294967297:10",
                                        "1:5,2:4294967301",
                                        "a:10",
                                        "1:5,,2:5"};
    struct px_part_lists lists;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(px_part_lists_parse(px_slice_of_string(right[i]), 10, &lists, NULL),
                         PROXIMADB_OK);
        px_part_lists_release(&lists);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (px_part_lists_parse(px_slice_of_string(wrong[i]), 10, &lists, NULL) !=
            PROXIMADB_CORRUPT)
            fail_msg("'%s' is believed", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_lists__are_read_as_written),
        cmocka_unit_test(test_part_lists__may_be_missing),
        cmocka_unit_test(test_part_lists__must_cover_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
