#include "http/route.h"

static bool path_fits(const struct px_route *route, struct px_slice path)
{
    struct px_slice wanted = px_slice_of_string(route->path);
    if (route->is_prefix && path.size_bytes > wanted.size_bytes)
        path.size_bytes = wanted.size_bytes;
    return px_slice_equal(path, wanted);
}

const struct px_route *px_route_find(const struct px_route *routes, size_t count,
                                     const struct px_exchange *exchange)
{
    struct px_slice path = px_exchange_path(exchange);
    for (size_t i = 0; i < count; i++) {
        const struct px_route *route = &routes[i];
        if (path_fits(route, path) && (route->matches == NULL || route->matches(exchange)))
            return route;
    }
    return NULL;
}

static void answer_not_found(struct px_exchange *exchange)
{
    px_exchange_respond_text(exchange, 404, "text/plain; charset=utf-8",
                             px_slice_of_string("nothing is served at this path\n"));
}

const struct px_handler px_route_not_found = {.on_request = answer_not_found};
