#include "payload/validate.h"

#include "base/bits.h"
#include "codec/utf8.h"
#include "model/record.h"
#include "simd/distance.h"
#include "simd/kernels.h"

#include <float.h>
#include <math.h>

/* Between these the fast squared norm is far enough from FLT_MIN and FLT_MAX for its error, which
 * is below 65,536 roundings of 2^-24, not to matter. */
static const float clear_min = 1e-30f;
static const float clear_max = 1e37f;

int px_validate_id(struct px_slice id, struct proximadb_error *reterr)
{
    if (id.size_bytes == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "the id is empty; an id has 1 to %d bytes",
                       PX_LONGEST_ID_BYTES);
    if (id.size_bytes > PX_LONGEST_ID_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the id has %zu bytes; an id has at most %d, so use a hash of it",
                       id.size_bytes, PX_LONGEST_ID_BYTES);
    if (memchr(id.data, '\0', id.size_bytes) != NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "the id has a NUL byte in it");
    if (!px_utf8_validate(id))
        return px_fail(reterr, PROXIMADB_INVALID, "the id is not valid UTF-8");
    return PROXIMADB_OK;
}

size_t px_validate_shown_bytes(struct px_slice id)
{
    return px_utf8_cut(id, PX_SHOWN_ID_BYTES);
}

static int fail_dimension(const struct px_collection *collection, size_t dim_count,
                          struct proximadb_error *reterr)
{
    return px_fail_numbers(reterr, PROXIMADB_DIMENSION, -1, (int64_t)collection->dim_count,
                           (int64_t)dim_count,
                           "the vector has %zu dimensions, but those of collection '%s' have %u",
                           dim_count, collection->name, collection->dim_count);
}

static int fail_component(const uint8_t *vector, size_t dim_count, struct proximadb_error *reterr)
{
    for (size_t i = 0; i < dim_count; i++) {
        float component = px_load_f32(vector + i * sizeof(float));
        if (!isfinite(component))
            return px_fail(reterr, PROXIMADB_INVALID,
                           "component %zu of the vector is %s; every one must be a finite number",
                           i, isnan(component) ? "NaN" : "infinite");
    }
    return px_fail(reterr, PROXIMADB_INVALID,
                   "the vector is too long: its squared norm exceeds float32; scale it down");
}

static int fail_short(double norm_squared, struct proximadb_error *reterr)
{
    if (norm_squared == 0.0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the vector is all zeros; cosine needs a direction. Leave the row out, or "
                       "use a collection with metric l2 or dot");
    return px_fail(reterr, PROXIMADB_INVALID,
                   "the vector is too short for cosine: its squared norm, %g, is below %g; scale "
                   "it up",
                   norm_squared, (double)FLT_MIN);
}

static int decide_exactly(const struct px_collection *collection, const void *vector,
                          struct proximadb_error *reterr)
{
    double norm_squared = px_norm_squared_exact(vector, collection->dim_count);
    if (!(norm_squared <= (double)FLT_MAX))
        return fail_component(vector, collection->dim_count, reterr);
    if (collection->metric == PROXIMADB_COSINE && norm_squared < (double)FLT_MIN)
        return fail_short(norm_squared, reterr);
    return PROXIMADB_OK;
}

int px_validate_vector(const struct px_collection *collection, const void *vector, size_t dim_count,
                       struct proximadb_error *reterr)
{
    if (dim_count != collection->dim_count)
        return fail_dimension(collection, dim_count, reterr);
    float norm_squared = px_kernels_get()->norm_squared(vector, dim_count);
    if (norm_squared >= clear_min && norm_squared <= clear_max) /* never true of NaN */
        return PROXIMADB_OK;
    return decide_exactly(collection, vector, reterr);
}

int px_validate_document(struct px_slice document, struct proximadb_error *reterr)
{
    if (document.size_bytes > PX_LARGEST_DOCUMENT_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the document has %zu bytes; it may have %d (16 MiB), so split it",
                       document.size_bytes, PX_LARGEST_DOCUMENT_BYTES);
    if (!px_utf8_validate(document))
        return px_fail(reterr, PROXIMADB_INVALID, "the document is not valid UTF-8");
    return PROXIMADB_OK;
}

int px_validate_time(int64_t time_ms, const char *field, struct proximadb_error *reterr)
{
    if (time_ms < 0 || time_ms > PX_LATEST_TIME_MS)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "%s is %lld; it is in milliseconds since 1970 and may lie between 0 and "
                       "%lld, the end of the year 9999",
                       field, (long long)time_ms, (long long)PX_LATEST_TIME_MS);
    return PROXIMADB_OK;
}
