/* px-test: layers=api */
/*
 * Goal: codes are made of exactly the rows of a part, by its lists, whatever its storage profile; a
 * part without lists has none; a file is only taken for the codes of its own part, undamaged; codes
 * live as long as somebody holds them.
 * Method: parts of an engine's collection; searches of their codes against the parts' own vectors;
 * bytes of a file that are changed.
 */
#include "service/part_codes.h"

#include "support/engine_index.h"
#include "viper/part_lists.h"

#include <errno.h>
#include <fcntl.h>

enum { DIMS = 16, ROWS = 600, PARTS = 3 };

static struct engine_box box;

struct fixture {
    struct px_snapshot snapshot;
    struct px_collection collection;
    char path[400];
};

/* A collection of parts with lists, but for the last one. */
static void set_up(struct fixture *fixture, const char *folder, int storage)
{
    static float vectors[ROWS * DIMS];
    struct px_test_random random = px_test_random_new(folder);
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = "docs",
                                                   .dim_count = DIMS,
                                                   .metric = PROXIMADB_L2,
                                                   .index_type = PROXIMADB_IVF,
                                                   .storage = storage};
    struct proximadb_buffer payload;
    for (size_t i = 0; i < ROWS * DIMS; i++)
        vectors[i] = px_test_float(&random) - 0.5f;
    engine_init(&box, &px_fs_posix, px_test_folder(folder));
    box.options.has_no_indexing = true;
    box.options.list_rows = 40;
    engine_open(&box);
    engine_must(proximadb_encode_collection(&spec, &payload, &box.error), &box.error);
    engine_must(engine_call(&box, PROXIMADB_CREATE_COLLECTION, NULL, &payload, NULL, &box.error),
                &box.error);
    index_put(&box, PROXIMADB_INSERT, "docs", "row", 0, vectors, ROWS, DIMS);
    engine_flush(&box, "docs");
    engine_compact(&box, "docs", PARTS);
    index_put(&box, PROXIMADB_INSERT, "docs", "fresh", 0, vectors, 50, DIMS);
    engine_flush(&box, "docs");
    struct px_shard *shard = index_shard(&box, "docs");
    px_shard_snapshot(shard, &fixture->snapshot);
    struct px_description *description = px_shard_describe(shard);
    fixture->collection = description->collection;
    px_description_unref(description);
    px_shard_unref(shard);
    snprintf(fixture->path, sizeof fixture->path, "%s/codes.axis", box.folder);
}

static void tear_down(struct fixture *fixture)
{
    px_snapshot_release(&fixture->snapshot);
    engine_close(&box);
}

static struct px_part *part_of(const struct fixture *fixture, uint32_t index)
{
    return fixture->snapshot.view->sources[index]->part;
}

static void count_rows(void *context, uint32_t more_done)
{
    *(uint32_t *)context += more_done;
}

static struct px_ivf *make(const struct fixture *fixture, uint32_t index)
{
    uint32_t done = 0;
    const struct px_part_codes_input input = {.part = part_of(fixture, index),
                                              .collection = &fixture->collection,
                                              .note_rows = count_rows,
                                              .context = &done};
    struct px_ivf *ivf;
    engine_must(px_part_codes_make(&input, &ivf, &box.error), &box.error);
    assert_int_equal(done, ivf != NULL ? px_part_row_count(input.part) : 0);
    return ivf;
}

/* Each row is the nearest of its own vector, at no distance but for the codes' precision. */
static void check_codes(const struct fixture *fixture, uint32_t index, const struct px_ivf *ivf)
{
    struct px_part *part = part_of(fixture, index);
    struct px_part_scratch scratch = {0};
    struct px_ivf_searcher *searcher;
    const struct px_ivf_set set = {.parts = &ivf, .part_count = 1};
    assert_int_equal(px_ivf_searcher_new(&searcher, NULL), PROXIMADB_OK);
    for (uint32_t row = 0; row < px_part_row_count(part); row++) {
        const float *vector;
        struct px_ivf_hit hit;
        uint32_t count;
        engine_must(px_part_get_vector(part, &scratch, row, &vector, &box.error), &box.error);
        const struct px_ivf_request request = {
            .queries = {vector, DIMS * sizeof *vector, 1, DIMS}, .k = 1, .probe_count = 1000};
        engine_must(px_ivf_search(searcher, &set, &request, &hit, &count, &box.error), &box.error);
        assert_int_equal(count, 1);
        assert_int_equal(hit.row_index, row);
        assert_true(hit.distance < 0.05f);
    }
    px_ivf_searcher_free(searcher);
    px_part_scratch_release(&scratch);
}

static void test_part_codes__are_of_all_rows(void **state)
{
    (void)state;
    static const int storages[] = {PROXIMADB_EXACT, PROXIMADB_BALANCED};
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;
        uint32_t rows = 0;
        set_up(&fixture, i == 0 ? "part_codes_exact" : "part_codes_balanced", storages[i]);
        assert_int_equal(fixture.snapshot.view->source_count, PARTS + 2);
        for (uint32_t p = 0; p < PARTS; p++) {
            struct px_part_lists lists;
            struct px_ivf *ivf = make(&fixture, p);
            assert_non_null(ivf);
            assert_int_equal(px_part_lists_read(part_of(&fixture, p), &lists, NULL), PROXIMADB_OK);
            assert_int_equal(px_ivf_info(ivf).list_count, lists.count);
            px_part_lists_release(&lists);
            rows += px_ivf_info(ivf).row_count;
            check_codes(&fixture, p, ivf);
            px_ivf_close(ivf);
        }
        assert_int_equal(rows, ROWS);
        assert_null(make(&fixture, PARTS)); /* not clustered */
        tear_down(&fixture);
    }
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static void test_part_codes__are_not_finished_when_stopped(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_ivf *ivf;
    set_up(&fixture, "part_codes_stopped", PROXIMADB_EXACT);
    const struct px_part_codes_input input = {.part = part_of(&fixture, 0),
                                              .collection = &fixture.collection,
                                              .should_stop = stop_at_once};
    assert_int_equal(px_part_codes_make(&input, &ivf, &box.error), PROXIMADB_CANCELLED);
    tear_down(&fixture);
}

static int open_as(const struct fixture *fixture, uint32_t index, struct px_ivf **ret_ivf)
{
    return px_part_codes_open(&px_fs_posix, fixture->path, part_of(fixture, index),
                              &fixture->collection, ret_ivf, &box.error);
}

static void flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_part_codes__are_opened_for_their_own_part_only(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_ivf *ivf, *found;
    set_up(&fixture, "part_codes_opened", PROXIMADB_EXACT);
    ivf = make(&fixture, 1);
    assert_int_equal(px_ivf_save(ivf, &px_fs_posix, fixture.path, NULL), PROXIMADB_OK);
    for (int memory = PROXIMADB_INDEX_LEAN; memory <= PROXIMADB_INDEX_FAST; memory++) {
        fixture.collection.index_memory = (enum proximadb_index_memory)memory;
        engine_must(open_as(&fixture, 1, &found), &box.error);
        check_codes(&fixture, 1, found);
        px_ivf_close(found);
        assert_int_equal(open_as(&fixture, 0, &found), PROXIMADB_CORRUPT);
        assert_non_null(strstr(box.error.message, "another part"));
        struct px_slice content = px_ivf_content(ivf);
        flip(fixture.path, (off_t)content.size_bytes - 100); /* of the last vector */
        assert_int_equal(open_as(&fixture, 1, &found), PROXIMADB_CORRUPT);
        assert_non_null(strstr(box.error.message, "codes.axis"));
        flip(fixture.path, (off_t)content.size_bytes - 100);
    }
    fixture.collection.metric = PROXIMADB_COSINE;
    assert_int_equal(open_as(&fixture, 1, &found), PROXIMADB_CORRUPT);
    unlink(fixture.path);
    assert_int_equal(open_as(&fixture, 1, &found), PROXIMADB_IO);
    assert_int_equal(box.error.os_errno, ENOENT);
    px_ivf_close(ivf);
    tear_down(&fixture);
}

static void test_part_codes__live_as_long_as_they_are_held(void **state)
{
    (void)state;
    struct fixture fixture;
    struct px_part_codes *codes;
    set_up(&fixture, "part_codes_held", PROXIMADB_EXACT);
    assert_int_equal(px_part_codes_new(make(&fixture, 0), 7, &codes, NULL), PROXIMADB_OK);
    assert_int_equal(codes->round, 7);
    struct px_part_codes *held = px_part_codes_ref(codes);
    px_part_codes_unref(codes);
    check_codes(&fixture, 0, held->ivf); /* AddressSanitizer looks on */
    px_part_codes_unref(held);
    px_part_codes_unref(NULL);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_codes__are_of_all_rows),
        cmocka_unit_test(test_part_codes__are_not_finished_when_stopped),
        cmocka_unit_test(test_part_codes__are_opened_for_their_own_part_only),
        cmocka_unit_test(test_part_codes__live_as_long_as_they_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
