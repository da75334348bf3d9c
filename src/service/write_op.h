/*
 * write_op: one batch on its way into the log: insert, upsert, update, delete; or a barrier.
 *
 * It is decoded and checked by a worker, then handed to the shard, whose committer decides it
 * (which rows exist, what an update makes of them, what LSNs it gets), logs it, applies it, and
 * calls `done`. The same struct carries an entry of the log through replay.
 *
 *      FIELD                 SET BY    MEANING
 *      kind ... deadline     worker    what is to be done
 *      decision              decide    what will be done
 *      result                apply     what was done
 *
 * Threads: one at a time.
 */
#ifndef PX_SERVICE_WRITE_OP_H
#define PX_SERVICE_WRITE_OP_H

#include "base/arena.h"
#include "payload/collection_request.h"
#include "payload/request.h"
#include "payload/update.h"
#include "service/view.h"
#include "wal/committer.h"

enum px_write_kind {
    PX_WRITE_INSERT, /* rows whose ids must be new */
    PX_WRITE_UPSERT,
    PX_WRITE_UPDATE,
    PX_WRITE_DELETE, /* by ids */
    PX_WRITE_EXPIRE, /* likewise, decided by the engine */
    PX_WRITE_FREEZE, /* no write: what is in memory is to be flushed */
    PX_WRITE_ALTER,  /* no write: the description is to be replaced, once all is flushed */
};

struct px_description;

/* What is to change of a collection's description. */
struct px_alteration {
    bool has_fields;
    struct px_collection_change fields; /* the whole new list */
    int index_memory;                   /* -1: as it is; looked at without has_fields only */
    bool is_rebuild;                    /* the index is to be built anew, then */
};

/* A row that a batch supersedes or deletes, as it was found when the batch was decided. */
struct px_found_row {
    struct px_source *source; /* a reference; NULL: there is no such row */
    uint32_t row;
    struct px_location entry; /* what the index said, which may have led to it over replaced ones */
    struct px_source *from;   /* that of the entry; a reference, and followed */
    bool is_expired;
};

struct px_write_op {
    struct px_commit_op base; /* first member: the committer's view of it */
    enum px_write_kind kind;
    uint8_t request_id[PX_REQUEST_ID_BYTES];
    struct px_slice datum; /* what is logged: the client's, or our own in `own_datum` */
    struct px_buffer own_datum;
    union {
        struct px_batch batch; /* insert, upsert */
        struct px_update update;
        struct px_id_list ids; /* delete, expire */
        struct px_alteration alter;
    } as;
    /* Of rows: what they were decoded and checked by. If it was replaced meanwhile, they are
     * decoded again when they are decided. A reference, which the submitter gives back; NULL:
     * none. */
    struct px_description *description;
    /* Of a delete of rows that were chosen by a filter or by their expiry: the versions they had. A
     * row that has another one by now is left alone. NULL: any version. */
    const int64_t *chosen_versions;
    struct px_arena *arena;         /* what the above lies in; also for the decision */
    int64_t deadline_ms;            /* monotonic; 0: none */
    const proximadb_cancel *cancel; /* kept; may be NULL */

    /* Exactly once, on the committer or on whatever thread flushes. error is NULL on success. */
    void (*done)(struct px_write_op *op, const struct proximadb_error *error);
    void *done_context;

    /* The decision. */
    uint32_t row_count;
    struct px_found_row *found; /* one for each row, and behind them those that are left alone */
    uint32_t found_count;
    uint32_t first_row; /* of the active memtable, where the new rows are staged */
    int64_t time_ms;
    struct px_write_op *next_in_round;
    struct px_write_op *next_waiting; /* a barrier waiting for its flush */

    struct proximadb_write_result result;
};

/* Rows of the batch, before it is decided: what the entry counts, and what LSNs it takes. */
uint32_t px_write_op_row_count(const struct px_write_op *op);

/* The hash of a row's id, and the id. */
uint64_t px_write_op_hash(const struct px_write_op *op, uint32_t row);
struct px_slice px_write_op_id(const struct px_write_op *op, uint32_t row);

/* Whether the operation puts rows in. */
bool px_write_op_has_rows(const struct px_write_op *op);

#endif /* PX_SERVICE_WRITE_OP_H */
