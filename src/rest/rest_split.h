/*
 * rest_split: takes a body such as {"records": [{...}, {...}]} apart into the texts of its records,
 * so that each is parsed by itself.
 *
 * A JSON document in memory takes up to 8 times its text. A body of 64 MiB parsed as a whole would
 * be half a gigabyte; parsed record by record it costs the memory of the largest record.
 *
 * How it holds: the splitter itself checks what stands between the records (the braces, the
 * member's name, the commas) and looks into a record only as far as to find its end: strings, and
 * the depth of brackets. Whoever parses the pieces refuses those that are no JSON. Both together
 * accept what a parser of the whole body accepts (but for a member's name that is written with
 * escapes): if a piece is a JSON value and a comma or a bracket follows it, then it is the value
 * that stands there.
 *
 * Threads: any thread. Memory: none; pieces are views into the body.
 */
#ifndef PX_REST_REST_SPLIT_H
#define PX_REST_REST_SPLIT_H

#include "base/error.h"
#include "base/slice.h"

struct px_rest_split {
    struct px_slice body;
    const char *member;
    size_t at;
    size_t count; /* of pieces given */
    bool is_open; /* within the array */
};

/* Reads up to the first piece. `body` and `member` are kept. PROXIMADB_INVALID: the body is no
 * object with an array of that name as its only member; with line and column. */
PX_MUST_CHECK int px_rest_split_open(struct px_rest_split *split, struct px_slice body,
                                     const char *member, struct proximadb_error *reterr);

/* Gives the next piece, without the white space around it; *ret_found is false behind the last one,
 * and then the rest of the body has been checked, too. PROXIMADB_INVALID as above. */
PX_MUST_CHECK int px_rest_split_next(struct px_rest_split *split, bool *ret_found,
                                     struct px_slice *ret_piece, struct proximadb_error *reterr);

#endif /* PX_REST_REST_SPLIT_H */
