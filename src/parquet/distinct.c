#include "parquet/distinct_internal.h"

#include "base/bits.h"
#include "parquet/parquet_schema.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIRST_SLOT_BITS = 11,
    MOST_SLOT_BITS = 17, /* twice PX_PARQUET_MOST_DISTINCT */
    GUESS_COUNT = 1 << 16,
};

static_assert(1 << MOST_SLOT_BITS == 2 * PX_PARQUET_MOST_DISTINCT, "at most half full");

int px_distinct__init(struct px_distinct *distinct, struct proximadb_error *reterr)
{
    *distinct = (struct px_distinct){
        .slots = malloc(sizeof *distinct->slots << MOST_SLOT_BITS),
        .values = malloc(sizeof *distinct->values * PX_PARQUET_MOST_DISTINCT),
        .counts = malloc(sizeof *distinct->counts * PX_PARQUET_MOST_DISTINCT),
        .guesses = calloc(GUESS_COUNT, sizeof *distinct->guesses),
        .order = malloc(sizeof *distinct->order * PX_PARQUET_MOST_DISTINCT),
    };
    if (distinct->slots == NULL || distinct->values == NULL || distinct->counts == NULL ||
        distinct->guesses == NULL || distinct->order == NULL) {
        px_distinct__release(distinct);
        return px_fail_no_memory(reterr);
    }
    px_distinct__clear(distinct);
    return PROXIMADB_OK;
}

void px_distinct__release(struct px_distinct *distinct)
{
    free(distinct->slots);
    free(distinct->values);
    free(distinct->counts);
    free(distinct->guesses);
    free(distinct->order);
    *distinct = (struct px_distinct){0};
}

void px_distinct__clear(struct px_distinct *distinct)
{
    distinct->slot_bits = FIRST_SLOT_BITS;
    distinct->count = 0;
    memset(distinct->slots, 0, sizeof *distinct->slots << FIRST_SLOT_BITS);
}

/* Where a float is looked for first. Those that were rounded end in zeros, so the upper half is
 * mixed into the lower one; the factor is 2^32 divided by the golden ratio. */
static inline size_t home_of(const struct px_distinct *distinct, uint32_t bits)
{
    return (bits ^ bits >> 16) * UINT32_C(0x9e3779b9) >> (32 - distinct->slot_bits);
}

/* The slot of a float, or the free one where it belongs. */
static inline uint64_t *find_slot(const struct px_distinct *distinct, uint32_t bits)
{
    size_t mask = ((size_t)1 << distinct->slot_bits) - 1;
    size_t at = home_of(distinct, bits);
    while (distinct->slots[at] != 0 && (uint32_t)(distinct->slots[at] >> 32) != bits)
        at = (at + 1) & mask;
    return &distinct->slots[at];
}

static uint64_t slot_of(uint32_t bits, uint32_t code)
{
    return (uint64_t)bits << 32 | (code + 1);
}

/* Makes the table twice as large. */
static void grow(struct px_distinct *distinct)
{
    distinct->slot_bits++;
    assert(distinct->slot_bits <= MOST_SLOT_BITS);
    memset(distinct->slots, 0, sizeof *distinct->slots << distinct->slot_bits);
    for (uint32_t code = 0; code < distinct->count; code++)
        *find_slot(distinct, distinct->values[code]) = slot_of(distinct->values[code], code);
}

/* Gives the next code to a float that is not there. */
static bool add_new(struct px_distinct *distinct, uint32_t bits, uint64_t *slot, uint32_t *ret_code)
{
    if (distinct->count == PX_PARQUET_MOST_DISTINCT)
        return false;
    uint32_t code = distinct->count++;
    distinct->values[code] = bits;
    distinct->counts[code] = 0;
    *slot = slot_of(bits, code);
    if (distinct->count * 2 > 1u << distinct->slot_bits)
        grow(distinct);
    *ret_code = code;
    return true;
}

/* The code of a float where the guess is wrong, which it is made right by. */
static __attribute__((noinline)) bool look_up(struct px_distinct *distinct, uint32_t bits,
                                              uint32_t *ret_code)
{
    uint64_t *slot = find_slot(distinct, bits);
    *ret_code = (uint32_t)*slot - 1;
    if (*slot == 0 && !add_new(distinct, bits, slot, ret_code))
        return false;
    distinct->guesses[bits >> 16] = (uint16_t)*ret_code;
    return true;
}

bool px_distinct__add(struct px_distinct *distinct, const void *floats, size_t count,
                      uint16_t *ret_codes)
{
    const uint8_t *at = floats;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = px_load_u32(at + i * sizeof bits);
        uint32_t code = distinct->guesses[bits >> 16];
        bool is_right = code < distinct->count && distinct->values[code] == bits;
        if (!is_right && !look_up(distinct, bits, &code))
            return false;
        distinct->counts[code]++;
        ret_codes[i] = (uint16_t)code;
    }
    return true;
}

/* ---- ranks --------------------------------------------------------------------------------- */

/* Unsigned order of the results is totalOrder of the floats. */
static uint32_t ordered_of(uint32_t bits)
{
    return bits >> 31 != 0 ? ~bits : bits | UINT32_C(1) << 31;
}

static uint32_t bits_of_ordered(uint32_t ordered)
{
    return ordered >> 31 != 0 ? ordered & ~(UINT32_C(1) << 31) : ~ordered;
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

void px_distinct__rank(struct px_distinct *distinct, uint16_t *ret_ranks)
{
    for (uint32_t code = 0; code < distinct->count; code++)
        distinct->order[code] =
            (uint64_t)~distinct->counts[code] << 32 | ordered_of(distinct->values[code]);
    qsort(distinct->order, distinct->count, sizeof *distinct->order, compare);
    for (uint32_t rank = 0; rank < distinct->count; rank++) {
        uint32_t bits = bits_of_ordered((uint32_t)distinct->order[rank]);
        ret_ranks[(uint32_t)*find_slot(distinct, bits) - 1] = (uint16_t)rank;
        distinct->values[rank] = bits; /* find_slot() does not look here */
    }
}
