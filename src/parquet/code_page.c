#include "parquet/code_page_internal.h"

#include "base/bits.h"
#include "parquet/vector_levels_internal.h"
#include "parquet/vector_page_internal.h"

#include <assert.h>

enum { GROUP = 8 };

unsigned px_code_page__width(uint32_t greatest_code)
{
    return greatest_code == 0 ? 1 : 32 - (unsigned)__builtin_clz(greatest_code);
}

/* Four codes side by side. */
static inline uint64_t join_four(const uint16_t *codes, unsigned bit_width)
{
    return (uint64_t)codes[0] | (uint64_t)codes[1] << bit_width |
           (uint64_t)codes[2] << 2 * bit_width | (uint64_t)codes[3] << 3 * bit_width;
}

/* Writes eight codes, bit_width bytes, and up to 8 bytes of rubbish behind them. Of an odd width
 * the second half begins in the midst of a byte, with the first one's last four bits. */
static inline void pack_group(const uint16_t *codes, unsigned bit_width, uint8_t *at)
{
    uint64_t low = join_four(codes, bit_width), high = join_four(codes + 4, bit_width);
    px_store_u64(at, low);
    if (bit_width % 2 != 0)
        high = high << 4 | low >> (4 * bit_width - 4);
    px_store_u64(at + bit_width / 2, high);
}

void px_code_page__put_codes(const uint16_t *codes, uint32_t row_count, uint32_t dim_count,
                             unsigned bit_width, struct px_buffer *body)
{
    size_t count = (size_t)row_count * dim_count;
    size_t size = px_vector_page__codes_bytes(bit_width, count);
    uint16_t last[GROUP] = {0};
    assert(bit_width >= 1 && bit_width <= 16);
    px_vector_levels__put(row_count, dim_count, body);
    px_vector_page__put_head(bit_width, count, body);
    uint8_t *at = px_buffer_reserve(body, size + sizeof(uint64_t));
    if (at == NULL)
        return;
    for (; count >= GROUP; count -= GROUP, codes += GROUP, at += bit_width)
        pack_group(codes, bit_width, at);
    if (count > 0) {
        memcpy(last, codes, count * sizeof *codes);
        pack_group(last, bit_width, at);
    }
    body->size_bytes += size;
}

void px_code_page__put_streams(const void *floats, uint32_t row_count, uint32_t dim_count,
                               struct px_buffer *body)
{
    size_t count = (size_t)row_count * dim_count;
    const uint8_t *from = floats;
    px_vector_levels__put(row_count, dim_count, body);
    uint8_t *first = px_buffer_reserve(body, count * sizeof(float));
    if (first == NULL)
        return;
    uint8_t *second = first + count, *third = second + count, *fourth = third + count;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = px_load_u32(from + i * sizeof bits);
        first[i] = (uint8_t)bits;
        second[i] = (uint8_t)(bits >> 8);
        third[i] = (uint8_t)(bits >> 16);
        fourth[i] = (uint8_t)(bits >> 24);
    }
    body->size_bytes += count * sizeof(float);
}
