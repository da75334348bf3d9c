/* px-test: layers=api */
/*
 * Goal: BACKUP.json comes back as it was written, and one whose paths lead out of the backup, or whose
 * members make no sense, is refused although its checksum is right.
 * Method: a list written and read; texts with one thing wrong, each with a checksum of its own.
 */
#include "api/backup_internal.h"

#include "base/crc32c.h"
#include "support/px_test.h"

static struct proximadb_error error;

static int decode(const char *body, struct px_backup_list *list)
{
    struct px_buffer json = {0};
    px_buffer_append_format(&json, "%s", body);
    uint32_t crc = px_crc32c(0, json.data, json.size_bytes);
    px_buffer_append_format(&json, ",\n  \"crc32c\": \"%08x\"\n}\n", (unsigned)crc);
    *list = (struct px_backup_list){0};
    int rc = px_backup_list__decode(px_buffer_slice(&json), list, &error);
    px_buffer_release(&json);
    return rc;
}

#define ID "0ccab131-89cc-428f-8d54-1cf99787852c"

/* A list of one collection and one file. */
static int decode_with(const char *head, const char *entry, const char *path, const char *crc)
{
    char text[2000];
    struct px_backup_list list;
    snprintf(text, sizeof text,
             "{%s, \"created_at\": \"2024-01-15T12:00:00.123Z\", \"collections\": [%s], \"files\": "
             "[{\"path\": \"%s\", \"size_bytes\": 7, \"crc32c\": \"%s\"}]",
             head, entry, path, crc);
    int rc = decode(text, &list);
    if (rc != PROXIMADB_OK)
        assert_true(list.files == NULL && list.entries == NULL);
    px_backup_list__release(&list);
    return rc;
}

static const char version[] = "\"format_version\": 1";
static const char entry[] =
    "{\"name\": \"docs\", \"id\": \"" ID "\", \"flushed_lsn\": 5, \"last_lsn\": 9}";

static void test_backup_list__comes_back(void **state)
{
    struct px_backup_list list = {.created_at_ms = 1705320000123}, read = {0};
    struct px_backup_entry docs = {.name = "docs", .flushed_lsn = 5, .last_lsn = 9};
    struct px_buffer json = {0};
    (void)state;
    assert_true(px_uuid_parse(ID, &docs.id));
    assert_int_equal(px_backup_list__add_entry(&list, &docs, NULL), PROXIMADB_OK);
    for (int i = 40; i > 0; i--) {
        char path[40];
        snprintf(path, sizeof path, "wal/docs/%03d.wal", i);
        assert_int_equal(
            px_backup_list__add_file(&list, path, (uint64_t)i << 33, 0xfffffff0u + 1u, NULL),
            PROXIMADB_OK);
    }
    px_backup_list__encode(&list, &json);
    assert_int_equal(px_backup_list__decode(px_buffer_slice(&json), &read, &error), PROXIMADB_OK);
    assert_int_equal(read.created_at_ms, list.created_at_ms);
    assert_int_equal(read.file_count, 40);
    const struct px_backup_file *file = px_backup_list__find_file(&read, "wal/docs/017.wal");
    assert_non_null(file);
    assert_true(file->size_bytes == UINT64_C(17) << 33 && file->crc32c == 0xfffffff1u);
    assert_null(px_backup_list__find_file(&read, "wal/docs/17.wal"));
    assert_memory_equal(px_backup_list__find_entry(&read, "docs"), &docs, sizeof docs);
    assert_null(px_backup_list__find_entry(&read, "doc"));
    json.data[json.size_bytes / 2] ^= 1;
    px_backup_list__release(&read);
    assert_int_equal(px_backup_list__decode(px_buffer_slice(&json), &read, &error),
                     PROXIMADB_CORRUPT);
    px_backup_list__release(&list);
    px_buffer_release(&json);
}

static void test_backup_list__refuses_paths_that_lead_elsewhere(void **state)
{
    static const char *const good[] = {"wal/docs/a.wal", "store/docs/MANIFEST.json",
                                       "store/docs/vectors/cluster_001/part_001.parquet",
                                       "metadata/collections/docs.json", "proximadb.json"};
    static const char *const bad[] = {"",
                                      "/etc/passwd",
                                      "../x",
                                      "wal/docs/../../x",
                                      "wal/docs/..",
                                      "wal/docs/./x",
                                      "wal/docs//x",
                                      "wal/docs/",
                                      "wal/docs",
                                      "wal/docs2/x",
                                      "wal/doc/x",
                                      "store/other/x",
                                      "trash/docs/x",
                                      "metadata/collections/other.json",
                                      "metadata/collections/docs.json/x",
                                      "BACKUP.json",
                                      "proximadb.lock",
                                      "wal/docs/a b",
                                      "wal/docs/a\\\\b"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (decode_with(version, entry, good[i], "0000000f") != PROXIMADB_OK)
            fail_msg("'%s': %s", good[i], error.message);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (decode_with(version, entry, bad[i], "0000000f") != PROXIMADB_CORRUPT)
            fail_msg("'%s' is accepted", bad[i]);
}

static void test_backup_list__refuses_what_makes_no_sense(void **state)
{
    static const char file[] = "wal/docs/a.wal";
    static const char *const entries[] = {
        "1",
        "{\"name\": \"docs\"}",
        "{\"name\": \"../docs\", \"id\": \"" ID "\", \"flushed_lsn\": 5, \"last_lsn\": 9}",
        "{\"name\": \"docs\", \"id\": \"0ccab131\", \"flushed_lsn\": 5, \"last_lsn\": 9}",
        "{\"name\": \"docs\", \"id\": \"" ID "\", \"flushed_lsn\": -1, \"last_lsn\": 9}",
        "{\"name\": \"docs\", \"id\": \"" ID "\", \"flushed_lsn\": 5, \"last_lsn\": 4}",
    };
    struct px_backup_list list;
    char twice[1000];
    (void)state;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (decode_with(version, entries[i], file, "0000000f") != PROXIMADB_CORRUPT)
            fail_msg("%s is accepted", entries[i]);
    snprintf(twice, sizeof twice, "%s, %s", entry, entry);
    assert_int_equal(decode_with(version, twice, file, "0000000f"), PROXIMADB_CORRUPT);
    static const char *const crcs[] = {"", "f", "0000000g", "0000000f0", " 000000f", "-000000f"};
    for (size_t i = 0; i < sizeof crcs / sizeof crcs[0]; i++)
        assert_int_equal(decode_with(version, entry, file, crcs[i]), PROXIMADB_CORRUPT);
    assert_int_equal(decode_with("\"a\": 1", entry, file, "0000000f"), PROXIMADB_CORRUPT);
    assert_int_equal(decode_with("\"format_version\": 2", entry, file, "0000000f"),
                     PROXIMADB_UNIMPLEMENTED);
    assert_int_equal(decode("{\"format_version\": 1", &list), PROXIMADB_CORRUPT);
    assert_int_equal(decode("[", &list), PROXIMADB_CORRUPT);
    assert_int_equal(px_backup_list__decode(px_slice_of("", 0), &list, &error), PROXIMADB_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backup_list__comes_back),
        cmocka_unit_test(test_backup_list__refuses_paths_that_lead_elsewhere),
        cmocka_unit_test(test_backup_list__refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
