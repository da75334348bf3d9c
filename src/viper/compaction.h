/*
 * compaction: rewrites parts of a collection so that near rows lie together.
 *
 *      PX_COMPACTION_ALL     all parts, into lists and clusters that are found anew
 *      PX_COMPACTION_ROUND   parts of cluster_000, and whole clusters that need it: each new row
 *                            goes to its list; clusters that none of theirs was given for get one
 *                            part more; in those that are written anew, lists are split, removed
 *                            and packed as viper/clustering.h says, and rows that a split made
 *                            nearer to another list of theirs move there
 *      PX_COMPACTION_FOLD    parts of cluster_000 into one, as they are
 *
 * Rows that are dead at the given LSN are left behind. A part that is written has its rows in the
 * order of its lists, which its footer tells (viper/part_lists.h). Which of these is due says
 * viper/compaction_plan.h.
 *
 * Vectors are read where they lie; texts are compressed in pages, so reading them in the order of
 * the lists would decompress a page for every row: instead the parts are read front to back, once
 * for every group of lists whose texts fit in memory.
 *
 * This writes files and touches nothing else: what it wrote counts once px_viper_replace_parts()
 * has put it into the manifest.
 *
 * Memory: 20 bytes a row, the sample of k-means, and texts of about 256 MiB, or of one list if
 * those are more. Threads: any one.
 */
#ifndef PX_VIPER_COMPACTION_H
#define PX_VIPER_COMPACTION_H

#include "viper/clustering.h"
#include "viper/viper.h"

enum px_compaction_kind { PX_COMPACTION_ALL, PX_COMPACTION_ROUND, PX_COMPACTION_FOLD };

struct px_compaction_input {
    struct px_viper *viper; /* borrowed, as everything here */
    const struct px_collection *collection;
    enum px_compaction_kind kind;
    struct px_part *const *parts; /* that are read and replaced; of a cluster all or none */
    size_t part_count;
    struct px_part *const *others; /* that stay; recall is measured in them, too */
    size_t other_count;
    int64_t lsn; /* rows that were killed at or before it are left behind */

    /* Of ALL, where ids and numbers go on, and of ROUND the present one, which is changed; of the
     * others zeroed where there is none. ALL replaces it. On failure it is of no use. */
    struct px_clustering *clustering;
    uint32_t cluster_count;           /* of ALL; 0: as `sizes` says */
    uint32_t list_rows;               /* of ALL: the aim; 0: the default */
    struct px_clustering_sizes sizes; /* without row_bytes */
    uint64_t group_bytes;             /* of rows that are in memory at a time; 0: 256 MiB */

    bool (*should_stop)(void *context); /* asked every few milliseconds; NULL: never */
    /* NULL, or told now and then how far it is. */
    void (*progress)(void *context, uint64_t rows_done, uint64_t row_count);
    void *context;
};

/* What was written and synced, names included. */
struct px_compaction_output {
    struct px_manifest_file *files; /* parts; at most one for each cluster */
    size_t file_count;
    struct px_manifest_file centroids; /* path "": none was written */
    struct px_moved **moved; /* for each input part one entry for each row; targets are files */
    size_t part_count;
    uint64_t row_count;
    uint64_t bytes_read;
    uint64_t bytes_written;
    double recall; /* probe recall behind it: px_clustering_measure(); 0: not measured */
};

/*
 * Runs a compaction. ret_output: release with px_compaction_release(). With no live row, it has no
 * file.
 *
 * PROXIMADB_CANCELLED (should_stop said so), PROXIMADB_CORRUPT, PROXIMADB_IO, PROXIMADB_NO_MEMORY,
 * PROXIMADB_RESOURCE_EXHAUSTED (disk full): nothing that was written is left.
 */
PX_MUST_CHECK int px_compaction_run(const struct px_compaction_input *input,
                                    struct px_compaction_output *ret_output,
                                    struct proximadb_error *reterr);

/* Frees the memory; the files stay. Accepts a zeroed struct. */
void px_compaction_release(struct px_compaction_output *output);

/* Removes the files of an output that is not going to be used. */
void px_compaction_discard(struct px_viper *viper, const struct px_compaction_output *output);

#endif /* PX_VIPER_COMPACTION_H */
