#define _GNU_SOURCE
#include "os/pages.h"

#include "base/bits.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

enum { PAGE_BYTES = 65536 }; /* a multiple of the page size of every CPU that we build for */

/* Maps size_bytes from a multiple of `unit` on. NULL: no memory. */
static void *map_aligned(size_t size_bytes, size_t unit)
{
    size_t mapped_bytes = size_bytes + unit;
    uint8_t *mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    uint8_t *data = (uint8_t *)px_round_up((uintptr_t)mapped, unit);
    if (data > mapped)
        (void)munmap(mapped, (size_t)(data - mapped));
    size_t behind = (size_t)(mapped + mapped_bytes - (data + size_bytes));
    if (behind > 0)
        (void)munmap(data + size_bytes, behind);
    return data;
}

/* The old pages take the place of the first new ones. */
static bool take_over(const struct px_pages *pages, void *data)
{
    size_t size_bytes = pages->size_bytes;
    if (size_bytes == 0)
        return true;
    return mremap(pages->data, size_bytes, size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, data) !=
           MAP_FAILED;
}

int px_pages_grow(struct px_pages *pages, size_t size_bytes, struct proximadb_error *reterr)
{
    if (size_bytes <= pages->size_bytes)
        return PROXIMADB_OK;
    size_t unit = size_bytes >= HUGE_BYTES ? HUGE_BYTES : PAGE_BYTES;
    size_bytes = px_round_up(size_bytes, unit);
    void *data = map_aligned(size_bytes, unit);
    if (data == NULL)
        return px_fail_no_memory(reterr);
    if (unit == HUGE_BYTES)
        (void)madvise(data, size_bytes, MADV_HUGEPAGE); /* without them it works as well */
    if (!take_over(pages, data)) {
        (void)munmap(data, size_bytes);
        return px_fail_no_memory(reterr);
    }
    if (unit == HUGE_BYTES)
        (void)madvise(data, size_bytes, MADV_HUGEPAGE); /* those that came from small ones, too */
    *pages = (struct px_pages){data, size_bytes};
    return PROXIMADB_OK;
}

void px_pages_release(struct px_pages *pages)
{
    if (pages->size_bytes > 0)
        (void)munmap(pages->data, pages->size_bytes);
    *pages = (struct px_pages){0};
}
