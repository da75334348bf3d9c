/*
 * parquet_writer: writes a Parquet file from rows that come one after the other.
 *
 * A caller appends to every column, row by row or column by column; a row group ends when it says
 * so (then all columns must have the same number of rows) or when the file is finished. Nothing of
 * an append can be taken back. As with px_buffer, the first failure sticks: appends after it do
 * nothing, and px_parquet_writer_end_row_group() and px_parquet_writer_finish() report it, so a
 * loop over rows needs no checks.
 *
 *      px_parquet_writer_open(fs, fd, columns, COUNT, &writer, reterr)
 *      for each row:
 *          px_parquet_append_bytes(writer, ID, id);
 *          px_parquet_append_vectors(writer, VECTOR, vector, 1);
 *          px_parquet_append_null(writer, DOCUMENT); ...
 *      px_parquet_writer_finish(writer, key_values, count, &written, reterr)
 *      px_parquet_writer_free(writer)
 *
 * A plain or split vector column goes to the file as it comes; the others are held in memory,
 * encoded and compressed, until the row group ends, and so is one with a dictionary, two bytes a
 * value. px_parquet_writer_held_bytes() says how much that is, for a caller that wants to end row
 * groups by it.
 *
 * The file is written from front to back through struct px_fs, and never synced or closed here.
 * After an error what is in it is of no use; the caller unlinks it.
 *
 * What the bytes are is told in docs/format/parquet.md.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PARQUET_PARQUET_WRITER_H
#define PX_PARQUET_PARQUET_WRITER_H

#include "os/fs.h"
#include "parquet/parquet_layout.h"

struct px_parquet_writer;

/* Begins a file in `fd`, which must be empty and writable. columns (kept, with their names) must
 * pass px_parquet_schema_validate(). *ret_writer: returned, free with px_parquet_writer_free().
 * PROXIMADB_INVALID (the columns), PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (the disk is full),
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_parquet_writer_open(struct px_fs *fs, int fd,
                                         const struct px_parquet_column *columns,
                                         size_t column_count, struct px_parquet_writer **ret_writer,
                                         struct proximadb_error *reterr);

/* Frees the writer, finished or not; NULL is fine. */
void px_parquet_writer_free(struct px_parquet_writer *writer);

/* One value for the next row of a column, which must be of that type and REQUIRED or OPTIONAL.
 * Bytes are borrowed; of a STRING or JSON column they must be UTF-8. */
void px_parquet_append_bool(struct px_parquet_writer *writer, size_t column, bool value);
void px_parquet_append_i32(struct px_parquet_writer *writer, size_t column, int32_t value);
void px_parquet_append_i64(struct px_parquet_writer *writer, size_t column, int64_t value);
void px_parquet_append_float(struct px_parquet_writer *writer, size_t column, float value);
void px_parquet_append_double(struct px_parquet_writer *writer, size_t column, double value);
void px_parquet_append_bytes(struct px_parquet_writer *writer, size_t column,
                             struct px_slice value);

/* A null, for OPTIONAL and STRINGS. */
void px_parquet_append_null(struct px_parquet_writer *writer, size_t column);

/* A list, which may be empty, for STRINGS. Borrowed. */
void px_parquet_append_strings(struct px_parquet_writer *writer, size_t column,
                               const struct px_slice *strings, size_t count);

/* row_count rows of a VECTOR: row_count * dim_count little-endian floats, of any alignment.
 * Borrowed. */
void px_parquet_append_vectors(struct px_parquet_writer *writer, size_t column, const void *vectors,
                               size_t row_count);

/* Bytes that are held in memory and grow with the rows of the present row group. */
size_t px_parquet_writer_held_bytes(const struct px_parquet_writer *writer);

/* PROXIMADB_OK, or the failure that sticks. */
PX_MUST_CHECK int px_parquet_writer_status(const struct px_parquet_writer *writer,
                                           struct proximadb_error *reterr);

/* Ends a row group; without rows in it nothing happens. PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED
 * (the disk is full, a row group of over 1 GiB in one column, or over 32,767 row groups),
 * PROXIMADB_INVALID (a value too large), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_parquet_writer_end_row_group(struct px_parquet_writer *writer,
                                                  struct proximadb_error *reterr);

/* What was written. */
struct px_parquet_written {
    uint64_t size_bytes;
    uint64_t row_count;
    uint32_t crc32c; /* of the whole file */
};

/* Ends the file. key_values (borrowed) are added to the footer, behind the "ARROW:schema" that is
 * always there. Nothing can be appended after it. Fails as px_parquet_writer_end_row_group(). */
PX_MUST_CHECK int px_parquet_writer_finish(struct px_parquet_writer *writer,
                                           const struct px_parquet_key_value *key_values,
                                           size_t key_value_count,
                                           struct px_parquet_written *ret_written,
                                           struct proximadb_error *reterr);

#endif /* PX_PARQUET_PARQUET_WRITER_H */
