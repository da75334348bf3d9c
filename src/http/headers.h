/*
 * headers: the header fields of a request or the trailers of a response, in one piece of memory.
 *
 * Names are kept in lower case, as HTTP/2 sends them, so that a name compares bytewise whichever
 * version it came over. An HTTP/1.1 request has HTTP/2's pseudo fields, too: ":method", ":path",
 * ":authority". Names and values are followed by a NUL that their size does not count.
 *
 * Threads: externally serialised. Memory: kept by clear for the next request; the total is limited,
 * counted as HTTP/2 does (name + value + 32). Too much, or no memory, marks the list.
 */
#ifndef PX_HTTP_HEADERS_H
#define PX_HTTP_HEADERS_H

#include "base/buffer.h"

/* A field of a response. Borrowed for the call it is given to. The name is in lower case. */
struct px_header {
    const char *name;
    struct px_slice value;
};

static inline struct px_header px_header_of(const char *name, const char *value)
{
    return (struct px_header){.name = name, .value = px_slice_of_string(value)};
}

struct px_headers {
    struct px_buffer text; /* name NUL value NUL ... */
    struct px_header_place {
        uint32_t name_at;
        uint32_t name_size_bytes;
        uint32_t value_at;
        uint32_t value_size_bytes;
    } * places; /* owned */
    uint32_t count;
    uint32_t capacity;
    size_t counted_bytes;
    bool too_large;
    bool no_memory;
};

/* A zeroed one is empty. */
void px_headers_release(struct px_headers *headers);
void px_headers_clear(struct px_headers *headers);

/* Appends a field, unless the list would then count more than limit_bytes. */
void px_headers_add(struct px_headers *headers, struct px_slice name, struct px_slice value,
                    size_t limit_bytes);

/* Views into the list, valid until it changes. */
struct px_slice px_headers_name(const struct px_headers *headers, uint32_t index);
struct px_slice px_headers_value(const struct px_headers *headers, uint32_t index);

/* The first field of that name (lower case); false, and *ret_value empty, where there is none. */
bool px_headers_find(const struct px_headers *headers, const char *name,
                     struct px_slice *ret_value);

#endif /* PX_HTTP_HEADERS_H */
