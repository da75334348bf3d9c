#include "parquet/rle_internal.h"

#include "codec/varint.h"

#include <assert.h>

enum {
    GROUP = 8, /* packed levels come in groups of this many */
    /* A run of this length is worth leaving a packed run for: in one bit a level it saves 4 bytes
     * and costs 3, its own two and the head of the packed run behind it. */
    SHORTEST_RUN = 32,
};

/* ---- writing ------------------------------------------------------------------------------- */

static size_t run_length(const uint8_t *levels, size_t count)
{
    size_t length = 1;
    while (length < count && levels[length] == levels[0])
        length++;
    return length;
}

/* How many of the levels to pack: whole groups up to a long run, or all that are left. */
static size_t packed_length(const uint8_t *levels, size_t count)
{
    for (size_t at = 0; at < count; at += GROUP) {
        size_t ahead = count - at < SHORTEST_RUN ? count - at : SHORTEST_RUN;
        if (ahead == SHORTEST_RUN && run_length(levels + at, ahead) == SHORTEST_RUN)
            return at;
    }
    return count;
}

static void append_head(struct px_buffer *buffer, uint64_t head)
{
    uint8_t bytes[PX_VARINT_BYTES];
    px_buffer_append(buffer, bytes, px_varint_write(bytes, head));
}

static void append_packed(const uint8_t *levels, size_t count, unsigned bit_width,
                          struct px_buffer *buffer)
{
    size_t groups = (count + GROUP - 1) / GROUP;
    append_head(buffer, (uint64_t)groups << 1 | 1);
    unsigned levels_a_byte = 8 / bit_width;
    for (size_t at = 0; at < groups * GROUP; at += levels_a_byte) {
        unsigned byte = 0;
        for (unsigned i = 0; i < levels_a_byte && at + i < count; i++)
            byte |= (unsigned)levels[at + i] << i * bit_width;
        px_buffer_append_byte(buffer, (uint8_t)byte);
    }
}

void px_rle__encode(const uint8_t *levels, size_t count, unsigned bit_width,
                    struct px_buffer *buffer)
{
    assert(bit_width == 1 || bit_width == 2);
    for (size_t at = 0; at < count;) {
        size_t length = run_length(levels + at, count - at);
        if (length >= SHORTEST_RUN || length == count - at) {
            append_head(buffer, (uint64_t)length << 1);
            px_buffer_append_byte(buffer, levels[at]);
        } else {
            length = packed_length(levels + at, count - at);
            append_packed(levels + at, length, bit_width, buffer);
        }
        at += length;
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

struct px_rle_reader px_rle__reader_of(struct px_slice bytes, unsigned bit_width, size_t count)
{
    assert(bit_width == 1 || bit_width == 2);
    const uint8_t *begin = bytes.size_bytes > 0 ? bytes.data : (const uint8_t *)"";
    return (struct px_rle_reader){
        .at = begin, .end = begin + bytes.size_bytes, .bit_width = bit_width, .left = count};
}

static bool begin_packed(struct px_rle_reader *reader, uint64_t groups)
{
    if (groups == 0 || groups > (size_t)(reader->end - reader->at) / reader->bit_width)
        return false;
    size_t count = (size_t)groups * GROUP;
    /* Only the last group of a page may be padded. */
    if (count >= reader->left + GROUP)
        return false;
    reader->packed = reader->at;
    reader->packed_count = count < reader->left ? count : reader->left;
    reader->packed_index = 0;
    reader->at += groups * reader->bit_width;
    return true;
}

static uint8_t packed_level(const struct px_rle_reader *reader, size_t index)
{
    size_t bit = index * reader->bit_width;
    unsigned mask = (1u << reader->bit_width) - 1;
    return (uint8_t)((unsigned)reader->packed[bit / 8] >> bit % 8 & mask);
}

/* The equal levels at the beginning of what is left of a packed run. */
static size_t take_packed(struct px_rle_reader *reader, uint8_t *ret_level)
{
    size_t index = reader->packed_index;
    *ret_level = packed_level(reader, index);
    do
        index++;
    while (index < reader->packed_count && packed_level(reader, index) == *ret_level);
    size_t count = index - reader->packed_index;
    reader->packed_index = index;
    return count;
}

static size_t take_run(struct px_rle_reader *reader, uint64_t length, uint8_t *ret_level)
{
    if (length > reader->left || reader->at == reader->end || *reader->at >> reader->bit_width != 0)
        return 0;
    *ret_level = *reader->at++;
    return (size_t)length;
}

bool px_rle__next(struct px_rle_reader *reader, uint8_t *ret_level, size_t *ret_count)
{
    if (reader->left == 0)
        return false;
    size_t count = 0;
    if (reader->packed_index == reader->packed_count) {
        uint64_t head;
        const uint8_t *at = px_varint_read(reader->at, reader->end, &head);
        if (at == NULL)
            return false;
        reader->at = at;
        if ((head & 1) == 0)
            count = take_run(reader, head >> 1, ret_level);
        else if (!begin_packed(reader, head >> 1))
            return false;
    }
    if (reader->packed_index < reader->packed_count)
        count = take_packed(reader, ret_level);
    reader->left -= count;
    *ret_count = count;
    return count > 0;
}

bool px_rle__is_done(const struct px_rle_reader *reader)
{
    return reader->left == 0 && reader->at == reader->end;
}

bool px_rle__decode(struct px_slice bytes, unsigned bit_width, uint8_t *levels, size_t count)
{
    struct px_rle_reader reader = px_rle__reader_of(bytes, bit_width, count);
    uint8_t level;
    size_t length;
    while (px_rle__next(&reader, &level, &length)) {
        memset(levels, level, length);
        levels += length;
    }
    return px_rle__is_done(&reader);
}
