/*
 * crc32c: the Castagnoli checksum (RFC 3720) that WAL entries and our own files carry.
 *
 * Written with the CPU's CRC instruction where there is one: three streams at once, because the
 * instruction takes three cycles but starts every cycle, then joined by multiplication with x^n in
 * GF(2) (M. Adler's crc32c.c explains the method). Otherwise slicing by eight tables.
 *
 * Threads: any thread.
 */
#ifndef PX_BASE_CRC32C_H
#define PX_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` was the checksum of, followed by `data`. Start with 0. */
uint32_t px_crc32c(uint32_t crc, const void *data, size_t size_bytes);

/* The same by tables only, for tests and for CPUs without the instruction. */
uint32_t px_crc32c_portable(uint32_t crc, const void *data, size_t size_bytes);

#endif /* PX_BASE_CRC32C_H */
