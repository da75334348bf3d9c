/* shard_internal: the shard's struct, and what its files share. */
#ifndef PX_SERVICE_SHARD_INTERNAL_H
#define PX_SERVICE_SHARD_INTERNAL_H

#include "axis/ivf_effort.h"
#include "service/graph_index.h"
#include "service/request_memory.h"
#include "service/shard.h"
#include "viper/viper.h"

enum {
    PX_MOST_FROZEN = 3,       /* memtables that wait to be flushed; then writes wait, too */
    PX_INDEX_STEP_ROWS = 512, /* of the index that are changed under one hold of the lock */
};

/* A memtable that waits to be flushed. */
struct px_frozen {
    struct px_source *source;    /* a reference */
    uint64_t live_row_count;     /* of the collection when it was frozen */
    int64_t clock_ms;            /* likewise */
    struct px_write_op *waiting; /* barriers that are done when it is flushed */
};

/* The hashes of the ids that a round has touched, so that an operation on one of them waits. */
struct px_hash_set {
    uint64_t *slots; /* owned; 0: free */
    uint32_t capacity;
    uint32_t count;
};

/* What the committer has decided and not yet finished. Its own. */
struct px_round {
    struct px_write_op *first;
    struct px_write_op **end;
    struct px_write_op *hashed_to; /* operations up to this one are in `hashes` */
    struct px_hash_set hashes;
    struct px_memtable_mark mark; /* where the active memtable was */
    bool is_locked;               /* applying: the shard's lock is held until publish */
    int64_t last_lsn;             /* applied */
};

/* Compaction in the background, as far as it is known between its steps. */
struct px_compacting {
    bool is_scheduled;   /* a step is queued or runs */
    bool is_asked_again; /* something has changed since it looked */
    bool is_busy;        /* parts are being written */
    bool is_paused;
    bool is_recall_low;
    uint32_t asked_count;   /* compactions that were asked for, queued or running */
    uint32_t list_rows;     /* that the lists aim at; 0: not known yet */
    uint32_t failure_count; /* steps that failed, one behind the other */
    int64_t retry_ms;       /* monotonic; 0: none waits to be tried again */

    uint64_t fresh_part_count; /* parts that are not clustered */
    uint32_t delay_ms;         /* that each round of writes waits if compaction can catch up */
    int64_t slow_until_ms;     /* monotonic; the next round begins then */
    bool is_hurrying;          /* the pacer was told to, because of the delay */

    _Atomic uint64_t rows_done; /* of what is being written */
    _Atomic uint64_t row_count;
};

/* What is known of the codes of a collection of index type IVF; they are with its parts. */
struct px_ivf_state {
    struct px_ivf_effort effort; /* how far searches look */
    uint32_t first_fresh;        /* sources of that number and more came since the start */
    bool must_sweep;             /* parts have gone since their files were looked at */
    uint32_t last_tried;         /* number of the source that was last to get codes */
    uint64_t fresh_row_count;    /* that got codes since the effort was learnt */
};

/* The index of a collection, and what is done with it in the background. */
struct px_indexing {
    struct px_graph_index *index;    /* that is searched; NULL: every search is exact */
    struct px_graph_index *building; /* to take its place; NULL: none */
    bool is_scheduled;               /* a step is queued or runs */
    bool is_asked_again;             /* something has changed since it looked */
    bool is_rebuild_asked;           /* by somebody, or because the present one does not fit */
    bool had_rows;                   /* enough for an index, when the shard was opened */
    bool has_looked;                 /* for files of before */
    uint32_t failure_count;          /* steps that failed, one behind the other */
    int64_t retry_ms;                /* monotonic; 0: none waits to be tried again */
    uint64_t round;                  /* of rebuilds that were asked for */
    uint64_t rebuild_count;          /* in this process */
    char reason[200];                /* of the last rebuild; "": there was none */

    uint64_t file_number;     /* of the last file; 0: none */
    uint64_t file_bytes;      /* likewise */
    uint64_t saved_row_count; /* that it has */
    uint64_t changed_count;   /* rows that came and went since */
    int64_t next_save_ms;     /* monotonic; not before */
    bool must_save;           /* there is no file of this graph */

    struct px_ivf_state ivf;

    _Atomic uint64_t rows_done; /* of what is being built */
    _Atomic uint64_t row_count;
};

struct px_shard {
    atomic_uint reference_count;
    const struct px_engine_context *context;
    char name[PX_COLLECTION_NAME_BYTES];
    struct px_uuid id;
    uint32_t dim_count;
    uint32_t mantissa_bits;         /* that its storage profile keeps */
    struct proximadb_error failure; /* why nothing can be used; set while opening only */
    struct px_wal *wal;
    struct px_commit_lane *lane;
    struct px_viper viper;
    bool has_viper;

    pthread_mutex_t lock; /* guards: all up to the next blank line */
    pthread_cond_t idle;  /* job_count has become 0 */
    struct px_description *description;
    struct px_id_index index;
    struct px_source **sources; /* by number; a reference each; NULL where it is retired */
    uint32_t *free_numbers;     /* of sources that were; room for all */
    uint32_t free_number_count;
    uint32_t source_capacity;
    uint32_t next_source; /* no source has had it yet */
    struct px_view *view;
    struct px_source *active;   /* the view's last source; written by the committer only */
    size_t reserved_kill_count; /* by operations that are decided and not yet applied */
    int64_t visible_lsn;
    int64_t stored_lsn; /* writes up to it are in the view's parts: the last flush that is shown */
    uint64_t live_count;
    struct px_request_memory *requests;
    struct px_frozen frozen[PX_MOST_FROZEN]; /* oldest first */
    uint32_t frozen_count;
    bool is_flushing;
    int64_t flush_retry_ms;               /* monotonic; 0: the last flush went well */
    struct proximadb_error flush_failure; /* what was wrong with it otherwise */
    struct px_write_op *altering;         /* waits until nothing is frozen */
    uint32_t job_count;                   /* in the background, queued or running */
    bool is_sweeping;
    struct px_sweep_waiter *sweep_waiters; /* of the sweep under way */
    struct px_compacting compacting;
    struct px_indexing indexing;
    bool is_closing; /* nothing is submitted any more */
    bool is_stopped; /* nothing begins in the background any more */

    pthread_mutex_t index_build_lock; /* guards: building the index; above `lock` */
    atomic_bool is_index_ready;

    pthread_mutex_t json_lock;  /* guards: writing the JSON, and changing the two below; a leaf */
    atomic_bool is_json_unsure; /* a crash may find another description than the present one */
    atomic_bool is_dropped;

    struct px_timer_event slow_event; /* has the lane go on at slow_until_ms */
    struct px_job flush_job;
    struct px_job index_job;
    struct px_round round;
    _Atomic int64_t clock_ms; /* written by the committer: never goes back */
    int64_t active_since_ms;  /* the committer's, monotonic: the active memtable's first write */
};

/* Takes a snapshot. Under the lock. */
void px_shard__take_snapshot(struct px_shard *shard, struct px_snapshot *ret_snapshot);

/* ---- shard_sources.c ------------------------------------------------------------------------ */

/* Gives a source, whose reference is taken, a number and a place in the table. Under the lock, once
 * there is room. */
PX_MUST_CHECK int px_shard__reserve_sources(struct px_shard *shard, uint32_t count,
                                            struct proximadb_error *reterr);
void px_shard__add_source(struct px_shard *shard, struct px_source *source);

/* Takes a replaced source out of the table, when the index no longer points to it. */
void px_shard__retire_source(struct px_shard *shard, struct px_source *source);

/* A snapshot from whose places rows can be followed to where they are. To be ended soon: until then
 * whatever replaces its sources stays, too. */
void px_shard__begin_following(struct px_shard *shard, struct px_snapshot *ret_snapshot);
void px_shard__end_following(struct px_shard *shard, struct px_snapshot *snapshot);

/* Holds a row that was just found, so that it can be read and followed; under the lock. Lets go of
 * the rows of an operation; not under it. */
void px_shard__hold_found(struct px_found_row *found);
void px_shard__release_found(struct px_shard *shard, struct px_write_op *op);

/* ---- shard_index.c -------------------------------------------------------------------------- */

/* Builds the index from the parts, if that was not done. */
PX_MUST_CHECK int px_shard__ensure_index(struct px_shard *shard, struct proximadb_error *reterr);

/* The row of an id, where it is now: ret_found->source NULL if there is none. No reference, and
 * is_expired is false. Under the lock. */
PX_MUST_CHECK int px_shard__find(struct px_shard *shard, uint64_t hash, struct px_slice id,
                                 struct px_found_row *ret_found, struct proximadb_error *reterr);

/* Points the index entry of a found row elsewhere, or removes it. Under the lock. */
void px_shard__move_entry(struct px_shard *shard, uint64_t hash, const struct px_found_row *found,
                          struct px_location to);
void px_shard__remove_entry(struct px_shard *shard, uint64_t hash,
                            const struct px_found_row *found);

/* Lets the index follow the rows of a replaced source, in small steps, and retires it. */
void px_shard__move_index(struct px_shard *shard, struct px_source *source);

/* ---- shard_decide.c ------------------------------------------------------------------------- */

/* Finds the rows of an operation, checks its rules, reserves what applying it needs, and stages its
 * new rows. with_rules false: it was decided before, and is replayed. On failure nothing is left of
 * it. */
PX_MUST_CHECK int px_shard__prepare(struct px_shard *shard, struct px_write_op *op, bool with_rules,
                                    struct proximadb_error *reterr);

/* Gives back what px_shard__prepare() reserved; the caller unstages the rows. */
void px_shard__unprepare(struct px_shard *shard, struct px_write_op *op);

/* ---- shard_write.c -------------------------------------------------------------------------- */

extern const struct px_commit_handler px_shard__commit_handler;

/* The error of what is too late: the collection was dropped, or the database is closing. */
int px_shard__fail_gone(const struct px_shard *shard, struct proximadb_error *reterr);

/* Applies a prepared operation. Under the lock. */
void px_shard__apply(struct px_shard *shard, struct px_write_op *op,
                     const struct px_wal_entry *entry);

/* ---- shard_flush.c -------------------------------------------------------------------------- */

/* Freezes the active memtable, if there is anything in it and memory for a new one, and has it
 * flushed. Under the lock. */
PX_MUST_CHECK int px_shard__freeze(struct px_shard *shard, struct proximadb_error *reterr);

/* Starts the flusher if there is work for it. Under the lock. */
void px_shard__start_flush(struct px_shard *shard);

/* Makes sure that the collection's JSON is of the present description, if that was left open: else
 * a crash may show rows to a description that they were never checked by. */
PX_MUST_CHECK int px_shard__settle_json(struct px_shard *shard, struct proximadb_error *reterr);

/* The flusher: shard->flush_job's function. */
void px_shard__flush(struct px_job *job);

/* Makes a view the present one; its reference is taken, the one before is the caller's. Under the
 * lock. */
void px_shard__set_view(struct px_shard *shard, struct px_view *view);

/* Replaces sources in the view: those of `old` by those of `new`, which come in front of the
 * memtables. Under the lock. */
PX_MUST_CHECK int px_shard__replace_in_view(struct px_shard *shard, struct px_source *const *old,
                                            uint32_t old_count, struct px_source *const *fresh,
                                            uint32_t fresh_count, struct proximadb_error *reterr);

/* Room for all rows of a part to die in. */
PX_MUST_CHECK int px_shard__reserve_dead(struct px_part *part, struct proximadb_error *reterr);

/* Waits a moment where memory is short and there is no way back. */
void px_shard__wait_for_memory(void);

/* Marks the beginning and the end of work in the background. */
void px_shard__begin_job(struct px_shard *shard); /* under the lock */
void px_shard__end_job(
    struct px_shard *shard); /* not under it; may free the shard's last reference */

/* Whether such work has to end, because the collection is closed or dropped; and how long to wait
 * before work that has failed so often is tried again. */
bool px_shard__is_closing(struct px_shard *shard);
int64_t px_shard__retry_delay_ms(uint32_t failure_count);

/* ---- shard_compact.c, shard_plan.c ---------------------------------------------------------- */

/* Has somebody look whether there is something to compact, unless that is so already. */
void px_shard__schedule_compaction(struct px_shard *shard);

/* Likewise, if a failure was long enough ago. */
void px_shard__retry_compaction(struct px_shard *shard, int64_t now_ms);

/* Works out how far behind compaction is. Under the lock, when the view has changed. */
void px_shard__note_pressure(struct px_shard *shard);

/* What each round of writes waits now: nothing where that helps nobody, because compaction is
 * paused or fails. Under the lock. */
uint32_t px_shard__write_delay_ms(const struct px_shard *shard);

/* Has compaction work at full speed while writes wait for it. Under the lock, when what they wait
 * has changed, and when the shard is closing. */
void px_shard__note_hurry(struct px_shard *shard);

/* ---- shard_replay.c ------------------------------------------------------------------------- */

/* A px_wal_replay for a shard that is being opened. */
int px_shard__replay(void *context, const struct px_wal_entry *entry,
                     struct proximadb_error *reterr);

/* Of what the shard's index needs; parts of this file. */
#include "service/shard_indexing_internal.h"
#include "service/shard_slots_internal.h"

#endif /* PX_SERVICE_SHARD_INTERNAL_H */
