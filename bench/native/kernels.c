/*
 * kernels: what a kernel takes for one row, at each CPU level, and what the CPU's instructions could.
 *
 *      bench_kernels DIM_COUNT QUERY_COUNT ROUNDS
 *
 * DIM_COUNT is a multiple of 64. Each kernel is called for QUERY_COUNT queries, one a call, against
 * the same rows: as many as the first-level cache holds ("L1"), as the second ("L2"), and far more
 * than any ("DRAM", one query, once). One line a kernel, level and place: the median of the
 * rounds, in nanoseconds a row.
 *
 *      LEVEL KERNEL PLACE ROW_BYTES NANOSECONDS
 *
 * The level "limit" is no kernel: the same number of multiply-adds on registers alone, in the widest
 * vectors of this CPU ("fma": of float32, "dot": of int8 by VPDPBUSD), which no kernel can beat.
 */
#include "simd/code_kernels.h"
#include "simd/kernels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    MOST_ROUNDS = 99,
    L1_BYTES = 24 << 10,
    L2_BYTES = 768 << 10,
    DRAM_BYTES = 256 << 20,
    LIMIT_STEPS = 1 << 16,
    LIMIT_CHAINS = 16,
};

/* What all kernels work on: random bytes that are small floats, too. */
struct field {
    size_t dim_count, row_count, query_count;
    uint8_t *rows;             /* row_count of dim_count floats, or as many bytes, or codes */
    float *query;              /* dim_count */
    int8_t *high, *low;        /* dim_count */
    uint32_t *indexes;         /* row_count */
    const uint8_t **byte_rows; /* where each row begins that has a byte for a dimension */
    float *sums, *more_sums;
    int32_t *whole_sums;
    int64_t *long_sums;
};

struct kernel {
    const char *name;
    size_t (*row_bytes)(size_t dim_count);
    void (*run)(const struct field *field, const struct px_kernels *floats,
                const struct px_code_kernels *codes);
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static size_t float_bytes(size_t dim_count)
{
    return dim_count * sizeof(float);
}

static size_t byte_bytes(size_t dim_count)
{
    return dim_count;
}

static size_t sign_bytes(size_t dim_count)
{
    return dim_count / 8;
}

static size_t signed_bytes(size_t dim_count)
{
    return dim_count + dim_count / 8;
}

static struct px_rows float_rows(const struct field *field)
{
    return (struct px_rows){
        .data = field->rows,
        .stride_bytes = float_bytes(field->dim_count),
        .row_count = field->row_count,
        .dim_count = field->dim_count,
    };
}

static struct px_sign_codes sign_codes(const struct field *field, bool has_magnitudes)
{
    size_t stride = has_magnitudes ? signed_bytes(field->dim_count) : sign_bytes(field->dim_count);
    return (struct px_sign_codes){
        .signs = field->rows,
        .sign_stride = stride,
        .magnitudes = field->rows + sign_bytes(field->dim_count),
        .magnitude_stride = stride,
        .dim_count = field->dim_count,
    };
}

static void run_dot(const struct field *field, const struct px_kernels *floats,
                    const struct px_code_kernels *codes)
{
    (void)codes;
    struct px_rows rows = float_rows(field);
    floats->dot_and_norm(&rows, field->query, field->sums, field->more_sums);
}

static void run_l2(const struct field *field, const struct px_kernels *floats,
                   const struct px_code_kernels *codes)
{
    (void)codes;
    struct px_rows rows = float_rows(field);
    floats->l2_squared(&rows, field->query, field->sums);
}

static void run_bytes(const struct field *field, const struct px_kernels *floats,
                      const struct px_code_kernels *codes)
{
    (void)floats;
    codes->byte_dots(field->byte_rows, field->row_count, field->dim_count, field->rows,
                     field->whole_sums);
}

static void run_signs(const struct field *field, const struct px_kernels *floats,
                      const struct px_code_kernels *codes)
{
    (void)floats;
    struct px_sign_codes signs = sign_codes(field, false);
    codes->sign_sums(&signs, field->indexes, field->row_count, field->high, field->whole_sums);
}

static void run_signed(const struct field *field, const struct px_kernels *floats,
                       const struct px_code_kernels *codes)
{
    (void)floats;
    struct px_sign_codes signs = sign_codes(field, true);
    codes->signed_dots(&signs, field->indexes, field->row_count, field->high, field->low,
                       field->long_sums);
}

static const struct kernel kernels[] = {
    {"dot_and_norm f32", float_bytes, run_dot},      {"l2_squared f32", float_bytes, run_l2},
    {"byte_dots 8 bit", byte_bytes, run_bytes},      {"sign_sums 1 bit", sign_bytes, run_signs},
    {"signed_dots 9 bit", signed_bytes, run_signed},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

/* Nanoseconds a row. */
static double time_kernel(const struct kernel *kernel, const struct field *field,
                          const struct px_kernels *floats, const struct px_code_kernels *codes,
                          int round_count)
{
    double rounds[MOST_ROUNDS];
    kernel->run(field, floats, codes);
    for (int round = 0; round < round_count; round++) {
        int64_t began = now_ns();
        for (size_t query = 0; query < field->query_count; query++)
            kernel->run(field, floats, codes);
        rounds[round] =
            (double)(now_ns() - began) / (double)field->query_count / (double)field->row_count;
    }
    return median(rounds, round_count);
}

static void time_place(struct field *field, const char *place, size_t size_bytes, size_t queries,
                       int round_count)
{
    for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
        size_t row_bytes = kernels[k].row_bytes(field->dim_count);
        field->row_count = size_bytes / row_bytes;
        field->query_count = queries;
        for (size_t level = 0; px_kernels_at(level) != NULL; level++)
            printf("%s\t%s\t%s\t%zu\t%.3f\n", px_kernels_at(level)->name, kernels[k].name, place,
                   row_bytes,
                   time_kernel(&kernels[k], field, px_kernels_at(level), px_code_kernels_at(level),
                               round_count));
    }
}

#if defined(__x86_64__)
/* The loop's arrays are registers only where it is unrolled; the compiler must not see that a value
 * could be known without the loop. */
#define UNROLL      _Pragma("GCC unroll 16")
#define KEEP(value) __asm__ volatile("" : "+v"(value))

/* Both keep LIMIT_CHAINS registers busy, so that no instruction waits for another one's result. */
__attribute__((target("avx512f"))) static float spend_fma(void)
{
    __m512 sums[LIMIT_CHAINS], factor = _mm512_set1_ps(0.5f);
    UNROLL for (int i = 0; i < LIMIT_CHAINS; i++) sums[i] = _mm512_set1_ps((float)i);
    for (int step = 0; step < LIMIT_STEPS; step++) {
        UNROLL for (int i = 0; i < LIMIT_CHAINS; i++)
        {
            sums[i] = _mm512_fmadd_ps(sums[i], factor, factor);
            KEEP(sums[i]);
        }
    }
    UNROLL for (int i = 1; i < LIMIT_CHAINS; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
    return _mm512_reduce_add_ps(sums[0]);
}

__attribute__((target("avx512f,avx512vnni"))) static float spend_dot(void)
{
    __m512i sums[LIMIT_CHAINS], ones = _mm512_set1_epi32(1);
    UNROLL for (int i = 0; i < LIMIT_CHAINS; i++) sums[i] = _mm512_set1_epi32(i);
    for (int step = 0; step < LIMIT_STEPS; step++) {
        UNROLL for (int i = 0; i < LIMIT_CHAINS; i++)
        {
            sums[i] = _mm512_dpbusd_epi32(sums[i], ones, ones);
            KEEP(sums[i]);
        }
    }
    UNROLL for (int i = 1; i < LIMIT_CHAINS; i++) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
    return (float)_mm512_reduce_add_epi32(sums[0]);
}

/* Nanoseconds of so many instructions of one kind as a row needs. */
static double time_limit(float (*spend)(void), size_t instruction_count, int round_count)
{
    double rounds[MOST_ROUNDS];
    volatile float kept = spend();
    for (int round = 0; round < round_count; round++) {
        int64_t began = now_ns();
        kept = spend();
        rounds[round] = (double)(now_ns() - began) / ((double)LIMIT_STEPS * LIMIT_CHAINS);
    }
    (void)kept;
    return median(rounds, round_count) * (double)instruction_count;
}

static void print_limits(size_t dim_count, int round_count)
{
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vnni"))
        return;
    printf("limit\tfma\tregisters\t%zu\t%.3f\n", float_bytes(dim_count),
           time_limit(spend_fma, dim_count / 16, round_count));
    printf("limit\tdot\tregisters\t%zu\t%.3f\n", dim_count,
           time_limit(spend_dot, dim_count / 64, round_count));
}
#else
static void print_limits(size_t dim_count, int round_count)
{
    (void)dim_count;
    (void)round_count;
}
#endif

/* Components from -1 to 1, the same bytes read as codes; rows in no order. False: no memory. */
static bool make_field(struct field *field, size_t dim_count)
{
    size_t most_rows = DRAM_BYTES / sign_bytes(dim_count);
    *field = (struct field){
        .dim_count = dim_count,
        .rows = aligned_alloc(64, DRAM_BYTES),
        .query = aligned_alloc(64, float_bytes(dim_count)),
        .high = aligned_alloc(64, dim_count),
        .low = aligned_alloc(64, dim_count),
        .indexes = malloc(most_rows * sizeof *field->indexes),
        .byte_rows = malloc(most_rows * sizeof *field->byte_rows),
        .sums = malloc(most_rows * sizeof *field->sums),
        .more_sums = malloc(most_rows * sizeof *field->more_sums),
        .whole_sums = malloc(most_rows * sizeof *field->whole_sums),
        .long_sums = malloc(most_rows * sizeof *field->long_sums),
    };
    if (field->rows == NULL || field->query == NULL || field->high == NULL || field->low == NULL ||
        field->indexes == NULL || field->byte_rows == NULL || field->sums == NULL ||
        field->more_sums == NULL || field->whole_sums == NULL || field->long_sums == NULL)
        return false;
    uint32_t state = 7;
    for (size_t i = 0; i < DRAM_BYTES / sizeof(float); i++) {
        state = state * 1664525u + 1013904223u;
        ((float *)(void *)field->rows)[i] = (float)(int32_t)state / 2147483648.0f;
    }
    memcpy(field->query, field->rows, float_bytes(dim_count));
    for (size_t i = 0; i < dim_count; i++) {
        field->high[i] = (int8_t)(i * 37 % 255 - 127);
        field->low[i] = (int8_t)(i * 53 % 128);
    }
    for (size_t i = 0; i < most_rows; i++)
        field->indexes[i] = (uint32_t)i;
    for (size_t i = 0; i < DRAM_BYTES / dim_count; i++)
        field->byte_rows[i] = field->rows + i * dim_count;
    return true;
}

static void free_field(struct field *field)
{
    free(field->rows);
    free(field->query);
    free(field->high);
    free(field->low);
    free(field->indexes);
    free(field->byte_rows);
    free(field->sums);
    free(field->more_sums);
    free(field->whole_sums);
    free(field->long_sums);
}

int main(int argc, char **argv)
{
    size_t dim_count = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
    size_t query_count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    long round_count = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    if (dim_count == 0 || dim_count % 64 != 0 || dim_count > 65536 || query_count == 0 ||
        round_count < 1 || round_count > MOST_ROUNDS) {
        fprintf(stderr, "usage: bench_kernels DIM_COUNT QUERY_COUNT ROUNDS\n");
        return 2;
    }
    struct field field;
    bool made = make_field(&field, dim_count);
    if (made) {
        print_limits(dim_count, (int)round_count);
        time_place(&field, "L1", L1_BYTES, query_count, (int)round_count);
        time_place(&field, "L2", L2_BYTES, query_count / 10 + 1, (int)round_count);
        time_place(&field, "DRAM", DRAM_BYTES, 1, 1);
    } else {
        fprintf(stderr, "bench_kernels: no memory\n");
    }
    free_field(&field);
    return made ? 0 : 1;
}
