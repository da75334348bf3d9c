#include "base/arena.h"

#include "base/bits.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIRST_CHUNK_BYTES = 4096,
    LARGEST_GROWN_CHUNK_BYTES = 1 << 20, /* bigger chunks only for bigger pieces */
    CHUNK_ALIGN = 64,
};

struct px_arena_chunk {
    struct px_arena_chunk *next;
    size_t size_bytes; /* of the whole chunk, this header included */
    size_t used_bytes; /* likewise */
};

void px_arena_init(struct px_arena *arena, size_t limit_bytes)
{
    *arena = (struct px_arena){.limit_bytes = limit_bytes};
}

void px_arena_release(struct px_arena *arena)
{
    struct px_arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct px_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    px_arena_init(arena, arena->limit_bytes);
}

static struct px_arena_chunk *add_chunk(struct px_arena *arena, size_t piece_bytes)
{
    size_t size = FIRST_CHUNK_BYTES;
    if (arena->chunks != NULL && arena->chunks->size_bytes < LARGEST_GROWN_CHUNK_BYTES)
        size = 2 * arena->chunks->size_bytes;
    else if (arena->chunks != NULL)
        size = LARGEST_GROWN_CHUNK_BYTES;
    size_t needed = piece_bytes + sizeof(struct px_arena_chunk) + CHUNK_ALIGN;
    if (size < needed)
        size = px_round_up(needed, CHUNK_ALIGN);
    struct px_arena_chunk *chunk = aligned_alloc(CHUNK_ALIGN, size);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct px_arena_chunk){
        .next = arena->chunks, .size_bytes = size, .used_bytes = sizeof *chunk};
    arena->chunks = chunk;
    arena->held_bytes += size;
    return chunk;
}

void *px_arena_alloc_aligned(struct px_arena *arena, size_t size_bytes, size_t align)
{
    assert(align > 0 && align <= CHUNK_ALIGN && (align & (align - 1)) == 0);
    if (size_bytes > SIZE_MAX / 4)
        return NULL;
    if (arena->limit_bytes != 0 && size_bytes > arena->limit_bytes - arena->used_bytes)
        return NULL;

    struct px_arena_chunk *chunk = arena->chunks;
    size_t offset = chunk != NULL ? px_round_up(chunk->used_bytes, align) : 0;
    if (chunk == NULL || offset + size_bytes > chunk->size_bytes) {
        chunk = add_chunk(arena, size_bytes);
        if (chunk == NULL)
            return NULL;
        offset = px_round_up(chunk->used_bytes, align);
    }
    assert(offset + size_bytes <= chunk->size_bytes);
    chunk->used_bytes = offset + size_bytes;
    arena->used_bytes += size_bytes;
    return (uint8_t *)chunk + offset;
}

void *px_arena_alloc(struct px_arena *arena, size_t size_bytes)
{
    return px_arena_alloc_aligned(arena, size_bytes, 16);
}

void *px_arena_calloc(struct px_arena *arena, size_t count, size_t size_bytes)
{
    size_t total;
    if (!px_multiply_size(count, size_bytes, &total))
        return NULL;
    void *piece = px_arena_alloc(arena, total);
    if (piece != NULL)
        memset(piece, 0, total);
    return piece;
}

char *px_arena_copy(struct px_arena *arena, const void *data, size_t size_bytes)
{
    if (size_bytes == SIZE_MAX)
        return NULL;
    char *copy = px_arena_alloc_aligned(arena, size_bytes + 1, 1);
    if (copy == NULL)
        return NULL;
    if (size_bytes > 0)
        memcpy(copy, data, size_bytes);
    copy[size_bytes] = '\0';
    return copy;
}

struct px_arena_mark px_arena_mark(const struct px_arena *arena)
{
    return (struct px_arena_mark){
        .chunk = arena->chunks,
        .chunk_used_bytes = arena->chunks != NULL ? arena->chunks->used_bytes : 0,
        .used_bytes = arena->used_bytes,
    };
}

void px_arena_rewind(struct px_arena *arena, struct px_arena_mark mark)
{
    while (arena->chunks != mark.chunk) {
        struct px_arena_chunk *chunk = arena->chunks;
        assert(chunk != NULL); /* the mark is of this arena, and not yet rewound over */
        arena->chunks = chunk->next;
        arena->held_bytes -= chunk->size_bytes;
        free(chunk);
    }
    if (arena->chunks != NULL)
        arena->chunks->used_bytes = mark.chunk_used_bytes;
    arena->used_bytes = mark.used_bytes;
}
