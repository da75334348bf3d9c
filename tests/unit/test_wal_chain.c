/*
 * Goal: looking at a chain of log files finds what recovery would find, and changes nothing.
 * Method: chains of several files, healthy, torn, flipped, with files missing or in excess; the folder
 * is compared before and after.
 */
#include "wal/wal_chain.h"

#include "os/file.h"
#include "os/path.h"
#include "support/wal_support.h"

#include <errno.h>
#include <unistd.h>

/* What was reported, one line each. */
struct seen {
    struct wal_fixture fixture;
    char lines[8000];
    size_t counts[3]; /* by severity */
    size_t entry_count;
    size_t file_count;
    int64_t next_lsn;
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

static int take_entry(void *context, const struct px_wal_entry *entry,
                      struct proximadb_error *reterr)
{
    struct seen *seen = context;
    (void)entry;
    (void)reterr;
    seen->entry_count++;
    return PROXIMADB_OK;
}

static int take_file(void *context, const struct px_wal_chain_file *file,
                     struct proximadb_error *reterr)
{
    struct seen *seen = context;
    (void)reterr;
    assert_true(file->next_lsn >= seen->next_lsn);
    seen->file_count++;
    seen->next_lsn = file->next_lsn;
    return PROXIMADB_OK;
}

static void look(struct seen *seen, int64_t flushed_lsn)
{
    const struct px_findings findings = {.report = take_finding, .context = seen};
    const struct px_wal_chain_options options = {.fs = &px_fs_posix,
                                                 .folder = seen->fixture.folder,
                                                 .collection_id = {.bytes = {1, 2, 3}},
                                                 .flushed_lsn = flushed_lsn,
                                                 .findings = &findings,
                                                 .entry = take_entry,
                                                 .file = take_file,
                                                 .context = seen};
    struct proximadb_error error;
    seen->lines[0] = '\0';
    memset(seen->counts, 0, sizeof seen->counts);
    seen->entry_count = seen->file_count = 0;
    seen->next_lsn = 0;
    if (px_wal_chain_read(&options, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
}

/* Three files of 2, 3 and 4 entries, one block each, of 2 rows each. */
static void make_chain(struct seen *seen)
{
    struct wal_fixture *fixture = &seen->fixture;
    *seen = (struct seen){0};
    wal_fixture_init(fixture, &px_fs_posix, px_test_folder("wal_chain"));
    for (size_t i = 0; i < 3; i++) {
        wal_fixture_open(fixture);
        for (size_t j = 0; j < i + 2; j++)
            wal_fixture_write(fixture, 2, 40);
        wal_fixture_close(fixture);
        fixture->clock.wall_ms += 1000;
    }
}

static struct px_path file_path(struct seen *seen, size_t index)
{
    struct px_names names;
    struct px_path path;
    assert_int_equal(px_folder_list(&px_fs_posix, seen->fixture.folder, &names, NULL), 0);
    assert_true(index < names.count);
    assert_int_equal(
        px_path_format(&path, NULL, "%s/%s", seen->fixture.folder, names.items[index].text),
        PROXIMADB_OK);
    px_names_release(&names);
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
    byte ^= 0x10;
    struct px_slice piece = px_slice_of(&byte, 1);
    assert_int_equal(px_fs_posix.write_at(&px_fs_posix, fd, &piece, 1, offset), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

static void cut(const struct px_path *path, uint64_t size_bytes)
{
    int fd = px_fs_posix.open(&px_fs_posix, path->text, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.truncate(&px_fs_posix, fd, size_bytes), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

static void write_file(struct seen *seen, const char *name)
{
    struct px_path path;
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", seen->fixture.folder, name), 0);
    fclose(fopen(path.text, "w"));
}

static void expect(const struct seen *seen, size_t notes, size_t warnings, size_t damages)
{
    if (seen->counts[PX_NOTE] != notes || seen->counts[PX_WARNING] != warnings ||
        seen->counts[PX_DAMAGE] != damages)
        fail_msg("expected %zu notes, %zu warnings, %zu damages:\n%s", notes, warnings, damages,
                 seen->lines);
}

static void test_wal_chain__finds_nothing_in_a_sound_one(void **state)
{
    (void)state;
    struct seen seen;
    make_chain(&seen);
    look(&seen, 0);
    expect(&seen, 0, 0, 0);
    assert_int_equal(seen.file_count, 3);
    assert_int_equal(seen.entry_count, 9);
    assert_int_equal(seen.next_lsn, 19);
    for (size_t i = 0; i < 3; i++) { /* padding is sound, too */
        struct px_path path = file_path(&seen, i);
        assert_true(size_of(&path) > 0);
    }
}

static void test_wal_chain__takes_a_torn_end_for_normal_in_the_newest_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct seen seen;
        make_chain(&seen);
        struct px_path path = file_path(&seen, i);
        uint64_t size = size_of(&path) - 1;
        cut(&path, size);
        look(&seen, 0);
        if (i == 2)
            expect(&seen, 1, 0, 0);
        else
            expect(&seen, 0, 0, 1);
        assert_non_null(strstr(seen.lines, path.text));
        assert_int_equal(seen.entry_count, 8);
        assert_int_equal(size_of(&path), size); /* nothing was cut off */
    }
}

static void test_wal_chain__finds_a_flipped_byte_in_any_older_block(void **state)
{
    (void)state;
    struct seen seen;
    make_chain(&seen);
    for (size_t i = 0; i < 2; i++) {
        struct px_path path = file_path(&seen, i);
        uint64_t size = size_of(&path);
        for (uint64_t offset = size - 150; offset < size; offset++) {
            flip(&path, offset);
            look(&seen, 0);
            expect(&seen, 0, 0, 1);
            look(&seen, 18); /* all of it is in VIPER, and the file is damaged all the same */
            expect(&seen, 0, 0, 1);
            flip(&path, offset);
        }
    }
    struct px_path newest = file_path(&seen, 2);
    flip(&newest, size_of(&newest) - 150); /* in the last block but one */
    look(&seen, 0);
    expect(&seen, 0, 0, 1);
}

static void test_wal_chain__finds_a_missing_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct seen seen;
        make_chain(&seen);
        struct px_path path = file_path(&seen, i);
        assert_int_equal(px_fs_posix.unlink(&px_fs_posix, path.text), 0);
        look(&seen, 0);
        expect(&seen, 0, 0, i == 2 ? 0 : 1); /* nothing tells of a last file that is gone */
        look(&seen, 10); /* the first two are in VIPER: they may be gone, in any order */
        expect(&seen, 0, 0, 0);
    }
}

static void test_wal_chain__says_what_else_lies_there(void **state)
{
    (void)state;
    struct seen seen;
    make_chain(&seen);
    write_file(&seen, "2024-01-15_12-00-09.wal.tmp");
    write_file(&seen, "notes.txt");
    write_file(&seen, "2024-01-15_12-00-00.wal.failed");
    look(&seen, 0);
    expect(&seen, 1, 2, 0);
    assert_non_null(strstr(seen.lines, "notes.txt: it is no log file of ours"));
    assert_int_equal(seen.entry_count, 9);
    write_file(&seen, "2024-01-15_12-00-09.wal"); /* empty: no header */
    look(&seen, 0);
    expect(&seen, 1, 2, 1);
}

static void test_wal_chain__leaves_the_files_of_others_out(void **state)
{
    (void)state;
    struct seen seen;
    make_chain(&seen);
    seen.fixture.options.collection_id.bytes[0] = 9;
    wal_fixture_open(&seen.fixture);
    wal_fixture_write(&seen.fixture, 2, 40);
    wal_fixture_close(&seen.fixture);
    look(&seen, 0);
    expect(&seen, 0, 1, 0);
    assert_int_equal(seen.entry_count, 9);
}

static void test_wal_chain__looks_at_a_file_that_is_written(void **state)
{
    (void)state;
    struct seen seen;
    make_chain(&seen);
    wal_fixture_open(&seen.fixture);
    wal_fixture_write(&seen.fixture, 2, 40);
    look(&seen, 0);
    expect(&seen, 0, 0, 0);
    assert_int_equal(seen.entry_count, 10);
    wal_fixture_close(&seen.fixture);
}

/* As a server does that flushes while the chain is read: the second file is gone, and another one,
 * here with what the third has, got its name. */
static int replace_second(void *context, const struct px_wal_chain_file *file,
                          struct proximadb_error *reterr)
{
    struct seen *seen = context;
    struct px_path from = file_path(seen, 2), to = file_path(seen, 1);
    struct px_buffer content = {0};
    if (seen->file_count == 0) {
        assert_int_equal(px_file_read(&px_fs_posix, from.text, SIZE_MAX / 2, &content, NULL), 0);
        struct px_slice piece = px_buffer_slice(&content);
        cut(&to, 0);
        int fd = px_fs_posix.open(&px_fs_posix, to.text, PX_FS_READ_WRITE);
        assert_int_equal(px_fs_posix.write_at(&px_fs_posix, fd, &piece, 1, 0), 0);
        px_fs_posix.close(&px_fs_posix, fd);
        px_buffer_release(&content);
    }
    return take_file(context, file, reterr);
}

static void test_wal_chain__a_name_that_is_used_again_is_no_damage(void **state)
{
    (void)state;
    struct seen seen;
    struct proximadb_error error;
    make_chain(&seen);
    const struct px_findings findings = {.report = take_finding, .context = &seen};
    const struct px_wal_chain_options options = {.fs = &px_fs_posix,
                                                 .folder = seen.fixture.folder,
                                                 .collection_id = {.bytes = {1, 2, 3}},
                                                 .findings = &findings,
                                                 .file = replace_second,
                                                 .context = &seen};
    assert_int_equal(px_wal_chain_read(&options, &error), PROXIMADB_IO);
    assert_int_equal(error.os_errno, ENOENT);
    expect(&seen, 0, 0, 0);
    assert_int_equal(seen.file_count, 1);
}

static void test_wal_chain__a_missing_folder_has_no_files(void **state)
{
    (void)state;
    struct seen seen;
    make_chain(&seen);
    snprintf(seen.fixture.folder, sizeof seen.fixture.folder, "scratch/no/such/folder");
    look(&seen, 0);
    expect(&seen, 0, 0, 0);
    assert_int_equal(seen.file_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_chain__finds_nothing_in_a_sound_one),
        cmocka_unit_test(test_wal_chain__takes_a_torn_end_for_normal_in_the_newest_only),
        cmocka_unit_test(test_wal_chain__finds_a_flipped_byte_in_any_older_block),
        cmocka_unit_test(test_wal_chain__finds_a_missing_file),
        cmocka_unit_test(test_wal_chain__says_what_else_lies_there),
        cmocka_unit_test(test_wal_chain__leaves_the_files_of_others_out),
        cmocka_unit_test(test_wal_chain__looks_at_a_file_that_is_written),
        cmocka_unit_test(test_wal_chain__a_name_that_is_used_again_is_no_damage),
        cmocka_unit_test(test_wal_chain__a_missing_folder_has_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
