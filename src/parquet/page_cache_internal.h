/*
 * page_cache: decoded pages of scalar columns that readers of single rows share.
 *
 * Rows that a search finds lie all over their parts, so that each of them is on a page of its own,
 * and a page of text is decompressed and taken apart for the sake of one value. Here such pages
 * wait for the next one who wants them. A page is named by the number of its reader, its column and
 * its place; once it is here it does not change, and whoever uses it holds a reference.
 *
 * The table has sets of slots, each with a lock and a share of the room. A page belongs to one set,
 * and the one that was not used for longest makes room for it. There is one cache in the process:
 * so its bound is one, too, however many parts and databases are open. A reader that is closed
 * takes its pages out.
 *
 * Threads: any thread. The locks are leaves, held while up to 32 slots are looked through; nothing
 * is freed under them.
 * Memory: PX_PAGE_CACHE_BYTES at most, and what is still used of what was thrown out.
 */
#ifndef PX_PARQUET_PAGE_CACHE_INTERNAL_H
#define PX_PARQUET_PAGE_CACHE_INTERNAL_H

#include "base/buffer.h"
#include "parquet/parquet_cursor.h"

#include <stdatomic.h>

#define PX_PAGE_CACHE_BYTES ((size_t)64 << 20)

struct px_cached_page {
    atomic_uint reference_count;
    size_t size_bytes;                             /* that its memory counts for */
    struct px_parquet_rows rows;                   /* point into the buffers, or into the file */
    struct px_buffer body, present, values, items; /* owned */
    struct px_cached_page *next;                   /* of those that are thrown out together */
};

struct px_page_name {
    uint64_t reader_number;
    uint32_t column;
    uint32_t page;
};

/* A number for a reader, which no other one in the process has. Never 0. */
uint64_t px_page_cache__new_number(void);

/* A reference to the page, or NULL: it is not here. */
struct px_cached_page *px_page_cache__get(const struct px_page_name *name);

/* Puts a page in, of which it takes a reference; not at all if it is too large for its set, or if
 * it is there already. */
void px_page_cache__put(const struct px_page_name *name, struct px_cached_page *page);

/* Takes out all pages of a reader. */
void px_page_cache__drop(uint64_t reader_number);

/* Accepts NULL. */
void px_page_cache__unref(struct px_cached_page *page);

/* What the pages that are here take. */
size_t px_page_cache__bytes(void);

#endif /* PX_PARQUET_PAGE_CACHE_INTERNAL_H */
