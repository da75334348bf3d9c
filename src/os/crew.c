#include "os/crew.h"

#include "os/thread.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* What an owner has under way. On its stack. */
struct work {
    void (*run)(void *context, unsigned member);
    void *context;
    unsigned under_way; /* members of the crew that have begun and not ended */
    pthread_cond_t done;
};

struct hand {
    struct px_crew *crew;
    pthread_t thread;
    pthread_cond_t wake;
    struct work *work; /* NULL: idle */
    unsigned member;
    bool has_begun;
};

struct px_crew {
    pthread_mutex_t lock; /* guards: closing, work, member and has_begun of hands, under_way */
    bool closing;
    int nice_level;
    unsigned size; /* of those that were started */
    struct hand hands[];
};

/* Under the lock. */
static void do_work(struct hand *hand)
{
    struct work *work = hand->work;
    hand->has_begun = true;
    work->under_way++;
    pthread_mutex_unlock(&hand->crew->lock);
    work->run(work->context, hand->member);
    pthread_mutex_lock(&hand->crew->lock);
    hand->work = NULL;
    hand->has_begun = false;
    if (--work->under_way == 0)
        pthread_cond_signal(&work->done); /* the owner cannot go on before the lock is free */
}

static void *lend_hand(void *context)
{
    struct hand *hand = context;
    struct px_crew *crew = hand->crew;
    if (crew->nice_level > 0)
        px_thread_yield_to_others(crew->nice_level);
    pthread_mutex_lock(&crew->lock);
    while (!crew->closing) {
        if (hand->work != NULL)
            do_work(hand);
        else
            pthread_cond_wait(&hand->wake, &crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

int px_crew_open(unsigned thread_count, const char *name, struct px_crew **ret_crew,
                 struct proximadb_error *reterr)
{
    return px_crew_open_nice(thread_count, name, 0, ret_crew, reterr);
}

int px_crew_open_nice(unsigned thread_count, const char *name, int nice_level,
                      struct px_crew **ret_crew, struct proximadb_error *reterr)
{
    assert(thread_count <= 999);
    struct px_crew *crew = calloc(1, sizeof *crew + thread_count * sizeof(struct hand));
    if (crew == NULL)
        return px_fail_no_memory(reterr);
    pthread_mutex_init(&crew->lock, NULL);
    crew->nice_level = nice_level;
    for (unsigned i = 0; i < thread_count; i++) {
        char thread_name[PX_THREAD_NAME_BYTES];
        struct hand *hand = &crew->hands[i];
        snprintf(thread_name, sizeof thread_name, "%.11s-%u", name, i);
        hand->crew = crew;
        pthread_cond_init(&hand->wake, NULL);
        int rc = px_thread_start(&hand->thread, thread_name, lend_hand, hand, reterr);
        if (rc != PROXIMADB_OK) {
            pthread_cond_destroy(&hand->wake);
            px_crew_close(crew);
            return rc;
        }
        crew->size++;
    }
    *ret_crew = crew;
    return PROXIMADB_OK;
}

void px_crew_close(struct px_crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->closing = true;
    for (unsigned i = 0; i < crew->size; i++) {
        assert(crew->hands[i].work == NULL);
        pthread_cond_signal(&crew->hands[i].wake);
    }
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->size; i++) {
        pthread_join(crew->hands[i].thread, NULL);
        pthread_cond_destroy(&crew->hands[i].wake);
    }
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

static void call_hands(struct px_crew *crew, unsigned most_members, struct work *work)
{
    unsigned member = 1;
    pthread_mutex_lock(&crew->lock);
    for (unsigned i = 0; i < crew->size && member < most_members; i++) {
        struct hand *hand = &crew->hands[i];
        if (hand->work != NULL)
            continue;
        hand->work = work;
        hand->member = member++;
        pthread_cond_signal(&hand->wake);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* Calls back hands that have not begun and waits for those that have. */
static void dismiss_hands(struct px_crew *crew, struct work *work)
{
    pthread_mutex_lock(&crew->lock);
    for (unsigned i = 0; i < crew->size; i++)
        if (crew->hands[i].work == work && !crew->hands[i].has_begun)
            crew->hands[i].work = NULL;
    while (work->under_way > 0)
        pthread_cond_wait(&work->done, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}

void px_crew_run(struct px_crew *crew, unsigned most_members,
                 void (*run)(void *context, unsigned member), void *context)
{
    struct work work = {.run = run, .context = context, .done = PTHREAD_COND_INITIALIZER};
    if (crew == NULL || most_members < 2) {
        run(context, 0);
        return;
    }
    call_hands(crew, most_members, &work);
    run(context, 0);
    dismiss_hands(crew, &work);
    pthread_cond_destroy(&work.done);
}

unsigned px_crew_size(const struct px_crew *crew)
{
    return crew != NULL ? crew->size : 0;
}

void px_crew_failure_note(struct px_crew_failure *failure, const struct proximadb_error *error)
{
    pthread_mutex_lock(&failure->lock);
    if (!atomic_load(&failure->has_failed))
        failure->error = *error;
    atomic_store(&failure->has_failed, true);
    pthread_mutex_unlock(&failure->lock);
}

int px_crew_failure_end(struct px_crew_failure *failure, struct proximadb_error *reterr)
{
    pthread_mutex_destroy(&failure->lock);
    if (!px_crew_has_failed(failure))
        return PROXIMADB_OK;
    if (reterr != NULL)
        *reterr = failure->error;
    return failure->error.status;
}
