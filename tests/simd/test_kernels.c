/*
 * Goal: every kernel of every level gives the sum that it is said to give, within the error that
 * simd/bound.h promises, and touches nothing outside of its operands.
 * Method: all levels of this CPU on dimensions 1 to 67 and a few large ones, at odd addresses, on
 * data from denormal to huge, against the canonical sums and against the portable level. Operands
 * end where a forbidden page begins, and results lie between canaries. Last, each kernel is timed;
 * times are printed and decide nothing.
 */
#include "simd/bound.h"
#include "simd/distance.h"
#include "simd/kernels.h"

#include "base/clock.h"
#include "support/px_test.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MOST_DIMS = 65536, MOST_ROWS = 9, CANARY_COUNT = 4 };

static const float canary = -123.25f;

/* ---- operands in front of a forbidden page -------------------------------------------------- */

struct guarded {
    uint8_t *pages;
    size_t size_bytes; /* that may be touched */
};

static struct guarded guarded_new(size_t size_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (size_bytes + page - 1) / page * page;
    void *pages =
        mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect((uint8_t *)pages + size, page, PROT_NONE), 0);
    return (struct guarded){pages, size};
}

/* The address of size_bytes that end with the last byte that may be touched: odd for odd sizes. */
static uint8_t *guarded_end(const struct guarded *guarded, size_t size_bytes)
{
    return guarded->pages + guarded->size_bytes - size_bytes;
}

static void guarded_free(struct guarded *guarded)
{
    munmap(guarded->pages, guarded->size_bytes + (size_t)sysconf(_SC_PAGESIZE));
}

/* ---- one case: some rows and queries -------------------------------------------------------- */

struct test_case {
    struct px_rows rows;
    struct px_rows queries;
};

static const uint8_t *vector_at(const struct px_rows *rows, size_t index)
{
    return (const uint8_t *)rows->data + index * rows->stride_bytes;
}

/* How far a level may be off for this pair: the promise of simd/bound.h in its plainest form. */
static double tolerance(const struct px_kernels *kernels, const struct test_case *c, size_t row,
                        size_t query, bool is_l2)
{
    struct px_query of;
    struct px_bound bound;
    size_t dim_count = c->rows.dim_count;
    const uint8_t *x = vector_at(&c->rows, row), *q = vector_at(&c->queries, query);
    px_query_init(&of, PROXIMADB_L2, q, dim_count);
    px_bound_init(&bound, &of, kernels);
    double magnitude = is_l2 ? px_l2_squared_exact(x, q, dim_count)
                             : sqrt(px_norm_squared_exact(x, dim_count) * of.norm_squared);
    return bound.relative * magnitude + bound.absolute;
}

static void assert_near(double found, double expected, double tolerated)
{
    if (!(fabs(found - expected) <= tolerated))
        fail_msg("found %.9g, expected %.17g within %.3g", found, expected, tolerated);
}

static void check_single(const struct px_kernels *kernels, const struct test_case *c)
{
    float dots[MOST_ROWS + 1], norms[MOST_ROWS + 1], sums[MOST_ROWS + 1];
    size_t count = c->rows.row_count, dim_count = c->rows.dim_count;
    const uint8_t *q = c->queries.data;
    dots[count] = norms[count] = sums[count] = canary;
    kernels->dot_and_norm(&c->rows, q, dots, norms);
    kernels->l2_squared(&c->rows, q, sums);
    assert_true(dots[count] == canary && norms[count] == canary && sums[count] == canary);
    for (size_t r = 0; r < count; r++) {
        const uint8_t *x = vector_at(&c->rows, r);
        struct test_case self = {.rows = c->rows, .queries = c->rows};
        double norm = px_norm_squared_exact(x, dim_count);
        double norm_tolerance = tolerance(kernels, &self, r, r, false);
        assert_near((double)dots[r], px_dot_exact(x, q, dim_count),
                    tolerance(kernels, c, r, 0, false));
        assert_near((double)norms[r], norm, norm_tolerance);
        assert_near((double)kernels->norm_squared(x, dim_count), norm, norm_tolerance);
        assert_near((double)sums[r], px_l2_squared_exact(x, q, dim_count),
                    tolerance(kernels, c, r, 0, true));
    }
}

static void check_matrix(const struct px_kernels *kernels, const struct test_case *c, bool is_l2)
{
    float sums[MOST_ROWS][MOST_ROWS + CANARY_COUNT];
    size_t stride = MOST_ROWS + CANARY_COUNT, dim_count = c->rows.dim_count;
    for (size_t i = 0; i < MOST_ROWS * stride; i++)
        sums[i / stride][i % stride] = canary;
    (is_l2 ? kernels->l2_matrix : kernels->dot_matrix)(&c->rows, &c->queries, sums[0], stride);
    for (size_t i = 0; i < MOST_ROWS * stride; i++) {
        size_t q = i / stride, r = i % stride;
        if (q >= c->queries.row_count || r >= c->rows.row_count) {
            assert_true(sums[q][r] == canary);
            continue;
        }
        const uint8_t *x = vector_at(&c->rows, r), *y = vector_at(&c->queries, q);
        double expected =
            is_l2 ? px_l2_squared_exact(x, y, dim_count) : px_dot_exact(x, y, dim_count);
        assert_near((double)sums[q][r], expected, tolerance(kernels, c, r, q, is_l2));
    }
}

/* A panel's sums are one chain each: the promise is that of a level with one partial sum. */
static void check_panel(const struct px_kernels *kernels, const struct test_case *c)
{
    enum { MOST_WIDTH = 64 };
    struct px_kernels one_chain = *kernels;
    size_t width = kernels->panel_width, dim_count = c->rows.dim_count;
    size_t count = c->rows.row_count, queries = c->queries.row_count;
    float starts[MOST_WIDTH], sums[MOST_ROWS * MOST_WIDTH + 1];
    float *panel = malloc(width * dim_count * sizeof *panel);
    assert_true(width <= MOST_WIDTH && panel != NULL);
    one_chain.partial_sum_count = 1;
    for (size_t v = 0; v < width; v++) {
        starts[v] = v % 3 == 0 ? 0.5f : 0.0f;
        for (size_t dim = 0; dim < dim_count; dim++)
            memcpy(&panel[dim * width + v],
                   vector_at(&c->queries, v % queries) + dim * sizeof(float), sizeof(float));
    }
    sums[count * width] = canary;
    kernels->dot_panel(&c->rows, panel, starts, sums);
    assert_true(sums[count * width] == canary);
    for (size_t i = 0; i < count * width; i++) {
        size_t r = i / width, q = i % width % queries;
        double start = (double)starts[i % width];
        double expected =
            start + px_dot_exact(vector_at(&c->rows, r), vector_at(&c->queries, q), dim_count);
        assert_near((double)sums[i], expected,
                    tolerance(&one_chain, c, r, q, false) +
                        start * 0x1p-24 * (double)(dim_count + 16));
    }
    free(panel);
}

static void check_case(const struct test_case *c)
{
    for (size_t level = 0; px_kernels_at(level) != NULL; level++) {
        check_single(px_kernels_at(level), c);
        check_matrix(px_kernels_at(level), c, false);
        check_matrix(px_kernels_at(level), c, true);
        check_panel(px_kernels_at(level), c);
    }
}

/* Vectors at an odd address when `misaligned`, the last one ending at the forbidden page. */
static struct px_rows place(const struct guarded *memory, struct px_test_random *random,
                            size_t row_count, size_t dim_count, bool misaligned)
{
    static const float scales[] = {1.0f, 1e-20f, 1e-41f, 1e15f};
    size_t stride = dim_count * sizeof(float) + (misaligned ? 1 + px_test_below(random, 7) : 0);
    uint8_t *at = guarded_end(memory, (row_count - 1) * stride + dim_count * sizeof(float));
    uint8_t *begin = misaligned ? at - 1 : at; /* leaves a byte free at the end, too */
    for (size_t r = 0; r < row_count; r++) {
        float scale = scales[px_test_below(random, 4)];
        for (size_t dim = 0; dim < dim_count; dim++) {
            float value = px_test_float(random) * scale;
            memcpy(begin + r * stride + dim * sizeof value, &value, sizeof value);
        }
    }
    return (struct px_rows){begin, stride, row_count, dim_count};
}

static void check_dims(struct px_test_random *random, size_t dim_count, size_t most_rows)
{
    size_t size = most_rows * (dim_count * sizeof(float) + 8);
    struct guarded row_memory = guarded_new(size), query_memory = guarded_new(size);
    for (int variant = 0; variant < 2; variant++) {
        size_t row_count = 1 + px_test_below(random, most_rows);
        size_t query_count = 1 + px_test_below(random, most_rows);
        bool misaligned = variant == 1;
        struct test_case c = {.rows = place(&row_memory, random, row_count, dim_count, misaligned),
                              .queries =
                                  place(&query_memory, random, query_count, dim_count, misaligned)};
        check_case(&c);
    }
    guarded_free(&row_memory);
    guarded_free(&query_memory);
}

static void test_kernels__are_as_near_as_promised(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kernels");
    static const size_t large[] = {96, 100, 128, 384, 385, 768, 1024, 1536, 4096};
    for (size_t dim_count = 1; dim_count <= 67; dim_count++)
        for (int round = 0; round < 6; round++)
            check_dims(&random, dim_count, MOST_ROWS);
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        check_dims(&random, large[i], MOST_ROWS);
    check_dims(&random, MOST_DIMS, 5);
    check_dims(&random, MOST_DIMS - 1, 2);
}

/* Every pair of operand counts, so that each edge of a tile is met. */
static void test_kernels__matrices_of_every_shape(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kernels");
    struct guarded row_memory = guarded_new(4096), query_memory = guarded_new(4096);
    for (size_t rows = 1; rows <= MOST_ROWS; rows++)
        for (size_t queries = 1; queries <= MOST_ROWS; queries++) {
            struct test_case c = {.rows = place(&row_memory, &random, rows, 19, false),
                                  .queries = place(&query_memory, &random, queries, 19, true)};
            check_case(&c);
        }
    guarded_free(&row_memory);
    guarded_free(&query_memory);
}

/* Larger than a panel and a block, so that the loops around the tiles go round more than once. */
static void test_kernels__matrices_larger_than_the_caches(void **state)
{
    (void)state;
    enum { ROWS = 203, QUERIES = 31, DIMS = 700 };
    struct px_test_random random = px_test_random_new("kernels");
    float *x = malloc(ROWS * DIMS * sizeof *x), *q = malloc(QUERIES * DIMS * sizeof *q);
    float *sums = malloc(ROWS * QUERIES * sizeof *sums);
    assert_true(x != NULL && q != NULL && sums != NULL);
    for (size_t i = 0; i < ROWS * DIMS; i++)
        x[i] = px_test_float(&random);
    for (size_t i = 0; i < QUERIES * DIMS; i++)
        q[i] = px_test_float(&random);
    struct px_rows rows = {x, DIMS * sizeof *x, ROWS, DIMS};
    struct px_rows queries = {q, DIMS * sizeof *q, QUERIES, DIMS};
    for (size_t level = 0; px_kernels_at(level) != NULL; level++) {
        px_kernels_at(level)->dot_matrix(&rows, &queries, sums, ROWS);
        for (size_t i = 0; i < ROWS * QUERIES; i++)
            assert_near((double)sums[i],
                        px_dot_exact(x + i % ROWS * DIMS, q + i / ROWS * DIMS, DIMS), 1e-3);
    }
    free(x);
    free(q);
    free(sums);
}

static void test_kernels__do_nothing_without_rows(void **state)
{
    (void)state;
    const float x[] = {1};
    const struct px_rows none = {x, sizeof x, 0, 1}, one = {x, sizeof x, 1, 1};
    float sum = canary;
    for (size_t level = 0; px_kernels_at(level) != NULL; level++) {
        const struct px_kernels *kernels = px_kernels_at(level);
        kernels->dot_and_norm(&none, x, &sum, &sum);
        kernels->l2_squared(&none, x, &sum);
        kernels->dot_matrix(&none, &one, &sum, 1);
        kernels->dot_matrix(&one, &none, &sum, 1);
        kernels->l2_matrix(&none, &one, &sum, 1);
        kernels->l2_matrix(&one, &none, &sum, 1);
        kernels->dot_panel(&none, x, x, &sum);
        assert_true(sum == canary);
    }
}

/* ---- rounding ------------------------------------------------------------------------------- */

/* Rounding is no sum: all levels have the bits of the portable one, up to the forbidden page. */
static void test_kernels__round_alike(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("kernels");
    struct guarded memory = guarded_new(MOST_ROWS * (385 * sizeof(float) + 8));
    float expected[385], found[385 + 1];
    for (size_t dim_count = 1; dim_count <= 385; dim_count += dim_count < 67 ? 1 : 53)
        for (int round = 0; round < 20; round++) {
            struct px_rows rows = place(&memory, &random, MOST_ROWS, dim_count, round % 2 == 1);
            float base = ldexpf(1.0f, (int)px_test_below(&random, 200) - 100);
            float factor = ldexpf(1.5f, 16 + (int)px_test_below(&random, 4));
            for (size_t r = 0; r < MOST_ROWS; r++) {
                const uint8_t *x = vector_at(&rows, r);
                px_kernels_at(0)->round_to_grid(x, dim_count, base, factor, expected);
                for (size_t level = 1; px_kernels_at(level) != NULL; level++) {
                    found[dim_count] = canary;
                    px_kernels_at(level)->round_to_grid(x, dim_count, base, factor, found);
                    assert_memory_equal(found, expected, dim_count * sizeof(float));
                    assert_true(found[dim_count] == canary);
                }
            }
        }
    guarded_free(&memory);
}

/* ---- values that are not numbers ------------------------------------------------------------ */

/* What all kernels of a level give for one pair of vectors. */
struct results {
    float of[8];
};

/* Of a row and the last vector of a panel, the others being zeros. */
static float panel_product(const struct px_kernels *kernels, const struct px_rows *row,
                           const float *q)
{
    static float panel[64 * 67];
    static const float starts[64];
    float sums[64];
    size_t last = kernels->panel_width - 1;
    memset(panel, 0, sizeof panel);
    for (size_t dim = 0; dim < row->dim_count; dim++)
        panel[dim * kernels->panel_width + last] = q[dim];
    kernels->dot_panel(row, panel, starts, sums);
    return sums[last];
}

static struct results run_all(const struct px_kernels *kernels, const float *x, const float *q,
                              size_t dim_count)
{
    struct results results;
    struct px_rows row = {x, dim_count * sizeof(float), 1, dim_count};
    struct px_rows query = {q, dim_count * sizeof(float), 1, dim_count};
    results.of[0] = kernels->norm_squared(x, dim_count);
    kernels->dot_and_norm(&row, q, &results.of[1], &results.of[2]);
    kernels->l2_squared(&row, q, &results.of[3]);
    kernels->dot_matrix(&row, &query, &results.of[4], 1);
    kernels->l2_matrix(&row, &query, &results.of[5], 1);
    results.of[6] = kernels->norm_squared(q, dim_count);
    results.of[7] = panel_product(kernels, &row, q);
    return results;
}

static int kind(float value)
{
    return isnan(value) ? 0 : isinf(value) ? (value > 0 ? 1 : 2) : 3;
}

static void test_kernels__treat_nan_and_infinity_alike(void **state)
{
    (void)state;
    static const float strange[] = {NAN, INFINITY, -INFINITY, 3e38f, 1e-45f};
    float x[67], q[67];
    for (size_t dim_count = 1; dim_count <= 67; dim_count++)
        for (size_t i = 0; i < 5 * dim_count; i++) {
            for (size_t dim = 0; dim < dim_count; dim++) {
                x[dim] = 1.0f;
                q[dim] = 2.0f;
            }
            x[i % dim_count] = strange[i / dim_count];
            struct results expected = run_all(px_kernels_at(0), x, q, dim_count);
            for (size_t level = 1; px_kernels_at(level) != NULL; level++) {
                struct results found = run_all(px_kernels_at(level), x, q, dim_count);
                for (size_t k = 0; k < 8; k++)
                    assert_int_equal(kind(found.of[k]), kind(expected.of[k]));
            }
        }
    assert_int_equal(kind(px_kernels_at(0)->norm_squared(x, 67)), 3);
    x[66] = NAN;
    assert_int_equal(kind(px_kernels_at(0)->norm_squared(x, 67)), 0);
    x[66] = 3e38f;
    assert_int_equal(kind(px_kernels_at(0)->norm_squared(x, 67)), 1);
}

/* ---- the choice of a level ------------------------------------------------------------------ */

static void test_kernels__follow_the_environment(void **state)
{
    (void)state;
    const char *wanted = getenv("PROXIMADB_SIMD");
    size_t count = 0;
    bool known = wanted == NULL || wanted[0] == '\0';
    assert_string_equal(px_kernels_at(0)->name, "scalar");
    while (px_kernels_at(count) != NULL) {
        known |= wanted != NULL && strcmp(wanted, px_kernels_at(count)->name) == 0;
        count++;
    }
    struct proximadb_error error = {0};
    int rc = px_kernels_status(&error);
    assert_int_equal(rc, known ? PROXIMADB_OK : PROXIMADB_INVALID);
    if (known && wanted != NULL && wanted[0] != '\0')
        assert_string_equal(px_kernels_get()->name, wanted);
    else
        assert_string_equal(px_kernels_get()->name, px_kernels_at(count - 1)->name);
    if (!known)
        assert_true(strstr(error.message, wanted) != NULL &&
                    strstr(error.message, "scalar") != NULL);
    print_message("levels: %zu; chosen: %s\n", count, px_kernels_get()->name);
}

/* ---- times ---------------------------------------------------------------------------------- */

enum {
    TIMED_ROWS = 100000,
    TIMED_DIMS = 384,
    TIMED_QUERIES = 32,
    CACHED_ROWS = 24 /* whole tiles of each kernel */,
    REPEATS = 3
};

struct timing {
    float *rows;
    float *sums;
    float *norms;
};

static void run_timed(const struct px_kernels *kernels, const struct timing *t, int kernel,
                      size_t row_count)
{
    struct px_rows rows = {t->rows, TIMED_DIMS * sizeof(float), row_count, TIMED_DIMS};
    struct px_rows queries = {t->rows, TIMED_DIMS * sizeof(float), TIMED_QUERIES, TIMED_DIMS};
    switch (kernel) {
    case 0:
        for (size_t r = 0; r < row_count; r++)
            t->sums[r] = kernels->norm_squared(t->rows + r * TIMED_DIMS, TIMED_DIMS);
        break;
    case 1:
        kernels->dot_and_norm(&rows, t->rows, t->sums, t->norms);
        break;
    case 2:
        kernels->l2_squared(&rows, t->rows, t->sums);
        break;
    case 3:
        kernels->dot_matrix(&rows, &queries, t->sums, row_count);
        break;
    case 4:
        kernels->l2_matrix(&rows, &queries, t->sums, row_count);
        break;
    default:
        kernels->dot_panel(&rows, t->rows, t->norms, t->sums);
        break;
    }
}

static double best_ns(const struct px_kernels *kernels, const struct timing *t, int kernel,
                      size_t row_count, int passes)
{
    double best = 1e18;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        int64_t begin = px_clock_now_ns();
        for (int pass = 0; pass < passes; pass++)
            run_timed(kernels, t, kernel, row_count);
        best = fmin(best, (double)(px_clock_now_ns() - begin) / passes);
    }
    return best;
}

static void test_kernels__print_their_times(void **state)
{
    (void)state;
    static const char *names[] = {"norm", "dot+norm", "l2", "dot x 32", "l2 x 32", "panel"};
    struct timing t = {.rows = aligned_alloc(64, TIMED_ROWS * TIMED_DIMS * sizeof(float)),
                       .sums = calloc(TIMED_ROWS, sizeof(float)),
                       .norms = calloc(TIMED_ROWS, sizeof(float))};
    assert_true(t.rows != NULL && t.sums != NULL && t.norms != NULL);
    for (size_t i = 0; i < TIMED_ROWS * TIMED_DIMS; i++)
        t.rows[i] = (float)(i % 1000);
    print_message("384 dimensions     from memory            from the cache\n");
    for (size_t level = 0; px_kernels_at(level) != NULL; level++)
        for (int k = 0; k < 6; k++) {
            size_t pairs = k < 3 ? 1 : k < 5 ? TIMED_QUERIES : px_kernels_at(level)->panel_width;
            size_t rows = TIMED_ROWS / pairs;
            double far = best_ns(px_kernels_at(level), &t, k, rows, 1) / (double)rows;
            double near = best_ns(px_kernels_at(level), &t, k, CACHED_ROWS, 50) / CACHED_ROWS;
            print_message("%-7s %-9s %6.1f ns/pair %5.1f GB/s  %6.1f ns/pair %6.1f GFLOP/s\n",
                          px_kernels_at(level)->name, names[k], far / (double)pairs,
                          TIMED_DIMS * sizeof(float) / far, near / (double)pairs,
                          (double)(2 * TIMED_DIMS * pairs) / near);
        }
    free(t.rows);
    free(t.sums);
    free(t.norms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels__are_as_near_as_promised),
        cmocka_unit_test(test_kernels__matrices_of_every_shape),
        cmocka_unit_test(test_kernels__matrices_larger_than_the_caches),
        cmocka_unit_test(test_kernels__do_nothing_without_rows),
        cmocka_unit_test(test_kernels__round_alike),
        cmocka_unit_test(test_kernels__treat_nan_and_infinity_alike),
        cmocka_unit_test(test_kernels__follow_the_environment),
        cmocka_unit_test(test_kernels__print_their_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
