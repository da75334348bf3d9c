#include "service/request_memory.h"

#include "base/bits.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIRST_CAPACITY = 64,
    SLOTS_PER_ITEM = 4, /* at least two, since PX_REQUESTS_REMEMBERED is no power of two */
    NO_ITEM = UINT16_MAX,
};
static_assert((int)PX_REQUESTS_REMEMBERED < (int)NO_ITEM, "items are numbered in 16 bits");

struct px_request_memory {
    struct px_request_outcome *items; /* a ring, once it is full */
    uint32_t capacity;
    uint32_t next; /* the item that is written next */
    uint32_t count;
    uint16_t *slots;    /* open addressing; item numbers or NO_ITEM */
    uint32_t slot_mask; /* their number, a power of two, less one */
};

static bool allocate(struct px_request_memory *memory, uint32_t capacity)
{
    uint32_t slot_count = (uint32_t)px_power_of_two((uint64_t)capacity * SLOTS_PER_ITEM / 2);
    memory->items = calloc(capacity, sizeof *memory->items);
    memory->slots = malloc(slot_count * sizeof *memory->slots);
    if (memory->items == NULL || memory->slots == NULL) {
        free(memory->items);
        free(memory->slots);
        return false;
    }
    memset(memory->slots, 0xff, slot_count * sizeof *memory->slots);
    memory->capacity = capacity;
    memory->slot_mask = slot_count - 1;
    memory->next = 0;
    memory->count = 0;
    return true;
}

int px_request_memory_new(struct px_request_memory **ret_memory, struct proximadb_error *reterr)
{
    struct px_request_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL || !allocate(memory, FIRST_CAPACITY)) {
        free(memory);
        return px_fail_no_memory(reterr);
    }
    *ret_memory = memory;
    return PROXIMADB_OK;
}

void px_request_memory_free(struct px_request_memory *memory)
{
    if (memory == NULL)
        return;
    free(memory->items);
    free(memory->slots);
    free(memory);
}

/* Request ids should be random, but a client could choose them to collide: the hash has a
 * secret. */
static uint32_t home_of(const struct px_request_memory *memory, const uint8_t *request_id)
{
    return (uint32_t)px_hash_memory(px_slice_of(request_id, PX_REQUEST_ID_BYTES)) &
           memory->slot_mask;
}

/* The slot that holds the id, or the free one where it would go. */
static uint32_t find_slot(const struct px_request_memory *memory, const uint8_t *request_id)
{
    uint32_t slot = home_of(memory, request_id);
    while (memory->slots[slot] != NO_ITEM && memcmp(memory->items[memory->slots[slot]].request_id,
                                                    request_id, PX_REQUEST_ID_BYTES) != 0)
        slot = (slot + 1) & memory->slot_mask;
    return slot;
}

/* Closes the gap in the table as service/id_index.c does. */
static void forget(struct px_request_memory *memory, const uint8_t *request_id)
{
    uint32_t mask = memory->slot_mask;
    uint32_t gap = find_slot(memory, request_id);
    assert(memory->slots[gap] != NO_ITEM);
    for (uint32_t at = (gap + 1) & mask; memory->slots[at] != NO_ITEM; at = (at + 1) & mask) {
        uint32_t home = home_of(memory, memory->items[memory->slots[at]].request_id);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            memory->slots[gap] = memory->slots[at];
            gap = at;
        }
    }
    memory->slots[gap] = NO_ITEM;
}

static void insert(struct px_request_memory *memory, const struct px_request_outcome *outcome)
{
    memory->items[memory->next] = *outcome;
    memory->slots[find_slot(memory, outcome->request_id)] = (uint16_t)memory->next;
    memory->next = (memory->next + 1) % memory->capacity;
}

/* Twice the room, up to all that is ever remembered. Without memory it stays as it is. */
static void grow(struct px_request_memory *memory)
{
    struct px_request_memory grown = {0};
    uint32_t capacity = 2 * memory->capacity;
    if (capacity > PX_REQUESTS_REMEMBERED)
        capacity = PX_REQUESTS_REMEMBERED;
    if (!allocate(&grown, capacity))
        return;
    for (uint32_t i = 0; i < memory->count; i++) /* full for the first time, so in order from 0 */
        insert(&grown, &memory->items[i]);
    grown.count = memory->count;
    free(memory->items);
    free(memory->slots);
    *memory = grown;
}

void px_request_memory_put(struct px_request_memory *memory,
                           const struct px_request_outcome *outcome)
{
    if (px_request_memory_find(memory, outcome->request_id) != NULL)
        return; /* the first outcome stays */
    if (memory->count == memory->capacity && memory->next == 0 &&
        memory->capacity < PX_REQUESTS_REMEMBERED)
        grow(memory);
    if (memory->count == memory->capacity)
        forget(memory, memory->items[memory->next].request_id);
    else
        memory->count++;
    insert(memory, outcome);
}

const struct px_request_outcome *px_request_memory_find(const struct px_request_memory *memory,
                                                        const uint8_t *request_id)
{
    uint16_t item = memory->slots[find_slot(memory, request_id)];
    return item == NO_ITEM ? NULL : &memory->items[item];
}

void px_request_memory_encode(const struct px_request_memory *memory, int64_t last_lsn,
                              struct px_buffer *buffer)
{
    uint32_t oldest = memory->next + memory->capacity - memory->count;
    for (uint32_t i = 0; i < memory->count; i++) {
        const struct px_request_outcome *item = &memory->items[(oldest + i) % memory->capacity];
        uint8_t bytes[PX_REQUEST_ENCODED_BYTES] = {0};
        if (item->first_version + item->row_count - 1 > last_lsn)
            continue;
        memcpy(bytes, item->request_id, PX_REQUEST_ID_BYTES);
        px_store_u64(bytes + 16, (uint64_t)item->first_version);
        px_store_u32(bytes + 24, item->row_count);
        px_store_u64(bytes + 32, item->affected);
        px_buffer_append(buffer, bytes, sizeof bytes);
    }
}

int px_request_memory_decode(struct px_request_memory *memory, struct px_slice encoded,
                             struct proximadb_error *reterr)
{
    if (encoded.size_bytes % PX_REQUEST_ENCODED_BYTES != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the list of request ids has %zu bytes",
                       encoded.size_bytes);
    for (size_t at = 0; at < encoded.size_bytes; at += PX_REQUEST_ENCODED_BYTES) {
        const uint8_t *bytes = encoded.data + at;
        struct px_request_outcome outcome = {
            .first_version = (int64_t)px_load_u64(bytes + 16),
            .row_count = px_load_u32(bytes + 24),
            .affected = px_load_u64(bytes + 32),
        };
        memcpy(outcome.request_id, bytes, PX_REQUEST_ID_BYTES);
        px_request_memory_put(memory, &outcome);
    }
    return PROXIMADB_OK;
}
