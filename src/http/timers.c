#include "http/timers.h"

#include <assert.h>

/* Makes the later of two roots the first child of the other; either may be NULL. */
static struct px_timer *meld(struct px_timer *a, struct px_timer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (b->at_ms < a->at_ms) {
        struct px_timer *swapped = a;
        a = b;
        b = swapped;
    }
    b->previous = a;
    b->sibling = a->child;
    if (a->child != NULL)
        a->child->previous = b;
    a->child = b;
    return a;
}

/* Joins a list of siblings into one heap: pairs from left to right, then the pairs from right to
 * left, which is what gives the pairing heap its bound. */
static struct px_timer *join_siblings(struct px_timer *list)
{
    struct px_timer *pairs = NULL; /* newest first, linked by sibling */
    while (list != NULL) {
        struct px_timer *a = list;
        struct px_timer *b = a->sibling;
        list = b != NULL ? b->sibling : NULL;
        a->sibling = NULL;
        if (b != NULL)
            b->sibling = NULL;
        struct px_timer *pair = meld(a, b);
        pair->sibling = pairs;
        pairs = pair;
    }
    struct px_timer *root = NULL;
    while (pairs != NULL) {
        struct px_timer *next = pairs->sibling;
        pairs->sibling = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    if (root != NULL)
        root->previous = NULL;
    return root;
}

/* Takes a node that is not the root out of its list of siblings. */
static void cut(struct px_timer *timer)
{
    if (timer->previous->child == timer)
        timer->previous->child = timer->sibling;
    else
        timer->previous->sibling = timer->sibling;
    if (timer->sibling != NULL)
        timer->sibling->previous = timer->previous;
}

void px_timers_clear(struct px_timers *timers, struct px_timer *timer)
{
    if (!timer->is_set)
        return;
    struct px_timer *orphans = join_siblings(timer->child);
    if (timer == timers->first) {
        timers->first = orphans;
    } else {
        cut(timer);
        timers->first = meld(timers->first, orphans);
    }
    timer->child = timer->sibling = timer->previous = NULL;
    timer->is_set = false;
}

void px_timers_set(struct px_timers *timers, struct px_timer *timer, int64_t at_ms)
{
    assert(timer->fire != NULL);
    px_timers_clear(timers, timer);
    timer->at_ms = at_ms;
    timer->is_set = true;
    timers->first = meld(timers->first, timer);
}

void px_timers_run(struct px_timers *timers, int64_t now_ms)
{
    while (timers->first != NULL && timers->first->at_ms <= now_ms) {
        struct px_timer *due = timers->first;
        px_timers_clear(timers, due);
        due->fire(due);
    }
}
