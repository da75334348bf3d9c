/* The portable level: a load of four bytes holds any code, wherever in its first byte it begins. */
#include "simd/unpack_internal.h"

/* How many of `count` codes have four bytes to load from. */
static size_t count_loadable(const struct px_codes *codes, size_t count)
{
    if (codes->size_bytes < 4)
        return 0;
    if (codes->bit_width == 0)
        return count;
    uint64_t last_bit = (uint64_t)(codes->size_bytes - 4) * 8 + 7; /* that a code may begin at */
    if (codes->first_bit > last_bit)
        return 0;
    uint64_t loadable = (last_bit - codes->first_bit) / codes->bit_width + 1;
    return loadable < count ? (size_t)loadable : count;
}

static void look_up(const struct px_codes *codes, const void *table, size_t count, float *ret)
{
    size_t loadable = count_loadable(codes, count);
    uint64_t bit = codes->first_bit;
    uint32_t mask = (1u << codes->bit_width) - 1;
    for (size_t i = 0; i < loadable; i++, bit += codes->bit_width)
        px_unpack__copy(table, px_load_u32(codes->bytes + bit / 8) >> bit % 8 & mask, &ret[i]);
    for (size_t i = loadable; i < count; i++)
        px_unpack__copy(table, px_unpack__code(codes, i), &ret[i]);
}

static uint32_t greatest(const struct px_codes *codes, size_t count)
{
    uint32_t most = 0;
    size_t loadable = count_loadable(codes, count);
    uint64_t bit = codes->first_bit;
    uint32_t mask = (1u << codes->bit_width) - 1;
    for (size_t i = 0; i < loadable; i++, bit += codes->bit_width) {
        uint32_t code = px_load_u32(codes->bytes + bit / 8) >> bit % 8 & mask;
        most = code > most ? code : most;
    }
    for (size_t i = loadable; i < count; i++) {
        uint32_t code = px_unpack__code(codes, i);
        most = code > most ? code : most;
    }
    return most;
}

const struct px_unpack *px_unpack__scalar(void)
{
    static const struct px_unpack unpack = {
        .name = "scalar", .look_up = look_up, .greatest = greatest};
    return &unpack;
}
