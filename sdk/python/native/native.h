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

/* What a search gives back for k rows; zeroed: nothing. Guarded by Python's lock. */
struct native_answer {
    uint32_t k;
    int64_t *rows;                        /* k, to be filled */
    float *distances;                     /* k, likewise */
    PyObject *copy_rows, *copy_distances; /* bound methods of both arrays; owned */
    Py_buffer rows_view, distances_view;  /* their memory; held */
};

/* Makes it one for k rows; false with an exception set. */
bool native_answer_size(struct native_answer *answer, uint32_t k);
/* New arrays of what it holds, as a tuple; NULL with an exception set. */
PyObject *native_answer_copy(const struct native_answer *answer);
void native_answer_release(struct native_answer *answer);

/* The arguments of a search behind the query. */
struct native_search {
    uint32_t k;
    double recall;
    uint32_t effort; /* 0: by the recall */
};

/* From search(query, k=10, recall=0.95, effort=0); false with an exception set. */
bool native_read_search(PyObject *const *arguments, Py_ssize_t count,
                        struct native_search *ret_search);

/* The metric of that name; -1 with an exception set. */
int native_metric_of(const char *name);

/* The classes; NULL with an exception set. */
PyObject *native_graph_type(PyObject *module);
PyObject *native_ivf_type(PyObject *module);

#endif /* PX_PYTHON_NATIVE_H */
