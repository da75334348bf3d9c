/*
 * rest_router: which routes there are, and which one a request is for.
 *
 * One table holds all that is to be said about a route: method and path, the operation, how its
 * request is decoded, what it answers with, and which statuses the engine may give. The OpenAPI
 * document (docs/openapi.json) is held against it by a test.
 *
 * A path is matched segment by segment as it was sent; `{name}` takes any segment, which is decoded
 * afterwards, so an encoded slash is a part of a name and never of the path.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_ROUTER_H
#define PX_REST_REST_ROUTER_H

#include "base/slice.h"
#include "rest/rest_request.h"

enum px_rest_body { PX_REST_BODY_NONE, PX_REST_BODY_OPTIONAL, PX_REST_BODY_NEEDED };

/* A set of enum proximadb_status. */
#define PX_REST_MAY(status) (UINT32_C(1) << (status))

struct px_rest_endpoint {
    const char *method;
    const char *path; /* with {name} where a collection's name stands */
    int operation;    /* enum proximadb_operation, where `mode` does not say another; 0: none */
    enum px_rest_body body;
    unsigned parameters; /* PX_REST_TAKES() joined */
    px_rest_decode *decode;
    int success;       /* HTTP status */
    uint32_t statuses; /* how the engine may fail: PX_REST_MAY() joined */
};

extern const struct px_rest_endpoint px_rest_endpoints[];
extern const size_t px_rest_endpoint_count;

enum { PX_REST_ALLOW_BYTES = 64 };

struct px_rest_match {
    const struct px_rest_endpoint *endpoint; /* NULL: the path or the method is unknown */
    struct px_slice name;                    /* as it was sent */
    char allow[PX_REST_ALLOW_BYTES];         /* the path's methods; "" where the path is unknown */
};

/* HEAD is taken for GET. Slices are views into `path`. */
void px_rest_route(struct px_slice method, struct px_slice path, struct px_rest_match *ret_match);

#endif /* PX_REST_REST_ROUTER_H */
