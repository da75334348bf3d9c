/*
 * Goal: arrays of float16, float32 and float64 give the rows that NumPy wrote; what is no such array is
 * refused with what to do; a head that we write is one that is read.
 * Method: files by hand, each beginning of them, and heads that lie.
 */
#include "table/npy_file.h"

#include "support/px_test.h"

enum { MOST_BYTES = 1024 };

struct file {
    uint8_t *bytes; /* owned; no byte more than there is */
    size_t size_bytes;
};

static struct file make(unsigned major, const char *text, const void *values, size_t value_bytes)
{
    uint8_t bytes[MOST_BYTES];
    size_t size = strlen(text), begin = major == 1 ? 10 : 12;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (uint8_t)major;
    bytes[7] = 0;
    memset(bytes + 8, 0, 4);
    bytes[8] = (uint8_t)size;
    memcpy(bytes + begin, text, size);
    memcpy(bytes + begin + size, values, value_bytes);
    struct file file = {.size_bytes = begin + size + value_bytes};
    file.bytes = malloc(file.size_bytes);
    memcpy(file.bytes, bytes, file.size_bytes);
    return file;
}

static int open_file(const struct file *file, struct px_npy *npy, struct proximadb_error *error)
{
    *error = (struct proximadb_error){0};
    int rc = px_npy_open(px_slice_of(file->bytes, file->size_bytes), npy, error);
    assert_int_equal(rc, error->status);
    return rc;
}

static void check_rows(unsigned major, const char *type, const void *values, size_t value_bytes)
{
    char text[100];
    struct px_npy npy;
    struct proximadb_error error;
    float row[3];
    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3), }\n",
             type);
    struct file file = make(major, text, values, value_bytes);
    assert_int_equal(open_file(&file, &npy, &error), PROXIMADB_OK);
    assert_int_equal(npy.row_count, 2);
    assert_int_equal(npy.dim_count, 3);
    px_npy_row(&npy, 0, row);
    assert_true(row[0] == 1.0f && row[1] == -2.0f && row[2] == 0.5f);
    px_npy_row(&npy, 1, row);
    assert_true(row[0] == 65504.0f && row[1] == 0x1p-24f && isinf(row[2]));
    for (size_t size = 0; size < file.size_bytes; size++) {
        struct file cut = {.bytes = malloc(size + 1), .size_bytes = size};
        memcpy(cut.bytes, file.bytes, size);
        assert_int_equal(open_file(&cut, &npy, &error), PROXIMADB_CORRUPT);
        free(cut.bytes);
    }
    free(file.bytes);
}

static void test_npy_file__reads_floats_of_three_sizes(void **state)
{
    (void)state;
    const uint16_t halves[] = {0x3c00, 0xc000, 0x3800, 0x7bff, 0x0001, 0x7c00};
    const float floats[] = {1.0f, -2.0f, 0.5f, 65504.0f, 0x1p-24f, INFINITY};
    const double doubles[] = {1.0, -2.0, 0.5, 65504.0, 0x1p-24, 1e300};
    check_rows(1, "<f2", halves, sizeof halves);
    check_rows(1, "<f4", floats, sizeof floats);
    check_rows(2, "<f8", doubles, sizeof doubles);
    check_rows(3, "<f4", floats, sizeof floats);
}

static void test_npy_file__refuses_what_it_does_not_read(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *word;
    } cases[] = {
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }", "float32"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", "float32"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }", "float32"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", "ascontiguousarray"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", "two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }", "two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -3), }", "two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", "cut off"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999, 999999999999), }",
         "cut off"},
        {"{}", "no sense"},
    };
    const float values[6] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_npy npy;
        struct proximadb_error error;
        struct file file = make(1, cases[i].text, values, sizeof values);
        assert_int_not_equal(open_file(&file, &npy, &error), PROXIMADB_OK);
        if (strstr(error.message, cases[i].word) == NULL)
            fail_msg("%s: %s", cases[i].text, error.message);
        free(file.bytes);
    }
}

/* A message has the value and nothing of what stands behind it in the file. */
static void test_npy_file__shows_values_only(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }", "are '<i4'; read"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }",
         "are [('a', '<f4')]; read"},
        {"{'descr': float, 'fortran_order': False, 'shape': (2, 3), }", "are float; read"},
        {"{'descr': '<\x1b[2J', 'fortran_order': False, 'shape': (2, 3), }", "are '<; read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "is (6,); read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 6, }", "is 6; read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", "make (2, 4)"},
    };
    const float values[6] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct px_npy npy;
        struct proximadb_error error;
        struct file file = make(1, cases[i][0], values, sizeof values);
        assert_int_not_equal(open_file(&file, &npy, &error), PROXIMADB_OK);
        const char *found = strstr(error.message, cases[i][1]);
        if (found == NULL || (strstr(cases[i][1], "make") != NULL && strchr(found, '}') != NULL))
            fail_msg("%s: %s", cases[i][0], error.message);
        free(file.bytes);
    }
}

static void test_npy_file__reads_its_own_head(void **state)
{
    (void)state;
    uint8_t bytes[PX_NPY_HEAD_BYTES + 6 * sizeof(float)] = {0};
    struct px_npy npy;
    struct proximadb_error error = {0};
    px_npy_head(3, 2, bytes);
    assert_int_equal(px_npy_open(px_slice_of(bytes, sizeof bytes), &npy, &error), PROXIMADB_OK);
    assert_int_equal(npy.row_count, 3);
    assert_int_equal(npy.dim_count, 2);
    assert_ptr_equal(npy.values.data, bytes + PX_NPY_HEAD_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy_file__reads_floats_of_three_sizes),
        cmocka_unit_test(test_npy_file__refuses_what_it_does_not_read),
        cmocka_unit_test(test_npy_file__shows_values_only),
        cmocka_unit_test(test_npy_file__reads_its_own_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
