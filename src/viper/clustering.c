#include "viper/clustering.h"

#include "viper/clustering_internal.h"
#include "viper/kmeans_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE_LISTS = 2,  /* above twice the aim */
    SMALL_LISTS = 4,  /* below a quarter of it */
    MOST_JUDGES = 64, /* with more, fewer rows are looked at at once */
};

static const double grown = 1.5; /* times the rows of a list that could not be split */

/* ---- building ------------------------------------------------------------------------------- */

int px_clustering__init(struct px_clustering *clustering, struct px_kmeans *kmeans,
                        struct proximadb_error *reterr)
{
    size_t count = kmeans->centroids.row_count;
    struct px_clustering_list *lists = calloc(count, sizeof *lists);
    if (lists == NULL) {
        px_kmeans_release(kmeans);
        return px_fail_no_memory(reterr);
    }
    *clustering = (struct px_clustering){
        .kmeans = *kmeans, .lists = lists, .list_count = count, .next_list = 1, .next_cluster = 1};
    *kmeans = (struct px_kmeans){0};
    return PROXIMADB_OK;
}

static uint32_t wanted_lists(uint64_t row_count, uint32_t list_rows)
{
    uint64_t count = (row_count + list_rows / 2) / list_rows;
    return count < 1                          ? 1
           : count < PX_CLUSTERING_MOST_LISTS ? (uint32_t)count
                                              : PX_CLUSTERING_MOST_LISTS;
}

int px_clustering_build(struct px_clustering *clustering,
                        const struct px_clustering_options *options,
                        const struct px_kmeans_input *rows, struct proximadb_error *reterr)
{
    struct px_kmeans kmeans;
    struct px_clustering made;
    uint32_t list_rows = options->list_rows > 0 ? options->list_rows : PX_CLUSTERING_LIST_ROWS;
    struct px_kmeans_options training = {.metric = options->metric,
                                         .dim_count = options->dim_count,
                                         .list_count = wanted_lists(rows->row_count, list_rows),
                                         .seed = options->seed,
                                         .memory_limit_bytes = options->memory_limit_bytes,
                                         .crew = options->crew};
    int rc = px_kmeans_train(&training, rows, &kmeans, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_clustering__init(&made, &kmeans, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    made.list_rows = list_rows;
    made.next_list = options->next_list > 0 ? options->next_list : 1;
    made.next_cluster = options->next_cluster > 0 ? options->next_cluster : 1;
    for (size_t i = 0; i < made.list_count; i++)
        made.lists[i].id = made.next_list++;
    *clustering = made;
    return PROXIMADB_OK;
}

void px_clustering_release(struct px_clustering *clustering)
{
    px_kmeans_release(&clustering->kmeans);
    free(clustering->lists);
    *clustering = (struct px_clustering){0};
}

/* ---- rows and lists ------------------------------------------------------------------------- */

void px_clustering_assign(const struct px_clustering *clustering, struct px_crew *crew,
                          const struct px_rows *rows, uint32_t *ret_indexes, float *ret_distances)
{
    px_kmeans_assign_on(&clustering->kmeans, crew, rows, ret_indexes, ret_distances);
}

bool px_clustering_find(const struct px_clustering *clustering, uint32_t id, size_t *ret_index)
{
    size_t low = 0, high = clustering->list_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (clustering->lists[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == clustering->list_count || clustering->lists[low].id != id)
        return false;
    *ret_index = low;
    return true;
}

void px_clustering__score(const struct px_kmeans *kmeans, const struct px_rows *rows,
                          float *ret_scores)
{
    size_t count = kmeans->centroids.row_count;
    assert(rows->row_count <= PX_CLUSTERING_BLOCK_ROWS);
    kmeans->kernels->dot_matrix(&kmeans->centroids, rows, ret_scores, count);
    for (size_t r = 0; r < rows->row_count; r++)
        for (size_t c = 0; c < count; c++)
            ret_scores[r * count + c] -= kmeans->biases[c];
}

static float score_of(const struct px_kmeans *kmeans, size_t centroid, const struct px_rows *row)
{
    struct px_rows one = kmeans->centroids;
    float product;
    one.data = px_kmeans__row(&kmeans->centroids, centroid);
    one.row_count = 1;
    kmeans->kernels->dot_matrix(&one, row, &product, 1);
    return product - kmeans->biases[centroid];
}

/* Insertion into a short list that is sorted, nearest first. */
size_t px_clustering_neighbours(const struct px_clustering *clustering, size_t index,
                                size_t most_count, uint32_t *ret_indexes)
{
    float scores[PX_CLUSTERING_MOST_NEIGHBOURS];
    size_t count = 0;
    struct px_rows row = clustering->kmeans.centroids;
    assert(index < clustering->list_count && most_count <= PX_CLUSTERING_MOST_NEIGHBOURS);
    row.data = px_kmeans__row(&row, index);
    row.row_count = 1;
    for (size_t other = 0; other < clustering->list_count && most_count > 0; other++) {
        if (other == index)
            continue;
        float score = score_of(&clustering->kmeans, other, &row);
        if (count == most_count && !(score > scores[count - 1]))
            continue;
        size_t place = count < most_count ? count++ : count - 1;
        for (; place > 0 && score > scores[place - 1]; place--) {
            scores[place] = scores[place - 1];
            ret_indexes[place] = ret_indexes[place - 1];
        }
        scores[place] = score;
        ret_indexes[place] = (uint32_t)other;
    }
    return count;
}

/* ---- which lists are to change -------------------------------------------------------------- */

enum px_clustering_need px_clustering_need(const struct px_clustering *clustering, size_t index)
{
    assert(index < clustering->list_count);
    const struct px_clustering_list *list = &clustering->lists[index];
    uint64_t aim = clustering->list_rows;
    if (list->row_count > LARGE_LISTS * aim &&
        (double)list->row_count >= grown * (double)list->equal_rows)
        return PX_CLUSTERING_SPLIT;
    if (list->row_count < aim / SMALL_LISTS && clustering->list_count > 1)
        return PX_CLUSTERING_REMOVE;
    return PX_CLUSTERING_KEEP;
}

/* Closes the gap that a list leaves. */
void px_clustering_remove(struct px_clustering *clustering, size_t index)
{
    struct px_kmeans *kmeans = &clustering->kmeans;
    struct px_rows *centroids = &kmeans->centroids;
    size_t behind = clustering->list_count - index - 1;
    assert(index < clustering->list_count && clustering->list_count > 1);
    memmove(&clustering->lists[index], &clustering->lists[index + 1],
            behind * sizeof *clustering->lists);
    memmove(&kmeans->biases[index], &kmeans->biases[index + 1], behind * sizeof *kmeans->biases);
    memmove(px_kmeans__row(centroids, index), px_kmeans__row(centroids, index + 1),
            behind * centroids->stride_bytes);
    clustering->list_count--;
    centroids->row_count--;
    px_kmeans__pack(kmeans);
}

/* ---- splitting ------------------------------------------------------------------------------ */

/* How many of some of the rows are nearest to each piece. */
static int count_pieces(const struct px_kmeans *pieces, const struct px_kmeans_input *rows,
                        uint64_t *counts, struct proximadb_error *reterr)
{
    enum { MOST_ROWS = 4096 };
    uint64_t indexes[PX_CLUSTERING_BLOCK_ROWS], step = rows->row_count / MOST_ROWS + 1, next = 0;
    uint32_t lists[PX_CLUSTERING_BLOCK_ROWS];
    size_t dim_count = pieces->centroids.dim_count;
    float *vectors = calloc(PX_CLUSTERING_BLOCK_ROWS * dim_count, sizeof *vectors);
    int rc = vectors != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
    while (rc == PROXIMADB_OK && next < rows->row_count) {
        size_t count = 0;
        for (; count < PX_CLUSTERING_BLOCK_ROWS && next < rows->row_count; next += step)
            indexes[count++] = next;
        rc = rows->read(rows->context, indexes, count, vectors, reterr);
        if (rc != PROXIMADB_OK)
            break;
        struct px_rows block = {vectors, dim_count * sizeof(float), count, dim_count};
        px_kmeans_assign(pieces, &block, lists, NULL);
        for (size_t r = 0; r < count; r++)
            counts[lists[r]] += step;
    }
    free(vectors);
    return rc;
}

/* Of the centroids, those that get as many rows as a list needs to stay, moved to the front. A
 * smaller piece would be removed next, and its rows might go back to where they came from. */
static size_t keep_large_pieces(const struct px_kmeans *pieces, const uint64_t *counts,
                                uint32_t list_rows)
{
    size_t kept = 0;
    for (size_t i = 0; i < pieces->centroids.row_count; i++)
        if (counts[i] > 0 && counts[i] >= list_rows / SMALL_LISTS)
            memcpy(px_kmeans__row(&pieces->centroids, kept++),
                   px_kmeans__row(&pieces->centroids, i),
                   pieces->centroids.dim_count * sizeof(float));
    return kept;
}

/* The centroids of what a list falls apart into; fewer than two where it does not. */
static int find_pieces(const struct px_clustering *clustering, size_t index,
                       const struct px_kmeans_input *rows, uint64_t seed,
                       struct px_kmeans *ret_pieces, struct proximadb_error *reterr)
{
    const struct px_kmeans *kmeans = &clustering->kmeans;
    uint32_t wanted = wanted_lists(rows->row_count, clustering->list_rows);
    struct px_kmeans_options options = {.metric = kmeans->metric,
                                        .dim_count = (uint32_t)kmeans->centroids.dim_count,
                                        .list_count = wanted > 2 ? wanted : 2,
                                        .seed = seed + clustering->lists[index].id,
                                        .rows_per_list = clustering->list_rows,
                                        .kernels = kmeans->kernels};
    int rc = px_kmeans_train(&options, rows, ret_pieces, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    uint64_t *counts = calloc(ret_pieces->centroids.row_count, sizeof *counts);
    rc =
        counts != NULL ? count_pieces(ret_pieces, rows, counts, reterr) : px_fail_no_memory(reterr);
    if (rc == PROXIMADB_OK)
        ret_pieces->centroids.row_count =
            keep_large_pieces(ret_pieces, counts, clustering->list_rows);
    else
        px_kmeans_release(ret_pieces);
    free(counts);
    return rc;
}

/* The centroid of the old list, and those of the pieces. */
static int make_judges(const struct px_clustering *clustering, size_t index,
                       const struct px_rows *pieces, struct px_kmeans *judges,
                       struct proximadb_error *reterr)
{
    const struct px_kmeans *kmeans = &clustering->kmeans;
    int rc = px_kmeans__make_room(judges, kmeans->kernels, kmeans->metric, pieces->row_count + 1,
                                  pieces->dim_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_kmeans__set_centroid(judges, 0, px_kmeans__row(&kmeans->centroids, index));
    for (size_t i = 0; i < pieces->row_count; i++)
        px_kmeans__set_centroid(judges, i + 1, px_kmeans__row(pieces, i));
    px_kmeans__pack(judges);
    return PROXIMADB_OK;
}

/* The clustering with `more` lists behind the present ones, which have neither centroid nor id. */
static int make_larger(const struct px_clustering *clustering, size_t more,
                       struct px_clustering *ret_larger, struct proximadb_error *reterr)
{
    const struct px_kmeans *kmeans = &clustering->kmeans;
    struct px_kmeans larger;
    int rc =
        px_kmeans__make_room(&larger, kmeans->kernels, kmeans->metric,
                             clustering->list_count + more, kmeans->centroids.dim_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_clustering__init(ret_larger, &larger, reterr);
    if (rc != PROXIMADB_OK) {
        px_kmeans_release(&larger);
        return rc;
    }
    for (size_t i = 0; i < clustering->list_count; i++) {
        ret_larger->lists[i] = clustering->lists[i];
        px_kmeans__set_centroid(&ret_larger->kmeans, i, px_kmeans__row(&kmeans->centroids, i));
    }
    ret_larger->list_rows = clustering->list_rows;
    ret_larger->next_list = clustering->next_list;
    ret_larger->next_cluster = clustering->next_cluster;
    ret_larger->built_recall = clustering->built_recall;
    return PROXIMADB_OK;
}

/* Puts the pieces in the place of the list. */
static int replace_list(struct px_clustering *clustering, size_t index,
                        const struct px_rows *pieces, struct px_clustering_split *split,
                        struct proximadb_error *reterr)
{
    struct px_clustering larger;
    int rc = make_judges(clustering, index, pieces, &split->judges, reterr);
    if (rc == PROXIMADB_OK)
        rc = make_larger(clustering, pieces->row_count, &larger, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < pieces->row_count; i++) {
        size_t at = clustering->list_count + i;
        larger.lists[at] =
            (struct px_clustering_list){.id = larger.next_list++, .cluster = split->cluster};
        px_kmeans__set_centroid(&larger.kmeans, at, px_kmeans__row(pieces, i));
    }
    px_clustering_remove(&larger, index);
    px_clustering_release(clustering);
    *clustering = larger;
    split->piece_count = pieces->row_count;
    split->first_index = larger.list_count - pieces->row_count;
    return PROXIMADB_OK;
}

int px_clustering_split(struct px_clustering *clustering, size_t index,
                        const struct px_kmeans_input *rows, uint64_t seed,
                        struct px_clustering_split *ret_split, struct proximadb_error *reterr)
{
    assert(index < clustering->list_count);
    struct px_clustering_list *list = &clustering->lists[index];
    struct px_clustering_split split = {.old_id = list->id, .cluster = list->cluster};
    struct px_kmeans pieces;
    int rc = find_pieces(clustering, index, rows, seed, &pieces, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (pieces.centroids.row_count < 2)
        list->equal_rows = rows->row_count;
    else
        rc = replace_list(clustering, index, &pieces.centroids, &split, reterr);
    px_kmeans_release(&pieces);
    if (rc == PROXIMADB_OK)
        *ret_split = split;
    else
        px_clustering_split_release(&split);
    return rc;
}

void px_clustering_split_release(struct px_clustering_split *split)
{
    px_kmeans_release(&split->judges);
    *split = (struct px_clustering_split){0};
}

/* The best of a row's scores with the pieces, the first of which is at scores[1]. */
static size_t best_piece(const float *scores, size_t piece_count)
{
    size_t best = 0;
    for (size_t i = 1; i < piece_count; i++)
        if (scores[1 + i] > scores[1 + best])
            best = i;
    return best;
}

/* The scores of a block's rows with the list that they are in. */
static void score_own(const struct px_clustering *clustering, size_t list_index,
                      const struct px_rows *block, float *ret_scores)
{
    const struct px_kmeans *kmeans = &clustering->kmeans;
    struct px_rows one = kmeans->centroids;
    one.data = px_kmeans__row(&kmeans->centroids, list_index);
    one.row_count = 1;
    kmeans->kernels->dot_matrix(&one, block, ret_scores, 1);
    for (size_t r = 0; r < block->row_count; r++)
        ret_scores[r] -= kmeans->biases[list_index];
}

/* What decides about the rows of a block. */
struct verdict {
    size_t first; /* row of all */
    size_t row_count;
    float scores[PX_CLUSTERING_BLOCK_ROWS * MOST_JUDGES]; /* per row: of the judges */
    float own[PX_CLUSTERING_BLOCK_ROWS];
};

static size_t select_in_block(const struct px_clustering_split *split, size_t list_index,
                              const struct verdict *verdict, uint32_t *ret_indexes,
                              uint32_t *ret_pieces)
{
    size_t count = 0, judge_count = split->piece_count + 1;
    for (size_t r = 0; r < verdict->row_count; r++) {
        const float *scores = verdict->scores + r * judge_count;
        size_t piece = best_piece(scores, split->piece_count);
        float best = scores[1 + piece];
        bool selected =
            list_index == PX_CLUSTERING_OLD_LIST ? !(best > scores[0]) : best > verdict->own[r];
        if (ret_pieces != NULL)
            ret_pieces[verdict->first + r] = (uint32_t)(split->first_index + piece);
        if (selected)
            ret_indexes[count++] = (uint32_t)(verdict->first + r);
    }
    return count;
}

size_t px_clustering_select(const struct px_clustering *clustering,
                            const struct px_clustering_split *split, size_t list_index,
                            const struct px_rows *rows, uint32_t *ret_indexes, uint32_t *ret_pieces)
{
    struct verdict verdict;
    size_t count = 0, judge_count = split->piece_count + 1;
    size_t block_rows = PX_CLUSTERING_BLOCK_ROWS * MOST_JUDGES / judge_count;
    assert(split->piece_count > 0 && block_rows > 0);
    if (block_rows > PX_CLUSTERING_BLOCK_ROWS)
        block_rows = PX_CLUSTERING_BLOCK_ROWS;
    for (size_t first = 0; first < rows->row_count; first += block_rows) {
        struct px_rows block = *rows;
        block.data = px_kmeans__row(rows, first);
        block.row_count =
            rows->row_count - first < block_rows ? rows->row_count - first : block_rows;
        px_clustering__score(&split->judges, &block, verdict.scores);
        if (list_index != PX_CLUSTERING_OLD_LIST)
            score_own(clustering, list_index, &block, verdict.own);
        verdict.first = first;
        verdict.row_count = block.row_count;
        count += select_in_block(split, list_index, &verdict, ret_indexes + count, ret_pieces);
    }
    return count;
}
