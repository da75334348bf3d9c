/* px-test: layers=api */
/*
 * Goal: codes come with the parts of clusters, go with them, come back from their files, and are
 * made anew, part by part, where a file is missing, damaged or of another part, while searches are
 * exact; all are made anew when somebody asks.
 * Method: a collection of some hundred rows in several parts; files that are cut, changed, swapped
 * and removed.
 */
#include "service/engine.h"

#include "support/engine_ivf.h"

/* ---- coming back --------------------------------------------------------------------------- */

static void test_shard_ivf_file__comes_back_from_its_files(void **state)
{
    (void)state;
    open_box("shard_ivf_file");
    create("docs", DIMS, PROXIMADB_COSINE);
    put("docs", "row", 1000, DIMS);
    settle("docs");
    check_files();
    put("docs", "more", 30, DIMS);
    engine_must(engine_try_delete(&box, "docs", "row-00007", NULL), &box.error);
    engine_close(&box);
    struct stat before, after;
    struct files files = list_files("*");
    assert_int_equal(stat(files.paths[1], &before), 0);
    reopen();
    assert_int_equal(info_of("docs").index_rebuild_count, 0);
    assert_int_equal(info_of("docs").index_row_count, 999);
    assert_int_equal(info_of("docs").index_lag, 30);
    assert_int_equal(stat(files.paths[1], &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* it was not written again */
    assert_false(engine_has_logged(&box, "anew"));
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
    check_files();
}

static void test_shard_ivf_file__removes_files_with_their_parts(void **state)
{
    (void)state;
    char path[420];
    open_box("shard_ivf_sweeps");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 500, DIMS);
    settle("docs");
    struct files first = list_files("part_*");
    put("docs", "more", 500, DIMS);
    settle("docs");
    check_files();
    for (size_t i = 0; i < first.count; i++)
        assert_int_not_equal(access(first.paths[i], F_OK), 0);
    engine_close(&box);
    /* What a crash has left goes at the next start, and what is not ours stays. */
    static const char *const names[] = {"part_999.axis", "part_001.axis.tmp", "notes.txt"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/store/docs/indexes/ivf/%s", box.folder, names[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    reopen();
    assert_int_equal(unlink(path), 0);
    engine_close(&box);
    check_files();
}

/* With one thing wrong with a file; the codes of the others stay what they are. */
static void check_rebuilt(void (*spoil)(const char *path), const char *why, uint64_t row_count)
{
    struct files files = list_files("part_*.axis");
    spoil(files.paths[px_test_below(&dice, files.count)]);
    box.lines.text[0] = '\0';
    engine_open(&box);
    assert_true(recall_of("docs", DIMS, 10) > 0.9); /* exact, or from new ones */
    assert_true(index_wait(&box, "docs"));
    assert_true(engine_has_logged(&box, "built anew"));
    assert_true(engine_has_logged(&box, why));
    assert_true(strstr(numbers_of("docs").index_rebuild_reason, "part_") != NULL);
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
    assert_int_equal(info_of("docs").index_row_count, row_count);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
    check_files();
}

static void remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void cut_file(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
}

static void empty_file(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static off_t flipped_at; /* of 1,000 */

static void flip_bit(const char *path)
{
    int fd = open(path, O_RDWR);
    struct stat info;
    uint8_t byte;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    off_t at = info.st_size * flipped_at / 1000;
    do { /* what fills a section up is under no checksum, and of no use */
        assert_int_equal(pread(fd, &byte, 1, at--), 1);
    } while (byte == 0);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at + 1), 1);
    close(fd);
}

/* The file of another part takes its place. */
static void swap_file(const char *path)
{
    struct files files = list_files("part_*.axis");
    const char *other = strcmp(path, files.paths[0]) == 0 ? files.paths[1] : files.paths[0];
    char bytes[1 << 16];
    int from = open(other, O_RDONLY), to = open(path, O_WRONLY | O_TRUNC);
    ssize_t count;
    while ((count = read(from, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(to, bytes, (size_t)count), count);
    close(from);
    close(to);
}

static void test_shard_ivf_file__makes_anew_what_is_of_no_use(void **state)
{
    (void)state;
    open_box("shard_ivf_spoilt");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 800, DIMS);
    settle("docs");
    engine_close(&box);
    check_rebuilt(remove_file, "part_", 800);
    check_rebuilt(cut_file, "part_", 800);
    check_rebuilt(empty_file, "no index", 800);
    check_rebuilt(swap_file, "another part", 800);
    for (flipped_at = 0; flipped_at < 1000; flipped_at += 83)
        check_rebuilt(flip_bit, "part_", 800);
}

static void test_shard_ivf_file__learns_anew_what_is_of_no_use(void **state)
{
    (void)state;
    struct px_shard *shard;
    open_box("shard_ivf_effort");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 800, DIMS);
    settle("docs");
    engine_close(&box);
    void (*const spoils[])(const char *path) = {remove_file, cut_file, flip_bit};
    flipped_at = 300;
    for (size_t i = 0; i < 3; i++) {
        spoils[i](list_files("effort.axis").paths[0]);
        box.lines.text[0] = '\0';
        reopen();
        assert_int_equal(engine_has_logged(&box, "learnt anew"), i > 0);
        assert_int_equal(info_of("docs").index_rebuild_count, 0);
        shard = index_shard(&box, "docs");
        assert_true(shard->indexing.ivf.effort.few.point_count > 0);
        assert_int_equal(shard->indexing.ivf.effort.few.row_count, 800);
        px_shard_unref(shard);
        engine_close(&box);
        check_files();
    }
}

/* Those that a part had before it was written anew, with other rows, under its name. */
static void test_shard_ivf_file__refuses_files_of_other_parts(void **state)
{
    (void)state;
    char kept[420];
    open_box("shard_ivf_stale");
    create("docs", DIMS, PROXIMADB_L2);
    put("docs", "row", 600, DIMS);
    settle("docs");
    struct files old = list_files("part_*.axis");
    for (size_t i = 0; i < old.count; i++) {
        snprintf(kept, sizeof kept, "%s/kept-%zu", box.folder, i);
        assert_int_equal(link(old.paths[i], kept), 0);
    }
    put("docs", "row", 100, DIMS); /* other vectors for some of them */
    put("docs", "more", 100, DIMS);
    settle("docs");
    engine_close(&box);
    struct files new = list_files("part_*.axis");
    assert_true(new.count >= 2 && old.count >= 2);
    for (size_t i = 0; i < 2; i++) {
        snprintf(kept, sizeof kept, "%s/kept-%zu", box.folder, i);
        assert_int_equal(rename(kept, new.paths[i]), 0);
    }
    box.lines.text[0] = '\0';
    reopen();
    assert_true(engine_has_logged(&box, "2 parts"));
    assert_int_equal(info_of("docs").index_row_count, 700);
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
}

/* ---- asking for it ------------------------------------------------------------------------- */

static int rebuild(const char *name, int memory)
{
    struct proximadb_buffer payload;
    engine_must(proximadb_encode_rebuild_index(memory, &payload, &box.error), &box.error);
    return engine_call(&box, PROXIMADB_REBUILD_INDEX, name, &payload, NULL, &box.error);
}

static void test_shard_ivf_file__is_built_anew_when_asked(void **state)
{
    (void)state;
    struct stat before, after;
    open_box("shard_ivf_asked");
    create("docs", DIMS, PROXIMADB_DOT);
    put("docs", "row", 700, DIMS);
    settle("docs");
    struct files files = list_files("part_*.axis");
    assert_int_equal(stat(files.paths[0], &before), 0);
    engine_must(rebuild("docs", -1), &box.error);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_rebuild_count, 1);
    assert_int_equal(info_of("docs").index_row_count, 700);
    assert_int_equal(stat(files.paths[0], &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    engine_must(rebuild("docs", PROXIMADB_INDEX_FAST), &box.error);
    assert_true(index_wait(&box, "docs"));
    assert_int_equal(info_of("docs").index_rebuild_count, 2);
    assert_int_equal(info_of("docs").spec.index_memory, PROXIMADB_INDEX_FAST);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    check_files();
    engine_close(&box);
    reopen(); /* with the same files, copied */
    assert_int_equal(info_of("docs").spec.index_memory, PROXIMADB_INDEX_FAST);
    assert_int_equal(info_of("docs").index_rebuild_count, 0);
    assert_int_equal(info_of("docs").index_row_count, 700);
    assert_true(recall_of("docs", DIMS, 10) > 0.9);
    engine_close(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shard_ivf_file__comes_back_from_its_files),
        cmocka_unit_test(test_shard_ivf_file__removes_files_with_their_parts),
        cmocka_unit_test(test_shard_ivf_file__makes_anew_what_is_of_no_use),
        cmocka_unit_test(test_shard_ivf_file__learns_anew_what_is_of_no_use),
        cmocka_unit_test(test_shard_ivf_file__refuses_files_of_other_parts),
        cmocka_unit_test(test_shard_ivf_file__is_built_anew_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
