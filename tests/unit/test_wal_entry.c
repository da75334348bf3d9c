/*
 * Goal: an entry reads back as written, and any changed or missing byte is found.
 * Method: round trips at the edges of the fields; every bit flipped; every truncation.
 */
#include "wal/wal_entry.h"

#include "support/px_test.h"

static size_t encode(const struct px_wal_entry *entry, uint8_t *bytes)
{
    size_t size = px_wal_entry_encode_prefix(entry, bytes);
    memcpy(bytes + size, entry->batch.data, entry->batch.size_bytes);
    px_wal_entry_encode_crc(px_slice_of(bytes, size), entry->batch,
                            bytes + size + entry->batch.size_bytes);
    return size + entry->batch.size_bytes + PX_WAL_CRC_BYTES;
}

static const struct px_wal_entry sample = {
    .lsn = 123456789,
    .row_count = 1000,
    .time_ms = INT64_C(1705320000123),
    .operation = PX_WAL_UPDATE,
    .request_id = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255},
    .schema_fingerprint = UINT64_C(0xfedcba9876543210),
    .branch = 1,
    .batch = {.data = (const uint8_t *)"a batch of bytes", .size_bytes = 16},
};

static void check_round_trip(struct px_wal_entry entry)
{
    uint8_t bytes[256];
    struct px_wal_entry again;
    const char *reason = NULL;
    size_t size = encode(&entry, bytes);
    assert_ptr_equal(px_wal_entry_decode(bytes, bytes + size, &again, &reason), bytes + size);
    assert_int_equal(again.lsn, entry.lsn);
    assert_int_equal(again.row_count, entry.row_count);
    assert_int_equal(again.time_ms, entry.time_ms);
    assert_int_equal(again.operation, entry.operation);
    assert_memory_equal(again.request_id, entry.request_id, sizeof entry.request_id);
    assert_int_equal(again.schema_fingerprint, entry.schema_fingerprint);
    assert_int_equal(again.branch, entry.branch);
    assert_true(px_slice_equal(again.batch, entry.batch));
}

static void test_wal_entry__reads_what_it_writes(void **state)
{
    (void)state;
    struct px_wal_entry entry = sample;
    check_round_trip(entry);
    entry.lsn = INT64_MAX - UINT32_MAX;
    entry.row_count = UINT32_MAX;
    entry.time_ms = -1;
    entry.batch.size_bytes = 0;
    entry.operation = PX_WAL_EXPIRE;
    entry.branch = 2;
    check_round_trip(entry);
    assert_int_equal(px_wal_entry_next_lsn(&entry), INT64_MAX);
}

static void test_wal_entry__finds_every_flipped_bit(void **state)
{
    (void)state;
    uint8_t bytes[256];
    size_t size = encode(&sample, bytes);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct px_wal_entry again = {.lsn = -7};
        const char *reason = NULL;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_null(px_wal_entry_decode(bytes, bytes + size, &again, &reason));
        assert_non_null(reason);
        assert_int_equal(again.lsn, -7);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_wal_entry__finds_every_truncation(void **state)
{
    (void)state;
    uint8_t bytes[256];
    size_t size = encode(&sample, bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct px_wal_entry again;
        const char *reason = NULL;
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        assert_null(px_wal_entry_decode(copy, copy + cut, &again, &reason));
        free(copy);
    }
}

static void test_wal_entry__refuses_what_makes_no_sense(void **state)
{
    (void)state;
    /* Its checksum is right, so that only its meaning is wrong. */
    struct px_wal_entry bad = sample, again;
    uint8_t bytes[256];
    const char *reason = NULL;
    bad.lsn = INT64_MAX - 1; /* its rows do not fit below the largest LSN */
    size_t size = encode(&bad, bytes);
    assert_null(px_wal_entry_decode(bytes, bytes + size, &again, &reason));
    assert_non_null(strstr(reason, "out of range"));
}

static void test_wal_entry__names_its_operations(void **state)
{
    (void)state;
    assert_string_equal(px_wal_operation_name(PX_WAL_INSERT), "INSERT");
    assert_string_equal(px_wal_operation_name(PX_WAL_EXPIRE), "EXPIRE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal_entry__reads_what_it_writes),
        cmocka_unit_test(test_wal_entry__finds_every_flipped_bit),
        cmocka_unit_test(test_wal_entry__finds_every_truncation),
        cmocka_unit_test(test_wal_entry__refuses_what_makes_no_sense),
        cmocka_unit_test(test_wal_entry__names_its_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
