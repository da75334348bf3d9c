/*
 * powercut_file: the content of one file of a powercut_fs: what programs see, what the device holds,
 * and every change in between that no sync has made durable.
 *
 * A change is kept as the whole sectors that it left behind, as the page cache holds them, so a
 * sector that comes back after a power cut is some version that once existed, never a mixture.
 *
 *      write      its sectors, and the file's size behind it
 *      truncate   the sector that the new end is in; all behind it is zero
 *      allocate   no sectors, only the size
 *
 * Threads: externally serialised. Memory: each file twice, and once more what was written since its
 * last sync. Without memory the test ends.
 */
#ifndef PX_TEST_POWERCUT_FILE_H
#define PX_TEST_POWERCUT_FILE_H

#include "base/buffer.h"
#include "support/px_test.h"

enum { PX_POWERCUT_SECTOR_BYTES = 512 };

/* What a power cut leaves of that which was not synced. */
enum px_powercut_policy {
    PX_POWERCUT_DROP_ALL, /* nothing */
    PX_POWERCUT_KEEP_ALL, /* everything */
    PX_POWERCUT_IN_ORDER, /* what was done first; the last of it torn */
    PX_POWERCUT_RANDOM,   /* each sector, size and name by a coin of its own */
    PX_POWERCUT_ANY,      /* one of the above, by the seed */
};

/* What one power cut does; the random generator is that of the cut. */
struct px_powercut_fate {
    enum px_powercut_policy policy; /* not PX_POWERCUT_ANY */
    bool garbage;                   /* lost sectors behind the old end hold garbage, not zeros */
    uint64_t first_lost;            /* PX_POWERCUT_IN_ORDER: the first change that is not whole */
    struct px_test_random random;
};

struct px_powercut_change;

struct px_powercut_file {
    struct px_buffer cached;            /* what read_at and map see */
    struct px_buffer durable;           /* what is on the device for certain */
    struct px_powercut_change *changes; /* owned; oldest first */
    struct px_powercut_change **end;    /* where the next one is linked in; so it never moves */
};

void px_powercut_file_init(struct px_powercut_file *file);
void px_powercut_file_release(struct px_powercut_file *file);
void px_powercut_file_copy(struct px_powercut_file *ret_file, const struct px_powercut_file *file);

/* `sequence` numbers the changes of all files and folders in the order in which they were made. */
void px_powercut_file_write(struct px_powercut_file *file, uint64_t sequence, uint64_t offset,
                            const struct px_slice *pieces, size_t count);
void px_powercut_file_resize(struct px_powercut_file *file, uint64_t sequence, uint64_t size_bytes);

/* Makes what programs see durable. */
void px_powercut_file_sync(struct px_powercut_file *file);

/* Counts the changes as durable though they are not, as Linux does when a sync has failed. */
void px_powercut_file_lose(struct px_powercut_file *file);

/* Puts what survives into both the durable and the cached content. */
void px_powercut_file_cut(struct px_powercut_file *file, struct px_powercut_fate *fate);

/* The sequences of the oldest and the newest change; false, both untouched, if there is none. */
bool px_powercut_file_pending(const struct px_powercut_file *file, uint64_t *ret_oldest,
                              uint64_t *ret_newest);

#endif /* PX_TEST_POWERCUT_FILE_H */
