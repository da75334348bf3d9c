/*
 * Goal: a manifest reads back as written, and no changed byte of it is believed.
 * Method: round trip of a full one; every byte changed; every truncation; paths that lead out.
 */
#define _GNU_SOURCE /* memmem */
#include "viper/manifest.h"

#include "base/crc32c.h"
#include "support/fault_fs.h"
#include "support/px_test.h"

static struct px_manifest_file make_file(uint32_t number)
{
    struct px_manifest_file file = {.size_bytes = 1000 + number,
                                    .crc32c = 0x89abcdef + number,
                                    .row_count = number,
                                    .min_lsn = number,
                                    .max_lsn = INT64_MAX - number,
                                    .cluster = number % 3};
    snprintf(file.path, sizeof file.path, "vectors/cluster_%03u/part_%03u.parquet", number % 3,
             number);
    return file;
}

static void make(struct px_manifest *manifest)
{
    *manifest = (struct px_manifest){.collection_id = px_uuid_new(),
                                     .sequence = 7,
                                     .flushed_lsn = INT64_MAX - 1,
                                     .live_row_count = 12345,
                                     .clock_ms = 1705320000123,
                                     .next_file_number = 99,
                                     .bytes_accepted = INT64_MAX,
                                     .bytes_flushed = 700,
                                     .bytes_compacted = 900,
                                     .centroids = make_file(5)};
    for (uint32_t i = 0; i < 20; i++) {
        struct px_manifest_file file = make_file(i);
        assert_int_equal(
            px_manifest_add(i < 12 ? &manifest->parts : &manifest->deletes, &file, NULL),
            PROXIMADB_OK);
    }
    px_buffer_append(&manifest->request_ids, "0123456789 and more", 19);
}

static void check_equal(const struct px_manifest *a, const struct px_manifest *b)
{
    assert_true(px_uuid_equal(a->collection_id, b->collection_id));
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->flushed_lsn, b->flushed_lsn);
    assert_int_equal(a->live_row_count, b->live_row_count);
    assert_int_equal(a->clock_ms, b->clock_ms);
    assert_int_equal(a->next_file_number, b->next_file_number);
    assert_int_equal(a->bytes_accepted, b->bytes_accepted);
    assert_int_equal(a->bytes_flushed, b->bytes_flushed);
    assert_int_equal(a->bytes_compacted, b->bytes_compacted);
    assert_int_equal(a->parts.count, b->parts.count);
    assert_int_equal(a->deletes.count, b->deletes.count);
    assert_memory_equal(&a->centroids, &b->centroids, sizeof a->centroids);
    for (size_t i = 0; i < a->parts.count; i++)
        assert_memory_equal(&a->parts.items[i], &b->parts.items[i], sizeof a->parts.items[i]);
    for (size_t i = 0; i < a->deletes.count; i++)
        assert_memory_equal(&a->deletes.items[i], &b->deletes.items[i], sizeof a->parts.items[i]);
    assert_true(px_slice_equal(px_buffer_slice(&a->request_ids), px_buffer_slice(&b->request_ids)));
}

static void test_manifest__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_manifest manifest, again = {0}, copy = {0};
    struct proximadb_error error;
    const char *folder = px_test_folder("manifest");
    bool unsure;
    make(&manifest);
    assert_int_equal(px_manifest_write(&px_fs_posix, folder, &manifest, &unsure, &error),
                     PROXIMADB_OK);
    assert_int_equal(manifest.sequence, 8);
    if (px_manifest_read(&px_fs_posix, folder, &again, &error) != PROXIMADB_OK)
        fail_msg("%s", error.message);
    check_equal(&manifest, &again);
    assert_int_equal(px_manifest_copy(&again, &copy, NULL), PROXIMADB_OK);
    px_manifest_release(&again);
    check_equal(&manifest, &copy);
    assert_ptr_equal(px_manifest_find(&copy.parts, copy.parts.items[3].path), &copy.parts.items[3]);
    assert_null(px_manifest_find(&copy.parts, copy.deletes.items[0].path));
    px_manifest_release(&copy);
    px_manifest_release(&manifest);
}

static void test_manifest__an_empty_one_is_valid(void **state)
{
    (void)state;
    struct px_manifest manifest = {0}, again = {0};
    struct px_buffer json = {0};
    px_manifest_encode(&manifest, &json);
    assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, NULL), PROXIMADB_OK);
    assert_int_equal(again.parts.count, 0);
    assert_int_equal(again.next_file_number, 1);
    assert_int_equal(again.centroids.path[0], '\0');
    px_buffer_release(&json);
    px_manifest_release(&again);
}

static void test_manifest__believes_no_changed_byte(void **state)
{
    (void)state;
    struct px_manifest manifest, again = {0};
    struct px_buffer json = {0};
    make(&manifest);
    px_manifest_encode(&manifest, &json);
    for (size_t i = 0; i < json.size_bytes; i++) {
        json.data[i] ^= 0x01;
        assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, NULL),
                         PROXIMADB_CORRUPT);
        json.data[i] ^= 0x01;
        assert_int_equal(px_manifest_decode(px_slice_of(json.data, i), &again, NULL),
                         PROXIMADB_CORRUPT);
    }
    px_buffer_release(&json);
    px_manifest_release(&manifest);
}

/* Gives a changed text the checksum that belongs to it. */
static void sign(struct px_buffer *json)
{
    static const char key[] = ",\n  \"crc32c\": \"";
    char digits[9];
    size_t body_bytes = json->size_bytes - strlen("00000000\"\n}\n") - strlen(key);
    assert_memory_equal(json->data + body_bytes, key, strlen(key));
    snprintf(digits, sizeof digits, "%08x", px_crc32c(0, json->data, body_bytes));
    memcpy(json->data + body_bytes + strlen(key), digits, 8);
}

static void test_manifest__needs_every_key(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "format_version", "collection_id",    "sequence",  "flushed_lsn", "live_row_count",
        "clock_ms",       "next_file_number", "parts",     "deletes",     "request_ids",
        "path",           "size_bytes",       "row_count", "cluster"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct px_manifest manifest, again = {0};
        struct px_buffer json = {0};
        char quoted[40];
        make(&manifest);
        px_manifest_encode(&manifest, &json);
        sign(&json); /* which changes nothing */
        assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, NULL), PROXIMADB_OK);
        px_manifest_release(&again);
        snprintf(quoted, sizeof quoted, "\"%s\":", keys[i]);
        char *found = memmem(json.data, json.size_bytes, quoted, strlen(quoted));
        assert_non_null(found);
        found[1] = 'X';
        sign(&json);
        assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, NULL),
                         PROXIMADB_CORRUPT);
        assert_null(again.parts.items);
        px_buffer_release(&json);
        px_manifest_release(&manifest);
    }
}

/* Files of versions that did not count what was written. */
static void test_manifest__needs_no_key_of_what_was_written(void **state)
{
    (void)state;
    static const char *const keys[] = {"bytes_accepted", "bytes_flushed", "bytes_compacted"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct px_manifest manifest, again = {0};
        struct px_buffer json = {0};
        char quoted[40];
        make(&manifest);
        px_manifest_encode(&manifest, &json);
        snprintf(quoted, sizeof quoted, "\"%s\":", keys[i]);
        char *found = memmem(json.data, json.size_bytes, quoted, strlen(quoted));
        assert_non_null(found);
        found[1] = 'X';
        sign(&json);
        assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, NULL), PROXIMADB_OK);
        assert_int_equal(again.bytes_accepted, i == 0 ? 0 : INT64_MAX);
        assert_int_equal(again.bytes_flushed, i == 1 ? 0 : 700);
        assert_int_equal(again.bytes_compacted, i == 2 ? 0 : 900);
        px_manifest_release(&again);
        found[1] = 'b';
        found[strlen(quoted) + 1] = '-'; /* a number below 0 is none */
        sign(&json);
        assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, NULL),
                         PROXIMADB_CORRUPT);
        px_buffer_release(&json);
        px_manifest_release(&manifest);
    }
}

/* Behind the rename it is not known which one a crash finds; before, it is the old one. */
static void test_manifest__says_whether_it_may_be_in_place(void **state)
{
    (void)state;
    static const unsigned kinds[] = {PX_FAULT_WRITE_AT, PX_FAULT_SYNC_DATA, PX_FAULT_RENAME,
                                     PX_FAULT_SYNC_FOLDER};
    const char *folder = px_test_folder("manifest");
    struct px_manifest manifest, found = {0};
    struct px_fault_fs faults;
    bool unsure = true;
    make(&manifest);
    px_fault_fs_init(&faults, &px_fs_posix);
    px_fault_fs_set(&faults, &(struct px_fault_rule){0});
    assert_int_equal(px_manifest_write(&faults.base, folder, &manifest, &unsure, NULL),
                     PROXIMADB_OK);
    assert_false(unsure);
    for (size_t i = 0; i < 4; i++) {
        bool behind = kinds[i] == PX_FAULT_SYNC_FOLDER;
        px_fault_fs_set(&faults, &(struct px_fault_rule){.kinds = kinds[i], .fail_at = 1});
        assert_int_equal(px_manifest_write(&faults.base, folder, &manifest, &unsure, NULL),
                         PROXIMADB_IO);
        assert_int_equal(unsure, behind);
        assert_int_equal(px_manifest_read(&px_fs_posix, folder, &found, NULL), PROXIMADB_OK);
        assert_int_equal(found.sequence, behind ? 12 : 8);
        px_manifest_release(&found);
    }
    px_fault_fs_release(&faults);
    px_manifest_release(&manifest);
}

static void test_manifest__a_missing_one_is_an_error(void **state)
{
    (void)state;
    const char *folder = px_test_folder("manifest");
    struct px_manifest manifest = {0};
    bool unsure;
    assert_int_equal(px_manifest_read(&px_fs_posix, folder, &manifest, NULL), PROXIMADB_CORRUPT);
    assert_true(px_manifest_is_missing(&px_fs_posix, folder));
    make(&manifest);
    assert_int_equal(px_manifest_write(&px_fs_posix, folder, &manifest, &unsure, NULL),
                     PROXIMADB_OK);
    assert_false(px_manifest_is_missing(&px_fs_posix, folder));
    px_manifest_release(&manifest);
}

static void test_manifest__refuses_paths_that_lead_out(void **state)
{
    (void)state;
    static const char *const bad[] = {"/etc/passwd", "../other/part.parquet",
                                      "vectors/../../x.parquet", "a\\b", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct px_manifest manifest, again = {0};
        struct px_buffer json = {0};
        make(&manifest);
        snprintf(manifest.parts.items[4].path, PX_MANIFEST_PATH_BYTES, "%s", bad[i]);
        px_manifest_encode(&manifest, &json);
        assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, NULL),
                         PROXIMADB_CORRUPT);
        px_buffer_release(&json);
        px_manifest_release(&manifest);
    }
}

static void test_manifest__lists_no_file_twice(void **state)
{
    (void)state;
    for (int of_deletes = 0; of_deletes <= 1; of_deletes++) {
        struct px_manifest manifest, again = {0};
        struct px_buffer json = {0};
        struct proximadb_error error;
        make(&manifest);
        struct px_manifest_files *files = of_deletes ? &manifest.deletes : &manifest.parts;
        const struct px_manifest_file file = files->items[3];
        assert_int_equal(px_manifest_add(files, &file, NULL), PROXIMADB_OK);
        px_manifest_encode(&manifest, &json);
        assert_int_equal(px_manifest_decode(px_buffer_slice(&json), &again, &error),
                         PROXIMADB_CORRUPT);
        assert_non_null(strstr(error.message, file.path));
        assert_non_null(strstr(error.message, "twice"));
        px_buffer_release(&json);
        px_manifest_release(&manifest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest__reads_what_it_writes),
        cmocka_unit_test(test_manifest__an_empty_one_is_valid),
        cmocka_unit_test(test_manifest__believes_no_changed_byte),
        cmocka_unit_test(test_manifest__needs_every_key),
        cmocka_unit_test(test_manifest__needs_no_key_of_what_was_written),
        cmocka_unit_test(test_manifest__says_whether_it_may_be_in_place),
        cmocka_unit_test(test_manifest__a_missing_one_is_an_error),
        cmocka_unit_test(test_manifest__refuses_paths_that_lead_out),
        cmocka_unit_test(test_manifest__lists_no_file_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
