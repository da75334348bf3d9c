/* What rows and centres become, and what a query has to be to be compared with them. */
#include "axis/ivf_internal.h"

#include "simd/code_kernels.h"
#include "simd/distance.h"

#include <float.h>
#include <math.h>

/* ---- rows and centres ----------------------------------------------------------------------- */

/* Bytes of a vector: round(x / step) + 128. Returns the step; 0: the vector is 0, or beyond float.
 * */
static float encode_bytes(const float *vector, size_t count, uint8_t *ret_bytes)
{
    float largest = px_code_kernels_get()->largest(vector, count);
    float step = largest / PX_IVF_MOST_BYTE, inverse = 1 / step;
    if (!(step > 0) || !(inverse > 0) || !(inverse <= FLT_MAX)) {
        memset(ret_bytes, PX_IVF_CENTRE_ZERO, count);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        float level = vector[i] * inverse;
        level = level >= -PX_IVF_MOST_BYTE ? level : -PX_IVF_MOST_BYTE; /* NaN among them */
        level = level <= PX_IVF_MOST_BYTE ? level : PX_IVF_MOST_BYTE;
        ret_bytes[i] = (uint8_t)(int)(level + (PX_IVF_CENTRE_ZERO + 0.5f));
    }
    return step;
}

float px_ivf__encode_centre(float *centre, size_t count, uint8_t *ret_bytes)
{
    float step = encode_bytes(centre, count, ret_bytes);
    for (size_t i = 0; i < count; i++)
        centre[i] = step * (float)(ret_bytes[i] - PX_IVF_CENTRE_ZERO);
    return step;
}

/* What is known of a residual r, its centre m, and the code c that stands for it. */
struct products {
    float residual_squared; /* r . r */
    float residual_centre;  /* r . m */
    float code_residual;    /* c . r */
    float code_centre;      /* c . m */
};

/*
 * RaBitQ: s = r.r / c.r makes s (c . v) an estimate of r . v that is right on average over all
 * rotations, for any v. With v = q - m, where q is the query, it is off by the less the nearer q
 * is:
 *
 *      l2      |q - m|^2 + r.r - 2 r.(q - m)     =  base + (r.r + 2 s c.m) - 2 s c.q
 *      cosine  1 - q.m - r.m - r.(q - m)         =  base + (s c.m - r.m) - s c.q
 *
 * Under dot the query may be of any length, m no help, and v is q: base - s c.q.
 */
static struct px_ivf_factors factors_of(enum proximadb_metric metric, const struct products *of)
{
    float scale = of->code_residual > 0 ? of->residual_squared / of->code_residual : 0;
    switch (metric) {
    case PROXIMADB_L2:
        return (struct px_ivf_factors){of->residual_squared + 2 * scale * of->code_centre,
                                       2 * scale};
    case PROXIMADB_COSINE:
        return (struct px_ivf_factors){scale * of->code_centre - of->residual_centre, scale};
    default:
        return (struct px_ivf_factors){0, scale};
    }
}

struct px_ivf_factors px_ivf__encode_signs(enum proximadb_metric metric, const float *residual,
                                           const float *centre, size_t count, size_t code_count,
                                           uint8_t *ret_signs)
{
    struct products of = {0};
    for (size_t i = 0; i < count; i++) {
        of.residual_squared += residual[i] * residual[i];
        of.residual_centre += residual[i] * centre[i];
    }
    for (size_t i = 0; i < code_count; i++) {
        float r = residual[i], m = centre[i];
        ret_signs[i] = r >= 0;
        of.code_residual += fabsf(r);
        of.code_centre += r >= 0 ? m : -m;
    }
    return factors_of(metric, &of);
}

struct px_ivf_factors px_ivf__encode_bytes(enum proximadb_metric metric, const float *residual,
                                           const float *centre, size_t count, uint8_t *ret_bytes)
{
    struct products of = {0};
    (void)encode_bytes(residual, count, ret_bytes);
    for (size_t i = 0; i < count; i++) {
        float r = residual[i], m = centre[i], c = (float)(ret_bytes[i] - PX_IVF_CENTRE_ZERO);
        of.residual_squared += r * r;
        of.residual_centre += r * m;
        of.code_residual += c * r;
        of.code_centre += c * m;
    }
    return factors_of(metric, &of);
}

/* ---- queries -------------------------------------------------------------------------------- */

enum { PLANE = 128, MOST_LEVEL = 127 * PLANE + PLANE - 1 };

/* Components as numbers of 15 bits, in two planes. */
static void make_planes(struct px_ivf__query *query)
{
    float largest = px_code_kernels_get()->largest(query->rotated, query->count);
    query->step = largest > 0 ? largest / (MOST_LEVEL - 1) : 1;
    query->sum = 0;
    float inverse = 1 / query->step;
    for (size_t i = 0; i < query->count; i++) {
        float scaled = query->rotated[i] * inverse + (MOST_LEVEL + 0.5f);
        scaled = scaled >= 0 ? scaled : 0; /* NaN among them */
        int level = (int)(scaled < 2 * MOST_LEVEL ? scaled : 2 * MOST_LEVEL) - MOST_LEVEL;
        query->high[i] =
            (int8_t)(level >> 7); /* rounds down, so that what is left is not negative */
        query->low[i] = (int8_t)(level & (PLANE - 1));
        query->sum += level;
    }
}

/* Twice the magnitudes of four components, at most this together, so that with each rounded up by a
 * half the sum is not above PX_FASTSCAN_MOST_ENTRY. */
#define TABLE_RANGE ((float)(PX_FASTSCAN_MOST_ENTRY - 2))

typedef uint8_t entries __attribute__((vector_size(16)));

/* One table: entry n is the sum of the weights of those of four components whose sign is as bit i
 * of n says. */
static void make_table(const float *components, float inverse, uint8_t *ret_table)
{
    static const entries with_bit[4] = {
        {0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255},
        {0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255},
        {0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255},
        {0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}};
    entries sum = {0};
    for (size_t i = 0; i < 4; i++) {
        float scaled = fabsf(components[i]) * inverse + 0.5f;
        uint8_t weight = (uint8_t)(int)(scaled < PX_FASTSCAN_MOST_ENTRY ? scaled : 0);
        uint8_t turned = components[i] < 0 ? 255 : 0;
        sum += (with_bit[i] ^ turned) & weight;
    }
    memcpy(ret_table, &sum, sizeof sum);
}

static void make_tables(struct px_ivf__query *query)
{
    float most = 0, all = 0;
    for (size_t i = 0; i < query->count; i += 4) {
        const float *q = query->rotated + i;
        float sum = fabsf(q[0]) + fabsf(q[1]) + fabsf(q[2]) + fabsf(q[3]);
        most = sum > most ? sum : most;
        all += sum;
    }
    query->table_unit = most > 0 ? 2 * most / TABLE_RANGE : 1;
    query->table_offset = -all;
    float inverse = 2 / query->table_unit;
    uint8_t *low = query->tables, *high = query->tables + 2 * query->count;
    for (size_t i = 0; i < query->count; i += 8, low += 16, high += 16) {
        make_table(query->rotated + i, inverse, low);
        make_table(query->rotated + i + 4, inverse, high);
    }
}

/* The tables of the first dimensions only: both halves, one behind the other. */
static void make_code_tables(struct px_ivf__query *query)
{
    size_t count = query->code_count;
    memcpy(query->code_tables, query->tables, 2 * count);
    memcpy(query->code_tables + 2 * count, query->tables + 2 * query->count, 2 * count);
    query->code_offset = 0;
    for (size_t i = 0; i < count; i++)
        query->code_offset -= fabsf(query->rotated[i]);
}

void px_ivf__prepare(struct px_ivf__query *query, const struct px_rotation *rotation,
                     enum proximadb_metric metric, const void *vector, bool is_rotated)
{
    size_t dim_count = is_rotated ? rotation->padded_count : rotation->dim_count;
    query->metric = metric;
    query->count = rotation->padded_count;
    query->code_count = px_ivf_code_count(rotation->padded_count);
    memcpy(query->rotated, vector, dim_count * sizeof(float));
    memset(query->rotated + dim_count, 0, (query->count - dim_count) * sizeof(float));
    double norm = sqrt(px_norm_squared_exact(vector, dim_count));
    if (metric == PROXIMADB_COSINE && norm > 0) {
        float inverse = (float)(1 / norm);
        for (size_t i = 0; i < dim_count; i++)
            query->rotated[i] *= inverse;
        norm = 1;
    }
    query->norm = (float)norm;
    query->norm_squared = query->norm * query->norm;
    if (!is_rotated)
        px_rotation_apply(rotation, query->rotated);
    make_planes(query);
    make_tables(query);
    make_code_tables(query);
}

/* How many standard deviations nearer than the mean row of a block its near rows are taken to be,
 * with the spread of rows around a centre being the same in all directions: 0.5 gives the fewest
 * rows for a recall of .95 and .99 on MiniLM vectors (0.1: 10 % more). */
#define NEAR_ROWS 0.5f

struct px_ivf__spread px_ivf__spread_of(enum proximadb_metric metric, float spread_squared)
{
    float spread = NEAR_ROWS * sqrtf(spread_squared);
    if (metric == PROXIMADB_L2)
        return (struct px_ivf__spread){spread_squared, 2 * spread};
    return (struct px_ivf__spread){0, spread};
}

struct px_ivf__view px_ivf__look(const struct px_ivf__query *query,
                                 const struct px_ivf_disk_list *list, int64_t raw)
{
    float product = list->step * px_ivf__product(query, raw);
    float squared = query->norm_squared + list->norm_squared - 2 * product;
    squared = squared > 0 ? squared : 0;
    struct px_ivf__spread spread = px_ivf__spread_of(query->metric, list->spread_squared);
    struct px_ivf__view view = {.base = -product, .reach = query->norm};
    if (query->metric == PROXIMADB_L2)
        view = (struct px_ivf__view){.base = squared, .reach = sqrtf(squared)};
    else if (query->metric == PROXIMADB_COSINE)
        view = (struct px_ivf__view){.base = 1 - product, .reach = sqrtf(squared)};
    view.key = view.base + spread.add - spread.share * view.reach;
    return view;
}
