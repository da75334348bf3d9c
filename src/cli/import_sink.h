/*
 * import_sink: rows into a collection of an embedded engine, in large batches, a few of them under
 * way.
 *
 * Each batch is one atomic write: it is in, durably, or none of it is. While the engine logs some,
 * the next ones are made. A failure ends the import; batches under way are waited for, so that
 * `acknowledged_rows` says exactly how many rows are in.
 *
 * Threads: one; the engine's threads report to it.
 */
#ifndef PX_CLI_IMPORT_SINK_H
#define PX_CLI_IMPORT_SINK_H

#include "base/error.h"

#include <pthread.h>

enum { PX_IMPORT_MOST_UNDER_WAY = 4 };

struct px_import_batch {
    struct px_import_sink *sink;
    uint64_t first_row;
    uint64_t row_count; /* 0: not under way */
};

struct px_import_sink {
    proximadb *db;          /* kept */
    const char *collection; /* kept */
    int operation;          /* PROXIMADB_INSERT or PROXIMADB_UPSERT */
    uint64_t batch_rows;    /* at most */

    proximadb_batch *batch; /* that is being filled */
    uint64_t first_row;
    uint64_t row_count;
    uint64_t bytes; /* of it, about */

    pthread_mutex_t lock; /* guards: what follows */
    pthread_cond_t changed;
    struct px_import_batch under_way[PX_IMPORT_MOST_UNDER_WAY];
    uint64_t acknowledged_rows;
    struct proximadb_error error; /* the first failure */
};

/* PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_import_sink_init(struct px_import_sink *sink, proximadb *db,
                                      const char *collection, int operation, uint64_t batch_rows,
                                      struct proximadb_error *reterr);

/* Adds a row (borrowed). Fails with what an earlier batch failed with, too. An error about a row
 * has its number in the file as row_index. */
PX_MUST_CHECK int px_import_sink_add(struct px_import_sink *sink, const struct proximadb_row *row,
                                     struct proximadb_error *reterr);

/* Writes what is left, if `is_complete`, and waits for all; afterwards acknowledged_rows is final.
 * */
PX_MUST_CHECK int px_import_sink_end(struct px_import_sink *sink, bool is_complete,
                                     struct proximadb_error *reterr);

/* Takes "row N: ", N the row_index, from the front of the message, if it is there. */
void px_import_strip_row(struct proximadb_error *error);

/* Nothing may be under way. */
void px_import_sink_release(struct px_import_sink *sink);

#endif /* PX_CLI_IMPORT_SINK_H */
