/*
 * part_writer: writes one part: a Parquet file of rows in the order they are added.
 *
 *      px_part_writer_open(...); for each row: px_part_writer_add(); px_part_writer_finish()
 *
 * Failures stick, as in parquet/parquet_writer.h: finish reports the first. A file that was not
 * finished is removed.
 *
 * Threads: externally serialised. Memory: the columns but for the vectors, encoded, up to 64 MiB;
 * then a row group is ended.
 */
#ifndef PX_VIPER_PART_WRITER_H
#define PX_VIPER_PART_WRITER_H

#include "model/collection.h"
#include "model/record.h"
#include "os/fs.h"
#include "viper/manifest.h"

struct px_part_writer;

struct px_part_target {
    struct px_fs *fs;         /* kept until finish */
    const char *store_folder; /* borrowed */
    const char *path;         /* borrowed; relative to store_folder, its folder exists */
    uint32_t cluster;         /* 0: not clustered */
};

/* collection is kept until finish. ret_writer: ended by px_part_writer_finish() or _abort().
 * PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_NO_MEMORY, PROXIMADB_INVALID
 * (path too long) */
PX_MUST_CHECK int px_part_writer_open(const struct px_part_target *target,
                                      const struct px_collection *collection,
                                      struct px_part_writer **ret_writer,
                                      struct proximadb_error *reterr);

/* Adds a row, whose record is whole and borrowed. */
void px_part_writer_add(struct px_part_writer *writer, const struct px_record *record);

/* Rows that are added from here on are of that list (viper/part_lists.h). Once called, each row is
 * of some list. */
void px_part_writer_begin_list(struct px_part_writer *writer, uint32_t list_id);

/* Rows so far. */
uint32_t px_part_writer_row_count(const struct px_part_writer *writer);

/* Ends the file, puts its content on the device (its name is the caller's to sync), and frees the
 * writer, whatever the outcome. On failure there is no file. Errors as open. */
PX_MUST_CHECK int px_part_writer_finish(struct px_part_writer *writer,
                                        struct px_manifest_file *ret_file,
                                        struct proximadb_error *reterr);

/* Removes the file and frees the writer. Accepts NULL. */
void px_part_writer_abort(struct px_part_writer *writer);

#endif /* PX_VIPER_PART_WRITER_H */
