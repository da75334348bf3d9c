/*
 * Packing lists into clusters (viper/clustering.h).
 *
 * Lists are bisected: 2-means over their centroids gives a direction, they are put in order along
 * it, and cut where the bytes are halved; then each half likewise. So clusters are of equal bytes
 * whatever the shape of the data, and near lists stay together.
 */
#include "viper/clustering_internal.h"
#include "viper/kmeans_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BYTES ((uint64_t)8 << 20)
#define AIMED_BYTES ((uint64_t)128 << 20)
#define MOST_BYTES  ((uint64_t)256 << 20)

enum { LEAST_CLUSTERS = 8 };

struct px_clustering_sizes px_clustering_sizes_of(const struct px_clustering_sizes *sizes,
                                                  double collection_bytes)
{
    struct px_clustering_sizes all = *sizes;
    all.least_bytes = all.least_bytes > 0 ? all.least_bytes : LEAST_BYTES;
    all.aimed_bytes = all.aimed_bytes > 0 ? all.aimed_bytes : AIMED_BYTES;
    all.most_bytes = all.most_bytes > 0 ? all.most_bytes : MOST_BYTES;
    all.least_clusters = all.least_clusters > 0 ? all.least_clusters : LEAST_CLUSTERS;
    uint64_t share = (uint64_t)(collection_bytes / all.least_clusters) + 1;
    if (share < 2 * all.least_bytes)
        share = 2 * all.least_bytes;
    if (share < all.aimed_bytes)
        all.aimed_bytes = share;
    if (all.most_bytes > 2 * all.aimed_bytes)
        all.most_bytes = 2 * all.aimed_bytes;
    return all;
}

/* A list on its way. */
struct place {
    double along; /* how much nearer it is to the second half's mean */
    double bytes;
    uint32_t index;
};

struct packing {
    const struct px_clustering *clustering;
    struct px_clustering_sizes sizes;
    struct place *places; /* those of the lists that are being bisected come first */
    uint32_t *clusters;   /* per list: its cluster when all is done */
    uint32_t next_cluster;
};

static int packing_init(struct packing *packing, const struct px_clustering *clustering,
                        const struct px_clustering_sizes *sizes, struct proximadb_error *reterr)
{
    assert(sizes->row_bytes > 0.0);
    double rows = 0.0;
    for (size_t i = 0; i < clustering->list_count; i++)
        rows += (double)clustering->lists[i].row_count;
    *packing = (struct packing){.clustering = clustering,
                                .sizes = px_clustering_sizes_of(sizes, rows * sizes->row_bytes),
                                .places = calloc(clustering->list_count, sizeof(struct place)),
                                .clusters = calloc(clustering->list_count, sizeof(uint32_t)),
                                .next_cluster = clustering->next_cluster};
    for (size_t i = 0; packing->clusters != NULL && i < clustering->list_count; i++)
        packing->clusters[i] = clustering->lists[i].cluster;
    return packing->places != NULL && packing->clusters != NULL ? PROXIMADB_OK
                                                                : px_fail_no_memory(reterr);
}

static void packing_release(struct packing *packing)
{
    free(packing->places);
    free(packing->clusters);
}

static void packing_commit(const struct packing *packing, struct px_clustering *clustering)
{
    for (size_t i = 0; i < clustering->list_count; i++)
        clustering->lists[i].cluster = packing->clusters[i];
    clustering->next_cluster = packing->next_cluster;
}

/* An empty list weighs a little, so that it has a place in the order of cuts too. */
static double bytes_of(const struct packing *packing, size_t index)
{
    return (double)packing->clustering->lists[index].row_count * packing->sizes.row_bytes + 1.0;
}

/* ---- bisection ------------------------------------------------------------------------------ */

struct span {
    const struct packing *packing;
    struct place *places;
    size_t count;
};

static int read_centroids(void *context, const uint64_t *row_indexes, size_t count,
                          float *ret_vectors, struct proximadb_error *reterr)
{
    const struct span *span = context;
    const struct px_rows *centroids = &span->packing->clustering->kmeans.centroids;
    (void)reterr;
    for (size_t i = 0; i < count; i++)
        memcpy(ret_vectors + i * centroids->dim_count,
               px_kmeans__row(centroids, span->places[row_indexes[i]].index),
               centroids->dim_count * sizeof(float));
    return PROXIMADB_OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->along != y->along)
        return x->along < y->along ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int sort_along(struct span *span, struct proximadb_error *reterr)
{
    const struct px_kmeans *kmeans = &span->packing->clustering->kmeans;
    struct px_kmeans halves;
    struct px_kmeans_options options = {.metric = kmeans->metric,
                                        .dim_count = (uint32_t)kmeans->centroids.dim_count,
                                        .list_count = 2,
                                        .seed = span->count,
                                        .rows_per_list = 4096,
                                        .kernels = kmeans->kernels};
    struct px_kmeans_input input = {
        .row_count = span->count, .read = read_centroids, .context = span};
    int rc = px_kmeans_train(&options, &input, &halves, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < span->count && halves.centroids.row_count == 2; i++) {
        float scores[2];
        struct px_rows row = kmeans->centroids;
        row.data = px_kmeans__row(&kmeans->centroids, span->places[i].index);
        row.row_count = 1;
        px_clustering__score(&halves, &row, scores);
        span->places[i].along = (double)scores[1] - (double)scores[0];
    }
    px_kmeans_release(&halves);
    qsort(span->places, span->count, sizeof *span->places, compare_places);
    return PROXIMADB_OK;
}

/* How many of the places, in their order, make up that share of the bytes. Each side keeps a list
 * for each of its pieces. */
static size_t find_cut(const struct span *span, size_t left_pieces, size_t pieces)
{
    double total = 0.0, sum = 0.0;
    for (size_t i = 0; i < span->count; i++)
        total += span->places[i].bytes;
    double wanted = total * (double)left_pieces / (double)pieces;
    size_t cut = 0;
    for (; cut < span->count && sum + span->places[cut].bytes / 2 <= wanted; cut++)
        sum += span->places[cut].bytes;
    size_t most = span->count - (pieces - left_pieces);
    return cut < left_pieces ? left_pieces : cut > most ? most : cut;
}

/* Gives new clusters to the lists of the first `count` places. Halves are kept on a stack that has
 * one entry for each halving of the number of pieces, which is below 2^20. */
static int bisect(struct packing *packing, size_t count, size_t piece_count,
                  struct proximadb_error *reterr)
{
    struct {
        size_t first, count, pieces;
    } stack[32] = {{0, count, piece_count}};
    size_t depth = 1;
    assert(piece_count >= 1 && piece_count <= count);
    while (depth > 0) {
        depth--;
        size_t first = stack[depth].first, pieces = stack[depth].pieces;
        struct span span = {packing, packing->places + first, stack[depth].count};
        if (pieces == 1) {
            for (size_t i = 0; i < span.count; i++)
                packing->clusters[span.places[i].index] = packing->next_cluster;
            packing->next_cluster++;
            continue;
        }
        int rc = sort_along(&span, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        size_t left = pieces / 2, cut = find_cut(&span, left, pieces);
        assert(depth + 2 <= sizeof stack / sizeof stack[0]);
        stack[depth].first = first + cut;
        stack[depth].count = span.count - cut;
        stack[depth++].pieces = pieces - left;
        stack[depth].first = first;
        stack[depth].count = cut;
        stack[depth++].pieces = left;
    }
    return PROXIMADB_OK;
}

static size_t wanted_pieces(const struct px_clustering_sizes *sizes, double bytes, size_t most)
{
    double wanted = bytes / (double)sizes->aimed_bytes + 0.5;
    double allowed = bytes / (double)sizes->least_bytes;
    double count = wanted < allowed ? wanted : allowed;
    return count < 1.0 ? 1 : count > (double)most ? most : (size_t)count;
}

/* Lists of the cluster, or all where it is 0, to the places; their number. */
static size_t take_lists(struct packing *packing, uint32_t cluster, double *ret_bytes)
{
    size_t count = 0;
    *ret_bytes = 0.0;
    for (size_t i = 0; i < packing->clustering->list_count; i++)
        if (cluster == 0 || packing->clusters[i] == cluster) {
            double bytes = bytes_of(packing, i);
            packing->places[count++] = (struct place){.bytes = bytes, .index = (uint32_t)i};
            *ret_bytes += bytes;
        }
    return count;
}

int px_clustering_pack(struct px_clustering *clustering, const struct px_clustering_sizes *sizes,
                       struct proximadb_error *reterr)
{
    struct packing packing;
    double bytes;
    int rc = packing_init(&packing, clustering, sizes, reterr);
    if (rc == PROXIMADB_OK) {
        size_t count = take_lists(&packing, 0, &bytes);
        rc = bisect(&packing, count, wanted_pieces(&packing.sizes, bytes, count), reterr);
    }
    if (rc == PROXIMADB_OK)
        packing_commit(&packing, clustering);
    packing_release(&packing);
    return rc;
}

/* ---- packing what has to be ----------------------------------------------------------------- */

/* The cluster of the list that is nearest to this one, of those in other clusters; 0: none. */
static uint32_t nearest_cluster(const struct packing *packing, size_t index)
{
    const struct px_kmeans *kmeans = &packing->clustering->kmeans;
    struct px_rows row = kmeans->centroids, other = kmeans->centroids;
    float best = 0.0f, product;
    uint32_t cluster = 0;
    row.data = px_kmeans__row(&kmeans->centroids, index);
    row.row_count = other.row_count = 1;
    for (size_t i = 0; i < packing->clustering->list_count; i++) {
        if (packing->clusters[i] == 0 || packing->clusters[i] == packing->clusters[index])
            continue;
        other.data = px_kmeans__row(&kmeans->centroids, i);
        kmeans->kernels->dot_matrix(&other, &row, &product, 1);
        product -= kmeans->biases[i];
        if (cluster == 0 || product > best) {
            best = product;
            cluster = packing->clusters[i];
        }
    }
    return cluster;
}

struct sum {
    uint32_t cluster;
    double bytes;
};

static int compare_clusters(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    return x->cluster < y->cluster ? -1 : x->cluster > y->cluster;
}

/* The bytes of each cluster, by number; sums has room for one for each list. */
static size_t sum_clusters(const struct packing *packing, struct sum *sums)
{
    size_t count = packing->clustering->list_count, kept = 0;
    for (size_t i = 0; i < count; i++)
        sums[i] = (struct sum){packing->clusters[i], bytes_of(packing, i)};
    qsort(sums, count, sizeof *sums, compare_clusters);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && sums[kept - 1].cluster == sums[i].cluster)
            sums[kept - 1].bytes += sums[i].bytes;
        else
            sums[kept++] = sums[i];
    }
    return kept;
}

/* Lists without a cluster go where their nearest neighbour is; false where none has one. */
static bool place_new_lists(struct packing *packing)
{
    for (size_t i = 0; i < packing->clustering->list_count; i++) {
        if (packing->clusters[i] == 0)
            packing->clusters[i] = nearest_cluster(packing, i);
        if (packing->clusters[i] == 0)
            return false;
    }
    return true;
}

/* Lists of the smallest cluster, if it is too small, go where their nearest neighbours are; false
 * if it is not, or there is no other. */
static bool dissolve_smallest(struct packing *packing, struct sum *sums)
{
    size_t count = sum_clusters(packing, sums), smallest = 0;
    for (size_t i = 1; i < count; i++)
        if (sums[i].bytes < sums[smallest].bytes)
            smallest = i;
    if (count < 2 || sums[smallest].bytes >= (double)packing->sizes.least_bytes)
        return false;
    for (size_t i = 0; i < packing->clustering->list_count; i++)
        if (packing->clusters[i] == sums[smallest].cluster)
            packing->clusters[i] = nearest_cluster(packing, i);
    return true;
}

static int split_large(struct packing *packing, struct sum *sums, struct proximadb_error *reterr)
{
    size_t cluster_count = sum_clusters(packing, sums);
    for (size_t i = 0; i < cluster_count; i++) {
        double bytes;
        if (sums[i].bytes <= (double)packing->sizes.most_bytes)
            continue;
        size_t count = take_lists(packing, sums[i].cluster, &bytes);
        size_t pieces = wanted_pieces(&packing->sizes, bytes, count);
        if (pieces < 2)
            continue; /* one list that cannot be split */
        int rc = bisect(packing, count, pieces, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

int px_clustering_repack(struct px_clustering *clustering, const struct px_clustering_sizes *sizes,
                         struct proximadb_error *reterr)
{
    struct packing packing;
    int rc = packing_init(&packing, clustering, sizes, reterr);
    struct sum *sums = calloc(clustering->list_count, sizeof *sums);
    if (rc == PROXIMADB_OK && sums == NULL)
        rc = px_fail_no_memory(reterr);
    if (rc == PROXIMADB_OK && place_new_lists(&packing)) {
        while (dissolve_smallest(&packing, sums))
            ; /* one cluster fewer each time */
        rc = split_large(&packing, sums, reterr);
        if (rc == PROXIMADB_OK)
            packing_commit(&packing, clustering);
    } else if (rc == PROXIMADB_OK) {
        rc = px_clustering_pack(clustering, sizes, reterr);
    }
    free(sums);
    packing_release(&packing);
    return rc;
}
