/*
 * utf8: whether bytes are UTF-8 text (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF).
 */
#ifndef PX_CODEC_UTF8_H
#define PX_CODEC_UTF8_H

#include "base/slice.h"

bool px_utf8_validate(struct px_slice text);

#endif /* PX_CODEC_UTF8_H */
