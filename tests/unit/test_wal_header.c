/*
 * Goal: a log file's header says what was put into it, and another file's header is refused.
 * Method: round trip; every truncation; keys missing or absurd; a newer version.
 */
#include "wal/wal_header.h"

#include "avro/container.h"
#include "support/px_test.h"

static struct px_wal_header sample(void)
{
    return (struct px_wal_header){.collection = "my_docs-1",
                                  .collection_id = px_uuid_new(),
                                  .first_lsn = 77,
                                  .previous_file = "2024-01-15_12-00-00.wal",
                                  .previous_end = 4711,
                                  .sync_marker = {9, 8, 7}};
}

static void test_wal_header__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_wal_header header = sample(), again;
    struct px_buffer buffer = {0};
    size_t size;
    px_wal_header_encode(&header, &buffer);
    size_t header_bytes = buffer.size_bytes;
    px_buffer_append(&buffer, "behind it", 9);
    assert_int_equal(px_wal_header_decode(px_buffer_slice(&buffer), &again, &size, NULL),
                     PROXIMADB_OK);
    assert_int_equal(size, header_bytes);
    assert_memory_equal(&again, &header, sizeof header);
    for (size_t cut = 0; cut < header_bytes; cut++)
        assert_int_equal(px_wal_header_decode(px_slice_of(buffer.data, cut), &again, &size, NULL),
                         PROXIMADB_CORRUPT);
    px_buffer_release(&buffer);
}

/* A header with one key's value changed; value NULL: the key left out. */
static int decode_with(const char *key, const char *value, struct proximadb_error *error)
{
    static const char *const keys[][2] = {
        {"proximadb.format_version", "1"},
        {"proximadb.collection", "docs"},
        {"proximadb.collection_id", "123e4567-e89b-42d3-a456-426614174000"},
        {"proximadb.first_lsn", "1"},
        {"proximadb.previous_file", ""},
        {"proximadb.previous_end", "0"},
    };
    struct px_container_entry entries[6];
    size_t count = 0;
    for (size_t i = 0; i < 6; i++) {
        bool changed = strcmp(keys[i][0], key) == 0;
        if (changed && value == NULL)
            continue;
        entries[count++] =
            (struct px_container_entry){.key = px_slice_of_string(keys[i][0]),
                                        .value = px_slice_of_string(changed ? value : keys[i][1])};
    }
    static const uint8_t sync[PX_WAL_SYNC_BYTES];
    struct px_buffer buffer = {0};
    struct px_wal_header header;
    size_t size;
    px_container_header_write(&buffer, px_slice_of_string("\"long\""), entries, count, sync);
    int rc = px_wal_header_decode(px_buffer_slice(&buffer), &header, &size, error);
    px_buffer_release(&buffer);
    return rc;
}

static void test_wal_header__refuses_keys_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"proximadb.format_version", NULL},  {"proximadb.format_version", "x"},
        {"proximadb.collection", "../a"},    {"proximadb.collection", "a\"b"},
        {"proximadb.collection_id", "1234"}, {"proximadb.first_lsn", "0"},
        {"proximadb.first_lsn", "-1"},       {"proximadb.first_lsn", "1x"},
        {"proximadb.first_lsn", NULL},       {"proximadb.previous_file", "a/b"},
        {"proximadb.previous_end", ""},      {"proximadb.first_lsn", "99999999999999999999"},
    };
    struct proximadb_error error;
    assert_int_equal(decode_with("", "", &error), PROXIMADB_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(decode_with(bad[i][0], bad[i][1], &error), PROXIMADB_CORRUPT);
}

static void test_wal_header__says_when_the_format_is_newer(void **state)
{
    (void)state;
    struct proximadb_error error;
    assert_int_equal(decode_with("proximadb.format_version", "2", &error), PROXIMADB_UNIMPLEMENTED);
    assert_non_null(strstr(error.message, "upgrade"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_header__reads_what_it_writes),
        cmocka_unit_test(test_wal_header__refuses_keys_that_make_no_sense),
        cmocka_unit_test(test_wal_header__says_when_the_format_is_newer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
