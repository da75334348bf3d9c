#include "rest/rest_unpack.h"

#include "codec/gzip.h"

/* Damage is what the client sent, and not what we keep. */
static int fail_packed(int rc, struct proximadb_error *reterr)
{
    if (rc != PROXIMADB_CORRUPT)
        return rc;
    if (reterr != NULL)
        reterr->status = PROXIMADB_INVALID;
    px_error_context(reterr, "the body's content-encoding is gzip");
    return PROXIMADB_INVALID;
}

static struct px_message *new_message(struct px_budget *budget, size_t size_bytes)
{
    struct px_message *message = px_message_new(budget, size_bytes);
    if (message == NULL)
        px_budget_return(budget, size_bytes);
    return message;
}

int px_rest_unpack(struct px_message **message, size_t limit_bytes, struct proximadb_error *reterr)
{
    struct px_slice packed = px_message_slice(*message);
    size_t size;
    int rc = px_gzip_size(packed, limit_bytes, &size, reterr);
    if (rc != PROXIMADB_OK)
        return fail_packed(rc, reterr);
    if (!px_budget_reserve((*message)->budget, size))
        return px_fail(reterr, PROXIMADB_UNAVAILABLE,
                       "the server has no room now for the %zu bytes that the body unpacks to; try "
                       "again later, or with less",
                       size);
    struct px_message *plain = new_message((*message)->budget, size);
    if (plain == NULL)
        return px_fail_no_memory(reterr);
    rc = px_gzip_unpack(packed, plain->data, size, reterr);
    if (rc != PROXIMADB_OK) {
        px_message_free(plain);
        return fail_packed(rc, reterr);
    }
    plain->size_bytes = size;
    px_message_free(*message);
    *message = plain;
    return PROXIMADB_OK;
}
