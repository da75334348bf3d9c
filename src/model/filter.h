/*
 * filter: the one filter language: a subset of SQL's WHERE over a row's metadata, parsed once per
 * request and evaluated row by row.
 *
 *      category = 'net' AND price < $max AND tag IN ('a', 'b') AND NOT archived
 *
 * docs/FILTERS.md has the grammar and the meaning, which is SQL's three-valued logic, so that the
 * same text means the same in DuckDB over our Parquet files. A row matches where it is true.
 *
 * How it holds: the text becomes a tree whose AND and OR have any number of branches, so that a
 * long chain is not a deep one; each field has a number, so that one walk over a row's metadata
 * finds the values of all of them; a list of IN is sorted, so that a member is found by bisection.
 * What does not parse is an error with its position and what was expected there; nothing is ever
 * ignored.
 *
 * Threads: a parsed filter is read-only and may be evaluated on several threads.
 */
#ifndef PX_MODEL_FILTER_H
#define PX_MODEL_FILTER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    PX_FILTER_LARGEST_BYTES = 1 << 20,
    PX_FILTER_MOST_NODES = 100000, /* conditions, and members of lists */
    PX_FILTER_MOST_FIELDS = 256,   /* different ones; their values stand on the evaluator's stack */
    PX_FILTER_DEEPEST = 200,       /* levels of parentheses */
    PX_FILTER_LONGEST_PATTERN_BYTES = 4096, /* of LIKE, whose work may be text times pattern */
};

enum px_truth { PX_FALSE, PX_TRUE, PX_UNKNOWN };

struct px_filter;
struct px_collection;

/*
 * Parses `text`. Everything it makes lies in `arena`; text and params are kept, collection is
 * borrowed.
 *
 *   params      canonical metadata: the values of $names; a parameter that is not used is an error
 *               as well, since it is a misspelt one
 *   collection  gives filterable fields their types, so that comparing a field with something that
 *               it can never equal is an error; NULL: not checked
 *
 * PROXIMADB_INVALID with line, column and what was expected; PROXIMADB_NO_MEMORY, also where the
 * arena's ceiling is reached.
 */
PX_MUST_CHECK int px_filter_parse(struct px_slice text, struct px_slice params,
                                  const struct px_collection *collection, struct px_arena *arena,
                                  const struct px_filter **ret_filter,
                                  struct proximadb_error *reterr);

/* The filter's value for a row with this canonical metadata. Allocates nothing. */
enum px_truth px_filter_evaluate(const struct px_filter *filter, struct px_slice metadata);

#endif /* PX_MODEL_FILTER_H */
