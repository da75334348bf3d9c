/*
 * The class Ivf: a px_ivf in Python, as bench_ivf makes it (bench/native/ivf.c), with the number of
 * each of its rows. Distances are those of its 8-bit codes: nothing is ranked again by the vectors.
 *
 * Threads: one search at a time; Python's lock is given up while it runs, so Python code that
 * searches from several threads needs an object for each.
 */
#include "native.h"

#include "axis/ivf.h"
#include "os/fs.h"

#include <string.h>

/* clang-format off */
struct ivf_object {
    PyObject_HEAD
    struct px_ivf *ivf;
    struct px_ivf_searcher *searcher;
    struct px_ivf_calibration calibration;
    Py_buffer row_numbers; /* uint32, of each row; held while ivf is not NULL */
    struct native_answer answer;
    struct px_ivf_hit *hits; /* hit_capacity */
    uint32_t *counts;        /* count_capacity */
    size_t hit_capacity, count_capacity;
    bool is_busy;
};
/* clang-format on */

static struct ivf_object *as_ivf(PyObject *self)
{
    return (struct ivf_object *)self;
}

static bool view_row_numbers(PyObject *object, size_t row_count, Py_buffer *ret_view)
{
    if (PyObject_GetBuffer(object, ret_view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0)
        return false;
    if (strcmp(ret_view->format, "I") == 0 && (size_t)ret_view->len == row_count * sizeof(uint32_t))
        return true;
    PyBuffer_Release(ret_view);
    PyErr_SetString(PyExc_ValueError, "row_numbers is a uint32 array, one for each row");
    return false;
}

/* Learns what recalls take, and gets what a search needs; false with an exception set. */
static bool prepare(struct ivf_object *self)
{
    const struct px_ivf *parts[] = {self->ivf};
    struct px_ivf_set set = {parts, 1};
    struct px_ivf_calibrating calibrating = {0};
    struct proximadb_error error;
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = px_ivf_searcher_new(&self->searcher, &error);
    if (rc == PROXIMADB_OK)
        rc = px_ivf_calibrate(&set, &calibrating, &self->calibration, &error);
    Py_END_ALLOW_THREADS if (rc != PROXIMADB_OK) native_raise(&error);
    return rc == PROXIMADB_OK;
}

static PyObject *ivf_open(PyObject *type, PyObject *arguments)
{
    const char *path;
    PyObject *row_numbers;
    if (!PyArg_ParseTuple(arguments, "sO", &path, &row_numbers))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    PyObject *object = allocate((PyTypeObject *)type, 0);
    if (object == NULL)
        return NULL;
    struct ivf_object *self = as_ivf(object);
    struct proximadb_error error;
    int rc = px_ivf_open(&px_fs_posix, path, NULL, &self->ivf, &error);
    if (rc != PROXIMADB_OK)
        native_raise(&error);
    if (rc == PROXIMADB_OK &&
        view_row_numbers(row_numbers, px_ivf_info(self->ivf).row_count, &self->row_numbers) &&
        prepare(self))
        return object;
    Py_DECREF(object);
    return NULL;
}

/* Room for query_count answers of k; false with an exception set. */
static bool reserve(struct ivf_object *self, size_t query_count, uint32_t k)
{
    if (self->hit_capacity < query_count * k) {
        PyMem_Free(self->hits);
        self->hits = PyMem_Calloc(query_count * k, sizeof *self->hits);
        self->hit_capacity = self->hits == NULL ? 0 : query_count * k;
    }
    if (self->count_capacity < query_count) {
        PyMem_Free(self->counts);
        self->counts = PyMem_Calloc(query_count, sizeof *self->counts);
        self->count_capacity = self->counts == NULL ? 0 : query_count;
    }
    if (self->hits != NULL && self->counts != NULL)
        return true;
    PyErr_NoMemory();
    return false;
}

/* Searches for all queries; false with an exception set. */
static bool run(struct ivf_object *self, const struct px_rows *queries,
                const struct native_search *search)
{
    if (self->is_busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread searches this index");
        return false;
    }
    if (!reserve(self, queries->row_count, search->k))
        return false;
    const struct px_ivf *parts[] = {self->ivf};
    struct px_ivf_set set = {parts, 1};
    struct px_ivf_request request = {.queries = *queries, .k = search->k};
    uint32_t row_count = px_ivf_info(self->ivf).row_count;
    request.probe_count = search->effort > 0
                              ? search->effort
                              : px_ivf_probe_count(&self->calibration, search->recall, row_count);
    struct proximadb_error error;
    int rc;
    self->is_busy = true;
    Py_BEGIN_ALLOW_THREADS rc =
        px_ivf_search(self->searcher, &set, &request, self->hits, self->counts, &error);
    Py_END_ALLOW_THREADS self->is_busy = false;
    if (rc != PROXIMADB_OK)
        native_raise(&error);
    return rc == PROXIMADB_OK;
}

static int64_t number_of(const struct ivf_object *self, const struct px_ivf_hit *hit)
{
    return ((const uint32_t *)self->row_numbers.buf)[hit->row_index];
}

static PyObject *ivf_search(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    struct ivf_object *self = as_ivf(object);
    size_t dim_count = px_ivf_info(self->ivf).identity.dim_count;
    struct native_search search;
    Py_buffer query;
    if (!native_read_search(arguments, count, &search) ||
        !native_vector_view(arguments[0], dim_count, &query))
        return NULL;
    struct px_rows queries = {query.buf, dim_count * sizeof(float), 1, dim_count};
    PyObject *found = NULL;
    if (native_answer_size(&self->answer, search.k) && run(self, &queries, &search)) {
        for (uint32_t i = 0; i < search.k; i++) {
            bool is_hit = i < self->counts[0];
            self->answer.rows[i] = is_hit ? number_of(self, &self->hits[i]) : -1;
            self->answer.distances[i] = is_hit ? self->hits[i].distance : 0.0f;
        }
        found = native_answer_copy(&self->answer);
    }
    PyBuffer_Release(&query);
    return found;
}

/* Row numbers only, into an array of the caller. */
static PyObject *ivf_search_all(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    struct ivf_object *self = as_ivf(object);
    size_t dim_count = px_ivf_info(self->ivf).identity.dim_count;
    struct native_search search;
    Py_buffer view, into;
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "search_all(out_rows, queries, k, recall, effort)");
        return NULL;
    }
    if (!native_read_search(arguments + 1, count - 1, &search) ||
        !native_matrix_view(arguments[1], dim_count, &view))
        return NULL;
    size_t query_count = (size_t)view.shape[0], wanted = query_count * search.k;
    bool done = PyObject_GetBuffer(arguments[0], &into, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) == 0;
    if (done) {
        struct px_rows queries = {view.buf, dim_count * sizeof(float), query_count, dim_count};
        int64_t *rows = into.buf;
        if ((size_t)into.len != wanted * sizeof *rows) {
            PyErr_SetString(PyExc_ValueError, "out_rows is an int64 array of [queries, k]");
            done = false;
        }
        done = done && run(self, &queries, &search);
        for (size_t i = 0; done && i < wanted; i++)
            rows[i] =
                i % search.k < self->counts[i / search.k] ? number_of(self, &self->hits[i]) : -1;
        PyBuffer_Release(&into);
    }
    PyBuffer_Release(&view);
    if (!done)
        return NULL;
    Py_RETURN_NONE;
}

static Py_ssize_t ivf_length(PyObject *object)
{
    return (Py_ssize_t)px_ivf_info(as_ivf(object)->ivf).row_count;
}

static void ivf_free(PyObject *object)
{
    struct ivf_object *self = as_ivf(object);
    PyTypeObject *type = Py_TYPE(object);
    native_answer_release(&self->answer);
    px_ivf_searcher_free(self->searcher);
    px_ivf_close(self->ivf);
    if (self->row_numbers.obj != NULL)
        PyBuffer_Release(&self->row_numbers);
    PyMem_Free(self->hits);
    PyMem_Free(self->counts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

#define FAST(function) (PyCFunction)(void (*)(void))(function)

static PyMethodDef methods[] = {
    {"open", ivf_open, METH_VARARGS | METH_CLASS,
     "open(path, row_numbers)\n--\n\n"
     "An index that bench_ivf made; it is calibrated on some of its own rows."},
    {"search", FAST(ivf_search), METH_FASTCALL,
     "search(query, k=10, recall=0.95, effort=0)\n--\n\n"
     "Row numbers (int64) and distances (float32) of the nearest k rows, nearest first; -1 where "
     "there are fewer. With an effort, that many blocks are looked at, whatever the recall."},
    {"search_all", FAST(ivf_search_all), METH_FASTCALL,
     "search_all(out_rows, queries, k=10, recall=0.95, effort=0)\n--\n\n"
     "Row numbers for all queries, float32 [queries, dims], to an int64 array [queries, k]."},
    {NULL, NULL, 0, NULL},
};

PyObject *native_ivf_type(PyObject *module)
{
    static char text[] = "An inverted index; made by open().";
    static PyType_Slot slots[] = {
        {Py_tp_doc, text},
        {Py_tp_methods, methods},
        {Py_tp_dealloc, (void *)ivf_free},
        {Py_sq_length, (void *)ivf_length},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "proximadb_native.Ivf",
        .basicsize = sizeof(struct ivf_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
