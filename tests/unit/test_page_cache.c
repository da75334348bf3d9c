/*
 * Goal: a page is found by its name and by no other, until it is thrown out or its reader is
 * closed; the cache never holds more than its bound, keeps what is used, and frees what nobody
 * holds.
 * Method: pages of made-up sizes under made-up names; threads that look and put at once, on which
 * the thread and address sanitizers look on.
 */
#include "parquet/page_cache_internal.h"

#include "support/px_test.h"

#include <pthread.h>
#include <stdlib.h>

enum { LARGEST_BYTES = PX_PAGE_CACHE_BYTES / 128 / 2 };

/* One reference, the caller's. Its body says which one it is. */
static struct px_cached_page *make_page(uint32_t number, size_t size_bytes)
{
    struct px_cached_page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    page->reference_count = 1;
    page->size_bytes = size_bytes;
    page->rows.row_count = number;
    px_buffer_append(&page->body, &number, sizeof number);
    return page;
}

static void put(uint64_t reader, uint32_t column, uint32_t number, size_t size_bytes)
{
    const struct px_page_name name = {reader, column, number};
    struct px_cached_page *page = make_page(number, size_bytes);
    px_page_cache__put(&name, page);
    px_page_cache__unref(page);
}

static bool has(uint64_t reader, uint32_t column, uint32_t number)
{
    const struct px_page_name name = {reader, column, number};
    struct px_cached_page *page = px_page_cache__get(&name);
    bool is_here = page != NULL;
    if (is_here) {
        assert_int_equal(page->rows.row_count, number);
        assert_memory_equal(page->body.data, &number, sizeof number);
    }
    px_page_cache__unref(page);
    return is_here;
}

static void test_page_cache__finds_pages_by_their_names(void **state)
{
    (void)state;
    uint64_t a = px_page_cache__new_number(), b = px_page_cache__new_number();
    assert_true(a != 0 && a != b);
    put(a, 1, 7, 100);
    put(b, 2, 8, 100);
    assert_true(has(a, 1, 7));
    assert_true(has(b, 2, 8));
    assert_false(has(a, 1, 8));
    assert_false(has(a, 2, 7));
    assert_false(has(b, 1, 7));
    assert_int_equal(px_page_cache__bytes(), 200);
    px_page_cache__drop(a);
    assert_false(has(a, 1, 7));
    assert_true(has(b, 2, 8));
    px_page_cache__drop(b);
    assert_int_equal(px_page_cache__bytes(), 0);
    px_page_cache__unref(NULL);
}

static void test_page_cache__keeps_the_first_of_a_name(void **state)
{
    (void)state;
    uint64_t reader = px_page_cache__new_number();
    const struct px_page_name name = {reader, 0, 1};
    struct px_cached_page *first = make_page(1, 10), *second = make_page(1, 20);
    px_page_cache__put(&name, first);
    px_page_cache__put(&name, second);
    struct px_cached_page *found = px_page_cache__get(&name);
    assert_ptr_equal(found, first);
    assert_int_equal(px_page_cache__bytes(), 10);
    px_page_cache__unref(second);
    px_page_cache__drop(reader);
    assert_int_equal(found->rows.row_count, 1); /* who holds it goes on */
    px_page_cache__unref(found);
    px_page_cache__unref(first);
}

static void test_page_cache__stays_within_its_bound(void **state)
{
    (void)state;
    uint64_t reader = px_page_cache__new_number();
    size_t most = 0;
    put(reader, 0, 0, LARGEST_BYTES + 1);
    assert_false(has(reader, 0, 0));
    /* By size, and by number: each as much as four caches hold. */
    for (uint32_t i = 0; i < 4096; i++) {
        put(reader, 1, i, LARGEST_BYTES);
        assert_true(has(reader, 1, i));
        most = px_page_cache__bytes() > most ? px_page_cache__bytes() : most;
    }
    assert_true(most <= PX_PAGE_CACHE_BYTES && most > PX_PAGE_CACHE_BYTES / 2);
    for (uint32_t i = 0; i < 65536; i++)
        put(reader, 2, i, 1);
    size_t count = 0;
    for (uint32_t i = 0; i < 65536; i++)
        count += has(reader, 2, i);
    assert_true(count <= 128 * 128 && count > 128 * 128 / 2);
    px_page_cache__drop(reader);
    assert_int_equal(px_page_cache__bytes(), 0);
}

/* One that is used between any two others is never the one that was not used for longest. */
static void test_page_cache__keeps_what_is_used(void **state)
{
    (void)state;
    uint64_t reader = px_page_cache__new_number();
    put(reader, 0, 0, 1000);
    for (uint32_t i = 1; i < 50000; i++) {
        put(reader, 0, i, i % 2 == 0 ? LARGEST_BYTES : 1);
        assert_true(has(reader, 0, 0));
    }
    px_page_cache__drop(reader);
}

/* ---- threads ------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000, NAMES = 3000 };

static void *look_and_put(void *context)
{
    uint64_t *reader = context;
    struct px_test_random random = px_test_random_new("page_cache");
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t number = (uint32_t)px_test_below(&random, NAMES);
        if (!has(*reader, 3, number))
            put(*reader, 3, number, 1 + number * 10);
        if (i % 5000 == 0)
            px_page_cache__drop(*reader);
    }
    return NULL;
}

static void test_page_cache__serves_threads_at_once(void **state)
{
    (void)state;
    uint64_t reader = px_page_cache__new_number();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_and_put, &reader), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    px_page_cache__drop(reader);
    assert_int_equal(px_page_cache__bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_cache__finds_pages_by_their_names),
        cmocka_unit_test(test_page_cache__keeps_the_first_of_a_name),
        cmocka_unit_test(test_page_cache__stays_within_its_bound),
        cmocka_unit_test(test_page_cache__keeps_what_is_used),
        cmocka_unit_test(test_page_cache__serves_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
