/*
 * embedded: the engine in this process, for commands that work on a data folder.
 *
 * Threads: one.
 */
#ifndef PX_CLI_EMBEDDED_H
#define PX_CLI_EMBEDDED_H

#include "base/error.h"

/* Opens the folder. PROXIMADB_UNAVAILABLE, when a server has it, says what can be done instead.
 * *ret_db: returned, free with proximadb_close(). */
PX_MUST_CHECK int px_embedded_open(const char *data_dir, proximadb **ret_db,
                                   struct proximadb_error *reterr);

/* A call about a collection. payload may be NULL, and is taken; so may ret_response. */
PX_MUST_CHECK int px_embedded_call(proximadb *db, int operation, const char *collection,
                                   struct proximadb_buffer *payload,
                                   struct proximadb_buffer *ret_response,
                                   struct proximadb_error *reterr);

#endif /* PX_CLI_EMBEDDED_H */
