#include "os/path.h"

#include <assert.h>
#include <stdarg.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(PATH_MAX <= PX_PATH_BYTES, "realpath() writes up to PATH_MAX bytes");

int px_path_format(struct px_path *ret_path, struct proximadb_error *reterr, const char *format,
                   ...)
{
    ret_path->text[0] = '\0';
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

int px_path_resolve(const char *path, struct px_path *ret_path, struct proximadb_error *reterr)
{
    struct px_path resolved;
    if (realpath(path, resolved.text) == NULL)
        return px_fail(reterr, PROXIMADB_IO, "cannot find '%s'", path);
    *ret_path = resolved;
    return PROXIMADB_OK;
}

/* The length without slashes at the end; one that is the whole path stays. */
static size_t without_slashes(const char *path, size_t length)
{
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length;
}

void px_path_parent(const char *path, struct px_path *ret_parent)
{
    size_t length = without_slashes(path, strlen(path));
    while (length > 0 && path[length - 1] != '/')
        length--;
    length = without_slashes(path, length);
    if (length == 0) {
        path = ".";
        length = 1;
    }
    assert(length < sizeof ret_parent->text);
    memcpy(ret_parent->text, path, length);
    ret_parent->text[length] = '\0';
}

const char *px_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}
