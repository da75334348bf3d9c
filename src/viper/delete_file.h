/*
 * delete_file: which rows of parts are dead, as a Parquet file: deletes/deletes_NNN.parquet.
 *
 * The columns are those of Iceberg's position deletes, so that other engines know what they mean:
 *
 *      COLUMN     PARQUET                        FIELD ID     MEANING
 *      file_path  required BYTE_ARRAY STRING     2147483546   the part, below the store's folder
 *      pos        required INT64                 2147483545   the row in it, from 0
 *      lsn        required INT64                 1            of the write that killed it
 *
 * Rows are sorted by file_path and pos. What a live row is follows from the parts less the rows
 * that any delete file names: one anti-join in SQL (viper/sql.h prints it).
 *
 * Threads: any thread.
 */
#ifndef PX_VIPER_DELETE_FILE_H
#define PX_VIPER_DELETE_FILE_H

#include "os/fs.h"
#include "viper/manifest.h"

/* A dead row. */
struct px_delete {
    const char *path; /* of the part, relative */
    uint32_t row;
    int64_t lsn;
};

/* A new file of dead rows. Everything is borrowed. */
struct px_delete_file {
    const char *store_folder;
    const char *path; /* relative */
    struct px_uuid collection_id;
    struct px_delete *deletes; /* are sorted on the way */
    size_t count;              /* more than 0 */
};

/*
 * Writes the file and puts its content on the device; the name is the caller's to sync. On failure
 * there is no file.
 * PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_NO_MEMORY, PROXIMADB_INVALID
 */
PX_MUST_CHECK int px_delete_file_write(struct px_fs *fs, const struct px_delete_file *what,
                                       struct px_manifest_file *ret_file,
                                       struct proximadb_error *reterr);

/* Receives one delete, whose path is a view for the call and not terminated; a failure ends the
 * walk with it. */
typedef int px_delete_visit(void *context, struct px_slice path, uint64_t row, int64_t lsn,
                            struct proximadb_error *reterr);

/* Reads a delete file that the manifest lists. PROXIMADB_CORRUPT, PROXIMADB_IO,
 * PROXIMADB_NO_MEMORY, or what visit failed with. */
PX_MUST_CHECK int px_delete_file_read(struct px_fs *fs, const char *store_folder,
                                      const struct px_manifest_file *file, px_delete_visit *visit,
                                      void *context, struct proximadb_error *reterr);

#endif /* PX_VIPER_DELETE_FILE_H */
