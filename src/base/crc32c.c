#include "base/crc32c.h"

#include "base/bits.h"
#include "base/crc32c_internal.h"

#include <pthread.h>
#include <stdbool.h>

static const uint32_t polynomial = 0x82f63b78; /* Castagnoli, bit-reversed */

static struct {
    pthread_once_t once;
    bool hardware;
    uint32_t slice[8][256]; /* slice[k][b]: the CRC of byte b followed by k zero bytes */
    struct px_crc32c_shift shift;
} state = {.once = PTHREAD_ONCE_INIT};

static void make_slices(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
        state.slice[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int k = 1; k < 8; k++) {
            uint32_t before = state.slice[k - 1][byte];
            state.slice[k][byte] = (before >> 8) ^ state.slice[0][before & 0xff];
        }
}

/* Feeding zero bytes is linear, so it is enough to do it for each bit of the CRC. */
static void make_shift(void)
{
    uint32_t of_bit[32];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t crc = UINT32_C(1) << bit;
        for (int i = 0; i < PX_CRC32C_STREAM_BYTES; i++)
            crc = (crc >> 8) ^ state.slice[0][crc & 0xff];
        of_bit[bit] = crc;
    }
    for (int byte_index = 0; byte_index < 4; byte_index++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t crc = 0;
            for (int bit = 0; bit < 8; bit++)
                if ((byte >> bit & 1) != 0)
                    crc ^= of_bit[8 * byte_index + bit];
            state.shift.table[byte_index][byte] = crc;
        }
}

static void make_tables(void)
{
    make_slices();
    make_shift();
    state.hardware = px_crc32c__supported() != 0;
}

uint32_t px_crc32c_portable(uint32_t crc, const void *data, size_t size_bytes)
{
    pthread_once(&state.once, make_tables);
    const uint8_t *next = data;
    crc = ~crc;
    for (; size_bytes >= 8; size_bytes -= 8, next += 8) {
        uint64_t word = px_load_u64(next) ^ crc;
        crc = state.slice[7][word & 0xff] ^ state.slice[6][word >> 8 & 0xff] ^
              state.slice[5][word >> 16 & 0xff] ^ state.slice[4][word >> 24 & 0xff] ^
              state.slice[3][word >> 32 & 0xff] ^ state.slice[2][word >> 40 & 0xff] ^
              state.slice[1][word >> 48 & 0xff] ^ state.slice[0][word >> 56];
    }
    for (; size_bytes > 0; size_bytes--)
        crc = (crc >> 8) ^ state.slice[0][(crc ^ *next++) & 0xff];
    return ~crc;
}

uint32_t px_crc32c(uint32_t crc, const void *data, size_t size_bytes)
{
    pthread_once(&state.once, make_tables);
    if (!state.hardware)
        return px_crc32c_portable(crc, data, size_bytes);
    return ~px_crc32c__hardware(&state.shift, ~crc, data, size_bytes);
}
