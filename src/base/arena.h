/*
 * arena: memory that is handed out piece by piece and freed all at once.
 *
 * A request allocates its parsed filter, its candidates and its scratch from one arena, which is
 * released when the request ends; nothing in it is freed by itself. Pieces never move. A ceiling
 * keeps a hostile request from taking the whole machine.
 *
 * Threads: externally serialised.
 */
#ifndef PX_BASE_ARENA_H
#define PX_BASE_ARENA_H

#include "base/slice.h"

struct px_arena_chunk;

struct px_arena {
    struct px_arena_chunk *chunks; /* newest first */
    size_t used_bytes;             /* handed out, all chunks */
    size_t limit_bytes;            /* of used_bytes; 0 for none */
    size_t held_bytes;             /* taken from the system */
};

/* A zeroed struct is an empty arena without a ceiling, too. */
void px_arena_init(struct px_arena *arena, size_t limit_bytes);

/* Frees every piece and leaves an empty arena with the same ceiling. */
void px_arena_release(struct px_arena *arena);

/* Uninitialised memory, 16-byte aligned, or `align` (a power of two up to 64). NULL without memory
 * or over the ceiling. size_bytes 0 gives a pointer that must not be followed. */
void *px_arena_alloc(struct px_arena *arena, size_t size_bytes);
void *px_arena_alloc_aligned(struct px_arena *arena, size_t size_bytes, size_t align);

/* count items of size_bytes each, zeroed; NULL on overflow, too. */
void *px_arena_calloc(struct px_arena *arena, size_t count, size_t size_bytes);

/* A copy of the bytes, followed by a NUL that its size does not count; NULL as above. */
char *px_arena_copy(struct px_arena *arena, const void *data, size_t size_bytes);

/* A place in an arena to go back to. */
struct px_arena_mark {
    struct px_arena_chunk *chunk;
    size_t chunk_used_bytes;
    size_t used_bytes;
};

struct px_arena_mark px_arena_mark(const struct px_arena *arena);

/* Frees every piece that was handed out behind the mark. */
void px_arena_rewind(struct px_arena *arena, struct px_arena_mark mark);

#endif /* PX_BASE_ARENA_H */
