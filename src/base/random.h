/*
 * random: numbers that look random and follow from a seed: splitmix64 (Steele, Lea, Flood: Fast
 * splittable pseudorandom number generators, OOPSLA 2014). For samples and for what files depend
 * on, so it never changes; not for secrets (base/uuid.h).
 *
 * Threads: externally serialised. Memory: none.
 */
#ifndef PX_BASE_RANDOM_H
#define PX_BASE_RANDOM_H

#include <stdint.h>

/* The next number; the state begins as the seed, which may be any. */
static inline uint64_t px_random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif /* PX_BASE_RANDOM_H */
