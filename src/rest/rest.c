#include "rest/rest.h"

#include "rest/rest_call.h"

#include <stdlib.h>

/* Enough to keep bodies of several clients apart; more would only hold more memory at a time. */
enum { DECODE_THREADS = 2 };

int px_rest_new(proximadb *db, size_t body_limit_bytes, struct px_rest **ret_rest,
                struct proximadb_error *reterr)
{
    struct px_rest *rest = calloc(1, sizeof *rest);
    if (rest == NULL)
        return px_fail_no_memory(reterr);
    rest->db = db;
    rest->body_limit_bytes = body_limit_bytes > 0 ? body_limit_bytes : PX_REST_BODY_LIMIT_BYTES;
    int rc = px_rest_counters_init(&rest->counters, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_workers_open(DECODE_THREADS, "px-rest", 0, &rest->workers, reterr);
    if (rc != PROXIMADB_OK) {
        px_rest_free(rest);
        return rc;
    }
    *ret_rest = rest;
    return PROXIMADB_OK;
}

void px_rest_free(struct px_rest *rest)
{
    if (rest == NULL)
        return;
    px_workers_close(rest->workers);
    px_rest_counters_release(&rest->counters);
    free(rest);
}

void px_rest_routes(struct px_rest *rest, struct px_route routes[PX_REST_ROUTES])
{
    routes[0] = (struct px_route){
        .path = "/v1/", .is_prefix = true, .handler = &px_rest_handler, .context = rest};
    routes[1] =
        (struct px_route){.path = "/openapi.json", .handler = &px_rest_handler, .context = rest};
}

void px_rest_write_metrics(const struct px_rest *rest, struct px_buffer *text)
{
    px_rest_counters_write(&rest->counters, text);
}
