/* px-test: layers=simd label=simd */
/*
 * Goal: every level unpacks what was packed, at every width and from every bit, and reads nothing
 * behind the codes. Method: all levels of this CPU against an oracle that takes bit by bit; codes end
 * where a forbidden page begins, tables stand at odd addresses, and results lie between canaries.
 * Last, each level is timed; times are printed and decide nothing.
 */
#include "simd/unpack.h"

#include "base/clock.h"
#include "simd/kernels.h"
#include "support/px_test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_COUNT = 700, TABLE_COUNT = 1 << PX_MOST_CODE_BITS, PAGE_ROOM = 4096 };

static const float canary = -123.25f;

static struct {
    uint8_t *end;   /* of what may be touched: PAGE_ROOM bytes before it */
    uint8_t *table; /* floats at an odd address; entry i has the bits i * 2654435761 */
} memory;

static uint32_t entry_bits(uint32_t code)
{
    return code * UINT32_C(2654435761);
}

static int set_up(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = page > PAGE_ROOM ? page : PAGE_ROOM;
    uint8_t *pages =
        mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + size, page, PROT_NONE), 0);
    memory.end = pages + size;
    memory.table = (uint8_t *)malloc(TABLE_COUNT * sizeof(float) + 1) + 1;
    for (uint32_t i = 0; i < TABLE_COUNT; i++) {
        uint32_t bits = entry_bits(i);
        memcpy(memory.table + i * sizeof bits, &bits, sizeof bits);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory.table - 1);
    return 0;
}

static void check_codes(const struct px_unpack *level, const struct px_codes *codes,
                        const uint32_t *expected, size_t count)
{
    float found[MOST_COUNT + 1];
    uint32_t most = 0;
    found[count] = canary;
    level->look_up(codes, memory.table, count, found);
    assert_true(found[count] == canary);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &found[i], sizeof bits);
        if (bits != entry_bits(expected[i]))
            fail_msg("%s, width %u, bit %d: code %zu of %zu is wrong", level->name,
                     codes->bit_width, (int)(codes->first_bit % 8), i, count);
        most = expected[i] > most ? expected[i] : most;
    }
    assert_int_equal(level->greatest(codes, count), most);
}

/* `count` random codes that begin at first_bit and end with the last byte that may be touched. */
static void check_case(struct px_test_random *random, unsigned width, unsigned first_bit,
                       size_t count)
{
    uint32_t expected[MOST_COUNT];
    size_t size = (first_bit + count * width + 7) / 8;
    uint8_t *bytes = memory.end - size;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)px_test_below(random, 256);
    for (size_t i = 0; i < count; i++) {
        expected[i] = 0;
        for (size_t j = 0; j < width; j++) {
            size_t bit = first_bit + i * width + j;
            expected[i] |= (uint32_t)(bytes[bit / 8] >> bit % 8 & 1) << j;
        }
    }
    struct px_codes codes = {
        .bytes = bytes, .size_bytes = size, .first_bit = first_bit, .bit_width = width};
    for (size_t level = 0; px_unpack_at(level) != NULL; level++)
        check_codes(px_unpack_at(level), &codes, expected, count);
}

static void test_unpack__gives_what_was_packed(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("unpack");
    for (unsigned width = 0; width <= PX_MOST_CODE_BITS; width++)
        for (unsigned first_bit = 0; first_bit < 17; first_bit++) {
            for (size_t count = 1; count < 70; count++)
                check_case(&random, width, first_bit, count);
            check_case(&random, width, first_bit, MOST_COUNT);
        }
}

/* A row in the midst of a page: bytes stand behind the codes, and may be read, but do not count. */
static void test_unpack__takes_rows_out_of_a_page(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("unpack");
    uint32_t expected[MOST_COUNT];
    for (size_t i = 0; i < PAGE_ROOM; i++)
        (memory.end - PAGE_ROOM)[i] = (uint8_t)px_test_below(&random, 256);
    for (unsigned width = 1; width <= PX_MOST_CODE_BITS; width++)
        for (size_t row = 0; row < 10; row++) {
            struct px_codes codes = {.bytes = memory.end - PAGE_ROOM,
                                     .size_bytes = PAGE_ROOM,
                                     .first_bit = row * 123 * width,
                                     .bit_width = width};
            for (size_t i = 0; i < 123; i++) {
                uint64_t bit = codes.first_bit + i * width;
                uint32_t four = 0;
                for (size_t j = 0; j < 3 && bit / 8 + j < PAGE_ROOM; j++)
                    four |= (uint32_t)codes.bytes[bit / 8 + j] << 8 * j;
                expected[i] = four >> bit % 8 & ((1u << width) - 1);
            }
            for (size_t level = 0; px_unpack_at(level) != NULL; level++)
                check_codes(px_unpack_at(level), &codes, expected, 123);
        }
}

static void test_unpack__follows_the_level_of_the_kernels(void **state)
{
    (void)state;
    assert_string_equal(px_unpack_at(0)->name, "scalar");
    size_t count = 0;
    while (px_unpack_at(count) != NULL)
        count++;
    if (getenv("PROXIMADB_SIMD") == NULL)
        assert_ptr_equal(px_unpack_get(), px_unpack_at(count - 1));
    else if (strcmp(px_kernels_get()->name, "neon") != 0)
        assert_string_equal(px_unpack_get()->name, px_kernels_get()->name);
}

static void test_unpack__is_timed(void **state)
{
    (void)state;
    enum { DIMS = 384, ROUNDS = 2000 };
    float row[DIMS];
    for (size_t level = 0; px_unpack_at(level) != NULL; level++)
        for (unsigned width = 7; width <= 10; width += 3) {
            struct px_codes codes = {
                .bytes = memory.end - PAGE_ROOM, .size_bytes = PAGE_ROOM, .bit_width = width};
            int64_t begin_ns = px_clock_now_ns();
            for (unsigned i = 0; i < ROUNDS; i++) {
                codes.first_bit = i % 5 * width * DIMS;
                px_unpack_at(level)->look_up(&codes, memory.table, DIMS, row);
            }
            print_message("%-7s %2u bits: %.0f ns a row of %d\n", px_unpack_at(level)->name, width,
                          (double)(px_clock_now_ns() - begin_ns) / ROUNDS, DIMS);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unpack__gives_what_was_packed),
        cmocka_unit_test(test_unpack__takes_rows_out_of_a_page),
        cmocka_unit_test(test_unpack__follows_the_level_of_the_kernels),
        cmocka_unit_test(test_unpack__is_timed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
