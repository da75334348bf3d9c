#include "rest/rest_request_id.h"

#include "base/hash.h"
#include "base/uuid.h"

/* What stands in quotes, or the value itself. A backslash would make it another text. */
static struct px_slice without_quotes(struct px_slice value)
{
    if (value.size_bytes < 2 || value.data[0] != '"' || value.data[value.size_bytes - 1] != '"')
        return value;
    return px_slice_of(value.data + 1, value.size_bytes - 2);
}

static bool is_visible(struct px_slice text)
{
    for (size_t i = 0; i < text.size_bytes; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e || text.data[i] == '\\')
            return false;
    return true;
}

static bool parse_uuid(struct px_slice key, uint8_t request_id[16])
{
    char text[PX_UUID_TEXT_BYTES];
    struct px_uuid uuid;
    if (key.size_bytes != PX_UUID_TEXT_BYTES - 1)
        return false;
    memcpy(text, key.data, key.size_bytes);
    text[key.size_bytes] = '\0';
    if (!px_uuid_parse(text, &uuid))
        return false;
    memcpy(request_id, uuid.bytes, PX_UUID_BYTES);
    return true;
}

int px_rest_request_id_parse(struct px_slice value, uint8_t request_id[16],
                             struct proximadb_error *reterr)
{
    struct px_slice key = without_quotes(value);
    if (key.size_bytes < 1 || key.size_bytes > PX_REST_LONGEST_KEY_BYTES || !is_visible(key))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "Idempotency-Key must be 1 to %d visible ASCII characters other than a "
                       "backslash, such as a uuid",
                       PX_REST_LONGEST_KEY_BYTES);
    if (!parse_uuid(key, request_id))
        px_hash_xxh3_128(key, request_id);
    return PROXIMADB_OK;
}
