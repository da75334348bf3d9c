/*
 * error: filling in a struct proximadb_error, in one line, on the way out of a function.
 *
 * An error is made where it is known, with a sentence that tells the user what to do, and passed up
 * unchanged or with px_error_context() in front. It is logged once, by the server or the CLI.
 */
#ifndef PX_BASE_ERROR_H
#define PX_BASE_ERROR_H

#include <proximadb.h>

#define PX_MUST_CHECK                 __attribute__((warn_unused_result))
#define PX_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/* Fills *reterr (which may be NULL) and returns `status`, so that a caller can write
 * `return px_fail(...)` or `rc = px_fail(...); goto out;`. Reads errno for PROXIMADB_IO, and then
 * appends its text; so call it before anything that may change errno. */
int px_fail(struct proximadb_error *reterr, int status, const char *format, ...) PX_PRINTF(3, 4);

/* Likewise, about row `row_index` (0-based) of a batch; the message begins with it. */
int px_fail_row(struct proximadb_error *reterr, int status, int64_t row_index, const char *format,
                ...) PX_PRINTF(4, 5);

/* Likewise, for PROXIMADB_DIMENSION and PROXIMADB_VERSION_MISMATCH, which carry two numbers. */
int px_fail_numbers(struct proximadb_error *reterr, int status, int64_t row_index, int64_t expected,
                    int64_t actual, const char *format, ...) PX_PRINTF(6, 7);

/* The one error of a failed allocation. */
int px_fail_no_memory(struct proximadb_error *reterr);

/* Puts "CONTEXT: " in front of the message of a filled-in error; the rest stays. May be NULL. */
void px_error_context(struct proximadb_error *reterr, const char *format, ...) PX_PRINTF(2, 3);

/* Says which row of a batch an already filled-in error is about, unless it says so already. */
void px_error_set_row(struct proximadb_error *reterr, int64_t row_index);

#endif /* PX_BASE_ERROR_H */
