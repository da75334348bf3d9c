/*
 * committer: group commit. A few threads that carry writes to the log in rounds.
 *
 * Each collection has a lane, a queue of operations that belongs to one committer. A round takes
 * what waits in all lanes of the committer, decides each operation in order, writes one block per
 * collection, syncs each log once, applies the operations in the same order, publishes, and only
 * then finishes them. There is no timer: while one round is on its way to the device the next one
 * gathers, so that batches form by themselves exactly when the device is the bottleneck.
 *
 * Because one thread decides and applies everything of a collection, in the order of its log,
 * racing inserts of one id need no locks to find out which of them wins. An operation whose
 * decision depends on one of the same round that is not yet applied asks to wait for the next.
 *
 *      submit -> queue -> decide -> [append, sync] -> apply -> publish -> finish
 *                            |                |
 *                            +-> finish       +-> finish with the error, nothing applied
 *
 * What an operation is, and what deciding means, is the caller's (struct px_commit_handler).
 *
 * Threads: submit, resume and the lane functions may be called by any thread; handlers run on the
 * lane's committer. Lock order: a committer's lock is a leaf.
 */
#ifndef PX_WAL_COMMITTER_H
#define PX_WAL_COMMITTER_H

#include "wal/wal.h"

struct px_committers;
struct px_commit_lane;

/* Embedded in the caller's operation, which must live until it is finished. */
struct px_commit_op {
    struct px_commit_op *next;
};

enum px_commit_decision {
    PX_COMMIT_WRITE, /* *entry is filled in (but lsn); the batch lives until finish */
    PX_COMMIT_WAIT,  /* depends on this round: ask again in the next. Not for a round's first */
    PX_COMMIT_DONE,  /* the handler has finished it, without a write */
    PX_COMMIT_STOP,  /* likewise, and nothing behind it is decided before is_ready() was asked */
};

struct px_commit_handler {
    enum px_commit_decision (*decide)(void *context, struct px_commit_op *op,
                                      struct px_wal_entry *entry);
    /* The entry, with its LSN, is on the device. Must not fail. */
    void (*apply)(void *context, struct px_commit_op *op, const struct px_wal_entry *entry);
    /* All of the round is applied; make it visible. */
    void (*publish)(void *context);
    /* The last call for an operation that was to be written. error is NULL when it was. Operations
     * of a round that fails are finished in any order. */
    void (*finish)(void *context, struct px_commit_op *op, const struct proximadb_error *error);
    /* Asked before a round: false parks the lane until px_commit_lane_resume(). */
    bool (*is_ready)(void *context);
    /* The log cannot grow because the disk is full. Operations that free space in the end are tried
     * again, without the others of the round, and once more if make_space() says that it made some.
     */
    bool (*frees_space)(void *context, const struct px_commit_op *op);
    bool (*make_space)(void *context);
    /* Between rounds, about once a second. */
    void (*tick)(void *context);
};

/* Starts `count` threads (1 to 64). ret_committers: free with px_committers_close().
 * PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (no more threads) */
PX_MUST_CHECK int px_committers_open(uint32_t count, struct px_committers **ret_committers,
                                     struct proximadb_error *reterr);

/* Ends the threads. All lanes must be closed. Accepts NULL. */
void px_committers_close(struct px_committers *committers);

/* Adds a lane. wal, handler and context are kept until px_commit_lane_close(). `hash` picks the
 * committer. ret_lane: free with px_commit_lane_close(). PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_commit_lane_open(struct px_committers *committers, uint64_t hash,
                                      struct px_wal *wal, const struct px_commit_handler *handler,
                                      void *context, struct px_commit_lane **ret_lane,
                                      struct proximadb_error *reterr);

/* Waits until everything submitted is decided, and what is written is finished. A parked lane goes
 * on as if it were resumed, and is not parked any more. Must not be called by a handler. */
void px_commit_lane_drain(struct px_commit_lane *lane);

/* Drains the lane, then removes it; a parked one goes on as if it were resumed. Nothing may be
 * submitted any more. Must not be called by a handler. Accepts NULL. */
void px_commit_lane_close(struct px_commit_lane *lane);

/* Queues an operation. Never blocks. */
void px_commit_lane_submit(struct px_commit_lane *lane, struct px_commit_op *op);

/* Lets a parked lane go on. */
void px_commit_lane_resume(struct px_commit_lane *lane);

#endif /* PX_WAL_COMMITTER_H */
