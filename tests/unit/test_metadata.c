/*
 * Goal: canonical metadata is walked, built and merged; any Avro map is read into canonical form, and
 * what breaks a rule is refused with a sentence that names the key.
 * Method: an encoder of its own here writes random maps in every form that Avro allows, and the
 * canonical bytes that must come of them; each rule is broken once; every prefix is refused.
 */
#include "model/metadata.h"

#include "codec/varint.h"
#include "support/px_test.h"

static void put_long(struct px_buffer *buffer, int64_t value)
{
    uint8_t bytes[PX_VARINT_BYTES];
    px_buffer_append(buffer, bytes, px_varint_write_long(bytes, value));
}

static void put_text(struct px_buffer *buffer, const char *text)
{
    put_long(buffer, (int64_t)strlen(text));
    px_buffer_append(buffer, text, strlen(text));
}

/* The outcome of reading `bytes`; the message, if any, stays in `last_error`. */
static struct proximadb_error last_error;

static int read_status(const struct px_buffer *bytes)
{
    struct px_buffer scratch = {0};
    struct px_slice metadata;
    size_t size = 0;
    int rc = px_metadata_read(px_buffer_slice(bytes), &scratch, &size, &metadata, &last_error);
    px_buffer_release(&scratch);
    return rc;
}

static struct px_value long_value(int64_t integer)
{
    return (struct px_value){.kind = PROXIMADB_VALUE_LONG, .as.integer = integer};
}

static struct px_value text_value(const char *text)
{
    return (struct px_value){.kind = PROXIMADB_VALUE_STRING, .as.string = px_slice_of_string(text)};
}

/* ---- random maps in any form ---- */

/* Writes `count` items in several blocks, some with a byte size; item(i) gives the bytes of one. */
static void put_blocks(struct px_test_random *random, struct px_buffer *to,
                       const struct px_buffer *items, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t in_block = 1 + px_test_below(random, count - i);
        size_t size = 0;
        for (size_t j = i; j < i + in_block; j++)
            size += items[j].size_bytes;
        bool with_size = px_test_below(random, 2) == 0;
        put_long(to, with_size ? -(int64_t)in_block : (int64_t)in_block);
        if (with_size)
            put_long(to, (int64_t)size);
        for (; in_block > 0; in_block--, i++)
            px_buffer_append_slice(to, px_buffer_slice(&items[i]));
    }
    put_long(to, 0);
}

static void put_one_block(struct px_buffer *to, const struct px_buffer *items, size_t count)
{
    if (count > 0)
        put_long(to, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        px_buffer_append_slice(to, px_buffer_slice(&items[i]));
    put_long(to, 0);
}

static void put_random_text(struct px_test_random *random, struct px_buffer *to)
{
    static const char *const pieces[] = {"a", "bc", "longer than a word", "\xc3\xa9",
                                         "\xf0\x9f\x98\x80"};
    char text[128] = "";
    for (size_t i = px_test_below(random, 5); i > 0; i--)
        strncat(text, pieces[px_test_below(random, 5)], 20);
    put_text(to, text);
}

/* One random entry, once as some writer may write it and once canonical. */
static void put_random_entry(struct px_test_random *random, size_t index, struct px_buffer *any,
                             struct px_buffer *canonical)
{
    char key[16];
    snprintf(key, sizeof key, "key%zu", index);
    struct px_buffer strings[6] = {0}, value = {0};
    int64_t branch = (int64_t)px_test_below(random, 6);
    put_text(any, key);
    put_long(any, branch);
    if (branch == PROXIMADB_VALUE_BOOLEAN) {
        px_buffer_append_byte(&value, (uint8_t)px_test_below(random, 2));
    } else if (branch == PROXIMADB_VALUE_LONG) {
        put_long(&value, (int64_t)px_test_next(random));
    } else if (branch == PROXIMADB_VALUE_DOUBLE) {
        double number = (double)px_test_float(random);
        px_buffer_append(&value, &number, sizeof number);
    } else if (branch == PROXIMADB_VALUE_STRING) {
        put_random_text(random, &value);
    }
    px_buffer_append_slice(canonical, px_buffer_slice(any));
    px_buffer_append_slice(canonical, px_buffer_slice(&value));
    px_buffer_append_slice(any, px_buffer_slice(&value));
    if (branch == PROXIMADB_VALUE_STRING_ARRAY) {
        size_t count = px_test_below(random, 6);
        for (size_t i = 0; i < count; i++)
            put_random_text(random, &strings[i]);
        put_blocks(random, any, strings, count);
        put_one_block(canonical, strings, count);
    }
    for (size_t i = 0; i < 6; i++)
        px_buffer_release(&strings[i]);
    px_buffer_release(&value);
}

enum { MOST_RANDOM = 40 };

static void check_random_map(struct px_test_random *random)
{
    struct px_buffer any[MOST_RANDOM] = {0}, canonical[MOST_RANDOM] = {0};
    struct px_buffer input = {0}, expected = {0}, scratch = {0};
    size_t count = px_test_below(random, MOST_RANDOM + 1);
    for (size_t i = 0; i < count; i++)
        put_random_entry(random, i, &any[i], &canonical[i]);
    put_blocks(random, &input, any, count);
    put_one_block(&expected, canonical, count);
    size_t map_size = input.size_bytes, size = 0;
    px_buffer_append(&input, "what follows", 12);

    struct px_slice metadata;
    px_buffer_append(&scratch, "what was there", 14);
    assert_int_equal(px_metadata_read(px_buffer_slice(&input), &scratch, &size, &metadata, NULL),
                     PROXIMADB_OK);
    assert_memory_equal(scratch.data, "what was there", 14);
    assert_int_equal(size, map_size);
    assert_true(px_slice_equal(metadata, px_buffer_slice(&expected)));
    for (size_t cut = 0; cut < map_size; cut++) {
        struct px_buffer prefix = input;
        prefix.size_bytes = cut;
        assert_int_equal(read_status(&prefix), PROXIMADB_CORRUPT);
    }
    for (size_t i = 0; i < count; i++) {
        px_buffer_release(&any[i]);
        px_buffer_release(&canonical[i]);
    }
    px_buffer_release(&input);
    px_buffer_release(&expected);
    px_buffer_release(&scratch);
}

static void test_metadata__reads_every_form_of_an_avro_map(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("metadata");
    for (int i = 0; i < 300; i++)
        check_random_map(&random);
}

static void test_metadata__reads_the_canonical_form_in_place(void **state)
{
    (void)state;
    struct px_buffer bytes = {0}, scratch = {0};
    const struct px_value one = long_value(1);
    px_metadata_begin(&bytes, 1);
    px_metadata_put(&bytes, px_slice_of_string("k"), &one);
    px_metadata_finish(&bytes, 1);
    struct px_slice metadata;
    size_t size;
    assert_int_equal(px_metadata_read(px_buffer_slice(&bytes), &scratch, &size, &metadata, NULL),
                     PROXIMADB_OK);
    assert_ptr_equal(metadata.data, bytes.data);
    assert_null(scratch.data);
    assert_int_equal(px_metadata_read(px_metadata_empty, &scratch, &size, &metadata, NULL),
                     PROXIMADB_OK);
    assert_ptr_equal(metadata.data, px_metadata_empty.data);
    assert_int_equal(size, 1);
    px_buffer_release(&bytes);
}

/* ---- rules ---- */

/* A map of one entry whose value are these bytes. */
static int status_of_value(const char *key, const void *value, size_t size_bytes)
{
    struct px_buffer bytes = {0};
    put_long(&bytes, 1);
    put_text(&bytes, key);
    px_buffer_append(&bytes, value, size_bytes);
    put_long(&bytes, 0);
    int rc = read_status(&bytes);
    px_buffer_release(&bytes);
    return rc;
}

static void test_metadata__refuses_values_outside_the_rules(void **state)
{
    (void)state;
    uint8_t number[9] = {PROXIMADB_VALUE_DOUBLE * 2};
    static const double bad[] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        memcpy(number + 1, &bad[i], sizeof bad[i]);
        assert_int_equal(status_of_value("price", number, sizeof number), PROXIMADB_INVALID);
        assert_non_null(strstr(last_error.message, "'price'"));
    }
    assert_int_equal(status_of_value("k", "\x08\x02\xff", 3), PROXIMADB_INVALID);  /* not UTF-8 */
    assert_int_equal(status_of_value("k", "\x08\x04x\x00", 4), PROXIMADB_INVALID); /* a NUL */
    assert_int_equal(status_of_value("k", "\x0a\x02\x02\x80\x00", 5), PROXIMADB_INVALID);
    assert_int_equal(status_of_value("k", "\x0c", 1), PROXIMADB_CORRUPT);     /* branch 6 */
    assert_int_equal(status_of_value("k", "\x01", 1), PROXIMADB_CORRUPT);     /* branch -1 */
    assert_int_equal(status_of_value("k", "\x02\x02", 2), PROXIMADB_CORRUPT); /* boolean 2 */
    assert_int_equal(status_of_value("k", "\x08\x01", 2), PROXIMADB_CORRUPT); /* size -1 */
    assert_int_equal(status_of_value("k", "\x02\x01", 2), PROXIMADB_OK);
}

static void test_metadata__finds_faults_anywhere_in_a_text(void **state)
{
    (void)state;
    char value[42] = {PROXIMADB_VALUE_STRING * 2, 40 * 2};
    static const char faults[] = {'\0', '\x80', '\xff'};
    for (size_t place = 2; place < sizeof value; place++) {
        memset(value + 2, 'a', 40);
        assert_int_equal(status_of_value("k", value, sizeof value), PROXIMADB_OK);
        for (size_t i = 0; i < sizeof faults; i++) {
            value[place] = faults[i];
            assert_int_equal(status_of_value("k", value, sizeof value), PROXIMADB_INVALID);
        }
    }
}

static void test_metadata__refuses_false_block_sizes(void **state)
{
    (void)state;
    struct px_buffer bytes = {0};
    for (int64_t size = -1; size < 9; size++) {
        px_buffer_clear(&bytes);
        put_long(&bytes, -1);
        put_long(&bytes, size);
        put_text(&bytes, "k");
        put_long(&bytes, PROXIMADB_VALUE_LONG);
        put_long(&bytes, 5);
        put_long(&bytes, 0);
        assert_int_equal(read_status(&bytes), size == 4 ? PROXIMADB_OK : PROXIMADB_CORRUPT);
    }
    px_buffer_clear(&bytes);
    put_long(&bytes, INT64_MIN);
    put_long(&bytes, 0);
    put_long(&bytes, 0);
    assert_int_equal(read_status(&bytes), PROXIMADB_CORRUPT);
    px_buffer_release(&bytes);
}

static void test_metadata__checks_keys(void **state)
{
    (void)state;
    char key[258];
    memset(key, 'k', sizeof key);
    key[257] = '\0';
    assert_int_equal(status_of_value(key, "\x00", 1), PROXIMADB_INVALID);
    key[256] = '\0';
    assert_int_equal(status_of_value(key, "\x00", 1), PROXIMADB_OK);
    assert_int_equal(status_of_value("", "\x00", 1), PROXIMADB_INVALID);
    assert_int_equal(status_of_value("\xff", "\x00", 1), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "entry 1"));
}

/* n entries key0...; the last one once more as a repetition of entry `again`, if that is below n. */
static int status_of_keys(size_t n, size_t again)
{
    struct px_buffer bytes = {0};
    bool repeats = again < n;
    put_long(&bytes, (int64_t)(n + repeats));
    for (size_t i = 0; i < n + repeats; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%zu", i == n ? again : i);
        put_text(&bytes, key);
        put_long(&bytes, PROXIMADB_VALUE_NULL);
    }
    put_long(&bytes, 0);
    int rc = read_status(&bytes);
    px_buffer_release(&bytes);
    return rc;
}

static void test_metadata__finds_a_repeated_key_among_few_and_many(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 15, 16, 17, 18, 100, 1023};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        assert_int_equal(status_of_keys(counts[i], SIZE_MAX), PROXIMADB_OK);
        for (size_t again = 0; again < counts[i]; again++) {
            char name[32];
            snprintf(name, sizeof name, "'key%zu'", again);
            assert_int_equal(status_of_keys(counts[i], again), PROXIMADB_INVALID);
            assert_non_null(strstr(last_error.message, name));
        }
    }
    assert_int_equal(status_of_keys(1024, SIZE_MAX), PROXIMADB_OK);
    assert_int_equal(status_of_keys(1025, SIZE_MAX), PROXIMADB_INVALID);
    assert_non_null(strstr(last_error.message, "at most 1024 keys"));
}

static void test_metadata__is_at_most_1_mib(void **state)
{
    (void)state;
    const size_t around = 8; /* count, key, branch, the size in 3 bytes, and the end */
    for (size_t more = 0; more <= 1; more++) {
        size_t length = PX_METADATA_LARGEST_BYTES - around + more;
        char *text = malloc(length + 1);
        assert_non_null(text);
        memset(text, 't', length);
        text[length] = '\0';
        struct px_buffer bytes = {0};
        const struct px_value value = text_value(text);
        px_metadata_begin(&bytes, 1);
        px_metadata_put(&bytes, px_slice_of_string("k"), &value);
        px_metadata_finish(&bytes, 1);
        assert_int_equal(bytes.size_bytes, PX_METADATA_LARGEST_BYTES + more);
        assert_int_equal(read_status(&bytes), more ? PROXIMADB_INVALID : PROXIMADB_OK);
        px_buffer_release(&bytes);
        free(text);
    }
}

/* ---- walking, building, merging ---- */

static void test_metadata__gives_back_what_was_put(void **state)
{
    (void)state;
    struct px_buffer strings = {0}, bytes = {0};
    const struct px_slice words[] = {px_slice_of_string("x"), px_slice_of_string("")};
    px_strings_write(&strings, words, 2);
    const struct px_value values[] = {
        {.kind = PROXIMADB_VALUE_NULL},
        {.kind = PROXIMADB_VALUE_BOOLEAN, .as.boolean = true},
        {.kind = PROXIMADB_VALUE_LONG, .as.integer = INT64_MIN},
        {.kind = PROXIMADB_VALUE_DOUBLE, .as.number = -0.0},
        text_value("text"),
        {.kind = PROXIMADB_VALUE_STRING_ARRAY, .as.array = px_buffer_slice(&strings)},
    };
    static const char *const keys[] = {"null", "boolean", "long", "double", "string", "array"};
    px_metadata_begin(&bytes, 6);
    for (size_t i = 0; i < 6; i++)
        px_metadata_put(&bytes, px_slice_of_string(keys[i]), &values[i]);
    px_metadata_finish(&bytes, 6);

    struct px_metadata_walk walk = px_metadata_first(px_buffer_slice(&bytes));
    struct px_slice key;
    struct px_value value;
    for (size_t i = 0; i < 6; i++) {
        assert_true(px_metadata_next(&walk, &key, &value));
        assert_true(px_slice_equal(key, px_slice_of_string(keys[i])));
        assert_int_equal(value.kind, values[i].kind);
        struct px_value found;
        assert_true(px_metadata_find(px_buffer_slice(&bytes), key, &found));
        assert_int_equal(found.kind, values[i].kind);
    }
    assert_false(px_metadata_next(&walk, &key, &value));
    assert_true(px_slice_equal(value.as.array, px_buffer_slice(&strings)));
    px_metadata_find(px_buffer_slice(&bytes), px_slice_of_string("long"), &value);
    assert_int_equal(value.as.integer, INT64_MIN);
    px_metadata_find(px_buffer_slice(&bytes), px_slice_of_string("double"), &value);
    assert_true(value.as.number == 0 && signbit(value.as.number));
    assert_false(px_metadata_find(px_buffer_slice(&bytes), px_slice_of_string("lon"), &value));
    assert_false(px_metadata_find(px_metadata_empty, px_slice_of_string("lon"), &value));
    px_buffer_release(&strings);
    px_buffer_release(&bytes);
}

/* Entries "key:number key:number"; a number 0 stands for null. */
static struct px_buffer map_of(const char *entries)
{
    struct px_buffer bytes = {0}, items = {0};
    size_t count = 0;
    char key[16];
    int number, length;
    for (; sscanf(entries, " %15[a-z]:%d%n", key, &number, &length) == 2; entries += length) {
        const struct px_value null = {0}, value = long_value(number);
        px_metadata_put(&items, px_slice_of_string(key), number == 0 ? &null : &value);
        count++;
    }
    px_metadata_begin(&bytes, count);
    px_buffer_append_slice(&bytes, px_buffer_slice(&items));
    px_metadata_finish(&bytes, count);
    px_buffer_release(&items);
    return bytes;
}

static void test_metadata__merges_by_key(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"", "", ""},
        {"a:1", "", "a:1"},
        {"", "a:1", "a:1"},
        {"a:1 b:2", "b:3", "a:1 b:3"},
        {"a:1 b:2", "a:0", "b:2"},
        {"a:1", "a:0", ""},
        {"", "a:0", ""},
        {"a:0 b:2", "c:3", "a:0 b:2 c:3"}, /* a null that was stored stays */
        {"a:0", "a:4", "a:4"},
        {"a:1 b:2 c:3", "d:4 c:0 a:9", "a:9 b:2 d:4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_buffer old = map_of(cases[i][0]), changes = map_of(cases[i][1]);
        struct px_buffer expected = map_of(cases[i][2]), merged = {0};
        px_buffer_append_byte(&merged, 0x77); /* what is there stays */
        assert_int_equal(
            px_metadata_merge(px_buffer_slice(&old), px_buffer_slice(&changes), &merged, NULL),
            PROXIMADB_OK);
        assert_int_equal(merged.data[0], 0x77);
        assert_true(px_slice_equal(px_slice_of(merged.data + 1, merged.size_bytes - 1),
                                   px_buffer_slice(&expected)));
        px_buffer_release(&old);
        px_buffer_release(&changes);
        px_buffer_release(&expected);
        px_buffer_release(&merged);
    }
}

/* n entries whose keys begin with `prefix`, of `size` bytes of text each. */
static struct px_buffer wide_map(const char *prefix, size_t n, size_t size)
{
    struct px_buffer bytes = {0};
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'w', size);
    text[size] = '\0';
    const struct px_value value = text_value(text);
    px_metadata_begin(&bytes, n);
    for (size_t i = 0; i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%zu", prefix, i);
        px_metadata_put(&bytes, px_slice_of_string(key), &value);
    }
    px_metadata_finish(&bytes, n);
    free(text);
    return bytes;
}

static void check_merge_limit(struct px_buffer old, struct px_buffer changes, int status)
{
    struct px_buffer merged = {0};
    assert_int_equal(
        px_metadata_merge(px_buffer_slice(&old), px_buffer_slice(&changes), &merged, NULL), status);
    if (status == PROXIMADB_OK)
        assert_int_equal(read_status(&merged), PROXIMADB_OK);
    else
        assert_int_equal(merged.size_bytes, 0);
    px_buffer_release(&old);
    px_buffer_release(&changes);
    px_buffer_release(&merged);
}

static void test_metadata__merge_keeps_the_limits(void **state)
{
    (void)state;
    check_merge_limit(wide_map("a", 1000, 1), wide_map("b", 24, 1), PROXIMADB_OK);
    check_merge_limit(wide_map("a", 1000, 1), wide_map("b", 25, 1), PROXIMADB_INVALID);
    check_merge_limit(wide_map("a", 1000, 1), wide_map("a", 1000, 5), PROXIMADB_OK);
    check_merge_limit(wide_map("a", 1, 600000), wide_map("b", 1, 400000), PROXIMADB_OK);
    /* Two bytes of frame, and 7 of each entry: size, key of 2 bytes, branch, size in 3 bytes. */
    check_merge_limit(wide_map("a", 1, 600000), wide_map("b", 1, 448560), PROXIMADB_OK);
    check_merge_limit(wide_map("a", 1, 600000), wide_map("b", 1, 448561), PROXIMADB_INVALID);
    check_merge_limit(wide_map("a", 1, 600000), wide_map("b", 1, 500000), PROXIMADB_INVALID);
}

static void test_metadata__marks_a_buffer_that_is_too_small(void **state)
{
    (void)state;
    struct px_buffer old = map_of("a:1"), changes = map_of("b:2"), merged;
    px_buffer_init(&merged, 12);
    assert_int_equal(
        px_metadata_merge(px_buffer_slice(&old), px_buffer_slice(&changes), &merged, NULL),
        PROXIMADB_RESOURCE_EXHAUSTED);
    px_buffer_release(&merged);
    px_buffer_release(&old);
    px_buffer_release(&changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata__reads_every_form_of_an_avro_map),
        cmocka_unit_test(test_metadata__reads_the_canonical_form_in_place),
        cmocka_unit_test(test_metadata__refuses_values_outside_the_rules),
        cmocka_unit_test(test_metadata__finds_faults_anywhere_in_a_text),
        cmocka_unit_test(test_metadata__refuses_false_block_sizes),
        cmocka_unit_test(test_metadata__checks_keys),
        cmocka_unit_test(test_metadata__finds_a_repeated_key_among_few_and_many),
        cmocka_unit_test(test_metadata__is_at_most_1_mib),
        cmocka_unit_test(test_metadata__gives_back_what_was_put),
        cmocka_unit_test(test_metadata__merges_by_key),
        cmocka_unit_test(test_metadata__merge_keeps_the_limits),
        cmocka_unit_test(test_metadata__marks_a_buffer_that_is_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
