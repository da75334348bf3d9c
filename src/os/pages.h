/*
 * pages: memory for large arrays, in huge pages where the system has them, that grows without being
 * copied.
 *
 * An array of random accesses spends a good part of its time looking up addresses; with pages of
 * 2 MiB in place of 4 KiB such look-ups hit their cache. Memory that was never written takes no
 * room, so an array may be made larger than it will soon need.
 *
 * Threads: externally serialised. When an array is resized, nobody may be using it: it moves.
 */
#ifndef PX_OS_PAGES_H
#define PX_OS_PAGES_H

#include "base/error.h"

#include <stddef.h>

/* Zeroed: no memory. Release with px_pages_release(). */
struct px_pages {
    void *data;        /* begins a page; what was not written yet is zero */
    size_t size_bytes; /* mapped */
};

/* Makes room for at least size_bytes, keeping what is there; never less than before.
 * PROXIMADB_NO_MEMORY: all is as it was. */
PX_MUST_CHECK int px_pages_grow(struct px_pages *pages, size_t size_bytes,
                                struct proximadb_error *reterr);

/* Accepts a zeroed one, and leaves one. */
void px_pages_release(struct px_pages *pages);

#endif /* PX_OS_PAGES_H */
