#include "os/path.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int px_path_format(struct px_path *ret_path, struct proximadb_error *reterr, const char *format,
                   ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(ret_path->text, sizeof ret_path->text, format, args);
    va_end(args);
    if (length >= 0 && length < (int)sizeof ret_path->text)
        return PROXIMADB_OK;
    int rc = px_fail(reterr, PROXIMADB_INVALID,
                     "the path '%.60s...' is longer than %d bytes; choose a shorter data folder",
                     ret_path->text, PX_PATH_BYTES - 1);
    ret_path->text[0] = '\0';
    return rc;
}

void px_path_parent(const char *path, struct px_path *ret_parent)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        strncpy(ret_parent->text, ".", sizeof ret_parent->text);
        return;
    }
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    assert(length < sizeof ret_parent->text);
    memcpy(ret_parent->text, path, length);
    ret_parent->text[length] = '\0';
}

const char *px_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}
