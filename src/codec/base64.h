/*
 * base64: bytes as text (RFC 4648, the standard alphabet, without padding), as gRPC sends headers
 * whose names end in "-bin".
 *
 * Threads: any thread. Memory: none.
 */
#ifndef PX_CODEC_BASE64_H
#define PX_CODEC_BASE64_H

#include "base/slice.h"

/* The size of the encoding of size_bytes bytes. */
static inline size_t px_base64_size(size_t size_bytes)
{
    return size_bytes / 3 * 4 + (size_bytes % 3 * 4 + 2) / 3;
}

/* Writes px_base64_size(bytes.size_bytes) characters, without a NUL. */
void px_base64_encode(struct px_slice bytes, char *text);

#endif /* PX_CODEC_BASE64_H */
