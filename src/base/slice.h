/*
 * slice: a pointer and a length, the way bytes that belong to somebody else are passed on.
 *
 * A slice owns nothing. A struct that keeps one says what it is a view into.
 */
#ifndef PX_BASE_SLICE_H
#define PX_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct px_slice {
    const uint8_t *data; /* may be NULL when size_bytes is 0 */
    size_t size_bytes;
};

static inline struct px_slice px_slice_of(const void *data, size_t size_bytes)
{
    return (struct px_slice){.data = data, .size_bytes = size_bytes};
}

static inline struct px_slice px_slice_of_string(const char *string)
{
    return px_slice_of(string, strlen(string));
}

static inline bool px_slice_equal(struct px_slice a, struct px_slice b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

/* Bytewise order, a prefix before what it is a prefix of: < 0, 0 or > 0 as memcmp. */
static inline int px_slice_compare(struct px_slice a, struct px_slice b)
{
    size_t common = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.size_bytes < b.size_bytes ? -1 : a.size_bytes > b.size_bytes;
}

#endif /* PX_BASE_SLICE_H */
