#include "axis/graph_steps_internal.h"

#include <assert.h>

/* A chosen neighbour stands for a candidate if it is nearer to it than the vertex, by this factor
 * of squared distances (alpha of Vamana, Subramanya et al., NeurIPS 2019). */
static const float stand_in_factor = 1.06f;

/* But under dot not if it is shorter than the candidate by more than this factor of squared norms:
 * answers are among the long, which have to lead to each other, and all that is short lies closer
 * together than they do. */
static const float least_norm_share = 0.5f;

/* What distances between stored vectors are computed from: eight-bit codes, and for equal codes
 * they are exactly 0. */
struct place {
    const uint8_t *row;
    float norm, scale, added;
    float length; /* under dot: the squared norm of the vector itself; otherwise the same for all */
};

/* Decodes a slot to `row`. */
static struct place place_of(const struct px_graph *graph, const struct px_graph__view *view,
                             uint32_t slot, uint8_t *row)
{
    struct place place = {.row = row, .added = px_graph__factors(view, slot)->added};
    const uint8_t *rows[] = {row};
    int32_t dot;
    place.length = (float)graph->most_norm - place.added * place.added;
    place.scale = px_graph__scale(view, slot) * (float)(1u << graph->plane_count);
    graph->kernels->bytes_of(&view->codes, slot, row);
    graph->kernels->byte_dots(rows, 1, graph->padded, row, &dot);
    place.norm = place.scale * place.scale * (float)dot + place.added * place.added;
    return place;
}

static float squared_of(const struct place *a, const struct place *b, int32_t dot)
{
    float product = a->scale * b->scale * (float)dot + a->added * b->added;
    return a->norm + b->norm - 2 * product;
}

void px_graph__sort(px_graph__candidate *candidates, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        px_graph__candidate moving = candidates[i];
        uint32_t at = i;
        for (; at > 0 && candidates[at - 1] > moving; at--)
            candidates[at] = candidates[at - 1];
        candidates[at] = moving;
    }
}

/* ---- choosing ------------------------------------------------------------------------------- */

/* Those that were chosen so far. */
struct chosen {
    struct place places[PX_GRAPH__MOST_DEGREE];
    const uint8_t *rows[PX_GRAPH__MOST_DEGREE];
    uint32_t count;
};

/* Whether one of the chosen stands for a candidate at `distance` from the vertex. */
static bool is_covered(const struct px_graph *graph, const struct chosen *chosen,
                       const struct place *place, float distance)
{
    enum { AT_ONCE = 8 };
    int32_t dots[AT_ONCE];
    for (uint32_t first = 0; first < chosen->count; first += AT_ONCE) {
        uint32_t count = chosen->count - first < AT_ONCE ? chosen->count - first : AT_ONCE;
        graph->kernels->byte_dots(chosen->rows + first, count, graph->padded, place->row, dots);
        for (uint32_t i = 0; i < count; i++)
            if (squared_of(&chosen->places[first + i], place, dots[i]) * stand_in_factor <=
                    distance &&
                chosen->places[first + i].length >= place->length * least_norm_share)
                return true;
    }
    return false;
}

static void choose(struct chosen *chosen, const struct place *place)
{
    chosen->rows[chosen->count] = place->row;
    chosen->places[chosen->count++] = *place;
}

uint32_t px_graph__prune(struct px_graph_worker *worker, uint32_t slot,
                         px_graph__candidate *candidates, uint32_t count, uint32_t most)
{
    const struct px_graph *graph = worker->graph;
    struct chosen chosen = {.count = 0};
    for (uint32_t i = 0; i < count && chosen.count < most; i++) {
        uint32_t other = px_graph__slot_of(candidates[i]);
        if (other == slot)
            continue;
        struct place place = place_of(graph, &worker->view, other,
                                      worker->rows + (size_t)chosen.count * graph->padded);
        if (is_covered(graph, &chosen, &place, px_graph__distance_of(candidates[i])))
            continue;
        candidates[chosen.count] = candidates[i];
        choose(&chosen, &place);
    }
    return chosen.count;
}

/* ---- among slots ---------------------------------------------------------------------------- */

/* Decodes the others, and sorts them by distance: a candidate's slot is the number in `others`. */
static void measure_slots(struct px_graph_worker *worker, uint32_t slot, const uint32_t *others,
                          uint32_t count, struct place *ret_places, px_graph__candidate *ret)
{
    const struct px_graph *graph = worker->graph;
    const uint8_t *rows[PX_GRAPH__MOST_JOINED];
    int32_t dots[PX_GRAPH__MOST_JOINED];
    struct place from = place_of(graph, &worker->view, slot, worker->rows);
    for (uint32_t i = 0; i < count; i++) {
        ret_places[i] = place_of(graph, &worker->view, others[i],
                                 worker->rows + (size_t)(i + 1) * graph->padded);
        rows[i] = ret_places[i].row;
    }
    graph->kernels->byte_dots(rows, count, graph->padded, from.row, dots);
    for (uint32_t i = 0; i < count; i++)
        ret[i] = px_graph__candidate_of(squared_of(&from, &ret_places[i], dots[i]), i, 0);
    px_graph__sort(ret, count);
}

uint32_t px_graph__prune_slots(struct px_graph_worker *worker, uint32_t slot,
                               const uint32_t *others, uint32_t count, uint32_t most,
                               px_graph__candidate *ret_chosen)
{
    px_graph__candidate candidates[PX_GRAPH__MOST_JOINED];
    struct place places[PX_GRAPH__MOST_JOINED];
    struct chosen chosen = {.count = 0};
    measure_slots(worker, slot, others, count, places, candidates);
    for (uint32_t i = 0; i < count && chosen.count < most; i++) {
        uint32_t number = px_graph__slot_of(candidates[i]);
        float distance = px_graph__distance_of(candidates[i]);
        if (is_covered(worker->graph, &chosen, &places[number], distance))
            continue;
        ret_chosen[chosen.count] = px_graph__candidate_of(distance, others[number], 0);
        choose(&chosen, &places[number]);
    }
    return chosen.count;
}
