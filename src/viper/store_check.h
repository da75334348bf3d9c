/*
 * store_check: reads every file of a collection's store to see that it is what was written.
 *
 *      MANIFEST.json   its checksum, and that it is of this collection
 *      parts           size and checksum of the whole file; every page's checksum, bounds and bloom
 *                      filters (parquet/parquet_verify.h); columns, versions and metadata of every
 *                      row; that nothing is newer than the manifest's flushed_lsn
 *      delete files    size, checksums, and that each names a row of its part
 *      centroids       size and checksums
 *      all together    that the rows which are not deleted are as many as the manifest says
 *      anything else   that lies there: reported, not judged
 *
 * Nothing is changed. What is found is reported; see base/finding.h for what the severities mean.
 *
 * Files are read before they are mapped, so that a sector which cannot be read is a finding and not
 * a signal. Threads: one. Memory: the marks of dead rows, 8 bytes for each of 4,096 rows around
 * them.
 */
#ifndef PX_VIPER_STORE_CHECK_H
#define PX_VIPER_STORE_CHECK_H

#include "base/finding.h"
#include "model/collection.h"
#include "os/fs.h"

/* Everything is borrowed. */
struct px_store_check {
    struct px_fs *fs;
    const char *folder; /* store/NAME */
    const struct px_collection *collection;
    const struct px_findings *findings;
};

struct px_store_checked {
    uint64_t file_count;
    uint64_t size_bytes;
    bool has_manifest; /* it could be read; otherwise the rest is zero */
    int64_t flushed_lsn;
    uint64_t live_row_count;
};

/* PROXIMADB_NO_MEMORY; PROXIMADB_IO: a folder cannot be listed. Damage is no failure. */
PX_MUST_CHECK int px_store_check_run(const struct px_store_check *check,
                                     struct px_store_checked *ret_checked,
                                     struct proximadb_error *reterr);

#endif /* PX_VIPER_STORE_CHECK_H */
