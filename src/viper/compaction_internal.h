/* compaction_internal: what the steps of a compaction share: compaction.c lists the rows,
 * compaction_lists.c finds their lists, compaction_recall.c looks whether those are any good,
 * compaction_write.c writes the parts. */
#ifndef PX_VIPER_COMPACTION_INTERNAL_H
#define PX_VIPER_COMPACTION_INTERNAL_H

#include "viper/compaction.h"
#include "viper/part_lists.h"

/* A live row, by its part and its place there. */
struct px_live_row {
    uint32_t part;
    uint32_t row;
};

enum { PX_NO_LIST = 0 }; /* ids of lists begin at 1 */

struct px_compaction {
    const struct px_compaction_input *input;
    struct px_compaction_output output;
    struct px_live_row *rows; /* in the order of parts and places */
    uint32_t *lists;          /* the list of each of them, by id; PX_NO_LIST: still to be found */
    uint64_t row_count;
    double row_bytes;               /* of a row of the parts that are read */
    struct px_part_scratch scratch; /* of the vectors read last */
};

/* Whether it is to stop; then the error says so. */
PX_MUST_CHECK int px_compaction__check(const struct px_compaction *compaction,
                                       struct proximadb_error *reterr);

/* A px_kmeans_input's read(): vectors of rows by their index; the context is a px_compaction. */
int px_compaction__read_vectors(void *context, const uint64_t *row_indexes, size_t count,
                                float *ret_vectors, struct proximadb_error *reterr);

/* A px_kmeans_input's should_stop(), likewise. */
bool px_compaction__should_stop(void *context);

/* Finds the lists of all rows, and brings the input's clustering up to date. */
PX_MUST_CHECK int px_compaction__find_lists(struct px_compaction *compaction,
                                            struct proximadb_error *reterr);

/* Measures the probe recall of a clustering whose rows have their lists. */
PX_MUST_CHECK int px_compaction__measure(struct px_compaction *compaction, double *ret_recall,
                                         struct proximadb_error *reterr);

/* Writes the parts. */
PX_MUST_CHECK int px_compaction__write_parts(struct px_compaction *compaction,
                                             struct proximadb_error *reterr);

#endif /* PX_VIPER_COMPACTION_INTERNAL_H */
