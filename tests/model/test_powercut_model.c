/* px-test: layers=os label=model */
/*
 * Goal: as long as the power stays on, the disk that forgets is a file system like the real one.
 * Method: the same random calls on both, comparing results, errno, contents and lists; now and then
 * all programs are killed, or the power fails and everything survives, which changes nothing.
 */
#include "os/file.h"
#include "support/powercut_help.h"

#include <errno.h>

#define ROOT "scratch/powercut_model"

enum { ROUND_COUNT = 30, CALLS_PER_ROUND = 400, OPEN_LIMIT = 6, LARGEST_BYTES = 3000 };

static const char *const names[] = {
    ROOT "/a",   ROOT "/b",   ROOT "/d",     ROOT "/d/a",
    ROOT "/d/b", ROOT "/d/e", ROOT "/d/e/a", ROOT "/f",
};
enum { NAME_COUNT = sizeof names / sizeof names[0] };

/* The real one and the double; every call is made on both. */
struct pair {
    struct px_test_random random;
    struct px_fs *real, *model;
    struct px_powercut *disk;
    int real_fds[OPEN_LIMIT], model_fds[OPEN_LIMIT];
    size_t open_count;
    unsigned done; /* calls that succeeded */
};

static const char *any_name(struct pair *pair)
{
    return names[px_test_below(&pair->random, NAME_COUNT)];
}

/* Compares two results of which the first belongs to the call just made, with errno in real_errno. */
static bool agree(struct pair *pair, int64_t real, int real_errno, int64_t model)
{
    int model_errno = errno;
    assert_int_equal(real < 0, model < 0);
    if (real < 0)
        assert_int_equal(real_errno, model_errno);
    pair->done += real >= 0;
    return real >= 0;
}

/* Evaluates a call on both and compares; `fs` and `fd` are its own on each side. */
#define BOTH(pair, at, call)                                \
    ({                                                      \
        struct px_fs *fs = (pair)->real;                    \
        int fd = (pair)->real_fds[at];                      \
        errno = 0;                                          \
        int64_t real_result = (call);                       \
        int real_errno = errno;                             \
        fs = (pair)->model;                                 \
        fd = (pair)->model_fds[at];                         \
        errno = 0;                                          \
        int64_t model_result = (call);                      \
        (void)fd;                                           \
        agree(pair, real_result, real_errno, model_result); \
    })

static void close_one(struct pair *pair, size_t at)
{
    assert_true(BOTH(pair, at, fs->close(fs, fd)));
    pair->open_count--;
    pair->real_fds[at] = pair->real_fds[pair->open_count];
    pair->model_fds[at] = pair->model_fds[pair->open_count];
}

/* The system opens a folder for reading, which nothing of ours does. */
static void open_one(struct pair *pair)
{
    struct px_fs_info info;
    const char *name = any_name(pair);
    enum px_fs_mode mode = (enum px_fs_mode)px_test_below(&pair->random, 4);
    if (pair->real->info(pair->real, name, &info) >= 0 && info.kind == PX_FS_FOLDER)
        return;
    errno = 0;
    int real = pair->real->open(pair->real, name, mode), real_errno = errno;
    int model = pair->model->open(pair->model, name, mode);
    if (!agree(pair, real, real_errno, model))
        return;
    if (pair->open_count == OPEN_LIMIT)
        close_one(pair, px_test_below(&pair->random, OPEN_LIMIT));
    pair->real_fds[pair->open_count] = real;
    pair->model_fds[pair->open_count++] = model;
}

static void write_some(struct pair *pair, size_t at)
{
    static uint8_t bytes[LARGEST_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)px_test_next(&pair->random);
    size_t first = px_test_below(&pair->random, 1500), second = px_test_below(&pair->random, 1500);
    struct px_slice pieces[] = {px_slice_of(bytes, first), {0}, px_slice_of(bytes + first, second)};
    uint64_t offset = px_test_below(&pair->random, LARGEST_BYTES);
    (void)BOTH(pair, at, fs->write_at(fs, fd, pieces, 3, offset));
}

static void read_some(struct pair *pair, size_t at)
{
    static uint8_t bytes[2][LARGEST_BYTES];
    size_t size = px_test_below(&pair->random, LARGEST_BYTES);
    uint64_t offset = px_test_below(&pair->random, LARGEST_BYTES);
    int64_t real = pair->real->read_at(pair->real, pair->real_fds[at], bytes[0], size, offset);
    int64_t model = pair->model->read_at(pair->model, pair->model_fds[at], bytes[1], size, offset);
    assert_int_equal(real, model);
    assert_memory_equal(bytes[0], bytes[1], (size_t)real);
}

static void map_some(struct pair *pair, size_t at)
{
    const void *maps[2];
    size_t size = 1 + px_test_below(&pair->random, LARGEST_BYTES);
    if (!BOTH(pair, at, fs->map(fs, fd, size, &maps[fs == pair->model])))
        return;
    assert_memory_equal(maps[0], maps[1], size);
    assert_true(BOTH(pair, at, fs->unmap(fs, maps[fs == pair->model], size)));
}

static void call_on_descriptor(struct pair *pair)
{
    if (pair->open_count == 0)
        return;
    size_t at = px_test_below(&pair->random, pair->open_count);
    uint64_t size = px_test_below(&pair->random, LARGEST_BYTES);
    switch (px_test_below(&pair->random, 8)) {
    case 0:
        close_one(pair, at);
        break;
    case 1:
        (void)BOTH(pair, at, fs->sync_data(fs, fd));
        break;
    case 2:
        (void)BOTH(pair, at, fs->allocate(fs, fd, size));
        break;
    case 3:
        (void)BOTH(pair, at, fs->lock(fs, fd));
        break;
    case 4:
        map_some(pair, at);
        break;
    case 5:
        read_some(pair, at);
        break;
    default:
        write_some(pair, at);
    }
}

static void call_on_name(struct pair *pair)
{
    const char *name = any_name(pair), *other = any_name(pair);
    switch (px_test_below(&pair->random, 8)) {
    case 0:
        (void)BOTH(pair, 0, fs->unlink(fs, name));
        break;
    case 1:
        (void)BOTH(pair, 0, fs->remove_folder(fs, name));
        break;
    case 2:
    case 3:
        (void)BOTH(pair, 0, fs->rename(fs, name, other));
        break;
    case 4:
        (void)BOTH(pair, 0, fs->sync_folder(fs, name));
        break;
    default:
        (void)BOTH(pair, 0, fs->make_folder(fs, name));
    }
}

/* The truncation of a descriptor opened for reading is EINVAL to the system and EBADF to the double;
 * both are refusals. */
static void truncate_some(struct pair *pair)
{
    if (pair->open_count == 0)
        return;
    size_t at = px_test_below(&pair->random, pair->open_count);
    uint64_t size = px_test_below(&pair->random, LARGEST_BYTES);
    int real = pair->real->truncate(pair->real, pair->real_fds[at], size);
    int model = pair->model->truncate(pair->model, pair->model_fds[at], size);
    assert_int_equal(real, model);
}

/* Every name leads to the same kind, size, content and list. */
static void compare_all(struct pair *pair)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        struct px_fs_info infos[2];
        struct px_buffer contents[2] = {{0}, {0}};
        struct px_names lists[2];
        if (!BOTH(pair, 0, fs->info(fs, names[i], &infos[fs == pair->model])))
            continue;
        assert_int_equal(infos[0].kind, infos[1].kind);
        if (infos[0].kind == PX_FS_FILE) {
            assert_int_equal(infos[0].size_bytes, infos[1].size_bytes);
            assert_int_equal(px_file_read(pair->real, names[i], 10000, &contents[0], NULL), 0);
            assert_int_equal(px_file_read(pair->model, names[i], 10000, &contents[1], NULL), 0);
            assert_true(
                px_slice_equal(px_buffer_slice(&contents[0]), px_buffer_slice(&contents[1])));
        } else {
            assert_int_equal(px_folder_list(pair->real, names[i], &lists[0], NULL), 0);
            assert_int_equal(px_folder_list(pair->model, names[i], &lists[1], NULL), 0);
            assert_int_equal(lists[0].count, lists[1].count);
            for (size_t at = 0; at < lists[0].count; at++)
                assert_string_equal(lists[0].items[at].text, lists[1].items[at].text);
            px_names_release(&lists[0]);
            px_names_release(&lists[1]);
        }
        px_buffer_release(&contents[0]);
        px_buffer_release(&contents[1]);
    }
}

static void one_call(struct pair *pair)
{
    switch (px_test_below(&pair->random, 10)) {
    case 0:
    case 1:
    case 2:
        open_one(pair);
        break;
    case 3:
        truncate_some(pair);
        break;
    case 4:
    case 5:
    case 6:
        call_on_name(pair);
        break;
    default:
        call_on_descriptor(pair);
    }
}

/* Ends all programs, on the double by a kill or a power cut that drops nothing. */
static void end_programs(struct pair *pair, bool power_fails)
{
    for (size_t i = 0; i < pair->open_count; i++)
        pair->real->close(pair->real, pair->real_fds[i]);
    pair->open_count = 0;
    if (power_fails)
        px_powercut_cut(pair->disk, PX_POWERCUT_KEEP_ALL, 0);
    pair->model = px_powercut_boot(pair->disk);
}

static void test_powercut_model__agrees_with_the_real_file_system(void **state)
{
    (void)state;
    struct pair pair = {.random = px_test_random_new("powercut_model")};
    (void)px_test_folder("powercut_model");
    pair.disk = px_powercut_new();
    pair.real = &px_fs_posix;
    pair.model = px_powercut_boot(pair.disk);
    assert_int_equal(pair.model->make_folder(pair.model, "scratch"), 0);
    assert_int_equal(pair.model->make_folder(pair.model, ROOT), 0);
    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        for (unsigned i = 0; i < CALLS_PER_ROUND; i++)
            one_call(&pair);
        compare_all(&pair);
        end_programs(&pair, round % 2 == 0);
        compare_all(&pair);
    }
    assert_true(pair.done > ROUND_COUNT * CALLS_PER_ROUND / 4);
    px_powercut_free(pair.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powercut_model__agrees_with_the_real_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
