/*
 * zstd: libzstd with our errors, and with the output's size under our control.
 *
 * A compressor or decompressor owns libzstd's working memory (about 1 MiB at level 3, and 100 KiB)
 * and is used again and again; making one per call would cost more than a small page does.
 *
 * Whoever decompresses knows the size beforehand, because every format of ours states it: the
 * result is exactly that, or an error. So a small input cannot fill the memory: the size is first
 * held against the buffer's ceiling, then against what the frame says of itself.
 *
 * Threads: externally serialised; one object per thread.
 */
#ifndef PX_CODEC_ZSTD_H
#define PX_CODEC_ZSTD_H

#include "base/buffer.h"

struct px_zstd_compressor;
struct px_zstd_decompressor;

/* Returned, free with px_zstd_compressor_free(); NULL without memory. */
struct px_zstd_compressor *px_zstd_compressor_new(void);
void px_zstd_compressor_free(struct px_zstd_compressor *compressor);

/* Appends `input` as one frame. level: 1 (fastest) to 22, negative for still faster; 0 is 3.
 * PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (the buffer's ceiling): nothing is appended. */
PX_MUST_CHECK int px_zstd_compress(struct px_zstd_compressor *compressor, int level,
                                   struct px_slice input, struct px_buffer *buffer,
                                   struct proximadb_error *reterr);

/* The same of several parts one behind the other, as one frame. Each part has blocks of its own,
 * and so its own statistics: for parts of different kinds, such as the bytes of floats by their
 * place. Measured, level 1, four parts of 12 KiB: half-precision floats become 2.27 times smaller
 * instead of 1.78. Decompressed as any frame. */
PX_MUST_CHECK int px_zstd_compress_parts(struct px_zstd_compressor *compressor, int level,
                                         const struct px_slice *parts, size_t part_count,
                                         struct px_buffer *buffer, struct proximadb_error *reterr);

/* Returned, free with px_zstd_decompressor_free(), which keeps some for the next; NULL without
 * memory. */
struct px_zstd_decompressor *px_zstd_decompressor_new(void);
void px_zstd_decompressor_free(struct px_zstd_decompressor *decompressor);

/* Appends the content of `input`, which must be exactly size_bytes long. PROXIMADB_CORRUPT,
 * PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (the buffer's ceiling): nothing is appended. */
PX_MUST_CHECK int px_zstd_decompress(struct px_zstd_decompressor *decompressor,
                                     struct px_slice input, size_t size_bytes,
                                     struct px_buffer *buffer, struct proximadb_error *reterr);

#endif /* PX_CODEC_ZSTD_H */
