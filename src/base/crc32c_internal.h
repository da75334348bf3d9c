/* crc32c_internal: what crc32c.c and the file of the CPU's instruction share. */
#ifndef PX_BASE_CRC32C_INTERNAL_H
#define PX_BASE_CRC32C_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

enum { PX_CRC32C_STREAM_BYTES = 2048 }; /* of each of the three streams */

/* Multiplies a CRC by x^(8 * PX_CRC32C_STREAM_BYTES): one table per byte of the CRC. */
struct px_crc32c_shift {
    uint32_t table[4][256];
};

/* crc32c with the instruction; call it only where px_crc32c__supported() is true. `crc` and the
 * result are not inverted. */
uint32_t px_crc32c__hardware(const struct px_crc32c_shift *shift, uint32_t crc, const uint8_t *data,
                             size_t size_bytes);

/* Whether this CPU has the instruction; false where the file was built for another kind. */
int px_crc32c__supported(void);

#endif /* PX_BASE_CRC32C_INTERNAL_H */
