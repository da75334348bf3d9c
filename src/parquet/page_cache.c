#include "parquet/page_cache_internal.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    SET_COUNT = 128,
    SLOTS_OF_A_SET = 128, /* names of a set are looked through one by one: a microsecond */
    SET_BYTES = PX_PAGE_CACHE_BYTES / SET_COUNT,
    LARGEST_PAGE_BYTES = SET_BYTES / 2, /* a larger one would empty its set */
};

struct slot {
    struct px_page_name name;
    struct px_cached_page *page; /* a reference; NULL: the slot is empty */
    uint64_t used_at;            /* by the set's count of uses */
};

struct page_set {
    pthread_mutex_t lock; /* guards: the rest */
    size_t used_bytes;
    uint64_t use_count;
    struct slot slots[SLOTS_OF_A_SET];
};

static struct page_set sets[SET_COUNT] = {
    [0 ... SET_COUNT - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};
static _Atomic size_t total_bytes;
static _Atomic uint64_t last_number;

uint64_t px_page_cache__new_number(void)
{
    return atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
}

/* Names are small numbers side by side; multiplying spreads them (Knuth's multiplicative hash). */
static struct page_set *set_of(const struct px_page_name *name)
{
    uint64_t mixed = (name->reader_number << 40) ^ ((uint64_t)name->column << 32) ^ name->page;
    mixed *= UINT64_C(0x9E3779B97F4A7C15);
    return &sets[(mixed >> 32) % SET_COUNT];
}

static bool is_same(const struct px_page_name *a, const struct px_page_name *b)
{
    return a->reader_number == b->reader_number && a->page == b->page && a->column == b->column;
}

/* Under the set's lock, as all below down to free_list(). NULL: there is none of that name. */
static struct slot *find_slot(struct page_set *set, const struct px_page_name *name)
{
    for (size_t i = 0; i < SLOTS_OF_A_SET; i++)
        if (set->slots[i].page != NULL && is_same(&set->slots[i].name, name))
            return &set->slots[i];
    return NULL;
}

/* Empties a slot; its page is put in front of the list of those to be freed. */
static void take_out(struct page_set *set, struct slot *slot, struct px_cached_page **list)
{
    struct px_cached_page *page = slot->page;
    set->used_bytes -= page->size_bytes;
    atomic_fetch_sub_explicit(&total_bytes, page->size_bytes, memory_order_relaxed);
    slot->page = NULL;
    page->next = *list;
    *list = page;
}

/* An empty slot; else the one that was not used for longest. */
static struct slot *find_victim(struct page_set *set)
{
    struct slot *oldest = &set->slots[0];
    for (size_t i = 0; i < SLOTS_OF_A_SET && oldest->page != NULL; i++)
        if (set->slots[i].page == NULL || set->slots[i].used_at < oldest->used_at)
            oldest = &set->slots[i];
    return oldest;
}

/* The one of those in use that was not used for longest; there is one. */
static struct slot *find_oldest(struct page_set *set)
{
    struct slot *oldest = NULL;
    for (size_t i = 0; i < SLOTS_OF_A_SET; i++) {
        struct slot *slot = &set->slots[i];
        if (slot->page != NULL && (oldest == NULL || slot->used_at < oldest->used_at))
            oldest = slot;
    }
    return oldest;
}

static void free_list(struct px_cached_page *list)
{
    while (list != NULL) {
        struct px_cached_page *next = list->next;
        px_page_cache__unref(list);
        list = next;
    }
}

struct px_cached_page *px_page_cache__get(const struct px_page_name *name)
{
    struct page_set *set = set_of(name);
    struct px_cached_page *page = NULL;
    pthread_mutex_lock(&set->lock);
    struct slot *slot = find_slot(set, name);
    if (slot != NULL) {
        slot->used_at = ++set->use_count;
        page = slot->page;
        atomic_fetch_add_explicit(&page->reference_count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&set->lock);
    return page;
}

void px_page_cache__put(const struct px_page_name *name, struct px_cached_page *page)
{
    struct page_set *set = set_of(name);
    struct px_cached_page *removed = NULL;
    if (page->size_bytes > LARGEST_PAGE_BYTES)
        return;
    pthread_mutex_lock(&set->lock);
    if (find_slot(set, name) == NULL) {
        while (set->used_bytes + page->size_bytes > SET_BYTES)
            take_out(set, find_oldest(set), &removed);
        struct slot *slot = find_victim(set);
        if (slot->page != NULL)
            take_out(set, slot, &removed);
        *slot = (struct slot){.name = *name, .page = page, .used_at = ++set->use_count};
        set->used_bytes += page->size_bytes;
        atomic_fetch_add_explicit(&total_bytes, page->size_bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&page->reference_count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&set->lock);
    free_list(removed);
}

void px_page_cache__drop(uint64_t reader_number)
{
    struct px_cached_page *removed = NULL;
    if (px_page_cache__bytes() == 0)
        return; /* nobody shares pages */
    for (size_t i = 0; i < SET_COUNT; i++) {
        struct page_set *set = &sets[i];
        pthread_mutex_lock(&set->lock);
        for (size_t j = 0; j < SLOTS_OF_A_SET; j++)
            if (set->slots[j].page != NULL && set->slots[j].name.reader_number == reader_number)
                take_out(set, &set->slots[j], &removed);
        pthread_mutex_unlock(&set->lock);
    }
    free_list(removed);
}

void px_page_cache__unref(struct px_cached_page *page)
{
    if (page == NULL ||
        atomic_fetch_sub_explicit(&page->reference_count, 1, memory_order_acq_rel) != 1)
        return;
    px_buffer_release(&page->body);
    px_buffer_release(&page->present);
    px_buffer_release(&page->values);
    px_buffer_release(&page->items);
    free(page);
}

size_t px_page_cache__bytes(void)
{
    return atomic_load_explicit(&total_bytes, memory_order_relaxed);
}
