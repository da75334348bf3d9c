/*
 * utf8: whether bytes are UTF-8 text (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF).
 */
#ifndef PX_CODEC_UTF8_H
#define PX_CODEC_UTF8_H

#include "base/slice.h"

bool px_utf8_validate(struct px_slice text);

/* The size of the longest beginning of a valid text that has at most most_bytes and whole code
 * points only: for messages, which show the beginning of what may be long. */
size_t px_utf8_cut(struct px_slice text, size_t most_bytes);

#endif /* PX_CODEC_UTF8_H */
