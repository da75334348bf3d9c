/*
 * unpack_body_internal: the functions of unpack.h, written once in terms of a vector of codes; each
 * level's file defines that vector, includes this file, and so gets functions of its own.
 *
 * Codes are taken in groups of LANES, a multiple of 8, so that a group takes LANES / 8 * bit_width
 * whole bytes and every group begins at the same bit of its first byte. Four codes have at most 71
 * bits behind their first byte's beginning, so 16 bytes from there on hold them; a shuffle brings
 * the four bytes around each code to its lane, a shift and a mask the rest. All of that is the same
 * for every group.
 *
 * To be defined before:
 *
 *      vec, LANES                                  LANES 32-bit numbers
 *      vec_load(at, offsets, shuffle, shifts)      16 bytes from at + offsets[k] for four lanes
 *                                                  each, shuffled (bytes, within the 16) and
 *      shifted right vec_and(a, b), vec_max(a, b), vec_set(n), vec_read(p)
 *      vec_gather(table, codes, ret)               floats
 *      vec_greatest(a)                             of the lanes
 */
#ifndef PX_SIMD_UNPACK_BODY_INTERNAL_H
#define PX_SIMD_UNPACK_BODY_INTERNAL_H

#include "simd/unpack_internal.h"

enum { QUARTER = 4, QUARTERS = LANES / QUARTER, WINDOW_BYTES = 16 };

struct plan {
    size_t offsets[QUARTERS];
    uint8_t shuffle[4 * LANES];
    uint32_t shifts[LANES];
    size_t group_bytes; /* from group to group */
    size_t group_count; /* that can be loaded without a byte behind the end */
};

static void make_plan(const struct px_codes *codes, size_t count, struct plan *ret_plan)
{
    unsigned width = codes->bit_width, phase = (unsigned)(codes->first_bit % 8);
    for (unsigned k = 0; k < QUARTERS; k++)
        ret_plan->offsets[k] = (phase + k * QUARTER * width) / 8;
    for (unsigned lane = 0; lane < LANES; lane++) {
        unsigned bit = phase + lane * width;
        unsigned first = bit / 8 - (unsigned)ret_plan->offsets[lane / QUARTER];
        for (unsigned i = 0; i < 4; i++)
            ret_plan->shuffle[4 * lane + i] = (uint8_t)(first + i);
        ret_plan->shifts[lane] = bit % 8;
    }
    size_t begin = (size_t)(codes->first_bit / 8);
    size_t span = ret_plan->offsets[QUARTERS - 1] + WINDOW_BYTES;
    size_t groups = count / LANES;
    ret_plan->group_bytes = LANES / 8 * width;
    ret_plan->group_count = 0;
    if (begin + span > codes->size_bytes || groups == 0)
        return;
    size_t fitting =
        width == 0 ? groups : (codes->size_bytes - begin - span) / ret_plan->group_bytes + 1;
    ret_plan->group_count = fitting < groups ? fitting : groups;
}

static inline vec load_group(const struct plan *plan, const uint8_t *at, vec mask)
{
    return vec_and(vec_load(at, plan->offsets, plan->shuffle, vec_read(plan->shifts)), mask);
}

static void look_up(const struct px_codes *codes, const void *table, size_t count, float *ret)
{
    struct plan plan;
    make_plan(codes, count, &plan);
    const uint8_t *at = codes->bytes + codes->first_bit / 8;
    vec mask = vec_set((1u << codes->bit_width) - 1);
    for (size_t i = 0; i < plan.group_count; i++, at += plan.group_bytes)
        vec_gather(table, load_group(&plan, at, mask), ret + i * LANES);
    for (size_t i = plan.group_count * LANES; i < count; i++)
        px_unpack__copy(table, px_unpack__code(codes, i), &ret[i]);
}

static uint32_t greatest(const struct px_codes *codes, size_t count)
{
    struct plan plan;
    make_plan(codes, count, &plan);
    const uint8_t *at = codes->bytes + codes->first_bit / 8;
    vec mask = vec_set((1u << codes->bit_width) - 1), most_of_lanes = vec_set(0);
    for (size_t i = 0; i < plan.group_count; i++, at += plan.group_bytes)
        most_of_lanes = vec_max(most_of_lanes, load_group(&plan, at, mask));
    uint32_t most = vec_greatest(most_of_lanes);
    for (size_t i = plan.group_count * LANES; i < count; i++) {
        uint32_t code = px_unpack__code(codes, i);
        most = code > most ? code : most;
    }
    return most;
}

#endif /* PX_SIMD_UNPACK_BODY_INTERNAL_H */
