/*
 * compaction_plan: what is to be done next to the parts of a collection, by their numbers alone.
 *
 *      flush -> cluster_000 -> fold      small parts of cluster_000, of one size, into one of them
 *                           -> round     parts of cluster_000 into the clusters, and clusters anew
 *                           -> recluster all parts into new clusters
 *
 * A *round* is due when parts of cluster_000 have gathered, an eighth of what is clustered (so that
 * the whole is written anew a bounded number of times while it grows), or when more than a fifth of
 * a cluster, or of everything, is dead. It takes the oldest parts of cluster_000 and splits them by
 * the collection's lists. A cluster gets what is its own as one more part, or is written anew
 * together with it, where
 *
 *      - it would have more parts than may be,
 *      - more than a fifth of its rows are dead, or
 *      - it is too large and has grown since it was written: its lists are packed anew then, or
 *      - its parts would be too small, on average (unless the collection is)
 *
 * up to a bound of bytes, the ones with most dead bytes first; what is left over is still due
 * behind the round. Clusters that shrink lose rows, so they are written anew by the second rule,
 * and the packing of that round gives what has become too small to a neighbour.
 *
 * A *recluster* is due at first, when parts have gathered; when lists have become four times longer
 * or shorter than they should be; when the probe recall has fallen (viper/clustering.h).
 *
 * A *fold* is for collections that are flushed very often: a round for each few rows would write
 * far too much. Parts are of one size if they have the same power of eight, so a row is folded no
 * more than a few times until a round takes it.
 *
 * *Pressure* says how far behind compaction is: parts of cluster_000 beyond what is bearable.
 * Writes are to wait a little then, more with each part.
 *
 * Dead rows are those that the parts' delete files name: rows that died later go over, so they are
 * no reason to write anything anew.
 *
 * Threads: any. Memory: an array by part; time: parts times clusters that are written anew.
 */
#ifndef PX_VIPER_COMPACTION_PLAN_H
#define PX_VIPER_COMPACTION_PLAN_H

#include "viper/clustering.h"

struct px_plan_part {
    uint32_t cluster; /* 0: not clustered */
    uint32_t row_count;
    uint32_t dead_count; /* of them; stored */
    uint64_t size_bytes;
};

/* Zero in a member means its default. */
struct px_plan_limits {
    uint32_t round_parts;       /* of cluster_000, to begin a round; default 4 */
    uint64_t round_bytes;       /* that are always enough to begin one; default 1 GiB */
    uint64_t least_round_bytes; /* that are never; default 1 MiB */
    uint64_t taken_bytes;       /* of cluster_000, that a round or fold takes at most, if that is
                                 * enough for one; default 1 GiB */
    uint64_t rewritten_bytes;   /* of clusters written anew by one round, or a quarter of all
                                 * clusters, if that is more, so that the disk has to hold
                                 * little twice; default 32 MiB */
    uint32_t cluster_parts;     /* that a cluster may have; default 4 */
    uint32_t fold_parts;        /* of cluster_000 and of one size, to fold them; default 8 */
    uint64_t fold_bytes;        /* above it a part is not folded; default 8 MiB */
    uint32_t dead_percent;      /* default 20 */
    uint32_t slow_parts;        /* of cluster_000, from which on writes wait; default 64 */
    uint32_t full_parts;        /* with which they wait longest; default 128 */
    uint32_t most_delay_ms;     /* default 1,000 */
};

struct px_plan_input {
    const struct px_plan_part *parts; /* of cluster_000 oldest first; borrowed */
    size_t part_count;
    uint64_t list_count;                     /* of the present clustering; 0: there is none */
    uint32_t list_rows;                      /* that it aims at; 0: not known */
    bool is_recall_low;                      /* the clustering is stale */
    const struct px_plan_limits *limits;     /* NULL: the defaults */
    const struct px_clustering_sizes *sizes; /* likewise; row_bytes are of no interest */
};

enum px_plan_kind {
    PX_PLAN_NOTHING,
    PX_PLAN_FOLD,      /* the parts that are taken become one, of cluster_000 */
    PX_PLAN_ROUND,     /* the parts that are taken go into their clusters */
    PX_PLAN_RECLUSTER, /* all parts are taken, and clustered anew */
};

struct px_plan {
    enum px_plan_kind kind;
    const char *reason; /* for people */
    bool *takes;        /* owned; for each part whether it is read and replaced */
    size_t taken_count;
    uint64_t taken_rows; /* live ones */
    uint64_t taken_bytes;
};

/* *ret_plan: release with px_plan_release(). Of a cluster all parts are taken, or none.
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_plan_make(const struct px_plan_input *input, struct px_plan *ret_plan,
                               struct proximadb_error *reterr);
void px_plan_release(struct px_plan *plan); /* accepts a zeroed one */

/* Parts of cluster_000. */
struct px_plan_pressure {
    uint64_t part_count;
    uint64_t size_bytes;
    uint32_t delay_ms; /* that a write is to wait; 0: compaction keeps up */
};

struct px_plan_pressure px_plan_measure_pressure(const struct px_plan_input *input);

#endif /* PX_VIPER_COMPACTION_PLAN_H */
