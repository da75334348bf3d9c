#include "parquet/output_internal.h"

#include "base/crc32c.h"
#include "os/file.h"

enum { START_SYNC_BYTES = 2 << 20 }; /* a device of 1.5 GB/s has it in little more than 1 ms */

int px_output__write(struct px_output *output, const struct px_slice *pieces, size_t count,
                     struct proximadb_error *reterr)
{
    if (output->fs->write_at(output->fs, output->fd, pieces, count, output->size_bytes) < 0)
        return px_fail_file(reterr, "cannot write the Parquet file");
    for (size_t i = 0; i < count; i++) {
        output->crc32c = px_crc32c(output->crc32c, pieces[i].data, pieces[i].size_bytes);
        output->size_bytes += pieces[i].size_bytes;
    }
    if (output->size_bytes - output->started_bytes >= START_SYNC_BYTES) {
        output->fs->start_sync(output->fs, output->fd, output->started_bytes,
                               output->size_bytes - output->started_bytes);
        output->started_bytes = output->size_bytes;
    }
    return PROXIMADB_OK;
}
