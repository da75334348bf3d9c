#include "model/filter_internal.h"

#include <assert.h>
#include <stdlib.h>

bool px_filter__set_add(struct px_filter_set *set, const struct px_value *value,
                        struct px_arena *arena)
{
    enum px_class class = px_value_class(value->kind);
    set->classes |= (uint8_t)(1u << class);
    if (class == PX_CLASS_NULL)
        return true;
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 8 : 2 * set->capacity;
        struct px_value *grown = px_arena_alloc(arena, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        if (set->count > 0)
            memcpy(grown, set->sorted, set->count * sizeof *grown);
        set->sorted = grown;
        set->capacity = capacity;
    }
    set->sorted[set->count++] = *value;
    return true;
}

static int compare(const struct px_value *a, const struct px_value *b)
{
    enum px_class a_class = px_value_class(a->kind), b_class = px_value_class(b->kind);
    int order = 0;
    if (a_class != b_class)
        return a_class < b_class ? -1 : 1;
    bool known = px_value_compare(a, b, &order);
    assert(known);
    return order;
}

static int compare_members(const void *a, const void *b)
{
    return compare(a, b);
}

void px_filter__set_sort(struct px_filter_set *set)
{
    if (set->count > 1)
        qsort(set->sorted, set->count, sizeof *set->sorted, compare_members);
}

static bool is_member(const struct px_filter_set *set, const struct px_value *value)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&set->sorted[middle], value);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

enum px_truth px_filter__set_contains(const struct px_filter_set *set, const struct px_value *value)
{
    enum px_class class = px_value_class(value->kind);
    if (set->classes == 0)
        return PX_FALSE; /* nothing is in an empty list, whatever it may be */
    if (class == PX_CLASS_NULL)
        return PX_UNKNOWN;
    if (is_member(set, value))
        return PX_TRUE;
    /* A member that is null, or of another class, may be equal or not: nobody knows. */
    return (set->classes & ~(1u << class)) != 0 ? PX_UNKNOWN : PX_FALSE;
}
