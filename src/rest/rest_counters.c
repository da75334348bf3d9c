#include "rest/rest_counters.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* Every status that we answer with; the last place is for what is not in the list. */
static const uint16_t statuses[] = {
    PX_REST_CANCELLED,
    200,
    201,
    204,
    400,
    401,
    403,
    404,
    405,
    409,
    410,
    412,
    413,
    415,
    429,
    500,
    501,
    503,
    504,
};
enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };
static_assert((int)STATUS_COUNT < (int)PX_REST_STATUS_KINDS, "and one for the others");

int px_rest_counters_init(struct px_rest_counters *counters, struct proximadb_error *reterr)
{
    counters->ended = calloc(px_rest_endpoint_count + 1, sizeof *counters->ended);
    return counters->ended != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

void px_rest_counters_release(struct px_rest_counters *counters)
{
    free(counters->ended);
    counters->ended = NULL;
}

void px_rest_counters_add(struct px_rest_counters *counters,
                          const struct px_rest_endpoint *endpoint, int http_status)
{
    size_t row = endpoint != NULL ? (size_t)(endpoint - px_rest_endpoints) : px_rest_endpoint_count;
    size_t column = 0;
    while (column < STATUS_COUNT && statuses[column] != http_status)
        column++;
    atomic_fetch_add_explicit(&counters->ended[row][column], 1, memory_order_relaxed);
}

static void write_line(struct px_buffer *text, size_t row, size_t column, uint64_t count)
{
    bool is_known = row < px_rest_endpoint_count;
    px_buffer_append_format(text, "proximadb_rest_requests_total{method=\"%s\",path=\"%s\",status=",
                            is_known ? px_rest_endpoints[row].method : "",
                            is_known ? px_rest_endpoints[row].path : "");
    if (column == STATUS_COUNT)
        px_buffer_append_format(text, "\"other\"");
    else if (statuses[column] == PX_REST_CANCELLED)
        px_buffer_append_format(text, "\"cancelled\"");
    else
        px_buffer_append_format(text, "\"%d\"", statuses[column]);
    px_buffer_append_format(text, "} %" PRIu64 "\n", count);
}

void px_rest_counters_write(const struct px_rest_counters *counters, struct px_buffer *text)
{
    px_buffer_append_format(text, "# HELP proximadb_rest_requests_total REST requests that have "
                                  "ended, by route and HTTP status.\n"
                                  "# TYPE proximadb_rest_requests_total counter\n");
    for (size_t row = 0; row <= px_rest_endpoint_count; row++) {
        for (size_t column = 0; column <= STATUS_COUNT; column++) {
            uint64_t count =
                atomic_load_explicit(&counters->ended[row][column], memory_order_relaxed);
            if (count > 0)
                write_line(text, row, column, count);
        }
    }
}
