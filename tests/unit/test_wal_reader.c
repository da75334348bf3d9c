/*
 * Goal: the walk gives every whole block and nothing else, and tells a torn end from damage.
 * Method: a log of several blocks in memory, cut at every byte, and flipped at every byte.
 */
#include "wal/wal_reader.h"

#include "support/wal_support.h"

enum { BLOCK_COUNT = 4 };

struct log_image {
    struct px_buffer bytes;
    size_t header_bytes;
    uint64_t block_ends[BLOCK_COUNT];
    int64_t next_lsns[BLOCK_COUNT];
};

/* A closed log of four blocks of 1 to 3 entries. */
static void make_log(struct log_image *image)
{
    struct wal_fixture fixture;
    struct px_names names;
    char path[400];
    *image = (struct log_image){0};
    wal_fixture_init(&fixture, &px_fs_posix, px_test_folder("wal_reader"));
    wal_fixture_open(&fixture);
    for (size_t i = 0; i < BLOCK_COUNT; i++)
        assert_int_equal(wal_fixture_append(&fixture, 1 + i % 3, 2, 40), PROXIMADB_OK);
    wal_fixture_close(&fixture);
    assert_int_equal(px_folder_list(&px_fs_posix, fixture.folder, &names, NULL), PROXIMADB_OK);
    snprintf(path, sizeof path, "%s/%s", fixture.folder, names.items[0].text);
    assert_int_equal(px_file_read(&px_fs_posix, path, 1 << 20, &image->bytes, NULL), PROXIMADB_OK);
    px_names_release(&names);

    struct px_wal_reader reader;
    struct px_wal_entry entry;
    assert_int_equal(px_wal_reader_init(&reader, px_buffer_slice(&image->bytes), NULL),
                     PROXIMADB_OK);
    image->header_bytes = reader.log_end;
    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        do
            assert_true(px_wal_reader_next(&reader, &entry));
        while (reader.entries_left > 0);
        image->block_ends[i] = reader.log_end;
        image->next_lsns[i] = reader.next_lsn;
    }
    assert_int_equal(image->block_ends[BLOCK_COUNT - 1], image->bytes.size_bytes);
}

/* Walks `bytes`; the number of whole blocks is found from where the walk ended. */
static size_t walk(const struct log_image *image, struct px_slice bytes,
                   struct px_wal_reader *reader)
{
    struct wal_seen seen = {0};
    struct px_wal_entry entry;
    assert_int_equal(px_wal_reader_init(reader, bytes, NULL), PROXIMADB_OK);
    while (px_wal_reader_next(reader, &entry))
        assert_int_equal(wal_see(&seen, &entry, NULL), PROXIMADB_OK);
    size_t blocks = 0;
    while (blocks < BLOCK_COUNT && image->block_ends[blocks] <= reader->log_end)
        blocks++;
    uint64_t expected_end = blocks == 0 ? image->header_bytes : image->block_ends[blocks - 1];
    assert_int_equal(reader->log_end, expected_end);
    assert_int_equal(reader->next_lsn, blocks == 0 ? 1 : image->next_lsns[blocks - 1]);
    return blocks;
}

static void test_wal_reader__ends_cleanly_or_torn_at_every_cut(void **state)
{
    (void)state;
    struct log_image image;
    make_log(&image);
    for (size_t cut = image.header_bytes; cut <= image.bytes.size_bytes; cut++) {
        struct px_wal_reader reader;
        size_t expected = 0;
        bool at_boundary = cut == image.header_bytes;
        for (size_t i = 0; i < BLOCK_COUNT; i++) {
            expected += image.block_ends[i] <= cut;
            at_boundary |= image.block_ends[i] == cut;
        }
        assert_int_equal(walk(&image, px_slice_of(image.bytes.data, cut), &reader), expected);
        assert_int_equal(reader.end, at_boundary ? PX_WAL_END_CLEAN : PX_WAL_END_TORN);
        assert_int_equal(reader.reason == NULL, at_boundary);
    }
    px_buffer_release(&image.bytes);
}

static void test_wal_reader__finds_damage_at_every_byte(void **state)
{
    (void)state;
    struct log_image image;
    make_log(&image);
    for (size_t at = image.header_bytes; at < image.bytes.size_bytes; at++) {
        struct px_wal_reader reader;
        size_t block = 0;
        image.bytes.data[at] ^= 0x10;
        while (image.block_ends[block] <= at)
            block++;
        assert_int_equal(walk(&image, px_buffer_slice(&image.bytes), &reader), block);
        /* Behind the last block there is nothing that could tell damage from a torn write. */
        bool is_last = block == BLOCK_COUNT - 1;
        assert_int_equal(reader.end, is_last ? PX_WAL_END_TORN : PX_WAL_END_DAMAGED);
        image.bytes.data[at] ^= 0x10;
    }
    px_buffer_release(&image.bytes);
}

static void test_wal_reader__stops_at_its_limit(void **state)
{
    (void)state;
    struct log_image image;
    struct px_wal_reader reader;
    struct px_wal_entry entry;
    make_log(&image);
    assert_int_equal(px_wal_reader_init(&reader, px_buffer_slice(&image.bytes), NULL),
                     PROXIMADB_OK);
    px_wal_reader_set_limit(&reader, image.block_ends[1]);
    while (px_wal_reader_next(&reader, &entry))
        continue;
    assert_int_equal(reader.end, PX_WAL_END_CLEAN);
    assert_int_equal(reader.log_end, image.block_ends[1]);
    px_buffer_release(&image.bytes);
}

static void test_wal_reader__survives_a_limit_that_makes_no_sense(void **state)
{
    (void)state;
    struct log_image image;
    struct px_wal_reader reader;
    struct px_wal_entry entry;
    make_log(&image);
    for (uint64_t limit = 0; limit <= image.block_ends[0] + 1; limit++) {
        assert_int_equal(px_wal_reader_init(&reader, px_buffer_slice(&image.bytes), NULL),
                         PROXIMADB_OK);
        px_wal_reader_set_limit(&reader, limit);
        size_t entry_count = 0;
        while (px_wal_reader_next(&reader, &entry))
            entry_count++;
        assert_int_equal(entry_count, limit < image.block_ends[0] ? 0 : 1);
    }
    px_buffer_release(&image.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_reader__ends_cleanly_or_torn_at_every_cut),
        cmocka_unit_test(test_wal_reader__finds_damage_at_every_byte),
        cmocka_unit_test(test_wal_reader__stops_at_its_limit),
        cmocka_unit_test(test_wal_reader__survives_a_limit_that_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
