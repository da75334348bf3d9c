#include "rest/rest_head.h"

#include "codec/percent.h"
#include "codec/utf8.h"
#include "rest/rest_query.h"
#include "rest/rest_request_id.h"

static int fail_long_name(size_t size_bytes, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_INVALID,
                   "the collection's name has %zu bytes; names have at most %d", size_bytes,
                   PX_REST_LONGEST_NAME_BYTES);
}

/* Which names there may be is the engine's business; here they only must be text.
 * One that is too long to be passed on is told as gRPC tells it. */
static int read_name(struct px_slice encoded, struct px_rest_request *request,
                     struct proximadb_error *reterr)
{
    char name[3 * PX_REST_LONGEST_NAME_BYTES];
    if (encoded.size_bytes > sizeof name)
        return fail_long_name(encoded.size_bytes, reterr);
    size_t size = px_percent_decode(encoded, name);
    if (size == SIZE_MAX)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the collection's name has a '%%' without two hexadecimal digits behind it");
    if (size > PX_REST_LONGEST_NAME_BYTES)
        return fail_long_name(size, reterr);
    if (!px_utf8_validate(px_slice_of(name, size)) || memchr(name, 0, size) != NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the collection's name is no text: it has bytes that are not UTF-8, or a "
                       "NUL");
    memcpy(request->name, name, size);
    request->name_bytes = size;
    return PROXIMADB_OK;
}

/* 0 for a word that is no mode. */
static int operation_of(struct px_slice word)
{
    static const struct {
        const char *word;
        int operation;
    } modes[] = {
        {"insert", PROXIMADB_INSERT}, {"upsert", PROXIMADB_UPSERT}, {"update", PROXIMADB_UPDATE}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (px_slice_equal(word, px_slice_of_string(modes[i].word)))
            return modes[i].operation;
    return 0;
}

static int read_mode(struct px_slice query, struct px_rest_request *request,
                     struct proximadb_error *reterr)
{
    struct px_buffer value = {0};
    bool has_mode = px_rest_query_find(query, PX_REST_MODE, &value);
    int operation = operation_of(px_buffer_slice(&value));
    int rc = px_buffer_status(&value, reterr);
    px_buffer_release(&value);
    if (rc != PROXIMADB_OK || !has_mode)
        return rc;
    if (operation == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "mode must be insert, upsert or update");
    request->operation = operation;
    return PROXIMADB_OK;
}

/* Decimal digits only; 0 for what is none, or out of range. */
static int64_t timeout_of(struct px_slice text)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || value > PX_REST_LONGEST_TIMEOUT_MS)
            return 0;
        value = 10 * value + (text.data[i] - '0');
    }
    return value <= PX_REST_LONGEST_TIMEOUT_MS ? value : 0;
}

static int read_timeout(struct px_slice query, int64_t *ret_timeout_ms,
                        struct proximadb_error *reterr)
{
    struct px_buffer value = {0};
    bool has_timeout = px_rest_query_find(query, PX_REST_TIMEOUT_MS, &value);
    int64_t timeout_ms = timeout_of(px_buffer_slice(&value));
    int rc = px_buffer_status(&value, reterr);
    px_buffer_release(&value);
    if (rc == PROXIMADB_OK && has_timeout && timeout_ms == 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "timeout_ms must be a number of milliseconds from 1 to %lld",
                       (long long)PX_REST_LONGEST_TIMEOUT_MS);
    *ret_timeout_ms = timeout_ms;
    return rc;
}

static int read_key(struct px_slice value, struct px_rest_request *request,
                    struct proximadb_error *reterr)
{
    if (value.data == NULL)
        return PROXIMADB_OK;
    int rc = px_rest_request_id_parse(value, request->request_id, reterr);
    request->has_request_id = rc == PROXIMADB_OK;
    return rc;
}

int px_rest_head_read(const struct px_rest_head *head, const struct px_rest_endpoint *endpoint,
                      struct px_rest_request *request, int64_t *ret_timeout_ms,
                      struct proximadb_error *reterr)
{
    request->operation = endpoint->operation;
    request->query = head->query;
    int rc = read_name(head->name, request, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_query_check(head->query, endpoint->parameters, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_mode(head->query, request, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_timeout(head->query, ret_timeout_ms, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_key(head->idempotency_key, request, reterr);
    return rc;
}
