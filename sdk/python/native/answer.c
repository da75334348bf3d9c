/*
 * Answers: arrays of an index, `rows` (int64) and `distances` (float32), which are filled and then
 * copied: copying a small numpy array is the quickest way to a new one without numpy's own C
 * interface.
 */
#include "native.h"

#include <string.h>

void native_answer_release(struct native_answer *answer)
{
    if (answer->copy_rows != NULL)
        PyBuffer_Release(&answer->rows_view);
    if (answer->copy_distances != NULL)
        PyBuffer_Release(&answer->distances_view);
    Py_CLEAR(answer->copy_rows);
    Py_CLEAR(answer->copy_distances);
    memset(answer, 0, sizeof *answer);
}

/* An array of numpy: its memory, and its method `copy`. False with an exception set. */
static bool make_array(PyObject *numpy, long length, const char *type, Py_buffer *ret_view,
                       PyObject **ret_copy)
{
    PyObject *array = PyObject_CallMethod(numpy, "zeros", "ls", length, type);
    if (array == NULL)
        return false;
    PyObject *copy = PyObject_GetAttrString(array, "copy");
    bool made = copy != NULL && PyObject_GetBuffer(array, ret_view, PyBUF_WRITABLE) == 0;
    Py_DECREF(array);
    if (made)
        *ret_copy = copy;
    else
        Py_XDECREF(copy);
    return made;
}

bool native_answer_size(struct native_answer *answer, uint32_t k)
{
    if (answer->k == k)
        return true;
    native_answer_release(answer);
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy == NULL)
        return false;
    bool made =
        make_array(numpy, (long)k, "int64", &answer->rows_view, &answer->copy_rows) &&
        make_array(numpy, (long)k, "float32", &answer->distances_view, &answer->copy_distances);
    Py_DECREF(numpy);
    if (!made) {
        native_answer_release(answer);
        return false;
    }
    answer->k = k;
    answer->rows = answer->rows_view.buf;
    answer->distances = answer->distances_view.buf;
    return true;
}

PyObject *native_answer_copy(const struct native_answer *answer)
{
    PyObject *rows = PyObject_CallNoArgs(answer->copy_rows);
    PyObject *distances = rows == NULL ? NULL : PyObject_CallNoArgs(answer->copy_distances);
    PyObject *pair = distances == NULL ? NULL : PyTuple_Pack(2, rows, distances);
    Py_XDECREF(rows);
    Py_XDECREF(distances);
    return pair;
}
