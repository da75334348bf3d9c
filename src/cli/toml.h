/*
 * toml: the part of TOML 1.0 that settings need, read into events.
 *
 *      # a comment
 *      data = "/srv/proximadb"                      a string: "..." with escapes, or '...' as it is
 *      listen = ["127.0.0.1:5678", "[::1]:5678"]    an array, over several lines if wished
 *      read-threads = 8                             a whole number; 1_000 is 1000
 *      access-log = true                            true or false
 *
 * What TOML has beyond that is refused with a sentence, so that a file is either read as any other
 * reader of TOML would read it, or not at all: tables, dotted and quoted keys, dates, fractions,
 * numbers of other bases, strings over several lines, arrays in arrays. (No TOML library in C is in
 * Debian 12 or in a package registry.)
 *
 * Threads: any.
 */
#ifndef PX_CLI_TOML_H
#define PX_CLI_TOML_H

#include "base/error.h"

enum px_toml_kind { PX_TOML_STRING, PX_TOML_NUMBER, PX_TOML_BOOLEAN };

enum { PX_TOML_KEY_BYTES = 64 };

struct px_toml_value {
    const char *key; /* borrowed */
    const char
        *text; /* a view into the parsed text; of a number its digits, of a boolean its word */
    enum px_toml_kind kind;
    bool is_item; /* of an array; an empty array has none and gives no event */
    size_t item_index;
    unsigned line; /* 1-based */
};

/* Receives values in their order; a failure ends the parsing. */
typedef int px_toml_visit(void *context, const struct px_toml_value *value,
                          struct proximadb_error *reterr);

/* Parses `text`, which ends with a NUL and is changed: values are views into it.
 * PROXIMADB_INVALID: *ret_line is the line that breaks a rule; or what `visit` fails with. */
PX_MUST_CHECK int px_toml_parse(char *text, px_toml_visit *visit, void *context, unsigned *ret_line,
                                struct proximadb_error *reterr);

#endif /* PX_CLI_TOML_H */
