/* px-test: layers=os label=unit */
/* Goal: an array keeps its content while it grows, from one page to many huge ones, and is zero
 * where nothing was written. Method: a pattern by offset, looked at after each step. */
#include "os/pages.h"

#include "support/px_test.h"

static void test_pages__keep_their_content(void **state)
{
    (void)state;
    struct px_pages pages = {0};
    size_t written = 0;
    for (size_t size = 1; size < (size_t)40 << 20; size = size * 3 + 1) {
        assert_int_equal(px_pages_grow(&pages, size, NULL), PROXIMADB_OK);
        assert_true(pages.size_bytes >= size);
        assert_int_equal((uintptr_t)pages.data % 4096, 0);
        uint8_t *bytes = pages.data;
        for (size_t i = 0; i < written; i += 977)
            assert_int_equal(bytes[i], (uint8_t)(i * 31 + 1));
        for (size_t i = written; i < pages.size_bytes; i += 977)
            assert_int_equal(bytes[i], 0);
        for (size_t i = 0; i < size; i += 977)
            bytes[i] = (uint8_t)(i * 31 + 1);
        written = size;
    }
    struct px_pages before = pages;
    assert_int_equal(px_pages_grow(&pages, 5, NULL), PROXIMADB_OK); /* never less */
    assert_ptr_equal(pages.data, before.data);
    assert_int_equal(pages.size_bytes, before.size_bytes);
    px_pages_release(&pages);
    assert_null(pages.data);
    px_pages_release(&pages);
}

static void test_pages__more_than_there_is(void **state)
{
    (void)state;
    struct px_pages pages = {0};
    assert_int_equal(px_pages_grow(&pages, 100, NULL), PROXIMADB_OK);
    *(char *)pages.data = 'x';
    assert_int_equal(px_pages_grow(&pages, SIZE_MAX / 4, NULL), PROXIMADB_NO_MEMORY);
    assert_int_equal(*(char *)pages.data, 'x');
    px_pages_release(&pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages__keep_their_content),
        cmocka_unit_test(test_pages__more_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
