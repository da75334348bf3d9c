/*
 * Goal: a log gives back, in order, exactly what was written, over any number of files and restarts;
 * torn ends are cut, damage is told and stops only writing.
 * Method: write, close or abandon, change files by hand, open again. Power cuts and failing calls are
 * in tests/fault.
 */
#include "wal/wal.h"

#include "support/wal_support.h"

#include <unistd.h>

static void fixture_new(struct wal_fixture *fixture)
{
    wal_fixture_init(fixture, &px_fs_posix, px_test_folder("wal"));
}

static struct px_names log_files(const struct wal_fixture *fixture)
{
    struct px_names names;
    assert_int_equal(px_folder_list(&px_fs_posix, fixture->folder, &names, NULL), PROXIMADB_OK);
    return names;
}

static size_t log_file_count(const struct wal_fixture *fixture)
{
    struct px_names names = log_files(fixture);
    size_t count = names.count;
    px_names_release(&names);
    return count;
}

/* The path of the index-th log file by name, as a static string. */
static const char *log_path(const struct wal_fixture *fixture, size_t index)
{
    static char path[600];
    struct px_names names = log_files(fixture);
    assert_true(index < names.count);
    snprintf(path, sizeof path, "%s/%s", fixture->folder, names.items[index].text);
    px_names_release(&names);
    return path;
}

static uint64_t file_size(const char *path)
{
    struct px_fs_info info;
    assert_int_equal(px_fs_posix.info(&px_fs_posix, path, &info), 0);
    return info.size_bytes;
}

static void flip_byte(const char *path, uint64_t offset)
{
    uint8_t byte;
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_READ_WRITE);
    assert_int_equal(px_fs_posix.read_at(&px_fs_posix, fd, &byte, 1, offset), 1);
    byte ^= 0x40;
    struct px_slice piece = px_slice_of(&byte, 1);
    assert_int_equal(px_fs_posix.write_at(&px_fs_posix, fd, &piece, 1, offset), 0);
    px_fs_posix.close(&px_fs_posix, fd);
}

/* Ends the process's hold on the log as SIGKILL would: nothing is closed or cut. */
static void abandon(struct wal_fixture *fixture)
{
    fixture->wal = NULL;
}

static void test_wal__replays_what_was_written(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    assert_int_equal(px_wal_next_lsn(fixture.wal), 1);
    assert_int_equal(log_file_count(&fixture), 0); /* a file is opened at the first write */
    for (uint32_t i = 0; i < 50; i++)
        wal_fixture_write(&fixture, 1 + i % 7, 10 + 100 * i);
    int64_t next_lsn = px_wal_next_lsn(fixture.wal);
    wal_fixture_close(&fixture);

    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 50);
    assert_int_equal(fixture.seen.first_lsn, 1);
    assert_int_equal(fixture.seen.next_lsn, next_lsn);
    assert_int_equal(px_wal_next_lsn(fixture.wal), next_lsn);
    assert_string_equal(fixture.lines.text, ""); /* a clean end is nothing to tell */
    wal_fixture_close(&fixture);
}

static void test_wal__goes_on_in_a_new_file_after_each_start(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    for (uint32_t start = 0; start < 5; start++) {
        wal_fixture_open(&fixture);
        assert_int_equal(fixture.seen.entry_count, 2 * start);
        wal_fixture_write(&fixture, 3, 100);
        wal_fixture_write(&fixture, 3, 100);
        wal_fixture_close(&fixture);
        assert_int_equal(log_file_count(&fixture), start + 1);
    }
}

static void test_wal__rotates_by_size_and_by_age(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    fixture.options.file_limit_bytes = 20000;
    wal_fixture_open(&fixture);
    for (int i = 0; i < 10; i++)
        wal_fixture_write(&fixture, 1, 9000);
    assert_int_equal(log_file_count(&fixture), 5);

    fixture.clock.monotonic_ms += 30 * 60 * 1000; /* old, but nothing to write: no rotation */
    assert_int_equal(log_file_count(&fixture), 5);
    wal_fixture_write(&fixture, 1, 10);
    assert_int_equal(log_file_count(&fixture), 6);
    wal_fixture_close(&fixture);
    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 11);
    wal_fixture_close(&fixture);
}

static void test_wal__closes_an_idle_file(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    wal_fixture_write(&fixture, 1, 10);
    fixture.clock.monotonic_ms += 59 * 1000;
    px_wal_idle(fixture.wal);
    assert_int_equal(file_size(log_path(&fixture, 0)), 64 << 10);
    fixture.clock.monotonic_ms += 1000;
    px_wal_idle(fixture.wal);
    assert_true(file_size(log_path(&fixture, 0)) < 64 << 10); /* its padding is cut off */
    assert_int_equal(px_wal_size_bytes(fixture.wal), file_size(log_path(&fixture, 0)));
    wal_fixture_write(&fixture, 1, 10);
    assert_int_equal(log_file_count(&fixture), 2);
    wal_fixture_close(&fixture);
}

static void test_wal__removes_only_files_that_are_flushed(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    fixture.options.file_limit_bytes = 1; /* one entry a file */
    wal_fixture_open(&fixture);
    for (int i = 0; i < 4; i++)
        wal_fixture_write(&fixture, 10, 100); /* LSNs 1-10, 11-20, 21-30, 31-40 */
    px_wal_trim(fixture.wal, 9);
    assert_int_equal(log_file_count(&fixture), 4);
    px_wal_trim(fixture.wal, 20);
    assert_int_equal(log_file_count(&fixture), 2);
    px_wal_trim(fixture.wal, 40); /* the last is still open */
    assert_int_equal(log_file_count(&fixture), 1);
    wal_fixture_close(&fixture);

    fixture.options.flushed_lsn = 40;
    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 0);
    assert_int_equal(px_wal_next_lsn(fixture.wal), 41);
    px_wal_trim(fixture.wal, 40);
    assert_int_equal(log_file_count(&fixture), 0);
    wal_fixture_close(&fixture);

    wal_fixture_open(&fixture); /* LSNs go on although no file remembers them */
    assert_int_equal(px_wal_next_lsn(fixture.wal), 41);
    wal_fixture_close(&fixture);
}

static void test_wal__replays_only_above_flushed_lsn(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    for (int i = 0; i < 4; i++)
        wal_fixture_write(&fixture, 10, 100);
    wal_fixture_close(&fixture);
    fixture.options.flushed_lsn = 20;
    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 2);
    assert_int_equal(fixture.seen.first_lsn, 21);
    wal_fixture_close(&fixture);
}

static void test_wal__survives_being_abandoned(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    struct px_wal *abandoned = fixture.wal;
    wal_fixture_write(&fixture, 1, 10);
    abandon(&fixture);
    assert_int_equal(file_size(log_path(&fixture, 0)), 64 << 10);
    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 1);
    assert_true(file_size(log_path(&fixture, 0)) < 64 << 10);
    wal_fixture_close(&fixture);
    px_wal_close(abandoned);
}

static void test_wal__cuts_a_torn_tail_and_keeps_it_aside(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    wal_fixture_write(&fixture, 1, 1000);
    wal_fixture_write(&fixture, 1, 1000);
    wal_fixture_close(&fixture);
    uint64_t size = file_size(log_path(&fixture, 0));
    flip_byte(log_path(&fixture, 0), size - 500); /* in the last block */

    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 1);
    assert_null(px_wal_read_only_reason(fixture.wal));
    assert_non_null(strstr(fixture.lines.text, "unfinished write"));
    struct px_names trash;
    assert_int_equal(px_folder_list(&px_fs_posix, fixture.trash, &trash, NULL), PROXIMADB_OK);
    assert_int_equal(trash.count, 1);
    assert_non_null(strstr(trash.items[0].text, "docs-2024-01-15_12-00-00.wal-at-"));
    px_names_release(&trash);
    wal_fixture_write(&fixture, 1, 77); /* takes the LSN of the one that was cut */
    wal_fixture_close(&fixture);

    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 2);
    assert_int_equal(fixture.seen.next_lsn, 3);
    wal_fixture_close(&fixture);
}

/* Writes three files of two entries each, flips a byte in one, and opens again. */
static void open_with_damage(struct wal_fixture *fixture, size_t file, uint64_t from_end)
{
    fixture_new(fixture);
    fixture->options.file_limit_bytes = 9500; /* the header has about 8,000 */
    wal_fixture_open(fixture);
    for (int i = 0; i < 6; i++)
        wal_fixture_write(fixture, 1, 1000);
    wal_fixture_close(fixture);
    /* By name: 12-00-00-001.wal, 12-00-00-002.wal, 12-00-00.wal; the order of writing is 2, 0, 1. */
    assert_int_equal(log_file_count(fixture), 3);
    static const size_t by_name[] = {2, 0, 1};
    const char *path = log_path(fixture, by_name[file]);
    flip_byte(path, file_size(path) - from_end);
    wal_fixture_open(fixture);
}

static void check_read_only(struct wal_fixture *fixture, size_t entries_served, const char *word)
{
    assert_int_equal(fixture->seen.entry_count, entries_served);
    const char *reason = px_wal_read_only_reason(fixture->wal);
    assert_non_null(reason);
    if (strstr(reason, word) == NULL)
        fail_msg("'%s' does not name '%s'", reason, word);
    assert_int_equal(wal_fixture_append(fixture, 1, 1, 10), PROXIMADB_READ_ONLY);
    assert_non_null(strstr(fixture->error.message, word));
    px_wal_trim(fixture->wal, 1000); /* keeps what may have to be looked at */
    assert_int_equal(log_file_count(fixture), 3);
    wal_fixture_close(fixture);
}

static void test_wal__damage_stops_writing_but_not_reading(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    open_with_damage(&fixture, 0, 500); /* the second block of the first file */
    check_read_only(&fixture, 1, "12-00-00.wal");
    open_with_damage(&fixture, 1, 500);
    check_read_only(&fixture, 3, "12-00-00-001.wal");
    open_with_damage(&fixture, 2, 1500); /* the first block of the newest; a valid one follows */
    check_read_only(&fixture, 4, "12-00-00-002.wal");
    open_with_damage(&fixture, 2, 500); /* its last block looks like any torn one */
    assert_null(px_wal_read_only_reason(fixture.wal));
    assert_int_equal(fixture.seen.entry_count, 5);
    wal_fixture_close(&fixture);
}

static void test_wal__a_damaged_header_is_damage(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    fixture.options.file_limit_bytes = 1;
    wal_fixture_open(&fixture);
    for (int i = 0; i < 3; i++)
        wal_fixture_write(&fixture, 1, 100);
    wal_fixture_close(&fixture);
    flip_byte(log_path(&fixture, 0), 1); /* 12-00-00-001.wal, the second */
    wal_fixture_open(&fixture);
    check_read_only(&fixture, 1, "12-00-00-001.wal");
}

static void test_wal__a_missing_file_is_damage(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    fixture.options.file_limit_bytes = 1;
    wal_fixture_open(&fixture);
    for (int i = 0; i < 4; i++)
        wal_fixture_write(&fixture, 1, 100);
    wal_fixture_close(&fixture);
    assert_int_equal(unlink(log_path(&fixture, 0)), 0);
    wal_fixture_open(&fixture);
    check_read_only(&fixture, 1, "missing");

    fixture.options.flushed_lsn = 2; /* what is missing is in VIPER */
    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 2);
    assert_null(px_wal_read_only_reason(fixture.wal));
    wal_fixture_close(&fixture);
}

/* A start cuts a torn first block off and leaves a header. It still says that all before it is in
 * VIPER: the next start must not look there again. */
static void test_wal__a_file_without_entries_stays_until_the_trim(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    char first[600], second[600];
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    wal_fixture_write(&fixture, 6, 100);
    wal_fixture_close(&fixture);
    wal_fixture_open(&fixture);
    wal_fixture_write(&fixture, 1, 100);
    wal_fixture_close(&fixture);
    snprintf(first, sizeof first, "%s", log_path(&fixture, 0));
    snprintf(second, sizeof second, "%s", log_path(&fixture, 1));
    flip_byte(first, file_size(first) - 120);   /* damaged, but flushed ... */
    flip_byte(second, file_size(second) - 120); /* and torn */
    fixture.options.flushed_lsn = 6;
    for (int start = 0; start < 3; start++) {
        wal_fixture_open(&fixture);
        assert_null(px_wal_read_only_reason(fixture.wal));
        assert_int_equal(fixture.seen.entry_count, 0);
        assert_int_equal(px_wal_next_lsn(fixture.wal), 7);
        assert_int_equal(log_file_count(&fixture), 2);
        wal_fixture_close(&fixture);
    }
    wal_fixture_open(&fixture);
    px_wal_trim(fixture.wal, 6);
    assert_int_equal(log_file_count(&fixture), 0);
    wal_fixture_close(&fixture);
}

static void test_wal__leaves_the_files_of_others_alone(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    wal_fixture_write(&fixture, 1, 100);
    wal_fixture_close(&fixture);
    fixture.options.collection_id.bytes[0] ^= 1;
    wal_fixture_open(&fixture);
    assert_int_equal(fixture.seen.entry_count, 0);
    assert_null(px_wal_read_only_reason(fixture.wal));
    assert_non_null(strstr(fixture.lines.text, "belongs to another collection"));
    px_wal_trim(fixture.wal, 1000);
    assert_int_equal(log_file_count(&fixture), 1);
    wal_fixture_close(&fixture);
}

static void test_wal__an_entry_that_cannot_be_applied_is_damage(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    wal_fixture_open(&fixture);
    for (int i = 0; i < 3; i++)
        wal_fixture_write(&fixture, 1, 100);
    wal_fixture_close(&fixture);
    fixture.seen.fail_at = 2;
    wal_fixture_open(&fixture);
    assert_non_null(strstr(px_wal_read_only_reason(fixture.wal), "LSN 2 cannot be replayed"));
    assert_int_equal(fixture.seen.entry_count, 2);
    wal_fixture_close(&fixture);
}

static void test_wal__removes_what_an_interrupted_creation_left(void **state)
{
    (void)state;
    struct wal_fixture fixture;
    fixture_new(&fixture);
    char path[600];
    snprintf(path, sizeof path, "%s/2024-01-15_12-00-00.wal.tmp", fixture.folder);
    int fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_CREATE);
    px_fs_posix.close(&px_fs_posix, fd);
    wal_fixture_open(&fixture);
    assert_int_equal(log_file_count(&fixture), 0);
    wal_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal__replays_what_was_written),
        cmocka_unit_test(test_wal__goes_on_in_a_new_file_after_each_start),
        cmocka_unit_test(test_wal__rotates_by_size_and_by_age),
        cmocka_unit_test(test_wal__closes_an_idle_file),
        cmocka_unit_test(test_wal__removes_only_files_that_are_flushed),
        cmocka_unit_test(test_wal__replays_only_above_flushed_lsn),
        cmocka_unit_test(test_wal__survives_being_abandoned),
        cmocka_unit_test(test_wal__cuts_a_torn_tail_and_keeps_it_aside),
        cmocka_unit_test(test_wal__damage_stops_writing_but_not_reading),
        cmocka_unit_test(test_wal__a_damaged_header_is_damage),
        cmocka_unit_test(test_wal__a_missing_file_is_damage),
        cmocka_unit_test(test_wal__a_file_without_entries_stays_until_the_trim),
        cmocka_unit_test(test_wal__leaves_the_files_of_others_alone),
        cmocka_unit_test(test_wal__an_entry_that_cannot_be_applied_is_damage),
        cmocka_unit_test(test_wal__removes_what_an_interrupted_creation_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
