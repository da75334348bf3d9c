/*
 * copies_count: counts what a server copies and writes, while a test tells it to.
 *
 * The linker sends every call of memcpy, memmove, realloc, read, readv and pwritev in the program
 * (the libraries linked into it included) to the functions below (-Wl,--wrap; the compiler expands
 * none of them in place, see PX_COUNT_COPIES). While counting is on, they note
 *
 *      sites     each place in the code that copies LARGE_BYTES or more at a time: calls and bytes;
 *                realloc counts as a copy when it moves its block
 *      received  the memory that read and readv filled
 *      written   the bytes given to pwritev, without pieces that are all zeros (the log fills its
 *                room ahead with them), and how many of them lie in memory that read or readv
 *                filled: they came there by no copy at all, however it may be spelled
 *
 * The last is told by address, so it is right only as long as received memory is not freed and used
 * for something else meanwhile: count one request at a time.
 *
 * PX_COPIES_FD names a descriptor of the process that started this one, a socket. On a byte 'a'
 * counting begins from zero, on 'r' it ends; each is answered by a line of JSON.
 *
 * Threads: any; one lock around everything that is noted.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    LARGE_BYTES = 256,
    MOST_SITES = 512,
    MOST_RANGES = 1 << 16,
    LINE_BYTES = 64 << 10,
};

struct site {
    uintptr_t address; /* the call returns to */
    uint64_t call_count;
    uint64_t size_bytes;
};

struct range {
    uintptr_t begin;
    uintptr_t end;
};

static atomic_bool counting;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards: all below */
static struct site sites[MOST_SITES];
static size_t site_count;
static struct range ranges[MOST_RANGES];
static size_t range_count;
static uint64_t written_bytes;
static uint64_t in_place_bytes;
static bool overflowed;

/* Where the program was loaded; the linker gives it. */
extern const char __executable_start[];

void *__real_memcpy(void *into, const void *from, size_t size);
void *__real_memmove(void *into, const void *from, size_t size);
void *__real_mempcpy(void *into, const void *from, size_t size);
void *__real___memcpy_chk(void *into, const void *from, size_t size, size_t room);
void *__real___memmove_chk(void *into, const void *from, size_t size, size_t room);
void *__real___mempcpy_chk(void *into, const void *from, size_t size, size_t room);
void *__real_realloc(void *block, size_t size);
ssize_t __real_read(int fd, void *into, size_t size);
ssize_t __real_readv(int fd, const struct iovec *parts, int count);
ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);

void *__wrap_memcpy(void *into, const void *from, size_t size);
void *__wrap_memmove(void *into, const void *from, size_t size);
void *__wrap_mempcpy(void *into, const void *from, size_t size);
void *__wrap___memcpy_chk(void *into, const void *from, size_t size, size_t room);
void *__wrap___memmove_chk(void *into, const void *from, size_t size, size_t room);
void *__wrap___mempcpy_chk(void *into, const void *from, size_t size, size_t room);
void *__wrap_realloc(void *block, size_t size);
ssize_t __wrap_read(int fd, void *into, size_t size);
ssize_t __wrap_readv(int fd, const struct iovec *parts, int count);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);

/* ---- copies -------------------------------------------------------------------------------- */

static void add_copy(uintptr_t address, size_t size)
{
    size_t i = 0;
    while (i < site_count && sites[i].address != address)
        i++;
    if (i == MOST_SITES) {
        overflowed = true;
        return;
    }
    if (i == site_count)
        sites[site_count++] = (struct site){.address = address};
    sites[i].call_count++;
    sites[i].size_bytes += size;
}

static inline void note_copy(void *address, size_t size)
{
    if (size < LARGE_BYTES || !atomic_load_explicit(&counting, memory_order_relaxed))
        return;
    pthread_mutex_lock(&lock);
    add_copy((uintptr_t)address, size);
    pthread_mutex_unlock(&lock);
}

void *__wrap_memcpy(void *into, const void *from, size_t size)
{
    note_copy(__builtin_return_address(0), size);
    return __real_memcpy(into, from, size);
}

void *__wrap_memmove(void *into, const void *from, size_t size)
{
    note_copy(__builtin_return_address(0), size);
    return __real_memmove(into, from, size);
}

void *__wrap_mempcpy(void *into, const void *from, size_t size)
{
    note_copy(__builtin_return_address(0), size);
    return __real_mempcpy(into, from, size);
}

void *__wrap___memcpy_chk(void *into, const void *from, size_t size, size_t room)
{
    note_copy(__builtin_return_address(0), size);
    return __real___memcpy_chk(into, from, size, room);
}

void *__wrap___memmove_chk(void *into, const void *from, size_t size, size_t room)
{
    note_copy(__builtin_return_address(0), size);
    return __real___memmove_chk(into, from, size, room);
}

void *__wrap___mempcpy_chk(void *into, const void *from, size_t size, size_t room)
{
    note_copy(__builtin_return_address(0), size);
    return __real___mempcpy_chk(into, from, size, room);
}

void *__wrap_realloc(void *block, size_t size)
{
    uintptr_t old = (uintptr_t)block;
    size_t old_size = block != NULL ? malloc_usable_size(block) : 0;
    void *grown = __real_realloc(block, size);
    if (grown != NULL && old != 0 && (uintptr_t)grown != old)
        note_copy(__builtin_return_address(0), old_size < size ? old_size : size);
    return grown;
}

/* ---- receiving and writing ----------------------------------------------------------------- */

static void add_received(const void *data, size_t size)
{
    uintptr_t begin = (uintptr_t)data;
    struct range *last = range_count > 0 ? &ranges[range_count - 1] : NULL;
    if (last != NULL && last->end == begin)
        last->end += size;
    else if (range_count < MOST_RANGES)
        ranges[range_count++] = (struct range){begin, begin + size};
    else
        overflowed = true;
}

static void note_received(const struct iovec *parts, int count, ssize_t got)
{
    if (got <= 0 || !atomic_load_explicit(&counting, memory_order_relaxed))
        return;
    size_t left = (size_t)got;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < count && left > 0; i++) {
        size_t size = parts[i].iov_len < left ? parts[i].iov_len : left;
        if (size > 0)
            add_received(parts[i].iov_base, size);
        left -= size;
    }
    pthread_mutex_unlock(&lock);
}

ssize_t __wrap_read(int fd, void *into, size_t size)
{
    ssize_t got = __real_read(fd, into, size);
    note_received(&(struct iovec){into, size}, 1, got);
    return got;
}

ssize_t __wrap_readv(int fd, const struct iovec *parts, int count)
{
    ssize_t got = __real_readv(fd, parts, count);
    note_received(parts, count, got);
    return got;
}

/* Bytes of the piece that lie in received memory. Memory that was filled twice counts once: from
 * `begin` on, the first range that covers it is taken. */
static uint64_t count_in_place(uintptr_t begin, uintptr_t end)
{
    uint64_t found = 0;
    while (begin < end) {
        uintptr_t next = end; /* where the nearest range behind begins */
        uintptr_t covered = begin;
        for (size_t i = 0; i < range_count; i++) {
            if (ranges[i].begin <= begin && ranges[i].end > covered)
                covered = ranges[i].end;
            else if (ranges[i].begin > begin && ranges[i].begin < next)
                next = ranges[i].begin;
        }
        if (covered > end)
            covered = end;
        found += covered - begin;
        begin = covered > begin ? covered : next;
    }
    return found;
}

static bool is_zeros(const struct iovec *part)
{
    const uint8_t *bytes = part->iov_base;
    for (size_t i = 0; i < part->iov_len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void note_written(const struct iovec *parts, int count)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < count; i++) {
        uintptr_t begin = (uintptr_t)parts[i].iov_base;
        if (is_zeros(&parts[i]))
            continue;
        written_bytes += parts[i].iov_len;
        in_place_bytes += count_in_place(begin, begin + parts[i].iov_len);
    }
    pthread_mutex_unlock(&lock);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (atomic_load_explicit(&counting, memory_order_relaxed))
        note_written(parts, count);
    return __real_pwritev(fd, parts, count, offset);
}

/* ---- the test's orders --------------------------------------------------------------------- */

static void begin_counting(void)
{
    pthread_mutex_lock(&lock);
    site_count = range_count = 0;
    written_bytes = in_place_bytes = 0;
    overflowed = false;
    atomic_store(&counting, true);
    pthread_mutex_unlock(&lock);
}

/* Addresses are told as distances from the program's beginning, as addr2line takes them. */
static size_t report(char *line, size_t room)
{
    atomic_store(&counting, false);
    pthread_mutex_lock(&lock);
    size_t size = (size_t)snprintf(
        line, room, "{\"written\":%llu,\"in_place\":%llu,\"overflowed\":%s,\"sites\":[",
        (unsigned long long)written_bytes, (unsigned long long)in_place_bytes,
        overflowed ? "true" : "false");
    for (size_t i = 0; i < site_count; i++)
        size += (size_t)snprintf(
            line + size, room - size, "%s{\"address\":%llu,\"calls\":%llu,\"bytes\":%llu}",
            i > 0 ? "," : "",
            (unsigned long long)(sites[i].address - (uintptr_t)__executable_start),
            (unsigned long long)sites[i].call_count, (unsigned long long)sites[i].size_bytes);
    pthread_mutex_unlock(&lock);
    return size + (size_t)snprintf(line + size, room - size, "]}\n");
}

static void *obey(void *argument)
{
    static char line[LINE_BYTES];
    int fd = (int)(intptr_t)argument;
    char order;
    while (__real_read(fd, &order, 1) == 1) {
        size_t size = 3;
        if (order == 'a') {
            begin_counting();
            snprintf(line, sizeof line, "{}\n");
        } else {
            size = report(line, sizeof line);
        }
        if (write(fd, line, size) != (ssize_t)size)
            break;
    }
    return NULL;
}

__attribute__((constructor)) static void start(void)
{
    const char *fd = getenv("PX_COPIES_FD");
    sigset_t all, before;
    pthread_t thread;
    if (fd == NULL)
        return;
    sigfillset(&all); /* signals are for the server's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, obey, (void *)(intptr_t)strtol(fd, NULL, 10)) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_detach(thread);
}
