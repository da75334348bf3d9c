/*
 * cursor: reads Avro's binary form out of bytes that nobody has checked.
 *
 * Every read is checked against the end. The first fault sticks: it is kept with its place, the
 * cursor jumps to the end, and all later reads give zero or nothing. So a decoder reads a whole
 * record in a straight line and asks once, with px_cursor_check() or px_cursor_finish(), before it
 * uses what it got. Values that were read after a fault are harmless but mean nothing.
 *
 * What is read is a view into the input: strings, fixed and arrays of float are not copied.
 *
 * Arrays must come in one block, which Avro leaves to the writer: then an array of floats is
 * contiguous and its length is known in front. Avro's other way to write one block, a negative
 * count followed by the size in bytes, is accepted, and the size must be right. Maps may have
 * several blocks, and are walked entry by entry.
 *
 * A count is refused if the bytes that are left could not hold that many items, so whoever
 * allocates by it allocates in proportion to the input.
 *
 * Threads: externally serialised.
 */
#ifndef PX_AVRO_CURSOR_H
#define PX_AVRO_CURSOR_H

#include "base/bits.h"
#include "base/error.h"
#include "base/slice.h"
#include "codec/varint.h"

struct px_cursor {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    const char *fault; /* what was wrong first, a static string; NULL: nothing */
    size_t fault_offset;
};

static inline struct px_cursor px_cursor_of(struct px_slice input)
{
    const uint8_t *begin = input.size_bytes > 0 ? input.data : (const uint8_t *)"";
    return (struct px_cursor){.begin = begin, .at = begin, .end = begin + input.size_bytes};
}

/* Records a fault, unless there is one, and jumps to the end. */
void px_cursor_fail(struct px_cursor *cursor, const char *fault);

/* PROXIMADB_OK where there is no fault; otherwise `status` and "not a valid WHAT: FAULT, at byte
 * N". `what` names what is being read, such as "VectorBatch". */
PX_MUST_CHECK int px_cursor_check(const struct px_cursor *cursor, int status, const char *what,
                                  struct proximadb_error *reterr);

/* The same, and bytes that are left over are a fault as well. */
PX_MUST_CHECK int px_cursor_finish(struct px_cursor *cursor, int status, const char *what,
                                   struct proximadb_error *reterr);

static inline size_t px_cursor_left(const struct px_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* What is left, for a reader of its own; px_cursor_skip() what that has taken. */
static inline struct px_slice px_cursor_rest(const struct px_cursor *cursor)
{
    return px_slice_of(cursor->at, px_cursor_left(cursor));
}

/* A view of the next size_bytes; NULL where there are fewer. */
static inline const uint8_t *px_cursor_fixed(struct px_cursor *cursor, size_t size_bytes)
{
    if (px_cursor_left(cursor) < size_bytes) {
        px_cursor_fail(cursor, "it ends too early");
        return NULL;
    }
    const uint8_t *at = cursor->at;
    cursor->at += size_bytes;
    return at;
}

static inline void px_cursor_skip(struct px_cursor *cursor, size_t size_bytes)
{
    (void)px_cursor_fixed(cursor, size_bytes);
}

static inline int64_t px_cursor_long(struct px_cursor *cursor)
{
    int64_t value;
    const uint8_t *next = px_varint_read_long(cursor->at, cursor->end, &value);
    if (next == NULL) {
        px_cursor_fail(cursor, "an integer is cut off or has more than 64 bits");
        return 0;
    }
    cursor->at = next;
    return value;
}

static inline int32_t px_cursor_int(struct px_cursor *cursor)
{
    int64_t value = px_cursor_long(cursor);
    if (value < INT32_MIN || value > INT32_MAX) {
        px_cursor_fail(cursor, "an int has more than 32 bits");
        return 0;
    }
    return (int32_t)value;
}

static inline bool px_cursor_boolean(struct px_cursor *cursor)
{
    const uint8_t *at = px_cursor_fixed(cursor, 1);
    if (at != NULL && *at > 1)
        px_cursor_fail(cursor, "a boolean is neither 0 nor 1");
    return at != NULL && *at == 1;
}

static inline float px_cursor_float(struct px_cursor *cursor)
{
    const uint8_t *at = px_cursor_fixed(cursor, sizeof(float));
    return at != NULL ? px_load_f32(at) : 0.0f;
}

static inline double px_cursor_double(struct px_cursor *cursor)
{
    const uint8_t *at = px_cursor_fixed(cursor, sizeof(double));
    return at != NULL ? px_load_f64(at) : 0.0;
}

/* A string or bytes; whether a string is UTF-8 is not checked. */
static inline struct px_slice px_cursor_string(struct px_cursor *cursor)
{
    int64_t size = px_cursor_long(cursor);
    if (size < 0 || (uint64_t)size > px_cursor_left(cursor)) {
        px_cursor_fail(cursor, "a string is longer than what is left");
        size = 0;
    }
    struct px_slice string = px_slice_of(cursor->at, (size_t)size);
    cursor->at += size;
    return string;
}

/* The branch of a union, or the symbol of an enum, that has branch_count of them. */
static inline int px_cursor_branch(struct px_cursor *cursor, int branch_count)
{
    int64_t branch = px_cursor_long(cursor);
    if (branch < 0 || branch >= branch_count) {
        px_cursor_fail(cursor, "a union has no such branch");
        return 0;
    }
    return (int)branch;
}

/* ---- arrays and maps ----------------------------------------------------------------------- */

struct px_cursor_block {
    int64_t count;
    const uint8_t *end; /* where the items must end; NULL: the writer did not say */
};

/* The header of a block whose items take at least smallest_item_bytes (> 0) each. Count 0: it was
 * not a block but the end of the array or map. */
static inline struct px_cursor_block px_cursor_block(struct px_cursor *cursor,
                                                     size_t smallest_item_bytes)
{
    struct px_cursor_block block = {.count = px_cursor_long(cursor)};
    if (block.count < 0 && block.count != INT64_MIN) {
        int64_t size = px_cursor_long(cursor);
        if (size < 0 || (uint64_t)size > px_cursor_left(cursor))
            px_cursor_fail(cursor, "a block is longer than what is left");
        else
            block.end = cursor->at + size;
        block.count = -block.count;
    }
    if ((uint64_t)block.count > px_cursor_left(cursor) / smallest_item_bytes) {
        px_cursor_fail(cursor, "a block has more items than what is left can hold");
        block.count = 0;
    }
    return block;
}

static inline void px_cursor_block_end(struct px_cursor *cursor,
                                       const struct px_cursor_block *block)
{
    if (block->end != NULL && cursor->at != block->end)
        px_cursor_fail(cursor, "the size of a block is not that of its items");
}

/* An array: begin, read `count` items, end. */
static inline struct px_cursor_block px_cursor_array_begin(struct px_cursor *cursor,
                                                           size_t smallest_item_bytes)
{
    return px_cursor_block(cursor, smallest_item_bytes);
}

static inline void px_cursor_array_end(struct px_cursor *cursor,
                                       const struct px_cursor_block *block)
{
    if (block->count == 0)
        return;
    px_cursor_block_end(cursor, block);
    if (px_cursor_long(cursor) != 0)
        px_cursor_fail(cursor,
                       "an array is in several blocks; arrays must be written as one block");
}

/* An array of float: a view of its little-endian floats, of any alignment. */
static inline const uint8_t *px_cursor_floats(struct px_cursor *cursor, size_t *ret_count)
{
    struct px_cursor_block block = px_cursor_array_begin(cursor, sizeof(float));
    const uint8_t *floats = px_cursor_fixed(cursor, (size_t)block.count * sizeof(float));
    px_cursor_array_end(cursor, &block);
    *ret_count = (size_t)block.count;
    return floats;
}

/* Walks a map or an array in any number of blocks. Zeroed at the beginning. */
struct px_cursor_items {
    int64_t left; /* of the block */
    struct px_cursor_block block;
};

/* Whether there is one more item, which the caller then reads. */
static inline bool px_cursor_next_item(struct px_cursor *cursor, struct px_cursor_items *items)
{
    if (items->left == 0) {
        px_cursor_block_end(cursor, &items->block);
        items->block = px_cursor_block(cursor, 1);
        items->left = items->block.count;
    }
    if (items->left == 0 || cursor->fault != NULL)
        return false;
    items->left--;
    return true;
}

#endif /* PX_AVRO_CURSOR_H */
