/*
 * engine_on_disk: the fixture of tests with one engine, `box`, on a disk in memory that can lose
 * power, `disk`, whose calls can be made to fail, `faults`.
 */
#ifndef PX_TEST_ENGINE_ON_DISK_H
#define PX_TEST_ENGINE_ON_DISK_H

#include "os/file.h"
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

/* The files below a folder of a collection's store. */
static inline size_t engine_on_disk_count_files(const char *name, const char *folder)
{
    char path[300];
    struct px_names names;
    size_t count = 0;
    snprintf(path, sizeof path, "data/store/%s/%s", name, folder);
    engine_must(px_folder_list(&faults.base, path, &names, &box.error), &box.error);
    for (size_t i = 0; i < names.count; i++) {
        char below[400];
        snprintf(below, sizeof below, "%s/%s", folder, names.items[i].text);
        count += names.items[i].kind == PX_FS_FOLDER ? engine_on_disk_count_files(name, below) : 1;
    }
    px_names_release(&names);
    return count;
}

/* What the manifest of a collection at rest lists is what there is. */
static inline void engine_on_disk_check_files(const char *name)
{
    struct px_shard *shard = engine_shard(&box, name);
    pthread_mutex_lock(&shard->viper.commit_lock);
    const struct px_manifest *manifest = &shard->viper.manifest;
    assert_int_equal(engine_on_disk_count_files(name, "vectors"),
                     manifest->parts.count + (manifest->centroids.path[0] != '\0'));
    assert_int_equal(engine_on_disk_count_files(name, "deletes"), manifest->deletes.count);
    pthread_mutex_unlock(&shard->viper.commit_lock);
    px_shard_unref(shard);
}

#endif /* PX_TEST_ENGINE_ON_DISK_H */
