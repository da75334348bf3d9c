#include "service/id_index.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 8 };

static struct px_id_segment *segment_of(struct px_id_index *index, uint64_t hash)
{
    return &index->segments[hash >> 56];
}

static uint32_t home_of(const struct px_id_segment *segment, uint64_t hash)
{
    return (uint32_t)hash & (segment->capacity - 1);
}

static bool is_free(const struct px_id_entry *entry)
{
    return entry->location.source == 0;
}

static bool same_location(struct px_location a, struct px_location b)
{
    return a.source == b.source && a.row == b.row;
}

void px_id_index_release(struct px_id_index *index)
{
    for (int i = 0; i < PX_ID_SEGMENTS; i++)
        free(index->segments[i].slots);
    *index = (struct px_id_index){0};
}

bool px_id_index_next(const struct px_id_index *index, uint64_t hash, struct px_id_walk *walk,
                      struct px_location *ret_location)
{
    const struct px_id_segment *segment = &index->segments[hash >> 56];
    while (walk->step < segment->capacity) {
        uint32_t slot = (home_of(segment, hash) + walk->step++) & (segment->capacity - 1);
        const struct px_id_entry *entry = &segment->slots[slot];
        if (is_free(entry))
            break;
        if (entry->hash == hash) {
            *ret_location = entry->location;
            return true;
        }
    }
    walk->step = UINT32_MAX; /* asked again, it stays at the end */
    return false;
}

static void place(struct px_id_segment *segment, struct px_id_entry entry)
{
    uint32_t slot = home_of(segment, entry.hash);
    while (!is_free(&segment->slots[slot]))
        slot = (slot + 1) & (segment->capacity - 1);
    segment->slots[slot] = entry;
}

static bool grow(struct px_id_segment *segment)
{
    struct px_id_segment grown = *segment;
    grown.capacity = segment->capacity == 0 ? FIRST_CAPACITY : 2 * segment->capacity;
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (uint32_t i = 0; i < segment->capacity; i++)
        if (!is_free(&segment->slots[i]))
            place(&grown, segment->slots[i]);
    free(segment->slots);
    *segment = grown;
    return true;
}

int px_id_index_reserve(struct px_id_index *index, uint64_t hash, struct proximadb_error *reterr)
{
    struct px_id_segment *segment = segment_of(index, hash);
    uint64_t needed = (uint64_t)segment->count + segment->reserved + 1;
    /* At most three quarters full: then a miss looks at 8.5 slots in the mean (Knuth, 6.4). */
    if (4 * needed > 3 * (uint64_t)segment->capacity && !grow(segment))
        return px_fail_no_memory(reterr);
    segment->reserved++;
    return PROXIMADB_OK;
}

void px_id_index_unreserve(struct px_id_index *index, uint64_t hash)
{
    struct px_id_segment *segment = segment_of(index, hash);
    assert(segment->reserved > 0);
    segment->reserved--;
}

void px_id_index_put(struct px_id_index *index, uint64_t hash, struct px_location location)
{
    struct px_id_segment *segment = segment_of(index, hash);
    assert(location.source != 0 && segment->reserved > 0);
    segment->reserved--;
    segment->count++;
    index->count++;
    place(segment, (struct px_id_entry){.hash = hash, .location = location});
}

/* The slot of an entry, or the capacity if there is none. */
static uint32_t find_slot(const struct px_id_segment *segment, uint64_t hash,
                          struct px_location location)
{
    for (uint32_t step = 0; step < segment->capacity; step++) {
        uint32_t slot = (home_of(segment, hash) + step) & (segment->capacity - 1);
        const struct px_id_entry *entry = &segment->slots[slot];
        if (is_free(entry))
            break;
        if (entry->hash == hash && same_location(entry->location, location))
            return slot;
    }
    return segment->capacity;
}

bool px_id_index_move(struct px_id_index *index, uint64_t hash, struct px_location from,
                      struct px_location to)
{
    struct px_id_segment *segment = segment_of(index, hash);
    uint32_t slot = find_slot(segment, hash, from);
    if (slot == segment->capacity)
        return false;
    assert(to.source != 0);
    segment->slots[slot].location = to;
    return true;
}

/* Closes the gap at `slot`: every entry behind it, up to the next free slot, that would be found
 * sooner in the gap moves there (Knuth, 6.4, algorithm R). */
static void close_gap(struct px_id_segment *segment, uint32_t slot)
{
    uint32_t mask = segment->capacity - 1;
    uint32_t gap = slot;
    for (uint32_t at = (slot + 1) & mask; !is_free(&segment->slots[at]); at = (at + 1) & mask) {
        uint32_t home = home_of(segment, segment->slots[at].hash);
        /* Distances from home, around the end of the table. */
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            segment->slots[gap] = segment->slots[at];
            gap = at;
        }
    }
    segment->slots[gap] = (struct px_id_entry){0};
}

bool px_id_index_remove(struct px_id_index *index, uint64_t hash, struct px_location location)
{
    struct px_id_segment *segment = segment_of(index, hash);
    uint32_t slot = find_slot(segment, hash, location);
    if (slot == segment->capacity)
        return false;
    close_gap(segment, slot);
    segment->count--;
    index->count--;
    return true;
}

uint64_t px_id_index_size_bytes(const struct px_id_index *index)
{
    uint64_t slots = 0;
    for (int i = 0; i < PX_ID_SEGMENTS; i++)
        slots += index->segments[i].capacity;
    return slots * sizeof(struct px_id_entry) + sizeof *index;
}
