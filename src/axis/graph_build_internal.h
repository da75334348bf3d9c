/* graph_build_internal: what the two files of px_graph_build() share. */
#ifndef PX_AXIS_GRAPH_BUILD_INTERNAL_H
#define PX_AXIS_GRAPH_BUILD_INTERNAL_H

#include "axis/graph_steps_internal.h"

struct px_graph__build;

/* Does something with number `number`, inside of the graph. */
typedef void px_graph__step(struct px_graph__build *build, struct px_graph_worker *worker,
                            uint32_t number);

/* What each thread of the crew does: takes shares of the work until none are left. */
typedef int px_graph__work(struct px_graph__build *build, struct px_graph_worker *worker,
                           struct proximadb_error *reterr);

/* A build under way. */
struct px_graph__build {
    struct px_graph *graph;
    const struct px_graph_input *input;
    struct px_crew *crew;
    const struct px_graph_control *control;
    uint32_t *rows; /* owned; the row in each slot */

    pthread_mutex_t lock; /* guards: next_row, progress, held_count, rc, error */
    uint64_t next_row;
    uint64_t progress; /* steps done of all that are to be done */

    uint64_t held_step;   /* one row in so many is held back; 0: none */
    float *held;          /* owned */
    int64_t *held_labels; /* owned */
    uint64_t *held_rows;  /* owned */
    uint32_t held_count;

    uint32_t *skeleton; /* owned; slots that are linked first, in random order */
    uint32_t skeleton_count;
    uint32_t *homes; /* owned; per slot the nearest of the skeleton, by number in it */

    uint32_t stride; /* between slots that are linked one after the other */

    px_graph__work *work;
    px_graph__step *step;
    _Atomic uint32_t next_number;
    uint32_t end_number;

    int rc;
    struct proximadb_error error;
};

/* Does a step for numbers 0 to count - 1, on the crew, in rising shares. What fails is what the
 * build fails with. */
PX_MUST_CHECK int px_graph__run(struct px_graph__build *build, px_graph__step *step, uint32_t count,
                                struct proximadb_error *reterr);

/* Links a sample of the slots, whose homes are PX_GRAPH__NONE afterwards, and gives near vectors
 * near slots: all move. Small graphs stay as they are, and have no homes. */
PX_MUST_CHECK int px_graph__order(struct px_graph__build *build, struct proximadb_error *reterr);

#endif /* PX_AXIS_GRAPH_BUILD_INTERNAL_H */
