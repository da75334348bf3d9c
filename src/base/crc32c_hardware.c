/* The CRC32C instruction of x86-64 (SSE4.2) and of ARMv8. This file alone gets their -m flags. */
#include "base/crc32c_internal.h"

#include "base/bits.h"

#if defined(__SSE4_2__)
#include <nmmintrin.h>

int px_crc32c__supported(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}

static inline uint32_t add_word(uint32_t crc, uint64_t word)
{
    return (uint32_t)_mm_crc32_u64(crc, word);
}

static inline uint32_t add_byte(uint32_t crc, uint8_t byte)
{
    return _mm_crc32_u8(crc, byte);
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

int px_crc32c__supported(void)
{
    return 1; /* the file is built with the flag only where the target's baseline has it */
}

static inline uint32_t add_word(uint32_t crc, uint64_t word)
{
    return __crc32cd(crc, word);
}

static inline uint32_t add_byte(uint32_t crc, uint8_t byte)
{
    return __crc32cb(crc, byte);
}
#else
int px_crc32c__supported(void)
{
    return 0;
}

static inline uint32_t add_word(uint32_t crc, uint64_t word)
{
    return crc ^ (uint32_t)word; /* never called */
}

static inline uint32_t add_byte(uint32_t crc, uint8_t byte)
{
    return crc ^ byte; /* never called */
}
#endif

static uint32_t shifted(const struct px_crc32c_shift *shift, uint32_t crc)
{
    return shift->table[0][crc & 0xff] ^ shift->table[1][crc >> 8 & 0xff] ^
           shift->table[2][crc >> 16 & 0xff] ^ shift->table[3][crc >> 24];
}

uint32_t px_crc32c__hardware(const struct px_crc32c_shift *shift, uint32_t crc, const uint8_t *data,
                             size_t size_bytes)
{
    const size_t stream = PX_CRC32C_STREAM_BYTES;
    for (; size_bytes >= 3 * stream; size_bytes -= 3 * stream, data += 3 * stream) {
        uint32_t second = 0, third = 0;
        for (size_t at = 0; at < stream; at += 8) {
            crc = add_word(crc, px_load_u64(data + at));
            second = add_word(second, px_load_u64(data + stream + at));
            third = add_word(third, px_load_u64(data + 2 * stream + at));
        }
        crc = shifted(shift, crc) ^ second;
        crc = shifted(shift, crc) ^ third;
    }
    for (; size_bytes >= 8; size_bytes -= 8, data += 8)
        crc = add_word(crc, px_load_u64(data));
    for (; size_bytes > 0; size_bytes--)
        crc = add_byte(crc, *data++);
    return crc;
}
