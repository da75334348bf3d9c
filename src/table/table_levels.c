#include "codec/varint.h"
#include "table/table_internal.h"

enum { GROUP = 8 /* packed numbers come in groups of this many */ };

/* A run of equal numbers, or of packed ones. */
struct run {
    size_t count;
    uint32_t number;
    const uint8_t *packed; /* NULL: all are `number` */
};

/* Reads the next run, cut to `left` numbers. False where the bytes end. */
static bool take_run(const uint8_t **at, const uint8_t *end, unsigned bit_width, size_t left,
                     struct run *ret_run)
{
    uint64_t head;
    const uint8_t *next = px_varint_read(*at, end, &head);
    if (next == NULL)
        return false;
    struct run run = {0};
    uint64_t count = head >> 1;
    if ((head & 1) == 0) {
        unsigned bytes = (bit_width + 7) / 8;
        if (count == 0 || (size_t)(end - next) < bytes)
            return false;
        for (unsigned i = 0; i < bytes; i++)
            run.number |= (uint32_t)*next++ << 8 * i;
        run.count = count < left ? (size_t)count : left;
    } else {
        /* The last group may be cut off behind the numbers that are asked for. */
        uint64_t room = bit_width == 0 ? count : (uint64_t)(end - next) * 8 / bit_width;
        uint64_t most = count > UINT64_MAX / GROUP ? UINT64_MAX : count * GROUP;
        run.packed = next;
        run.count = most < left ? (size_t)most : left;
        if (count == 0 || (bit_width > 0 && run.count > room))
            return false;
        uint64_t bytes = count > SIZE_MAX / 32 ? SIZE_MAX : count * bit_width;
        next = bytes < (uint64_t)(end - next) ? next + bytes : end;
    }
    *at = next;
    *ret_run = run;
    return true;
}

/* Number `index` of packed ones; reads only bytes that have bits of it. */
static uint32_t packed_number(const uint8_t *packed, unsigned bit_width, size_t index)
{
    size_t bit = index * bit_width;
    unsigned shift = bit % 8, bytes = (shift + bit_width + 7) / 8;
    uint64_t word = 0;
    for (unsigned i = 0; i < bytes; i++)
        word |= (uint64_t)packed[bit / 8 + i] << 8 * i;
    return (uint32_t)(word >> shift & ((UINT64_C(1) << bit_width) - 1));
}

bool px_table__unpack_u32(struct px_slice bytes, unsigned bit_width, uint32_t *numbers,
                          size_t count)
{
    if (bit_width > 32)
        return false;
    const uint8_t *at = bytes.data, *end = bytes.data + bytes.size_bytes;
    struct run run;
    for (size_t done = 0; done < count; done += run.count) {
        if (!take_run(&at, end, bit_width, count - done, &run))
            return false;
        for (size_t i = 0; i < run.count; i++)
            numbers[done + i] =
                run.packed == NULL ? run.number : packed_number(run.packed, bit_width, i);
    }
    return true;
}

/* Levels of one bit are most of what a column of vectors has: eight of them from each byte. */
static void unpack_bits(const uint8_t *packed, uint8_t *levels, size_t count)
{
    size_t i = 0;
    for (; i + GROUP <= count; i += GROUP)
        for (unsigned bit = 0; bit < GROUP; bit++)
            levels[i + bit] = packed[i / GROUP] >> bit & 1;
    for (; i < count; i++)
        levels[i] = packed[i / GROUP] >> i % GROUP & 1;
}

static bool unpack_run(const struct run *run, unsigned bit_width, uint8_t most, uint8_t *levels)
{
    if (run->packed == NULL) {
        memset(levels, (int)(run->number & 0xff), run->count);
        return run->number <= most;
    }
    if (bit_width == 1) {
        unpack_bits(run->packed, levels, run->count);
        return true;
    }
    bool is_sound = true;
    for (size_t i = 0; i < run->count; i++) {
        levels[i] = (uint8_t)packed_number(run->packed, bit_width, i);
        is_sound &= levels[i] <= most;
    }
    return is_sound;
}

bool px_table__unpack_levels(struct px_slice bytes, unsigned bit_width, uint8_t most,
                             uint8_t *levels, size_t count)
{
    const uint8_t *at = bytes.data, *end = bytes.data + bytes.size_bytes;
    struct run run;
    for (size_t done = 0; done < count; done += run.count)
        if (!take_run(&at, end, bit_width, count - done, &run) ||
            !unpack_run(&run, bit_width, most, levels + done))
            return false;
    return true;
}
