/*
 * Goal: a check finds nothing in a sound store, and every byte that was changed in any of its files.
 * Method: a store of two parts and a delete file; bytes flipped all over, files cut, removed, added
 * and exchanged, and manifests that do not say what is there.
 */
#include "viper/store_check.h"

#include "os/file.h"
#include "os/path.h"
#include "support/records.h"
#include "viper/part_writer.h"
#include "viper/viper.h"

#include <unistd.h>

enum { DIMS = 6, ROWS = 700 };

static struct px_collection collection;
static struct px_manifest manifest;
static char folder[300];

struct seen {
    size_t counts[3];
    char lines[8000];
    struct px_store_checked checked;
};

static void take_finding(void *context, enum px_severity severity, const char *path,
                         const char *what)
{
    struct seen *seen = context;
    size_t used = strlen(seen->lines);
    seen->counts[severity]++;
    snprintf(seen->lines + used, sizeof seen->lines - used, "%s %s: %s\n",
             px_severity_name(severity), path, what);
}

static void check(struct seen *seen)
{
    const struct px_findings findings = {.report = take_finding, .context = seen};
    const struct px_store_check what = {
        .fs = &px_fs_posix, .folder = folder, .collection = &collection, .findings = &findings};
    struct proximadb_error error;
    *seen = (struct seen){0};
    if (px_store_check_run(&what, &seen->checked, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
}

static void expect(size_t notes, size_t warnings, size_t damages, const char *line)
{
    struct seen seen;
    check(&seen);
    if (seen.counts[PX_NOTE] != notes || seen.counts[PX_WARNING] != warnings ||
        (damages == 0) != (seen.counts[PX_DAMAGE] == 0))
        fail_msg("expected %zu notes, %zu warnings, %zu damages:\n%s", notes, warnings, damages,
                 seen.lines);
    if (strstr(seen.lines, line) == NULL)
        fail_msg("'%s' is missing in:\n%s", line, seen.lines);
}

/* Rows begin to end - 1, whose versions are one more than their numbers. */
static void add_part(const char *path, uint64_t begin, uint64_t end)
{
    const struct px_part_target target = {.fs = &px_fs_posix, .store_folder = folder, .path = path};
    struct px_part_writer *writer;
    struct px_manifest_file file;
    assert_int_equal(px_part_writer_open(&target, &collection, &writer, NULL), PROXIMADB_OK);
    for (uint64_t number = begin; number < end; number++) {
        struct made_record *made = records_make(number, DIMS);
        px_part_writer_add(writer, &made->record);
        records_release(made);
    }
    assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
    assert_int_equal(px_manifest_add(&manifest.parts, &file, NULL), PROXIMADB_OK);
}

static void write_manifest(void)
{
    bool unsure;
    assert_int_equal(px_manifest_write(&px_fs_posix, folder, &manifest, &unsure, NULL),
                     PROXIMADB_OK);
}

static void add_deletes(const char *path, struct px_delete *deletes, size_t count)
{
    struct px_manifest_file file;
    assert_int_equal(
        px_delete_file_write(&px_fs_posix,
                             &(struct px_delete_file){folder, path, collection.id, deletes, count},
                             &file, NULL),
        PROXIMADB_OK);
    assert_int_equal(px_manifest_add(&manifest.deletes, &file, NULL), PROXIMADB_OK);
}

static const char first_part[] = "vectors/cluster_000/part_001.parquet";
static const char second_part[] = "vectors/cluster_000/part_003.parquet";

static int make_store(void **state)
{
    struct px_delete deletes[] = {{first_part, 0, ROWS + 1},
                                  {first_part, ROWS - 1, ROWS + 2},
                                  {"vectors/cluster_000/part_000.parquet", 9999, ROWS + 2}};
    (void)state;
    collection = records_collection("docs", DIMS);
    snprintf(folder, sizeof folder, "%s/docs", px_test_folder("store_check"));
    assert_int_equal(px_viper_create(&px_fs_posix, folder, collection.id, NULL), PROXIMADB_OK);
    manifest = (struct px_manifest){.collection_id = collection.id,
                                    .flushed_lsn = 2 * ROWS,
                                    .live_row_count = 2 * ROWS - 2,
                                    .next_file_number = 4};
    add_part(first_part, 0, ROWS);
    add_part(second_part, ROWS, 2 * ROWS);
    add_deletes("deletes/deletes_002.parquet", deletes, 3);
    write_manifest();
    return 0;
}

static int forget_store(void **state)
{
    (void)state;
    px_manifest_release(&manifest);
    return 0;
}

static struct px_path path_of(const char *name)
{
    struct px_path path;
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, name), PROXIMADB_OK);
    return path;
}

static uint64_t size_of(const char *name)
{
    struct px_fs_info info;
    struct px_path path = path_of(name);
    assert_int_equal(px_fs_posix.info(&px_fs_posix, path.text, &info), 0);
    return info.size_bytes;
}

static void flip(const char *name, uint64_t offset)
{
    struct px_path path = path_of(name);
    uint8_t byte;
    int fd = px_fs_posix.open(&px_fs_posix, path.text, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.read_at(&px_fs_posix, fd, &byte, 1, offset), 1);
    byte ^= 0x04;
    struct px_slice piece = px_slice_of(&byte, 1);
    assert_int_equal(px_fs_posix.write_at(&px_fs_posix, fd, &piece, 1, offset), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

static void touch(const char *name)
{
    struct px_path path = path_of(name);
    FILE *file = fopen(path.text, "w");
    assert_non_null(file);
    fclose(file);
}

static void test_store_check__finds_nothing_in_a_sound_store(void **state)
{
    (void)state;
    struct seen seen;
    check(&seen);
    if (seen.lines[0] != '\0')
        fail_msg("%s", seen.lines);
    assert_true(seen.checked.has_manifest);
    assert_int_equal(seen.checked.file_count, 4);
    assert_int_equal(seen.checked.flushed_lsn, 2 * ROWS);
    assert_int_equal(seen.checked.live_row_count, 2 * ROWS - 2);
    assert_int_equal(seen.checked.size_bytes, size_of(first_part) + size_of(second_part) +
                                                  size_of("deletes/deletes_002.parquet"));
}

static void test_store_check__finds_any_flipped_byte(void **state)
{
    (void)state;
    static const char *const names[] = {"MANIFEST.json", first_part, second_part,
                                        "deletes/deletes_002.parquet"};
    struct px_test_random random = px_test_random_new("store_check");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int round = 0; round < 60; round++) {
            uint64_t offset = px_test_below(&random, size_of(names[i]));
            flip(names[i], offset);
            expect(0, 0, 1, names[i]);
            flip(names[i], offset);
        }
    expect(0, 0, 0, "");
}

static void test_store_check__finds_what_is_missing_or_cut(void **state)
{
    (void)state;
    struct px_path path = path_of(first_part), aside = path_of("aside");
    assert_int_equal(px_fs_posix.rename(&px_fs_posix, path.text, aside.text), 0);
    expect(0, 1, 1, "the file is missing; the manifest lists it");
    assert_int_equal(px_fs_posix.rename(&px_fs_posix, aside.text, path.text), 0);
    expect(0, 0, 0, "");
    int fd = px_fs_posix.open(&px_fs_posix, path.text, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.truncate(&px_fs_posix, fd, size_of(first_part) - 1), 0);
    px_fs_posix.close(&px_fs_posix, fd);
    expect(0, 0, 1, "bytes, the manifest says");
}

static void test_store_check__says_what_else_lies_there(void **state)
{
    (void)state;
    touch("vectors/cluster_000/part_017.parquet");
    touch("deletes/deletes_018.parquet");
    touch("MANIFEST.json.tmp");
    expect(3, 0, 0, "part_017.parquet: the manifest does not list it");
    touch("notes.txt");
    touch("vectors/cluster_000/part_1.parquet");
    touch("indexes/hnsw/graph");
    expect(3, 2, 0, "notes.txt: it is no file of this collection");
}

/* A whole part of another collection is left alone, as the server does. */
static void test_store_check__knows_a_part_of_another_collection(void **state)
{
    const struct px_part_target target = {
        .fs = &px_fs_posix, .store_folder = folder, .path = "vectors/cluster_000/part_019.parquet"};
    struct px_collection other = collection;
    struct px_part_writer *writer;
    struct px_manifest_file file;
    struct made_record *made = records_make(1, DIMS);
    (void)state;
    for (int is_other = 0; is_other < 2; is_other++) {
        other.id.bytes[3] ^= (uint8_t)is_other;
        assert_int_equal(px_part_writer_open(&target, &other, &writer, NULL), PROXIMADB_OK);
        px_part_writer_add(writer, &made->record);
        assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
        if (is_other)
            expect(0, 1, 0, "part_019.parquet: it is no file of this collection");
        else
            expect(1, 0, 0, "part_019.parquet: the manifest does not list it");
        assert_int_equal(unlink(path_of(target.path).text), 0);
    }
    records_release(made);
}

static void test_store_check__finds_a_manifest_that_is_wrong(void **state)
{
    (void)state;
    manifest.live_row_count--;
    write_manifest();
    expect(0, 0, 1, "its parts have 1398 live rows, the manifest says 1397");
    manifest.live_row_count++;
    manifest.parts.items[1].max_lsn--;
    write_manifest();
    expect(0, 0, 1, "its versions are 701 to 1400, the manifest says 701 to 1399");
    manifest.parts.items[1].max_lsn++;
    manifest.flushed_lsn = 2 * ROWS - 1;
    write_manifest();
    expect(0, 0, 1, "it has version 1400, and the store ends with 1399");
    manifest.flushed_lsn = 2 * ROWS;
    manifest.deletes.items[0].min_lsn++;
    write_manifest();
    expect(0, 0, 1, "it has LSN 701, the manifest says 702 to 702");
    manifest.deletes.items[0].min_lsn--;
    manifest.deletes.items[0].row_count++;
    write_manifest();
    expect(0, 0, 1, "it has 3 rows, the manifest says 4");
    manifest.deletes.items[0].row_count--;
    manifest.collection_id.bytes[0] ^= 1;
    write_manifest();
    expect(0, 0, 1, "it is of another collection");
}

static void test_store_check__finds_deletes_of_rows_that_are_not_there(void **state)
{
    (void)state;
    struct px_delete deletes[] = {{second_part, ROWS, ROWS + 2}};
    add_deletes("deletes/deletes_003.parquet", deletes, 1);
    write_manifest();
    expect(0, 0, 1, "it names row 700 of 'vectors/cluster_000/part_003.parquet', which has 700");
}

static void test_store_check__counts_a_row_once_that_two_files_delete(void **state)
{
    (void)state;
    struct px_delete deletes[] = {{first_part, 0, ROWS + 2}, {second_part, 5, ROWS + 2}};
    add_deletes("deletes/deletes_003.parquet", deletes, 2);
    manifest.live_row_count--;
    write_manifest();
    expect(0, 0, 0, "");
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, make_store, forget_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_store_check__finds_nothing_in_a_sound_store),
        STORE_TEST(test_store_check__finds_any_flipped_byte),
        STORE_TEST(test_store_check__finds_what_is_missing_or_cut),
        STORE_TEST(test_store_check__says_what_else_lies_there),
        STORE_TEST(test_store_check__knows_a_part_of_another_collection),
        STORE_TEST(test_store_check__finds_a_manifest_that_is_wrong),
        STORE_TEST(test_store_check__finds_deletes_of_rows_that_are_not_there),
        STORE_TEST(test_store_check__counts_a_row_once_that_two_files_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
