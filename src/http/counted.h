/*
 * counted: public buffers whose bytes are counted in a budget until they are released, wherever
 * they have been handed by then.
 *
 * Threads: any thread; the buffer may be released on another one.
 */
#ifndef PX_HTTP_COUNTED_H
#define PX_HTTP_COUNTED_H

#include "base/buffer.h"
#include "base/error.h"
#include "http/budget.h"

/* The buffer, changed in place, holds the bytes that the caller has reserved or charged for it, and
 * a reference to the budget. PROXIMADB_NO_MEMORY: nothing has changed, the reservation is the
 * caller's still. */
PX_MUST_CHECK int px_counted_buffer(struct proximadb_buffer *buffer, struct px_budget *budget,
                                    struct proximadb_error *reterr);

#endif /* PX_HTTP_COUNTED_H */
