/* px-test: layers=simd label=simd */
/*
 * Goal: every level gives the sums that the header describes, to the last bit, and reads nothing
 * behind its operands. Method: all levels of this CPU against the portable one, and that against an
 * oracle that takes bit by bit; operands end where a forbidden page begins. Last, each level is
 * timed; times are printed and decide nothing.
 */
#include "simd/fastscan.h"

#include "base/clock.h"
#include "simd/kernels.h"
#include "support/px_test.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MOST_DIMS = 65536, ROWS = PX_FASTSCAN_ROWS, FEW_ROWS = 5 };

/* Memory whose last byte is the last that may be touched. */
struct fenced {
    uint8_t *pages;
    size_t size_bytes;
    size_t page_bytes;
};

static struct fenced codes, tables, rows, planes;

static struct fenced make_fenced(size_t size_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (size_bytes + page - 1) / page * page;
    uint8_t *pages =
        mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + size, page, PROT_NONE), 0);
    return (struct fenced){pages, size, page};
}

static uint8_t *last_bytes(const struct fenced *fenced, size_t size_bytes)
{
    return fenced->pages + fenced->size_bytes - size_bytes;
}

static void set_up(void)
{
    codes = make_fenced(px_fastscan_block_bytes(MOST_DIMS));
    tables = make_fenced(4 * MOST_DIMS);
    rows = make_fenced((size_t)FEW_ROWS * (MOST_DIMS + 8));
    planes = make_fenced(2 * MOST_DIMS);
}

static void tear_down(void)
{
    const struct fenced all[] = {codes, tables, rows, planes};
    for (size_t i = 0; i < 4; i++)
        (void)munmap(all[i].pages, all[i].size_bytes + all[i].page_bytes);
}

static void fill(struct px_test_random *random, uint8_t *bytes, size_t count, unsigned limit)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)px_test_below(random, limit);
}

/* The header's words: bit i of byte j * 16 + r of a half is dimension 8 j + i of its row r. */
static bool sign_of(const uint8_t *block, size_t dim_count, size_t row, size_t dim)
{
    const uint8_t *half = block + row / 16 * (2 * dim_count);
    return half[dim / 8 * 16 + row % 16] >> dim % 8 & 1;
}

static uint32_t sum_of(const uint8_t *block, const uint8_t *entries, size_t dim_count, size_t row)
{
    uint32_t sum = 0;
    for (size_t table = 0; table < dim_count / 4; table++) {
        unsigned number = 0;
        for (unsigned bit = 0; bit < 4; bit++)
            number |= (unsigned)sign_of(block, dim_count, row, 4 * table + bit) << bit;
        sum += entries[table % 2 * 2 * dim_count + table / 2 * 16 + number];
    }
    return sum;
}

struct factors {
    float adds[ROWS];
    float rescales[ROWS];
};

static void fill_factors(struct px_test_random *random, struct factors *factors)
{
    for (size_t i = 0; i < ROWS; i++) {
        factors->adds[i] = px_test_float(random) * 100;
        factors->rescales[i] = px_test_float(random);
    }
    factors->adds[3] = NAN;
    factors->adds[17] = INFINITY;
    factors->adds[30] = -INFINITY;
}

static void check_block(struct px_test_random *random, size_t dim_count, unsigned most_entry)
{
    uint8_t *block = last_bytes(&codes, px_fastscan_block_bytes(dim_count));
    uint8_t *entries = last_bytes(&tables, 4 * dim_count);
    struct factors factors;
    fill(random, block, px_fastscan_block_bytes(dim_count), 256);
    fill(random, entries, 4 * dim_count, most_entry + 1);
    if (most_entry == PX_FASTSCAN_MOST_ENTRY && px_test_below(random, 2) == 0)
        memset(entries, PX_FASTSCAN_MOST_ENTRY, 4 * dim_count);
    fill_factors(random, &factors);
    struct px_fastscan_scale scale = {factors.adds, factors.rescales, 0.37f, -11.0f};
    float expected[ROWS], found[ROWS];
    for (size_t row = 0; row < ROWS; row++) {
        float x = (float)sum_of(block, entries, dim_count, row) * scale.unit;
        x = x + scale.offset;
        x = factors.rescales[row] * x;
        expected[row] = factors.adds[row] - x;
    }
    for (size_t level = 0; px_fastscan_at(level) != NULL; level++) {
        const struct px_fastscan *fastscan = px_fastscan_at(level);
        fastscan->estimate(block, entries, dim_count, &scale, found);
        for (size_t row = 0; row < ROWS; row++)
            if (memcmp(&found[row], &expected[row], sizeof(float)) != 0 &&
                !(isnan(found[row]) && isnan(expected[row])))
                fail_msg("%s, %zu dimensions, row %zu: %g, not %g", fastscan->name, dim_count, row,
                         (double)found[row], (double)expected[row]);
        float limits[] = {expected[5], 0, INFINITY, -INFINITY, NAN};
        for (size_t i = 0; i < 5; i++) {
            uint32_t mask = fastscan->select(block, entries, dim_count, &scale, limits[i]);
            for (size_t row = 0; row < ROWS; row++)
                assert_int_equal(mask >> row & 1, !(expected[row] > limits[i]));
        }
    }
}

static void test_fastscan__gives_the_same_sums_at_every_level(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("fastscan");
    for (size_t dim_count = 64; dim_count <= 1024; dim_count += 64)
        for (unsigned round = 0; round < 4; round++)
            check_block(&random, dim_count, PX_FASTSCAN_MOST_ENTRY);
    check_block(&random, 4096, PX_FASTSCAN_MOST_ENTRY);
    check_block(&random, 4160, PX_FASTSCAN_MOST_ENTRY);
}

/* Sums of 16 bits would overflow. */
static void test_fastscan__takes_the_most_dimensions(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("fastscan");
    for (unsigned round = 0; round < 4; round++)
        check_block(&random, MOST_DIMS, PX_FASTSCAN_MOST_ENTRY);
}

static int64_t dot_of(const uint8_t *row, const int8_t *high, const int8_t *low, size_t dim_count)
{
    int64_t dot = 0;
    for (size_t i = 0; i < dim_count; i++)
        dot += (int64_t)row[i] * (128 * (int64_t)high[i] + low[i]);
    return dot;
}

static void check_dots(struct px_test_random *random, size_t dim_count, bool is_extreme)
{
    size_t stride = dim_count + 8;
    uint8_t *bytes = last_bytes(&rows, FEW_ROWS * stride - 8); /* the last ends with its bytes */
    int8_t *high = (int8_t *)last_bytes(&planes, 2 * dim_count), *low = high + dim_count;
    fill(random, bytes, FEW_ROWS * stride - 8, 256);
    for (size_t i = 0; i < dim_count; i++) {
        high[i] = (int8_t)((int)px_test_below(random, 255) - 127);
        low[i] = (int8_t)px_test_below(random, 128);
    }
    if (is_extreme) {
        memset(bytes, 255, FEW_ROWS * stride - 8);
        memset(high, 127, 2 * dim_count);
    }
    static const uint32_t indexes[] = {4, 0, 2, 2};
    struct px_byte_rows all = {bytes, stride, dim_count};
    for (size_t level = 0; px_fastscan_at(level) != NULL; level++) {
        int64_t dots[FEW_ROWS];
        px_fastscan_at(level)->byte_dots(&all, NULL, FEW_ROWS, high, low, dots);
        for (size_t i = 0; i < FEW_ROWS; i++)
            assert_true(dots[i] == dot_of(bytes + i * stride, high, low, dim_count));
        px_fastscan_at(level)->byte_dots(&all, indexes, 4, high, low, dots);
        for (size_t i = 0; i < 4; i++)
            assert_true(dots[i] == dot_of(bytes + indexes[i] * stride, high, low, dim_count));
    }
}

static void test_fastscan__multiplies_bytes_exactly(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("fastscan");
    for (size_t dim_count = 64; dim_count <= 1024; dim_count += 64)
        check_dots(&random, dim_count, false);
    check_dots(&random, MOST_DIMS, false);
    check_dots(&random, MOST_DIMS, true);
}

static void test_fastscan__follows_the_level_of_the_kernels(void **state)
{
    (void)state;
    assert_string_equal(px_fastscan_at(0)->name, "scalar");
    assert_string_equal(px_fastscan_get()->name, px_kernels_get()->name);
}

static void test_fastscan__is_timed(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    static const size_t dims[] = {128, 384, 768, 1024};
    struct factors factors = {{0}, {0}};
    struct px_fastscan_scale scale = {factors.adds, factors.rescales, 1, 0};
    for (size_t level = 0; px_fastscan_at(level) != NULL; level++)
        for (size_t i = 0; i < 4; i++) {
            uint32_t seen = 0;
            int64_t begin_ns = px_clock_now_ns();
            for (unsigned round = 0; round < ROUNDS; round++)
                seen += px_fastscan_at(level)->select(codes.pages, tables.pages, dims[i], &scale,
                                                      (float)round);
            double ns = (double)(px_clock_now_ns() - begin_ns) / ROUNDS;
            print_message("%-7s %4zu dimensions: %.2f ns a row (%u)\n", px_fastscan_at(level)->name,
                          dims[i], ns / ROWS, seen & 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fastscan__gives_the_same_sums_at_every_level),
        cmocka_unit_test(test_fastscan__takes_the_most_dimensions),
        cmocka_unit_test(test_fastscan__multiplies_bytes_exactly),
        cmocka_unit_test(test_fastscan__follows_the_level_of_the_kernels),
        cmocka_unit_test(test_fastscan__is_timed),
    };
    set_up();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tear_down();
    return failed;
}
