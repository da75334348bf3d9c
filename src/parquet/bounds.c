#include "parquet/bounds_internal.h"

#include "base/bits.h"
#include "codec/utf8.h"

#include <assert.h>
#include <math.h>

/* ---- order --------------------------------------------------------------------------------- */

static int compare_i64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_f64(double a, double b)
{
    return a < b ? -1 : a > b;
}

int px_bounds__compare(enum px_parquet_type type, struct px_slice a, struct px_slice b)
{
    switch (type) {
    case PX_PARQUET_BOOLEAN:
        return compare_i64(a.data[0], b.data[0]);
    case PX_PARQUET_INT32:
        return compare_i64((int32_t)px_load_u32(a.data), (int32_t)px_load_u32(b.data));
    case PX_PARQUET_INT64:
        return compare_i64((int64_t)px_load_u64(a.data), (int64_t)px_load_u64(b.data));
    case PX_PARQUET_FLOAT:
        return compare_f64((double)px_load_f32(a.data), (double)px_load_f32(b.data));
    case PX_PARQUET_DOUBLE:
        return compare_f64(px_load_f64(a.data), px_load_f64(b.data));
    case PX_PARQUET_BYTE_ARRAY:
        break;
    }
    return px_slice_compare(a, b);
}

bool px_bounds__is_nan(enum px_parquet_type type, struct px_slice value)
{
    return (type == PX_PARQUET_FLOAT && isnan(px_load_f32(value.data))) ||
           (type == PX_PARQUET_DOUBLE && isnan(px_load_f64(value.data)));
}

bool px_bounds__is_valid(enum px_parquet_type type, const struct px_parquet_statistics *statistics)
{
    struct px_slice min = statistics->min, max = statistics->max;
    size_t size = px_parquet_type_bytes(type);
    if (size > 0 && (min.size_bytes != size || max.size_bytes != size))
        return false;
    return !px_bounds__is_nan(type, min) && !px_bounds__is_nan(type, max) &&
           px_bounds__compare(type, min, max) <= 0;
}

/* ---- cutting ------------------------------------------------------------------------------- */

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The end of the last whole character within the first PX_BOUND_BYTES bytes of a longer text. */
static size_t cut_text(struct px_slice text)
{
    size_t size = PX_BOUND_BYTES;
    while (size > 0 && is_continuation(text.data[size]))
        size--;
    return size;
}

static uint32_t decode_code_point(const uint8_t *bytes, size_t size)
{
    if (size == 1)
        return bytes[0];
    uint32_t code_point = bytes[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        code_point = code_point << 6 | (bytes[i] & 0x3f);
    return code_point;
}

static size_t encode_code_point(uint32_t code_point, uint8_t *bytes)
{
    size_t size = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--, code_point >>= 6)
        bytes[i] = (uint8_t)(0x80 | (code_point & 0x3f));
    bytes[0] = (uint8_t)(marks[size] | code_point);
    return size;
}

/* Makes a beginning of valid text larger than every text that begins with it: raises its last code
 * point and drops what is behind; one that is the largest is dropped itself. The new one may not
 * need more bytes than there is room for: then it is dropped, too. */
static bool raise_text(struct px_bound *bound)
{
    size_t end = bound->size_bytes;
    while (end > 0) {
        size_t at = end - 1;
        while (at > 0 && is_continuation(bound->bytes[at]))
            at--;
        uint32_t next = decode_code_point(bound->bytes + at, end - at) + 1;
        if (next == 0xd800)
            next = 0xe000; /* surrogates are no characters */
        uint8_t raised[4];
        size_t size = next <= 0x10ffff ? encode_code_point(next, raised) : PX_BOUND_BYTES + 1;
        if (at + size <= PX_BOUND_BYTES) {
            memcpy(bound->bytes + at, raised, size);
            bound->size_bytes = (uint8_t)(at + size);
            return true;
        }
        end = at;
    }
    return false;
}

static bool raise_bytes(struct px_bound *bound)
{
    while (bound->size_bytes > 0) {
        uint8_t *last = &bound->bytes[bound->size_bytes - 1];
        if (*last != 0xff) {
            ++*last;
            return true;
        }
        bound->size_bytes--;
    }
    return false;
}

/* Copies a value, cut if it is long. */
static void set_bound(const struct px_parquet_column *column, struct px_slice value,
                      struct px_bound *bound)
{
    size_t size = value.size_bytes;
    if (size > PX_BOUND_BYTES)
        size = px_parquet_is_text(column) ? cut_text(value) : PX_BOUND_BYTES;
    bound->is_exact = size == value.size_bytes;
    bound->size_bytes = (uint8_t)size;
    if (size > 0)
        memcpy(bound->bytes, value.data, size);
}

static bool set_bounds(const struct px_parquet_column *column, struct px_slice min,
                       struct px_slice max, struct px_bounds *bounds)
{
    set_bound(column, min, &bounds->min);
    set_bound(column, max, &bounds->max);
    if (bounds->max.is_exact)
        return true;
    if (!px_parquet_is_text(column))
        return raise_bytes(&bounds->max);
    /* What is no text, whatever the column says, has no characters to raise. */
    return px_utf8_validate(px_bound__slice(&bounds->max)) && raise_text(&bounds->max);
}

/* ---- collecting ---------------------------------------------------------------------------- */

/* Takes the next value off the front of PLAIN values. */
static struct px_slice take_value(enum px_parquet_type type, struct px_slice *values)
{
    size_t head = type == PX_PARQUET_BYTE_ARRAY ? 4 : 0;
    size_t size = head > 0 ? px_load_u32(values->data) : px_parquet_type_bytes(type);
    assert(values->size_bytes - head >= size);
    struct px_slice value = px_slice_of(values->data + head, size);
    values->data += head + size;
    values->size_bytes -= head + size;
    return value;
}

/* Both zeros are equal, so either may stand for the other: the wider one is written. */
static void widen_zeros(enum px_parquet_type type, struct px_bounds *bounds)
{
    uint8_t *min_sign = &bounds->min.bytes[px_parquet_type_bytes(type) - 1];
    uint8_t *max_sign = &bounds->max.bytes[px_parquet_type_bytes(type) - 1];
    static const uint8_t zero[8] = {0};
    struct px_slice zero_slice = px_slice_of(zero, px_parquet_type_bytes(type));
    if (px_bounds__compare(type, px_bound__slice(&bounds->min), zero_slice) == 0)
        *min_sign = 0x80;
    if (px_bounds__compare(type, px_bound__slice(&bounds->max), zero_slice) == 0)
        *max_sign = 0;
}

void px_bounds__of_values(const struct px_parquet_column *column, struct px_slice values,
                          size_t count, struct px_bounds *ret_bounds)
{
    struct px_slice min = {0}, max = {0};
    bool is_set = false;
    for (size_t i = 0; i < count; i++) {
        struct px_slice value = take_value(column->type, &values);
        if (px_bounds__is_nan(column->type, value))
            continue;
        if (!is_set || px_bounds__compare(column->type, value, min) < 0)
            min = value;
        if (!is_set || px_bounds__compare(column->type, value, max) > 0)
            max = value;
        is_set = true;
    }
    ret_bounds->is_set = is_set && set_bounds(column, min, max, ret_bounds);
    if (ret_bounds->is_set &&
        (column->type == PX_PARQUET_FLOAT || column->type == PX_PARQUET_DOUBLE))
        widen_zeros(column->type, ret_bounds);
}

void px_bounds__widen(enum px_parquet_type type, struct px_bounds *bounds,
                      const struct px_bounds *other)
{
    assert(bounds->is_set && other->is_set);
    int order =
        px_bounds__compare(type, px_bound__slice(&other->min), px_bound__slice(&bounds->min));
    if (order < 0 || (order == 0 && other->min.is_exact))
        bounds->min = other->min;
    order = px_bounds__compare(type, px_bound__slice(&other->max), px_bound__slice(&bounds->max));
    if (order > 0 || (order == 0 && other->max.is_exact))
        bounds->max = other->max;
}
