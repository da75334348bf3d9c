/*
 * clustering: how the rows of a collection are grouped on disk.
 *
 *      list      1,000 to 4,000 near rows, aimed at 2,048: a range of rows in a part, and the
 *                posting list of an inverted index. It has a centroid, and an id that no other
 *                list gets, ever.
 *      cluster   near lists that share a folder, cluster_NNN, from 1 on: as many as fill a part
 *                of useful size. Numbers are not given twice either.
 *
 * A row belongs to the list whose centroid is nearest (viper/kmeans.h says what that means under
 * each metric), the first of equals. The steps of a first clustering, and of a full one later:
 *
 *      px_clustering_build(&clustering, options, rows, reterr)      lists, none with rows
 *      for each batch:
 *          px_clustering_assign(&clustering, crew, batch, indexes, NULL)
 *          clustering.lists[indexes[r]].row_count++ ...
 *      px_clustering_pack(&clustering, sizes, reterr)               clusters
 *      px_clustering_measure(...), clustering.built_recall = ...
 *      px_clustering_write(&clustering, fs, fd, collection_id, &written, reterr)
 *
 * Upkeep is LIRE's (Xu et al., SPFresh: Incremental In-Place Update for Billion-Scale Vector
 * Search, SOSP 2023). A list of more than twice the aim is split: its rows get new lists, whose
 * centroids are means of them. That may make a centroid nearer than a row's own in two ways only,
 * which px_clustering_select() tells from a few products a row: a row of the split list may be
 * nearer to another list than to both halves, and a row of another list nearer to a half. A list
 * of less than a quarter is removed; only its own rows have to go elsewhere. Both change what the
 * caller has to write and nothing else: this object knows centroids and numbers, never rows.
 * Drift that upkeep cannot mend shows in the probe recall: px_clustering_measure().
 *
 * Equal rows cannot be split, however many they are: such a list stays large, and is tried again
 * only when it has grown by half.
 *
 * A list's index is its place in `lists`, and that of its centroid in kmeans.centroids; it changes
 * when a list in front of it is split or removed. Lists are in the order of their ids.
 *
 * The same rows, options and level of kernels give the same clustering, on any number of threads.
 *
 * Threads: externally serialised; functions that take it const, any. Memory: 8 bytes per list and
 * dimension, and what viper/kmeans.h says while it is built.
 */
#ifndef PX_VIPER_CLUSTERING_H
#define PX_VIPER_CLUSTERING_H

#include "base/uuid.h"
#include "parquet/parquet_writer.h"
#include "viper/kmeans.h"

enum {
    PX_CLUSTERING_LIST_ROWS = 2048,     /* the aim by default */
    PX_CLUSTERING_MOST_LISTS = 1 << 20, /* more rows than 2^20 aims make longer lists */
    PX_CLUSTERING_MOST_NEIGHBOURS = 64, /* lists that a split may take rows from, as SPFresh */
    PX_CLUSTERING_FORMAT_VERSION = 2,   /* of the centroid file; 1: a list for each cluster */
};

struct px_clustering_list {
    uint32_t id;         /* from 1 */
    uint32_t cluster;    /* the NNN of cluster_NNN; 0: not packed yet */
    uint64_t row_count;  /* as the caller counts */
    uint64_t equal_rows; /* a split at this row count found nothing to split; 0: none was tried */
};

struct px_clustering {
    struct px_kmeans kmeans;          /* owned; a centroid per list */
    struct px_clustering_list *lists; /* owned */
    size_t list_count;
    uint32_t list_rows;    /* the aim */
    uint32_t next_list;    /* id of the next list */
    uint32_t next_cluster; /* number of the next cluster */
    double built_recall;   /* probe recall when it was built; 0: not measured */
};

/* Zero in a member means its default. */
struct px_clustering_options {
    enum proximadb_metric metric;
    uint32_t dim_count; /* no default */
    uint64_t seed;
    uint32_t list_rows;        /* default PX_CLUSTERING_LIST_ROWS */
    uint32_t next_list;        /* ids and numbers begin here: those of the clustering that this */
    uint32_t next_cluster;     /*   one replaces; default 1 */
    size_t memory_limit_bytes; /* of the sample; default 512 MiB */
    struct px_crew *crew;      /* helps the calling thread; default: none */
};

/* Lists of `rows`: one for list_rows of them, at least one; with no rows yet, in no cluster. As
 * px_kmeans_train(). Release with px_clustering_release(). */
PX_MUST_CHECK int px_clustering_build(struct px_clustering *clustering,
                                      const struct px_clustering_options *options,
                                      const struct px_kmeans_input *rows,
                                      struct proximadb_error *reterr);

/* Accepts a zeroed struct. */
void px_clustering_release(struct px_clustering *clustering);

/* Writes the index of each row's list to ret_indexes. ret_distances (may be NULL) as
 * px_kmeans_assign(). the crew (may be NULL) helps with more than a few hundred rows. */
void px_clustering_assign(const struct px_clustering *clustering, struct px_crew *crew,
                          const struct px_rows *rows, uint32_t *ret_indexes, float *ret_distances);

/* The index of the list of that id; false where there is none (any more). */
bool px_clustering_find(const struct px_clustering *clustering, uint32_t id, size_t *ret_index);

/* ---- clusters ------------------------------------------------------------------------------- */

/* Zero in a member means its default. Clusters of a small collection are smaller, because what is
 * written anew together is on the disk twice meanwhile: it is aimed at least_clusters of them, and
 * twice least_bytes. */
struct px_clustering_sizes {
    double row_bytes;        /* of a row in a part, compressed, all its columns; no default */
    uint64_t least_bytes;    /* of a cluster; default 8 MiB */
    uint64_t aimed_bytes;    /* at most; default 128 MiB */
    uint64_t most_bytes;     /* at most, and twice what is aimed at; default 256 MiB */
    uint32_t least_clusters; /* that aimed_bytes give way to; default 8 */
};

/* The sizes of clusters of a collection that has so many bytes: all members are set. */
struct px_clustering_sizes px_clustering_sizes_of(const struct px_clustering_sizes *sizes,
                                                  double collection_bytes);

/* Puts all lists into new clusters, by their row counts: as many as aimed_bytes suggest, of equal
 * bytes but for half a list. PROXIMADB_NO_MEMORY: nothing has changed. */
PX_MUST_CHECK int px_clustering_pack(struct px_clustering *clustering,
                                     const struct px_clustering_sizes *sizes,
                                     struct proximadb_error *reterr);

/* Packs only what has to be: the lists of a cluster above most_bytes go to new clusters, those of
 * one below least_bytes to the nearest other cluster, and lists without a cluster to theirs. Every
 * row of a list whose cluster changed is to be written anew. PROXIMADB_NO_MEMORY: likewise. */
PX_MUST_CHECK int px_clustering_repack(struct px_clustering *clustering,
                                       const struct px_clustering_sizes *sizes,
                                       struct proximadb_error *reterr);

/* ---- upkeep --------------------------------------------------------------------------------- */

enum px_clustering_need {
    PX_CLUSTERING_KEEP,
    PX_CLUSTERING_SPLIT,  /* more rows than twice the aim */
    PX_CLUSTERING_REMOVE, /* fewer than a quarter, and not the only list */
};

/* By its row count. */
enum px_clustering_need px_clustering_need(const struct px_clustering *clustering, size_t index);

/* What a split was. */
struct px_clustering_split {
    uint32_t old_id;
    uint32_t cluster;        /* of the old list, and so of its pieces */
    size_t first_index;      /* the new lists are the last ones: from here on */
    size_t piece_count;      /* 0: the rows are all equal, and nothing has changed */
    struct px_kmeans judges; /* owned; the centroids of the old list and of the pieces */
};

/*
 * Replaces the list by as many as its rows should have, at least two, with ids of their own in the
 * same cluster: k-means over its rows, or over a sample of many. Their row counts are 0 then; the
 * caller assigns the rows of the list, and those of px_clustering_neighbours() that
 * px_clustering_select() names. *ret_split: release with px_clustering_split_release().
 *
 * PROXIMADB_CANCELLED, PROXIMADB_NO_MEMORY, and what rows->read() fails with: nothing has changed.
 */
PX_MUST_CHECK int px_clustering_split(struct px_clustering *clustering, size_t index,
                                      const struct px_kmeans_input *rows, uint64_t seed,
                                      struct px_clustering_split *ret_split,
                                      struct proximadb_error *reterr);

void px_clustering_split_release(struct px_clustering_split *split);

/*
 * LIRE's conditions, for rows of one list, whose index is list_index now. Of the rows of the split
 * list (PX_CLUSTERING_OLD_LIST), those that some other list than a piece may be nearest to: they
 * are to be assigned. Of rows of another list, those that a piece is nearer to than the list is:
 * they go to that piece. Their indexes go to ret_indexes, ascending, and their number is returned.
 * ret_pieces (may be NULL) gets the index of the piece that is nearest to each row: the list of a
 * row of the split list that was not selected, and of one of another list that was.
 */
size_t px_clustering_select(const struct px_clustering *clustering,
                            const struct px_clustering_split *split, size_t list_index,
                            const struct px_rows *rows, uint32_t *ret_indexes,
                            uint32_t *ret_pieces);

#define PX_CLUSTERING_OLD_LIST SIZE_MAX

/* The lists nearest to the centroid of list `index`, without it, nearest first; their number, at
 * most most_count (up to PX_CLUSTERING_MOST_NEIGHBOURS), is returned. */
size_t px_clustering_neighbours(const struct px_clustering *clustering, size_t index,
                                size_t most_count, uint32_t *ret_indexes);

/* Removes a list; there must be another one. Its rows are to be assigned anew, no others. */
void px_clustering_remove(struct px_clustering *clustering, size_t index);

/* ---- probe recall --------------------------------------------------------------------------- */

/*
 * Of the nearest neighbours of the queries, the share whose list is among the probe_count nearest
 * ones of their query. neighbour_lists has neighbour_count list indexes for each query: where its
 * true neighbours are stored.
 */
PX_MUST_CHECK int px_clustering_probe_recall(const struct px_clustering *clustering,
                                             const struct px_rows *queries,
                                             const uint32_t *neighbour_lists,
                                             size_t neighbour_count, size_t probe_count,
                                             double *ret_recall, struct proximadb_error *reterr);

/* Zero in a member means its default. */
struct px_clustering_measuring {
    const struct px_rows *sample; /* rows that are stored, at random; borrowed */
    const uint32_t *lists;        /* the index of the list where each of them is stored */
    size_t query_count;           /* the first so many rows are the queries; default 200 */
    size_t neighbour_count;       /* default 10 */
    size_t probe_count;           /* default: a twentieth of the lists, rounded up */
};

/*
 * Probe recall with rows of the sample as queries, and the nearest others of the sample as
 * neighbours. These are farther away than those in the whole collection, so the figure is lower,
 * and only ones of samples of the same size can be compared. 1.0 where the sample has one row.
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_clustering_measure(const struct px_clustering *clustering,
                                        const struct px_clustering_measuring *measuring,
                                        double *ret_recall, struct proximadb_error *reterr);

/* Whether a probe recall has fallen so far below built_recall (by PX_CLUSTERING_MOST_DROP) that all
 * is to be clustered anew. */
bool px_clustering_is_stale(const struct px_clustering *clustering, double recall);

#define PX_CLUSTERING_MOST_DROP 0.05

/* ---- the centroid file ---------------------------------------------------------------------- */

/* Writes vectors/centroids_NNN.parquet (docs/format/viper.md) to fd, which is empty; syncing is the
 * caller's. PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_clustering_write(const struct px_clustering *clustering, struct px_fs *fs,
                                      int fd, struct px_uuid collection_id,
                                      struct px_parquet_written *ret_written,
                                      struct proximadb_error *reterr);

/*
 * Reads one, of any version: `file` is all of it, borrowed. In files of version 1 each cluster is
 * one list, whose id is the cluster's number and whose row count is not known: 0. Release with
 * px_clustering_release().
 *
 * PROXIMADB_CORRUPT, also where the dimension is another; PROXIMADB_UNIMPLEMENTED (a version from
 * the future), PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_clustering_read(struct px_clustering *clustering, enum proximadb_metric metric,
                                     uint32_t dim_count, struct px_slice file,
                                     struct proximadb_error *reterr);

#endif /* PX_VIPER_CLUSTERING_H */
