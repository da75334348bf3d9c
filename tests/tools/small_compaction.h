/*
 * small_compaction: an engine for which a few rows are a large collection: all sizes of its
 * compaction are a fraction of what users have, who have no such option.
 *
 * A program that links it with -Wl,--wrap=px_engine_open sets the variables, then opens.
 *
 * Threads: externally serialised.
 */
#ifndef PX_TEST_SMALL_COMPACTION_H
#define PX_TEST_SMALL_COMPACTION_H

#include <stdint.h>

extern uint64_t small_compaction_scale;      /* sizes are divided by it; 1: they stay */
extern uint32_t small_compaction_list_rows;  /* that a list has; 0: the default */
extern uint32_t small_compaction_index_rows; /* that are worth an index; 0: the default */

#endif /* PX_TEST_SMALL_COMPACTION_H */
