/* shard_ivf_internal: a step of a collection's codes, as shard_ivf.c (what is to be done) and
 * shard_ivf_file.c (their files) see it. */
#ifndef PX_SERVICE_SHARD_IVF_INTERNAL_H
#define PX_SERVICE_SHARD_IVF_INTERNAL_H

#include "service/shard_internal.h"

/* One step; it belongs to the thread that runs the job. */
struct px_ivf_step {
    struct px_shard *shard;
    struct px_description *description;
    struct px_view *view;     /* of the moment when it began */
    struct px_source *source; /* that gets codes; NULL: the step is another one */
    uint64_t round;
    struct px_crew *crew; /* NULL: nobody helps */
    bool (*should_stop)(void *context);
    void *context;
    bool is_noted; /* as progress */
};

/* Whether a source is a part that may have codes. Under the lock. */
bool px_shard__is_listed(const struct px_source *source);

/* Hangs codes on a source, unless its rows are elsewhere by now. The reference is taken. Not under
 * the lock. */
void px_shard__attach_codes(struct px_shard *shard, struct px_source *source,
                            struct px_part_codes *codes);

/*
 * Opens the files of the view's parts, and what was learnt of the collection. *ret_lost is how many
 * parts that were there at the start have none that is of use, and `reason` says why the first one
 * has not. PROXIMADB_NO_MEMORY, PROXIMADB_CANCELLED
 */
PX_MUST_CHECK int px_shard__open_codes(struct px_ivf_step *step, uint32_t *ret_lost, char *reason,
                                       size_t reason_bytes, struct proximadb_error *reterr);

/* Writes the codes of the step's source to its file, and gives them back as searches shall have
 * them. ivf is taken, also on failure. Errors as px_ivf_save() and px_part_codes_open(). */
PX_MUST_CHECK int px_shard__save_codes(struct px_ivf_step *step, struct px_ivf *ivf,
                                       struct px_ivf **ret_ivf, struct proximadb_error *reterr);

/* Writes what was learnt. As px_file_replace(). */
PX_MUST_CHECK int px_shard__save_effort(struct px_shard *shard, const struct px_ivf_effort *effort,
                                        struct proximadb_error *reterr);

/* Removes files of parts that are not in the view, and what a crash has left. PROXIMADB_IO,
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_shard__sweep_codes(struct px_ivf_step *step, struct proximadb_error *reterr);

#endif /* PX_SERVICE_SHARD_IVF_INTERNAL_H */
