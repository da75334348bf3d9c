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

enum { DEFAULT_K = 10, MOST_K = 10000 };
static const double DEFAULT_RECALL = 0.95;

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

int native_metric_of(const char *name)
{
    static const char *const names[] = {"cosine", "l2", "dot"};
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    PyErr_SetString(PyExc_ValueError, "metric is one of cosine, l2 and dot");
    return -1;
}

bool native_read_search(PyObject *const *arguments, Py_ssize_t count,
                        struct native_search *ret_search)
{
    if (count < 1 || count > 4) {
        PyErr_SetString(PyExc_TypeError, "search(query, k=10, recall=0.95, effort=0)");
        return false;
    }
    long k = count > 1 ? PyLong_AsLong(arguments[1]) : DEFAULT_K;
    double recall = count > 2 ? PyFloat_AsDouble(arguments[2]) : DEFAULT_RECALL;
    long effort = count > 3 ? PyLong_AsLong(arguments[3]) : 0;
    if (PyErr_Occurred() != NULL)
        return false;
    if (k < 1 || k > MOST_K || !(recall >= 0 && recall < 1) || effort < 0 || effort > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "k is 1 to 10,000, recall below 1, effort 0 or more");
        return false;
    }
    *ret_search = (struct native_search){(uint32_t)k, recall, (uint32_t)effort};
    return true;
}

static int add_type(PyObject *module, const char *name, PyObject *type)
{
    if (type == NULL)
        return -1;
    int rc = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return rc;
}

static int add_types(PyObject *module)
{
    int rc = add_type(module, "Graph", native_graph_type(module));
    return rc == 0 ? add_type(module, "Ivf", native_ivf_type(module)) : rc;
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
