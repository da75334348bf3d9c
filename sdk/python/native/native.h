/*
 * native: what the files of the extension module `proximadb_native` share.
 *
 * Only Python's stable ABI is used (3.11 and newer), so that one file serves every later version.
 * numpy is not compiled against either: arrays come and go through the buffer protocol.
 */
#ifndef PX_PYTHON_NATIVE_H
#define PX_PYTHON_NATIVE_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <proximadb.h>

/* A view of a C-contiguous array; release with PyBuffer_Release() where these returned true. */

/* A vector of dim_count float32. False with an exception set if it is something else. */
bool native_vector_view(PyObject *object, size_t dim_count, Py_buffer *ret_view);
/* A matrix of float32 with dim_count columns; dim_count 0: any number but none. */
bool native_matrix_view(PyObject *object, size_t dim_count, Py_buffer *ret_view);

/* Sets the exception that an error of the engine is in Python; returns NULL. */
PyObject *native_raise(const struct proximadb_error *error);

/* The argument, or `fallback` where there are fewer. -1 with an exception set if it is no such
 * number. */
double native_double_at(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t at,
                        double fallback);
long native_long_at(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t at, long fallback);

/* The class Graph; NULL with an exception set. */
PyObject *native_graph_type(PyObject *module);

#endif /* PX_PYTHON_NATIVE_H */
