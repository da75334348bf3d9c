#include "service/shard_internal.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SOURCES = 16 };

/* ---- the table ----------------------------------------------------------------------------- */

/* Room for as many numbers, in use or free. */
static int grow(struct px_shard *shard, uint32_t capacity, struct proximadb_error *reterr)
{
    struct px_source **sources = realloc(shard->sources, capacity * sizeof(struct px_source *));
    if (sources == NULL)
        return px_fail_no_memory(reterr);
    shard->sources = sources;
    uint32_t *numbers = realloc(shard->free_numbers, capacity * sizeof *numbers);
    if (numbers == NULL)
        return px_fail_no_memory(reterr);
    shard->free_numbers = numbers;
    for (uint32_t i = shard->source_capacity; i < capacity; i++)
        sources[i] = NULL;
    shard->source_capacity = capacity;
    return PROXIMADB_OK;
}

int px_shard__reserve_sources(struct px_shard *shard, uint32_t count,
                              struct proximadb_error *reterr)
{
    if (count <= shard->free_number_count)
        return PROXIMADB_OK;
    uint32_t needed = shard->next_source + count - shard->free_number_count;
    if (needed <= shard->source_capacity)
        return PROXIMADB_OK;
    uint32_t capacity = shard->source_capacity == 0 ? FIRST_SOURCES : 2 * shard->source_capacity;
    return grow(shard, capacity < needed ? needed : capacity, reterr);
}

void px_shard__add_source(struct px_shard *shard, struct px_source *source)
{
    assert(source->number == 0);
    px_shard__check_slots(shard, source);
    if (shard->free_number_count > 0)
        source->number = shard->free_numbers[--shard->free_number_count];
    else
        source->number = shard->next_source++;
    assert(source->number < shard->source_capacity && shard->sources[source->number] == NULL);
    px_source_follow(source);
    shard->sources[source->number] = source;
}

/* Nothing says any more where rows were by these numbers: they may be given to others. Under the
 * lock. */
static void free_numbers(struct px_shard *shard, const struct px_forgot *forgot)
{
    for (const struct px_source *source = forgot->first; source != NULL;
         source = source->next_forgot) {
        assert(shard->sources[source->number] == NULL);
        shard->free_numbers[shard->free_number_count++] = source->number;
    }
}

void px_shard__retire_source(struct px_shard *shard, struct px_source *source)
{
    struct px_forgot forgot = {0};
    pthread_mutex_lock(&shard->lock);
    assert(shard->sources[source->number] == source && source->moved != NULL);
    shard->sources[source->number] = NULL;
    px_source_unfollow(source, &forgot);
    free_numbers(shard, &forgot);
    pthread_mutex_unlock(&shard->lock);
    px_forgot_release(&forgot);
    px_source_unref(source);
}

/* ---- who follows --------------------------------------------------------------------------- */

void px_shard__begin_following(struct px_shard *shard, struct px_snapshot *ret_snapshot)
{
    pthread_mutex_lock(&shard->lock);
    px_shard__take_snapshot(shard, ret_snapshot);
    for (uint32_t i = 0; i < ret_snapshot->view->source_count; i++)
        px_source_follow(ret_snapshot->view->sources[i]);
    pthread_mutex_unlock(&shard->lock);
}

void px_shard__end_following(struct px_shard *shard, struct px_snapshot *snapshot)
{
    struct px_forgot forgot = {0};
    pthread_mutex_lock(&shard->lock);
    for (uint32_t i = 0; i < snapshot->view->source_count; i++)
        px_source_unfollow(snapshot->view->sources[i], &forgot);
    free_numbers(shard, &forgot);
    pthread_mutex_unlock(&shard->lock);
    px_forgot_release(&forgot);
    px_snapshot_release(snapshot);
}

void px_shard__hold_found(struct px_found_row *found)
{
    (void)px_source_ref(found->source);
    px_source_follow(px_source_ref(found->from));
}

void px_shard__release_found(struct px_shard *shard, struct px_write_op *op)
{
    struct px_forgot forgot = {0};
    if (op->found == NULL)
        return;
    pthread_mutex_lock(&shard->lock);
    for (uint32_t i = 0; i < op->found_count; i++)
        if (op->found[i].source != NULL)
            px_source_unfollow(op->found[i].from, &forgot);
    free_numbers(shard, &forgot);
    pthread_mutex_unlock(&shard->lock);
    px_forgot_release(&forgot);
    for (uint32_t i = 0; i < op->found_count; i++) {
        px_source_unref(op->found[i].source);
        px_source_unref(op->found[i].from);
    }
    op->found = NULL;
}
