/*
 * rest_origin: whether a request may have been made by a web page that the user of this machine has
 * open, and not by a program that was told to.
 *
 * A page of any site can make its browser send requests to a server on this machine, which asks for
 * no password. It cannot choose the headers that say whose page it is:
 *
 *      WHAT THE PAGE DOES                              WHAT THE BROWSER SAYS
 *      sends to http://127.0.0.1:5678 from its own     Origin: http://evil.example, or null;
 *      address                                         Sec-Fetch-Site: cross-site
 *      lets its own name be resolved to 127.0.0.1      Host: evil.example
 *      (DNS rebinding), and reads the answers, too
 *
 * So what is not GET or HEAD must not come from another origin than the server's; and a server that
 * only this machine can reach must be called localhost or by an address, for no page's name is.
 *
 * It is no protection against programs: these say what they like.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_ORIGIN_H
#define PX_REST_REST_ORIGIN_H

#include "base/error.h"
#include "base/slice.h"

/* Fields of a request; empty where there is none. */
struct px_rest_origin {
    struct px_slice method;
    struct px_slice authority; /* Host, or :authority */
    struct px_slice origin;
    struct px_slice site; /* Sec-Fetch-Site */
    bool is_local;        /* only this machine can reach the server */
};

/* PROXIMADB_PERMISSION_DENIED */
PX_MUST_CHECK int px_rest_origin_check(const struct px_rest_origin *request,
                                       struct proximadb_error *reterr);

#endif /* PX_REST_REST_ORIGIN_H */
