/*
 * Goal: proximadb_check() finds nothing in a healthy folder, every flipped byte that a checksum covers,
 * and leaves no trace; it keeps out of a folder that is in use.
 * Method: a database with parts, deletes, centroids and a log; bytes of each kind of file flipped;
 * the folder compared before and after.
 */
#include <proximadb.h>

#include "base/crc32c.h"
#include "os/file.h"
#include "os/path.h"
#include "support/database.h"

static struct database_lines lines;
static struct proximadb_error error;
static const char *folder;

static int make_database(void **state)
{
    struct database database;
    (void)state;
    folder = px_test_folder("check");
    database_open(&database, folder);
    database_fill(&database);
    database_close(&database);
    return 0;
}

static int check(void)
{
    lines = (struct database_lines){.calls_left = lines.calls_left};
    return proximadb_check(folder, database_sink, &lines, &error);
}

static void expect(int status, const char *text)
{
    int rc = check();
    if (rc != status)
        fail_msg("%s instead of %s:\n%s", proximadb_status_name(rc), proximadb_status_name(status),
                 lines.text);
    if (strstr(lines.text, text) == NULL)
        fail_msg("'%s' is missing in:\n%s", text, lines.text);
}

/* A checksum of all names and contents below a folder. */
static uint32_t sum_up(const char *path, uint32_t crc)
{
    struct px_names names;
    assert_int_equal(px_folder_list(&px_fs_posix, path, &names, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < names.count; i++) {
        struct px_path child;
        struct px_buffer content = {0};
        assert_int_equal(px_path_format(&child, NULL, "%s/%s", path, names.items[i].text), 0);
        crc = px_crc32c(crc, child.text, strlen(child.text));
        if (names.items[i].kind == PX_FS_FOLDER) {
            crc = sum_up(child.text, crc);
            continue;
        }
        assert_int_equal(px_file_read(&px_fs_posix, child.text, 1 << 30, &content, NULL), 0);
        crc = px_crc32c(crc, content.data, content.size_bytes);
        px_buffer_release(&content);
    }
    px_names_release(&names);
    return crc;
}

/* The first file of a folder whose name begins so. */
static struct px_path file_in(const char *name, const char *prefix)
{
    struct px_names names;
    struct px_path in, path = {.text = ""};
    assert_int_equal(px_path_format(&in, NULL, "%s/%s", folder, name), PROXIMADB_OK);
    assert_int_equal(px_folder_list(&px_fs_posix, in.text, &names, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < names.count && path.text[0] == '\0'; i++)
        if (strncmp(names.items[i].text, prefix, strlen(prefix)) == 0)
            assert_int_equal(px_path_format(&path, NULL, "%s/%s", in.text, names.items[i].text), 0);
    px_names_release(&names);
    if (path.text[0] == '\0')
        fail_msg("there is no %s/%s...", name, prefix);
    return path;
}

static uint64_t size_of(const struct px_path *path)
{
    struct px_fs_info info;
    assert_int_equal(px_fs_posix.info(&px_fs_posix, path->text, &info), 0);
    return info.size_bytes;
}

static void flip(const struct px_path *path, uint64_t offset)
{
    uint8_t byte;
    int fd = px_fs_posix.open(&px_fs_posix, path->text, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.read_at(&px_fs_posix, fd, &byte, 1, offset), 1);
    byte ^= 0x02;
    struct px_slice piece = px_slice_of(&byte, 1);
    assert_int_equal(px_fs_posix.write_at(&px_fs_posix, fd, &piece, 1, offset), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

static void test_check__finds_nothing_in_a_healthy_folder(void **state)
{
    (void)state;
    uint32_t before = sum_up(folder, 0);
    expect(PROXIMADB_OK, "{\"kind\":\"summary\",\"collection_count\":2,\"live_row_count\":319,"
                         "\"unflushed_entry_count\":5,\"unflushed_row_count\":5,");
    assert_null(strstr(lines.text, "finding"));
    assert_non_null(strstr(lines.text, "\"damage_count\":0,\"warning_count\":0,\"note_count\":0}"));
    assert_int_equal(sum_up(folder, 0), before);
}

static void test_check__finds_a_flipped_byte_in_each_kind_of_file(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *prefix;
        uint64_t from_end; /* where flips begin; 0: the whole file */
    } kinds[] = {
        {"store/docs", "MANIFEST.json", 0},
        {"store/docs/vectors", "centroids_", 0},
        {"store/docs/vectors/cluster_000", "part_", 0},
        {"store/docs/vectors/cluster_001", "part_", 0},
        {"store/docs/deletes", "deletes_", 0},
        {"wal/docs", "2", 700}, /* in the blocks before the last */
    };
    struct px_test_random random = px_test_random_new("check");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct px_path path = file_in(kinds[i].folder, kinds[i].prefix);
        uint64_t begin = kinds[i].from_end == 0 ? 0 : size_of(&path) - kinds[i].from_end;
        uint64_t limit = kinds[i].from_end == 0 ? size_of(&path) : 300;
        for (int round = 0; round < 10; round++) {
            uint64_t offset = begin + px_test_below(&random, limit);
            flip(&path, offset);
            expect(PROXIMADB_CORRUPT, px_path_name(path.text));
            assert_non_null(strstr(lines.text, "\"severity\":\"damage\""));
            flip(&path, offset);
        }
    }
    expect(PROXIMADB_OK, "\"damage_count\":0");
}

static void write_file(const char *name, const char *text)
{
    struct px_path path;
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, name), PROXIMADB_OK);
    FILE *file = fopen(path.text, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_check__finds_descriptions_that_make_no_sense(void **state)
{
    (void)state;
    write_file("metadata/collections/empty.json", "{}");
    expect(PROXIMADB_CORRUPT, "empty.json\",\"what\":\"the collection cannot be served, and its "
                              "files were not checked: ");
    write_file("proximadb.json", "{\"format_version\": 1");
    expect(PROXIMADB_CORRUPT, "\"damage_count\":2");
    struct px_path format = file_in(".", "proximadb.json");
    assert_int_equal(px_fs_posix.unlink(&px_fs_posix, format.text), 0);
    expect(PROXIMADB_CORRUPT, "\"damage_count\":1,\"warning_count\":1");
}

static void test_check__tells_leftovers_from_damage(void **state)
{
    (void)state;
    struct px_path stray;
    write_file("metadata/collections/docs.json.tmp", "{");
    write_file("trash/x", "");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(px_path_format(&stray, NULL, "%s/%s/gone", folder, i ? "wal" : "store"),
                         0);
        assert_int_equal(px_folder_make(&px_fs_posix, stray.text, NULL), PROXIMADB_OK);
    }
    expect(PROXIMADB_OK, "\"damage_count\":0,\"warning_count\":0,\"note_count\":4}");
    write_file("notes.txt", "");
    write_file("metadata/collections/notes.txt", "");
    expect(PROXIMADB_OK, "\"damage_count\":0,\"warning_count\":2,\"note_count\":4}");
}

static void test_check__takes_a_torn_end_for_normal(void **state)
{
    (void)state;
    struct px_path path = file_in("wal/docs", "2");
    int fd = px_fs_posix.open(&px_fs_posix, path.text, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.truncate(&px_fs_posix, fd, size_of(&path) - 1), 0);
    px_fs_posix.close(&px_fs_posix, fd);
    expect(PROXIMADB_OK, "it ends in an unfinished write at offset ");
    assert_non_null(strstr(lines.text, "\"note_count\":1}"));
}

static void test_check__keeps_out_of_a_folder_in_use(void **state)
{
    (void)state;
    struct database database;
    database_open(&database, folder);
    assert_int_equal(check(), PROXIMADB_UNAVAILABLE);
    assert_non_null(strstr(error.message, "is in use by another process (pid "));
    assert_int_equal(lines.call_count, 0);
    database_close(&database);
    assert_int_equal(check(), PROXIMADB_OK);
}

static void test_check__refuses_what_is_no_data_folder(void **state)
{
    (void)state;
    assert_int_equal(proximadb_check("scratch/none", database_sink, &lines, &error), PROXIMADB_IO);
    assert_int_equal(proximadb_check("", database_sink, &lines, &error), PROXIMADB_INVALID);
    assert_int_equal(proximadb_check(px_test_folder("check"), database_sink, &lines, &error),
                     PROXIMADB_INVALID);
}

static void test_check__stops_when_the_sink_has_enough(void **state)
{
    (void)state;
    write_file("notes.txt", "");
    lines.calls_left = 1;
    assert_int_equal(check(), PROXIMADB_CANCELLED);
    assert_int_equal(lines.call_count, 1);
    lines.calls_left = 0;
}

#define CHECK_TEST(name) cmocka_unit_test_setup(name, make_database)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(test_check__finds_nothing_in_a_healthy_folder),
        CHECK_TEST(test_check__finds_a_flipped_byte_in_each_kind_of_file),
        CHECK_TEST(test_check__finds_descriptions_that_make_no_sense),
        CHECK_TEST(test_check__tells_leftovers_from_damage),
        CHECK_TEST(test_check__takes_a_torn_end_for_normal),
        CHECK_TEST(test_check__keeps_out_of_a_folder_in_use),
        CHECK_TEST(test_check__refuses_what_is_no_data_folder),
        CHECK_TEST(test_check__stops_when_the_sink_has_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
