/*
 * backup_support: backups and restores of an engine on any px_fs, and what is expected of them.
 */
#ifndef PX_TEST_BACKUP_SUPPORT_H
#define PX_TEST_BACKUP_SUPPORT_H

#include "api/backup_internal.h"
#include "support/fault_fs.h"
#include "support/powercut_engine.h"

#include <errno.h>

/* Refuses the reserve, which would make each copy of a disk in memory 16 MiB larger. */
static inline void backup_without_reserve(struct px_fault_fs *fs, struct px_fs *below)
{
    px_fault_fs_init(fs, below);
    px_fault_fs_set(fs, &(struct px_fault_rule){.kinds = PX_FAULT_ALLOCATE,
                                                .path_part = "reserve",
                                                .fail_at = 1,
                                                .fail_count = PX_FAULT_FOR_EVER,
                                                .error = ENOSPC});
}

struct backup_case {
    const char *const *collections;
    size_t collection_count;
    bool copy;
};

static inline struct px_backup_run backup_run(struct px_fs *fs, const char *data_dir,
                                              const char *backup_dir, const struct backup_case *how)
{
    return (struct px_backup_run){.fs = fs,
                                  .clock = &px_clock_system,
                                  .data_dir = data_dir,
                                  .backup_dir = backup_dir,
                                  .collections = how->collections,
                                  .collection_count = how->collection_count,
                                  .copy = how->copy};
}

static inline int backup_make(struct px_fs *fs, const char *data_dir, const char *backup_dir,
                              const struct backup_case *how, struct proximadb_error *ret_error)
{
    const struct px_backup_run run = backup_run(fs, data_dir, backup_dir, how);
    return px_backup__run(&run, ret_error);
}

static inline int backup_restore(struct px_fs *fs, const char *backup_dir, const char *data_dir,
                                 const struct backup_case *how, struct proximadb_error *ret_error)
{
    const struct px_backup_run run = backup_run(fs, data_dir, backup_dir, how);
    return px_restore__run(&run, ret_error);
}

/* Takes a step, which must succeed, in the engine and in the model. */
static inline void backup_step(struct engine_box *box, struct model *model, const struct step *step,
                               uint32_t value)
{
    struct proximadb_write_result result = {0};
    size_t field_count = model->collections[step->collection].field_count;
    engine_must(step_run(box, step, value, field_count, &result), &box->error);
    model_take(model, step, value);
    if (step->kind == STEP_CREATE) {
        struct model_info info;
        struct model_collection *collection = &model->collections[step->collection];
        engine_must(model_get_info(box, model_names[step->collection], &info), &box->error);
        memcpy(collection->uuid, info.uuid, sizeof info.uuid);
    }
}

/* Two collections: one with parts, clusters, deletes and a log, one with a part and a log. */
static inline void backup_fill(struct engine_box *box, struct model *model)
{
    static const struct step steps[] = {
        {STEP_CREATE, 0, 0, 0},
        {STEP_UPSERT, 0, 0, 40},
        {STEP_FLUSH, 0, 0, 0},
        {STEP_COMPACT, 0, 0, 0},
        {STEP_UPSERT, 0, 30, 20},
        {STEP_DELETE, 0, 3, 5},
        {STEP_FLUSH, 0, 0, 0},
        {STEP_ALTER, 0, 0, 0},
        {STEP_UPSERT, 0, 60, 4},
        {STEP_DELETE_GROUP, 0, 1, 0},
        {STEP_UPDATE_METADATA, 0, 60, 1},
        {STEP_CREATE, 1, 0, 0},
        {STEP_INSERT, 1, 0, 10},
        {STEP_FLUSH, 1, 0, 0},
        {STEP_DELETE, 1, 2, 2},
    };
    for (uint32_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        backup_step(box, model, &steps[i], i + 1);
}

/* Fails the test unless the data folder, opened as a database, holds what the model says. */
static inline void backup_expect(struct px_fs *fs, const char *data_dir, struct model *model)
{
    struct engine_box box;
    struct model_reason reason;
    engine_init(&box, fs, data_dir);
    engine_open(&box);
    bool agrees = model_agrees(&box, model, &reason);
    engine_close(&box);
    if (!agrees)
        fail_msg("'%s': %s", data_dir, reason.text);
}

#endif /* PX_TEST_BACKUP_SUPPORT_H */
