/*
 * crc32: the checksum of gzip and of Parquet's pages (polynomial 0x04c11db7, reflected), through
 * libdeflate, which uses carry-less multiplication where the CPU has it.
 *
 * Not to be mistaken for crc32c, which our own formats carry.
 *
 * Threads: any thread.
 */
#ifndef PX_CODEC_CRC32_H
#define PX_CODEC_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` was the checksum of, followed by `data`. Start with 0. */
uint32_t px_crc32(uint32_t crc, const void *data, size_t size_bytes);

#endif /* PX_CODEC_CRC32_H */
