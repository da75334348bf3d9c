/*
 * powercut_fs: a disk in memory that forgets, tears and reorders what was not synced, and the
 * machines that run on it until their power fails: the adversary of every test of crash safety.
 *
 *      CALL             WHAT IT MAKES DURABLE
 *      write_at,        nothing: programs see the change at once, but a power cut keeps or drops
 *      truncate,        each of its 512-byte sectors, and the size of the file, by itself. What is
 *      allocate         lost of a grown file reads as zeros.
 *      sync_data        the content and the size of this file, but not its name
 *      open (new file), nothing: a power cut keeps or drops the change of names, in any order, but
 *      link, rename,    never half of a rename: the file has its old name or its new one
 *      unlink,
 *      make_folder,
 *      remove_folder
 *      sync_folder      the changes of names in this folder, but not the folder's own name. A rename
 *                       from folder to folder is durable when both were synced.
 *
 * A test runs the code on a machine, lets it die at a chosen call or at any other moment, cuts the
 * power, boots the next machine on what survived, and looks at what the code makes of it:
 *
 *      for (uint64_t n = 1;; n++) {
 *          struct px_powercut *disk = px_powercut_new();
 *          px_powercut_stop_at_sync(disk, n, PX_POWERCUT_BEFORE);
 *          run_workload(px_powercut_boot(disk));                 its calls fail from sync n on
 *          bool stopped = px_powercut_stopped(disk);
 *          for (uint64_t seed = 0; seed < 100; seed++) {
 *              struct px_powercut *copy = px_powercut_copy(disk);
 *              px_powercut_cut(copy, PX_POWERCUT_ANY, seed);     power loss
 *              check_what_was_acknowledged(px_powercut_boot(copy));
 *              px_powercut_free(copy);
 *          }
 *          px_powercut_free(disk);
 *          if (!stopped)
 *              break;                                            fewer than n syncs: all were tried
 *      }
 *
 * A machine that died answers every call with EIO, for ever, also to threads of the dead program
 * that come late; close and unmap still free what the program held, and maps can be read until then.
 * The next machine is another struct px_fs. Each sees the whole disk; relative paths start at its
 * root, "." is the folder itself and ".." is refused with EINVAL. There are no symbolic links.
 *
 * px_powercut_kill() is the SIGKILL of a process: descriptors and locks go, everything that programs
 * saw stays, and what was not synced is still not synced.
 *
 * map makes a copy, which sees no later writes. To let calls fail without a power cut, put fault_fs
 * on top. A run is repeated exactly from its seed if the code calls from one thread.
 *
 * Threads: any thread; one mutex.
 */
#ifndef PX_TEST_POWERCUT_FS_H
#define PX_TEST_POWERCUT_FS_H

#include "support/powercut_tree.h" /* enum px_powercut_policy is in powercut_file.h */

struct px_powercut;

enum px_powercut_when {
    PX_POWERCUT_BEFORE, /* the call has no effect any more */
    PX_POWERCUT_AFTER,  /* it has, but nobody is told: it fails with EIO, too */
};

/* An empty disk; returned, free with px_powercut_free(), which frees its machines, too. */
struct px_powercut *px_powercut_new(void);
void px_powercut_free(struct px_powercut *disk);

/* Another disk in the same state, what is not synced included, without a machine. */
struct px_powercut *px_powercut_copy(struct px_powercut *disk);

/* Starts a machine; one that still runs is killed. A view into disk, valid until it is freed. */
struct px_fs *px_powercut_boot(struct px_powercut *disk);

/* Ends the machine and keeps all that programs saw. */
void px_powercut_kill(struct px_powercut *disk);

/* Ends the machine and keeps what was synced, and of the rest what policy and seed say. */
void px_powercut_cut(struct px_powercut *disk, enum px_powercut_policy policy, uint64_t seed);

/* Lets the machine die at the nth (1: the next) sync_data or sync_folder, or at the nth call of any
 * kind that changes something: syncs, opening other than PX_FS_READ, and all but read_at, info,
 * list, map, unmap, lock and close. n 0 takes it back. One of the two can be set at a time. */
void px_powercut_stop_at_sync(struct px_powercut *disk, uint64_t n, enum px_powercut_when when);
void px_powercut_stop_at_change(struct px_powercut *disk, uint64_t n, enum px_powercut_when when);

/* Whether the machine died so. */
bool px_powercut_stopped(struct px_powercut *disk);

/* Fails the nth (1: the next) sync_data of a file opened by a path that contains path_part (kept;
 * NULL for any), with EIO. What it was to make durable counts as clean from then on: programs see
 * it, later syncs succeed and do not write it, a power cut loses it. So does Linux. */
void px_powercut_fail_sync(struct px_powercut *disk, const char *path_part, uint64_t n);

/* Whether the sectors that a grown file lost hold garbage, not zeros; they do not at first. */
void px_powercut_set_garbage(struct px_powercut *disk, bool garbage);

struct px_powercut_counts {
    uint64_t syncs;    /* since the machine was booted */
    uint64_t changes;  /* likewise; syncs included */
    size_t open_files; /* descriptors of this machine */
    size_t maps;       /* of all machines */
};
struct px_powercut_counts px_powercut_counts(struct px_powercut *disk);

#endif /* PX_TEST_POWERCUT_FS_H */
