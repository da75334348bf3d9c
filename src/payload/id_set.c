#include "payload/id_set.h"

#include "base/bits.h"

static const struct px_slice *id_of(const struct px_id_set *set, uint32_t row)
{
    return (const struct px_slice *)(const void *)(set->first_id + row * set->stride_bytes);
}

bool px_id_set_init(struct px_id_set *set, struct px_arena *arena, uint32_t row_count,
                    const struct px_slice *first_id, size_t stride_bytes)
{
    uint64_t slot_count = px_power_of_two(2 * ((uint64_t)row_count + 1));
    *set = (struct px_id_set){
        .slots = px_arena_calloc(arena, slot_count, sizeof *set->slots),
        .mask = slot_count - 1,
        .first_id = (const uint8_t *)first_id,
        .stride_bytes = stride_bytes,
    };
    return set->slots != NULL;
}

uint32_t px_id_set_put(struct px_id_set *set, uint64_t hash, uint32_t row)
{
    const uint64_t tag = hash >> 32 << 32;
    uint64_t at = hash & set->mask;
    for (uint64_t slot; (slot = set->slots[at]) != 0; at = (at + 1) & set->mask) {
        uint32_t other = (uint32_t)slot - 1;
        if ((slot ^ tag) >> 32 == 0 && px_slice_equal(*id_of(set, other), *id_of(set, row)))
            return other;
    }
    assert(row < UINT32_MAX);
    set->slots[at] = tag | (row + 1);
    return row;
}
