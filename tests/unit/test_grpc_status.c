/*
 * Goal: every status has the code that the contract's table gives it.
 * Method: the table of proto/proximadb/v1/proximadb.proto, read from the file itself.
 */
#include "rpc/grpc_status.h"

#include "support/px_test.h"

#include <proximadb.h>

/* "//   NOT_FOUND            COLLECTION_NOT_FOUND, VECTOR_NOT_FOUND" */
static void check_line(char *line, int *mapped)
{
    char *save = NULL;
    char *code = strtok_r(line, " ,:/\n", &save);
    for (char *word; (word = strtok_r(NULL, " ,:/\n", &save)) != NULL;) {
        for (int status = 1; status < PROXIMADB_STATUS_COUNT; status++) {
            if (strcmp(word, proximadb_status_name(status)) != 0)
                continue;
            if (strcmp(px_grpc_code_name(px_grpc_code_of(status)), code) != 0)
                fail_msg("%s is %s, not %s", word, px_grpc_code_name(px_grpc_code_of(status)),
                         code);
            (*mapped)++;
        }
    }
}

static void test_grpc_status__is_as_the_contract_says(void **state)
{
    (void)state;
    FILE *file = fopen(PX_SOURCE_FOLDER "/proto/proximadb/v1/proximadb.proto", "r");
    assert_non_null(file);
    char line[300];
    int mapped = 0;
    while (fgets(line, sizeof line, file) != NULL && strncmp(line, "syntax", 6) != 0)
        if (strncmp(line, "//   ", 5) == 0)
            check_line(line, &mapped);
    fclose(file);
    /* All but those whose code has their very name and a meaning of its own in gRPC. */
    assert_int_equal(mapped, PROXIMADB_STATUS_COUNT - 1 - 4);
    assert_int_equal(px_grpc_code_of(PROXIMADB_DEADLINE_EXCEEDED), PX_GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(px_grpc_code_of(PROXIMADB_CANCELLED), PX_GRPC_CANCELLED);
    assert_int_equal(px_grpc_code_of(PROXIMADB_UNAUTHENTICATED), PX_GRPC_UNAUTHENTICATED);
    assert_int_equal(px_grpc_code_of(PROXIMADB_PERMISSION_DENIED), PX_GRPC_PERMISSION_DENIED);
}

static void test_grpc_status__takes_any_number(void **state)
{
    (void)state;
    assert_int_equal(px_grpc_code_of(PROXIMADB_OK), PX_GRPC_OK);
    assert_int_equal(px_grpc_code_of(-1), PX_GRPC_UNKNOWN);
    assert_int_equal(px_grpc_code_of(PROXIMADB_STATUS_COUNT), PX_GRPC_UNKNOWN);
    assert_string_equal(px_grpc_code_name(PX_GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grpc_status__is_as_the_contract_says),
        cmocka_unit_test(test_grpc_status__takes_any_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
