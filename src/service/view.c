#include "service/view.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 1024 }; /* of a memtable, whose rows are yet to come */

int px_source_new(struct px_memtable *memtable, struct px_part *part, struct px_source **ret_source,
                  struct proximadb_error *reterr)
{
    assert((memtable == NULL) != (part == NULL));
    struct px_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return px_fail_no_memory(reterr);
    atomic_init(&source->reference_count, 1);
    source->memtable = memtable;
    source->part = part;
    uint32_t row_count = part != NULL ? px_part_row_count(part) : FIRST_SLOTS;
    for (int side = 0; side < PX_GRAPH_SIDES; side++)
        px_slot_map_init(&source->slots[side], row_count > 0 ? row_count : 1);
    *ret_source = source;
    return PROXIMADB_OK;
}

struct px_source *px_source_ref(struct px_source *source)
{
    atomic_fetch_add_explicit(&source->reference_count, 1, memory_order_relaxed);
    return source;
}

static void release_moved(struct px_source *source)
{
    for (uint32_t i = 0; i < source->target_count; i++)
        px_source_unref(source->targets[i]);
    free(source->targets);
    free(source->moved);
    source->targets = NULL;
    source->moved = NULL;
    source->target_count = 0;
}

/* Recursion follows the targets: from a memtable to its part to the parts of each compaction behind
 * it, as many as came while somebody followed the first. */
void px_source_unref(struct px_source *source)
{
    if (source == NULL ||
        atomic_fetch_sub_explicit(&source->reference_count, 1, memory_order_acq_rel) > 1)
        return;
    release_moved(source);
    for (int side = 0; side < PX_GRAPH_SIDES; side++)
        px_slot_map_release(&source->slots[side]);
    px_part_codes_unref(source->codes);
    px_part_reader_free(source->id_reader);
    px_memtable_free(source->memtable);
    px_part_close(source->part);
    free(source);
}

void px_source_set_moved(struct px_source *source, struct px_moved *moved,
                         struct px_source **targets, uint32_t target_count)
{
    assert(source->moved == NULL);
    for (uint32_t i = 0; i < target_count; i++)
        px_source_follow(px_source_ref(targets[i]));
    source->moved = moved;
    source->targets = targets;
    source->target_count = target_count;
}

void px_source_follow(struct px_source *source)
{
    assert(!source->has_forgotten);
    source->follower_count++;
}

static void unfollow_one(struct px_source *source, struct px_forgot *forgot)
{
    assert(source->follower_count > 0);
    if (--source->follower_count > 0 || source->moved == NULL)
        return;
    source->has_forgotten = true;
    if (forgot->last != NULL)
        forgot->last->next_forgot = px_source_ref(source);
    else
        forgot->first = px_source_ref(source);
    forgot->last = source;
}

/* Who forgets follows its targets no more, which may then do so, too. */
void px_source_unfollow(struct px_source *source, struct px_forgot *forgot)
{
    const struct px_source *before = forgot->last;
    unfollow_one(source, forgot);
    struct px_source *next = before != NULL ? before->next_forgot : forgot->first;
    for (; next != NULL; next = next->next_forgot)
        for (uint32_t i = 0; i < next->target_count; i++)
            unfollow_one(next->targets[i], forgot);
}

void px_forgot_release(struct px_forgot *forgot)
{
    struct px_source *source = forgot->first;
    while (source != NULL) {
        struct px_source *next = source->next_forgot;
        source->next_forgot = NULL;
        release_moved(source);
        px_source_unref(source);
        source = next;
    }
    *forgot = (struct px_forgot){0};
}

bool px_source_resolve(struct px_source **source, uint32_t *row)
{
    assert(!(*source)->has_forgotten);
    while ((*source)->moved != NULL) {
        struct px_moved moved = (*source)->moved[*row];
        if (moved.target == PX_NOT_MOVED)
            return false;
        *source = (*source)->targets[moved.target];
        *row = moved.row;
    }
    return true;
}

uint32_t px_source_row_count(const struct px_source *source)
{
    return source->part != NULL ? px_part_row_count(source->part)
                                : px_memtable_row_count(source->memtable);
}

int64_t px_source_killed_at(const struct px_source *source, uint32_t row)
{
    if (source->part != NULL)
        return px_dead_rows_killed_at(px_part_dead_rows(source->part), row);
    return px_memtable_killed_at(source->memtable, row);
}

uint32_t px_source_next_without_slot(const struct px_source *source, unsigned side, uint32_t row,
                                     uint32_t end)
{
    const struct px_slot_map *slots = &source->slots[side];
    while (row < end &&
           (px_slot_map_get(slots, row) != PX_NO_SLOT || px_source_killed_at(source, row) != 0))
        row++;
    return row;
}

bool px_source_has_expiry(const struct px_source *source)
{
    return source->part != NULL ? px_part_has_expiry(source->part)
                                : px_memtable_expiring_count(source->memtable) > 0;
}

int px_view_new(struct px_source *const *sources, uint32_t source_count, struct px_view **ret_view,
                struct proximadb_error *reterr)
{
    assert(source_count > 0 && sources[source_count - 1]->memtable != NULL);
    struct px_view *view = malloc(sizeof *view + source_count * sizeof(struct px_source *));
    if (view == NULL)
        return px_fail_no_memory(reterr);
    atomic_init(&view->reference_count, 1);
    view->source_count = source_count;
    for (uint32_t i = 0; i < source_count; i++)
        view->sources[i] = px_source_ref(sources[i]);
    *ret_view = view;
    return PROXIMADB_OK;
}

struct px_view *px_view_ref(struct px_view *view)
{
    atomic_fetch_add_explicit(&view->reference_count, 1, memory_order_relaxed);
    return view;
}

void px_view_unref(struct px_view *view)
{
    if (view == NULL ||
        atomic_fetch_sub_explicit(&view->reference_count, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < view->source_count; i++)
        px_source_unref(view->sources[i]);
    free(view);
}

uint32_t px_view_find(const struct px_view *view, const struct px_source *source)
{
    uint32_t index = 0;
    while (index < view->source_count && view->sources[index] != source)
        index++;
    return index;
}

void px_snapshot_release(struct px_snapshot *snapshot)
{
    px_view_unref(snapshot->view);
    *snapshot = (struct px_snapshot){0};
}

uint32_t px_snapshot_row_count(const struct px_snapshot *snapshot, uint32_t source_index)
{
    const struct px_view *view = snapshot->view;
    return source_index + 1 == view->source_count
               ? snapshot->active_row_count
               : px_source_row_count(view->sources[source_index]);
}

uint64_t px_snapshot_total_rows(const struct px_snapshot *snapshot)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < snapshot->view->source_count; i++)
        total += px_snapshot_row_count(snapshot, i);
    return total;
}

bool px_view_may_expire(const struct px_view *view)
{
    for (uint32_t i = 0; i < view->source_count; i++)
        if (px_source_has_expiry(view->sources[i]))
            return true;
    return false;
}

bool px_snapshot_may_expire(const struct px_snapshot *snapshot)
{
    return px_view_may_expire(snapshot->view);
}
