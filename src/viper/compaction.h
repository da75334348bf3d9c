/*
 * compaction: rewrites parts as parts of near rows: k-means over their vectors, one part for each
 * cluster.
 *
 * Rows that are dead at the given LSN are left behind. Vectors are read where they lie; texts are
 * compressed in pages, so reading them in the order of the clusters would decompress a page for
 * every row: instead the parts are read front to back, once for every group of clusters whose texts
 * fit in memory.
 *
 * This writes files and touches nothing else: what it wrote counts once px_viper_replace_parts()
 * has put it into the manifest.
 *
 * Memory: 20 bytes a row, the sample of k-means, and texts of about 256 MiB, or of one cluster if
 * those are more. Threads: any one.
 */
#ifndef PX_VIPER_COMPACTION_H
#define PX_VIPER_COMPACTION_H

#include "viper/viper.h"

struct px_compaction_input {
    struct px_viper *viper; /* borrowed, as everything here */
    const struct px_collection *collection;
    struct px_part *const *parts;
    size_t part_count;
    int64_t lsn;                        /* rows that were killed at or before it are left behind */
    uint32_t cluster_count;             /* 0: one for every 4,096 rows */
    bool (*should_stop)(void *context); /* NULL: never */
    void *context;
};

/* What was written and synced, names included. */
struct px_compaction_output {
    struct px_manifest_file *files; /* parts */
    size_t file_count;              /* at most the number of clusters: empty ones have none */
    struct px_manifest_file centroids;
    struct px_moved **moved; /* for each input part one entry for each row; targets are files */
    size_t part_count;
    uint64_t row_count;
    uint64_t bytes_read;
    uint64_t bytes_written;
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
