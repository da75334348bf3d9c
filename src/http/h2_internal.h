/* h2_internal: what the receiving and the sending half of HTTP/2 share. */
#ifndef PX_HTTP_H2_INTERNAL_H
#define PX_HTTP_H2_INTERNAL_H

#include "http/frame_cursor.h"
#include "http/http_internal.h"

#include <nghttp2/nghttp2.h>

struct px_h2 {
    nghttp2_session *session;
    struct px_connection *connection;
    struct px_frame_cursor cursor;
    int64_t control_tokens; /* that the peer may still spend on control frames */
    int64_t control_paid_ms;
    const char *why; /* we gave the peer up; NULL: nghttp2 did, and `error` may say why */
    char error[160];
};

static inline struct px_h2 *px_h2__of(const struct px_connection *c)
{
    return c->session;
}

void px_h2__add_send_callbacks(nghttp2_session_callbacks *callbacks);
void px_h2__produce(struct px_connection *c);
void px_h2__start(struct px_exchange *x, const struct px_header *headers, size_t header_count);
void px_h2__wake(struct px_exchange *x);

#endif /* PX_HTTP_H2_INTERNAL_H */
