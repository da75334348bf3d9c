/*
 * base64: bytes as text by RFC 4648, section 4: the alphabet A-Z a-z 0-9 + /.
 *
 * Written with '=' at the end, up to a multiple of four characters, or without, as gRPC sends
 * headers whose names end in "-bin". Reading is strict: no white space, no missing padding, no
 * stray bits in the last character. So a text has one meaning, and bytes have one text.
 *
 * Threads: any thread.
 */
#ifndef PX_CODEC_BASE64_H
#define PX_CODEC_BASE64_H

#include "base/buffer.h"

/* The size of the encoding of size_bytes bytes, without padding. */
static inline size_t px_base64_size(size_t size_bytes)
{
    return size_bytes / 3 * 4 + (size_bytes % 3 * 4 + 2) / 3;
}

/* Writes px_base64_size(bytes.size_bytes) characters, without padding and without a NUL. */
void px_base64_encode(struct px_slice bytes, char *text);

/* Appends the text of `bytes` with its padding, without a NUL. Failures mark the buffer. */
void px_base64_append(struct px_buffer *buffer, struct px_slice bytes);

/* Appends the bytes of a padded `text`. PROXIMADB_INVALID with the place of the first fault (the
 * buffer is then as before), PROXIMADB_NO_MEMORY, PROXIMADB_RESOURCE_EXHAUSTED (its ceiling). */
PX_MUST_CHECK int px_base64_decode(struct px_slice text, struct px_buffer *buffer,
                                   struct proximadb_error *reterr);

#endif /* PX_CODEC_BASE64_H */
