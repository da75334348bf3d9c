/*
 * output_internal: a file that is written from front to back, with its size and its checksum.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PARQUET_OUTPUT_INTERNAL_H
#define PX_PARQUET_OUTPUT_INTERNAL_H

#include "base/error.h"
#include "os/fs.h"

struct px_output {
    struct px_fs *fs; /* kept */
    int fd;
    uint64_t size_bytes;
    uint64_t started_bytes; /* of which the system has begun to put on the device */
    uint32_t crc32c;        /* of all that was written */
};

/* Appends all pieces. PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (the disk is full): the file is
 * then of no use, and *output says how much of it there was before. */
PX_MUST_CHECK int px_output__write(struct px_output *output, const struct px_slice *pieces,
                                   size_t count, struct proximadb_error *reterr);

#endif /* PX_PARQUET_OUTPUT_INTERNAL_H */
