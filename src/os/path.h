/*
 * path: joining names into paths of bounded length, without allocation, and taking them apart.
 *
 * A struct px_path is filled in whole or not at all, so a cut path is never used by accident.
 */
#ifndef PX_OS_PATH_H
#define PX_OS_PATH_H

#include "base/error.h"

#include <stddef.h>

enum { PX_PATH_BYTES = 4096 };

struct px_path {
    char text[PX_PATH_BYTES];
};

/* Formats a path. PROXIMADB_INVALID: longer than 4,095 bytes; *ret_path is then "". */
PX_MUST_CHECK int px_path_format(struct px_path *ret_path, struct proximadb_error *reterr,
                                 const char *format, ...) PX_PRINTF(3, 4);

/* The absolute path of what is at `path`, without symbolic links. PROXIMADB_IO: there is nothing,
 * or the system does not say. */
PX_MUST_CHECK int px_path_resolve(const char *path, struct px_path *ret_path,
                                  struct proximadb_error *reterr);

/* The folder that holds `path`, which is at most 4,095 bytes long: "a/b" for "a/b/c" and for
 * "a/b//c/", "." for "c", "/" for "/c" and for "/". */
void px_path_parent(const char *path, struct px_path *ret_parent);

/* What stands behind the last '/': "c" for "a/b/c", "" for "a/b/". A view into path. */
const char *px_path_name(const char *path);

#endif /* PX_OS_PATH_H */
