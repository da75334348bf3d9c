/*
 * engine_on_disk: the fixture of tests with one engine, `box`, on a disk in memory that can lose
 * power, `disk`, whose calls can be made to fail, `faults`.
 */
#ifndef PX_TEST_ENGINE_ON_DISK_H
#define PX_TEST_ENGINE_ON_DISK_H

#include "support/engine_support.h"
#include "support/fault_fs.h"
#include "support/powercut_fs.h"

static struct engine_box box;
static struct px_powercut *disk;
static struct px_fault_fs faults;

static inline void engine_on_disk_start(void)
{
    disk = px_powercut_new();
    px_fault_fs_init(&faults, px_powercut_boot(disk));
    engine_init(&box, &faults.base, "data");
    engine_open(&box);
}

/* A tear-down of cmocka. */
static inline int engine_on_disk_end(void **state)
{
    (void)state;
    engine_close(&box);
    px_fault_fs_release(&faults);
    px_powercut_free(disk);
    return 0;
}

/* Cuts the power under the engine, and opens what is left. */
static inline void engine_on_disk_lose_power(enum px_powercut_policy policy, uint64_t seed)
{
    px_powercut_cut(disk, policy, seed);
    engine_close(&box);
    px_fault_fs_release(&faults);
    px_fault_fs_init(&faults, px_powercut_boot(disk));
    engine_open(&box);
}

#endif /* PX_TEST_ENGINE_ON_DISK_H */
