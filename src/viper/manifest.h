/*
 * manifest: the one list of what a collection's store consists of: store/NAME/MANIFEST.json.
 *
 * A file of the store counts if the manifest lists it. It is replaced as a whole, in this order:
 * the new files and their folders are synced, then the manifest and its folder, then logs and old
 * files are removed. So at any moment of a crash the store is that of one manifest, the old or the
 * new.
 *
 *      KEY                 MEANING
 *      format_version      1
 *      collection_id       the collection's uuid
 *      sequence            1 for the first manifest, then one more each time
 *      flushed_lsn         every write up to it is in the files below; the log holds the rest
 *      clock_ms            the collection's clock at flushed_lsn: it never goes back
 *      live_row_count      rows of the parts less the dead ones, at flushed_lsn
 *      next_file_number    of the next part, delete file or centroid file; never used twice
 *      parts               list of files: path, size_bytes, crc32c (of the whole file), row_count,
 *                          min_lsn, max_lsn, cluster (0: not clustered)
 *      deletes             list of files: path, size_bytes, crc32c, row_count, min_lsn, max_lsn
 *      centroids           such a file, or null: one row per cluster
 *      bytes_accepted      since the collection was made: of parts that flushes wrote, that is, of
 *                          all rows stored once,
 *      bytes_flushed       of all files that flushes wrote,
 *      bytes_compacted     and of all that compactions did. Files of older versions lack them: 0
 *      request_ids         base64 of service/request_memory.h's encoding, up to flushed_lsn
 *      crc32c              of the text in front of the comma before this key
 *
 * Paths are relative to store/NAME. Unknown keys of the same format version are left out of
 * account.
 *
 * Threads: externally serialised.
 */
#ifndef PX_VIPER_MANIFEST_H
#define PX_VIPER_MANIFEST_H

#include "base/buffer.h"
#include "base/uuid.h"
#include "os/fs.h"

enum {
    PX_MANIFEST_FORMAT_VERSION = 1,
    PX_MANIFEST_PATH_BYTES = 96, /* of a file's relative path, with the NUL */
};

struct px_manifest_file {
    char path[PX_MANIFEST_PATH_BYTES];
    uint64_t size_bytes;
    uint32_t crc32c;
    uint64_t row_count;
    int64_t min_lsn; /* of the rows' versions, or of the deletes */
    int64_t max_lsn;
    uint32_t cluster;
};

struct px_manifest_files {
    struct px_manifest_file *items; /* owned */
    size_t count;
    size_t capacity;
};

/* Zeroed: the manifest of a new collection, but for its id. */
struct px_manifest {
    struct px_uuid collection_id;
    uint64_t sequence;
    int64_t flushed_lsn;
    uint64_t live_row_count;
    int64_t clock_ms;
    uint32_t next_file_number; /* 0 counts as 1 */
    struct px_manifest_files parts;
    struct px_manifest_files deletes;
    struct px_manifest_file centroids; /* path "": none */
    uint64_t bytes_accepted;
    uint64_t bytes_flushed;
    uint64_t bytes_compacted;
    struct px_buffer request_ids;
};

void px_manifest_release(struct px_manifest *manifest);

/* Adds a copy of `file`. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_manifest_add(struct px_manifest_files *files,
                                  const struct px_manifest_file *file,
                                  struct proximadb_error *reterr);

/* The file of that path, or NULL. */
const struct px_manifest_file *px_manifest_find(const struct px_manifest_files *files,
                                                const char *path);

/* Makes *copy, which must be zeroed, an independent copy. PROXIMADB_NO_MEMORY: *copy is zeroed. */
PX_MUST_CHECK int px_manifest_copy(const struct px_manifest *manifest, struct px_manifest *copy,
                                   struct proximadb_error *reterr);

/* Appends the manifest as JSON; marks the buffer without memory. */
void px_manifest_encode(const struct px_manifest *manifest, struct px_buffer *buffer);

/* Reads what px_manifest_encode() wrote into a zeroed *manifest. PROXIMADB_CORRUPT with what is
 * wrong, PROXIMADB_UNIMPLEMENTED: a newer format; PROXIMADB_NO_MEMORY. *manifest is zeroed then. */
PX_MUST_CHECK int px_manifest_decode(struct px_slice json, struct px_manifest *manifest,
                                     struct proximadb_error *reterr);

/* Writes store_folder/MANIFEST.json, with one more sequence. As px_file_replace(). */
PX_MUST_CHECK int px_manifest_write(struct px_fs *fs, const char *store_folder,
                                    struct px_manifest *manifest, bool *ret_unsure,
                                    struct proximadb_error *reterr);

/* Reads store_folder/MANIFEST.json into a zeroed *manifest. A collection has one from its creation
 * on, so a missing one is an error. As px_manifest_decode() and px_file_read(). */
PX_MUST_CHECK int px_manifest_read(struct px_fs *fs, const char *store_folder,
                                   struct px_manifest *manifest, struct proximadb_error *reterr);

/* Whether store_folder has no MANIFEST.json, as that of a collection which was dropped. */
bool px_manifest_is_missing(struct px_fs *fs, const char *store_folder);

#endif /* PX_VIPER_MANIFEST_H */
