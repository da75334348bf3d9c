#include "http/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { HOST_BYTES = 256, HIGHEST_PORT = 65535 };

static bool is_port(const char *text)
{
    size_t size = strlen(text);
    if (size == 0 || size > 5 || strspn(text, "0123456789") != size)
        return false;
    unsigned port = 0;
    for (size_t i = 0; i < size; i++)
        port = 10 * port + (unsigned)(text[i] - '0');
    return port <= HIGHEST_PORT;
}

/* Splits at the last ':' and takes the brackets of an IPv6 address away. */
static bool split(const char *text, char host[HOST_BYTES], const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !is_port(colon + 1))
        return false;
    size_t size = (size_t)(colon - text);
    bool is_bracketed = size >= 2 && text[0] == '[' && text[size - 1] == ']';
    if (is_bracketed) {
        text++;
        size -= 2;
    }
    if (size >= HOST_BYTES || (!is_bracketed && memchr(text, ':', size) != NULL))
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return true;
}

int px_address_resolve(const char *text, struct px_address *ret_addresses, size_t *ret_count,
                       struct proximadb_error *reterr)
{
    char host[HOST_BYTES];
    const char *port;
    if (!split(text, host, &port))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "'%.100s' is no address to listen on; write HOST:PORT, such as "
                       "127.0.0.1:5678 or [::1]:5678",
                       text);
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
    if (rc != 0)
        return px_fail(reterr, PROXIMADB_UNAVAILABLE, "cannot resolve '%s': %s", host,
                       gai_strerror(rc));
    size_t count = 0;
    for (struct addrinfo *each = found; each != NULL && count < PX_ADDRESS_LIMIT;
         each = each->ai_next) {
        struct px_address *address = &ret_addresses[count++];
        *address = (struct px_address){.size_bytes = each->ai_addrlen};
        memcpy(&address->socket, each->ai_addr, each->ai_addrlen);
    }
    freeaddrinfo(found);
    *ret_count = count;
    return PROXIMADB_OK;
}

bool px_address_is_loopback(const struct px_address *address)
{
    if (address->socket.ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&address->socket;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->socket.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->socket;
        return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
    }
    return false;
}

unsigned px_address_port(const struct px_address *address)
{
    if (address->socket.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->socket)->sin_port);
    if (address->socket.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->socket)->sin6_port);
    return 0;
}

void px_address_format(const struct px_address *address, char text[PX_ADDRESS_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = px_address_port(address);
    if (address->socket.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->socket;
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        snprintf(text, PX_ADDRESS_TEXT_BYTES, "[%s]:%u", host, port);
    } else if (address->socket.ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&address->socket;
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        snprintf(text, PX_ADDRESS_TEXT_BYTES, "%s:%u", host, port);
    } else {
        snprintf(text, PX_ADDRESS_TEXT_BYTES, "?");
    }
}
