/*
 * struct_copy: public structs that grow at their end, whichever version of the header the caller
 * was compiled with.
 *
 * Such a struct begins with its size as the caller knows it. One from an older caller is shorter:
 * the members it lacks are zero, which always means their default. One from a newer caller is
 * longer: that is fine as long as it is zero there, too; otherwise it asks for what this version
 * cannot do.
 *
 * Threads: any thread.
 */
#ifndef PX_API_STRUCT_COPY_H
#define PX_API_STRUCT_COPY_H

#include "base/error.h"

#include <stddef.h>

/* Fills in *to, of to_bytes and beginning with struct_size, from the caller's struct (borrowed).
 * `name` is the struct's, for messages. PROXIMADB_INVALID: NULL, without a size, or as above. */
PX_MUST_CHECK int px_struct_copy(void *to, size_t to_bytes, const void *from, const char *name,
                                 struct proximadb_error *reterr);

#endif /* PX_API_STRUCT_COPY_H */
