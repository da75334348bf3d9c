/*
 * ivf_effort: how many blocks a search of a collection looks at, for a recall and a number of hits.
 *
 * A calibration (axis/ivf.h) is of one number of hits. More hits lie in more blocks, by a power of
 * their number that differs from one set of vectors to the next: so it is learnt at two of them.
 * What was learnt is of a whole collection, whose parts come and go, and is kept in a file of its
 * own (docs/format/ivf.md). It is derived: without it a search looks at all blocks.
 *
 * Threads: any. Memory: none.
 */
#ifndef PX_AXIS_IVF_EFFORT_H
#define PX_AXIS_IVF_EFFORT_H

#include "axis/ivf.h"
#include "base/buffer.h"

/* Zeroed: not known. */
struct px_ivf_effort {
    struct px_ivf_calibration few;  /* of the 10 nearest */
    struct px_ivf_calibration many; /* of the 100 nearest; unknown where there are few rows */
};

/* Learns it from indexes, whose own rows are the queries, each without itself. should_stop (NULL:
 * never) is asked about once a millisecond. PROXIMADB_CANCELLED, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_ivf_effort_learn(const struct px_ivf_set *set,
                                      bool (*should_stop)(void *context), void *context,
                                      struct px_ivf_effort *ret_effort,
                                      struct proximadb_error *reterr);

/* Blocks to look at for that recall of the k nearest, in indexes of so many rows: at least 32,
 * and at most all, which it is where nothing is known. */
uint32_t px_ivf_effort_probe_count(const struct px_ivf_effort *effort, double recall, uint32_t k,
                                   uint64_t row_count);

enum { PX_IVF_EFFORT_BYTES = 192 };

/* Appends the content of the file; marks the buffer without memory. */
void px_ivf_effort_encode(const struct px_ivf_effort *effort, struct px_uuid collection_id,
                          struct px_buffer *buffer);

/* Reads it. PROXIMADB_CORRUPT with what is wrong, also of another collection;
 * PROXIMADB_UNIMPLEMENTED: a version from the future. */
PX_MUST_CHECK int px_ivf_effort_decode(struct px_slice content, struct px_uuid collection_id,
                                       struct px_ivf_effort *ret_effort,
                                       struct proximadb_error *reterr);

#endif /* PX_AXIS_IVF_EFFORT_H */
