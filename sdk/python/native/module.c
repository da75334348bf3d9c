/*
 * The extension module `proximadb_native`: ProximaDB's indexes inside a Python process.
 *
 *      index = proximadb_native.Graph.build(base, "cosine", "lean", 1)
 *      rows, distances = index.search(query, 10, 0.95)
 *
 * `noop(query)` takes a query and gives what a search gives, without one: the price of a call.
 */
#include "native.h"

#include <string.h>

static bool view_floats(PyObject *object, int dim_count, const char *what, Py_buffer *ret_view)
{
    if (PyObject_GetBuffer(object, ret_view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0)
        return false;
    if (ret_view->ndim == dim_count && ret_view->format != NULL &&
        strcmp(ret_view->format, "f") == 0)
        return true;
    PyErr_Format(PyExc_ValueError, "%s must be a C-contiguous float32 array of %d dimension%s",
                 what, dim_count, dim_count == 1 ? "" : "s");
    PyBuffer_Release(ret_view);
    return false;
}

bool native_vector_view(PyObject *object, size_t dim_count, Py_buffer *ret_view)
{
    if (!view_floats(object, 1, "a vector", ret_view))
        return false;
    if ((size_t)ret_view->shape[0] == dim_count)
        return true;
    PyErr_Format(PyExc_ValueError, "the vector has %zd components, the index %zu",
                 ret_view->shape[0], dim_count);
    PyBuffer_Release(ret_view);
    return false;
}

bool native_matrix_view(PyObject *object, size_t dim_count, Py_buffer *ret_view)
{
    if (!view_floats(object, 2, "rows", ret_view))
        return false;
    size_t found = (size_t)ret_view->shape[1];
    if (found > 0 && (dim_count == 0 || found == dim_count))
        return true;
    PyErr_Format(PyExc_ValueError, "rows have %zu components, the index %zu", found, dim_count);
    PyBuffer_Release(ret_view);
    return false;
}

PyObject *native_raise(const struct proximadb_error *error)
{
    PyObject *kind = PyExc_RuntimeError;
    if (error->status == PROXIMADB_NO_MEMORY)
        kind = PyExc_MemoryError;
    else if (error->status == PROXIMADB_IO)
        kind = PyExc_OSError;
    else if (error->status == PROXIMADB_INVALID)
        kind = PyExc_ValueError;
    PyErr_SetString(kind, error->message);
    return NULL;
}

double native_double_at(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t at,
                        double fallback)
{
    return at < count ? PyFloat_AsDouble(arguments[at]) : fallback;
}

long native_long_at(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t at, long fallback)
{
    return at < count ? PyLong_AsLong(arguments[at]) : fallback;
}

static int add_types(PyObject *module)
{
    PyObject *graph = native_graph_type(module);
    if (graph == NULL)
        return -1;
    int rc = PyModule_AddObjectRef(module, "Graph", graph);
    Py_DECREF(graph);
    return rc;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_types},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "proximadb_native",
    .m_doc = "ProximaDB's indexes inside this process.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_proximadb_native(void);

PyMODINIT_FUNC PyInit_proximadb_native(void)
{
    return PyModuleDef_Init(&definition);
}
