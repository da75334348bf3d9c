#include "rest/rest_origin.h"

#include <arpa/inet.h>
#include <strings.h>

enum { SHOWN_BYTES = 80, ADDRESS_BYTES = INET6_ADDRSTRLEN };

static bool equals_ignoring_case(struct px_slice a, struct px_slice b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 ||
            strncasecmp((const char *)a.data, (const char *)b.data, a.size_bytes) == 0);
}

static bool is_port(struct px_slice text)
{
    for (size_t i = 0; i < text.size_bytes; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

/* "HOST", "HOST:PORT", "[ADDRESS]" or "[ADDRESS]:PORT"; false if it is none of them. */
static bool split_authority(struct px_slice authority, struct px_slice *ret_host,
                            bool *ret_is_bracketed)
{
    const uint8_t *text = authority.data;
    *ret_is_bracketed = text[0] == '[';
    const uint8_t *end = memchr(text, *ret_is_bracketed ? ']' : ':', authority.size_bytes);
    if (end == NULL && *ret_is_bracketed)
        return false;
    size_t host_at = *ret_is_bracketed ? 1 : 0;
    size_t host_end = end != NULL ? (size_t)(end - text) : authority.size_bytes;
    *ret_host = px_slice_of(text + host_at, host_end - host_at);
    size_t rest_at = host_end + host_at;
    if (rest_at == authority.size_bytes)
        return true;
    return text[rest_at] == ':' &&
           is_port(px_slice_of(text + rest_at + 1, authority.size_bytes - rest_at - 1));
}

static bool is_address(struct px_slice host, int family)
{
    char text[ADDRESS_BYTES];
    struct in6_addr parsed; /* has room for either */
    if (host.size_bytes >= sizeof text)
        return false;
    memcpy(text, host.data, host.size_bytes);
    text[host.size_bytes] = '\0';
    return inet_pton(family, text, &parsed) == 1;
}

/* Names that no site can give to this machine. */
static bool is_own_name(struct px_slice authority)
{
    struct px_slice host;
    bool is_bracketed;
    if (!split_authority(authority, &host, &is_bracketed) || host.size_bytes == 0)
        return false;
    if (is_bracketed)
        return is_address(host, AF_INET6);
    return equals_ignoring_case(host, px_slice_of_string("localhost")) || is_address(host, AF_INET);
}

static int shown(struct px_slice text)
{
    return text.size_bytes < SHOWN_BYTES ? (int)text.size_bytes : SHOWN_BYTES;
}

/* A request without an authority, which HTTP/1.0 allows, is not a browser's. */
static int check_authority(const struct px_rest_origin *request, struct proximadb_error *reterr)
{
    struct px_slice authority = request->authority;
    if (!request->is_local || authority.size_bytes == 0 || is_own_name(authority))
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_PERMISSION_DENIED,
                   "the server listens for this machine only, and is called '%.*s'; call it "
                   "localhost or by its address, so that no web page can pretend to be its own",
                   shown(authority), (const char *)authority.data);
}

/* "http://HOST:PORT" without what stands in front of the host; empty for "null". */
static struct px_slice authority_of(struct px_slice origin)
{
    for (size_t i = 0; i + 3 <= origin.size_bytes; i++)
        if (memcmp(origin.data + i, "://", 3) == 0)
            return px_slice_of(origin.data + i + 3, origin.size_bytes - i - 3);
    return (struct px_slice){0};
}

static int check_origin(const struct px_rest_origin *request, struct proximadb_error *reterr)
{
    struct px_slice origin = request->origin;
    struct px_slice from = authority_of(origin);
    bool is_cross_site = equals_ignoring_case(request->site, px_slice_of_string("cross-site"));
    if (px_slice_equal(request->method, px_slice_of_string("GET")) ||
        px_slice_equal(request->method, px_slice_of_string("HEAD")))
        return PROXIMADB_OK;
    if (origin.size_bytes > 0 &&
        (from.size_bytes == 0 || !equals_ignoring_case(from, request->authority)))
        return px_fail(reterr, PROXIMADB_PERMISSION_DENIED,
                       "a web page of '%.*s' asks, and pages of other sites may not change "
                       "anything here",
                       shown(origin), (const char *)origin.data);
    if (is_cross_site)
        return px_fail(reterr, PROXIMADB_PERMISSION_DENIED,
                       "a web page of another site asks, and such may not change anything here");
    return PROXIMADB_OK;
}

int px_rest_origin_check(const struct px_rest_origin *request, struct proximadb_error *reterr)
{
    int rc = check_authority(request, reterr);
    return rc == PROXIMADB_OK ? check_origin(request, reterr) : rc;
}
