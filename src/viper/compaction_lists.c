#include "viper/compaction_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
    BATCH_BYTES = 1 << 20,
    MOST_BATCH_ROWS = 512,
    SPLIT_NEIGHBOURS = 16, /* lists that a split may take rows from, of the 64 of SPFresh: the
                            * others lie in clusters that are not written anew, mostly */
};

/* The lists of clusters that are written anew: their rows are all here. */
struct rewritten {
    uint32_t *clusters; /* owned; sorted numbers, without 0 */
    size_t cluster_count;
};

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static int find_rewritten(const struct px_compaction *compaction, struct rewritten *rewritten,
                          struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    size_t count = 0, kept = 0;
    uint32_t *clusters = malloc((input->part_count + 1) * sizeof *clusters);
    if (clusters == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < input->part_count; i++)
        if (px_part_file(input->parts[i])->cluster != 0)
            clusters[count++] = px_part_file(input->parts[i])->cluster;
    qsort(clusters, count, sizeof *clusters, compare_u32);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || clusters[kept - 1] != clusters[i])
            clusters[kept++] = clusters[i];
    *rewritten = (struct rewritten){.clusters = clusters, .cluster_count = kept};
    return PROXIMADB_OK;
}

static bool is_rewritten(const struct rewritten *rewritten, uint32_t cluster)
{
    return rewritten->cluster_count > 0 &&
           bsearch(&cluster, rewritten->clusters, rewritten->cluster_count, sizeof cluster,
                   compare_u32) != NULL;
}

static bool is_fresh(const struct px_compaction *compaction, uint64_t row)
{
    uint32_t part = compaction->rows[row].part;
    return px_part_file(compaction->input->parts[part])->cluster == 0;
}

/* ---- batches ------------------------------------------------------------------------------- */

/* Vectors of some rows, copied together. */
struct batch {
    float *vectors;                        /* owned */
    uint64_t row_indexes[MOST_BATCH_ROWS]; /* ascending */
    uint32_t results[MOST_BATCH_ROWS];
    size_t capacity;
    size_t count;
};

static int batch_init(const struct px_compaction *compaction, struct batch *batch,
                      struct proximadb_error *reterr)
{
    size_t row_bytes = compaction->input->collection->dim_count * sizeof(float);
    size_t capacity = BATCH_BYTES / row_bytes + 1;
    batch->capacity = capacity < MOST_BATCH_ROWS ? capacity : MOST_BATCH_ROWS;
    batch->count = 0;
    batch->vectors = malloc(batch->capacity * row_bytes);
    return batch->vectors != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

/* Reads the vectors of the rows that were put in, and asks whether to go on. */
static int batch_read(struct px_compaction *compaction, struct batch *batch,
                      struct px_rows *ret_rows, struct proximadb_error *reterr)
{
    uint32_t dim_count = compaction->input->collection->dim_count;
    int rc = px_compaction__check(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_compaction__read_vectors(compaction, batch->row_indexes, batch->count,
                                         batch->vectors, reterr);
    *ret_rows = (struct px_rows){.data = batch->vectors,
                                 .stride_bytes = dim_count * sizeof(float),
                                 .row_count = batch->count,
                                 .dim_count = dim_count};
    return rc;
}

/* ---- assigning ----------------------------------------------------------------------------- */

/* Some centroids, and the ids of their lists. */
struct choice {
    const struct px_kmeans *kmeans;
    const uint32_t *ids;
};

static int assign_batch(struct px_compaction *compaction, const struct choice *choice,
                        struct batch *batch, struct proximadb_error *reterr)
{
    struct px_rows rows;
    int rc = batch_read(compaction, batch, &rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_kmeans_assign(choice->kmeans, &rows, batch->results, NULL);
    for (size_t i = 0; i < batch->count; i++)
        compaction->lists[batch->row_indexes[i]] = choice->ids[batch->results[i]];
    batch->count = 0;
    return PROXIMADB_OK;
}

/* Gives each row without a list, or only each one of cluster_000, the nearest of the choice. */
static int assign(struct px_compaction *compaction, const struct choice *choice, bool only_fresh,
                  struct proximadb_error *reterr)
{
    struct batch batch;
    int rc = batch_init(compaction, &batch, reterr);
    for (uint64_t row = 0; row < compaction->row_count && rc == PROXIMADB_OK; row++) {
        if (compaction->lists[row] != PX_NO_LIST || (only_fresh && !is_fresh(compaction, row)))
            continue;
        batch.row_indexes[batch.count++] = row;
        if (batch.count == batch.capacity)
            rc = assign_batch(compaction, choice, &batch, reterr);
    }
    if (rc == PROXIMADB_OK && batch.count > 0)
        rc = assign_batch(compaction, choice, &batch, reterr);
    free(batch.vectors);
    return rc;
}

static int assign_to_any(struct px_compaction *compaction, bool only_fresh,
                         struct proximadb_error *reterr)
{
    const struct px_clustering *clustering = compaction->input->clustering;
    uint32_t *ids = malloc(clustering->list_count * sizeof *ids);
    if (ids == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < clustering->list_count; i++)
        ids[i] = clustering->lists[i].id;
    const struct choice choice = {&clustering->kmeans, ids};
    int rc = assign(compaction, &choice, only_fresh, reterr);
    free(ids);
    return rc;
}

/* Rows that stay in clusters which are written anew go to lists of those: to another cluster each
 * few of them would be a part of their own. */
static int assign_to_rewritten(struct px_compaction *compaction, const struct rewritten *rewritten,
                               struct proximadb_error *reterr)
{
    const struct px_clustering *clustering = compaction->input->clustering;
    const struct px_rows *all = &clustering->kmeans.centroids;
    size_t row_bytes = all->dim_count * sizeof(float), count = 0;
    uint32_t *ids = malloc(clustering->list_count * sizeof *ids);
    char *centroids = malloc(clustering->list_count * row_bytes);
    struct px_kmeans kmeans = {0};
    int rc = ids != NULL && centroids != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
    for (size_t i = 0; i < clustering->list_count && rc == PROXIMADB_OK; i++) {
        if (!is_rewritten(rewritten, clustering->lists[i].cluster))
            continue;
        memcpy(centroids + count * row_bytes, (const char *)all->data + i * all->stride_bytes,
               row_bytes);
        ids[count++] = clustering->lists[i].id;
    }
    const struct px_rows rows = {.data = centroids,
                                 .stride_bytes = row_bytes,
                                 .row_count = count,
                                 .dim_count = all->dim_count};
    const struct choice choice = {&kmeans, ids};
    if (rc == PROXIMADB_OK && count == 0) /* a cluster without a list: of a damaged store */
        rc = assign_to_any(compaction, false, reterr);
    else if (rc == PROXIMADB_OK)
        rc = px_kmeans_init(&kmeans, clustering->kmeans.metric, &rows, reterr);
    if (rc == PROXIMADB_OK && count > 0)
        rc = assign(compaction, &choice, false, reterr);
    px_kmeans_release(&kmeans);
    free(centroids);
    free(ids);
    return rc;
}

/* Rows of clusters are in the lists that their parts name, as long as there are such. */
static int take_over_lists(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    struct px_part_lists lists = {0};
    uint32_t part = UINT32_MAX;
    size_t list = 0, index;
    int rc = PROXIMADB_OK;
    for (uint64_t i = 0; i < compaction->row_count && rc == PROXIMADB_OK; i++) {
        struct px_live_row row = compaction->rows[i];
        if (row.part != part) {
            px_part_lists_release(&lists);
            part = row.part;
            list = 0;
            rc = px_part_lists_read(input->parts[part], &lists, reterr);
        }
        if (lists.count == 0)
            continue;
        while (row.row >= lists.items[list].first_row + lists.items[list].row_count)
            list++;
        if (px_clustering_find(input->clustering, lists.items[list].id, &index))
            compaction->lists[i] = lists.items[list].id;
    }
    px_part_lists_release(&lists);
    return rc;
}

/* ---- counting ------------------------------------------------------------------------------ */

static struct px_clustering_list *list_of(const struct px_compaction *compaction, uint64_t row)
{
    struct px_clustering *clustering = compaction->input->clustering;
    size_t index = 0;
    bool found = px_clustering_find(clustering, compaction->lists[row], &index);
    assert(found);
    (void)found;
    return &clustering->lists[index];
}

/* Lists that are written anew have the rows that are here, and the others (of which `adds` says
 * whether they were counted before) those more. */
static void count_rows(struct px_compaction *compaction, const struct rewritten *rewritten,
                       bool adds)
{
    struct px_clustering *clustering = compaction->input->clustering;
    for (size_t i = 0; i < clustering->list_count; i++)
        if (is_rewritten(rewritten, clustering->lists[i].cluster))
            clustering->lists[i].row_count = 0;
    for (uint64_t row = 0; row < compaction->row_count; row++) {
        struct px_clustering_list *list = list_of(compaction, row);
        list->row_count += adds || is_rewritten(rewritten, list->cluster);
    }
}

/* ---- upkeep -------------------------------------------------------------------------------- */

/* The rows of one list, as k-means reads them. */
struct members {
    struct px_compaction *compaction;
    uint64_t *row_indexes; /* owned */
    uint64_t count;
};

static int find_members(struct px_compaction *compaction, uint32_t id, struct members *members,
                        struct proximadb_error *reterr)
{
    uint64_t count = 0;
    for (uint64_t row = 0; row < compaction->row_count; row++)
        count += compaction->lists[row] == id;
    *members = (struct members){.compaction = compaction, .count = count};
    members->row_indexes = malloc((count + 1) * sizeof *members->row_indexes);
    if (members->row_indexes == NULL)
        return px_fail_no_memory(reterr);
    count = 0;
    for (uint64_t row = 0; row < compaction->row_count; row++)
        if (compaction->lists[row] == id)
            members->row_indexes[count++] = row;
    return PROXIMADB_OK;
}

static int read_members(void *context, const uint64_t *row_indexes, size_t count,
                        float *ret_vectors, struct proximadb_error *reterr)
{
    const struct members *members = context;
    uint32_t dim_count = members->compaction->input->collection->dim_count;
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < count && rc == PROXIMADB_OK; i++)
        rc = px_compaction__read_vectors(members->compaction, &members->row_indexes[row_indexes[i]],
                                         1, ret_vectors + i * dim_count, reterr);
    return rc;
}

static bool should_stop(void *context)
{
    const struct members *members = context;
    return px_compaction__should_stop(members->compaction);
}

/* Of rows of a list that is near to one that was split, those that are nearer to a piece. */
static int select_batch(struct px_compaction *compaction, const struct px_clustering_split *split,
                        size_t list_index, struct batch *batch, struct proximadb_error *reterr)
{
    struct px_rows rows;
    int rc = batch_read(compaction, batch, &rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    size_t count = px_clustering_select(compaction->input->clustering, split, list_index, &rows,
                                        batch->results, NULL);
    for (size_t i = 0; i < count; i++)
        compaction->lists[batch->row_indexes[batch->results[i]]] = PX_NO_LIST;
    batch->count = 0;
    return PROXIMADB_OK;
}

static int select_in_list(struct px_compaction *compaction, const struct px_clustering_split *split,
                          size_t list_index, struct batch *batch, struct proximadb_error *reterr)
{
    uint32_t id = compaction->input->clustering->lists[list_index].id;
    int rc = PROXIMADB_OK;
    for (uint64_t row = 0; row < compaction->row_count && rc == PROXIMADB_OK; row++) {
        if (compaction->lists[row] != id)
            continue;
        batch->row_indexes[batch->count++] = row;
        if (batch->count == batch->capacity)
            rc = select_batch(compaction, split, list_index, batch, reterr);
    }
    if (rc == PROXIMADB_OK && batch->count > 0)
        rc = select_batch(compaction, split, list_index, batch, reterr);
    return rc;
}

/* LIRE: which rows of the lists around a piece are to be assigned again. */
static int select_near(struct px_compaction *compaction, const struct rewritten *rewritten,
                       const struct px_clustering_split *split, struct proximadb_error *reterr)
{
    const struct px_clustering *clustering = compaction->input->clustering;
    uint32_t near[SPLIT_NEIGHBOURS];
    struct batch batch;
    size_t near_count =
        px_clustering_neighbours(clustering, split->first_index, SPLIT_NEIGHBOURS, near);
    int rc = batch_init(compaction, &batch, reterr);
    for (size_t i = 0; i < near_count && rc == PROXIMADB_OK; i++)
        if (near[i] < split->first_index &&
            is_rewritten(rewritten, clustering->lists[near[i]].cluster))
            rc = select_in_list(compaction, split, near[i], &batch, reterr);
    free(batch.vectors);
    return rc;
}

static int split_list(struct px_compaction *compaction, const struct rewritten *rewritten,
                      size_t index, struct proximadb_error *reterr)
{
    struct px_clustering *clustering = compaction->input->clustering;
    uint32_t id = clustering->lists[index].id;
    struct px_clustering_split split = {0};
    struct members members;
    int rc = find_members(compaction, id, &members, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_kmeans_input rows = {.row_count = members.count,
                                   .read = read_members,
                                   .should_stop = should_stop,
                                   .context = &members};
    rc = px_clustering_split(clustering, index, &rows, (uint64_t)compaction->input->lsn + id,
                             &split, reterr);
    if (rc == PROXIMADB_OK && split.piece_count > 0) {
        for (uint64_t i = 0; i < members.count; i++)
            compaction->lists[members.row_indexes[i]] = PX_NO_LIST;
        rc = select_near(compaction, rewritten, &split, reterr);
    }
    px_clustering_split_release(&split);
    free(members.row_indexes);
    return rc;
}

static void remove_list(struct px_compaction *compaction, size_t index)
{
    uint32_t id = compaction->input->clustering->lists[index].id;
    for (uint64_t row = 0; row < compaction->row_count; row++)
        if (compaction->lists[row] == id)
            compaction->lists[row] = PX_NO_LIST;
    px_clustering_remove(compaction->input->clustering, index);
}

static size_t count_rewritten(const struct px_compaction *compaction,
                              const struct rewritten *rewritten)
{
    const struct px_clustering *clustering = compaction->input->clustering;
    size_t count = 0;
    for (size_t i = 0; i < clustering->list_count; i++)
        count += is_rewritten(rewritten, clustering->lists[i].cluster);
    return count;
}

static int keep_up(struct px_compaction *compaction, const struct rewritten *rewritten,
                   struct proximadb_error *reterr)
{
    struct px_clustering *clustering = compaction->input->clustering;
    uint32_t end_id = clustering->next_list; /* lists that are made here are good */
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < clustering->list_count && rc == PROXIMADB_OK;) {
        const struct px_clustering_list list = clustering->lists[i];
        enum px_clustering_need need = px_clustering_need(clustering, i);
        if (list.id < end_id && is_rewritten(rewritten, list.cluster)) {
            if (need == PX_CLUSTERING_SPLIT)
                rc = split_list(compaction, rewritten, i, reterr);
            else if (need == PX_CLUSTERING_REMOVE && count_rewritten(compaction, rewritten) > 1)
                remove_list(compaction, i);
        }
        if (i < clustering->list_count && clustering->lists[i].id == list.id)
            i++; /* else another one has its place now */
    }
    return rc;
}

/* ---- clusters ------------------------------------------------------------------------------ */

static struct px_clustering_sizes sizes_of(const struct px_compaction *compaction)
{
    struct px_clustering_sizes sizes = compaction->input->sizes;
    sizes.row_bytes = compaction->row_bytes;
    if (compaction->input->kind == PX_COMPACTION_ALL && compaction->input->cluster_count > 0) {
        double bytes = compaction->row_bytes * (double)compaction->row_count;
        sizes.aimed_bytes = (uint64_t)(bytes / compaction->input->cluster_count) + 1;
        sizes.least_bytes = 1;
        sizes.most_bytes = 2 * sizes.aimed_bytes;
        sizes.least_clusters = 1;
    }
    return sizes;
}

/* Clusters whose rows are not here stay what they are, whatever packing would make of them. */
static int repack(struct px_compaction *compaction, const struct rewritten *rewritten,
                  struct proximadb_error *reterr)
{
    struct px_clustering *clustering = compaction->input->clustering;
    const struct px_clustering_sizes sizes = sizes_of(compaction);
    uint32_t *before = malloc(clustering->list_count * sizeof *before);
    if (before == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < clustering->list_count; i++)
        before[i] = clustering->lists[i].cluster;
    int rc = px_clustering_repack(clustering, &sizes, reterr);
    for (size_t i = 0; i < clustering->list_count && rc == PROXIMADB_OK; i++)
        if (!is_rewritten(rewritten, before[i]))
            clustering->lists[i].cluster = before[i];
    free(before);
    return rc;
}

/* ---- the kinds ----------------------------------------------------------------------------- */

static int find_in_round(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    struct rewritten rewritten;
    int rc = find_rewritten(compaction, &rewritten, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = take_over_lists(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = assign_to_any(compaction, true, reterr);
    if (rc == PROXIMADB_OK && rewritten.cluster_count > 0)
        rc = assign_to_rewritten(compaction, &rewritten, reterr);
    if (rc == PROXIMADB_OK)
        count_rows(compaction, &rewritten, true);
    if (rc == PROXIMADB_OK && rewritten.cluster_count > 0) {
        rc = keep_up(compaction, &rewritten, reterr);
        if (rc == PROXIMADB_OK)
            rc = assign_to_rewritten(compaction, &rewritten, reterr);
        if (rc == PROXIMADB_OK)
            count_rows(compaction, &rewritten, false);
        if (rc == PROXIMADB_OK)
            rc = repack(compaction, &rewritten, reterr);
    }
    free(rewritten.clusters);
    return rc;
}

/* The aim, so that there are lists enough for the clusters that are asked for. */
static uint32_t aimed_list_rows(const struct px_compaction *compaction)
{
    uint32_t cluster_count = compaction->input->cluster_count;
    uint32_t list_rows = compaction->input->list_rows;
    if (list_rows == 0)
        list_rows = PX_CLUSTERING_LIST_ROWS;
    if (cluster_count > 0 && compaction->row_count / cluster_count < list_rows)
        list_rows = (uint32_t)(compaction->row_count / cluster_count);
    return list_rows > 0 ? list_rows : 1;
}

static int build(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    struct px_clustering *clustering = input->clustering, fresh;
    const struct px_clustering_options options = {
        .metric = input->collection->metric,
        .dim_count = input->collection->dim_count,
        .seed = (uint64_t)input->lsn,
        .list_rows = aimed_list_rows(compaction),
        .next_list = clustering->next_list,
        .next_cluster = clustering->next_cluster,
    };
    const struct px_kmeans_input rows = {.row_count = compaction->row_count,
                                         .read = px_compaction__read_vectors,
                                         .should_stop = px_compaction__should_stop,
                                         .context = compaction};
    int rc = px_clustering_build(&fresh, &options, &rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_clustering_release(clustering);
    *clustering = fresh;
    return PROXIMADB_OK;
}

static int find_anew(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    const struct rewritten none = {0};
    int rc = build(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = assign_to_any(compaction, false, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    count_rows(compaction, &none, true);
    const struct px_clustering_sizes sizes = sizes_of(compaction);
    return px_clustering_pack(compaction->input->clustering, &sizes, reterr);
}

int px_compaction__find_lists(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    return compaction->input->kind == PX_COMPACTION_ALL ? find_anew(compaction, reterr)
                                                        : find_in_round(compaction, reterr);
}
