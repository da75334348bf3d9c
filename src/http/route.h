/*
 * route: which handler a request goes to.
 *
 * A list that is searched from the front: the first route whose path fits, and whose `matches` says
 * yes where there is one, takes the request. Methods are the handler's business, so that it can
 * answer 405 with a list. What no route takes is answered with 404.
 *
 * Threads: read-only once the server runs.
 */
#ifndef PX_HTTP_ROUTE_H
#define PX_HTTP_ROUTE_H

#include "http/exchange.h"

struct px_route {
    const char *path;                                    /* as sent, without query */
    bool is_prefix;                                      /* or any path that begins with it */
    bool (*matches)(const struct px_exchange *exchange); /* NULL: yes */
    const struct px_handler *handler;
    void *context; /* px_exchange_context() */
};

/* The route that takes the request, or NULL. */
const struct px_route *px_route_find(const struct px_route *routes, size_t count,
                                     const struct px_exchange *exchange);

/* Answers 404. */
extern const struct px_handler px_route_not_found;

#endif /* PX_HTTP_ROUTE_H */
