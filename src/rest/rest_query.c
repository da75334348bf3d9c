#include "rest/rest_query.h"

#include "codec/percent.h"
#include "codec/utf8.h"

#include <stdio.h>

static const char *const names[PX_REST_PARAMETER_COUNT] = {
    [PX_REST_TIMEOUT_MS] = "timeout_ms",
    [PX_REST_MODE] = "mode",
    [PX_REST_FILTER] = "filter",
    [PX_REST_PARAMS] = "params",
};

const char *px_rest_parameter_name(enum px_rest_parameter parameter)
{
    return names[parameter];
}

/* ---- one after the other ------------------------------------------------------------------- */

/* Cuts "name=value" off the front; false at the end. */
static bool next_pair(struct px_slice *query, struct px_slice *ret_name, struct px_slice *ret_value)
{
    if (query->size_bytes == 0)
        return false;
    const uint8_t *data = query->data;
    const uint8_t *amp = memchr(data, '&', query->size_bytes);
    size_t size = amp != NULL ? (size_t)(amp - data) : query->size_bytes;
    const uint8_t *equals = size > 0 ? memchr(data, '=', size) : NULL;
    size_t name_size = equals != NULL ? (size_t)(equals - data) : size;
    size_t value_at = equals != NULL ? name_size + 1 : size;
    *ret_name = px_slice_of(data, name_size);
    *ret_value = px_slice_of(data + value_at, size - value_at);
    size_t taken = amp != NULL ? size + 1 : size;
    *query = px_slice_of(data + taken, query->size_bytes - taken);
    return true;
}

/* PX_REST_PARAMETER_COUNT for an unknown name. Names are plain ASCII, which nobody encodes. */
static int parameter_of(struct px_slice name)
{
    int parameter = 0;
    while (parameter < PX_REST_PARAMETER_COUNT &&
           !px_slice_equal(name, px_slice_of_string(names[parameter])))
        parameter++;
    return parameter;
}

/* ---- checking ------------------------------------------------------------------------------ */

static int fail_unknown(struct px_slice name, unsigned known, struct proximadb_error *reterr)
{
    char list[80] = "none";
    size_t used = 0;
    for (int i = 0; i < PX_REST_PARAMETER_COUNT; i++)
        if (known & PX_REST_TAKES(i))
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "",
                                     names[i]);
    size_t shown = px_utf8_validate(name) ? px_utf8_cut(name, 60) : 0;
    return px_fail(reterr, PROXIMADB_INVALID,
                   "the query parameter '%.*s' is not known here; there may be %s", (int)shown,
                   (const char *)name.data, list);
}

static bool is_hexadecimal(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'F') ||
           (byte >= 'a' && byte <= 'f');
}

static bool has_bad_escape(struct px_slice value)
{
    const uint8_t *data = value.data;
    for (size_t i = 0; i < value.size_bytes; i++)
        if (data[i] == '%' && (value.size_bytes - i < 3 || !is_hexadecimal(data[i + 1]) ||
                               !is_hexadecimal(data[i + 2])))
            return true;
    return false;
}

int px_rest_query_check(struct px_slice query, unsigned known, struct proximadb_error *reterr)
{
    unsigned seen = 0;
    struct px_slice name, value;
    while (next_pair(&query, &name, &value)) {
        if (name.size_bytes == 0 && value.size_bytes == 0)
            continue; /* "a=1&&b=2", and a '?' with nothing behind it */
        int parameter = parameter_of(name);
        if (parameter == PX_REST_PARAMETER_COUNT || !(known & PX_REST_TAKES(parameter)))
            return fail_unknown(name, known, reterr);
        if (seen & PX_REST_TAKES(parameter))
            return px_fail(reterr, PROXIMADB_INVALID, "the query parameter '%s' is there twice",
                           names[parameter]);
        if (has_bad_escape(value))
            return px_fail(reterr, PROXIMADB_INVALID,
                           "the query parameter '%s' has a '%%' without two hexadecimal digits "
                           "behind it; a percent sign itself is written %%25",
                           names[parameter]);
        seen |= PX_REST_TAKES(parameter);
    }
    return PROXIMADB_OK;
}

/* ---- values -------------------------------------------------------------------------------- */

static void decode(struct px_slice encoded, struct px_buffer *value)
{
    char *room = px_buffer_reserve(value, encoded.size_bytes);
    if (room == NULL)
        return;
    for (size_t i = 0; i < encoded.size_bytes; i++)
        room[i] = encoded.data[i] == '+' ? ' ' : (char)encoded.data[i];
    size_t size = px_percent_decode(px_slice_of(room, encoded.size_bytes), room);
    value->size_bytes += size == SIZE_MAX ? 0 : size;
}

bool px_rest_query_find(struct px_slice query, enum px_rest_parameter parameter,
                        struct px_buffer *value)
{
    struct px_slice name, encoded;
    while (next_pair(&query, &name, &encoded)) {
        if (parameter_of(name) != (int)parameter)
            continue;
        decode(encoded, value);
        return true;
    }
    return false;
}
