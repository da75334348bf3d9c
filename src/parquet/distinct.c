#include "parquet/distinct_internal.h"

#include "base/bits.h"
#include "parquet/parquet_schema.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIRST_SLOT_BITS = 11,
    MOST_SLOT_BITS = 17,  /* twice PX_PARQUET_MOST_DISTINCT */
    HALF_COUNT = 1 << 16, /* numbers that the upper half of a float can be */
};

static_assert(1 << MOST_SLOT_BITS == 2 * PX_PARQUET_MOST_DISTINCT, "at most half full");
static_assert(HALF_COUNT == (int)PX_PARQUET_MOST_DISTINCT, "each half can be a code");

/* The counts are zero. */
static void begin(struct px_distinct *distinct)
{
    distinct->is_halved = true;
    distinct->slot_bits = FIRST_SLOT_BITS;
    distinct->count = 0;
    memset(distinct->slots, 0, sizeof *distinct->slots << FIRST_SLOT_BITS);
}

int px_distinct__init(struct px_distinct *distinct, struct proximadb_error *reterr)
{
    *distinct = (struct px_distinct){
        .slots = malloc(sizeof *distinct->slots << MOST_SLOT_BITS),
        .values = malloc(sizeof *distinct->values * PX_PARQUET_MOST_DISTINCT),
        .counts = calloc(PX_PARQUET_MOST_DISTINCT, sizeof *distinct->counts),
        .guesses = calloc(HALF_COUNT, sizeof *distinct->guesses),
        .order = malloc(sizeof *distinct->order * PX_PARQUET_MOST_DISTINCT),
    };
    if (distinct->slots == NULL || distinct->values == NULL || distinct->counts == NULL ||
        distinct->guesses == NULL || distinct->order == NULL) {
        px_distinct__release(distinct);
        return px_fail_no_memory(reterr);
    }
    begin(distinct);
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
    memset(distinct->counts, 0, sizeof *distinct->counts * HALF_COUNT);
    begin(distinct);
}

/* ---- upper halves -------------------------------------------------------------------------- */

/* False, and nothing has changed, where a lower half is not zero. */
static bool add_halves(struct px_distinct *distinct, const uint8_t *floats, size_t count,
                       uint16_t *ret_codes)
{
    uint32_t all = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = px_load_u32(floats + i * sizeof bits);
        all |= bits;
        ret_codes[i] = (uint16_t)(bits >> 16);
    }
    if ((uint16_t)all != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        distinct->counts[ret_codes[i]]++;
    return true;
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

/* Gives the floats so far other codes, and those that were given are changed. No half is below its
 * code, so what is moved has been read. */
static void leave_halves(struct px_distinct *distinct, uint16_t *codes, size_t given_count)
{
    distinct->is_halved = false;
    for (uint32_t half = 0; half < HALF_COUNT; half++) {
        uint32_t bits = half << 16, count = distinct->counts[half], code;
        if (count == 0)
            continue;
        bool added = add_new(distinct, bits, find_slot(distinct, bits), &code);
        assert(added && code <= half);
        (void)added;
        distinct->counts[code] = count;
        distinct->guesses[half] = (uint16_t)code;
    }
    for (size_t i = 0; i < given_count; i++)
        codes[i] = distinct->guesses[codes[i]];
}

bool px_distinct__add(struct px_distinct *distinct, const void *floats, size_t count,
                      uint16_t *codes, size_t given_count)
{
    const uint8_t *at = floats;
    uint16_t *ret_codes = codes + given_count;
    if (distinct->is_halved) {
        if (add_halves(distinct, at, count, ret_codes))
            return true;
        leave_halves(distinct, codes, given_count);
    }
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
    uint32_t code_count = distinct->is_halved ? HALF_COUNT : distinct->count;
    distinct->count = 0;
    for (uint32_t code = 0; code < code_count; code++) {
        uint32_t bits = distinct->is_halved ? code << 16 : distinct->values[code];
        if (distinct->counts[code] > 0)
            distinct->order[distinct->count++] =
                (uint64_t)~distinct->counts[code] << 32 | ordered_of(bits);
    }
    qsort(distinct->order, distinct->count, sizeof *distinct->order, compare);
    for (uint32_t rank = 0; rank < distinct->count; rank++) {
        uint32_t bits = bits_of_ordered((uint32_t)distinct->order[rank]);
        uint32_t code = distinct->is_halved ? bits >> 16 : (uint32_t)*find_slot(distinct, bits) - 1;
        ret_ranks[code] = (uint16_t)rank;
        distinct->values[rank] = bits; /* find_slot() does not look here */
    }
}
