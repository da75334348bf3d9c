/*
 * The class Graph: a px_graph in Python.
 *
 * Threads: any; Python's lock is given up while the engine works. Each search under way has a
 * worker, which waits in a list for the next one. Building, calibrating and repairing must not run
 * beside inserts; Python code that does so has to lock.
 */
#include "native.h"

#include "axis/graph.h"
#include "os/crew.h"
#include "os/fs.h"

#include <string.h>

enum {
    MOST_IDLE_WORKERS = 64,
    MOST_SAMPLE_ROWS = 4096,
};

/* clang-format off */
struct graph_object {
    PyObject_HEAD
    struct px_graph *graph;
    struct px_graph_config config;
    struct px_graph_worker *idle[MOST_IDLE_WORKERS]; /* guarded by Python's lock, like all here */
    size_t idle_count;
    struct native_answer answer;
    struct px_graph_hit *hits; /* hit_capacity; NULL while a search has them */
    uint32_t hit_capacity;
};
/* clang-format on */

static struct graph_object *as_graph(PyObject *self)
{
    return (struct graph_object *)self;
}

/* ---- workers and hits ------------------------------------------------------------------------ */

/* NULL with an exception set. */
static struct px_graph_worker *take_worker(struct graph_object *self)
{
    if (self->idle_count > 0)
        return self->idle[--self->idle_count];
    struct px_graph_worker *worker;
    struct proximadb_error error;
    if (px_graph_worker_new(self->graph, &worker, &error) == PROXIMADB_OK)
        return worker;
    native_raise(&error);
    return NULL;
}

static void give_worker(struct graph_object *self, struct px_graph_worker *worker)
{
    if (self->idle_count < MOST_IDLE_WORKERS)
        self->idle[self->idle_count++] = worker;
    else
        px_graph_worker_free(worker);
}

/* Memory for the hits of a search, which is under way without Python's lock: the object's own, or
 * new. NULL with an exception set. Give it back. */
static struct px_graph_hit *take_hits(struct graph_object *self, uint32_t k)
{
    struct px_graph_hit *hits = self->hits;
    if (hits != NULL && self->hit_capacity == k) {
        self->hits = NULL;
        return hits;
    }
    hits = PyMem_Calloc(k, sizeof *hits);
    if (hits == NULL)
        PyErr_NoMemory();
    return hits;
}

static void give_hits(struct graph_object *self, struct px_graph_hit *hits, uint32_t k)
{
    PyMem_Free(self->hits);
    self->hits = hits;
    self->hit_capacity = k;
}

/* Rows are -1 behind the last hit. */
static PyObject *give_answer(struct graph_object *self, const struct px_graph_hit *hits,
                             uint32_t count)
{
    struct native_answer *answer = &self->answer;
    for (uint32_t i = 0; i < answer->k; i++) {
        answer->rows[i] = i < count ? px_graph_label(self->graph, hits[i].slot) : -1;
        answer->distances[i] = i < count ? hits[i].distance : 0.0f;
    }
    return native_answer_copy(answer);
}

/* ---- making one ----------------------------------------------------------------------------- */

static int memory_of(const char *name)
{
    if (strcmp(name, "lean") == 0)
        return PROXIMADB_INDEX_LEAN;
    if (strcmp(name, "fast") == 0)
        return PROXIMADB_INDEX_FAST;
    PyErr_SetString(PyExc_ValueError, "memory is lean or fast");
    return -1;
}

static bool read_config(size_t dim_count, const char *metric, const char *memory,
                        struct px_graph_config *ret_config)
{
    int metric_value = native_metric_of(metric);
    int memory_value = metric_value < 0 ? -1 : memory_of(memory);
    if (memory_value < 0)
        return false;
    *ret_config = (struct px_graph_config){
        .dim_count = (uint32_t)dim_count,
        .metric = (enum proximadb_metric)metric_value,
        .memory = (enum proximadb_index_memory)memory_value,
    };
    return true;
}

/* An object around the graph, which is taken, also on failure. */
static PyObject *wrap(PyObject *type, const struct px_graph_config *config, struct px_graph *graph)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    PyObject *self = allocate((PyTypeObject *)type, 0);
    if (self == NULL) {
        px_graph_free(graph);
        return NULL;
    }
    as_graph(self)->graph = graph;
    as_graph(self)->config = *config;
    return self;
}

/* Every n-th row, MOST_SAMPLE_ROWS or fewer. */
static struct px_rows sample_of(const Py_buffer *base)
{
    size_t row_count = (size_t)base->shape[0], dim_count = (size_t)base->shape[1];
    size_t step = row_count / MOST_SAMPLE_ROWS + 1;
    return (struct px_rows){
        .data = base->buf,
        .stride_bytes = step * dim_count * sizeof(float),
        .row_count = (row_count + step - 1) / step,
        .dim_count = dim_count,
    };
}

/* Rows are labelled with their numbers. */
static int read_rows(void *context, uint64_t first_row, size_t count, float *ret_vectors,
                     int64_t *ret_labels, struct proximadb_error *reterr)
{
    (void)reterr;
    const Py_buffer *base = context;
    size_t dim_count = (size_t)base->shape[1];
    memcpy(ret_vectors, (const float *)base->buf + first_row * dim_count,
           count * dim_count * sizeof *ret_vectors);
    for (size_t i = 0; i < count; i++)
        ret_labels[i] = (int64_t)(first_row + i);
    return PROXIMADB_OK;
}

static int build(const struct px_graph_config *config, Py_buffer *base, unsigned thread_count,
                 struct px_graph **ret_graph, struct proximadb_error *reterr)
{
    struct px_rows sample = sample_of(base);
    struct px_graph_input input = {
        .row_count = (uint64_t)base->shape[0],
        .read = read_rows,
        .context = base,
    };
    struct px_crew *crew;
    struct px_graph *graph = NULL;
    int rc = px_crew_open(thread_count > 0 ? thread_count - 1 : 0, "px-build", &crew, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph_new(config, &sample, &graph, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph_build(graph, &input, crew, NULL, NULL, reterr);
    px_crew_close(crew);
    if (rc == PROXIMADB_OK)
        *ret_graph = graph;
    else
        px_graph_free(graph);
    return rc;
}

static PyObject *graph_build(PyObject *type, PyObject *arguments)
{
    PyObject *rows;
    const char *metric, *memory = "lean";
    unsigned thread_count = 1;
    struct px_graph_config config;
    Py_buffer base;
    if (!PyArg_ParseTuple(arguments, "Os|sI", &rows, &metric, &memory, &thread_count) ||
        !native_matrix_view(rows, 0, &base))
        return NULL;
    PyObject *made = NULL;
    if (read_config((size_t)base.shape[1], metric, memory, &config)) {
        struct px_graph *graph;
        struct proximadb_error error;
        int rc;
        Py_BEGIN_ALLOW_THREADS rc = build(&config, &base, thread_count, &graph, &error);
        Py_END_ALLOW_THREADS made =
            rc == PROXIMADB_OK ? wrap(type, &config, graph) : native_raise(&error);
    }
    PyBuffer_Release(&base);
    return made;
}

static PyObject *graph_open(PyObject *type, PyObject *arguments)
{
    const char *path, *metric, *memory = "lean";
    unsigned dim_count;
    struct px_graph_config config;
    if (!PyArg_ParseTuple(arguments, "sIs|s", &path, &dim_count, &metric, &memory) ||
        !read_config(dim_count, metric, memory, &config))
        return NULL;
    struct px_graph *graph;
    struct proximadb_error error;
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = px_graph_open(&px_fs_posix, path, &config, &graph, &error);
    Py_END_ALLOW_THREADS return rc == PROXIMADB_OK ? wrap(type, &config, graph)
                                                   : native_raise(&error);
}

/* ---- using it ------------------------------------------------------------------------------- */

/* With a worker and a view of the query, both of which are the caller's. */
static PyObject *search_with(struct graph_object *self, struct px_graph_worker *worker,
                             const struct px_graph_request *request)
{
    struct proximadb_error error;
    uint32_t hit_count = 0;
    int rc;
    struct px_graph_hit *hits = take_hits(self, request->k);
    if (hits == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc =
        px_graph_search(self->graph, worker, request, hits, &hit_count, &error);
    Py_END_ALLOW_THREADS PyObject *found = NULL;
    if (rc != PROXIMADB_OK)
        native_raise(&error);
    else if (native_answer_size(&self->answer, request->k))
        found = give_answer(self, hits, hit_count);
    give_hits(self, hits, request->k);
    return found;
}

static PyObject *graph_search(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    struct graph_object *self = as_graph(object);
    struct native_search search;
    Py_buffer query;
    if (!native_read_search(arguments, count, &search) ||
        !native_vector_view(arguments[0], self->config.dim_count, &query))
        return NULL;
    struct px_graph_request request = {
        .query = query.buf,
        .k = search.k,
        .target_recall = search.recall,
        .effort = search.effort,
    };
    struct px_graph_worker *worker = take_worker(self);
    PyObject *found = NULL;
    if (worker != NULL) {
        found = search_with(self, worker, &request);
        give_worker(self, worker);
    }
    PyBuffer_Release(&query);
    return found;
}

static PyObject *graph_noop(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    struct graph_object *self = as_graph(object);
    struct native_search search;
    Py_buffer query;
    if (!native_read_search(arguments, count, &search) ||
        !native_vector_view(arguments[0], self->config.dim_count, &query))
        return NULL;
    Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS PyObject *found =
        native_answer_size(&self->answer, search.k) ? give_answer(self, NULL, 0) : NULL;
    PyBuffer_Release(&query);
    return found;
}

static PyObject *graph_insert(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    struct graph_object *self = as_graph(object);
    Py_buffer vector;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "insert(vector, label)");
        return NULL;
    }
    int64_t label = PyLong_AsLongLong(arguments[1]);
    if (PyErr_Occurred() != NULL ||
        !native_vector_view(arguments[0], self->config.dim_count, &vector))
        return NULL;
    uint32_t slot = 0;
    struct proximadb_error error;
    int rc = PROXIMADB_OK;
    struct px_graph_worker *worker = take_worker(self);
    if (worker != NULL) {
        Py_BEGIN_ALLOW_THREADS rc =
            px_graph_insert(self->graph, worker, vector.buf, label, &slot, &error);
        Py_END_ALLOW_THREADS give_worker(self, worker);
    }
    PyBuffer_Release(&vector);
    if (worker == NULL)
        return NULL;
    return rc == PROXIMADB_OK ? PyLong_FromUnsignedLong(slot) : native_raise(&error);
}

static PyObject *graph_delete(PyObject *object, PyObject *argument)
{
    struct graph_object *self = as_graph(object);
    unsigned long slot = PyLong_AsUnsignedLong(argument);
    if (PyErr_Occurred() != NULL)
        return NULL;
    if (slot >= px_graph_slot_count(self->graph) ||
        !px_graph_has_slot(self->graph, (uint32_t)slot)) {
        PyErr_SetString(PyExc_IndexError, "there is no such slot");
        return NULL;
    }
    px_graph_set_dead(self->graph, (uint32_t)slot, true);
    Py_RETURN_NONE;
}

static PyObject *graph_repair(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct proximadb_error error;
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = px_graph_repair(as_graph(object)->graph, NULL, NULL, &error);
    Py_END_ALLOW_THREADS if (rc != PROXIMADB_OK) return native_raise(&error);
    Py_RETURN_NONE;
}

static PyObject *graph_calibrate(PyObject *object, PyObject *argument)
{
    struct graph_object *self = as_graph(object);
    Py_buffer view;
    if (!native_matrix_view(argument, self->config.dim_count, &view))
        return NULL;
    struct px_rows queries = {
        .data = view.buf,
        .stride_bytes = self->config.dim_count * sizeof(float),
        .row_count = (size_t)view.shape[0],
        .dim_count = self->config.dim_count,
    };
    struct proximadb_error error;
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = px_graph_calibrate(self->graph, &queries, NULL, NULL, &error);
    Py_END_ALLOW_THREADS PyBuffer_Release(&view);
    if (rc != PROXIMADB_OK)
        return native_raise(&error);
    Py_RETURN_NONE;
}

static PyObject *graph_save(PyObject *object, PyObject *argument)
{
    const char *path = PyUnicode_AsUTF8AndSize(argument, NULL);
    struct proximadb_error error;
    int rc;
    if (path == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc = px_graph_save(as_graph(object)->graph, &px_fs_posix, path, &error);
    Py_END_ALLOW_THREADS if (rc != PROXIMADB_OK) return native_raise(&error);
    Py_RETURN_NONE;
}

static PyObject *graph_memory_bytes(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(px_graph_memory_bytes(as_graph(object)->graph));
}

static Py_ssize_t graph_length(PyObject *object)
{
    return (Py_ssize_t)px_graph_live_count(as_graph(object)->graph);
}

static void graph_free(PyObject *object)
{
    struct graph_object *self = as_graph(object);
    PyTypeObject *type = Py_TYPE(object);
    native_answer_release(&self->answer);
    PyMem_Free(self->hits);
    while (self->idle_count > 0)
        px_graph_worker_free(self->idle[--self->idle_count]);
    px_graph_free(self->graph);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

#define FAST(function) (PyCFunction)(void (*)(void))(function)

static PyMethodDef methods[] = {
    {"build", graph_build, METH_VARARGS | METH_CLASS,
     "build(rows, metric, memory='lean', threads=1)\n--\n\n"
     "A graph of all rows, float32 [rows, dims], labelled with their numbers, and calibrated."},
    {"open", graph_open, METH_VARARGS | METH_CLASS,
     "open(path, dims, metric, memory='lean')\n--\n\nA graph that was saved."},
    {"search", FAST(graph_search), METH_FASTCALL,
     "search(query, k=10, recall=0.95, effort=0)\n--\n\n"
     "Labels (int64) and distances (float32) of the nearest k rows, nearest first; -1 where there "
     "are fewer. With an effort, that many candidates are kept, whatever the recall."},
    {"noop", FAST(graph_noop), METH_FASTCALL,
     "noop(query, k=10, recall=0.95, effort=0)\n--\n\nAll of search() but the search."},
    {"insert", FAST(graph_insert), METH_FASTCALL,
     "insert(vector, label)\n--\n\nAdds a row; its slot."},
    {"delete", graph_delete, METH_O, "delete(slot)\n--\n\nSearches find the row no more."},
    {"repair", graph_repair, METH_NOARGS, "repair()\n--\n\nGives deleted rows' slots back."},
    {"calibrate", graph_calibrate, METH_O,
     "calibrate(queries)\n--\n\nLearns what a recall takes, from rows that are not in the graph."},
    {"save", graph_save, METH_O, "save(path)\n--\n\nWrites a new file."},
    {"memory_bytes", graph_memory_bytes, METH_NOARGS,
     "memory_bytes()\n--\n\nOf the graph and its workers."},
    {NULL, NULL, 0, NULL},
};

PyObject *native_graph_type(PyObject *module)
{
    static char text[] = "A graph of vectors for approximate search; made by build() or open().";
    static PyType_Slot slots[] = {
        {Py_tp_doc, text},
        {Py_tp_methods, methods},
        {Py_tp_dealloc, (void *)graph_free},
        {Py_sq_length, (void *)graph_length},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "proximadb_native.Graph",
        .basicsize = sizeof(struct graph_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
