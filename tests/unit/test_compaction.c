/*
 * Goal: after a compaction every live row is in exactly one new part, whole, where the mapping says, with
 * rows that are near each other together; dead rows are gone; stopping leaves nothing.
 * Method: parts of rows around a few centres, some killed, compacted and read back.
 */
#include "viper/compaction.h"

#include "os/file.h"
#include "support/records.h"
#include "viper/part_writer.h"

enum { DIMS = 16, CENTRES = 8, ROWS_PER_PART = 700, PARTS = 3 };

static struct px_collection collection;
static struct px_viper viper;
static struct px_part *parts[PARTS];
static char folder[300];

/* A row of records.h whose vector lies near one of the centres. */
static struct made_record *make_row(uint64_t number)
{
    struct made_record *made = records_make(number, DIMS);
    for (uint32_t i = 0; i < DIMS; i++)
        made->vector[i] = made->vector[i] * 0.05f + (i == number % CENTRES ? 1.0f : 0.0f);
    return made;
}

static int make_parts(void **state)
{
    (void)state;
    struct px_viper_parts none;
    collection = records_collection("docs", DIMS);
    snprintf(folder, sizeof folder, "%s/docs", px_test_folder("compaction"));
    assert_int_equal(px_viper_create(&px_fs_posix, folder, collection.id, NULL), PROXIMADB_OK);
    assert_int_equal(px_viper_open(&viper, &px_fs_posix, NULL, folder, &collection, &none, NULL),
                     PROXIMADB_OK);
    free(none.items);
    for (uint64_t i = 0; i < PARTS; i++) {
        char path[PX_MANIFEST_PATH_BYTES];
        struct px_part_writer *writer;
        struct px_manifest_file file;
        assert_int_equal(px_viper_part_path(&viper, 0, path, NULL), PROXIMADB_OK);
        struct px_part_target target = {.fs = &px_fs_posix, .store_folder = folder, .path = path};
        assert_int_equal(px_part_writer_open(&target, &collection, &writer, NULL), PROXIMADB_OK);
        for (uint64_t row = 0; row < ROWS_PER_PART; row++) {
            struct made_record *made = make_row(i * ROWS_PER_PART + row);
            px_part_writer_add(writer, &made->record);
            records_release(made);
        }
        assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
        assert_int_equal(px_part_open(&px_fs_posix, folder, &file, &collection, &parts[i], NULL),
                         PROXIMADB_OK);
    }
    return 0;
}

static int close_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARTS; i++)
        px_part_close(parts[i]);
    px_viper_close(&viper);
    return 0;
}

static void kill(uint32_t part, uint32_t row, int64_t lsn)
{
    assert_int_equal(px_dead_rows_reserve(px_part_dead_rows(parts[part]), row, NULL), PROXIMADB_OK);
    assert_true(px_dead_rows_kill(px_part_dead_rows(parts[part]), row, lsn));
}

static struct px_compaction_input make_input(uint32_t cluster_count)
{
    return (struct px_compaction_input){.viper = &viper,
                                        .collection = &collection,
                                        .parts = parts,
                                        .part_count = PARTS,
                                        .lsn = 5000,
                                        .cluster_count = cluster_count};
}

/* Reads the row that `moved` points to and compares it with the one it was. */
static void check_moved(struct px_part_reader *const *readers, struct px_moved moved,
                        uint64_t number)
{
    struct made_record *made = make_row(number);
    struct px_record got;
    assert_int_equal(px_part_read_record(readers[moved.target], moved.row, true, &got, NULL),
                     PROXIMADB_OK);
    records_check(&got, &made->record);
    records_release(made);
}

static void test_compaction__moves_every_live_row(void **state)
{
    (void)state;
    struct px_compaction_output output;
    struct proximadb_error error;
    struct px_compaction_input input = make_input(CENTRES);
    uint64_t dead_count = 0;
    for (uint32_t part = 0; part < PARTS; part++)
        for (uint32_t row = part; row < ROWS_PER_PART; row += 10, dead_count++)
            kill(part, row, 4000);
    kill(1, 2, 6000); /* dies later: goes over */
    if (px_compaction_run(&input, &output, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    assert_int_equal(output.row_count, PARTS * ROWS_PER_PART - dead_count);
    assert_true(output.file_count <= CENTRES && output.file_count > CENTRES / 2);

    struct px_part *fresh[CENTRES];
    struct px_part_reader *readers[CENTRES];
    uint64_t total = 0;
    for (size_t i = 0; i < output.file_count; i++) {
        assert_int_equal(
            px_part_open(&px_fs_posix, folder, &output.files[i], &collection, &fresh[i], NULL),
            PROXIMADB_OK);
        assert_int_equal(px_part_reader_new(fresh[i], &readers[i], NULL), PROXIMADB_OK);
        assert_int_not_equal(output.files[i].cluster, 0);
        total += output.files[i].row_count;
    }
    assert_int_equal(total, output.row_count);
    for (uint32_t part = 0; part < PARTS; part++)
        for (uint32_t row = 0; row < ROWS_PER_PART; row++) {
            struct px_moved moved = output.moved[part][row];
            bool dead = row % 10 == part;
            assert_int_equal(moved.target == PX_NOT_MOVED, dead);
            if (!dead)
                check_moved(readers, moved, part * ROWS_PER_PART + row);
        }
    for (size_t i = 0; i < output.file_count; i++) {
        px_part_reader_free(readers[i]);
        px_part_close(fresh[i]);
    }
    px_compaction_release(&output);
}

static void test_compaction__puts_near_rows_together(void **state)
{
    (void)state;
    struct px_compaction_output output;
    struct px_compaction_input input = make_input(CENTRES);
    uint32_t counts[CENTRES][CENTRES] = {{0}}; /* by centre and file */
    assert_int_equal(px_compaction_run(&input, &output, NULL), PROXIMADB_OK);
    for (uint64_t part = 0; part < PARTS; part++)
        for (uint64_t row = 0; row < ROWS_PER_PART; row++)
            counts[(part * ROWS_PER_PART + row) % CENTRES][output.moved[part][row].target]++;
    uint32_t together = 0;
    for (size_t centre = 0; centre < CENTRES; centre++) {
        uint32_t most = 0;
        for (size_t file = 0; file < CENTRES; file++)
            most = counts[centre][file] > most ? counts[centre][file] : most;
        together += most;
    }
    assert_true(together > PARTS * ROWS_PER_PART * 9 / 10);
    px_compaction_release(&output);
}

static size_t count_files(void)
{
    size_t count = 0;
    struct px_names folders, names;
    char path[600];
    snprintf(path, sizeof path, "%s/vectors", folder);
    assert_int_equal(px_folder_list(&px_fs_posix, path, &folders, NULL), PROXIMADB_OK);
    for (size_t i = 0; i < folders.count; i++) {
        snprintf(path, sizeof path, "%s/vectors/%s", folder, folders.items[i].text);
        count += folders.items[i].kind == PX_FS_FILE;
        if (folders.items[i].kind != PX_FS_FOLDER)
            continue;
        assert_int_equal(px_folder_list(&px_fs_posix, path, &names, NULL), PROXIMADB_OK);
        count += names.count;
        px_names_release(&names);
    }
    px_names_release(&folders);
    return count;
}

static bool stop_after(void *context)
{
    int *left = context;
    return (*left)-- <= 0;
}

static void test_compaction__leaves_nothing_when_stopped(void **state)
{
    (void)state;
    int stopped_count = 0;
    for (int after = 0; after < 60; after++) {
        struct px_compaction_output output;
        struct px_compaction_input input = make_input(5);
        int left = after;
        input.should_stop = stop_after;
        input.context = &left;
        int rc = px_compaction_run(&input, &output, NULL);
        if (rc == PROXIMADB_OK) {
            px_compaction_discard(&viper, &output);
            px_compaction_release(&output);
        } else {
            assert_int_equal(rc, PROXIMADB_CANCELLED);
            stopped_count++;
        }
        assert_int_equal(count_files(), PARTS);
    }
    assert_true(stopped_count > 5);
}

static void test_compaction__of_dead_rows_makes_no_file(void **state)
{
    (void)state;
    struct px_compaction_output output;
    struct px_compaction_input input = make_input(0);
    for (uint32_t part = 0; part < PARTS; part++)
        for (uint32_t row = 0; row < ROWS_PER_PART; row++)
            kill(part, row, 100);
    assert_int_equal(px_compaction_run(&input, &output, NULL), PROXIMADB_OK);
    assert_int_equal(output.file_count, 0);
    assert_int_equal(output.row_count, 0);
    assert_int_equal(output.moved[1][1].target, PX_NOT_MOVED);
    px_compaction_release(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_compaction__moves_every_live_row, make_parts,
                                        close_parts),
        cmocka_unit_test_setup_teardown(test_compaction__puts_near_rows_together, make_parts,
                                        close_parts),
        cmocka_unit_test_setup_teardown(test_compaction__leaves_nothing_when_stopped, make_parts,
                                        close_parts),
        cmocka_unit_test_setup_teardown(test_compaction__of_dead_rows_makes_no_file, make_parts,
                                        close_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
