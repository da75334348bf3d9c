/* px-test: layers=simd label=simd */
/*
 * Goal: every level of code kernels gives the same bits as the portable one, and reads nothing
 * outside of its operands. Method: random codes and queries, with extreme ones among them, of all
 * numbers of blocks that have code of their own and others; rows end where a forbidden page begins.
 * Last, each level is timed; times are printed and decide nothing.
 */
#include "simd/code_kernels.h"

#include "base/clock.h"
#include "support/px_test.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MOST_DIMS = 4096, CODES = 37, ROUNDS = 6 };

static const size_t dims[] = {64, 128, 192, 384, 448, 768, 1024, 1536, MOST_DIMS};

/* Codes that end with the last byte that may be touched. */
static struct {
    uint8_t *mapped, *end;
    size_t bytes;
    int8_t bytes_of_query[MOST_DIMS], high[MOST_DIMS], low[MOST_DIMS];
    float vector[MOST_DIMS];
    uint32_t flips[4 * MOST_DIMS];
    uint32_t indexes[CODES];
} rig;

/* Maps the memory, the first time. */
static void prepare(void)
{
    if (rig.mapped != NULL)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    rig.bytes = (size_t)CODES * (MOST_DIMS + MOST_DIMS / 8 * PX_CODE_MOST_PLANES);
    rig.bytes = (rig.bytes + page - 1) / page * page;
    rig.mapped =
        mmap(NULL, rig.bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(rig.mapped != MAP_FAILED);
    assert_int_equal(mprotect(rig.mapped + rig.bytes, page, PROT_NONE), 0);
    rig.end = rig.mapped + rig.bytes;
}

static int8_t signed_byte(struct px_test_random *random, int extreme)
{
    return (int8_t)(extreme == 1   ? 127
                    : extreme == 2 ? -127
                                   : (int)px_test_below(random, 255) - 127);
}

static void fill(struct px_test_random *random, size_t dim_count, int extreme)
{
    prepare();
    for (size_t i = 0; i < rig.bytes; i++)
        rig.mapped[i] = (uint8_t)(extreme ? 255 : px_test_next(random));
    for (size_t i = 0; i < dim_count; i++) {
        rig.bytes_of_query[i] = signed_byte(random, extreme);
        rig.high[i] = signed_byte(random, extreme);
        rig.low[i] = extreme ? (int8_t)(extreme == 1 ? 63 : -64)
                             : (int8_t)((int)px_test_below(random, 128) - 64);
        rig.vector[i] = px_test_float(random) * (extreme ? 1e18f : 1);
    }
    for (size_t i = 0; i < 4 * dim_count; i++)
        rig.flips[i] = (uint32_t)(px_test_next(random) >> 63) << 31;
    for (uint32_t i = 0; i < CODES; i++)
        rig.indexes[i] = (uint32_t)px_test_below(random, CODES);
}

/* Planes behind magnitudes: the last bit is in the last byte. */
static struct px_sign_codes codes_of(size_t dim_count, size_t plane_count)
{
    size_t stride = dim_count / 8 * plane_count;
    return (struct px_sign_codes){.signs = rig.end - CODES * stride,
                                  .sign_stride = stride,
                                  .magnitudes = rig.end - CODES * stride - CODES * dim_count,
                                  .magnitude_stride = dim_count,
                                  .dim_count = dim_count,
                                  .plane_count = plane_count};
}

static void compare_sums(const struct px_code_kernels *level, struct px_sign_codes codes,
                         size_t count)
{
    const struct px_code_kernels *scalar = px_code_kernels_at(0);
    int32_t sums[CODES + 1], expected_sums[CODES];
    int64_t dots[CODES + 1], expected_dots[CODES];
    sums[count] = 12345;
    dots[count] = 12345;
    level->sign_sums(&codes, rig.indexes, count, rig.bytes_of_query, sums);
    scalar->sign_sums(&codes, rig.indexes, count, rig.bytes_of_query, expected_sums);
    assert_memory_equal(sums, expected_sums, count * sizeof *sums);
    level->plane_sums(&codes, rig.indexes, count, rig.bytes_of_query, sums);
    scalar->plane_sums(&codes, rig.indexes, count, rig.bytes_of_query, expected_sums);
    assert_memory_equal(sums, expected_sums, count * sizeof *sums);
    level->signed_dots(&codes, rig.indexes, count, rig.high, rig.low, dots);
    scalar->signed_dots(&codes, rig.indexes, count, rig.high, rig.low, expected_dots);
    assert_memory_equal(dots, expected_dots, count * sizeof *dots);
    assert_int_equal(sums[count], 12345);
    assert_int_equal(dots[count], 12345);
}

static void compare_bytes(const struct px_code_kernels *level, struct px_sign_codes codes,
                          size_t count)
{
    const struct px_code_kernels *scalar = px_code_kernels_at(0);
    size_t dim_count = codes.dim_count;
    static uint8_t row[MOST_DIMS], expected_row[MOST_DIMS];
    const uint8_t *rows[CODES];
    int32_t dots[CODES + 1], expected_dots[CODES];
    level->bytes_of(&codes, rig.indexes[0], row);
    scalar->bytes_of(&codes, rig.indexes[0], expected_row);
    assert_memory_equal(row, expected_row, dim_count);
    for (size_t i = 0; i < count; i++)
        rows[i] = rig.end - (i + 1) * dim_count;
    dots[count] = 12345;
    level->byte_dots(rows, count, dim_count, row, dots);
    scalar->byte_dots(rows, count, dim_count, row, expected_dots);
    assert_memory_equal(dots, expected_dots, count * sizeof *dots);
    assert_int_equal(dots[count], 12345);
}

static void compare_queries(const struct px_code_kernels *level, size_t dim_count)
{
    const struct px_code_kernels *scalar = px_code_kernels_at(0);
    static float x[MOST_DIMS], expected[MOST_DIMS];
    static int8_t planes[2][3][MOST_DIMS];
    float most = scalar->largest(rig.vector, dim_count);
    assert_true(level->largest(rig.vector, dim_count) == most);
    int32_t sum =
        scalar->quantise(rig.vector, dim_count, most, planes[0][0], planes[0][1], planes[0][2]);
    assert_int_equal(
        level->quantise(rig.vector, dim_count, most, planes[1][0], planes[1][1], planes[1][2]),
        sum);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(planes[0][i], planes[1][i], dim_count);
    for (size_t mixed = 64; mixed <= dim_count; mixed *= 2) {
        if (2 * mixed <= dim_count)
            continue;
        memcpy(x, rig.vector, dim_count * sizeof *x);
        memcpy(expected, rig.vector, dim_count * sizeof *x);
        level->rotate(x, dim_count, mixed, rig.flips);
        scalar->rotate(expected, dim_count, mixed, rig.flips);
        assert_memory_equal(x, expected, dim_count * sizeof *x);
    }
}

static void compare_level(const struct px_code_kernels *kernels, size_t dim_count)
{
    for (size_t planes = 1; planes <= PX_CODE_MOST_PLANES; planes++) {
        struct px_sign_codes codes = codes_of(dim_count, planes);
        for (size_t count = 0; count < 6; count++) {
            compare_sums(kernels, codes, count);
            compare_bytes(kernels, codes, count);
        }
        compare_sums(kernels, codes, CODES);
        compare_bytes(kernels, codes, CODES);
    }
    compare_queries(kernels, dim_count);
}

static void test_code_kernels__levels_agree_to_the_bit(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("code_kernels");
    for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++)
        for (int round = 0; round < ROUNDS; round++) {
            fill(&random, dims[d], round < 3 ? round : 0);
            for (size_t level = 0; px_code_kernels_at(level) != NULL; level++)
                compare_level(px_code_kernels_at(level), dims[d]);
        }
}

/* The portable level against a few sums that can be done in the head. */
static void test_code_kernels__the_portable_level_is_right(void **state)
{
    (void)state;
    const struct px_code_kernels *scalar = px_code_kernels_at(0);
    uint8_t signs[8] = {3}, magnitudes[64] = {200, 255, 7}, row[64];
    int8_t query[64] = {5, -2, 100}, high[64] = {1, 0, -1}, low[64] = {1, -3, 0};
    struct px_sign_codes codes = {signs, 8, magnitudes, 64, 64, 1};
    const uint8_t *rows[] = {row};
    uint32_t index = 0;
    int32_t sum;
    int64_t dot;
    scalar->sign_sums(&codes, &index, 1, query, &sum);
    assert_int_equal(sum, 3);
    scalar->signed_dots(&codes, &index, 1, high, low, &dot);
    assert_int_equal(dot, -129 * 200 + 3 * 255 - 128 * 7);
    scalar->bytes_of(&codes, 0, row);
    assert_int_equal(row[0], 128 - 100);
    assert_int_equal(row[1], 128 - 127);
    assert_int_equal(row[2], 128 + 4);
    assert_int_equal(row[3], 128);
    scalar->byte_dots(rows, 1, 64, row, &sum);
    assert_int_equal(sum, 100 * 100 + 127 * 127 + 16);
}

/* The same with two more bits of each magnitude: 512 + 200, 255, 256 + 7. */
static void test_code_kernels__the_portable_level_reads_planes(void **state)
{
    (void)state;
    const struct px_code_kernels *scalar = px_code_kernels_at(0);
    uint8_t planes[24] = {[0] = 3, [8] = 4, [16] = 1}, magnitudes[64] = {200, 255, 7}, row[64];
    int8_t query[64] = {5, -2, 100}, high[64] = {1, 0, -1}, low[64] = {1, -3, 0};
    struct px_sign_codes codes = {planes, 24, magnitudes, 64, 64, 3};
    uint32_t index = 0;
    int32_t sum;
    int64_t dot;
    scalar->plane_sums(&codes, &index, 1, query, &sum);
    assert_int_equal(sum, -5 * 5 + 2 + 100 * 3);
    scalar->signed_dots(&codes, &index, 1, high, low, &dot);
    assert_int_equal(dot, -129 * 712 + 3 * 255 - 128 * 263);
    scalar->bytes_of(&codes, 0, row);
    assert_int_equal(row[0], 128 - 89);
    assert_int_equal(row[1], 128 - 32);
    assert_int_equal(row[2], 128 + 33);
    assert_int_equal(row[3], 128);
}

static void test_code_kernels__times(void **state)
{
    (void)state;
    enum { TIMES = 2000 };
    struct px_test_random random = px_test_random_new("times");
    fill(&random, 384, 0);
    struct px_sign_codes codes = codes_of(384, 1);
    for (size_t level = 0; px_code_kernels_at(level) != NULL; level++) {
        const struct px_code_kernels *kernels = px_code_kernels_at(level);
        int32_t sums[CODES];
        int64_t dots[CODES], begin = px_clock_now_ns();
        for (int i = 0; i < TIMES; i++)
            kernels->sign_sums(&codes, rig.indexes, CODES, rig.bytes_of_query, sums);
        int64_t middle = px_clock_now_ns();
        for (int i = 0; i < TIMES; i++)
            kernels->signed_dots(&codes, rig.indexes, CODES, rig.high, rig.low, dots);
        int64_t end = px_clock_now_ns();
        print_message("%-8s 384 dimensions: %5.1f ns by sign, %5.1f ns by nine bits\n",
                      kernels->name, (double)(middle - begin) / TIMES / CODES,
                      (double)(end - middle) / TIMES / CODES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_kernels__the_portable_level_is_right),
        cmocka_unit_test(test_code_kernels__the_portable_level_reads_planes),
        cmocka_unit_test(test_code_kernels__levels_agree_to_the_bit),
        cmocka_unit_test(test_code_kernels__times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
