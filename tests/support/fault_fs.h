/*
 * fault_fs: a file system over another one, of which chosen calls fail, or which becomes full.
 *
 * The way to use it is to run the code once with a rule that only counts, and then once more for
 * each call, failing that one:
 *
 *      struct px_fault_fs fs;
 *      px_fault_fs_init(&fs, &px_fs_posix);
 *      px_fault_fs_set(&fs, &(struct px_fault_rule){0});           counts, fails nothing
 *      run(&fs.base);
 *      uint64_t calls = px_fault_fs_calls(&fs);
 *      for (uint64_t n = 1; n <= calls; n++) {
 *          px_fault_fs_set(&fs, &(struct px_fault_rule){.fail_at = n});
 *          run(&fs.base);                                          and look at what is left
 *      }
 *      px_fault_fs_release(&fs);
 *
 * A call that fails does nothing, with three exceptions: close and unmap free what they are to free
 * all the same, as the system's do, and write_at writes the first write_first_bytes of its bytes.
 *
 * Full disk: while the space is limited, the bytes by which write_at lengthens a file, and allocate
 * too, take from it. What does not fit is not written: the call writes what fits and fails with
 * ENOSPC. Writing over bytes that are there needs no space. Unlinking, shortening and replacing a
 * file give its space back (also where it has another name), as does px_fault_fs_add_space().
 *
 * Threads: any thread, while rules and space may change.
 */
#ifndef PX_TEST_FAULT_FS_H
#define PX_TEST_FAULT_FS_H

#include "os/fs.h"

#include <pthread.h>

enum {
    PX_FAULT_OPEN = 1 << 0,
    PX_FAULT_CLOSE = 1 << 1,
    PX_FAULT_READ_AT = 1 << 2,
    PX_FAULT_WRITE_AT = 1 << 3,
    PX_FAULT_TRUNCATE = 1 << 4,
    PX_FAULT_ALLOCATE = 1 << 5,
    PX_FAULT_SYNC_DATA = 1 << 6,
    PX_FAULT_SYNC_FOLDER = 1 << 7,
    PX_FAULT_INFO = 1 << 8,
    PX_FAULT_RENAME = 1 << 9,
    PX_FAULT_UNLINK = 1 << 10,
    PX_FAULT_MAKE_FOLDER = 1 << 11,
    PX_FAULT_REMOVE_FOLDER = 1 << 12,
    PX_FAULT_LIST = 1 << 13,
    PX_FAULT_MAP = 1 << 14,
    PX_FAULT_UNMAP = 1 << 15,
    PX_FAULT_LOCK = 1 << 16,
    PX_FAULT_LINK = 1 << 17,

    PX_FAULT_EVERY = (1 << 18) - 1,
    PX_FAULT_CLEANUP = PX_FAULT_CLOSE | PX_FAULT_UNLINK | PX_FAULT_UNMAP,
    PX_FAULT_ALL_BUT_CLEANUP = PX_FAULT_EVERY & ~PX_FAULT_CLEANUP,
};

#define PX_FAULT_FOR_EVER UINT64_MAX

/* Which calls count, and which of those fail. Zeroed: all but clean-up count and none fails. */
struct px_fault_rule {
    unsigned kinds;        /* PX_FAULT_*; 0 means PX_FAULT_ALL_BUT_CLEANUP */
    const char *path_part; /* kept; only calls on paths that contain it, or on a descriptor that was
                            * opened by such a path; NULL for any. unmap has no path. */
    uint64_t fail_at;      /* 1-based number of the call that fails; 0: none */
    uint64_t fail_count;   /* how many fail from there on; 0 means 1 */
    int error;             /* errno; 0 means EIO */
    size_t write_first_bytes;

    /* If given, called in front of the calls that would fail, which then do not; any call may be made
     * from it, also on the files of this file system. */
    void (*interrupt)(void *context);
    void *context; /* kept */
};

struct px_fault_opened;

struct px_fault_fs {
    struct px_fs base;    /* first member: a struct px_fs * given to the code is this object */
    struct px_fs *below;  /* kept */
    pthread_mutex_t lock; /* guards: all that follow */
    struct px_fault_rule rule;
    uint64_t calls;
    uint64_t space_bytes;           /* UINT64_MAX: not limited */
    struct px_fault_opened *opened; /* owned: the paths of open descriptors */
};

void px_fault_fs_init(struct px_fault_fs *fs, struct px_fs *below);
void px_fault_fs_release(struct px_fault_fs *fs);

/* Sets the rule and starts counting anew. */
void px_fault_fs_set(struct px_fault_fs *fs, const struct px_fault_rule *rule);

/* The calls that matched the rule so far, failed ones among them. */
uint64_t px_fault_fs_calls(struct px_fault_fs *fs);

/* Leaves so much space; UINT64_MAX ends the limit. */
void px_fault_fs_set_space(struct px_fault_fs *fs, uint64_t space_bytes);
void px_fault_fs_add_space(struct px_fault_fs *fs, uint64_t more_bytes);
uint64_t px_fault_fs_space(struct px_fault_fs *fs);

#endif /* PX_TEST_FAULT_FS_H */
