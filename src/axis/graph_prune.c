#include "axis/graph_internal.h"

#include <assert.h>

/* A chosen neighbour stands for a candidate if it is nearer to it than the vertex, by this factor
 * of squared distances (alpha of Vamana, Subramanya et al., NeurIPS 2019). */
static const float stand_in_factor = 1.06f;

/* What eight-bit distances need of a slot. */
struct place {
    float norm, scale, added;
};

static struct place place_of(const struct px_graph__view *view, uint32_t slot)
{
    const struct px_graph__factors *factors = px_graph__factors(view, slot);
    uint32_t bits = px_graph__scale_bits(view, slot) & ~PX_GRAPH__DEAD_BIT;
    struct place place = {.norm = factors->norm, .added = factors->added};
    memcpy(&place.scale, &bits, sizeof bits);
    return place;
}

static float squared_of(const struct place *a, const struct place *b, int32_t dot)
{
    /* Eight-bit magnitudes are half the stored ones. */
    return a->norm + b->norm - 2 * (4 * a->scale * b->scale * (float)dot + a->added * b->added);
}

/* Signed bytes to the same with 128 added. */
static void to_row(const int8_t *bytes, size_t count, uint8_t *ret_row)
{
    for (size_t i = 0; i < count; i++)
        ret_row[i] = (uint8_t)((uint8_t)bytes[i] ^ 0x80);
}

void px_graph__measure_slots(const struct px_graph *graph, struct px_graph_worker *worker,
                             uint32_t slot, const uint32_t *others, size_t count,
                             float *ret_distances)
{
    const struct px_graph__view *view = &worker->view;
    int32_t dots[PX_GRAPH__MOST_DEGREE + 1];
    struct place from = place_of(view, slot);
    for (size_t i = 0; i < count; i++) {
        graph->kernels->bytes_of(&view->codes, others[i], worker->row);
        to_row(worker->row, graph->padded, worker->rows + i * graph->padded);
    }
    graph->kernels->bytes_of(&view->codes, slot, worker->row);
    graph->kernels->byte_dots(worker->rows, graph->padded, count, graph->padded, worker->row, dots);
    for (size_t i = 0; i < count; i++) {
        struct place to = place_of(view, others[i]);
        ret_distances[i] = squared_of(&from, &to, dots[i]);
    }
}

/* Whether one of the chosen stands for the candidate, whose bytes are worker->row. */
static bool is_covered(const struct px_graph *graph, struct px_graph_worker *worker,
                       const struct place *chosen, uint32_t chosen_count, const struct place *place,
                       float distance)
{
    enum { AT_ONCE = 8 };
    int32_t dots[AT_ONCE];
    for (uint32_t first = 0; first < chosen_count; first += AT_ONCE) {
        uint32_t count = chosen_count - first < AT_ONCE ? chosen_count - first : AT_ONCE;
        graph->kernels->byte_dots(worker->rows + (size_t)first * graph->padded, graph->padded,
                                  count, graph->padded, worker->row, dots);
        for (uint32_t i = 0; i < count; i++)
            if (squared_of(&chosen[first + i], place, dots[i]) * stand_in_factor < distance)
                return true;
    }
    return false;
}

uint32_t px_graph__prune(const struct px_graph *graph, struct px_graph_worker *worker,
                         uint32_t slot, px_graph__candidate *candidates, uint32_t count)
{
    const struct px_graph__view *view = &worker->view;
    struct place chosen[PX_GRAPH__MOST_DEGREE];
    uint32_t chosen_count = 0;
    for (uint32_t i = 0; i < count && chosen_count < graph->degree; i++) {
        uint32_t other = px_graph__slot_of(candidates[i]);
        if (other == slot)
            continue;
        struct place place = place_of(view, other);
        graph->kernels->bytes_of(&view->codes, other, worker->row);
        if (is_covered(graph, worker, chosen, chosen_count, &place,
                       px_graph__distance_of(candidates[i])))
            continue;
        to_row(worker->row, graph->padded, worker->rows + (size_t)chosen_count * graph->padded);
        chosen[chosen_count] = place;
        candidates[chosen_count++] = candidates[i];
    }
    return chosen_count;
}
