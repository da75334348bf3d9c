/*
 * Goal: more recall and more hits take more blocks, in proportion to the rows, and never more than
 * there are; what was learnt is the same from its file, and a file that is damaged, cut, of another
 * collection or of a later version is refused.
 * Method: what is learnt of blobs of rows; calibrations written by hand; each byte of a file changed.
 */
#include "axis/ivf_effort.h"

#include "support/ivf_rows.h"

static const struct px_uuid id = {.bytes = {1, 2, 3}};

static struct px_ivf_effort made_up(void)
{
    return (struct px_ivf_effort){.few = {.row_count = 100000,
                                          .point_count = 2,
                                          .points = {{.recall = .8f, .probe_count = 20},
                                                     {.recall = .99f, .probe_count = 200}}},
                                  .many = {.row_count = 100000,
                                           .point_count = 2,
                                           .points = {{.recall = .8f, .probe_count = 80},
                                                      {.recall = .99f, .probe_count = 800}}}};
}

static void test_ivf_effort__follows_recall_rows_and_hits(void **state)
{
    (void)state;
    struct px_ivf_effort effort = made_up();
    uint32_t at_10 = px_ivf_effort_probe_count(&effort, .9, 10, 100000);
    assert_int_equal(at_10, px_ivf_probe_count(&effort.few, .9, 100000));
    assert_int_equal(px_ivf_effort_probe_count(&effort, .9, 1, 100000), at_10);
    uint32_t at_100 = px_ivf_effort_probe_count(&effort, .9, 100, 100000);
    assert_in_range(at_100, 4 * at_10 - 4, 4 * at_10 + 4); /* as the other calibration has it */
    uint32_t at_1000 = px_ivf_effort_probe_count(&effort, .9, 1000, 100000);
    assert_in_range(at_1000, 16 * at_10 - 16, 3125);
    assert_in_range(px_ivf_effort_probe_count(&effort, .9, 10, 200000), 2 * at_10 - 2, 2 * at_10);
    assert_true(px_ivf_effort_probe_count(&effort, .95, 10, 100000) > at_10);
    assert_int_equal(px_ivf_effort_probe_count(&effort, .999999, 10000, 100000), 3125); /* all */
    assert_int_equal(px_ivf_effort_probe_count(&effort, .01, 1, 1), 1);
    effort.many = (struct px_ivf_calibration){0}; /* by a power of its own */
    uint32_t guessed = px_ivf_effort_probe_count(&effort, .9, 100, 100000);
    assert_true(guessed > 2 * at_10 && guessed < 5 * at_10);
    effort = (struct px_ivf_effort){0};
    assert_int_equal(px_ivf_effort_probe_count(&effort, .9, 10, 100000), 3125); /* all */
    assert_int_equal(px_ivf_effort_probe_count(&effort, .9, 1000, 100000), 3125);
    assert_int_equal(px_ivf_effort_probe_count(&effort, .9, 10, 300), 10);
}

static void test_ivf_effort__is_learnt_from_rows(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf_effort");
    for (size_t count = 600; count <= 6000; count *= 10) {
        struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, count, 24, 20, 2.0f);
        struct px_ivf *ivf = ivf_build(&rows);
        const struct px_ivf *parts[] = {ivf};
        struct px_ivf_set set = {.parts = parts, .part_count = 1};
        struct px_ivf_effort effort;
        assert_int_equal(px_ivf_effort_learn(&set, NULL, NULL, &effort, NULL), PROXIMADB_OK);
        assert_int_equal(effort.few.row_count, count);
        assert_true(effort.few.point_count > 0);
        assert_int_equal(effort.many.point_count > 0, count >= 5000);
        assert_true(px_ivf_effort_probe_count(&effort, .95, 100, count) >=
                    px_ivf_effort_probe_count(&effort, .95, 10, count));
        px_ivf_close(ivf);
        ivf_rows_free(&rows);
    }
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static void test_ivf_effort__stops(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("ivf_effort_stops");
    struct ivf_rows rows = ivf_rows_new(&random, PROXIMADB_L2, 20000, 24, 20, 2.0f);
    struct px_ivf *ivf = ivf_build(&rows);
    const struct px_ivf *parts[] = {ivf};
    struct px_ivf_set set = {.parts = parts, .part_count = 1};
    struct px_ivf_effort effort;
    assert_int_equal(px_ivf_effort_learn(&set, stop_at_once, NULL, &effort, NULL),
                     PROXIMADB_CANCELLED);
    px_ivf_close(ivf);
    ivf_rows_free(&rows);
}

static void test_ivf_effort__comes_back_from_its_file(void **state)
{
    (void)state;
    struct px_ivf_effort effort = made_up(), found;
    struct proximadb_error error;
    struct px_buffer buffer = {0};
    px_ivf_effort_encode(&effort, id, &buffer);
    assert_int_equal(px_buffer_status(&buffer, NULL), PROXIMADB_OK);
    assert_int_equal(buffer.size_bytes, PX_IVF_EFFORT_BYTES);
    struct px_slice content = px_buffer_slice(&buffer);
    assert_int_equal(px_ivf_effort_decode(content, id, &found, &error), PROXIMADB_OK);
    assert_memory_equal(&found, &effort, sizeof effort);
    struct px_uuid other = {.bytes = {1, 2, 4}};
    assert_int_equal(px_ivf_effort_decode(content, other, &found, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "another collection"));
    for (size_t size = 0; size < content.size_bytes; size++)
        assert_int_equal(px_ivf_effort_decode(px_slice_of(content.data, size), id, &found, &error),
                         PROXIMADB_CORRUPT);
    for (size_t i = 0; i < content.size_bytes; i++) {
        buffer.data[i] ^= 1;
        bool is_version = i >= 8 && i < 12;
        assert_int_equal(px_ivf_effort_decode(content, id, &found, &error),
                         is_version ? PROXIMADB_UNIMPLEMENTED : PROXIMADB_CORRUPT);
        buffer.data[i] ^= 1;
    }
    px_buffer_release(&buffer);
}

static void check_refused(struct px_ivf_effort effort)
{
    struct px_ivf_effort found;
    struct px_buffer buffer = {0};
    px_ivf_effort_encode(&effort, id, &buffer);
    assert_int_equal(px_ivf_effort_decode(px_buffer_slice(&buffer), id, &found, NULL),
                     PROXIMADB_CORRUPT);
    px_buffer_release(&buffer);
}

static void test_ivf_effort__refuses_what_makes_no_sense(void **state)
{
    (void)state;
    struct px_ivf_effort effort = made_up();
    effort.few.point_count = PX_IVF_MOST_POINTS + 1;
    check_refused(effort);
    effort = made_up();
    effort.many.points[1].recall = 1.5f;
    check_refused(effort);
    effort = made_up();
    effort.many.points[0].probe_count = 0;
    check_refused(effort);
    effort = made_up();
    effort.few.row_count = 0;
    check_refused(effort);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ivf_effort__follows_recall_rows_and_hits),
        cmocka_unit_test(test_ivf_effort__is_learnt_from_rows),
        cmocka_unit_test(test_ivf_effort__stops),
        cmocka_unit_test(test_ivf_effort__comes_back_from_its_file),
        cmocka_unit_test(test_ivf_effort__refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
