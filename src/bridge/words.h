/*
 * words: the words that clients write for the enums of <proximadb.h>, in gRPC, REST and the tools.
 *
 *      metric         cosine, l2, dot
 *      index type     HNSW, IVF, FLAT
 *      storage        balanced, exact, compact
 *      layout         compressed, plain
 *      field type     string, long, double, boolean, string_array
 *
 * Threads: any thread.
 */
#ifndef PX_BRIDGE_WORDS_H
#define PX_BRIDGE_WORDS_H

#include "base/error.h"
#include "base/slice.h"

enum px_vocabulary {
    PX_WORD_METRIC,
    PX_WORD_INDEX_TYPE,
    PX_WORD_STORAGE,
    PX_WORD_LAYOUT,
    PX_WORD_INDEX_MEMORY,
    PX_WORD_FIELD_TYPE
};

/* The word of a value; "unknown" for a number that is none. */
const char *px_word_of(enum px_vocabulary vocabulary, int value);

/* The value of a word, whatever its case. PROXIMADB_INVALID, with the words there are. */
PX_MUST_CHECK int px_word_parse(enum px_vocabulary vocabulary, struct px_slice word, int *ret_value,
                                struct proximadb_error *reterr);

#endif /* PX_BRIDGE_WORDS_H */
