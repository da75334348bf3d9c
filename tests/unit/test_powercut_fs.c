/* px-test: layers=os */
/*
 * Goal: what the disk that forgets does to contents, and how its machines live and die, is what its
 * header says; names have a test of their own.
 * Method: bring a disk into a state, copy it, cut the power of the copies under many seeds, and look
 * at what was seen: what must never happen, and what must happen for some seed.
 */
#include "support/powercut_help.h"

#include "support/px_test.h"

#include <errno.h>
#include <pthread.h>

enum { SEED_COUNT = 1000, SECTOR = PX_POWERCUT_SECTOR_BYTES, SECTOR_COUNT = 8 };

static const enum px_powercut_policy policies[] = {
    PX_POWERCUT_DROP_ALL, PX_POWERCUT_KEEP_ALL, PX_POWERCUT_IN_ORDER,
    PX_POWERCUT_RANDOM,   PX_POWERCUT_ANY,
};
enum { POLICY_COUNT = sizeof policies / sizeof policies[0] };

static struct px_powercut *disk;
static struct px_fs *fs;

/* Every test starts with a running machine and a durable, empty file "a". */
static int set_up(void **state)
{
    (void)state;
    disk = px_powercut_new();
    fs = px_powercut_boot(disk);
    powercut_put(fs, "a", "");
    assert_int_equal(fs->sync_folder(fs, "."), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    px_powercut_free(disk);
    return 0;
}

static char *sectors_of(char fill)
{
    static char content[SECTOR_COUNT * SECTOR + 1];
    memset(content, fill, SECTOR_COUNT * SECTOR);
    return content;
}

static void sync_and_close(int fd)
{
    assert_int_equal(fs->sync_data(fs, fd), 0);
    assert_int_equal(fs->close(fs, fd), 0);
}

/* ---- contents ---------------------------------------------------------------------------------- */

static void test_powercut_fs__keeps_what_was_synced(void **state)
{
    (void)state;
    sync_and_close(powercut_write(fs, "a", 0, "synced"));
    sync_and_close(powercut_write(fs, "a", 700, "more"));
    for (size_t i = 0; i < POLICY_COUNT; i++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct px_powercut *after = powercut_after(disk, policies[i], seed);
            size_t got;
            const char *content = powercut_read(px_powercut_boot(after), "a", &got);
            assert_int_equal(got, 704);
            assert_string_equal(content, "synced");
            assert_memory_equal(content + 699, "\0more", 5);
            px_powercut_free(after);
        }
}

/* Which of the sectors hold `fill`, as bits; every one must hold all of it or all of `other`. */
static unsigned sectors_with(const char *content, char fill, char other)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < SECTOR_COUNT; i++) {
        const char *sector = content + i * SECTOR;
        assert_true(sector[0] == fill || sector[0] == other);
        for (size_t at = 1; at < SECTOR; at++)
            assert_int_equal(sector[at], sector[0]);
        bits |= sector[0] == fill ? 1U << i : 0;
    }
    return bits;
}

/* The sets of new sectors that survive when eight are written over and not synced. */
static void collect_survivors(enum px_powercut_policy policy, bool seen[1 << SECTOR_COUNT])
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, policy, seed);
        size_t got;
        const char *content = powercut_read(px_powercut_boot(after), "a", &got);
        assert_int_equal(got, SECTOR_COUNT * SECTOR);
        seen[sectors_with(content, 'N', 'o')] = true;
        px_powercut_free(after);
    }
}

static unsigned count_seen(const bool seen[1 << SECTOR_COUNT])
{
    unsigned count = 0;
    for (unsigned i = 0; i < 1U << SECTOR_COUNT; i++)
        count += seen[i];
    return count;
}

static void test_powercut_fs__tears_what_was_written_over(void **state)
{
    (void)state;
    static bool seen[POLICY_COUNT][1 << SECTOR_COUNT];
    const unsigned all = (1U << SECTOR_COUNT) - 1;
    sync_and_close(powercut_write(fs, "a", 0, sectors_of('o')));
    assert_true(powercut_write(fs, "a", 0, sectors_of('N')) >= 0);
    for (size_t i = 0; i < POLICY_COUNT; i++)
        collect_survivors(policies[i], seen[i]);
    assert_true(count_seen(seen[0]) == 1 && seen[0][0]);
    assert_true(count_seen(seen[1]) == 1 && seen[1][all]);
    assert_int_equal(count_seen(seen[2]), SECTOR_COUNT + 1);
    for (unsigned length = 0; length <= SECTOR_COUNT; length++)
        assert_true(seen[2][(1U << length) - 1]);
    assert_true(count_seen(seen[3]) > 50);
    assert_true(seen[3][0] && seen[3][all] && seen[3][all - 1] && seen[3][1]);
    assert_true(count_seen(seen[4]) > 50);
}

/* Two versions of one sector: both, and the one before them, are possible outcomes. */
static void test_powercut_fs__may_keep_an_older_version_of_a_sector(void **state)
{
    (void)state;
    bool seen[3] = {false};
    sync_and_close(powercut_write(fs, "a", 0, "0"));
    assert_true(powercut_write(fs, "a", 0, "1") >= 0);
    assert_true(powercut_write(fs, "a", 0, "2") >= 0);
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, PX_POWERCUT_RANDOM, seed);
        const char *content = powercut_read(px_powercut_boot(after), "a", NULL);
        assert_in_range(content[0], '0', '2');
        seen[content[0] - '0'] = true;
        px_powercut_free(after);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
}

/* A file that grew without a sync: any size, and what is lost is zeros, or garbage if asked for. */
static void check_growth(bool garbage)
{
    bool full = false, empty = false, in_between = false, zeros = false, other = false;
    px_powercut_set_garbage(disk, garbage);
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, PX_POWERCUT_RANDOM, seed);
        size_t got;
        const char *content = powercut_read(px_powercut_boot(after), "a", &got);
        assert_true(got <= SECTOR_COUNT * SECTOR);
        full |= got == SECTOR_COUNT * SECTOR;
        empty |= got == 0;
        in_between |= got % SECTOR != 0;
        for (size_t at = 0; at < got; at++) {
            zeros |= content[at] == '\0';
            other |= content[at] != '\0' && content[at] != 'N';
        }
        px_powercut_free(after);
    }
    assert_true(full && empty && in_between && zeros);
    assert_int_equal(other, garbage);
}

static void test_powercut_fs__leaves_any_size_of_a_file_that_grew(void **state)
{
    (void)state;
    assert_true(powercut_write(fs, "a", 0, sectors_of('N')) >= 0);
    check_growth(false);
    check_growth(true);
}

static void test_powercut_fs__drops_or_keeps_a_truncation(void **state)
{
    (void)state;
    bool kept = false, dropped = false;
    sync_and_close(powercut_write(fs, "a", 0, sectors_of('o')));
    int fd = fs->open(fs, "a", PX_FS_READ_WRITE);
    assert_int_equal(fs->truncate(fs, fd, 700), 0);
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(disk, PX_POWERCUT_RANDOM, seed);
        size_t got;
        const char *content = powercut_read(px_powercut_boot(after), "a", &got);
        assert_true(got == 700 || got == SECTOR_COUNT * SECTOR);
        kept |= got == 700;
        dropped |= got != 700;
        for (size_t at = 0; at < got; at++)
            assert_int_equal(content[at], 'o');
        px_powercut_free(after);
    }
    assert_true(kept && dropped);
    assert_int_equal(fs->sync_data(fs, fd), 0);
    px_powercut_cut(disk, PX_POWERCUT_DROP_ALL, 0);
    size_t got;
    (void)powercut_read(px_powercut_boot(disk), "a", &got);
    assert_int_equal(got, 700);
}

/* What was cut off never comes back, neither to programs nor from the device. */
static void test_powercut_fs__grows_with_zeros(void **state)
{
    (void)state;
    sync_and_close(powercut_write(fs, "a", 0, sectors_of('o')));
    int fd = fs->open(fs, "a", PX_FS_READ_WRITE);
    assert_int_equal(fs->truncate(fs, fd, 700), 0);
    assert_int_equal(fs->allocate(fs, fd, 2000), 0);
    assert_int_equal(fs->allocate(fs, fd, 1000), 0);
    for (int round = 0; round < 2; round++) {
        size_t got;
        const char *content = powercut_read(fs, "a", &got);
        assert_int_equal(got, 2000);
        assert_int_equal(strlen(content), 700);
        for (size_t at = 700; at < 2000; at++)
            assert_int_equal(content[at], '\0');
        if (round == 0)
            assert_int_equal(fs->sync_data(fs, fd), 0);
        px_powercut_cut(disk, PX_POWERCUT_RANDOM, 1);
        fs = px_powercut_boot(disk);
    }
}

/* Writes digit i into sector i of "a" and "b" in turn, where a sector of 'o' is. */
static void write_digits(struct px_fs *machine, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        char digit[2] = {(char)('0' + i), '\0'};
        const char *path = i % 2 == 0 ? "a" : "b";
        assert_true(powercut_write(machine, path, (uint64_t)i * SECTOR, digit) >= 0);
    }
}

/* How many digits are there; none without those before it. */
static unsigned count_digits(struct px_fs *machine)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SECTOR_COUNT; i++) {
        const char *content = powercut_read(machine, i % 2 == 0 ? "a" : "b", NULL);
        bool there = content[i * SECTOR] == (char)('0' + i);
        assert_true(there || content[i * SECTOR] == 'o');
        assert_true(!there || count == i);
        count += there;
    }
    return count;
}

static void test_powercut_fs__keeps_a_beginning_when_in_order(void **state)
{
    (void)state;
    bool seen[SECTOR_COUNT + 1] = {false};
    sync_and_close(powercut_write(fs, "a", 0, sectors_of('o')));
    sync_and_close(powercut_write(fs, "b", 0, sectors_of('o')));
    assert_int_equal(fs->sync_folder(fs, "/"), 0);
    write_digits(fs, 0, 4);
    struct px_powercut *copy = px_powercut_copy(disk); /* goes on in the same order */
    write_digits(px_powercut_boot(copy), 5, SECTOR_COUNT - 1);
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct px_powercut *after = powercut_after(copy, PX_POWERCUT_IN_ORDER, seed);
        seen[count_digits(px_powercut_boot(after))] = true;
        px_powercut_free(after);
    }
    px_powercut_free(copy);
    for (int count = 0; count <= SECTOR_COUNT; count++)
        assert_true(seen[count]);
}

static void test_powercut_fs__repeats_itself_from_its_seed(void **state)
{
    (void)state;
    assert_true(powercut_write(fs, "a", 0, sectors_of('N')) >= 0);
    px_powercut_set_garbage(disk, true);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct px_powercut *first = powercut_after(disk, PX_POWERCUT_ANY, seed);
        struct px_powercut *second = powercut_after(disk, PX_POWERCUT_ANY, seed);
        size_t got, again;
        char *content = strdup(powercut_read(px_powercut_boot(first), "a", &got));
        (void)powercut_read(px_powercut_boot(second), "a", &again);
        assert_int_equal(got, again);
        assert_true(powercut_is(px_powercut_boot(second), "a", content) || memchr(content, 0, got));
        free(content);
        px_powercut_free(first);
        px_powercut_free(second);
    }
}

/* ---- failed syncs -------------------------------------------------------------------------------- */

static void test_powercut_fs__loses_what_a_failed_sync_was_to_keep(void **state)
{
    (void)state;
    int fd = powercut_write(fs, "a", 0, "first");
    px_powercut_fail_sync(disk, NULL, 1);
    assert_int_equal(fs->sync_data(fs, fd), -1);
    assert_int_equal(errno, EIO);
    assert_true(powercut_write(fs, "a", SECTOR, "second") >= 0);
    assert_int_equal(fs->sync_data(fs, fd), 0);
    size_t got;
    assert_string_equal(powercut_read(fs, "a", &got), "first");
    px_powercut_kill(disk);
    assert_string_equal(powercut_read(px_powercut_boot(disk), "a", &got), "first");
    px_powercut_cut(disk, PX_POWERCUT_KEEP_ALL, 0);
    const char *content = powercut_read(px_powercut_boot(disk), "a", &got);
    assert_int_equal(got, SECTOR + 6);
    assert_string_equal(content, "");
    assert_string_equal(content + SECTOR, "second");
}

/* The page cache still has the lost bytes, so writing the same sector again brings them along. */
static void test_powercut_fs__writes_lost_bytes_again_with_their_sector(void **state)
{
    (void)state;
    int fd = powercut_write(fs, "a", 0, "first");
    px_powercut_fail_sync(disk, NULL, 1);
    assert_int_equal(fs->sync_data(fs, fd), -1);
    assert_int_equal(fs->sync_data(fs, fd), 0);
    assert_true(powercut_write(fs, "a", 5, ", again") >= 0);
    assert_int_equal(fs->sync_data(fs, fd), 0);
    px_powercut_cut(disk, PX_POWERCUT_DROP_ALL, 0);
    assert_true(powercut_is(px_powercut_boot(disk), "a", "first, again"));
}

static void test_powercut_fs__fails_the_nth_sync_of_a_path(void **state)
{
    (void)state;
    int a = fs->open(fs, "a", PX_FS_READ_WRITE), log = powercut_write(fs, "log.wal", 0, "x");
    px_powercut_fail_sync(disk, ".wal", 2);
    assert_int_equal(fs->sync_data(fs, log), 0);
    assert_int_equal(fs->sync_data(fs, a), 0);
    assert_int_equal(fs->sync_data(fs, log), -1);
    assert_int_equal(fs->sync_data(fs, log), 0);
}

/* ---- machines ------------------------------------------------------------------------------------ */

static void assert_dead(struct px_fs *machine, int fd)
{
    char byte;
    struct px_fs_info info;
    struct px_slice piece = px_slice_of_string("x");
    const void *data;
    assert_int_equal(machine->open(machine, "a", PX_FS_READ), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(machine->open(machine, "a", PX_FS_READ_WRITE), -1);
    assert_int_equal(machine->read_at(machine, fd, &byte, 1, 0), -1);
    assert_int_equal(machine->write_at(machine, fd, &piece, 1, 0), -1);
    assert_int_equal(machine->truncate(machine, fd, 0), -1);
    assert_int_equal(machine->allocate(machine, fd, 10), -1);
    assert_int_equal(machine->sync_data(machine, fd), -1);
    assert_int_equal(machine->sync_folder(machine, "."), -1);
    assert_int_equal(machine->info(machine, "a", &info), -1);
    assert_int_equal(machine->rename(machine, "a", "b"), -1);
    assert_int_equal(machine->unlink(machine, "a"), -1);
    assert_int_equal(machine->make_folder(machine, "f"), -1);
    assert_int_equal(machine->remove_folder(machine, "f"), -1);
    assert_int_equal(machine->list(machine, ".", NULL, NULL), -1);
    assert_int_equal(machine->map(machine, fd, 1, &data), -1);
    assert_int_equal(machine->lock(machine, fd), -1);
    assert_int_equal(machine->close(machine, fd), -1);
    assert_int_equal(errno, EIO);
}

static void test_powercut_fs__a_dead_machine_stays_dead(void **state)
{
    (void)state;
    int fd = powercut_write(fs, "a", 0, "abc");
    const void *data;
    assert_int_equal(fs->map(fs, fd, 3, &data), 0);
    px_powercut_cut(disk, PX_POWERCUT_KEEP_ALL, 0);
    assert_dead(fs, fd);
    struct px_fs *next = px_powercut_boot(disk);
    assert_dead(fs, fd);
    assert_memory_equal(data, "abc", 3);
    assert_int_equal(px_powercut_counts(disk).maps, 1);
    assert_int_equal(fs->unmap(fs, data, 3), -1);
    assert_int_equal(px_powercut_counts(disk).maps, 0);
    assert_true(powercut_is(next, "a", "abc"));
    assert_int_equal(next->close(next, fd), -1);
    assert_int_equal(errno, EBADF);
}

static void test_powercut_fs__a_kill_keeps_what_programs_saw(void **state)
{
    (void)state;
    int fd = powercut_write(fs, "a", 0, "abc");
    assert_true(powercut_write(fs, "b", 0, "def") >= 0);
    assert_int_equal(fs->lock(fs, fd), 0);
    px_powercut_kill(disk);
    assert_dead(fs, fd);
    fs = px_powercut_boot(disk);
    assert_true(powercut_is(fs, "a", "abc"));
    assert_true(powercut_is(fs, "b", "def"));
    fd = fs->open(fs, "a", PX_FS_READ_WRITE);
    assert_int_equal(fs->lock(fs, fd), 0);

    px_powercut_cut(disk, PX_POWERCUT_DROP_ALL, 0); /* it was still not synced */
    fs = px_powercut_boot(disk);
    assert_true(powercut_is(fs, "a", ""));
    assert_false(powercut_exists(fs, "b"));
}

/* Two syncs of "a" around each change, with the machine dying at the second sync. */
static void run_to_stop(struct px_fs *machine)
{
    int fd = machine->open(machine, "a", PX_FS_READ_WRITE);
    struct px_slice one = px_slice_of_string("1"), two = px_slice_of_string("2");
    (void)machine->write_at(machine, fd, &one, 1, 0);
    (void)machine->sync_data(machine, fd);
    (void)machine->write_at(machine, fd, &two, 1, 0);
    (void)machine->sync_data(machine, fd);
    (void)machine->close(machine, fd);
}

static void test_powercut_fs__stops_before_or_after_a_sync(void **state)
{
    (void)state;
    static const char *const expected[] = {"", "1", "1", "2", "2"};
    for (uint64_t n = 1; n <= 2; n++)
        for (unsigned after = 0; after <= 1; after++) {
            struct px_powercut *copy = px_powercut_copy(disk);
            px_powercut_stop_at_sync(copy, n, after ? PX_POWERCUT_AFTER : PX_POWERCUT_BEFORE);
            struct px_fs *machine = px_powercut_boot(copy);
            run_to_stop(machine);
            assert_true(px_powercut_stopped(copy));
            assert_dead(machine, 0);
            px_powercut_cut(copy, PX_POWERCUT_DROP_ALL, 0);
            assert_true(powercut_is(px_powercut_boot(copy), "a", expected[2 * (n - 1) + after]));
            assert_false(px_powercut_stopped(copy));
            px_powercut_free(copy);
        }
}

static void test_powercut_fs__stops_at_any_change(void **state)
{
    (void)state;
    static const char *const before[] = {"", "", "1", "1", "2"};
    static const char *const after[] = {"", "1", "1", "2", "2"};
    for (uint64_t n = 1; n <= 6; n++)
        for (unsigned late = 0; late <= 1; late++) {
            struct px_powercut *copy = px_powercut_copy(disk);
            px_powercut_stop_at_change(copy, n, late ? PX_POWERCUT_AFTER : PX_POWERCUT_BEFORE);
            run_to_stop(px_powercut_boot(copy));
            assert_int_equal(px_powercut_stopped(copy), n <= 5);
            px_powercut_kill(copy);
            const char *expected = n > 5 ? "2" : late ? after[n - 1] : before[n - 1];
            assert_true(powercut_is(px_powercut_boot(copy), "a", expected));
            px_powercut_free(copy);
        }
}

static void test_powercut_fs__counts_calls_and_leaks(void **state)
{
    (void)state;
    fs = px_powercut_boot(disk);
    run_to_stop(fs);
    struct px_powercut_counts counts = px_powercut_counts(disk);
    assert_int_equal(counts.syncs, 2);
    assert_int_equal(counts.changes, 5);
    assert_int_equal(counts.open_files, 0);
    assert_true(fs->open(fs, "a", PX_FS_READ) >= 0);
    assert_int_equal(px_powercut_counts(disk).open_files, 1);
    assert_int_equal(px_powercut_counts(disk).changes, 5);
    (void)px_powercut_boot(disk);
    assert_int_equal(px_powercut_counts(disk).open_files, 0);
    assert_int_equal(px_powercut_counts(disk).changes, 0);
}

static void test_powercut_fs__locks_between_descriptors(void **state)
{
    (void)state;
    int first = fs->open(fs, "a", PX_FS_READ_WRITE), second = fs->open(fs, "a", PX_FS_READ_WRITE);
    assert_int_equal(fs->lock(fs, first), 0);
    assert_int_equal(fs->lock(fs, first), 0);
    assert_int_equal(fs->lock(fs, second), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    assert_int_equal(fs->close(fs, first), 0);
    assert_int_equal(fs->lock(fs, second), 0);
}

/* ---- several threads ------------------------------------------------------------------------------ */

static void *write_until_dead(void *context)
{
    const char *path = context;
    struct px_slice piece = px_slice_of_string("x");
    int fd = fs->open(fs, path, PX_FS_READ_WRITE);
    for (uint64_t at = 0; fs->write_at(fs, fd, &piece, 1, at) >= 0; at++)
        if (fs->sync_data(fs, fd) < 0)
            break;
    return NULL;
}

static void test_powercut_fs__serves_and_ends_several_threads(void **state)
{
    (void)state;
    static char paths[4][2] = {"w", "x", "y", "z"};
    pthread_t threads[4];
    fs = px_powercut_boot(disk);
    px_powercut_stop_at_sync(disk, 500, PX_POWERCUT_AFTER);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_until_dead, paths[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(px_powercut_stopped(disk));
    assert_int_equal(px_powercut_counts(disk).syncs, 500);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_powercut_fs__keeps_what_was_synced),
        TEST(test_powercut_fs__tears_what_was_written_over),
        TEST(test_powercut_fs__may_keep_an_older_version_of_a_sector),
        TEST(test_powercut_fs__leaves_any_size_of_a_file_that_grew),
        TEST(test_powercut_fs__drops_or_keeps_a_truncation),
        TEST(test_powercut_fs__grows_with_zeros),
        TEST(test_powercut_fs__keeps_a_beginning_when_in_order),
        TEST(test_powercut_fs__repeats_itself_from_its_seed),
        TEST(test_powercut_fs__loses_what_a_failed_sync_was_to_keep),
        TEST(test_powercut_fs__writes_lost_bytes_again_with_their_sector),
        TEST(test_powercut_fs__fails_the_nth_sync_of_a_path),
        TEST(test_powercut_fs__a_dead_machine_stays_dead),
        TEST(test_powercut_fs__a_kill_keeps_what_programs_saw),
        TEST(test_powercut_fs__stops_before_or_after_a_sync),
        TEST(test_powercut_fs__stops_at_any_change),
        TEST(test_powercut_fs__counts_calls_and_leaks),
        TEST(test_powercut_fs__locks_between_descriptors),
        TEST(test_powercut_fs__serves_and_ends_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
