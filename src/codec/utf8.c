#include "codec/utf8.h"

#include "base/bits.h"

/* How many bytes the sequence at `at` has, or 0 if it is none. At least one byte is left. */
static size_t sequence_bytes(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    bool surrogate = first == 0xed && at[1] >= 0xa0;
    bool too_high = first == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || too_high ? 0 : size;
}

bool px_utf8_validate(struct px_slice text)
{
    const uint8_t *at = text.data;
    size_t left = text.size_bytes;
    while (left > 0) {
        while (left >= 8 && (px_load_u64(at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
            left -= 8;
        }
        if (left == 0)
            break;
        size_t size = at[0] < 0x80 ? 1 : sequence_bytes(at, left);
        if (size == 0)
            return false;
        at += size;
        left -= size;
    }
    return true;
}

size_t px_utf8_cut(struct px_slice text, size_t most_bytes)
{
    if (text.size_bytes <= most_bytes)
        return text.size_bytes;
    size_t size = most_bytes;
    while (size > 0 && (text.data[size] & 0xc0) == 0x80)
        size--;
    return size;
}
