/*
 * Goal: a description says of a log file what is in it, one JSON object a line.
 * Method: a log of insert and delete batches made by hand, described, line by line; its end cut.
 */
#include "wal/wal_describe.h"

#include "os/path.h"
#include "support/wal_support.h"

/* Request id, one row or two ids, as Avro has them; what follows the first id does not matter. */
static const uint8_t insert_batch[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\x04r1rest";
static const uint8_t delete_batch[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\x06\xc3\xa9\"\x02z";
static const uint8_t empty_batch[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

static void append(struct wal_fixture *fixture, enum px_wal_operation operation,
                   const uint8_t *batch, size_t size_bytes, uint32_t row_count)
{
    struct px_wal_entry entry = {.row_count = row_count,
                                 .time_ms = fixture->clock.wall_ms,
                                 .operation = operation,
                                 .request_id = {0xab, 0x01},
                                 .schema_fingerprint = 0x1122334455667788,
                                 .branch = operation == PX_WAL_DELETE ? 2 : 0,
                                 .batch = px_slice_of(batch, size_bytes)};
    assert_int_equal(px_wal_append_avro_entries(fixture->wal, &entry, 1, &fixture->error),
                     PROXIMADB_OK);
}

static void make_log(struct px_buffer *content)
{
    struct wal_fixture fixture;
    struct px_names names;
    struct px_path path;
    wal_fixture_init(&fixture, &px_fs_posix, px_test_folder("wal_describe"));
    wal_fixture_open(&fixture);
    append(&fixture, PX_WAL_INSERT, insert_batch, sizeof insert_batch - 1, 1);
    append(&fixture, PX_WAL_DELETE, delete_batch, sizeof delete_batch - 1, 2);
    append(&fixture, PX_WAL_DELETE, empty_batch, sizeof empty_batch - 1, 1);
    wal_fixture_close(&fixture);
    assert_int_equal(px_folder_list(&px_fs_posix, fixture.folder, &names, NULL), PROXIMADB_OK);
    assert_int_equal(px_path_format(&path, NULL, "%s/%s", fixture.folder, names.items[0].text), 0);
    assert_int_equal(px_file_read(&px_fs_posix, path.text, 1 << 20, content, NULL), PROXIMADB_OK);
    px_names_release(&names);
}

static const char *describe(struct px_slice file, struct px_buffer *text)
{
    struct px_wal_totals totals = {0};
    struct px_wal_reader reader;
    struct px_wal_entry entry;
    px_buffer_clear(text);
    assert_int_equal(px_wal_reader_init(&reader, file, NULL), PROXIMADB_OK);
    px_wal_describe_header(&reader.header, text);
    while (px_wal_reader_next(&reader, &entry))
        px_wal_describe_entry(&reader, &entry, &totals, text);
    px_wal_describe_end(&reader, &totals, text);
    px_buffer_append_byte(text, '\0');
    return (const char *)text->data;
}

static void test_wal_describe__says_what_is_in_a_file(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "{\"kind\":\"header\",\"collection\":\"docs\",\"collection_id\":\"01020300-",
        "\"first_lsn\":1,\"previous_file\":\"\",\"previous_end\":0}\n",
        "\"lsn\":1,\"row_count\":1,\"time\":\"2024-01-15T12:00:00.000Z\","
        "\"operation\":\"INSERT\",\"batch_bytes\":24,\"schema_fingerprint\":\"1122334455667788\","
        "\"request_id\":\"ab010000000000000000000000000000\",\"first_id\":\"r1\"}\n",
        "\"lsn\":2,\"row_count\":2,",
        "\"operation\":\"DELETE\"",
        "\"first_id\":\"\xc3\xa9\\\"\"}\n",
        "\"lsn\":4,\"row_count\":1,",
        "{\"kind\":\"end\",\"end\":\"clean\",",
        "\"entry_count\":3,\"row_count\":4,\"next_lsn\":5}\n"};
    struct px_buffer file = {0}, text = {0};
    make_log(&file);
    const char *at = describe(px_buffer_slice(&file), &text);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        at = strstr(at, expected[i]);
        if (at == NULL)
            fail_msg("'%s' is missing in %s", expected[i], (const char *)text.data);
    }
    assert_null(strstr(strstr((const char *)text.data, "\"lsn\":4"), "first_id"));
    px_buffer_release(&file);
    px_buffer_release(&text);
}

static void test_wal_describe__says_how_a_file_ends(void **state)
{
    (void)state;
    struct px_buffer file = {0}, text = {0};
    make_log(&file);
    const char *lines = describe(px_slice_of(file.data, file.size_bytes - 1), &text);
    assert_non_null(strstr(lines, "\"end\":\"torn\""));
    assert_non_null(strstr(lines, "\"entry_count\":2"));
    assert_non_null(strstr(lines, "\"reason\":\"a block is cut off"));
    px_buffer_release(&file);
    px_buffer_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_describe__says_what_is_in_a_file),
        cmocka_unit_test(test_wal_describe__says_how_a_file_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
