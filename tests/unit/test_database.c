/* px-test: layers=api */
/*
 * Goal: what a program hands to the library belongs to the library, whatever comes of it.
 * Method: requests that no program should make, to a database of the public header.
 */
#include <proximadb.h>

#include "support/database.h"

/* The payload is the library's as soon as submit is called, whatever comes of it. */
static void count_release(void *context)
{
    ++*(int *)context;
}

static void note_status(void *context, int status, struct proximadb_buffer *response,
                        const struct proximadb_error *problem)
{
    (void)response;
    (void)problem;
    *(int *)context = status;
}

static void test_database__a_strange_request_is_refused_and_its_payload_released(void **state)
{
    (void)state;
    struct database database;
    int released = 0, status = PROXIMADB_OK;
    const struct proximadb_request request = {
        .operation = PROXIMADB_COUNT,
        .payload = {.data = "x", .size_bytes = 1, .release = count_release, .context = &released}};
    database_open(&database, px_test_folder("database"));
    proximadb_submit(database.db, &request, note_status, &status);
    assert_int_equal(status, PROXIMADB_INVALID);
    assert_int_equal(released, 1);
    database_close(&database);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_database__a_strange_request_is_refused_and_its_payload_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
