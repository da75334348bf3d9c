/*
 * Goal: what is written is in the file in order, with the right size and checksum; a failed write
 * is reported and counts nothing. Method: pieces of many sizes, read back; a disk that becomes
 * full.
 */
#include "parquet/output_internal.h"

#include "base/crc32c.h"
#include "support/fault_fs.h"
#include "support/px_test.h"

static void test_output__keeps_size_and_checksum(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("output");
    char path[300];
    static uint8_t data[20000], again[20000];
    snprintf(path, sizeof path, "%s/file", px_test_folder("output"));
    struct px_output output = {.fs = &px_fs_posix};
    output.fd = px_fs_posix.open(&px_fs_posix, path, PX_FS_TRUNCATE);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)px_test_next(&random);
    size_t at = 0;
    while (at + 2 * 600 < sizeof data) {
        size_t first = px_test_below(&random, 600), second = px_test_below(&random, 600);
        struct px_slice pieces[] = {px_slice_of(data + at, first),
                                    px_slice_of(data + at + first, second)};
        assert_int_equal(px_output__write(&output, pieces, 2, NULL), PROXIMADB_OK);
        at += first + second;
        assert_int_equal(output.size_bytes, at);
        assert_int_equal(output.crc32c, px_crc32c(0, data, at));
    }
    assert_int_equal(px_fs_posix.read_at(&px_fs_posix, output.fd, again, sizeof again, 0), at);
    assert_memory_equal(data, again, at);
    px_fs_posix.close(&px_fs_posix, output.fd);
}

static void test_output__reports_a_full_disk(void **state)
{
    (void)state;
    struct px_fault_fs fs;
    struct proximadb_error error;
    char path[300];
    snprintf(path, sizeof path, "%s/file", px_test_folder("output_full"));
    px_fault_fs_init(&fs, &px_fs_posix);
    struct px_output output = {.fs = &fs.base};
    output.fd = fs.base.open(&fs.base, path, PX_FS_TRUNCATE);
    struct px_slice piece = px_slice_of("0123456789", 10);
    assert_int_equal(px_output__write(&output, &piece, 1, NULL), PROXIMADB_OK);
    uint32_t crc = output.crc32c;
    px_fault_fs_set_space(&fs, 5);
    assert_int_equal(px_output__write(&output, &piece, 1, &error), PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(output.size_bytes, 10);
    assert_int_equal(output.crc32c, crc);
    fs.base.close(&fs.base, output.fd);
    px_fault_fs_release(&fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output__keeps_size_and_checksum),
        cmocka_unit_test(test_output__reports_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
