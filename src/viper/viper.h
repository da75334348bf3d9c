/*
 * viper: the store of a collection: Parquet parts, delete files, and the manifest that lists them.
 *
 *      store/NAME/
 *        MANIFEST.json
 *        vectors/cluster_000/part_001.parquet   flushed, not yet clustered
 *        vectors/cluster_001/part_007.parquet   clustered by compaction
 *        vectors/centroids_006.parquet          one row per cluster
 *        deletes/deletes_002.parquet            rows of parts that are dead
 *        indexes/hnsw/, indexes/ivf/            AXIS's own, derived
 *
 * Everything that changes the store does so in one order: new files are written and synced, then
 * the folders that hold their names, then the manifest is replaced; only behind that may a log or
 * an old part be removed. If the replacement fails in a way that leaves open which manifest a crash
 * would find, nothing is removed: both are right.
 *
 * Flush and compaction may run at once; each commits under commit_lock. What they read of rows that
 * die meanwhile, and how the shard's readers move over to the new parts, is the shard's business
 * (service/shard.h).
 *
 * Threads: any thread, but for open and close.
 */
#ifndef PX_VIPER_VIPER_H
#define PX_VIPER_VIPER_H

#include "base/log.h"
#include "os/path.h"
#include "viper/delete_file.h"
#include "viper/memtable.h"
#include "viper/part.h"

#include <pthread.h>

/* Where a row that was stored anew is now. */
struct px_moved {
    uint32_t target; /* which of the new parts, or PX_NOT_MOVED */
    uint32_t row;
};

enum { PX_NOT_MOVED = UINT32_MAX }; /* the row was dead and is gone */

struct px_viper_numbers {
    uint64_t part_count;
    uint64_t disk_bytes;
    int64_t flushed_lsn;
    uint64_t live_row_count; /* at flushed_lsn */
    uint64_t bytes_accepted; /* written since the collection was made: viper/manifest.h */
    uint64_t bytes_flushed;
    uint64_t bytes_compacted;
};

struct px_viper {
    struct px_fs *fs;         /* kept */
    const struct px_log *log; /* kept */
    struct px_path folder;
    struct px_uuid collection_id;
    struct px_removal_gate *gate; /* of replaced parts; a drop closes it */

    pthread_mutex_t numbers_lock; /* guards: numbers, of the present manifest; a leaf */
    struct px_viper_numbers numbers;

    pthread_mutex_t commit_lock; /* guards: all below, and the order of commits */
    struct px_manifest manifest;
    bool is_unsure;                        /* a crash may find another manifest, too */
    struct px_manifest_files unsure_files; /* which only that one lists */
};

/* Makes the folders and the first manifest of a new collection and puts them on the device.
 * PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_NO_MEMORY, PROXIMADB_INVALID
 * (path too long) */
PX_MUST_CHECK int px_viper_create(struct px_fs *fs, const char *folder,
                                  struct px_uuid collection_id, struct proximadb_error *reterr);

/* The parts of a store, with their dead rows marked. */
struct px_viper_parts {
    struct px_part **items; /* owned, the array and the parts */
    size_t count;
};

/*
 * Reads the manifest and makes sure of its name on the device, since its writer may have died
 * before that; opens its parts, marks their dead rows, and removes files of ours that it does not
 * list; files that are not ours are left alone and logged.
 *
 * ret_parts: the parts are the caller's to close. PROXIMADB_CORRUPT: manifest, part or delete file
 * missing or damaged; nothing is removed then. PROXIMADB_IO, PROXIMADB_NO_MEMORY,
 * PROXIMADB_UNIMPLEMENTED
 */
PX_MUST_CHECK int px_viper_open(struct px_viper *viper, struct px_fs *fs, const struct px_log *log,
                                const char *folder, const struct px_collection *collection,
                                struct px_viper_parts *ret_parts, struct proximadb_error *reterr);
void px_viper_close(struct px_viper *viper);

/*
 * Makes sure again which manifest a crash finds, if the last replacement left it open: the present
 * one is written anew, and files that only the other lists are removed. To be called before new
 * files are written: else each try on a failing device would leave some. As px_file_replace().
 */
PX_MUST_CHECK int px_viper_settle(struct px_viper *viper, struct proximadb_error *reterr);

/* What a flush stores. Everything is borrowed. */
struct px_viper_flush {
    const struct px_collection *collection;
    const struct px_memtable *memtable; /* frozen */
    uint64_t live_row_count;            /* of the collection, at the memtable's last LSN */
    int64_t clock_ms;                   /* likewise: its clock */
    struct px_slice request_ids;        /* service/request_memory.h's encoding */

    /* Gives the rows of parts that the memtable's writes killed: an array to be freed with free().
     * Called under commit_lock, so that no compaction moves the rows until it is stored. */
    int (*deletes)(void *context, struct px_delete **ret_deletes, size_t *ret_count,
                   struct proximadb_error *reterr);
    void *context;
};

/*
 * Writes the rows of the memtable that are live at its last LSN to a new part, the deletes to a new
 * delete file, and both into the manifest, whose flushed_lsn is then the memtable's last LSN.
 *
 *   ret_part   the new part, open; NULL where no row was live
 *   ret_moved  one entry for each row of the memtable, whose target is 0, the part; free with
 *              free(). A row that was killed behind the last LSN went over, too.
 *
 * PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_IO, PROXIMADB_NO_MEMORY, PROXIMADB_CORRUPT:
 * the store is as it was, or will be found so or as intended after a crash; the call may be
 * repeated.
 */
PX_MUST_CHECK int px_viper_store_vectors(struct px_viper *viper, const struct px_viper_flush *flush,
                                         struct px_part **ret_part, struct px_moved **ret_moved,
                                         struct proximadb_error *reterr);

/* What a compaction replaces. Everything is borrowed. */
struct px_viper_replacement {
    struct px_part *const *old_parts;
    size_t old_part_count;
    const struct px_manifest_file *new_parts; /* written and synced, with their folders */
    size_t new_part_count;
    const struct px_manifest_file *centroids; /* likewise; NULL: none */
    const struct px_delete *deletes;          /* of new parts, up to flushed_lsn */
    size_t delete_count;
};

/* Puts new parts into the manifest in place of old ones; the caller holds commit_lock. Delete files
 * whose parts are all gone leave the manifest, and many become one. Errors as
 * px_viper_store_vectors(); *ret_unsure: a crash may find the new parts in place all the same, so
 * they must not be removed. */
PX_MUST_CHECK int px_viper_replace_parts(struct px_viper *viper,
                                         const struct px_viper_replacement *replacement,
                                         bool *ret_unsure, struct proximadb_error *reterr);

/* The number for a new file, each given out once; the caller need not hold commit_lock. */
uint32_t px_viper_take_file_number(struct px_viper *viper);

/* Makes the folder of a cluster, on the device, and formats the path of a part in it, relative. */
PX_MUST_CHECK int px_viper_part_path(struct px_viper *viper, uint32_t cluster,
                                     char path[PX_MANIFEST_PATH_BYTES],
                                     struct proximadb_error *reterr);

/* Puts the name of a new file, whose path is relative, on the device. */
PX_MUST_CHECK int px_viper_sync_name(struct px_viper *viper, const char *path,
                                     struct proximadb_error *reterr);

/* Removes a file that no manifest lists; an empty path is fine. Failures are left to the next
 * opening. */
void px_viper_remove_file(struct px_viper *viper, const char *path);

/* Whether a name is one that a flush or a compaction gives: KIND_NUMBER.parquet. */
bool px_viper_is_file_name(const char *name);

/* Whether a whole Parquet file does not say that it belongs to the collection: opening leaves it
 * alone. What a crash left of a file of ours is not whole. */
bool px_viper_is_foreign(struct px_fs *fs, const char *path, struct px_uuid collection_id);

/* Waits for no device. */
void px_viper_get_numbers(struct px_viper *viper, struct px_viper_numbers *ret_numbers);

#endif /* PX_VIPER_VIPER_H */
