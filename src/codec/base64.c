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

void px_base64_append(struct px_buffer *buffer, struct px_slice bytes)
{
    size_t size = px_base64_size(bytes.size_bytes);
    char *text = px_buffer_reserve(buffer, size + 3);
    if (text == NULL)
        return;
    px_base64_encode(bytes, text);
    while (size % 4 != 0)
        text[size++] = '=';
    buffer->size_bytes += size;
}

/* The six bits of each ASCII character, or -1. */
/* clang-format off */
static const int8_t values[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
    -1,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1,
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};
/* clang-format on */

static int value_of(uint8_t character)
{
    return character < sizeof values ? values[character] : -1;
}

/* Bytes that four characters give, 1 to 3, or 0 where they are not base64. Only the last group may
 * be padded, and then the bits that no byte takes must be zero. */
static size_t decode_group(const uint8_t *text, bool is_last, uint8_t *bytes)
{
    size_t padding = 0;
    if (is_last && text[3] == '=')
        padding = text[2] == '=' ? 2 : 1;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - padding ? value_of(text[i]) : 0;
        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
    }
    if ((padding == 1 && (bits & 0xff) != 0) || (padding == 2 && (bits & 0xffff) != 0))
        return 0;
    for (size_t i = 0; i < 3 - padding; i++)
        bytes[i] = (uint8_t)(bits >> (16 - 8 * i));
    return 3 - padding;
}

int px_base64_decode(struct px_slice text, struct px_buffer *buffer, struct proximadb_error *reterr)
{
    if (text.size_bytes % 4 != 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "not valid base64: its length, %zu, is not a multiple of 4; is the padding "
                       "with '=' missing?",
                       text.size_bytes);
    uint8_t *bytes = px_buffer_reserve(buffer, text.size_bytes / 4 * 3);
    if (bytes == NULL)
        return px_buffer_status(buffer, reterr);
    size_t size = 0;
    for (size_t at = 0; at < text.size_bytes; at += 4) {
        size_t got = decode_group(text.data + at, at + 4 == text.size_bytes, bytes + size);
        if (got == 0)
            return px_fail(reterr, PROXIMADB_INVALID,
                           "not valid base64: the fault is in the four characters from %zu on", at);
        size += got;
    }
    buffer->size_bytes += size;
    return PROXIMADB_OK;
}
