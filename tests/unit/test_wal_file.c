/*
 * Goal: at every quiet moment a log file is a valid container that ends in padding; it grows as
 * documented; a name is never used twice.
 * Method: append blocks of many sizes and walk the raw file after each.
 */
#include "wal/wal_file.h"

#include "avro/container.h"
#include "os/file.h"
#include "support/px_test.h"

static struct px_wal_header sample_header(void)
{
    struct px_wal_header header = {.collection = "docs", .first_lsn = 1};
    px_random_bytes(header.sync_marker, sizeof header.sync_marker);
    return header;
}

/* Walks the file: the number of blocks with objects; fails the test where it is no container. */
static size_t count_blocks(const struct px_wal_file *file, uint64_t expected_size)
{
    struct px_buffer content = {0};
    struct px_wal_header header;
    size_t header_bytes, blocks = 0;
    assert_int_equal(px_file_read(file->fs, file->path.text, 1 << 30, &content, NULL),
                     PROXIMADB_OK);
    assert_int_equal(content.size_bytes, expected_size);
    assert_int_equal(px_wal_header_decode(px_buffer_slice(&content), &header, &header_bytes, NULL),
                     PROXIMADB_OK);
    size_t at = header_bytes;
    while (at < content.size_bytes) {
        struct px_container_block block;
        struct px_slice rest = px_slice_of(content.data + at, content.size_bytes - at);
        assert_int_equal(px_container_block_read(rest, header.sync_marker, &block, NULL),
                         PROXIMADB_OK);
        if (block.object_count > 0) {
            assert_int_equal(block.objects.data[0], 'a' + (int)(blocks % 26));
            blocks++;
        }
        at += block.size_bytes;
    }
    px_buffer_release(&content);
    return blocks;
}

static void append_block(struct px_wal_file *file, size_t number, size_t size)
{
    uint8_t frame[PX_CONTAINER_BLOCK_HEADER_BYTES];
    uint8_t *data = malloc(size);
    struct proximadb_error error;
    bool unsure = true;
    memset(data, 'a' + (int)(number % 26), size);
    size_t frame_bytes = px_container_block_write(frame, 1, size);
    const struct px_slice pieces[] = {px_slice_of(frame, frame_bytes), px_slice_of(data, size),
                                      px_slice_of(file->sync_marker, PX_WAL_SYNC_BYTES)};
    assert_int_equal(px_wal_file_append(file, pieces, 3, &unsure, &error), PROXIMADB_OK);
    assert_false(unsure);
    free(data);
}

static void test_wal_file__is_a_container_after_each_append(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("wal_file");
    struct px_wal_header header = sample_header();
    struct px_wal_file file;
    const char *folder = px_test_folder("wal_file");
    assert_int_equal(px_wal_file_create(&px_fs_posix, folder, 0, &header, &file, NULL),
                     PROXIMADB_OK);
    assert_int_equal(count_blocks(&file, PX_WAL_FIRST_FILE_BYTES), 0);
    for (size_t i = 0; i < 200; i++) {
        static const size_t largest[] = {10, 300, 70000, 3000000};
        append_block(&file, i, 1 + px_test_below(&random, largest[i % 20 == 0 ? 3 : i % 3]));
        assert_true(file.log_end + PX_WAL_PADDING_HEADER_BYTES + PX_WAL_SYNC_BYTES <=
                    file.padded_end);
        if (i % 10 == 0)
            assert_int_equal(count_blocks(&file, file.padded_end), i + 1);
    }
    assert_int_equal(px_wal_file_sync(&file, NULL), PROXIMADB_OK);
    assert_int_equal(count_blocks(&file, file.padded_end), 200);
    px_wal_file_close(&file, false);
    assert_int_equal(count_blocks(&file, file.log_end), 200);
}

/* Every way in which the end of a block can meet the end of the padding. */
static void test_wal_file__fits_blocks_to_the_last_byte(void **state)
{
    (void)state;
    for (int spare = -30; spare <= 30; spare++) {
        struct px_wal_header header = sample_header();
        struct px_wal_file file;
        const char *folder = px_test_folder("wal_file");
        assert_int_equal(px_wal_file_create(&px_fs_posix, folder, 0, &header, &file, NULL),
                         PROXIMADB_OK);
        size_t overhead = 1 + 3 + PX_WAL_SYNC_BYTES; /* count, size, sync marker */
        size_t room = file.padded_end - file.log_end - overhead;
        append_block(&file, 0, (size_t)((int)room + spare));
        append_block(&file, 1, 5);
        assert_int_equal(count_blocks(&file, file.padded_end), 2);
        px_wal_file_close(&file, false);
        assert_int_equal(count_blocks(&file, file.log_end), 2);
    }
}

static void test_wal_file__never_takes_a_name_twice(void **state)
{
    (void)state;
    static const char *const names[] = {"2024-01-15_12-00-00.wal", "2024-01-15_12-00-00-001.wal",
                                        "2024-01-15_12-00-00-002.wal"};
    const char *folder = px_test_folder("wal_file");
    for (int i = 0; i < 3; i++) {
        struct px_wal_header header = sample_header();
        struct px_wal_file file;
        assert_int_equal(
            px_wal_file_create(&px_fs_posix, folder, INT64_C(1705320000999), &header, &file, NULL),
            PROXIMADB_OK);
        assert_string_equal(px_path_name(file.path.text), names[i]);
        px_wal_file_close(&file, true);
        assert_int_equal(count_blocks(&file, PX_WAL_FIRST_FILE_BYTES), 0);
    }
}

static void test_wal_file__says_why_it_cannot_be_created(void **state)
{
    (void)state;
    struct px_wal_header header = sample_header();
    struct px_wal_file file = {.fd = -1};
    struct proximadb_error error;
    assert_int_equal(
        px_wal_file_create(&px_fs_posix, "scratch/no/such/folder", 0, &header, &file, &error),
        PROXIMADB_IO);
    assert_non_null(strstr(error.message, "scratch/no/such/folder"));
    assert_int_equal(file.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_file__is_a_container_after_each_append),
        cmocka_unit_test(test_wal_file__fits_blocks_to_the_last_byte),
        cmocka_unit_test(test_wal_file__never_takes_a_name_twice),
        cmocka_unit_test(test_wal_file__says_why_it_cannot_be_created),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
