/*
 * shard_indexing_internal: keeping a collection's index up to date, whatever kind it is: when there
 * is something to do, steps in the background, failures, rebuilds, numbers. Included by
 * shard_internal.h.
 *
 * An index is derived: a search compares with every row that it does not know, so nothing but time
 * depends on it. Its steps run on the engine's index thread, one of one collection at a time.
 */
#ifndef PX_SERVICE_SHARD_INDEXING_INTERNAL_H
#define PX_SERVICE_SHARD_INDEXING_INTERNAL_H

#include "service/shard_internal.h"

/* What a kind of index has of its own. Functions of a const shard are called under the lock. */
struct px_index_kind {
    /* Does what is most needed. *ret_has_done false: nothing that would be different if it was
     * called again. Not under the lock. */
    int (*step)(struct px_shard *shard, bool *ret_has_done, struct proximadb_error *reterr);

    bool (*has_work)(const struct px_shard *shard);    /* a step would do something */
    bool (*is_pressing)(const struct px_shard *shard); /* at once; asked for each round of writes */
    bool (*is_there)(const struct px_shard *shard);    /* searches have it */
    bool (*is_building)(const struct px_shard *shard);
    uint64_t (*lag)(const struct px_shard *shard); /* rows that it should have, and does not */

    /* Adds rows, files and memory of what is there. */
    void (*put_numbers)(const struct px_shard *shard, struct px_shard_numbers *numbers);

    void (*close)(struct px_shard *shard); /* nothing runs any more; not under the lock */
};

extern const struct px_index_kind px_shard__graph_kind; /* shard_graph.c */
extern const struct px_index_kind px_shard__ivf_kind;   /* shard_ivf.c */

/* The collection's; NULL: it has none. */
const struct px_index_kind *px_shard__index_kind(const struct px_shard *shard);

/* How many rows make an index worth having. */
uint64_t px_shard__index_least_rows(const struct px_shard *shard);

/* Rows that the collection's index should have, and does not. Under the lock. */
uint64_t px_shard__index_lag(const struct px_shard *shard);

/* Has the index brought up to date in the background, if there is enough to do for the time being.
 * Under the lock, when rows or the view have changed. */
void px_shard__note_index(struct px_shard *shard);

/* The same, whatever there is to do; also what has failed, if that was long enough ago. */
void px_shard__tick_index(struct px_shard *shard, int64_t now_ms);

/* Whether a step would do anything. Under the lock. */
bool px_shard__index_has_work(const struct px_shard *shard);

/* What is known of the index. Under the lock. */
void px_shard__put_index_numbers(const struct px_shard *shard, struct px_shard_numbers *numbers);

/* Saves what has changed, when nothing runs any more. */
void px_shard__close_index(struct px_shard *shard);

/* Makes codes of parts that compaction has written and nobody sees yet, so that searches have them
 * from the first moment on. What does not succeed is left to the job. */
void px_shard__prepare_codes(struct px_shard *shard, struct px_description *description,
                             struct px_source *const *sources, uint32_t count,
                             bool (*should_stop)(void *context), void *context);

/* The job: shard->index_job's function. */
void px_shard__index(struct px_job *job);

/* For a step: whether it has to end, since the shard closes or goes. Paces the calling thread. */
bool px_shard__index_may_not_go_on(struct px_shard *shard);

/* Notes why the index is built anew. Not under the lock. */
void px_shard__note_rebuild_reason(struct px_shard *shard, const char *reason);

/* The same of files of before that were of no use, in the log, too, and counts it. */
void px_shard__note_lost_index(struct px_shard *shard, const char *reason);

#endif /* PX_SERVICE_SHARD_INDEXING_INTERNAL_H */
