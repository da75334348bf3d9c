/*
 * Goal: a part gives back every row as it was added, in place and in any order, and one that is not what
 * the manifest says is refused.
 * Method: write random rows of several dimensions under each storage profile, read them by row and by
 * block; damage files by hand.
 */
#include "viper/part.h"

#include "os/file.h"
#include "os/path.h"
#include "parquet/parquet_reader.h"
#include "simd/rounding.h"
#include "support/records.h"
#include "viper/part_writer.h"

static struct px_collection collection;
static struct px_manifest_file file;

/* How parts are written: the storage profile, its layout, and the form of vectors that comes of it. */
static const struct form {
    enum proximadb_storage storage;
    enum proximadb_layout layout;
    bool is_plain;
} forms[] = {
    {PROXIMADB_EXACT, PROXIMADB_LAYOUT_PLAIN, true},
    {PROXIMADB_EXACT, PROXIMADB_LAYOUT_COMPRESSED, false},
    {PROXIMADB_BALANCED, PROXIMADB_LAYOUT_COMPRESSED, false},
    {PROXIMADB_COMPACT_STORAGE, PROXIMADB_LAYOUT_COMPRESSED, false},
};
enum { FORMS = sizeof forms / sizeof forms[0] };
static const struct form *form = &forms[0];

/* As a row comes to be stored under the form. */
static struct made_record *make(uint64_t number, uint32_t dim_count)
{
    struct made_record *made = records_make(number, dim_count);
    uint32_t bits = px_storage_mantissa_bits(form->storage);
    float *rounded = malloc(dim_count * sizeof *rounded);
    memcpy(rounded, made->vector, dim_count * sizeof *rounded);
    if (bits < PX_ALL_MANTISSA_BITS)
        px_round_vector(made->vector, dim_count, bits, rounded);
    free(made->vector);
    made->record.vector = made->vector = rounded;
    return made;
}

static const char *write_part(uint32_t dim_count, uint64_t row_count)
{
    const char *folder = px_test_folder("part");
    struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = "part_001.parquet"};
    struct px_part_writer *writer;
    struct proximadb_error error;
    collection = records_collection("docs", dim_count);
    collection.storage = form->storage;
    collection.layout = form->layout;
    assert_int_equal(px_part_writer_open(&target, &collection, &writer, NULL), PROXIMADB_OK);
    for (uint64_t number = 0; number < row_count; number++) {
        struct made_record *made = make(number, dim_count);
        px_part_writer_add(writer, &made->record);
        records_release(made);
    }
    if (px_part_writer_finish(writer, &file, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return folder;
}

static struct px_part *open_part(const char *folder)
{
    struct px_part *part = NULL;
    struct proximadb_error error;
    if (px_part_open(&px_fs_posix, folder, &file, &collection, &part, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    return part;
}

static void check_row(struct px_part_reader *reader, const struct px_part *part, uint32_t row)
{
    struct made_record *made = make(row, collection.dim_count);
    struct px_part_scratch scratch = {0};
    struct px_record got;
    struct px_slice id, metadata;
    int64_t expires_at_ms, version;
    const float *vector;
    struct proximadb_error error;
    if (px_part_read_record(reader, row, true, &got, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    records_check(&got, &made->record);
    assert_int_equal(px_part_read_id(reader, row, &id, NULL), PROXIMADB_OK);
    assert_true(px_slice_equal(id, made->record.id));
    assert_int_equal(px_part_read_expiry(reader, row, &expires_at_ms, NULL), PROXIMADB_OK);
    assert_int_equal(expires_at_ms, made->record.expires_at_ms);
    assert_int_equal(px_part_read_version(reader, row, &version, NULL), PROXIMADB_OK);
    assert_int_equal(version, row + 1);
    assert_int_equal(px_part_read_metadata(reader, row, &metadata, NULL), PROXIMADB_OK);
    records_check_metadata(metadata, made->record.metadata);
    assert_int_equal(px_part_get_vector(part, &scratch, row, &vector, NULL), PROXIMADB_OK);
    assert_memory_equal(vector, got.vector, got.dim_count * sizeof(float));
    assert_int_equal(vector == got.vector, form->is_plain); /* in place: no copy of it is made */
    assert_int_equal(px_part_read_record(reader, row, false, &got, NULL), PROXIMADB_OK);
    assert_null(got.vector);
    px_part_scratch_release(&scratch);
    records_release(made);
}

static void check_blocks(const struct px_part *part)
{
    struct px_part_scratch blocks = {0}, vectors = {0};
    uint32_t row = 0;
    while (row < px_part_row_count(part)) {
        struct px_part_block block;
        assert_int_equal(px_part_get_block(part, &blocks, row, &block, NULL), PROXIMADB_OK);
        assert_int_equal(block.first_row, row);
        assert_int_equal(block.stride_bytes, collection.dim_count * sizeof(float));
        assert_int_equal((uintptr_t)block.vectors % 64, 0);
        for (uint32_t i = 0; i < block.row_count; i++) {
            const float *vector;
            assert_int_equal(px_part_get_vector(part, &vectors, row + i, &vector, NULL),
                             PROXIMADB_OK);
            const float *in_block = block.vectors + i * collection.dim_count;
            assert_memory_equal(vector, in_block, block.stride_bytes);
            assert_int_equal(vector == in_block, form->is_plain);
        }
        row += block.row_count;
    }
    assert_int_equal(row, px_part_row_count(part));
    px_part_scratch_release(&blocks);
    px_part_scratch_release(&vectors);
}

static void check_rows(struct px_test_random *random)
{
    static const uint32_t dims[] = {1, 7, 384};
    static const uint64_t counts[] = {3000, 2500, 1500};
    for (size_t i = 0; i < 3; i++) {
        struct px_part_reader *reader;
        struct px_part *part = open_part(write_part(dims[i], counts[i]));
        assert_int_equal(px_part_row_count(part), counts[i]);
        assert_int_equal(px_part_is_plain(part), form->is_plain);
        assert_true(px_part_has_expiry(part));
        assert_int_equal(px_part_reader_new(part, &reader, NULL), PROXIMADB_OK);
        for (uint32_t row = 0; row < counts[i]; row++)
            check_row(reader, part, row);
        for (int j = 0; j < 300; j++)
            check_row(reader, part, (uint32_t)px_test_below(random, counts[i]));
        check_blocks(part);
        px_part_reader_free(reader);
        px_part_close(part);
    }
}

static void test_part__gives_back_every_row(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("part");
    for (form = forms; form < forms + FORMS; form++)
        check_rows(&random);
    form = forms;
}

/* Of 1,500 rows of 384 dimensions, whose components are uniform: the worst case for a dictionary. */
static void test_part__is_smaller_by_its_profile(void **state)
{
    (void)state;
    static const double least[FORMS] = {0.9, 1.05, 3.0, 4.0};
    for (form = forms; form < forms + FORMS; form++) {
        struct px_part *part = open_part(write_part(384, 1500));
        const struct px_parquet_layout *layout = px_parquet_reader_layout(px_part_parquet(part));
        uint64_t size_bytes = 0;
        for (size_t i = 0; i < layout->row_group_count; i++)
            size_bytes += layout->row_groups[i].chunks[2].pages.size_bytes;
        double ratio = 1500.0 * 384 * sizeof(float) / (double)size_bytes;
        print_message("%s, %s: %.2f times smaller\n", px_storage_name(form->storage),
                      px_layout_name(form->layout), ratio);
        assert_true(ratio >= least[form - forms]);
        px_part_close(part);
    }
    form = forms;
}

/* One scratch for several parts, in any order, each of another form and dimension. */
static void test_part__shares_a_scratch(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("part");
    struct px_part_scratch scratch = {0};
    struct px_part *parts[FORMS];
    for (size_t i = 0; i < FORMS; i++) {
        form = &forms[i];
        parts[i] = open_part(write_part(5 + 40 * (uint32_t)i, 700));
    }
    for (int i = 0; i < 2000; i++) {
        const float *vector;
        size_t which = px_test_below(&random, FORMS);
        uint32_t row = (uint32_t)px_test_below(&random, 700), dims = 5 + 40 * (uint32_t)which;
        form = &forms[which];
        struct made_record *made = make(row, dims);
        assert_int_equal(px_part_get_vector(parts[which], &scratch, row, &vector, NULL),
                         PROXIMADB_OK);
        assert_memory_equal(vector, made->vector, dims * sizeof(float));
        records_release(made);
    }
    px_part_scratch_release(&scratch);
    for (size_t i = 0; i < FORMS; i++)
        px_part_close(parts[i]);
    form = forms;
}

static void test_part__removes_its_file_once_it_is_obsolete(void **state)
{
    (void)state;
    struct px_path path;
    const char *folder = write_part(4, 10);
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, file.path), PROXIMADB_OK);
    px_part_close(open_part(folder));
    assert_true(px_file_exists(&px_fs_posix, path.text));
    struct px_removal_gate *gate;
    assert_int_equal(px_removal_gate_new(&gate, NULL), PROXIMADB_OK);
    struct px_part *part = open_part(folder), *late = open_part(folder);
    px_part_set_obsolete(part, gate);
    px_part_set_obsolete(late, gate);
    assert_true(px_file_exists(&px_fs_posix, path.text));
    px_part_close(part);
    assert_false(px_file_exists(&px_fs_posix, path.text));

    /* The folder may be another collection's by now. */
    px_removal_gate_close(gate);
    assert_string_equal(write_part(4, 10), folder);
    px_part_close(late);
    assert_true(px_file_exists(&px_fs_posix, path.text));
    px_removal_gate_unref(gate);
}

/* Reads every row; fails the test if any of them is not what was written. Whether a read failed. */
static bool is_found_out(struct px_part *part, struct made_record *const *rows, uint32_t row_count)
{
    struct px_part_reader *reader;
    struct proximadb_error error;
    bool failed = false;
    assert_int_equal(px_part_reader_new(part, &reader, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < row_count; row++) {
        struct px_record got;
        int rc = px_part_read_record(reader, row, true, &got, &error);
        if (rc == PROXIMADB_OK) {
            records_check(&got, &rows[row]->record);
            continue;
        }
        assert_int_equal(rc, PROXIMADB_CORRUPT);
        assert_int_equal(error.status, PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, file.path));
        failed = true;
    }
    px_part_reader_free(reader);
    return failed;
}

/* A byte in the pages of any column. */
static uint64_t choose_offset(struct px_test_random *random, const struct px_parquet_layout *layout)
{
    size_t column = px_test_below(random, layout->column_count);
    struct px_parquet_range pages = layout->row_groups[0].chunks[column].pages;
    return pages.offset + px_test_below(random, pages.size_bytes);
}

static void flip_bit(const char *path, uint64_t offset, unsigned bit)
{
    uint8_t byte;
    struct px_slice piece = px_slice_of(&byte, 1);
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.read_at(&px_fs_posix, fd, &byte, 1, offset), 1);
    byte ^= (uint8_t)(1 << bit);
    assert_int_equal(px_fs_posix.write_at(&px_fs_posix, fd, &piece, 1, offset), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

static void check_flips(struct px_test_random *random)
{
    enum { ROWS = 300, FLIPS = 400 };
    struct made_record *rows[ROWS];
    const char *folder = write_part(4, ROWS);
    struct px_path path;
    size_t found = 0;
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, file.path), PROXIMADB_OK);
    for (uint64_t i = 0; i < ROWS; i++)
        rows[i] = make(i, 4);
    struct px_part *sound = open_part(folder);
    for (int i = 0; i < FLIPS; i++) {
        uint64_t offset = choose_offset(random, px_parquet_reader_layout(px_part_parquet(sound)));
        unsigned bit = (unsigned)px_test_below(random, 8);
        flip_bit(path.text, offset, bit);
        struct px_part *part = open_part(folder);
        found += is_found_out(part, rows, ROWS);
        px_part_close(part);
        flip_bit(path.text, offset, bit);
    }
    px_part_close(sound);
    assert_true(found > FLIPS * 9 / 10); /* some bits of page headers mean nothing to us */
    for (uint64_t i = 0; i < ROWS; i++)
        records_release(rows[i]);
}

static void test_part__never_gives_other_bytes_than_were_written(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("part");
    for (form = forms; form < forms + FORMS; form++)
        check_flips(&random);
    form = forms;
}

static void check_refused(const char *folder, int status, const char *word)
{
    struct px_part *part = NULL;
    struct proximadb_error error;
    assert_int_equal(px_part_open(&px_fs_posix, folder, &file, &collection, &part, &error), status);
    if (strstr(error.message, word) == NULL || strstr(error.message, file.path) == NULL)
        fail_msg("'%s' does not name '%s' and the file", error.message, word);
    assert_null(part);
}

static void test_part__refuses_what_the_manifest_does_not_mean(void **state)
{
    (void)state;
    const char *folder = write_part(4, 10);
    file.size_bytes++;
    check_refused(folder, PROXIMADB_CORRUPT, "bytes");
    file.size_bytes--;
    file.row_count++;
    check_refused(folder, PROXIMADB_CORRUPT, "rows");
    file.row_count--;
    collection.id.bytes[0] ^= 1;
    check_refused(folder, PROXIMADB_CORRUPT, "another collection");
    collection.id.bytes[0] ^= 1;
    collection.dim_count = 5;
    check_refused(folder, PROXIMADB_CORRUPT, "vector");
    collection.dim_count = 4;
    px_part_close(open_part(folder));
    snprintf(file.path, sizeof file.path, "part_002.parquet");
    check_refused(folder, PROXIMADB_CORRUPT, "missing");
}

static void test_part__reads_fields_that_are_no_longer_filterable(void **state)
{
    (void)state;
    const char *folder = write_part(4, 100);
    struct px_part_reader *reader;
    struct proximadb_filterable price = {"price", PROXIMADB_FIELD_DOUBLE};
    assert_int_equal(px_collection_set_fields(&collection, &price, 1, NULL), PROXIMADB_OK);
    struct px_part *part = open_part(folder);
    assert_int_equal(px_part_reader_new(part, &reader, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < 100; row++)
        check_row(reader, part, row);
    px_part_reader_free(reader);
    px_part_close(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part__gives_back_every_row),
        cmocka_unit_test(test_part__is_smaller_by_its_profile),
        cmocka_unit_test(test_part__shares_a_scratch),
        cmocka_unit_test(test_part__removes_its_file_once_it_is_obsolete),
        cmocka_unit_test(test_part__never_gives_other_bytes_than_were_written),
        cmocka_unit_test(test_part__refuses_what_the_manifest_does_not_mean),
        cmocka_unit_test(test_part__reads_fields_that_are_no_longer_filterable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
