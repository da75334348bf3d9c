#include "axis/graph_steps_internal.h"

#include <math.h>

/* What recalls took at most on real sets of 100,000 and 1,000,000 text embeddings. */
static const struct px_graph__effort usual_efforts[] = {
    {1, 0.90, 1.15f, 64},    {1, 0.95, 1.25f, 64},     {1, 0.99, 1.45f, 128},
    {1, 0.998, 1.7f, 256},   {10, 0.90, 1.05f, 64},    {10, 0.95, 1.10f, 96},
    {10, 0.98, 1.16f, 128},  {10, 0.99, 1.20f, 128},   {10, 0.995, 1.26f, 256},
    {10, 0.998, 1.4f, 512},  {100, 0.90, 1.0f, 256},   {100, 0.95, 1.04f, 256},
    {100, 0.99, 1.12f, 384}, {100, 0.998, 1.25f, 512},
};

/* Aimed at beside the recall that is asked for: what was learnt is of a sample, and of the nearest
 * by nine bits, which are not quite the nearest. */
static const double most_margin = 0.002;

/* The entries for the k nearest to one (by ratio). */
static size_t entries_for(const struct px_graph__effort **efforts, size_t count, uint32_t k)
{
    const struct px_graph__effort *all = *efforts;
    double least = (double)INFINITY;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        double ratio = fabs(log((double)all[i].k / (double)k));
        if (ratio < least) {
            least = ratio;
            *efforts = &all[i];
            found = 0;
        }
        found += all[i].k == (*efforts)->k;
    }
    return found;
}

/* Between the two learnt recalls around the target; beyond them, the first or the last one. */
static struct px_graph__effort effort_for(const struct px_graph__effort *efforts, size_t count,
                                          double recall)
{
    size_t i = 0;
    while (i + 1 < count && efforts[i].recall < recall)
        i++;
    if (i == 0 || efforts[i].recall <= recall)
        return efforts[i];
    const struct px_graph__effort *low = &efforts[i - 1], *high = &efforts[i];
    double share = (recall - low->recall) / (high->recall - low->recall);
    return (struct px_graph__effort){.recall = recall,
                                     .reach =
                                         low->reach + (float)share * (high->reach - low->reach),
                                     .beam = high->beam};
}

static struct px_graph__effort learnt_effort(const struct px_graph *graph, uint32_t k,
                                             double recall)
{
    struct px_graph *locked = (struct px_graph *)(uintptr_t)graph;
    pthread_mutex_lock(&locked->entry_lock);
    bool is_learnt = graph->effort_count > 0;
    const struct px_graph__effort *efforts = is_learnt ? graph->efforts : usual_efforts;
    size_t count = is_learnt ? graph->effort_count : sizeof usual_efforts / sizeof usual_efforts[0];
    count = entries_for(&efforts, count, k);
    struct px_graph__effort effort = effort_for(efforts, count, recall);
    pthread_mutex_unlock(&locked->entry_lock);
    return effort;
}

struct px_graph__walk px_graph__plan(const struct px_graph *graph,
                                     const struct px_graph_request *request)
{
    uint32_t k = request->k;
    if (request->effort > 0)
        return (struct px_graph__walk){
            k, (request->effort > k ? request->effort : k) + request->dead_capacity,
            (float)INFINITY};
    double recall = request->target_recall > 0 ? request->target_recall : 0.95;
    double missing = (1 - recall) / 5;
    recall += missing < most_margin ? missing : most_margin;
    struct px_graph__effort effort = learnt_effort(graph, k, recall);
    uint32_t beam = effort.beam > k + k / 2 ? effort.beam : k + k / 2;
    return (struct px_graph__walk){k, beam + request->dead_capacity, effort.reach};
}
