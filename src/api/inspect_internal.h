/* inspect_internal: what the inspections share: lines on their way to a sink, and a store that a
 * server may be changing meanwhile. */
#ifndef PX_API_INSPECT_INTERNAL_H
#define PX_API_INSPECT_INTERNAL_H

#include "metadata/data_folder.h"
#include "model/collection.h"
#include "viper/manifest.h"
#include "viper/sql.h"

/* Lines for a sink. Zeroed but for sink and context at first; release `lines` in the end. */
struct px_inspect_output {
    proximadb_sink *sink;
    void *context;
    struct px_buffer lines;
};

/* Gives the lines to the sink. PROXIMADB_CANCELLED: it wants no more; PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_inspect__flush(struct px_inspect_output *output,
                                    struct proximadb_error *reterr);

/* The same, once enough lines have gathered. */
PX_MUST_CHECK int px_inspect__flush_some(struct px_inspect_output *output,
                                         struct proximadb_error *reterr);

/* Each describes a file, whose path is absolute. Errors as proximadb_inspect(). */
PX_MUST_CHECK int px_inspect__wal(const char *path, struct px_inspect_output *output,
                                  struct proximadb_error *reterr);
PX_MUST_CHECK int px_inspect__parquet(const char *path, struct px_inspect_output *output,
                                      struct proximadb_error *reterr);

/* ---- a store, as it is at one moment ------------------------------------------------------- */

struct px_inspect_view {
    struct px_data_folder folder;
    struct px_collection collection;
    struct px_path store_folder; /* absolute */
    struct px_manifest manifest;
};

/* Appends to `lines` what is to be said of a view. A file that is listed and not there is
 * PROXIMADB_IO with os_errno ENOENT. */
typedef int px_inspect_describe(const struct px_inspect_view *view, struct px_buffer *lines,
                                struct proximadb_error *reterr);

/* Describes a collection of the data folder at `path` by one manifest: as often as it is replaced
 * meanwhile, it begins again. PROXIMADB_UNAVAILABLE: the store changes all the time. */
PX_MUST_CHECK int px_inspect__store(const char *path, const char *collection,
                                    px_inspect_describe *describe, struct px_inspect_output *output,
                                    struct proximadb_error *reterr);

px_inspect_describe px_inspect__collection;
px_inspect_describe px_inspect__sql;

#endif /* PX_API_INSPECT_INTERNAL_H */
