/*
 * gzip: unpacking gzip (RFC 1952) through libdeflate, with a ceiling on what comes out.
 *
 * A kilobyte of gzip can claim to be gigabytes. So unpacking has two steps: px_gzip_size() reads
 * the size that the trailer claims and refuses one that is over the limit or that deflate cannot
 * reach from so few bytes; the caller reserves and allocates exactly that much; px_gzip_unpack()
 * fails unless exactly that much comes out and the checksum is right.
 *
 * Only a single member is taken, which is what every gRPC and HTTP client sends.
 *
 * Threads: any thread.
 */
#ifndef PX_CODEC_GZIP_H
#define PX_CODEC_GZIP_H

#include "base/error.h"
#include "base/slice.h"

/* PROXIMADB_CORRUPT: no gzip, or a claim that cannot be true. PROXIMADB_RESOURCE_EXHAUSTED: over
 * limit_bytes; the message has both numbers. */
PX_MUST_CHECK int px_gzip_size(struct px_slice packed, size_t limit_bytes, size_t *ret_size_bytes,
                               struct proximadb_error *reterr);

/* Fills `data` with the size_bytes that px_gzip_size() gave. PROXIMADB_CORRUPT,
 * PROXIMADB_NO_MEMORY; the content of `data` is then undefined. */
PX_MUST_CHECK int px_gzip_unpack(struct px_slice packed, void *data, size_t size_bytes,
                                 struct proximadb_error *reterr);

#endif /* PX_CODEC_GZIP_H */
