/*
 * graph_internal: what the graph's files share.
 *
 * Per slot there is, in arrays of their own:
 *
 *      line        signs of y, in few dimensions also upper bits of magnitudes, and four factors:
 *                  64 bytes up to 384 dimensions
 *      list        neighbours' slots, PX_GRAPH__NONE behind the last
 *      magnitudes  the lower 8 bits of magnitudes: of |y|
 *      label       int64
 *      fine        8 more bits a dimension, and a factor; only where memory is FAST
 *
 * where y = R(x' - mu): x' the vector, normalised for cosine, otherwise times `unit`; mu the mean
 * of the sample; R a random rotation. With s the scale of a line, component i is about
 * +-magnitude[i] * s. For dot, a is the added component, which no rotation touches; else it is 0.
 *
 *      OFFSET IN LINE   SIZE            MEANING
 *      0                padded / 8      bit i: y[i] < 0
 *      padded / 8       (b - 1) of that the other planes of b: bit 7 + p of magnitude i in plane p
 *      b * padded / 8   4               f32 sign_factor: |y|^2 / (sum of |y[i]| (t[i] + 1/2))
 *      + 4              4               f32 norm: |y^|^2 - |y - y^|^2 + a^2, y^ the whole code
 *      + 8              4               f32 scale s; its sign bit says that the slot is dead
 *      + 12             4               f32 added component a
 *
 * where t is what the planes say of a magnitude (0 where b is 1). For a query z the distance is
 * norm + |z|^2 - 2 <y^, z>, and the estimate puts sign_factor * <+-(t + 1/2), z> in the place of
 * <y^, z> (RaBitQ, Gao and Long, SIGMOD 2024). A line of up to 32 bytes takes 32, longer ones a
 * multiple of 64.
 *
 * Writing: a slot's line, magnitudes and label are written before its number is stored, with
 * release, in any list or the entry table; whoever loads it there, with acquire, may read them.
 * Afterwards only the dead bit changes. A list is written under its lock (one of LOCK_COUNT, by
 * slot), entry by entry; readers take what they find.
 *
 * Growing and giving slots away: a worker that is inside of the graph shows the epoch that it
 * entered in. Arrays are resized while no worker is inside (px_graph__enter() waits); slots taken
 * out of all lists are given away when all workers have entered in a later epoch.
 */
#ifndef PX_AXIS_GRAPH_INTERNAL_H
#define PX_AXIS_GRAPH_INTERNAL_H

#include "axis/graph.h"
#include "axis/rotation.h"
#include "base/bits.h"
#include "os/pages.h"
#include "simd/code_kernels.h"

#include <pthread.h>
#include <stdatomic.h>

#define PX_GRAPH__NONE     UINT32_MAX  /* no slot */
#define PX_GRAPH__DEAD_BIT 0x80000000u /* of a line's scale */

enum {
    PX_GRAPH__LOCK_COUNT = 1024,
    PX_GRAPH__MOST_ENTRIES = 1024,
    PX_GRAPH__MOST_LONGEST = 64,
    PX_GRAPH__MOST_DEGREE = 64,
    PX_GRAPH__MOST_JOINED = 256,
    PX_GRAPH__MOST_EFFORTS = 32,
    PX_GRAPH__ROTATION_SEED = 1,
};

/* The factors behind the signs of a line. */
struct px_graph__factors {
    float sign_factor;
    float norm;
    _Atomic uint32_t scale; /* bits of a float */
    float added;
};

/* What a target recall takes. */
struct px_graph__effort {
    uint32_t k;
    double recall;
    float reach;   /* candidates up to reach * (squared distance of the k-th) are looked at */
    uint32_t beam; /* and so many at most */
};

struct px_graph {
    struct px_graph_config config;
    struct px_rotation rotation;
    const struct px_code_kernels *kernels;
    float *mean;          /* owned; dim_count */
    float *rotated_mean;  /* owned; padded */
    float unit;           /* a power of two */
    double most_norm;     /* under dot: M^2, in units; otherwise 0 */
    uint32_t padded;      /* dimensions of a code */
    uint32_t plane_count; /* of bits of each dimension in a line */
    uint32_t line_bytes;  /* of a slot's line */
    uint32_t degree;      /* of a slot's list */
    uint32_t capacity;    /* slots that the arrays have room for */
    uint32_t fine_bytes;  /* of a slot's fine record; 0: there are none */
    struct px_pages lines, lists, magnitudes, labels, fine;

    _Atomic uint32_t slot_count; /* slots ever used */
    _Atomic uint32_t dead_count;
    _Atomic uint32_t entry_count;
    _Atomic uint32_t entries[PX_GRAPH__MOST_ENTRIES];
    _Atomic uint32_t longest_count; /* more entry points, under dot */
    _Atomic uint32_t longest[PX_GRAPH__MOST_LONGEST];
    _Atomic float longest_limit; /* the most added component of them, once they are all there */

    pthread_mutex_t alloc_lock; /* guards: arrays, capacity, free slots, is_growing, workers */
    uint32_t *free_slots;       /* owned */
    uint32_t free_count, free_capacity;
    _Atomic bool is_growing;
    _Atomic uint64_t epoch; /* from 1 on */
    struct px_graph_worker *workers;
    _Atomic uint64_t worker_bytes;

    pthread_mutex_t entry_lock; /* guards: writing of entries, longest, efforts */
    struct px_graph__effort efforts[PX_GRAPH__MOST_EFFORTS]; /* rising */
    uint32_t effort_count;
    uint64_t calibrated_count;

    pthread_mutex_t list_locks[PX_GRAPH__LOCK_COUNT]; /* guards: lists of slots by number */
};

/* A vector that others are compared with. */
struct px_graph__query {
    float *vector; /* padded floats: y */
    int8_t *bytes; /* 8 bits: y[i] is about bytes[i] * byte_scale */
    int8_t *high;  /* 15 bits: about (128 * high[i] + low[i]) * scale */
    int8_t *low;
    float byte_scale, scale;
    float norm;     /* |y|^2 + a^2 */
    float added;    /* a */
    float half_sum; /* half the sum of bytes */
    float length;   /* under dot: what the query was shortened by */
};

/*
 * A candidate as one number, ordered by distance: the upper 30 bits are those of the squared
 * distance as a float, without sign and last bit; then the slot, then two flags.
 */
typedef uint64_t px_graph__candidate;

enum { PX_GRAPH__EXPANDED = 1, PX_GRAPH__DEAD = 2 };

static inline px_graph__candidate px_graph__candidate_of(float distance, uint32_t slot,
                                                         uint32_t flags)
{
    uint32_t bits;
    if (!(distance > 0))
        distance = 0;
    memcpy(&bits, &distance, sizeof bits);
    return (uint64_t)(bits >> 1) << 34 | (uint64_t)slot << 2 | flags;
}

static inline float px_graph__distance_of(px_graph__candidate candidate)
{
    uint32_t bits = (uint32_t)(candidate >> 34) << 1;
    float distance;
    memcpy(&distance, &bits, sizeof distance);
    return distance;
}

static inline uint32_t px_graph__slot_of(px_graph__candidate candidate)
{
    return (uint32_t)(candidate >> 2);
}

/* The arrays while inside. */
struct px_graph__view {
    struct px_sign_codes codes;
    const uint8_t *factors; /* of slot 0; others line_bytes apart */
    uint8_t *fine;          /* NULL: there are none */
    size_t fine_stride;
    _Atomic uint32_t *lists;
    size_t degree;
};

struct px_graph_worker {
    struct px_graph *graph;
    struct px_graph_worker *next;
    _Atomic uint64_t entered; /* the epoch, or 0: not inside */

    struct px_graph__view view; /* valid while inside */
    struct px_graph__query query;
    uint8_t *memory; /* owned; of the query and the rows */

    struct px_pages visited; /* a tag per slot */
    uint8_t tag;

    px_graph__candidate *beam; /* owned; sorted */
    uint32_t beam_count, beam_capacity;
    uint32_t cursor;           /* those before it were expanded */
    px_graph__candidate *path; /* owned; what was expanded, while inserting */
    uint32_t path_count, path_capacity;
    bool keeps_path;

    uint8_t *rows; /* of bytes, for pruning: PX_GRAPH__MOST_JOINED + 1 */
};

/* What a walk is to do. */
struct px_graph__walk {
    uint32_t k;
    uint32_t beam_limit;
    float reach; /* infinite: the beam alone decides */
};

static inline struct px_graph__factors *px_graph__factors(const struct px_graph__view *view,
                                                          uint32_t slot)
{
    return (struct px_graph__factors *)(uintptr_t)(view->factors + slot * view->codes.sign_stride);
}

static inline uint32_t px_graph__scale_bits(const struct px_graph__view *view, uint32_t slot)
{
    return atomic_load_explicit(&px_graph__factors(view, slot)->scale, memory_order_relaxed);
}

/* The scale of a slot's magnitudes, dead or alive. */
static inline float px_graph__scale(const struct px_graph__view *view, uint32_t slot)
{
    uint32_t bits = px_graph__scale_bits(view, slot) & ~PX_GRAPH__DEAD_BIT;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return scale;
}

static inline _Atomic uint32_t *px_graph__list(const struct px_graph__view *view, uint32_t slot)
{
    return view->lists + slot * view->degree;
}

#endif /* PX_AXIS_GRAPH_INTERNAL_H */
