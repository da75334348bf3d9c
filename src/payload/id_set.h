/*
 * id_set: finds ids that occur twice in a batch, in one pass over its rows.
 *
 * Open addressing, at most half full. A slot holds 32 bits of the id's hash beside the row, so that
 * rows are looked at only where the ids very likely are equal; then they are compared bytewise.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PAYLOAD_ID_SET_H
#define PX_PAYLOAD_ID_SET_H

#include "base/arena.h"

struct px_id_set {
    uint64_t *slots; /* of the arena: the upper half of the hash, and the row's number plus 1 */
    uint64_t mask;   /* the number of slots, a power of two, minus 1 */
    const uint8_t *first_id;
    size_t stride_bytes;
};

/*
 * An empty set for rows 0 to row_count - 1; false without memory.
 *
 *   first_id      the id of row 0; those of the other rows follow stride_bytes apart. Kept. A row's
 *                 id must be in its place when the row is put.
 */
bool px_id_set_init(struct px_id_set *set, struct px_arena *arena, uint32_t row_count,
                    const struct px_slice *first_id, size_t stride_bytes);

/* Puts a row, whose id has this px_hash_memory(). Returns `row`, or the earlier row with the same
 * id. Each row may be put once. */
uint32_t px_id_set_put(struct px_id_set *set, uint64_t hash, uint32_t row);

#endif /* PX_PAYLOAD_ID_SET_H */
