#include "codec/percent.h"

static bool travels_as_it_is(uint8_t byte)
{
    return byte >= 0x20 && byte <= 0x7e && byte != '%';
}

size_t px_percent_encode_message(struct px_slice text, char *encoded, size_t capacity_bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        uint8_t byte = text.data[i];
        size_t needed = travels_as_it_is(byte) ? 1 : 3;
        if (needed > capacity_bytes - size)
            break;
        if (needed == 1) {
            encoded[size] = (char)byte;
        } else {
            encoded[size] = '%';
            encoded[size + 1] = digits[byte >> 4];
            encoded[size + 2] = digits[byte & 15];
        }
        size += needed;
    }
    return size;
}

/* 0 to 15, or -1. */
static int digit_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

size_t px_percent_decode(struct px_slice encoded, char *text)
{
    size_t size = 0;
    for (size_t i = 0; i < encoded.size_bytes; i++) {
        uint8_t byte = encoded.data[i];
        if (byte == '%') {
            if (encoded.size_bytes - i < 3)
                return SIZE_MAX;
            int high = digit_value(encoded.data[i + 1]);
            int low = digit_value(encoded.data[i + 2]);
            if (high < 0 || low < 0)
                return SIZE_MAX;
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        text[size++] = (char)byte;
    }
    return size;
}
