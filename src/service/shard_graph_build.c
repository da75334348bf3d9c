#include "service/shard_graph_internal.h"

#include "simd/distance.h"

#include <assert.h>
#include <stdlib.h>

enum {
    INSERT_ROWS = 32, /* that a thread takes at a time; some milliseconds' work */
    STOP_ROWS = 512,  /* that are read between two looks at whether to stop */
    SAMPLE_ROWS = 2000,
    MOST_SAMPLE_FLOATS = 16 << 20, /* 64 MiB: fewer rows of high dimension */
};

/* ---- listing ------------------------------------------------------------------------------- */

static bool is_arriving(struct px_shard *shard, const struct px_source *source)
{
    pthread_mutex_lock(&shard->lock);
    bool arriving = source->arriving_count > 0;
    pthread_mutex_unlock(&shard->lock);
    return arriving;
}

/* Rows of a source whose slots are still to come would get two. */
static void list_source(struct px_index_step *step, uint32_t source_index, unsigned side,
                        size_t most)
{
    struct px_source *source = step->snapshot.view->sources[source_index];
    struct px_slot_map *map = &source->slots[side];
    uint32_t row_count = px_snapshot_row_count(&step->snapshot, source_index);
    uint32_t row = px_slot_map_settled(map);
    bool may_arrive = step->index != NULL && step->index->side == side;
    if (row >= row_count || (may_arrive && is_arriving(step->shard, source)))
        return;
    row = px_source_next_without_slot(source, side, row, row_count);
    px_slot_map_settle(map, row);
    while (row < row_count && step->place_count < most) {
        step->places[step->place_count++] =
            (struct px_row_place){.source_index = source_index, .row = row};
        row = px_source_next_without_slot(source, side, row + 1, row_count);
    }
}

int px_shard__list_unindexed(struct px_index_step *step, unsigned side, size_t most,
                             struct proximadb_error *reterr)
{
    uint64_t total = px_snapshot_total_rows(&step->snapshot);
    if (most > total)
        most = (size_t)total;
    free(step->places);
    step->place_count = 0;
    step->places = malloc((most + 1) * sizeof *step->places);
    if (step->places == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t i = 0; i < step->snapshot.view->source_count && step->place_count < most; i++)
        list_source(step, i, side, most);
    return PROXIMADB_OK;
}

/* ---- inserting ----------------------------------------------------------------------------- */

struct insertion {
    struct px_index_step *step;
    _Atomic size_t next; /* of the list's places */
    atomic_bool is_unfit;
    struct px_crew_failure failure;
};

/* One thread's part of it. */
struct inserter {
    struct insertion *insertion;
    struct px_graph_worker *worker;
    struct px_row_reader rows;
};

static int insert_row(struct inserter *inserter, const struct px_row_place *place,
                      uint32_t *ret_slot, struct proximadb_error *reterr)
{
    struct px_graph_index *index = inserter->insertion->step->index;
    const void *vector = px_row_reader_vector(&inserter->rows, place->source_index, place->row);
    int64_t version = px_row_reader_version(&inserter->rows, place->source_index, place->row);
    int rc = px_row_reader_status(&inserter->rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_graph_insert(index->graph, inserter->worker, vector, version, ret_slot, reterr);
}

static void attach_row(struct px_index_step *step, const struct px_row_place *place, uint32_t slot)
{
    struct px_shard *shard = step->shard;
    struct px_graph_index *index = step->index;
    pthread_mutex_lock(&shard->lock);
    uint32_t before = index->row_count;
    px_graph_index_attach(index, slot, step->snapshot.view->sources[place->source_index],
                          place->row);
    shard->indexing.changed_count += index->row_count - before;
    pthread_mutex_unlock(&shard->lock);
}

/* Inserts places [first, first + count). A row that does not fit is left out: searches compare with
 * it until there is a graph that it fits. */
static int insert_some(struct inserter *inserter, size_t first, size_t count,
                       struct proximadb_error *reterr)
{
    struct insertion *insertion = inserter->insertion;
    struct px_index_step *step = insertion->step;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot;
        int rc = insert_row(inserter, &step->places[first + i], &slot, reterr);
        if (rc == PROXIMADB_INVALID || rc == PROXIMADB_TOO_LARGE)
            atomic_store(&insertion->is_unfit, true);
        else if (rc != PROXIMADB_OK)
            return rc;
        else
            attach_row(step, &step->places[first + i], slot);
    }
    return PROXIMADB_OK;
}

static int run_inserter(struct inserter *inserter, struct proximadb_error *reterr)
{
    struct insertion *insertion = inserter->insertion;
    struct px_index_step *step = insertion->step;
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && !px_crew_has_failed(&insertion->failure)) {
        size_t first = atomic_fetch_add(&insertion->next, INSERT_ROWS);
        if (first >= step->place_count)
            break;
        size_t left = step->place_count - first;
        if (px_shard__index_should_stop(step))
            rc = px_fail(reterr, PROXIMADB_CANCELLED, "indexing was stopped");
        else
            rc = insert_some(inserter, first, left < INSERT_ROWS ? left : INSERT_ROWS, reterr);
    }
    return rc;
}

static void insert_as_member(void *context, unsigned member)
{
    struct insertion *insertion = context;
    struct px_index_step *step = insertion->step;
    struct inserter inserter = {.insertion = insertion};
    struct proximadb_error error;
    (void)member;
    int rc = px_row_reader_init(&inserter.rows, &step->snapshot, &error);
    if (rc == PROXIMADB_OK)
        rc = px_graph_index_take_worker(step->index, &inserter.worker, &error);
    if (rc == PROXIMADB_OK)
        rc = run_inserter(&inserter, &error);
    if (inserter.worker != NULL)
        px_graph_index_give_worker(step->index, inserter.worker);
    px_row_reader_release(&inserter.rows);
    if (rc != PROXIMADB_OK)
        px_crew_failure_note(&insertion->failure, &error);
}

int px_shard__insert_rows(struct px_index_step *step, bool *ret_unfit,
                          struct proximadb_error *reterr)
{
    struct px_crew *crew = step->shard->context->index_crew;
    struct insertion insertion = {.step = step, .failure = PX_CREW_NO_FAILURE};
    size_t shares = step->place_count / INSERT_ROWS + 1;
    unsigned most = px_crew_size(crew) + 1;
    px_crew_run(crew, shares < most ? (unsigned)shares : most, insert_as_member, &insertion);
    *ret_unfit = atomic_load(&insertion.is_unfit);
    return px_crew_failure_end(&insertion.failure, reterr);
}

/* ---- building ------------------------------------------------------------------------------ */

struct build {
    struct px_index_step *step;
    struct px_row_reader rows;
    float *sample; /* owned */
    size_t sample_count;
};

static int read_rows(void *context, uint64_t first_row, size_t count, float *ret_vectors,
                     int64_t *ret_labels, struct proximadb_error *reterr)
{
    struct build *build = context;
    struct px_index_step *step = build->step;
    size_t dim_count = step->shard->dim_count;
    for (size_t i = 0; i < count; i++) {
        const struct px_row_place *place = &step->places[first_row + i];
        const void *vector = px_row_reader_vector(&build->rows, place->source_index, place->row);
        ret_labels[i] = px_row_reader_version(&build->rows, place->source_index, place->row);
        int rc = px_row_reader_status(&build->rows, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        memcpy(ret_vectors + i * dim_count, vector, dim_count * sizeof(float));
    }
    return PROXIMADB_OK;
}

/* Under dot a graph has to know the longest vector that will come to it. */
static int add_longest(struct build *build, struct proximadb_error *reterr)
{
    struct px_index_step *step = build->step;
    size_t dim_count = step->shard->dim_count;
    float *longest = build->sample + build->sample_count * dim_count;
    double most = -1;
    for (size_t i = 0; i < step->place_count; i++) {
        const struct px_row_place *place = &step->places[i];
        const void *vector = px_row_reader_vector(&build->rows, place->source_index, place->row);
        int rc = px_row_reader_status(&build->rows, reterr);
        if (rc == PROXIMADB_OK && i % STOP_ROWS == 0 && px_shard__index_should_stop(step))
            rc = px_fail(reterr, PROXIMADB_CANCELLED, "indexing was stopped");
        if (rc != PROXIMADB_OK)
            return rc;
        double norm = px_norm_squared_exact(vector, dim_count);
        if (norm > most) {
            most = norm;
            memcpy(longest, vector, dim_count * sizeof(float));
        }
    }
    build->sample_count++;
    return PROXIMADB_OK;
}

/* Rows at even distances of the list. */
static int take_sample(struct build *build, struct proximadb_error *reterr)
{
    struct px_index_step *step = build->step;
    size_t dim_count = step->shard->dim_count, wanted = MOST_SAMPLE_FLOATS / dim_count;
    wanted = wanted > SAMPLE_ROWS ? SAMPLE_ROWS : wanted;
    wanted = wanted > step->place_count ? step->place_count : wanted;
    build->sample = malloc((wanted + 1) * dim_count * sizeof(float));
    if (build->sample == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < wanted; i++) {
        int64_t label;
        int rc = read_rows(build, i * step->place_count / wanted, 1, build->sample + i * dim_count,
                           &label, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        build->sample_count++;
    }
    return step->description->collection.metric == PROXIMADB_DOT ? add_longest(build, reterr)
                                                                 : PROXIMADB_OK;
}

static void note_progress(void *context, uint64_t done, uint64_t total)
{
    struct px_index_step *step = context;
    atomic_store_explicit(&step->shard->indexing.row_count, total, memory_order_relaxed);
    atomic_store_explicit(&step->shard->indexing.rows_done, done, memory_order_relaxed);
}

/* Whoever is moved, removed or written from here on is looked for when the graph is finished; so
 * parts that are replaced until then take no space, and memtables no memory. */
static void end_reading(void *context)
{
    struct build *build = context;
    struct px_index_step *step = build->step;
    px_row_reader_release(&build->rows);
    px_snapshot_release(&step->snapshot);
    free(step->places);
    step->places = NULL;
}

static int make_graph(struct build *build, struct px_graph **ret_graph,
                      struct proximadb_error *reterr)
{
    struct px_index_step *step = build->step;
    const struct px_collection *collection = &step->description->collection;
    const struct px_graph_config config = {.dim_count = collection->dim_count,
                                           .metric = collection->metric,
                                           .memory = collection->index_memory};
    const struct px_rows sample = {.data = build->sample,
                                   .stride_bytes = collection->dim_count * sizeof(float),
                                   .row_count = build->sample_count,
                                   .dim_count = collection->dim_count};
    const struct px_graph_input input = {
        .row_count = step->place_count,
        .read = read_rows,
        .end_reading = end_reading,
        .context = build,
    };
    const struct px_graph_control control = {
        .should_stop = px_shard__index_should_stop, .progress = note_progress, .context = step};
    struct px_graph *graph;
    int rc = px_graph_new(&config, &sample, &graph, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph_build(graph, &input, step->shard->context->index_crew, &control, NULL, reterr);
    if (rc != PROXIMADB_OK) {
        px_graph_free(graph);
        return rc;
    }
    *ret_graph = graph;
    return PROXIMADB_OK;
}

void px_shard__clear_slots(const struct px_snapshot *snapshot, unsigned side)
{
    for (uint32_t i = 0; i < snapshot->view->source_count; i++)
        px_slot_map_clear(&snapshot->view->sources[i]->slots[side]);
}

static int build_from(struct build *build, unsigned side, struct proximadb_error *reterr)
{
    struct px_shard *shard = build->step->shard;
    struct px_graph *graph;
    int rc = take_sample(build, reterr);
    if (rc == PROXIMADB_OK)
        rc = make_graph(build, &graph, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_shard__match_graph(build->step, graph, side, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    shard->indexing.changed_count += shard->indexing.index->row_count;
    pthread_mutex_unlock(&shard->lock);
    return PROXIMADB_OK;
}

int px_shard__build_graph(struct px_index_step *step, struct proximadb_error *reterr)
{
    struct build build = {.step = step};
    unsigned side = step->index != NULL ? 1 - step->index->side : 0;
    px_shard_snapshot(step->shard, &step->snapshot);
    px_shard__clear_slots(&step->snapshot, side);
    int rc = px_shard__list_unindexed(step, side, SIZE_MAX, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_row_reader_init(&build.rows, &step->snapshot, reterr);
    if (rc == PROXIMADB_OK && step->place_count > 0)
        rc = build_from(&build, side, reterr);
    px_row_reader_release(&build.rows);
    px_snapshot_release(&step->snapshot);
    free(build.sample);
    note_progress(step, 0, 0);
    return rc;
}
