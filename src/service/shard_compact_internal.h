/* shard_compact_internal: a compaction under way, as shard_compact.c (the job), shard_plan.c (what
 * is to be done) and shard_replace.c (putting the new parts in place) see it. */
#ifndef PX_SERVICE_SHARD_COMPACT_INTERNAL_H
#define PX_SERVICE_SHARD_COMPACT_INTERNAL_H

#include "service/shard_internal.h"
#include "viper/compaction.h"
#include "viper/compaction_plan.h"

struct px_shard_compaction {
    struct px_job job; /* first member */
    struct px_shard *shard;
    struct px_shard_compact_request request; /* done NULL: nobody asked for it */
    struct px_pace pace;

    struct px_snapshot snapshot;   /* holds the parts */
    int64_t stored_lsn;            /* rows that were dead by then are left behind */
    struct px_plan_part *measured; /* the snapshot's parts, in its order */
    uint32_t part_count;
    struct px_description *description;
    struct px_clustering clustering; /* zeroed: none */
    struct px_plan plan;

    enum px_compaction_kind kind;
    struct px_source **old; /* the parts that are replaced */
    struct px_part **old_parts;
    uint32_t old_count;
    struct px_part **others; /* the parts that stay */
    uint32_t other_count;
    struct px_compaction_output output;
    struct px_source *
        *fresh; /* one for each file written; a reference each until they are in the table */
    uint32_t fresh_count;
};

/* Takes the snapshot and measures its parts. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_shard__measure(struct px_shard_compaction *compaction,
                                    struct proximadb_error *reterr);

/* Decides what to do: the kind and the parts, none if there is nothing to do. */
PX_MUST_CHECK int px_shard__choose(struct px_shard_compaction *compaction,
                                   struct proximadb_error *reterr);

/* Puts what was written into the manifest and into the readers' view. *ret_unsure: the files must
 * stay although it failed. */
PX_MUST_CHECK int px_shard__replace_parts(struct px_shard_compaction *compaction, bool *ret_unsure,
                                          struct proximadb_error *reterr);

#endif /* PX_SERVICE_SHARD_COMPACT_INTERNAL_H */
