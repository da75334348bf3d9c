/*
 * value: one metadata value: null, boolean, long, double, string, or an array of strings.
 *
 * A value is a view: strings and arrays point into the bytes they were read from, and live as long
 * as those. An array is kept as Avro wrote it (one block, no byte size): a count, the strings, a
 * zero; or a zero alone, when it is empty.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_MODEL_VALUE_H
#define PX_MODEL_VALUE_H

#include "base/error.h"
#include "base/slice.h"

struct px_value {
    enum proximadb_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;          /* finite */
        struct px_slice string; /* valid UTF-8 */
        struct px_slice array;  /* the encoded array; read it with px_strings_first() */
    } as;
};

/* What compares with what: a long and a double are both numbers, null compares with nothing. */
enum px_class {
    PX_CLASS_NULL,
    PX_CLASS_BOOLEAN,
    PX_CLASS_NUMBER,
    PX_CLASS_STRING,
    PX_CLASS_ARRAY,
};

enum px_class px_value_class(enum proximadb_value_kind kind);

/* The word for a kind in messages: "null", "boolean", "long", "double", "string" or
 * "string_array". */
const char *px_value_kind_name(enum proximadb_value_kind kind);

/*
 * SQL's comparison: true and *ret_order (< 0, 0, > 0), or false where it is unknown, because a
 * value is null or the two are of different classes. false < true; numbers exactly; strings
 * bytewise; arrays by their first strings that differ, a shorter one before what it begins.
 */
bool px_value_compare(const struct px_value *a, const struct px_value *b, int *ret_order);

/* Walks an encoded array of strings. */
struct px_strings {
    const uint8_t *next;
    int64_t left;
};

struct px_strings px_strings_first(struct px_slice array);

/* True and *ret_string, a view into the array; false at the end. */
bool px_strings_next(struct px_strings *strings, struct px_slice *ret_string);

/* Three-way comparison of a long with a double, exact also where neither type holds the other
 * (2^53 + 1 against 2^53). number must not be NaN. */
int px_compare_long_double(int64_t integer, double number);

#endif /* PX_MODEL_VALUE_H */
