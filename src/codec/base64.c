#include "codec/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void px_base64_encode(struct px_slice bytes, char *text)
{
    size_t i = 0;
    for (; i + 3 <= bytes.size_bytes; i += 3) {
        uint32_t group = (uint32_t)bytes.data[i] << 16 | (uint32_t)bytes.data[i + 1] << 8 |
                         (uint32_t)bytes.data[i + 2];
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = alphabet[group >> 6 & 63];
        *text++ = alphabet[group & 63];
    }
    if (bytes.size_bytes - i == 0)
        return;
    uint32_t group = (uint32_t)bytes.data[i] << 16;
    if (bytes.size_bytes - i == 2)
        group |= (uint32_t)bytes.data[i + 1] << 8;
    *text++ = alphabet[group >> 18];
    *text++ = alphabet[group >> 12 & 63];
    if (bytes.size_bytes - i == 2)
        *text++ = alphabet[group >> 6 & 63];
}
