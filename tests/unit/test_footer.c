/*
 * Goal: the footer of a file says what was written, any byte of it that changes is noticed, and
 * footers that lie about the file or are of another kind are refused.
 * Method: footers of files of sample rows; every byte flipped; layouts with one thing wrong each,
 * encoded anew with a right checksum.
 */
#define _GNU_SOURCE /* memmem */
#include "parquet/footer_internal.h"

#include "support/parquet_test.h"

static const struct px_parquet_column columns[] = {
    {.name = "id",
     .type = PX_PARQUET_BYTE_ARRAY,
     .logical = PX_PARQUET_STRING,
     .field_id = 1,
     .has_statistics = true,
     .has_bloom_filter = true},
    {.name = "v", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT, .dim_count = 3},
    {.name = "n", .shape = PX_PARQUET_OPTIONAL, .type = PX_PARQUET_INT64, .zstd_level = 1},
};

enum { COLUMN_COUNT = 3, ROW_COUNT = 20, GROUP_ROWS = 8 };

static struct parquet_test_file file;

static int write_file(void **state)
{
    (void)state;
    file = parquet_test_write("footer", columns, COLUMN_COUNT, 5, ROW_COUNT, GROUP_ROWS);
    return 0;
}

static int release_file(void **state)
{
    (void)state;
    parquet_test_release(&file);
    return 0;
}

static void test_footer__says_what_was_written(void **state)
{
    (void)state;
    struct px_arena arena = {0};
    struct px_parquet_layout layout;
    struct proximadb_error error;
    parquet_test_check(px_footer__parse(parquet_test_slice(&file), &arena, &layout, &error),
                       &error);
    assert_int_equal(layout.row_count, ROW_COUNT);
    assert_int_equal(layout.row_group_count, 3);
    assert_int_equal(layout.row_groups[2].first_row, 16);
    assert_int_equal(layout.row_groups[2].row_count, 4);
    assert_int_equal(layout.column_count, COLUMN_COUNT);
    assert_int_equal(layout.columns[1].dim_count, 3);
    assert_true(px_footer__is_ours(layout.created_by));
    const struct px_parquet_chunk *chunks = layout.row_groups[1].chunks;
    assert_int_equal(chunks[0].codec, PX_PARQUET_UNCOMPRESSED);
    assert_int_equal(chunks[0].value_count, GROUP_ROWS);
    assert_int_equal(chunks[0].statistics.null_count, 0);
    assert_true(chunks[0].statistics.has_bounds);
    assert_true(chunks[0].bloom_filter.size_bytes > 32);
    assert_int_equal(chunks[1].value_count, 3 * GROUP_ROWS);
    assert_int_equal(chunks[2].codec, PX_PARQUET_ZSTD);
    assert_false(chunks[2].statistics.has_bounds);
    assert_int_equal(chunks[2].bloom_filter.size_bytes, 0);
    px_arena_release(&arena);
}

static void test_footer__begins_its_first_row_group_behind_the_magic(void **state)
{
    (void)state; /* which readers in Java take for granted */
    struct px_arena arena = {0};
    struct px_parquet_layout layout;
    assert_int_equal(px_footer__parse(parquet_test_slice(&file), &arena, &layout, NULL),
                     PROXIMADB_OK);
    assert_int_equal(layout.row_groups[0].chunks[1].pages.offset, 4);
    px_arena_release(&arena);
}

/* From where on the footer's checksum counts: the first page index. */
static size_t tail_offset(void)
{
    struct px_arena arena = {0};
    struct px_parquet_layout layout;
    assert_int_equal(px_footer__parse(parquet_test_slice(&file), &arena, &layout, NULL),
                     PROXIMADB_OK);
    size_t offset = (size_t)layout.row_groups[0].chunks[0].column_index.offset;
    px_arena_release(&arena);
    return offset;
}

static void test_footer__notices_every_changed_byte(void **state)
{
    (void)state;
    size_t begin = tail_offset();
    assert_true(begin > 100 && begin < file.size_bytes - 100);
    for (size_t at = begin; at < file.size_bytes; at++) {
        uint8_t *copy = parquet_test_copy(file.bytes, file.size_bytes);
        struct px_arena arena = {0};
        struct px_parquet_layout layout;
        copy[at] ^= 0x10;
        int rc = px_footer__parse(px_slice_of(copy, file.size_bytes), &arena, &layout, NULL);
        if (rc == PROXIMADB_OK)
            fail_msg("byte %zu of %zu changed unnoticed", at, file.size_bytes);
        px_arena_release(&arena);
        free(copy);
    }
}

static void test_footer__notices_every_truncation(void **state)
{
    (void)state;
    for (size_t size = 0; size < file.size_bytes; size++) {
        struct px_arena arena = {0};
        struct px_parquet_layout layout;
        struct proximadb_error error;
        uint8_t *copy = parquet_test_copy(file.bytes, size);
        assert_int_equal(px_footer__parse(px_slice_of(copy, size), &arena, &layout, &error),
                         PROXIMADB_CORRUPT);
        px_arena_release(&arena);
        free(copy);
    }
}

/* A footer alone, behind a magic and a few bytes that stand for pages. */
enum { BODY_BYTES = 1000 };

struct made {
    struct px_parquet_column columns[2];
    struct px_parquet_chunk chunks[2];
    struct px_parquet_row_group group;
    struct px_parquet_layout layout;
};

static void make(struct made *made)
{
    *made = (struct made){
        .columns = {{.name = "a", .type = PX_PARQUET_INT32},
                    {.name = "v", .shape = PX_PARQUET_VECTOR, .type = PX_PARQUET_FLOAT}},
        .chunks = {{.value_count = 10,
                    .pages = {.offset = 4, .size_bytes = 100},
                    .offset_index = {.offset = 500, .size_bytes = 10},
                    .page_count = 1},
                   {.value_count = 30,
                    .pages = {.offset = 104, .size_bytes = 100},
                    .offset_index = {.offset = 510, .size_bytes = 10},
                    .page_count = 1}},
        .group = {.row_count = 10},
    };
    made->group.chunks = made->chunks;
    made->layout = (struct px_parquet_layout){
        .row_count = 10,
        .created_by = px_slice_of_string("somebody version 1"),
        .columns = made->columns,
        .column_count = 2,
        .row_groups = &made->group,
        .row_group_count = 1,
    };
}

static int parse_made(const struct made *made, struct proximadb_error *error)
{
    struct px_buffer bytes = {0}, footer = {0};
    struct px_arena arena = {0};
    struct px_parquet_layout layout;
    px_footer__encode(&made->layout, BODY_BYTES, &footer);
    px_buffer_append(&bytes, "PAR1", 4);
    px_buffer_append_zeros(&bytes, BODY_BYTES - 4);
    px_buffer_append_slice(&bytes, px_buffer_slice(&footer));
    int rc = px_footer__parse(px_buffer_slice(&bytes), &arena, &layout, error);
    px_arena_release(&arena);
    px_buffer_release(&bytes);
    px_buffer_release(&footer);
    return rc;
}

static void check_refused(const struct made *made, int status, const char *part)
{
    struct proximadb_error error;
    assert_int_equal(parse_made(made, &error), status);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_footer__refuses_ranges_outside_of_the_file(void **state)
{
    (void)state;
    struct made made;
    make(&made);
    assert_int_equal(parse_made(&made, NULL), PROXIMADB_OK);
    made.chunks[0].pages.offset = 3; /* the magic */
    check_refused(&made, PROXIMADB_CORRUPT, "column 'a'");
    made.chunks[0].pages = (struct px_parquet_range){BODY_BYTES - 50, 51};
    check_refused(&made, PROXIMADB_CORRUPT, "outside of the file");
    made.chunks[0].pages = (struct px_parquet_range){BODY_BYTES - 50, INT64_MAX};
    check_refused(&made, PROXIMADB_CORRUPT, "outside of the file");
    make(&made);
    made.chunks[0].offset_index.offset = BODY_BYTES;
    check_refused(&made, PROXIMADB_CORRUPT, "outside of the file");
    make(&made);
    made.chunks[0].column_index = (struct px_parquet_range){BODY_BYTES, 1};
    check_refused(&made, PROXIMADB_CORRUPT, "outside of the file");
    make(&made);
    made.chunks[0].bloom_filter = (struct px_parquet_range){BODY_BYTES - 1, 2};
    check_refused(&made, PROXIMADB_CORRUPT, "outside of the file");
}

static void test_footer__refuses_chunks_that_share_bytes(void **state)
{
    (void)state;
    struct made made;
    make(&made);
    made.chunks[0].pages = (struct px_parquet_range){4, 500};
    made.chunks[1].pages = (struct px_parquet_range){4, 476};
    assert_int_equal(parse_made(&made, NULL), PROXIMADB_OK); /* as much as there is, with indexes */
    made.chunks[1].pages.size_bytes = 481;
    check_refused(&made, PROXIMADB_CORRUPT, "chunks share parts of the file");
}

static void test_footer__refuses_counts_that_do_not_agree(void **state)
{
    (void)state;
    struct made made;
    make(&made);
    made.chunks[0].value_count = 11;
    check_refused(&made, PROXIMADB_CORRUPT, "a value for each row");
    make(&made);
    made.layout.row_count = 11;
    check_refused(&made, PROXIMADB_CORRUPT, "it says 11 rows, its row groups have 10");
    make(&made);
    made.chunks[1].value_count = 31; /* lists of different lengths */
    check_refused(&made, PROXIMADB_UNIMPLEMENTED, "column 'v'");
    made.chunks[1].value_count = 0;
    check_refused(&made, PROXIMADB_UNIMPLEMENTED, "column 'v'");
    made.chunks[1].value_count = 10 * (PX_PARQUET_MOST_DIMS + 1);
    check_refused(&made, PROXIMADB_UNIMPLEMENTED, "column 'v'");
}

static void test_footer__refuses_impossible_bounds(void **state)
{
    (void)state;
    struct made made;
    make(&made);
    made.chunks[0].statistics = (struct px_parquet_statistics){
        .has_bounds = true, .min = px_slice_of("abcd", 4), .max = px_slice_of("abc", 3)};
    check_refused(&made, PROXIMADB_CORRUPT, "impossible bounds");
}

static void test_footer__refuses_dictionaries_that_are_not_where_they_should_be(void **state)
{
    (void)state;
    struct made made;
    make(&made);
    made.chunks[1].encoding = PX_PARQUET_VECTOR_DICTIONARY;
    made.chunks[1].dictionary_bytes = 10;
    assert_int_equal(parse_made(&made, NULL), PROXIMADB_OK);
    made.chunks[1].dictionary_bytes = 101; /* more than the chunk has */
    check_refused(&made, PROXIMADB_CORRUPT, "column 'v': a dictionary is not where it should be");
    make(&made);
    made.chunks[0].dictionary_bytes = 10;
    check_refused(&made, PROXIMADB_UNIMPLEMENTED, "column 'a' cannot be read: it has a dictionary");
}

static void test_footer__refuses_codecs_and_missing_indexes(void **state)
{
    (void)state;
    struct made made;
    make(&made);
    made.chunks[0].codec = (enum px_parquet_codec)1;
    check_refused(&made, PROXIMADB_UNIMPLEMENTED,
                  "column 'a' cannot be read: it is compressed "
                  "with SNAPPY");
    make(&made);
    made.chunks[1].codec = PX_PARQUET_ZSTD;
    assert_int_equal(parse_made(&made, NULL), PROXIMADB_OK);
    made.chunks[1].codec = (enum px_parquet_codec)2;
    check_refused(&made, PROXIMADB_UNIMPLEMENTED, "column 'v'");
    make(&made);
    made.chunks[1].offset_index.size_bytes = 0;
    check_refused(&made, PROXIMADB_UNIMPLEMENTED, "offset index");
}

static void test_footer__refuses_what_is_no_text(void **state)
{
    (void)state;
    struct made made;
    struct px_parquet_key_value key_value = {.key = px_slice_of_string("k"),
                                             .value = px_slice_of_string("\xff")};
    make(&made);
    made.layout.key_values = &key_value;
    made.layout.key_value_count = 1;
    check_refused(&made, PROXIMADB_CORRUPT, "not UTF-8");
}

static void test_footer__demands_a_checksum_of_our_own_files(void **state)
{
    (void)state;
    /* The mark made unknown: of a file of ours that is damage, of another's an unknown extension.
     * */
    uint8_t *copy = parquet_test_copy(file.bytes, file.size_bytes);
    uint8_t *mark = memmem(copy, file.size_bytes, "proximadb:crc32c", 16);
    struct px_arena arena = {0};
    struct px_parquet_layout layout;
    struct proximadb_error error;
    assert_non_null(mark);
    mark[0] = 'q';
    struct px_slice bytes = px_slice_of(copy, file.size_bytes);
    assert_int_equal(px_footer__parse(bytes, &arena, &layout, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "no checksum"));
    uint8_t *name = memmem(copy, file.size_bytes, PX_PARQUET_APPLICATION, 10);
    assert_non_null(name);
    name[0] = 'q';
    assert_int_equal(px_footer__parse(bytes, &arena, &layout, &error), PROXIMADB_OK);
    px_arena_release(&arena);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_footer__says_what_was_written),
        cmocka_unit_test(test_footer__begins_its_first_row_group_behind_the_magic),
        cmocka_unit_test(test_footer__notices_every_changed_byte),
        cmocka_unit_test(test_footer__notices_every_truncation),
        cmocka_unit_test(test_footer__refuses_ranges_outside_of_the_file),
        cmocka_unit_test(test_footer__refuses_chunks_that_share_bytes),
        cmocka_unit_test(test_footer__refuses_counts_that_do_not_agree),
        cmocka_unit_test(test_footer__refuses_impossible_bounds),
        cmocka_unit_test(test_footer__refuses_dictionaries_that_are_not_where_they_should_be),
        cmocka_unit_test(test_footer__refuses_codecs_and_missing_indexes),
        cmocka_unit_test(test_footer__refuses_what_is_no_text),
        cmocka_unit_test(test_footer__demands_a_checksum_of_our_own_files),
    };
    return cmocka_run_group_tests(tests, write_file, release_file);
}
