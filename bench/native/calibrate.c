/*
 * calibrate: what the machine itself can do, to hold results against.
 *
 *      bench_calibrate read SIZE_BYTES ROUNDS     GB/s of one thread reading a buffer, per round
 *      bench_calibrate sync FOLDER COUNT          ns of writing 4 KiB and fdatasync, per append
 *
 * read  The buffer is in pages of 2 MiB where the system gives them, and larger than the caches if
 *       SIZE_BYTES is. Each round adds up all of it; a wrong sum ends the program with status 1.
 * sync  Appends to a file whose COUNT * 4 KiB were written with zeros and synced before, as the log
 *       of the engine does it: no fdatasync has to change metadata. The file is removed.
 *
 * One number a line on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define APPEND_BYTES    4096
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* One cache line; the compiler splits it into what the CPU has. */
typedef uint64_t line_of_words __attribute__((vector_size(64)));

#if defined(__x86_64__)
#define FOR_EVERY_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EVERY_CPU
#endif

static int fail(const char *what)
{
    fprintf(stderr, "bench_calibrate: %s: %s\n", what, strerror(errno));
    return 1;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Four sums, so that no addition waits for the one before. */
FOR_EVERY_CPU static uint64_t sum_of(const line_of_words *lines, size_t line_count)
{
    line_of_words sums[4] = {{0}};
    for (size_t i = 0; i + 4 <= line_count; i += 4)
        for (size_t j = 0; j < 4; j++)
            sums[j] += lines[i + j];
    line_of_words all = sums[0] + sums[1] + sums[2] + sums[3];
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        total += all[i];
    return total;
}

/* Memory of the process, every word its index; NULL if there is not enough. */
static uint64_t *filled_buffer(size_t size_bytes)
{
    uint64_t *words =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED)
        return NULL;
    /* A hint: without huge pages the figure is lower, and right. */
    (void)madvise(words, size_bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < size_bytes / sizeof *words; i++)
        words[i] = i;
    return words;
}

static int measure_read(size_t wanted_bytes, int round_count)
{
    size_t size_bytes = wanted_bytes / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if (size_bytes == 0 || round_count < 1) {
        errno = EINVAL;
        return fail("at least 2 MiB and one round");
    }
    uint64_t *words = filled_buffer(size_bytes);
    if (words == NULL)
        return fail("no memory for the buffer");
    uint64_t word_count = size_bytes / sizeof *words;
    uint64_t expected = word_count / 2 * (word_count - 1); /* the count is even */
    int status = 0;
    for (int round = 0; round < round_count && status == 0; round++) {
        int64_t began_ns = now_ns();
        uint64_t sum = sum_of((const line_of_words *)words, size_bytes / sizeof(line_of_words));
        printf("%.3f\n", (double)size_bytes / (double)(now_ns() - began_ns));
        if (sum != expected) {
            fprintf(stderr, "bench_calibrate: wrong sum\n");
            status = 1;
        }
    }
    munmap(words, size_bytes);
    return status;
}

/* Writes the block `count` times from offset 0 and syncs. Returns 0, or -1 with errno set. */
static int write_zeros(int file, const char *block, int count)
{
    for (int i = 0; i < count; i++)
        if (pwrite(file, block, APPEND_BYTES, (off_t)i * APPEND_BYTES) != APPEND_BYTES)
            return -1;
    return fsync(file);
}

static int append_and_time(int file, char *block, int count)
{
    if (write_zeros(file, block, count) != 0)
        return fail("writing the zeros");
    memset(block, 'x', APPEND_BYTES);
    for (int i = 0; i < count; i++) {
        int64_t began_ns = now_ns();
        if (pwrite(file, block, APPEND_BYTES, (off_t)i * APPEND_BYTES) != APPEND_BYTES ||
            fdatasync(file) != 0)
            return fail("appending");
        printf("%" PRId64 "\n", now_ns() - began_ns);
    }
    return 0;
}

static int measure_sync(const char *folder, int count)
{
    char path[4096];
    if (count < 1 || snprintf(path, sizeof path, "%s/calibrate.%ld.tmp", folder, (long)getpid()) >=
                         (int)sizeof path) {
        errno = EINVAL;
        return fail("a folder and at least one append");
    }
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return fail(path);
    char block[APPEND_BYTES] = {0};
    int status = append_and_time(file, block, count);
    close(file);
    unlink(path);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "read") == 0)
        return measure_read(strtoull(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "sync") == 0)
        return measure_sync(argv[2], (int)strtol(argv[3], NULL, 10));
    fprintf(stderr, "usage: bench_calibrate read SIZE_BYTES ROUNDS | sync FOLDER COUNT\n");
    return 2;
}
