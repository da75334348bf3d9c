#include "api/struct_copy.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

int px_struct_copy(void *to, size_t to_bytes, const void *from, const char *name,
                   struct proximadb_error *reterr)
{
    size_t from_bytes;
    assert(to_bytes >= sizeof from_bytes);
    if (from == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "struct %s: the pointer to it is NULL", name);
    memcpy(&from_bytes, from, sizeof from_bytes);
    if (from_bytes < sizeof from_bytes)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "struct %s: struct_size is %zu; set it to sizeof(struct %s)", name,
                       from_bytes, name);
    size_t known_bytes = from_bytes < to_bytes ? from_bytes : to_bytes;
    if (!is_zero((const uint8_t *)from + known_bytes, from_bytes - known_bytes))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "struct %s has members set that version " PROXIMADB_VERSION
                       " of the library does not know",
                       name);
    memset(to, 0, to_bytes);
    memcpy(to, from, known_bytes);
    memcpy(to, &to_bytes, sizeof to_bytes);
    return PROXIMADB_OK;
}
