/*
 * Goal: the cursor says, at any cut of the bytes, how much payload of which DATA frame comes next,
 * and how far it is to the end of the next header.
 * Method: a connection of random frames is fed in random pieces, and the answer compared with where
 * each frame really lies.
 */
#include "http/frame_cursor.h"

#include "support/px_test.h"

enum { FRAMES = 300, LARGEST = 3000 };

struct connection {
    uint8_t bytes[PX_FRAME_GREETING_BYTES + FRAMES * (LARGEST + PX_FRAME_HEADER_BYTES)];
    size_t size_bytes;
    /* For each byte: how much unpadded DATA payload begins there, and of which stream. */
    uint32_t data_left[PX_FRAME_GREETING_BYTES + FRAMES * (LARGEST + PX_FRAME_HEADER_BYTES) + 1];
    int32_t stream_id[PX_FRAME_GREETING_BYTES + FRAMES * (LARGEST + PX_FRAME_HEADER_BYTES) + 1];
    /* Likewise: where the next header ends that is not whole there, and the last DATA frame. */
    size_t next[PX_FRAME_GREETING_BYTES + FRAMES * (LARGEST + PX_FRAME_HEADER_BYTES) + 1];
    uint32_t last_bytes[PX_FRAME_GREETING_BYTES + FRAMES * (LARGEST + PX_FRAME_HEADER_BYTES) + 1];
};

/* Says of the bytes from `from` on, up to the end, where the next header ends. */
static void set_next(struct connection *c, size_t from, size_t next)
{
    for (size_t i = from; i < c->size_bytes; i++)
        c->next[i] = next;
}

static void add_frame(struct connection *c, struct px_test_random *random)
{
    uint32_t size = (uint32_t)(px_test_below(random, 4) == 0 ? 0 : px_test_below(random, LARGEST));
    uint8_t type = (uint8_t)px_test_below(random, 3);
    uint8_t flags = (uint8_t)(px_test_below(random, 2) * 8 + px_test_below(random, 2));
    uint32_t stream = (uint32_t)px_test_next(random);
    size_t first = c->size_bytes;
    uint8_t *at = c->bytes + first;
    const uint8_t header[] = {(uint8_t)(size >> 16),
                              (uint8_t)(size >> 8),
                              (uint8_t)size,
                              type,
                              flags,
                              (uint8_t)(stream >> 24),
                              (uint8_t)(stream >> 16),
                              (uint8_t)(stream >> 8),
                              (uint8_t)stream};
    memcpy(at, header, sizeof header);
    c->size_bytes += sizeof header;
    set_next(c, first, c->size_bytes);
    for (uint32_t i = 0; i < size; i++) {
        c->bytes[c->size_bytes] = (uint8_t)px_test_next(random);
        if (type == 0 && (flags & 8) == 0) {
            c->data_left[c->size_bytes] = size - i;
            c->stream_id[c->size_bytes] = (int32_t)(stream & 0x7fffffff);
        }
        c->size_bytes++;
    }
    set_next(c, first + sizeof header, c->size_bytes + PX_FRAME_HEADER_BYTES);
    bool is_data = type == 0 && (flags & 8) == 0;
    for (size_t i = first + sizeof header; i <= c->size_bytes + PX_FRAME_HEADER_BYTES - 1; i++)
        c->last_bytes[i] = is_data ? size : c->last_bytes[first];
}

static void test_frame_cursor__knows_what_comes_next_at_any_cut(void **state)
{
    (void)state;
    static struct connection c;
    struct px_test_random random = px_test_random_new("frame_cursor");
    c.size_bytes = PX_FRAME_GREETING_BYTES;
    set_next(&c, 0, PX_FRAME_GREETING_BYTES + PX_FRAME_HEADER_BYTES);
    for (int i = 0; i < FRAMES; i++)
        add_frame(&c, &random);
    for (int round = 0; round < 20; round++) {
        struct px_frame_cursor cursor;
        px_frame_cursor_init(&cursor);
        size_t at = 0;
        while (at < c.size_bytes) {
            size_t part = 1 + px_test_below(&random, round % 2 == 0 ? 5 : 5000);
            part = part < c.size_bytes - at ? part : c.size_bytes - at;
            px_frame_cursor_advance(&cursor, c.bytes + at, part);
            at += part;
            int32_t stream_id = 0;
            assert_int_equal(px_frame_cursor_data(&cursor, &stream_id), c.data_left[at]);
            assert_int_equal(stream_id, c.data_left[at] > 0 ? c.stream_id[at] : stream_id);
            if (at < c.size_bytes)
                assert_int_equal(at + px_frame_cursor_to_next(&cursor), c.next[at]);
            assert_int_equal(cursor.last_data_bytes, c.last_bytes[at]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_cursor__knows_what_comes_next_at_any_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
