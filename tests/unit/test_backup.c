/* px-test: layers=api */
/*
 * Goal: a backup gives back what was in the database; a byte that changed, a file that is missing or a
 * list that lies is refused by name before anything is touched; folders that are somebody's are left
 * alone.
 * Method: <proximadb.h> alone: a database with parts, clusters, deletes and logs; every file of a backup
 * changed at several places and removed, one after the other; BACKUP.json written anew with a right
 * checksum and wrong content.
 */
#include <proximadb.h>

#include "api/backup_internal.h"
#include "os/file.h"
#include "support/database.h"
#include "support/fault_fs.h"

#include <errno.h>
#include <unistd.h>

static struct database_lines lines;
static struct proximadb_error error;

#define DATA   "scratch/backup/data"
#define BACKUP "scratch/backup/made"
#define TARGET "scratch/backup/target"

static int make_database(void **state)
{
    struct database database;
    (void)state;
    (void)px_test_folder("backup");
    database_open(&database, DATA);
    database_fill(&database);
    assert_int_equal(proximadb_backup(DATA, BACKUP, NULL, &error), PROXIMADB_OK);
    database_close(&database);
    return 0;
}

static void run(const char *command)
{
    assert_int_equal(system(command), 0);
}

/* The lines that inspecting gives of a collection's store, without its files' names. */
static const char *describe(const char *folder, const char *collection)
{
    lines = (struct database_lines){0};
    assert_int_equal(proximadb_inspect(PROXIMADB_INSPECT_COLLECTION, folder, collection,
                                       database_sink, &lines, &error),
                     PROXIMADB_OK);
    return lines.text;
}

static int restore_named(const char *name)
{
    const struct proximadb_backup_options options = {.struct_size = sizeof options,
                                                     .collections = &name,
                                                     .collection_count = 1,
                                                     .sink = database_sink,
                                                     .sink_context = &lines};
    lines = (struct database_lines){.calls_left = lines.calls_left};
    return proximadb_restore(BACKUP, TARGET, &options, &error);
}

static int back_up(const char *out, const struct proximadb_backup_options *options)
{
    return proximadb_backup(DATA, out, options, &error);
}

static int restore(void)
{
    return proximadb_restore(BACKUP, TARGET, NULL, &error);
}

static void expect(int rc, int status, const char *text)
{
    if (rc != status || strstr(error.message, text) == NULL)
        fail_msg("%s (%s) instead of %s with '%s'", proximadb_status_name(rc), error.message,
                 proximadb_status_name(status), text);
}

static void test_backup__gives_back_what_was_there(void **state)
{
    char before[sizeof lines.text];
    (void)state;
    memcpy(before, describe(DATA, "docs"), sizeof before);
    assert_int_equal(restore(), PROXIMADB_OK);
    const char *log = strstr(before, "{\"kind\":\"log\"");
    assert_non_null(log);
    const char *after = describe(TARGET, "docs");
    assert_memory_equal(before, after, (size_t)(log - before)); /* the log has no padding now */
    assert_non_null(strstr(after, "\"last_lsn\":336"));
    assert_int_equal(proximadb_check(TARGET, database_sink, &lines, &error), PROXIMADB_OK);
    lines = (struct database_lines){0};
    assert_int_equal(proximadb_check(BACKUP, database_sink, &lines, &error), PROXIMADB_OK);
    assert_null(strstr(lines.text, "\"finding\""));
}

/* ---- damage -------------------------------------------------------------------------------- */

/* That checking the backup's folder says so, too, and names the file. */
static void expect_damage(const char *text)
{
    lines = (struct database_lines){0};
    int rc = proximadb_check(BACKUP, database_sink, &lines, &error);
    if (rc != PROXIMADB_CORRUPT || strstr(lines.text, text) == NULL)
        fail_msg("check: %s without '%s': %s", proximadb_status_name(rc), text, lines.text);
}

/* Runs `test` for each file of the backup, with its path. */
static void for_each_file(const char *folder, void (*test)(const char *path))
{
    struct px_names names;
    assert_int_equal(px_folder_list(&px_fs_posix, folder, &names, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < names.count; i++) {
        struct px_path path;
        assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, names.items[i].text), 0);
        if (names.items[i].kind == PX_FS_FOLDER)
            for_each_file(path.text, test);
        else
            test(path.text);
    }
    px_names_release(&names);
}

static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 0x10, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void flip_somewhere(const char *path)
{
    struct px_fs_info info;
    assert_int_equal(px_fs_posix.info(&px_fs_posix, path, &info), 0);
    for (int part = 0; part < 7; part++) {
        long at = (long)(info.size_bytes - 1) * part / 6;
        flip(path, at);
        int rc = restore();
        if (rc != PROXIMADB_CORRUPT || strstr(error.message, px_path_name(path)) == NULL)
            fail_msg("byte %ld of %s: %s: %s", at, path, proximadb_status_name(rc), error.message);
        assert_int_equal(access(TARGET, F_OK), -1);
        expect_damage(px_path_name(path));
        flip(path, at);
    }
}

static void test_backup__names_the_file_of_a_flipped_byte(void **state)
{
    (void)state;
    run("cp -r " BACKUP " scratch/backup/copy && rm -rf " BACKUP
        " && mv scratch/backup/copy " BACKUP);
    for_each_file(BACKUP, flip_somewhere);
    assert_int_equal(restore(), PROXIMADB_OK);
}

static void remove_it(const char *path)
{
    struct px_path aside;
    bool is_list = strcmp(px_path_name(path), "BACKUP.json") == 0;
    assert_int_equal(px_path_format(&aside, NULL, "scratch/backup/aside"), 0);
    assert_int_equal(rename(path, aside.text), 0);
    expect(restore(), is_list ? PROXIMADB_INVALID : PROXIMADB_CORRUPT, px_path_name(path));
    assert_int_equal(access(TARGET, F_OK), -1);
    if (!is_list) /* without it, it is a data folder as any */
        expect_damage(px_path_name(path));
    assert_int_equal(rename(aside.text, path), 0);
}

static void test_backup__names_a_missing_file(void **state)
{
    (void)state;
    for_each_file(BACKUP, remove_it);
    assert_int_equal(restore(), PROXIMADB_OK);
}

/* A log that ends at a block's boundary, and one that is torn, are sound as logs are. */
static void test_backup__names_a_log_that_was_cut(void **state)
{
    (void)state;
    run("truncate -s -3 " BACKUP "/wal/docs/*.wal");
    expect(restore(), PROXIMADB_CORRUPT, ".wal");
    expect_damage("cannot be restored");
}

static void test_backup__refuses_one_that_is_not_finished(void **state)
{
    (void)state;
    run("mv " BACKUP "/BACKUP.json " BACKUP "/BACKUP.json.tmp");
    expect(restore(), PROXIMADB_CORRUPT, "not finished");
    expect_damage("not finished");
    expect(back_up(BACKUP, NULL), PROXIMADB_INVALID, "interrupted");
    proximadb *db;
    expect(proximadb_open(BACKUP, NULL, &db, &error), PROXIMADB_INVALID, "is a backup");
}

/* A list of the backup's files with one of them left out, or one with another checksum. */
static void write_list(const char *without, const char *other_crc, int64_t last_lsn)
{
    struct px_backup_list read = {0}, list = {0};
    struct px_buffer json = {0}, changed = {0};
    assert_int_equal(px_file_read(&px_fs_posix, BACKUP "/BACKUP.json", 1 << 20, &json, NULL), 0);
    assert_int_equal(px_backup_list__decode(px_buffer_slice(&json), &read, &error), 0);
    list.created_at_ms = read.created_at_ms;
    for (size_t i = 0; i < read.entry_count; i++) {
        read.entries[i].last_lsn += last_lsn;
        assert_int_equal(px_backup_list__add_entry(&list, &read.entries[i], NULL), 0);
    }
    for (size_t i = 0; i < read.file_count; i++) {
        const struct px_backup_file *file = &read.files[i];
        bool is_other = other_crc != NULL && strstr(file->path, other_crc) != NULL;
        if (without == NULL || strstr(file->path, without) == NULL)
            assert_int_equal(px_backup_list__add_file(&list, file->path, file->size_bytes,
                                                      file->crc32c ^ (is_other ? 1 : 0), NULL),
                             0);
    }
    px_backup_list__encode(&list, &changed);
    FILE *file = fopen(BACKUP "/BACKUP.json", "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(changed.data, 1, changed.size_bytes, file), changed.size_bytes);
    assert_int_equal(fclose(file), 0);
    px_backup_list__release(&read);
    px_backup_list__release(&list);
    px_buffer_release(&json);
    px_buffer_release(&changed);
}

static void test_backup__believes_no_list_that_differs_from_the_files(void **state)
{
    static const char *const names[] = {"part_",    "deletes_",  "centroids_",
                                        "MANIFEST", "docs.json", "proximadb.json"};
    (void)state;
    run("cp " BACKUP "/BACKUP.json scratch/backup/list");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int kind = 0; kind < 2; kind++) {
            write_list(kind == 0 ? names[i] : NULL, kind == 1 ? names[i] : NULL, 0);
            expect(restore(), PROXIMADB_CORRUPT, names[i]);
            expect_damage(names[i]);
            assert_int_equal(access(TARGET, F_OK), -1);
            run("cp scratch/backup/list " BACKUP "/BACKUP.json");
        }
    write_list(NULL, NULL, 1);
    expect(restore(), PROXIMADB_CORRUPT, "LSN");
}

/* ---- folders ------------------------------------------------------------------------------- */

static void test_backup__leaves_other_folders_alone(void **state)
{
    proximadb *db;
    (void)state;
    expect(back_up(DATA "/inside", NULL), PROXIMADB_INVALID, "lie in each other");
    expect(back_up("scratch/backup", NULL), PROXIMADB_INVALID, "lie in each other");
    expect(back_up(BACKUP, NULL), PROXIMADB_INVALID, "not empty");
    expect(back_up("scratch/backup/a/b", NULL), PROXIMADB_IO, "scratch/backup/a");
    expect(back_up("", NULL), PROXIMADB_INVALID, "empty");
    expect(proximadb_backup("scratch", "scratch2", NULL, &error), PROXIMADB_INVALID,
           "no data folder");
    assert_int_equal(access("scratch2", F_OK), -1);
    run("mkdir -p " TARGET " && touch " TARGET "/somebodys");
    expect(restore(), PROXIMADB_INVALID, "somebodys");
    run("rm " TARGET "/somebodys");
    expect(proximadb_restore(BACKUP, BACKUP "/x", NULL, &error), PROXIMADB_INVALID,
           "lie in each other");
    expect(proximadb_restore(DATA, TARGET, NULL, &error), PROXIMADB_INVALID, "no backup");
    expect(proximadb_open(BACKUP, NULL, &db, &error), PROXIMADB_INVALID, "is a backup");
    assert_int_equal(restore(), PROXIMADB_OK); /* into the empty folder */
    run("mkdir scratch/backup/taken/");
    assert_int_equal(back_up("scratch/backup/taken/", NULL), PROXIMADB_OK);
}

/* What costs nothing is said before the backup is read, which may take long: here it is damaged. */
static void test_backup__looks_at_the_target_first(void **state)
{
    struct database database;
    (void)state;
    assert_int_equal(restore_named("docs"), PROXIMADB_OK);
    run("truncate -s -1 " BACKUP "/metadata/collections/docs.json");
    expect(restore_named("docs"), PROXIMADB_COLLECTION_EXISTS, "'docs'");
    expect(restore(), PROXIMADB_COLLECTION_EXISTS, "'docs'");
    expect(restore_named("docs:other"), PROXIMADB_CORRUPT, "docs.json");
    database_open(&database, TARGET);
    expect(restore_named("docs:other"), PROXIMADB_UNAVAILABLE, "in use");
    database_close(&database);
    run("mv " TARGET " scratch/backup/aside && mkdir " TARGET " && touch " TARGET "/somebodys");
    expect(restore(), PROXIMADB_INVALID, "somebodys");
    expect(proximadb_restore(BACKUP, BACKUP "/x", NULL, &error), PROXIMADB_INVALID,
           "lie in each other");
    run("rm -r " TARGET " && cp -r " BACKUP " " TARGET);
    expect(restore(), PROXIMADB_INVALID, "is a backup itself");
    run("mv " TARGET "/BACKUP.json " TARGET "/BACKUP.json.tmp");
    expect(restore(), PROXIMADB_INVALID, "is a backup itself");
}

static int restore_on(struct px_fault_fs *fs, const struct px_fault_rule *rule)
{
    const struct px_backup_run how = {.fs = &fs->base,
                                      .clock = &px_clock_system,
                                      .data_dir = TARGET,
                                      .backup_dir = BACKUP,
                                      .copy = true};
    px_fault_fs_set(fs, rule);
    return px_restore__run(&how, &error);
}

/* Whichever call fails, as on a full disk, the folder is what it was: gone, or empty. */
static void test_backup__leaves_nothing_when_restoring_fails(void **state)
{
    static const unsigned kinds = PX_FAULT_WRITE_AT | PX_FAULT_MAKE_FOLDER | PX_FAULT_SYNC_DATA;
    struct px_fault_fs fs;
    (void)state;
    px_fault_fs_init(&fs, &px_fs_posix);
    for (int is_there = 0; is_there < 2; is_there++)
        for (uint64_t at = 1;; at++) {
            const struct px_fault_rule rule = {
                .kinds = kinds, .path_part = TARGET, .fail_at = at, .error = ENOSPC};
            if (is_there)
                run("mkdir " TARGET);
            int rc = restore_on(&fs, &rule);
            bool was_met = px_fault_fs_calls(&fs) >= at;
            if (rc != PROXIMADB_OK) {
                assert_int_equal(access(TARGET, F_OK), is_there ? 0 : -1);
                assert_int_equal(rmdir(TARGET), is_there ? 0 : -1); /* it is empty */
            } else {
                run("rm -r " TARGET); /* as a lock file that cannot be written into, or the end */
            }
            if (!was_met)
                break;
        }
    px_fault_fs_release(&fs);
}

static void test_backup__restores_one_collection_under_a_free_name(void **state)
{
    struct database database;
    (void)state;
    assert_int_equal(restore_named("docs:copy"), PROXIMADB_OK);
    assert_non_null(strstr(lines.text, "\"restored_as\":\"copy\""));
    expect(restore_named("docs:copy"), PROXIMADB_COLLECTION_EXISTS, "'copy'");
    expect(restore_named("nothing"), PROXIMADB_COLLECTION_NOT_FOUND, "'nothing'");
    expect(restore_named("docs:"), PROXIMADB_INVALID, "name");
    expect(restore_named("docs:../up"), PROXIMADB_INVALID, "name");
    expect(restore(), PROXIMADB_INVALID, "one collection at a time");
    assert_int_equal(restore_named("docs"), PROXIMADB_OK);
    database_open(&database, TARGET);
    expect(restore_named("empty"), PROXIMADB_UNAVAILABLE, "in use");
    database_put(&database, "copy", 900, 1); /* the two share their parts, and nothing else */
    database_call(&database, PROXIMADB_COMPACT, "copy", NULL);
    database_close(&database);
    assert_non_null(strstr(describe(TARGET, "docs"), "\"last_lsn\":336"));
    assert_int_equal(proximadb_check(TARGET, database_sink, &lines, &error), PROXIMADB_OK);
}

static void test_backup__takes_the_collections_that_are_named(void **state)
{
    const char *const names[] = {"empty", "empty"}, *const missing[] = {"empty", "nothing"};
    struct proximadb_backup_options options = {
        .struct_size = sizeof options, .collections = names, .collection_count = 2, .copy = true};
    (void)state;
    assert_int_equal(back_up("scratch/backup/two", &options), PROXIMADB_OK);
    assert_int_equal(proximadb_restore("scratch/backup/two", TARGET, NULL, &error), PROXIMADB_OK);
    assert_int_equal(access(TARGET "/metadata/collections/empty.json", F_OK), 0);
    assert_int_equal(access(TARGET "/metadata/collections/docs.json", F_OK), -1);
    options.collections = missing;
    expect(back_up("scratch/backup/three", &options), PROXIMADB_COLLECTION_NOT_FOUND, "'nothing'");
    assert_int_equal(access("scratch/backup/three", F_OK), -1);
}

static void test_backup__stops_when_nobody_listens(void **state)
{
    struct database_lines some = {.calls_left = 1};
    const struct proximadb_backup_options options = {
        .struct_size = sizeof options, .sink = database_sink, .sink_context = &some};
    (void)state;
    assert_int_equal(back_up("scratch/backup/stopped", &options), PROXIMADB_CANCELLED);
    assert_int_equal(access("scratch/backup/stopped", F_OK), -1);
    some = (struct database_lines){.calls_left = 1};
    assert_int_equal(proximadb_restore(BACKUP, TARGET, &options, &error), PROXIMADB_CANCELLED);
    assert_int_equal(access(TARGET, F_OK), -1);
}

static void test_backup__says_that_a_collection_is_damaged(void **state)
{
    (void)state;
    run("rm " DATA "/store/docs/vectors/cluster_001/part_*.parquet");
    expect(back_up("scratch/backup/damaged", NULL), PROXIMADB_CORRUPT, "part_");
    assert_non_null(strstr(error.message, "is missing, although the manifest lists it"));
    assert_string_equal(error.message + strlen(error.message) - 16, "(docs/BACKUP.md)");
    assert_non_null(strstr(error.message, "'docs'"));
    assert_int_equal(access("scratch/backup/damaged", F_OK), -1);
}

static void test_backup__finds_a_damaged_part_where_it_is_read(void **state)
{
    struct proximadb_backup_options options = {.struct_size = sizeof options};
    struct px_names names;
    struct px_path path;
    (void)state;
    static const char folder[] = DATA "/store/docs/vectors/cluster_001";
    assert_int_equal(px_folder_list(&px_fs_posix, folder, &names, NULL), PROXIMADB_OK);
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", folder, names.items[0].text), 0);
    px_names_release(&names);
    run("rm -r " BACKUP);
    options.verify = true;
    assert_int_equal(back_up(BACKUP, &options), PROXIMADB_OK);
    flip(path.text, 1000);
    run("rm -r " BACKUP);
    expect(back_up(BACKUP, &options), PROXIMADB_CORRUPT, px_path_name(path.text));
    assert_int_equal(access(BACKUP, F_OK), -1);
    options.verify = false;
    options.copy = true;
    expect(back_up(BACKUP, &options), PROXIMADB_CORRUPT, "the checksum of '");
    assert_null(strstr(error.message, "bytes"));
    options.copy = false;
    assert_int_equal(back_up(BACKUP, &options), PROXIMADB_OK); /* nobody read it */
}

/* A log whose end was torn by a crash is what recovery makes of it. */
static void test_backup__leaves_a_torn_end_out(void **state)
{
    (void)state;
    run("for log in " DATA "/wal/docs/*.wal; do printf '\\002\\002\\002' >> $log; done");
    run("rm -rf " BACKUP);
    assert_int_equal(back_up(BACKUP, NULL), PROXIMADB_OK);
    assert_int_equal(restore(), PROXIMADB_OK);
    assert_non_null(strstr(describe(TARGET, "docs"), "\"last_lsn\":336"));
    lines = (struct database_lines){0};
    assert_int_equal(proximadb_check(TARGET, database_sink, &lines, &error), PROXIMADB_OK);
    assert_null(strstr(lines.text, "\"finding\""));
}

#define TEST(function) cmocka_unit_test_setup(function, make_database)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_backup__gives_back_what_was_there),
        TEST(test_backup__names_the_file_of_a_flipped_byte),
        TEST(test_backup__names_a_missing_file),
        TEST(test_backup__names_a_log_that_was_cut),
        TEST(test_backup__refuses_one_that_is_not_finished),
        TEST(test_backup__believes_no_list_that_differs_from_the_files),
        TEST(test_backup__leaves_other_folders_alone),
        TEST(test_backup__looks_at_the_target_first),
        TEST(test_backup__leaves_nothing_when_restoring_fails),
        TEST(test_backup__restores_one_collection_under_a_free_name),
        TEST(test_backup__takes_the_collections_that_are_named),
        TEST(test_backup__stops_when_nobody_listens),
        TEST(test_backup__says_that_a_collection_is_damaged),
        TEST(test_backup__finds_a_damaged_part_where_it_is_read),
        TEST(test_backup__leaves_a_torn_end_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
