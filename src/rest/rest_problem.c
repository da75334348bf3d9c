#include "rest/rest_problem.h"

#include "codec/json.h"
#include "codec/utf8.h"

#include <assert.h>

static const struct {
    uint16_t http_status;
    const char *title;
} problems[] = {
    [PROXIMADB_OK] = {200, "Success"},
    [PROXIMADB_INVALID] = {400, "Invalid request"},
    [PROXIMADB_NO_MEMORY] = {503, "Out of memory"},
    [PROXIMADB_IO] = {500, "Input or output failed"},
    [PROXIMADB_CORRUPT] = {500, "Damaged data"},
    [PROXIMADB_COLLECTION_NOT_FOUND] = {404, "Collection not found"},
    [PROXIMADB_COLLECTION_EXISTS] = {409, "Collection exists"},
    [PROXIMADB_VECTOR_NOT_FOUND] = {404, "Vector not found"},
    [PROXIMADB_VECTOR_EXISTS] = {409, "Vector exists"},
    [PROXIMADB_DIMENSION] = {400, "Wrong dimension"},
    [PROXIMADB_VERSION_MISMATCH] = {412, "Version mismatch"},
    [PROXIMADB_RESOURCE_EXHAUSTED] = {429, "Resources exhausted"},
    [PROXIMADB_READ_ONLY] = {409, "Collection is read-only"},
    [PROXIMADB_UNAVAILABLE] = {503, "Unavailable"},
    [PROXIMADB_DEADLINE_EXCEEDED] = {504, "Deadline exceeded"},
    [PROXIMADB_CANCELLED] = {503, "Cancelled"},
    [PROXIMADB_UNIMPLEMENTED] = {501, "Not implemented"},
    [PROXIMADB_OUTCOME_UNKNOWN] = {500, "Outcome unknown"},
    [PROXIMADB_UNAUTHENTICATED] = {401, "Not authenticated"},
    [PROXIMADB_PERMISSION_DENIED] = {403, "Permission denied"},
    [PROXIMADB_SNAPSHOT_EXPIRED] = {410, "Snapshot expired"},
    [PROXIMADB_INTERNAL] = {500, "Internal error"},
    [PROXIMADB_TOO_LARGE] = {413, "Too large"},
};
static_assert(sizeof problems / sizeof problems[0] == PROXIMADB_STATUS_COUNT, "each has a status");

static int known(int status)
{
    return status >= 0 && status < PROXIMADB_STATUS_COUNT ? status : PROXIMADB_INTERNAL;
}

int px_rest_http_status(int status)
{
    return problems[known(status)].http_status;
}

bool px_rest_is_temporary(int http_status)
{
    return http_status == 429 || http_status == 503;
}

/* What HTTP calls a status that is not the error's own. */
static const char *phrase_of(int http_status)
{
    switch (http_status) {
    case PX_REST_NOT_FOUND:
        return "Not Found";
    case PX_REST_METHOD_NOT_ALLOWED:
        return "Method Not Allowed";
    case PX_REST_TOO_LARGE:
        return "Content Too Large";
    case PX_REST_UNSUPPORTED_TYPE:
        return "Unsupported Media Type";
    default:
        return "Refused";
    }
}

static void append_type(struct px_buffer *buffer, int http_status, int status)
{
    if (http_status == px_rest_http_status(status))
        px_buffer_append_format(buffer, "{\"type\":\"urn:proximadb:error:%s\",\"title\":\"%s\"",
                                proximadb_status_name(status), problems[status].title);
    else
        px_buffer_append_format(buffer, "{\"type\":\"about:blank\",\"title\":\"%s\"",
                                phrase_of(http_status));
}

/* A message may quote the beginning of what a client sent, or be cut within a character: then only
 * its ASCII is kept. */
static void append_message(struct px_buffer *buffer, const char *message)
{
    char ascii[sizeof((struct proximadb_error *)NULL)->message];
    struct px_slice text = px_slice_of_string(message);
    if (!px_utf8_validate(text)) {
        for (size_t i = 0; i < text.size_bytes; i++)
            ascii[i] = text.data[i] < 0x80 ? (char)text.data[i] : '?';
        text.data = (const uint8_t *)ascii;
    }
    px_json_append_string(buffer, text);
}

void px_rest_problem_write(struct px_buffer *buffer, int http_status,
                           const struct proximadb_error *error)
{
    int status = known(error->status);
    append_type(buffer, http_status, status);
    px_buffer_append_format(buffer, ",\"status\":%d,\"detail\":", http_status);
    append_message(buffer, error->message);
    px_buffer_append_format(buffer, ",\"code\":\"%s\"", proximadb_status_name(status));
    if (error->row_index >= 0)
        px_buffer_append_format(buffer, ",\"row_index\":%lld", (long long)error->row_index);
    if (status == PROXIMADB_DIMENSION || status == PROXIMADB_VERSION_MISMATCH)
        px_buffer_append_format(buffer, ",\"expected\":%lld,\"actual\":%lld",
                                (long long)error->expected, (long long)error->actual);
    px_buffer_append_byte(buffer, '}');
}
