/*
 * Goal: after a compaction every live row is in exactly one new part, whole, where the mapping says, with
 * rows that are near each other together, in the list that its part names; dead rows are gone; clusters
 * and lists keep their sizes while rows come and go; stopping leaves nothing.
 * Method: parts of rows around a few centres, some killed, compacted and read back; then rounds with new
 * rows and new centres on what the first compaction made, each checked as a whole.
 */
#include "viper/compaction.h"

#include "os/file.h"
#include "support/records.h"
#include "viper/part_lists.h"
#include "viper/part_writer.h"

enum { DIMS = 16, CENTRES = 8, ROWS_PER_PART = 700, PARTS = 3, MOST_PARTS = 60, LIST_ROWS = 100 };

static struct px_collection collection;
static struct px_viper viper;
static struct px_part *parts[MOST_PARTS]; /* of the collection now */
static size_t part_count;
static struct px_clustering clustering;
static uint64_t group_bytes; /* of rows in memory at a time; 0: more than there are */
static char folder[300];

/* A row of records.h whose vector lies near one of the centres; from row 100,000 on near others. */
static struct made_record *make_row(uint64_t number)
{
    struct made_record *made = records_make(number, DIMS);
    uint64_t centre = number % CENTRES + (number >= 100000 ? CENTRES : 0);
    for (uint32_t i = 0; i < DIMS; i++)
        made->vector[i] = made->vector[i] * 0.05f + (i == centre ? 1.0f : 0.0f);
    return made;
}

static struct px_part *open_part(const struct px_manifest_file *file)
{
    struct px_part *part;
    assert_int_equal(px_part_open(&px_fs_posix, folder, file, &collection, &part, NULL),
                     PROXIMADB_OK);
    return part;
}

/* A part of cluster_000. */
static void add_part(uint64_t first_row, uint64_t row_count)
{
    char path[PX_MANIFEST_PATH_BYTES];
    struct px_part_writer *writer;
    struct px_manifest_file file;
    assert_int_equal(px_viper_part_path(&viper, 0, path, NULL), PROXIMADB_OK);
    struct px_part_target target = {.fs = &px_fs_posix, .store_folder = folder, .path = path};
    assert_int_equal(px_part_writer_open(&target, &collection, &writer, NULL), PROXIMADB_OK);
    for (uint64_t row = 0; row < row_count; row++) {
        struct made_record *made = make_row(first_row + row);
        px_part_writer_add(writer, &made->record);
        records_release(made);
    }
    assert_int_equal(px_part_writer_finish(writer, &file, NULL), PROXIMADB_OK);
    assert_true(part_count < MOST_PARTS);
    parts[part_count++] = open_part(&file);
}

static int make_parts(void **state)
{
    (void)state;
    struct px_viper_parts none;
    part_count = 0;
    group_bytes = 0;
    clustering = (struct px_clustering){0};
    collection = records_collection("docs", DIMS);
    snprintf(folder, sizeof folder, "%s/docs", px_test_folder("compaction"));
    assert_int_equal(px_viper_create(&px_fs_posix, folder, collection.id, NULL), PROXIMADB_OK);
    assert_int_equal(px_viper_open(&viper, &px_fs_posix, NULL, folder, &collection, &none, NULL),
                     PROXIMADB_OK);
    free(none.items);
    for (uint64_t i = 0; i < PARTS; i++)
        add_part(i * ROWS_PER_PART, ROWS_PER_PART);
    return 0;
}

static int close_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < part_count; i++)
        px_part_close(parts[i]);
    px_clustering_release(&clustering);
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
                                        .kind = PX_COMPACTION_ALL,
                                        .parts = parts,
                                        .part_count = part_count,
                                        .lsn = 5000,
                                        .clustering = &clustering,
                                        .cluster_count = cluster_count,
                                        .group_bytes = group_bytes};
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
        fresh[i] = open_part(&output.files[i]);
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

/* Lists have more rows than that is enough for. */
static void test_compaction__moves_every_live_row_a_few_at_a_time(void **state)
{
    group_bytes = 2500;
    test_compaction__moves_every_live_row(state);
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

/* ---- one behind the other ------------------------------------------------------------------ */

/* What a row costs in these parts is about 200 bytes: a cluster has some hundred. */
static const struct px_clustering_sizes sizes = {
    .least_bytes = 20000, .aimed_bytes = 80000, .most_bytes = 160000};

/* Which parts are taken. */
typedef bool take_part(const struct px_part *part);

static bool take_all(const struct px_part *part)
{
    return part != NULL;
}

static bool take_fresh(const struct px_part *part)
{
    return px_part_file(part)->cluster == 0;
}

/* Runs a compaction and puts what it wrote in the place of what it read. Rows that died stay behind. */
static void compact(enum px_compaction_kind kind, take_part *takes)
{
    static struct px_part *taken[MOST_PARTS], *others[MOST_PARTS];
    struct px_compaction_output output;
    struct proximadb_error error;
    struct px_compaction_input input = make_input(0);
    size_t taken_count = 0, other_count = 0;
    for (size_t i = 0; i < part_count; i++)
        *(takes(parts[i]) ? &taken[taken_count++] : &others[other_count++]) = parts[i];
    input.kind = kind;
    input.parts = taken;
    input.part_count = taken_count;
    input.others = others;
    input.other_count = other_count;
    input.list_rows = LIST_ROWS;
    input.sizes = sizes;
    if (px_compaction_run(&input, &output, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    assert_int_equal(output.centroids.path[0] == '\0', kind == PX_COMPACTION_FOLD);
    assert_true(kind == PX_COMPACTION_FOLD ? output.recall == 0.0 : output.recall > 0.0);
    for (size_t i = 0; i < taken_count; i++)
        px_part_close(taken[i]);
    memcpy(parts, others, other_count * sizeof(struct px_part *));
    part_count = other_count;
    for (size_t i = 0; i < output.file_count; i++)
        parts[part_count++] = open_part(&output.files[i]);
    px_compaction_release(&output);
}

static size_t list_of(const struct px_part_lists *lists, uint32_t row)
{
    size_t list = 0, index;
    while (row >= lists->items[list].first_row + lists->items[list].row_count)
        list++;
    assert_true(px_clustering_find(&clustering, lists->items[list].id, &index));
    return index;
}

/* What is known of a collection that was looked at. */
struct looked {
    uint64_t row_count, fresh_rows;
    uint64_t in_nearest; /* rows that are in the list of the nearest centroid */
    uint64_t largest_list;
};

/* Looks at every row: whole, once, in a list that its part names and that belongs to its cluster. */
static struct looked check_collection(uint64_t id_sum)
{
    struct looked looked = {0};
    uint64_t *counts = calloc(clustering.list_count + 1, sizeof *counts), found_sum = 0;
    for (size_t i = 0; i < part_count; i++) {
        struct px_part_reader *reader;
        struct px_part_lists lists;
        uint32_t cluster = px_part_file(parts[i])->cluster;
        assert_int_equal(px_part_reader_new(parts[i], &reader, NULL), PROXIMADB_OK);
        assert_int_equal(px_part_lists_read(parts[i], &lists, NULL), PROXIMADB_OK);
        for (size_t list = 1; list < lists.count; list++) /* each once, in one piece */
            assert_true(lists.items[list].id > lists.items[list - 1].id);
        assert_int_equal(lists.count == 0, cluster == 0);
        for (uint32_t row = 0; row < px_part_row_count(parts[i]); row++) {
            struct px_record got;
            uint32_t nearest;
            if (!px_dead_rows_is_live(px_part_dead_rows(parts[i]), row, 5000))
                continue;
            looked.row_count++;
            looked.fresh_rows += cluster == 0;
            assert_int_equal(px_part_read_record(reader, row, true, &got, NULL), PROXIMADB_OK);
            uint64_t number = (uint64_t)got.version - 1;
            struct made_record *made = make_row(number);
            records_check(&got, &made->record);
            records_release(made);
            found_sum += number;
            if (cluster == 0)
                continue;
            size_t index = list_of(&lists, row);
            assert_int_equal(clustering.lists[index].cluster, cluster);
            counts[index]++;
            const struct px_rows one = {got.vector, DIMS * sizeof(float), 1, DIMS};
            px_clustering_assign(&clustering, NULL, &one, &nearest, NULL);
            looked.in_nearest += nearest == index;
        }
        px_part_lists_release(&lists);
        px_part_reader_free(reader);
    }
    for (size_t i = 0; i < clustering.list_count; i++) {
        assert_true(clustering.lists[i].row_count >= counts[i]); /* dead ones may be counted */
        looked.largest_list = counts[i] > looked.largest_list ? counts[i] : looked.largest_list;
    }
    assert_int_equal(found_sum, id_sum);
    free(counts);
    return looked;
}

/* The sum of the numbers [first, first + count). */
static uint64_t sum(uint64_t first, uint64_t count)
{
    return count * first + count * (count - 1) / 2;
}

static void test_compaction__a_round_appends_to_clusters_that_stay(void **state)
{
    (void)state;
    enum { FIRST = PARTS * ROWS_PER_PART, MORE = 150 };
    compact(PX_COMPACTION_ALL, take_all);
    size_t clustered = part_count, list_count = clustering.list_count;
    uint32_t clusters[MOST_PARTS];
    assert_in_range(list_count, FIRST / LIST_ROWS - 3, FIRST / LIST_ROWS + 3);
    assert_true(clustered >= 3);
    for (size_t i = 0; i < clustered; i++)
        clusters[i] = px_part_file(parts[i])->cluster;
    struct looked before = check_collection(sum(0, FIRST));
    assert_int_equal(before.in_nearest, FIRST);

    add_part(FIRST, MORE);
    compact(PX_COMPACTION_ROUND, take_fresh);
    assert_in_range(part_count, clustered + 2, 2 * clustered);
    for (size_t i = 0; i < part_count; i++) {
        bool known = false;
        for (size_t k = 0; k < clustered; k++)
            known = known || px_part_file(parts[i])->cluster == clusters[k];
        assert_true(known);
    }
    assert_int_equal(clustering.list_count, list_count);
    struct looked looked = check_collection(sum(0, FIRST + MORE));
    assert_int_equal(looked.in_nearest, FIRST + MORE);
    assert_int_equal(looked.fresh_rows, 0);
    uint64_t counted = 0;
    for (size_t i = 0; i < list_count; i++)
        counted += clustering.lists[i].row_count;
    assert_int_equal(counted, FIRST + MORE);
}

static void test_compaction__a_round_splits_lists_and_clusters(void **state)
{
    (void)state;
    enum { FIRST = PARTS * ROWS_PER_PART, MORE = 3000 };
    compact(PX_COMPACTION_ALL, take_all);
    size_t clusters = part_count, list_count = clustering.list_count;
    uint32_t next_list = clustering.next_list, next_cluster = clustering.next_cluster;
    add_part(100000, MORE); /* where there were none */
    compact(PX_COMPACTION_ROUND, take_all);
    struct looked looked = check_collection(sum(0, FIRST) + sum(100000, MORE));
    assert_true(clustering.list_count > list_count + MORE / LIST_ROWS / 3);
    assert_true(clustering.next_list > next_list && clustering.next_cluster > next_cluster);
    assert_true(part_count > clusters);
    assert_true(looked.in_nearest > (FIRST + MORE) * 97 / 100); /* not all lists are looked at */
    for (size_t i = 0; i < part_count; i++)
        assert_true(px_part_file(parts[i])->size_bytes < 2 * sizes.most_bytes);
    /* What was split once too little is split again. */
    compact(PX_COMPACTION_ROUND, take_all);
    compact(PX_COMPACTION_ROUND, take_all);
    looked = check_collection(sum(0, FIRST) + sum(100000, MORE));
    assert_true(looked.largest_list <= 2 * LIST_ROWS);
}

static void test_compaction__a_round_merges_what_has_shrunk(void **state)
{
    (void)state;
    uint64_t left = 0, left_sum = 0;
    compact(PX_COMPACTION_ALL, take_all);
    size_t clusters = part_count, list_count = clustering.list_count;
    for (uint32_t i = 0; i < part_count; i++) {
        struct px_part_reader *reader;
        assert_int_equal(px_part_reader_new(parts[i], &reader, NULL), PROXIMADB_OK);
        for (uint32_t row = 0; row < px_part_row_count(parts[i]); row++) {
            int64_t version;
            assert_int_equal(px_part_read_version(reader, row, &version, NULL), PROXIMADB_OK);
            if (row % 10 != 0) {
                kill(i, row, 4000);
                continue;
            }
            left++;
            left_sum += (uint64_t)version - 1;
        }
        px_part_reader_free(reader);
    }
    compact(PX_COMPACTION_ROUND, take_all);
    struct looked looked = check_collection(left_sum);
    assert_int_equal(looked.row_count, left);
    assert_true(clustering.list_count < list_count / 2);
    assert_true(part_count < clusters);
}

/* Cluster 1, of the first part, is written anew; the others only get rows. */
static uint32_t chosen_cluster;

static bool take_fresh_and_chosen(const struct px_part *part)
{
    uint32_t cluster = px_part_file(part)->cluster;
    return cluster == 0 || cluster == chosen_cluster;
}

static void test_compaction__a_round_keeps_to_the_clusters_it_was_given(void **state)
{
    (void)state;
    enum { FIRST = PARTS * ROWS_PER_PART, MORE = 2000 };
    compact(PX_COMPACTION_ALL, take_all);
    static uint32_t before[1000][2];
    size_t list_count = clustering.list_count;
    chosen_cluster = px_part_file(parts[0])->cluster;
    for (size_t i = 0; i < list_count; i++) {
        before[i][0] = clustering.lists[i].id;
        before[i][1] = clustering.lists[i].cluster;
    }
    add_part(FIRST, MORE);
    compact(PX_COMPACTION_ROUND, take_fresh_and_chosen);
    (void)check_collection(sum(0, FIRST + MORE));
    for (size_t i = 0; i < list_count; i++) {
        size_t index;
        if (before[i][1] == chosen_cluster)
            continue;
        assert_true(px_clustering_find(&clustering, before[i][0], &index));
        assert_int_equal(clustering.lists[index].cluster, before[i][1]);
    }
}

static void test_compaction__folds_parts_as_they_are(void **state)
{
    (void)state;
    kill(1, 7, 4000);
    group_bytes = 10000;
    compact(PX_COMPACTION_FOLD, take_all);
    assert_int_equal(part_count, 1);
    struct looked looked = check_collection(sum(0, PARTS * ROWS_PER_PART) - (ROWS_PER_PART + 7));
    assert_int_equal(looked.fresh_rows, PARTS * ROWS_PER_PART - 1);
}

/* Months of it: some rows die, others come, and now and then everything is clustered anew. */
static void test_compaction__keeps_every_row_through_many_rounds(void **state)
{
    (void)state;
    enum { ROUNDS = 24, MORE = 120 };
    uint64_t next = PARTS * ROWS_PER_PART, live_sum = sum(0, PARTS * ROWS_PER_PART);
    compact(PX_COMPACTION_ALL, take_all);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < part_count; i++) {
            struct px_part_reader *reader;
            assert_int_equal(px_part_reader_new(parts[i], &reader, NULL), PROXIMADB_OK);
            for (uint32_t row = (uint32_t)(round % 5); row < px_part_row_count(parts[i]);
                 row += 19) {
                int64_t version;
                assert_int_equal(px_part_read_version(reader, row, &version, NULL), PROXIMADB_OK);
                if (px_dead_rows_killed_at(px_part_dead_rows(parts[i]), row) != 0)
                    continue;
                kill(i, row, 4000);
                live_sum -= (uint64_t)version - 1;
            }
            px_part_reader_free(reader);
        }
        uint64_t first = next + (round % 2 == 1 ? 100000 : 0);
        add_part(first, MORE);
        live_sum += sum(first, MORE);
        next += MORE;
        chosen_cluster = px_part_file(parts[round % part_count])->cluster;
        group_bytes = round % 3 == 1 ? 3000 : 0;
        if (round % 8 == 7)
            compact(PX_COMPACTION_ALL, take_all);
        else
            compact(PX_COMPACTION_ROUND, round % 3 == 0 ? take_all : take_fresh_and_chosen);
        (void)check_collection(live_sum);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_parts, close_parts)
    const struct CMUnitTest tests[] = {
        TEST(test_compaction__moves_every_live_row),
        TEST(test_compaction__moves_every_live_row_a_few_at_a_time),
        TEST(test_compaction__puts_near_rows_together),
        TEST(test_compaction__leaves_nothing_when_stopped),
        TEST(test_compaction__of_dead_rows_makes_no_file),
        TEST(test_compaction__a_round_appends_to_clusters_that_stay),
        TEST(test_compaction__a_round_splits_lists_and_clusters),
        TEST(test_compaction__a_round_merges_what_has_shrunk),
        TEST(test_compaction__a_round_keeps_to_the_clusters_it_was_given),
        TEST(test_compaction__folds_parts_as_they_are),
        TEST(test_compaction__keeps_every_row_through_many_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
