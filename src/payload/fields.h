/*
 * fields: metadata between the public struct proximadb_field and the canonical map that the engine
 * keeps it in (model/metadata.h).
 *
 * Threads: externally serialised.
 */
#ifndef PX_PAYLOAD_FIELDS_H
#define PX_PAYLOAD_FIELDS_H

#include "base/buffer.h"

/* Appends the fields as a canonical map, with every rule on metadata checked. PROXIMADB_INVALID,
 * with the key; PROXIMADB_NO_MEMORY. On failure the buffer may have gained a part of it. */
PX_MUST_CHECK int px_fields_write(const struct proximadb_field *fields, size_t field_count,
                                  struct px_buffer *buffer, struct proximadb_error *reterr);

/* Fields of one row after the other, in memory that is used again. Zeroed: none. */
struct px_fields {
    struct proximadb_field *items; /* owned; strings in it are views into the metadata */
    size_t count;
    size_t capacity;
    struct proximadb_text *strings; /* owned: the items of arrays */
    size_t string_capacity;
};

/* Replaces what is in `fields` with the entries of canonical `metadata`, which is kept.
 * PROXIMADB_NO_MEMORY; then it is empty. */
PX_MUST_CHECK int px_fields_read(struct px_fields *fields, struct px_slice metadata,
                                 struct proximadb_error *reterr);

void px_fields_release(struct px_fields *fields);

#endif /* PX_PAYLOAD_FIELDS_H */
