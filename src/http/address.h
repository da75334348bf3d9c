/*
 * address: "HOST:PORT" as the operator types it, and peers as the log shows them.
 *
 *      127.0.0.1:5678    [::1]:5678    localhost:5678    0.0.0.0:5678    :5678 (every interface)
 *
 * Threads: any thread.
 */
#ifndef PX_HTTP_ADDRESS_H
#define PX_HTTP_ADDRESS_H

#include "base/error.h"

#include <sys/socket.h>

enum {
    PX_ADDRESS_TEXT_BYTES = 80, /* an IPv6 address with a scope, brackets and a port */
    PX_ADDRESS_LIMIT = 8,       /* a name may stand for several */
};

struct px_address {
    struct sockaddr_storage socket;
    socklen_t size_bytes;
};

/* Resolves `text` to the addresses to listen on, at most PX_ADDRESS_LIMIT. PROXIMADB_INVALID: it is
 * no address, with what is expected; PROXIMADB_UNAVAILABLE: the name cannot be resolved. */
PX_MUST_CHECK int px_address_resolve(const char *text, struct px_address *ret_addresses,
                                     size_t *ret_count, struct proximadb_error *reterr);

/* "127.0.0.1:5678" or "[::1]:5678"; "?" for other families. */
void px_address_format(const struct px_address *address, char text[PX_ADDRESS_TEXT_BYTES]);

/* Only this machine can connect there. */
bool px_address_is_loopback(const struct px_address *address);

/* 0 for other families. */
unsigned px_address_port(const struct px_address *address);

#endif /* PX_HTTP_ADDRESS_H */
