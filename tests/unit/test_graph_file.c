/* px-test: layers=axis label=unit */
/*
 * Goal: a graph that was saved is found again as it was, and a file that is not what was written is
 * refused with its name and a reason, whatever is wrong with it. Method: a saved graph is searched
 * beside its original; files are cut, lengthened and changed at every byte of the header and at
 * random ones behind it, and with checksums made to fit again; each call on files fails once.
 */
#include "axis/graph_steps_internal.h"

#include "base/crc32c.h"
#include "os/fs.h"
#include "support/fault_fs.h"
#include "support/graph_test.h"

#include <math.h>
#include <unistd.h>

enum {
    ROWS = 400,
    DIMS = 70,
    HEADER_BYTES = 512,
    VERSION_AT = 8,
    SECTION_CRCS_AT = 76,
    PLANES_AT = 108,
    CRC_AT = 504
};

static struct {
    struct graph_set set;
    struct px_graph *graph;
    struct px_graph_worker *worker;
    char folder[64], path[128], other[128];
    uint8_t *content;
    size_t size_bytes;
} rig;

static void read_content(void)
{
    FILE *file = fopen(rig.path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    rig.size_bytes = (size_t)ftell(file);
    rewind(file);
    rig.content = malloc(rig.size_bytes);
    assert_int_equal(fread(rig.content, 1, rig.size_bytes, file), rig.size_bytes);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("graph_file");
    rig.set = graph_set_new(&random, PROXIMADB_L2, ROWS, 20, DIMS);
    rig.graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN);
    rig.worker = graph_worker(rig.graph);
    graph_insert_rows(&rig.set, rig.graph, rig.worker, 0, ROWS);
    for (uint32_t slot = 0; slot < 50; slot++)
        px_graph_set_dead(rig.graph, slot, true);
    assert_int_equal(px_graph_repair(rig.graph, NULL, NULL, NULL), PROXIMADB_OK);
    for (uint32_t slot = 100; slot < 120; slot++)
        px_graph_set_dead(rig.graph, slot, true);
    struct px_rows queries = {rig.set.queries, DIMS * sizeof(float), 20, DIMS};
    assert_int_equal(px_graph_calibrate(rig.graph, &queries, NULL, NULL, NULL), PROXIMADB_OK);

    snprintf(rig.folder, sizeof rig.folder, "/tmp/px_graph_XXXXXX");
    assert_non_null(mkdtemp(rig.folder));
    snprintf(rig.path, sizeof rig.path, "%s/a.axis", rig.folder);
    snprintf(rig.other, sizeof rig.other, "%s/b.axis", rig.folder);
    assert_int_equal(px_graph_save(rig.graph, &px_fs_posix, rig.path, NULL), PROXIMADB_OK);
    read_content();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    px_graph_worker_free(rig.worker);
    px_graph_free(rig.graph);
    graph_set_release(&rig.set);
    free(rig.content);
    unlink(rig.path);
    unlink(rig.other);
    rmdir(rig.folder);
    return 0;
}

static struct px_graph_config config_of_rig(void)
{
    return (struct px_graph_config){DIMS, PROXIMADB_L2, PROXIMADB_INDEX_LEAN};
}

static int open_file(const char *path, struct px_graph **ret, struct proximadb_error *error)
{
    struct px_graph_config config = config_of_rig();
    return px_graph_open(&px_fs_posix, path, &config, ret, error);
}

static void write_other(const uint8_t *content, size_t size_bytes)
{
    FILE *file = fopen(rig.other, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size_bytes, file), size_bytes);
    fclose(file);
}

static void expect_corrupt(const uint8_t *content, size_t size_bytes, const char *reason)
{
    struct px_graph *graph = NULL;
    struct proximadb_error error = {0};
    write_other(content, size_bytes);
    assert_int_equal(open_file(rig.other, &graph, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, rig.other));
    if (strstr(error.message, reason) == NULL)
        print_message("'%s' does not say '%s'\n", error.message, reason);
    assert_non_null(strstr(error.message, reason));
}

static uint32_t search(struct px_graph *graph, struct px_graph_worker *worker, size_t query,
                       struct px_graph_hit *hits)
{
    uint32_t count;
    struct px_graph_request request = {.query = rig.set.queries + query * DIMS,
                                       .k = TRUE_K,
                                       .target_recall = 0.97,
                                       .dead_capacity = 10};
    assert_int_equal(px_graph_search(graph, worker, &request, hits, &count, NULL), PROXIMADB_OK);
    return count;
}

/* Version 1 had one plane of bits in a line, and nothing in the header that says so. */
static void test_graph_file__a_file_of_version_1_is_read(void **state)
{
    (void)state;
    struct px_graph *graph = graph_of_config(&rig.set, PROXIMADB_INDEX_LEAN), *opened;
    struct px_graph_hit expected[2 * TRUE_K], found[2 * TRUE_K];
    assert_int_equal(graph->plane_count, 3);
    assert_true(px_graph__set_planes(graph, 1));
    assert_false(px_graph__set_planes(graph, 2));
    struct px_graph_worker *worker = graph_worker(graph);
    graph_insert_rows(&rig.set, graph, worker, 0, ROWS);
    unlink(rig.other);
    assert_int_equal(px_graph_save(graph, &px_fs_posix, rig.other, NULL), PROXIMADB_OK);
    uint8_t header[HEADER_BYTES];
    FILE *file = fopen(rig.other, "r+b");
    assert_int_equal(fread(header, 1, HEADER_BYTES, file), HEADER_BYTES);
    assert_int_equal(px_load_u32(header + VERSION_AT), 2);
    assert_int_equal(px_load_u32(header + PLANES_AT), 1);
    px_store_u32(header + VERSION_AT, 1);
    px_store_u32(header + PLANES_AT, 0);
    px_store_u32(header + CRC_AT, px_crc32c(0, header, CRC_AT));
    rewind(file);
    assert_int_equal(fwrite(header, 1, HEADER_BYTES, file), HEADER_BYTES);
    fclose(file);
    assert_int_equal(open_file(rig.other, &opened, NULL), PROXIMADB_OK);
    struct px_graph_worker *other = graph_worker(opened);
    for (size_t i = 0; i < rig.set.query_count; i++) {
        uint32_t count = search(graph, worker, i, expected);
        assert_int_equal(search(opened, other, i, found), count);
        for (uint32_t j = 0; j < count; j++)
            assert_true(found[j].slot == expected[j].slot &&
                        found[j].distance == expected[j].distance);
    }
    px_graph_worker_free(other);
    px_graph_free(opened);
    px_graph_worker_free(worker);
    px_graph_free(graph);
}

/* Of memory FAST, as it is when it was saved to the other file and opened. The graph is freed. */
static struct px_graph *save_and_open(struct px_graph *graph)
{
    const struct px_graph_config config = {DIMS, PROXIMADB_L2, PROXIMADB_INDEX_FAST};
    struct px_graph *opened;
    struct px_graph_worker *worker = graph_worker(graph);
    graph_insert_rows(&rig.set, graph, worker, 0, ROWS);
    unlink(rig.other);
    assert_int_equal(px_graph_save(graph, &px_fs_posix, rig.other, NULL), PROXIMADB_OK);
    px_graph_worker_free(worker);
    px_graph_free(graph);
    assert_int_equal(px_graph_open(&px_fs_posix, rig.other, &config, &opened, NULL), PROXIMADB_OK);
    return opened;
}

/* A graph of the first version has no fine bits; saved again it is of the second, and has none. */
static void test_graph_file__what_has_no_fine_bits_is_opened_again(void **state)
{
    (void)state;
    struct px_graph *graph = graph_of_config(&rig.set, PROXIMADB_INDEX_FAST);
    assert_true(px_graph__set_planes(graph, 1));
    graph->fine_bytes = 0;
    struct px_graph *opened = save_and_open(graph);
    assert_int_equal(opened->fine_bytes, 0);
    struct px_graph_worker *worker = graph_worker(opened);
    struct px_graph_hit hits[2 * TRUE_K];
    assert_true(search(opened, worker, 0, hits) > 0);
    px_graph_worker_free(worker);
    px_graph_free(opened);
}

/* With memory FAST, distances of what is found are those of the vectors to four digits and more,
 * and still are when it was saved. */
static void test_graph_file__fine_bits_are_kept(void **state)
{
    (void)state;
    struct px_graph *graph = graph_of_config(&rig.set, PROXIMADB_INDEX_FAST);
    struct px_graph_hit hits[2 * TRUE_K];
    assert_int_equal(graph->fine_bytes, 192);
    struct px_graph *opened = save_and_open(graph);
    struct px_graph_worker *worker = graph_worker(opened);
    for (size_t i = 0; i < rig.set.query_count; i++) {
        uint32_t count = search(opened, worker, i, hits);
        for (uint32_t j = 0; j < count; j++) {
            int64_t row = px_graph_label(opened, hits[j].slot);
            double distance = px_distance(PROXIMADB_L2, rig.set.queries + i * DIMS,
                                          graph_row(&rig.set, (size_t)row), DIMS);
            assert_true(fabs((double)hits[j].distance - distance) < 1e-4 * distance);
        }
    }
    px_graph_worker_free(worker);
    px_graph_free(opened);
}

static void test_graph_file__what_is_opened_is_what_was_saved(void **state)
{
    (void)state;
    struct px_graph *graph;
    struct px_graph_hit expected[2 * TRUE_K], found[2 * TRUE_K];
    assert_int_equal(open_file(rig.path, &graph, NULL), PROXIMADB_OK);
    struct px_graph_worker *worker = graph_worker(graph);
    assert_int_equal(px_graph_live_count(graph), px_graph_live_count(rig.graph));
    assert_int_equal(px_graph_dead_count(graph), 20);
    assert_int_equal(px_graph_slot_count(graph), ROWS);
    assert_int_equal(px_graph_calibrated_count(graph), px_graph_calibrated_count(rig.graph));
    for (size_t i = 0; i < rig.set.query_count; i++) {
        uint32_t count = search(rig.graph, rig.worker, i, expected);
        assert_int_equal(search(graph, worker, i, found), count);
        for (uint32_t j = 0; j < count; j++) {
            assert_int_equal(found[j].slot, expected[j].slot);
            assert_int_equal(found[j].is_dead, expected[j].is_dead);
            assert_true(found[j].distance == expected[j].distance);
            assert_int_equal(px_graph_label(graph, found[j].slot),
                             px_graph_label(rig.graph, found[j].slot));
        }
    }
    /* It goes on growing, first into the slots that were free. */
    uint32_t slot;
    assert_int_equal(px_graph_insert(graph, worker, graph_row(&rig.set, 0), 9, &slot, NULL), 0);
    assert_true(slot < 50);
    assert_true(px_graph_has_slot(graph, slot));
    px_graph_worker_free(worker);
    px_graph_free(graph);
}

static void test_graph_file__every_byte_is_checked(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("bytes");
    uint8_t *content = malloc(rig.size_bytes + 64);
    struct px_graph *graph;
    for (size_t n = 0; n < 1500; n++) {
        size_t at = n < CRC_AT + 4 ? n : CRC_AT + 4 + px_test_below(&random, rig.size_bytes - 508);
        memcpy(content, rig.content, rig.size_bytes);
        content[at] ^= (uint8_t)(1u << px_test_below(&random, 8));
        write_other(content, rig.size_bytes);
        struct proximadb_error error = {0};
        assert_int_equal(open_file(rig.other, &graph, &error), PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, rig.other));
    }
    free(content);
}

static void test_graph_file__every_length_is_checked(void **state)
{
    (void)state;
    uint8_t *content = calloc(1, rig.size_bytes + 64);
    memcpy(content, rig.content, rig.size_bytes);
    expect_corrupt(content, 0, "ends too early");
    expect_corrupt(content, HEADER_BYTES - 1, "ends too early");
    for (size_t size = HEADER_BYTES; size < rig.size_bytes; size += 977)
        expect_corrupt(content, size, "size");
    expect_corrupt(content, rig.size_bytes - 1, "size");
    expect_corrupt(content, rig.size_bytes + 1, "size");
    free(content);
}

/* ---- files that somebody made ---------------------------------------------------------------- */

static uint32_t number_at(size_t at)
{
    uint32_t number;
    memcpy(&number, rig.content + at, sizeof number);
    return number;
}

/* Section sizes, as docs/format/graph.md tells them. */
static void section_of(int section, size_t *ret_offset, size_t *ret_bytes)
{
    size_t dims = number_at(12), padded = number_at(24), line = number_at(28);
    size_t degree = number_at(32), slots = number_at(36);
    size_t sizes[] = {dims * 4,     number_at(40) * 4,     number_at(44) * 24,
                      slots * line, slots * degree * 4,    slots * padded,
                      slots * 8,    slots * number_at(112)};
    *ret_offset = HEADER_BYTES;
    for (int i = 0; i < section; i++)
        *ret_offset += (sizes[i] + 63) / 64 * 64;
    *ret_bytes = sizes[section];
}

/* Makes all checksums fit. */
static void seal(uint8_t *content)
{
    for (int i = 0; i < 8; i++) {
        size_t offset, bytes;
        section_of(i, &offset, &bytes);
        uint32_t crc = px_crc32c(0, content + offset, bytes);
        memcpy(content + SECTION_CRCS_AT + i * 4, &crc, sizeof crc);
    }
    uint32_t crc = px_crc32c(0, content, CRC_AT);
    memcpy(content + CRC_AT, &crc, sizeof crc);
}

static void expect_hostile(int section, size_t at, uint32_t number, const char *reason)
{
    uint8_t *content = malloc(rig.size_bytes);
    size_t offset = 0, bytes;
    memcpy(content, rig.content, rig.size_bytes);
    if (section >= 0)
        section_of(section, &offset, &bytes);
    memcpy(content + offset + at, &number, sizeof number);
    seal(content);
    expect_corrupt(content, rig.size_bytes, reason);
    free(content);
}

static void test_graph_file__numbers_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    const uint32_t nan = 0x7fc00000u;
    size_t list = 60 * (size_t)number_at(32) * 4, line = 60 * (size_t)number_at(28);
    size_t factors = line + (size_t)number_at(PLANES_AT) * (number_at(24) / 8);
    expect_hostile(4, list, ROWS, "a list leads nowhere");
    expect_hostile(4, list, UINT32_MAX - 1, "a list leads nowhere");
    expect_hostile(4, list, 3, "a list leads nowhere");          /* a vacant slot */
    expect_hostile(4, list, UINT32_MAX, "a list leads nowhere"); /* it ends before it ends */
    expect_hostile(4, 3 * (size_t)number_at(32) * 4, 60, "a list leads nowhere");
    expect_hostile(3, factors, nan, "not finite");
    expect_hostile(3, factors + 4, nan, "not finite");
    expect_hostile(3, factors + 8, nan, "not finite");
    expect_hostile(3, factors + 12, nan, "not finite");
    expect_hostile(1, 0, ROWS, "an entry point leads nowhere");
    expect_hostile(1, 0, 3, "an entry point leads nowhere");
    expect_hostile(0, 8, nan, "the mean is not finite");
    expect_hostile(2, 4, 0x7ff80000u, "an effort");
    expect_hostile(2, 8, nan, "an effort");
    expect_hostile(2, 12, 0, "an effort");
    expect_hostile(2, 12, 1u << 30, "an effort");
    expect_hostile(2, 16, 0, "an effort");
    expect_hostile(-1, 72, nan, "header");
    expect_hostile(-1, 72, 0, "header");
    expect_hostile(-1, 32, 33, "header");
    expect_hostile(-1, 40, 1u << 30, "header");
    expect_hostile(-1, 44, 1u << 30, "header");
    expect_hostile(-1, 36, UINT32_MAX, "header");
    expect_hostile(-1, 8, 0, "header");
    expect_hostile(-1, PLANES_AT, 0, "planes");
    expect_hostile(-1, PLANES_AT, 2, "planes");
    expect_hostile(-1, PLANES_AT + 4, 192, "header");
    expect_hostile(-1, PLANES_AT, 1, "header"); /* lines would be shorter */
    expect_hostile(-1, 36, ROWS * 2, "size");
    expect_hostile(-1, 16, PROXIMADB_COSINE, "other settings");
    expect_hostile(-1, 12, DIMS - 1, "other settings");
    expect_hostile(-1, 20, PROXIMADB_INDEX_FAST, "other settings");
}

static void test_graph_file__a_later_version_is_not_guessed_at(void **state)
{
    (void)state;
    uint8_t *content = malloc(rig.size_bytes);
    struct px_graph *graph;
    struct proximadb_error error;
    memcpy(content, rig.content, rig.size_bytes);
    content[VERSION_AT]++;
    seal(content);
    write_other(content, rig.size_bytes);
    assert_int_equal(open_file(rig.other, &graph, &error), PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(error.message, "upgrade"));
    free(content);
}

static void test_graph_file__failing_calls(void **state)
{
    (void)state;
    struct px_fault_fs fs;
    struct px_graph_config config = config_of_rig();
    px_fault_fs_init(&fs, &px_fs_posix);
    unlink(rig.other);
    px_fault_fs_set(&fs, &(struct px_fault_rule){0});
    assert_int_equal(px_graph_save(rig.graph, &fs.base, rig.other, NULL), PROXIMADB_OK);
    uint64_t calls = px_fault_fs_calls(&fs);
    assert_true(calls > 5);
    for (uint64_t n = 1; n <= calls; n++) {
        unlink(rig.other);
        px_fault_fs_set(&fs, &(struct px_fault_rule){.fail_at = n});
        int rc = px_graph_save(rig.graph, &fs.base, rig.other, NULL);
        struct px_graph *graph;
        if (rc != PROXIMADB_OK)
            assert_int_equal(access(rig.other, F_OK), -1);
        else if (px_graph_open(&px_fs_posix, rig.other, &config, &graph, NULL) == PROXIMADB_OK)
            px_graph_free(graph);
        else
            fail_msg("what was saved cannot be opened");
    }
    for (uint64_t n = 1; n <= 4; n++) {
        struct px_graph *graph;
        px_fault_fs_set(&fs, &(struct px_fault_rule){.fail_at = n});
        assert_int_equal(px_graph_open(&fs.base, rig.path, &config, &graph, NULL), PROXIMADB_IO);
    }
    px_fault_fs_release(&fs);
}

static void test_graph_file__nothing_to_save_and_nothing_there(void **state)
{
    (void)state;
    struct px_graph_config config = config_of_rig();
    struct px_graph *graph, *opened;
    assert_int_equal(px_graph_new(&config, NULL, &graph, NULL), PROXIMADB_OK);
    unlink(rig.other);
    assert_int_equal(open_file(rig.other, &opened, NULL), PROXIMADB_IO);
    assert_int_equal(px_graph_save(graph, &px_fs_posix, rig.other, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_save(graph, &px_fs_posix, rig.other, NULL), PROXIMADB_IO);
    assert_int_equal(open_file(rig.other, &opened, NULL), PROXIMADB_OK);
    assert_int_equal(px_graph_slot_count(opened), 0);
    px_graph_free(opened);
    px_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_file__a_file_of_version_1_is_read),
        cmocka_unit_test(test_graph_file__what_has_no_fine_bits_is_opened_again),
        cmocka_unit_test(test_graph_file__fine_bits_are_kept),
        cmocka_unit_test(test_graph_file__what_is_opened_is_what_was_saved),
        cmocka_unit_test(test_graph_file__every_byte_is_checked),
        cmocka_unit_test(test_graph_file__every_length_is_checked),
        cmocka_unit_test(test_graph_file__numbers_that_make_no_sense_are_refused),
        cmocka_unit_test(test_graph_file__a_later_version_is_not_guessed_at),
        cmocka_unit_test(test_graph_file__failing_calls),
        cmocka_unit_test(test_graph_file__nothing_to_save_and_nothing_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
