/*
 * percent: percent-encoding, for grpc-message and for the paths of URLs.
 *
 * gRPC sends a status' sentence in a header, whose bytes must be printable ASCII: every byte
 * outside 0x20 to 0x7E, and '%' itself, travels as %XX, so that any UTF-8 arrives unharmed.
 *
 * Threads: any thread. Memory: none.
 */
#ifndef PX_CODEC_PERCENT_H
#define PX_CODEC_PERCENT_H

#include "base/slice.h"

/* Writes at most capacity_bytes of the encoding of `text`, never a part of an escape, and returns
 * how many. Three bytes for each of `text` always suffice. */
size_t px_percent_encode_message(struct px_slice text, char *encoded, size_t capacity_bytes);

/* Writes what `encoded` stands for, which is at most as long and may be put over it, and returns
 * its size; SIZE_MAX if a '%' is not followed by two hexadecimal digits. '+' stays '+'. */
size_t px_percent_decode(struct px_slice encoded, char *text);

#endif /* PX_CODEC_PERCENT_H */
